//! Collects the records of a file's sections and hands back the graph.

use std::collections::HashSet;

use super::consolidated::opaque_text;
use super::graph::Stored;
use super::line::single_blanks;
use super::sections::{Entry, Sections};
use super::table::index;
use super::{Name, NameId, SymtypesError, TextId, TypeGraph, TypeKind, is_opaque};
use crate::symvers::Problems;

/// What holds under a name from an earlier section on.
#[derive(Clone, Copy)]
struct Last {
    text: TextId,
    is_extern: bool,
}

/// A graph in the making. Sections are opened, filled and closed in the order of the file.
#[derive(Default)]
pub(super) struct Collector {
    pub(super) graph: TypeGraph,
    pub(super) problems: Problems,
    last: Vec<Option<Last>>,
    entries: Vec<Entry>,
    exports: Vec<(u32, NameId)>,
    /// The section that a name stands in, as its number and one, and the line; for one name a section.
    own: Vec<(u32, u32)>,
    paths: Vec<String>,
    met: HashSet<String>,
    open: bool,
    /// Texts that stand in the open section, with their lines.
    fresh: Vec<(TextId, u32)>,
    /// Whether every definition of a section stands in it, as in a file for each unit.
    complete: bool,
    /// Whether the reader looks after references itself.
    pub(super) checked: bool,
    /// Whether a writer would put it otherwise.
    rewritten: bool,
}

/// Records that room is made for before they are read; kernels have 400,000.
const MOST_EXPECTED: usize = 1 << 20;

/// How a definition is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// For this section and those behind it.
    Onward,
    /// For this section.
    Here,
}

impl Collector {
    /// Fills `graph`, which has no units.
    pub(super) fn new(graph: TypeGraph) -> Self {
        Collector {
            graph,
            ..Collector::default()
        }
    }

    /// Makes room for the records of a file of that many lines.
    pub(super) fn expect(&mut self, lines: usize) {
        // A record takes many times the room of an empty line, so a file of line ends alone gets no more.
        self.entries.reserve(lines.min(MOST_EXPECTED));
    }

    /// As [`Collector::new`], for files that hold every definition of their unit.
    pub(super) fn of_objects(graph: TypeGraph) -> Self {
        Collector {
            complete: true,
            ..Collector::new(graph)
        }
    }

    /// Begins the section of a unit.
    pub(super) fn open(&mut self, path: &str, line: usize) {
        self.close();
        self.open = true;
        if !self.met.insert(path.to_owned()) {
            self.problems.push(
                line,
                format!("second section of {path}; expected one section per file"),
            );
        }
        self.paths.push(path.to_owned());
    }

    /// Makes room for the names that came since.
    fn widen(&mut self) {
        let names = self.graph.name_count();
        if self.own.len() < names {
            self.last.resize(names, None);
            self.own.resize(names, (0, 0));
        }
    }

    fn section(&self) -> u32 {
        index(self.paths.len()).wrapping_sub(1)
    }

    /// Adds a record with its text.
    pub(super) fn record(
        &mut self,
        name: Name<'_>,
        text: &str,
        is_extern: bool,
        scope: Scope,
        line: usize,
    ) {
        let id = self.graph.intern_name(name);
        let text = self.graph.intern_text(&single_blanks(text));
        self.known(id, text, is_extern, scope, line);
    }

    /// The name and the text of a type that is only declared.
    pub(super) fn opaque(&mut self, name: Name<'_>) -> (NameId, TextId) {
        let text = opaque_text(name).unwrap_or_default();
        (self.graph.intern_name(name), self.graph.intern_text(&text))
    }

    /// Adds a record whose name and text are interned.
    pub(super) fn known(
        &mut self,
        id: NameId,
        text: TextId,
        is_extern: bool,
        scope: Scope,
        line: usize,
    ) {
        self.widen();
        if !self.open {
            return self.problems.push(
                line,
                "record before the first section; expected `/* path.symtypes */`",
            );
        }
        let section = self.section();
        if self.is_second(id, line) {
            return;
        }
        self.fresh.push((text, index(line)));
        let symbol = self.graph.kind(id) == TypeKind::Symbol;
        if symbol {
            self.exports.push((section, id));
        }
        let last = &mut self.last[id.0 as usize];
        let same = last.is_some_and(|last| last.text == text && last.is_extern == is_extern);
        if same && scope == Scope::Onward && !symbol {
            return;
        }
        if scope == Scope::Onward && !symbol {
            *last = Some(Last { text, is_extern });
            // A writer marks such a type in each section instead.
            let graph = &self.graph;
            self.rewritten |= is_opaque(graph.text(text))
                && !is_extern
                && opaque_text(graph.name(id)).as_deref() == Some(graph.text(text));
        }
        self.entries.push(Entry {
            section,
            name: id,
            text,
            is_extern,
            only_here: scope == Scope::Here,
        });
    }

    /// Adds a name that stands for the definition before it.
    pub(super) fn bare(&mut self, name: Name<'_>, line: usize) {
        let id = self.graph.intern_name(name);
        self.widen();
        if !self.is_second(id, line) && self.last[id.0 as usize].is_none() {
            self.problems.push(
                line,
                format!("{name} stands for a definition before it, and there is none"),
            );
        }
    }

    /// Tells a name that stands twice in a section.
    fn is_second(&mut self, id: NameId, line: usize) -> bool {
        let section = self.section().wrapping_add(1);
        let own = &mut self.own[id.0 as usize];
        if own.0 == section {
            let first = own.1;
            let name = self.graph.name(id);
            self.problems.push(
                line,
                format!("second record of {name}; the first stands in line {first}"),
            );
            return true;
        }
        *own = (section, index(line));
        false
    }

    /// Ends a section: what its definitions refer to must be known by then. What holds from before has been looked at
    /// in its own section.
    pub(super) fn close(&mut self) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.widen();
        if self.checked {
            return self.fresh.clear();
        }
        let section = self.section().wrapping_add(1);
        for (text, line) in std::mem::take(&mut self.fresh) {
            for &name in self.graph.references(text) {
                let at = name.0 as usize;
                let known =
                    self.own[at].0 == section || (!self.complete && self.last[at].is_some());
                if !known {
                    let path = self.paths.last().map_or("", String::as_str);
                    let name = self.graph.name(name);
                    self.problems.push(
                        line as usize,
                        format!("section {path}: type {name} is not known"),
                    );
                }
            }
        }
    }

    /// The graph, or what is wrong with the file.
    /// # Errors
    /// If there is any problem.
    pub(super) fn finish(mut self, name: &str) -> Result<TypeGraph, SymtypesError> {
        self.close();
        if !self.problems.is_empty() {
            return Err(SymtypesError::Invalid {
                name: name.to_owned(),
                problems: self.problems,
            });
        }
        let canonical = self.paths.is_sorted() && !self.rewritten;
        let mut graph = self.graph;
        graph.sections = Sections::new(
            &self.entries,
            graph.name_count(),
            self.paths.len(),
            self.exports,
            canonical,
        );
        for (section, path) in (0_u32..).zip(&self.paths) {
            let exports: Vec<NameId> = graph.sections.exports(section).collect();
            graph.insert_unit(path, Stored::Section(section), exports);
        }
        Ok(graph)
    }
}
