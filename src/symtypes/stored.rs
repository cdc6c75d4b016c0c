//! A type graph in the form in which one run keeps it for the next.
//!
//! Texts are stored with the names in them, so nothing is parsed again. The form is that of serde: whoever writes it picks
//! an encoding and guards it against damage; what does not fit together all the same is refused.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::graph::{Mention, Place, Stored};
use super::table::{Table, index};
use super::vocabulary::Vocabulary;
use super::{LocationId, Name, NameId, Record, TextId, TypeGraph, TypeKind, reference};

/// A type graph whose units are all listed.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredGraph {
    names: Strings,
    texts: Strings,
    starts: Vec<u32>,
    references: Vec<u32>,
    mention_starts: Vec<u32>,
    mentions: Vec<(u32, u32, u32)>,
    files: Strings,
    places: Vec<Place>,
    units: Vec<(String, Vec<StoredRecord>)>,
}

/// Strings one after the other.
#[derive(Debug, Serialize, Deserialize)]
struct Strings {
    bytes: String,
    lengths: Vec<u32>,
}

impl Strings {
    fn of(table: &Table) -> Strings {
        let (bytes, lengths) = table.contents();
        Strings {
            bytes: bytes.to_owned(),
            lengths,
        }
    }

    fn table(&self) -> Option<Table> {
        Table::restore(&self.bytes, &self.lengths)
    }
}

/// A record: its name less that of the record before it, its text, its place and one (or none, as 0), and `extern`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct StoredRecord(u32, u32, u32, bool);

impl TypeGraph {
    /// What another run can go on from; nothing for a graph that was read from a file, or if more than half of the texts
    /// are of units that are gone: a graph forgets none, and one that is stored for ever would grow for ever.
    #[must_use]
    pub fn stored(&self) -> Option<StoredGraph> {
        let words = &*self.words;
        let mut used = vec![false; words.texts.len()];
        let mut units = Vec::with_capacity(self.units.len());
        for (path, unit) in &self.units {
            let Stored::Listed(records) = &unit.0 else {
                return None;
            };
            for record in &**records {
                used[record.text.0 as usize] = true;
            }
            units.push((path.to_string(), deltas(records)));
        }
        if used.iter().filter(|used| **used).count() * 2 < used.len() {
            return None;
        }
        Some(StoredGraph {
            names: Strings::of(&words.names),
            texts: Strings::of(&words.texts),
            starts: words.starts.clone(),
            references: words.references.iter().map(|name| name.0).collect(),
            mention_starts: words.mention_starts.clone(),
            mentions: words
                .mentions
                .iter()
                .map(|mention| (mention.start, mention.end - mention.start, mention.name.0))
                .collect(),
            files: Strings::of(&self.files),
            places: self.places.clone(),
            units,
        })
    }

    /// The graph that was stored; nothing if its parts do not fit together.
    #[must_use]
    pub fn restore(stored: StoredGraph) -> Option<TypeGraph> {
        let mut words = Vocabulary::default();
        for (at, key) in stored.names.table()?.strings().enumerate() {
            let known = reference(key);
            let name = known.as_ref().map_or(
                Name {
                    kind: TypeKind::Symbol,
                    name: key,
                },
                super::TypeName::as_name,
            );
            if words.intern_name(name).index() != at {
                return None;
            }
        }
        words.texts = stored.texts.table()?;
        let names = words.names.len();
        let known = |name: u32| ((name as usize) < names).then_some(NameId(name));
        let fits = |starts: &[u32], end: usize| {
            let count = match words.texts.len() {
                0 => 0,
                texts => texts + 1,
            };
            starts.len() == count
                && starts.is_sorted()
                && starts.last().is_none_or(|&last| last as usize == end)
        };
        if !fits(&stored.starts, stored.references.len())
            || !fits(&stored.mention_starts, stored.mentions.len())
        {
            return None;
        }
        let references: Option<_> = stored.references.into_iter().map(known).collect();
        let mentions: Option<_> = stored
            .mentions
            .into_iter()
            .map(|(start, len, name)| {
                Some(Mention {
                    start,
                    end: start.checked_add(len)?,
                    name: known(name)?,
                })
            })
            .collect();
        words.starts = stored.starts;
        words.mention_starts = stored.mention_starts;
        words.references = references?;
        words.mentions = mentions?;
        let mut graph = TypeGraph::default();
        graph.words = Arc::new(words);
        graph.files = stored.files.table()?;
        let files = index(graph.files.len());
        if stored.places.iter().any(|place| place.file >= files) {
            return None;
        }
        graph.places = stored.places;
        graph.number_places();
        for (path, records) in stored.units {
            let records = graph.absolute(&records)?;
            let exports: Vec<NameId> = records
                .iter()
                .map(|record| record.name)
                .filter(|&name| graph.kind(name) == TypeKind::Symbol)
                .collect();
            graph.insert_unit(&path, Stored::Listed(records), exports);
        }
        Some(graph)
    }

    fn absolute(&self, records: &[StoredRecord]) -> Option<Arc<[Record]>> {
        let mut next = 0_u32;
        records
            .iter()
            .map(|&StoredRecord(delta, text, place, is_extern)| {
                let name = next.checked_add(delta)?;
                next = name.checked_add(1)?;
                let fits = (name as usize) < self.words.names.len()
                    && (text as usize) < self.words.texts.len()
                    && place as usize <= self.places.len();
                fits.then_some(Record {
                    name: NameId(name),
                    text: TextId(text),
                    is_extern,
                    location: place.checked_sub(1).map(LocationId),
                })
            })
            .collect()
    }
}

/// Records are sorted by name, so most differ from the one before by little.
fn deltas(records: &[Record]) -> Vec<StoredRecord> {
    let mut next = 0;
    records
        .iter()
        .map(|record| {
            let delta = record.name.0 - next;
            next = record.name.0 + 1;
            let place = record.location.map_or(0, |place| place.0 + 1);
            StoredRecord(delta, record.text.0, place, record.is_extern)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symtypes::{Definition, Location, TypeName};

    fn definition(kind: TypeKind, name: &str, text: &str, line: u32) -> Definition {
        Definition {
            name: TypeName {
                kind,
                name: name.to_owned(),
            },
            is_extern: line == 3,
            text: text.to_owned(),
            location: (line > 0).then(|| Location {
                file: "a.h".to_owned(),
                line,
            }),
        }
    }

    fn graph() -> TypeGraph {
        let mut graph = TypeGraph::default();
        let q = definition(TypeKind::Struct, "q", "struct q { t#n a ; }", 7);
        let n = definition(TypeKind::Typedef, "n", "typedef int n", 0);
        let f = definition(TypeKind::Symbol, "f", "int f ( s#q * , s#q * )", 3);
        graph.add_unit("d/f", &[q.clone(), n, f]);
        graph.add_unit("d/g", &[q, definition(TypeKind::Symbol, "g", "s#q g", 9)]);
        graph
    }

    /// A graph that was stored tells all that it told before, and takes further units.
    #[test]
    fn comes_back() {
        let graph = graph();
        let bytes = postcard::to_stdvec(&graph.stored().unwrap()).unwrap();
        let mut back = TypeGraph::restore(postcard::from_bytes(&bytes).unwrap()).unwrap();
        for symbol in ["f", "g"] {
            let ((unit, record), (unit_back, record_back)) = (
                graph.exporter(symbol).unwrap(),
                back.exporter(symbol).unwrap(),
            );
            assert_eq!(record, record_back);
            assert_eq!(graph.records(unit), back.records(unit_back));
            assert_eq!(graph.text(record.text), back.text(record.text));
            assert_eq!(graph.references(record.text), back.references(record.text));
            assert_eq!(
                record.location.map(|place| graph.location(place)),
                record.location.map(|place| back.location(place))
            );
        }
        back.add_unit("d/h", &[definition(TypeKind::Symbol, "h", "t#n h", 4)]);
        assert!(back.exporter("h").is_some());
    }

    /// A graph with more texts of units that are gone than of those that are there is not stored.
    #[test]
    fn garbage_is_not_stored() {
        let mut graph = graph();
        graph.remove_unit("d/f");
        assert!(graph.stored().is_some());
        graph.remove_unit("d/g");
        assert!(graph.stored().is_none());
    }

    /// Numbers that lead nowhere are refused.
    #[test]
    fn refuses_what_does_not_fit() {
        let spoil = |change: &dyn Fn(&mut StoredGraph)| {
            let mut stored = graph().stored().unwrap();
            change(&mut stored);
            TypeGraph::restore(stored).is_none()
        };
        assert!(!spoil(&|_| {}));
        assert!(spoil(&|stored| stored.references[0] = 99));
        assert!(spoil(&|stored| stored.mentions[0].2 = 99));
        assert!(spoil(&|stored| stored.places[0].file = 9));
        assert!(spoil(&|stored| stored.starts.truncate(1)));
        assert!(spoil(&|stored| stored.units[0].1[0].1 = 99));
        assert!(spoil(&|stored| stored.names.lengths[0] += 1));
    }
}
