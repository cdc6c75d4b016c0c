//! What a run comes to.

use crate::report::{Findings, Mode, Provenance, Reason, Report, SCHEMA, Tool, Verdict};

/// A report of a run that ended before anything was compared.
#[must_use]
pub fn unchecked(mode: Mode, per_commit: bool, reasons: Vec<Reason>) -> Report {
    let mut report = Report {
        schema: SCHEMA.to_owned(),
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        verdict: Verdict::NotChecked,
        exit_code: 3,
        mode,
        per_commit,
        reasons,
        warnings: Vec::new(),
        provenance: Provenance::default(),
        compared: crate::report::Compared::default(),
        tip: Findings::default(),
        commits: Vec::new(),
        causes: Vec::new(),
        hidden: crate::report::HiddenFindings::default(),
        policy: crate::report::PolicyFindings::default(),
    };
    conclude(&mut report);
    report
}

/// Sets verdict and exit code from what the report holds: wrong input before "could not check" before a break before a
/// pass. Observing hides only breaks.
pub fn conclude(report: &mut Report) {
    report.reasons.sort_by_key(|reason| reason.code.exit_code());
    let breaks = fails(&report.tip)
        || report.hidden.fails(report.per_commit)
        || (report.per_commit && report.commits.iter().any(|commit| fails(&commit.findings)));
    let (verdict, exit_code) = match report.reasons.first().map(|reason| reason.code.exit_code()) {
        Some(2) => (Verdict::Invalid, 2),
        Some(_) => (Verdict::NotChecked, 3),
        None if breaks && report.mode == Mode::Observe => (Verdict::Fail, 0),
        None if breaks => (Verdict::Fail, 1),
        None => (Verdict::Pass, 0),
    };
    report.verdict = verdict;
    report.exit_code = exit_code;
}

/// Whether a symbol fails the run, a protected one or one that a rule made so, or a module by a rule.
fn fails(findings: &Findings) -> bool {
    let counts = &findings.counts;
    counts.failing > 0 || counts.failing_others > 0 || counts.failing_modules > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ReasonCode;

    fn reason(code: ReasonCode) -> Reason {
        Reason {
            code,
            message: String::new(),
            next_step: None,
            commit: None,
            file: None,
            line: None,
            expected: None,
            found: None,
        }
    }

    /// Exit codes: 2 before 3 before 1 before 0, and observing hides a 1 and nothing else.
    #[test]
    fn precedence_of_exit_codes() {
        for (codes, failing, mode, expected) in [
            (vec![], 0, Mode::Enforce, 0),
            (vec![], 1, Mode::Enforce, 1),
            (vec![], 1, Mode::Observe, 0),
            (vec![ReasonCode::PlanFailed], 1, Mode::Enforce, 3),
            (vec![ReasonCode::PlanFailed], 1, Mode::Observe, 3),
            (
                vec![ReasonCode::PlanFailed, ReasonCode::InputInvalid],
                1,
                Mode::Observe,
                2,
            ),
        ] {
            let mut report = unchecked(mode, false, codes.iter().copied().map(reason).collect());
            report.tip.counts.failing = failing;
            conclude(&mut report);
            assert_eq!(report.exit_code, expected, "{codes:?} {failing} {mode:?}");
        }
    }
}
