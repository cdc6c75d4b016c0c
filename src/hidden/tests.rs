use proptest::prelude::*;

use super::*;

const BASE: &str = "\
struct foo {
\tint a;
\tlong b;
\tRH_KABI_RESERVE(1)
\tRH_KABI_RESERVE(2)
\tRH_KABI_USE(3, int used)
};
enum e {
\tA,
\tB,
};
";

/// Kinds with their lines and structures, of the base text with replacements made.
fn of(edits: &[(&str, &str)]) -> Vec<String> {
    let mut head = BASE.to_owned();
    for (from, to) in edits {
        assert!(head.contains(from), "{from}");
        head = head.replace(from, to);
    }
    show(&lint(BASE, &head, &Macros::default()))
}

fn show(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|f| {
            let sign = if f.added { '+' } else { '-' };
            let within = f.within.as_deref().unwrap_or("-");
            format!("{sign}{} {} {within}", f.line, f.kind.word())
        })
        .collect()
}

/// Each of the known operations on a structure is told at its line, with what it stands in.
#[test]
fn operations_are_told() {
    let slot = ["+4 slot-used struct foo"];
    assert_eq!(of(&[("RH_KABI_RESERVE(1)", "RH_KABI_USE(1, int c)")]), slot);
    assert_eq!(
        of(&[("RH_KABI_RESERVE(1)", "RH_KABI_USE(1,\n\t\tint c)")]),
        slot
    );
    assert_eq!(
        of(&[("\tRH_KABI_RESERVE(1)\n", "")]),
        ["-4 slot-lost struct foo"]
    );
    assert_eq!(
        of(&[("RH_KABI_RESERVE(1)", "RH_KABI_USE(3, int c)")]),
        ["-4 slot-lost struct foo", "+4 slot-reused struct foo"]
    );
    assert_eq!(
        of(&[(
            "RH_KABI_RESERVE(1)",
            "RH_KABI_RESERVE(1)\n\tANDROID_KABI_USE(3, int c);"
        )]),
        ["+5 slot-used struct foo"],
        "another family counts for itself"
    );
    assert_eq!(
        of(&[("int used", "long other")]),
        ["+6 slot-reused struct foo"]
    );
    assert_eq!(
        of(&[("long b;", "long b;\n\tRH_KABI_EXTEND(int c)")]),
        ["+4 hidden-extend struct foo"]
    );
    assert_eq!(
        of(&[("long b;", "RH_KABI_FILL_HOLE(int c)\n\tlong b;")]),
        ["+3 hidden-unguarded struct foo"]
    );
    assert_eq!(
        of(&[("long b;", "long b;\n\ttypeof(((struct bar *)0)->x) c;")]),
        ["+4 typeof-member struct foo"]
    );
    assert_eq!(
        of(&[("long b;", "RH_KABI_EXCLUDE(long b)")]),
        ["+3 exclude-without-force-change struct foo"]
    );
    assert_eq!(
        of(&[
            ("long b;", "RH_KABI_EXCLUDE(long b)"),
            ("int a", "int RH_KABI_FORCE_CHANGE(1) a")
        ]),
        [
            "+2 force-change struct foo",
            "+3 hidden-unguarded struct foo"
        ]
    );
    assert_eq!(
        of(&[
            ("long b;", "RH_KABI_EXCLUDE(long b)"),
            ("int a", "int a RH_KABI_FORCE_CHANGE(1)")
        ]),
        [
            "+2 force-change-lost struct foo",
            "+3 exclude-without-force-change struct foo"
        ]
    );
    assert_eq!(
        of(&[("long b;", "DEEPIN_KABI_REPLACE(long b, int c)")]),
        ["+3 member-replaced struct foo"]
    );
    assert_eq!(
        of(&[("long b;", "KABI_EXTEND_WITH_SIZE(int c, 1)")]),
        ["+3 hidden-member struct foo"]
    );
    assert_eq!(
        of(&[("long b;", "UEK_KABI_BROKEN_REMOVE(long b)")]),
        ["+3 broken-on-purpose struct foo"]
    );
    assert_eq!(
        of(&[("};\nenum", "} __packed;\nenum")]),
        ["+7 layout-attribute struct foo"]
    );
    assert_eq!(of(&[("int a;", "int a; /* RH_KABI_EXTEND(x) */")]), [""; 0]);
    assert_eq!(
        of(&[(
            "RH_KABI_RESERVE(2)",
            "RH_KABI_RESERVE(2)\n\tRH_KABI_RESERVE(4)"
        )]),
        [""; 0]
    );
}

/// Text under a test of `__GENKSYMS__` is told also where the test itself stays, with includes and enumerators apart.
#[test]
fn guards_are_told() {
    let guard = "#ifndef __GENKSYMS__\n\tint hidden;\n#endif\n";
    assert_eq!(
        of(&[("\tlong b;\n", &format!("\tlong b;\n{guard}"))]),
        ["+4 genksyms-guard struct foo"]
    );
    let base = format!("struct s {{\n{guard}}};\n");
    let head = base.replace("int hidden", "long hidden");
    assert_eq!(
        show(&lint(&base, &head, &Macros::default())),
        ["-3 genksyms-guard struct s", "+3 genksyms-guard struct s"]
    );
    assert_eq!(
        of(&[("\tB,\n", "#ifndef __GENKSYMS__\n\tM,\n#endif\n\tB,\n")])[0],
        "+10 hidden-enumerator enum e"
    );
    assert_eq!(
        of(&[("\tB,\n", "\tB,\n#ifndef __GENKSYMS__\n\tM,\n#endif\n")]),
        ["+11 genksyms-guard enum e"]
    );
    let include = "#ifdef __GENKSYMS__\n#include <linux/a.h>\n#endif\nstruct foo {";
    let told = of(&[("struct foo {", include)]);
    assert!(told.contains(&"+2 hidden-include -".to_owned()), "{told:?}");
}

/// Macros that a header of the tree defines under the test are known by name, with those that use them; the kernel's own
/// macros of exports are none.
#[test]
fn the_tree_teaches_its_macros() {
    let header = "#ifdef __GENKSYMS__\n# define ACME_OLD(a, b) a\n# define __EXPORT_SYMBOL(s) s\n#else\n# define ACME_OLD(a, b) b\n#endif\n\
                  #define ACME_SWAP(a, b) \\\n\tACME_OLD(a, b)\n#define ACME_PLAIN(a) a\n";
    let mut macros = Macros::default();
    macros.learn(header);
    let head = "struct s {\n\tACME_SWAP(int a, long a)\n\tACME_PLAIN(int c)\n};\n";
    assert_eq!(
        show(&lint("struct s {\n};\n", head, &macros)),
        ["+2 hiding-macro struct s"]
    );
    assert_eq!(lint("", "__EXPORT_SYMBOL(x)\n", &macros), []);
}

/// The budget counts what is used and what is left.
#[test]
fn slots_are_counted() {
    let found = slots(BASE, &Macros::default());
    let [foo] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (foo.within.as_str(), foo.line, foo.used, foo.left),
        ("struct foo", 4, 1, 2)
    );
    let android = "struct task {\n\tANDROID_KABI_RESERVE(1);\n\tANDROID_KABI_USE(2, u64 x);\n\tANDROID_VENDOR_DATA(1);\n};\n";
    let found = slots(android, &Macros::default());
    assert_eq!((found[0].used, found[0].left), (1, 1));
}

/// The table of kinds is the enum.
#[test]
fn kinds_in_order() {
    for (place, kind) in Kind::all().enumerate() {
        assert_eq!(kind as usize, place);
        assert!(!kind.word().is_empty() && !kind.meaning().is_empty());
    }
}

proptest! {
    /// No text panics, however its braces, comments and conditions stand.
    #[test]
    fn never_panics(base in "[a-z{}();#/*\"' \n\\\\A-Z_]{0,200}", tail in "(#ifdef __GENKSYMS__\n|RH_KABI_USE\\(1, |struct s \\{\n|\\}|\\)|enum \\{|#endif\n|\\\\\n|/\\*|ü){0,12}") {
        let mut macros = Macros::default();
        macros.learn(&tail);
        let _ = lint(&base, &format!("{base}{tail}"), &macros);
        let _ = slots(&tail, &macros);
    }
}
