//! Changes that tools for this job are known to miss or to misread, one row each, and properties of every comparison.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tests::{Unit, compare_kernels, compare_owned, kernel};
use super::*;
use crate::compare::CauseClass as C;

/// A trap: its name, both kernels, and for each changed symbol the causes with their classes.
type Trap = (
    &'static str,
    &'static [Unit<'static>],
    &'static [Unit<'static>],
    &'static [(&'static str, &'static [(&'static str, C)])],
);

const F: (&str, &str) = ("f", "int f ( s#s * )");
const G: (&str, &str) = ("g", "int g ( s#s * )");
const S: (&str, &str) = ("s#s", "struct s { int a ; }");
const S2: (&str, &str) = ("s#s", "struct s { int a ; int b ; }");
const OPAQUE: (&str, &str) = ("s#s", "struct s { UNKNOWN }");

const TRAPS: &[Trap] = &[
    (
        "member of another type",
        &[("u", &[S, F])],
        &[("u", &[("s#s", "struct s { long a ; }"), F])],
        &[("f", &[("s#s", C::Layout)])],
    ),
    (
        "member added",
        &[("u", &[S, F])],
        &[("u", &[S2, F])],
        &[("f", &[("s#s", C::Layout)])],
    ),
    (
        "members swapped",
        &[("u", &[("s#s", "struct s { int a ; long b ; }"), F])],
        &[("u", &[("s#s", "struct s { long b ; int a ; }"), F])],
        &[("f", &[("s#s", C::Layout)])],
    ),
    (
        "array bound",
        &[("u", &[("s#s", "struct s { int a [ 16 ] ; }"), F])],
        &[("u", &[("s#s", "struct s { int a [ 32 ] ; }"), F])],
        &[("f", &[("s#s", C::Layout)])],
    ),
    (
        "enumerator inserted",
        &[("u", &[("e#e", "enum e { A , B }"), ("f", "int f ( e#e )")])],
        &[(
            "u",
            &[("e#e", "enum e { X , A , B }"), ("f", "int f ( e#e )")],
        )],
        &[("f", &[("e#e", C::EnumShifted)])],
    ),
    (
        "enumerator appended",
        &[("u", &[("e#e", "enum e { A , B }"), ("f", "int f ( e#e )")])],
        &[(
            "u",
            &[("e#e", "enum e { A , B , X }"), ("f", "int f ( e#e )")],
        )],
        &[("f", &[("e#e", C::EnumAppended)])],
    ),
    (
        "declared on one side, defined on the other",
        &[("u", &[OPAQUE, F])],
        &[("u", &[S, F])],
        &[("f", &[("s#s", C::Visibility)])],
    ),
    (
        "two texts of one name, one of them changes",
        &[
            ("u", &[S, F]),
            ("v", &[("s#s", "struct s { char c ; }"), G]),
        ],
        &[
            ("u", &[S2, F]),
            ("v", &[("s#s", "struct s { char c ; }"), G]),
        ],
        &[("f", &[("s#s", C::Layout)])],
    ),
    (
        "two structs that hold each other",
        &[(
            "u",
            &[
                ("s#a", "struct a { s#s * s ; }"),
                ("s#s", "struct s { s#a * a ; }"),
                F,
            ],
        )],
        &[(
            "u",
            &[
                ("s#a", "struct a { s#s * s ; }"),
                ("s#s", "struct s { s#a * a ; int b ; }"),
                F,
            ],
        )],
        &[("f", &[("s#s", C::Layout)])],
    ),
    (
        "a changed type that no export reaches",
        &[("u", &[S, ("s#x", "struct x { int a ; }"), F])],
        &[("u", &[S, ("s#x", "struct x { long a ; }"), F])],
        &[],
    ),
    (
        "the export's own declaration",
        &[("u", &[S, F])],
        &[("u", &[S, ("f", "long f ( s#s * )")])],
        &[("f", &[("f", C::Prototype)])],
    ),
    (
        "two changed types in one layer",
        &[(
            "u",
            &[
                S,
                ("s#t", "struct t { int a ; }"),
                ("f", "int f ( s#t * , s#s * )"),
            ],
        )],
        &[(
            "u",
            &[
                S2,
                ("s#t", "struct t { long a ; }"),
                ("f", "int f ( s#t * , s#s * )"),
            ],
        )],
        &[("f", &[("s#s", C::Layout), ("s#t", C::Layout)])],
    ),
    (
        "an include that came and defines what was declared",
        &[("u", &[OPAQUE, F, G])],
        &[("u", &[S, F, G])],
        &[
            ("f", &[("s#s", C::Visibility)]),
            ("g", &[("s#s", C::Visibility)]),
        ],
    ),
    (
        "a reserved member used behind a macro that shows the old text",
        &[(
            "u",
            &[
                ("s#s", "struct s { t#u64 rsvd ; }"),
                ("t#u64", "typedef unsigned long long u64"),
                F,
            ],
        )],
        &[(
            "u",
            &[
                ("s#s", "struct s { t#u64 rsvd ; }"),
                ("t#u64", "typedef unsigned long long u64"),
                F,
            ],
        )],
        &[],
    ),
    (
        "a member renamed",
        &[("u", &[S, F])],
        &[("u", &[("s#s", "struct s { int z ; }"), F])],
        &[("f", &[("s#s", C::CrcOnly)])],
    ),
    (
        "an export that moved above the definition of its type",
        &[("u", &[S, F])],
        &[("u", &[OPAQUE, F])],
        &[("f", &[("s#s", C::Visibility)])],
    ),
];

/// Each trap gives the changed symbols with the causes and classes of its row, and nothing else; so does its mirror.
#[test]
fn traps() {
    for (name, base, head, expected) in TRAPS {
        let there = compare_kernels(base, head);
        let found: Vec<(&str, Vec<(String, C)>)> = there
            .changes
            .iter()
            .map(|(&symbol, change)| {
                let causes = change.causes.iter().map(|&at| &there.causes[at]);
                let causes = causes.map(|cause| (cause.name.to_string(), cause.class));
                (symbol, causes.collect())
            })
            .collect();
        let expected: Vec<(&str, Vec<(String, C)>)> = expected
            .iter()
            .map(|(symbol, causes)| {
                let causes = causes
                    .iter()
                    .map(|(name, class)| ((*name).to_owned(), *class));
                (*symbol, causes.collect())
            })
            .collect();
        assert_eq!(found, expected, "{name}");
        assert!(there.unexplained.is_empty(), "{name}");
        let back = compare_kernels(head, base);
        assert!(there.changes.keys().eq(back.changes.keys()), "{name}");
    }
}

/// A chain of 100,000 structs with the change at its end is followed without a deep stack.
#[test]
fn chain_of_a_hundred_thousand_structs() {
    let chain = |last: &str| -> Vec<(String, String)> {
        let mut records = vec![("f".to_owned(), "int f ( s#n0 * )".to_owned())];
        for at in 0..100_000 {
            records.push((
                format!("s#n{at}"),
                format!("struct n{at} {{ s#n{} * p ; }}", at + 1),
            ));
        }
        records.push((
            "s#n100000".to_owned(),
            format!("struct n100000 {{ {last} ; }}"),
        ));
        records
    };
    let found = compare_owned(&[("u", chain("int a"))], &[("u", chain("long a"))]);
    let change = &found.changes["f"];
    assert_eq!(found.causes[change.causes[0]].name.to_string(), "s#n100000");
    assert_eq!(change.witness.len(), 100_002);
}

/// In a component of 700 types with 40 changed ones each of its exports is attributed once, to its nearest ones.
#[test]
fn component_of_seven_hundred_types() {
    let side = |word: &str| -> Vec<(String, String)> {
        let mut records = Vec::new();
        for at in 0..700_usize {
            let text = if at % 17 == 3 && at < 680 {
                word
            } else {
                "int"
            };
            records.push((
                format!("s#n{at}"),
                format!(
                    "struct n{at} {{ {text} v ; s#n{} * a ; s#n{} * b ; }}",
                    (at + 1) % 700,
                    at * 7 % 700
                ),
            ));
            records.push((format!("f{at}"), format!("int f{at} ( s#n{at} * )")));
        }
        records
    };
    let found = compare_owned(&[("u", side("int"))], &[("u", side("long"))]);
    assert_eq!(found.changes.len(), 700);
    assert_eq!(found.causes.len(), 40);
    assert!(found.unexplained.is_empty());
    let mut groups: std::collections::BTreeMap<&[usize], usize> = std::collections::BTreeMap::new();
    for change in found.changes.values() {
        *groups.entry(&change.causes).or_default() += 1;
    }
    assert_eq!(groups.values().sum::<usize>(), 700);
}

/// Records of a random kernel: for each of eight types a text and up to three types that it mentions.
fn random_kernel() -> impl Strategy<Value = Vec<(String, String)>> {
    proptest::collection::vec((0..3_usize, proptest::collection::vec(0..8_usize, 0..3)), 8)
        .prop_map(|types| {
            let mut records = Vec::new();
            for (at, (variant, mentions)) in types.iter().enumerate() {
                let word = ["int", "long", "char"][*variant];
                let members: String = mentions
                    .iter()
                    .enumerate()
                    .map(|(place, other)| format!("s#n{other} * p{place} ; "))
                    .collect();
                records.push((
                    format!("s#n{at}"),
                    format!("struct n{at} {{ {word} v ; {members}}}"),
                ));
                records.push((format!("f{at}"), format!("int f{at} ( s#n{at} * )")));
            }
            records
        })
}

/// The nearest changed types of an export, found by following every path step by step.
fn nearest(base: &[(String, String)], head: &[(String, String)], symbol: &str) -> BTreeSet<String> {
    let text = |side: &[(String, String)], name: &str| {
        side.iter()
            .find(|(other, _)| other == name)
            .map(|(_, text)| text.clone())
    };
    let mut layer = BTreeSet::from([symbol.to_owned()]);
    for _ in 0..20 {
        let changed: BTreeSet<String> = layer
            .iter()
            .filter(|name| text(base, name) != text(head, name))
            .cloned()
            .collect();
        if !changed.is_empty() {
            return changed;
        }
        layer = layer
            .iter()
            .filter_map(|name| text(base, name))
            .flat_map(|text| {
                let words = text.split(' ').filter(|word| word.starts_with("s#"));
                words.map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
    }
    BTreeSet::new()
}

proptest! {
    /// A kernel does not differ from itself.
    #[test]
    fn equal_kernels_do_not_differ(kernel in random_kernel()) {
        let found = compare_owned(&[("u", kernel.clone())], &[("u", kernel)]);
        prop_assert!(found.changes.is_empty() && found.causes.is_empty());
    }

    /// Every changed CRC is explained by its nearest changed definitions, and both directions agree on them.
    #[test]
    fn causes_are_the_nearest_and_mirror(base in random_kernel(), head in random_kernel()) {
        let there = compare_owned(&[("u", base.clone())], &[("u", head.clone())]);
        let back = compare_owned(&[("u", head.clone())], &[("u", base.clone())]);
        prop_assert!(there.unexplained.is_empty());
        prop_assert!(there.changes.keys().eq(back.changes.keys()));
        for (symbol, change) in &there.changes {
            let names = |found: &Comparison<'_>, change: &Change<'_>| -> BTreeSet<String> {
                change.causes.iter().map(|&at| found.causes[at].name.to_string()).collect()
            };
            prop_assert_eq!(names(&there, change), nearest(&base, &head, symbol));
            prop_assert_eq!(names(&there, change), names(&back, &back.changes[symbol]));
            prop_assert_eq!(change.witness.len(), back.changes[symbol].witness.len());
        }
    }
}

/// Types that are not those of the CRCs leave symbols unexplained instead of passing.
#[test]
fn foreign_types_are_not_an_explanation() {
    let (symvers, types) = kernel(&[("u", &[S, F])]);
    let (other, _) = kernel(&[("u", &[S2, F])]);
    let found = compare(
        Side {
            symvers: &symvers,
            types: &types,
        },
        Side {
            symvers: &other,
            types: &types,
        },
    );
    assert_eq!(found.unexplained, ["f"]);
}
