//! The machine: room on disk, memory, folders that must be writable, what confines a build.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::{Finding, Packages, Request, State};
use crate::kbuild::{Sandbox, SandboxRequest};

/// What a work area takes.
const WORK: u64 = 2 << 30;
/// What a work area, kept object trees and a cache take together.
const COMFORT: u64 = 4 << 30;
/// Memory below which a distribution's configuration may not fit.
const MEMORY: u64 = 2 << 30;

/// Looks at the folders and the memory.
pub(super) fn examine(request: &Request) -> Vec<Finding> {
    let mut findings = vec![work_area(&request.work)];
    findings.extend(memory());
    findings.extend(sandbox(&request.sandbox));
    findings.push(match &request.cache {
        None => Finding::new(
            "cache",
            State::Warn,
            "none is kept, so every run starts from scratch",
        ),
        Some(folder) => writable("cache", folder, "--cache DIR, or run with --no-cache"),
    });
    findings
}

/// The folder itself, or the nearest one above it that exists.
fn existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = absolute.ancestors().find(|path| path.exists());
    found.map_or(absolute.clone(), Path::to_owned)
}

fn writable(name: &str, folder: &Path, otherwise: &str) -> Finding {
    let place = existing(folder);
    if place.is_dir() && access(&place, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        return Finding::ok(name, format!("{} is writable", folder.display()));
    }
    let detail = format!("{} cannot be written", folder.display());
    Finding::new(name, State::Missing, detail).next(format!("name another folder with {otherwise}"))
}

fn work_area(folder: &Path) -> Finding {
    let name = "work area";
    let writable = writable(name, folder, "--work DIR");
    if writable.state != State::Ok {
        return writable;
    }
    let Ok(system) = statvfs(existing(folder)) else {
        return Finding::new(name, State::Warn, "the free space is not known");
    };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let detail = format!(
        "{} free in {}; it takes about {}",
        gib(free),
        folder.display(),
        gib(WORK)
    );
    let state = match free {
        free if free < WORK => State::Missing,
        free if free < COMFORT => State::Warn,
        _ => return Finding::ok(name, detail),
    };
    Finding::new(name, state, detail).next("name a folder with more room with --work DIR")
}

fn memory() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let available = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?
        .trim()
        .strip_suffix(" kB")?
        .parse::<u64>()
        .ok()?
        << 10;
    // A container's own bound, if it has one.
    let bound = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let here = bound.map_or(available, |bound| bound.min(available));
    let detail = format!("{} available", gib(here));
    Some(if here < MEMORY {
        Finding::new("memory", State::Warn, detail).next("lower --jobs, or use a larger machine")
    } else {
        Finding::ok("memory", detail)
    })
}

/// What confines a build; nothing where none is wanted.
fn sandbox(sandbox: &Sandbox) -> Option<Finding> {
    let name = "sandbox";
    if sandbox.request() == SandboxRequest::Off {
        return None;
    }
    let Some(facts) = sandbox.facts() else {
        let detail = "neither bubblewrap nor Landlock works here, so what the Makefiles of a change run has your rights";
        let finding = Finding::new(name, State::Warn, detail).from(Packages::same("bubblewrap"));
        return Some(finding);
    };
    let mut holds = Vec::new();
    holds.extend(facts.bubblewrap.is_some().then(|| "bubblewrap".to_owned()));
    holds.extend((facts.landlock > 0).then(|| format!("Landlock (ABI {})", facts.landlock)));
    Some(Finding::ok(
        name,
        format!("{}, no network", holds.join(" and ")),
    ))
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is not there yet counts as the one above it.
    #[test]
    fn folders_that_are_not_there_yet() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b/c");
        assert_eq!(existing(&deep), folder.path());
        assert_eq!(writable("cache", &deep, "").state, State::Ok);
        std::fs::write(folder.path().join("a"), "").expect("written");
        assert_eq!(writable("cache", &deep, "").state, State::Missing);
    }
}
