//! The comparison of two kernels, symbol by symbol.

use std::cmp::Ordering;

use arrayvec::ArrayVec;
use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::cause::Attributor;
use super::{Cause, ChangeClass, Step};
use crate::symtypes::TypeGraph;
use crate::symvers::{Export, ExportClass, Symvers};

/// One side of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Its exports.
    pub symvers: &'a Symvers,
    /// The types behind them; empty if they are not known.
    pub types: &'a TypeGraph,
}

/// The classes of one change: of its CRC, its export, its namespace and its module at most.
pub(super) type Classes = ArrayVec<ChangeClass, 4>;

/// A symbol that differs between the sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Every class of change it has; never empty.
    pub classes: Classes,
    /// Its export on the base side; none if it was added.
    pub base: Option<&'a Export>,
    /// Its export on the head side; none if it was removed.
    pub head: Option<&'a Export>,
    /// Indices of its causes in [`Comparison::causes`]; empty unless the CRC changed.
    pub causes: Vec<usize>,
    /// Shortest path from the export to its first cause, both included.
    pub witness: Vec<Step>,
}

/// All that differs between two sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// The changes by symbol, in bytewise order.
    pub changes: IndexMap<&'a str, Change<'a>, RandomState>,
    /// The causes, by name and fingerprint.
    pub causes: Vec<Cause>,
    /// Symbols whose CRC changed though no definition they reach differs, by name. Both sides know the types behind them, so
    /// either the types or the CRCs of a side are wrong.
    pub unexplained: Vec<String>,
}

impl Comparison<'_> {
    /// Leaves out what the head side adds, for a base side that knows protected symbols only.
    pub fn without_additions(mut self) -> Self {
        self.changes.retain(|_, change| change.base.is_some());
        self
    }
}

/// Compares two sides.
///
/// A changed CRC gets its causes where both sides know the types behind it.
#[must_use]
pub fn compare<'a>(base: Side<'a>, head: Side<'a>) -> Comparison<'a> {
    let most = base.symvers.len().max(head.symvers.len());
    let mut changes: IndexMap<&str, Change<'_>, RandomState> =
        IndexMap::with_capacity_and_hasher(most, RandomState::default());
    for (symbol, base_export, head_export) in pairs(base.symvers, head.symvers) {
        let classes = classify(base_export, head_export);
        if !classes.is_empty() {
            let change = Change {
                base: base_export,
                head: head_export,
                causes: Vec::new(),
                witness: Vec::new(),
                classes,
            };
            changes.insert(symbol, change);
        }
    }
    let mut comparison = Comparison::default();
    let is_crc = |change: &Change<'_>| change.classes.contains(&ChangeClass::CrcChanged);
    let known = !base.types.is_empty() && !head.types.is_empty();
    // What a search needs is only made where a CRC changed.
    if known && changes.iter().any(|(_, change)| is_crc(change)) {
        let mut attributor = Attributor::new(base.types, head.types);
        let crcs = changes.iter().filter(|(_, change)| is_crc(change));
        let symbols: Vec<&str> = crcs.map(|(symbol, _)| *symbol).collect();
        let found = attributor.attribute(&symbols);
        let crcs = changes.iter_mut().filter(|(_, change)| is_crc(change));
        for ((symbol, change), found) in crcs.zip(found) {
            match found {
                Some(attribution) => {
                    change.causes = attribution.causes;
                    change.witness = attribution.witness;
                }
                None if knows(base, symbol) && knows(head, symbol) => {
                    comparison.unexplained.push((*symbol).to_owned());
                }
                None => {}
            }
        }
        comparison.causes = attributor.into_causes();
    }
    comparison.changes = changes;
    sort_causes(&mut comparison);
    comparison
}

/// Whether a side has types behind a symbol; imported ones may lack some.
fn knows(side: Side<'_>, symbol: &str) -> bool {
    side.types.exporter(symbol).is_some()
}

/// Both exports of every symbol that a side has, by symbol.
fn pairs<'a>(
    base: &'a Symvers,
    head: &'a Symvers,
) -> impl Iterator<Item = (&'a str, Option<&'a Export>, Option<&'a Export>)> {
    let (mut old, mut new) = (base.iter().peekable(), head.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.symbol.cmp(&new.symbol),
        };
        let old = if order.is_le() { old.next() } else { None };
        let new = if order.is_ge() { new.next() } else { None };
        Some((old.or(new)?.symbol.as_str(), old, new))
    })
}

/// Orders causes by name and fingerprint and renumbers the changes' indices accordingly.
fn sort_causes(comparison: &mut Comparison<'_>) {
    let mut order: Vec<usize> = (0..comparison.causes.len()).collect();
    let key = |&at: &usize| {
        let cause = &comparison.causes[at];
        (cause.name.clone(), cause.fingerprint.clone())
    };
    order.sort_by_cached_key(key);
    let mut place = vec![0; order.len()];
    for (new, &old) in order.iter().enumerate() {
        place[old] = new;
    }
    comparison.causes = order
        .iter()
        .map(|&old| comparison.causes[old].clone())
        .collect();
    for change in comparison.changes.values_mut() {
        for cause in &mut change.causes {
            *cause = place[*cause];
        }
    }
}

/// Every class of change between two exports of one symbol; empty if they are equal.
#[must_use]
pub fn classify(base: Option<&Export>, head: Option<&Export>) -> Classes {
    match (base, head) {
        (None, None) => Classes::new(),
        (Some(_), None) => [ChangeClass::Removed].into_iter().collect(),
        (None, Some(_)) => [ChangeClass::Added].into_iter().collect(),
        (Some(base), Some(head)) => [
            crc_change(base, head),
            export_change(&base.class, &head.class),
            namespace_change(base.namespace.as_deref(), head.namespace.as_deref()),
            module_change(&base.module, &head.module),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

fn crc_change(base: &Export, head: &Export) -> Option<ChangeClass> {
    if base.crc == head.crc {
        None
    } else if base.crc.is_unversioned() || head.crc.is_unversioned() {
        Some(ChangeClass::Unversioned)
    } else {
        Some(ChangeClass::CrcChanged)
    }
}

fn export_change(base: &ExportClass, head: &ExportClass) -> Option<ChangeClass> {
    if *base == ExportClass::Unknown || *head == ExportClass::Unknown {
        return None;
    }
    match (base.is_gpl_only(), head.is_gpl_only()) {
        (false, true) => Some(ChangeClass::ExportTightened),
        (true, false) => Some(ChangeClass::ExportLoosened),
        _ => None,
    }
}

fn namespace_change(base: Option<&str>, head: Option<&str>) -> Option<ChangeClass> {
    match (base, head) {
        (base, head) if base == head => None,
        (_, Some(head)) if head.starts_with("module:") => Some(ChangeClass::NamespaceRestricted),
        (None, Some(_)) => Some(ChangeClass::NamespaceGained),
        (Some(_), None) => Some(ChangeClass::NamespaceDropped),
        (Some(_), Some(_)) => Some(ChangeClass::NamespaceChanged),
        (None, None) => None,
    }
}

fn module_change(base: &str, head: &str) -> Option<ChangeClass> {
    match (base, head) {
        (base, head) if base == head => None,
        (_, "vmlinux") => Some(ChangeClass::MovedToVmlinux),
        _ => Some(ChangeClass::MovedToModule),
    }
}

#[cfg(test)]
#[path = "properties.rs"]
mod properties;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
#[cfg(test)]
#[path = "traps.rs"]
mod traps;
