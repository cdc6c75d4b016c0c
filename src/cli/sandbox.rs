//! Options of the sandbox, and the command that becomes a confined program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::stdout::{complain, note, print, warning};
use super::{Context, reason};
use crate::kbuild::{Policy, Sandbox, SandboxRequest, measure_sandbox};
use crate::report::{self, Reason, ReasonCode, SandboxFacts};

/// How what make executes is confined.
#[derive(Args, Debug)]
#[command(next_help_heading = "Build options")]
pub(crate) struct SandboxOptions {
    /// Confine what make and compilers execute: `auto` with what works here, `require` refuses to run without, `off` runs
    /// them with your rights [default: auto]
    #[arg(long, value_enum, env = "KABIGATE_SANDBOX", value_name = "WHEN")]
    sandbox: Option<SandboxArgument>,
    /// Folder that the sandbox lets them read, beside the tree, the system's folders and the named compilers; repeatable
    #[arg(
        long,
        env = "KABIGATE_SANDBOX_READ",
        value_name = "DIR",
        value_delimiter = ':'
    )]
    sandbox_read: Vec<PathBuf>,
}

/// `--sandbox`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SandboxArgument {
    Auto,
    Require,
    Off,
}

impl SandboxArgument {
    /// Reads the spelling of the command line.
    pub(crate) fn from_word(word: &str) -> Option<SandboxArgument> {
        SandboxArgument::from_str(word, false).ok()
    }
}

impl From<SandboxArgument> for SandboxRequest {
    fn from(argument: SandboxArgument) -> SandboxRequest {
        match argument {
            SandboxArgument::Auto => SandboxRequest::Auto,
            SandboxArgument::Require => SandboxRequest::Require,
            SandboxArgument::Off => SandboxRequest::Off,
        }
    }
}

impl SandboxOptions {
    /// The sandbox of this run; `other` is what a settings file asks for.
    pub(crate) fn find(&self, other: Option<SandboxArgument>) -> Result<Sandbox, Reason> {
        let request = self.sandbox.or(other).unwrap_or(SandboxArgument::Auto);
        let unavailable = |message: String| {
            reason(
                ReasonCode::SandboxUnavailable,
                message,
                "install bubblewrap or run on a kernel with Landlock (5.13 or later); trusted changes can be checked with `--sandbox off`",
            )
        };
        let program = std::env::current_exe()
            .map_err(|error| unavailable(format!("this program cannot be found: {error}")))?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        Sandbox::find(request.into(), &program, &path, self.sandbox_read.clone())
            .map_err(|error| unavailable(error.to_string()))
    }
}

/// A sandbox as reports tell of it.
pub(crate) fn facts(sandbox: &Sandbox) -> SandboxFacts {
    let held = sandbox.facts();
    SandboxFacts {
        request: match sandbox.request() {
            SandboxRequest::Auto => report::SandboxRequest::Auto,
            SandboxRequest::Require => report::SandboxRequest::Require,
            SandboxRequest::Off => report::SandboxRequest::Off,
        },
        bubblewrap: held.is_some_and(|held| held.bubblewrap.is_some()),
        landlock: held.map_or(0, |held| held.landlock),
        filter: held.is_some_and(|held| held.filter),
    }
}

/// Says what holds where no report does.
pub(crate) fn tell(context: &Context, sandbox: &Sandbox) {
    let facts = facts(sandbox);
    match facts.warning() {
        Some(text) => warning(context, &text),
        None if context.verbose => note(context, &format!("sandbox: {}", facts.sentence())),
        None => {}
    }
}

/// Give up rights and become another program: what kabigate starts in place of make and compilers
#[derive(Args, Debug)]
pub(crate) struct Sandboxed {
    /// Only tell what works
    #[arg(long)]
    probe: bool,
    #[arg(long)]
    landlock: bool,
    #[arg(long)]
    filter: bool,
    #[arg(long)]
    links: bool,
    #[arg(long, default_value_t = 0)]
    processes: usize,
    #[arg(long)]
    read: Vec<PathBuf>,
    #[arg(long)]
    write: Vec<PathBuf>,
    #[arg(last = true)]
    argv: Vec<OsString>,
}

/// How shells end where a program cannot be started.
pub(super) const NOT_STARTED: u8 = 126;

impl Sandboxed {
    /// Becomes the program; comes back only if that fails, or to tell what works.
    pub(crate) fn run(&self) -> ExitCode {
        if self.probe {
            print(&measure_sandbox().to_line());
            return ExitCode::SUCCESS;
        }
        let policy = Policy {
            landlock: self.landlock,
            filter: self.filter,
            links: self.links,
            reads: self.read.clone(),
            writes: self.write.clone(),
            processes: self.processes,
        };
        complain(&format!("kabigate: error: {}", policy.run(&self.argv)));
        ExitCode::from(NOT_STARTED)
    }
}
