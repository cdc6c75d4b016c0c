//! What the reports say about rules, approvals and the policy itself: lines that each renderer escapes for its target.

use super::view::View;
use super::wording::{NAME_LIMIT, counted, examples, thousands};
use super::{
    ApprovalState, ApprovalUse, HiddenChange, LayoutProof, LayoutVerdict, PolicyEdit, RuleUse,
    Severity, SlotBudget, clip,
};
use crate::policy::HIDDEN_LAYOUT;

/// Most characters of what a layout's verdict rests on.
const PROOF_LIMIT: usize = 600;

/// `struct net_device: definition changed — reason (owner, through 2027-01-31, https://…)`.
pub(super) fn approval_line(approval: &ApprovalUse) -> String {
    let what = match approval.what.as_str() {
        "" => approval.fingerprint.clone(),
        what => clip(what, NAME_LIMIT),
    };
    let mut facts = vec![clip(&approval.owner, NAME_LIMIT)];
    facts.extend(approval.expires.iter().map(|day| match approval.state {
        ApprovalState::Expired => format!("expired after {day}"),
        _ => format!("through {day}"),
    }));
    facts.extend(approval.reference.iter().map(|at| clip(at, NAME_LIMIT)));
    facts.push(clip(&approval.place, NAME_LIMIT));
    let reason = clip(&approval.reason, NAME_LIMIT);
    let mut line = format!("{what}: {reason} ({})", facts.join(", "));
    if !approval.symbols.is_empty() {
        let count = counted(approval.symbols.len(), "symbol");
        line.push_str(&format!("; {count}: {}", examples(&approval.symbols)));
    }
    line
}

/// Heading of the approvals in one state.
pub(super) fn approvals_heading(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Used => "Approvals used",
        ApprovalState::Expired => "Approvals that expired: these changes are not approved",
        ApprovalState::Unused => "Approvals without a change",
    }
}

/// The states in the order in which reports show them.
pub(super) const STATES: [ApprovalState; 3] = [
    ApprovalState::Expired,
    ApprovalState::Used,
    ApprovalState::Unused,
];

/// Heading of the policy's edits.
pub(super) const EDITS: &str = "Policy edits: these commits edit what they are judged by; the run used what stood there before";

/// `4f2a91c0de12 lists: drop a symbol: changes baselines/x86_64/stablelist`.
pub(super) fn edit_line(view: &View<'_>, edit: &PolicyEdit) -> String {
    let commit = view
        .commit(&edit.commit)
        .map_or_else(|| clip(&edit.commit, 12), super::wording::commit_line);
    format!("{commit}: {} {}", edit.what, clip(&edit.file, NAME_LIMIT))
}

/// `severities:12: arch/x86/kvm/* PASS: 3 symbols`.
pub(super) fn rule_line(rule: &RuleUse) -> String {
    let reason = rule.reason.as_ref();
    let reason = reason.map_or(String::new(), |text| {
        format!(" ({})", clip(text, NAME_LIMIT))
    });
    let rule_text = clip(&rule.rule, NAME_LIMIT);
    format!("{rule_text}: {}{reason}", counted(rule.symbols, "symbol"))
}

/// Heading of the entries to paste.
pub(super) fn to_approve_heading(count: usize) -> String {
    format!(
        "To accept {}: fill in reason and owner, and add to approvals.toml",
        match count {
            1 => "this change".to_owned(),
            many => format!("these {} changes", thousands(many)),
        }
    )
}

/// How an approved change is explained where it would have failed: reason, owner and last day.
pub(super) fn approved_by(view: &View<'_>, fingerprints: &[String]) -> Vec<String> {
    let approvals = fingerprints.iter().filter_map(|id| view.approval(id));
    approvals
        .map(|one| format!("approved: {}", approval_line(one)))
        .collect()
}

/// Heading of the hidden changes.
pub(super) const HIDDEN: &str = "Changes that the CRCs do not show";

/// `include/linux/skbuff.h:930: struct sk_buff: slot-used: RH_KABI_USE(1, u32 x): what it means`.
pub(super) fn hidden_line(change: &HiddenChange) -> String {
    let sign = if change.added { "" } else { " (gone)" };
    let within = change.within.as_ref();
    let within = within.map_or(String::new(), |name| {
        format!("{}: ", clip(name, NAME_LIMIT))
    });
    let state = match (change.severity, change.at_tip) {
        (Severity::Fail, true) if change.class == HIDDEN_LAYOUT => "",
        (Severity::Fail, true) => ", fails by a rule",
        (_, false) => ", undone at the tip",
        _ => "",
    };
    format!(
        "{}:{}{sign}: {within}{}: {}: {}{state}{}",
        clip(&change.file, NAME_LIMIT),
        change.line,
        clip(&change.kind, 40),
        clip(&change.text, 60),
        clip(&change.meaning, NAME_LIMIT),
        change.layout.as_ref().map_or(String::new(), layout_clause)
    )
}

/// `; layout kept: c (int, 4 bytes) stands at byte 8 in the place of reserved1 (8 bytes); size 64 bytes as before`.
fn layout_clause(proof: &LayoutProof) -> String {
    let verdict = match proof.verdict {
        LayoutVerdict::Kept => "layout kept",
        LayoutVerdict::Grown => "all members stay, the size grows",
        LayoutVerdict::Broken => "LAYOUT BROKEN though the CRC is equal",
        LayoutVerdict::Restored => "the layout is again what it was before these commits",
        LayoutVerdict::CrcTells => "the layout changes, and the CRC tells",
        LayoutVerdict::Unproven => "layout not proven",
    };
    let reach = match proof.symbols.as_slice() {
        [] => String::new(),
        symbols => format!(
            "; {} it: {}",
            match symbols.len() {
                1 => "1 symbol reaches".to_owned(),
                many => format!("{} symbols reach", thousands(many)),
            },
            examples(symbols)
        ),
    };
    format!("; {verdict}: {}{reach}", clip(&proof.text, PROOF_LIMIT))
}

/// `struct sk_buff: 1 of 4 reserved slots used, 3 left (include/linux/skbuff.h:920)`.
pub(super) fn slot_line(slots: &SlotBudget) -> String {
    format!(
        "{}: {} of {} reserved slots used, {} left ({}:{})",
        clip(&slots.within, NAME_LIMIT),
        thousands(slots.used),
        thousands(slots.reserved),
        thousands(slots.left),
        clip(&slots.file, NAME_LIMIT),
        slots.line
    )
}
