//! The definitions that caused a changed CRC.
//!
//! For a changed export the reference graph of its own unit is searched breadth first on both sides at once. All
//! definitions passed on the way have equal text, hence equal references, so the layers of both sides agree; the first
//! layer that holds a definition with different text is the cause of the change. A symbol is so attributed once, to
//! what is nearest to it, however many other changed definitions it reaches behind that.
//!
//! Guarantees: each name is met once for each export, so cycles end and nothing recurses; names of one layer are taken
//! in bytewise order, so the path to a cause is the first of the shortest ones. Worked example: `f ( s#a * , s#b * )`
//! where `a` holds `s#c` and the texts of `b` and `c` differ: layer 0 is `f`, layer 1 `a` and `b`, so the cause is `b`;
//! `c` is one more definition that `f` reaches.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::classify::{CauseClass, classify};
use super::members::{DefinitionChange, member_of};
use super::near::{NEVER, distances};
use crate::symtypes::{
    Location, LocationId, NameId, Record, TextId, Translation, TypeGraph, TypeKind, TypeName,
    UnitTypes,
};

/// Look-ups that one comparison may make: some thousand times what a distribution's kernel needs.
const STEP_LIMIT: u64 = 4_000_000_000;

/// A definition whose own text differs between the sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Names the change: a digest of the record's name and of its texts before and after. Line numbers, CRCs and
    /// commits have no part in it, so it survives a rebase.
    pub fingerprint: String,
    /// What is defined.
    pub name: TypeName,
    /// How it changed.
    pub class: CauseClass,
    /// What changed in it, member by member; empty where the text could not be read as a definition.
    pub changes: Vec<DefinitionChange>,
    /// Its text on the base side.
    pub base_text: String,
    /// Its text on the head side.
    pub head_text: String,
    /// Where it stands on the base side, if known.
    pub base: Option<Location>,
    /// Where it stands on the head side, if known.
    pub head: Option<Location>,
}

/// One step of the path from an export to a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The definition.
    pub name: TypeName,
    /// The member of the definition before it that leads here, such as `dev` or `<anon 1>.next`.
    pub member: Option<String>,
}

/// The first layer of changed definitions behind an export.
pub(super) struct Attribution {
    /// Indices into [`Attributor::causes`], by name.
    pub(super) causes: Vec<usize>,
    /// Shortest path from the export to the first of them, both included.
    pub(super) witness: Vec<Step>,
}

/// Attributes changed exports to causes and collects these.
pub(super) struct Attributor<'a> {
    base: &'a TypeGraph,
    head: &'a TypeGraph,
    to_head: Translation,
    /// How far the nearest cause is at least, by base name.
    near: Vec<u32>,
    causes: Vec<Cause>,
    known: HashMap<(NameId, TextId, TextId), usize, RandomState>,
    /// The member of a text that leads to a name, for the texts that paths went through.
    members: HashMap<(TextId, NameId), Option<String>, RandomState>,
    /// The search that met a name last, and through which name.
    met: Vec<(u32, Option<NameId>)>,
    /// What the units that were looked at last see under a name.
    seen: Vec<Seen>,
    /// Counts the changes of these units.
    visit: u32,
    search: u32,
    steps: u64,
}

/// What a pair of units sees under a name, as far as it was looked at.
#[derive(Clone, Copy)]
struct Seen {
    /// The visit that it was looked at in.
    visit: u32,
    /// The text on the base side; none if the name has no record there.
    text: Option<TextId>,
    /// Whether the head side has another text.
    differs: bool,
}

/// A changed export with its place in the units of both sides.
struct Export<'a> {
    /// Its place among the exports that were asked for.
    at: usize,
    /// Number of the pair of units.
    unit: usize,
    name: NameId,
    base: (&'a str, &'a UnitTypes),
    head: (&'a str, &'a UnitTypes),
}

/// What a search comes to.
enum Search {
    /// The nearest causes.
    Found(Attribution),
    /// There is none so near; the least distance at which one may stand, or [`NEVER`].
    Further(u32),
}

/// The units of an export on both sides.
#[derive(Clone, Copy)]
struct Units<'a> {
    base: &'a UnitTypes,
    head: &'a UnitTypes,
}

impl<'a> Attributor<'a> {
    pub(super) fn new(base: &'a TypeGraph, head: &'a TypeGraph) -> Self {
        let to_head = base.translate(head);
        Attributor {
            base,
            head,
            near: distances(base, head, &to_head),
            to_head,
            causes: Vec::new(),
            known: HashMap::default(),
            members: HashMap::default(),
            met: vec![(0, None); base.name_count()],
            seen: vec![
                Seen {
                    visit: 0,
                    text: None,
                    differs: false
                };
                base.name_count()
            ],
            visit: 0,
            search: 0,
            steps: 0,
        }
    }

    pub(super) fn into_causes(self) -> Vec<Cause> {
        self.causes
    }

    /// Finds for each symbol the nearest changed definitions behind it; `None` if no reachable definition differs or a side
    /// has no types for it.
    pub(super) fn attribute(&mut self, symbols: &[&str]) -> Vec<Option<Attribution>> {
        let (base, head) = (self.base, self.head);
        let mut units: HashMap<(&str, &str), usize, RandomState> = HashMap::default();
        let mut exports: Vec<Export<'a>> = symbols
            .iter()
            .enumerate()
            .filter_map(|(at, symbol)| {
                let (base_path, base_unit, export) = base.exporter_with_path(symbol)?;
                let (head_path, head_unit, _) = head.exporter_with_path(symbol)?;
                let new = units.len();
                Some(Export {
                    at,
                    unit: *units.entry((base_path, head_path)).or_insert(new),
                    name: export.name,
                    base: (base_path, base_unit),
                    head: (head_path, head_unit),
                })
            })
            .collect();
        // What one export of a unit looked at serves the next one.
        exports.sort_unstable_by_key(|export| (export.unit, export.at));
        let mut found: Vec<Option<Attribution>> = symbols.iter().map(|_| None).collect();
        let mut unit = None;
        for export in exports {
            if unit.replace(export.unit) != Some(export.unit) {
                self.visit += 1;
            }
            found[export.at] = self.nearest(&export);
        }
        found
    }

    fn nearest(&mut self, export: &Export<'a>) -> Option<Attribution> {
        let units = Units {
            base: export.base.1,
            head: export.head.1,
        };
        // Where both sides have the unit under one path, no cause is nearer than `near` says.
        let mut within = if export.base.0 == export.head.0 {
            self.near[export.name.index()]
        } else {
            NEVER - 1
        };
        while within != NEVER {
            match self.search(units, export.name, within) {
                Search::Found(attribution) => return Some(attribution),
                Search::Further(next) => within = next,
            }
        }
        None
    }

    /// Searches for causes that stand at most `within` steps away, and says where to look on if there is none.
    fn search(&mut self, units: Units<'_>, export: NameId, within: u32) -> Search {
        self.search += 1;
        self.meet(export, None);
        let mut layer = vec![export];
        let mut next = Vec::new();
        let mut left_out = NEVER;
        let mut depth = 0;
        let bounded = within != NEVER - 1;
        while !layer.is_empty() && self.steps < STEP_LIMIT {
            let mut causes = Vec::new();
            next.clear();
            depth += 1;
            for &name in &layer {
                self.steps += 1;
                let seen = self.look(units, name);
                let Some(text) = seen.text else {
                    continue;
                };
                if seen.differs {
                    causes.extend(self.cause_at(units, name));
                }
                if !causes.is_empty() {
                    continue;
                }
                let base = self.base;
                for &to in base.references(text) {
                    let least = self.near[to.index()].saturating_add(depth);
                    if bounded && least > within {
                        left_out = left_out.min(least);
                    } else if self.meet(to, Some(name)) {
                        next.push(to);
                    }
                }
            }
            if let Some(&(nearest, _)) = causes.first() {
                let witness = self.path(units, nearest);
                return Search::Found(Attribution {
                    causes: causes.into_iter().map(|(_, cause)| cause).collect(),
                    witness,
                });
            }
            std::mem::swap(&mut layer, &mut next);
            layer.sort_unstable_by_key(|&name| self.base.key(name));
        }
        Search::Further(left_out)
    }

    /// What the units see under a name.
    fn look(&mut self, units: Units<'_>, name: NameId) -> Seen {
        let known = self.seen[name.index()];
        if known.visit == self.visit {
            return known;
        }
        let record = self.base.record(units.base, name);
        let differs = record.is_some_and(|base| self.differs(units, &base).is_some());
        let seen = Seen {
            visit: self.visit,
            text: record.map(|record| record.text),
            differs,
        };
        self.seen[name.index()] = seen;
        seen
    }

    /// A name that differs, with the number of its cause.
    fn cause_at(&mut self, units: Units<'_>, name: NameId) -> Option<(NameId, usize)> {
        let base = self.base.record(units.base, name)?;
        let head = self.differs(units, &base)?;
        Some((name, self.cause(units, &base, &head)))
    }

    /// The shortest path to every changed definition that an export reaches, with its cause; `None` if a side does not
    /// know the export.
    pub(super) fn all(&mut self, symbol: &str) -> Option<Vec<(Vec<Step>, usize)>> {
        let (base_unit, export) = self.base.exporter(symbol)?;
        let (head_unit, _) = self.head.exporter(symbol)?;
        let units = Units {
            base: base_unit,
            head: head_unit,
        };
        self.search += 1;
        self.meet(export.name, None);
        let mut found = Vec::new();
        let mut layer = vec![export.name];
        while !layer.is_empty() {
            let mut next = Vec::new();
            for &name in &layer {
                let Some(base) = self.base.record(units.base, name) else {
                    continue;
                };
                if let Some(head) = self.differs(units, &base) {
                    let cause = self.cause(units, &base, &head);
                    found.push((self.path(units, name), cause));
                }
                self.references(&base, &mut next);
            }
            next.sort_unstable_by_key(|&name| self.base.key(name));
            layer = next;
        }
        Some(found)
    }

    /// Notes that a name was met; false if it was before.
    fn meet(&mut self, name: NameId, from: Option<NameId>) -> bool {
        let met = &mut self.met[name.index()];
        if met.0 == self.search {
            return false;
        }
        *met = (self.search, from);
        true
    }

    /// Adds the names that a record refers to and that were not met before.
    fn references(&mut self, record: &Record, next: &mut Vec<NameId>) {
        let base = self.base;
        for &name in base.references(record.text) {
            if self.meet(name, Some(record.name)) {
                next.push(name);
            }
        }
    }

    /// The head side's record, if its text is another one.
    fn differs(&self, units: Units<'_>, base: &Record) -> Option<Record> {
        let head = self
            .head
            .record(units.head, self.to_head.name(base.name)?)?;
        (self.to_head.text(base.text) != Some(head.text)).then_some(head)
    }

    fn path(&mut self, units: Units<'_>, end: NameId) -> Vec<Step> {
        let mut path = Vec::new();
        let mut at = Some(end);
        while let Some(name) = at {
            let from = self.met[name.index()].1;
            let text = from.and_then(|from| Some(self.base.record(units.base, from)?.text));
            let member = text.and_then(|text| self.member(text, name));
            path.push(Step {
                name: self.base.name(name).to_owned(),
                member,
            });
            at = from;
        }
        path.reverse();
        path
    }

    /// The member of a text that mentions a name.
    fn member(&mut self, text: TextId, name: NameId) -> Option<String> {
        let base = self.base;
        self.members
            .entry((text, name))
            .or_insert_with(|| member_of(base.text(text), &base.name(name).to_string()))
            .clone()
    }

    /// The number of the cause that a changed definition is.
    fn cause(&mut self, units: Units<'_>, base: &Record, head: &Record) -> usize {
        let key = (base.name, base.text, head.text);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let cause = cause_of((self.base, units.base, base), (self.head, units.head, head));
        self.causes.push(cause);
        self.known.insert(key, self.causes.len() - 1);
        self.causes.len() - 1
    }
}

/// The change of a definition that both sides have; each side is its graph, its unit and its record.
pub(super) fn cause_of(
    base: (&TypeGraph, &UnitTypes, &Record),
    head: (&TypeGraph, &UnitTypes, &Record),
) -> Cause {
    let name = base.0.name(base.2.name).to_owned();
    let (base_text, head_text) = (base.0.text(base.2.text), head.0.text(head.2.text));
    let (class, changes) = classify(
        &name,
        base_text,
        head_text,
        &|typedef| lookup(base.0, base.1, typedef),
        &|typedef| lookup(head.0, head.1, typedef),
    );
    Cause {
        fingerprint: fingerprint(&name, base_text, head_text),
        class,
        changes,
        base_text: base_text.to_owned(),
        head_text: head_text.to_owned(),
        base: place(base.0, base.2.location),
        head: place(head.0, head.2.location),
        name,
    }
}

/// The text of a typedef as a unit sees it.
fn lookup(graph: &TypeGraph, unit: &UnitTypes, typedef: &str) -> Option<String> {
    let id = graph.name_id(&TypeName {
        kind: TypeKind::Typedef,
        name: typedef.to_owned(),
    })?;
    Some(graph.text(graph.record(unit, id)?.text).to_owned())
}

fn place(graph: &TypeGraph, location: Option<LocationId>) -> Option<Location> {
    location.map(|location| graph.location(location))
}

/// Hexadecimal digits that stand for a change of one definition: as many as make it hopeless to look for two changes that
/// share them, since an approval binds to them.
fn fingerprint(name: &TypeName, base: &str, head: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [name.to_string().as_str(), base, head] {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
