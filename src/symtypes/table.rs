//! A set of byte strings, each stored once and known by a dense number.
//!
//! Contract: equal strings have equal numbers, numbers are given in the order of first mention, and nothing is ever
//! removed. Each string is hashed once, with a key of this process, and the hash is kept: two tables are compared
//! without hashing again. Cost: one probe and one comparison of bytes for each look-up.

use std::hash::BuildHasher as _;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

/// One key for all tables, so that the hash of one table is good for another.
static HASH: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// A slot that holds no number.
const EMPTY: u32 = u32::MAX;

/// A string in the arena.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
    hash: u64,
}

/// The set.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    arena: String,
    spans: Vec<Span>,
    /// Numbers at the place that their hash says, or behind it; a power of two of them, at most half of them taken.
    slots: Vec<u32>,
}

impl Table {
    /// Makes room for strings of that many bytes together.
    pub(super) fn expect(&mut self, bytes: usize) {
        self.arena.reserve(bytes);
    }

    /// The number of the string, and whether it is new.
    pub(super) fn intern(&mut self, text: &str) -> (u32, bool) {
        let hash = HASH.hash_one(text.as_bytes());
        if self.spans.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let at = match self.probe(hash, text) {
            Ok(number) => return (number, false),
            Err(at) => at,
        };
        let number = index(self.spans.len());
        self.spans.push(Span {
            start: index(self.arena.len()),
            len: index(text.len()),
            hash,
        });
        self.arena.push_str(text);
        self.slots[at] = number;
        (number, true)
    }

    /// The number of the string, if the set holds it.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        self.probe(HASH.hash_one(text.as_bytes()), text).ok()
    }

    /// The string behind a number.
    pub(super) fn get(&self, number: u32) -> &str {
        // INVARIANT: numbers are made by `intern` of the same table only.
        let span = self.spans[number as usize];
        &self.arena[span.start as usize..span.start as usize + span.len as usize]
    }

    /// The strings one after the other, and their lengths in bytes: what [`Table::restore`] takes.
    pub(super) fn contents(&self) -> (&str, Vec<u32>) {
        (
            &self.arena,
            self.spans.iter().map(|span| span.len).collect(),
        )
    }

    /// The set of these strings, in this order; `None` if the lengths do not fit, or a string stands twice.
    pub(super) fn restore(arena: &str, lengths: &[u32]) -> Option<Table> {
        let mut table = Table::default();
        table.arena.reserve(arena.len());
        table.spans.reserve(lengths.len());
        table.slots = vec![EMPTY; (lengths.len() * 2 + 1).next_power_of_two()];
        let mut rest = arena;
        for &len in lengths {
            let (text, after) = rest.split_at_checked(len as usize)?;
            if !table.intern(text).1 {
                return None;
            }
            rest = after;
        }
        rest.is_empty().then_some(table)
    }

    /// The strings in the order of their numbers.
    pub(super) fn strings(&self) -> impl Iterator<Item = &str> {
        (0..index(self.len())).map(|number| self.get(number))
    }

    /// How many strings there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// For each string of this set the number that `other` has for it.
    pub(super) fn numbers_in(&self, other: &Table) -> Vec<Option<u32>> {
        if other.slots.is_empty() {
            return vec![None; self.len()];
        }
        let numbers = 0..index(self.len());
        numbers
            .map(|number| {
                other
                    .probe(self.spans[number as usize].hash, self.get(number))
                    .ok()
            })
            .collect()
    }

    /// The number of the string, or the free slot where it belongs. At least half of the slots are free, so this ends.
    fn probe(&self, hash: u64, text: &str) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "only low bits are used")]
        let mut at = hash as usize & mask;
        loop {
            let number = self.slots[at];
            if number == EMPTY {
                return Err(at);
            }
            if self.spans[number as usize].hash == hash && self.get(number) == text {
                return Ok(number);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let len = (self.slots.len() * 2).max(64);
        let mask = len - 1;
        let mut slots = vec![EMPTY; len];
        for (number, span) in self.spans.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "only low bits are used")]
            let mut at = span.hash as usize & mask;
            while slots[at] != EMPTY {
                at = (at + 1) & mask;
            }
            slots[at] = index(number);
        }
        self.slots = slots;
    }
}

/// A length or count as the numbers of tables.
pub(super) fn index(len: usize) -> u32 {
    // INVARIANT: readers bound their input to 1 GiB each, and a graph is made of at most a few inputs; a kernel's
    // distinct texts have some 12 MB.
    u32::try_from(len).expect("a type graph holds less than 4 GiB of distinct text")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equal strings share a number, and a table of thousands finds each again and nothing else.
    #[test]
    fn strings_are_stored_once() {
        let (mut a, mut b) = (Table::default(), Table::default());
        for n in 0..5000 {
            assert_eq!(a.intern(&format!("t{n}")), (n, true));
            if n % 2 == 0 {
                b.intern(&format!("t{n}"));
            }
        }
        for n in 0..5000 {
            assert_eq!(a.intern(&format!("t{n}")), (n, false));
            assert_eq!(a.get(n), format!("t{n}"));
        }
        assert_eq!(a.find("t"), None);
        let numbers = a.numbers_in(&b);
        for n in 0..5000_u32 {
            assert_eq!(numbers[n as usize], (n % 2 == 0).then_some(n / 2));
        }
        assert_eq!(Table::default().find(""), None);
        assert_eq!(a.numbers_in(&Table::default()), vec![None; 5000]);
    }
}
