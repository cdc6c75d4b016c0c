//! What a check holds commits against beside the baseline: protected lists and third-party modules.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::baseline::{Baseline, MODULES, STABLELIST};
use crate::check::{module_reason, policy_reason};
use crate::modules::{self, Database, Scan, Source};
use crate::policy::{ProtectedList, ProtectedSet};
use crate::report::{Reason, ReasonCode};
use crate::symvers::Symvers;

use super::decisions::ReadPath;
use super::reason;

/// The symbol that every module imports: its CRC covers the layout of the kernel's module structure.
const MODULE_LAYOUT: &str = "module_layout";

/// Reads the baseline's own list and the lists named; `read` hands the latter out.
pub(crate) fn lists(
    baseline: &Baseline,
    paths: &[PathBuf],
    read: &ReadPath<'_>,
    warnings: &mut Vec<String>,
) -> Result<ProtectedSet, Reason> {
    let mut set = ProtectedSet::default();
    if let Some(bytes) = baseline.optional(STABLELIST) {
        add(&mut set, ProtectedList::read(bytes, STABLELIST), warnings)?;
    }
    for path in paths {
        let name = path.display().to_string();
        add(&mut set, ProtectedList::read(&read(path)?, &name), warnings)?;
    }
    Ok(set)
}

/// Protects what modules import: each module is a list of its own.
pub(crate) fn imports(
    set: &mut ProtectedSet,
    paths: &[PathBuf],
    kernel: &Symvers,
    warnings: &mut Vec<String>,
) -> Result<(), Reason> {
    let mut database = Database::default();
    if !paths.is_empty() {
        scan(&mut database, paths, &Source::default(), warnings)?;
    }
    let own: BTreeSet<String> = database
        .list()
        .flat_map(|entry| entry.module.exports.keys().cloned())
        .collect();
    for entry in database.list() {
        let symbols = entry.module.imports.iter();
        // A weak import may be absent, and one module may serve another.
        let symbols = symbols.filter(|(symbol, import)| {
            kernel.get(symbol).is_some() || (!import.weak && !own.contains(*symbol))
        });
        let symbols: Vec<String> = symbols.map(|(symbol, _)| symbol.clone()).collect();
        set.add_imports(&entry.module.name, symbols);
    }
    Ok(())
}

/// Reads the lists named and no other.
pub(crate) fn named(paths: &[PathBuf], warnings: &mut Vec<String>) -> Result<ProtectedSet, Reason> {
    let mut set = ProtectedSet::default();
    for path in paths {
        add(&mut set, ProtectedList::load(path), warnings)?;
    }
    Ok(set)
}

/// Protects the layout of modules where a kernel has it: a change of it refuses every module, listed or not.
pub(crate) fn add_module_layout(set: &mut ProtectedSet, symvers: &Symvers) {
    if symvers.get(MODULE_LAYOUT).is_some()
        && !set.contains(MODULE_LAYOUT)
        && let Ok(list) =
            ProtectedList::read(MODULE_LAYOUT.as_bytes(), "(imported by every module)")
    {
        set.add(list);
    }
}

fn add(
    set: &mut ProtectedSet,
    list: Result<ProtectedList, crate::policy::PolicyError>,
    warnings: &mut Vec<String>,
) -> Result<(), Reason> {
    let list = list.map_err(|error| policy_reason(&error))?;
    warnings.extend(
        list.warnings
            .iter()
            .map(|problem| format!("{}:{}: {}", list.name, problem.line, problem.message)),
    );
    set.add(list);
    Ok(())
}

/// Reads the baseline's module database and scans the paths named.
pub(crate) fn database(
    baseline: &Baseline,
    paths: &[PathBuf],
    warnings: &mut Vec<String>,
) -> Result<Database, Reason> {
    let mut database = match baseline.optional(MODULES) {
        Some(bytes) => {
            let name = baseline.path.join(MODULES).display().to_string();
            Database::read(bytes, &name).map_err(|error| module_reason(&error))?
        }
        None => Database::default(),
    };
    scan_all(&mut database, paths, warnings)?;
    Ok(database)
}

/// The database of the modules at the paths named, as text.
pub(crate) fn scanned(paths: &[PathBuf]) -> Result<String, Reason> {
    let mut database = Database::default();
    scan(&mut database, paths, &Source::default(), &mut Vec::new())?;
    database.write().map_err(|error| module_reason(&error))
}

/// Scans the paths named, if any, into a database.
pub(crate) fn scan_all(
    database: &mut Database,
    paths: &[PathBuf],
    warnings: &mut Vec<String>,
) -> Result<(), Reason> {
    if !paths.is_empty() {
        scan(database, paths, &Source::default(), warnings)?;
    }
    Ok(())
}

/// Scans modules into a database; a file that cannot be read is an error, as it was not checked.
pub(crate) fn scan(
    database: &mut Database,
    paths: &[PathBuf],
    source: &Source,
    warnings: &mut Vec<String>,
) -> Result<modules::Merged, Reason> {
    let scan = scan_modules(paths)?;
    for found in &scan.modules {
        warnings.extend(
            found
                .module
                .warnings
                .iter()
                .map(|warning| format!("{}: {warning}", found.module.path)),
        );
    }
    let merged = database.merge(scan, source);
    warnings.extend(merged.problems.iter().map(ToString::to_string));
    Ok(merged)
}

/// Scans modules; a file that cannot be read is an error, and so are sources, as neither says what is imported.
pub(crate) fn scan_modules(paths: &[PathBuf]) -> Result<Scan, Reason> {
    let scan = modules::scan(paths);
    if !scan.problems.is_empty() {
        let lines: Vec<String> = scan.problems.iter().map(ToString::to_string).collect();
        return Err(reason(
            ReasonCode::InputInvalid,
            lines.join("\n"),
            "name readable modules, packages or folders with them",
        ));
    }
    if let Some(sources) = scan.sources.first() {
        return Err(reason(
            ReasonCode::InputInvalid,
            format!(
                "{}: sources of modules, which say nothing until they are built",
                sources.path
            ),
            "build the modules and name them, or compile the sources: `kabigate validate --rebuild`",
        ));
    }
    Ok(scan)
}
