//! GitHub Flavored Markdown for job summaries and comments, within a budget of bytes.
//!
//! The text is made of sections. Over budget they are dropped whole, from the end, so no tag, table or fence stays
//! open; the verdict, the notice of what was dropped and the provenance always stay.

use std::fmt::Write as _;

use super::view::{View, module_name, tells, without_cause};
use super::{
    Approvable, Cause, CommitFindings, ModuleImpact, ModuleStatus, Options, Reason, Report,
    SymbolChange, class_text, clip,
};
use super::{
    escape::{markdown, markdown_block, markdown_cell, markdown_code},
    policy_text, wording,
};

/// A comment holds 65,536 characters at most.
pub const COMMENT_BUDGET: usize = 60_000;
/// A job summary holds 1,024 KiB at most; beyond it the whole upload is dropped.
pub const SUMMARY_BUDGET: usize = 1_000_000;

/// Most causes that get a section each.
const MAX_CAUSES: usize = 50;
/// Most lines of one diff.
const MAX_DIFF: usize = 80;
/// Longest line of a diff, in characters.
const MAX_WIDTH: usize = 400;
/// Most rows of a table.
const MAX_ROWS: usize = 1_000;
/// Most modules shown; beyond it a table says little.
const MAX_MODULES: usize = 100;

/// A part that is kept or dropped as one.
struct Section {
    /// How the notice calls it.
    name: String,
    text: String,
}

/// Renders the report in at most [`Options::markdown_budget`] bytes, unless verdict, notice and provenance alone are
/// longer.
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let view = View::new(report, &options.full);
    let budget = options.markdown_budget;
    let head = format!("### {}\n", markdown(&wording::headline(&view)));
    let foot = provenance(report);
    let sections = sections(&view);
    let mut kept = sections.len();
    loop {
        let notice = notice(&sections[kept..], view.full);
        let body: usize = sections[..kept].iter().map(|s| s.text.len()).sum();
        if kept == 0 || head.len() + body + notice.len() + foot.len() <= budget {
            let body: String = sections[..kept].iter().map(|s| s.text.as_str()).collect();
            return format!("{head}{body}{notice}{foot}");
        }
        kept -= 1;
    }
}

fn notice(dropped: &[Section], full: &str) -> String {
    let (first, last) = match dropped {
        [] => return String::new(),
        [only] => (only, only),
        [first, .., last] => (first, last),
    };
    let what = if dropped.len() == 1 {
        first.name.clone()
    } else {
        format!(
            "{} sections, from {} to {}",
            dropped.len(),
            first.name,
            last.name
        )
    };
    format!(
        "\n**Left out to stay within the size limit:** {what}. For everything see {}.\n",
        markdown(full)
    )
}

fn sections(view: &View<'_>) -> Vec<Section> {
    let report = view.report;
    let mut all = Vec::new();
    let mut add = |name: &str, text: String| {
        if !text.is_empty() {
            let name = name.to_owned();
            all.push(Section { name, text });
        }
    };
    add("reasons", reasons(view));
    for (at, cause) in report.causes.iter().take(MAX_CAUSES).enumerate() {
        add(&format!("cause {}", at + 1), one_cause(view, at, cause));
    }
    if report.causes.len() > MAX_CAUSES {
        let more = wording::counted(report.causes.len() - MAX_CAUSES, "more cause");
        add(
            "further causes",
            format!("\n{more} in {}.\n", markdown(view.full)),
        );
    }
    add("modules", modules(view));
    add("other changes", other_changes(view));
    add("approvals", approvals(view));
    add("hidden changes", hidden(view));
    add("policy edits", edits(view));
    add("entries to approve", to_approve(view));
    add("rules", rules(view));
    add("commits", commits(view));
    add("counts", counts(report));
    add("warnings", warnings(view));
    add("symbols", symbols(view));
    all
}

fn reasons(view: &View<'_>) -> String {
    let mut out = String::new();
    for reason in view.report.reasons.iter().take(MAX_CAUSES) {
        out.push_str(&one_reason(view, reason));
    }
    let more = view.report.reasons.len().saturating_sub(MAX_CAUSES);
    if more > 0 {
        let _ = writeln!(
            out,
            "\n{} in {}.",
            wording::counted(more, "more reason"),
            markdown(view.full)
        );
    }
    out
}

fn one_reason(view: &View<'_>, reason: &Reason) -> String {
    let mut out = format!("\n#### `{}`\n\n", wording::reason_code(reason.code));
    if let Some(place) = wording::reason_place(view, reason) {
        let _ = writeln!(out, "At {}.\n", markdown_code(&place));
    }
    let message = clip(&reason.message, 4_000);
    if message.trim_end().contains('\n') {
        out.push_str(&markdown_block(&message, "text"));
    } else {
        let _ = writeln!(out, "{}", markdown(message.trim_end()));
    }
    let pairs = wording::mismatch(reason);
    if !pairs.is_empty() {
        out.push_str("\n| expected | found |\n|---|---|\n");
        for (expected, found) in pairs.iter().take(MAX_ROWS) {
            let _ = writeln!(
                out,
                "| {} | {} |",
                markdown_cell(expected),
                markdown_cell(found)
            );
        }
    }
    if let Some(next) = &reason.next_step {
        let _ = writeln!(out, "\n**Next step:** {}", markdown(&clip(next, 1_000)));
    }
    out
}

fn one_cause(view: &View<'_>, at: usize, cause: &Cause) -> String {
    let text = class_text(&cause.class);
    let name = markdown_code(&clip(&cause.name, wording::NAME_LIMIT));
    let mut out = format!("\n#### {}. {name}: {}\n\n", at + 1, text.title);
    if let Some(place) = wording::place_line(cause) {
        let _ = writeln!(out, "- at {}", markdown_code(&place));
    }
    for id in cause.commits.iter().take(5) {
        let line = view
            .commit(id)
            .map_or_else(|| clip(id, 12), wording::commit_line);
        let _ = writeln!(out, "- commit {}", markdown_code(&line));
    }
    let _ = writeln!(out, "- changes {}", reach(cause));
    if !cause.modules.is_empty() {
        let _ = writeln!(out, "- stops {}", examples(&cause.modules));
    }
    let path = view.witness(cause);
    if path.len() > 1 {
        let steps: Vec<String> = path
            .iter()
            .take(20)
            .cloned()
            .chain(wording::path_end(cause))
            .map(|s| markdown_code(&clip(&s, 80)))
            .collect();
        let _ = writeln!(out, "- path {}", steps.join(" → "));
    }
    let _ = writeln!(out, "- {}\n", wording::cause_state(view, cause));
    let _ = writeln!(out, "{}\n\n**What to do:** {}\n", text.why, text.way_out);
    out.push_str(&folded(
        "Change of the definition",
        &diff(&cause.diff, view.full),
    ));
    out
}

fn reach(cause: &Cause) -> String {
    let protected = wording::counted(cause.protected.len(), "protected symbol");
    let others = wording::thousands(cause.unprotected);
    if cause.protected.is_empty() {
        format!("{protected}, {others} others")
    } else {
        format!(
            "{protected} ({}), {others} others",
            examples(&cause.protected)
        )
    }
}

/// The first three names and how many more there are.
fn examples(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(3)
        .map(|name| markdown_code(&clip(name, 80)));
    let mut out = shown.collect::<Vec<_>>().join(", ");
    if names.len() > 3 {
        let _ = write!(out, " and {} more", wording::thousands(names.len() - 3));
    }
    out
}

fn diff(diff: &str, full: &str) -> String {
    if diff.is_empty() {
        return String::new();
    }
    let mut lines: Vec<String> = diff
        .lines()
        .take(MAX_DIFF)
        .map(|line| clip(line, MAX_WIDTH))
        .collect();
    let more = diff.lines().count().saturating_sub(MAX_DIFF);
    if more > 0 {
        lines.push(format!(
            "… {} in {full}",
            wording::counted(more, "more line")
        ));
    }
    markdown_block(&lines.join("\n"), "diff")
}

/// A folded part; empty if there is nothing to fold. `summary` is ours.
fn folded(summary: &str, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    format!("<details><summary>{summary}</summary>\n\n{body}\n</details>\n")
}

fn modules(view: &View<'_>) -> String {
    let report = view.report;
    if report.tip.modules.is_empty() {
        return String::new();
    }
    let mut out =
        "\n#### Modules\n\n| module | version | what happens | why |\n|---|---|---|---|\n"
            .to_owned();
    for module in report.tip.modules.iter().take(MAX_MODULES) {
        let status = match module.status {
            ModuleStatus::StopsLoading => "stops loading",
            ModuleStatus::AlreadyBroken => "did not load before either",
            ModuleStatus::Unknown => "cannot be said",
        };
        let version = module
            .version
            .as_ref()
            .map_or(String::new(), |v| markdown_cell(&clip(v, 80)));
        let name = markdown_cell(&clip(&module_name(module), wording::NAME_LIMIT));
        let _ = writeln!(
            out,
            "| {name} | {version} | {status} | {} |",
            problem(module)
        );
    }
    out.push_str(&rest(view, report.tip.modules.len(), MAX_MODULES, "module"));
    out
}

fn problem(module: &ModuleImpact) -> String {
    let Some(first) = module.problems.first() else {
        return String::new();
    };
    let mut out = markdown_cell(&clip(&first.sentence, wording::NAME_LIMIT));
    if module.problems.len() > 1 {
        let _ = write!(
            out,
            " and {} more",
            wording::thousands(module.problems.len() - 1)
        );
    }
    out
}

fn other_changes(view: &View<'_>) -> String {
    let tip = &view.report.tip;
    let all: Vec<&SymbolChange> = without_cause(tip).collect();
    if all.is_empty() {
        return String::new();
    }
    let mut out = "\n#### Other changes of protected or used symbols\n\n".to_owned();
    for symbol in all.iter().take(MAX_MODULES) {
        let name = markdown_code(&clip(&symbol.symbol, wording::NAME_LIMIT));
        let _ = writeln!(out, "- {name}: {}", markdown(&wording::change_line(symbol)));
    }
    out.push_str(&rest(view, all.len(), MAX_MODULES, "symbol"));
    out
}

fn approvals(view: &View<'_>) -> String {
    let report = view.report;
    let mut out = String::new();
    for state in policy_text::STATES {
        let lines = report
            .policy
            .in_state(state)
            .map(policy_text::approval_line);
        out.push_str(&bullets(
            view,
            policy_text::approvals_heading(state),
            lines.collect(),
        ));
    }
    out
}

fn hidden(view: &View<'_>) -> String {
    let hidden = &view.report.hidden;
    let changes = hidden.changes.iter().map(policy_text::hidden_line);
    let slots = hidden.slots.iter().map(policy_text::slot_line);
    let mut out = bullets(view, policy_text::HIDDEN, changes.collect());
    out.push_str(&bullets(view, "Reserved slots", slots.collect()));
    out
}

fn edits(view: &View<'_>) -> String {
    let edits = view.report.policy.edits.iter();
    let lines = edits.map(|edit| policy_text::edit_line(view, edit));
    bullets(view, policy_text::EDITS, lines.collect())
}

fn rules(view: &View<'_>) -> String {
    let report = view.report;
    let lines = report.policy.rules.iter().map(policy_text::rule_line);
    bullets(view, "Rules that decided", lines.collect())
}

/// A section of one line each; empty if there is none.
fn bullets(view: &View<'_>, heading: &str, lines: Vec<String>) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut out = format!("\n#### {heading}\n\n");
    for line in lines.iter().take(MAX_MODULES) {
        let _ = writeln!(out, "- {}", markdown(line));
    }
    out.push_str(&rest(view, lines.len(), MAX_MODULES, "line"));
    out
}

/// The entries to paste, in one block.
fn to_approve(view: &View<'_>) -> String {
    let (first, count) = view.report.first_to_approve(MAX_CAUSES);
    if count == 0 {
        return String::new();
    }
    let block: Vec<String> = first.iter().map(Approvable::toml).collect();
    let heading = policy_text::to_approve_heading(count);
    let mut body = markdown_block(block.join("\n").trim_end(), "toml");
    body.push_str(&rest(view, count, MAX_CAUSES, "change"));
    format!("\n{}", folded(&markdown(&heading), &body))
}

fn commits(view: &View<'_>) -> String {
    let commits = &view.report.commits;
    let telling: Vec<&CommitFindings> = commits.iter().filter(|c| tells(c)).collect();
    if telling.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "\n#### New in these commits\n\n{} of {} do something to protected symbols or could not be checked.\n\n| commit | what it does |\n|---|---|\n",
        wording::thousands(telling.len()),
        wording::counted(commits.len(), "commit"),
    );
    for commit in telling.iter().take(MAX_ROWS) {
        let name = markdown_cell(&wording::commit_line(&commit.commit));
        let effect = wording::commit_effect(view, commit).join(", ");
        let _ = writeln!(out, "| {name} | {} |", markdown(&effect));
    }
    out.push_str(&rest(view, telling.len(), MAX_ROWS, "commit"));
    out
}

fn counts(report: &Report) -> String {
    let tip = &report.tip;
    if tip.counts.base == 0 && tip.counts.head == 0 {
        return String::new();
    }
    let heading = markdown(&wording::tip_heading(&report.provenance));
    let mut out = format!("\n#### {heading}\n\n{}.\n", wording::tip_line(report));
    if !tip.counts.classes.is_empty() {
        out.push_str("\n| change | protected or used | other |\n|---|---:|---:|\n");
        for class in tip.counts.classes.iter().take(MAX_ROWS) {
            let title = class_text(&class.class).title;
            let (protected, other) = (
                wording::thousands(class.protected),
                wording::thousands(class.unprotected),
            );
            let _ = writeln!(out, "| {title} | {protected} | {other} |");
        }
    }
    out
}

fn warnings(view: &View<'_>) -> String {
    let report = view.report;
    if report.warnings.is_empty() {
        return String::new();
    }
    let mut out = "\n#### Warnings\n\n".to_owned();
    for warning in report.warnings.iter().take(MAX_MODULES) {
        let _ = writeln!(out, "- {}", markdown(&clip(warning, 1_000)));
    }
    out.push_str(&rest(view, report.warnings.len(), MAX_MODULES, "warning"));
    out
}

fn symbols(view: &View<'_>) -> String {
    let tip = &view.report.tip;
    if tip.symbols.is_empty() {
        return String::new();
    }
    let mut table = "| symbol | change | lists | used by |\n|---|---|---|---|\n".to_owned();
    for symbol in tip.symbols.iter().take(MAX_ROWS) {
        let name = markdown_cell(&clip(&symbol.symbol, wording::NAME_LIMIT));
        let change = markdown(&wording::change_line(symbol));
        let lists = markdown(&wording::examples(&symbol.lists));
        let users = markdown(&wording::examples(&symbol.used_by));
        let _ = writeln!(table, "| {name} | {change} | {lists} | {users} |");
    }
    table.push_str(&rest(view, tip.symbols.len(), MAX_ROWS, "symbol"));
    let count = wording::counted(tip.symbols.len(), "changed symbol");
    format!(
        "\n{}",
        folded(&format!("{count}, protected or used"), &table)
    )
}

fn rest(view: &View<'_>, count: usize, shown: usize, noun: &str) -> String {
    match count.saturating_sub(shown) {
        0 => String::new(),
        more => format!(
            "\n{} in {}.\n",
            wording::counted(more, &format!("more {noun}")),
            markdown(view.full)
        ),
    }
}

fn provenance(report: &Report) -> String {
    let mut out = "\n#### What was compared\n\n".to_owned();
    for (label, text) in wording::provenance_facts(report) {
        let _ = writeln!(out, "- {label}: {}", markdown_code(&text));
    }
    out
}
