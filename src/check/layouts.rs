//! Whether what the commits hide from the CRCs keeps the layouts of structures.
//!
//! A commit's types are looked at twice: at the commit before, as it is passed, and at the commit itself. So no tree has to be
//! made again for a proof. Both looks depend on these two commits alone, so a run can be cut between any. What the tip
//! comes to, and what leads back to the commit before the range, is told where the pieces are joined.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::causes::diff;
use crate::layout::{Judgement, Layout, Verdict, judge};
use crate::report::{LayoutProof, LayoutVerdict};
use crate::snapshot::{TypeAt, Unseen, View, Views, Wanted};
use crate::symtypes::{NameId, TypeGraph, TypeKind, TypeName, c_layout, is_opaque};

/// What a commit does to a type, against the commit before it alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLayout {
    /// The type.
    pub at: TypeAt,
    /// The proof; none for a type that has no layout to keep, as it came or went.
    pub proof: Option<LayoutProof>,
    /// The layout after the commit, where it differs.
    pub layout: Option<Layout>,
}

/// A type and its layout at one end of the range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeLayout {
    /// The type.
    pub at: TypeAt,
    /// Its layout.
    pub layout: Layout,
}

/// What one commit gave.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// What it does to the types that it touches.
    pub(super) step: Vec<StepLayout>,
    /// At the ends of the range, the layouts of all types that a commit touches; none elsewhere.
    pub(super) end: Option<Vec<TypeLayout>>,
}

/// Looks at layouts along a walk.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// The types that each commit touches behind the back of the CRCs, the first commit of the range first.
    steps: Vec<BTreeSet<TypeAt>>,
    /// The place of the last commit that was looked at, and the types of the next one there; the commit before the range
    /// has place 0.
    before: Option<(usize, Views)>,
}

impl Looks {
    pub(super) fn new(steps: Vec<BTreeSet<TypeAt>>) -> Looks {
        Looks {
            steps,
            before: None,
        }
    }

    /// The types that the step from one place to the next touches.
    fn types(&self, step: usize) -> impl Iterator<Item = &TypeAt> {
        self.steps.get(step).into_iter().flatten()
    }

    /// Looks at the commit at the place where a walk starts.
    pub(super) fn start(&mut self, place: usize, look: impl Fn(&Wanted) -> Views) -> Looked {
        self.look(place, Views::new(), look)
    }

    /// Looks at the next commit of a walk; `reaching` tells the symbols that somebody relies on and that reach a type there.
    pub(super) fn next(
        &mut self,
        place: usize,
        look: impl Fn(&Wanted) -> Views,
        reaching: impl Fn(&[TypeName]) -> Vec<BTreeSet<String>>,
    ) -> Looked {
        let step = place.saturating_sub(1);
        let before = self.before.take().filter(|(at, _)| *at == step);
        let before = before.map(|(_, views)| views);
        let object = |at: &TypeAt| {
            let seen = before.as_ref()?.get(at)?.as_ref();
            seen.ok().map(|view| view.object.clone())
        };
        let wanted = self.types(step).map(|at| (at.clone(), object(at)));
        let views = asked(wanted.collect(), &look);
        let mut found: Vec<StepLayout> = views
            .iter()
            .map(|(at, new)| step_layout(at, before.as_ref().and_then(|seen| seen.get(at)), new))
            .collect();
        reach(&mut found, reaching);
        Looked {
            step: found,
            ..self.look(place, views, look)
        }
    }

    /// Looks at what the commit behind a place touches, at the ends of the range at all types; `seen` is known already.
    fn look(&mut self, place: usize, seen: Views, look: impl Fn(&Wanted) -> Views) -> Looked {
        let is_end = place == 0 || place == self.steps.len();
        let fresh = |(_, view): &(TypeAt, Result<View, Unseen>)| {
            view.as_ref().is_ok_and(|view| view.is_first)
        };
        let mut known: Views = if is_end {
            seen
        } else {
            // A part that starts here knows no unit to prefer.
            seen.into_iter().filter(fresh).collect()
        };
        let all = self.steps.iter().take(if is_end { usize::MAX } else { 0 });
        let wanted = all.flatten().chain(self.types(place));
        let wanted = wanted.filter(|at| !known.contains_key(at));
        let wanted = wanted.map(|at| (at.clone(), None)).collect();
        known.extend(asked(wanted, &look));
        let end = is_end.then(|| {
            let seen = known.iter().filter_map(|(at, view)| {
                let layout = view.as_ref().ok()?.layout.clone();
                Some(TypeLayout {
                    at: at.clone(),
                    layout,
                })
            });
            seen.collect()
        });
        self.before = Some((place, known));
        Looked {
            step: Vec::new(),
            end,
        }
    }
}

fn asked(wanted: Wanted, look: impl Fn(&Wanted) -> Views) -> Views {
    if wanted.is_empty() {
        Views::new()
    } else {
        look(&wanted)
    }
}

fn step_layout(at: &TypeAt, old: Option<&Seen>, new: &Seen) -> StepLayout {
    let proof = proof(old, new);
    let differs = proof.as_ref().is_some_and(|proof| is_change(proof.verdict));
    StepLayout {
        at: at.clone(),
        proof,
        layout: new
            .as_ref()
            .ok()
            .filter(|_| differs)
            .map(|view| view.layout.clone()),
    }
}

fn is_change(verdict: LayoutVerdict) -> bool {
    matches!(verdict, LayoutVerdict::Grown | LayoutVerdict::Broken)
}

/// Fills in who relies on the types whose layout is not proven to stay.
fn reach(found: &mut [StepLayout], reaching: impl Fn(&[TypeName]) -> Vec<BTreeSet<String>>) {
    let doubtful = found.iter_mut().filter_map(|found| {
        let proof = found.proof.as_mut()?;
        let is_doubtful = proof.verdict != LayoutVerdict::Kept;
        Some((found.at.record()?, proof)).filter(|_| is_doubtful)
    });
    let (names, proofs): (Vec<TypeName>, Vec<&mut LayoutProof>) = doubtful.unzip();
    if names.is_empty() {
        return;
    }
    for (proof, symbols) in proofs.into_iter().zip(reaching(&names)) {
        proof.symbols = symbols.into_iter().collect();
    }
}

/// What is known of the layouts of a whole run.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    base: BTreeMap<TypeAt, Layout>,
    tip: BTreeMap<TypeAt, Layout>,
    /// By commit and type.
    proofs: BTreeMap<(String, TypeAt), Option<LayoutProof>>,
}

impl Layouts {
    /// Takes the layouts of the commit before the range.
    pub(super) fn begin(&mut self, base: Vec<TypeLayout>) {
        self.base = by_type(base);
    }

    /// Takes what a commit does to types.
    pub(super) fn step(&mut self, commit: &str, found: Vec<StepLayout>) {
        for StepLayout { at, proof, layout } in found {
            let is_back = layout
                .zip(self.base.get(&at))
                .is_some_and(|(layout, base)| judge(base, &layout).verdict == Verdict::Kept);
            let proof = proof.map(|proof| LayoutProof {
                verdict: if is_back && is_change(proof.verdict) {
                    LayoutVerdict::Restored
                } else {
                    proof.verdict
                },
                ..proof
            });
            self.proofs.insert((commit.to_owned(), at), proof);
        }
    }

    /// Takes the layouts of the tip.
    pub(super) fn end(&mut self, tip: Vec<TypeLayout>) {
        self.tip = by_type(tip);
    }

    /// What is known of a type that a commit touches; none at all if the commit was not asked about it.
    pub(super) fn proof(&self, commit: &str, at: &TypeAt) -> Option<Option<&LayoutProof>> {
        let proof = self.proofs.get(&(commit.to_owned(), at.clone()))?;
        Some(proof.as_ref())
    }

    /// Whether the type's layout at the tip breaks what was compiled before the range; none if one of them is not known.
    pub(super) fn breaks_at_tip(&self, at: &TypeAt) -> Option<bool> {
        let (base, tip) = (self.base.get(at)?, self.tip.get(at)?);
        Some(judge(base, tip).verdict == Verdict::Broken)
    }
}

fn by_type(layouts: Vec<TypeLayout>) -> BTreeMap<TypeAt, Layout> {
    layouts
        .into_iter()
        .map(|one| (one.at, one.layout))
        .collect()
}

type Seen = Result<View, Unseen>;

fn both<'v>(old: &'v Seen, new: &'v Seen) -> Option<(&'v View, &'v View, Judgement)> {
    let (Ok(old), Ok(new)) = (old, new) else {
        return None;
    };
    Some((old, new, judge(&old.layout, &new.layout)))
}

/// What a step does to a type; none for one that has no layout to keep, as it came or went.
fn proof(old: Option<&Seen>, new: &Seen) -> Option<LayoutProof> {
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
    let verdict = match judged.verdict {
        Verdict::Kept => LayoutVerdict::Kept,
        _ if crc_tells => LayoutVerdict::CrcTells,
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
    use crate::layout::Member;

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
            is_first: true,
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

    /// What each step of a walk comes to, and whether the tip breaks; every doubtful type is reached by the symbol `f`. The
    /// walk is cut before each place of `cuts`.
    fn walk_cut(seen: &[Seen], cuts: &[usize]) -> (Vec<Option<LayoutVerdict>>, Option<bool>) {
        let s = at("struct s");
        let count = seen.len() - 1;
        let mut layouts = Layouts::default();
        let new = || Looks::new(vec![BTreeSet::from([s.clone()]); count]);
        let look = |place: usize| {
            let view = seen[place].clone();
            move |wanted: &Wanted| wanted.keys().map(|at| (at.clone(), view.clone())).collect()
        };
        let mut looks = new();
        layouts.begin(looks.start(0, look(0)).end.unwrap());
        for place in 1..=count {
            if cuts.contains(&place) {
                looks = new();
                looks.start(place - 1, look(place - 1));
            }
            let looked = looks.next(place, look(place), |names| {
                vec![BTreeSet::from(["f".to_owned()]); names.len()]
            });
            assert_eq!(looked.end.is_some(), place == count);
            layouts.step(&place.to_string(), looked.step);
            layouts.end(looked.end.unwrap_or_default());
        }
        let steps = (1..=count).map(|place| {
            let proof = layouts.proof(&place.to_string(), &s).unwrap()?;
            let doubtful = proof.verdict != LayoutVerdict::Kept;
            assert_eq!(proof.symbols.len(), usize::from(doubtful));
            Some(proof.verdict)
        });
        (steps.collect(), layouts.breaks_at_tip(&s))
    }

    /// The same uncut and cut anywhere.
    fn walk(seen: Vec<Seen>) -> (Vec<Option<LayoutVerdict>>, Option<bool>) {
        let whole = walk_cut(&seen, &[]);
        for place in 1..seen.len() {
            assert_eq!(walk_cut(&seen, &[place]), whole, "cut before {place}");
        }
        whole
    }

    /// Each commit is asked about its own step, in the unit of the look before, and about the next one; both ends of the
    /// range about all.
    #[test]
    fn types_are_asked_for_where_they_are_needed() {
        let names = ["struct a", "struct b", "struct c"];
        let steps: Vec<_> = names.map(|name| BTreeSet::from([at(name)])).to_vec();
        let asked = |looks: &mut Looks, place: usize| {
            let asked = std::cell::RefCell::new(Vec::new());
            let look = |wanted: &Wanted| {
                let told = wanted
                    .iter()
                    .map(|(at, unit)| (at.name.clone(), unit.is_some()));
                asked.borrow_mut().extend(told);
                wanted.keys().map(|at| (at.clone(), view(8, "t"))).collect()
            };
            if place == 0 {
                looks.start(place, look);
            } else {
                looks.next(place, look, |names| vec![BTreeSet::new(); names.len()]);
            }
            let asked = asked.into_inner().into_iter();
            asked
                .map(|(name, preferred)| (name.replace("struct ", ""), preferred))
                .collect::<Vec<_>>()
        };
        let is = |found: Vec<(String, bool)>, expected: &[(&str, bool)]| {
            let found: Vec<(&str, bool)> = found.iter().map(|(n, p)| (n.as_str(), *p)).collect();
            assert_eq!(found, expected);
        };
        let mut looks = Looks::new(steps);
        is(
            asked(&mut looks, 0),
            &[("a", false), ("b", false), ("c", false)],
        );
        is(asked(&mut looks, 1), &[("a", true), ("b", false)]);
        is(asked(&mut looks, 2), &[("b", true), ("c", false)]);
        is(
            asked(&mut looks, 3),
            &[("c", true), ("a", false), ("b", false)],
        );
        is(asked(&mut Looks::new(vec![BTreeSet::new()]), 0), &[]);
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
        let came = walk(vec![none.clone(), view(8, "t"), none]);
        assert_eq!(came, (vec![None, None], None));
        let unread = Err(Unseen::NotRead);
        assert_eq!(walk(vec![unread.clone(), unread]).0, [Some(Unproven)]);
    }

    /// A commit before that was not looked at leaves no proof.
    #[test]
    fn a_gap_proves_nothing() {
        let s = at("struct s");
        let mut looks = Looks::new(vec![BTreeSet::from([s.clone()]); 2]);
        let look = |wanted: &Wanted| -> Views {
            wanted.keys().map(|at| (at.clone(), view(8, "t"))).collect()
        };
        let mut layouts = Layouts::default();
        layouts.begin(looks.start(0, look).end.unwrap());
        let looked = looks.next(2, look, |names| vec![BTreeSet::new(); names.len()]);
        layouts.step("b", looked.step);
        layouts.end(looked.end.unwrap());
        assert_eq!(layouts.proof("a", &s), None);
        let proof = layouts.proof("b", &s).unwrap().unwrap();
        assert_eq!(proof.verdict, LayoutVerdict::Unproven);
        assert_eq!(proof.text, "the commit before was not computed");
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
