//! A validation as JUnit XML: one suite, a case for each module and candidate, and a case `gate` that is always
//! there. The candidate is part of the class name.

use std::collections::BTreeSet;

use junit_report::{Duration, OffsetDateTime, ReportBuilder, TestCase, TestResult, TestSuite};

use super::super::{clip, escape};
use super::{ModuleVerdict, ValidatedModule, Validation};

/// Most lines of one text.
const MAX_LINES: usize = 80;
/// Longest line and longest name, in characters.
const MAX_WIDTH: usize = 400;
/// Most cases; viewers refuse far larger reports.
const MAX_CASES: usize = 20_000;

/// Renders a validation.
pub(super) fn render(validation: &Validation) -> String {
    let mut suite = TestSuite::new("kabigate validate");
    suite.package = "kabi.modules".to_owned();
    // The time of a run is no part of what it found.
    suite.set_timestamp(OffsetDateTime::UNIX_EPOCH);
    suite.add_testcase(gate(validation));
    let mut room = MAX_CASES;
    for (index, candidate) in validation.candidates.iter().enumerate() {
        let class = format!("kabi.modules.{}", candidate.name.replace(['.', '/'], "_"));
        let mut seen = BTreeSet::new();
        for module in &validation.modules {
            let Some(verdict) = module.verdicts.get(index) else {
                continue;
            };
            if room == 0 && verdict.verdict == "loads" {
                continue;
            }
            room = room.saturating_sub(1);
            suite.add_testcase(case(&class, module, verdict, &mut seen));
        }
    }
    let mut bytes = Vec::new();
    // INVARIANT: the writer fails only where its sink does, and a Vec takes every byte.
    ReportBuilder::new()
        .add_testsuite(suite)
        .build()
        .write_xml(&mut bytes)
        .expect("a Vec takes every byte");
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

fn gate(validation: &Validation) -> TestCase {
    let mut case = TestCase::success("gate", Duration::ZERO);
    case.set_classname("kabi.modules");
    let message = escape::xml_attribute(&clip(&validation.headline(), MAX_WIDTH));
    let mut lines = vec![validation.headline()];
    for reason in &validation.reasons {
        lines.extend(reason.message.lines().map(str::to_owned));
        lines.extend(
            reason
                .next_step
                .iter()
                .map(|next| format!("next step: {next}")),
        );
    }
    let sandbox = validation.sandbox.iter();
    lines.extend(sandbox.map(|sandbox| format!("sandbox of rebuilds: {}", sandbox.sentence())));
    let text = text(&lines);
    let type_ = "validate".to_owned();
    let cause = Some(text.clone());
    match validation.exit_code {
        0 => case.set_system_out(&text),
        1 => {
            case.result = TestResult::Failure {
                type_,
                message,
                cause,
            }
        }
        _ => {
            case.result = TestResult::Error {
                type_,
                message,
                cause,
            }
        }
    }
    case
}

fn case(
    class: &str,
    module: &ValidatedModule,
    verdict: &ModuleVerdict,
    seen: &mut BTreeSet<String>,
) -> TestCase {
    let wanted = escape::xml_attribute(&clip(&module.name(), MAX_WIDTH));
    // Of two cases with one name a reader keeps one, so the later ones say where they lie.
    let name = if seen.insert(wanted.clone()) {
        wanted
    } else {
        let path = escape::xml_attribute(&clip(&module.path, MAX_WIDTH));
        format!("{wanted} ({path})")
    };
    let mut case = TestCase::success(&name, Duration::ZERO);
    case.set_classname(&escape::xml_attribute(&clip(class, MAX_WIDTH)));
    let first = verdict.problems.first();
    let sentence = first.map_or("", |problem| &problem.sentence);
    let message = format!("{}: {sentence}", verdict.shown());
    let message = escape::xml_attribute(&clip(&message, MAX_WIDTH));
    let type_ = escape::xml_attribute(&clip(&verdict.verdict, MAX_WIDTH));
    let mut lines = vec![verdict.shown()];
    lines.extend(
        verdict
            .problems
            .iter()
            .map(|problem| problem.sentence.clone()),
    );
    lines.extend(
        verdict
            .rebuild
            .iter()
            .flat_map(|rebuild| rebuild.messages.clone()),
    );
    lines.push(module.path.clone());
    let cause = Some(text(&lines));
    match verdict.verdict.as_str() {
        "loads" => {}
        "loads-with-warning" => case.set_system_out(&text(&lines)),
        "unknown" => {
            case.result = TestResult::Error {
                type_,
                message,
                cause,
            }
        }
        _ => {
            case.result = TestResult::Failure {
                type_,
                message,
                cause,
            }
        }
    }
    case
}

fn text(lines: &[String]) -> String {
    let mut shown: Vec<String> = lines
        .iter()
        .take(MAX_LINES)
        .map(|l| clip(l, MAX_WIDTH))
        .collect();
    let more = lines.len().saturating_sub(MAX_LINES);
    if more > 0 {
        shown.push(format!("and {more} more lines in the JSON report"));
    }
    escape::xml_text(&shown.join("\n"))
}
