//! `kabigate baseline update`: another revision in place of the one that a baseline holds, and what that accepts.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use super::baseline::{contents, stored_config};
use super::decisions::{self, from_disk};
use super::stdout::note;
use super::symvers::Tree;
use super::toolchain::{Build, Toolchain};
use super::{Context, Outcome, configs, protect, reason};
use crate::baseline::{
    Accepted, Baseline, Candidate, Extra, UPDATES, Update as Entry, add_update, replace,
};
use crate::check::{Pair, baseline_reason, day_of_commit, diff};
use crate::history::Commit;
use crate::kbuild::{ConfigBase, ConfigSource};
use crate::modules::Database;
use crate::policy::RuleContext;
use crate::report::{ApprovalState, Mode, Reason, ReasonCode, Report};
use crate::snapshot::Snapshot;

const EXAMPLES: &str = concat!(
    "\
Example:
  kabigate baseline update baselines/x86_64 --tree linux --rev v6.1.177 \\
      --reason \"new series\" --owner \"kernel team\"",
    super::help::kernel_codes!()
);

/// Changes that a message names.
const NAMED: usize = 5;

/// Record another revision in place of the one that a baseline holds
///
/// What the baseline's lists protect and the new revision breaks is accepted by that, so it needs an approval in
/// approvals.toml or a reason. Both are recorded in updates.toml.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Update {
    /// Baseline folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    tree: Tree,
    #[arg(
        long = "config",
        value_name = "CONFIG",
        help = "Another configuration than the baseline's; repeatable, as with `create`"
    )]
    configs: Vec<String>,
    /// Why breaks that no approval covers are accepted
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who answers for that
    #[arg(long, value_name = "WHO", requires = "reason")]
    owner: Option<String>,
    /// Where that was agreed
    #[arg(long, value_name = "URL", requires = "reason")]
    reference: Option<String>,
    /// Day on which approvals must hold [default: that of the commit]
    #[arg(long, env = "KABIGATE_TODAY", value_name = "YYYY-MM-DD", value_parser = decisions::day)]
    today: Option<time::Date>,
    #[command(flatten)]
    toolchain: Toolchain,
}

impl Update {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        let old = Baseline::load(&self.folder).map_err(|error| baseline_reason(&error))?;
        let arch = old.manifest.fingerprint.known_arch();
        let build = Build {
            arch: arch.map(str::to_owned),
            ..Build::default()
        };
        let settings = self.toolchain.settings(self.source(&old)?, &build, None)?;
        let (snapshot, commit) = self.tree.snapshot(context, settings, &self.toolchain)?;
        let report = self.report(old.clone(), &snapshot, commit.as_ref())?;
        self.justified(&report)?;
        let entry = self.entry(&old, &snapshot, commit.as_ref(), &report);
        let updates = add_update(old.optional(UPDATES), &entry);
        let updates = Extra {
            file: UPDATES,
            content: updates.map_err(|error| baseline_reason(&error))?,
        };
        let config = snapshot.config.to_text();
        let contents = contents(&snapshot, commit.as_ref(), &config);
        replace(&self.folder, contents, &[updates]).map_err(|error| baseline_reason(&error))?;
        note(
            context,
            &format!(
                "{} symbols changed, {} protected ones break, for {} accepted changes; {} now holds {} symbols",
                entry.changed,
                entry.protected,
                entry.accepted.len(),
                self.folder.display(),
                snapshot.symvers.len()
            ),
        );
        Ok(0)
    }

    fn source(&self, old: &Baseline) -> Result<ConfigSource, Reason> {
        if !self.configs.is_empty() {
            return configs::read(&self.configs);
        }
        let text = stored_config(old, &self.folder).ok_or_else(|| {
            reason(
                ReasonCode::Usage,
                format!(
                    "{}: the baseline was imported without a configuration",
                    self.folder.display()
                ),
                "name the configuration: --config",
            )
        })?;
        Ok(ConfigSource {
            base: ConfigBase::Text(text),
            fragments: Vec::new(),
        })
    }

    /// The old kernel against the new one, judged by what the baseline holds.
    fn report(
        &self,
        old: Baseline,
        snapshot: &Snapshot,
        commit: Option<&Commit>,
    ) -> Result<Report, Reason> {
        let protected = protect::lists(&old, &[], &from_disk, &mut Vec::new())?;
        let release = old.manifest.fingerprint.release.clone();
        let flavour = decisions::flavour(&release);
        let arch = old.manifest.fingerprint.known_arch().map(str::to_owned);
        let context = RuleContext {
            arch: arch.as_deref(),
            flavour: flavour.as_deref(),
        };
        let today = self.today.or_else(|| commit.and_then(day_of_commit));
        let decisions = decisions::read(
            decisions::Named::default(),
            Some(&old),
            &context,
            today,
            &from_disk,
            &mut Vec::new(),
        )?;
        let head = Candidate {
            path: self.tree.tree.clone(),
            source: self.tree.tree.display().to_string(),
            symvers: snapshot.symvers.clone(),
            types: snapshot.types.clone(),
            types_source: None,
            config: None,
            manifest: None,
            protected_only: false,
            warnings: Vec::new(),
        };
        Ok(diff(&Pair {
            base: &Candidate::of_baseline(old),
            head: &head,
            protected: &protected,
            modules: &Database::default(),
            decisions: &decisions,
            mode: Mode::Enforce,
        }))
    }

    /// Refuses breaks that nobody gave a reason for.
    fn justified(&self, report: &Report) -> Result<(), Reason> {
        let counts = &report.tip.counts;
        let failing = counts.failing + counts.failing_others;
        if self.reason.is_some() || (failing == 0 && report.reasons.is_empty()) {
            return Ok(());
        }
        let what = match report.reasons.first() {
            Some(first) => format!(
                "the new kernel cannot be compared with the baseline: {}",
                first.message
            ),
            None => {
                let all = report.to_approve();
                let first: Vec<&str> = all
                    .iter()
                    .take(NAMED)
                    .map(|one| one.what.as_str())
                    .collect();
                let more = if all.len() > NAMED { ", …" } else { "" };
                format!(
                    "{failing} protected symbols break and nobody accepted it: {}{more}",
                    first.join(", ")
                )
            }
        };
        Err(reason(
            ReasonCode::Usage,
            what,
            "say why it is accepted: --reason TEXT --owner WHO; or approve each change in approvals.toml first",
        ))
    }

    fn entry(
        &self,
        old: &Baseline,
        snapshot: &Snapshot,
        commit: Option<&Commit>,
        report: &Report,
    ) -> Entry {
        let symbols = report.tip.symbols.iter();
        let protected: BTreeSet<&str> = symbols
            .filter(|symbol| symbol.protected)
            .map(|symbol| symbol.symbol.as_str())
            .collect();
        let of = |symbols: &[String]| {
            let symbols = symbols.iter();
            symbols
                .filter(|one| protected.contains(one.as_str()))
                .count()
        };
        let approved = report.policy.in_state(ApprovalState::Used);
        let approved = approved.map(|one| Accepted {
            fingerprint: one.fingerprint.clone(),
            what: one.what.clone(),
            symbols: of(&one.symbols),
            reason: one.reason.clone(),
            owner: Some(one.owner.clone()),
            reference: one.reference.clone(),
        });
        let others = report.to_approve().iter().map(|one| Accepted {
            fingerprint: one.fingerprint.clone(),
            what: one.what.clone(),
            symbols: one.symbols,
            reason: self.reason.clone().unwrap_or_default(),
            owner: self.owner.clone(),
            reference: self.reference.clone(),
        });
        let counts = &report.tip.counts;
        let fingerprint = &old.manifest.fingerprint;
        Entry {
            from: kernel(&fingerprint.release, old.manifest.commit.as_deref()),
            to: kernel(
                &snapshot.fingerprint.release,
                commit.map(|commit| commit.id.as_str()),
            ),
            changed: report.tip.symbols.len() + report.tip.unprotected.len(),
            protected: counts.failing + counts.failing_others + counts.approved,
            reason: self.reason.clone(),
            owner: self.owner.clone(),
            reference: self.reference.clone(),
            accepted: approved.chain(others).collect(),
        }
    }
}

/// A kernel as the file names it.
fn kernel(release: &str, commit: Option<&str>) -> String {
    match commit {
        Some(commit) => format!("{release} ({})", commit.get(..12).unwrap_or(commit)),
        None => release.to_owned(),
    }
}
