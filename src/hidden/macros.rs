//! Which macros hide something, and what each of them does.

use std::collections::BTreeSet;

use super::scan::{Scan, words};

/// What a macro does to a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    /// Keeps a slot for later.
    Reserve,
    /// Puts a member into a slot; genksyms sees the slot.
    Use,
    /// Shows genksyms the old member and the compiler another one.
    Replace,
    /// Shows genksyms the old name.
    Rename,
    /// Shows the compiler a member that genksyms does not see.
    Hide,
    /// Shows the compiler a member behind all others that genksyms does not see.
    Extend,
    /// Shows the compiler a member that genksyms does not see, with a size that the kernel checks.
    HideSized,
    /// Changes what the compiler sees without any check.
    Broken,
    /// Changes the CRC on purpose.
    ForceChange,
    /// Shows genksyms other headers.
    Include,
    /// Tells gendwarfksyms what to show.
    Rule,
    /// A macro of the tree that tests `__GENKSYMS__`.
    Other,
}

/// Operations behind a prefix, longest spelling first where one begins another.
const OPS: [(&str, Op); 22] = [
    ("RESERVE", Op::Reserve),
    ("USE_AUX_PTR", Op::Use),
    ("USE", Op::Use),
    ("REPLACE", Op::Replace),
    ("RENAME", Op::Rename),
    ("DEPRECATE", Op::Rename),
    ("EXTEND_WITH_SIZE", Op::HideSized),
    ("EXCLUDE_WITH_SIZE", Op::HideSized),
    ("SIZE_AND_EXTEND", Op::HideSized),
    ("AUX_PTR", Op::HideSized),
    ("AUX_EMBED", Op::HideSized),
    ("EXTEND", Op::Extend),
    ("FILL_HOLE", Op::Hide),
    ("EXCLUDE", Op::Hide),
    ("CONST", Op::Hide),
    ("ADD_MODIFIER", Op::Hide),
    ("BROKEN", Op::Broken),
    ("FORCE_CHANGE", Op::ForceChange),
    ("HIDE_INCLUDE", Op::Include),
    ("FAKE_INCLUDE", Op::Include),
    ("BACKPORT_USE", Op::Use),
    ("BACKPORT_RESERVE", Op::Reserve),
];

/// Names of gendwarfksyms' own rules.
const RULES: [&str; 5] = [
    "KABI_DECLONLY",
    "KABI_ENUMERATOR_IGNORE",
    "KABI_ENUMERATOR_VALUE",
    "KABI_BYTE_SIZE",
    "KABI_TYPE_STRING",
];

/// Prefixes beside those that end in `KABI_`.
const PREFIXES: [&str; 2] = ["KABI_", "ANDROID_"];

/// Macros of the tree that show genksyms and the compiler different texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Macros(BTreeSet<String>);

impl Macros {
    /// Adds the macros that a header defines under a test of `__GENKSYMS__`, and those that use one of them.
    ///
    /// The kernel's own macros of exports do so too and hide nothing.
    pub fn learn(&mut self, header: &str) {
        if !header.contains("__GENKSYMS__") {
            return;
        }
        let defines = Scan::of(header, &Macros::default()).defines;
        let ours = |name: &str| !name.contains("EXPORT_SYMBOL") && !name.starts_with("__GENKSYMS");
        let guarded = defines
            .iter()
            .filter(|define| define.guarded && ours(&define.name));
        let mut found: BTreeSet<String> = guarded.map(|define| define.name.clone()).collect();
        // Each round finds a macro that the one before did not, so there are no more rounds than macros.
        loop {
            let users = defines.iter().filter(|define| {
                ours(&define.name)
                    && !found.contains(&define.name)
                    && words(&define.body).any(|word| found.contains(word))
            });
            let users: Vec<String> = users.map(|define| define.name.clone()).collect();
            if users.is_empty() {
                break;
            }
            found.extend(users);
        }
        self.0.extend(found);
    }

    /// What the macro of this name does; none if it hides nothing.
    pub(super) fn op(&self, name: &str) -> Option<Op> {
        if RULES.contains(&name) {
            return Some(Op::Rule);
        }
        let prefixed = name
            .split_once("KABI_")
            .map(|(_, rest)| rest)
            .or_else(|| PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)));
        let upper = name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let known = prefixed.filter(|_| upper).and_then(|rest| {
            let fits = |op: &str| {
                rest.strip_prefix(op).is_some_and(|tail| {
                    tail.is_empty()
                        || tail.starts_with('_')
                        || tail.bytes().all(|b| b.is_ascii_digit())
                })
            };
            OPS.iter().find(|(op, _)| fits(op)).map(|(_, op)| *op)
        });
        known.or_else(|| self.0.contains(name).then_some(Op::Other))
    }

    /// Whether a text can hold anything of interest: a quick look before a slow one.
    pub(super) fn concern(&self, text: &str) -> bool {
        [
            "__GENKSYMS__",
            "KABI",
            "kabi",
            "ANDROID_",
            "packed",
            "aligned",
        ]
        .iter()
        .any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some())
            || (!self.0.is_empty() && words(text).any(|word| self.0.contains(word)))
    }
}
