//! Whether what was compiled against one layout of a type can go on with another.
//!
//! The rule: the size stays, and every member that both layouts have stays where it is with the size that it has. Members that
//! are kept free for later use hold nothing, so they may go, shrink and move. A member that comes may stand on bytes that
//! held nothing or a member that goes.

use std::collections::BTreeMap;

use super::{Layout, Member};
use crate::symtypes::is_reserved_name;

/// Most facts that a judgement tells.
const MAX_FACTS: usize = 8;

/// What a change of a layout does to what was compiled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Kept,
    /// Nothing, unless it makes such a type itself or puts one into another: it became larger.
    Grown,
    /// It uses wrong places, sizes or values.
    Broken,
}

/// A verdict with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What differs, with places and sizes in bytes, and the size.
    pub facts: Vec<String>,
    /// What keeps its place and means something else: members in use that went, share their bytes with new ones, or have
    /// another type of the same size.
    pub doubts: Vec<String>,
}

impl Judgement {
    /// All of it, one clause after the other.
    #[must_use]
    pub fn text(&self) -> String {
        let all = self.facts.iter().chain(&self.doubts);
        let mut text: Vec<&str> = all.map(String::as_str).take(MAX_FACTS).collect();
        let rest = (self.facts.len() + self.doubts.len()).saturating_sub(text.len());
        let more = format!("and {rest} more");
        if rest > 0 {
            text.push(&more);
        }
        text.join("; ")
    }
}

/// Judges the change from one layout to another.
#[must_use]
pub fn judge(old: &Layout, new: &Layout) -> Judgement {
    let mut judgement = Judgement {
        verdict: Verdict::Kept,
        facts: Vec::new(),
        doubts: Vec::new(),
    };
    let broken = (of_members(old, new, &mut judgement) | of_values(old, new, &mut judgement))
        || new.size < old.size;
    if broken {
        judgement.verdict = Verdict::Broken;
    } else if new.size > old.size {
        judgement.verdict = Verdict::Grown;
    }
    judgement.facts.push(if old.size == new.size {
        format!("size {} as before", bytes(old.size * 8))
    } else {
        format!("size {} → {}", old.size, bytes(new.size * 8))
    });
    judgement
}

/// Compares the members; tells whether one of them breaks.
fn of_members(old: &Layout, new: &Layout, judgement: &mut Judgement) -> bool {
    let by_path = |layout: &Layout| -> BTreeMap<String, Member> {
        let members = layout.members.iter();
        members.map(|m| (m.path.clone(), m.clone())).collect()
    };
    let (before, after) = (by_path(old), by_path(new));
    let is_free = |member: &Member| is_reserved_name(&member.path);
    let mut broken = false;
    for member in old.members.iter().filter(|member| !is_free(member)) {
        match after.get(&member.path) {
            Some(now) => broken |= stays(member, now, judgement),
            None if is_kept_aside(member, new) => {}
            None => judgement.doubts.push(format!(
                "{} ({}) at {} is gone",
                member.path,
                bytes(member.bits),
                place(member)
            )),
        }
    }
    for member in &new.members {
        if before.contains_key(&member.path) || is_free(member) || is_copy(member, old) {
            continue;
        }
        let under: Vec<&Member> = old.members.iter().filter(|m| overlap(m, member)).collect();
        let stays = |m: &&&Member| after.contains_key(&m.path) && !is_free(m);
        let shared = under.iter().filter(stays);
        let shared = shared.filter(|m| after.get(&m.path).is_some_and(|now| overlap(now, member)));
        let doubts = shared.map(|m| format!("{} shares its bytes with {}", member.path, m.path));
        judgement.doubts.extend(doubts);
        let slots: Vec<&Member> = under.iter().copied().filter(|m| !stays(&m)).collect();
        let stands = format!(
            "{} ({}, {}) stands at {}",
            member.path,
            member.kind,
            bytes(member.bits),
            place(member)
        );
        let names: Vec<&str> = slots.iter().map(|slot| slot.path.as_str()).collect();
        let held = format!("{} ({})", names.join(", "), bytes(room(&slots)));
        if slots.is_empty() {
            judgement.facts.push(match under.is_empty() {
                true if member.at >= old.size * 8 => format!("{stands} behind all others"),
                true => format!("{stands} where nothing was"),
                false => stands,
            });
        } else if is_within(member, &slots) {
            judgement
                .facts
                .push(format!("{stands} in the place of {held}"));
        } else {
            judgement
                .doubts
                .push(format!("{stands} and does not fit into {held}"));
        }
    }
    broken
}

/// Compares a member that both sides have; tells whether it breaks.
fn stays(old: &Member, new: &Member, judgement: &mut Judgement) -> bool {
    let moved = old.at != new.at;
    let resized = old.bits != new.bits;
    if moved {
        judgement.facts.push(format!(
            "{} moves from {} to {}",
            old.path,
            place(old),
            place(new)
        ));
    }
    if resized {
        judgement.facts.push(format!(
            "{}: {} → {}",
            old.path,
            bytes(old.bits),
            bytes(new.bits)
        ));
    } else if old.kind != new.kind {
        judgement
            .doubts
            .push(format!("{}: {} → {}", old.path, old.kind, new.kind));
    }
    moved || resized
}

/// Whether a member stands in the new layout at its place under a name before its own, as the macros that replace a member keep it.
fn is_kept_aside(member: &Member, new: &Layout) -> bool {
    new.members.iter().any(|other| is_same(other, member))
}

/// The same from the other side.
fn is_copy(member: &Member, old: &Layout) -> bool {
    old.members.iter().any(|other| is_same(member, other))
}

fn is_same(kept: &Member, member: &Member) -> bool {
    kept.path
        .strip_suffix(member.path.as_str())
        .is_some_and(|before| before.ends_with('.'))
        && (kept.at, kept.bits) == (member.at, member.bits)
}

/// Bits from the first to the last of the slots.
fn room(slots: &[&Member]) -> u64 {
    let ends = slots.iter().map(|slot| slot.at.saturating_add(slot.bits));
    let first = slots.iter().map(|slot| slot.at).min().unwrap_or(0);
    ends.max().unwrap_or(0).saturating_sub(first)
}

fn is_within(member: &Member, slots: &[&Member]) -> bool {
    let first = slots.iter().map(|slot| slot.at).min().unwrap_or(0);
    member.at >= first && member.at.saturating_add(member.bits) <= first.saturating_add(room(slots))
}

fn overlap(a: &Member, b: &Member) -> bool {
    a.at < b.at.saturating_add(b.bits) && b.at < a.at.saturating_add(a.bits)
}

/// Compares enumerators; tells whether one of them breaks.
fn of_values(old: &Layout, new: &Layout, judgement: &mut Judgement) -> bool {
    let now: BTreeMap<&str, i128> = new.values.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    let before: BTreeMap<&str, i128> = old.values.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    let mut broken = false;
    for (name, value) in &old.values {
        match now.get(name.as_str()) {
            Some(other) if other == value => {}
            Some(other) => {
                broken = true;
                judgement.facts.push(format!("{name}: {value} → {other}"));
            }
            None => judgement.doubts.push(format!("{name} ({value}) is gone")),
        }
    }
    for (name, value) in &new.values {
        if !before.contains_key(name.as_str()) {
            judgement.facts.push(format!("{name} ({value}) is new"));
        }
    }
    broken
}

/// `byte 8`, or `bit 3 of byte 8`.
fn place(member: &Member) -> String {
    let (byte, bit) = (member.at / 8, member.at % 8);
    if bit == 0 {
        format!("byte {byte}")
    } else {
        format!("bit {bit} of byte {byte}")
    }
}

/// `1 byte`, `8 bytes` or `3 bits`.
fn bytes(bits: u64) -> String {
    let (count, unit) = if bits.is_multiple_of(8) {
        (bits / 8, "byte")
    } else {
        (bits, "bit")
    };
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{ending}")
}
