//! Huge pages for the tables of a kernel.
//!
//! What a run holds is tens of megabytes that are filled once and given back at the end, and a fault for each 4 KiB of them
//! costs as much as what is put there. The C library's allocator asks for larger pages only where its tunables said so
//! before the program started (`malloc/arena.c`, "Memory Allocation Tunables" of the GNU C Library's manual), and nothing
//! else reads them. So the program starts itself anew, once, as the same process.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What the C library reads its tunables from.
const VARIABLE: &str = "GLIBC_TUNABLES";

/// Room is asked for by 32 MiB, so that whole huge pages lie in it. The thresholds are those that the allocator comes to by
/// itself otherwise: a value for the room keeps it from that.
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
