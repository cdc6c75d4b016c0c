//! Traps of types: two kernels with their symtypes each, and the causes that must come out.

use std::fs;
use std::path::Path;

use kabigate::cpp::TextTokens;
use kabigate::genksyms::{Profile, analyse};
use kabigate::symtypes::TypeGraph;
use serde_json::Value;

use crate::folder::Folder;
use crate::support::{Ended, Run};

/// One unit: name and records.
type Unit = (&'static str, &'static [&'static str]);

struct Trap {
    number: u32,
    old: &'static [Unit],
    new: &'static [Unit],
    /// The changed symbols.
    symbols: &'static [&'static str],
    /// The causes, by record and class.
    causes: &'static [(&'static str, &'static str)],
}

const F: &str = "f int f ( s#s * )";
const G: &str = "g int g ( s#s * )";
const S: &str = "s#s struct s { int a ; }";
const S_LONG: &str = "s#s struct s { long a ; }";
const S_TWO: &str = "s#s struct s { int a ; int b ; }";
const OPAQUE: &str = "s#s struct s { UNKNOWN }";

const TRAPS: &[Trap] = &[
    Trap {
        number: 40,
        old: &[("u", &[S, F])],
        new: &[("u", &[S_LONG, F])],
        symbols: &["f"],
        causes: &[("s#s", "layout")],
    },
    Trap {
        number: 41,
        old: &[("u", &[S, F])],
        new: &[("u", &[S_TWO, F])],
        symbols: &["f"],
        causes: &[("s#s", "layout")],
    },
    Trap {
        number: 42,
        old: &[("u", &["s#s struct s { int a ; long b ; }", F])],
        new: &[("u", &["s#s struct s { long b ; int a ; }", F])],
        symbols: &["f"],
        causes: &[("s#s", "layout")],
    },
    Trap {
        number: 43,
        old: &[("u", &["s#s struct s { int a [ 16 ] ; }", F])],
        new: &[("u", &["s#s struct s { int a [ 32 ] ; }", F])],
        symbols: &["f"],
        causes: &[("s#s", "layout")],
    },
    Trap {
        number: 44,
        old: &[("u", &["e#e enum e { A , B }", "f int f ( e#e )"])],
        new: &[("u", &["e#e enum e { A , X , B }", "f int f ( e#e )"])],
        symbols: &["f"],
        causes: &[("e#e", "enum-shifted")],
    },
    Trap {
        number: 44,
        old: &[("u", &["e#e enum e { A , B }", "f int f ( e#e )"])],
        new: &[("u", &["e#e enum e { A , B , X }", "f int f ( e#e )"])],
        symbols: &["f"],
        causes: &[("e#e", "enum-appended")],
    },
    Trap {
        number: 45,
        old: &[("u", &[OPAQUE, F])],
        new: &[("u", &[S, F])],
        symbols: &["f"],
        causes: &[("s#s", "visibility")],
    },
    Trap {
        number: 45,
        old: &[("u", &[S, F])],
        new: &[("u", &[OPAQUE, F])],
        symbols: &["f"],
        causes: &[("s#s", "visibility")],
    },
    Trap {
        number: 46,
        old: &[("u", &[S, F]), ("v", &["s#s struct s { char c ; }", G])],
        new: &[("u", &[S_TWO, F]), ("v", &["s#s struct s { char c ; }", G])],
        symbols: &["f"],
        causes: &[("s#s", "layout")],
    },
    Trap {
        number: 47,
        old: &[(
            "u",
            &[
                "s#a struct a { s#s * s ; }",
                "s#s struct s { s#a * a ; }",
                F,
            ],
        )],
        new: &[(
            "u",
            &[
                "s#a struct a { s#s * s ; }",
                "s#s struct s { s#a * a ; int b ; }",
                F,
            ],
        )],
        symbols: &["f"],
        causes: &[("s#s", "layout")],
    },
    Trap {
        number: 50,
        old: &[("u", &[S, "s#x struct x { int a ; }", F])],
        new: &[("u", &[S, "s#x struct x { long a ; }", F])],
        symbols: &[],
        causes: &[],
    },
    Trap {
        number: 51,
        old: &[("u", &[S, F])],
        new: &[("u", &[S, "f long f ( s#s * )"])],
        symbols: &["f"],
        causes: &[("f", "prototype")],
    },
    Trap {
        number: 52,
        old: &[(
            "u",
            &[S, "s#t struct t { int a ; }", "f int f ( s#s * , s#t * )"],
        )],
        new: &[(
            "u",
            &[
                S_TWO,
                "s#t struct t { long a ; }",
                "f int f ( s#s * , s#t * )",
            ],
        )],
        symbols: &["f"],
        causes: &[("s#s", "layout"), ("s#t", "layout")],
    },
    Trap {
        number: 54,
        old: &[(
            "u",
            &["s#'a b' struct a b { int x ; }", "f int f ( s#'a b' )"],
        )],
        new: &[(
            "u",
            &["s#'a b' struct a b { long x ; }", "f int f ( s#'a b' )"],
        )],
        symbols: &["f"],
        causes: &[("s#'a b'", "layout")],
    },
];

/// Writes a kernel: its types, and the CRCs that follow from them.
fn write(folder: &Path, name: &str, units: &[Unit]) {
    let mut types = String::new();
    for (unit, records) in units {
        types.push_str(&format!("/* lib/{unit}.symtypes */\n"));
        let mut records = records.to_vec();
        records.sort_unstable();
        for record in records {
            types.push_str(record);
            types.push('\n');
        }
    }
    let graph = TypeGraph::from_consolidated(types.as_bytes(), name).unwrap();
    let exports = units.iter().flat_map(|(_, records)| records.iter());
    let exports = exports.filter_map(|record| record.split(' ').next());
    let lines = exports.filter(|name| !name.contains('#')).map(|symbol| {
        let crc = graph.crc(symbol).unwrap();
        format!("{crc}\t{symbol}\tvmlinux\tEXPORT_SYMBOL\t\n")
    });
    fs::write(folder.join(name), lines.collect::<String>()).unwrap();
    fs::write(folder.join(format!("{name}.types")), types).unwrap();
}

/// Compares `old` and `new` with their types.
fn diff(folder: &Folder) -> (Ended, Value) {
    folder.diff(&["--old-symtypes", "old.types", "--new-symtypes", "new.types"])
}

#[test]
fn traps_have_their_causes() {
    for trap in TRAPS {
        let folder = Folder::new(&[]);
        write(folder.top(), "old", trap.old);
        write(folder.top(), "new", trap.new);
        let (ended, report) = diff(&folder);
        let number = trap.number;
        assert_eq!(
            ended.code,
            i32::from(!trap.symbols.is_empty()),
            "trap {number}:\n{}",
            ended.out
        );
        let empty = Vec::new();
        let list = |value: &'_ Value| value.as_array().unwrap_or(&empty).clone();
        let symbols = list(&report["tip"]["symbols"]);
        let symbols: Vec<&str> = symbols
            .iter()
            .map(|s| s["symbol"].as_str().unwrap())
            .collect();
        assert_eq!(symbols, trap.symbols, "trap {number}");
        let causes = list(&report["causes"]);
        let mut causes: Vec<(&str, &str)> = causes
            .iter()
            .map(|cause| {
                (
                    cause["record"].as_str().unwrap(),
                    cause["class"].as_str().unwrap(),
                )
            })
            .collect();
        causes.sort_unstable();
        assert_eq!(causes, trap.causes, "trap {number}");
        let groups = list(&report["tip"]["groups"]);
        assert!(
            groups.len() <= 1,
            "trap {number}: one group names all causes of a symbol"
        );
    }
}

/// 53: a name without section in the older dialect stands for the definition of an earlier section.
#[test]
fn earlier_definitions_stand_in() {
    let folder = Folder::new(&[]);
    write(folder.top(), "old", &[("u", &[S, F]), ("v", &[S, G])]);
    write(
        folder.top(),
        "new",
        &[("u", &[S_TWO, F]), ("v", &[S_TWO, G])],
    );
    for (name, text) in [("old", S), ("new", S_TWO)] {
        let types = format!(
            "/* lib/u.o */\nf int f ( s#s * )\n{text}\n/* lib/v.o */\ng int g ( s#s * )\ns#s\n"
        );
        fs::write(folder.path(&format!("{name}.types")), types).unwrap();
    }
    let (ended, report) = diff(&folder);
    ended.code(1);
    assert_eq!(report["tip"]["symbols"].as_array().unwrap().len(), 2);
    assert_eq!(report["causes"].as_array().unwrap().len(), 1);
}

/// 55, 57: a file of types that is none is an error at its line; types of another algorithm are not compared.
#[test]
fn foreign_types() {
    let dwarf = "/* lib/u.symtypes */\ns#s structure_type s { member base_type int byte_size(4) encoding(5) a data_member_location(0) } byte_size(4)\n\
                 f subprogram ( formal_parameter pointer_type { s#s } byte_size(8) ) -> base_type int byte_size(4) encoding(5)\n";
    for (types, code, says) in [
        (
            "/* lib/u.symtypes */\né#x struct x { int a ; }\n",
            2,
            "new.types:2: bad name `é#x`",
        ),
        (dwarf, 3, "gendwarfksyms"),
    ] {
        let folder = Folder::new(&[]);
        write(folder.top(), "old", &[("u", &[S, F])]);
        write(folder.top(), "new", &[("u", &[S, F])]);
        fs::write(folder.path("new.types"), types).unwrap();
        let (ended, _) = diff(&folder);
        ended.code(code).out_has(says);
    }
}

/// 56: types that are not those of the CRCs explain nothing, so that nothing is checked.
#[test]
fn types_that_contradict_the_crcs() {
    let folder = Folder::new(&[]);
    write(folder.top(), "old", &[("u", &[S, F])]);
    write(folder.top(), "new", &[("u", &[S_TWO, F])]);
    fs::copy(folder.path("old.types"), folder.path("new.types")).unwrap();
    let (ended, _) = diff(&folder);
    ended.code(3).out_has("NOT CHECKED");
}

/// The CRC and the text of the type `s` that genksyms makes of a preprocessed unit.
fn genksyms(text: &str) -> (u32, Option<String>) {
    let profile: Profile = "P4".parse().unwrap();
    let text = format!("# 1 \"a.c\"\n# 1 \"a.h\" 1\n{text}");
    let unit = analyse(&mut TextTokens::new(text.as_bytes()), &profile);
    let s = unit
        .definitions
        .iter()
        .find(|definition| definition.name.to_string() == "s#s");
    (unit.exports[0].1.0, s.map(|s| s.text.clone()))
}

const EXPORT: &str = "__GENKSYMS_EXPORT_SYMBOL ( f ) ;\n";

/// 58, 60: an include that came, or an export that moved above a definition, changes the CRC by what is visible; no layout changed.
#[test]
fn visibility_is_a_matter_of_the_text_before_the_export() {
    let declared = "struct s ; int f ( struct s * ) ;\n";
    let defined = "struct s { int a ; } ;\n";
    let (opaque, text) = genksyms(&format!("{declared}{EXPORT}"));
    assert_eq!(text.as_deref(), Some("struct s { UNKNOWN }"));
    let (included, text) = genksyms(&format!("{defined}{declared}{EXPORT}"));
    assert_eq!(text.as_deref(), Some("struct s { int a ; }"));
    assert_ne!(opaque, included);
    let (behind, _) = genksyms(&format!("{declared}{EXPORT}{defined}"));
    assert_eq!(
        behind, opaque,
        "what stands behind the export does not count"
    );
}

/// 59: a slot that is used as genksyms is shown it changes no CRC; what attributes behind a body and `typeof` hide is not in it either.
#[test]
fn what_the_crc_does_not_cover() {
    let f = "int f ( struct s * ) ;\n";
    let (with_slot, _) = genksyms(&format!(
        "struct s {{ int a ; unsigned long reserved1 ; }} ;\n{f}{EXPORT}"
    ));
    let (packed, _) = genksyms(&format!(
        "struct s {{ int a ; unsigned long reserved1 ; }} __attribute__ ( ( packed ) ) ;\n{f}{EXPORT}"
    ));
    assert_eq!(with_slot, packed);
    let of = |behind: &str| {
        genksyms(&format!("struct t {{ {behind} b ; }} ; struct s {{ typeof ( ( ( struct t * ) 0 ) -> b ) a ; }} ;\n{f}{EXPORT}")).0
    };
    assert_eq!(of("int"), of("long"));
}

/// What a stable update of a distribution is checked with, in small: without rules every change counts, with SUSE's file the
/// tolerated ones do not (35).
#[test]
fn severities_decide_over_a_whole_kernel() {
    let kernel = |crc_of: fn(u32) -> u32, count: u32| -> String {
        let line = |at: u32| {
            let module = if at.is_multiple_of(2) {
                "vmlinux"
            } else {
                "drivers/nvme/host/nvme"
            };
            format!("{:#010x}→sym_{at}→{module}→EXPORT_SYMBOL→\n", crc_of(at))
        };
        (1..=count).map(line).collect()
    };
    let old = kernel(|at| at, 100);
    let folder = Folder::new(&[
        ("old", &old),
        (
            "new",
            &kernel(|at| if at % 2 == 1 { at + 1000 } else { at }, 110),
        ),
        ("broken", &kernel(|at| at + 1000, 90)),
        ("severities", "drivers/nvme/host/* PASS\n"),
    ]);
    let diff = |new: &str, more: &[&str]| {
        let mut all = vec!["diff", "old", new];
        all.extend(more);
        Run::new(&all).dir(folder.top()).end()
    };
    let rules = ["--rules", "severities"];
    diff("new", &[])
        .code(1)
        .out_has("50 of 100 protected symbols changed");
    diff("new", &rules).code(0).out_has("PASS");
    // 45 that stay in vmlinux changed and 5 went; what SUSE tolerates in the module is tolerated, gone or changed.
    diff("broken", &rules)
        .code(1)
        .out_has("50 of 100 protected symbols changed");
}
