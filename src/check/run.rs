//! Walks the commits and writes down what each one brings.

use std::collections::{BTreeMap, BTreeSet};

use super::causes::CauseTable;
use super::comparable::{mismatches, unknown_circumstances};
use super::findings::{Judge, full_name};
use super::hidden::hidden;
use super::reasons::{commit_name, history_reason, snapshot_reason};
use super::verdict::{conclude, unchecked};
use crate::baseline::Baseline;
use crate::compare::{Side, classify, compare};
use crate::history::{Commit, Repo, Walk};
use crate::kbuild::Config;
use crate::modules::{Database, Outcome, impact};
use crate::policy::{Decisions, ProtectedSet, Severity, Standing};
use crate::report::{
    BaselineName, CommitFindings, Compared, ComparedSymbol, Findings, ListName, Mode, ModuleStatus,
    Provenance, Reason, ReasonCode, Report,
};
use crate::snapshot::{Builder, Snapshot, SnapshotError, Source};

/// What commits are held against.
pub struct Gate<'a> {
    /// The baseline.
    pub baseline: &'a Baseline,
    /// Its configuration, parsed.
    pub config: &'a Config,
    /// The protected symbols.
    pub protected: &'a ProtectedSet,
    /// The known third-party modules.
    pub modules: &'a Database,
    /// Rules and approvals.
    pub decisions: &'a Decisions,
    /// Whether breaks fail the run.
    pub mode: Mode,
    /// Whether a break fails the run even if a later commit undoes it.
    pub per_commit: bool,
}

/// The commits to check.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// Their repository.
    pub repo: &'a Repo,
    /// The commits and the one before them.
    pub walk: &'a Walk,
}

/// Checks a line of commits; `builder` computes their snapshots.
///
/// Never fails as a whole: what could not be checked stands in the report's reasons.
pub fn run(gate: &Gate<'_>, series: Series<'_>, builder: &mut Builder<'_>) -> Report {
    let mut report = unchecked(gate.mode, gate.per_commit, Vec::new());
    report.provenance = provenance(gate, series.walk);
    report.compared = compared(gate);
    if !gate.baseline.manifest.crcs_enforced {
        report.warnings.push(
            "CONFIG_MODVERSIONS is off: the CRCs are not enforced by that kernel, whose loader compares none"
                .to_owned(),
        );
    }
    let baseline = gate.baseline;
    let unknown = unknown_circumstances(&baseline.name(), &baseline.manifest);
    report.warnings.extend(unknown);
    if baseline.types.is_empty() {
        report.warnings.push(format!(
            "the baseline {} holds no types, so its changed CRCs are told without what caused them; \
             the commits are explained one by one",
            baseline.name()
        ));
    }
    let mut run = Run {
        gate,
        judge: Judge::new(gate.protected, gate.modules, gate.decisions),
        causes: CauseTable::default(),
        standing: Standings::default(),
        conflicting: BTreeSet::new(),
        report,
    };
    if let Some(base) = run.base(series, builder) {
        run.walk(series, builder, base);
    }
    run.hidden(series);
    run.finish()
}

struct Run<'a> {
    gate: &'a Gate<'a>,
    judge: Judge<'a>,
    causes: CauseTable,
    standing: Standings,
    /// Symbols that a kernel exports twice and that were told.
    conflicting: BTreeSet<String>,
    report: Report,
}

/// Which symbols and modules differ from the baseline after each step, and since which commit.
#[derive(Default)]
struct Standings {
    symbols: BTreeMap<String, Option<String>>,
    modules: BTreeMap<String, Option<String>>,
}

impl Run<'_> {
    /// The snapshot of the commit before the range, if it can be compared with the baseline.
    fn base(&mut self, series: Series<'_>, builder: &mut Builder<'_>) -> Option<Snapshot> {
        let commit = &series.walk.base;
        builder
            .progress()
            .commit(1, series.walk.commits.len() + 1, &title(commit));
        let snapshot = match builder.snapshot(Source::Commit {
            repo: series.repo,
            commit,
        }) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.report.reasons.push(reason_of(&error, commit, builder));
                return None;
            }
        };
        let reasons = mismatches(self.gate.baseline, &snapshot, self.gate.config);
        if !reasons.is_empty() {
            self.report.reasons.extend(reasons);
            return None;
        }
        self.conflicts(&snapshot, commit);
        self.standing
            .update(self.gate, &self.judge, &snapshot, None);
        Some(snapshot)
    }

    fn walk(&mut self, series: Series<'_>, builder: &mut Builder<'_>, base: Snapshot) {
        let mut before = (series.walk.base.clone(), base.clone());
        let mut last_checked = true;
        for (at, commit) in series.walk.commits.iter().enumerate() {
            builder
                .progress()
                .commit(at + 2, series.walk.commits.len() + 1, &title(commit));
            match builder.snapshot(Source::Commit {
                repo: series.repo,
                commit,
            }) {
                Ok(snapshot) => {
                    self.commit(commit, &snapshot, (&before.0, &before.1));
                    before = (commit.clone(), snapshot);
                    last_checked = true;
                }
                Err(error) => {
                    self.report.reasons.push(reason_of(&error, commit, builder));
                    if matches!(error, SnapshotError::Interrupted) {
                        last_checked = false;
                        break;
                    }
                    self.report
                        .commits
                        .push(unchecked_commit(commit, &before.0));
                    last_checked = false;
                }
            }
        }
        if !last_checked {
            self.report.warnings.push(format!(
                "the tip could not be checked; what stands against the baseline is commit {}",
                before.0.id.as_str()
            ));
        }
        self.tip(&before.1);
        self.causes.locate(&base.types);
    }

    /// One commit against the one before it.
    fn commit(&mut self, commit: &Commit, head: &Snapshot, (parent, base): (&Commit, &Snapshot)) {
        self.conflicts(head, commit);
        let mut comparison = compare(side(base), side(head));
        self.unexplained(&comparison.unexplained, Some(commit));
        let mut findings = self.judge.findings(&mut comparison, side(base), side(head));
        let restored = self
            .standing
            .update(self.gate, &self.judge, head, Some(commit.id.as_str()));
        pardon(&mut findings, &restored.symbols);
        self.causes
            .add(&comparison, &findings, Some(commit.id.as_str()));
        self.report.commits.push(CommitFindings {
            commit: commit_name(commit),
            checked: true,
            against: parent.id.as_str().to_owned(),
            findings,
            restored: restored.symbols,
            modules_restored: restored.modules,
            config: base
                .config
                .difference(&head.config)
                .iter()
                .map(|option| format!("{}: {} → {}", option.option, option.old, option.new))
                .collect(),
        });
    }

    /// The last commit that could be checked against the baseline.
    fn tip(&mut self, tip: &Snapshot) {
        let baseline = self.gate.baseline;
        let base = Side {
            symvers: &baseline.symvers,
            types: &baseline.types,
        };
        let mut comparison = compare(base, side(tip));
        if baseline.manifest.protected_only {
            comparison = comparison.without_additions();
        }
        self.unexplained(&comparison.unexplained, None);
        let mut findings = self.judge.findings(&mut comparison, base, side(tip));
        let unknown = self.judge.unknown_modules(&mut findings);
        self.report.warnings.extend(unknown);
        let idle = tip
            .conflicts
            .iter()
            .filter(|conflict| self.judge.standing(&conflict.symbol) == Standing::Unlisted);
        self.report
            .warnings
            .extend(idle.map(|conflict| conflict.message.clone()));
        for symbol in &mut findings.symbols {
            symbol.since = self.standing.symbols.get(&symbol.symbol).cloned().flatten();
        }
        for module in findings
            .modules
            .iter_mut()
            .filter(|module| module.status == ModuleStatus::StopsLoading)
        {
            module.since = self
                .standing
                .modules
                .get(&full_name(&module.provider, &module.module))
                .cloned()
                .flatten();
        }
        self.causes.add(&comparison, &findings, None);
        self.report.tip = findings;
        self.report.warnings.extend(tip.warnings.iter().cloned());
        if let Some(first) = tip.messages.first() {
            self.report.warnings.push(format!(
                "the tree's declarations gave {} messages of the genksyms grammar, which a kernel build hides; the first: {}: {}",
                tip.messages.len(),
                first.location,
                first.message
            ));
        }
    }

    /// A symbol that somebody relies on and that one kernel exports with two values: which one a module gets is not known.
    fn conflicts(&mut self, snapshot: &Snapshot, commit: &Commit) {
        for conflict in &snapshot.conflicts {
            if self.judge.standing(&conflict.symbol) == Standing::Unlisted
                || !self.conflicting.insert(conflict.symbol.clone())
            {
                continue;
            }
            self.report.reasons.push(Reason {
                code: ReasonCode::ExportAmbiguous,
                message: conflict.message.clone(),
                next_step: Some(
                    "export the symbol once; the kernel's own build refuses this too".to_owned(),
                ),
                commit: Some(commit.id.as_str().to_owned()),
                file: None,
                line: None,
                expected: None,
                found: None,
            });
        }
    }

    fn unexplained(&mut self, symbols: &[String], commit: Option<&Commit>) {
        self.report
            .reasons
            .extend(unexplained_reason(symbols, commit));
    }

    /// What the commits hide from the CRCs.
    fn hidden(&mut self, series: Series<'_>) {
        let matcher = &self.judge.matcher;
        match hidden(series.repo, series.walk, matcher, &mut self.report.warnings) {
            Ok(found) => self.report.hidden = found,
            Err(error) => self.report.reasons.push(history_reason(&error)),
        }
        for commit in &self.report.commits {
            let reserves = |line: &&String| line.contains("KABI") && line.contains("RESERVE");
            let toggled = commit.config.iter().filter(reserves);
            self.report.warnings.extend(toggled.map(|line| {
                format!(
                    "commit {} switches reserved slots on or off: {line}",
                    commit.commit.short()
                )
            }));
        }
    }

    fn finish(mut self) -> Report {
        let commits = self
            .report
            .commits
            .iter_mut()
            .map(|commit| &mut commit.findings);
        for findings in commits.chain([&mut self.report.tip]) {
            keep_causes(findings, |id| self.causes.matters(id));
        }
        self.report.causes = self.causes.into_report();
        self.judge.decided.tell(&mut self.report);
        conclude(&mut self.report);
        self.report
    }
}

/// CRCs that changed without a changed definition: a side is wrong about its types or its CRCs.
pub(super) fn unexplained_reason(symbols: &[String], commit: Option<&Commit>) -> Option<Reason> {
    let first = symbols.first()?;
    Some(Reason {
        code: ReasonCode::UnexplainedChange,
        message: format!(
            "{} symbols changed their CRC though no definition behind them differs, first {first}",
            symbols.len()
        ),
        next_step: Some("check the baseline with `kabigate baseline verify`".to_owned()),
        commit: commit.map(|commit| commit.id.as_str().to_owned()),
        file: None,
        line: None,
        expected: None,
        found: None,
    })
}

/// Symbols and modules that a commit brings back.
struct Restored {
    symbols: Vec<String>,
    modules: Vec<String>,
}

impl Standings {
    /// Notes how a snapshot stands against the baseline and tells what came back with it.
    fn update(
        &mut self,
        gate: &Gate<'_>,
        judge: &Judge<'_>,
        head: &Snapshot,
        commit: Option<&str>,
    ) -> Restored {
        let baseline = &gate.baseline.symvers;
        let symbols = baseline
            .iter()
            .filter(|export| judge.standing(&export.symbol) != Standing::Unlisted)
            .filter(|export| {
                let now = head.symvers.get(&export.symbol);
                let classes = classify(Some(export), now);
                judge.severity(Some(export), now, &classes) > Severity::Note
            })
            .map(|export| export.symbol.clone())
            .collect();
        let modules = impact(gate.modules, baseline, &head.symvers)
            .into_iter()
            .filter(|module| module.outcome == Outcome::Breaks)
            .map(|module| full_name(&module.provider, &module.module))
            .collect();
        Restored {
            symbols: replace(&mut self.symbols, symbols, commit),
            modules: replace(&mut self.modules, modules, commit),
        }
    }
}

/// Replaces a set of names and keeps since when each has been in it; hands back the names that left.
fn replace(
    held: &mut BTreeMap<String, Option<String>>,
    now: BTreeSet<String>,
    commit: Option<&str>,
) -> Vec<String> {
    let gone: Vec<String> = held
        .keys()
        .filter(|name| !now.contains(*name))
        .cloned()
        .collect();
    for name in &gone {
        held.remove(name);
    }
    for name in now {
        held.entry(name)
            .or_insert_with(|| commit.map(str::to_owned));
    }
    gone
}

/// A change that brings a symbol back to the baseline breaks nothing.
fn pardon(findings: &mut Findings, restored: &[String]) {
    for symbol in &mut findings.symbols {
        if restored.binary_search(&symbol.symbol).is_ok() {
            symbol.severity = Severity::Note;
            for change in &mut symbol.changes {
                change.severity = Severity::Note;
            }
        }
    }
    findings.tally();
}

fn side(snapshot: &Snapshot) -> Side<'_> {
    Side {
        symvers: &snapshot.symvers,
        types: &snapshot.types,
    }
}

/// Leaves only the causes that the report tells, and counts the others.
pub(super) fn keep_causes(findings: &mut Findings, matters: impl Fn(&str) -> bool) {
    let before = findings.causes.len();
    findings.causes.retain(|id| matters(id));
    findings.counts.other_causes = before - findings.causes.len();
    for symbol in &mut findings.symbols {
        symbol.causes.retain(|id| matters(id));
    }
}

fn reason_of(error: &SnapshotError, commit: &Commit, builder: &Builder<'_>) -> Reason {
    let reason = snapshot_reason(error, Some(commit));
    Reason {
        message: builder.portable(&reason.message),
        ..reason
    }
}

fn title(commit: &Commit) -> String {
    format!("{} {}", commit.id.short(), commit.subject)
}

fn unchecked_commit(commit: &Commit, against: &Commit) -> CommitFindings {
    CommitFindings {
        commit: commit_name(commit),
        checked: false,
        against: against.id.as_str().to_owned(),
        findings: Findings::default(),
        restored: Vec::new(),
        modules_restored: Vec::new(),
        config: Vec::new(),
    }
}

fn compared(gate: &Gate<'_>) -> Compared {
    let judge = Judge::new(gate.protected, gate.modules, gate.decisions);
    let mut modules: Vec<String> = gate
        .modules
        .list()
        .map(|entry| full_name(&entry.provider, &entry.module.name))
        .collect();
    modules.sort_unstable();
    Compared {
        symbols: gate
            .baseline
            .symvers
            .iter()
            .filter(|export| judge.standing(&export.symbol) != Standing::Unlisted)
            .map(|export| ComparedSymbol {
                symbol: export.symbol.clone(),
                module: export.module.clone(),
            })
            .collect(),
        modules,
    }
}

fn provenance(gate: &Gate<'_>, walk: &Walk) -> Provenance {
    let fingerprint = &gate.baseline.manifest.fingerprint;
    Provenance {
        base: Some(commit_name(&walk.base)),
        head: walk.commits.last().map(commit_name),
        baseline: Some(BaselineName {
            name: gate.baseline.name(),
            release: fingerprint.release.clone(),
            commit: gate.baseline.manifest.commit.clone(),
            arch: fingerprint.arch.clone(),
            config: fingerprint.config.clone(),
            compiler: fingerprint.compiler.clone(),
            crc_algorithm: gate.baseline.manifest.crc_algorithm(),
        }),
        lists: gate
            .protected
            .lists()
            .iter()
            .map(|(name, symbols)| ListName {
                name: name.clone(),
                symbols: *symbols,
            })
            .collect(),
        protected: gate.protected.len(),
        modules: gate.modules.len(),
        old: None,
        new: None,
    }
}
