//! Joins the pieces of a run to its report. A run that was not cut is one piece and goes the same way.
//!
//! Here is all that depends on more than one comparison: since when a symbol is broken, what a commit brings back to the
//! baseline, causes across commits, the tip, and the verdict. Pieces come from files of other jobs, so nothing in them
//! is believed that the pieces beside them can disprove.

use std::collections::{BTreeMap, BTreeSet};

use super::causes::{CauseTable, Texts};
use super::decided::{Asked, tell};
use super::findings::full_name;
use super::hunks::{self, Hunks};
use super::layouts::Layouts;
use super::part::{
    Brought, End, MAX_SHARDS, PART_SCHEMA, Part, Piece, RunId, Stand, Start, Step, Tip, Turn, Twice,
};
use super::verdict::conclude;
use crate::policy::Severity;
use crate::report::{
    CommitFindings, CommitName, Findings, ModuleStatus, Reason, ReasonCode, Report,
};

/// Joins the parts of one run to the report that the run gives as a whole.
///
/// # Errors
/// If a part is missing, there twice, of another run, or does not go on where the one before it ends.
pub fn join_parts(mut parts: Vec<Part>) -> Result<Report, Box<Reason>> {
    parts.sort_by_key(|part| part.shard);
    let Some(first) = parts.first() else {
        return Err(incomplete("there is no part to join".to_owned()));
    };
    let count = first.shard.count;
    for part in &parts {
        if part.schema != PART_SCHEMA || !part.shard.is_valid() {
            return Err(mismatch(format!("{}: no part of a run", name(part))));
        }
        if let Some((what, ours, theirs)) = first.run.difference(&part.run) {
            return Err(Box::new(Reason {
                expected: Some(ours),
                found: Some(theirs),
                ..*mismatch(format!(
                    "{} and {} are of another {what}",
                    name(first),
                    name(part)
                ))
            }));
        }
        if part.shard.count != count {
            let message = format!(
                "{} and {} are parts of another plan",
                name(first),
                name(part)
            );
            return Err(mismatch(message));
        }
        let slice = part.shard.slice(part.run.commits);
        if part.piece.steps.len() != slice.len() && matches!(part.piece.start, Start::At(_)) {
            let message = format!(
                "{} holds {} commits, and {} belong to it",
                name(part),
                part.piece.steps.len(),
                slice.len()
            );
            return Err(mismatch(message));
        }
        let frame = part.piece.end.as_ref().map(|end| &end.frame);
        if frame.is_some_and(|frame| !is_of(&part.run, frame))
            || frame.is_some() != part.shard.is_last()
        {
            let message = format!("{} is not what it says it is", name(part));
            return Err(mismatch(message));
        }
        if part.piece.is_interrupted() {
            return Err(incomplete(format!("{} was interrupted", name(part))));
        }
    }
    every_one(
        parts.iter().map(|part| part.shard.index),
        count.min(MAX_SHARDS),
    )?;
    let ids = parts.iter().flat_map(|part| &part.piece.steps);
    let ids: Vec<&str> = ids.map(|step| step.commit.id.as_str()).collect();
    let whole = ids.len() == first.run.commits;
    if whole && line_digest(ids.iter().copied()) != first.run.line {
        return Err(mismatch(
            "the parts hold other commits than they say".to_owned(),
        ));
    }
    let mut warnings: Vec<String> = Vec::new();
    let mut pieces = Vec::new();
    for part in parts {
        let fresh = part
            .warnings
            .into_iter()
            .filter(|text| !warnings.contains(text));
        let fresh: Vec<String> = fresh.collect();
        warnings.extend(fresh);
        pieces.push(part.piece);
    }
    let mut report = join(pieces)?;
    warnings.append(&mut report.warnings);
    report.warnings = warnings;
    Ok(report)
}

/// Whether the frame of a report is that of a run.
fn is_of(run: &RunId, frame: &Report) -> bool {
    let id = |commit: &Option<CommitName>| commit.as_ref().map(|commit| commit.id.clone());
    let provenance = &frame.provenance;
    id(&provenance.base).as_ref() == Some(&run.base)
        && id(&provenance.head).as_ref() == Some(&run.head)
        && (&provenance.target, &frame.tool) == (&run.target, &run.tool)
        && (frame.mode, frame.per_commit) == (run.mode, run.per_commit)
}

/// Digest of the ids of a line of commits, oldest first.
#[must_use]
pub fn line_digest<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for id in ids {
        hasher.update(id.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Refuses numbers that are not each of `1..=count` once.
fn every_one(numbers: impl Iterator<Item = usize>, count: usize) -> Result<(), Box<Reason>> {
    let mut seen = BTreeSet::new();
    for number in numbers {
        if !seen.insert(number) {
            return Err(incomplete(format!("part {number}/{count} is there twice")));
        }
    }
    let missing: Vec<usize> = (1..=count)
        .filter(|number| !seen.contains(number))
        .collect();
    let Some(number) = missing.first() else {
        return Ok(());
    };
    let more = match missing.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Err(incomplete(format!(
        "part {number}/{count} is missing{more}"
    )))
}

/// How messages call a part.
fn name(part: &Part) -> String {
    match &part.run.target {
        Some(target) => format!("part {} of target {target}", part.shard),
        None => format!("part {}", part.shard),
    }
}

/// Joins pieces in the order of their commits.
///
/// # Errors
/// If the last piece is missing, or a piece does not go on where the one before it ends.
pub(super) fn join(pieces: Vec<Piece>) -> Result<Report, Box<Reason>> {
    let mut joint = Joint::default();
    for (at, piece) in pieces.into_iter().enumerate() {
        joint.piece(piece, at == 0)?;
    }
    joint.finish()
}

/// What stands after the pieces so far.
#[derive(Default)]
struct Joint {
    causes: CauseTable,
    texts: Texts,
    asked: Asked,
    standing: Standings,
    layouts: Layouts,
    /// The hunks of each commit.
    hunks: BTreeMap<String, Hunks>,
    /// The last commit that could be computed; none before the first piece, and none if the walk could not start.
    last: Option<String>,
    /// Whether the commit after which nothing came yet could be computed.
    last_checked: bool,
    compiler: String,
    /// Symbols that a kernel exports twice and that were told.
    conflicting: BTreeSet<String>,
    reasons: Vec<Reason>,
    commits: Vec<CommitFindings>,
    end: Option<End>,
}

/// Which symbols and modules differ from the baseline, and since which commit.
#[derive(Default)]
struct Standings {
    symbols: BTreeMap<String, Option<String>>,
    modules: BTreeMap<String, Option<String>>,
}

impl Joint {
    fn piece(&mut self, piece: Piece, is_first: bool) -> Result<(), Box<Reason>> {
        for (id, cause) in piece.causes {
            self.texts.entry(id).or_insert(cause);
        }
        for (fingerprint, symbols) in piece.asked {
            self.asked.entry(fingerprint).or_default().extend(symbols);
        }
        match piece.start {
            Start::Refused { reasons } if is_first => self.reasons.extend(reasons),
            Start::At(stand) if is_first => self.begin(stand),
            // Nothing was compared if the run could not start, whatever later parts could compute.
            _ if self.last.is_none() => {}
            Start::Refused { reasons } => {
                let why = reasons.first().map_or("", |reason| reason.message.as_str());
                let message =
                    format!("a part could not compute what the one before it could: {why}");
                return Err(mismatch(message));
            }
            Start::At(stand) => self.goes_on(&stand)?,
        }
        if self.last.is_some() {
            for step in piece.steps {
                self.step(step)?;
            }
        }
        if let Some(end) = piece.end {
            self.end = Some(*end);
        }
        Ok(())
    }

    fn begin(&mut self, stand: Stand) {
        self.conflicts(stand.conflicts, &stand.commit);
        let since = |names: BTreeSet<String>| names.into_iter().map(|name| (name, None)).collect();
        self.standing.symbols = since(stand.symbols);
        self.standing.modules = since(stand.modules);
        self.layouts.begin(stand.layouts);
        self.compiler = stand.compiler;
        self.last = Some(stand.commit);
        self.last_checked = true;
    }

    /// Whether a part starts as the one before it ended.
    fn goes_on(&self, stand: &Stand) -> Result<(), Box<Reason>> {
        let differs = |what: &str, expected: &str, found: &str| {
            Err(Box::new(Reason {
                expected: Some(expected.to_owned()),
                found: Some(found.to_owned()),
                ..*mismatch(format!(
                    "a part starts with another {what} than the one before it ended with"
                ))
            }))
        };
        let last = self.last.as_deref().unwrap_or_default();
        if last != stand.commit {
            return differs("commit", last, &stand.commit);
        }
        if self.compiler != stand.compiler {
            return differs("compiler", &self.compiler, &stand.compiler);
        }
        let same = |held: &BTreeMap<String, Option<String>>, names: &BTreeSet<String>| {
            held.keys().eq(names.iter())
        };
        if !same(&self.standing.symbols, &stand.symbols)
            || !same(&self.standing.modules, &stand.modules)
        {
            let count =
                |symbols: usize, modules: usize| format!("{symbols} symbols and {modules} modules");
            return differs(
                "difference to the baseline",
                &count(self.standing.symbols.len(), self.standing.modules.len()),
                &count(stand.symbols.len(), stand.modules.len()),
            );
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), Box<Reason>> {
        let last = self.last.clone().unwrap_or_default();
        self.conflicts(step.conflicts, &step.commit.id);
        let interrupted = step
            .reasons
            .iter()
            .any(|r| r.code == ReasonCode::Interrupted);
        self.reasons.extend(step.reasons);
        let Some(brought) = step.brought else {
            self.last_checked = false;
            if !interrupted {
                self.commits.push(unchecked_commit(step.commit, last));
            }
            return Ok(());
        };
        if brought.against != last {
            return Err(mismatch(format!(
                "commit {} was compared with {}, and {last} stands before it",
                step.commit.id, brought.against
            )));
        }
        self.last_checked = true;
        self.last = Some(step.commit.id.clone());
        self.brought(step.commit, *brought);
        Ok(())
    }

    fn brought(&mut self, commit: CommitName, brought: Brought) {
        let mut findings = brought.findings;
        let restored = replace(&mut self.standing.symbols, brought.symbols, &commit.id);
        let modules_restored = replace(&mut self.standing.modules, brought.modules, &commit.id);
        pardon(&mut findings, &restored);
        self.causes.add(brought.causes, &findings, Some(&commit.id));
        self.layouts.step(&commit.id, brought.layouts);
        self.hunks.insert(commit.id.clone(), brought.hunks);
        self.commits.push(CommitFindings {
            commit,
            checked: true,
            against: brought.against,
            findings,
            restored,
            modules_restored,
            config: brought.config,
        });
    }

    /// Symbols that a kernel exports twice, each told at the first commit that does.
    fn conflicts(&mut self, conflicts: Vec<Twice>, commit: &str) {
        for conflict in conflicts {
            if !self.conflicting.insert(conflict.symbol) {
                continue;
            }
            self.reasons.push(Reason {
                code: ReasonCode::ExportAmbiguous,
                message: conflict.message,
                next_step: Some(
                    "export the symbol once; the kernel's own build refuses this too".to_owned(),
                ),
                commit: Some(commit.to_owned()),
                file: None,
                line: None,
                expected: None,
                found: None,
            });
        }
    }

    fn finish(mut self) -> Result<Report, Box<Reason>> {
        let Some(end) = self.end.take() else {
            return Err(incomplete("the last part is missing".to_owned()));
        };
        let mut report = end.frame;
        report.reasons = std::mem::take(&mut self.reasons);
        report.commits = std::mem::take(&mut self.commits);
        match (self.last.take(), end.tip) {
            (Some(last), Some(tip)) => self.tip(&mut report, &last, tip)?,
            (None, _) => {}
            (Some(_), None) => return Err(mismatch("the last part has no tip".to_owned())),
        }
        let checked = report.commits.iter().filter(|commit| commit.checked);
        let checked = checked.map(|commit| commit.commit.id.as_str()).collect();
        if let Some((commit, at)) = end.hidden.unasked(&checked, &self.layouts) {
            let message = format!("no part tells what commit {commit} does to {}", at.name);
            return Err(mismatch(message));
        }
        report.hidden = end.hidden.report(&self.layouts, &mut report.reasons);
        report.reasons.extend(end.hidden_reason);
        report.warnings.extend(end.hidden_warnings);
        let toggled: Vec<String> = report.commits.iter().flat_map(reserves).collect();
        report.warnings.extend(toggled);
        if let Some(id) = self.causes.undescribed(&self.texts) {
            return Err(mismatch(format!("no part describes the cause {id}")));
        }
        let commits = report.commits.iter_mut().map(|commit| &mut commit.findings);
        for findings in commits.chain([&mut report.tip]) {
            keep_causes(findings, |id| self.causes.matters(id));
        }
        report.causes = self.causes.into_report(self.texts);
        hunks::fill(&mut report.causes, &self.hunks);
        if self.last_checked {
            let at_tip: BTreeSet<&String> =
                report.tip.symbols.iter().flat_map(|s| &s.causes).collect();
            let there = report.causes.iter_mut();
            for cause in there.filter(|cause| at_tip.contains(&cause.id)) {
                cause.changed_line = end.changed_lines.get(&cause.id).copied();
            }
        }
        tell(&mut report, end.decided, &self.asked);
        conclude(&mut report);
        Ok(report)
    }

    fn tip(&mut self, report: &mut Report, last: &str, tip: Tip) -> Result<(), Box<Reason>> {
        if tip.commit != last {
            let message = format!(
                "the tip was taken of commit {}, and {last} is the last one",
                tip.commit
            );
            return Err(mismatch(message));
        }
        if !self.last_checked {
            report.warnings.push(format!(
                "the tip could not be checked; what stands against the baseline is commit {last}"
            ));
        }
        let mut findings = tip.findings;
        let since =
            |held: &BTreeMap<String, Option<String>>, name: &str| held.get(name).cloned().flatten();
        for symbol in &mut findings.symbols {
            symbol.since = since(&self.standing.symbols, &symbol.symbol);
        }
        let stopped = findings.modules.iter_mut();
        for module in stopped.filter(|module| module.status == ModuleStatus::StopsLoading) {
            let name = full_name(&module.provider, &module.module);
            module.since = since(&self.standing.modules, &name);
        }
        self.layouts.end(tip.layouts);
        self.causes.add(tip.causes, &findings, None);
        self.causes.locate();
        report.tip = findings;
        report.reasons.extend(tip.reasons);
        report.warnings.extend(tip.warnings);
        Ok(())
    }
}

/// Takes over what comes and leaves, with the commit that names come with; hands back those that left.
fn replace(held: &mut BTreeMap<String, Option<String>>, turn: Turn, commit: &str) -> Vec<String> {
    for name in &turn.gone {
        held.remove(name);
    }
    for name in turn.come {
        held.entry(name).or_insert_with(|| Some(commit.to_owned()));
    }
    turn.gone.into_iter().collect()
}

/// A change that brings a symbol back to the baseline breaks nothing.
fn pardon(findings: &mut Findings, restored: &[String]) {
    for symbol in &mut findings.symbols {
        if restored
            .binary_search_by(|name| name.as_str().cmp(&symbol.symbol))
            .is_ok()
        {
            symbol.severity = Severity::Note;
            for change in &mut symbol.changes {
                change.severity = Severity::Note;
            }
        }
    }
    findings.tally();
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

/// Sentences about reserved slots that a commit's configuration switches.
fn reserves(commit: &CommitFindings) -> Vec<String> {
    let reserves = |line: &&String| line.contains("KABI") && line.contains("RESERVE");
    let toggled = commit.config.iter().filter(reserves);
    toggled
        .map(|line| {
            format!(
                "commit {} switches reserved slots on or off: {line}",
                commit.commit.short()
            )
        })
        .collect()
}

fn unchecked_commit(commit: CommitName, against: String) -> CommitFindings {
    CommitFindings {
        commit,
        checked: false,
        against,
        findings: Findings::default(),
        restored: Vec::new(),
        modules_restored: Vec::new(),
        config: Vec::new(),
    }
}

fn incomplete(message: String) -> Box<Reason> {
    let next = "run the missing part again, and name the file of each part once";
    refusal(ReasonCode::PartsIncomplete, message, next)
}

fn mismatch(message: String) -> Box<Reason> {
    let next = "run all parts again with one program, range, baseline and policy: `kabigate plan` lists them";
    refusal(ReasonCode::PartsMismatch, message, next)
}

fn refusal(code: ReasonCode, message: String, next_step: &str) -> Box<Reason> {
    Box::new(Reason {
        code,
        message,
        next_step: Some(next_step.to_owned()),
        commit: None,
        file: None,
        line: None,
        expected: None,
        found: None,
    })
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
