//! What several renderers need to look up in a report.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::{
    Approvable, ApprovalState, ApprovalUse, Cause, CommitFindings, CommitName, Findings,
    ModuleImpact, ModuleStatus, Place, Report, Severity, SymbolChange, Verdict,
};

/// A report with its cross references resolved.
pub(super) struct View<'a> {
    pub(super) report: &'a Report,
    /// How a rendering that leaves something out calls the complete report.
    pub(super) full: &'a str,
    causes: BTreeMap<&'a str, &'a Cause>,
    commits: BTreeMap<&'a str, &'a CommitName>,
    /// Only looked up.
    tip: OnceCell<HashMap<&'a str, &'a SymbolChange, RandomState>>,
    at_tip: BTreeSet<&'a str>,
    failing: BTreeSet<&'a str>,
    witnesses: BTreeMap<&'a str, &'a [String]>,
    /// Only looked up.
    to_approve: OnceCell<HashMap<&'a str, &'a Approvable, RandomState>>,
    used: BTreeMap<&'a str, &'a ApprovalUse>,
}

impl<'a> View<'a> {
    pub(super) fn new(report: &'a Report, full: &'a str) -> Self {
        let mut view = View {
            report,
            full,
            causes: report.causes.iter().map(|c| (c.id.as_str(), c)).collect(),
            commits: BTreeMap::new(),
            tip: OnceCell::new(),
            at_tip: report.tip.causes.iter().map(String::as_str).collect(),
            failing: BTreeSet::new(),
            witnesses: BTreeMap::new(),
            to_approve: OnceCell::new(),
            used: report
                .policy
                .in_state(ApprovalState::Used)
                .map(|approval| (approval.fingerprint.as_str(), approval))
                .collect(),
        };
        view.read_findings(&report.tip, true);
        for commit in &report.commits {
            view.commits.insert(&commit.commit.id, &commit.commit);
            view.read_findings(&commit.findings, report.per_commit);
        }
        let ends = [&report.provenance.base, &report.provenance.head];
        for name in ends.into_iter().flatten() {
            view.commits.entry(&name.id).or_insert(name);
        }
        view
    }

    fn read_findings(&mut self, findings: &'a Findings, decides: bool) {
        for symbol in &findings.symbols {
            for cause in &symbol.causes {
                if decides && symbol.severity == Severity::Fail {
                    self.failing.insert(cause);
                }
            }
            // A symbol with several causes has one path, to one of them.
            let Some(end) = symbol.witness.last() else {
                continue;
            };
            let reached = symbol.causes.iter().find(|id| {
                self.causes
                    .get(id.as_str())
                    .is_some_and(|c| is_step(end, &c.name))
            });
            if let Some(cause) = reached {
                let shortest = self.witnesses.entry(cause).or_insert(&symbol.witness);
                if (symbol.witness.len(), symbol.witness.as_slice()) < (shortest.len(), *shortest) {
                    *shortest = &symbol.witness;
                }
            }
        }
    }

    /// Whether the tip still differs from the baseline by this cause.
    pub(super) fn is_at_tip(&self, cause: &Cause) -> bool {
        self.at_tip.contains(cause.id.as_str())
    }

    /// Whether the cause is one of those that fail the run.
    pub(super) fn fails(&self, cause: &Cause) -> bool {
        self.failing.contains(cause.id.as_str())
    }

    /// What a cause does to the run: it fails it, it is still there at the tip, or the range undid it or people approved
    /// it.
    pub(super) fn severity(&self, cause: &Cause) -> Severity {
        let shown = self.is_at_tip(cause) && self.approval(&cause.id).is_none();
        match (self.fails(cause), shown) {
            (true, _) => Severity::Fail,
            (false, true) => Severity::Warn,
            (false, false) => Severity::Note,
        }
    }

    /// The shortest path from a changed symbol to the cause.
    pub(super) fn witness(&self, cause: &Cause) -> &'a [String] {
        self.witnesses
            .get(cause.id.as_str())
            .copied()
            .unwrap_or(&[])
    }

    pub(super) fn cause(&self, id: &str) -> Option<&'a Cause> {
        self.causes.get(id).copied()
    }

    pub(super) fn commit(&self, id: &str) -> Option<&'a CommitName> {
        self.commits.get(id).copied()
    }

    /// The change of a symbol between baseline and tip.
    pub(super) fn at_tip_symbol(&self, name: &str) -> Option<&'a SymbolChange> {
        let symbols = self.report.tip.symbols.iter();
        let all = || symbols.map(|s| (s.symbol.as_str(), s)).collect();
        self.tip.get_or_init(all).get(name).copied()
    }

    /// The entry that would approve a change, if it has to be approved.
    pub(super) fn entry(&self, fingerprint: &str) -> Option<&'a Approvable> {
        let all = self.report.to_approve().iter();
        let all = || {
            all.map(|entry| (entry.fingerprint.as_str(), entry))
                .collect()
        };
        self.to_approve.get_or_init(all).get(fingerprint).copied()
    }

    /// The approval that covers a change.
    pub(super) fn approval(&self, fingerprint: &str) -> Option<&'a ApprovalUse> {
        self.used.get(fingerprint).copied()
    }

    /// How many causes have to go for the run to pass.
    pub(super) fn failing_causes(&self) -> usize {
        self.failing.len()
    }

    /// The first commit of the range that brought a failing symbol of the tip.
    pub(super) fn first_since(&self) -> Option<&'a CommitName> {
        let since: BTreeSet<&str> = failing(&self.report.tip)
            .filter_map(|s| s.since.as_deref())
            .collect();
        let mut commits = self.report.commits.iter().map(|c| &c.commit);
        commits.find(|c| since.contains(c.id.as_str()))
    }

    /// Protected symbols that a commit breaks and the tip no longer has broken.
    pub(super) fn broken_in_range_only(&self) -> BTreeSet<&'a str> {
        let commits = self.report.commits.iter();
        let broken = commits.flat_map(|c| failing(&c.findings));
        broken
            .map(|s| s.symbol.as_str())
            .filter(|name| {
                self.at_tip_symbol(name)
                    .is_none_or(|s| s.severity < Severity::Fail)
            })
            .collect()
    }

    /// Whether a commit takes part in the run's failing.
    pub(super) fn commit_fails(&self, commit: &CommitFindings) -> bool {
        self.report.verdict == Verdict::Fail
            && failing(&commit.findings).any(|s| {
                let tip = self.at_tip_symbol(&s.symbol);
                self.report.per_commit || tip.is_some_and(|s| s.severity == Severity::Fail)
            })
    }
}

/// Whether a step of a path leads to that definition: `dev: struct net_device` to `struct net_device`.
fn is_step(step: &str, name: &str) -> bool {
    step.strip_suffix(name)
        .is_some_and(|member| member.is_empty() || member.ends_with(": "))
}

/// The symbols that fail the run.
pub(super) fn failing(findings: &Findings) -> impl Iterator<Item = &SymbolChange> {
    let symbols = findings.symbols.iter();
    symbols.filter(|s| s.severity == Severity::Fail)
}

/// The symbols that are shown and do not fail the run.
pub(super) fn warned(findings: &Findings) -> impl Iterator<Item = &SymbolChange> {
    let symbols = findings.symbols.iter();
    symbols.filter(|s| s.severity == Severity::Warn)
}

/// The shown symbols whose change no cause explains in full: removed, moved, another export or namespace.
pub(super) fn without_cause(findings: &Findings) -> impl Iterator<Item = &SymbolChange> {
    let symbols = findings.symbols.iter();
    symbols.filter(|s| {
        let other = s
            .changes
            .iter()
            .any(|c| c.class != "crc-changed" && c.severity > Severity::Note);
        s.severity > Severity::Note && (s.causes.is_empty() || other)
    })
}

/// The modules that load no more.
pub(super) fn stopped(findings: &Findings) -> impl Iterator<Item = &ModuleImpact> {
    let modules = findings.modules.iter();
    modules.filter(|m| m.status == ModuleStatus::StopsLoading)
}

/// `provider/module`, as the rest of the report calls it.
pub(super) fn module_name(module: &ModuleImpact) -> String {
    format!("{}/{}", module.provider, module.module)
}

/// Where a reader should look: the place after the change, or the one before.
pub(super) fn place(cause: &Cause) -> Option<&Place> {
    cause.head.as_ref().or(cause.base.as_ref())
}

/// Where a tool should point: the line that the commits changed, else where a reader should look.
pub(super) fn changed_place(cause: &Cause) -> Option<Place> {
    let place = place(cause)?;
    Some(Place {
        file: place.file.clone(),
        line: cause.changed_line.unwrap_or(place.line),
    })
}

/// Whether a commit has something to tell.
pub(super) fn tells(commit: &CommitFindings) -> bool {
    let counts = &commit.findings.counts;
    !commit.checked
        || counts.failing + counts.warned > 0
        || !commit.restored.is_empty()
        || !commit.modules_restored.is_empty()
        || !commit.findings.modules.is_empty()
        || !commit.config.is_empty()
}
