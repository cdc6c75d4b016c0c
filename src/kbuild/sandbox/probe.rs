//! What this machine offers, found out by doing it: kernels, containers and security modules refuse each of the mechanisms
//! in their own ways.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::folders::SYSTEM;
use super::policy::COMMAND;
use super::{Policy, bubblewrap, restrict};
use crate::cpp::child::{self, Child, Environment};

/// Time for an attempt.
const TIME: Duration = Duration::from_secs(20);
/// Bytes of an answer.
const ANSWER_LIMIT: u64 = 4096;
/// What each process may read by the file system's own rights, and none by a sandbox's.
const FORBIDDEN: &str = "/proc/self/environ";

/// Which mechanisms work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The program of bubblewrap, if it works.
    pub bubblewrap: Option<PathBuf>,
    /// The version of Landlock's interface; 0 if it does not work.
    pub landlock: u32,
    /// Whether system calls can be filtered.
    pub filter: bool,
}

impl Facts {
    /// Tries what there is. Landlock and the filter are tried inside of bubblewrap where that works.
    pub(super) fn find(program: &Path, path: &OsStr) -> Facts {
        let Ok(folder) = tempfile::tempdir() else {
            return Facts::default();
        };
        let policy = Policy {
            reads: SYSTEM.iter().map(PathBuf::from).collect(),
            writes: folder.path().canonicalize().into_iter().collect(),
            ..Policy::default()
        };
        let own = [program.as_os_str(), COMMAND.as_ref(), "--probe".as_ref()];
        let own = own.map(OsStr::to_owned);
        let programs = std::env::split_paths(path).map(|folder| folder.join("bwrap"));
        let bwrap = programs
            .into_iter()
            .find(|bwrap| bwrap.is_absolute() && bwrap.is_file());
        if let Some(bwrap) = bwrap {
            let mut argv = bubblewrap::words(&bwrap, program, &policy);
            argv.extend(own.clone());
            if let Some(inside) = answer(&argv, folder.path()) {
                return Facts {
                    bubblewrap: Some(bwrap),
                    ..inside
                };
            }
        }
        answer(&own, folder.path()).unwrap_or_default()
    }

    /// Whether this holds both files and network.
    pub(super) fn suffice(&self) -> bool {
        self.bubblewrap.is_some() || (self.landlock > 0 && self.filter)
    }

    /// What is missing where it does not suffice.
    pub(super) fn lacks(&self) -> String {
        let missing = match (self.landlock > 0, self.filter) {
            (true, _) => "filters of system calls",
            (false, true) => "Landlock",
            (false, false) => "Landlock and filters of system calls",
        };
        format!("neither bubblewrap (`bwrap`) nor {missing}")
    }

    /// The line that the probe prints of itself.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("landlock {} filter {}\n", self.landlock, self.filter)
    }

    fn from_line(line: &str) -> Option<Facts> {
        let mut words = line.split_ascii_whitespace();
        let mut value = |name: &str| (words.next() == Some(name)).then(|| words.next())?;
        Some(Facts {
            bubblewrap: None,
            landlock: value("landlock")?.parse().ok()?,
            filter: value("filter")?.parse().ok()?,
        })
    }
}

/// What the program says that could be done to it.
fn answer(argv: &[std::ffi::OsString], home: &Path) -> Option<Facts> {
    let (finished, text) = child::output(&Child {
        argv,
        cwd: home,
        environment: &Environment::new("/usr/bin:/bin", home),
        stdin: None,
        time: TIME,
        output: ANSWER_LIMIT,
    })
    .ok()?;
    let told = Facts::from_line(&String::from_utf8_lossy(&text));
    told.filter(|_| finished.status.success())
}

/// Restricts this process as far as it goes, and tells how far: what counts is that a file and the network are really out of
/// reach afterwards.
#[must_use]
pub fn measure() -> Facts {
    let restricted = |policy: &Policy| restrict::restrict(policy).ok();
    let landlock = restricted(&Policy {
        landlock: true,
        reads: vec!["/usr".into()],
        ..Policy::default()
    });
    let denied = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
    let holds = std::fs::File::open(FORBIDDEN).is_err_and(denied);
    let filter = restricted(&Policy {
        filter: true,
        ..Policy::default()
    });
    let silent = std::net::UdpSocket::bind(("127.0.0.1", 0)).is_err_and(denied);
    Facts {
        bubblewrap: None,
        landlock: landlock.filter(|_| holds).unwrap_or_default(),
        filter: filter.is_some() && silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a process tells of itself is read back, and nothing else.
    #[test]
    fn lines_are_read_back() {
        let facts = Facts {
            bubblewrap: None,
            landlock: 7,
            filter: true,
        };
        assert_eq!(Facts::from_line(&facts.to_line()), Some(facts));
        for line in [
            "",
            "landlock 7",
            "landlock x filter true",
            "filter true landlock 7",
        ] {
            assert_eq!(Facts::from_line(line), None, "{line}");
        }
    }
}
