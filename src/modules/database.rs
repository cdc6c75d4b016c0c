//! The database of third-party modules: `modules.json` of a baseline.

use std::collections::BTreeMap;

use super::error::ModulesError;
use super::module::{Import, Module};
use super::package::Package;
use super::scan::{Found, Scan};
use super::stored;

/// Modules by provider and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    entries: BTreeMap<(String, String), Entry>,
}

/// A module of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The vendor or package that provides the module.
    pub provider: String,
    /// The package's version, or the module's own.
    pub version: Option<String>,
    /// The module. Its warnings are not stored.
    pub module: Module,
}

/// Who provides the modules of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The vendor or package; without it the package of each module, else its folder.
    pub provider: Option<String>,
    /// The package's version; without it that of the package that was read, else each module's own.
    pub version: Option<String>,
}

/// What merging a scan did, each a `(provider, module)` in order.
#[derive(Debug, Default)]
pub struct Merged {
    /// Modules that were not in the database.
    pub added: Vec<(String, String)>,
    /// Modules that were there and differ.
    pub updated: Vec<(String, String)>,
    /// Modules that were there just so.
    pub unchanged: Vec<(String, String)>,
    /// Files that were left out because another file of the scan is the same module, and differs.
    pub problems: Vec<ModulesError>,
}

impl Database {
    /// Reads `modules.json`.
    ///
    /// # Errors
    ///
    /// Text that is not what [`Database::write`] gives: broken JSON, unknown or missing keys, another schema, a
    /// module or symbol that stands there twice.
    pub fn read(bytes: &[u8], name: &str) -> Result<Database, ModulesError> {
        let mut database = Database::default();
        for (entry, number) in stored::read(bytes, name)? {
            let key = (entry.provider.clone(), entry.module.name.clone());
            if database.entries.contains_key(&key) {
                return Err(ModulesError::Entry {
                    name: name.to_owned(),
                    entry: number,
                    reason: format!("module `{}` of `{}` stands here twice", key.1, key.0),
                });
            }
            database.entries.insert(key, entry);
        }
        Ok(database)
    }

    /// The text of `modules.json`: sorted, with one import on each line.
    ///
    /// # Errors
    ///
    /// None that is known: the text is made of strings and numbers only.
    pub fn write(&self) -> Result<String, ModulesError> {
        stored::write(self.entries.values())
    }

    /// Adds the modules of a scan, each in place of the one of the same provider and name.
    pub fn merge(&mut self, scan: Scan, source: &Source) -> Merged {
        let mut merged = Merged::default();
        let mut fresh: BTreeMap<(String, String), Entry> = BTreeMap::new();
        for found in scan.modules {
            let package = found.package.and_then(|index| scan.packages.get(index));
            let entry = entry(found, package, source);
            let key = (entry.provider.clone(), entry.module.name.clone());
            match fresh.get(&key) {
                None => {
                    fresh.insert(key, entry);
                }
                Some(kept) if same_module(&kept.module, &entry.module) => {}
                Some(kept) => merged.problems.push(ModulesError::Twice {
                    path: entry.module.path,
                    other: kept.module.path.clone(),
                    module: key.1,
                    provider: key.0,
                }),
            }
        }
        for (key, entry) in fresh {
            match self.entries.insert(key.clone(), entry.clone()) {
                None => merged.added.push(key),
                Some(before) if before == entry => merged.unchanged.push(key),
                Some(_) => merged.updated.push(key),
            }
        }
        merged
    }

    /// All modules, by provider and name in bytewise order.
    pub fn list(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.values()
    }

    /// The modules that import the symbol, with how they do, in the order of [`Database::list`].
    pub fn users(&self, symbol: &str) -> impl Iterator<Item = (&Entry, &Import)> {
        self.list()
            .filter_map(move |entry| Some((entry, entry.module.imports.get(symbol)?)))
    }

    /// How many modules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no module.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A module that came out of a package is the package's, unless the caller says otherwise.
fn entry(found: Found, package: Option<&Package>, source: &Source) -> Entry {
    let provider = source
        .provider
        .clone()
        .or_else(|| package.map(|package| package.name.clone()))
        .unwrap_or_else(|| found.folder());
    let version = package.map(|package| package.version.clone());
    let mut module = found.module;
    module.warnings.clear();
    Entry {
        provider,
        version: source
            .version
            .clone()
            .or(version)
            .or_else(|| module.version.clone()),
        module,
    }
}

/// Whether two files are one module; where they lie does not matter.
fn same_module(one: &Module, other: &Module) -> bool {
    *one == Module {
        path: one.path.clone(),
        ..other.clone()
    }
}

#[cfg(test)]
mod tests;
