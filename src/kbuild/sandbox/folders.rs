//! Which folders of the machine a build reads: those of the system, and of compilers that were named.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::kbuild::MakeOptions;

/// Programs, libraries and headers of the system, and the few files in `/etc` that they want. Other files there, and those
/// in home folders, `/var`, `/run`, `/tmp`, `/sys` and `/proc`, are none of a build's business.
pub(crate) const SYSTEM: [&str; 25] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/clang",
    "/etc/crypto-policies",
    "/etc/env.d",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/magic",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/perl",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
];

/// Devices that a build reads and writes.
pub(super) const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// Folders beside `bin` in which a compiler keeps its parts.
const PARTS: [&str; 6] = ["lib", "lib32", "lib64", "libexec", "include", "sysroot"];

/// The folders that a build may read beside its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Folders {
    system: Vec<PathBuf>,
    named: Vec<PathBuf>,
}

impl Folders {
    /// The folders of the system that exist, those of the compilers that the options name, and `reads`.
    pub(super) fn find(options: &MakeOptions, reads: &[PathBuf]) -> Folders {
        let system = SYSTEM.iter().map(PathBuf::from);
        let mut folders = Folders {
            system: system.filter(|path| path.exists()).collect(),
            named: reads.to_vec(),
        };
        for program in programs(options) {
            folders.add_program(&program, &options.path);
        }
        folders
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        let all = self.system.iter().chain(&self.named);
        all.map(PathBuf::as_path)
    }

    /// All of them without symbolic links.
    pub(crate) fn real(&self) -> Vec<PathBuf> {
        let mut real: Vec<PathBuf> = self.all().filter_map(|p| p.canonicalize().ok()).collect();
        real.sort();
        real.dedup();
        real
    }

    /// What is left of a `PATH`: a shell that finds a program in a folder it cannot use would not look further.
    pub(crate) fn path(&self, path: &OsStr) -> OsString {
        let kept = std::env::split_paths(path).filter(|folder| {
            let real = folder.canonicalize();
            real.is_ok_and(|real| folder.is_absolute() && self.holds(&real))
        });
        std::env::join_paths(kept).unwrap_or_else(|_| "/usr/bin:/bin".into())
    }

    fn holds(&self, real: &Path) -> bool {
        self.real().iter().any(|folder| real.starts_with(folder))
    }

    /// Lets a compiler be run that lies elsewhere, with what lies beside it: `bin/NAME`, the folders of its parts, and the one
    /// that has the name of its target. Not all that lies there: the folder above `bin` may be somebody's home.
    fn add_program(&mut self, program: &str, path: &OsStr) {
        let Some(found) = find_program(program, path) else {
            return;
        };
        let Ok(real) = found.canonicalize() else {
            return;
        };
        for program in [found, real] {
            let Some(bin) = program.parent().and_then(|bin| bin.canonicalize().ok()) else {
                continue;
            };
            if self.holds(&bin) {
                continue;
            }
            let is_bin = bin.file_name().is_some_and(|name| name == "bin");
            let top = bin.parent().filter(|_| is_bin);
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            let target = name.rsplit_once('-').map(|(target, _)| target.to_owned());
            let parts = PARTS.iter().map(|part| (*part).to_owned()).chain(target);
            let parts = parts.filter_map(|part| Some(top?.join(part)));
            self.named.extend(parts.filter(|part| part.is_dir()));
            self.named.push(bin);
        }
    }
}

/// The programs that the options name.
fn programs(options: &MakeOptions) -> Vec<String> {
    let mut programs = Vec::new();
    if let Some(cc) = &options.cc {
        let words = shlex::split(cc).unwrap_or_default();
        programs.extend(words.into_iter().filter(|word| !word.contains('=')));
    }
    if let Some(prefix) = &options.cross_compile {
        programs.extend(["gcc", "ld"].map(|tool| format!("{prefix}{tool}")));
    }
    match options.llvm.as_deref() {
        Some(folder) if folder.ends_with('/') => programs.push(format!("{folder}clang")),
        Some(suffix) if suffix.starts_with('-') => programs.push(format!("clang{suffix}")),
        Some(_) => programs.push("clang".to_owned()),
        None => {}
    }
    programs
}

fn find_program(program: &str, path: &OsStr) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(program.into()).filter(|path: &PathBuf| path.is_absolute() && path.is_file());
    }
    let mut folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.find_map(|folder| Some(folder.join(program)).filter(|path| path.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A compiler in somebody's home folder is found with its parts, and nothing else of that folder.
    #[test]
    fn a_compiler_at_home() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        for folder in ["bin", "lib", ".ssh", "riscv64-linux", "elsewhere"] {
            fs::create_dir(home.join(folder)).unwrap();
        }
        fs::write(home.join("bin/riscv64-linux-gcc"), "").unwrap();
        let mut options = MakeOptions::new(format!("/usr/bin:{}", home.join("bin").display()));
        let before = Folders::find(&options, &[]);
        assert_eq!(before.path(&options.path), "/usr/bin");
        options.cross_compile = Some("riscv64-linux-".to_owned());
        let folders = Folders::find(&options, &[]);
        let mut named: Vec<&Path> = folders.named.iter().map(PathBuf::as_path).collect();
        named.sort();
        named.dedup();
        let expected = ["bin", "lib", "riscv64-linux"].map(|name| home.join(name));
        assert_eq!(named, expected.each_ref().map(PathBuf::as_path));
        assert_eq!(folders.path(&options.path), options.path);
        let read = Folders::find(&MakeOptions::new("/usr/bin"), &[home.join("elsewhere")]);
        assert!(read.holds(&home.join("elsewhere/x")) && !read.holds(&home.join(".ssh")));
    }

    /// A program that the system has needs nothing beside the system's folders.
    #[test]
    fn a_compiler_of_the_system() {
        let mut options = MakeOptions::new("/usr/bin:/bin:relative");
        options.cc = Some("CCACHE_DISABLE=1 sh".to_owned());
        let folders = Folders::find(&options, &[]);
        assert!(folders.named.is_empty(), "{:?}", folders.named);
        assert_eq!(folders.path(&options.path), "/usr/bin:/bin");
    }
}
