//! What would have to be approved, as entries to paste into `approvals.toml`.

use std::collections::HashMap;
use std::fmt::Write as _;

use foldhash::fast::RandomState;

use super::view::{failing, place};
use super::{Approvable, Cause, Findings, Report, SymbolChange, class_text, clip, escape, wording};
use crate::policy::{AllowedBreaks, Severity};

/// The changes that fail the run and that approvals could cover: definitions in the order of the report, then symbols.
///
/// `allowed` are breaks that files of another tool accept; they are named in the entry for who decides.
#[must_use]
pub fn to_approve(report: &Report, allowed: &[AllowedBreaks]) -> Vec<Approvable> {
    let mut symbols: Vec<&SymbolChange> = decisive(report).flat_map(failing).collect();
    symbols.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    // How many symbols lack each fingerprint, and the last of them. Only looked up.
    let mut lacking: HashMap<&str, (usize, &str), RandomState> = HashMap::default();
    for symbol in &symbols {
        for fingerprint in missing(symbol) {
            let (count, last) = lacking.entry(fingerprint).or_default();
            if *count == 0 || *last != symbol.symbol {
                (*count, *last) = (*count + 1, &symbol.symbol);
            }
        }
    }
    let mut entries = Vec::new();
    for cause in &report.causes {
        if let Some((symbols, _)) = lacking.remove(cause.id.as_str()) {
            entries.push(of_cause(cause, symbols, allowed));
        }
    }
    for symbol in symbols {
        for change in &symbol.changes {
            let Some(fingerprint) = &change.fingerprint else {
                continue;
            };
            if lacking.remove(fingerprint.as_str()).is_some() {
                let title = class_text(&change.class).title;
                let what = [&*symbol.symbol, ": ", title, " (", &*change.detail, ")"].concat();
                entries.push(approvable(fingerprint, &what, Vec::new(), 1));
            }
        }
    }
    entries
}

/// The findings that can fail the run.
fn decisive(report: &Report) -> impl Iterator<Item = &Findings> {
    let commits = report.commits.iter().map(|commit| &commit.findings);
    let commits = commits.filter(|_| report.per_commit);
    std::iter::once(&report.tip).chain(commits)
}

/// Fingerprints that keep a symbol failing.
fn missing(symbol: &SymbolChange) -> impl Iterator<Item = &str> {
    let failing = symbol
        .changes
        .iter()
        .filter(|c| c.severity == Severity::Fail);
    failing.flat_map(|change| {
        let own = change.fingerprint.iter();
        own.chain(&change.unapproved).map(String::as_str)
    })
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
    approvable(&cause.id, &wording::cause_title(cause), remarks, symbols)
}

fn approvable(fingerprint: &str, what: &str, remarks: Vec<String>, symbols: usize) -> Approvable {
    Approvable {
        fingerprint: fingerprint.to_owned(),
        what: clip(what, wording::NAME_LIMIT),
        symbols,
        remarks,
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
