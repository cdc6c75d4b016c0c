//! What code scanning shows one by one: reasons not to have checked, causes, and changes that no cause explains.

use std::collections::BTreeMap;

use super::view::{View, changed_place, without_cause};
use super::{
    Cause, ClassifiedChange, HiddenChange, Mode, Place, Reason, Report, Severity, SymbolChange,
};
use super::{escape, policy_text, wording};

/// The file of a kernel tree that always exists: the place of what has none, since viewers drop what names no file.
pub(super) const NO_PLACE: &str = "Makefile";

/// One finding.
pub(super) struct Finding<'a> {
    pub(super) subject: Subject<'a>,
    /// Class of change or reason code.
    pub(super) rule: String,
    /// What it does to the exit code: in observe mode nothing fails.
    pub(super) severity: Severity,
    /// Where to look, if that is known.
    pub(super) place: Option<Place>,
    /// How people accepted it, if they did.
    pub(super) approved: Option<String>,
    /// Stands for the finding in this and later runs: no line numbers, no commits.
    pub(super) fingerprint: String,
}

/// What a finding is about.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    Reason(&'a Reason),
    Cause(&'a Cause),
    Symbol(&'a SymbolChange),
    Hidden(&'a HiddenChange),
}

/// All findings of a report, worst first.
pub(super) fn findings<'a>(view: &View<'a>) -> Vec<Finding<'a>> {
    let report = view.report;
    let reasons = report.reasons.iter().map(of_reason);
    let causes = report.causes.iter().map(|cause| of_cause(view, cause));
    let approved = report.tip.symbols.iter();
    let approved = approved.filter(|s| s.is_approved() && s.causes.is_empty());
    let symbols =
        without_cause(&report.tip).chain(approved.filter(|s| s.severity <= Severity::Note));
    let symbols = symbols.map(|symbol| of_symbol(view, symbol));
    let hidden = report.hidden.changes.iter();
    let hidden = hidden.map(|change| of_hidden(report, change));
    let mut all: Vec<Finding<'_>> = reasons.chain(causes).chain(symbols).chain(hidden).collect();
    make_unique(&mut all);
    // Stable: within a severity the order stays worst first.
    all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    all
}

fn of_reason(reason: &Reason) -> Finding<'_> {
    let rule = wording::reason_code(reason.code);
    Finding {
        subject: Subject::Reason(reason),
        severity: Severity::Fail,
        approved: None,
        place: reason.file.as_ref().map(|file| Place {
            file: file.clone(),
            line: reason.line.unwrap_or(1),
        }),
        fingerprint: digest(&[
            &rule,
            reason.commit.as_deref().unwrap_or_default(),
            reason.file.as_deref().unwrap_or_default(),
            &reason.message,
        ]),
        rule,
    }
}

fn of_cause<'a>(view: &View<'a>, cause: &'a Cause) -> Finding<'a> {
    Finding {
        subject: Subject::Cause(cause),
        rule: cause.class.clone(),
        severity: observed(view.report, view.severity(cause)),
        approved: view.approval(&cause.id).map(policy_text::approval_line),
        place: changed_place(cause),
        fingerprint: cause.id.clone(),
    }
}

fn of_symbol<'a>(view: &View<'a>, symbol: &'a SymbolChange) -> Finding<'a> {
    let worst = symbol.changes.iter().max_by_key(|c| c.severity);
    let classes: Vec<&str> = symbol.changes.iter().map(|c| &*c.class).collect();
    Finding {
        subject: Subject::Symbol(symbol),
        rule: worst.map_or(String::new(), |c| c.class.to_string()),
        severity: observed(view.report, symbol.severity),
        approved: symbol.is_approved().then(|| {
            let prints = symbol
                .changes
                .iter()
                .filter_map(ClassifiedChange::fingerprint);
            let lines = prints.filter_map(|print| view.approval(&print.digits()));
            let lines: Vec<String> = lines.map(policy_text::approval_line).collect();
            lines.join("; ")
        }),
        place: None,
        fingerprint: digest(&[&symbol.symbol, &classes.join(",")]),
    }
}

fn of_hidden<'a>(report: &Report, change: &'a HiddenChange) -> Finding<'a> {
    let counts = change.at_tip || report.per_commit;
    let severity = if counts {
        change.severity
    } else {
        Severity::Note
    };
    Finding {
        subject: Subject::Hidden(change),
        rule: change.class.clone(),
        severity: observed(report, severity),
        approved: None,
        place: Some(Place {
            file: change.file.clone(),
            line: u32::try_from(change.line).unwrap_or(1),
        }),
        fingerprint: digest(&[
            &change.kind,
            &change.file,
            change.within.as_deref().unwrap_or_default(),
            if change.added { "added" } else { "gone" },
            &change.text,
        ]),
    }
}

/// Of two findings with one fingerprint a reader keeps one, so the later ones get their number into it.
fn make_unique(all: &mut [Finding<'_>]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for finding in all {
        let times = seen.entry(finding.fingerprint.clone()).or_insert(0);
        *times += 1;
        if *times > 1 {
            finding.fingerprint = digest(&[&finding.fingerprint, &times.to_string()]);
        }
    }
}

fn observed(report: &Report, severity: Severity) -> Severity {
    match report.mode {
        Mode::Enforce => severity,
        Mode::Observe => severity.min(Severity::Warn),
    }
}

/// Sixteen hexadecimal digits that stand for a finding without a cause.
fn digest(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    hasher.finalize().to_hex().chars().take(16).collect()
}

/// The address of a place in the repository, and its line; the tree's `Makefile` for what has none.
pub(super) fn address(tree: &str, place: Option<&Place>) -> (String, u32) {
    let (file, line) = place.map_or((NO_PLACE, 1), |p| (p.file.as_str(), p.line.max(1)));
    (escape::uri_path(&super::in_tree(tree, file)), line)
}
