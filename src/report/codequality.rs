//! The Code Quality report of GitLab: a list of issues with severity, fingerprint and place.
//!
//! GitLab compares the list of a branch with that of its target and takes an issue that is gone for a fixed one, so a
//! run that could not check lists each reason. Worst first, within a budget; the last slot counts the rest.

use serde::Serialize;

use super::finding::{Finding, NO_PLACE, Subject, findings};
use super::view::View;
use super::{Options, Report, Severity, clip};
use super::{escape, in_tree, policy_text, wording};

/// Most issues.
pub const MAX_ISSUES: usize = 5_000;
/// Longest text, in characters.
const MAX_TEXT: usize = 1_000;

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

/// Renders the report; uses [`Options::codequality_budget`] and [`Options::tree`].
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let view = View::new(report, &options.full);
    let mut all = findings(&view);
    let max = options.codequality_budget;
    let dropped = if all.len() > max {
        let kept = max.saturating_sub(1);
        let dropped = all.len() - kept;
        all.truncate(kept);
        dropped
    } else {
        0
    };
    let mut issues: Vec<Issue> = all.iter().map(|f| issue(&view, f, options)).collect();
    if dropped > 0 {
        issues.push(Issue {
            description: format!(
                "and {} in {}",
                wording::counted(dropped, "more finding"),
                options.full
            ),
            check_name: "more".to_owned(),
            fingerprint: "more".to_owned(),
            severity: "info",
            location: location(options, NO_PLACE, 1),
        });
    }
    // INVARIANT: issues hold strings and numbers only.
    let document = serde_json::to_string_pretty(&issues).expect("issues are JSON");
    let mut out = escape::json_document(&document);
    out.push('\n');
    out
}

fn issue(view: &View<'_>, finding: &Finding<'_>, options: &Options) -> Issue {
    let text = match finding.subject {
        Subject::Reason(reason) => format!(
            "{}: {}",
            wording::verdict_word(view.report.verdict),
            reason.message
        ),
        Subject::Cause(cause) => {
            let mut text = format!(
                "{}, changes {}",
                wording::cause_title(cause),
                wording::reach(cause)
            );
            if !cause.modules.is_empty() {
                text.push_str(&format!(", stops {}", wording::examples(&cause.modules)));
            }
            text
        }
        Subject::Hidden(change) => policy_text::hidden_line(change),
        Subject::Symbol(symbol) => format!(
            "{}: {}",
            clip(&symbol.symbol, wording::NAME_LIMIT),
            wording::change_line(symbol)
        ),
    };
    let text = match &finding.approved {
        Some(approval) => format!("{text}, approved: {approval}"),
        None => text,
    };
    let place = finding.place.as_ref();
    let (file, line) = place.map_or((NO_PLACE, 1), |p| (p.file.as_str(), p.line.max(1)));
    Issue {
        description: escape::terminal(&clip(&text, MAX_TEXT).replace('\n', " ")),
        check_name: clip(&finding.rule, 100),
        fingerprint: clip(&finding.fingerprint, 100),
        severity: match finding.severity {
            Severity::Fail => "blocker",
            Severity::Warn => "minor",
            Severity::Note | Severity::Ignore => "info",
        },
        location: location(options, file, line),
    }
}

fn location(options: &Options, file: &str, line: u32) -> Location {
    Location {
        path: clip(in_tree(&options.tree, file).trim_start_matches('/'), 400),
        lines: Lines { begin: line },
    }
}
