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
    /// In the order of the file, so by section.
    entries: Vec<Entry>,
    /// Where the entries of each section begin; one more than there are sections.
    starts: Vec<u32>,
    /// The entries that hold from their section on.
    held: Index,
    /// Those that hold in their section only.
    here: Index,
    /// The exports of each section: index of the section and the symbol, in the order of the file.
    exports: Vec<(u32, NameId)>,
    /// Whether the sections are sorted by path and each entry differs from what its section would see without it, so
    /// that they are what a writer would write.
    pub(super) canonical: bool,
}

/// Entries by name, and of one name by section.
#[derive(Clone, Debug, Default)]
struct Index {
    entries: Vec<u32>,
    /// The section of each entry, beside it: a search reads these and nothing else.
    sections: Vec<u32>,
    /// Where the entries of each name begin; one more than there are names.
    starts: Vec<u32>,
}

impl Index {
    /// A stable counting sort: the entries of one name stay in the order of their sections.
    fn new(all: &[Entry], names: usize, wanted: impl Fn(&Entry) -> bool) -> Index {
        let starts = starts(
            names,
            all.iter()
                .filter(|entry| wanted(entry))
                .map(|entry| entry.name.0),
        );
        let mut next = starts.clone();
        let count = starts.last().copied().unwrap_or_default() as usize;
        let (mut entries, mut sections) = (vec![0; count], vec![0; count]);
        for (at, entry) in (0_u32..).zip(all).filter(|(_, entry)| wanted(entry)) {
            let place = &mut next[entry.name.0 as usize];
            entries[*place as usize] = at;
            sections[*place as usize] = entry.section;
            *place += 1;
        }
        Index {
            entries,
            sections,
            starts,
        }
    }

    fn of(&self, name: NameId) -> &[u32] {
        &self.entries[self.range(name)]
    }

    fn range(&self, name: NameId) -> Range<usize> {
        let at = name.0 as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&from), Some(&to)) => from as usize..to as usize,
            // A name that was interned after the file was read.
            _ => 0..0,
        }
    }

    /// The entry of that section, if there is one.
    fn in_section(&self, name: NameId, section: u32) -> Option<u32> {
        let range = self.range(name);
        let at = self.sections[range.clone()].binary_search(&section).ok()?;
        Some(self.entries[range.start + at])
    }

    /// The last entry of that section or of one before it.
    fn up_to(&self, name: NameId, section: u32) -> Option<u32> {
        let range = self.range(name);
        let behind = self.sections[range.clone()].partition_point(|&other| other <= section);
        Some(self.entries[range.start + behind.checked_sub(1)?])
    }
}

impl Sections {
    /// Sorts the entries of a file, which are given in its order; `exports` likewise.
    pub(super) fn new(
        entries: Vec<Entry>,
        names: usize,
        sections: usize,
        exports: Vec<(u32, NameId)>,
        canonical: bool,
    ) -> Sections {
        Sections {
            starts: starts(sections, entries.iter().map(|entry| entry.section)),
            held: Index::new(&entries, names, |entry| !entry.only_here),
            here: Index::new(&entries, names, |entry| entry.only_here),
            entries,
            exports,
            canonical,
        }
    }

    /// What a section sees under a name. A symbol is seen in its own section only.
    pub(super) fn find(&self, section: u32, name: NameId, is_symbol: bool) -> Option<Record> {
        let here = self.here.in_section(name, section);
        let at = here.or_else(|| self.held.up_to(name, section))?;
        let seen = &self.entries[at as usize];
        (!is_symbol || seen.section == section).then_some(Record {
            name,
            text: seen.text,
            is_extern: seen.is_extern,
            location: None,
        })
    }

    /// The definitions that stand in a section.
    pub(super) fn written(&self, section: u32) -> &[Entry] {
        let at = section as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&from), Some(&to)) => &self.entries[from as usize..to as usize],
            _ => &[],
        }
    }

    /// All definitions, in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The definitions of a name: those that hold onward by section, then those that do not.
    pub(super) fn history(&self, name: NameId) -> impl Iterator<Item = &Entry> {
        let (held, here) = (self.held.of(name), self.here.of(name));
        held.iter()
            .chain(here)
            .map(|&at| &self.entries[at as usize])
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
