//! The part of the report about changes that a source hides from its CRCs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::Severity;

/// What the commits hide from the CRCs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HiddenFindings {
    /// The changes, oldest commit first, then by file and line.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<HiddenChange>,
    /// Reserved slots of the structures that the changes concern, as the tip has them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub slots: Vec<SlotBudget>,
}

impl HiddenFindings {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == HiddenFindings::default()
    }

    /// Whether a rule makes one of the changes fail the run: one that the tip still has, or any where each commit counts.
    #[must_use]
    pub fn fails(&self, per_commit: bool) -> bool {
        let counts = |change: &&HiddenChange| per_commit || change.at_tip;
        let mut changes = self.changes.iter().filter(counts);
        changes.any(|change| change.severity == Severity::Fail)
    }
}

/// A line that came or went and that the CRC does not tell about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HiddenChange {
    /// The commit.
    pub commit: String,
    /// The file.
    pub file: String,
    /// Its line, counted from 1: after the commit, or before it where the line went.
    pub line: usize,
    /// Whether the line came; else it went.
    pub added: bool,
    /// What it is, such as `slot-used` or `hidden-unguarded`.
    pub kind: String,
    /// What that means.
    pub meaning: String,
    /// The structure that it stands in, such as `struct foo`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub within: Option<String>,
    /// The text that tells.
    pub text: String,
    /// What it does to the verdict.
    pub severity: Severity,
    /// Whether the tip still differs by it from the commit before the range.
    pub at_tip: bool,
}

/// The reserved slots of a structure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotBudget {
    /// The structure.
    pub within: String,
    /// The file.
    pub file: String,
    /// Line of the first slot, counted from 1.
    pub line: usize,
    /// Slots in all.
    pub reserved: usize,
    /// Slots that are in use.
    pub used: usize,
    /// Slots that are left.
    pub left: usize,
}
