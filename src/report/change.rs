//! One class of a symbol's change.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{Detail, Severity};
use crate::policy::Fingerprint;

/// One class of change with its severity.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct ClassifiedChange {
    /// Spelling of the class, such as `crc-changed`.
    pub class: Cow<'static, str>,
    /// What it does to the verdict.
    pub severity: Severity,
    /// What it is about.
    pub detail: Detail,
    /// The rule that set the severity, as `FILE:LINE: RULE`; none for the built-in one.
    pub rule: Option<String>,
    /// What an approval of this change names.
    pub approval: ApprovalName,
    /// Whether approvals cover it; it then has the severity `note`.
    pub approved: bool,
    /// Fingerprints of the changes that must be approved still, where some of several are.
    pub unapproved: Vec<String>,
}

/// What an approval of a change names.
#[derive(Clone, Debug, Default)]
pub enum ApprovalName {
    /// The causes of a changed CRC; or nothing, since nothing has to be approved.
    #[default]
    Causes,
    /// The fingerprint of the change of this symbol, which is taken when somebody asks: there is one for every symbol.
    Change(SmolStr),
    /// This fingerprint.
    Known(Fingerprint),
}

impl ClassifiedChange {
    /// What an approval of this change names; none where it names the causes.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let (before, after) = (self.detail.before(), self.detail.after());
        match &self.approval {
            ApprovalName::Causes => None,
            ApprovalName::Change(symbol) => {
                Some(Fingerprint::of_symbol(symbol, &self.class, before, after))
            }
            ApprovalName::Known(fingerprint) => Some(*fingerprint),
        }
    }
}

impl PartialEq for ClassifiedChange {
    fn eq(&self, other: &ClassifiedChange) -> bool {
        Written::from(self.clone()) == Written::from(other.clone())
    }
}

impl Eq for ClassifiedChange {}

/// One class of change with its severity.
// As it stands in JSON.
#[derive(PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ClassifiedChange")]
#[serde(deny_unknown_fields)]
struct Written {
    /// Spelling of the class, such as `crc-changed`.
    class: Cow<'static, str>,
    /// What it does to the verdict.
    severity: Severity,
    /// One line: `0x5b7070d6 → 0x6a1c2f30`, `EXPORT_SYMBOL → EXPORT_SYMBOL_GPL`.
    #[schemars(with = "String")]
    detail: Detail,
    /// The rule that set the severity, as `FILE:LINE: RULE`; none for the built-in one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    rule: Option<String>,
    /// What an approval of this change names; a changed CRC is approved by its causes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>")]
    fingerprint: Option<Fingerprint>,
    /// Whether approvals cover it; it then has the severity `note`.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    approved: bool,
    /// Fingerprints of the changes that must be approved still, where some of several are.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    unapproved: Vec<String>,
}

impl From<Written> for ClassifiedChange {
    fn from(written: Written) -> ClassifiedChange {
        ClassifiedChange {
            class: written.class,
            severity: written.severity,
            detail: written.detail,
            rule: written.rule,
            approval: written.fingerprint.into(),
            approved: written.approved,
            unapproved: written.unapproved,
        }
    }
}

impl From<ClassifiedChange> for Written {
    fn from(change: ClassifiedChange) -> Written {
        Written {
            fingerprint: change.fingerprint(),
            class: change.class,
            severity: change.severity,
            detail: change.detail,
            rule: change.rule,
            approved: change.approved,
            unapproved: change.unapproved,
        }
    }
}

impl From<Option<Fingerprint>> for ApprovalName {
    fn from(fingerprint: Option<Fingerprint>) -> ApprovalName {
        fingerprint.map_or(ApprovalName::Causes, ApprovalName::Known)
    }
}

impl JsonSchema for ClassifiedChange {
    fn schema_name() -> Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}
