//! What changed since units were looked at, and which of them it touches.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::state::{Changed, FileName};
use super::unit::Grain;
use super::units::Known;
use crate::history::{BlobId, PathChange};
use crate::kbuild::Unit;

/// What changed since units were looked at.
#[derive(Default)]
pub(super) struct Stale {
    /// Files that have another state, and headers whose lines are others.
    pub(super) files: Changed,
    /// Objects whose call is another one.
    pub(super) objects: HashSet<String>,
    /// What the results of all units depend on, and was the same for them.
    pub(super) identity: String,
}

impl Stale {
    /// Whether nothing changed since, under that identity.
    pub(super) fn is_settled(&self, identity: &str) -> bool {
        self.files.stale.is_empty()
            && self.files.moved.is_empty()
            && self.files.users.is_none()
            && self.objects.is_empty()
            && self.identity == identity
    }

    /// Whether a unit's call, or the state of a file that it reads, is another one. The files of a unit are sorted.
    pub(super) fn touches(&self, unit: &Unit, known: &Known) -> bool {
        if self.objects.contains(&unit.object) {
            return true;
        }
        let stale = &self.files.stale;
        let reads = |file: &String| {
            let found = known.files.binary_search_by(|known| (**known).cmp(file));
            found.is_ok()
        };
        if stale.len() < known.files.len() / 16 {
            if stale.iter().any(reads) {
                return true;
            }
        } else if known.files.iter().any(|file| stale.contains(&**file)) {
            return true;
        }
        let grain = known.facts.grain;
        let uses_options = |users: &HashSet<FileName>| {
            grain == Grain::Bytes
                || unit.call.args.iter().any(|word| word.contains("CONFIG_"))
                || known.files.iter().any(|file| users.contains(file))
        };
        if self.files.users.as_ref().is_some_and(uses_options) {
            return true;
        }
        let counts = |file: &String| match grain {
            Grain::Tokens => false,
            Grain::SomeLines => known.facts.lined.binary_search(file).is_ok(),
            Grain::Lines | Grain::Bytes => reads(file),
        };
        let mut moved = self.files.moved.iter();
        moved.any(|(file, (old, new))| {
            (grain != Grain::Lines || old.digest != new.digest) && counts(file)
        })
    }
}

/// What differs between two states of a tree, in bytewise order of the paths.
pub(super) fn changes(
    before: Option<&HashMap<String, BlobId>>,
    now: &BTreeMap<String, BlobId>,
) -> Vec<PathChange> {
    let old = |path: &str| before.and_then(|before| before.get(path)).copied();
    let gone = before
        .into_iter()
        .flatten()
        .filter(|(path, _)| !now.contains_key(*path))
        .map(|(path, blob)| (path, Some(*blob), None));
    let there = now
        .iter()
        .map(|(path, blob)| (path, old(path), Some(*blob)))
        .filter(|(_, old, new)| old != new);
    let mut changes: Vec<PathChange> = gone
        .chain(there)
        .map(|(path, old, new)| PathChange {
            path: path.clone(),
            old,
            new,
        })
        .collect();
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}
