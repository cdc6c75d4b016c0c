use super::*;

/// What the test's macros do, by the start of their names.
fn traits(word: &[u8]) -> MacroTraits {
    MacroTraits {
        unpaired: word.starts_with(b"OPEN"),
        counts: word.starts_with(b"COUNT"),
        places: word.starts_with(b"PLACE"),
        declares: word.starts_with(b"STRUCT"),
    }
}

fn outline(text: &str) -> Outline {
    Outline::of(text.as_bytes(), &traits)
}

fn same(a: &str, b: &str) -> bool {
    outline(a).digest == outline(b).digest
}

const HEADER: &str = "/* A. */\nstruct s;\nstatic inline int f(struct s *s, int n)\n{\n\tif (n)\n\t\treturn g(s);\n\treturn 0;\n}\nextern int h(void);\n";

/// Comments, blanks and bodies do not count, and lines are those of what counts.
#[test]
fn leaves_out_comments_and_bodies() {
    let longer = HEADER
        .replace("/* A. */", "/* A.\n * B. */")
        .replace("return 0;", "n++;\n\treturn {n}; // x");
    assert!(same(HEADER, &longer), "{longer}");
    let (old, new) = (outline(HEADER), outline(&longer));
    assert_eq!(old.lines.as_ref(), [2, 3, 4, 8, 9]);
    assert_eq!(new.lines.as_ref(), [3, 4, 5, 10, 11]);
    assert_eq!(old.place(9).and_then(|place| new.line(place)), Some(11));
    assert_eq!(old.place(5), None);
    assert!(same(HEADER, &HEADER.replace("int f(", "int  f(")));
}

/// A comment in a directive is a blank, and one at its end nothing.
#[test]
fn leaves_out_comments_of_directives() {
    let text = "#ifndef A\n#define A\n#include <a.h>\n#define B(x) \\\n\tf(x, \"/*\")\n#if A > 1\nint x;\n#endif\n#endif\n";
    for (from, to) in [
        ("#ifndef A", "#ifndef A /* x */"),
        ("#define A\n", "#define A\t// it's\n"),
        ("<a.h>", "<a.h> /* x\n y */"),
        ("#include <", "#include /* x */ <"),
        ("\tf(x,", "  f(x, /* y */ "),
        ("> 1", "> /* z */ 1 "),
        ("#endif\n#", "#endif /* A > 1 */\n#"),
    ] {
        let other = text.replace(from, to);
        assert!(same(text, &other), "{other}");
        assert!(outline(&other).lines.len() > 4, "{other}");
    }
    for (from, to) in [
        ("<a.h>", "<a//b.h>"),
        ("#include <a.h>", "#include <a/*b.h>\n#define C */"),
        ("f(x, \"/*\")", "f(x, \"/* x\")"),
        ("B(x) ", "B/**/(x) "),
        ("f(x", "f/**/(x"),
    ] {
        assert!(!same(text, &text.replace(from, to)), "{from} to {to}");
    }
    assert!(!same("#include <a//b.h>\n", "#include <a//c.h>\n"));
    assert!(!same(
        "#if PLACE > 3\n#endif\n",
        "\n#if PLACE > 3\n#endif\n"
    ));
    assert!(same("#define A PLACE\n", "\n#define A PLACE\n"));
}

/// Every change that can reach a declaration counts.
#[test]
fn declarations_count() {
    for (from, to) in [
        ("struct s;", "struct t;"),
        ("struct s;", "struct s\n;"),
        ("int n)", "long n)"),
        ("static inline int", "static inline long"),
        ("extern int h(void);", "extern int h(void); int i;"),
        ("struct s;\n", "struct s;\n#define X 1\n"),
    ] {
        assert!(!same(HEADER, &HEADER.replace(from, to)), "{from} to {to}");
    }
    let define = "#define F (x)\n";
    assert!(!same(define, "#define F(x)\n"));
    assert!(!same("int a[3 - -1];\n", "int a[3 --1];\n"));
    assert!(!same("M(a+b)\n", "M(a + b)\n"));
}

/// Braces that are no function's body count whole, and so does a body that a macro or directive could change the end of.
#[test]
fn other_braces_count() {
    for text in [
        "struct s { int a; };\nint x;\n",
        "struct __attribute__((packed)) { int a; } x;\n",
        "struct __packed(1) { int a; } x;\n",
        "struct a __aligned(8) { int a; } x;\n",
        "enum __attribute__((x)) { int a; } y;\n",
        "int x[] = F(1) { int a; };\n",
        "STRUCT(x) { int a; } __packed;\nint y;\n",
        "STRUCT f(void) { int a; } int y;\n",
        "typedef int f(void) { int a; } y;\n",
        "int f(void) { int a; };\nint y;\n",
        "int f(void) {\n#ifdef X\n int a;\n#endif\n}\nint y;\n",
        "int f(void) { OPEN int a; }\nint y;\n",
        "OPEN int f(void) { int a; }\nint y;\n",
        "extern \"C\" {\nint f(void) { int a; }\nint y;\n}\n",
        "int f(void)\n#ifdef X\n{ int a; }\n#endif\nint y;\n#if A\n}\n#endif\n",
        "#if A\nint f(void) {\n#else\nint g(void) {\n#endif\n int a; }\nint y;\n",
        "int f(int (x), { int a; }\n",
        "char c = '\n; int f(void) { int a; }\nint y;\n",
    ] {
        assert!(!same(text, &text.replace("int a", "long a")), "{text}");
    }
    let pointer = "struct s *f(void) { int a; }\nint y;\n";
    assert!(same(pointer, &pointer.replace("int a", "long a")));
}

/// In a body, statements with a macro that counts are kept with their arguments, and others are not.
#[test]
fn counting_statements_count() {
    let text = "int f(int a) { g(a); x = likely(COUNT(a)); }\nint y;\n";
    assert!(same(text, &text.replace("g(a)", "g(1, 2)")));
    assert!(!same(text, &text.replace("COUNT(a)", "COUNT(b)")));
    assert!(!same(text, &text.replace("likely", "unlikely")));
    assert!(!same(text, &text.replace("COUNT(a)", "a")));
    assert!(!same(text, &text.replace("g(a)", "COUNT(1)")));
}

/// Absolute lines count only where a macro outside of bodies may use them.
#[test]
fn absolute_lines_count_where_they_are_used() {
    let text = "int f(void) { PLACE(x); }\nint y;\n";
    assert!(same(text, &format!("\n{text}")));
    let text = "int f(void) { x(); }\nPLACE(y);\n";
    assert!(!same(text, &format!("\n{text}")));
}

/// A line that stands for two groups of tokens has no place: they may part.
#[test]
fn lines_that_may_part_have_no_place() {
    let one = outline("int f(void) { return 0; }\nint y;\n");
    let two = outline("int f(void) { x();\nreturn 0; }\nint y;\n");
    assert_eq!(one.digest, two.digest);
    assert_eq!(
        (one.lines.as_ref(), two.lines.as_ref()),
        (&[1, 1, 2][..], &[1, 2, 3][..])
    );
    assert_eq!((one.place(1), one.place(2)), (None, Some(2)));
}

/// Odd texts are known by their bytes.
#[test]
fn odd_texts_are_not_outlined() {
    for text in [
        "int a\\\n;\n",
        "<%\n",
        "/* open",
        "}\n",
        ")\n",
        "#endif\n",
        "\"open\n",
        "#line 3\n",
        "a\0b",
    ] {
        let odd = outline(text);
        assert!(odd.lines.is_empty(), "{text:?}");
        assert!(!same(text, &format!("{text}\n")), "{text:?}");
    }
}

proptest::proptest! {
    /// No bytes make it panic, and every line it names is one of the text.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(proptest::sample::select(b"ab1 \n\n(){};*=#\"'/\\.".to_vec()), 0..80)) {
        let outline = Outline::of(&bytes, &traits);
        let count = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
        proptest::prop_assert!(outline.lines.is_sorted());
        proptest::prop_assert!(outline.lines.iter().all(|&line| line as usize <= count));
    }
}
