//! All changed definitions that an export reaches, however far behind the nearest ones.
//!
//! The nearest changed definitions explain a changed CRC, but they need not be all of it: a definition that changed
//! behind another changed one may be nearest to no symbol at all. Whoever excuses a symbol because of what is nearest must look at
//! the others too. Here the references of both sides are followed past what differs, each side on its own, and every
//! name that both units define with different texts counts.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Cause;
use super::cause::cause_of;
use super::change::{Comparison, Side};
use crate::symtypes::{NameId, Record, TextId, Translation, TypeGraph, UnitTypes};

/// Finds all changed definitions behind exports.
pub struct Reach<'a> {
    base: &'a TypeGraph,
    head: &'a TypeGraph,
    to_head: Translation,
    to_base: Translation,
}

impl<'a> Reach<'a> {
    /// Looks at the types of two sides.
    #[must_use]
    pub fn new(base: Side<'a>, head: Side<'a>) -> Reach<'a> {
        Reach {
            base: base.types,
            head: head.types,
            to_head: base.types.translate(head.types),
            to_base: head.types.translate(base.types),
        }
    }

    /// Every changed definition that the symbol reaches in its unit, as indices into the comparison's causes; those that
    /// the comparison does not have yet are added to it. In order of index.
    pub fn of(
        &self,
        symbol: &str,
        known: &mut KnownCauses,
        comparison: &mut Comparison,
    ) -> Vec<usize> {
        let (Some((base, export)), Some((head, other))) =
            (self.base.exporter(symbol), self.head.exporter(symbol))
        else {
            return Vec::new();
        };
        let behind = reached(self.head, head, other.name).into_iter();
        let mut names = reached(self.base, base, export.name);
        names.extend(behind.filter_map(|name| self.to_base.name(name)));
        names.sort_unstable();
        names.dedup();
        let mut places = Vec::new();
        let mut new: Vec<(Texts, Cause)> = Vec::new();
        for name in names {
            let Some((before, after)) = self.both(base, head, name) else {
                continue;
            };
            if self.to_head.text(before.text) == Some(after.text) {
                continue;
            }
            let texts = (name, before.text, after.text);
            match known.by_texts.get(&texts) {
                Some(&place) => places.push(place),
                None => new.push((
                    texts,
                    cause_of((self.base, base, &before), (self.head, head, &after)),
                )),
            }
        }
        new.sort_by(|(_, a), (_, b)| (&a.name, &a.fingerprint).cmp(&(&b.name, &b.fingerprint)));
        for (texts, cause) in new {
            let place = known.place(cause, comparison);
            known.by_texts.insert(texts, place);
            places.push(place);
        }
        places.sort_unstable();
        places
    }

    /// What both units see under a name.
    fn both(&self, base: &UnitTypes, head: &UnitTypes, name: NameId) -> Option<(Record, Record)> {
        let before = self.base.record(base, name)?;
        let after = self.head.record(head, self.to_head.name(name)?)?;
        Some((before, after))
    }
}

/// The causes of a comparison by fingerprint.
#[derive(Debug)]
pub struct KnownCauses {
    by_fingerprint: BTreeMap<String, usize>,
    /// Those that one [`Reach`] has met, so that a definition is read once however many symbols reach it.
    by_texts: HashMap<Texts, usize>,
}

/// A name of the base side with its texts on both sides.
type Texts = (NameId, TextId, TextId);

impl KnownCauses {
    /// Those that a comparison has.
    #[must_use]
    pub fn of(comparison: &Comparison) -> KnownCauses {
        let causes = comparison.causes.iter().enumerate();
        KnownCauses {
            by_fingerprint: causes
                .map(|(at, cause)| (cause.fingerprint.clone(), at))
                .collect(),
            by_texts: HashMap::new(),
        }
    }

    fn place(&mut self, cause: Cause, comparison: &mut Comparison) -> usize {
        let next = comparison.causes.len();
        let at = *self
            .by_fingerprint
            .entry(cause.fingerprint.clone())
            .or_insert(next);
        if at == next {
            comparison.causes.push(cause);
        }
        at
    }
}

/// Every name that a name of a unit leads to, itself included.
fn reached(graph: &TypeGraph, unit: &UnitTypes, from: NameId) -> Vec<NameId> {
    let mut met = HashSet::from([from]);
    let mut names = vec![from];
    let mut at = 0;
    while let Some(&name) = names.get(at) {
        at += 1;
        let Some(record) = graph.record(unit, name) else {
            continue;
        };
        for &next in graph.references(record.text) {
            if met.insert(next) {
                names.push(next);
            }
        }
    }
    names
}
