//! Small units against the machine's compiler, and any bytes at all.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::cpp::{GccLimits, TextTokens, TokenClass, TokenSource};

/// A folder with a compiler to compare with.
struct Bench {
    folder: tempfile::TempDir,
}

/// A token with its place.
type Shown = (Option<TokenClass>, String, String, u32, bool);

fn shown(source: &mut dyn TokenSource<'_>) -> Vec<Shown> {
    let mut all = Vec::new();
    loop {
        let token = source.next_token();
        let text = token.map_or(&b""[..], |token| token.text);
        all.push((
            token.map(|token| token.class),
            String::from_utf8_lossy(text).into_owned(),
            String::from_utf8_lossy(source.file()).into_owned(),
            source.line(),
            source.in_source_file(),
        ));
        if token.is_none() {
            return all;
        }
    }
}

/// The tokens of a reader that skips the bodies of functions, as genksyms does.
fn skipping(source: &mut dyn TokenSource<'_>) -> Vec<(String, u32)> {
    let mut all = Vec::new();
    let mut closed = false;
    source.rest();
    while let Some(token) = source.next_token() {
        all.push((
            String::from_utf8_lossy(token.text).into_owned(),
            source.line(),
        ));
        if token.text == b"{" && closed {
            assert!(source.skip_braced());
            all.push(("}".to_owned(), source.line()));
        }
        closed = token.text == b")";
        if matches!(token.text, b";" | b"}") || all.last().is_some_and(|(text, _)| text == "}") {
            source.rest();
        }
    }
    all
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench { folder };
        for (name, text) in files {
            let path = bench.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        bench
    }

    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn gcc(&self) -> Gcc {
        Gcc::new(self.environment(), None, GccLimits::default())
    }

    fn environment(&self) -> Environment {
        Environment::new("/usr/local/bin:/usr/bin:/bin", self.root())
    }

    fn builtin(&self) -> Builtin {
        Builtin::new(self.environment(), None, self.gcc(), &[&self.root()]).unwrap()
    }

    fn call(&self, args: &[&str]) -> Call {
        Call {
            program: vec!["gcc".to_owned()],
            args: args.iter().map(|&arg| arg.into()).collect(),
            source: "a.c".to_owned(),
            cwd: self.root(),
        }
    }

    fn ours(&self, args: &[&str]) -> Result<(Vec<Shown>, Read), CppError> {
        let builtin = self.builtin();
        let session = builtin.session();
        let mut tokens = Vec::new();
        let read = session.read(&self.call(args), Input::Source, &mut |source| {
            tokens = shown(source);
        })?;
        assert_eq!(builtin.refusals(), []);
        Ok((tokens, read))
    }

    /// Asserts that tokens, places and files read are those of the compiler.
    #[track_caller]
    fn agrees(&self, args: &[&str]) {
        let theirs = self.gcc().preprocess(&self.call(args)).unwrap();
        let (ours, read) = self.ours(args).unwrap();
        let expected = shown(&mut TextTokens::new(&theirs.text));
        let text = String::from_utf8_lossy(&theirs.text).into_owned();
        for (ours, expected) in ours.iter().zip(&expected) {
            assert_eq!(ours, expected, "{text}");
        }
        assert_eq!(ours.len(), expected.len(), "{text}");
        let files = |files: &[PathBuf]| files.iter().cloned().collect::<HashSet<_>>();
        assert_eq!(files(&read.dependencies), files(&theirs.dependencies));
    }

    fn error(&self, args: &[&str]) -> (String, Option<String>) {
        match self.ours(args) {
            Err(CppError::Failed {
                message, missing, ..
            }) => (message, missing),
            other => panic!("no failure: {:?}", other.map(|(tokens, _)| tokens.len())),
        }
    }
}

fn agrees(text: &str) {
    Bench::new(&[("a.c", text)]).agrees(&["-nostdinc", "-std=gnu11"]);
}

/// The place at the end is that of the compiler, also where the last thing of a unit is a file that it includes.
#[test]
fn ends() {
    let other = "int x;\n\n\nstatic int f(void) { return 0; }\n";
    for text in [
        "int a;\n\n#include \"b.h\"\n\n\n#define LAST\n",
        "int a;\n#include \"b.h\"\n\nint b;\n\n",
        "#include \"b.h\"\n#include \"c.h\"\n",
    ] {
        Bench::new(&[("a.c", text), ("b.h", other), ("c.h", "#include \"b.h\"\n")])
            .agrees(&["-nostdinc", "-std=gnu11"]);
    }
}

/// Expansion follows the compiler: rescanning, arguments, pasting, quoting, and the place of every token.
#[test]
fn expansion() {
    agrees(
        "#define f(x) g\n#define g [f(1)]\ng f(2)\n\
         #define M(a,b) [a|b|__LINE__]\n#define L __LINE__\n#define ML(a,b) {M(a,b) L a #b}\n#define CALL ML\n\
         M(L,\nL)\nML(M(__LINE__,\nL),\nM(L,\n__LINE__)) L __LINE__\nCALL(L,__LINE__) __LINE__ CALL (L,__LINE__) L\n\
         #define ID(x) x\nID(ID(\n__LINE__) L\n__LINE__ CALL)(1\n,\n2) z\n\
         ID(\n#if __LINE__ > 20\naa\n#endif\n__LINE__ )\na ID(1\n)b ID(\n)c ID\nd ID\n#define ZZ\n(4)\n",
    );
    agrees(
        "#define ID(x) x\n#define va(x, ...) f(x, ##__VA_ARGS__)\n#define vb(x, y...) f(x, ##y) f(x,y)\n\
         #define vc(...) f(a, ##__VA_ARGS__)\n#define vd(x,...) f(__VA_OPT__(a x ## x) __VA_ARGS__)\n\
         va(1) va(1,) va(1,2,3) va() vb(1) vb(1,2) vc() vc(1) vd(1) vd(1,2) vd(1,)\n\
         #define st(x) #x\n#define xst(x) st(x)\n\
         st( a  \"b\\n\" '\\'' + c\n d) xst(ID( a)  +L) st() st(\"a\" \"\\0\") xst(- -1 -\n 1)\n\
         #define cat(a,b) a##b\n#define xcat(a,b) cat(a,b)\n\
         cat(x,1) cat(,1) cat(1,) cat(,) cat(<,<) cat(I,D)(4) cat(L,) x cat(_,_LINE__)\n\
         +cat(+,) -ID()- -ID(-) ID(-)ID(-)ID(x)ID(y)1\n",
    );
    agrees(
        "#define ID(x) x\n#define e\n#define lp (\n#define ff(x) <x>\nff lp 1) ff e (2) ff e\n(3) e ff\n (e 4) -e- -e -e\n\
         #define obj ff\nobj(1) ID(obj)(1) ID(obj (1)) ID(ID)(1) ID(ID(ID)(1))\n\
         #define AA BB\n#define BB AA x\nAA BB ID(AA) ID(ID(AA)) AA(AA)\n\
         #define NIL(xxx) xxx\n#define G_0(arg) NIL(G_1)(arg)\n#define G_1(arg) NIL(arg)\nG_0(42)\n\
         #define fx(x) x fx\nfx(1)(2)(fx)(3)\n#define hash # 3\nhash\nID(#) ID(hash)\n",
    );
}

/// The examples of C11 6.10.3.5.
#[test]
fn examples_of_the_standard() {
    agrees(
        "#define x 3\n#define f(a) f(x * (a))\n#undef x\n#define x 2\n#define g f\n#define z z[0]\n#define h g(~\n\
         #define m(a) a(w)\n#define w 0,1\n#define t(a) a\n#define p() int\n#define q(x) x\n#define r(x,y) x ## y\n\
         #define str(x) # x\nf(y+1) + f(f(z)) % t(t(g)(0) + t)(1);\ng(x+(3,4)-w) | h 5) & m\n(f)^m(m);\n\
         p() i[q()] = { q(1), r(2,3), r(4,), r(,5), r(,) };\nchar c[2][6] = { str(hello), str() };\n",
    );
    agrees(
        "#define str(s) # s\n#define xstr(s) str(s)\n#define debug(s, t) printf(\"x\" # s \"= %d, x\" # t \"= %s\", \\\n x ## s, x ## t)\n\
         #define INCFILE(n) vers ## n\n#define glue(a, b) a ## b\n#define xglue(a, b) glue(a, b)\n#define HIGHLOW \"hello\"\n\
         #define LOW LOW \", world\"\ndebug(1, 2);\nfputs(str(strncmp(\"abc\\0d\", \"abc\", '\\4') // x\n == 0) str(: @\\n), s);\n\
         xstr(INCFILE(2).h)\nglue(HIGH, LOW);\nxglue(HIGH, LOW)\n\
         #define hash_hash # ## #\n#define mkstr(a) # a\n#define in_between(a) mkstr(a)\n#define join(c, d) in_between(c hash_hash d)\n\
         char p[] = join(x, y);\n#define t(x,y,z) x ## y ## z\nint j[] = { t(1,2,3), t(,4,5), t(6,,7), t(8,9,), t(10,,), t(,11,), t(,,12), t(,,) };\n",
    );
}

/// Tokens that stand side by side in the compiler's text are cut as genksyms cuts text.
#[test]
fn neighbours() {
    agrees(
        "#define M(a, b) a b\n#define N(a, b) a/**/b\n#define C(a,b) a b\n~M(=,=) N(-,>) -N(-,>) -->b ++= x=~=y 1.5.5+1e+5 0x1p-3-.5 ...... !== &&& <<= %= u8\"q\"'x' L'a'L\"b\" a.b..c 1ULL 08 0b1\n",
    );
    agrees(
        "#define e\n~e= -e> .e. .e.e. &e& !e= 1e2e+ \n#define P _Pragma(\"x y\")\nint a; P int b P;\n P P c\n#pragma z\n n #pragma\n x \\\n y z\\\nw /* c\n c */ i /*\n\n */ j\n",
    );
}

/// Conditions, lines and counters.
#[test]
fn directives() {
    agrees(
        "#if defined X || !defined(Y) && 1\na\n#elif 1/0\nb\n#else\nc\n#endif\n#ifdef Q\n#elif defined(__has_include) && __has_include(\"a.c\")\nd\n#endif\n\
         #if 0\n#if 1\n#else\n#bogus\n#endif\n'\n#elif '\\377' < 0 && -1 > 0u && (2 || 1/0)\ne __LINE__\n#endif\n\
         __COUNTER__ __COUNTER__ __INCLUDE_LEVEL__ __FILE__ __BASE_FILE__\n#line 77 \"zz.h\"\nb __LINE__ __FILE__\n# 5 \"yy.c\"\nc __FILE__ __LINE__\n\
         #\n#define D(x) defined x\n#if D(X)\n#else\nf\n#endif\n#pragma push_macro(\"D\")\n#undef D\nD(1)\n#pragma pop_macro(\"D\")\nD(1)\n\
         #if __has_attribute(__cold__) && !__has_attribute(zork)\ng\n#endif\n%:define dg <: :> <% %>\ndg\n",
    );
}

/// Operators that ask for features are answered in text, too, where the compiler expands them.
#[test]
fn questions_in_text() {
    agrees(
        "#define A __has_attribute(cold)\n#define HAS __has_attribute\n#define S(x) #x\n#define T(x) S(x)\n\
         a A; HAS(zork) HAS (cold)\n#ifdef __has_attribute\nb\n#endif\nS(__has_attribute(cold)) T(__has_attribute(cold))\n\
         T(A) __has_attribute\n(cold) c __LINE__ __has_builtin(__builtin_expect) + __has_attribute(gnu::cold)\n\
         #if HAS(cold) && A && defined __has_include\nd\n#endif\n\
         #define U __has_include(\"a.c\")\n#if U\ne\n#endif\nint f(void) { return A + __has_attribute(zork); }\n",
    );
}

/// Headers are found, passed over and entered as the compiler does, and every file that is opened is listed.
#[test]
fn headers() {
    let bench = Bench::new(&[
        (
            "a.c",
            "#include \"x.h\"\n#include <x.h>\nm1\n#include <n.h>\nm2\n#define H <o.h>\n#include H\n#include \"s/p.h\"\n#include \"s/../x.h\"\n#import \"i.h\"\n#import \"i.h\"\nf(\n1)\nend\n",
        ),
        ("pre.h", "pre F\n"),
        (
            "x.h",
            "#ifndef X\n#define X\nx __INCLUDE_LEVEL__\n#define f(x) [x]\nf\n#endif\n",
        ),
        ("i.h", "import\n"),
        ("d1/n.h", "n1\n#include_next <n.h>\nn1e\n"),
        ("d2/n.h", "n2 __FILE__\n"),
        ("d2/o.h", "#pragma once\no\n#include <o.h>\n"),
        ("s/p.h", "p\n#include \"q.h\"\n"),
        ("s/q.h", "q"),
    ]);
    bench.agrees(&[
        "-nostdinc",
        "-I",
        "d1",
        "-I.",
        "-Id2",
        "-Id1",
        "-Inone",
        "-include",
        "pre.h",
        "-DF=7 \"s\"",
        "-UG",
    ]);
    bench.agrees(&[
        "-nostdinc",
        "-iquote",
        "d1",
        "-isystem",
        "d1",
        "-idirafter",
        "d2",
        "-I.",
        "-std=c99",
        "-include",
        "./pre.h",
    ]);
}

/// `__COUNTER__` in a body that is skipped counts as often as the macro that it is handed to evaluates it.
#[test]
fn counts_in_arguments() {
    let macros = "#define N __COUNTER__\n#define once(x) (x)\n#define twice(x) ((x) + (x))\n#define none(x) 0\n#define text(x) #x\n\
        #define all(...) f(0, ##__VA_ARGS__)\n#define both(a...) (f(0, ##a) + f(1, ##a))\n#define nest(a...) both(a)\n#define alias both\n";
    let calls = [
        "once(N)",
        "twice(N)",
        "none(N)",
        "text(N)",
        "all(N, N)",
        "both(N)",
        "both (once(N))",
        "once(both(N))",
        "nest(N)",
        "alias(N)",
        "f(N)",
        "(*f)(N)",
        "both(1) + N",
        "both(N) + N",
        "once(N) + __has_attribute(cold)",
        "both(N) + __has_attribute(cold)",
    ];
    for call in calls {
        let unit = format!("{macros}int g(void)\n{{\n\treturn {call};\n}}\nint c = N;\n");
        let bench = Bench::new(&[("a.c", &unit)]);
        let builtin = bench.builtin();
        let mut unit = bench.call(&["-nostdinc"]);
        unit.source = "a.c".to_owned();
        let theirs = bench.gcc().preprocess(&unit).unwrap();
        let mut ours = Vec::new();
        builtin
            .session()
            .read(&unit, Input::Source, &mut |source| ours = skipping(source))
            .unwrap();
        assert_eq!(ours, skipping(&mut TextTokens::new(&theirs.text)), "{call}");
    }
}

/// A second unit takes headers from the first, and differs where its macros do.
#[test]
fn sharing() {
    let header = "#ifndef H\n#define H\nint v = V;\nstatic inline int f(void) { return __COUNTER__ + W; }\n#ifdef V2\nint v2;\n#endif\n#endif\n";
    let bench = Bench::new(&[
        (
            "a.c",
            "#define V 1\n#include \"h.h\"\nint c = __COUNTER__;\n",
        ),
        (
            "b.c",
            "#define V 1\n#include \"h.h\"\nint c = __COUNTER__;\nint d;\n",
        ),
        ("c.c", "#define V 2\n#define V2\n#include \"h.h\"\n"),
        (
            "d.c",
            "#define W } {\n#define V 1\n#include \"h.h\"\nint c = __COUNTER__;\n",
        ),
        ("h.h", header),
    ]);
    let builtin = bench.builtin();
    let session = builtin.session();
    for name in ["a.c", "b.c", "a.c", "c.c", "b.c", "d.c", "a.c"] {
        let mut call = bench.call(&["-nostdinc"]);
        call.source = name.to_owned();
        let theirs = bench.gcc().preprocess(&call).unwrap();
        let mut ours = Vec::new();
        session
            .read(&call, Input::Source, &mut |source| ours = skipping(source))
            .unwrap();
        assert_eq!(ours, skipping(&mut TextTokens::new(&theirs.text)), "{name}");
    }
    let work = builtin.work();
    assert!(work.replayed >= 3, "{work:?}");
}

/// What is wrong is told with its place and the files that led there.
#[test]
fn errors() {
    let bench = Bench::new(&[
        ("a.c", "\n#include \"h.h\"\n"),
        (
            "h.h",
            "x\n#ifdef E\n#error no \"good\"\n#endif\n#include <gone.h>\n",
        ),
    ]);
    assert_eq!(
        bench.error(&["-nostdinc", "-DE"]),
        (
            "h.h:3: #error no \"good\" (included from a.c:2)".to_owned(),
            None
        )
    );
    assert_eq!(
        bench.error(&["-nostdinc"]),
        (
            "h.h:5: gone.h: no such file or directory (included from a.c:2)".to_owned(),
            Some("gone.h".to_owned())
        )
    );
    for (text, message) in [
        ("#if\n#endif", "a.c:1: #if with no expression"),
        ("\n#if 1\n", "a.c:2: unterminated conditional directive"),
        ("#endif\n", "a.c:1: conditional directive without #if"),
        (
            "#define f(x) x\n\nf(1",
            "a.c:3: unterminated argument list invoking macro \"f\"",
        ),
        (
            "#define f(x) x\nf(1,2)",
            "a.c:2: macro \"f\" passed 2 arguments, but takes 1",
        ),
        (
            "#define f(x,y) x##y\nf(+,-)",
            "a.c:2: pasting \"+\" and \"-\" does not give a valid preprocessing token",
        ),
        ("#define 1", "a.c:1: macro names must be identifiers"),
        ("#bogus", "a.c:1: invalid preprocessing directive #bogus"),
        (
            "#include \"a.c\"",
            "a.c:1: #include nested depth exceeds 200",
        ),
        (
            "#pragma GCC poison p\np",
            "a.c:2: attempt to use poisoned \"p\"",
        ),
    ] {
        let bench = Bench::new(&[("a.c", text)]);
        let (found, _) = bench.error(&["-nostdinc"]);
        assert!(found.starts_with(message), "{text}: {found}");
        assert!(
            bench.gcc().preprocess(&bench.call(&["-nostdinc"])).is_err(),
            "{text}"
        );
    }
}

/// Macros that grow without end are stopped by a bound, not by memory or the stack.
#[test]
fn bounds() {
    let mut doubling = "#define d0(x) x x x x\n".to_owned();
    for level in 1..60 {
        doubling.push_str(&format!(
            "#define d{level}(x) d{}(d{}(x))\n",
            level - 1,
            level - 1
        ));
    }
    doubling.push_str("d59(a)\n");
    let nested = format!(
        "#define I(x) x\n{}1{}\n",
        "I(".repeat(5000),
        ")".repeat(5000)
    );
    let chain: String = (0..70_000)
        .map(|n| format!("#define c{n} c{}\n", n + 1))
        .collect();
    for text in [doubling, nested, chain + "c0\n"] {
        let bench = Bench::new(&[("a.c", &text)]);
        let error = bench.ours(&["-nostdinc"]).expect_err("too much");
        assert!(matches!(error, CppError::Limit { .. }), "{error}");
    }
}

/// A header outside of the trees is refused, also behind a link.
#[test]
fn foreign_files() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("o.h"), "o").unwrap();
    let bench = Bench::new(&[("a.c", "#include \"o.h\"\n")]);
    std::os::unix::fs::symlink(outside.path().join("o.h"), bench.root().join("o.h")).unwrap();
    let (message, _) = bench.error(&["-nostdinc"]);
    assert!(message.contains("lies outside of source tree"), "{message}");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    /// Any bytes are read to an end.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        read_bytes(&bytes);
    }

    /// Texts of the words that matter most are read to an end.
    #[test]
    fn any_words(text in "([ab(),#]|\n#define (a|b)(\\([ab](,\\.\\.\\.)?\\))? ?|##|\n#(if|elif|else|endif|undef|include|line|pragma) ?|a|b|\"|'|\\\\\n|_Pragma|__VA_ARGS__|__VA_OPT__|defined|[0-9{}.<>-]|\n){0,120}") {
        read_bytes(text.as_bytes());
    }
}

/// Reads bytes as a unit of an engine that knows a compiler without macros; it only has to end.
fn read_bytes(bytes: &[u8]) {
    thread_local! {
        static BENCH: Bench = Bench::new(&[]);
    }
    BENCH.with(|bench| {
        let builtin = bench.builtin();
        let session = builtin.session();
        let call = bench.call(&["-nostdinc"]);
        let _ = session.run(&call, Input::Text(bytes), true, &mut |source| {
            let _ = shown(source);
        });
    });
}
