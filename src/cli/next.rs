//! The command to run next, said on standard error when a run ends.

use std::path::Path;

use super::stdout::note;
use super::{Context, outputs};
use crate::report::{Format, Output, ReasonCode, Report, Verdict, escape};

/// Says what to run after a report was written.
pub(super) fn tell(context: &Context, report: &Report, outputs: &[Output]) {
    for step in steps(report, outputs) {
        note(context, &format!("next: {step}"));
    }
}

/// The steps, the most useful first.
fn steps(report: &Report, outputs: &[Output]) -> Vec<String> {
    let mut steps = Vec::new();
    match report.verdict {
        Verdict::Pass => {}
        Verdict::Fail => {
            if let Some(cause) = report.causes.first() {
                let class = &cause.class;
                steps.push(format!(
                    "`kabigate explain {class}` says what this class of change means and the ways out"
                ));
            }
            steps.push(rendering(outputs));
        }
        Verdict::Invalid | Verdict::NotChecked => {
            if report
                .reasons
                .iter()
                .any(|reason| is_of_machine(reason.code))
            {
                steps.push(
                    "`kabigate doctor` with the same --tree and --baseline says what is missing here"
                        .to_owned(),
                );
            }
        }
    }
    steps
}

/// How to look at the same report in another form.
fn rendering(outputs: &[Output]) -> String {
    match outputs::path_of(outputs, Format::Json) {
        Some(path) => format!(
            "`kabigate report --from {} --output html:report.html` makes a page of the same report",
            shown(path)
        ),
        None => "with `--output json:report.json` the run can be rendered again: `kabigate report --from report.json`"
            .to_owned(),
    }
}

/// A path as a shell takes it.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    let quoted = shlex::try_quote(&text).map_or(text.clone(), std::borrow::Cow::into_owned);
    escape::terminal(&quoted)
}

/// Whether what the machine or the clone lacks may be behind a reason.
fn is_of_machine(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::ConfigureFailed
            | ReasonCode::PlanFailed
            | ReasonCode::PreprocessFailed
            | ReasonCode::BaselineMismatch
            | ReasonCode::GitShallow
            | ReasonCode::GitObjectsMissing
            | ReasonCode::SandboxUnavailable
    )
}
