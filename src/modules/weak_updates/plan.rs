//! Which links each kernel should have, and why not where not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::tree::{Installed, InstalledKernel, base_name};
use super::{EXTRA, WEAK};
use crate::modules::judge::judge_all;
use crate::modules::kernel::{Kernel, KernelFacts};
use crate::modules::module::Module;
use crate::modules::resolve::{ImportProblem, ProblemKind};

/// A link of `weak-updates`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Path below the kernel's `weak-updates`.
    pub path: PathBuf,
    /// What it leads to, seen from the root.
    pub target: PathBuf,
    /// The release that the module was built for.
    pub from: String,
    /// What the kernel's loader refuses although symbols and CRCs agree, in sentences.
    pub doubts: Vec<String>,
}

/// A module that is not linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Path below `extra`.
    pub path: PathBuf,
    /// The release that the module was built for.
    pub from: String,
    /// Symbols that are missing or have another CRC; empty if only another of its group is refused.
    pub symbols: Vec<String>,
}

impl Refused {
    /// The sentence of `weak-modules`.
    #[must_use]
    pub fn sentence(&self, release: &str) -> String {
        let name = self
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let symbols = if self.symbols.is_empty() {
            "a module that it needs, or that needs it, is not".to_owned()
        } else {
            format!("in symbols: {}", self.symbols.join(" "))
        };
        format!(
            "Module {name} from kernel {} is not compatible with kernel {release} {symbols}",
            self.from
        )
    }
}

/// A module that is not linked because another file comes first in the search order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Path below `extra` of the other kernel.
    pub path: PathBuf,
    /// The release that the module was built for.
    pub from: String,
    /// `updates`, `extra`, `built-in` for the kernel's own, or the release whose module is linked.
    pub by: String,
}

/// What is done to one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is there as it should be.
    Keep(Link),
    /// It is made, in place of an older link if there is one.
    Add(Link),
    /// It leads nowhere, or to a module that is not compatible.
    Remove {
        /// Path below the kernel's `weak-updates`.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What one kernel gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The kernel.
    pub release: String,
    /// Why nothing can be said; empty otherwise.
    pub not_checked: Option<String>,
    /// Steps, by path.
    pub steps: Vec<Step>,
    /// Modules that are not compatible and that no other kernel's file stands in for.
    pub refused: Vec<Refused>,
    /// Modules that another file comes before.
    pub kept: Vec<Kept>,
}

/// Plans the links of all kernels, in the order given, which is newest first.
#[must_use]
pub fn plan(kernels: &[InstalledKernel]) -> Vec<Plan> {
    kernels
        .iter()
        .map(|kernel| of_kernel(kernel, kernels))
        .collect()
}

fn of_kernel(kernel: &InstalledKernel, all: &[InstalledKernel]) -> Plan {
    let mut plan = Plan {
        release: kernel.release.clone(),
        not_checked: None,
        steps: Vec::new(),
        refused: Vec::new(),
        kept: Vec::new(),
    };
    let symvers = match &kernel.symvers {
        Ok(symvers) => symvers,
        Err(reason) => {
            plan.not_checked = Some(reason.clone());
            return plan;
        }
    };
    let facts = KernelFacts {
        missing_version: KernelFacts::missing_version_of(&kernel.release),
        vermagic: kernel
            .extra
            .iter()
            .find_map(|one| one.module.vermagic.clone()),
        ..KernelFacts::default()
    };
    let loader = Kernel::with(symvers, facts);
    // Who provides a file name, so that no second file of that name is linked.
    let extra = kernel.extra.iter().map(|one| base_name(&one.path));
    let named = |place: &'static str| move |name: &String| (name.clone(), place.to_owned());
    let built_in = kernel.built_in.iter().map(named("built-in"));
    let updates = kernel.updates.iter().map(named("updates"));
    // The last of a name stays: the one that is found first.
    let mut taken: BTreeMap<String, String> = built_in
        .chain(extra.map(|name| (name, EXTRA.to_owned())))
        .chain(updates)
        .collect();
    let mut links: BTreeMap<PathBuf, Link> = BTreeMap::new();
    let mut chosen: Vec<&Module> = kernel.extra.iter().map(|one| &one.module).collect();
    for other in all.iter().filter(|other| other.release != kernel.release) {
        for group in groups(&other.extra) {
            let (blocked, free): (Vec<_>, Vec<_>) = group
                .into_iter()
                .partition(|one| taken.contains_key(&base_name(&one.path)));
            plan.kept.extend(blocked.iter().map(|one| {
                Kept {
                    path: one.path.clone(),
                    from: other.release.clone(),
                    by: taken
                        .get(&base_name(&one.path))
                        .cloned()
                        .unwrap_or_default(),
                }
            }));
            if free.is_empty() {
                continue;
            }
            let found = judge(&free, &chosen, &loader);
            if found.iter().any(|problems| problems.iter().any(counts)) {
                plan.refused
                    .extend(free.iter().zip(&found).map(|(one, problems)| Refused {
                        path: one.path.clone(),
                        from: other.release.clone(),
                        symbols: symbols(problems),
                    }));
                continue;
            }
            for (one, problems) in free.iter().zip(&found) {
                taken.insert(base_name(&one.path), other.release.clone());
                chosen.push(&one.module);
                let link = link(one, &other.release, problems);
                links.insert(link.path.clone(), link);
            }
        }
    }
    // A module of an older kernel that was linked after all makes the refusal of a newer one no loss.
    plan.refused
        .retain(|refused| !taken.contains_key(&base_name(&refused.path)));
    plan.steps = steps(kernel, links);
    plan
}

fn link(one: &Installed, release: &str, problems: &[ImportProblem]) -> Link {
    let refusing = problems.iter().filter(|problem| problem.kind.refuses());
    Link {
        path: one.path.clone(),
        target: Path::new("/lib/modules")
            .join(release)
            .join(EXTRA)
            .join(&one.path),
        from: release.to_owned(),
        doubts: refusing.map(|problem| problem.sentence.clone()).collect(),
    }
}

/// The problems of a group's modules beside those that the kernel already has.
fn judge(group: &[&Installed], chosen: &[&Module], kernel: &Kernel<'_>) -> Vec<Vec<ImportProblem>> {
    let mut modules: Vec<&Module> = group.iter().map(|one| &one.module).collect();
    modules.extend(chosen);
    let mut found = judge_all(&modules, kernel);
    found.truncate(group.len());
    found
}

/// Whether `depmod -e -E` tells the problem: a missing symbol or another CRC, but of weak references nothing.
fn counts(problem: &ImportProblem) -> bool {
    matches!(
        problem.kind,
        ProblemKind::Missing
            | ProblemKind::UnknownProvider
            | ProblemKind::CrcMismatch
            | ProblemKind::ModuleLayout
    )
}

fn symbols(problems: &[ImportProblem]) -> Vec<String> {
    let symbols: BTreeSet<&String> = problems
        .iter()
        .filter(|p| counts(p))
        .map(|problem| &problem.symbol)
        .collect();
    symbols.into_iter().cloned().collect()
}

/// Modules that need one another, directly or through others, in the order of their first module.
fn groups(extra: &[Installed]) -> Vec<Vec<&Installed>> {
    let mut provider: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, one) in extra.iter().enumerate() {
        for symbol in one.module.exports.keys() {
            provider.entry(symbol).or_insert(index);
        }
    }
    let mut neighbours: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); extra.len()];
    for (index, one) in extra.iter().enumerate() {
        for symbol in one.module.imports.keys() {
            if let Some(other) = provider
                .get(symbol.as_str())
                .filter(|other| **other != index)
            {
                let pairs = [(index, *other), (*other, index)];
                for (from, to) in pairs {
                    if let Some(set) = neighbours.get_mut(from) {
                        set.insert(to);
                    }
                }
            }
        }
    }
    let mut seen = vec![false; extra.len()];
    let mut groups = Vec::new();
    for start in 0..extra.len() {
        let (mut members, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(index) = open.pop() {
            match seen.get_mut(index) {
                Some(mark) if !*mark => *mark = true,
                _ => continue,
            }
            members.insert(index);
            open.extend(neighbours.get(index).into_iter().flatten());
        }
        if !members.is_empty() {
            groups.push(
                members
                    .into_iter()
                    .filter_map(|index| extra.get(index))
                    .collect(),
            );
        }
    }
    groups
}

fn steps(kernel: &InstalledKernel, links: BTreeMap<PathBuf, Link>) -> Vec<Step> {
    let mut steps: BTreeMap<PathBuf, Step> = BTreeMap::new();
    for (path, target) in &kernel.links {
        if !links.contains_key(path) && is_ours(target) {
            let reason = format!("{} is not there or not compatible", target.display());
            let path = path.clone();
            steps.insert(path.clone(), Step::Remove { path, reason });
        }
    }
    for (path, link) in links {
        let step = if kernel.links.get(&path) == Some(&link.target) {
            Step::Keep(link)
        } else {
            Step::Add(link)
        };
        steps.insert(path, step);
    }
    steps.into_values().collect()
}

/// Whether a link leads into the `extra` of a kernel, as those of this program do.
fn is_ours(target: &Path) -> bool {
    let mut parts = target
        .components()
        .map(|part| part.as_os_str().to_string_lossy());
    parts.by_ref().any(|part| part == "modules") && parts.nth(1).is_some_and(|part| part == EXTRA)
}

/// Where a kernel's links stand below a root.
pub(super) fn folder(root: &Path, release: &str) -> PathBuf {
    root.join("lib/modules").join(release).join(WEAK)
}
