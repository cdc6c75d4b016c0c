//! Judges a set of modules against one kernel, as they may need one another.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::kernel::Kernel;
use super::module::Module;
use super::provide::Siblings;
use super::resolve::{ImportProblem, problems};

/// Whether one of the problems keeps the module from loading.
pub(super) fn refused(problems: &[ImportProblem]) -> bool {
    problems.iter().any(|problem| problem.kind.refuses())
}

/// The problems of each module against one kernel, in rounds until no further module is refused.
///
/// A round judges only modules that import from one that was refused in the round before, and each round but
/// the last refuses a module, so the work is bounded by the imports between modules. The modules of a round are
/// judged in parallel; none sees the result of another before the round is over.
#[must_use]
pub fn judge_all(modules: &[&Module], kernel: &Kernel<'_>) -> Vec<Vec<ImportProblem>> {
    let mut siblings = Siblings::of(modules.iter().copied());
    siblings.spread_taint(kernel);
    let mut found: Vec<Vec<ImportProblem>> = vec![Vec::new(); modules.len()];
    let mut round: Vec<usize> = (0..modules.len()).collect();
    let mut importers = None;
    while !round.is_empty() {
        let judged: Vec<(usize, Vec<ImportProblem>)> = round
            .par_iter()
            .filter_map(|index| {
                let module = modules.get(*index)?;
                Some((*index, problems(module, kernel, &siblings)))
            })
            .collect();
        let mut newly = Vec::new();
        for (index, problems) in judged {
            if refused(&problems) && !siblings.is_refused(index) {
                newly.push(index);
            }
            if let Some(slot) = found.get_mut(index) {
                *slot = problems;
            }
        }
        for index in &newly {
            siblings.refuse(*index);
        }
        if newly.is_empty() {
            break;
        }
        let importers = importers.get_or_insert_with(|| importers_of(modules));
        round = newly
            .iter()
            .filter_map(|index| modules.get(*index))
            .flat_map(|module| module.exports.keys())
            .filter_map(|symbol| importers.get(symbol.as_str()))
            .flatten()
            .copied()
            .collect();
        round.sort_unstable();
        round.dedup();
    }
    found
}

/// The modules that import each symbol that one of them exports.
fn importers_of<'a>(modules: &[&'a Module]) -> HashMap<&'a str, Vec<usize>, RandomState> {
    let mut importers: HashMap<&str, Vec<usize>, RandomState> = HashMap::default();
    for module in modules {
        for symbol in module.exports.keys() {
            importers.entry(symbol).or_default();
        }
    }
    for (index, module) in modules.iter().enumerate() {
        for symbol in module.imports.keys() {
            if let Some(users) = importers.get_mut(symbol.as_str()) {
                users.push(index);
            }
        }
    }
    importers
}
