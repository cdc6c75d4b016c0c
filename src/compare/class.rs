//! Classes of change: what can happen to one exported symbol between two kernels.
//!
//! One table holds the spelling of each class, so that reports, rules and the command line cannot disagree.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happened to an exported symbol between base and head. One symbol can have several classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ChangeClass {
    /// Exported in base, not in head.
    Removed,
    /// The CRC differs and both sides have one.
    CrcChanged,
    /// A CRC on one side only.
    Unversioned,
    /// Any module could use it, now only GPL-compatible ones.
    ExportTightened,
    /// It was in no namespace and now is in one.
    NamespaceGained,
    /// It moved from one namespace to another.
    NamespaceChanged,
    /// Its namespace now is `module:…`: a list of modules that may use it.
    NamespaceRestricted,
    /// `vmlinux` or another module exported it, now a module does.
    MovedToModule,
    /// Only GPL-compatible modules could use it, now any.
    ExportLoosened,
    /// It was in a namespace and now is in none.
    NamespaceDropped,
    /// A module exported it, now `vmlinux` does.
    MovedToVmlinux,
    /// Not exported in base, exported in head.
    Added,
}

/// All classes with their spelling, gravest first.
const TABLE: [(ChangeClass, &str); 12] = [
    (ChangeClass::Removed, "removed"),
    (ChangeClass::CrcChanged, "crc-changed"),
    (ChangeClass::Unversioned, "unversioned"),
    (ChangeClass::ExportTightened, "export-tightened"),
    (ChangeClass::NamespaceGained, "namespace-gained"),
    (ChangeClass::NamespaceChanged, "namespace-changed"),
    (ChangeClass::NamespaceRestricted, "namespace-restricted"),
    (ChangeClass::MovedToModule, "moved-to-module"),
    (ChangeClass::ExportLoosened, "export-loosened"),
    (ChangeClass::NamespaceDropped, "namespace-dropped"),
    (ChangeClass::MovedToVmlinux, "moved-to-vmlinux"),
    (ChangeClass::Added, "added"),
];

impl ChangeClass {
    /// All classes, gravest first: the order in which reports list them.
    pub fn all() -> impl ExactSizeIterator<Item = ChangeClass> {
        TABLE.iter().map(|(class, _)| *class)
    }

    /// Reads the spelling that reports, rules and the command line use.
    #[must_use]
    pub fn from_word(word: &str) -> Option<ChangeClass> {
        Self::all().find(|class| class.word() == word)
    }

    /// The spelling in reports, rules and on the command line, such as `crc-changed`.
    #[must_use]
    pub fn word(self) -> &'static str {
        // INVARIANT: the table has its rows in the order of the enum; a test compares them.
        TABLE[self as usize].1
    }
}

impl fmt::Display for ChangeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl From<ChangeClass> for String {
    fn from(class: ChangeClass) -> String {
        class.word().to_owned()
    }
}

impl TryFrom<String> for ChangeClass {
    type Error = String;

    fn try_from(word: String) -> Result<ChangeClass, String> {
        ChangeClass::from_word(&word).ok_or_else(|| {
            let words: Vec<&str> = ChangeClass::all().map(ChangeClass::word).collect();
            format!(
                "`{word}` is no class of change; expected one of {}",
                words.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table has one row for each class, in the order of the enum, and each spelling reads back.
    #[test]
    fn the_table_is_the_enum() {
        for (index, (class, word)) in TABLE.iter().enumerate() {
            assert_eq!(*class as usize, index);
            assert_eq!(ChangeClass::from_word(word), Some(*class));
        }
        assert_eq!(ChangeClass::Added as usize + 1, TABLE.len());
    }

    /// A class travels through JSON as its spelling, and an unknown one is refused by name.
    #[test]
    fn classes_travel_as_words() {
        let json = serde_json::to_string(&ChangeClass::MovedToModule).expect("serialises");
        assert_eq!(json, "\"moved-to-module\"");
        assert_eq!(
            serde_json::from_str::<ChangeClass>(&json).expect("reads"),
            ChangeClass::MovedToModule
        );
        let error = serde_json::from_str::<ChangeClass>("\"gone\"").expect_err("unknown");
        assert!(
            error
                .to_string()
                .starts_with("`gone` is no class of change; expected one of removed, ")
        );
    }
}
