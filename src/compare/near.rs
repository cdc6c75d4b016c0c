//! How far the nearest changed definition is at least, for every name, whatever the unit.
//!
//! Contract: for a name that a unit pair sees, the number is no larger than the true distance to the nearest definition
//! whose text differs between the two units. It is found by one search backwards from every name that differs in some
//! unit pair, over all references that any text of the base side has. A search that goes forward then needs to follow
//! only what can still lead to a cause in time; with a kernel's 18,000 changed exports that is some hundred times less.

use std::collections::HashSet;

use crate::symtypes::{NameId, Translation, TypeGraph};

/// The distance of what reaches no changed definition.
pub(super) const NEVER: u32 = u32::MAX;

/// For each base name the least distance to a changed definition.
pub(super) fn distances(base: &TypeGraph, head: &TypeGraph, to_head: &Translation) -> Vec<u32> {
    let count = base.name_count();
    let mut edges: Vec<(NameId, NameId)> = Vec::new();
    let mut last = vec![None; count];
    let mut several = vec![false; count];
    // Texts of names that have more than one, so that each text's references are taken once.
    let mut met = HashSet::new();
    for (name, text) in base.definitions() {
        let seen = &mut last[name.index()];
        if *seen == Some(text) {
            continue;
        }
        let before = seen.replace(text);
        several[name.index()] |= before.is_some();
        let texts = before.into_iter().chain([text]);
        let new = texts.filter(|&text| met.insert((name, text))).count() > 0;
        if before.is_some() && !new {
            continue;
        }
        edges.extend(base.references(text).iter().map(|&to| (to, name)));
    }
    let changed = changed(base, head, to_head, &last, &several);
    backwards(count, &edges, &changed)
}

/// The names that may differ between the two sides of some unit.
fn changed(
    base: &TypeGraph,
    head: &TypeGraph,
    to_head: &Translation,
    last: &[Option<crate::symtypes::TextId>],
    several: &[bool],
) -> Vec<NameId> {
    let mut head_last = vec![None; head.name_count()];
    let mut head_several = vec![false; head.name_count()];
    for (name, text) in head.definitions() {
        let seen = &mut head_last[name.index()];
        head_several[name.index()] |= seen.is_some_and(|seen| seen != text);
        *seen = Some(text);
    }
    // Sections can be compared by number where both files have the same ones in the same order.
    let alike = base.is_of_one_file()
        && head.is_of_one_file()
        && base.section_paths() == head.section_paths();
    base.names()
        .filter(|&name| {
            let Some(other) = to_head.name(name) else {
                return false;
            };
            if several[name.index()] || head_several[other.index()] {
                let old = base
                    .history(name)
                    .map(|(section, text, here)| (section, to_head.text(text), here));
                let new = head
                    .history(other)
                    .map(|(section, text, here)| (section, Some(text), here));
                return !(alike && old.eq(new));
            }
            match (last[name.index()], head_last[other.index()]) {
                (Some(old), Some(new)) => to_head.text(old) != Some(new),
                _ => false,
            }
        })
        .collect()
}

/// Distances by a search from `changed` along `edges`, which lead from what is referred to, to what refers to it.
fn backwards(count: usize, edges: &[(NameId, NameId)], changed: &[NameId]) -> Vec<u32> {
    let mut starts = vec![0_usize; count + 1];
    for (from, _) in edges {
        starts[from.index() + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut targets = vec![None; edges.len()];
    for &(from, to) in edges {
        let place = &mut next[from.index()];
        targets[*place] = Some(to);
        *place += 1;
    }
    let mut distances = vec![NEVER; count];
    let mut layer: Vec<NameId> = changed.to_vec();
    for name in &layer {
        distances[name.index()] = 0;
    }
    let mut distance = 0;
    while !layer.is_empty() {
        distance += 1;
        let mut behind = Vec::new();
        for name in layer {
            let range = starts[name.index()]..starts[name.index() + 1];
            for &to in targets[range].iter().flatten() {
                if distances[to.index()] == NEVER {
                    distances[to.index()] = distance;
                    behind.push(to);
                }
            }
        }
        layer = behind;
    }
    distances
}
