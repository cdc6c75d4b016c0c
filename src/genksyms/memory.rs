//! What stretches of tokens declare, remembered for other units.
//!
//! A source may hand over a stretch of tokens that other units have too, such as a header. What it declares depends on the
//! grammar and on what the identifiers in it mean when it starts: nothing special, a type name, or an enumerator. So it is
//! kept with these meanings (`reads`), as the list of what it adds and reports (`ops`). A unit in which the identifiers mean
//! the same carries out that list and reads over the tokens.
//!
//! Requires that the parser stands between two declarations at both ends of the stretch. A stretch with an export or a fault
//! is not kept. What an operation does in a unit (a first declaration, or a redefinition with its message) is found anew, and
//! so is the value of an enumerator without one: both depend on what the unit declared before.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::nodes::Packed;
use super::profile::Profile;
use super::symbols::Place;
use super::unit::Room;
use super::words::{Keywords, WordId};
use crate::cpp::Vocabulary;
use crate::symtypes::TypeKind;

/// Most variants of one stretch.
const MAX_VARIANTS: usize = 8;
/// Bytes after which nothing more is remembered.
const MAX_BYTES: usize = 400 << 20;

/// What an identifier means to the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Unknown,
    Declared,
    Type,
    Enumerator,
}

impl Meaning {
    /// Whether the parser takes both for the same.
    fn reads_as(self, other: Meaning) -> bool {
        let plain = |meaning| matches!(meaning, Meaning::Unknown | Meaning::Declared);
        self == other || plain(self) && plain(other)
    }
}

/// What a declaration did.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// It added a symbol with the tokens of that span.
    Add {
        name: WordId,
        kind: TypeKind,
        tokens: (u32, u32),
        size: u32,
        is_extern: bool,
        place: Place,
        at: Place,
    },
    /// It added an enumerator; an empty span is no value.
    Enumerator {
        name: WordId,
        value: (u32, u32),
        place: Place,
        at: Place,
    },
    /// It ended an enum without a name.
    EndEnum,
    /// It gave rise to a message.
    Message(Place, Box<str>),
}

/// What a stretch declares.
#[derive(Debug)]
pub(super) struct Parsed {
    /// What identifiers must mean; exactly that if the flag is set.
    pub(super) reads: Box<[(WordId, Meaning, bool)]>,
    pub(super) ops: Box<[Op]>,
    pub(super) pool: Box<[Packed]>,
    /// State of the parser at both ends.
    pub(super) state: (usize, u16),
}

impl Parsed {
    /// Whether it fits where identifiers mean that.
    pub(super) fn fits(&self, meaning: impl Fn(WordId) -> Meaning) -> bool {
        self.reads.iter().all(|(word, wanted, exactly)| {
            let found = meaning(*word);
            if *exactly {
                found == *wanted
            } else {
                found.reads_as(*wanted)
            }
        })
    }

    pub(super) fn tokens(&self, span: (u32, u32)) -> &[Packed] {
        self.pool
            .get(span.0 as usize..span.1 as usize)
            .unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.reads) + size_of_val(&*self.ops) + size_of_val(&*self.pool) + 200
    }
}

/// A stretch that is being read for the first time.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) stretch: u64,
    pub(super) state: (usize, u16),
    reads: Vec<(WordId, Meaning)>,
    ops: Vec<Op>,
    pool: Vec<Packed>,
}

impl Tape {
    pub(super) fn new(stretch: u64, state: (usize, u16)) -> Self {
        Tape {
            stretch,
            state,
            reads: Vec::new(),
            ops: Vec::new(),
            pool: Vec::new(),
        }
    }

    /// An identifier was read that the stretch had not read before.
    pub(super) fn read(&mut self, word: WordId, meaning: Meaning) {
        self.reads.push((word, meaning));
    }

    pub(super) fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Keeps tokens.
    pub(super) fn span(&mut self, tokens: &[Packed]) -> (u32, u32) {
        let bound = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let start = bound(self.pool.len());
        self.pool.extend_from_slice(tokens);
        (start, bound(self.pool.len()))
    }

    fn finish(self) -> Parsed {
        // A name that becomes a type or an enumerator must be as unknown as it was; of any other it does not matter.
        let added: HashSet<u32> = (self.ops.iter())
            .filter_map(|op| match op {
                Op::Add {
                    name,
                    kind: TypeKind::Typedef | TypeKind::EnumConstant,
                    ..
                }
                | Op::Enumerator { name, .. } => Some(name.0),
                _ => None,
            })
            .collect();
        Parsed {
            reads: (self.reads.iter())
                .map(|(word, meaning)| (*word, *meaning, added.contains(&word.0)))
                .collect(),
            ops: self.ops.into(),
            pool: self.pool.into(),
            state: self.state,
        }
    }
}

/// What is remembered under one vocabulary.
pub(super) struct Kept {
    identity: u64,
    pub(super) keywords: Keywords,
    rooms: Mutex<Vec<Room>>,
    parsed: RwLock<HashMap<u64, Arc<[Arc<Parsed>]>>>,
    bytes: Mutex<usize>,
}

impl Kept {
    pub(super) fn take_room(&self) -> Room {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.pop().unwrap_or_default()
    }

    pub(super) fn give_room(&self, mut used: Room) {
        used.names.clear();
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.push(used);
    }

    /// What a stretch may declare.
    pub(super) fn variants(&self, stretch: u64) -> Arc<[Arc<Parsed>]> {
        let parsed = self.parsed.read().unwrap_or_else(PoisonError::into_inner);
        parsed.get(&stretch).cloned().unwrap_or_default()
    }

    /// Whether a further variant may be kept beside these.
    pub(super) fn has_room(&self, variants: &[Arc<Parsed>]) -> bool {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        variants.len() < MAX_VARIANTS && *bytes < MAX_BYTES
    }

    pub(super) fn keep(&self, tape: Tape) {
        let stretch = tape.stretch;
        let found = Arc::new(tape.finish());
        let mut parsed = self.parsed.write().unwrap_or_else(PoisonError::into_inner);
        let variants = parsed.entry(stretch).or_default();
        let is_known =
            |known: &Arc<Parsed>| known.state == found.state && known.reads == found.reads;
        if variants.len() < MAX_VARIANTS && !variants.iter().any(is_known) {
            *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) += found.bytes();
            *variants = variants.iter().cloned().chain([found]).collect();
        }
    }
}

/// Remembers for all units of a session what stretches of tokens declare.
pub struct Memory {
    profile: Profile,
    kept: Mutex<Option<Arc<Kept>>>,
}

impl Memory {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Memory {
            profile,
            kept: Mutex::default(),
        }
    }

    /// The profile of all units.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What is remembered under a vocabulary; that of another one is forgotten.
    pub(super) fn under(&self, vocabulary: &dyn Vocabulary) -> Arc<Kept> {
        let identity = vocabulary.identity();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.as_ref().filter(|known| known.identity == identity) {
            return known.clone();
        }
        let new = Arc::new(Kept {
            identity,
            keywords: Keywords::new(&self.profile, |text| vocabulary.number(text)),
            rooms: Mutex::default(),
            parsed: RwLock::default(),
            bytes: Mutex::default(),
        });
        *kept = Some(new.clone());
        new
    }
}
