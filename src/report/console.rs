//! Text for a person at a terminal or in a CI log: the verdict, then what to know first, in [`MAX_LINES`] lines.

use anstyle::{AnsiColor, Style};

use super::view::{View, module_name, tells, without_cause};
use super::{
    Approvable, Cause, CommitFindings, ModuleImpact, ModuleStatus, Options, Reason, Report,
    Verdict, class_text, clip, escape::terminal,
};
use super::{policy_text, view, wording};

/// Most lines of a rendering.
pub const MAX_LINES: usize = 60;

/// Most causes that are named; the others are counted.
const MAX_CAUSES: usize = 24;
/// Most lines of one cause's diff.
const MAX_DIFF: usize = 10;
/// Most rows of reasons, modules, symbols, commits and warnings: as many of these steps as leave room for causes.
const ROWS: [usize; 3] = [6, 3, 1];
/// Lines that a page must leave for causes, to show one in full.
const MIN_ROOM: usize = 22;
/// Lines that the first entry to paste takes: blank, heading, place, four lines of its own, and the count of the others.
const ENTRY_LINES: usize = 9;
/// Longest line, in characters.
const MAX_WIDTH: usize = 200;

const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default().bold();
const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();

/// Renders the report; uses [`Options::color`] and [`Options::console_lines`]. Without colour the text holds no escape
/// code.
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let view = View::new(report, &options.full);
    let ink = |rows| Ink {
        color: options.color,
        rows,
        lines: options.console_lines,
        full: &options.full,
    };
    // Causes say most, so all else gets fewer rows until the worst causes have room.
    let entries = report.first_to_approve(options.console_lines);
    let pages = ROWS.map(|rows| Page::new(&view, ink(rows), entries.1 > 0));
    let wanted = MAX_CAUSES.min(report.causes.len()) + 3;
    let [full, middle, short] = pages;
    let page = [full, middle]
        .into_iter()
        .find(|page| report.causes.is_empty() || page.room() >= wanted.max(MIN_ROOM))
        .filter(|page| page.room() > 0)
        .unwrap_or(short);
    let mut lines = page.before.clone();
    lines.extend(causes(&view, page.ink, page.room()));
    let left = page
        .ink
        .lines
        .saturating_sub(lines.len() + page.after.len());
    let accept = to_approve(&entries, page.ink, left);
    let provenance = page.after.len().saturating_sub(page.provenance);
    let (sections, provenance) = page.after.split_at(provenance.min(page.after.len()));
    lines.extend_from_slice(sections);
    lines.extend(accept);
    lines.extend_from_slice(provenance);
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

/// All but the causes, with a bound on the rows of each part.
struct Page<'a> {
    ink: Ink<'a>,
    before: Vec<String>,
    after: Vec<String>,
    /// How many lines of `after`, at its end, are the provenance.
    provenance: usize,
    /// Lines for an entry to paste.
    reserved: usize,
}

impl<'a> Page<'a> {
    fn new(view: &View<'_>, ink: Ink<'a>, to_approve: bool) -> Self {
        let mut before = vec![headline(view, ink)];
        before.extend(reasons(view, ink));
        let sections = [
            modules(view, ink),
            symbols(view, ink),
            approvals(view, ink),
            hidden(view, ink),
            edits(view, ink),
            commits(view, ink),
            tip(view, ink),
            rules(view, ink),
            warnings(view, ink),
        ];
        let mut after: Vec<String> = sections.into_iter().flatten().collect();
        let provenance = provenance(view, ink);
        let lines = provenance.len();
        after.extend(provenance);
        Page {
            ink,
            before,
            after,
            provenance: lines,
            reserved: if to_approve { ENTRY_LINES } else { 0 },
        }
    }

    /// Lines that are left for the causes.
    fn room(&self) -> usize {
        self.ink
            .lines
            .saturating_sub(self.before.len() + self.after.len() + self.reserved)
    }
}

/// How a page is written.
#[derive(Clone, Copy)]
struct Ink<'a> {
    color: bool,
    /// Most rows of one part.
    rows: usize,
    /// Most lines of the page.
    lines: usize,
    /// How the complete report is called.
    full: &'a str,
}

impl Ink<'_> {
    /// Escapes, clips and styles one line of text.
    fn line(self, style: Style, text: &str) -> String {
        let text = terminal(&clip(text, MAX_WIDTH));
        if self.color && style != Style::new() {
            format!("{style}{text}{style:#}")
        } else {
            text
        }
    }

    /// The heading of a section with the blank line above it.
    fn heading(self, text: &str) -> Vec<String> {
        vec![String::new(), self.line(BOLD, text)]
    }

    /// `label  text`, the label padded and dimmed.
    fn fact(self, indent: &str, label: &str, text: &str) -> String {
        let label = self.line(DIM, &format!("{label:<10}"));
        format!("{indent}{label} {}", self.line(Style::new(), text))
    }

    fn plain(self, indent: &str, text: &str) -> String {
        format!("{indent}{}", self.line(Style::new(), text))
    }
}

fn headline(view: &View<'_>, ink: Ink<'_>) -> String {
    let style = match view.report.verdict {
        Verdict::Pass => GOOD,
        Verdict::Fail | Verdict::Invalid => BAD,
        Verdict::NotChecked => UNSURE,
    };
    ink.line(style, &wording::headline(view))
}

fn reasons(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let reasons = &view.report.reasons;
    let mut lines = Vec::new();
    for reason in reasons.iter().take(ink.rows) {
        lines.extend(one_reason(view, ink, reason));
    }
    lines.extend(rest(ink, reasons.len(), ink.rows, "reason"));
    lines
}

fn one_reason(view: &View<'_>, ink: Ink<'_>, reason: &Reason) -> Vec<String> {
    let mut lines = ink.heading(&wording::reason_code(reason.code));
    if let Some(place) = wording::reason_place(view, reason) {
        lines.push(ink.fact("  ", "at", &place));
    }
    // A compiler's message has many lines; the first ones say what is wrong.
    let message = reason.message.lines().take(3);
    lines.extend(message.map(|line| ink.plain("  ", line)));
    for (expected, found) in wording::mismatch(reason).iter().take(3) {
        lines.push(ink.fact("  ", "expected", expected));
        lines.push(ink.fact("  ", "found", found));
    }
    if let Some(next) = &reason.next_step {
        lines.push(ink.fact("  ", "next step", &next.replace('\n', " ")));
    }
    lines
}

/// The causes in at most `room` lines: the first ones in full, the others in one line each.
fn causes(view: &View<'_>, ink: Ink<'_>, room: usize) -> Vec<String> {
    let causes = &view.report.causes;
    if causes.is_empty() {
        return Vec::new();
    }
    let named = causes.len().min(MAX_CAUSES);
    let mut lines = ink.heading(&wording::counted(causes.len(), "cause"));
    let (mut in_full, mut ended) = (0, false);
    for (at, cause) in causes.iter().take(named).enumerate() {
        // One line each for the causes still to come, and one that counts the others.
        let reserved = named - at;
        // The worst ones in full; a full one behind short ones would seem to be worse than these.
        let block = (!ended).then(|| one_cause(view, ink, at + 1, cause));
        let block = block.filter(|block| lines.len() + block.len() + reserved <= room);
        ended |= block.is_none() && in_full > 0;
        if let Some(block) = block {
            in_full += 1;
            lines.extend(block);
        } else if lines.len() + 2 <= room {
            lines.push(short_cause(ink, at + 1, cause));
        } else {
            lines.extend(rest(ink, causes.len(), at, "cause"));
            return lines;
        }
    }
    lines.extend(rest(ink, causes.len(), named, "cause"));
    lines
}

fn short_cause(ink: Ink<'_>, number: usize, cause: &Cause) -> String {
    let title = wording::located_cause(cause);
    let mut text = format!("{title}: {}", wording::reach(cause));
    if text.chars().count() > MAX_WIDTH {
        text = format!("{title}: {}", wording::reach_counts(cause, ""));
    }
    ink.plain(&format!("{number:>3}. "), &text)
}

fn one_cause(view: &View<'_>, ink: Ink<'_>, number: usize, cause: &Cause) -> Vec<String> {
    const INDENT: &str = "     ";
    let text = class_text(&cause.class);
    let title = ink.line(BOLD, &wording::cause_title(cause));
    let mut lines = vec![format!("{number:>3}. {title}")];
    if let Some(place) = wording::place_line(cause) {
        lines.push(ink.fact(INDENT, "at", &place));
    }
    let commits: Vec<&String> = cause.commits.iter().take(2).collect();
    for id in commits {
        let line = view
            .commit(id)
            .map_or_else(|| clip(id, 12), wording::commit_line);
        lines.push(ink.fact(INDENT, "commit", &line));
    }
    lines.extend(diff(ink, INDENT, &cause.diff));
    lines.push(ink.fact(INDENT, "changes", &wording::reach(cause)));
    if !cause.modules.is_empty() {
        lines.push(ink.fact(INDENT, "stops", &wording::examples(&cause.modules)));
    }
    let path = view.witness(cause);
    if path.len() > 1 {
        let mut path: Vec<String> = path.iter().map(|step| clip(step, 60)).collect();
        path.extend(wording::path_end(cause));
        lines.push(ink.fact(INDENT, "path", &path.join(" → ")));
    }
    lines.push(ink.fact(INDENT, "state", wording::cause_state(view, cause)));
    lines.push(ink.fact(INDENT, "why", text.why));
    lines.push(ink.fact(INDENT, "what to do", text.way_out));
    lines
}

fn diff(ink: Ink<'_>, indent: &str, diff: &str) -> Vec<String> {
    let count = diff.lines().count();
    let shown = diff.lines().take(MAX_DIFF).map(|line| {
        let style = match line.as_bytes().first() {
            Some(b'-') => REMOVED,
            Some(b'+') => ADDED,
            _ => Style::new(),
        };
        format!("{indent}  {}", ink.line(style, line))
    });
    let mut lines: Vec<String> = shown.collect();
    lines.extend(rest(ink, count, MAX_DIFF, "line"));
    lines
}

fn modules(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let report = view.report;
    let stopped: Vec<&ModuleImpact> = view::stopped(&report.tip).collect();
    let broken = report.tip.modules.iter();
    let broken = broken
        .filter(|m| m.status == ModuleStatus::AlreadyBroken)
        .count();
    if stopped.is_empty() && broken == 0 {
        return Vec::new();
    }
    let mut lines = ink.heading("Modules that stop loading");
    for module in stopped.iter().take(ink.rows) {
        let problem = module.problems.first().map_or("", |p| &p.sentence);
        let version = module
            .version
            .as_ref()
            .map_or(String::new(), |v| format!(" {v}"));
        lines.push(ink.plain(
            "  ",
            &format!("{}{version}: {problem}", module_name(module)),
        ));
    }
    lines.extend(rest(ink, stopped.len(), ink.rows, "module"));
    if broken > 0 {
        let text = format!(
            "{} did not load before either",
            wording::counted(broken, "module")
        );
        lines.push(ink.plain("  ", &text));
    }
    lines
}

fn symbols(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let all: Vec<_> = without_cause(&view.report.tip).collect();
    if all.is_empty() {
        return Vec::new();
    }
    let mut lines = ink.heading("Other changes of protected or used symbols");
    for symbol in all.iter().take(ink.rows) {
        lines.push(ink.plain(
            "  ",
            &format!(
                "{}: {}",
                clip(&symbol.symbol, 60),
                wording::change_line(symbol)
            ),
        ));
    }
    lines.extend(rest(ink, all.len(), ink.rows, "symbol"));
    lines
}

/// What is approved, what no longer is, and approvals that nothing needed.
fn approvals(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let policy = &view.report.policy;
    let mut lines = Vec::new();
    for state in policy_text::STATES {
        let all: Vec<_> = policy.in_state(state).collect();
        if all.is_empty() {
            continue;
        }
        lines.extend(ink.heading(policy_text::approvals_heading(state)));
        let shown = all.iter().take(ink.rows);
        lines.extend(shown.map(|one| ink.plain("  ", &policy_text::approval_line(one))));
        lines.extend(rest(ink, all.len(), ink.rows, "approval"));
    }
    lines
}

/// What the CRCs do not show, the gravest first, and the slots that are left.
fn hidden(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let hidden = &view.report.hidden;
    if hidden.changes.is_empty() {
        return Vec::new();
    }
    let mut lines = ink.heading(policy_text::HIDDEN);
    let mut changes: Vec<_> = hidden.changes.iter().collect();
    changes.sort_by_key(|change| std::cmp::Reverse((change.at_tip, change.severity)));
    let shown = changes.iter().take(ink.rows);
    lines.extend(shown.map(|change| ink.plain("  ", &policy_text::hidden_line(change))));
    lines.extend(rest(ink, changes.len(), ink.rows, "change"));
    let shown = hidden.slots.iter().take(ink.rows);
    lines.extend(shown.map(|slots| ink.plain("  ", &policy_text::slot_line(slots))));
    lines.extend(rest(ink, hidden.slots.len(), ink.rows, "structure"));
    lines
}

fn edits(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let edits = &view.report.policy.edits;
    if edits.is_empty() {
        return Vec::new();
    }
    let mut lines = ink.heading(policy_text::EDITS);
    let shown = edits.iter().take(ink.rows);
    lines.extend(shown.map(|edit| ink.plain("  ", &policy_text::edit_line(view, edit))));
    lines.extend(rest(ink, edits.len(), ink.rows, "edit"));
    lines
}

fn rules(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let rules = &view.report.policy.rules;
    if rules.is_empty() {
        return Vec::new();
    }
    let mut lines = ink.heading("Rules that decided");
    let shown = rules.iter().take(ink.rows);
    lines.extend(shown.map(|rule| ink.plain("  ", &policy_text::rule_line(rule))));
    lines.extend(rest(ink, rules.len(), ink.rows, "rule"));
    lines
}

/// Entries to paste, as many as fit whole into the lines that are left.
fn to_approve((first, count): &(Vec<Approvable>, usize), ink: Ink<'_>, left: usize) -> Vec<String> {
    let mut lines = ink.heading(&policy_text::to_approve_heading(*count));
    let heading = lines.len();
    let mut shown = 0;
    for entry in first {
        let block: Vec<String> = entry
            .toml()
            .lines()
            .map(|line| ink.plain("  ", line))
            .collect();
        let spare = usize::from(shown + 1 < *count);
        if lines.len() + block.len() + spare > left {
            break;
        }
        lines.extend(block);
        shown += 1;
    }
    if lines.len() > heading {
        lines.extend(rest(ink, *count, shown, "change"));
        return lines;
    }
    match (*count, left) {
        (0, _) | (_, 0 | 1) => Vec::new(),
        (count, _) => {
            let count = wording::counted(count, "change");
            let text = format!(
                "to accept {count}: entries for approvals.toml are in the JSON and the Markdown report"
            );
            vec![String::new(), ink.line(DIM, &text)]
        }
    }
}

/// The first answer: what each commit brings. Commits that change nothing are counted only.
fn commits(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let report = view.report;
    let telling: Vec<&CommitFindings> = report.commits.iter().filter(|c| tells(c)).collect();
    if telling.is_empty() && (report.commits.is_empty() || report.verdict == Verdict::Pass) {
        return Vec::new();
    }
    let mut lines = ink.heading(&format!(
        "New in these commits ({} of {})",
        wording::thousands(telling.len()),
        wording::counted(report.commits.len(), "commit")
    ));
    for commit in telling.iter().take(ink.rows) {
        lines.push(ink.plain("  ", &wording::commit_line(&commit.commit)));
        let effect = wording::commit_effect(view, commit).join(", ");
        lines.push(ink.plain("    ", &effect));
    }
    lines.extend(rest(ink, telling.len(), ink.rows, "commit"));
    if telling.is_empty() {
        lines.push(ink.plain("  ", "no commit changes a protected symbol"));
    }
    lines
}

/// The second answer: where the tip stands.
fn tip(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let report = view.report;
    let counts = &report.tip.counts;
    let nothing = counts.base == 0 && counts.head == 0;
    let quiet = counts.warned == 0 && counts.approved == 0;
    if nothing || (report.verdict == Verdict::Pass && quiet) {
        return Vec::new();
    }
    let mut lines = ink.heading(&wording::tip_heading(&report.provenance));
    lines.push(ink.plain("  ", &wording::tip_line(report)));
    if let Some(text) = wording::unprotected_line(&report.tip) {
        lines.push(ink.plain("  ", &format!("neither protected nor used: {text}")));
    }
    lines
}

fn warnings(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let warnings = &view.report.warnings;
    if warnings.is_empty() {
        return Vec::new();
    }
    let mut lines = ink.heading("Warnings");
    let shown = warnings.iter().take(ink.rows);
    lines.extend(shown.map(|warning| ink.plain("  ", warning)));
    lines.extend(rest(ink, warnings.len(), ink.rows, "warning"));
    lines
}

fn provenance(view: &View<'_>, ink: Ink<'_>) -> Vec<String> {
    let facts = wording::provenance_facts(view.report);
    let lines = facts.iter().map(|(label, text)| ink.fact("", label, text));
    std::iter::once(String::new()).chain(lines).collect()
}

/// Says how many rows are left out, and where they stand.
fn rest(ink: Ink<'_>, count: usize, shown: usize, noun: &str) -> Option<String> {
    let more = count.checked_sub(shown).filter(|more| *more > 0)?;
    let counted = wording::counted(more, &format!("more {noun}"));
    let text = format!("… {} in {}", counted, ink.full);
    Some(format!("  {}", ink.line(DIM, &text)))
}
