//! Gives up rights for good, in the process that is about to become a child.
//!
//! The order matters: each step needs what a later one takes away.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::folders::DEVICES;
use super::{Policy, filter};

/// The newest interface of Landlock that is asked for; an older kernel gives what it has.
const NEWEST: ABI = ABI::V10;
/// Bytes of the largest file that may be written.
const FILE_SIZE: u64 = 2 << 30;
/// Bytes of address space of one process.
const ADDRESS_SPACE: u64 = 8 << 30;
/// How much less urgent than this program its children are. The watch over their number must come to its turn among
/// thousands of them.
const NICE: i32 = 5;
/// Threads that each of the allowed processes may have on average.
const THREADS: u64 = 2;

/// Why rights could not be given up. The process must not go on then.
#[derive(Debug, thiserror::Error)]
pub enum RestrictError {
    /// A limit, or a right of the user, could not be given up.
    #[error("cannot give up {what}: {source}")]
    System {
        /// What it is.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Landlock refused.
    #[error("Landlock: {0}")]
    Landlock(#[from] RulesetError),
    /// Landlock is not there, though it was when it was tried.
    #[error("Landlock does not hold")]
    NoLandlock,
    /// The filter of system calls was refused, or this machine has none that is known.
    #[error("filter of system calls: {0}")]
    Filter(String),
    /// The program could not be started.
    #[error("failed to run {}: {source}", program.to_string_lossy())]
    Run {
        /// The program.
        program: OsString,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Policy {
    /// Becomes another program under this policy; comes back only with an error.
    #[must_use]
    pub fn run(&self, argv: &[OsString]) -> RestrictError {
        let Some((program, args)) = argv.split_first() else {
            return RestrictError::Filter("no program is named".to_owned());
        };
        if let Err(error) = restrict(self) {
            return error;
        }
        RestrictError::Run {
            program: program.clone(),
            source: Command::new(program).args(args).exec(),
        }
    }
}

/// Restricts this process, which must have one thread; hands back the version of Landlock that holds, 0 for none.
///
/// # Errors
/// If a part of the policy cannot be held.
pub(super) fn restrict(policy: &Policy) -> Result<u32, RestrictError> {
    let failed = |what| move |error: rustix::io::Errno| system(what, error);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("a life without parent"))?;
    limits(policy.processes)?;
    rustix::process::nice(NICE).map_err(failed("urgency"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("new privileges"))?;
    let landlock = if policy.landlock {
        landlock(policy)?
    } else {
        0
    };
    capabilities()?;
    if policy.filter {
        filter::apply(policy).map_err(RestrictError::Filter)?;
    }
    Ok(landlock)
}

fn system(what: &'static str, error: rustix::io::Errno) -> RestrictError {
    RestrictError::System {
        what,
        source: error.into(),
    }
}

fn limits(processes: usize) -> Result<(), RestrictError> {
    let mut bounds = vec![
        (Resource::Core, 0),
        (Resource::Fsize, FILE_SIZE),
        (Resource::As, ADDRESS_SPACE),
    ];
    // Counts all threads of the user, also those outside. Does not hold for root.
    if let Some(threads) = threads().filter(|_| processes > 0) {
        bounds.push((Resource::Nproc, threads + THREADS * processes as u64));
    }
    for (resource, bound) in bounds {
        let old = getrlimit(resource).maximum;
        let bound = Some(old.map_or(bound, |old| old.min(bound)));
        let limit = Rlimit {
            current: bound,
            maximum: bound,
        };
        setrlimit(resource, limit).map_err(|error| system("resources", error))?;
    }
    Ok(())
}

/// Threads of the whole machine (`/proc/loadavg`, proc_loadavg(5)).
fn threads() -> Option<u64> {
    let line = std::fs::read_to_string("/proc/loadavg").ok()?;
    let (_, total) = line.split_ascii_whitespace().nth(3)?.split_once('/')?;
    total.parse().ok()
}

fn landlock(policy: &Policy) -> Result<u32, RestrictError> {
    let mut write = AccessFs::from_all(NEWEST);
    write.remove(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock);
    if !policy.links {
        write.remove(AccessFs::MakeSym | AccessFs::MakeFifo);
    }
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(
            &policy.reads,
            AccessFs::from_read(NEWEST),
        ))?
        .add_rules(path_beneath_rules(&policy.writes, write))?
        .add_rules(path_beneath_rules(DEVICES, AccessFs::from_file(NEWEST)))?
        .restrict_self()?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err(RestrictError::NoLandlock),
        (
            _,
            LandlockStatus::Available {
                effective_abi,
                kernel_abi,
            },
        ) => {
            let newer = kernel_abi.and_then(|abi| u32::try_from(abi).ok());
            Ok(newer.unwrap_or(effective_abi as u32))
        }
        _ => Err(RestrictError::NoLandlock),
    }
}

/// Gives up what root can do beside owning files. With [`set_no_new_privs`](rustix::thread::set_no_new_privs) no program
/// brings it back, also not for user 0.
fn capabilities() -> Result<(), RestrictError> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    // A kernel without ambient capabilities has none to clear.
    let _ = rustix::thread::clear_ambient_capability_set();
    rustix::thread::set_capabilities(None, none).map_err(|error| system("capabilities", error))
}
