//! A validation for a person: the verdict, the matrix of what does not load everywhere, and the reasons.

use anstyle::{AnsiColor, Style};

use super::super::{clip, escape::terminal};
use super::{ModuleVerdict, Validation, counted};

/// Most rows of the matrix.
const MAX_ROWS: usize = 60;
/// Most modules whose reasons are told.
const MAX_MODULES: usize = 20;
/// Most reasons of one module against one kernel.
const MAX_PROBLEMS: usize = 5;
/// Most candidates beside each other; more stand below each other.
const MAX_COLUMNS: usize = 4;
/// Longest line, in characters.
const MAX_WIDTH: usize = 240;

const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const UNSURE: Style = AnsiColor::Yellow.on_default();

/// Renders a validation.
pub(super) fn render(validation: &Validation, color: bool) -> String {
    let ink = Ink { color };
    let headline = match validation.exit_code {
        0 => GOOD,
        1 | 2 => BAD,
        _ => UNSURE,
    };
    let mut lines = vec![ink.styled(headline.bold(), &validation.headline())];
    for reason in &validation.reasons {
        lines.push(String::new());
        lines.extend(reason.message.lines().take(20).map(|line| ink.plain(line)));
        let next = reason.next_step.iter();
        lines.extend(next.map(|next| ink.plain(&format!("  next step: {next}"))));
    }
    lines.extend(matrix(validation, ink));
    lines.extend(details(validation, ink));
    lines.extend(candidates(validation, ink));
    if let Some(sandbox) = &validation.sandbox {
        lines.push(ink.plain(&format!("sandbox of rebuilds: {}", sandbox.sentence())));
    }
    if !validation.warnings.is_empty() {
        lines.push(String::new());
        lines.push(ink.styled(BOLD, "Warnings"));
        let shown = validation.warnings.iter().take(MAX_PROBLEMS);
        lines.extend(shown.map(|warning| ink.plain(&format!("  {warning}"))));
        let more = validation.warnings.len().saturating_sub(MAX_PROBLEMS);
        if more > 0 {
            lines.push(format!(
                "  {} in the JSON report",
                counted(more, "more warning")
            ));
        }
    }
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

#[derive(Clone, Copy)]
struct Ink {
    color: bool,
}

impl Ink {
    fn plain(self, text: &str) -> String {
        terminal(&clip(text, MAX_WIDTH))
    }

    fn styled(self, style: Style, text: &str) -> String {
        let text = self.plain(text);
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text
        }
    }
}

fn style(verdict: &str) -> Style {
    match verdict {
        "loads" | "loads-with-warning" => GOOD,
        "unknown" => UNSURE,
        _ => BAD,
    }
}

fn loads(verdict: &ModuleVerdict) -> bool {
    verdict.verdict == "loads"
}

fn matrix(validation: &Validation, ink: Ink) -> Vec<String> {
    let all = &validation.modules;
    // Of many modules only those are worth a row that do not load everywhere.
    let few = all.len() <= MAX_ROWS;
    let rows: Vec<_> = all
        .iter()
        .filter(|module| few || !module.verdicts.iter().all(loads))
        .collect();
    let mut lines = Vec::new();
    if rows.is_empty() || validation.candidates.is_empty() {
        return lines;
    }
    let width = rows
        .iter()
        .map(|m| m.name().chars().count())
        .max()
        .unwrap_or(0)
        .min(60);
    lines.push(String::new());
    let wide = validation.candidates.len() <= MAX_COLUMNS;
    if wide {
        let mut header = format!("{:width$}", "");
        for (index, candidate) in validation.candidates.iter().enumerate() {
            let column = column(validation, index);
            header.push_str(&format!("  {:column$}", clip(&candidate.name, 40)));
        }
        lines.push(ink.styled(BOLD, header.trim_end()));
    }
    for module in rows.iter().take(MAX_ROWS) {
        let name = ink.plain(&format!("{:width$}", module.name()));
        if wide {
            let mut line = name;
            for (index, verdict) in module.verdicts.iter().enumerate() {
                let column = column(validation, index);
                let text = format!("{:column$}", verdict.shown());
                line.push_str(&format!("  {}", ink.styled(style(&verdict.verdict), &text)));
            }
            lines.push(line.trim_end().to_owned());
        } else {
            lines.push(name.trim_end().to_owned());
            for (verdict, candidate) in module.verdicts.iter().zip(&validation.candidates) {
                let shown = ink.styled(style(&verdict.verdict), &verdict.shown());
                lines.push(format!(
                    "  {}  {shown}",
                    ink.plain(&clip(&candidate.name, 60))
                ));
            }
        }
    }
    let more = rows.len().saturating_sub(MAX_ROWS);
    if more > 0 {
        lines.push(format!(
            "{} in the JSON report",
            counted(more, "more module")
        ));
    }
    let hidden = all.len().saturating_sub(rows.len());
    if hidden > 0 {
        lines.push(format!(
            "{} into every kernel",
            if hidden == 1 {
                "1 other module loads".to_owned()
            } else {
                format!("{hidden} other modules load")
            }
        ));
    }
    lines
}

/// Width of a candidate's column.
fn column(validation: &Validation, index: usize) -> usize {
    let verdicts = validation
        .modules
        .iter()
        .filter_map(|m| m.verdicts.get(index));
    let widest = verdicts
        .map(|v| v.shown().chars().count())
        .max()
        .unwrap_or(0);
    let name = validation
        .candidates
        .get(index)
        .map_or(0, |c| c.name.chars().count().min(40));
    widest.max(name)
}

fn details(validation: &Validation, ink: Ink) -> Vec<String> {
    let mut lines = Vec::new();
    let with_problems = validation
        .modules
        .iter()
        .filter(|module| !module.verdicts.iter().all(loads));
    for module in with_problems.clone().take(MAX_MODULES) {
        for (verdict, candidate) in module.verdicts.iter().zip(&validation.candidates) {
            if loads(verdict) {
                continue;
            }
            lines.push(String::new());
            let title = format!(
                "{} into {}: {}",
                module.name(),
                candidate.name,
                verdict.shown()
            );
            lines.push(ink.styled(BOLD, &title));
            let shown = verdict.problems.iter().take(MAX_PROBLEMS);
            lines.extend(shown.map(|p| ink.plain(&format!("  {}", p.sentence))));
            let more = verdict.problems.len().saturating_sub(MAX_PROBLEMS);
            if more > 0 {
                lines.push(format!(
                    "  and {} in the JSON report",
                    counted(more, "more reason")
                ));
            }
            for message in verdict.rebuild.iter().flat_map(|r| &r.messages).take(12) {
                lines.push(ink.plain(&format!("  | {message}")));
            }
        }
    }
    let more = with_problems.count().saturating_sub(MAX_MODULES);
    if more > 0 {
        lines.push(String::new());
        lines.push(format!(
            "Reasons of {} in the JSON report",
            counted(more, "more module")
        ));
    }
    lines
}

fn candidates(validation: &Validation, ink: Ink) -> Vec<String> {
    let mut lines = Vec::new();
    for candidate in &validation.candidates {
        if lines.is_empty() {
            lines.push(String::new());
        }
        let mut line = format!(
            "kernel {}  {} from {}",
            candidate.name,
            counted(candidate.exports, "export"),
            candidate.source
        );
        if !candidate.not_compared.is_empty() {
            line.push_str(&format!(
                "; not known, so not compared: {}",
                candidate.not_compared.join(", ")
            ));
        }
        lines.push(ink.plain(&line));
    }
    lines
}
