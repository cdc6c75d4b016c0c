use super::*;
use std::path::Path;

/// A tiny tree with an export header of the given shape, and the engine over it.
struct Tree {
    folder: tempfile::TempDir,
}

const HEADER_6_1: &str = "#ifdef __GENKSYMS__\n#define ___EXPORT_SYMBOL(sym, sec, ns)\t__GENKSYMS_EXPORT_SYMBOL(sym)\n#endif\n\
    #define __stringify_1(x...) #x\n#define __stringify(x...) __stringify_1(x)\n\
    #define EXPORT_SYMBOL(sym) ___EXPORT_SYMBOL(sym, \"\", \"\")\n\
    #define EXPORT_SYMBOL_NS_GPL(sym, ns) ___EXPORT_SYMBOL(sym, \"_gpl\", __stringify(ns))\n";

impl Tree {
    fn new(header: &str) -> Tree {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tree = Tree { folder };
        tree.write("include/linux/export.h", header);
        std::fs::create_dir_all(tree.path().join("tmp")).expect("a folder");
        tree
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn gcc(&self, overlaid: bool) -> Gcc {
        let overlay = overlaid.then(|| {
            ExportOverlay::create(self.path(), &self.path().join("overlay")).expect("an overlay")
        });
        let environment = Environment::new("/usr/local/bin:/usr/bin:/bin", self.path().join("tmp"));
        Gcc::new(environment, overlay, GccLimits::default())
    }

    fn call(&self, source: &str) -> Call {
        Call {
            program: vec!["gcc".to_owned()],
            args: ["-nostdinc", "-I", "./nothing", "-I./include/", "-DX=1"]
                .map(Word::from)
                .to_vec(),
            source: source.to_owned(),
            cwd: self.path().to_owned(),
        }
    }
}

/// Checks that the text through the overlay is the plain one, and what the sites and dependencies are.
#[test]
fn overlay_leaves_no_trace() {
    let tree = Tree::new(HEADER_6_1);
    tree.write("a.h", "#include <linux/export.h>\nint a_h;\n");
    tree.write(
        "a.c",
        "#include \"a.h\"\nint a = X;\nEXPORT_SYMBOL(a);\n\nint b; EXPORT_SYMBOL_NS_GPL(b,\n   MY_NS); int c;\nEXPORT_SYMBOL(c)\n",
    );
    let call = tree.call("a.c");
    let plain = tree.gcc(false).preprocess(&call).expect("preprocesses");
    let marked = tree.gcc(true).preprocess(&call).expect("preprocesses");
    assert_eq!(
        String::from_utf8_lossy(&marked.text),
        String::from_utf8_lossy(&plain.text)
    );
    assert!(String::from_utf8_lossy(&plain.text).contains("# 1 \"./include/linux/export.h\" 1"));
    assert_eq!(marked.dependencies, plain.dependencies);
    assert_eq!(
        marked.dependencies,
        ["a.c", "a.h", "include/linux/export.h"].map(PathBuf::from)
    );
    assert!(plain.exports.is_empty());
    let sites: Vec<_> = marked
        .exports
        .iter()
        .map(|site| {
            (
                site.symbol.as_str(),
                site.license.as_str(),
                site.namespace.as_str(),
            )
        })
        .collect();
    assert_eq!(
        sites,
        [("a", "", ""), ("b", "_gpl", "MY_NS"), ("c", "", "")]
    );
}

/// Checks that a text in place of a source is read from standard input and named so.
#[test]
fn text_from_standard_input() {
    let tree = Tree::new(HEADER_6_1);
    let text = b"#include <linux/export.h>\nint a;\nEXPORT_SYMBOL(a);\n";
    let unit = tree
        .gcc(true)
        .preprocess_text(&tree.call("x.S"), text)
        .expect("preprocesses");
    assert!(
        unit.text.starts_with(b"# 0 \"<stdin>\"\n") || unit.text.starts_with(b"# 1 \"<stdin>\"\n")
    );
    assert_eq!(unit.exports.len(), 1);
}

/// Checks that exports of a tree whose header hides its macros are read from the text.
#[test]
fn textual_exports() {
    let tree = Tree::new("#ifndef __GENKSYMS__\n#define EXPORT_SYMBOL(s)\n#endif\n");
    tree.write(
        "a.c",
        "#include <linux/export.h>\nint a;\nEXPORT_SYMBOL(a);\n",
    );
    let unit = tree
        .gcc(true)
        .preprocess(&tree.call("a.c"))
        .expect("preprocesses");
    assert_eq!(
        unit.exports.first().map(|site| site.symbol.as_str()),
        Some("a")
    );
}

/// Checks that a missing header is named, and a missing source too.
#[test]
fn missing_header() {
    let tree = Tree::new(HEADER_6_1);
    tree.write("a.c", "#include \"crc32table.h\"\n");
    for (source, name) in [("a.c", "crc32table.h"), ("b.c", "b.c")] {
        match tree.gcc(true).preprocess(&tree.call(source)) {
            Err(CppError::Failed {
                missing, message, ..
            }) => {
                assert_eq!(missing.as_deref(), Some(name));
                assert!(message.contains("No such file"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Checks both compilers' wordings of a missing file.
#[test]
fn wordings_of_a_missing_file() {
    let gcc = "lib/crc32.c:38:10: fatal error: crc32table.h: No such file or directory";
    let clang = "lib/crc32.c:38:10: fatal error: 'crc32table.h' file not found";
    assert_eq!(missing_file(gcc).as_deref(), Some("crc32table.h"));
    assert_eq!(missing_file(clang).as_deref(), Some("crc32table.h"));
    assert_eq!(missing_file("a.c:1:2: error: #error no"), None);
}

/// Checks that the limit on preprocessed text holds.
#[test]
fn text_limit() {
    let tree = Tree::new(HEADER_6_1);
    tree.write("a.c", &"int a;\n".repeat(1000));
    let mut gcc = tree.gcc(false);
    gcc.limits.output = 1000;
    match gcc.preprocess(&tree.call("a.c")) {
        Err(CppError::Limit { what, limit, .. }) => {
            assert_eq!((what, limit.as_str()), ("preprocessed text", "1000 bytes"));
        }
        other => panic!("{other:?}"),
    }
}

/// Checks that a compiler that does not exist is named.
#[test]
fn missing_compiler() {
    let tree = Tree::new(HEADER_6_1);
    let mut call = tree.call("a.c");
    call.program = vec!["no-such-gcc".to_owned()];
    let error = tree.gcc(false).preprocess(&call).expect_err("no compiler");
    assert!(
        error.to_string().starts_with("failed to run no-such-gcc"),
        "{error}"
    );
}
