//! Whether what the commits hide from the CRCs keeps the layouts of structures.
//!
//! A commit's types are looked at twice: at the commit before, as it is passed, and at the commit itself. So no tree has to be
//! made again for a proof. What the tip comes to is told from the commit before the range and the last one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::causes::diff;
use crate::layout::{Judgement, Verdict, judge};
use crate::report::{LayoutProof, LayoutVerdict};
use crate::snapshot::{TypeAt, Unseen, View, Views};
use crate::symtypes::{NameId, TypeGraph, TypeKind, TypeName, c_layout, is_opaque};

/// What is known of the layouts along a walk.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    /// The types that each commit touches behind the back of the CRCs, the first commit of the range first.
    steps: Vec<BTreeSet<TypeAt>>,
    base: Views,
    /// The place of the last commit that was looked at, and its types; the commit before the range has place 0.
    before: Option<(usize, Views)>,
    proofs: BTreeMap<(usize, TypeAt), LayoutProof>,
    /// The types whose layout at the tip breaks what was compiled before the range.
    broken_at_tip: Option<BTreeSet<TypeAt>>,
}

impl Layouts {
    pub(super) fn new(steps: Vec<BTreeSet<TypeAt>>) -> Layouts {
        Layouts {
            steps,
            ..Layouts::default()
        }
    }

    /// The types to look at in the commit at a place of the walk.
    pub(super) fn wanted(&self, place: usize) -> BTreeSet<TypeAt> {
        let is_end = place == 0 || place == self.steps.len();
        let steps = self.steps.iter().enumerate();
        // Step n leads from place n to place n + 1.
        steps
            .filter(|(step, _)| is_end || *step == place || step + 1 == place)
            .flat_map(|(_, types)| types.iter().cloned())
            .collect()
    }

    /// Takes what was seen at a place; `reaching` tells the symbols that somebody relies on and that reach a type there.
    pub(super) fn saw(
        &mut self,
        place: usize,
        views: Views,
        reaching: impl Fn(&[TypeName]) -> Vec<BTreeSet<String>>,
    ) {
        if let Some(step) = place.checked_sub(1) {
            let before = self.before.take().filter(|(at, _)| *at == step);
            let before = before.as_ref().map(|(_, views)| views);
            let types = self.steps.get(step).into_iter().flatten();
            let mut found: Vec<(TypeAt, LayoutProof)> = types
                .filter_map(|at| {
                    let proof = proof(
                        before.and_then(|views| views.get(at)),
                        views.get(at)?,
                        self.base.get(at),
                    )?;
                    Some((at.clone(), proof))
                })
                .collect();
            let doubtful =
                |(_, proof): &&mut (TypeAt, LayoutProof)| proof.verdict != LayoutVerdict::Kept;
            let names: Vec<TypeName> = found
                .iter_mut()
                .filter(doubtful)
                .filter_map(|(at, _)| at.record())
                .collect();
            if !names.is_empty() {
                let reached = reaching(&names);
                for ((_, proof), symbols) in found.iter_mut().filter(doubtful).zip(reached) {
                    proof.symbols = symbols.into_iter().collect();
                }
            }
            self.proofs
                .extend(found.into_iter().map(|(at, proof)| ((step, at), proof)));
        } else {
            self.base.clone_from(&views);
        }
        if place == self.steps.len() {
            let broken = views.iter().filter(|(at, view)| {
                let judged = self.base.get(at).and_then(|base| both(base, view));
                judged.is_some_and(|(_, _, judged)| judged.verdict == Verdict::Broken)
            });
            self.broken_at_tip = Some(broken.map(|(at, _)| at.clone()).collect());
        }
        self.before = Some((place, views));
    }

    /// What is known of a type that the commit at a place of the range touches.
    pub(super) fn proof(&self, step: usize, at: &TypeAt) -> Option<&LayoutProof> {
        self.proofs.get(&(step, at.clone()))
    }

    /// Whether the type breaks at the tip; none if the tip was not looked at.
    pub(super) fn breaks_at_tip(&self, at: &TypeAt) -> Option<bool> {
        self.broken_at_tip
            .as_ref()
            .map(|broken| broken.contains(at))
    }
}

type Seen = Result<View, Unseen>;

fn both<'v>(old: &'v Seen, new: &'v Seen) -> Option<(&'v View, &'v View, Judgement)> {
    let (Ok(old), Ok(new)) = (old, new) else {
        return None;
    };
    Some((old, new, judge(&old.layout, &new.layout)))
}

/// What a step does to a type; none for one that has no layout to keep, as it came or went.
fn proof(old: Option<&Seen>, new: &Seen, base: Option<&Seen>) -> Option<LayoutProof> {
    let unproven = |text: &str| {
        Some(LayoutProof {
            verdict: LayoutVerdict::Unproven,
            text: text.to_owned(),
            ..LayoutProof::default()
        })
    };
    let old = match (old, new) {
        (None, _) => return unproven("the commit before was not computed"),
        (Some(Err(Unseen::Failed(text))), _) => return unproven(&format!("before: {text}")),
        (_, Err(Unseen::Failed(text))) => return unproven(text),
        (Some(Err(Unseen::NotRead)), Err(Unseen::NotRead)) => {
            return unproven("no unit that can export anything reads the file");
        }
        (Some(old), _) => old,
    };
    let (old, new, judged) = both(old, new)?;
    let crc_tells = old.genksyms.is_some() && old.genksyms != new.genksyms;
    let is_back = || {
        let base = base.and_then(|base| base.as_ref().ok());
        base.is_some_and(|base| judge(&base.layout, &new.layout).verdict == Verdict::Kept)
    };
    let verdict = match judged.verdict {
        Verdict::Kept => LayoutVerdict::Kept,
        _ if crc_tells => LayoutVerdict::CrcTells,
        _ if is_back() => LayoutVerdict::Restored,
        Verdict::Grown => LayoutVerdict::Grown,
        Verdict::Broken => LayoutVerdict::Broken,
    };
    let text = |view: &View| c_layout(view.compiler.as_deref().unwrap_or_default());
    Some(LayoutProof {
        verdict,
        text: judged.text(),
        doubts: judged.doubts,
        object: Some(new.object.clone()),
        diff: diff(&text(old), &text(new)),
        symbols: Vec::new(),
    })
}

/// For each of some types the exports that reach its definition, of those that `relied` takes.
pub(super) fn reaching(
    graph: &TypeGraph,
    names: &[TypeName],
    relied: impl Fn(&str) -> bool,
) -> Vec<BTreeSet<String>> {
    let mut users: Vec<Vec<NameId>> = vec![Vec::new(); graph.name_count()];
    let mut defined = HashSet::new();
    let mut met = HashSet::new();
    for (name, text) in graph.definitions() {
        if !met.insert((name, text)) {
            continue;
        }
        if !is_opaque(graph.text(text)) {
            defined.insert(name);
        }
        for used in graph.references(text) {
            if let Some(users) = users.get_mut(used.index()) {
                users.push(name);
            }
        }
    }
    let exports: Vec<(NameId, &str)> = graph
        .exports()
        .filter(|symbol| relied(symbol))
        .filter_map(|symbol| Some((graph.name_id(&export(symbol))?, symbol)))
        .collect();
    let reached = |name: &TypeName| -> BTreeSet<String> {
        // A type that is declared everywhere and defined nowhere has no layout that a module could know.
        let Some(from) = graph.name_id(name).filter(|id| defined.contains(id)) else {
            return BTreeSet::new();
        };
        let mut seen = HashSet::from([from]);
        let mut open = vec![from];
        while let Some(name) = open.pop() {
            let behind = users.get(name.index()).into_iter().flatten();
            open.extend(behind.filter(|user| seen.insert(**user)));
        }
        let exports = exports.iter().filter(|(id, _)| seen.contains(id));
        exports.map(|(_, symbol)| (*symbol).to_owned()).collect()
    };
    names.iter().map(reached).collect()
}

fn export(symbol: &str) -> TypeName {
    TypeName {
        kind: TypeKind::Symbol,
        name: symbol.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Layout, Member};

    fn at(name: &str) -> TypeAt {
        TypeAt {
            file: "a.h".to_owned(),
            name: name.to_owned(),
        }
    }

    /// A view of a type with one member of so many bytes, and the text that genksyms sees.
    fn view(bytes: u64, genksyms: &str) -> Seen {
        Ok(View {
            object: "a.o".to_owned(),
            genksyms: Some(genksyms.to_owned()),
            compiler: Some(format!("struct s {{ char a [ {bytes} ] ; }}")),
            layout: Layout {
                size: bytes,
                members: vec![Member {
                    path: "a".to_owned(),
                    kind: "char".to_owned(),
                    at: 0,
                    bits: bytes * 8,
                }],
                values: Vec::new(),
            },
        })
    }

    fn failed() -> Seen {
        Err(Unseen::Failed("no compiler".to_owned()))
    }

    /// What each step of a walk comes to, and whether the tip breaks; every doubtful type is reached by the symbol `f`.
    fn walk(seen: Vec<Seen>) -> (Vec<Option<LayoutVerdict>>, Option<bool>) {
        let s = at("struct s");
        let count = seen.len() - 1;
        let mut layouts = Layouts::new(vec![BTreeSet::from([s.clone()]); count]);
        for (place, view) in seen.into_iter().enumerate() {
            let views = Views::from([(s.clone(), view)]);
            layouts.saw(place, views, |names| {
                vec![BTreeSet::from(["f".to_owned()]); names.len()]
            });
        }
        let steps = (0..count).map(|step| {
            let proof = layouts.proof(step, &s)?;
            let doubtful = proof.verdict != LayoutVerdict::Kept;
            assert_eq!(proof.symbols.len(), usize::from(doubtful));
            Some(proof.verdict)
        });
        (steps.collect(), layouts.breaks_at_tip(&s))
    }

    /// Each commit is asked about its own step and the next one, both ends of the range about all.
    #[test]
    fn types_are_asked_for_where_they_are_needed() {
        let (a, b, c) = (at("struct a"), at("struct b"), at("struct c"));
        let layouts = Layouts::new(vec![
            BTreeSet::from([a.clone()]),
            BTreeSet::from([b.clone()]),
            BTreeSet::from([c.clone()]),
        ]);
        let all = BTreeSet::from([a.clone(), b.clone(), c.clone()]);
        assert_eq!(layouts.wanted(0), all);
        assert_eq!(layouts.wanted(1), BTreeSet::from([a, b.clone()]));
        assert_eq!(layouts.wanted(2), BTreeSet::from([b, c]));
        assert_eq!(layouts.wanted(3), all);
        assert!(Layouts::new(vec![BTreeSet::new()]).wanted(0).is_empty());
    }

    /// Kept, broken, restored, grown, told by the CRC, and not proven.
    #[test]
    fn verdicts_along_a_walk() {
        use LayoutVerdict::{Broken, CrcTells, Kept, Restored, Unproven};
        let of = |sizes: &[u64]| walk(sizes.iter().map(|size| view(*size, "t")).collect());
        assert_eq!(of(&[8, 8]), (vec![Some(Kept)], Some(false)));
        assert_eq!(of(&[8, 16]), (vec![Some(Broken)], Some(true)));
        assert_eq!(
            of(&[8, 16, 8]),
            (vec![Some(Broken), Some(Restored)], Some(false))
        );
        assert_eq!(
            of(&[8, 16, 16]),
            (vec![Some(Broken), Some(Kept)], Some(true))
        );
        let told = walk(vec![view(8, "old"), view(16, "new")]);
        assert_eq!(told.0, [Some(CrcTells)]);
        let unknown = walk(vec![view(8, "t"), failed(), view(8, "t")]);
        assert_eq!(unknown.0, [Some(Unproven), Some(Unproven)]);
        let none = Err(Unseen::NotDefined);
        assert_eq!(walk(vec![none.clone(), view(8, "t"), none]).0, [None, None]);
        let unread = Err(Unseen::NotRead);
        assert_eq!(walk(vec![unread.clone(), unread]).0, [Some(Unproven)]);
    }

    /// A commit before that was not looked at leaves no proof.
    #[test]
    fn a_gap_proves_nothing() {
        let s = at("struct s");
        let mut layouts = Layouts::new(vec![BTreeSet::from([s.clone()]); 2]);
        let views = || Views::from([(s.clone(), view(8, "t"))]);
        layouts.saw(0, views(), |names| vec![BTreeSet::new(); names.len()]);
        layouts.saw(2, views(), |names| vec![BTreeSet::new(); names.len()]);
        assert_eq!(layouts.proof(0, &s), None);
        let proof = layouts
            .proof(1, &s)
            .map(|proof| (proof.verdict, proof.text.as_str()));
        assert_eq!(
            proof,
            Some((
                LayoutVerdict::Unproven,
                "the commit before was not computed"
            ))
        );
        assert_eq!(layouts.breaks_at_tip(&s), Some(false));
    }

    /// Symbols reach a type through others, in any unit; a type that is defined nowhere is reached by none.
    #[test]
    fn symbols_that_reach_a_type() {
        let text = "/* u.symtypes */\ns#o struct o { UNKNOWN }\ns#s struct s { s#t * t ; }\ns#t struct t { int a ; s#s * s ; s#o * o ; }\n\
                    f int f ( s#s * )\ng int g ( int )\nh int h ( s#t )\n";
        let graph = TypeGraph::from_consolidated(text.as_bytes(), "t").unwrap();
        let names: Vec<TypeName> = ["struct t", "struct o", "struct none"]
            .iter()
            .filter_map(|name| at(name).record())
            .collect();
        let found = reaching(&graph, &names, |symbol| symbol != "h");
        assert_eq!(found[0], BTreeSet::from(["f".to_owned()]));
        assert!(found[1].is_empty() && found[2].is_empty());
    }
}
