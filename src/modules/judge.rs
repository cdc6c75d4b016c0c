//! Judges a set of modules against one kernel, as they may need one another.

use rayon::prelude::*;

use super::kernel::Kernel;
use super::module::Module;
use super::provide::{Siblings, Users};
use super::resolve::{ImportProblem, judge_again, problems};

/// Whether one of the problems keeps the module from loading.
pub(super) fn refused(problems: &[ImportProblem]) -> bool {
    problems.iter().any(|problem| problem.kind.refuses())
}

/// The problems of each module against one kernel, in rounds until no further module is refused.
///
/// A round behind the first judges only what is imported from a module that was refused in the round before, and
/// each round but the last refuses a module, so the work is bounded by the imports between modules. The modules of
/// a round are judged in parallel; none sees the result of another before the round is over.
#[must_use]
pub fn judge_all(modules: &[&Module], kernel: &Kernel<'_>) -> Vec<Vec<ImportProblem>> {
    let mut siblings = Siblings::of(modules.iter().copied());
    siblings.spread_taint(kernel);
    let mut found: Vec<Vec<ImportProblem>> = modules
        .par_iter()
        .map(|module| problems(module, kernel, &siblings))
        .collect();
    let mut round: Vec<usize> = (0..modules.len()).collect();
    let mut users = None;
    loop {
        round.retain(|index| {
            let refused = found.get(*index).is_some_and(|problems| refused(problems));
            refused && !siblings.is_refused(*index)
        });
        if round.is_empty() {
            return found;
        }
        for index in &round {
            siblings.refuse(*index);
        }
        let users = users.get_or_insert_with(|| siblings.users());
        let touched = imports_from(&round, modules, users);
        let anew: Vec<(usize, Vec<ImportProblem>)> = touched
            .par_chunk_by(|one, other| one.0 == other.0)
            .filter_map(|imports| {
                let index = imports.first()?.0;
                let symbols: Vec<&str> = imports.iter().map(|(_, symbol)| *symbol).collect();
                let module = modules.get(index)?;
                let before = found.get(index)?;
                let now = judge_again(module, kernel, &siblings, &symbols, before);
                Some((index, now))
            })
            .collect();
        round.clear();
        for (index, problems) in anew {
            round.push(index);
            if let Some(slot) = found.get_mut(index) {
                *slot = problems;
            }
        }
    }
}

/// What is imported from these modules: users by rising index, each with the symbols in bytewise order.
fn imports_from<'a>(
    providers: &[usize],
    modules: &[&'a Module],
    users: &Users<'_>,
) -> Vec<(usize, &'a str)> {
    let exporters = providers.iter().filter_map(|index| modules.get(*index));
    let mut imports: Vec<(usize, &str)> = exporters
        .flat_map(|module| module.exports.keys())
        .flat_map(|symbol| {
            let users = users.get(symbol.as_str()).into_iter().flatten();
            users.map(move |user| (*user, symbol.as_str()))
        })
        .collect();
    imports.sort_unstable();
    imports.dedup();
    imports
}
