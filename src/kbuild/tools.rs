//! Which programs a build would run.
//!
//! What is kept of an object tree holds only while the same programs would make it. They are told apart as the file system
//! does: by the file behind the name, its size and its time.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::MakeOptions;

/// Programs that a kernel's build looks up by name, beside compilers and binutils.
const PROGRAMS: [&str; 18] = [
    "make",
    "sh",
    "bash",
    "awk",
    "gawk",
    "mawk",
    "sed",
    "perl",
    "python3",
    "flex",
    "bison",
    "bc",
    "openssl",
    "pkg-config",
    "pahole",
    "rustc",
    "bindgen",
    "g++",
];
/// Programs of a toolchain, to which `CROSS_COMPILE` is a prefix.
const BINUTILS: [&str; 8] = ["gcc", "ld", "as", "ar", "nm", "objcopy", "objdump", "strip"];
/// Programs of LLVM, to which `LLVM` is a prefix or suffix.
const LLVM: [&str; 5] = ["clang", "ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy"];

impl MakeOptions {
    /// One line for each program that is there: its name, the file behind it, its size and time.
    #[must_use]
    pub fn programs(&self) -> Vec<String> {
        let own =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        let mut names = own(&PROGRAMS);
        names.extend(own(&BINUTILS));
        if let Some(prefix) = &self.cross_compile {
            names.extend(BINUTILS.iter().map(|name| format!("{prefix}{name}")));
        }
        if let Some(cc) = &self.cc {
            names.extend(cc.split_whitespace().map(str::to_owned));
        }
        if let Some(llvm) = &self.llvm {
            names.extend(LLVM.iter().map(|name| match llvm.as_str() {
                "1" => (*name).to_owned(),
                folder if folder.ends_with('/') => format!("{folder}{name}"),
                suffix => format!("{name}{suffix}"),
            }));
        }
        names.sort_unstable();
        names.dedup();
        names.iter().filter_map(|name| self.program(name)).collect()
    }

    fn program(&self, name: &str) -> Option<String> {
        let candidates: Vec<PathBuf> = if name.contains('/') {
            vec![PathBuf::from(name)]
        } else {
            std::env::split_paths(&self.path)
                .map(|folder| folder.join(name))
                .collect()
        };
        let file = candidates.into_iter().find(|path| path.is_file())?;
        let file = fs::canonicalize(file).ok()?;
        let found = fs::metadata(&file).ok()?;
        Some(format!(
            "{name} {} {} {} {} {}",
            file.display(),
            found.len(),
            found.mtime(),
            found.mtime_nsec(),
            found.ino()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that is replaced is another one, also behind a link; one that is not there has no line.
    #[test]
    fn programs_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let options = MakeOptions::new(folder.path());
        assert!(options.programs().is_empty());
        fs::write(folder.path().join("make-4"), "one").unwrap();
        std::os::unix::fs::symlink("make-4", folder.path().join("make")).unwrap();
        let first = options.programs();
        assert_eq!(first.len(), 1);
        assert!(
            first[0].starts_with("make ") && first[0].contains("make-4"),
            "{first:?}"
        );
        fs::write(folder.path().join("make-4"), "other").unwrap();
        assert_ne!(options.programs(), first);
    }
}
