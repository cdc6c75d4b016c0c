//! A comparison judged by policy and by what known modules import.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::{SmolStr, format_smolstr};

use super::decided::Decided;
use crate::compare::{Change, ChangeClass, Comparison, Side};
use crate::modules::{self, Database, Entry, Outcome, impact};
use crate::policy::{
    Decisions, Facet, Fingerprint, MODULE_UNKNOWN, Matcher, Origin, ProtectedSet, Severity,
    Standing, Subject,
};
use crate::report::{
    ApprovalName, CauseGroup, ClassCount, ClassifiedChange, Detail, ExportFacts, Findings,
    ImportProblem, ModuleImpact, ModuleStatus, SymbolChange, UnprotectedChange,
};
use crate::symvers::{Export, Symvers};

/// What judges a comparison.
pub(super) struct Judge<'a> {
    pub(super) protected: &'a ProtectedSet,
    pub(super) modules: &'a Database,
    /// Known modules by the symbols they import, as `provider/module`.
    users: BTreeMap<&'a str, BTreeSet<String>>,
    pub(super) matcher: Matcher<'a>,
    /// What rules and approvals did so far.
    pub(super) decided: Decided<'a>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        protected: &'a ProtectedSet,
        modules: &'a Database,
        decisions: &'a Decisions,
    ) -> Self {
        let mut users: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for entry in modules.list() {
            for symbol in entry.module.imports.keys() {
                users
                    .entry(symbol)
                    .or_default()
                    .insert(full_name(&entry.provider, &entry.module.name));
            }
        }
        Judge {
            protected,
            modules,
            users,
            matcher: Matcher::new(&decisions.rules),
            decided: Decided::new(decisions),
        }
    }

    /// Why a symbol matters.
    pub(super) fn standing(&self, symbol: &str) -> Standing {
        self.standing_of(symbol, self.protected.entry(symbol))
    }

    pub(super) fn standing_of(&self, symbol: &str, entry: Option<&[Origin]>) -> Standing {
        if entry.is_some() {
            Standing::Protected
        } else if self.users.contains_key(symbol) {
            Standing::Imported
        } else {
            Standing::Unlisted
        }
    }

    /// The worst of a change's classes, without a look at the definitions behind a changed CRC and at approvals.
    pub(super) fn severity(
        &self,
        base: Option<&Export>,
        head: Option<&Export>,
        classes: &[ChangeClass],
    ) -> Severity {
        let Some(export) = base.or(head) else {
            return Severity::Note;
        };
        let lists = list_names(self.protected.origins(&export.symbol));
        let subject = self.subject(export, &lists, self.standing(&export.symbol));
        let facets = classes.iter().map(|&class| Facet { class, cause: None });
        self.matcher.gravest(&subject, facets).severity
    }

    fn subject<'s>(
        &self,
        export: &'s Export,
        lists: &'s [&'s str],
        standing: Standing,
    ) -> Subject<'s> {
        Subject {
            symbol: &export.symbol,
            module: &export.module,
            namespace: export.namespace.as_deref(),
            lists,
            standing,
        }
    }

    /// Judges the comparison of two sides.
    pub(super) fn findings(
        &self,
        comparison: &mut Comparison,
        base: Side<'_>,
        head: Side<'_>,
    ) -> Findings {
        let reached = self.decided.look_behind(comparison, base, head, |symbol| {
            self.standing(symbol) != Standing::Unlisted
        });
        let mut findings = Findings::default();
        findings.counts.base = base.symvers.len();
        findings.counts.head = head.symvers.len();
        // Of each change, in their order.
        let mut protected = Vec::with_capacity(comparison.changes.len());
        findings.symbols.reserve(comparison.changes.len());
        let mut walk = self.protected.walk();
        for (&symbol, change) in &comparison.changes {
            let all = reached.get(symbol).unwrap_or(&change.causes);
            let entry = walk.entry(symbol);
            protected.push(entry.is_some());
            let standing = self.standing_of(symbol, entry);
            let judged = self.symbol_change(symbol, (standing, entry), change, all, comparison);
            if standing == Standing::Unlisted && judged.severity <= Severity::Note {
                let mut rules = judged.changes.iter().filter_map(|c| c.rule.clone());
                findings.unprotected.push(UnprotectedChange {
                    symbol: judged.symbol,
                    rule: rules.next(),
                    classes: judged
                        .changes
                        .into_iter()
                        .map(|change| change.class)
                        .collect(),
                });
            } else {
                findings.symbols.push(judged);
            }
        }
        findings.modules = self.module_impacts(base.symvers, head.symvers, comparison);
        count(&mut findings, comparison, &protected);
        findings.causes = causes_by_weight(comparison, &protected);
        findings.groups = groups(&findings, comparison, &protected);
        findings
    }

    fn symbol_change(
        &self,
        symbol: &str,
        (standing, entry): (Standing, Option<&[Origin]>),
        change: &Change<'_>,
        reached: &[usize],
        comparison: &Comparison<'_>,
    ) -> SymbolChange {
        let origins = entry.unwrap_or_default();
        let lists = list_names(origins);
        let export = change.base.or(change.head);
        let users = self.users.get(symbol);
        let symbol = export.map_or_else(|| symbol.into(), |export| export.symbol.clone());
        let subject = export.map(|export| self.subject(export, &lists, standing));
        let (base, head) = (change.base.map(facts), change.head.map(facts));
        let changes: Vec<ClassifiedChange> = change
            .classes
            .iter()
            .map(|&class| {
                let detail = detail(class, base.as_ref(), head.as_ref());
                self.classified(
                    (&symbol, subject.as_ref()),
                    class,
                    detail,
                    reached,
                    comparison,
                )
            })
            .collect();
        let severity = changes.iter().map(|change| change.severity).max();
        SymbolChange {
            symbol,
            protected: standing == Standing::Protected,
            lists: lists_of(origins),
            used_by: users
                .map(|users| users.iter().cloned().collect())
                .unwrap_or_default(),
            severity: severity.unwrap_or(Severity::Note),
            changes,
            base,
            head,
            causes: change
                .causes
                .iter()
                .map(|&cause| comparison.causes[cause].fingerprint.clone())
                .collect(),
            witness: change
                .witness
                .iter()
                .map(|step| match &step.member {
                    Some(member) => [member, ": ", &step.name.in_c()].concat(),
                    None => step.name.in_c(),
                })
                .collect(),
            since: None,
        }
    }

    /// One class of change with what the rules and the approvals say about it. A changed CRC is judged by every changed
    /// definition that the symbol reaches, any other change by itself.
    fn classified(
        &self,
        (symbol, subject): (&SmolStr, Option<&Subject<'_>>),
        class: ChangeClass,
        detail: Detail,
        reached: &[usize],
        comparison: &Comparison,
    ) -> ClassifiedChange {
        let causes = match class {
            ChangeClass::CrcChanged => reached,
            _ => &[],
        };
        let ruling = match subject {
            Some(subject) => {
                let facets = causes.iter().map(|&cause| Facet {
                    class,
                    cause: Some(comparison.causes[cause].class.word()),
                });
                let alone = causes.is_empty().then_some(Facet { class, cause: None });
                self.matcher.gravest(subject, facets.chain(alone))
            }
            None => crate::policy::Ruling {
                severity: Severity::Note,
                rule: None,
            },
        };
        let approval = match causes {
            [] => ApprovalName::Change(symbol.clone()),
            _ => ApprovalName::Causes,
        };
        let mut classified = ClassifiedChange {
            class: class.word().into(),
            severity: ruling.severity,
            detail,
            rule: self.decided.rule_text(ruling.rule),
            approval,
            approved: false,
            unapproved: Vec::new(),
        };
        let fingerprints = causes
            .iter()
            .map(|&cause| comparison.causes[cause].fingerprint.as_str());
        let own = if self.decided.may_approve() {
            classified.fingerprint()
        } else {
            None
        };
        let own = own.map(Fingerprint::digits);
        let fingerprints = fingerprints.chain(own.as_deref());
        let lacking = self.decided.approve(symbol, fingerprints, &mut classified);
        // The causes of a changed CRC are approved one by one.
        if !causes.is_empty() && classified.severity == Severity::Fail {
            classified.unapproved = lacking.into_iter().map(str::to_owned).collect();
        }
        // A change that nothing has to be approved about needs no fingerprint in the report.
        if !classified.approved && classified.severity <= Severity::Note {
            classified.approval = ApprovalName::Causes;
        }
        classified
    }

    /// The modules that the comparison concerns: those that stop loading first, then those that did not load before
    /// either, then those of which it cannot be said.
    fn module_impacts(
        &self,
        base: &Symvers,
        head: &Symvers,
        comparison: &Comparison,
    ) -> Vec<ModuleImpact> {
        if self.modules.is_empty() {
            return Vec::new();
        }
        let versions: BTreeMap<(&str, &str), &Entry> = self
            .modules
            .list()
            .map(|entry| ((entry.provider.as_str(), entry.module.name.as_str()), entry))
            .collect();
        let mut impacts: Vec<ModuleImpact> = impact(self.modules, base, head)
            .into_iter()
            .filter_map(|module| {
                let status = status(module.outcome)?;
                let entry = versions.get(&(module.provider.as_str(), module.module.as_str()));
                Some(ModuleImpact {
                    status,
                    version: entry.and_then(|entry| entry.version.clone()),
                    problems: module
                        .head
                        .iter()
                        .map(|problem| describe(problem, comparison))
                        .collect(),
                    provider: module.provider,
                    module: module.module,
                    since: None,
                })
            })
            .collect();
        impacts.sort_by_key(|module| module.status);
        impacts
    }
}

/// Names of the lists that protect a symbol and of their sections.
fn list_names(origins: &[Origin]) -> Vec<&str> {
    let names = origins
        .iter()
        .flat_map(|origin| std::iter::once(origin.list.as_str()).chain(origin.section.as_deref()));
    names.collect()
}

/// The lists that protect a symbol, as reports name them.
fn lists_of(origins: &[Origin]) -> Vec<String> {
    let names: BTreeSet<String> = origins
        .iter()
        .map(|origin| match &origin.section {
            Some(section) => format!("{} [{section}]", origin.list),
            None => origin.list.clone(),
        })
        .collect();
    names.into_iter().collect()
}

/// How reports name a module.
pub(super) fn full_name(provider: &str, module: &str) -> String {
    format!("{provider}/{module}")
}

/// Most modules that a sentence names.
const NAMED: usize = 5;

impl Judge<'_> {
    /// Modules of which it cannot be said whether they load: how many a rule makes fail the run, and a sentence about all.
    pub(super) fn unknown_modules(&self, findings: &mut Findings) -> Option<String> {
        let unknown = findings.modules.iter();
        let unknown = unknown.filter(|module| module.status == ModuleStatus::Unknown);
        let names: Vec<String> = unknown.map(|m| full_name(&m.provider, &m.module)).collect();
        let fails = |name: &&String| {
            let subject = Subject {
                symbol: "",
                module: name,
                namespace: None,
                lists: &[],
                standing: Standing::Imported,
            };
            let ruling = self.matcher.named(&subject, MODULE_UNKNOWN, Severity::Warn);
            ruling.severity == Severity::Fail
        };
        findings.counts.failing_modules = names.iter().filter(fails).count();
        let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
        (!names.is_empty()).then(|| {
            format!(
                "of {} known modules it cannot be said whether they load, since a module that they depend on was not given: {}{}; \
                 add it with --modules or `kabigate modules scan`",
                names.len(),
                first.join(", "),
                if names.len() > first.len() { ", …" } else { "" }
            )
        })
    }
}

fn status(outcome: Outcome) -> Option<ModuleStatus> {
    match outcome {
        Outcome::Breaks => Some(ModuleStatus::StopsLoading),
        Outcome::AlreadyRefused => Some(ModuleStatus::AlreadyBroken),
        Outcome::Unknown => Some(ModuleStatus::Unknown),
        Outcome::Repaired | Outcome::Loads => None,
    }
}

fn describe(problem: &modules::ImportProblem, comparison: &Comparison) -> ImportProblem {
    ImportProblem {
        symbol: problem.symbol.clone(),
        kind: problem.kind.word().to_owned(),
        wanted: problem.wanted.map(|crc| crc.to_string()),
        found: problem.found.map(|crc| crc.to_string()),
        sentence: problem.sentence.clone(),
        causes: causes_of(&problem.symbol, comparison),
    }
}

fn causes_of(symbol: &str, comparison: &Comparison) -> Vec<String> {
    let Some(change) = comparison.changes.get(symbol) else {
        return Vec::new();
    };
    change
        .causes
        .iter()
        .map(|&cause| comparison.causes[cause].fingerprint.clone())
        .collect()
}

pub(super) fn facts(export: &Export) -> ExportFacts {
    ExportFacts {
        crc: export.crc.text(),
        module: export.module.clone(),
        class: export.class.to_word(),
        namespace: export.namespace.clone(),
    }
}

/// What a class is about, on both sides.
pub(super) fn detail(
    class: ChangeClass,
    base: Option<&ExportFacts>,
    head: Option<&ExportFacts>,
) -> Detail {
    let show = |side: Option<&ExportFacts>| -> SmolStr {
        let Some(export) = side else {
            return SmolStr::new_static("not exported");
        };
        match class {
            ChangeClass::CrcChanged | ChangeClass::Unversioned => export.crc.clone(),
            ChangeClass::ExportTightened | ChangeClass::ExportLoosened => (&*export.class).into(),
            ChangeClass::NamespaceGained
            | ChangeClass::NamespaceChanged
            | ChangeClass::NamespaceRestricted
            | ChangeClass::NamespaceDropped => {
                let none = || SmolStr::new_static("no namespace");
                export.namespace.clone().unwrap_or_else(none)
            }
            ChangeClass::MovedToModule | ChangeClass::MovedToVmlinux => export.module.clone(),
            ChangeClass::Removed | ChangeClass::Added => {
                format_smolstr!("{} in {}", export.class, export.module)
            }
        }
    };
    Detail::new(show(base), show(head))
}

/// `protected` says of each change whether a list protects the symbol, as in the next two functions.
fn count(findings: &mut Findings, comparison: &Comparison<'_>, protected: &[bool]) {
    let mut classes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (change, &protected) in comparison.changes.values().zip(protected) {
        for class in &change.classes {
            let counts = classes.entry(class.word()).or_default();
            if protected {
                counts.0 += 1;
            } else {
                counts.1 += 1;
            }
        }
    }
    findings.counts.classes = classes
        .into_iter()
        .map(|(class, (protected, unprotected))| ClassCount {
            class: class.to_owned(),
            protected,
            unprotected,
        })
        .collect();
    findings.tally();
}

/// Changed symbols by the set of definitions that caused it: protected ones broken, then modules broken, then all, most
/// first. Each symbol whose CRC changed counts in one group.
fn groups(findings: &Findings, comparison: &Comparison<'_>, protected: &[bool]) -> Vec<CauseGroup> {
    let mut groups: BTreeMap<&[usize], CauseGroup> = BTreeMap::new();
    for (change, &protected) in comparison.changes.values().zip(protected) {
        if !change.classes.contains(&ChangeClass::CrcChanged) {
            continue;
        }
        let group = groups.entry(&change.causes).or_insert_with(|| CauseGroup {
            causes: change
                .causes
                .iter()
                .map(|&cause| comparison.causes[cause].fingerprint.clone())
                .collect(),
            protected: 0,
            others: 0,
            modules: 0,
        });
        if protected {
            group.protected += 1;
        } else {
            group.others += 1;
        }
    }
    let mut groups: Vec<CauseGroup> = groups.into_values().collect();
    for group in &mut groups {
        group.modules = findings
            .modules
            .iter()
            .filter(|module| module.status == ModuleStatus::StopsLoading)
            .filter(|module| {
                let mut problems = module.problems.iter();
                problems.any(|problem| problem.causes == group.causes && !group.causes.is_empty())
            })
            .count();
    }
    let weight = |group: &CauseGroup| {
        (
            group.protected,
            group.modules,
            group.protected + group.others,
        )
    };
    groups.sort_by(|a, b| {
        weight(b)
            .cmp(&weight(a))
            .then_with(|| a.causes.cmp(&b.causes))
    });
    groups
}

/// Causes by the protected symbols, then by all symbols that they change.
fn causes_by_weight(comparison: &Comparison<'_>, protected: &[bool]) -> Vec<String> {
    let mut weights: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (change, &protected) in comparison.changes.values().zip(protected) {
        for &cause in &change.causes {
            let weight = weights.entry(cause).or_default();
            weight.1 += 1;
            weight.0 += usize::from(protected);
        }
    }
    let mut causes: Vec<(usize, (usize, usize))> = weights.into_iter().collect();
    causes.sort_by_key(|&(cause, weight)| (std::cmp::Reverse(weight), cause));
    causes
        .into_iter()
        .map(|(cause, _)| comparison.causes[cause].fingerprint.clone())
        .collect()
}
