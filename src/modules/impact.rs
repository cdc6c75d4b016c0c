//! Which modules of the database a change of the kernel breaks.

use super::database::Database;
use super::judge::{judge_all, refused};
use super::kernel::Kernel;
use super::module::Module;
use super::resolve::{ImportProblem, ProblemKind};
use crate::symvers::Symvers;

/// What a change of the kernel means for one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It loads into base and not into head.
    Breaks,
    /// It loaded into neither.
    AlreadyRefused,
    /// It cannot be said: a module it depends on was not given.
    Unknown,
    /// It loads into head and not into base.
    Repaired,
    /// It loads into both.
    Loads,
}

impl Outcome {
    /// The spelling in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Breaks => "breaks",
            Outcome::AlreadyRefused => "already-refused",
            Outcome::Unknown => "unknown",
            Outcome::Repaired => "repaired",
            Outcome::Loads => "loads",
        }
    }
}

/// What a change of the kernel means for one module, and by which symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleImpact {
    /// Who provides the module.
    pub provider: String,
    /// The module's name.
    pub module: String,
    /// The file it was read from.
    pub path: String,
    /// What the change means.
    pub outcome: Outcome,
    /// What is wrong against base, gravest first.
    pub base: Vec<ImportProblem>,
    /// What is wrong against head, gravest first.
    pub head: Vec<ImportProblem>,
}

impl ModuleImpact {
    /// What is wrong against head and was not against base, gravest first.
    pub fn new_problems(&self) -> impl Iterator<Item = &ImportProblem> {
        self.head.iter().filter(|problem| {
            !self
                .base
                .iter()
                .any(|before| (before.kind, &before.symbol) == (problem.kind, &problem.symbol))
        })
    }
}

/// Judges all modules of the database against two kernels, in the order of the database.
///
/// Modules may need one another: a refused module takes its exports away from the others, until nothing more
/// is refused. A symbol that base exports and head does not is missing in head even for a module whose other
/// dependencies are not known.
#[must_use]
pub fn impact(db: &Database, base: &Symvers, head: &Symvers) -> Vec<ModuleImpact> {
    let modules: Vec<&Module> = db.list().map(|entry| &entry.module).collect();
    let before = judge_all(&modules, &Kernel::of(base));
    let mut after = judge_all(&modules, &Kernel::of(head));
    for problem in after.iter_mut().flatten() {
        if problem.kind == ProblemKind::UnknownProvider && base.get(&problem.symbol).is_some() {
            problem.kind = ProblemKind::Missing;
            problem.sentence = format!("the kernel no longer exports `{}`", problem.symbol);
        }
    }
    db.list()
        .zip(before.into_iter().zip(after))
        .map(|(entry, (base, mut head))| {
            head.sort_by(|a, b| (a.kind, &a.symbol).cmp(&(b.kind, &b.symbol)));
            ModuleImpact {
                provider: entry.provider.clone(),
                module: entry.module.name.clone(),
                path: entry.module.path.clone(),
                outcome: outcome(&base, &head),
                base,
                head,
            }
        })
        .collect()
}

fn outcome(base: &[ImportProblem], head: &[ImportProblem]) -> Outcome {
    // What was not known before either says nothing about the change, but for a module that may be missing.
    let open = |problem: &ImportProblem| match problem.kind {
        ProblemKind::UnknownProvider => true,
        ProblemKind::NotJudged => !base.contains(problem),
        _ => false,
    };
    match (refused(base), refused(head)) {
        (true, true) => Outcome::AlreadyRefused,
        (false, true) => Outcome::Breaks,
        (_, false) if head.iter().any(open) => Outcome::Unknown,
        (true, false) => Outcome::Repaired,
        (false, false) => Outcome::Loads,
    }
}

#[cfg(test)]
mod tests;
