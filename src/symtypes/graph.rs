//! The interned definitions of all units of a kernel.
//!
//! Names and texts are stored once each and known by numbers. A unit is stored in one of two ways:
//!
//! * *listed*: its records, as a snapshot computes them unit by unit;
//! * as a *section* of a file: what it sees is found through the definitions of all sections before it
//!   ([`Sections`]), so that a kernel of 3,000 units takes the memory of its file and not of 3,000 closures.
//!
//! Two graphs are compared through [`TypeGraph::translate`], which maps names and texts of one to equal ones of the
//! other, once per distinct text. Where one was read beside the other their numbers are the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::sections::Sections;
use super::table::{Table, index};
use super::vocabulary::Vocabulary;
use super::{Definition, Location, Name, TypeKind, TypeName};

/// Number of a record name in its [`TypeGraph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(pub(super) u32);

impl NameId {
    /// The number, below [`TypeGraph::name_count`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Number of a definition text in its [`TypeGraph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId(pub(super) u32);

/// Number of a place in its [`TypeGraph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocationId(pub(super) u32);

/// A place by the number of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) file: u32,
    pub(super) line: u32,
}

/// One definition as a unit sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What is defined.
    pub name: NameId,
    /// Its text.
    pub text: TextId,
    /// Whether the record carries the word `extern`.
    pub is_extern: bool,
    /// Where it was read, if known.
    pub location: Option<LocationId>,
}

/// A name in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mention {
    /// Where the token begins and ends, in bytes.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) name: NameId,
}

/// The definitions of one unit; clones share their storage. [`TypeGraph::record`] and [`TypeGraph::records`] tell them.
#[derive(Clone, Debug)]
pub struct UnitTypes(pub(super) Stored);

#[derive(Clone, Debug)]
pub(super) enum Stored {
    /// Sorted by name id, each name once.
    Listed(Arc<[Record]>),
    /// Number of a section.
    Section(u32),
}

/// The definitions of all units of a kernel, interned.
#[derive(Clone, Debug, Default)]
pub struct TypeGraph {
    /// Names and texts; graphs that were read one beside the other share them.
    pub(super) words: Arc<Vocabulary>,
    pub(super) files: Table,
    pub(super) places: Vec<Place>,
    pub(super) place_ids: HashMap<Place, LocationId, RandomState>,
    pub(super) units: BTreeMap<Arc<str>, UnitTypes>,
    /// The units that export a symbol, by path. Only looked up, or put into order.
    exporters: HashMap<NameId, Vec<(Arc<str>, UnitTypes)>, RandomState>,
    pub(super) sections: Sections,
}

impl TypeGraph {
    /// Adds a unit under the path of its symtypes file without the suffix, such as `net/core/skbuff`.
    ///
    /// The records of symbols are taken as the unit's exports. A name that stands twice keeps its first text, as in
    /// genksyms. Adding a path again replaces the unit.
    pub fn add_unit(&mut self, path: &str, definitions: &[Definition]) {
        let mut records: Vec<Record> = definitions
            .iter()
            .map(|definition| Record {
                name: self.intern_name(definition.name.as_name()),
                text: self.intern_text(&definition.text),
                is_extern: definition.is_extern,
                location: definition
                    .location
                    .as_ref()
                    .map(|location| self.intern_location(location)),
            })
            .collect();
        records.sort_by_key(|record| record.name);
        records.dedup_by_key(|record| record.name);
        let exports: Vec<NameId> = records
            .iter()
            .map(|record| record.name)
            .filter(|&name| self.kind(name) == TypeKind::Symbol)
            .collect();
        self.insert_unit(path, Stored::Listed(records.into()), exports);
    }

    /// Puts a unit in; `exports` are its symbols.
    pub(super) fn insert_unit(
        &mut self,
        path: &str,
        stored: Stored,
        exports: impl IntoIterator<Item = NameId>,
    ) {
        self.remove_unit(path);
        let path: Arc<str> = Arc::from(path);
        let unit = UnitTypes(stored);
        for name in exports {
            let units = self.exporters.entry(name).or_default();
            if let Err(at) = units.binary_search_by(|(other, _)| other.cmp(&path)) {
                units.insert(at, (Arc::clone(&path), unit.clone()));
            }
        }
        self.units.insert(path, unit);
    }

    /// Takes a unit out; its texts stay interned.
    pub fn remove_unit(&mut self, path: &str) {
        let Some(unit) = self.units.remove(path) else {
            return;
        };
        for record in self.records(&unit) {
            if let Some(units) = self.exporters.get_mut(&record.name) {
                units.retain(|(other, _)| &**other != path);
            }
        }
    }

    pub(super) fn intern_name(&mut self, name: Name<'_>) -> NameId {
        Arc::make_mut(&mut self.words).intern_name(name)
    }

    pub(super) fn intern_text(&mut self, text: &str) -> TextId {
        Arc::make_mut(&mut self.words).intern_text(text)
    }

    /// Makes room for the texts of a file of that many bytes, unless there are texts already.
    pub(super) fn expect(&mut self, bytes: usize) {
        if self.text_count() == 0 {
            Arc::make_mut(&mut self.words).expect(bytes);
        }
    }

    fn intern_location(&mut self, location: &Location) -> LocationId {
        let (file, _) = self.files.intern(&location.file);
        let place = Place {
            file,
            line: location.line,
        };
        *self.place_ids.entry(place).or_insert_with(|| {
            self.places.push(place);
            LocationId(index(self.places.len() - 1))
        })
    }

    /// Tells the places of definitions anew: `line` gives the new line of a definition in one of `files`, or nothing if it
    /// stays.
    pub fn move_lines(&mut self, files: &BTreeSet<&str>, line: impl Fn(&Location) -> Option<u32>) {
        let moving: HashSet<u32> = files
            .iter()
            .filter_map(|file| self.files.find(file))
            .collect();
        for at in 0..self.places.len() {
            let place = self.places[at];
            if moving.contains(&place.file)
                && let Some(line) = line(&self.located(place))
            {
                self.places[at].line = line;
            }
        }
        self.number_places();
    }

    /// Finds the number of each place; of equal places the last one's.
    pub(super) fn number_places(&mut self) {
        self.place_ids = self
            .places
            .iter()
            .copied()
            .zip((0_u32..).map(LocationId))
            .collect();
    }

    fn located(&self, place: Place) -> Location {
        Location {
            file: self.files.get(place.file).to_owned(),
            line: place.line,
        }
    }

    /// The units by path.
    pub fn units(&self) -> impl ExactSizeIterator<Item = (&str, &UnitTypes)> {
        self.units.iter().map(|(path, unit)| (&**path, unit))
    }

    /// The unit of that path.
    #[must_use]
    pub fn unit(&self, path: &str) -> Option<&UnitTypes> {
        self.units.get(path)
    }

    /// Whether no unit is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The symbols that units export, in the order of their numbers.
    pub fn exports(&self) -> impl Iterator<Item = &str> {
        let exporters = self.exporters.iter();
        let mut names: Vec<NameId> = exporters
            .filter(|(_, units)| !units.is_empty())
            .map(|(name, _)| *name)
            .collect();
        names.sort_unstable();
        names.into_iter().map(|name| self.words.names.get(name.0))
    }

    /// The unit that exports the symbol and the symbol's record in it. Of several units the first one by path counts.
    #[must_use]
    pub fn exporter(&self, symbol: &str) -> Option<(&UnitTypes, Record)> {
        let (_, unit, record) = self.exporter_with_path(symbol)?;
        Some((unit, record))
    }

    /// As [`TypeGraph::exporter`], with the path of the unit in front.
    #[must_use]
    pub fn exporter_with_path(&self, symbol: &str) -> Option<(&str, &UnitTypes, Record)> {
        let id = self.id_of(Name {
            kind: TypeKind::Symbol,
            name: symbol,
        })?;
        let (path, unit) = self.exporters.get(&id)?.first()?;
        Some((path, unit, self.record(unit, id)?))
    }

    /// What a unit sees under a name: its own record, or for a section of a file what the file's grammar says.
    #[must_use]
    pub fn record(&self, unit: &UnitTypes, name: NameId) -> Option<Record> {
        match &unit.0 {
            Stored::Listed(records) => records
                .binary_search_by_key(&name, |record| record.name)
                .ok()
                .and_then(|at| records.get(at))
                .copied(),
            Stored::Section(section) => {
                self.sections
                    .find(*section, name, self.kind(name) == TypeKind::Symbol)
            }
        }
    }

    /// All records of a unit, by name id: those listed, or what the exports of a section reach.
    #[must_use]
    pub fn records(&self, unit: &UnitTypes) -> Vec<Record> {
        let section = match &unit.0 {
            Stored::Listed(records) => return records.to_vec(),
            Stored::Section(section) => *section,
        };
        let mut met = vec![false; self.name_count()];
        let mut open: Vec<NameId> = self.sections.exports(section).collect();
        let mut records = Vec::new();
        while let Some(name) = open.pop() {
            if std::mem::replace(&mut met[name.0 as usize], true) {
                continue;
            }
            if let Some(record) = self.record(unit, name) {
                records.push(record);
                open.extend(
                    self.references(record.text)
                        .iter()
                        .filter(|name| !met[name.0 as usize]),
                );
            }
        }
        records.sort_by_key(|record| record.name);
        records
    }

    /// The name behind a number.
    #[must_use]
    pub fn name(&self, id: NameId) -> Name<'_> {
        let kind = self.kind(id);
        let key = self.words.names.get(id.0);
        let name = match kind.tag() {
            Some(_) => key.get(2..).unwrap_or_default(),
            None => key,
        };
        Name { kind, name }
    }

    /// What kind of thing a name is.
    #[must_use]
    pub fn kind(&self, id: NameId) -> TypeKind {
        self.words.kind(id)
    }

    /// The bytes that names are ordered by: `s#sk_buff`, `netif_rx`.
    #[must_use]
    pub fn key(&self, id: NameId) -> &str {
        self.words.names.get(id.0)
    }

    /// All names by id.
    pub fn names(&self) -> impl Iterator<Item = NameId> {
        (0..index(self.words.names.len())).map(NameId)
    }

    /// How many names there are; ids are below it.
    #[must_use]
    pub fn name_count(&self) -> usize {
        self.words.names.len()
    }

    /// The number of a name, if any definition or reference mentions it.
    #[must_use]
    pub fn name_id(&self, name: &TypeName) -> Option<NameId> {
        self.id_of(name.as_name())
    }

    pub(super) fn id_of(&self, name: Name<'_>) -> Option<NameId> {
        self.words.id_of(name)
    }

    /// The text behind a number.
    #[must_use]
    pub fn text(&self, id: TextId) -> &str {
        self.words.texts.get(id.0)
    }

    /// The place behind a number.
    #[must_use]
    pub fn location(&self, id: LocationId) -> Location {
        // INVARIANT: ids are made by `intern_location` of the same graph only and places are never removed.
        self.located(self.places[id.0 as usize])
    }

    /// The names that a text refers to, each once, in the order of the text.
    #[must_use]
    pub fn references(&self, id: TextId) -> &[NameId] {
        self.words.references(id)
    }

    /// The names in a text with their places, as often as they stand there.
    pub(super) fn mentions(&self, id: TextId) -> &[Mention] {
        self.words.mentions(id)
    }

    /// Every text that some unit sees under some name; a pair can come more than once.
    pub fn definitions(&self) -> impl Iterator<Item = (NameId, TextId)> {
        let listed = self.units.values().flat_map(|unit| match &unit.0 {
            Stored::Listed(records) => &records[..],
            Stored::Section(_) => &[],
        });
        listed
            .map(|record| (record.name, record.text))
            .chain(self.sections.definitions())
    }

    /// Whether all units are sections of one file.
    #[must_use]
    pub fn is_of_one_file(&self) -> bool {
        self.sections.len() == self.units.len()
            && self
                .units
                .values()
                .all(|unit| matches!(unit.0, Stored::Section(_)))
    }

    /// The paths of the units in the order of the file that they are sections of; see [`TypeGraph::is_of_one_file`].
    #[must_use]
    pub fn section_paths(&self) -> Vec<&str> {
        let mut paths: Vec<(u32, &str)> = self
            .units
            .iter()
            .filter_map(|(path, unit)| match unit.0 {
                Stored::Section(section) => Some((section, &**path)),
                Stored::Listed(_) => None,
            })
            .collect();
        paths.sort_unstable();
        paths.into_iter().map(|(_, path)| path).collect()
    }

    /// What the sections of a file write under a name: the number of the section, the text, and whether it holds there
    /// only. By section, those that hold onward first.
    pub fn history(&self, name: NameId) -> impl Iterator<Item = (u32, TextId, bool)> {
        self.sections.history(name)
    }

    /// How many distinct texts the graph holds; ids are below it.
    #[must_use]
    pub fn text_count(&self) -> usize {
        self.words.texts.len()
    }

    /// Whether the texts are those of gendwarfksyms, whose words and CRCs are not comparable with genksyms'.
    #[must_use]
    pub fn is_dwarf(&self) -> bool {
        const WORDS: [&str; 5] = [
            "structure_type",
            "union_type",
            "enumeration_type",
            "base_type",
            "subprogram",
        ];
        let is_dwarf = |&(_, text): &(NameId, TextId)| {
            let first = self.text(text).split(' ').next().unwrap_or_default();
            WORDS.contains(&first)
        };
        // Not the vocabulary, which another graph may share. One program wrote all of them, and a struct shows which.
        let mut definitions = self.definitions();
        match definitions.find(|&(name, _)| self.kind(name) == TypeKind::Struct) {
            Some(of_struct) => is_dwarf(&of_struct),
            None => self.definitions().any(|one| is_dwarf(&one)),
        }
    }

    /// Maps numbers of this graph to those of `other`.
    #[must_use]
    pub fn translate(&self, other: &TypeGraph) -> Translation {
        let (mine, theirs) = (&self.words, &other.words);
        let maps = (!Arc::ptr_eq(mine, theirs)).then(|| Maps {
            names: mine.names.numbers_in(&theirs.names),
            texts: mine.texts.numbers_in(&theirs.texts),
        });
        Translation { maps }
    }

    /// Reads something else with the names and texts of this graph, which then are those of both: `read` gets a graph
    /// without units that holds them, and `types` shows the graph that came of it.
    ///
    /// # Errors
    /// What `read` fails with.
    pub fn beside<T, E>(
        mut self,
        read: impl FnOnce(TypeGraph) -> Result<T, E>,
        types: impl FnOnce(&T) -> &TypeGraph,
    ) -> Result<(TypeGraph, T), E> {
        // Whoever adds to a vocabulary that others hold gets a copy of it, so it moves.
        let other = read(std::mem::take(&mut self.words).into())?;
        self.words = Arc::clone(&types(&other).words);
        Ok((self, other))
    }

    /// A graph without units that holds the names and texts of this one.
    #[must_use]
    pub fn emptied(self) -> TypeGraph {
        self.words.into()
    }
}

impl From<Arc<Vocabulary>> for TypeGraph {
    fn from(words: Arc<Vocabulary>) -> TypeGraph {
        TypeGraph {
            words,
            ..TypeGraph::default()
        }
    }
}

/// Maps numbers of one graph to the numbers that another graph has for equal names and texts.
#[derive(Clone, Debug)]
pub struct Translation {
    /// None where both graphs share their numbers.
    maps: Option<Maps>,
}

#[derive(Clone, Debug)]
struct Maps {
    names: Vec<Option<u32>>,
    texts: Vec<Option<u32>>,
}

impl Translation {
    /// The other graph's number of that name, if it knows the name.
    #[must_use]
    pub fn name(&self, id: NameId) -> Option<NameId> {
        match &self.maps {
            None => Some(id),
            Some(maps) => maps.names.get(id.0 as usize).copied().flatten().map(NameId),
        }
    }

    /// The other graph's number of that text, if it holds an equal one.
    #[must_use]
    pub fn text(&self, id: TextId) -> Option<TextId> {
        match &self.maps {
            None => Some(id),
            Some(maps) => maps.texts.get(id.0 as usize).copied().flatten().map(TextId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symtypes::reference;

    fn definition(name: &str, text: &str) -> Definition {
        let name = reference(name).unwrap_or_else(|| TypeName {
            kind: TypeKind::Symbol,
            name: name.to_owned(),
        });
        Definition {
            name,
            is_extern: false,
            text: text.to_owned(),
            location: None,
        }
    }

    /// Two units share the storage of equal texts and keep apart the texts of one name.
    #[test]
    fn units_share_equal_texts_and_keep_different_ones() {
        let mut graph = TypeGraph::default();
        let open = definition("s#q", "struct q { int a ; }");
        let opaque = definition("s#q", "struct q { UNKNOWN }");
        graph.add_unit("a", &[open.clone(), definition("f", "int f ( s#q * )")]);
        graph.add_unit("b", &[open, definition("g", "int g ( s#q * )")]);
        graph.add_unit("c", &[opaque, definition("h", "int h ( s#q * )")]);
        assert_eq!(graph.text_count(), 5);
        let text_of = |symbol: &str| {
            let (unit, export) = graph.exporter(symbol).unwrap();
            let &[q] = graph.references(export.text) else {
                panic!("one reference")
            };
            graph.text(graph.record(unit, q).unwrap().text)
        };
        assert_eq!(text_of("f"), "struct q { int a ; }");
        assert_eq!(text_of("g"), text_of("f"));
        assert_eq!(text_of("h"), "struct q { UNKNOWN }");
        graph.remove_unit("c");
        assert!(graph.exporter("h").is_none());
        assert_eq!(graph.exports().count(), 2);
    }

    /// A translation finds equal texts and names and nothing else.
    #[test]
    fn translation_maps_equal_entries() {
        let (mut a, mut b) = (TypeGraph::default(), TypeGraph::default());
        a.add_unit(
            "u",
            &[
                definition("s#q", "struct q { int a ; }"),
                definition("f", "int f ( s#q * )"),
            ],
        );
        b.add_unit(
            "u",
            &[
                definition("f", "int f ( s#q * )"),
                definition("s#q", "struct q { long a ; }"),
            ],
        );
        let map = a.translate(&b);
        let (_, export) = a.exporter("f").unwrap();
        assert_eq!(b.text(map.text(export.text).unwrap()), "int f ( s#q * )");
        let q = a.references(export.text)[0];
        assert_eq!(b.name(map.name(q).unwrap()).name, "q");
        let (unit, _) = a.exporter("f").unwrap();
        assert_eq!(map.text(a.record(unit, q).unwrap().text), None);
    }
}
