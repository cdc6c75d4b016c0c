//! The causes of all comparisons of a run, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use similar::TextDiff;

use super::findings::full_name;
use crate::compare::{Cause, Comparison, DefinitionChange};
use crate::report::{self, Severity};
use crate::symtypes::{Location, TypeGraph, c_layout};

/// Lines of context in a diff.
const CONTEXT: usize = 3;

/// Beyond it a diff is coarser, never missing.
const DIFF_TIME: Duration = Duration::from_secs(20);

/// Collects the causes of several comparisons under their fingerprints.
#[derive(Default)]
pub(super) struct CauseTable {
    causes: BTreeMap<String, Entry>,
}

struct Entry {
    cause: Cause,
    commits: Vec<String>,
    protected: BTreeSet<String>,
    modules: BTreeSet<String>,
    unprotected: usize,
    /// Whether it is one of the tip against the baseline.
    at_tip: bool,
    /// Whether it changes a symbol that somebody relies on, other than back to the baseline.
    matters: bool,
}

impl CauseTable {
    /// Takes over the causes of a comparison; `commit` is the one that made it, if it is one commit's.
    pub(super) fn add(
        &mut self,
        comparison: &Comparison,
        findings: &report::Findings,
        commit: Option<&str>,
    ) {
        let mut reach: BTreeMap<&str, usize> = BTreeMap::new();
        for change in comparison.changes.values() {
            for &cause in &change.causes {
                *reach
                    .entry(&comparison.causes[cause].fingerprint)
                    .or_default() += 1;
            }
        }
        let mut changed_by: BTreeMap<&str, Vec<&report::SymbolChange>> = BTreeMap::new();
        for symbol in &findings.symbols {
            for cause in &symbol.causes {
                changed_by.entry(cause).or_default().push(symbol);
            }
        }
        for cause in &comparison.causes {
            let entry = self
                .causes
                .entry(cause.fingerprint.clone())
                .or_insert_with(|| Entry {
                    cause: cause.clone(),
                    commits: Vec::new(),
                    protected: BTreeSet::new(),
                    modules: BTreeSet::new(),
                    unprotected: 0,
                    at_tip: false,
                    matters: false,
                });
            entry.at_tip |= commit.is_none();
            entry.cause.base = entry.cause.base.take().or_else(|| cause.base.clone());
            entry.cause.head = entry.cause.head.take().or_else(|| cause.head.clone());
            if let Some(commit) = commit {
                entry.commits.push(commit.to_owned());
            }
            let symbols = changed_by
                .get(cause.fingerprint.as_str())
                .map_or(&[][..], Vec::as_slice);
            entry.matters |= symbols
                .iter()
                .any(|symbol| symbol.severity > Severity::Note);
            let protected = symbols.iter().filter(|symbol| symbol.protected);
            // What a commit brings back to the baseline is no break of it.
            let broken = protected
                .clone()
                .filter(|symbol| symbol.severity > Severity::Note);
            entry
                .protected
                .extend(broken.map(|symbol| symbol.symbol.clone()));
            let all = reach
                .get(cause.fingerprint.as_str())
                .copied()
                .unwrap_or_default();
            entry.unprotected = entry.unprotected.max(all - protected.count());
            let broken = findings
                .modules
                .iter()
                .filter(|module| module.status == report::ModuleStatus::StopsLoading);
            for module in broken {
                if module
                    .problems
                    .iter()
                    .any(|problem| problem.causes.contains(&cause.fingerprint))
                {
                    entry
                        .modules
                        .insert(full_name(&module.provider, &module.module));
                }
            }
        }
    }

    /// Fills in where the base side of a cause stands: a baseline stores no places, but the base of the range often
    /// still holds the baseline's text.
    pub(super) fn locate(&mut self, base: &TypeGraph) {
        for entry in self
            .causes
            .values_mut()
            .filter(|entry| entry.cause.base.is_none())
        {
            entry.cause.base = entry
                .protected
                .iter()
                .find_map(|symbol| location(base, symbol, &entry.cause));
        }
    }

    /// Whether a report tells the cause; otherwise it is only counted.
    pub(super) fn matters(&self, id: &str) -> bool {
        self.causes
            .get(id)
            .is_some_and(|entry| entry.matters || !entry.modules.is_empty())
    }

    /// The causes that matter, for the report, worst first. A cause that only the whole range has, because several commits changed
    /// one definition, names the commits that did.
    pub(super) fn into_report(self) -> Vec<report::Cause> {
        let mut commits_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in self.causes.values() {
            commits_of
                .entry(entry.cause.name.to_string())
                .or_default()
                .extend(entry.commits.iter().cloned());
        }
        let mut causes: Vec<(bool, report::Cause)> = self
            .causes
            .into_values()
            .filter(|entry| entry.matters || !entry.modules.is_empty())
            .map(|entry| {
                let commits = if entry.commits.is_empty() {
                    commits_of
                        .remove(&entry.cause.name.to_string())
                        .unwrap_or_default()
                } else {
                    entry.commits.clone()
                };
                (entry.at_tip, describe(entry, commits))
            })
            .collect();
        causes.sort_by(|(a_at_tip, a), (b_at_tip, b)| {
            let weight = |cause: &report::Cause| {
                (
                    cause.protected.len(),
                    cause.modules.len(),
                    cause.unprotected,
                )
            };
            (b_at_tip, weight(b))
                .cmp(&(a_at_tip, weight(a)))
                .then_with(|| (&a.name, &a.id).cmp(&(&b.name, &b.id)))
        });
        causes.into_iter().map(|(_, cause)| cause).collect()
    }
}

fn location(graph: &TypeGraph, symbol: &str, cause: &Cause) -> Option<Location> {
    let (unit, _) = graph.exporter(symbol)?;
    let record = graph.record(unit, graph.name_id(&cause.name)?)?;
    (graph.text(record.text) == cause.base_text)
        .then_some(record.location)
        .flatten()
        .map(|location| graph.location(location).clone())
}

/// A cause as reports tell it, without what it does to a set of symbols.
pub(super) fn describe_alone(cause: Cause) -> report::Cause {
    let entry = Entry {
        cause,
        commits: Vec::new(),
        protected: BTreeSet::new(),
        modules: BTreeSet::new(),
        unprotected: 0,
        at_tip: true,
        matters: true,
    };
    describe(entry, Vec::new())
}

fn describe(entry: Entry, commits: Vec<String>) -> report::Cause {
    let cause = entry.cause;
    report::Cause {
        id: cause.fingerprint,
        name: cause.name.in_c(),
        record: cause.name.to_string(),
        class: cause.class.word().to_owned(),
        base: cause.base.map(place),
        head: cause.head.map(place),
        commits,
        hunks: Vec::new(),
        changes: cause.changes.into_iter().map(change).collect(),
        diff: diff(&c_layout(&cause.base_text), &c_layout(&cause.head_text)),
        protected: entry.protected.into_iter().collect(),
        unprotected: entry.unprotected,
        modules: entry.modules.into_iter().collect(),
    }
}

fn change(change: DefinitionChange) -> report::CauseChange {
    let (kind, path, old, new) = match change {
        DefinitionChange::Added { path, new } => ("added", path, None, Some(new)),
        DefinitionChange::Removed { path, old } => ("removed", path, Some(old), None),
        DefinitionChange::Changed { path, old, new } => ("changed", path, Some(old), Some(new)),
        DefinitionChange::Moved { path } => ("moved", path, None, None),
        DefinitionChange::Renamed { path, old, new } => ("renamed", path, Some(old), Some(new)),
        DefinitionChange::SlotUsed { path, old, new } => ("slot-used", path, Some(old), Some(new)),
    };
    report::CauseChange {
        kind: kind.to_owned(),
        path,
        old,
        new,
    }
}

fn place(location: Location) -> report::Place {
    report::Place {
        file: location.file,
        line: location.line,
    }
}

pub(super) fn diff(base: &str, head: &str) -> String {
    TextDiff::configure()
        .timeout(DIFF_TIME)
        .diff_lines(base, head)
        .unified_diff()
        .context_radius(CONTEXT)
        .missing_newline_hint(false)
        .to_string()
}
