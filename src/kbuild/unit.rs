//! Translation units and the plan that holds them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cpp::Call;

/// Language of a unit's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// C (`.c`).
    C,
    /// Assembly that is preprocessed (`.S`).
    Asm,
}

/// How the kernel's build versions what an assembly unit exports: as a C text of includes and `EXPORT_SYMBOL` lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsmPrototypes {
    /// The C compiler call that preprocesses that text from standard input.
    pub call: Call,
    /// The `#include` lines that open the text.
    pub includes: Vec<String>,
}

impl AsmPrototypes {
    /// The text that versions these symbols.
    #[must_use]
    pub fn text<'a>(&self, symbols: impl IntoIterator<Item = &'a str>) -> String {
        let mut text = String::new();
        for include in &self.includes {
            text.push_str(include);
            text.push('\n');
        }
        for symbol in symbols {
            text.push_str(&format!("EXPORT_SYMBOL({symbol});\n"));
        }
        text
    }
}

/// One translation unit of the kernel proper: a compile that the build would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The object, relative to the object tree, as the build spells it.
    pub object: String,
    /// The source, relative to the source tree, or to the object tree if `generated`; without `..`.
    pub source: String,
    /// Whether the source is made by the build and lies in the object tree.
    pub generated: bool,
    /// Language of the source.
    pub language: Language,
    /// The compiler call.
    pub call: Call,
    /// `vmlinux`, or path of the module without `.ko`.
    pub module: String,
    /// For assembly: how its exports get their CRCs. `None` means that the build leaves them unversioned.
    pub prototypes: Option<AsmPrototypes>,
}

/// Everything that a build would compile into the kernel and its modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The units in bytewise order of their objects, each object once.
    pub units: Vec<Unit>,
    /// Failures of the dry run that cost no unit that exports anything, for the report.
    pub notes: Vec<String>,
    /// Folders whose Makefile the build reads for what it compiles, such as `lib/math`; `.` for the top.
    pub folders: BTreeSet<String>,
    /// Folders whose Makefile the build reads before that, to make generated headers and tools.
    pub preparing: BTreeSet<String>,
    /// Folders whose objects make up modules of other folders, and the folders of these modules: what one of their
    /// Makefiles says cannot be told without the others.
    pub entangled: BTreeSet<String>,
}

impl Plan {
    /// Everything but the units.
    pub(super) fn clone_without_units(&self) -> Plan {
        Plan {
            units: Vec::new(),
            notes: self.notes.clone(),
            folders: BTreeSet::new(),
            preparing: self.preparing.clone(),
            entangled: self.entangled.clone(),
        }
    }

    /// The unit of an object.
    #[must_use]
    pub fn unit(&self, object: &str) -> Option<&Unit> {
        let at = self
            .units
            .binary_search_by(|unit| unit.object.as_str().cmp(object))
            .ok()?;
        self.units.get(at)
    }
}
