//! Everything that changed behind one export, as a tree of shortest paths.

use std::collections::BTreeMap;

use super::Cause;
use super::cause::{Attributor, Step};
use crate::symtypes::TypeGraph;

/// A definition on the way from an export to a changed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The definition, and the member that leads to it.
    pub step: Step,
    /// How far from the export it stands.
    pub depth: usize,
    /// Index of what changed in its own text, if anything did.
    pub cause: Option<usize>,
}

/// All changed definitions that an export reaches on both sides, each over a shortest path; `None` if a side does not
/// know the export.
///
/// The nodes come in the order of a tree: each one behind the one that leads to it, those of one parent bytewise. Behind
/// a changed definition the references of the base side are followed.
#[must_use]
pub fn paths(
    base: &TypeGraph,
    head: &TypeGraph,
    symbol: &str,
) -> Option<(Vec<Reached>, Vec<Cause>)> {
    let mut attributor = Attributor::new(base, head);
    let paths = attributor.all(symbol)?;
    // Keys of a tree in order: the path of each node.
    let mut nodes: BTreeMap<Vec<String>, Reached> = BTreeMap::new();
    for (path, cause) in paths {
        let mut key = Vec::new();
        let last = path.len().saturating_sub(1);
        for (depth, step) in path.into_iter().enumerate() {
            key.push(step.name.to_string());
            let node = nodes.entry(key.clone()).or_insert_with(|| Reached {
                step,
                depth,
                cause: None,
            });
            if depth == last {
                node.cause = Some(cause);
            }
        }
    }
    Some((nodes.into_values().collect(), attributor.into_causes()))
}
