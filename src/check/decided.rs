//! What rules and approvals decide in a run, and the record of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use time::Date;

use crate::compare::{ChangeClass, Comparison, KnownCauses, Reach, Side};
use crate::policy::{ApprovalStanding, Decisions, Severity};
use crate::report::{
    ApprovalState, ApprovalUse, ClassifiedChange, PolicyFindings, Report, RuleUse, to_approve,
};

/// The decisions of a run, and which symbols each approval was asked about.
pub(super) struct Decided<'a> {
    decisions: &'a Decisions,
    /// Symbols by the fingerprint that covers or once covered their change.
    asked: RefCell<BTreeMap<String, BTreeSet<String>>>,
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
        if !rules && self.decisions.approvals.is_empty() {
            return reached;
        }
        let wanted: Vec<String> = comparison
            .changes
            .iter()
            .filter(|(symbol, change)| {
                !change.causes.is_empty()
                    && (rules || (matters(symbol) && self.any_approved(comparison, &change.causes)))
            })
            .map(|(symbol, _)| symbol.clone())
            .collect();
        if wanted.is_empty() {
            return reached;
        }
        let reach = Reach::new(base, head);
        let mut known = KnownCauses::of(comparison);
        for symbol in wanted {
            let mut all = reach.of(&symbol, &mut known, comparison);
            let Some(change) = comparison.changes.get_mut(&symbol) else {
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

    /// Lowers a change that approvals cover whole, and notes what a partly covered one lacks.
    pub(super) fn approve(
        &self,
        symbol: &str,
        fingerprints: &[&str],
        change: &mut ClassifiedChange,
    ) {
        let mut lacking = Vec::new();
        let mut covered = 0;
        for fingerprint in fingerprints {
            match self.standing(fingerprint) {
                ApprovalStanding::Approved(_) => {
                    covered += 1;
                    self.ask(fingerprint, symbol);
                }
                ApprovalStanding::Expired(_) => {
                    self.ask(fingerprint, symbol);
                    lacking.push((*fingerprint).to_owned());
                }
                ApprovalStanding::Unapproved => lacking.push((*fingerprint).to_owned()),
            }
        }
        if covered > 0 && lacking.is_empty() {
            change.approved = true;
            change.severity = change.severity.min(Severity::Note);
        } else if change.class == ChangeClass::CrcChanged.word() && change.fingerprint.is_none() {
            change.unapproved = match change.severity {
                Severity::Fail => lacking,
                _ => Vec::new(),
            };
        }
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

    /// Fills in what the decisions did to the run and what it lacks.
    pub(super) fn tell(&self, report: &mut Report) {
        let policy = PolicyFindings {
            rules: self.rules_used(report),
            approvals: self.approvals(report),
            to_approve: to_approve(report, &self.decisions.allowed),
            ..std::mem::take(&mut report.policy)
        };
        report.policy = policy;
    }

    fn rules_used(&self, report: &Report) -> Vec<RuleUse> {
        let mut symbols: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for symbol in &report.tip.symbols {
            for rule in symbol.changes.iter().filter_map(|c| c.rule.as_deref()) {
                symbols.entry(rule).or_default().insert(&symbol.symbol);
            }
        }
        let mut used = Vec::new();
        for rule in self.decisions.rules.rules() {
            let text = rule.to_string();
            if let Some(symbols) = symbols.remove(text.as_str()) {
                used.push(RuleUse {
                    reason: rule.reason.clone(),
                    symbols: symbols.len(),
                    rule: text,
                });
            }
        }
        used
    }

    fn approvals(&self, report: &Report) -> Vec<ApprovalUse> {
        let asked = self.asked.borrow();
        let titles: BTreeMap<&str, String> = report
            .causes
            .iter()
            .map(|cause| (cause.id.as_str(), crate::report::cause_title(cause)))
            .collect();
        let use_of = |approval: &crate::policy::Approval| {
            let symbols = asked.get(&approval.fingerprint);
            let state = match (symbols, approval.is_expired(self.decisions.today)) {
                (None, _) => ApprovalState::Unused,
                (Some(_), true) => ApprovalState::Expired,
                (Some(_), false) => ApprovalState::Used,
            };
            let title = titles.get(approval.fingerprint.as_str()).cloned();
            ApprovalUse {
                fingerprint: approval.fingerprint.clone(),
                place: format!("{}:{}", approval.file, approval.line),
                state,
                what: title.or_else(|| approval.what.clone()).unwrap_or_default(),
                reason: approval.reason.clone(),
                owner: approval.owner.clone(),
                expires: approval.expires.map(day),
                reference: approval.reference.clone(),
                symbols: symbols
                    .map(|symbols| symbols.iter().cloned().collect())
                    .unwrap_or_default(),
            }
        };
        let approvals = self.decisions.approvals.list();
        approvals.into_iter().map(use_of).collect()
    }
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
