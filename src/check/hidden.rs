//! What the commits hide from the CRCs, found in the lines that they add and remove.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::layouts::Layouts;
use crate::hidden::{Finding, Kind, Macros, lint, slots};
use crate::history::{BlobId, Commit, HistoryError, PathChange, Repo, Walk};
use crate::policy::{HIDDEN_LAYOUT, Matcher, Severity, Standing, Subject};
use crate::report::{
    HiddenChange, HiddenFindings, LayoutProof, LayoutVerdict, Reason, ReasonCode, SlotBudget,
};
use crate::snapshot::TypeAt;

/// Files beyond this size are told and not looked at.
const MAX_FILE: usize = 8 << 20;

/// Most changes that a report holds.
const MAX_CHANGES: usize = 10_000;

/// Where headers stand whose macros the whole tree uses.
const HEADERS: &str = "include/";

/// What tells two findings apart, whatever the line.
type Key = (String, bool, &'static str, Option<String>, String);

/// What the commits hide, before it is judged.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// For each commit its lines.
    steps: Vec<Vec<Line>>,
    slots: Vec<SlotBudget>,
}

/// A line that hides something.
#[derive(Debug)]
struct Line {
    file: String,
    finding: Finding,
    /// Whether the tip differs by it from the commit before the range.
    at_tip: bool,
}

/// What the commits hide, as far as it is known without looking at layouts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenLines {
    /// The lines, oldest commit first.
    pub lines: Vec<HiddenLine>,
    /// Reserved slots of the structures that they concern.
    pub slots: Vec<SlotBudget>,
}

/// A line that hides something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenLine {
    /// The change, with the class and the severity that it has without a proof.
    pub change: HiddenChange,
    /// What it is.
    pub kind: Kind,
    /// The severity that a rule sets for its class.
    pub ruled: Option<Severity>,
    /// The severity that a rule sets for a layout that breaks.
    pub ruled_layout: Option<Severity>,
}

/// The type of a line whose layout it concerns, if that has a name.
fn type_at(file: &str, within: Option<&str>, kind: Kind) -> Option<TypeAt> {
    let at = TypeAt {
        file: file.to_owned(),
        name: within?.to_owned(),
    };
    let named = !is_untagged(within) && at.record().is_some();
    (named && kind.concerns_layout()).then_some(at)
}

/// Whether a line stands in a type without a tag, which cannot be found again in a compiled unit.
fn is_untagged(within: Option<&str>) -> bool {
    within.is_some_and(|name| name.ends_with("(unnamed)"))
}

impl Line {
    fn type_at(&self) -> Option<TypeAt> {
        let finding = &self.finding;
        type_at(&self.file, finding.within.as_deref(), finding.kind)
    }
}

impl HiddenLine {
    fn type_at(&self) -> Option<TypeAt> {
        let change = &self.change;
        type_at(&change.file, change.within.as_deref(), self.kind)
    }

    /// That the layout of an untagged type is not proven.
    fn unproven(&self) -> Option<LayoutProof> {
        let untagged = is_untagged(self.change.within.as_deref());
        (untagged && self.kind.concerns_layout()).then(|| LayoutProof {
            text: "the type has no tag by which it could be found".to_owned(),
            ..LayoutProof::default()
        })
    }

    /// The change with what is known of the layout.
    fn judged(self, layout: Option<LayoutProof>) -> HiddenChange {
        let (class, built_in) = class_of(self.kind, layout.as_ref());
        let ruled = if class == HIDDEN_LAYOUT {
            self.ruled_layout
        } else {
            self.ruled
        };
        HiddenChange {
            class: class.to_owned(),
            severity: ruled.unwrap_or(built_in),
            layout,
            ..self.change
        }
    }
}

impl Hidden {
    /// Looks through the commits of a walk; `mentioning` are the files of any commit of it that mention `__GENKSYMS__`, and
    /// sentences about what was not looked at go to `warnings`.
    pub(super) fn find(
        repo: &Repo,
        walk: &Walk,
        mentioning: &BTreeSet<String>,
        warnings: &mut Vec<String>,
    ) -> Result<Hidden, HistoryError> {
        let mut look = Look {
            repo,
            macros: Macros::default(),
            warnings,
        };
        let mut steps = Vec::new();
        let mut before = &walk.base;
        for commit in &walk.commits {
            steps.push((commit, sources(repo.changes(before, commit)?)));
            before = commit;
        }
        if steps.iter().all(|(_, changes)| changes.is_empty()) {
            return Ok(Hidden::default());
        }
        look.learn(&walk.base, &steps, mentioning)?;
        let whole = sources(repo.changes(&walk.base, before)?);
        let mut at_tip: BTreeSet<Key> = BTreeSet::new();
        for change in &whole {
            let findings = look.file(change)?;
            at_tip.extend(findings.iter().map(|finding| key(&change.path, finding)));
        }
        let mut found = Hidden::default();
        let mut count = 0;
        for (_, changes) in &steps {
            let mut lines = Vec::new();
            for change in changes {
                let findings = look.file(change)?.into_iter();
                lines.extend(findings.map(|finding| Line {
                    at_tip: at_tip.contains(&key(&change.path, &finding)),
                    file: change.path.clone(),
                    finding,
                }));
            }
            lines.truncate(MAX_CHANGES + 1 - count);
            count += lines.len();
            found.steps.push(lines);
            if count > MAX_CHANGES {
                found.steps.last_mut().and_then(Vec::pop);
                let text = format!(
                    "more than {MAX_CHANGES} lines are hidden from the CRCs; the others are not listed"
                );
                look.warnings.push(text);
                break;
            }
        }
        found.steps.resize_with(walk.commits.len(), Vec::new);
        found.slots = look.budgets(&whole, found.steps.iter().flatten())?;
        Ok(found)
    }

    /// The types that each commit touches and whose layout is worth a look.
    pub(super) fn types(&self) -> Vec<BTreeSet<TypeAt>> {
        let steps = self.steps.iter();
        steps
            .map(|lines| lines.iter().filter_map(Line::type_at).collect())
            .collect()
    }

    /// The lines as plain data.
    pub(super) fn lines(self, walk: &Walk, matcher: &Matcher<'_>) -> HiddenLines {
        let steps = walk.commits.iter().zip(self.steps);
        let lines = steps.flat_map(|(commit, lines)| {
            let lines = lines.into_iter();
            lines.map(move |line| tell(commit, line, matcher))
        });
        HiddenLines {
            lines: lines.collect(),
            slots: self.slots,
        }
    }
}

impl HiddenLines {
    /// A type that a commit of `checked` touches and that it was not asked about.
    pub(super) fn unasked(
        &self,
        checked: &BTreeSet<&str>,
        layouts: &Layouts,
    ) -> Option<(String, TypeAt)> {
        let mut lines = self.lines.iter();
        lines.find_map(|line| {
            let (commit, at) = (line.change.commit.as_str(), line.type_at()?);
            let is_missing = checked.contains(commit) && layouts.proof(commit, &at).is_none();
            is_missing.then(|| (commit.to_owned(), at))
        })
    }

    /// Judges the lines; what is not proven of a structure that somebody relies on becomes a reason not to have checked.
    pub(super) fn report(self, layouts: &Layouts, reasons: &mut Vec<Reason>) -> HiddenFindings {
        let mut found = HiddenFindings {
            slots: self.slots,
            ..HiddenFindings::default()
        };
        let mut unproven = BTreeSet::new();
        for line in self.lines {
            let at = line.type_at();
            let known = at.as_ref().map(|at| layouts.proof(&line.change.commit, at));
            let known = known.flatten().flatten().cloned();
            let layout = known.or_else(|| line.unproven());
            let mut change = line.judged(layout);
            if let (Some(at), Some(proof)) = (at, &change.layout) {
                if proof.verdict == LayoutVerdict::Broken {
                    change.at_tip = layouts.breaks_at_tip(&at).unwrap_or(change.at_tip);
                }
                let relied_on = !proof.symbols.is_empty();
                if proof.verdict == LayoutVerdict::Unproven
                    && relied_on
                    && unproven.insert((change.commit.clone(), at.clone()))
                {
                    reasons.push(unproven_layout(&change, &at.name, proof));
                }
            }
            found.changes.push(change);
        }
        found
    }
}

/// The changes of C sources and headers.
fn sources(changes: Vec<PathChange>) -> Vec<PathChange> {
    let source = |change: &PathChange| change.path.ends_with(".h") || change.path.ends_with(".c");
    changes.into_iter().filter(source).collect()
}

fn key(path: &str, finding: &Finding) -> Key {
    (
        path.to_owned(),
        finding.added,
        finding.kind.word(),
        finding.within.clone(),
        finding.text.clone(),
    )
}

/// The class of a hidden change for rules, and how grave it is without one.
fn class_of(kind: Kind, layout: Option<&LayoutProof>) -> (&'static str, Severity) {
    let (class, severity) = match kind.is_slot_use() {
        true => ("slot-used", Severity::Note),
        false => ("hidden", Severity::Warn),
    };
    let Some(proof) = layout else {
        return (class, severity);
    };
    let relied_on = !proof.symbols.is_empty();
    match proof.verdict {
        LayoutVerdict::Kept if proof.doubts.is_empty() || kind.may_replace() => {
            let settled = kind.is_settled_by_layout();
            (class, if settled { Severity::Note } else { severity })
        }
        LayoutVerdict::Kept | LayoutVerdict::Unproven => (class, Severity::Warn),
        LayoutVerdict::Restored => (class, Severity::Note),
        LayoutVerdict::CrcTells => (class, severity),
        LayoutVerdict::Grown if kind.may_grow() => (class, Severity::Warn),
        LayoutVerdict::Grown | LayoutVerdict::Broken => {
            let severity = if relied_on {
                Severity::Fail
            } else {
                Severity::Warn
            };
            (HIDDEN_LAYOUT, severity)
        }
    }
}

fn tell(commit: &Commit, line: Line, matcher: &Matcher<'_>) -> HiddenLine {
    let Line {
        file,
        finding,
        at_tip,
    } = line;
    let kind = finding.kind;
    let (class, built_in) = class_of(kind, None);
    let name = finding.within.as_deref().unwrap_or_default();
    let subject = Subject {
        symbol: name.split_once(' ').map_or(name, |(_, name)| name),
        module: &file,
        namespace: None,
        lists: &[],
        standing: Standing::Unlisted,
    };
    let ruled = matcher.sets(&subject, class);
    let ruled_layout = matcher.sets(&subject, HIDDEN_LAYOUT);
    HiddenLine {
        kind,
        ruled,
        ruled_layout,
        change: HiddenChange {
            commit: commit.id.as_str().to_owned(),
            file,
            line: finding.line,
            added: finding.added,
            kind: kind.word().to_owned(),
            meaning: kind.meaning().to_owned(),
            class: class.to_owned(),
            severity: ruled.unwrap_or(built_in),
            within: finding.within,
            text: finding.text,
            at_tip,
            layout: None,
        },
    }
}

fn unproven_layout(change: &HiddenChange, name: &str, proof: &LayoutProof) -> Reason {
    Reason {
        code: ReasonCode::LayoutUnproven,
        message: format!(
            "{name} has a change that the CRCs do not show, and whether its layout stays is not known: {}",
            proof.text
        ),
        next_step: Some(
            "mend what keeps the unit from compiling, or show genksyms the new text".to_owned(),
        ),
        commit: Some(change.commit.clone()),
        file: Some(change.file.clone()),
        line: u32::try_from(change.line).ok(),
        expected: None,
        found: None,
    }
}

struct Look<'a> {
    repo: &'a Repo,
    macros: Macros,
    warnings: &'a mut Vec<String>,
}

impl Look<'_> {
    /// Learns the tree's own macros from the headers of the commit before the walk and from those that the walk changes.
    ///
    /// A header that mentions `__GENKSYMS__` there and not in the commit that `mentioning` is of was changed in between.
    fn learn(
        &mut self,
        base: &Commit,
        steps: &[(&Commit, Vec<PathChange>)],
        mentioning: &BTreeSet<String>,
    ) -> Result<(), HistoryError> {
        let is_header = |path: &str| path.ends_with(".h");
        for path in mentioning {
            if path.starts_with(HEADERS)
                && is_header(path)
                && let Some(bytes) = self.repo.read_file(base, path)?
            {
                self.learn_from(&bytes);
            }
        }
        let changes = steps.iter().flat_map(|(_, changes)| changes);
        let changed = changes.filter(|change| is_header(&change.path));
        let blobs: BTreeSet<BlobId> = changed
            .flat_map(|change| [change.old, change.new].into_iter().flatten())
            .collect();
        for blob in blobs {
            self.learn_from(&self.repo.blob(blob)?);
        }
        Ok(())
    }

    fn learn_from(&mut self, bytes: &[u8]) {
        if bytes.len() <= MAX_FILE {
            self.macros.learn(&String::from_utf8_lossy(bytes));
        }
    }

    fn text(&mut self, path: &str, blob: Option<BlobId>) -> Result<Option<String>, HistoryError> {
        let Some(blob) = blob else {
            return Ok(Some(String::new()));
        };
        let bytes = self.repo.blob(blob)?;
        if bytes.len() > MAX_FILE {
            let text = format!(
                "{path} has {} MiB and was not searched for changes that it hides from the CRCs",
                bytes.len() >> 20
            );
            if !self.warnings.contains(&text) {
                self.warnings.push(text);
            }
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn file(&mut self, change: &PathChange) -> Result<Vec<Finding>, HistoryError> {
        let (base, head) = (
            self.text(&change.path, change.old)?,
            self.text(&change.path, change.new)?,
        );
        Ok(match (base, head) {
            (Some(base), Some(head)) => lint(&base, &head, &self.macros),
            _ => Vec::new(),
        })
    }

    /// The slots that the structures of the findings have at the tip.
    fn budgets<'l>(
        &mut self,
        whole: &[PathChange],
        found: impl Iterator<Item = &'l Line>,
    ) -> Result<Vec<SlotBudget>, HistoryError> {
        let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for line in found {
            if let Some(within) = &line.finding.within {
                wanted.entry(&line.file).or_default().insert(within);
            }
        }
        let mut budgets = Vec::new();
        for change in whole {
            let Some(names) = wanted.get(change.path.as_str()) else {
                continue;
            };
            let Some(text) = self.text(&change.path, change.new)? else {
                continue;
            };
            let of_names = slots(&text, &self.macros).into_iter();
            let of_names = of_names.filter(|slots| names.contains(slots.within.as_str()));
            budgets.extend(of_names.map(|slots| SlotBudget {
                file: change.path.clone(),
                line: slots.line,
                reserved: slots.used + slots.left,
                used: slots.used,
                left: slots.left,
                within: slots.within,
            }));
        }
        Ok(budgets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proof settles what it answers and nothing else; only a layout that somebody relies on fails.
    #[test]
    fn severities_follow_the_proof() {
        use LayoutVerdict as V;
        let proof = |verdict, doubts: bool, relied_on: bool| LayoutProof {
            verdict,
            doubts: doubts.then(|| "d".to_owned()).into_iter().collect(),
            symbols: relied_on.then(|| "f".to_owned()).into_iter().collect(),
            ..LayoutProof::default()
        };
        for (kind, verdict, doubts, relied_on, class, severity) in [
            (
                Kind::SlotUsed,
                V::Kept,
                false,
                true,
                "slot-used",
                Severity::Note,
            ),
            (Kind::Guard, V::Kept, false, true, "hidden", Severity::Note),
            (Kind::Guard, V::Kept, true, true, "hidden", Severity::Warn),
            (
                Kind::Replaced,
                V::Kept,
                true,
                true,
                "hidden",
                Severity::Note,
            ),
            (
                Kind::ExcludeWithoutForce,
                V::Kept,
                false,
                true,
                "hidden",
                Severity::Warn,
            ),
            (
                Kind::SlotReused,
                V::Kept,
                false,
                true,
                "hidden",
                Severity::Warn,
            ),
            (
                Kind::SlotUsed,
                V::Unproven,
                false,
                true,
                "slot-used",
                Severity::Warn,
            ),
            (
                Kind::SlotUsed,
                V::Broken,
                false,
                true,
                HIDDEN_LAYOUT,
                Severity::Fail,
            ),
            (
                Kind::SlotUsed,
                V::Broken,
                false,
                false,
                HIDDEN_LAYOUT,
                Severity::Warn,
            ),
            (
                Kind::LayoutAttribute,
                V::Broken,
                false,
                true,
                HIDDEN_LAYOUT,
                Severity::Fail,
            ),
            (
                Kind::Extended,
                V::Grown,
                false,
                true,
                "hidden",
                Severity::Warn,
            ),
            (
                Kind::SlotUsed,
                V::Grown,
                false,
                true,
                HIDDEN_LAYOUT,
                Severity::Fail,
            ),
            (
                Kind::SlotUsed,
                V::Restored,
                false,
                true,
                "slot-used",
                Severity::Note,
            ),
            (
                Kind::Guard,
                V::CrcTells,
                false,
                true,
                "hidden",
                Severity::Warn,
            ),
        ] {
            let found = class_of(kind, Some(&proof(verdict, doubts, relied_on)));
            assert_eq!(found, (class, severity), "{kind:?} {verdict:?}");
        }
        assert_eq!(class_of(Kind::Guard, None), ("hidden", Severity::Warn));
        assert_eq!(
            class_of(Kind::ForceChange, None),
            ("slot-used", Severity::Note)
        );
    }
}
