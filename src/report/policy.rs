//! The part of the report about rules, approvals and the policy itself.

use std::borrow::Cow;
use std::sync::OnceLock;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::policy::AllowedBreaks;

/// What people decided beforehand, what it did to this run, and what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFindings {
    /// Where baseline, lists, rules, approvals and modules were read from, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sources: Vec<String>,
    /// Files of the policy that the commits edit; the run is judged by what stood there before.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub edits: Vec<PolicyEdit>,
    /// The rules that decided something at the tip, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rules: Vec<RuleUse>,
    /// All approvals, by file and line.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub approvals: Vec<ApprovalUse>,
    /// What would have to be approved for the run to pass.
    #[serde(skip_serializing_if = "ToApprove::is_empty", default)]
    #[schemars(with = "Vec<Approvable>")]
    pub to_approve: ToApprove,
    /// Breaks that files of another tool accept: named beside what could be approved.
    #[serde(skip)]
    pub allowed: Vec<AllowedBreaks>,
}

impl PolicyFindings {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == PolicyFindings::default()
    }

    /// The approvals in one state.
    pub fn in_state(&self, state: ApprovalState) -> impl Iterator<Item = &ApprovalUse> {
        self.approvals.iter().filter(move |one| one.state == state)
    }
}

/// The entries that would have to be approved, for [`Report::to_approve`](super::Report::to_approve). Made of the rest of the
/// report when somebody first asks for all of them: where every export is protected there are tens of thousands, and most
/// are never looked at.
#[derive(Clone, Debug, Default, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Approvable>", into = "Vec<Approvable>")]
pub struct ToApprove(pub(super) OnceLock<Vec<Approvable>>);

impl ToApprove {
    /// Whether there is none, as far as they are made.
    fn is_empty(&self) -> bool {
        self.0.get().is_none_or(Vec::is_empty)
    }
}

impl PartialEq for ToApprove {
    fn eq(&self, other: &ToApprove) -> bool {
        self.is_empty() && other.is_empty() || self.0.get() == other.0.get()
    }
}

impl From<Vec<Approvable>> for ToApprove {
    fn from(entries: Vec<Approvable>) -> ToApprove {
        ToApprove(entries.into())
    }
}

impl From<ToApprove> for Vec<Approvable> {
    fn from(entries: ToApprove) -> Vec<Approvable> {
        entries.0.into_inner().unwrap_or_default()
    }
}

/// A commit that edits a file of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyEdit {
    /// The file, relative to the tree.
    pub file: String,
    /// The commit.
    pub commit: String,
    /// `adds`, `changes` or `removes`.
    pub what: String,
}

/// A rule that decided something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleUse {
    /// The rule, as `FILE:LINE: RULE`.
    pub rule: String,
    /// Why it stands there, if it says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// How many changed symbols it decided about.
    pub symbols: usize,
}

/// An approval and what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalUse {
    /// The change that it accepts.
    pub fingerprint: String,
    /// File and line.
    pub place: String,
    /// What it did.
    pub state: ApprovalState,
    /// What the change is, in the words of the approval or of this run.
    pub what: String,
    /// Why it is accepted.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it holds, as `2027-01-31`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<String>,
    /// Where it was agreed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
    /// Symbols whose change it covers, or would if it had not expired, at the tip or in a commit, by name.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub symbols: Vec<String>,
}

/// What an approval did.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalState {
    /// It covers a change of this run.
    Used,
    /// It would, but its last day is past.
    Expired,
    /// No change of this run is the one that it accepts.
    Unused,
}

/// A change that could be approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Approvable {
    /// Fingerprint of the change.
    pub fingerprint: String,
    /// What changed: `struct net_device: definition changed`.
    pub what: String,
    /// How many symbols fail for it.
    pub symbols: usize,
    /// What stands in comments above its entry: where the definition is, who allows a break.
    pub remarks: Vec<String>,
}

/// A change that could be approved.
// As it stands in JSON, with the entry that is made of the rest: there are tens of thousands of them where every export is
// protected, and most are never looked at.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Approvable")]
#[serde(deny_unknown_fields)]
struct Written {
    /// Fingerprint of the change.
    fingerprint: String,
    /// What changed: `struct net_device: definition changed`.
    what: String,
    /// How many symbols fail for it.
    symbols: usize,
    /// What stands in comments above its entry: where the definition is, who allows a break.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    remarks: Vec<String>,
    /// The entry to paste into `approvals.toml`.
    toml: String,
}

impl From<Written> for Approvable {
    fn from(written: Written) -> Approvable {
        Approvable {
            fingerprint: written.fingerprint,
            what: written.what,
            symbols: written.symbols,
            remarks: written.remarks,
        }
    }
}

impl From<Approvable> for Written {
    fn from(entry: Approvable) -> Written {
        Written {
            toml: entry.toml(),
            fingerprint: entry.fingerprint,
            what: entry.what,
            symbols: entry.symbols,
            remarks: entry.remarks,
        }
    }
}

impl JsonSchema for Approvable {
    fn schema_name() -> Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}
