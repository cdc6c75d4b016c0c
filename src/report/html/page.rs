//! What the template shows: plain text in the order of the page, cut and with hidden characters made visible.

use serde::Serialize;

use super::causes::{self, CauseBox, Matrix};
use super::symbols::{self, Symbols};
use super::{Limits, SCRIPT, STYLE, source_hash};
use crate::report::view::{View, module_name, place, stopped, tells, without_cause};
use crate::report::wording::{self, NAME_LIMIT};
use crate::report::{
    CommitFindings, Mode, ModuleImpact, ModuleStatus, Reason, Report, Verdict, class_text, clip,
    escape, policy_text,
};

/// Text of a stranger, at most `max` characters, as a page shows it; the template engine escapes the markup.
pub(super) fn text(text: &str, max: usize) -> String {
    escape::html_text(&clip(text, max))
}

/// A name of a stranger.
pub(super) fn name(text: &str) -> String {
    self::text(text, NAME_LIMIT)
}

/// The first twelve characters, as commits are abbreviated, or a class.
pub(super) fn short(text: &str) -> String {
    let is_id = text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let short = text.get(..12).filter(|_| is_id);
    self::text(short.unwrap_or(text), 60)
}

/// A commit by its id, with its subject where it is known.
pub(super) fn commit_text(view: &View<'_>, id: &str) -> String {
    match view.commit(id) {
        Some(commit) => text(&wording::commit_line(commit), 400),
        None => short(id),
    }
}

/// A whole page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    title: String,
    verdict: &'static str,
    verdict_word: &'static str,
    headline: String,
    observe: bool,
    exit_code: u8,
    style: Option<&'static str>,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    /// What was left out, and where it stands.
    cut: Vec<String>,
    full: String,
    counts: Vec<(String, String)>,
    reasons: Vec<ReasonBox>,
    cause_count: String,
    causes: Vec<CauseBox>,
    matrix: Option<Matrix>,
    modules: Vec<ModuleRow>,
    others: Vec<(String, String)>,
    /// Policy edits, approvals and rules: headings with their lines.
    policy: Vec<(&'static str, Vec<String>)>,
    /// Changes that the CRCs do not show, likewise.
    hidden: Vec<(&'static str, Vec<String>)>,
    to_approve_heading: String,
    to_approve: Vec<String>,
    commits: Vec<CommitBox>,
    commit_summary: String,
    tip: Option<Tip>,
    symbols: Option<Symbols>,
    warnings: Vec<String>,
    facts: Vec<(&'static str, String)>,
}

#[derive(Debug, Serialize)]
struct ReasonBox {
    code: String,
    place: Option<String>,
    message: String,
    pairs: Vec<(String, String)>,
    next_step: Option<String>,
}

#[derive(Debug, Serialize)]
struct ModuleRow {
    name: String,
    version: String,
    status: &'static str,
    /// `fail`, `warn` or `note`.
    severity: &'static str,
    problems: Vec<String>,
    more: usize,
    since: String,
}

#[derive(Debug, Serialize)]
struct CommitBox {
    short: String,
    subject: String,
    source: Option<String>,
    author: String,
    date: String,
    /// `fail`, `warn`, `error`, `good` or `note`: how the timeline marks it.
    mark: &'static str,
    mark_word: &'static str,
    effects: Vec<String>,
    causes: Vec<(usize, String)>,
}

#[derive(Debug, Serialize)]
struct Tip {
    heading: String,
    line: String,
    classes: Vec<(&'static str, String, String)>,
}

impl Page {
    /// The page of a report.
    pub(super) fn new(view: &View<'_>, limits: Limits) -> Page {
        let report = view.report;
        let mut cut = Cut::default();
        let telling: Vec<&CommitFindings> = report.commits.iter().filter(|c| tells(c)).collect();
        let others: Vec<_> = without_cause(&report.tip).collect();
        cut.note(report.reasons.len(), limits.reasons, "reason");
        cut.note(report.causes.len(), limits.causes, "cause");
        let lines = |c: &crate::report::Cause| c.diff.lines().count();
        let longest = report.causes.iter().map(lines).max().unwrap_or(0);
        if longest > limits.diff_lines && limits.causes > 0 {
            let kept = wording::counted(limits.diff_lines, "line");
            cut.parts.push(format!("diffs after {kept}"));
        }
        cut.note(report.tip.modules.len(), limits.modules, "module");
        cut.note(others.len(), limits.rows, "other change");
        cut.note(telling.len(), limits.rows, "commit");
        cut.note(report.warnings.len(), limits.rows, "warning");
        cut.note(report.hidden.changes.len(), limits.rows, "hidden change");
        cut.note(report.hidden.slots.len(), limits.rows, "slot budget");
        cut.note(report.policy.approvals.len(), limits.rows, "approval");
        cut.note(report.policy.edits.len(), limits.rows, "policy edit");
        cut.note(report.policy.rules.len(), limits.rows, "rule");
        cut.note(report.to_approve().len(), limits.rows, "approvable change");
        let symbols = limits.symbols + limits.more_symbols;
        cut.note(report.tip.symbols.len(), symbols, "symbol");
        let dressed = limits.dressed;
        Page {
            title: text(
                &format!("kABI check: {}", wording::verdict_word(report.verdict)),
                200,
            ),
            verdict: verdict_class(report.verdict),
            verdict_word: wording::verdict_word(report.verdict),
            headline: text(&wording::headline_facts(view).join(" · "), 1_000),
            observe: report.mode == Mode::Observe,
            exit_code: report.exit_code,
            style: dressed.then_some(STYLE),
            style_hash: source_hash(STYLE),
            script: SCRIPT,
            script_hash: source_hash(SCRIPT),
            cut: cut.parts,
            full: text(view.full, 400),
            counts: if dressed { counts(view) } else { Vec::new() },
            reasons: report
                .reasons
                .iter()
                .take(limits.reasons)
                .map(|r| reason(view, r))
                .collect(),
            cause_count: wording::counted(report.causes.len(), "cause"),
            causes: causes::boxes(view, limits),
            matrix: if limits.modules > 0 {
                causes::matrix(view, limits)
            } else {
                None
            },
            modules: report
                .tip
                .modules
                .iter()
                .take(limits.modules)
                .map(|m| module(view, m))
                .collect(),
            others: others
                .iter()
                .take(limits.rows)
                .map(|s| (name(&s.symbol), text(&wording::change_line(s), 400)))
                .collect(),
            policy: policy(view, limits),
            hidden: hidden(report, limits),
            to_approve_heading: policy_text::to_approve_heading(report.to_approve().len()),
            to_approve: report
                .to_approve()
                .iter()
                .take(limits.rows)
                .map(|entry| text(&entry.toml(), 2_000))
                .collect(),
            commit_summary: format!(
                "{} of {} do something to protected symbols or could not be checked.",
                wording::thousands(telling.len()),
                wording::counted(report.commits.len(), "commit")
            ),
            commits: telling
                .iter()
                .take(limits.rows)
                .map(|c| commit(view, c, limits))
                .collect(),
            tip: if limits.rows > 0 {
                tip(report, limits)
            } else {
                None
            },
            symbols: if limits.symbols > 0 {
                symbols::table(view, limits)
            } else {
                None
            },
            warnings: report
                .warnings
                .iter()
                .take(limits.rows)
                .map(|w| text(w, 1_000))
                .collect(),
            facts: wording::provenance_facts(report)
                .into_iter()
                .map(|(label, fact)| (label, text(&fact, 400)))
                .collect(),
        }
    }
}

/// Collects what does not fit.
#[derive(Default)]
struct Cut {
    parts: Vec<String>,
}

impl Cut {
    fn note(&mut self, count: usize, shown: usize, noun: &str) {
        if let Some(more) = count.checked_sub(shown).filter(|more| *more > 0) {
            self.parts
                .push(wording::counted(more, &format!("more {noun}")));
        }
    }
}

fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Invalid => "invalid",
        Verdict::NotChecked => "not-checked",
    }
}

/// The numbers at the top.
fn counts(view: &View<'_>) -> Vec<(String, String)> {
    let report = view.report;
    if matches!(report.verdict, Verdict::Invalid | Verdict::NotChecked) {
        // Nothing may look counted in a run that could not check.
        return vec![(
            "reasons".to_owned(),
            wording::thousands(report.reasons.len()),
        )];
    }
    let counts = &report.tip.counts;
    let pairs = [
        ("protected symbols", report.provenance.protected),
        ("broken at the tip", counts.failing),
        ("warnings at the tip", counts.warned),
        ("approved", counts.approved),
        ("causes", report.causes.len()),
        ("modules that stop loading", stopped(&report.tip).count()),
        ("commits", report.commits.len()),
    ];
    // What the run did not look at needs no zero.
    let absent = [
        ("approved", true),
        ("modules that stop loading", report.provenance.modules == 0),
        ("commits", true),
    ];
    let told = pairs
        .into_iter()
        .filter(|(label, n)| *n > 0 || !absent.contains(&(*label, true)));
    let pairs = told.map(|(label, n)| (label.to_owned(), wording::thousands(n)));
    pairs.collect()
}

/// What people decided: edits of the policy first, since they are about the judgement itself.
fn policy(view: &View<'_>, limits: Limits) -> Vec<(&'static str, Vec<String>)> {
    let policy = &view.report.policy;
    let edits = policy
        .edits
        .iter()
        .map(|edit| policy_text::edit_line(view, edit));
    let mut parts: Vec<(&'static str, Vec<String>)> = vec![(policy_text::EDITS, edits.collect())];
    for state in policy_text::STATES {
        let lines = policy.in_state(state).map(policy_text::approval_line);
        parts.push((policy_text::approvals_heading(state), lines.collect()));
    }
    let rules = policy.rules.iter().map(policy_text::rule_line);
    parts.push(("Rules that decided", rules.collect()));
    lined(parts, limits)
}

/// What the CRCs do not show, the gravest first, and the slots that are left.
fn hidden(report: &Report, limits: Limits) -> Vec<(&'static str, Vec<String>)> {
    let mut changes: Vec<_> = report.hidden.changes.iter().collect();
    changes.sort_by_key(|change| std::cmp::Reverse((change.at_tip, change.severity)));
    let changes = changes.into_iter().map(policy_text::hidden_line);
    let slots = report.hidden.slots.iter().map(policy_text::slot_line);
    let parts = vec![
        (policy_text::HIDDEN, changes.collect()),
        ("Reserved slots", slots.collect()),
    ];
    lined(parts, limits)
}

/// Headings with their lines, as many as fit; none without lines.
fn lined(
    mut parts: Vec<(&'static str, Vec<String>)>,
    limits: Limits,
) -> Vec<(&'static str, Vec<String>)> {
    for (_, lines) in &mut parts {
        lines.truncate(limits.rows);
        for line in lines {
            *line = text(line, 1_000);
        }
    }
    parts.retain(|(_, lines)| !lines.is_empty());
    parts
}

fn reason(view: &View<'_>, reason: &Reason) -> ReasonBox {
    ReasonBox {
        code: wording::reason_code(reason.code),
        place: wording::reason_place(view, reason).map(|place| text(&place, 600)),
        message: text(reason.message.trim_end(), 4_000),
        pairs: wording::mismatch(reason)
            .iter()
            .take(100)
            .map(|(expected, found)| (name(expected), name(found)))
            .collect(),
        next_step: reason.next_step.as_ref().map(|next| text(next, 1_000)),
    }
}

fn module(view: &View<'_>, module: &ModuleImpact) -> ModuleRow {
    const PROBLEMS: usize = 10;
    let (status, severity) = match module.status {
        ModuleStatus::StopsLoading => ("stops loading", "fail"),
        ModuleStatus::AlreadyBroken => ("did not load before either", "note"),
        ModuleStatus::Unknown => ("cannot be said", "warn"),
    };
    let problems = module.problems.iter().take(PROBLEMS);
    ModuleRow {
        name: name(&module_name(module)),
        version: module
            .version
            .as_deref()
            .map_or(String::new(), |v| text(v, 80)),
        status,
        severity,
        problems: problems.map(|p| text(&p.sentence, 400)).collect(),
        more: module.problems.len().saturating_sub(PROBLEMS),
        since: module
            .since
            .as_deref()
            .map_or(String::new(), |id| commit_text(view, id)),
    }
}

fn commit(view: &View<'_>, commit: &CommitFindings, limits: Limits) -> CommitBox {
    let counts = &commit.findings.counts;
    let (mark, mark_word) = if !commit.checked {
        ("error", "not checked")
    } else if counts.failing > 0 {
        ("fail", "breaks")
    } else if !commit.restored.is_empty() || !commit.modules_restored.is_empty() {
        ("good", "restores")
    } else if counts.warned > 0 {
        ("warn", "warns")
    } else {
        ("note", "changes")
    };
    let causes = view.report.causes.iter().take(limits.causes).enumerate();
    let causes = causes.filter(|(_, cause)| cause.commits.contains(&commit.commit.id));
    CommitBox {
        short: text(commit.commit.short(), 12),
        subject: name(&commit.commit.subject),
        source: commit.commit.source.as_deref().map(name),
        author: name(&commit.commit.author),
        date: text(&commit.commit.date, 40),
        mark,
        mark_word,
        effects: wording::commit_effect(view, commit)
            .iter()
            .map(|e| text(e, 600))
            .collect(),
        causes: causes
            .take(10)
            .map(|(at, cause)| {
                let place =
                    place(cause).map_or(String::new(), |p| format!(" ({}:{})", p.file, p.line));
                (
                    at + 1,
                    text(&format!("{}{place}", wording::cause_title(cause)), 400),
                )
            })
            .collect(),
    }
}

fn tip(report: &Report, limits: Limits) -> Option<Tip> {
    let counts = &report.tip.counts;
    if counts.base == 0 && counts.head == 0 {
        return None;
    }
    let classes = counts.classes.iter().take(limits.rows).map(|class| {
        (
            class_text(&class.class).title,
            wording::thousands(class.protected),
            wording::thousands(class.unprotected),
        )
    });
    Some(Tip {
        heading: text(&wording::tip_heading(&report.provenance), 400),
        line: text(&wording::tip_line(report), 400),
        classes: classes.collect(),
    })
}
