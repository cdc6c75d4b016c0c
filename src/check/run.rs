//! Walks the commits of a run, or of a part of it, and writes down what each one brings.

use std::collections::BTreeSet;
use std::ops::Range;

use super::causes::{Texts, causes_of};
use super::comparable::{mismatches, unknown_circumstances};
use super::findings::{Judge, full_name};
use super::hidden::{Hidden, HiddenLines};
use super::hunks::{self, Hunks};
use super::join::join;
use super::layouts::{Looks, TypeLayout, reaching};
use super::lines;
use super::part::{Brought, End, Piece, Shard, Stand, Start, Step, Tip, Turn, Twice};
use super::reasons::{commit_name, history_reason, snapshot_reason};
use super::verdict::unchecked;
use crate::baseline::Baseline;
use crate::compare::{Side, classify, compare};
use crate::history::{Commit, HistoryError, Repo, Walk};
use crate::kbuild::Config;
use crate::modules::{Database, Outcome, impact};
use crate::policy::{Decisions, ProtectedSet, Severity, Standing};
use crate::report::{
    BaselineName, Compared, ComparedSymbol, ListName, Mode, PolicyFindings, Provenance, Reason,
    ReasonCode, Report,
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
    /// The target that all this belongs to, if it has a name.
    pub target: Option<String>,
    /// How what the build executes is confined.
    pub sandbox: Option<crate::report::SandboxFacts>,
    /// Where the policy was read from, and which commits edit it.
    pub policy: PolicyFindings,
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
    let piece = compute(gate, series, Shard::WHOLE, builder);
    join(vec![piece]).unwrap_or_else(|reason| unchecked(gate.mode, gate.per_commit, vec![*reason]))
}

/// Computes a part of a run: its slice of the commits, with the last one what belongs to the run as a whole.
///
/// Never fails as a whole: what could not be computed stands in the piece's reasons.
pub fn compute(
    gate: &Gate<'_>,
    series: Series<'_>,
    shard: Shard,
    builder: &mut Builder<'_>,
) -> Piece {
    let slice = shard.slice(series.walk.commits.len());
    let mut walker = Walker {
        gate,
        judge: Judge::new(gate.protected, gate.modules, gate.decisions),
        texts: Texts::new(),
        looks: Looks::default(),
        total: slice.len() + 1,
        done: 0,
    };
    let (mut start, mut before) = walker.start(series, slice.start, builder);
    let mut unseen = Vec::new();
    let mentioning = builder.mentioning_genksyms();
    let hidden = Hidden::find(series.repo, series.walk, &mentioning, &mut unseen);
    if let (Start::At(stand), Some(at), Ok(hidden)) = (&mut start, &mut before, &hidden) {
        walker.looks = Looks::new(hidden.types());
        walker.look_at_start(stand, at, builder);
    }
    let (mut steps, mut tip) = (Vec::new(), None);
    if let Some(before) = before {
        let last = walker.walk(series, slice, builder, before, &mut steps);
        tip = shard.is_last().then(|| walker.tip(&last));
    }
    let end = shard
        .is_last()
        .then(|| Box::new(walker.end(series, tip, hidden, unseen)));
    Piece {
        start,
        steps,
        asked: walker.judge.decided.asked(),
        causes: walker.texts,
        end,
    }
}

struct Walker<'a> {
    gate: &'a Gate<'a>,
    judge: Judge<'a>,
    texts: Texts,
    looks: Looks,
    /// Commits to compute, and how many of them are.
    total: usize,
    done: usize,
}

/// A commit that was computed.
struct At {
    /// Its place among the commits; the one before the range has place 0.
    place: usize,
    commit: Commit,
    snapshot: Snapshot,
    /// Protected and used symbols that differ from the baseline, and modules that no longer load.
    symbols: BTreeSet<String>,
    modules: BTreeSet<String>,
    /// At the ends of the range, the layouts of the types that hidden changes touch.
    layouts: Vec<TypeLayout>,
}

impl Walker<'_> {
    fn snapshot(
        &mut self,
        repo: &Repo,
        commit: &Commit,
        builder: &mut Builder<'_>,
    ) -> Result<Snapshot, SnapshotError> {
        self.done = self.total.min(self.done + 1);
        builder
            .progress()
            .commit(self.done, self.total, &title(commit));
        builder.snapshot(Source::Commit { repo, commit })
    }

    /// What the commit at place `first` is compared with: the last one before it that can be computed.
    fn start(
        &mut self,
        series: Series<'_>,
        first: usize,
        builder: &mut Builder<'_>,
    ) -> (Start, Option<At>) {
        let refused = |reasons| (Start::Refused { reasons }, None);
        let earlier = series.walk.commits.iter().take(first).rev();
        let places = (0..=first).rev();
        for (place, commit) in places.zip(earlier.chain([&series.walk.base])) {
            self.done = 0;
            let snapshot = match self.snapshot(series.repo, commit, builder) {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    let is_base = commit.id == series.walk.base.id;
                    if is_base || matches!(error, SnapshotError::Interrupted) {
                        return refused(vec![reason_of(&error, commit, builder)]);
                    }
                    // The part that this commit belongs to tells why.
                    continue;
                }
            };
            if first == 0 {
                let reasons = mismatches(self.gate.baseline, &snapshot, self.gate.config);
                if !reasons.is_empty() {
                    return refused(reasons);
                }
            }
            let at = self.at(place, commit.clone(), snapshot);
            let stand = Stand {
                commit: commit.id.as_str().to_owned(),
                compiler: at.snapshot.fingerprint.compiler.clone(),
                symbols: at.symbols.clone(),
                modules: at.modules.clone(),
                conflicts: self.conflicts(&at.snapshot),
                layouts: Vec::new(),
            };
            return (Start::At(stand), Some(at));
        }
        refused(Vec::new())
    }

    fn look_at_start(&mut self, stand: &mut Stand, at: &mut At, builder: &Builder<'_>) {
        let looked = self.looks.start(at.place, |wanted| builder.views(wanted));
        at.layouts = looked.end.unwrap_or_default();
        if at.place == 0 {
            stand.layouts.clone_from(&at.layouts);
        }
    }

    /// Walks the commits and hands back the last one that could be computed.
    fn walk(
        &mut self,
        series: Series<'_>,
        slice: Range<usize>,
        builder: &mut Builder<'_>,
        mut before: At,
        steps: &mut Vec<Step>,
    ) -> At {
        let (repo, walk) = (series.repo, series.walk);
        let commits = walk.commits.get(slice.clone()).unwrap_or_default();
        let parents = [&walk.base].into_iter().chain(&walk.commits);
        let parents = parents.skip(slice.start);
        for ((place, commit), parent) in (slice.start + 1..).zip(commits).zip(parents) {
            let mut step = Step {
                commit: commit_name(commit),
                conflicts: Vec::new(),
                reasons: Vec::new(),
                brought: None,
            };
            match self.snapshot(repo, commit, builder) {
                Ok(snapshot) => {
                    let mut at = self.at(place, commit.clone(), snapshot);
                    let mut brought = self.commit(&mut step, &before, &at, (repo, parent));
                    let relied_on =
                        |symbol: &str| self.judge.standing(symbol) != Standing::Unlisted;
                    let looked = self.looks.next(
                        place,
                        |wanted| builder.views(wanted),
                        |names| reaching(&at.snapshot.types, names, relied_on),
                    );
                    brought.layouts = looked.step;
                    step.brought = Some(brought);
                    at.layouts = looked.end.unwrap_or_default();
                    before = at;
                    steps.push(step);
                }
                Err(error) => {
                    step.reasons.push(reason_of(&error, commit, builder));
                    steps.push(step);
                    if matches!(error, SnapshotError::Interrupted) {
                        break;
                    }
                }
            }
        }
        before
    }

    /// One commit against the one before it.
    fn commit(
        &mut self,
        step: &mut Step,
        before: &At,
        at: &At,
        (repo, parent): (&Repo, &Commit),
    ) -> Box<Brought> {
        let (base, head) = (&before.snapshot, &at.snapshot);
        step.conflicts = self.conflicts(head);
        let mut comparison = compare(side(base), side(head));
        let unexplained = unexplained_reason(&comparison.unexplained, Some(&at.commit));
        step.reasons.extend(unexplained);
        let findings = self.judge.findings(&mut comparison, side(base), side(head));
        let hunks = hunks::of_commit(repo, parent, &at.commit, &comparison.causes);
        let hunks = hunks.unwrap_or_else(|error| {
            step.reasons.push(history_reason(&error));
            Hunks::new()
        });
        Box::new(Brought {
            against: before.commit.id.as_str().to_owned(),
            causes: causes_of(&comparison, &findings, &mut self.texts),
            hunks,
            layouts: Vec::new(),
            findings,
            symbols: Turn::of(&before.symbols, &at.symbols),
            modules: Turn::of(&before.modules, &at.modules),
            config: base
                .config
                .difference(&head.config)
                .iter()
                .map(|option| format!("{}: {} → {}", option.option, option.old, option.new))
                .collect(),
        })
    }

    /// The last commit that could be checked against the baseline.
    fn tip(&mut self, at: &At) -> Tip {
        let (baseline, tip) = (self.gate.baseline, &at.snapshot);
        let base = Side {
            symvers: &baseline.symvers,
            types: &baseline.types,
        };
        let mut comparison = compare(base, side(tip));
        if baseline.manifest.protected_only {
            comparison = comparison.without_additions();
        }
        let reasons = unexplained_reason(&comparison.unexplained, None);
        let mut findings = self.judge.findings(&mut comparison, base, side(tip));
        let mut warnings: Vec<String> = self
            .judge
            .unknown_modules(&mut findings)
            .into_iter()
            .collect();
        let idle = tip
            .conflicts
            .iter()
            .filter(|conflict| self.judge.standing(&conflict.symbol) == Standing::Unlisted);
        warnings.extend(idle.map(|conflict| conflict.message.clone()));
        warnings.extend(tip.warnings.iter().cloned());
        if let Some(first) = tip.messages.first() {
            warnings.push(format!(
                "the tree's declarations gave {} messages of the genksyms grammar, which a kernel build hides; the first: {}: {}",
                tip.messages.len(),
                first.location,
                first.message
            ));
        }
        Tip {
            commit: at.commit.id.as_str().to_owned(),
            causes: causes_of(&comparison, &findings, &mut self.texts),
            findings,
            layouts: at.layouts.clone(),
            reasons: reasons.into_iter().collect(),
            warnings,
        }
    }

    /// A symbol that somebody relies on and that one kernel exports with two values: which one a module gets is not known.
    fn conflicts(&self, snapshot: &Snapshot) -> Vec<Twice> {
        let relied_on = |symbol: &str| self.judge.standing(symbol) != Standing::Unlisted;
        let conflicts = snapshot.conflicts.iter();
        let conflicts = conflicts.filter(|conflict| relied_on(&conflict.symbol));
        conflicts
            .map(|conflict| Twice {
                symbol: conflict.symbol.clone(),
                message: conflict.message.clone(),
            })
            .collect()
    }

    /// How a commit stands against the baseline.
    fn at(&self, place: usize, commit: Commit, snapshot: Snapshot) -> At {
        let baseline = &self.gate.baseline.symvers;
        let symbols = baseline
            .iter()
            .filter(|export| self.judge.standing(&export.symbol) != Standing::Unlisted)
            .filter(|export| {
                let now = snapshot.symvers.get(&export.symbol);
                let classes = classify(Some(export), now);
                self.judge.severity(Some(export), now, &classes) > Severity::Note
            })
            .map(|export| export.symbol.to_string())
            .collect();
        let modules = impact(self.gate.modules, baseline, &snapshot.symvers)
            .into_iter()
            .filter(|module| module.outcome == Outcome::Breaks)
            .map(|module| full_name(&module.provider, &module.module))
            .collect();
        At {
            place,
            commit,
            snapshot,
            symbols,
            modules,
            layouts: Vec::new(),
        }
    }

    /// What belongs to the run as a whole.
    fn end(
        &self,
        series: Series<'_>,
        tip: Option<Tip>,
        hidden: Result<Hidden, HistoryError>,
        hidden_warnings: Vec<String>,
    ) -> End {
        let gate = self.gate;
        let mut frame = unchecked(gate.mode, gate.per_commit, Vec::new());
        frame.provenance = provenance(gate, series.walk);
        frame.compared = compared(gate, &self.judge);
        frame.policy = gate.policy.clone();
        frame.warnings = lacking(gate.baseline);
        let (hidden, hidden_reason) = match hidden {
            Ok(hidden) => (hidden.lines(series.walk, &self.judge.matcher), None),
            Err(error) => (HiddenLines::default(), Some(history_reason(&error))),
        };
        let causes = tip.as_ref().map_or(&[][..], |tip| &tip.causes);
        End {
            changed_lines: lines::changed_lines(causes, series),
            frame,
            tip,
            hidden,
            hidden_reason,
            hidden_warnings,
            decided: self.judge.decided.told(),
        }
    }
}

/// What a baseline does not hold, so that less is told.
fn lacking(baseline: &Baseline) -> Vec<String> {
    let mut warnings = Vec::new();
    if !baseline.manifest.crcs_enforced {
        warnings.push(
            "CONFIG_MODVERSIONS is off: the CRCs are not enforced by that kernel, whose loader compares none"
                .to_owned(),
        );
    }
    let name = baseline.name();
    warnings.extend(unknown_circumstances(&name, &baseline.manifest));
    if baseline.types.is_empty() {
        warnings.push(format!(
            "the baseline {name} holds no types, so its changed CRCs are told without what caused them; \
             the commits are explained one by one"
        ));
    }
    warnings
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

fn side(snapshot: &Snapshot) -> Side<'_> {
    Side {
        symvers: &snapshot.symvers,
        types: &snapshot.types,
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

fn compared(gate: &Gate<'_>, judge: &Judge<'_>) -> Compared {
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
        target: gate.target.clone(),
        sandbox: gate.sandbox.clone(),
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
        // Known where the builder was made.
    }
}
