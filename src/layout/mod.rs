//! Where the compiler puts the members of a type.
//!
//! In flow the compiler call of a unit and names of types, out flow their [`Layout`]s: sizes and places as the compiler's own
//! debug information (DWARF 2 to 5) tells them. Two layouts of a type give a [`Judgement`]: whether what was compiled
//! against the old one can go on with the new one.
//!
//! This is what a CRC does not prove: genksyms may be shown another text than the compiler, and does not see attributes
//! behind a body or the type behind a `typeof`.

mod compile;
mod dwarf;
mod judge;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use compile::object;
pub use dwarf::layouts;
pub use judge::{Judgement, Verdict, judge};

/// Where a type's members stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Size of the type in bytes.
    pub size: u64,
    /// The members of a structure or union in the order of their declaration. Those of anonymous structures and unions
    /// stand among them; those of a nested type without a tag have the member's name before theirs, as in `outer.inner`.
    pub members: Vec<Member>,
    /// The enumerators of an enumeration.
    pub values: Vec<(String, i128)>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name, behind the names of the members without a tag that it stands in.
    pub path: String,
    /// Its type in the words of C, such as `struct page *`.
    pub kind: String,
    /// First bit, counted from the start of the type.
    pub at: u64,
    /// Bits that it takes.
    pub bits: u64,
}

/// Why layouts are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The compiler could not be run, or passed a bound.
    #[error("{unit}: {message}")]
    Run {
        /// The source.
        unit: String,
        /// What happened.
        message: String,
    },
    /// The compiler refused the unit.
    #[error("{unit} does not compile: {message}")]
    Compile {
        /// The source.
        unit: String,
        /// The first errors it printed.
        message: String,
    },
    /// The object's debug information cannot be read.
    #[error("debug information: {0}")]
    Dwarf(String),
}

impl From<gimli::Error> for LayoutError {
    fn from(error: gimli::Error) -> Self {
        LayoutError::Dwarf(error.to_string())
    }
}
