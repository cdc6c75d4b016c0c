//! `kabigate lists lint`: what is wrong with the policy itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::decisions::{self, from_disk};
use super::stdout::{page, print, warning};
use super::{Context, Outcome, protect, reason};
use crate::baseline::{Baseline, Candidate};
use crate::check::{Pair, baseline_reason, candidate_reason, diff, policy_reason};
use crate::modules::Database;
use crate::policy::{
    Decisions, DenyList, LintFinding, LintInput, LintLevel, ProtectedSet, RuleContext, lint,
    lint_expired,
};
use crate::report::{ApprovalState, Mode, Reason, ReasonCode, escape};
use crate::symvers::Symvers;

const EXIT: &str = "\
Examples:
  kabigate lists lint --baseline baselines/x86_64
  kabigate lists lint stablelist --against new/Module.symvers --strict --today 2027-01-31

Exit codes:
  0  nothing is wrong, warnings aside
  1  an error was found, or with --strict a warning
  2  wrong usage, or a file that cannot be read
  3  nothing to look at: no baseline, no list, an empty list";

/// Work on protected lists, rules and approvals
#[derive(Debug, Subcommand)]
pub(crate) enum ListsCommand {
    /// Say what is wrong with lists, rules and approvals
    Lint(Box<Lint>),
}

/// Say what is wrong with lists, rules and approvals
///
/// Told are listed symbols that the kernel does not export or that have no CRC, symbols that are listed twice, denied ones,
/// tracepoints of which a part is listed, rules that decide nothing, and approvals that expired or match no change.
#[derive(Args, Debug)]
#[command(after_help = EXIT)]
pub(crate) struct Lint {
    /// Protected lists beside the baseline's own
    #[arg(value_name = "LIST")]
    lists: Vec<PathBuf>,
    /// Baseline folder: its list, rules, approvals, modules and exports
    #[arg(long, env = "KABIGATE_BASELINE", value_name = "DIR")]
    baseline: Option<PathBuf>,
    /// Kernel to hold all against: a Module.symvers, a baseline, a headers package; repeatable
    #[arg(long, value_name = "CANDIDATE")]
    against: Vec<PathBuf>,
    /// Symbols that may not be listed, each with a reason (Android's symbols.deny); repeatable
    #[arg(long, value_name = "FILE")]
    deny: Vec<PathBuf>,
    /// Rules beside the baseline's own; repeatable
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Approvals beside the baseline's own; repeatable
    #[arg(long, value_name = "FILE")]
    approvals: Vec<PathBuf>,
    /// Day on which approvals must hold
    #[arg(long, env = "KABIGATE_TODAY", value_name = "YYYY-MM-DD", value_parser = decisions::day)]
    today: Option<time::Date>,
    /// Exit 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// How the findings are printed
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    Text,
    Json,
}

/// The whole result, as JSON has it.
#[derive(Debug, Serialize)]
struct LintResult {
    schema: &'static str,
    /// Each list with its number of entries.
    lists: Vec<(String, usize)>,
    protected: usize,
    kernels: Vec<String>,
    errors: usize,
    warnings: usize,
    findings: Vec<LintFinding>,
    /// What could not be looked at, and what it would need.
    not_checked: Vec<String>,
}

impl ListsCommand {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        let ListsCommand::Lint(lint) = self;
        lint.run(context)
    }
}

impl Lint {
    fn run(&self, context: &Context) -> Outcome {
        let mut warnings = Vec::new();
        let baseline = match &self.baseline {
            Some(path) => Some(Baseline::load(path).map_err(|error| baseline_reason(&error))?),
            None => None,
        };
        let protected = self.protected(baseline.as_ref(), &mut warnings)?;
        let decisions = self.decisions(baseline.as_ref(), &mut warnings)?;
        let denied = self.denied()?;
        let candidates = self.candidates()?;
        let mut kernels: Vec<(String, &Symvers)> = Vec::new();
        if let Some(baseline) = &baseline {
            kernels.push((baseline.name(), &baseline.symvers));
        }
        kernels.extend(candidates.iter().map(|c| (c.name(), &c.symvers)));
        if !self.has_lists(baseline.as_ref())
            && decisions.rules.rules().is_empty()
            && decisions.approvals.is_empty()
        {
            return Err(reason(
                ReasonCode::ListEmpty,
                "there is no listed symbol, no rule and no approval to look at",
                "name a list, or a baseline that has one: --baseline DIR",
            ));
        }
        let modules = match &baseline {
            Some(baseline) => protect::database(baseline, &[], &mut warnings)?,
            None => Database::default(),
        };
        let used: BTreeSet<String> = modules
            .list()
            .flat_map(|entry| entry.module.imports.keys().cloned())
            .collect();
        let named: Vec<(&str, &Symvers)> = kernels.iter().map(|(n, k)| (n.as_str(), *k)).collect();
        let mut findings = lint(&LintInput {
            protected: &protected,
            denied: &denied,
            rules: &decisions.rules,
            kernels: &named,
            arch: baseline
                .as_ref()
                .and_then(|b| b.manifest.fingerprint.known_arch())
                .unwrap_or_default(),
            used: &used,
        });
        if !self.has_lists(baseline.as_ref()) {
            findings.retain(|finding| finding.kind != "list-empty");
        }
        let mut not_checked = Vec::new();
        if kernels.is_empty() {
            not_checked.push("whether listed symbols are exported and rules select any: name a kernel with --baseline or --against".to_owned());
        }
        findings.extend(self.approvals(
            &protected,
            &modules,
            &decisions,
            &candidates,
            &mut not_checked,
        )?);
        for text in &warnings {
            warning(context, text);
        }
        findings.sort();
        let of = |level| findings.iter().filter(|f| f.level == level).count();
        let (errors, count) = (
            of(LintLevel::Error),
            of(LintLevel::Warning) + warnings.len(),
        );
        let empty = findings
            .iter()
            .any(|f| matches!(f.kind, "list-empty" | "list-mismatch"));
        let result = LintResult {
            schema: "kabigate-lint/1",
            lists: protected.lists().to_vec(),
            protected: protected.len(),
            kernels: kernels.into_iter().map(|(name, _)| name).collect(),
            errors,
            warnings: count,
            findings,
            not_checked,
        };
        match self.format {
            Shape::Text => page(context, &text(&result)),
            Shape::Json => print(&json(&result)),
        }
        Ok(match (empty, errors > 0 || (self.strict && count > 0)) {
            (true, _) => 3,
            (false, true) => 1,
            (false, false) => 0,
        })
    }

    fn has_lists(&self, baseline: Option<&Baseline>) -> bool {
        let own = baseline.and_then(|b| b.optional(crate::baseline::STABLELIST));
        own.is_some() || !self.lists.is_empty()
    }

    fn protected(
        &self,
        baseline: Option<&Baseline>,
        warnings: &mut Vec<String>,
    ) -> Result<ProtectedSet, Reason> {
        match baseline {
            Some(baseline) => protect::lists(baseline, &self.lists, &from_disk, warnings),
            None => protect::named(&self.lists, warnings),
        }
    }

    fn decisions(
        &self,
        baseline: Option<&Baseline>,
        warnings: &mut Vec<String>,
    ) -> Result<Decisions, Reason> {
        let named = decisions::Named {
            rules: &self.rules,
            approvals: &self.approvals,
            allowed_breaks: &[],
        };
        let fingerprint = baseline.map(|b| &b.manifest.fingerprint);
        let flavour = fingerprint.and_then(|of| decisions::flavour(&of.release));
        let context = RuleContext {
            arch: fingerprint.map(|of| of.arch.as_str()),
            flavour: flavour.as_deref(),
        };
        decisions::read(named, baseline, &context, self.today, &from_disk, warnings)
    }

    fn denied(&self) -> Result<Vec<DenyList>, Reason> {
        let read = |path: &PathBuf| {
            DenyList::read(&from_disk(path)?, &path.display().to_string())
                .map_err(|error| policy_reason(&error))
        };
        self.deny.iter().map(read).collect()
    }

    fn candidates(&self) -> Result<Vec<Candidate>, Reason> {
        let load =
            |path: &PathBuf| Candidate::load(path, None).map_err(|error| candidate_reason(&error));
        self.against.iter().map(load).collect()
    }

    /// Approvals that expired, and those that match no change between the baseline and the kernels named.
    fn approvals(
        &self,
        protected: &ProtectedSet,
        modules: &Database,
        decisions: &Decisions,
        candidates: &[Candidate],
        not_checked: &mut Vec<String>,
    ) -> Result<Vec<LintFinding>, Reason> {
        let approvals = &decisions.approvals;
        let mut findings = Vec::new();
        match self.today {
            Some(today) => findings.extend(lint_expired(approvals, today)),
            None if approvals.expire() => {
                not_checked.push("whether approvals expired: pass --today YYYY-MM-DD".to_owned());
            }
            None => {}
        }
        if approvals.is_empty() {
            return Ok(findings);
        }
        let base = match (&self.baseline, candidates) {
            (Some(path), [_, ..]) => {
                Candidate::load(path, None).map_err(|error| candidate_reason(&error))?
            }
            _ => {
                not_checked.push("whether approvals match a change: name the baseline and the changed kernel with --baseline and --against".to_owned());
                return Ok(findings);
            }
        };
        let mut used: BTreeSet<String> = BTreeSet::new();
        let mut known = BTreeSet::new();
        for head in candidates {
            let report = diff(&Pair {
                base: &base,
                head,
                protected,
                modules,
                decisions,
                mode: Mode::Enforce,
            });
            if let Some(first) = report.reasons.first() {
                let message = format!(
                    "whether approvals match a change to {}: {}",
                    head.name(),
                    first.message
                );
                not_checked.push(message);
                continue;
            }
            known.insert(head.name());
            let in_use = report.policy.approvals.iter();
            let in_use = in_use.filter(|one| one.state != ApprovalState::Unused);
            used.extend(in_use.map(|one| one.fingerprint.clone()));
        }
        if known.is_empty() {
            return Ok(findings);
        }
        let names: Vec<String> = known.into_iter().collect();
        let unused = approvals.list().into_iter();
        let unused = unused.filter(|one| !used.contains(&one.fingerprint));
        findings.extend(unused.map(|one| LintFinding {
            level: LintLevel::Warning,
            kind: "unused-approval",
            place: format!("{}:{}", one.file, one.line),
            symbol: None,
            message: format!(
                "the approval of {} matches no change from the baseline to {}; remove it once the change is gone for good",
                one.what.as_deref().unwrap_or(&one.fingerprint),
                names.join(", ")
            ),
        }));
        Ok(findings)
    }
}

fn text(result: &LintResult) -> String {
    let mut out = String::new();
    for finding in &result.findings {
        let level = match finding.level {
            LintLevel::Error => "error",
            LintLevel::Warning => "warning",
        };
        let line = format!(
            "{}: {level}: {} [{}]",
            finding.place, finding.message, finding.kind
        );
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{}", escape::terminal(&line));
    }
    for text in &result.not_checked {
        let _ = writeln!(out, "not checked: {}", escape::terminal(text));
    }
    let _ = writeln!(
        out,
        "{} errors, {} warnings; {} symbols of {} lists against {} kernels",
        result.errors,
        result.warnings,
        result.protected,
        result.lists.len(),
        result.kernels.len()
    );
    out
}

fn json(result: &LintResult) -> String {
    // INVARIANT: the result holds strings, numbers and lists only, all of which JSON can express.
    let document = serde_json::to_string_pretty(result).expect("a lint is expressible in JSON");
    format!("{}\n", escape::json_document(&document))
}
