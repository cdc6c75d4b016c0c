use super::*;
use crate::symtypes::{Definition, TypeKind, TypeName, reference};
use crate::symvers::Crc;

fn export(symbol: &str, crc: u32) -> Export {
    Export {
        symbol: symbol.into(),
        crc: Crc(crc),
        module: "vmlinux".into(),
        class: ExportClass::Plain,
        namespace: None,
    }
}

/// A unit's path and its records.
pub(super) type Unit<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// As [`compare_kernels`], of records that own their text.
pub(super) fn compare_owned(
    base: &[(&str, Vec<(String, String)>)],
    head: &[(&str, Vec<(String, String)>)],
) -> Comparison<'static> {
    let of = |side: &[(&str, Vec<(String, String)>)]| {
        let units: Vec<(&str, Vec<(&str, &str)>)> = side
            .iter()
            .map(|(path, records)| {
                let records = records.iter();
                (
                    *path,
                    records
                        .map(|(name, text)| (name.as_str(), text.as_str()))
                        .collect(),
                )
            })
            .collect();
        let units: Vec<Unit<'_>> = units
            .iter()
            .map(|(path, records)| (*path, records.as_slice()))
            .collect();
        kernel(&units)
    };
    compare_built(of(base), of(head))
}

/// Compares two kernels that from then on live as long as the test.
fn compare_built(base: (Symvers, TypeGraph), head: (Symvers, TypeGraph)) -> Comparison<'static> {
    let side = |kernel| {
        let (symvers, types) = &*Box::leak(Box::new(kernel));
        Side { symvers, types }
    };
    compare(side(base), side(head))
}

/// A kernel of units, each a list of records; CRCs are those of the records.
pub(super) fn kernel(units: &[(&str, &[(&str, &str)])]) -> (Symvers, TypeGraph) {
    let mut types = TypeGraph::default();
    let mut symbols = Vec::new();
    for (path, records) in units {
        let definitions: Vec<Definition> = records
            .iter()
            .map(|(name, text)| Definition {
                name: reference(name).unwrap_or(TypeName {
                    kind: TypeKind::Symbol,
                    name: (*name).to_owned(),
                }),
                is_extern: false,
                text: (*text).to_owned(),
                location: None,
            })
            .collect();
        symbols.extend(
            definitions
                .iter()
                .filter(|d| d.name.kind == TypeKind::Symbol)
                .map(|d| d.name.name.clone()),
        );
        types.add_unit(path, &definitions);
    }
    let mut symvers = Symvers::default();
    for symbol in symbols {
        let crc = types.crc(&symbol).unwrap();
        symvers.insert(export(&symbol, crc.0));
    }
    (symvers, types)
}

pub(super) fn compare_kernels(
    base: &[(&str, &[(&str, &str)])],
    head: &[(&str, &[(&str, &str)])],
) -> Comparison<'static> {
    compare_built(kernel(base), kernel(head))
}

fn cause_names(comparison: &Comparison, symbol: &str) -> Vec<String> {
    comparison.changes[symbol]
        .causes
        .iter()
        .map(|&at| comparison.causes[at].name.to_string())
        .collect()
}

const Q: (&str, &str) = ("s#q", "struct q { s#r * r ; }");
const R: (&str, &str) = ("s#r", "struct r { int a ; }");
const R2: (&str, &str) = ("s#r", "struct r { int a ; int b ; }");

/// The struct whose own text changed is the cause, the one that merely contains it is not, and the path names both.
#[test]
fn nearest_changed_definition_is_the_cause() {
    let f = ("f", "int f ( s#q * )");
    let comparison = compare_kernels(&[("u", &[Q, R, f])], &[("u", &[Q, R2, f])]);
    assert_eq!(cause_names(&comparison, "f"), ["s#r"]);
    let witness: Vec<(String, String)> = comparison.changes["f"]
        .witness
        .iter()
        .map(|step| {
            (
                step.name.to_string(),
                step.member.clone().unwrap_or_default(),
            )
        })
        .collect();
    let expected = [("f", ""), ("s#q", ""), ("s#r", "r")];
    assert_eq!(
        witness,
        expected.map(|(name, member)| (name.to_owned(), member.to_owned()))
    );
    assert_eq!(comparison.causes[0].class, super::super::CauseClass::Layout);
    assert!(comparison.unexplained.is_empty());
}

/// Two changed definitions in the nearest layer form one set; one further away does not belong to it.
#[test]
fn causes_of_one_layer_are_a_set() {
    let base = [
        ("s#a", "struct a { int x ; s#z * z ; }"),
        ("s#b", "struct b { int x ; }"),
        ("s#z", "struct z { int x ; }"),
    ];
    let head = [
        ("s#a", "struct a { long x ; s#z * z ; }"),
        ("s#b", "struct b { long x ; }"),
        ("s#z", "struct z { long x ; }"),
    ];
    let f = ("f", "int f ( s#b * , s#a * )");
    let comparison = compare_kernels(
        &[("u", &[base[0], base[1], base[2], f])],
        &[("u", &[head[0], head[1], head[2], f])],
    );
    assert_eq!(cause_names(&comparison, "f"), ["s#a", "s#b"]);
}

/// Of two texts of one struct name only the unit whose text changed has changed exports.
#[test]
fn variants_of_a_name_are_kept_apart() {
    let (f, g) = (("f", "int f ( s#r * )"), ("g", "int g ( s#r * )"));
    let other = ("s#r", "struct r { char c ; }");
    let comparison = compare_kernels(
        &[("u", &[R, f]), ("v", &[other, g])],
        &[("u", &[R2, f]), ("v", &[other, g])],
    );
    assert_eq!(comparison.changes.keys().collect::<Vec<_>>(), [&"f"]);
}

/// A changed prototype, a type that became opaque and a cycle are told apart and end.
#[test]
fn classes_of_causes() {
    let comparison = compare_kernels(
        &[("u", &[("f", "int f ( int )")])],
        &[("u", &[("f", "int f ( long )")])],
    );
    assert_eq!(
        comparison.causes[0].class,
        super::super::CauseClass::Prototype
    );
    let f = ("f", "int f ( s#r * )");
    let comparison = compare_kernels(
        &[("u", &[R, f])],
        &[("u", &[("s#r", "struct r { UNKNOWN }"), f])],
    );
    assert_eq!(
        comparison.causes[0].class,
        super::super::CauseClass::Visibility
    );
    let cycle = [
        ("s#a", "struct a { s#b * b ; }"),
        ("s#b", "struct b { s#a * a ; s#r * r ; }"),
    ];
    let g = ("g", "int g ( s#a * )");
    let comparison = compare_kernels(
        &[("u", &[cycle[0], cycle[1], R, g])],
        &[("u", &[cycle[0], cycle[1], R2, g])],
    );
    assert_eq!(cause_names(&comparison, "g"), ["s#r"]);
}

/// A CRC that changed without a changed definition is reported as unexplained, but only where both sides know types.
#[test]
fn unexplained_changes_are_told() {
    let (base, mut head) = (
        kernel(&[("u", &[("f", "int f ( int )")])]),
        kernel(&[("u", &[("f", "int f ( int )")])]),
    );
    head.0.insert(export("f", 1));
    let with_types = compare(
        Side {
            symvers: &base.0,
            types: &base.1,
        },
        Side {
            symvers: &head.0,
            types: &head.1,
        },
    );
    assert_eq!(with_types.unexplained, ["f"]);
    let none = TypeGraph::default();
    let without = compare(
        Side {
            symvers: &base.0,
            types: &none,
        },
        Side {
            symvers: &head.0,
            types: &head.1,
        },
    );
    assert!(without.unexplained.is_empty());
    assert_eq!(without.changes["f"].classes[..], [ChangeClass::CrcChanged]);
}

/// Every class of change that two exports can have, one table.
#[test]
fn classes_of_changes() {
    use ChangeClass as C;
    let base = export("f", 5);
    let with = |change: fn(&mut Export)| {
        let mut export = base.clone();
        change(&mut export);
        export
    };
    let table: [(Export, Export, &[ChangeClass]); 12] = [
        (base.clone(), base.clone(), &[]),
        (base.clone(), with(|e| e.crc = Crc(6)), &[C::CrcChanged]),
        (base.clone(), with(|e| e.crc = Crc(0)), &[C::Unversioned]),
        (with(|e| e.crc = Crc(0)), base.clone(), &[C::Unversioned]),
        (
            base.clone(),
            with(|e| e.class = ExportClass::Gpl),
            &[C::ExportTightened],
        ),
        (
            with(|e| e.class = ExportClass::Gpl),
            base.clone(),
            &[C::ExportLoosened],
        ),
        (base.clone(), with(|e| e.class = ExportClass::Unknown), &[]),
        (
            base.clone(),
            with(|e| e.namespace = Some("CXL".into())),
            &[C::NamespaceGained],
        ),
        (
            with(|e| e.namespace = Some("CXL".into())),
            base.clone(),
            &[C::NamespaceDropped],
        ),
        (
            base.clone(),
            with(|e| e.namespace = Some("module:kvm".into())),
            &[C::NamespaceRestricted],
        ),
        (
            base.clone(),
            with(|e| e.module = "drivers/a".into()),
            &[C::MovedToModule],
        ),
        (
            with(|e| e.module = "drivers/a".into()),
            with(|e| e.crc = Crc(6)),
            &[C::CrcChanged, C::MovedToVmlinux],
        ),
    ];
    for (base, head, classes) in table {
        assert_eq!(
            &classify(Some(&base), Some(&head))[..],
            classes,
            "{base:?} {head:?}"
        );
    }
    assert_eq!(classify(Some(&base), None)[..], [C::Removed]);
    assert_eq!(classify(None, Some(&base))[..], [C::Added]);
}
