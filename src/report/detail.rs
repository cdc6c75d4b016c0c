//! What a class of change is about, before and after.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Both sides of a change as one line: `0x5b7070d6 → 0x6a1c2f30`, `EXPORT_SYMBOL → EXPORT_SYMBOL_GPL`.
///
/// The sides stay apart, since there is one for every symbol and most are never read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Detail {
    before: SmolStr,
    /// None for a line that is no such pair.
    after: Option<SmolStr>,
}

/// Stands between the sides.
const ARROW: &str = " → ";

impl Detail {
    /// What was there before and what is there after.
    #[must_use]
    pub fn new(before: SmolStr, after: SmolStr) -> Detail {
        Detail {
            before,
            after: Some(after),
        }
    }

    /// What was there before.
    #[must_use]
    pub fn before(&self) -> &str {
        &self.before
    }

    /// What is there after; empty if it is not said.
    #[must_use]
    pub fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// The line in parts.
    pub(super) fn parts(&self) -> [&str; 3] {
        let arrow = if self.after.is_some() { ARROW } else { "" };
        [self.before(), arrow, self.after()]
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().iter().try_for_each(|part| f.write_str(part))
    }
}

impl From<Detail> for String {
    fn from(detail: Detail) -> String {
        detail.parts().concat()
    }
}

impl From<String> for Detail {
    fn from(line: String) -> Detail {
        match line.split_once(ARROW) {
            Some((before, after)) => Detail::new(before.into(), after.into()),
            None => Detail {
                before: line.into(),
                after: None,
            },
        }
    }
}
