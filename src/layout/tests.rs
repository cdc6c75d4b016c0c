use std::collections::BTreeSet;

use super::*;
use crate::cpp::Call;
use crate::cpp::child::Environment;

/// Layouts of a text by the machine's compiler.
fn of(text: &str, options: &[&str], names: &[&str]) -> std::collections::BTreeMap<String, Layout> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.c"), text).unwrap();
    let call = Call {
        program: vec!["gcc".to_owned()],
        args: options.iter().map(|&word| word.into()).collect(),
        source: "t.c".to_owned(),
        cwd: folder.path().to_owned(),
    };
    let environment = Environment::new("/usr/local/bin:/usr/bin:/bin", folder.path());
    let bytes = object(&call, &environment).unwrap();
    layouts(&bytes, &names.iter().copied().collect::<BTreeSet<_>>()).unwrap()
}

const MACROS: &str = "\
#define USE(n, new) union { new; struct { unsigned long reserved##n; } hidden_##n; \
  union { _Static_assert(sizeof(struct { new; }) <= sizeof(long), \"too large\"); }; }
#define REPLACE(old, new) union { new; struct { old; } hidden_x; }
";

fn judged(old: &str, new: &str) -> Judgement {
    let side = |members: &str| {
        let text = format!("{MACROS}struct s {{ {members} }};\n");
        of(&text, &["-O2"], &["struct s"])
            .remove("struct s")
            .unwrap()
    };
    judge(&side(old), &side(new))
}

/// Places, sizes and types of members come out as C defines them, in every form of DWARF, also where nothing uses the type.
#[test]
fn layouts_are_those_of_the_compiler() {
    let text = "struct page; typedef unsigned int u32; enum e { A = -1, B, C = 1 << 30 };\n\
        struct s { char a; u32 b : 3, c : 5; struct page *p; struct { short x; union { int y; char z[6]; }; } in; \
        const char *names[2][3]; struct { char q; } many[2]; int (*call)(void); char tail[]; };\n\
        struct packed { char a; long b; } __attribute__((packed));\n";
    for dwarf in ["-gdwarf-2", "-gdwarf-4", "-gdwarf-5"] {
        let found = of(
            text,
            &[dwarf],
            &["struct s", "struct packed", "enum e", "struct page"],
        );
        assert_eq!(found.len(), 3, "a declared type has no layout");
        let members: Vec<(&str, &str, u64, u64)> = found["struct s"]
            .members
            .iter()
            .map(|m| (m.path.as_str(), m.kind.as_str(), m.at, m.bits))
            .collect();
        assert_eq!(
            members,
            [
                ("a", "char", 0, 8),
                ("b", "u32", 8, 3),
                ("c", "u32", 11, 5),
                ("p", "struct page *", 64, 64),
                ("in.x", "short int", 128, 16),
                ("in.y", "int", 160, 32),
                ("in.z", "char [6]", 160, 48),
                ("names", "char const * [2][3]", 256, 384),
                ("many", "struct {…} [2]", 640, 16),
                ("call", "int () *", 704, 64),
                ("tail", "char [0]", 768, 0),
            ],
            "{dwarf}"
        );
        assert_eq!(found["struct s"].size, 96);
        assert_eq!(found["struct packed"].size, 9);
        assert_eq!(found["struct packed"].members[1].at, 8);
        let values = &found["enum e"].values;
        assert_eq!(
            values
                .iter()
                .map(|(n, v)| (n.as_str(), *v))
                .collect::<Vec<_>>(),
            [("A", -1), ("B", 0), ("C", 1 << 30)]
        );
    }
}

/// A slot that is used within its size keeps the layout; one that is too small does not, though the source checks its size itself.
#[test]
fn slots() {
    let old = "int a; unsigned long reserved1; int z;";
    let kept = judged(old, "int a; USE(1, int c) ; int z;");
    assert_eq!(kept.verdict, Verdict::Kept);
    assert_eq!(
        kept.text(),
        "c (int, 4 bytes) stands at byte 8 in the place of reserved1 (8 bytes); size 24 bytes as before"
    );
    assert!(kept.doubts.is_empty());
    let broken = judged(old, "int a; USE(1, long c[2]); int z;");
    assert_eq!(broken.verdict, Verdict::Broken);
    assert_eq!(
        broken.text(),
        "z moves from byte 16 to byte 24; size 24 → 32 bytes; c (long int [2], 16 bytes) stands at byte 8 and does not fit \
         into reserved1 (8 bytes)"
    );
    let two = "int a; unsigned long reserved1; unsigned long reserved2; int z;";
    let kept = judged(two, "int a; long c[2]; int z;");
    assert_eq!((kept.verdict, kept.doubts.len()), (Verdict::Kept, 0));
    // The last slot and the padding behind it.
    let spilled = judged("long a; int reserved1;", "long a; long c;");
    assert_eq!((spilled.verdict, spilled.doubts.len()), (Verdict::Kept, 1));
}

/// Split, replaced, renamed and hole-filling members keep the layout; what it then means is told.
#[test]
fn other_uses_of_bytes() {
    let split = judged("long reserved1;", "int c : 4, d : 28; int e;");
    assert_eq!((split.verdict, split.doubts.len()), (Verdict::Kept, 0));
    let replaced = judged(
        "long a; long b;",
        "long a; REPLACE(long b, unsigned long c);",
    );
    assert_eq!(replaced.verdict, Verdict::Kept);
    assert!(
        replaced.text().contains("in the place of b (8 bytes)"),
        "{}",
        replaced.text()
    );
    let retyped = judged("long a; long b;", "long a; REPLACE(long b, void *b);");
    assert_eq!(
        (retyped.verdict, retyped.doubts.as_slice()),
        (Verdict::Kept, &["b: long int → void *".to_owned()][..])
    );
    let hole = judged("int a; long b;", "int a; int hole; long b;");
    assert!(
        hole.text()
            .contains("hole (int, 4 bytes) stands at byte 4 where nothing was")
    );
    assert_eq!((hole.verdict, hole.doubts.len()), (Verdict::Kept, 0));
    let gone = judged("int a; int b; long c;", "int a; int d; long c;");
    assert_eq!((gone.verdict, gone.doubts.len()), (Verdict::Kept, 1));
}

/// Members that move, shrink or grow break; a larger type with all members in place is told as such.
#[test]
fn breaks() {
    for (old, new, verdict) in [
        ("int a; long b;", "int a; long c; long b;", Verdict::Broken),
        ("long a; long b;", "long a; int b; int c;", Verdict::Broken),
        ("long a;", "long a; long b;", Verdict::Grown),
        ("long a; long b;", "long a;", Verdict::Broken),
        (
            "int a; int b; int c;",
            "int b; int a; int c;",
            Verdict::Broken,
        ),
        (
            "int a : 3; int b : 3;",
            "int a : 4; int b : 3;",
            Verdict::Broken,
        ),
        ("long a[2]; char b;", "long a[3];", Verdict::Broken),
    ] {
        assert_eq!(judged(old, new).verdict, verdict, "{old} {new}");
    }
    let values = |list: &str| {
        let text = format!("enum e {{ {list} }};");
        of(&text, &[], &["enum e"]).remove("enum e").unwrap()
    };
    let shifted = judge(&values("A, B"), &values("A, X, B"));
    assert_eq!(shifted.verdict, Verdict::Broken);
    assert_eq!(
        shifted.text(),
        "B: 1 → 2; X (1) is new; size 4 bytes as before"
    );
    assert_eq!(
        judge(&values("A, B"), &values("A, B, X")).verdict,
        Verdict::Kept
    );
}

/// What does not compile is an error with the compiler's words; no bytes make the reader panic.
#[test]
fn errors() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.c"), "struct s { no_such_type a; };\n").unwrap();
    let call = Call {
        program: vec!["gcc".to_owned()],
        args: Vec::new(),
        source: "t.c".to_owned(),
        cwd: folder.path().to_owned(),
    };
    let environment = Environment::new("/usr/local/bin:/usr/bin:/bin", folder.path());
    let error = object(&call, &environment).unwrap_err().to_string();
    assert!(error.contains("no_such_type"), "{error}");
    assert!(layouts(b"no object", &BTreeSet::new()).is_err());
    std::fs::write(
        folder.path().join("t.c"),
        "struct s { long a; struct { int b; }; } x;\n",
    )
    .unwrap();
    let bytes = object(&call, &environment).unwrap();
    let names = BTreeSet::from(["struct s"]);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let _ = layouts(&damaged, &names);
    }
    for end in (0..bytes.len()).step_by(7) {
        let _ = layouts(&bytes[..end], &names);
    }
}
