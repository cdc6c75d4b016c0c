//! Tests of the room as a whole, over the vectors in `tests/data/genksyms`.

use super::grammar::{Grammar, GrammarId, Terminal};
use super::tables::Tables;
use super::*;
use crate::cpp::TextTokens;

/// The grammars have the states and conflicts that bison finds in them.
#[test]
fn tables_have_their_known_size() {
    for (grammar, absent, states, conflicts) in [
        (GrammarId::P4, &[Terminal::X86Seg][..], 188, (9, 5)),
        (GrammarId::P5, &[][..], 201, (0, 0)),
    ] {
        let tables = Tables::build(Grammar::read(grammar, absent).expect("INVARIANT: well formed"));
        assert_eq!(
            (tables.states(), tables.conflicts),
            (states, conflicts),
            "{grammar:?}"
        );
    }
}

/// Every grammar reads and has tables under every combination of keywords.
#[test]
fn every_profile_has_tables() {
    for name in ["P0", "P1", "P2", "P4", "P5"] {
        for features in 0..16 {
            let mut id = name.to_owned();
            for (bit, feature) in ["x86_seg", "va_list", "builtin_int", "static_assert"]
                .iter()
                .enumerate()
            {
                id.push(if features & (1 << bit) == 0 { '-' } else { '+' });
                id.push_str(feature);
            }
            let profile = id.parse().expect("INVARIANT: the spelling is a profile's");
            let tables = parser::tables(&profile);
            assert!(
                tables.accepting.is_some() && tables.after_body.is_some(),
                "{id}"
            );
        }
    }
}

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/genksyms/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check(name: &str, expected: &str, profile: &Profile) {
    let input = vector(&format!("{name}.i"));
    let (unit, dump) = analyse_and_dump(&mut TextTokens::new(&input), profile);
    let (mut symvers, mut symtypes) = (Vec::new(), Vec::new());
    unit.write_symvers(&mut symvers)
        .expect("INVARIANT: memory takes everything");
    unit.write_symtypes(&mut symtypes)
        .expect("INVARIANT: memory takes everything");
    assert_eq!(
        text(&symvers),
        text(&vector(&format!("{expected}.symver"))),
        "{expected}"
    );
    assert_eq!(
        text(&symtypes),
        text(&vector(&format!("{expected}.symtypes"))),
        "{expected}"
    );
    assert_eq!(
        text(&dump),
        text(&vector(&format!("{expected}.log"))),
        "{expected}"
    );
    let plain = analyse(&mut TextTokens::new(&input), profile);
    assert_eq!(plain, unit, "{expected}: without a dump");
    assert_eq!(plain.faults, [], "{expected}");
}

const VECTORS: [&str; 17] = [
    "01_simple",
    "02_struct",
    "03_unknown",
    "04_struct_in_source",
    "05_enum",
    "06_attr",
    "07_attr_after_struct",
    "08_typeof",
    "09_numbers",
    "10_first_wins",
    "11_multi_decl",
    "12_late_def",
    "13_recursive",
    "14_enum_src_counter",
    "15_error_body",
    "16_anon",
    "17_asmname",
];

/// Under P4 every vector prints what the genksyms of 6.1.192 prints: CRCs, symtypes, messages and dump.
#[test]
fn vectors_p4() {
    for name in VECTORS.iter().chain(&["18_corners", "19_errors"]) {
        check(name, name, &Profile::P4);
    }
}

/// Under P5 every vector prints what the genksyms of 7.2.11 prints.
#[test]
fn vectors_p5() {
    let profile: Profile = "P5+typeof_unqual+x86_seg"
        .parse()
        .expect("INVARIANT: a profile");
    for name in VECTORS {
        let own = ["06_attr", "07_attr_after_struct"].contains(&name);
        let expected = if own {
            format!("{name}.p5")
        } else {
            name.to_owned()
        };
        check(name, &expected, &profile);
    }
}

fn run(text: &str, profile: &Profile) -> UnitSymbols {
    analyse(&mut TextTokens::new(text.as_bytes()), profile)
}

fn expanded(text: &str, profile: &Profile) -> String {
    let (_, dump) = analyse_and_dump(&mut TextTokens::new(text.as_bytes()), profile);
    String::from_utf8_lossy(&dump).into_owned()
}

/// A declarator whose list the kernel's genksyms follows for ever is left out and said to be a fault.
#[test]
fn cyclic_declarator() {
    for profile in [
        Profile::P0,
        Profile::P1,
        Profile::P2,
        Profile::P4,
        Profile::P5,
    ] {
        let export = if profile.grammar < GrammarId::P4 {
            "EXPORT_SYMBOL"
        } else {
            "__GENKSYMS_EXPORT_SYMBOL"
        };
        let text = format!(
            "# 1 \"a.h\"\nint a, (*f)(int x);\nint b, g(long x), c;\n{export}(a); {export}(f); {export}(b);"
        );
        let unit = run(&text, &profile);
        let faults: Vec<_> = unit.faults.iter().map(|f| f.message.as_str()).collect();
        assert_eq!(
            faults,
            [
                "declarator of f ends in itself, it is left out",
                "declarator of g ends in itself, it is left out",
                "declarator of c ends in itself, it is left out",
            ],
        );
        assert_eq!(unit.faults[0].location.to_string(), "a.h:1");
        let exported: Vec<_> = unit.exports.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(exported, ["a", "b"]);
    }
}

/// Specifiers that too many declarators share are a fault, soon, and leave what was read before as it is.
#[test]
fn bounded_copies() {
    let shared = "const ".repeat(20_000);
    for name in ["a", "v"] {
        let names: String = (0..20_000)
            .map(|n| {
                if name == "a" {
                    ", a".to_owned()
                } else {
                    format!(", v{n}")
                }
            })
            .collect();
        let text =
            format!("extern int x; extern int {shared} y{names};\n__GENKSYMS_EXPORT_SYMBOL(x);\n");
        let unit = run(&text, &Profile::P4);
        assert_eq!(unit.faults.len(), 20);
        assert!(
            unit.faults[0]
                .message
                .starts_with("definitions take too much room, ")
        );
        assert_eq!(unit.exports.len(), 1);
    }
}

/// A parameter list becomes the specifiers that later declarators share, as 6.1.192 and 7.2.11 have it.
#[test]
fn shared_specifiers() {
    for profile in [Profile::P4, Profile::P5] {
        let text = "# 1 \"a.c\"\nextern int (*f)(int x), a;\n__GENKSYMS_EXPORT_SYMBOL(a);\n";
        assert_eq!(
            run(text, &profile).exports,
            [("a".to_owned(), Crc(0x8c3e_7822))]
        );
        assert_eq!(
            expanded(text, &profile),
            "Export a == <int ( * f ) ( int a >\n"
        );
    }
}

/// Bytes above ASCII and NUL end a unit outside of phrases, as in 6.1.192; within brackets the former are tokens.
#[test]
fn bytes_that_end_a_unit() {
    let unit = |bytes: &[u8]| {
        let mut text = b"# 1 \"a.h\"\nextern int a".to_vec();
        text.extend_from_slice(bytes);
        text.extend_from_slice(b"\n__GENKSYMS_EXPORT_SYMBOL(a);");
        let unit = analyse(&mut TextTokens::new(&text), &Profile::P4);
        (
            unit.exports
                .iter()
                .map(|(_, crc)| crc.0)
                .collect::<Vec<_>>(),
            unit.diagnostics.len(),
        )
    };
    assert_eq!(unit(b"; \xc3;"), (vec![], 0));
    assert_eq!(unit(b"; \0;"), (vec![], 0));
    assert_eq!(unit(b"; extern int \xc3;"), (vec![], 1));
    assert_eq!(unit(b"[\xc3 1];"), (vec![0xcfcc_4816], 0));
    assert_eq!(unit(b"[\0 1];"), (vec![], 1));
    assert_eq!(unit(b"[\"x\0y\"];"), (vec![0xcb7b_f56f], 0));
    assert_eq!(unit(b"[\"x\xc3y\"];"), (vec![0x1078_85da], 0));
}

/// A definition knows where its name was read; one that was made up has no place.
#[test]
fn places_of_definitions() {
    let text = "# 1 \"a.c\"\n# 7 \"a.h\" 1\nstruct\n s { struct o *o; };\ntypedef struct s\n t;\nenum { A };\n\
                t *f(int x[A]);\n# 1 \"a.c\" 2\n__GENKSYMS_EXPORT_SYMBOL(f);\n";
    let unit = run(text, &Profile::P4);
    let places: Vec<_> = (unit.definitions.iter())
        .map(|d| match &d.location {
            Some(location) => format!("{} {location}", d.name),
            None => d.name.to_string(),
        })
        .collect();
    assert_eq!(
        places,
        ["s#o", "s#s a.h:8", "t#t a.h:10", "E#A a.h:11", "f a.h:12"]
    );
}

/// The older grammars: opaque enums in a name space of their own, `typeof` of a type, exports by the macros themselves.
#[test]
fn older_profiles() {
    let text = "# 1 \"a.c\"\nenum e { A, B };\nstruct e { int i; };\nextern typeof(int *) v[B];\n\
                int f(struct e *, enum e);\nEXPORT_SYMBOL(v);\nEXPORT_SYMBOL_GPL(f);\n";
    assert_eq!(
        expanded(text, &Profile::P0),
        "Export v == <typeof ( int * ) v [ B ] >\n\
         Export f == <int f ( struct e { int i ; } * , enum e { A , B } ) >\n"
    );
    assert_eq!(
        expanded(text, &Profile::P1),
        "Export v == <typeof ( int * ) v [ 1 ] >\n\
         Export f == <int f ( a.c:6: expand undefined struct e\nstruct e { UNKNOWN } * , enum e ) >\n"
    );
    assert_eq!(expanded(text, &Profile::P2), expanded(text, &Profile::P1));
}

/// Words that only some profiles know change how a declaration reads.
#[test]
fn keywords_of_profiles() {
    let recent: Profile = "P5+typeof_unqual+x86_seg"
        .parse()
        .expect("INVARIANT: a profile");
    let export = "__GENKSYMS_EXPORT_SYMBOL(v);\n";
    for (text, expected) in [
        (
            "extern typeof_unqual(int) v;",
            "Export v == <typeof_unqual ( int ) v >\n",
        ),
        (
            "extern int __seg_gs *v;",
            "Export v == <int __seg_gs * v >\n",
        ),
        ("extern uint8x16_t v;", "Export v == <uint8x16_t v >\n"),
        ("extern int * __restrict v;", "Export v == <int * v >\n"),
    ] {
        assert_eq!(expanded(&format!("{text}\n{export}"), &recent), expected);
    }
    assert_eq!(
        run("extern uint8x16_t v;\n", &Profile::P4)
            .diagnostics
            .len(),
        1
    );
    assert_eq!(
        run("extern typeof_unqual(int) v;\n", &Profile::P5)
            .diagnostics
            .len(),
        1
    );
    let backport: Profile = "P4-__restrict".parse().expect("INVARIANT: a profile");
    assert_eq!(
        run("extern int * __restrict v;\n", &backport)
            .diagnostics
            .len(),
        1
    );
    assert_eq!(
        run("extern int * _restrict v;\n", &backport)
            .diagnostics
            .len(),
        0
    );
}

/// A source that has no fast way to skip a body.
struct Plain<'a>(TextTokens<'a>);

impl<'a> TokenSource<'a> for Plain<'a> {
    fn next_token(&mut self) -> Option<crate::cpp::Token<'a>> {
        self.0.next_token()
    }
    fn file(&self) -> &'a [u8] {
        self.0.file()
    }
    fn line(&self) -> u32 {
        self.0.line()
    }
    fn in_source_file(&self) -> bool {
        self.0.in_source_file()
    }
}

const PROFILES: [Profile; 5] = [
    Profile::P0,
    Profile::P1,
    Profile::P2,
    Profile::P4,
    Profile::P5,
];

/// Pieces that declarations are made of, for inputs that get past the first token.
const PIECES: &str = "struct |union |enum |int |x |y |s |t |\\{|\\}|\\(|\\)|\\[|\\]|;|,|\\*|=|:|1|typedef |extern |typeof|\
    __attribute__|__asm__|const |\\.\\.\\.|\n|__GENKSYMS_EXPORT_SYMBOL|EXPORT_SYMBOL|\"a\"|\n# 1 \"a.h\"\n|restrict |_Static_assert";

proptest::proptest! {
    /// No bytes make it panic, under any profile.
    #[test]
    fn never_panics_on_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        for profile in PROFILES {
            analyse(&mut TextTokens::new(&bytes), &profile);
        }
    }

    /// No sequence of C tokens makes it panic, and skipping bodies changes nothing.
    #[test]
    fn never_panics_on_tokens(pieces in proptest::collection::vec(PIECES, 0..80)) {
        let text = pieces.concat();
        for profile in PROFILES {
            let unit = run(&text, &profile);
            let plain = analyse(&mut Plain(TextTokens::new(text.as_bytes())), &profile);
            proptest::prop_assert_eq!(unit, plain);
        }
    }

    /// No damage to the vectors makes it panic, and a source behind a trait object reads the same.
    #[test]
    fn never_panics_on_damaged_vectors(
        which in 0..VECTORS.len(),
        edits in proptest::collection::vec((proptest::num::u16::ANY, 0..12_usize, PIECES), 1..6),
    ) {
        let mut text = vector(&format!("{}.i", VECTORS[which]));
        for (at, length, piece) in edits {
            let start = usize::from(at) % text.len();
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.bytes());
        }
        for profile in PROFILES {
            let unit = analyse(&mut TextTokens::new(&text), &profile);
            let mut source = TextTokens::new(&text);
            let source: &mut dyn TokenSource<'_> = &mut source;
            proptest::prop_assert_eq!(unit, analyse(source, &profile));
        }
    }
}
