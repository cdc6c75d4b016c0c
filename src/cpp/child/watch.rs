//! Bounds on all processes of a child together, which no resource limit of the system gives: the limit on processes counts
//! those of the user everywhere and does not hold for root, and memory is limited for each process alone.
//!
//! What a confined child starts cannot leave its process group, so the group is what is counted, and what is killed at
//! once. Confined children are a little less urgent to the scheduler than this process, else they could keep it from looking. A look at every process costs milliseconds; it is taken once a second, and sooner when the number of threads of
//! the whole machine, which one call tells, has grown by as many as are allowed.

use std::io::Read as _;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use rustix::system::sysinfo;

use super::Confinement;

/// Pause between two looks at the number of threads.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// Pause between two looks at all processes.
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of a process's status lines that are read.
const LINE_LIMIT: u64 = 4096;

/// Which bound a group of processes passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// Too many processes.
    Processes(usize),
    /// Too much memory.
    Memory(u64),
}

/// Looks at a group of processes from time to time.
pub(super) struct Watch<'a> {
    group: Pid,
    bounds: &'a Confinement,
    threads: u16,
    last: Instant,
    last_long: Instant,
}

impl<'a> Watch<'a> {
    pub(super) fn new(group: Pid, bounds: &'a Confinement) -> Watch<'a> {
        Watch {
            group,
            bounds,
            threads: sysinfo().procs,
            last: Instant::now(),
            last_long: Instant::now(),
        }
    }

    /// The bound that the group has passed, if it is time to look.
    pub(super) fn look(&mut self) -> Option<Excess> {
        if self.last.elapsed() < PAUSE {
            return None;
        }
        self.last = Instant::now();
        // The system's number has 16 bits; the difference is right all the same.
        let threads = sysinfo().procs;
        let grown = threads.wrapping_sub(self.threads).cast_signed();
        let has_grown = usize::try_from(grown).is_ok_and(|grown| grown > self.bounds.processes);
        if !has_grown {
            let is_time = self.last_long.elapsed() >= LONG_PAUSE;
            return is_time.then(|| self.count()).flatten();
        }
        // Among thousands that want to run the count would take minutes, in which there were more of them. None starts
        // another one once it is told to stop.
        let _ = kill_process_group(self.group, Signal::STOP);
        let excess = self.count();
        if excess.is_none() {
            let _ = kill_process_group(self.group, Signal::CONT);
            self.threads = threads;
        }
        excess
    }

    fn count(&mut self) -> Option<Excess> {
        self.last_long = Instant::now();
        let page = rustix::param::page_size() as u64;
        let (mut processes, mut memory) = (0_usize, 0_u64);
        for entry in std::fs::read_dir("/proc").ok()?.filter_map(Result::ok) {
            let name = entry.file_name();
            let is_process = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
            if !is_process || group_of(&entry.path().join("stat")) != Some(self.group) {
                continue;
            }
            processes += 1;
            let pages = own_pages(&entry.path().join("statm")).unwrap_or_default();
            memory = memory.saturating_add(pages.saturating_mul(page));
            if processes > self.bounds.processes {
                return Some(Excess::Processes(self.bounds.processes));
            }
        }
        (memory > self.bounds.memory).then_some(Excess::Memory(self.bounds.memory))
    }
}

/// The process group in a line such as `12 (a name) S PARENT GROUP ...` (proc_pid_stat(5)). The name may hold anything.
fn group_of(path: &std::path::Path) -> Option<Pid> {
    let line = line(path)?;
    let (_, rest) = line.rsplit_once(')')?;
    let group: i32 = rest.split_ascii_whitespace().nth(2)?.parse().ok()?;
    // A process on its way out has the group -1.
    Pid::from_raw(group.max(0))
}

/// Resident pages that no file stands behind: `SIZE RESIDENT SHARED ...` (proc_pid_statm(5)).
fn own_pages(path: &std::path::Path) -> Option<u64> {
    let line = line(path)?;
    let mut words = line.split_ascii_whitespace().skip(1);
    let (resident, shared): (u64, u64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(resident.saturating_sub(shared))
}

fn line(path: &std::path::Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(LINE_LIMIT).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
