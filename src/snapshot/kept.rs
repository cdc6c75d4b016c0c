//! What is kept of the commits before: from commit to commit in memory, and from run to run in a file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Settings;
use super::cache::Key;
use super::prepared::{Prepared, StoredPrepared, Tools};
use super::scans::{Scans, StoredScans};
use super::scope::Work;
use super::stale::Stale;
use super::state::{FileName, FileStates, Places, StoredStates};
use super::unit::UnitFacts;
use super::units::Known;
use crate::history::Held;
use crate::symtypes::{StoredGraph, TypeGraph};

/// What is kept of the commits before.
///
/// `files`, `scans` and `changes` follow what is checked out, also where a commit fails; `units` and `types` are those of
/// the last commit that did not. `stale` and `work` say what lies between the two.
pub(super) struct Kept {
    pub(super) files: FileStates,
    pub(super) scans: Scans,
    pub(super) prepared: Option<Prepared>,
    /// What the object tree lacks of standing for what is checked out.
    pub(super) work: Work,
    pub(super) units: HashMap<String, Known>,
    pub(super) types: TypeGraph,
    pub(super) stale: Stale,
}

impl Kept {
    pub(super) fn new(places: Places) -> Kept {
        Kept {
            files: FileStates::new(places),
            scans: Scans::default(),
            prepared: None,
            work: Work::default(),
            units: HashMap::new(),
            types: TypeGraph::default(),
            stale: Stale::default(),
        }
    }

    /// The object tree and the units of the last snapshot.
    pub(super) fn looked_at(&self) -> Option<(&Prepared, &HashMap<String, Known>)> {
        Some((self.prepared.as_ref()?, &self.units))
    }
}

/// The parts of a state file, written one by one so that they are read in parallel: what the folders held, as
/// [`super::area`] takes it, the source folder, the object folder and the units, and the types.
///
/// They are not compressed: the folders beside them take twenty times as much, and every run reads and writes them.
pub(super) type Parts<T> = [T; 4];

/// The source folder.
#[derive(Serialize, Deserialize)]
struct StoredTree<H, F> {
    src: String,
    held: H,
    states: F,
    scans: StoredScans,
}

/// The object folder and the units.
#[derive(Serialize, Deserialize)]
struct StoredUnits {
    prepared: StoredPrepared,
    identity: String,
    /// Names of all files that units read, sorted.
    names: Vec<String>,
    units: Vec<StoredUnit>,
}

#[derive(Serialize, Deserialize)]
struct StoredUnit {
    object: String,
    call: Key,
    state: Key,
    /// Numbers of the files it reads, each less the one before it and one: names are sorted in units too.
    files: Vec<u32>,
    facts: UnitFacts,
}

/// Packs what the next run can go on from; nothing if the last commit failed, or a part is not worth keeping.
pub(super) fn store(kept: &Kept, held: &Held) -> Option<[Vec<u8>; 3]> {
    let prepared = kept.prepared.as_ref()?;
    let is_settled = kept.work == Work::default() && kept.stale.is_settled(&prepared.identity());
    if !is_settled || kept.units.is_empty() {
        return None;
    }
    let tree = || {
        pack(&StoredTree {
            src: kept.files.places().src().to_string_lossy().into_owned(),
            held,
            states: kept.files.stored(),
            scans: kept.scans.stored()?,
        })
    };
    let units = || {
        let (names, units) = store_units(&kept.units)?;
        pack(&StoredUnits {
            prepared: prepared.stored()?,
            identity: kept.stale.identity.clone(),
            names,
            units,
        })
    };
    let types = || pack(&kept.types.stored()?);
    let (tree, (units, types)) = rayon::join(tree, || rayon::join(units, types));
    Some([tree?, units?, types?])
}

/// The parts with what the folders held when they were stored.
pub(super) fn signed(listing: Key, [tree, units, types]: [Vec<u8>; 3]) -> Parts<Vec<u8>> {
    [listing.bytes().to_vec(), tree, units, types]
}

/// What an earlier run left, if it stands for the folders as they are: `listing` looks at them, and `key` names what it
/// saw.
pub(super) fn restore<L: Send>(
    parts: Parts<&[u8]>,
    (listing, key): (impl FnOnce() -> Option<L> + Send, impl FnOnce(&L) -> Key),
    (src, obj): (&Path, &Path),
    settings: &Settings,
) -> Option<(Kept, Held, L)> {
    let [signed, tree, units, types] = parts;
    let unpacked = || {
        rayon::join(
            || unpack::<StoredUnits>(units),
            || {
                rayon::join(
                    || unpack::<StoredTree<Held, StoredStates>>(tree),
                    || TypeGraph::restore(unpack::<StoredGraph>(types)?),
                )
            },
        )
    };
    let ((listing, (units, (tree, types))), tools) = std::thread::scope(|scope| {
        // The compiler is waited for, which none of the pool's threads should do.
        let tools = scope.spawn(|| Tools::find(src, obj, settings).ok());
        (rayon::join(listing, unpacked), tools.join().ok().flatten())
    });
    let (tree, units, types, listing) = (tree?, units?, types?, listing?);
    if key(&listing).bytes().as_slice() != signed || Path::new(&tree.src) != src {
        return None;
    }
    let (tools, places) = (tools?, Places::new(src, obj));
    let mut scans = Scans::from(tree.scans);
    let macros = scans.macros();
    let blobs = tree.held.blobs().iter();
    let ((files, changed), prepared) = rayon::join(
        || FileStates::restore(places, blobs, macros, tree.states),
        || Prepared::restore(tools, units.prepared),
    );
    let prepared = prepared?;
    let names = files.intern(units.names);
    let known = restore_units(units.units, &names)?;
    let kept = Kept {
        files,
        scans,
        prepared: Some(prepared),
        work: Work::default(),
        units: known,
        types,
        stale: Stale {
            files: changed,
            identity: units.identity,
            ..Stale::default()
        },
    };
    Some((kept, tree.held, listing))
}

fn store_units(units: &HashMap<String, Known>) -> Option<(Vec<String>, Vec<StoredUnit>)> {
    let sorted: BTreeMap<&String, &Known> = units.iter().collect();
    let all = sorted.values().flat_map(|known| known.files.iter());
    // Equal names share their text, so they are told apart by where it lies.
    let mut seen: HashSet<*const u8, RandomState> = HashSet::default();
    let mut names: Vec<&FileName> = all.filter(|name| seen.insert(name.as_ptr())).collect();
    names.sort_unstable();
    names.dedup();
    let numbers: HashMap<*const u8, u32, RandomState> = names
        .iter()
        .zip(0_u32..)
        .map(|(name, number)| (name.as_ptr(), number))
        .collect();
    let mut stored = Vec::with_capacity(sorted.len());
    for (object, known) in sorted {
        let mut next = 0;
        let mut files = Vec::with_capacity(known.files.len());
        for name in &*known.files {
            let number = *numbers.get(&name.as_ptr())?;
            files.push(number.checked_sub(next)?);
            next = number + 1;
        }
        stored.push(StoredUnit {
            object: object.clone(),
            call: known.call,
            state: known.state,
            files,
            facts: (*known.facts).clone(),
        });
    }
    let names = names.into_iter().map(|name| name.to_string()).collect();
    Some((names, stored))
}

fn restore_units(units: Vec<StoredUnit>, names: &[FileName]) -> Option<HashMap<String, Known>> {
    units
        .into_iter()
        .map(|unit| {
            let mut next = 0_u32;
            let files: Option<Vec<&FileName>> = unit
                .files
                .iter()
                .map(|delta| {
                    let number = next.checked_add(*delta)?;
                    next = number.checked_add(1)?;
                    names.get(number as usize)
                })
                .collect();
            let known = Known {
                call: unit.call,
                state: unit.state,
                files: files?.into_iter().cloned().collect(),
                facts: Arc::new(unit.facts),
            };
            Some((unit.object, known))
        })
        .collect()
}

fn pack(part: &impl Serialize) -> Option<Vec<u8>> {
    postcard::to_stdvec(part).ok()
}

fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Option<T> {
    postcard::from_bytes(packed).ok()
}
