//! SARIF 2.1.0 (OASIS standard, errata 01) for code scanning.
//!
//! One run with one result per cause at the changed definition, one per symbol whose change no cause explains, and
//! one per reason not to have checked: a viewer closes the alerts that a file lacks, so a run that could not check
//! must never be an empty file. Levels follow what a finding does to the exit code. Worst first, within a budget.
//!
//! A viewer that links alerts to lines drops results without a place. What has none points at line 1 of the tree's
//! `Makefile` and says so.

mod shape;

use std::collections::BTreeMap;

use super::finding::{Finding, Subject, address, findings};
use super::policy_text::{approval_line, edit_line, hidden_line};
use super::view::{View, module_name, stopped};
use super::{
    ApprovalState, CLASSES, Cause, Mode, Options, Place, Reason, Report, Severity, SymbolChange,
    Verdict, clip,
};
use super::{class_text, escape, wording};
use crate::compare::ChangeClass;
use crate::policy::Standing;
use shape::*;

/// Most results, as many as GitHub shows.
pub const MAX_RESULTS: usize = 5_000;
/// Most bytes. GitHub takes 10 MB after compression; a file that is smaller without is so for every reader.
pub const MAX_BYTES: usize = 10_000_000;

/// Most names of one list.
const MAX_NAMES: usize = 100;
/// Most lines of a diff.
const MAX_DIFF: usize = 60;
/// Longest text, in characters.
const MAX_TEXT: usize = 4_000;
/// The base of relative addresses that GitHub takes for the root of the repository.
const ROOT: &str = "%SRCROOT%";
/// Bounds of a rendering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Most results.
    pub results: usize,
    /// Most bytes; results are left out to keep to it, the rules and the invocation never.
    pub bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            results: MAX_RESULTS,
            bytes: MAX_BYTES,
        }
    }
}

/// Renders the report; uses [`Options::sarif`] and [`Options::tree`].
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let view = View::new(report, &options.full);
    let rules = rules(report);
    let writer = Writer {
        view: &view,
        rules: &rules,
        options,
    };
    let all = writer.results();
    let total = all.len();
    // The rest of the document is written with no result to learn what remains for them.
    let mut log = writer.log(Vec::new(), total);
    let rest = document(&log).len();
    let kept = within(all, options.sarif, rest);
    log = writer.log(kept, total);
    document(&log)
}

fn document(log: &Log<'_>) -> String {
    // INVARIANT: the objects hold strings, numbers, lists and maps with string keys only.
    let text = serde_json::to_string_pretty(log).expect("SARIF objects have string keys");
    let mut out = escape::json_document(&text);
    out.push('\n');
    out
}

/// The first results that fit.
fn within(all: Vec<SarifResult>, budget: Budget, rest: usize) -> Vec<SarifResult> {
    let mut left = budget.bytes.saturating_sub(rest);
    let mut kept = Vec::new();
    for result in all.into_iter().take(budget.results) {
        let text = serde_json::to_string_pretty(&result).unwrap_or_default();
        // Four more levels of two blanks, a comma and the LF.
        let size = escape::json_document(&text).len() + text.lines().count() * 8 + 2;
        let Some(after) = left.checked_sub(size) else {
            break;
        };
        left = after;
        kept.push(result);
    }
    kept
}

/// The classes table, then the reason codes that the report names: rules may be added without a change of the others.
fn rules(report: &Report) -> Vec<Rule> {
    let mut rules: Vec<Rule> = CLASSES.iter().map(class_rule).collect();
    rules.push(class_rule(class_text("")));
    let mut codes: Vec<String> = report
        .reasons
        .iter()
        .map(|reason| wording::reason_code(reason.code))
        .collect();
    codes.sort();
    codes.dedup();
    rules.extend(codes.into_iter().map(reason_rule));
    rules
}

fn class_rule(text: &super::ClassText) -> Rule {
    let plain = |text: String| Message {
        text,
        markdown: None,
    };
    let id = if text.class.is_empty() {
        "changed"
    } else {
        text.class
    };
    Rule {
        id: id.to_owned(),
        short_description: plain(format!("kABI: {}", text.title)),
        full_description: Some(plain(text.why.to_owned())),
        help: Some(Message {
            text: format!("{}\n\nWhat to do: {}", text.why, text.way_out),
            markdown: Some(format!("{}\n\n**What to do:** {}", text.why, text.way_out)),
        }),
        default_configuration: Configuration {
            level: level_of(severity_of(text.class)),
        },
        properties: Some(RuleProperties {
            tags: vec!["kabi", "linux"],
        }),
    }
}

fn reason_rule(code: String) -> Rule {
    Rule {
        short_description: message(&format!("not checked: {code}")),
        id: code,
        full_description: Some(message(
            "The run could not check what it was asked to. What was not checked never counts as passed.",
        )),
        help: None,
        default_configuration: Configuration {
            level: Level::Error,
        },
        properties: None,
    }
}

/// What a class does to a protected symbol when no rule says otherwise; a changed definition changes CRCs.
fn severity_of(class: &str) -> Severity {
    let class = ChangeClass::from_word(class).unwrap_or(ChangeClass::CrcChanged);
    Severity::default_for(class, Standing::Protected)
}

fn level_of(severity: Severity) -> Level {
    match severity {
        Severity::Fail => Level::Error,
        Severity::Warn => Level::Warning,
        Severity::Note | Severity::Ignore => Level::Note,
    }
}

/// A text with strangers' parts as a SARIF message.
fn message(text: &str) -> Message {
    Message {
        text: escape::sarif_message(&clip(text, MAX_TEXT)),
        markdown: None,
    }
}

/// Turns the parts of a report into SARIF objects.
struct Writer<'a> {
    view: &'a View<'a>,
    rules: &'a [Rule],
    options: &'a Options,
}

impl<'a> Writer<'a> {
    fn log(&self, results: Vec<SarifResult>, total: usize) -> Log<'a> {
        let report = self.view.report;
        let baseline = report.provenance.baseline.as_ref();
        let name = baseline.map_or("diff".to_owned(), |b| clip(&b.name, wording::NAME_LIMIT));
        Log {
            schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            version: "2.1.0",
            runs: [Run {
                tool: Tool {
                    driver: Driver {
                        name: report.tool.name.clone(),
                        version: report.tool.version.clone(),
                        rules: rules(report),
                        notifications: notifications(report),
                    },
                },
                // The slash at the end makes the name a category, which a viewer keeps apart from other runs.
                automation_details: AutomationDetails {
                    id: format!("kabigate/{}/", name.replace('/', "_")),
                },
                invocations: [self.invocation()],
                column_kind: "utf16CodeUnits",
                properties: self.properties(results.len(), total),
                results,
            }],
        }
    }

    fn properties(&self, shown: usize, total: usize) -> RunProperties<'a> {
        let report = self.view.report;
        let modules: Vec<String> = stopped(&report.tip)
            .map(|m| clip(&module_name(m), wording::NAME_LIMIT))
            .collect();
        let left_out = total - shown;
        RunProperties {
            verdict: report.verdict,
            headline: wording::headline(self.view),
            mode: report.mode,
            protected: report.provenance.protected,
            failing: report.tip.counts.failing,
            failing_others: report.tip.counts.failing_others,
            warned: report.tip.counts.warned,
            approved: report.tip.counts.approved,
            base: report.provenance.base.as_ref().map(|c| c.id.as_str()),
            head: report.provenance.head.as_ref().map(|c| c.id.as_str()),
            modules_stopped_count: modules.len(),
            modules_stopped: modules.into_iter().take(MAX_NAMES).collect(),
            truncated: left_out > 0,
            results_total: total,
            truncated_note: (left_out > 0).then(|| {
                format!(
                    "{} left out to stay within the size limit; {} holds everything",
                    wording::counted(left_out, "result"),
                    self.options.full
                )
            }),
        }
    }

    fn invocation(&self) -> Invocation {
        let report = self.view.report;
        let kinds = notifications(report);
        let at = |id: &str| Reference {
            id: id.to_owned(),
            index: kinds.iter().position(|k| k.id == id).unwrap_or_default(),
        };
        let reasons = report.reasons.iter().map(|reason| Notification {
            descriptor: at(&wording::reason_code(reason.code)),
            level: Level::Error,
            message: message(&reason_text(self.view, reason)),
            locations: reason_place(reason)
                .map(|place| self.location(Some(&place)))
                .into_iter()
                .collect(),
        });
        let edits = report.policy.edits.iter();
        let edits = edits.map(|edit| format!("policy edit: {}", edit_line(self.view, edit)));
        let expired = report.policy.in_state(ApprovalState::Expired);
        let expired = expired.map(|one| format!("expired approval: {}", approval_line(one)));
        let warnings = report.warnings.iter().cloned();
        let warnings = edits
            .chain(expired)
            .chain(warnings)
            .map(|text| Notification {
                descriptor: at(WARNING),
                level: Level::Warning,
                message: message(&text),
                locations: Vec::new(),
            });
        Invocation {
            execution_successful: matches!(report.verdict, Verdict::Pass | Verdict::Fail),
            exit_code: report.exit_code,
            exit_code_description: exit_code_text(report),
            tool_execution_notifications: reasons.chain(warnings).take(MAX_RESULTS).collect(),
        }
    }

    fn results(&self) -> Vec<SarifResult> {
        let findings = findings(self.view);
        let results = findings.iter().map(|finding| match finding.subject {
            Subject::Reason(reason) => self.of_reason(finding, reason),
            Subject::Cause(cause) => self.of_cause(finding, cause),
            Subject::Symbol(symbol) => self.of_symbol(finding, symbol),
            Subject::Hidden(change) => self.result(finding, &hidden_line(change)),
        });
        results.collect()
    }

    fn of_reason(&self, finding: &Finding<'_>, reason: &Reason) -> SarifResult {
        let text = format!("Not checked. {}", reason_text(self.view, reason));
        self.result(finding, &text)
    }

    fn of_cause(&self, finding: &Finding<'_>, cause: &Cause) -> SarifResult {
        let view = self.view;
        let mut result = self.result(finding, &cause_text(view, cause));
        let kind = if cause.class == "prototype" {
            "function"
        } else {
            "type"
        };
        name_it(&mut result, &cause.name, kind);
        if let (Some(base), Some(_)) = (&cause.base, &cause.head) {
            let mut before = self.location(Some(base));
            before.id = Some(0);
            before.message = Some(message("the definition before the change"));
            result.related_locations.push(before);
        }
        let names = |names: &[String]| -> Vec<String> {
            let names = names.iter().take(MAX_NAMES);
            names.map(|n| clip(n, wording::NAME_LIMIT)).collect()
        };
        let lines: Vec<String> = cause
            .diff
            .lines()
            .take(MAX_DIFF)
            .map(|line| clip(line, 400))
            .collect();
        let more = cause.diff.lines().count().saturating_sub(MAX_DIFF);
        let mut diff = lines.join("\n");
        if more > 0 {
            let more = wording::counted(more, "more line");
            diff.push_str(&format!("\n… {more} in {}", self.options.full));
        }
        result.properties = ResultProperties {
            commits: names(&cause.commits),
            symbols: names(&cause.protected),
            symbols_count: Some(cause.protected.len()),
            other_symbols: Some(cause.unprotected),
            modules: names(&cause.modules),
            witness: names(view.witness(cause)),
            diff,
            ..result.properties
        };
        result
    }

    fn of_symbol(&self, finding: &Finding<'_>, symbol: &SymbolChange) -> SarifResult {
        let mut text = format!(
            "{}: {}.",
            clip(&symbol.symbol, wording::NAME_LIMIT),
            wording::change_line(symbol)
        );
        if !symbol.used_by.is_empty() {
            text.push_str(&format!(" Used by {}.", wording::examples(&symbol.used_by)));
        }
        let mut result = self.result(finding, &text);
        name_it(&mut result, &symbol.symbol, "function");
        result.properties.commits = symbol.since.iter().cloned().collect();
        result
    }

    fn result(&self, finding: &Finding<'_>, text: &str) -> SarifResult {
        let index = self.rules.iter().position(|r| r.id == finding.rule);
        // A class that this version does not know comes from a report of a later one.
        let index = index.or_else(|| self.rules.iter().position(|r| r.id == "changed"));
        let index = index.unwrap_or_default();
        SarifResult {
            rule_id: self.rules.get(index).map_or("", |r| &r.id).to_owned(),
            rule_index: index,
            level: level_of(finding.severity),
            message: message(text),
            locations: vec![self.location(finding.place.as_ref())],
            related_locations: Vec::new(),
            partial_fingerprints: BTreeMap::from([("kabigate/v1", finding.fingerprint.clone())]),
            suppressions: finding
                .approved
                .iter()
                .map(|approval| Suppression {
                    kind: "external",
                    status: "accepted",
                    justification: escape::sarif_message(&clip(approval, MAX_TEXT)),
                })
                .collect(),
            properties: ResultProperties {
                no_place: finding.place.is_none(),
                ..ResultProperties::default()
            },
        }
    }

    fn location(&self, place: Option<&Place>) -> Location {
        let (uri, line) = address(&self.options.tree, place);
        Location {
            id: None,
            physical_location: Some(PhysicalLocation {
                artifact_location: ArtifactLocation {
                    uri,
                    uri_base_id: ROOT,
                },
                region: Region { start_line: line },
            }),
            logical_locations: Vec::new(),
            message: None,
        }
    }
}

/// Descriptor of the report's warnings.
const WARNING: &str = "warning";

/// Kinds of notifications: the reason codes that the report names, and its warnings.
fn notifications(report: &Report) -> Vec<Rule> {
    let mut codes: Vec<String> = report
        .reasons
        .iter()
        .map(|reason| wording::reason_code(reason.code))
        .collect();
    codes.sort();
    codes.dedup();
    let mut kinds: Vec<Rule> = codes.into_iter().map(reason_rule).collect();
    let edits = !report.policy.edits.is_empty();
    let expired = report
        .policy
        .in_state(ApprovalState::Expired)
        .next()
        .is_some();
    if !report.warnings.is_empty() || edits || expired {
        kinds.push(Rule {
            id: WARNING.to_owned(),
            short_description: message("what the user should know and what changes no verdict"),
            full_description: None,
            help: None,
            default_configuration: Configuration {
                level: Level::Warning,
            },
            properties: None,
        });
    }
    kinds
}

fn exit_code_text(report: &Report) -> &'static str {
    match (report.verdict, report.mode) {
        (Verdict::Pass, _) => "checked, nothing protected breaks",
        (Verdict::Fail, Mode::Enforce) => "checked, at least one protected symbol breaks",
        (Verdict::Fail, Mode::Observe) => {
            "checked, at least one protected symbol breaks, which observe mode lets pass"
        }
        (Verdict::Invalid, _) => "wrong usage, or an input that cannot be read",
        (Verdict::NotChecked, _) => "could not check",
    }
}

fn reason_place(reason: &Reason) -> Option<Place> {
    reason.file.as_ref().map(|file| Place {
        file: file.clone(),
        line: reason.line.unwrap_or(1),
    })
}

fn reason_text(view: &View<'_>, reason: &Reason) -> String {
    let mut text = wording::reason_code(reason.code);
    if let Some(place) = wording::reason_place(view, reason) {
        text.push_str(&format!(" at {place}"));
    }
    text.push_str(&format!(": {}", clip(reason.message.trim_end(), 2_000)));
    for (expected, found) in wording::mismatch(reason).iter().take(20) {
        text.push_str(&format!("\nexpected {expected}, found {found}"));
    }
    if let Some(next) = &reason.next_step {
        text.push_str(&format!("\nNext step: {}", clip(next, 1_000)));
    }
    text
}

fn cause_text(view: &View<'_>, cause: &Cause) -> String {
    let mut text = format!(
        "{}. Changes {}.",
        wording::cause_title(cause),
        wording::reach(cause)
    );
    if !cause.modules.is_empty() {
        text.push_str(&format!(" Stops {}.", wording::examples(&cause.modules)));
    }
    for id in cause.commits.iter().take(3) {
        let line = view
            .commit(id)
            .map_or_else(|| clip(id, 12), wording::commit_line);
        text.push_str(&format!("\nCommit {line}."));
    }
    let path = view.witness(cause);
    if path.len() > 1 {
        let steps: Vec<String> = path.iter().take(20).map(|s| clip(s, 80)).collect();
        text.push_str(&format!("\nPath {}.", steps.join(" → ")));
    }
    let state = wording::cause_state(view, cause);
    text.push_str(&format!("\nState: {state}."));
    text.push_str(&format!("\n{}", class_text(&cause.class).way_out));
    text
}

fn name_it(result: &mut SarifResult, name: &str, kind: &'static str) {
    for location in &mut result.locations {
        location.logical_locations.push(LogicalLocation {
            name: clip(name, wording::NAME_LIMIT),
            kind,
        });
    }
}
