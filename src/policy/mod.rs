//! What matters, how grave it is, and what is accepted: protected lists, rules and approvals.
//!
//! In flow protected lists and rule files of all families, approvals, and the classes of change that `compare` found;
//! out flows a severity for each change, with the rule or the approval that decided it.
//!
//! | file | grammar from |
//! |---|---|
//! | protected lists | stablelists and whitelists of the Red Hat family, `Module.kabi`, Android symbol lists, lists grouped by driver, plain lists |
//! | rules | `rules.toml` of our own, SUSE severities, Debian's `ignore-changes`, Ubuntu's ignore lists |
//! | approvals | `approvals.toml` of our own; Android's `allowed_breaks` as proposals |

mod approvals;
mod arch;
mod breaks;
mod decisions;
mod deny;
mod drivers;
mod error;
mod fingerprint;
mod lint;
mod list;
mod pattern;
mod rules;
mod set;
mod severity;
mod suggest;
mod table;

pub use approvals::{Approval, Approvals, Standing as ApprovalStanding};
pub use breaks::{AllowedBreak, AllowedBreaks};
pub use decisions::Decisions;
pub use deny::DenyList;
pub use error::PolicyError;
pub use fingerprint::Fingerprint;
pub use lint::{LintFinding, LintInput, LintLevel, lint, lint_expired};
pub use list::{Entry, ProtectedList, Section, list_bytes};
pub use pattern::{Dialect, Pattern};
pub use rules::{
    Facet, HIDDEN_LAYOUT, MODULE_UNKNOWN, Matcher, Rule, RuleContext, RuleFile, Rules, Ruling,
    Subject, UnusedRule,
};
pub use set::{ListFinding, Origin, ProtectedSet, Walk};
pub use severity::{Severity, Standing};
pub use suggest::{did_you_mean, nearest};
pub use table::{TomlFile, TomlTable, parse_date};
