//! Huge pages for the tables of two kernels.
//!
//! A comparison fills some tens of megabytes once, and a fault for each 4 KiB of them is a good part of its time. The GNU C
//! Library's allocator asks the kernel for larger pages only where an environment variable said so before the program
//! started ("Memory Allocation Tunables" in its manual). So the program starts itself anew, once, as the same process.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What the C library reads its tunables from.
const VARIABLE: &str = "GLIBC_TUNABLES";

/// Room is asked for by 32 MiB, so that whole huge pages lie in it. A value for that keeps the allocator from raising its
/// thresholds with the sizes it meets, so they stand where it would raise them to at most.
const TUNABLES: &str = "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=33554432:\
                        glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864";

/// Whether the kernel has huge pages for who asks.
const ENABLED: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Starts the program anew with huge pages, where they can be had and the user said nothing about the allocator. Returns
/// where not. No thread may run yet, and nothing may be held that must be given back.
pub(super) fn with_huge_pages() {
    let has_tunables = cfg!(target_env = "gnu") && std::env::var_os(VARIABLE).is_none();
    if !has_tunables || !fs::read_to_string(ENABLED).is_ok_and(|text| gives(&text)) {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let mut again = Command::new(&program);
    again
        .arg0(name.as_deref().unwrap_or_else(|| OsStr::new("kabigate")))
        .args(arguments)
        .env(VARIABLE, TUNABLES);
    // Only returns if it failed. Small pages do as well.
    let _ = again.exec();
}

/// Reads the choice of the kernel, such as `always [madvise] never`.
fn gives(enabled: &str) -> bool {
    enabled.contains("[madvise]") || enabled.contains("[always]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_of_the_kernel_decides() {
        assert!(gives("always [madvise] never\n"));
        assert!(gives("[always] madvise never\n"));
        assert!(!gives("always madvise [never]\n"));
        assert!(!gives(""));
    }
}
