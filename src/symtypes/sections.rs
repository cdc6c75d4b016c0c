//! What the units of one file see, without a list of records for each of them.
//!
//! A file writes a definition where it first differs from the one before it. So what section `n` sees under a name is
//! what the last section up to `n` wrote, unless `n` marks the type as opaque. Both are found by a search in the short
//! list of sections that mention the name.

use std::ops::Range;

use super::graph::Record;
use super::{NameId, TextId};

/// A definition that holds from a section on, until another one of its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) section: u32,
    pub(super) name: NameId,
    pub(super) text: TextId,
    pub(super) is_extern: bool,
    /// Whether it holds in its own section only.
    pub(super) only_here: bool,
}

/// The definitions of all sections of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Sections {
    /// The names that sections define, in the order of the file.
    names: Vec<NameId>,
    /// Where the names of each section begin; one more than there are sections.
    starts: Vec<u32>,
    index: Index,
    /// The exports of each section: index of the section and the symbol, in the order of the file.
    exports: Vec<(u32, NameId)>,
    /// Whether the sections are sorted by path and each entry differs from what its section would see without it, so
    /// that they are what a writer would write.
    pub(super) canonical: bool,
}

/// Definitions by name; of one name those that hold onward by section, then those that do not. A look-up reads one
/// start and the few definitions behind it.
#[derive(Clone, Debug, Default)]
struct Index {
    definitions: Vec<Definition>,
    /// Where the definitions of each name begin; one more than there are names.
    starts: Vec<Start>,
}

#[derive(Clone, Copy, Debug)]
struct Definition {
    section: u32,
    text: TextId,
    is_extern: bool,
}

/// Where the definitions of a name begin that hold from their section on, and those that hold in it only.
#[derive(Clone, Copy, Debug, Default)]
struct Start {
    held: u32,
    here: u32,
}

impl Index {
    /// A stable counting sort: the entries of one name stay in the order of their sections.
    fn new(entries: &[Entry], names: usize) -> Index {
        let mut counts = vec![Start::default(); names + 1];
        for entry in entries {
            let count = &mut counts[entry.name.index()];
            match entry.only_here {
                true => count.here += 1,
                false => count.held += 1,
            }
        }
        let mut next = 0;
        for count in &mut counts {
            let (held, here) = (count.held, count.here);
            *count = Start {
                held: next,
                here: next + held,
            };
            next += held + here;
        }
        let starts = counts.clone();
        let nothing = Definition {
            section: 0,
            text: TextId(0),
            is_extern: false,
        };
        let mut definitions = vec![nothing; entries.len()];
        for entry in entries {
            let place = &mut counts[entry.name.index()];
            let place = match entry.only_here {
                true => &mut place.here,
                false => &mut place.held,
            };
            definitions[*place as usize] = Definition {
                section: entry.section,
                text: entry.text,
                is_extern: entry.is_extern,
            };
            *place += 1;
        }
        Index {
            definitions,
            starts,
        }
    }

    /// The definitions of a name that hold onward, and those that do not.
    fn of(&self, name: NameId) -> (&[Definition], &[Definition]) {
        let at = name.index();
        let (Some(from), Some(to)) = (self.starts.get(at), self.starts.get(at + 1)) else {
            // A name that was interned after the file was read.
            return (&[], &[]);
        };
        let range = |from: u32, to: u32| from as usize..to as usize;
        (
            &self.definitions[range(from.held, from.here)],
            &self.definitions[range(from.here, to.held)],
        )
    }

    /// The definition of a name that a section sees.
    fn seen(&self, section: u32, name: NameId) -> Option<&Definition> {
        let (held, here) = self.of(name);
        if let Ok(at) = here.binary_search_by_key(&section, |one| one.section) {
            return here.get(at);
        }
        let behind = held.partition_point(|one| one.section <= section);
        held.get(behind.checked_sub(1)?)
    }
}

impl Sections {
    /// Sorts the entries of a file, which are given in its order; `exports` likewise.
    pub(super) fn new(
        entries: &[Entry],
        names: usize,
        sections: usize,
        exports: Vec<(u32, NameId)>,
        canonical: bool,
    ) -> Sections {
        Sections {
            starts: starts(sections, entries.iter().map(|entry| entry.section)),
            names: entries.iter().map(|entry| entry.name).collect(),
            index: Index::new(entries, names),
            exports,
            canonical,
        }
    }

    /// What a section sees under a name. A symbol is seen in its own section only.
    pub(super) fn find(&self, section: u32, name: NameId, is_symbol: bool) -> Option<Record> {
        let seen = self.index.seen(section, name)?;
        (!is_symbol || seen.section == section).then_some(Record {
            name,
            text: seen.text,
            is_extern: seen.is_extern,
            location: None,
        })
    }

    /// The definitions that stand in a section.
    pub(super) fn written(&self, section: u32) -> impl Iterator<Item = Record> {
        let at = section as usize;
        let range: Range<usize> = match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&from), Some(&to)) => from as usize..to as usize,
            _ => 0..0,
        };
        let names = self.names[range].iter();
        names.filter_map(move |&name| self.find(section, name, true))
    }

    /// Every name with the texts of its definitions.
    pub(super) fn definitions(&self) -> impl Iterator<Item = (NameId, TextId)> {
        (0..)
            .map(NameId)
            .zip(self.index.starts.windows(2))
            .flat_map(|(name, starts)| {
                let range = starts[0].held as usize..starts[1].held as usize;
                let definitions = self.index.definitions[range].iter();
                definitions.map(move |one| (name, one.text))
            })
    }

    /// The definitions of a name, as the number of the section, the text, and whether it holds there only: those that
    /// hold onward by section, then those that do not.
    pub(super) fn history(&self, name: NameId) -> impl Iterator<Item = (u32, TextId, bool)> {
        let (held, here) = self.index.of(name);
        let held = held.iter().map(|one| (one.section, one.text, false));
        held.chain(here.iter().map(|one| (one.section, one.text, true)))
    }

    /// The symbols that a section exports.
    pub(super) fn exports(&self, section: u32) -> impl Iterator<Item = NameId> {
        let from = self.exports.partition_point(|&(other, _)| other < section);
        self.exports[from..]
            .iter()
            .take_while(move |(other, _)| *other == section)
            .map(|&(_, name)| name)
    }

    /// How many sections there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }
}

/// Where each number's part of a sorted list begins, with the length of the list at the end.
fn starts(count: usize, numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut starts = vec![0_u32; count + 1];
    for number in numbers {
        starts[number as usize + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    starts
}
