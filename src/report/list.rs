//! Plain lists of symbols, one a line in bytewise order: what other tools take as a filter.

use super::escape::terminal;
use super::{Report, Severity, SymbolChange};

/// Every symbol that fails the run: protected ones that break, and those that a rule makes fail.
#[must_use]
pub fn symbols(report: &Report) -> String {
    lines(report, |_| true)
}

/// Every symbol that fails the run and that both sides export: neither removed nor added.
#[must_use]
pub fn mod_symbols(report: &Report) -> String {
    lines(report, |symbol| {
        symbol.base.is_some() && symbol.head.is_some()
    })
}

fn lines(report: &Report, wanted: impl Fn(&SymbolChange) -> bool) -> String {
    let broken = report
        .tip
        .symbols
        .iter()
        .filter(|symbol| symbol.severity == Severity::Fail && wanted(symbol));
    let mut names: Vec<&str> = broken.map(|symbol| symbol.symbol.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            // No symbol holds a blank; one of a foreign report must not become two lines.
            let name: String = name.split_whitespace().collect();
            format!("{}\n", terminal(&name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    /// The lists hold the failing symbols of a report, sorted, and the second one only those of both sides.
    #[test]
    fn lists_of_a_report() {
        for (name, mut report) in samples::all() {
            report.tip.tally();
            let all = symbols(&report);
            let both = mod_symbols(&report);
            assert_eq!(
                all.lines().count(),
                report.tip.counts.failing + report.tip.counts.failing_others,
                "{name}"
            );
            assert!(all.lines().is_sorted(), "{name}");
            for line in both.lines() {
                assert!(all.lines().any(|other| other == line), "{name}");
            }
        }
    }
}
