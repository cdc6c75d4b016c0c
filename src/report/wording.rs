//! The sentences that all renderers share. Their text is not escaped yet: each renderer does so for its target.

use std::collections::BTreeSet;

use super::view::{View, failing, place, stopped, warned};
use super::{
    BaselineName, Cause, CauseChange, CommitFindings, CommitName, Findings, Mode, Provenance,
    Reason, ReasonCode, Report, SideName, SymbolChange, Verdict, class_text, clip,
};

/// Longest name or message that goes into running text, in characters.
pub(super) const NAME_LIMIT: usize = 160;

/// A count with a comma between thousands.
pub(super) fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 symbol`, `1,204 symbols`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

/// Line 1 of every format: the verdict and the numbers that matter.
pub(super) fn headline(view: &View<'_>) -> String {
    let report = view.report;
    let mode = match report.mode {
        Mode::Enforce => "",
        Mode::Observe => " (observe mode)",
    };
    format!(
        "{}{mode}  {}",
        verdict_word(report.verdict),
        headline_facts(view).join(" · ")
    )
}

/// The verdict as reports print it.
pub(super) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Invalid => "INVALID",
        Verdict::NotChecked => "NOT CHECKED",
    }
}

/// The numbers of the first line, without the verdict.
pub(super) fn headline_facts(view: &View<'_>) -> Vec<String> {
    match view.report.verdict {
        Verdict::Pass => pass_facts(view),
        Verdict::Fail => fail_facts(view),
        Verdict::Invalid | Verdict::NotChecked => reason_facts(&view.report.reasons),
    }
}

fn pass_facts(view: &View<'_>) -> Vec<String> {
    let report = view.report;
    let warned = report.tip.counts.warned;
    let mut facts = vec![format!(
        "{} checked, {} changed",
        counted(report.provenance.protected, "protected symbol"),
        thousands(warned + report.tip.counts.failing),
    )];
    if warned > 0 {
        facts.push(format!("{} shown as a warning", thousands(warned)));
    }
    facts.extend(approved_fact(&report.tip));
    let restored = view.broken_in_range_only().len();
    if restored > 0 {
        facts.push(format!(
            "{} changed and restored within the range",
            thousands(restored)
        ));
    }
    facts.extend(stopped_fact(&report.tip));
    facts
}

fn fail_facts(view: &View<'_>) -> Vec<String> {
    let report = view.report;
    let protected = counted(report.provenance.protected, "protected symbol");
    let failed = report.tip.counts.failing;
    let others = report.tip.counts.failing_others;
    let restored = view.broken_in_range_only().len();
    let mut facts = Vec::new();
    if failed > 0 || others > 0 || restored == 0 {
        facts.push(format!("{} of {protected} changed", thousands(failed)));
    } else {
        let restored = thousands(restored);
        facts.push(format!(
            "{restored} of {protected} changed and restored within the range"
        ));
    }
    if report.tip.counts.failing_others > 0 {
        let others = counted(report.tip.counts.failing_others, "other symbol");
        facts.push(format!("{others} by a rule"));
    }
    if view.failing_causes() > 0 {
        facts.push(counted(view.failing_causes(), "cause"));
    }
    facts.extend(approved_fact(&report.tip));
    facts.extend(stopped_fact(&report.tip));
    if failed > 0 && !report.commits.is_empty() {
        facts.push(match view.first_since() {
            Some(commit) => format!("since {}", commit.short()),
            None => "before these commits".to_owned(),
        });
    }
    facts
}

fn approved_fact(findings: &Findings) -> Option<String> {
    let approved = findings.counts.approved;
    (approved > 0).then(|| format!("{} approved", thousands(approved)))
}

fn stopped_fact(findings: &Findings) -> Option<String> {
    let modules = stopped(findings).count();
    let vendors = stopped(findings).map(|module| module.provider.as_str());
    let vendors: BTreeSet<&str> = vendors.collect();
    let verb = if modules == 1 { "stops" } else { "stop" };
    (modules > 0).then(|| {
        let (modules, vendors) = (counted(modules, "module"), counted(vendors.len(), "vendor"));
        format!("{modules} of {vendors} {verb} loading")
    })
}

fn reason_facts(reasons: &[Reason]) -> Vec<String> {
    let Some(first) = reasons.first() else {
        return vec!["no reason was recorded".to_owned()];
    };
    let line = first.message.lines().next().unwrap_or_default();
    let mut facts = vec![clip(line, NAME_LIMIT)];
    if reasons.len() > 1 {
        facts.push(counted(reasons.len() - 1, "more reason"));
    }
    facts
}

/// The reason code as the schema spells it.
pub(super) fn reason_code(code: ReasonCode) -> String {
    // A unit variant serialises to its spelling, which thus stands in one place only.
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(text)) => text,
        _ => "unknown".to_owned(),
    }
}

/// Where a reason arose: commit, file and line, as far as known.
pub(super) fn reason_place(view: &View<'_>, reason: &Reason) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(id) = &reason.commit {
        parts.push(match view.commit(id) {
            Some(commit) => format!("commit {}", commit_line(commit)),
            None => format!("commit {}", clip(id, 12)),
        });
    }
    if let Some(file) = &reason.file {
        let file = clip(file, NAME_LIMIT);
        parts.push(match reason.line {
            Some(line) => format!("{file}:{line}"),
            None => file,
        });
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What a mismatch expected and found, the facts that differ only.
pub(super) fn mismatch(reason: &Reason) -> Vec<(String, String)> {
    let (Some(expected), Some(found)) = (&reason.expected, &reason.found) else {
        return Vec::new();
    };
    let (mut left, mut right) = (expected.lines(), found.lines());
    let mut pairs = Vec::new();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return pairs,
            (left, right) if left != right => pairs.push((
                clip(left.unwrap_or("nothing"), NAME_LIMIT),
                clip(right.unwrap_or("nothing"), NAME_LIMIT),
            )),
            _ => {}
        }
    }
}

/// `4f2a91c0de12 net: add a field`, with the patch file in front where there is one.
pub(super) fn commit_line(commit: &CommitName) -> String {
    let subject = clip(&commit.subject, NAME_LIMIT);
    match &commit.source {
        Some(source) => format!("{} {subject}", clip(source, NAME_LIMIT)),
        None => format!("{} {subject}", commit.short()),
    }
}

/// Where a definition stands: `include/linux/skbuff.h:720 → 722`.
pub(super) fn place_line(cause: &Cause) -> Option<String> {
    match (&cause.base, &cause.head) {
        (Some(base), Some(head)) if base == head => Some(format!("{}:{}", head.file, head.line)),
        (Some(base), Some(head)) if base.file == head.file => {
            Some(format!("{}:{} → {}", base.file, base.line, head.line))
        }
        (Some(base), Some(head)) => Some(format!(
            "{}:{} → {}:{}",
            base.file, base.line, head.file, head.line
        )),
        (Some(base), None) => Some(format!("{}:{} → gone", base.file, base.line)),
        (None, Some(head)) => Some(format!("new at {}:{}", head.file, head.line)),
        (None, None) => None,
    }
    .map(|line| clip(&line, NAME_LIMIT))
}

/// A cause in a few words: `struct sk_buff: layout changed (member added: u32 users)`.
#[must_use]
pub fn cause_title(cause: &Cause) -> String {
    let mut out = format!(
        "{}: {}",
        clip(&cause.name, NAME_LIMIT),
        class_text(&cause.class).title
    );
    if let Some(first) = cause.changes.first().filter(|first| !first.path.is_empty()) {
        out.push_str(&format!(
            " ({}",
            clip(&cause_change(cause, first), NAME_LIMIT)
        ));
        match cause.changes.len() {
            1 => {}
            many => out.push_str(&format!("; {}", counted(many - 1, "more change"))),
        }
        out.push(')');
    }
    out
}

/// One change of a definition: `member added: u32 link_flaps`.
pub(super) fn cause_change(cause: &Cause, change: &CauseChange) -> String {
    let what = if cause.record.starts_with("e#") || cause.class.starts_with("enum-") {
        "value"
    } else {
        "member"
    };
    // Members of inline structs are named by their path; a declaration alone says nothing about where it stands.
    let at = match change.path.rsplit_once('.') {
        Some((outer, _)) => format!(" in {outer}"),
        None => String::new(),
    };
    let (old, new) = (
        change.old.as_deref().unwrap_or_default(),
        change.new.as_deref().unwrap_or_default(),
    );
    match change.kind.as_str() {
        "added" => format!("{what} added{at}: {new}"),
        "removed" => format!("{what} removed{at}: {old}"),
        "moved" => format!("{what} moved: {}", change.path),
        "renamed" => format!("{what} renamed{at}: {old} → {new}"),
        "slot-used" => format!("reserved {what} used{at}: {old} → {new}"),
        _ => format!("{what} changed{at}: {old} → {new}"),
    }
}

/// The end of a path to a cause: `+link_flaps` for a member that came, `-name` for one that went.
pub(super) fn path_end(cause: &Cause) -> Option<String> {
    let change = cause
        .changes
        .first()
        .filter(|first| !first.path.is_empty())?;
    let sign = match change.kind.as_str() {
        "added" => "+",
        "removed" => "-",
        _ => "",
    };
    Some(format!("{sign}{}", clip(&change.path, 60)))
}

/// The cause with its place in front, as compilers print it: `include/net/sock.h:512: struct sock: …`.
pub(super) fn located_cause(cause: &Cause) -> String {
    let title = cause_title(cause);
    match place(cause) {
        Some(place) => format!("{}:{}: {title}", clip(&place.file, NAME_LIMIT), place.line),
        None => title,
    }
}

/// What a cause changes: `35 protected symbols (netif_rx, skb_put, skb_push and 32 more), 204 others`.
pub(super) fn reach(cause: &Cause) -> String {
    match cause.protected.as_slice() {
        [] => reach_counts(cause, ""),
        named => reach_counts(cause, &format!(" ({})", examples(named))),
    }
}

/// As [`reach`], with `named` in place of the names.
pub(super) fn reach_counts(cause: &Cause, named: &str) -> String {
    let mut out = counted(cause.protected.len(), "protected symbol");
    out.push_str(named);
    match cause.unprotected {
        0 => {}
        1 => out.push_str(", 1 other"),
        many => out.push_str(&format!(", {} others", thousands(many))),
    }
    out
}

/// The first three names and how many more there are.
pub(super) fn examples(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| clip(name, 60)).collect();
    let more = names.len() - shown.len();
    let shown = shown.join(", ");
    if more > 0 {
        format!("{shown} and {} more", thousands(more))
    } else {
        shown
    }
}

/// Whether the tip still has the cause or the range undid it.
pub(super) fn cause_state(view: &View<'_>, cause: &Cause) -> &'static str {
    if view.report.commits.is_empty() {
        return "between the two kernels";
    }
    match (view.is_at_tip(cause), cause.commits.is_empty()) {
        (true, false) => "new in these commits, still there at the tip",
        (true, true) => "older than these commits, still there at the tip",
        (false, _) => "new in these commits, undone at the tip",
    }
}

/// All classes of change of a symbol with their details: `removed`, `crc-changed (crc 0x… → 0x…)`.
pub(super) fn change_line(symbol: &SymbolChange) -> String {
    let changes = symbol.changes.iter().map(|change| {
        let title = class_text(&change.class).title;
        let mut line = title.to_owned();
        let detail = change.detail.to_string();
        if !detail.is_empty() {
            line.push_str(&format!(" ({})", clip(&detail, NAME_LIMIT)));
        }
        if change.approved {
            line.push_str(", approved");
        } else if let Some(rule) = &change.rule {
            line.push_str(&format!(", by {}", clip(rule, NAME_LIMIT)));
        }
        line
    });
    changes.collect::<Vec<_>>().join(", ")
}

/// What the comparison of tip and baseline comes to.
pub(super) fn tip_line(report: &Report) -> String {
    let counts = &report.tip.counts;
    let mut parts = vec![format!(
        "{} broken",
        counted(counts.failing, "protected symbol")
    )];
    if counts.warned > 0 {
        parts.push(format!("{} shown as a warning", thousands(counts.warned)));
    }
    parts.extend(stopped_fact(&report.tip));
    parts.push(format!(
        "{} → {}",
        thousands(counts.base),
        counted(counts.head, "export")
    ));
    parts.join(", ")
}

/// Changes of symbols that are neither protected nor used, by class; none if there are none.
pub(super) fn unprotected_line(findings: &Findings) -> Option<String> {
    let classes = findings.counts.classes.iter().filter(|c| c.unprotected > 0);
    let parts: Vec<String> = classes
        .map(|c| {
            format!(
                "{} {}",
                thousands(c.unprotected),
                class_text(&c.class).title
            )
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What one commit does to the ABI.
pub(super) fn commit_effect(view: &View<'_>, commit: &CommitFindings) -> Vec<String> {
    let mut parts = Vec::new();
    if !commit.checked {
        parts.push(format!(
            "not checked: {}",
            unchecked_reason(view.report, commit)
        ));
    }
    let broken: Vec<String> = failing(&commit.findings)
        .map(|s| s.symbol.to_string())
        .collect();
    if !broken.is_empty() {
        parts.push(format!(
            "breaks {} ({})",
            thousands(broken.len()),
            examples(&broken)
        ));
    }
    let warned: Vec<String> = warned(&commit.findings)
        .map(|s| s.symbol.to_string())
        .collect();
    if !warned.is_empty() {
        let count = thousands(warned.len());
        parts.push(format!("warns about {count} ({})", examples(&warned)));
    }
    if !commit.restored.is_empty() {
        let count = thousands(commit.restored.len());
        parts.push(format!("restores {count} ({})", examples(&commit.restored)));
    }
    parts.extend(stopped_fact(&commit.findings));
    match commit.modules_restored.len() {
        0 => {}
        1 => parts.push("1 module loads again".to_owned()),
        many => parts.push(format!("{} modules load again", thousands(many))),
    }
    if !commit.config.is_empty() {
        parts.push(format!("configuration: {}", examples(&commit.config)));
    }
    if parts.is_empty() {
        parts.push("no protected symbol changes".to_owned());
    }
    parts
}

fn unchecked_reason(report: &Report, commit: &CommitFindings) -> String {
    let id = Some(&commit.commit.id);
    match report.reasons.iter().find(|r| r.commit.as_ref() == id) {
        Some(reason) => reason_code(reason.code),
        None => "the reason stands above".to_owned(),
    }
}

/// Heading of the second answer.
pub(super) fn tip_heading(provenance: &Provenance) -> String {
    match &provenance.baseline {
        Some(baseline) => format!(
            "Tip against the baseline {}",
            clip(&baseline.name, NAME_LIMIT)
        ),
        None => match (&provenance.old, &provenance.new) {
            (Some(old), Some(new)) => format!(
                "{} against {}",
                clip(&new.name, NAME_LIMIT),
                clip(&old.name, NAME_LIMIT)
            ),
            _ => "Head side against the base side".to_owned(),
        },
    }
}

/// What was compared with what, as label and value.
pub(super) fn provenance_facts(report: &Report) -> Vec<(&'static str, String)> {
    let provenance = &report.provenance;
    let mut facts = Vec::new();
    if let Some(target) = &provenance.target {
        facts.push(("target", clip(target, NAME_LIMIT)));
    }
    if let Some(base) = &provenance.base {
        facts.push(("base", commit_line(base)));
    }
    if let Some(head) = &provenance.head {
        facts.push(("head", commit_line(head)));
    }
    for (label, side) in [("old", &provenance.old), ("new", &provenance.new)] {
        if let Some(side) = side {
            facts.push((label, side_facts(side)));
        }
    }
    if let Some(baseline) = &provenance.baseline {
        facts.push(("baseline", baseline_facts(baseline)));
        facts.push(("built for", build_facts(baseline)));
    }
    if let Some(sandbox) = &provenance.sandbox {
        facts.push(("sandbox", sandbox.sentence()));
    }
    facts.push(("protected", protected_facts(provenance)));
    if !report.policy.sources.is_empty() {
        let sources: Vec<String> = report
            .policy
            .sources
            .iter()
            .take(5)
            .map(|s| clip(s, NAME_LIMIT))
            .collect();
        facts.push(("policy", sources.join("; ")));
    }
    facts.push((
        "checked by",
        format!("{} {}", report.tool.name, report.tool.version),
    ));
    facts
}

fn side_facts(side: &SideName) -> String {
    let mut out = clip(&side.name, NAME_LIMIT);
    if let Some(release) = &side.release {
        out.push_str(&format!(", kernel {}", clip(release, 64)));
    }
    let types = if side.types { "with" } else { "without" };
    format!("{out}, {}, {types} types", counted(side.exports, "export"))
}

fn baseline_facts(baseline: &BaselineName) -> String {
    let mut out = format!(
        "{}, kernel {}",
        clip(&baseline.name, NAME_LIMIT),
        clip(&baseline.release, 64)
    );
    if let Some(commit) = &baseline.commit {
        out.push_str(&format!(" ({})", commit.get(..12).unwrap_or(commit)));
    }
    out
}

fn build_facts(baseline: &BaselineName) -> String {
    let config = baseline.config.get(..16).unwrap_or(&baseline.config);
    format!(
        "{}, configuration {config}, {}, {}",
        clip(&baseline.arch, 32),
        clip(&baseline.compiler, NAME_LIMIT),
        clip(&baseline.crc_algorithm, 64)
    )
}

fn protected_facts(provenance: &Provenance) -> String {
    let lists = provenance
        .lists
        .iter()
        .take(3)
        .map(|list| format!("{}: {}", clip(&list.name, 60), thousands(list.symbols)));
    let mut lists: Vec<String> = lists.collect();
    if provenance.lists.len() > lists.len() {
        lists.push(format!(
            "{} more",
            thousands(provenance.lists.len() - lists.len())
        ));
    }
    let mut out = counted(provenance.protected, "symbol");
    if !lists.is_empty() {
        out.push_str(&format!(" ({})", lists.join(", ")));
    }
    if provenance.modules > 0 {
        out.push_str(&format!(
            ", {}",
            counted(provenance.modules, "third-party module")
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts are grouped by thousands and agree with their noun.
    #[test]
    fn counts() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_204, "1,204"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(count), text);
        }
        assert_eq!(counted(1, "cause"), "1 cause");
        assert_eq!(counted(2_000, "cause"), "2,000 causes");
    }

    /// Three names stand for all of a list.
    #[test]
    fn three_examples() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        assert_eq!(examples(&names[..2]), "a, b");
        assert_eq!(examples(&names), "a, b, c and 1 more");
    }
}
