//! What a child may do, and the words by which it is handed over.

use std::ffi::OsString;
use std::path::PathBuf;

/// The name of the command that [`restrict`](super::restrict)s itself and becomes another program.
pub(super) const COMMAND: &str = "sandboxed";

/// What a child may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether Landlock holds the file system.
    pub landlock: bool,
    /// Whether system calls are filtered.
    pub filter: bool,
    /// Whether the child may make links and pipes with names, as make does.
    pub links: bool,
    /// Files and folders that it may read and execute.
    pub reads: Vec<PathBuf>,
    /// Folders in which it may do anything but make devices.
    pub writes: Vec<PathBuf>,
    /// The most processes.
    pub processes: usize,
}

impl Policy {
    /// The words that hand the policy to this program; those of the child come behind.
    #[must_use]
    pub fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![COMMAND.into()];
        for (flag, is_set) in [
            ("--landlock", self.landlock),
            ("--filter", self.filter),
            ("--links", self.links),
        ] {
            if is_set {
                words.push(flag.into());
            }
        }
        words.push("--processes".into());
        words.push(self.processes.to_string().into());
        for (flag, paths) in [("--write", &self.writes), ("--read", &self.reads)] {
            for path in paths {
                words.push(flag.into());
                words.push(path.into());
            }
        }
        words.push("--".into());
        words
    }
}
