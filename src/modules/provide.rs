//! Exports of the other modules that were given: third-party modules may import from one another.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::kernel::Kernel;
use super::module::{Licence, Module, ModuleExport};

/// One module that provides a symbol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provider<'a> {
    /// The module.
    pub(super) module: &'a Module,
    /// Its export.
    pub(super) export: &'a ModuleExport,
    /// Whether the kernel refuses the module, so that it provides nothing.
    pub(super) refused: bool,
    /// Whether using it makes the user proprietary for the loader.
    pub(super) proprietary: bool,
}

/// The modules, by rising index, that import each symbol that a module of the set exports.
pub(super) type Users<'a> = HashMap<&'a str, Vec<usize>, RandomState>;

/// The exports of a set of modules, for judging each of them.
#[derive(Clone, Debug, Default)]
pub struct Siblings<'a> {
    modules: Vec<&'a Module>,
    /// The modules that export each symbol, as indices.
    exports: HashMap<&'a str, Vec<usize>, RandomState>,
    names: HashSet<&'a str>,
    refused: Vec<bool>,
    proprietary: Vec<bool>,
}

impl<'a> Siblings<'a> {
    /// The exports of these modules, none of which is refused so far.
    #[must_use]
    pub fn of(modules: impl IntoIterator<Item = &'a Module>) -> Siblings<'a> {
        let mut siblings = Siblings::default();
        for (index, module) in modules.into_iter().enumerate() {
            for symbol in module.exports.keys() {
                siblings.exports.entry(symbol).or_default().push(index);
            }
            siblings.names.insert(&module.name);
            siblings.modules.push(module);
            siblings.refused.push(false);
            let own = module.licence() == Licence::Proprietary;
            siblings.proprietary.push(own);
        }
        siblings
    }

    /// Spreads what proprietary modules do to their users: a module that uses a symbol which only proprietary
    /// modules export is proprietary for the loader too, and so on along the chain (`inherit_taint`, 5.9).
    ///
    /// Each round marks at least one module, and a round looks only at users of those just marked.
    pub fn spread_taint(&mut self, kernel: &Kernel<'_>) {
        if !self.proprietary.contains(&true) || self.exports.is_empty() {
            return;
        }
        let users = self.users();
        let marked = self.proprietary.iter().enumerate();
        let mut fresh: Vec<usize> = marked
            .filter(|(_, p)| **p)
            .map(|(index, _)| index)
            .collect();
        while let Some(index) = fresh.pop() {
            let Some(module) = self.modules.get(index).copied() else {
                continue;
            };
            for symbol in module.exports.keys() {
                let providers = self.exports.get(symbol.as_str());
                let all = providers.is_some_and(|all| {
                    all.iter()
                        .all(|one| self.proprietary.get(*one) == Some(&true))
                });
                if !all || kernel.get(symbol).is_some() {
                    continue;
                }
                for user in users.get(symbol.as_str()).into_iter().flatten() {
                    if let Some(mark) = self.proprietary.get_mut(*user).filter(|mark| !**mark) {
                        *mark = true;
                        fresh.push(*user);
                    }
                }
            }
        }
    }

    /// Who imports what these modules export.
    pub(super) fn users(&self) -> Users<'a> {
        let links: Vec<(&'a str, usize)> = self
            .modules
            .par_iter()
            .enumerate()
            .flat_map_iter(|(index, module)| {
                let symbols = module.imports.keys().map(String::as_str);
                let served = symbols.filter(|symbol| self.exports.contains_key(symbol));
                served.map(move |symbol| (symbol, index))
            })
            .collect();
        let mut users = Users::default();
        for (symbol, index) in links {
            users.entry(symbol).or_default().push(index);
        }
        users
    }

    /// Notes that the kernel refuses the module of that index, which takes its exports away.
    pub(super) fn refuse(&mut self, index: usize) {
        if let Some(refused) = self.refused.get_mut(index) {
            *refused = true;
        }
    }

    /// Whether the module of that index is refused.
    pub(super) fn is_refused(&self, index: usize) -> bool {
        self.refused.get(index).is_some_and(|refused| *refused)
    }

    /// Whether a module of that name is among them.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The modules that export the symbol, in the order given, without `user` itself.
    pub(super) fn providers<'s>(
        &'s self,
        symbol: &str,
        user: &Module,
    ) -> impl Iterator<Item = Provider<'a>> + use<'a, 's> {
        let user: *const Module = user;
        let found = self.exports.get_key_value(symbol);
        found.into_iter().flat_map(move |(symbol, indices)| {
            indices.iter().filter_map(move |index| {
                let module = *self.modules.get(*index)?;
                let export = module.exports.get(*symbol)?;
                (!std::ptr::eq(module, user)).then_some(Provider {
                    module,
                    export,
                    refused: self.is_refused(*index),
                    proprietary: self.proprietary.get(*index) == Some(&true),
                })
            })
        })
    }
}
