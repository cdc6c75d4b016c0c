//! A snapshot from the results of its units.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use smol_str::SmolStr;

use super::prepared::Prepared;
use super::state::FileStates;
use super::unit::StoredDefinition;
use super::units::Known;
use super::{Conflict, ParserMessage, Snapshot, SnapshotError};
use crate::cpp::Outline;
use crate::kbuild::Unit;
use crate::symtypes::{Location, TypeGraph};
use crate::symvers::Export;

/// What a snapshot is assembled from.
pub(super) struct Parts<'a> {
    /// The units that can export.
    pub(super) units: &'a [Unit],
    /// What is known of them.
    pub(super) known: &'a HashMap<String, Known>,
    /// What was known of them at the commit before.
    pub(super) before: &'a HashMap<String, Known>,
    /// The definitions of those that were looked at, by object; those of all others stand in the graph.
    pub(super) definitions: &'a HashMap<String, Vec<StoredDefinition>>,
    /// Knows the lines of this commit.
    pub(super) states: &'a FileStates,
    /// Headers whose lines are others than before.
    pub(super) moved: &'a BTreeMap<String, (Arc<Outline>, Arc<Outline>)>,
}

/// Joins the results of units; `types` holds those of the commit before and is brought up to date.
pub(super) fn assemble(
    prepared: &Prepared,
    parts: &Parts<'_>,
    types: &mut TypeGraph,
) -> Result<Snapshot, SnapshotError> {
    let Parts {
        units,
        known,
        before,
        definitions,
        states,
        moved,
    } = *parts;
    let fingerprint = prepared.fingerprint()?;
    let line = |file: &str, place: u32| states.line(file, place);
    move_lines(types, moved);
    let mut exports = BTreeMap::new();
    let mut messages = BTreeSet::new();
    let warnings = prepared.plan.notes.clone();
    let mut conflicts = Vec::new();
    let planned: HashSet<&str> = units.iter().map(|unit| unit.object.as_str()).collect();
    let mut gone: Vec<&String> = before
        .keys()
        .filter(|object| !planned.contains(object.as_str()))
        .collect();
    gone.sort_unstable();
    for object in gone {
        types.remove_unit(unit_path(object));
    }
    for unit in units {
        let Some(now) = known.get(&unit.object) else {
            continue;
        };
        for export in &now.facts.exports {
            let export = Export {
                symbol: export.symbol.as_str().into(),
                crc: export.crc(),
                module: unit.module.as_str().into(),
                class: export.class(),
                namespace: (!export.namespace.is_empty()).then(|| export.namespace.as_str().into()),
            };
            add(&mut exports, export, &unit.object, &mut conflicts);
        }
        messages.extend(now.facts.messages.iter().map(|message| {
            ParserMessage {
                location: Location {
                    file: message.file.clone(),
                    line: now
                        .facts
                        .line(&message.file, message.line, line)
                        .unwrap_or_default(),
                },
                message: message.message.clone(),
            }
        }));
        if let Some(stored) = definitions.get(&unit.object) {
            let definitions = now.facts.definitions(stored, line);
            if definitions.is_empty() {
                types.remove_unit(unit_path(&unit.object));
            } else {
                types.add_unit(unit_path(&unit.object), &definitions);
            }
        }
    }
    Ok(Snapshot {
        fingerprint,
        config: prepared.config.clone(),
        symvers: exports.into_values().collect(),
        types: types.clone(),
        messages: messages.into_iter().collect(),
        conflicts,
        warnings,
    })
}

/// Moves the places of all definitions in headers that changed beside what counts.
fn move_lines(types: &mut TypeGraph, moved: &BTreeMap<String, (Arc<Outline>, Arc<Outline>)>) {
    if moved.is_empty() {
        return;
    }
    let files: BTreeSet<&str> = moved.keys().map(String::as_str).collect();
    types.move_lines(&files, |location| {
        let (old, new) = moved.get(&location.file)?;
        new.line(old.place(location.line)?)
    });
}

/// The path of a unit in symtypes: its object without the suffix.
fn unit_path(object: &str) -> &str {
    object.strip_suffix(".o").unwrap_or(object)
}

/// Adds an export. The first object of the plan keeps a symbol that two objects export, as long as they agree; the
/// kernel's own build refuses others.
fn add(
    exports: &mut BTreeMap<SmolStr, Export>,
    export: Export,
    object: &str,
    conflicts: &mut Vec<Conflict>,
) {
    match exports.get(&export.symbol) {
        None => drop(exports.insert(export.symbol.clone(), export)),
        Some(first) if *first == export => {}
        Some(first) => conflicts.push(Conflict {
            message: format!(
                "{object} exports {} a second time: {} {} in {}, first {} {} in {}",
                export.symbol,
                export.crc,
                export.class,
                export.module,
                first.crc,
                first.class,
                first.module
            ),
            symbol: export.symbol.to_string(),
        }),
    }
}
