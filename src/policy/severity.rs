//! How grave a class of change is when no rule says otherwise.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::compare::ChangeClass;

/// How grave a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Severity {
    /// Counted, and by a rule's word of no interest.
    Ignore,
    /// Counted.
    Note,
    /// Shown; does not change the verdict.
    Warn,
    /// Shown; the check fails.
    Fail,
}

impl Severity {
    /// The spellings of reports, from the slightest.
    pub const WORDS: [(&'static str, Severity); 4] = [
        ("ignore", Severity::Ignore),
        ("note", Severity::Note),
        ("warn", Severity::Warn),
        ("fail", Severity::Fail),
    ];

    /// The spellings of rules: what they do to a check, gravest first. `default` keeps the built-in severity.
    pub const RULE_WORDS: [(&'static str, Option<Severity>); 5] = [
        ("error", Some(Severity::Fail)),
        ("warning", Some(Severity::Warn)),
        ("notice", Some(Severity::Note)),
        ("ignore", Some(Severity::Ignore)),
        ("default", None),
    ];

    /// Reads the spelling of reports.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Severity> {
        Self::WORDS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, severity)| *severity)
    }

    /// The spelling in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Severity::Ignore => "ignore",
            Severity::Note => "note",
            Severity::Warn => "warn",
            Severity::Fail => "fail",
        }
    }

    /// The severity of a class of change for a symbol of that standing.
    ///
    /// A protected symbol has the class's own severity. A symbol that only a known module imports is worth a
    /// warning where a protected one would fail, and any other symbol is only counted.
    #[must_use]
    pub fn default_for(class: ChangeClass, standing: Standing) -> Severity {
        let own = Severity::of_protected(class);
        match standing {
            Standing::Protected => own,
            Standing::Imported => own.min(Severity::Warn),
            Standing::Unlisted => Severity::Note,
        }
    }

    fn of_protected(class: ChangeClass) -> Severity {
        match class {
            ChangeClass::Removed
            | ChangeClass::CrcChanged
            | ChangeClass::Unversioned
            | ChangeClass::ExportTightened
            | ChangeClass::NamespaceGained
            | ChangeClass::NamespaceChanged
            | ChangeClass::NamespaceRestricted => Severity::Fail,
            ChangeClass::MovedToModule => Severity::Warn,
            ChangeClass::ExportLoosened
            | ChangeClass::NamespaceDropped
            | ChangeClass::MovedToVmlinux
            | ChangeClass::Added => Severity::Note,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl From<Severity> for String {
    fn from(severity: Severity) -> String {
        severity.word().to_owned()
    }
}

impl TryFrom<String> for Severity {
    type Error = String;

    fn try_from(word: String) -> Result<Severity, String> {
        Severity::from_word(&word)
            .ok_or_else(|| format!("`{word}` is no severity; expected fail, warn, note or ignore"))
    }
}

impl Standing {
    /// All standings with their spelling in rules.
    pub const WORDS: [(&'static str, Standing); 3] = [
        ("protected", Standing::Protected),
        ("used", Standing::Imported),
        ("unlisted", Standing::Unlisted),
    ];
}

/// Why a symbol matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// A protected list names it.
    Protected,
    /// No list names it, but a module of the database imports it.
    Imported,
    /// Neither.
    Unlisted,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every severity's spelling reads back, and the order is that of gravity.
    #[test]
    fn spellings_read_back() {
        for (word, severity) in Severity::WORDS {
            assert_eq!(severity.word(), word);
            assert_eq!(Severity::from_word(word), Some(severity));
        }
        assert!(Severity::Fail > Severity::Warn && Severity::Warn > Severity::Note);
        assert!(Severity::Note > Severity::Ignore);
    }

    /// Protection decides whether a change fails, and a known user makes a breaking change worth a warning.
    #[test]
    fn standing_decides() {
        let of = Severity::default_for;
        for class in ChangeClass::all() {
            assert_eq!(of(class, Standing::Unlisted), Severity::Note);
            assert!(of(class, Standing::Imported) <= of(class, Standing::Protected));
        }
        assert_eq!(
            of(ChangeClass::CrcChanged, Standing::Protected),
            Severity::Fail
        );
        assert_eq!(
            of(ChangeClass::CrcChanged, Standing::Imported),
            Severity::Warn
        );
        assert_eq!(
            of(ChangeClass::MovedToModule, Standing::Protected),
            Severity::Warn
        );
        assert_eq!(
            of(ChangeClass::ExportLoosened, Standing::Imported),
            Severity::Note
        );
    }
}
