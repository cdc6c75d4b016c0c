//! Findings about the lines that a change adds or removes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

use super::macros::{Macros, Op};
use super::scan::{Call, Scan};

/// Beyond it a difference is coarser, never missing.
const DIFF_TIME: Duration = Duration::from_secs(10);

/// What kind of hiding a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Text that only genksyms or only the compiler sees.
    Guard,
    /// A reserved slot is used.
    SlotUsed,
    /// A slot is used that was used before, or twice.
    SlotReused,
    /// A reserved slot is gone and nothing uses it.
    SlotLost,
    /// A member is replaced or renamed for the compiler alone.
    Replaced,
    /// A member or modifier that genksyms does not see, with nothing that checks the layout.
    Unguarded,
    /// A member behind all others that genksyms does not see.
    Extended,
    /// A member that genksyms does not see, with a size that the kernel checks.
    HiddenMember,
    /// A member of old is hidden from genksyms and nothing changes the CRC.
    ExcludeWithoutForce,
    /// A real break behind a macro.
    Broken,
    /// A CRC is changed on purpose.
    ForceChange,
    /// The same at a place where genksyms drops it, so that the CRC stays.
    ForceChangeLost,
    /// A header that only genksyms or only the compiler sees.
    Include,
    /// An enumerator in the middle that genksyms does not see.
    Enumerator,
    /// `packed` or `aligned` behind a body, which genksyms drops.
    LayoutAttribute,
    /// A member whose type is that of an expression, of which genksyms sees the words only.
    Typeof,
    /// A rule for gendwarfksyms.
    DwarfRule,
    /// A macro of the tree that tests `__GENKSYMS__`.
    Macro,
}

/// All kinds with their spelling and their meaning.
const KINDS: [(Kind, &str, &str); 18] = [
    (
        Kind::Guard,
        "genksyms-guard",
        "text under a test of __GENKSYMS__ changes: the CRC does not cover what the compiler sees",
    ),
    (
        Kind::SlotUsed,
        "slot-used",
        "a reserved slot is used: the CRC stays, the member is new",
    ),
    (
        Kind::SlotReused,
        "slot-reused",
        "the slot was used before: what was in it is overwritten",
    ),
    (
        Kind::SlotLost,
        "slot-lost",
        "a reserved slot goes away and nothing uses it: fewer are left for later",
    ),
    (
        Kind::Replaced,
        "member-replaced",
        "genksyms sees the old member, the compiler another one",
    ),
    (
        Kind::Unguarded,
        "hidden-unguarded",
        "genksyms does not see this, and nothing checks that the layout stays",
    ),
    (
        Kind::Extended,
        "hidden-extend",
        "the structure grows behind its members: unsafe where it stands in another one or a module allocates it",
    ),
    (
        Kind::HiddenMember,
        "hidden-member",
        "genksyms does not see this; the kernel checks the size only",
    ),
    (
        Kind::ExcludeWithoutForce,
        "exclude-without-force-change",
        "a member of before is hidden from genksyms and no FORCE_CHANGE changes the CRC",
    ),
    (
        Kind::Broken,
        "broken-on-purpose",
        "a real break that genksyms does not see",
    ),
    (
        Kind::ForceChange,
        "force-change",
        "the CRC is changed on purpose",
    ),
    (
        Kind::ForceChangeLost,
        "force-change-lost",
        "FORCE_CHANGE behind the declarator does nothing: genksyms drops it there; put it before the name",
    ),
    (
        Kind::Include,
        "hidden-include",
        "genksyms sees other headers: every export that reaches their types may become opaque",
    ),
    (
        Kind::Enumerator,
        "hidden-enumerator",
        "an enumerator in the middle is hidden: those behind it get other values and the CRC stays",
    ),
    (
        Kind::LayoutAttribute,
        "layout-attribute",
        "packed or aligned behind the body changes the layout, and the CRC stays",
    ),
    (
        Kind::Typeof,
        "typeof-member",
        "the CRC covers the words of the expression, not the type behind it",
    ),
    (
        Kind::DwarfRule,
        "dwarf-rule",
        "a rule tells gendwarfksyms to show another type",
    ),
    (
        Kind::Macro,
        "hiding-macro",
        "the macro shows genksyms and the compiler different texts",
    ),
];

impl Kind {
    /// The spelling in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        // INVARIANT: the table has its rows in the order of the enum; a test compares them.
        KINDS.get(self as usize).map_or("", |(_, word, _)| word)
    }

    /// What it means, one clause.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        KINDS.get(self as usize).map_or("", |(_, _, text)| text)
    }

    /// Whether the kind is the intended use of a slot and no more.
    #[must_use]
    pub fn is_slot_use(self) -> bool {
        matches!(self, Kind::SlotUsed | Kind::ForceChange)
    }

    /// Whether the layout of the structure tells more.
    #[must_use]
    pub fn concerns_layout(self) -> bool {
        !matches!(
            self,
            Kind::ForceChange | Kind::ForceChangeLost | Kind::Include | Kind::DwarfRule
        )
    }

    /// Whether there is nothing left to say once the layout is proven to be the same.
    #[must_use]
    pub fn is_settled_by_layout(self) -> bool {
        self.concerns_layout()
            && !matches!(
                self,
                Kind::SlotReused | Kind::SlotLost | Kind::ExcludeWithoutForce | Kind::Broken
            )
    }

    /// Whether members of before may mean something else, as long as all stand where they stood.
    #[must_use]
    pub fn may_replace(self) -> bool {
        self == Kind::Replaced
    }

    /// Whether the structure may grow.
    #[must_use]
    pub fn may_grow(self) -> bool {
        matches!(self, Kind::Extended | Kind::HiddenMember)
    }

    #[cfg(test)]
    pub(super) fn all() -> impl Iterator<Item = Kind> {
        KINDS.iter().map(|(kind, _, _)| *kind)
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Line, counted from 1: of the new content, or of the old one where the line went.
    pub line: usize,
    /// Whether the line was added; else it was removed.
    pub added: bool,
    /// What it is about.
    pub kind: Kind,
    /// The structure that it stands in, such as `struct foo`.
    pub within: Option<String>,
    /// The text that tells: the call of the macro, or the line.
    pub text: String,
}

/// How many slots a structure reserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The structure.
    pub within: String,
    /// Line of its first slot, counted from 1.
    pub line: usize,
    /// Slots that are in use.
    pub used: usize,
    /// Slots that are left.
    pub left: usize,
}

/// Lines that differ, counted from 0.
struct Changed {
    removed: BTreeSet<usize>,
    added: BTreeSet<usize>,
}

/// Compares two contents of a file; one that does not exist is empty.
#[must_use]
pub fn lint(base: &str, head: &str, macros: &Macros) -> Vec<Finding> {
    let words = typeof_lines(base).ne(typeof_lines(head));
    if !words && !macros.concern(base) && !macros.concern(head) {
        return Vec::new();
    }
    let changed = changed(base, head);
    let (before, after) = (Scan::of(base, macros), Scan::of(head, macros));
    let mut findings = Vec::new();
    for (scan, text, lines, added) in [
        (&before, base, &changed.removed, false),
        (&after, head, &changed.added, true),
    ] {
        guards(scan, text, lines, added, &mut findings);
        if added {
            attributes(scan, text, lines, &mut findings);
            expressions(scan, text, lines, &mut findings);
        }
    }
    calls(&before, &after, &changed, base, &mut findings);
    findings.sort();
    findings.dedup();
    findings
}

/// The lines with a `typeof`.
fn typeof_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    memchr::memmem::find_iter(text.as_bytes(), b"typeof").filter_map(move |at| {
        let start = text.get(..at)?.rfind('\n').map_or(0, |line| line + 1);
        let end = text
            .get(at..)?
            .find('\n')
            .map_or(text.len(), |line| at + line);
        // A line with several counts once.
        (at >= from).then(|| from = end)?;
        text.get(start..end)
    })
}

/// The slots of each structure of a file, by name.
#[must_use]
pub fn slots(text: &str, macros: &Macros) -> Vec<Slots> {
    let mut found: BTreeMap<String, Slots> = BTreeMap::new();
    for call in Scan::of(text, macros).calls {
        if !matches!(call.op, Op::Reserve | Op::Use) {
            continue;
        }
        let Some(within) = call.within.clone() else {
            continue;
        };
        let slots = found.entry(within.clone()).or_insert(Slots {
            within,
            line: call.lines.0 + 1,
            used: 0,
            left: 0,
        });
        if call.op == Op::Reserve {
            slots.left += 1;
        } else {
            slots.used += 1;
        }
    }
    found.into_values().collect()
}

fn changed(base: &str, head: &str) -> Changed {
    let mut changed = Changed {
        removed: BTreeSet::new(),
        added: BTreeSet::new(),
    };
    let diff = TextDiff::configure()
        .timeout(DIFF_TIME)
        .diff_lines(base, head);
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Delete => changed.removed.extend(change.old_index()),
            ChangeTag::Insert => changed.added.extend(change.new_index()),
            ChangeTag::Equal => {}
        }
    }
    changed
}

/// Changed lines under a test of `__GENKSYMS__`: one finding for each run of lines.
fn guards(
    scan: &Scan,
    text: &str,
    changed: &BTreeSet<usize>,
    added: bool,
    findings: &mut Vec<Finding>,
) {
    let lines: Vec<&str> = text.lines().collect();
    let mut last = None;
    for &line in changed.intersection(&scan.guarded) {
        let kind = if scan.includes.contains(&line) {
            Kind::Include
        } else if scan.mid_enum.contains(&line) {
            Kind::Enumerator
        } else {
            Kind::Guard
        };
        let follows = last == Some((line.wrapping_sub(1), kind));
        last = Some((line, kind));
        let shown = lines.get(line).map_or("", |line| line.trim());
        if follows || shown.is_empty() {
            continue;
        }
        findings.push(Finding {
            line: line + 1,
            added,
            kind,
            within: scan.within.get(line).cloned().flatten(),
            text: shown.to_owned(),
        });
    }
}

/// `packed` and `aligned` that came behind the closing brace of a body.
fn attributes(scan: &Scan, text: &str, changed: &BTreeSet<usize>, findings: &mut Vec<Finding>) {
    for (number, line) in text.lines().enumerate() {
        let Some((_, tail)) = line.split_once('}') else {
            continue;
        };
        if changed.contains(&number) && (tail.contains("packed") || tail.contains("aligned")) {
            let before = number.checked_sub(1).and_then(|line| scan.within.get(line));
            findings.push(Finding {
                line: number + 1,
                added: true,
                kind: Kind::LayoutAttribute,
                within: before.cloned().flatten(),
                text: line.trim().to_owned(),
            });
        }
    }
}

/// Members of a structure that came with a `typeof`.
fn expressions(scan: &Scan, text: &str, changed: &BTreeSet<usize>, findings: &mut Vec<Finding>) {
    for (number, line) in text.lines().enumerate() {
        let within = scan.within.get(number).cloned().flatten();
        let within = within.filter(|name| !name.starts_with("enum"));
        if within.is_some()
            && changed.contains(&number)
            && line.contains("typeof")
            && line.trim_end().ends_with(';')
        {
            findings.push(Finding {
                line: number + 1,
                added: true,
                kind: Kind::Typeof,
                within,
                text: line.trim().to_owned(),
            });
        }
    }
}

fn touches(call: &Call, lines: &BTreeSet<usize>) -> bool {
    lines.range(call.lines.0..=call.lines.1).next().is_some()
}

fn calls(before: &Scan, after: &Scan, changed: &Changed, base: &str, findings: &mut Vec<Finding>) {
    let new: Vec<&Call> = after
        .calls
        .iter()
        .filter(|call| touches(call, &changed.added))
        .collect();
    let gone = before
        .calls
        .iter()
        .filter(|call| touches(call, &changed.removed));
    let removed: Vec<&str> = base
        .lines()
        .enumerate()
        .filter(|(line, _)| changed.removed.contains(line))
        .map(|(_, text)| text)
        .collect();
    let forces = |call: &Call| {
        new.iter().any(|other| {
            other.op == Op::ForceChange && other.within == call.within && !is_lost(other)
        })
    };
    for call in &new {
        let earlier = |other: &&Call| {
            other.op == Op::Use
                && other.within == call.within
                && other.family() == call.family()
                && other.slot().is_some()
                && other.slot() == call.slot()
        };
        let kind = match call.op {
            Op::Reserve => continue,
            Op::Use if after.calls.iter().filter(earlier).count() > 1 => Kind::SlotReused,
            Op::Use
                if before
                    .calls
                    .iter()
                    .any(|other| earlier(&other) && other.args != call.args) =>
            {
                Kind::SlotReused
            }
            Op::Use => Kind::SlotUsed,
            Op::Replace | Op::Rename => Kind::Replaced,
            Op::Hide if was_there(call, &removed) && !forces(call) => Kind::ExcludeWithoutForce,
            Op::Hide => Kind::Unguarded,
            Op::Extend => Kind::Extended,
            Op::HideSized => Kind::HiddenMember,
            Op::Broken => Kind::Broken,
            Op::ForceChange if is_lost(call) => Kind::ForceChangeLost,
            Op::ForceChange => Kind::ForceChange,
            Op::Include => Kind::Include,
            Op::Rule => Kind::DwarfRule,
            Op::Other => Kind::Macro,
        };
        findings.push(finding(call, kind, true));
    }
    for call in gone {
        let same = |other: &&&Call| {
            (&other.name, &other.args, &other.within) == (&call.name, &call.args, &call.within)
        };
        if new.iter().any(|other| same(&other)) {
            continue;
        }
        let taken = |other: &&Call| {
            other.op == Op::Use
                && other.within == call.within
                && other.family() == call.family()
                && (other.slot() == call.slot() || call.slot().is_none())
        };
        let kind = match call.op {
            Op::Reserve if new.iter().any(&taken) => continue,
            Op::Reserve => Kind::SlotLost,
            // A slot that goes back from use shows the compiler another member too.
            Op::Use | Op::Replace | Op::Rename => Kind::Replaced,
            Op::Hide | Op::Extend | Op::HideSized => Kind::Unguarded,
            Op::Broken => Kind::Broken,
            Op::ForceChange => Kind::ForceChange,
            Op::Include => Kind::Include,
            Op::Rule => Kind::DwarfRule,
            Op::Other => Kind::Macro,
        };
        // The new call at the same slot tells the same.
        if call.op == Op::Use && new.iter().any(&taken) {
            continue;
        }
        findings.push(finding(call, kind, false));
    }
}

/// genksyms takes an attribute before the name and drops it behind: what follows then ends the declaration.
fn is_lost(call: &Call) -> bool {
    matches!(call.next.as_deref(), Some(";" | "," | "=" | "{"))
}

/// Whether a member that the macro hides stood in the open before.
fn was_there(call: &Call, removed: &[&str]) -> bool {
    let plain = |text: &str| {
        text.chars()
            .filter(|c| !c.is_whitespace() && *c != ';')
            .collect::<String>()
    };
    let member = plain(&call.args);
    !member.is_empty() && removed.iter().any(|line| plain(line) == member)
}

fn finding(call: &Call, kind: Kind, added: bool) -> Finding {
    Finding {
        line: call.lines.0 + 1,
        added,
        kind,
        within: call.within.clone(),
        text: if call.args.is_empty() {
            call.name.clone()
        } else {
            format!("{}({})", call.name, call.args)
        },
    }
}
