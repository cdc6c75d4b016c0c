//! A sandbox for what the build of a tree executes.
//!
//! In flow a request and the folders that a child may read and write; out flow the words that go before the child's own
//! ([`Confinement`]). These start this program again, which gives up its rights ([`restrict`]) and becomes the child. Two
//! mechanisms hold the file system, and where both work both do:
//!
//! - **Landlock** (`landlock(7)`): a process gives up access to all files but those below some folders. It needs no
//!   privilege, and works inside of containers.
//! - **bubblewrap** (`bwrap(1)`): namespaces of its own for mounts, processes and network, in which nothing else exists.
//!
//! Beside them a filter of system calls (`seccomp(2)`) refuses sockets, and ways out of the process group. Without it only
//! the namespace of bubblewrap keeps the network away. What holds neither files nor network is no sandbox.

mod bubblewrap;
mod filter;
mod folders;
mod leftovers;
mod policy;
mod probe;
mod restrict;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use folders::{Folders, SYSTEM};
pub(super) use leftovers::refuse_leftovers;
pub use policy::Policy;
pub use probe::{Facts, measure};
pub use restrict::RestrictError;

use super::MakeOptions;
use crate::cpp::child::Confinement;

/// The most processes of a child; a build with 64 jobs has some 400.
const PROCESSES: usize = 2048;
/// Memory that is granted on the smallest machines.
const LEAST_MEMORY: u64 = 2 << 30;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SandboxRequest {
    /// The best that works here; none if nothing does.
    #[default]
    Auto,
    /// The best that works here, and no run without.
    Require,
    /// None.
    Off,
}

impl SandboxRequest {
    /// All with their names.
    pub const WORDS: [(&'static str, SandboxRequest); 3] = [
        ("auto", SandboxRequest::Auto),
        ("require", SandboxRequest::Require),
        ("off", SandboxRequest::Off),
    ];

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            SandboxRequest::Auto => "auto",
            SandboxRequest::Require => "require",
            SandboxRequest::Off => "off",
        }
    }
}

/// A sandbox is demanded and there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no sandbox works here: {0}")]
pub struct NoSandbox(pub String);

/// How children are confined.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    request: SandboxRequest,
    held: Option<Held>,
    /// Folders that children may read beside the usual ones.
    reads: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
struct Held {
    facts: Facts,
    /// This program.
    program: PathBuf,
}

impl Sandbox {
    /// Finds out what works here, by trying it. `program` is this one, and `path` where bubblewrap is looked for.
    ///
    /// # Errors
    /// If a sandbox is demanded and nothing works.
    pub fn find(
        request: SandboxRequest,
        program: &Path,
        path: &OsStr,
        reads: Vec<PathBuf>,
    ) -> Result<Sandbox, NoSandbox> {
        let facts = match request {
            SandboxRequest::Off => Facts::default(),
            SandboxRequest::Auto | SandboxRequest::Require => Facts::find(program, path),
        };
        Sandbox::with(request, facts, program, reads)
    }

    /// The sandbox that these facts allow.
    ///
    /// # Errors
    /// If a sandbox is demanded and the facts allow none.
    pub fn with(
        request: SandboxRequest,
        facts: Facts,
        program: &Path,
        reads: Vec<PathBuf>,
    ) -> Result<Sandbox, NoSandbox> {
        let wanted = request != SandboxRequest::Off;
        let held = (wanted && facts.suffice()).then(|| Held {
            facts: facts.clone(),
            program: program.to_owned(),
        });
        if request == SandboxRequest::Require && held.is_none() {
            return Err(NoSandbox(facts.lacks()));
        }
        let reads = reads
            .iter()
            .filter_map(|path| path.canonicalize().ok())
            .collect();
        Ok(Sandbox {
            request,
            held,
            reads,
        })
    }

    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> SandboxRequest {
        self.request
    }

    /// What holds; `None` if children run with the rights of the user.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.held.as_ref().map(|held| &held.facts)
    }

    /// The folders that children may read beside their trees.
    pub(super) fn folders(&self, options: &MakeOptions) -> Folders {
        Folders::find(options, &self.reads)
    }

    /// What confines a child that may read `reads` and write `writes` beside the folders of the system.
    pub(super) fn confinement(
        &self,
        folders: &Folders,
        reads: &[&Path],
        writes: &Path,
        links: bool,
    ) -> Option<Arc<Confinement>> {
        let held = self.held.as_ref()?;
        let mut policy = Policy {
            landlock: held.facts.landlock > 0,
            filter: held.facts.filter,
            links,
            reads: folders.all().map(Path::to_owned).collect(),
            writes: vec![writes.to_owned()],
            processes: PROCESSES,
        };
        policy
            .reads
            .extend(reads.iter().map(|&path| path.to_owned()));
        let mut words: Vec<OsString> = Vec::new();
        if let Some(bwrap) = &held.facts.bubblewrap {
            words = bubblewrap::words(bwrap, &held.program, &policy);
        }
        words.push(held.program.clone().into());
        words.extend(policy.words());
        Some(Arc::new(Confinement {
            words,
            processes: PROCESSES,
            memory: memory(),
        }))
    }
}

/// Three quarters of the machine's memory.
#[allow(
    clippy::useless_conversion,
    reason = "the number has 32 bits on some machines"
)]
fn memory() -> u64 {
    let info = rustix::system::sysinfo();
    let total = u64::try_from(info.totalram).unwrap_or(u64::MAX);
    let total = total.saturating_mul(u64::from(info.mem_unit.max(1)));
    (total / 4 * 3).max(LEAST_MEMORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(bubblewrap: bool, landlock: u32, filter: bool) -> Facts {
        Facts {
            bubblewrap: bubblewrap.then(|| "/usr/bin/bwrap".into()),
            landlock,
            filter,
        }
    }

    fn words(facts: Facts) -> Option<String> {
        let program = Path::new("/opt/kabigate");
        let sandbox = Sandbox::with(SandboxRequest::Auto, facts, program, Vec::new()).unwrap();
        let folders = sandbox.folders(&MakeOptions::new("/usr/bin"));
        let confinement =
            sandbox.confinement(&folders, &[Path::new("/w/src")], Path::new("/w/obj"), true)?;
        let words: Vec<String> = (confinement.words.iter())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        Some(words.join(" "))
    }

    /// Every combination of what a machine may offer: a sandbox holds both files and network, or is none.
    #[test]
    fn what_is_enough() {
        for (bubblewrap, landlock, filter, expected) in [
            (true, 7, true, true),
            (true, 0, false, true),
            (true, 0, true, true),
            (true, 1, false, true),
            (false, 1, true, true),
            (false, 7, false, false),
            (false, 0, true, false),
            (false, 0, false, false),
        ] {
            let facts = facts(bubblewrap, landlock, filter);
            let program = Path::new("/opt/kabigate");
            let find = |request| Sandbox::with(request, facts.clone(), program, Vec::new());
            let auto = find(SandboxRequest::Auto).expect("never fails");
            assert_eq!(auto.facts().is_some(), expected, "{facts:?}");
            assert_eq!(find(SandboxRequest::Require).is_ok(), expected, "{facts:?}");
            assert!(find(SandboxRequest::Off).expect("off").facts().is_none());
        }
    }

    /// What is missing is said, as it decides what to install.
    #[test]
    fn what_is_missing_is_told() {
        let program = Path::new("/opt/kabigate");
        let told = |facts| {
            let sandbox = Sandbox::with(SandboxRequest::Require, facts, program, Vec::new());
            sandbox.expect_err("none").to_string()
        };
        assert!(told(facts(false, 7, false)).contains("filters of system calls"));
        assert!(told(facts(false, 0, true)).contains("Landlock"));
        assert!(told(facts(false, 0, false)).contains("bubblewrap"));
    }

    /// Each mechanism is asked for only where it works, and the writable folder is the one that was named.
    #[test]
    fn words_follow_the_facts() {
        assert_eq!(words(facts(false, 0, true)), None);
        let landlock = words(facts(false, 3, true)).expect("words");
        assert!(landlock.starts_with("/opt/kabigate sandboxed --landlock --filter "));
        assert!(landlock.contains(" --write /w/obj ") && landlock.contains(" --read /w/src "));
        let both = words(facts(true, 7, true)).expect("words");
        assert!(both.starts_with("/usr/bin/bwrap ") && both.contains(" --unshare-net "));
        assert!(both.contains(" --bind /w/obj /w/obj ") && both.contains(" --landlock "));
        let bubblewrap = words(facts(true, 0, false)).expect("words");
        assert!(!bubblewrap.contains("--landlock") && !bubblewrap.contains("--filter"));
    }
}
