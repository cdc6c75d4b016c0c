//! What would have to be approved, as entries to paste into `approvals.toml`.

use std::collections::HashMap;
use std::fmt::Write as _;

use foldhash::fast::RandomState;

use super::view::{failing, place};
use super::{
    Approvable, ApprovalName, Cause, ClassifiedChange, Findings, Report, SymbolChange, class_text,
    clip, escape, wording,
};
use crate::policy::{AllowedBreaks, Fingerprint, Severity};

impl Report {
    /// What would have to be approved for the run to pass: definitions in the order of the report, then symbols.
    #[must_use]
    pub fn to_approve(&self) -> &[Approvable] {
        let all = || lacking(self).iter().map(|one| one.entry(self)).collect();
        self.policy.to_approve.0.get_or_init(all)
    }

    /// The first of these entries, and how many there are in all.
    #[must_use]
    pub fn first_to_approve(&self, most: usize) -> (Vec<Approvable>, usize) {
        if let Some(all) = self.policy.to_approve.0.get() {
            return (all.iter().take(most).cloned().collect(), all.len());
        }
        let all = lacking(self);
        let first = all.iter().take(most).map(|one| one.entry(self));
        (first.collect(), all.len())
    }
}

/// A change that fails the run and that an approval could cover.
enum Lacking<'a> {
    /// A definition, with the number of symbols that fail for it.
    Cause(&'a Cause, usize),
    /// A change of a symbol that no definition explains.
    Symbol(&'a SymbolChange, &'a ClassifiedChange),
}

impl Lacking<'_> {
    fn entry(&self, report: &Report) -> Approvable {
        match self {
            Lacking::Cause(cause, symbols) => of_cause(cause, *symbols, &report.policy.allowed),
            Lacking::Symbol(symbol, change) => of_symbol(symbol, change),
        }
    }
}

fn lacking(report: &Report) -> Vec<Lacking<'_>> {
    let mut symbols: Vec<&SymbolChange> = decisive(report).flat_map(failing).collect();
    symbols.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    // How many symbols lack each definition, and the last of them. Only looked up.
    let mut definitions: HashMap<&str, (usize, &str), RandomState> = HashMap::default();
    for symbol in &symbols {
        for cause in breaks(symbol).flat_map(|change| &change.unapproved) {
            let (count, last) = definitions.entry(cause).or_default();
            if *count == 0 || *last != symbol.symbol {
                (*count, *last) = (*count + 1, &symbol.symbol);
            }
        }
    }
    let mut all: Vec<Lacking<'_>> = Vec::new();
    for cause in &report.causes {
        if let Some((symbols, _)) = definitions.remove(cause.id.as_str()) {
            all.push(Lacking::Cause(cause, symbols));
        }
    }
    for same in symbols.chunk_by(|a, b| a.symbol == b.symbol) {
        let mut told = Vec::new();
        for (symbol, change) in same.iter().flat_map(|s| breaks(s).map(|c| (*s, c))) {
            if matches!(change.approval, ApprovalName::Causes) {
                continue;
            }
            // A commit can bring the very change that the tip has.
            if same.len() > 1 {
                let fingerprint = change.fingerprint();
                if told.contains(&fingerprint) {
                    continue;
                }
                told.push(fingerprint);
            }
            all.push(Lacking::Symbol(symbol, change));
        }
    }
    all
}

/// The findings that can fail the run.
fn decisive(report: &Report) -> impl Iterator<Item = &Findings> {
    let commits = report.commits.iter().map(|commit| &commit.findings);
    let commits = commits.filter(|_| report.per_commit);
    std::iter::once(&report.tip).chain(commits)
}

/// What keeps a symbol failing.
fn breaks(symbol: &SymbolChange) -> impl Iterator<Item = &ClassifiedChange> {
    let changes = symbol.changes.iter();
    changes.filter(|change| change.severity == Severity::Fail)
}

fn of_cause(cause: &Cause, symbols: usize, allowed: &[AllowedBreaks]) -> Approvable {
    let mut remarks = Vec::new();
    if let Some(place) = place(cause) {
        remarks.push(format!("{}:{}", place.file, place.line));
    }
    for file in allowed {
        for one in file.of(&cause.name) {
            remarks.push(format!(
                "{}:{} allows a break of this type",
                file.name, one.line
            ));
        }
    }
    Approvable {
        fingerprint: cause.id.clone(),
        what: clip(&wording::cause_title(cause), wording::NAME_LIMIT),
        symbols,
        remarks,
    }
}

fn of_symbol(symbol: &SymbolChange, change: &ClassifiedChange) -> Approvable {
    let title = class_text(&change.class).title;
    let [before, arrow, after] = change.detail.parts();
    let what = [
        &*symbol.symbol,
        ": ",
        title,
        " (",
        before,
        arrow,
        after,
        ")",
    ]
    .concat();
    Approvable {
        fingerprint: change
            .fingerprint()
            .map_or_else(String::new, Fingerprint::digits),
        what: clip(&what, wording::NAME_LIMIT),
        symbols: 1,
        remarks: Vec::new(),
    }
}

impl Approvable {
    /// The entry to paste into `approvals.toml`.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut toml = String::new();
        for remark in &self.remarks {
            let _ = writeln!(
                toml,
                "# {}",
                escape::terminal(&clip(remark, wording::NAME_LIMIT))
            );
        }
        let _ = write!(
            toml,
            "[[approval]]\nfingerprint = {}\nwhat = {}\nreason = \"\"\nowner = \"\"\n",
            escape::toml_string(&self.fingerprint),
            escape::toml_string(&self.what)
        );
        toml
    }
}

#[cfg(test)]
mod tests {
    use crate::report::{ApprovalName, samples};

    /// The first entries are those that the whole list begins with, before and after it is made.
    #[test]
    fn the_first_are_those_of_all() {
        let mut seen = 0;
        for (name, report) in samples::all() {
            let first = report.first_to_approve(2);
            let all = report.to_approve();
            assert_eq!(first.1, all.len(), "{name}");
            assert!(all.iter().take(2).eq(&first.0), "{name}");
            assert_eq!(report.first_to_approve(2), first, "{name}");
            seen += all.len();
        }
        assert!(seen > 0);
    }

    /// A change that a commit brings and that is there at the tip has one entry, and another one its own.
    #[test]
    fn each_change_once() {
        let (_, mut report) = samples::all().swap_remove(1);
        report.per_commit = true;
        for symbol in &mut report.tip.symbols {
            let name = symbol.symbol.clone();
            for change in &mut symbol.changes {
                change.approval = ApprovalName::Change(name.clone());
            }
        }
        let alone = report.clone().to_approve().len();
        assert!(alone > 0);
        for commit in &mut report.commits {
            commit.findings = report.tip.clone();
        }
        assert_eq!(report.clone().to_approve().len(), alone);
        if let Some(commit) = report.commits.first_mut() {
            let changes = commit
                .findings
                .symbols
                .iter_mut()
                .flat_map(|s| &mut s.changes);
            changes.for_each(|change| change.detail = "else".to_owned().into());
        }
        assert_eq!(report.to_approve().len(), 2 * alone);
    }
}
