//! The reports of several targets as one document, and the renderings that hold all of them.
//!
//! A target is a report of its own. Over them stand the worst verdict and a line each; nothing is judged here.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::view::View;
use super::{Error, Format, Options, Report, Tool, Verdict, escape, junit, wording};

/// Name and version of the document's schema.
pub const SET_SCHEMA: &str = "kabigate-report-set/1";

/// Reports of several targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSet {
    /// Name and version of this schema.
    pub schema: String,
    /// The program that wrote the document.
    pub tool: Tool,
    /// The verdict of the worst target.
    pub verdict: Verdict,
    /// The exit code of the worst target: 2 before 3 before 1 before 0.
    pub exit_code: u8,
    /// The report of each target.
    pub reports: Vec<Report>,
}

impl ReportSet {
    /// Puts reports together; none is not checked.
    #[must_use]
    pub fn new(reports: Vec<Report>) -> ReportSet {
        let rank = |code: u8| match code {
            0 => 0,
            1 => 1,
            2 => 3,
            _ => 2,
        };
        // In observe mode a fail exits like a pass.
        let worst = reports
            .iter()
            .max_by_key(|report| (rank(report.exit_code), report.verdict != Verdict::Pass));
        ReportSet {
            schema: SET_SCHEMA.to_owned(),
            tool: Tool {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            verdict: worst.map_or(Verdict::NotChecked, |report| report.verdict),
            exit_code: worst.map_or(3, |report| report.exit_code),
            reports,
        }
    }
}

/// How a report is called among others: by its target, else by its baseline.
#[must_use]
pub fn name(report: &Report) -> &str {
    let provenance = &report.provenance;
    let baseline = provenance
        .baseline
        .as_ref()
        .map(|baseline| baseline.name.as_str());
    provenance
        .target
        .as_deref()
        .or(baseline)
        .unwrap_or("default")
}

/// Whether the bytes are a set, by their schema.
#[must_use]
pub fn is_set(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Header {
        schema: String,
    }
    serde_json::from_slice::<Header>(bytes)
        .is_ok_and(|header| header.schema.starts_with("kabigate-report-set/"))
}

/// Reads the JSON of a set. `called` is how messages call the input.
///
/// # Errors
///
/// The bytes are no JSON, are of another schema, or lack or add a field.
pub fn read(bytes: &[u8], called: &str) -> Result<ReportSet, Error> {
    let set: ReportSet = serde_json::from_slice(bytes).map_err(|error| Error::Unreadable {
        name: called.to_owned(),
        line: error.line(),
        message: error.to_string(),
    })?;
    let foreign = set
        .reports
        .iter()
        .map(|report| (&report.schema, super::SCHEMA));
    let mut schemas = std::iter::once((&set.schema, SET_SCHEMA)).chain(foreign);
    match schemas.find(|(found, expected)| found != expected) {
        None => Ok(set),
        Some((found, expected)) => Err(Error::Schema {
            name: called.to_owned(),
            found: found.clone(),
            expected: expected.to_owned(),
        }),
    }
}

/// Whether a format can hold several reports in one rendering.
#[must_use]
pub fn holds(format: Format) -> bool {
    matches!(
        format,
        Format::Console | Format::Json | Format::Junit | Format::Gitlab | Format::Markdown
    )
}

/// Renders all reports as one; `None` for a format that holds one report.
#[must_use]
pub fn render(set: &ReportSet, format: Format, options: &Options) -> Option<String> {
    Some(match format {
        Format::Console => console(set, options),
        Format::Markdown => markdown(set, options),
        Format::Json => json(set),
        Format::Junit => junit::render_all(&set.reports, junit::Dialect::Jenkins, options),
        Format::Gitlab => junit::render_all(&set.reports, junit::Dialect::Gitlab, options),
        _ => return None,
    })
}

fn json(set: &ReportSet) -> String {
    // INVARIANT: a set holds strings, numbers, lists and structs only, and a String takes every byte.
    for target in &set.reports {
        let _ = target.to_approve();
    }
    let document = serde_json::to_string_pretty(set).expect("a set has no map");
    let mut out = escape::json_document(&document);
    out.push('\n');
    out
}

/// What the targets come to, in one line.
fn headline(set: &ReportSet) -> String {
    let count = |verdict| {
        set.reports
            .iter()
            .filter(|report| report.verdict == verdict)
            .count()
    };
    let parts = [
        (Verdict::Fail, "failed"),
        (Verdict::NotChecked, "not checked"),
        (Verdict::Invalid, "invalid"),
        (Verdict::Pass, "passed"),
    ];
    let parts = parts.map(|(verdict, word)| (count(verdict), word));
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!(
        "{}  {}: {}",
        wording::verdict_word(set.verdict),
        wording::counted(set.reports.len(), "target"),
        parts.join(", ")
    )
}

fn of_report(report: &Report, options: &Options) -> String {
    wording::headline(&View::new(report, &options.full))
}

fn console(set: &ReportSet, options: &Options) -> String {
    let mut out = format!("{}\n", headline(set));
    for report in &set.reports {
        let line = format!("  {}: {}", name(report), of_report(report, options));
        let _ = writeln!(out, "{}", escape::terminal(&line));
    }
    for report in &set.reports {
        let _ = write!(
            out,
            "\n──── {} ────\n{}",
            escape::terminal(name(report)),
            super::render(report, Format::Console, options)
        );
    }
    out
}

fn markdown(set: &ReportSet, options: &Options) -> String {
    let mut out = format!("### {}\n\n| target | result |\n|---|---|\n", headline(set));
    for report in &set.reports {
        let _ = writeln!(
            out,
            "| {} | {} |",
            escape::markdown_cell(name(report)),
            escape::markdown_cell(&of_report(report, options))
        );
    }
    let left = options.markdown_budget.saturating_sub(out.len());
    let each = Options {
        markdown_budget: left / set.reports.len().max(1),
        ..options.clone()
    };
    for report in &set.reports {
        let title = format!("\n## {}\n\n", escape::markdown(name(report)));
        let each = Options {
            markdown_budget: each.markdown_budget.saturating_sub(title.len()),
            ..each.clone()
        };
        out.push_str(&title);
        out.push_str(&super::render(report, Format::Markdown, &each));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn set(names: &[&str]) -> ReportSet {
        let all = samples::all();
        let reports = names.iter().map(|wanted| {
            let (_, report) = all
                .iter()
                .find(|(name, _)| name == wanted)
                .expect("a sample");
            let mut report = report.clone();
            report.provenance.target = Some(format!("of-{wanted}"));
            report
        });
        ReportSet::new(reports.collect())
    }

    /// The worst target decides: 2 before 3 before 1 before 0, and a fail that is only observed before a pass.
    #[test]
    fn the_worst_target_decides() {
        let code = |names: &[&str]| (set(names).exit_code, set(names).verdict);
        assert_eq!(code(&["pass", "fail"]), (1, Verdict::Fail));
        assert_eq!(
            code(&["fail", "not-checked", "pass"]),
            (3, Verdict::NotChecked)
        );
        assert_eq!(code(&["invalid", "not-checked"]), (2, Verdict::Invalid));
        assert_eq!(code(&["observe", "pass"]), (0, Verdict::Fail));
        assert_eq!(code(&[]), (3, Verdict::NotChecked));
    }

    /// Every rendering names every target, keeps its budget, and the JSON reads back.
    #[test]
    fn renderings_hold_every_target() {
        let set = set(&["pass", "fail", "hostile"]);
        let options = Options::default();
        for (format, word) in Format::ALL {
            let Some(text) = render(&set, *format, &options) else {
                assert!(!holds(*format), "{word}");
                continue;
            };
            for name in ["of-pass", "of-fail", "of-hostile"] {
                assert!(text.contains(name), "{word} lacks {name}");
            }
        }
        let text = render(&set, Format::Console, &options).expect("text");
        assert!(
            text.starts_with("FAIL  3 targets: 2 failed, 1 passed\n  of-pass: PASS"),
            "{text}"
        );
        let markdown = render(&set, Format::Markdown, &options).expect("text");
        assert!(markdown.len() <= options.markdown_budget);
        let json = json(&set);
        assert!(is_set(json.as_bytes()));
        assert_eq!(read(json.as_bytes(), "r").expect("own output"), set);
        assert!(read(json.replace("-set/1", "-set/9").as_bytes(), "r").is_err());
    }

    /// Two targets of one architecture do not share a case in JUnit.
    #[test]
    fn cases_are_told_apart_by_target() {
        let mut set = set(&["fail", "fail"]);
        set.reports[1].provenance.target = Some("other".to_owned());
        let text = render(&set, Format::Junit, &Options::default()).expect("text");
        let document = roxmltree::Document::parse(&text).expect("XML");
        let cases = document
            .descendants()
            .filter(|node| node.has_tag_name("testcase"));
        let mut names: Vec<_> = cases
            .map(|c| (c.attribute("classname"), c.attribute("name")))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        let suites = document
            .descendants()
            .filter(|node| node.has_tag_name("testsuite"));
        assert_eq!(suites.count(), 2);
    }
}
