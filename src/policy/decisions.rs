//! What people decided beside the protected lists.

use time::Date;

use super::approvals::Approvals;
use super::breaks::AllowedBreaks;
use super::rules::Rules;

/// Rules and approvals of a run, and the day that approvals are held against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The rules, in their order.
    pub rules: Rules,
    /// The approvals.
    pub approvals: Approvals,
    /// The day on which approvals must hold; without one those that expire have expired.
    pub today: Option<Date>,
    /// Breaks that another tool's files allow: they approve nothing and are named beside what could be approved.
    pub allowed: Vec<AllowedBreaks>,
}
