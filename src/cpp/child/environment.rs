//! What children see, and what confines them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The variables that a child sees, and no others; and what it may do.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where programs are looked up (`PATH`).
    pub path: OsString,
    /// Folder for `HOME` and `TMPDIR`; it must exist.
    pub home: PathBuf,
    /// Further variables.
    pub extra: Vec<(&'static str, String)>,
    /// Folders outside of the trees in which the compiler's own files may lie; any if absent.
    pub compilers: Option<Arc<[PathBuf]>>,
    /// What confines children; nothing if absent.
    pub confinement: Option<Arc<Confinement>>,
}

/// What confines a child and all that it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// Words before those of the child: a program that gives up its rights and becomes the program named behind them.
    pub words: Vec<OsString>,
    /// The most processes that live at a time.
    pub processes: usize,
    /// The most bytes of memory of their own that they hold together.
    pub memory: u64,
}

impl Environment {
    /// An environment with that `PATH` and home and nothing else but `LC_ALL=C`.
    #[must_use]
    pub fn new(path: impl Into<OsString>, home: impl Into<PathBuf>) -> Self {
        Environment {
            path: path.into(),
            home: home.into(),
            extra: Vec::new(),
            compilers: None,
            confinement: None,
        }
    }

    /// Whether files of the compiler may lie in that folder, which has no symbolic links.
    #[must_use]
    pub fn may_hold_compiler(&self, folder: &Path) -> bool {
        (self.compilers.as_deref())
            .is_none_or(|folders| folders.iter().any(|known| folder.starts_with(known)))
    }

    pub(super) fn apply(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", &self.home)
            .env("TMPDIR", &self.home)
            .env("LC_ALL", "C");
        for (name, value) in &self.extra {
            command.env(name, value);
        }
    }

    /// Whether a program exists: as a path relative to `cwd`, or by its name in `PATH`.
    pub(super) fn has_program(&self, program: &OsStr, cwd: &Path) -> bool {
        if program.as_encoded_bytes().contains(&b'/') {
            return cwd.join(program).is_file();
        }
        std::env::split_paths(&self.path).any(|folder| cwd.join(folder).join(program).is_file())
    }
}
