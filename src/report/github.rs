//! Annotations as GitHub workflow commands, one per line.
//!
//! The verdict goes first, as a notice. A runner keeps ten errors of a step and drops the others in silence, so
//! the worst come first and the last slot counts the rest.

use super::view::{View, changed_place, without_cause};
use super::{
    Cause, HiddenChange, Mode, Options, Reason, Report, Severity, SymbolChange, class_text, clip,
};
use super::{escape, policy_text, wording};

/// How many errors a runner keeps of one step.
pub const MAX_ANNOTATIONS: usize = 10;

/// Longest message, in characters.
const MESSAGE_LIMIT: usize = 2_000;

/// One annotation before it is escaped.
struct Annotation {
    level: &'static str,
    place: Option<(String, u32)>,
    title: String,
    message: String,
}

/// Renders at most [`Options::annotations`]; 0 turns them off, with the verdict. Uses [`Options::tree`].
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let (max, tree) = (options.annotations, options.tree.as_str());
    if max == 0 {
        return String::new();
    }
    let view = View::new(report, &options.full);
    let mut all = annotations(&view);
    if all.len() > max {
        let dropped = all.len() - (max - 1);
        all.truncate(max - 1);
        all.push(Annotation {
            level: level(report, Severity::Fail),
            place: None,
            title: "kabigate".to_owned(),
            message: format!(
                "and {} more, see the summary or {}",
                wording::thousands(dropped),
                options.full
            ),
        });
    }
    let verdict = Annotation {
        level: "notice",
        place: None,
        title: "kabigate".to_owned(),
        message: wording::headline(&view),
    };
    let lines = std::iter::once(&verdict).chain(&all);
    lines.map(|annotation| command(annotation, tree)).collect()
}

fn annotations(view: &View<'_>) -> Vec<Annotation> {
    let report = view.report;
    let reasons = report.reasons.iter().map(|r| of_reason(view, r));
    let causes = report.causes.iter().map(|c| of_cause(view, c));
    let symbols = without_cause(&report.tip).map(|s| of_symbol(report, s));
    let hidden = report.hidden.changes.iter();
    let hidden = hidden.filter(|change| change.at_tip && change.severity > Severity::Note);
    let hidden = hidden.map(|change| of_hidden(report, change));
    let mut all: Vec<Annotation> = reasons.chain(causes).chain(symbols).chain(hidden).collect();
    // Stable: within a level the order stays worst first.
    all.sort_by_key(|a| {
        ["error", "warning", "notice"]
            .iter()
            .position(|l| *l == a.level)
    });
    all
}

/// What fails the run is an error, unless the run only observes.
fn level(report: &Report, severity: Severity) -> &'static str {
    match (report.mode, severity) {
        (Mode::Enforce, Severity::Fail) => "error",
        (_, Severity::Fail | Severity::Warn) => "warning",
        (_, Severity::Note | Severity::Ignore) => "notice",
    }
}

fn of_reason(view: &View<'_>, reason: &Reason) -> Annotation {
    let mut message = reason.message.clone();
    if let Some(next) = &reason.next_step {
        message.push_str("\nNext step: ");
        message.push_str(next);
    }
    let file = reason.file.as_ref();
    Annotation {
        level: "error",
        place: file.map(|file| (file.clone(), reason.line.unwrap_or(1))),
        title: format!(
            "{}: {}",
            wording::verdict_word(view.report.verdict),
            wording::reason_code(reason.code)
        ),
        message,
    }
}

fn of_cause(view: &View<'_>, cause: &Cause) -> Annotation {
    let severity = if view.fails(cause) {
        Severity::Fail
    } else {
        Severity::Warn
    };
    let mut message = format!("Changes {}.", wording::reach(cause));
    if !cause.modules.is_empty() {
        message.push_str(&format!("\nStops {}.", wording::examples(&cause.modules)));
    }
    message.push('\n');
    message.push_str(class_text(&cause.class).way_out);
    Annotation {
        level: level(view.report, severity),
        place: changed_place(cause).map(|p| (p.file, p.line)),
        title: wording::cause_title(cause),
        message,
    }
}

/// Points at the line, unless it went.
fn of_hidden(report: &Report, change: &HiddenChange) -> Annotation {
    let line = u32::try_from(change.line).unwrap_or(u32::MAX);
    Annotation {
        level: level(report, change.severity),
        place: change.added.then(|| (change.file.clone(), line)),
        title: change.kind.clone(),
        message: policy_text::hidden_line(change),
    }
}

fn of_symbol(report: &Report, symbol: &SymbolChange) -> Annotation {
    let worst = symbol.changes.iter().max_by_key(|c| c.severity);
    Annotation {
        level: level(report, symbol.severity),
        place: None,
        title: clip(&symbol.symbol, wording::NAME_LIMIT),
        message: format!(
            "{}\n{}",
            wording::change_line(symbol),
            class_text(worst.map_or("", |c| &c.class)).way_out
        ),
    }
}

fn command(annotation: &Annotation, tree: &str) -> String {
    let mut properties = Vec::new();
    if let Some((file, line)) = &annotation.place {
        let file = super::in_tree(tree, file);
        properties.push(format!("file={}", escape::command_property(&file)));
        properties.push(format!("line={line}"));
    }
    properties.push(format!(
        "title={}",
        escape::command_property(&annotation.title)
    ));
    let message = escape::command_message(&clip(&annotation.message, MESSAGE_LIMIT));
    format!(
        "::{} {}::{message}\n",
        annotation.level,
        properties.join(",")
    )
}
