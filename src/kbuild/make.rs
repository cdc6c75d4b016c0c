//! Runs `make` for a kernel tree: the only place where a tree's own Makefiles are started.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::cpp::child::{self, Child, Environment};

use super::sandbox::{SYSTEM, Sandbox, refuse_leftovers};
use super::{KbuildError, Probes};

/// Bytes that a run of make may print; a dry run of a distribution's kernel prints 165 million.
const OUTPUT_LIMIT: u64 = 8 << 30;
/// Lines of make's messages that an error repeats.
const MESSAGE_LINES: usize = 8;
/// Folder in the object tree for children's `HOME` and `TMPDIR`.
const HOME: &str = ".kabigate";
/// A rule that makes nothing for a tool that works on linked kernels. Nothing is linked here, and to compile it with its
/// libraries is half of what preparing a distribution's kernel costs. A rule that is given this way comes first, and must not be what
/// make makes without a goal.
const UNLINKED: [&str; 2] = [
    "--eval=tools/bpf/resolve_btfids:;",
    "--eval=.DEFAULT_GOAL:=",
];

/// How make is run.
#[derive(Clone, Debug)]
pub struct MakeOptions {
    /// `ARCH`: the kernel's name of the architecture; that of this machine if absent.
    pub arch: Option<String>,
    /// `CROSS_COMPILE`: prefix of the tools' names.
    pub cross_compile: Option<String>,
    /// `CC`: the C compiler, with a wrapper such as `ccache` before it if wanted.
    pub cc: Option<String>,
    /// `LLVM`: `1`, a suffix such as `-15`, or a folder that ends in `/`.
    pub llvm: Option<String>,
    /// Jobs that make runs at once.
    pub jobs: usize,
    /// Wall time of one run.
    pub timeout: Duration,
    /// Where children look up programs (`PATH`).
    pub path: OsString,
    /// What confines children.
    pub sandbox: Sandbox,
    /// What stands before the compiler in make's runs; nothing if absent.
    pub probes: Option<Probes>,
}

impl MakeOptions {
    /// One job, half an hour, this machine's architecture and its `gcc`, found in `path`.
    #[must_use]
    pub fn new(path: impl Into<OsString>) -> MakeOptions {
        MakeOptions {
            arch: None,
            cross_compile: None,
            cc: None,
            llvm: None,
            jobs: 1,
            timeout: Duration::from_secs(1800),
            path: path.into(),
            sandbox: Sandbox::default(),
            probes: None,
        }
    }

    /// The environment of children that read the folders `reads` and work in `obj`; what a build would print of machine and
    /// clock is fixed. Only make may make links.
    #[must_use]
    pub fn environment(&self, reads: &[&Path], obj: &Path, is_make: bool) -> Environment {
        let folders = self.sandbox.folders(self);
        let confinement = self.sandbox.confinement(&folders, reads, obj, is_make);
        let path = match confinement {
            Some(_) => folders.path(&self.path),
            None => self.path.clone(),
        };
        let mut environment = Environment::new(path, home(obj));
        environment.compilers = Some(folders.real().into());
        environment.confinement = confinement;
        environment.extra = vec![
            (
                "KBUILD_BUILD_TIMESTAMP",
                "Thu Jan  1 00:00:00 UTC 1970".to_owned(),
            ),
            ("KBUILD_BUILD_USER", "kabigate".to_owned()),
            ("KBUILD_BUILD_HOST", "kabigate".to_owned()),
            ("KBUILD_BUILD_VERSION", "1".to_owned()),
        ];
        environment
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = String> {
        [
            ("ARCH", &self.arch),
            ("CROSS_COMPILE", &self.cross_compile),
            ("CC", &self.cc),
            ("LLVM", &self.llvm),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}")))
    }
}

/// Folder in the object tree that children may use for temporary files.
pub(super) fn home(obj: &Path) -> PathBuf {
    obj.join(HOME)
}

/// How a run of make ended, without judging it.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stderr: String,
}

/// Runs make in `src` for the object tree `obj`, with `flags` before the targets.
pub(super) fn run(
    src: &Path,
    obj: &Path,
    options: &MakeOptions,
    flags: &[&str],
    targets: &[&str],
    sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<Ended, KbuildError> {
    let mut argv = child::argv(["make", "--no-print-directory", "-C"]);
    argv.push(src.into());
    argv.extend(child::argv(flags));
    argv.extend(child::argv(UNLINKED));
    let mut assignment = OsString::from("O=");
    assignment.push(obj);
    argv.push(assignment);
    argv.extend(options.variables().map(OsString::from));
    argv.extend(child::argv(targets));
    let mut environment = options.environment(&[src], obj, true);
    if let Some(probes) = &options.probes {
        probes.enter(options, obj, &mut environment);
    }
    let finished = child::run(
        &Child {
            argv: &argv,
            cwd: obj,
            environment: &environment,
            stdin: None,
            time: options.timeout,
            output: OUTPUT_LIMIT,
        },
        sink,
    );
    // Also a make that was killed may have left something.
    let mut folders: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    folders.extend([src.to_owned(), obj.to_owned()]);
    refuse_leftovers(obj, &folders)?;
    let finished = finished.map_err(|source| KbuildError::Child {
        what: format!("make {}", targets.join(" ")),
        source,
    })?;
    Ok(Ended {
        status: finished.status,
        stderr: String::from_utf8_lossy(&finished.stderr).into_owned(),
    })
}

/// Runs make for its effects.
///
/// # Errors
/// If it fails; the error repeats its first messages.
pub(super) fn build(
    src: &Path,
    obj: &Path,
    options: &MakeOptions,
    targets: &[&str],
) -> Result<(), KbuildError> {
    let jobs = format!("-j{}", options.jobs.max(1));
    let ended = run(src, obj, options, &[&jobs], targets, &mut |_| {
        ControlFlow::Continue(())
    })?;
    if ended.status.success() {
        return Ok(());
    }
    Err(KbuildError::Make {
        target: targets.join(" "),
        status: ended.status.to_string(),
        message: match is_full(obj) {
            true => format!("{FULL}; {}", messages(&ended.stderr)),
            false => messages(&ended.stderr),
        },
    })
}

/// What the system says where there is no room.
const FULL: &str = "No space left on device";
/// Room below which a disk counts as full: what a program could not finish it removes again.
const ROOM: u64 = 128 << 10;

/// Whether the disk of a folder is full. Shells and make say at best that writing failed.
fn is_full(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM)
}

/// The lines of make's error text that say what failed, the first ones.
pub(super) fn messages(stderr: &str) -> String {
    let telling = |line: &&str| {
        let lower = line.to_ascii_lowercase();
        lower.contains("error") || line.contains("***") || lower.contains("not found")
    };
    let mut lines: Vec<&str> = stderr.lines().filter(telling).take(MESSAGE_LINES).collect();
    if lines.is_empty() {
        lines = stderr
            .lines()
            .filter(|line| !line.trim().is_empty())
            .take(MESSAGE_LINES)
            .collect();
    }
    if lines.is_empty() {
        "it said nothing".to_owned()
    } else {
        lines.join("; ")
    }
}
