//! What the commits hide from the CRCs, found in the lines that they add and remove.

use std::collections::{BTreeMap, BTreeSet};

use crate::hidden::{Finding, Macros, lint, slots};
use crate::history::{BlobId, Commit, HistoryError, PathChange, Repo, Walk};
use crate::policy::{Matcher, Severity, Standing, Subject};
use crate::report::{HiddenChange, HiddenFindings, SlotBudget};

/// Files beyond this size are told and not looked at.
const MAX_FILE: usize = 8 << 20;

/// Most changes that a report holds.
const MAX_CHANGES: usize = 10_000;

/// Where headers stand whose macros the whole tree uses.
const HEADERS: &str = "include/";

/// What tells two findings apart, whatever the line.
type Key = (String, bool, &'static str, Option<String>, String);

/// Looks through the commits of a walk; sentences about what was not looked at go to `warnings`.
pub(super) fn hidden(
    repo: &Repo,
    walk: &Walk,
    matcher: &Matcher<'_>,
    warnings: &mut Vec<String>,
) -> Result<HiddenFindings, HistoryError> {
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
        return Ok(HiddenFindings::default());
    }
    look.learn(&walk.base, &steps)?;
    let whole = sources(repo.changes(&walk.base, before)?);
    let mut at_tip: BTreeSet<Key> = BTreeSet::new();
    for change in &whole {
        let findings = look.file(change)?;
        at_tip.extend(findings.iter().map(|finding| key(&change.path, finding)));
    }
    let mut found = HiddenFindings::default();
    for (commit, changes) in &steps {
        for change in changes {
            for finding in look.file(change)? {
                if found.changes.len() == MAX_CHANGES {
                    let text = format!(
                        "more than {MAX_CHANGES} lines are hidden from the CRCs; the others are not listed"
                    );
                    look.warnings.push(text);
                    return Ok(found);
                }
                let at_tip = at_tip.contains(&key(&change.path, &finding));
                found
                    .changes
                    .push(tell(commit, change, finding, at_tip, matcher));
            }
        }
    }
    found.slots = look.budgets(&whole, &found.changes)?;
    Ok(found)
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

fn tell(
    commit: &Commit,
    change: &PathChange,
    finding: Finding,
    at_tip: bool,
    matcher: &Matcher<'_>,
) -> HiddenChange {
    let (class, built_in) = match finding.kind.is_slot_use() {
        true => ("slot-used", Severity::Note),
        false => ("hidden", Severity::Warn),
    };
    let name = finding.within.as_deref().unwrap_or_default();
    let subject = Subject {
        symbol: name.split_once(' ').map_or(name, |(_, name)| name),
        module: &change.path,
        namespace: None,
        lists: &[],
        standing: Standing::Unlisted,
    };
    HiddenChange {
        commit: commit.id.as_str().to_owned(),
        file: change.path.clone(),
        line: finding.line,
        added: finding.added,
        kind: finding.kind.word().to_owned(),
        meaning: finding.kind.meaning().to_owned(),
        severity: matcher.named(&subject, class, built_in).severity,
        within: finding.within,
        text: finding.text,
        at_tip,
    }
}

struct Look<'a> {
    repo: &'a Repo,
    macros: Macros,
    warnings: &'a mut Vec<String>,
}

impl Look<'_> {
    /// Learns the tree's own macros from the headers of the commit before the walk and from those that the walk changes.
    fn learn(
        &mut self,
        base: &Commit,
        steps: &[(&Commit, Vec<PathChange>)],
    ) -> Result<(), HistoryError> {
        let files = self.repo.files(base)?.into_iter();
        let headers =
            files.filter(|file| file.path.starts_with(HEADERS) && file.path.ends_with(".h"));
        let mut blobs: BTreeSet<BlobId> = headers.map(|file| file.blob).collect();
        let changes = steps.iter().flat_map(|(_, changes)| changes);
        let changed = changes.filter(|change| change.path.ends_with(".h"));
        blobs.extend(changed.flat_map(|change| [change.old, change.new].into_iter().flatten()));
        for blob in blobs {
            let bytes = self.repo.blob(blob)?;
            if bytes.len() <= MAX_FILE && memchr::memmem::find(&bytes, b"__GENKSYMS__").is_some() {
                self.macros.learn(&String::from_utf8_lossy(&bytes));
            }
        }
        Ok(())
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
    fn budgets(
        &mut self,
        whole: &[PathChange],
        found: &[HiddenChange],
    ) -> Result<Vec<SlotBudget>, HistoryError> {
        let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for change in found {
            if let Some(within) = &change.within {
                wanted.entry(&change.file).or_default().insert(within);
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
