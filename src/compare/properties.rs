//! What must hold for any two kernels.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tests::kernel;
use super::*;
use crate::compare::ChangeClass;
use crate::symtypes::TypeGraph;

/// Names of structures.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A structure: a variant of its text, and the structures that it refers to.
type Structure = (u8, Vec<usize>);
/// A unit: its structures, the one that its export takes, and what kind of export it is.
type Unit = (Vec<Structure>, usize, u8);

fn unit() -> impl Strategy<Value = Unit> {
    let structure = (0_u8..3, proptest::collection::vec(0..NAMES.len(), 0..3));
    (
        proptest::collection::vec(structure, NAMES.len()),
        0..NAMES.len(),
        0_u8..6,
    )
}

fn units() -> impl Strategy<Value = Vec<Unit>> {
    proptest::collection::vec(unit(), 1..5)
}

/// The kernel of some units; the kind of an export leaves it out, or decides its class, namespace and module.
fn build(units: &[Unit]) -> (Symvers, TypeGraph) {
    let records: Vec<(String, Vec<(String, String)>)> = units
        .iter()
        .enumerate()
        .filter(|(_, (_, _, kind))| *kind > 0)
        .map(|(at, (structures, takes, _))| {
            let mut records: Vec<(String, String)> = NAMES
                .iter()
                .zip(structures)
                .map(|(name, (variant, refers))| {
                    let members: String = refers
                        .iter()
                        .enumerate()
                        .map(|(at, to)| format!(" s#{} * m{at} ;", NAMES[*to]))
                        .collect();
                    let text = match variant {
                        0 => format!("struct {name} {{ UNKNOWN }}"),
                        _ => format!("struct {name} {{ int v{variant} ;{members} }}"),
                    };
                    (format!("s#{name}"), text)
                })
                .collect();
            records.push((
                format!("f{at}"),
                format!("int f{at} ( s#{} * )", NAMES[*takes]),
            ));
            (format!("u{at}"), records)
        })
        .collect();
    let borrowed: Vec<(&str, Vec<(&str, &str)>)> = records
        .iter()
        .map(|(path, records)| {
            let records = records.iter();
            let records = records.map(|(name, text)| (name.as_str(), text.as_str()));
            (path.as_str(), records.collect())
        })
        .collect();
    let slices: Vec<(&str, &[(&str, &str)])> = borrowed
        .iter()
        .map(|(path, records)| (*path, records.as_slice()))
        .collect();
    let (plain, types) = kernel(&slices);
    let symvers = plain
        .iter()
        .cloned()
        .map(|mut export| {
            let at: usize = export.symbol[1..].parse().unwrap();
            match units[at].2 {
                2 => export.class = ExportClass::Gpl,
                3 => export.namespace = Some("NET".into()),
                4 => export.namespace = Some("module:x".into()),
                5 => export.module = "net/x".into(),
                _ => {}
            }
            export
        })
        .collect();
    // Written and read, so that sections are compared as those of a file are.
    let text = types.to_consolidated();
    let types = match text.is_empty() {
        true => types,
        false => TypeGraph::from_consolidated(text.as_bytes(), "x").unwrap(),
    };
    (symvers, types)
}

fn side((symvers, types): &(Symvers, TypeGraph)) -> Side<'_> {
    Side { symvers, types }
}

/// The class of the change back.
fn back(class: ChangeClass, change: &Change<'_>) -> ChangeClass {
    let module =
        |namespace: Option<&str>| namespace.is_some_and(|name| name.starts_with("module:"));
    let of = |export: Option<&Export>| export.and_then(|e| e.namespace.clone());
    match class {
        ChangeClass::Removed => ChangeClass::Added,
        ChangeClass::Added => ChangeClass::Removed,
        ChangeClass::ExportTightened => ChangeClass::ExportLoosened,
        ChangeClass::ExportLoosened => ChangeClass::ExportTightened,
        ChangeClass::NamespaceGained
        | ChangeClass::NamespaceRestricted
        | ChangeClass::NamespaceChanged
        | ChangeClass::NamespaceDropped => match of(change.base) {
            None => ChangeClass::NamespaceDropped,
            base if module(base.as_deref()) => ChangeClass::NamespaceRestricted,
            _ if of(change.head).is_none() => ChangeClass::NamespaceGained,
            _ => ChangeClass::NamespaceChanged,
        },
        ChangeClass::MovedToModule | ChangeClass::MovedToVmlinux => {
            match change.base.as_ref().map(|export| export.module.as_str()) {
                Some("vmlinux") => ChangeClass::MovedToVmlinux,
                _ => ChangeClass::MovedToModule,
            }
        }
        ChangeClass::CrcChanged | ChangeClass::Unversioned => class,
    }
}

/// What a change says about its definitions: their names and texts, base side first.
fn texts(comparison: &Comparison<'_>, change: &Change<'_>) -> BTreeSet<(String, String, String)> {
    let causes = change.causes.iter().map(|&at| &comparison.causes[at]);
    causes
        .map(|cause| {
            (
                cause.name.to_string(),
                cause.base_text.clone(),
                cause.head_text.clone(),
            )
        })
        .collect()
}

proptest! {
    /// A kernel does not differ from itself.
    #[test]
    fn nothing_differs_from_itself(units in units()) {
        let kernel = build(&units);
        prop_assert_eq!(compare(side(&kernel), side(&kernel)), Comparison::default());
    }

    /// Every changed CRC has a cause and a path to it, and the comparison the other way round says the same backwards.
    #[test]
    fn the_way_back_mirrors(base in units(), head in units()) {
        let (base, head) = (build(&base), build(&head));
        let there = compare(side(&base), side(&head));
        let again = compare(side(&head), side(&base));
        prop_assert!(there.unexplained.is_empty() && again.unexplained.is_empty());
        prop_assert!(there.changes.keys().eq(again.changes.keys()));
        prop_assert_eq!(there.causes.len(), again.causes.len());
        for (symbol, change) in &there.changes {
            let other = &again.changes[symbol];
            prop_assert_eq!((&change.base, &change.head), (&other.head, &other.base));
            let mut classes: super::Classes = change.classes.iter().map(|&c| back(c, change)).collect();
            classes.sort_unstable();
            let mut expected = other.classes.clone();
            expected.sort_unstable();
            prop_assert_eq!(classes, expected);
            let swapped = texts(&again, other).into_iter().map(|(name, old, new)| (name, new, old));
            prop_assert_eq!(texts(&there, change), swapped.collect::<BTreeSet<_>>());
            prop_assert_eq!(&change.witness, &other.witness);
            if change.classes.contains(&ChangeClass::CrcChanged) {
                let end = change.witness.last().map(|step| step.name.to_string());
                prop_assert!(!change.causes.is_empty());
                prop_assert_eq!(end, Some(there.causes[change.causes[0]].name.to_string()));
            }
        }
    }
}
