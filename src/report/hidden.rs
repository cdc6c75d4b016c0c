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
    /// The class by which rules name it: `hidden`, `slot-used` or `hidden-layout`.
    #[serde(default)]
    pub class: String,
    /// What it does to the verdict.
    pub severity: Severity,
    /// Whether the tip still differs by it from the commit before the range.
    pub at_tip: bool,
    /// What it does to the layout of the structure, as the compiler's debug information tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layout: Option<LayoutProof>,
}

/// What a commit does to the layout of a structure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayoutProof {
    /// The outcome.
    pub verdict: LayoutVerdict,
    /// What it rests on: sizes and places of both sides in bytes, or why there is no proof.
    pub text: String,
    /// Members that stand where they stood and may mean something else.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub doubts: Vec<String>,
    /// The object whose unit was compiled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// How the text that the compiler sees differs, as a unified diff.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub diff: String,
    /// The symbols that somebody relies on and that reach the structure, where its layout is not proven to stay.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub symbols: Vec<String>,
}

/// Outcome of comparing two layouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LayoutVerdict {
    /// All stands where it stood.
    Kept,
    /// All stands where it stood, and the structure is larger.
    Grown,
    /// Members move, or change their size.
    Broken,
    /// The layout changed back to what it was before the range.
    Restored,
    /// The layout changed and so did the text that the CRC covers.
    CrcTells,
    /// It could not be told.
    #[default]
    Unproven,
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
