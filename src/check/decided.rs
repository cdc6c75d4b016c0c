//! What rules and approvals decide in a run, and the record of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::Date;

use crate::compare::{Comparison, KnownCauses, Reach, Side};
use crate::policy::{AllowedBreaks, ApprovalStanding, Decisions, Severity};
use crate::report::{
    ApprovalState, ApprovalUse, ClassifiedChange, PolicyFindings, Report, RuleUse,
};

/// The decisions of a run, and which symbols each approval was asked about.
pub(super) struct Decided<'a> {
    decisions: &'a Decisions,
    /// Symbols by the fingerprint that covers or once covered their change.
    asked: RefCell<Asked>,
}

impl<'a> Decided<'a> {
    pub(super) fn new(decisions: &'a Decisions) -> Self {
        Decided {
            decisions,
            asked: RefCell::new(BTreeMap::new()),
        }
    }

    /// Finds for changed CRCs all changed definitions behind them, not the nearest alone, where rules or approvals could
    /// excuse a symbol by what is nearest.
    ///
    /// A symbol whose nearest definitions are approved gets those behind them that are not as further causes: they keep
    /// it from passing, so the report must name them.
    pub(super) fn look_behind(
        &self,
        comparison: &mut Comparison,
        base: Side<'_>,
        head: Side<'_>,
        matters: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, Vec<usize>> {
        let rules = self.decisions.rules.ask_for_causes();
        let mut reached = BTreeMap::new();
        if !rules && !self.may_approve() {
            return reached;
        }
        let wanted: Vec<String> = comparison
            .changes
            .iter()
            .filter(|(symbol, change)| {
                !change.causes.is_empty()
                    && (rules || (matters(symbol) && self.any_approved(comparison, &change.causes)))
            })
            .map(|(&symbol, _)| symbol.to_owned())
            .collect();
        if wanted.is_empty() {
            return reached;
        }
        let reach = Reach::new(base, head);
        let mut known = KnownCauses::of(comparison);
        for symbol in wanted {
            let mut all = reach.of(&symbol, &mut known, comparison);
            let Some(change) = comparison.changes.get_mut(symbol.as_str()) else {
                continue;
            };
            all.extend(&change.causes);
            all.sort_unstable();
            all.dedup();
            let causes = &comparison.causes;
            let approved = |&at: &usize| self.is_approved(&causes[at].fingerprint);
            if change.causes.iter().all(approved) {
                let hidden = all
                    .iter()
                    .filter(|at| !approved(at) && !change.causes.contains(at));
                let hidden: Vec<usize> = hidden.copied().collect();
                change.causes.extend(hidden);
            }
            reached.insert(symbol, all);
        }
        reached
    }

    /// Whether there is an approval at all.
    pub(super) fn may_approve(&self) -> bool {
        !self.decisions.approvals.is_empty()
    }

    fn any_approved(&self, comparison: &Comparison, causes: &[usize]) -> bool {
        causes
            .iter()
            .any(|&at| self.is_approved(&comparison.causes[at].fingerprint))
    }

    fn is_approved(&self, fingerprint: &str) -> bool {
        let standing = self.standing(fingerprint);
        matches!(standing, ApprovalStanding::Approved(_))
    }

    fn standing(&self, fingerprint: &str) -> ApprovalStanding<'a> {
        let decisions = self.decisions;
        decisions.approvals.standing(fingerprint, decisions.today)
    }

    /// Lowers a change that approvals cover whole. Hands back the fingerprints that lack one.
    pub(super) fn approve<'f>(
        &self,
        symbol: &str,
        fingerprints: impl Iterator<Item = &'f str>,
        change: &mut ClassifiedChange,
    ) -> Vec<&'f str> {
        let mut lacking = Vec::new();
        let mut covered = 0;
        for fingerprint in fingerprints {
            let standing = self.standing(fingerprint);
            if !matches!(standing, ApprovalStanding::Unapproved) {
                self.ask(fingerprint, symbol);
            }
            match standing {
                ApprovalStanding::Approved(_) => covered += 1,
                _ => lacking.push(fingerprint),
            }
        }
        if covered > 0 && lacking.is_empty() {
            change.approved = true;
            change.severity = change.severity.min(Severity::Note);
        }
        lacking
    }

    fn ask(&self, fingerprint: &str, symbol: &str) {
        let mut asked = self.asked.borrow_mut();
        let symbols = asked.entry(fingerprint.to_owned()).or_default();
        symbols.insert(symbol.to_owned());
    }

    /// A rule as reports name it, if it sets a severity and does not leave the built-in one.
    pub(super) fn rule_text(&self, rule: Option<usize>) -> Option<String> {
        let rule = self.decisions.rules.rules().get(rule?)?;
        rule.severity.map(|_| rule.to_string())
    }

    /// The symbols that each approval was asked about, by its fingerprint.
    pub(super) fn asked(&self) -> Asked {
        self.asked.borrow().clone()
    }

    /// What people decided, whatever it did.
    pub(super) fn told(&self) -> Told {
        let approval = |approval: &crate::policy::Approval| ApprovalUse {
            fingerprint: approval.fingerprint.clone(),
            place: format!("{}:{}", approval.file, approval.line),
            state: match approval.is_expired(self.decisions.today) {
                true => ApprovalState::Expired,
                false => ApprovalState::Used,
            },
            what: approval.what.clone().unwrap_or_default(),
            reason: approval.reason.clone(),
            owner: approval.owner.clone(),
            expires: approval.expires.map(day),
            reference: approval.reference.clone(),
            symbols: Vec::new(),
        };
        let rule = |rule: &crate::policy::Rule| RuleUse {
            rule: rule.to_string(),
            reason: rule.reason.clone(),
            symbols: 0,
        };
        let approvals = self.decisions.approvals.list();
        Told {
            rules: self.decisions.rules.rules().iter().map(rule).collect(),
            approvals: approvals.into_iter().map(approval).collect(),
            allowed: self.decisions.allowed.clone(),
        }
    }
}

/// Symbols by the fingerprint of an approval.
pub(super) type Asked = BTreeMap<String, BTreeSet<String>>;

/// What people decided, before it is known what it did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// The rules, in their order, without a count.
    pub rules: Vec<RuleUse>,
    /// The approvals, by file and line, in the state that they have if a change needs them.
    pub approvals: Vec<ApprovalUse>,
    /// Breaks that files of another tool accept.
    pub allowed: Vec<AllowedBreaks>,
}

/// Fills in what the decisions did to the run and what it lacks.
pub(super) fn tell(report: &mut Report, told: Told, asked: &Asked) {
    let policy = PolicyFindings {
        rules: rules_used(report, told.rules),
        approvals: approvals_used(report, told.approvals, asked),
        allowed: told.allowed,
        ..std::mem::take(&mut report.policy)
    };
    report.policy = policy;
}

fn rules_used(report: &Report, rules: Vec<RuleUse>) -> Vec<RuleUse> {
    let mut symbols: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for symbol in &report.tip.symbols {
        for rule in symbol.changes.iter().filter_map(|c| c.rule.as_deref()) {
            symbols.entry(rule).or_default().insert(&symbol.symbol);
        }
    }
    let used = rules.into_iter().filter_map(|rule| {
        let symbols = symbols.remove(rule.rule.as_str())?.len();
        Some(RuleUse { symbols, ..rule })
    });
    used.collect()
}

fn approvals_used(report: &Report, approvals: Vec<ApprovalUse>, asked: &Asked) -> Vec<ApprovalUse> {
    let titles: BTreeMap<&str, String> = report
        .causes
        .iter()
        .map(|cause| (cause.id.as_str(), crate::report::cause_title(cause)))
        .collect();
    let used = approvals.into_iter().map(|mut approval| {
        match asked.get(&approval.fingerprint) {
            Some(symbols) => approval.symbols = symbols.iter().cloned().collect(),
            None => approval.state = ApprovalState::Unused,
        }
        if let Some(title) = titles.get(approval.fingerprint.as_str()) {
            approval.what.clone_from(title);
        }
        approval
    });
    used.collect()
}

/// A day as files write it.
pub(super) fn day(date: Date) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}
