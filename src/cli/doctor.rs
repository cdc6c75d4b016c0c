//! `kabigate doctor`: is everything here to check this tree?

use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::AnsiColor;
use clap::Args;
use serde::Serialize;

use super::outputs::write_whole;
use super::stdout::{page, paint};
use super::toolchain::{Build, Toolchain};
use super::{Context, Outcome, configs, reason};
use crate::baseline::Baseline;
use crate::check::{baseline_reason, kbuild_reason};
use crate::doctor::{Configuration, Family, Finding, Request, State, examine};
use crate::kbuild::{Config, ConfigBase};
use crate::report::{Format, Output, Reason, ReasonCode, escape};
use crate::snapshot::UNKNOWN;

/// Version of the JSON that this command writes.
const SCHEMA: &str = "kabigate-doctor/1";

const EXAMPLES: &str = "\
Examples:
  kabigate doctor --tree linux --config x86_64_defconfig
  kabigate doctor --tree linux --baseline baselines/x86_64
  kabigate doctor --tree linux --config defconfig --arch arm64 --cross-compile aarch64-linux-gnu-

Exit codes:
  0  nothing is missing
  2  wrong usage, or an input that cannot be read
  3  something is missing without which a check ends without a verdict";

/// Say whether everything is here to check a tree, and how to install what is missing
///
/// Nothing of the tree is run. With a configuration, or the baseline that holds it, only what that configuration needs is
/// asked for; without one, what only some configurations need is a warning.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Git tree of the kernel, or a plain source folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    tree: PathBuf,
    /// Revision of the git tree [default: HEAD]
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Baseline whose configuration, architecture and compiler are wanted
    #[arg(long, env = "KABIGATE_BASELINE", value_name = "DIR")]
    baseline: Option<PathBuf>,
    #[arg(long = "config", value_name = "CONFIG", help = configs::HELP)]
    configs: Vec<String>,
    /// How the findings are written: console or json
    #[arg(
        short,
        long,
        value_name = "FORMAT[:PATH]",
        default_value = "console",
        hide_default_value = true
    )]
    output: Output,
    #[command(flatten)]
    toolchain: Toolchain,
}

/// The whole answer, as JSON has it.
#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    ready: bool,
    findings: &'a [Finding],
}

impl Doctor {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        let shape = self.output.format;
        if !matches!(shape, Format::Console | Format::Json) {
            let next = "use console or json";
            return Err(reason(
                ReasonCode::Usage,
                "this output format holds no findings",
                next,
            ));
        }
        let request = self.request()?;
        let findings = examine(&request).map_err(|error| {
            let message = format!("temporary folder: {error}");
            reason(ReasonCode::InputInvalid, message, "set TMPDIR")
        })?;
        let ready = findings.iter().all(|f| f.state != State::Missing);
        let colored = self.output.path.is_none() && context.style.out;
        let text = match shape {
            Format::Json => json(&findings, ready),
            _ => console(&findings, family(), context, colored),
        };
        match &self.output.path {
            Some(path) => write_whole(path, text.as_bytes())?,
            None => page(context, &text),
        }
        Ok(if ready { 0 } else { 3 })
    }

    fn request(&self) -> Result<Request, Reason> {
        let mut family = None;
        let mut arch = None;
        let config = if let Some(path) = &self.baseline {
            let baseline = Baseline::load(path).map_err(|error| baseline_reason(&error))?;
            let fingerprint = &baseline.manifest.fingerprint;
            family = Some(fingerprint.compiler_family.clone()).filter(|family| family != UNKNOWN);
            arch = fingerprint.known_arch().map(str::to_owned);
            match &baseline.config {
                Some(_) if !self.configs.is_empty() => {
                    return Err(reason(
                        ReasonCode::Usage,
                        format!("the baseline {} has its own configuration", baseline.name()),
                        "leave --config out: it stands in for what a baseline was imported without",
                    ));
                }
                Some(config) => Configuration::Whole(parse(config, crate::baseline::CONFIG)?),
                None => configuration(&self.configs)?,
            }
        } else {
            configuration(&self.configs)?
        };
        Ok(Request {
            tree: self.tree.clone(),
            rev: self.rev.clone(),
            config,
            family,
            make: self.toolchain.make_options(&Build {
                arch,
                ..Build::default()
            }),
            sandbox: self.toolchain.sandbox()?,
            work: self.toolchain.work_folder(),
            cache: self.toolchain.cache_folder(),
        })
    }
}

fn parse(bytes: &[u8], label: &str) -> Result<Config, Reason> {
    Config::parse(bytes, label).map_err(|error| kbuild_reason(&error))
}

/// What `--config` tells without the build, which alone knows the defaults of a default configuration.
fn configuration(values: &[String]) -> Result<Configuration, Reason> {
    if values.is_empty() {
        return Ok(Configuration::Unknown);
    }
    let source = configs::read(values)?;
    let mut fragments = Config::default();
    for text in &source.fragments {
        fragments.override_with(&parse(&text.bytes, &text.label)?);
    }
    Ok(match source.base {
        ConfigBase::Defconfig(name) => Configuration::Defconfig(name, fragments),
        ConfigBase::Text(text) => {
            let mut config = parse(&text.bytes, &text.label)?;
            config.override_with(&fragments);
            Configuration::Whole(config)
        }
    })
}

/// The family of this machine's distribution.
fn family() -> Option<Family> {
    let read = |path| std::fs::read_to_string(path).ok();
    let text = read("/etc/os-release").or_else(|| read("/usr/lib/os-release"))?;
    Family::of(&text)
}

fn json(findings: &[Finding], ready: bool) -> String {
    let answer = Answer {
        schema: SCHEMA,
        ready,
        findings,
    };
    let text = serde_json::to_string_pretty(&answer).unwrap_or_default();
    format!("{text}\n")
}

fn console(
    findings: &[Finding],
    family: Option<Family>,
    context: &Context,
    colored: bool,
) -> String {
    let families = family.map_or(Family::ALL.to_vec(), |family| vec![family]);
    let width = findings.iter().map(|f| f.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let shown = findings
        .iter()
        .filter(|finding| !context.quiet || finding.state == State::Missing);
    for finding in shown {
        let (word, color) = match finding.state {
            State::Ok => ("ok     ", AnsiColor::Green),
            State::Warn => ("warn   ", AnsiColor::Yellow),
            State::Missing => ("missing", AnsiColor::Red),
        };
        let word = paint(word, color, colored);
        let detail = escape::terminal(&finding.detail);
        let _ = writeln!(text, "{word}  {:width$}  {detail}", finding.name);
        if let Some(packages) = finding.packages.as_ref() {
            for family in &families {
                let whose = if families.len() > 1 {
                    format!("{}: ", family.name())
                } else {
                    String::new()
                };
                let name = packages.of(*family);
                let _ = writeln!(
                    text,
                    "         {:width$}  {whose}{} {name}",
                    "",
                    family.install()
                );
            }
        }
        if let Some(step) = &finding.next_step {
            let step = escape::terminal(step);
            let _ = writeln!(text, "         {:width$}  next: {step}", "");
        }
    }
    let count = |state| findings.iter().filter(|f| f.state == state).count();
    let (missing, warned) = (count(State::Missing), count(State::Warn));
    let _ = match missing {
        0 => writeln!(text, "ready: nothing is missing, {warned} warnings"),
        _ => writeln!(text, "not ready: {missing} missing, {warned} warnings"),
    };
    for family in families {
        let mut names: Vec<&str> = findings
            .iter()
            .filter(|finding| finding.state == State::Missing)
            .filter_map(|finding| Some(finding.packages.as_ref()?.of(family)))
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.len() > 1 {
            let _ = writeln!(
                text,
                "install all: {} {}",
                family.install(),
                names.join(" ")
            );
        }
    }
    text
}
