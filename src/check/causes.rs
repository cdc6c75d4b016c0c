//! The causes of all comparisons of a run, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::findings::full_name;
use crate::compare::{Cause, Comparison, DefinitionChange};
use crate::report::{self, ModuleStatus, Place, Severity};
use crate::symtypes::{Location, c_layout};

/// Lines of context in a diff.
const CONTEXT: usize = 3;

/// Beyond it a diff is coarser, never missing.
const DIFF_TIME: Duration = Duration::from_secs(20);

/// Causes as reports tell them, by fingerprint, without what they do to a set of symbols and without their places.
pub(super) type Texts = BTreeMap<String, report::Cause>;

/// A cause as one comparison has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CauseUse {
    /// Its fingerprint.
    pub id: String,
    /// The record's name in symtypes: `s#sk_buff`.
    pub record: String,
    /// Digest of its text on the base side.
    pub before: String,
    /// Where it stands on the base side, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub base: Option<Place>,
    /// Where it stands on the head side, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub head: Option<Place>,
    /// How many symbols it changes.
    pub reach: usize,
}

/// The causes of a comparison. Those that a report may tell are described in `texts`, where they are not yet.
pub(super) fn causes_of(
    comparison: &Comparison,
    findings: &report::Findings,
    texts: &mut Texts,
) -> Vec<CauseUse> {
    let mut reach: BTreeMap<usize, usize> = BTreeMap::new();
    for change in comparison.changes.values() {
        for &cause in &change.causes {
            *reach.entry(cause).or_default() += 1;
        }
    }
    let told = told(findings);
    let causes = comparison.causes.iter().enumerate();
    causes
        .map(|(at, cause)| {
            let id = &cause.fingerprint;
            if told.contains(id.as_str()) && !texts.contains_key(id) {
                texts.insert(id.clone(), without_places(cause.clone()));
            }
            CauseUse {
                id: id.clone(),
                record: cause.name.to_string(),
                before: digest(&cause.base_text),
                base: cause.base.clone().map(place),
                head: cause.head.clone().map(place),
                reach: reach.get(&at).copied().unwrap_or_default(),
            }
        })
        .collect()
}

/// The causes of what may be more than a note: of symbols, and of modules that stop loading.
fn told(findings: &report::Findings) -> BTreeSet<&str> {
    let symbols = findings.symbols.iter();
    let symbols = symbols.filter(|symbol| symbol.severity > Severity::Note);
    let modules = findings.modules.iter();
    let modules = modules.filter(|module| module.status == ModuleStatus::StopsLoading);
    let problems = modules.flat_map(|module| &module.problems);
    let of_symbols = symbols.flat_map(|symbol| &symbol.causes);
    let of_modules = problems.flat_map(|problem| &problem.causes);
    of_symbols.chain(of_modules).map(String::as_str).collect()
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

/// Collects the causes of several comparisons under their fingerprints.
#[derive(Default)]
pub(super) struct CauseTable {
    causes: BTreeMap<String, Entry>,
    /// Where the commits found a definition, by record and text: the first that changed it.
    places: BTreeMap<(String, String), Place>,
}

struct Entry {
    record: String,
    before: String,
    base: Option<Place>,
    head: Option<Place>,
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
        causes: Vec<CauseUse>,
        findings: &report::Findings,
        commit: Option<&str>,
    ) {
        let mut changed_by: BTreeMap<&str, Vec<&report::SymbolChange>> = BTreeMap::new();
        for symbol in &findings.symbols {
            for cause in &symbol.causes {
                changed_by.entry(cause).or_default().push(symbol);
            }
        }
        for cause in causes {
            if let (Some(_), Some(place)) = (commit, &cause.base) {
                let text = (cause.record.clone(), cause.before.clone());
                self.places.entry(text).or_insert_with(|| place.clone());
            }
            let symbols = changed_by
                .get(cause.id.as_str())
                .map_or(&[][..], Vec::as_slice);
            let broken = findings
                .modules
                .iter()
                .filter(|module| module.status == ModuleStatus::StopsLoading)
                .filter(|module| {
                    let mut problems = module.problems.iter();
                    problems.any(|problem| problem.causes.contains(&cause.id))
                });
            let modules: Vec<String> = broken
                .map(|module| full_name(&module.provider, &module.module))
                .collect();
            let entry = self.causes.entry(cause.id).or_insert_with(|| Entry {
                record: cause.record,
                before: cause.before,
                base: None,
                head: None,
                commits: Vec::new(),
                protected: BTreeSet::new(),
                modules: BTreeSet::new(),
                unprotected: 0,
                at_tip: false,
                matters: false,
            });
            entry.at_tip |= commit.is_none();
            entry.base = entry.base.take().or(cause.base);
            entry.head = entry.head.take().or(cause.head);
            entry.commits.extend(commit.map(str::to_owned));
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
                .extend(broken.map(|symbol| symbol.symbol.to_string()));
            let others = cause.reach.saturating_sub(protected.count());
            entry.unprotected = entry.unprotected.max(others);
            entry.modules.extend(modules);
        }
    }

    /// Fills in where the base side of a cause stands: a baseline stores no places, but the commit that first changed the
    /// definition found the baseline's text somewhere.
    pub(super) fn locate(&mut self) {
        for entry in self.causes.values_mut() {
            if entry.base.is_none() {
                let text = (entry.record.clone(), entry.before.clone());
                entry.base = self.places.get(&text).cloned();
            }
        }
    }

    /// Whether a report tells the cause; otherwise it is only counted.
    pub(super) fn matters(&self, id: &str) -> bool {
        self.causes.get(id).is_some_and(Entry::is_told)
    }

    /// A cause that a report tells and that nothing describes.
    pub(super) fn undescribed(&self, texts: &Texts) -> Option<&str> {
        let mut told = self.causes.iter().filter(|(_, entry)| entry.is_told());
        let (id, _) = told.find(|(id, _)| !texts.contains_key(*id))?;
        Some(id)
    }

    /// The causes that matter and are described, for the report, worst first. A cause that only the whole range has,
    /// because several commits changed one definition, names the commits that did.
    pub(super) fn into_report(self, mut texts: Texts) -> Vec<report::Cause> {
        let mut commits_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in self.causes.values() {
            commits_of
                .entry(entry.record.clone())
                .or_default()
                .extend(entry.commits.iter().cloned());
        }
        let mut causes: Vec<(bool, report::Cause)> = self
            .causes
            .into_iter()
            .filter(|(_, entry)| entry.is_told())
            .filter_map(|(id, entry)| {
                let commits = if entry.commits.is_empty() {
                    commits_of.remove(&entry.record).unwrap_or_default()
                } else {
                    entry.commits
                };
                let cause = report::Cause {
                    base: entry.base,
                    head: entry.head,
                    commits,
                    protected: entry.protected.into_iter().collect(),
                    unprotected: entry.unprotected,
                    modules: entry.modules.into_iter().collect(),
                    ..texts.remove(&id)?
                };
                Some((entry.at_tip, cause))
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

impl Entry {
    fn is_told(&self) -> bool {
        self.matters || !self.modules.is_empty()
    }
}

/// A cause as reports tell it, without what it does to a set of symbols.
pub(super) fn describe_alone(cause: Cause) -> report::Cause {
    let (base, head) = (cause.base.clone().map(place), cause.head.clone().map(place));
    report::Cause {
        base,
        head,
        ..without_places(cause)
    }
}

fn without_places(cause: Cause) -> report::Cause {
    report::Cause {
        id: cause.fingerprint,
        name: cause.name.in_c(),
        record: cause.name.to_string(),
        class: cause.class.word().to_owned(),
        base: None,
        head: None,
        changed_line: None,
        commits: Vec::new(),
        hunks: Vec::new(),
        changes: cause.changes.into_iter().map(change).collect(),
        diff: diff(&c_layout(&cause.base_text), &c_layout(&cause.head_text)),
        protected: Vec::new(),
        unprotected: 0,
        modules: Vec::new(),
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
