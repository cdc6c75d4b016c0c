//! The traps that silently pass elsewhere, each as two small kernels, a policy and the verdict that must come out.
//!
//! The numbers are those of a list of traps that was drawn up from the behaviour of other tools. Of that list stand elsewhere:
//! 1-14 (readers of Module.symvers: `src/symvers/read/tests.rs`), 21-23, 25 (`src/policy/list/tests.rs`), 24, 26 for `check`
//! (`tests/errors.rs`), 34 (`src/policy/rules/tests.rs`), 40-60 (`src/compare/tests.rs`, `src/symtypes`, `src/genksyms`),
//! 61-72 (`src/modules`), 74, 77, 78 (`tests/gate.rs`, `tests/errors.rs`), 80 (`src/report/tests.rs`).

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Ended, Run};

/// A folder with files by name.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir_in(support::target()).unwrap());
        for (name, text) in files {
            fs::write(folder.path(name), text.replace("→", "\t")).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `diff old new` in the folder with a JSON report beside the console.
    fn diff(&self, arguments: &[&str]) -> (Ended, Value) {
        let mut all = vec![
            "diff",
            "old",
            "new",
            "--output",
            "console",
            "--output",
            "json:r.json",
        ];
        all.extend(arguments);
        let ended = Run::new(&all).dir(self.0.path()).end();
        let report = fs::read(self.path("r.json")).unwrap();
        (ended, serde_json::from_slice(&report).unwrap())
    }
}

struct Trap {
    number: u32,
    old: &'static str,
    new: &'static str,
    /// Further files by name.
    files: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    code: i32,
    /// What standard output must say.
    says: &'static str,
}

const FOO: &str = "0x1→foo→vmlinux→EXPORT_SYMBOL→\n";
const FOO_GPL: &str = "0x1→foo→vmlinux→EXPORT_SYMBOL_GPL→\n";
const FOO_MODULE: &str = "0x1→foo→fs/foo→EXPORT_SYMBOL→\n";
const FOO_CXL: &str = "0x1→foo→vmlinux→EXPORT_SYMBOL→CXL\n";
const FOO_2: &str = "0x2→foo→vmlinux→EXPORT_SYMBOL→\n";
const FOO_CXL_2: &str = "0x2→foo→vmlinux→EXPORT_SYMBOL→CXL\n";
const OTHER: &str = "0x1→bar→vmlinux→EXPORT_SYMBOL→\n";

const TRAPS: &[Trap] = &[
    Trap {
        number: 8,
        old: "0x0→foo→vmlinux→EXPORT_SYMBOL→\n",
        new: FOO,
        files: &[],
        arguments: &[],
        code: 3,
        says: "crc-unversioned",
    },
    Trap {
        number: 13,
        old: "",
        new: FOO,
        files: &[],
        arguments: &[],
        code: 3,
        says: "NOT CHECKED",
    },
    Trap {
        number: 15,
        old: FOO,
        new: FOO_GPL,
        files: &[],
        arguments: &[],
        code: 1,
        says: "EXPORT_SYMBOL → EXPORT_SYMBOL_GPL",
    },
    Trap {
        number: 16,
        old: FOO_GPL,
        new: FOO,
        files: &[],
        arguments: &[],
        code: 0,
        says: "PASS",
    },
    Trap {
        number: 17,
        old: FOO,
        new: FOO_MODULE,
        files: &[],
        arguments: &[],
        code: 0,
        says: "moved to another module",
    },
    Trap {
        number: 18,
        old: FOO,
        new: FOO_CXL,
        files: &[],
        arguments: &[],
        code: 1,
        says: "no namespace → CXL",
    },
    Trap {
        number: 18,
        old: FOO_CXL,
        new: FOO,
        files: &[],
        arguments: &[],
        code: 0,
        says: "PASS",
    },
    Trap {
        number: 19,
        old: "0x1→foobar→vmlinux→EXPORT_SYMBOL→\n",
        new: FOO,
        files: &[("l", "foo\n")],
        arguments: &["--protect", "l"],
        code: 2,
        says: "l:1: `foo` is listed",
    },
    Trap {
        number: 20,
        old: FOO,
        new: OTHER,
        files: &[],
        arguments: &[],
        code: 1,
        says: "foo: removed",
    },
    Trap {
        number: 24,
        old: FOO,
        new: FOO,
        files: &[("l", "# none\n")],
        arguments: &["--protect", "l"],
        code: 3,
        says: "list-empty",
    },
    Trap {
        number: 27,
        old: FOO,
        new: FOO_2,
        files: &[("s", "vmlinux PASS\n")],
        arguments: &["--rules", "s"],
        code: 0,
        says: "PASS",
    },
    Trap {
        number: 28,
        old: "0x1→I_BDEV→vmlinux→EXPORT_SYMBOL→\n",
        new: "0x2→I_BDEV→vmlinux→EXPORT_SYMBOL→\n",
        files: &[("s", "I_BDEV PASS\n")],
        arguments: &["--rules", "s"],
        code: 1,
        says: "I_BDEV",
    },
    Trap {
        number: 29,
        old: FOO,
        new: FOO_2,
        files: &[("s", "* PASS\n")],
        arguments: &["--rules", "s"],
        code: 1,
        says: "write `SYMBOL *`",
    },
    Trap {
        number: 29,
        old: FOO_CXL,
        new: FOO_CXL_2,
        files: &[("s", "* PASS\n")],
        arguments: &["--rules", "s"],
        code: 0,
        says: "PASS",
    },
    Trap {
        number: 30,
        old: FOO,
        new: FOO_2,
        files: &[("s", "[a PASS\n")],
        arguments: &["--rules", "s"],
        code: 2,
        says: "s:1: `[a`: `[` without `]`",
    },
    Trap {
        number: 31,
        old: "0x1→foo→lib/test→EXPORT_SYMBOL→\n",
        new: "0x2→foo→lib/test→EXPORT_SYMBOL→\n",
        files: &[("s", "lib/test.ko PASS\n")],
        arguments: &["--rules", "s"],
        code: 1,
        says: "never matches",
    },
    Trap {
        number: 32,
        old: FOO_MODULE,
        new: "0x2→foo→fs/foo→EXPORT_SYMBOL→\n",
        files: &[("s", "fs/f* FAIL\nfs/* PASS\n")],
        arguments: &["--rules", "s"],
        code: 1,
        says: "foo",
    },
    Trap {
        number: 33,
        old: FOO,
        new: "0x1→foo→vmlinux→EXPORT_SYMBOL→\n0x1→bar→vmlinux→EXPORT_SYMBOL→\n",
        files: &[("s", "bar FAIL\n")],
        arguments: &["--rules", "s"],
        code: 0,
        says: "PASS",
    },
    // What SUSE's file cannot say: an addition is forbidden, and a namespaced symbol is excused by class only.
    Trap {
        number: 33,
        old: FOO,
        new: "0x1→foo→vmlinux→EXPORT_SYMBOL→\n0x1→bar→vmlinux→EXPORT_SYMBOL→\n",
        files: &[(
            "r.toml",
            "[[rule]]\nclass = \"added\"\nseverity = \"error\"\n",
        )],
        arguments: &["--rules", "r.toml"],
        code: 1,
        says: "1 other symbol by a rule",
    },
    Trap {
        number: 18,
        old: FOO,
        new: FOO_CXL_2,
        files: &[(
            "r.toml",
            "[[rule]]\nclass = \"namespace\"\nseverity = \"notice\"\n",
        )],
        arguments: &["--rules", "r.toml"],
        code: 1,
        says: "CRC changed",
    },
    Trap {
        number: 73,
        old: FOO,
        new: FOO,
        files: &[],
        arguments: &[],
        code: 0,
        says: "PASS  1 protected symbol checked, 0 changed",
    },
];

/// Each trap of symvers, lists and rules ends with its verdict and says why.
#[test]
fn traps_have_their_verdicts() {
    for trap in TRAPS {
        let folder = Folder::new(&[("old", trap.old), ("new", trap.new)]);
        for (name, text) in trap.files {
            fs::write(folder.path(name), text).unwrap();
        }
        let (ended, report) = folder.diff(trap.arguments);
        let all = format!("{}{}", ended.out, ended.err);
        assert_eq!(ended.code, trap.code, "trap {}:\n{all}", trap.number);
        assert_eq!(report["exit_code"], trap.code, "trap {}", trap.number);
        assert!(
            all.contains(trap.says),
            "trap {}: no {:?} in\n{all}",
            trap.number,
            trap.says
        );
    }
}

/// An approvals file that says yes to everything a report lacks.
fn approve(report: &Value, expires: &str) -> String {
    let entries = report["policy"]["to_approve"].as_array().unwrap();
    let toml = entries.iter().map(|entry| entry["toml"].as_str().unwrap());
    toml.map(|text| {
        text.replace("reason = \"\"", "reason = \"agreed\"")
            .replace("owner = \"\"", "owner = \"us\"")
            + expires
    })
    .collect()
}

/// 36, 37: the entries that a report prints approve exactly its changes, up to their last day, and not a further change.
#[test]
fn printed_entries_approve_once() {
    let folder = Folder::new(&[
        (
            "old",
            "0x1→a→vmlinux→EXPORT_SYMBOL→\n0x1→b→vmlinux→EXPORT_SYMBOL→\n0x1→c→vmlinux→EXPORT_SYMBOL→\n",
        ),
        (
            "new",
            "0x2→a→vmlinux→EXPORT_SYMBOL→\n0x1→c→vmlinux→EXPORT_SYMBOL_GPL→\n",
        ),
    ]);
    let (ended, report) = folder.diff(&[]);
    ended.code(1).out_has("[[approval]]");
    fs::write(
        folder.path("unfilled.toml"),
        report["policy"]["to_approve"][0]["toml"].as_str().unwrap(),
    )
    .unwrap();
    folder
        .diff(&["--approvals", "unfilled.toml"])
        .0
        .code(2)
        .out_has("`reason` says nothing");
    fs::write(
        folder.path("a.toml"),
        approve(&report, "expires = 2027-01-31\n"),
    )
    .unwrap();
    let on = |day| folder.diff(&["--approvals", "a.toml", "--today", day]);
    let (ended, approved) = on("2027-01-31");
    ended
        .code(0)
        .out_has("PASS")
        .out_has("3 approved")
        .out_has("through 2027-01-31");
    assert!(approved["policy"]["to_approve"].is_null());
    let used = approved["policy"]["approvals"].as_array().unwrap();
    assert!(
        used.iter()
            .all(|one| one["state"] == "used" && one["reason"] == "agreed"),
        "{used:?}"
    );
    on("2027-02-01")
        .0
        .code(1)
        .out_has("Approvals that expired")
        .out_has("expired after 2027-01-31");
    folder
        .diff(&["--approvals", "a.toml"])
        .0
        .code(1)
        .out_has("Approvals that expired");
    fs::write(
        folder.path("new"),
        "0x3\ta\tvmlinux\tEXPORT_SYMBOL\t\n0x1\tc\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n",
    )
    .unwrap();
    let (ended, report) = on("2027-01-31");
    ended.code(1).out_has("Approvals without a change");
    let lacking: Vec<&str> = report["policy"]["to_approve"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        lacking,
        [
            "a: CRC changed (0x00000001 → 0x00000003)",
            "c: moved into a namespace (no namespace → NS)"
        ]
    );
}

/// Two kernels with types: `of` is read by `use_s` through `s`, which holds a pointer to `t`.
fn typed(folder: &Path, name: &str, s: &str, t: &str) {
    let types = format!(
        "/* lib/a.symtypes */\ns#s struct s {{ {s} s#t * t ; }}\ns#t struct t {{ {t} }}\nuse_s int use_s ( s#s * )\n"
    );
    let dir = folder.join(name);
    fs::create_dir_all(&dir).unwrap();
    let graph = kabigate::symtypes::TypeGraph::from_consolidated(types.as_bytes(), "t").unwrap();
    let crc = graph.crc("use_s").unwrap();
    fs::write(
        dir.join("Module.symvers"),
        format!("{crc}\tuse_s\tvmlinux\tEXPORT_SYMBOL\t\n"),
    )
    .unwrap();
    fs::write(dir.join("types"), types).unwrap();
}

/// An approved definition does not excuse another one that changed behind it and that is nearest to no symbol.
#[test]
fn approvals_look_behind_the_nearest_definition() {
    let folder = Folder::new(&[]);
    let top = folder.0.path();
    typed(top, "o", "int a ;", "int x ;");
    typed(top, "n1", "long a ;", "int x ;");
    typed(top, "n2", "long a ;", "long x ;");
    let diff = |new: &str, more: &[&str]| {
        let (symvers, types) = (format!("{new}/Module.symvers"), format!("{new}/types"));
        let mut all = vec![
            "diff",
            "o/Module.symvers",
            &symvers,
            "--old-symtypes",
            "o/types",
            "--new-symtypes",
            &types,
        ];
        all.extend(["--output", "console", "--output", "json:r.json"]);
        all.extend(more);
        let ended = Run::new(&all).dir(top).end();
        let report: Value =
            serde_json::from_slice(&fs::read(folder.path("r.json")).unwrap()).unwrap();
        (ended, report)
    };
    let (ended, report) = diff("n1", &[]);
    ended.code(1).out_has("struct s");
    fs::write(folder.path("a.toml"), approve(&report, "")).unwrap();
    let (ended, report) = diff("n1", &["--approvals", "a.toml"]);
    ended.code(0).out_has("Approvals used");
    assert_eq!(report["tip"]["symbols"][0]["changes"][0]["approved"], true);
    let (ended, report) = diff("n2", &["--approvals", "a.toml"]);
    ended.code(1).out_has("struct t");
    let lacking = report["policy"]["to_approve"].as_array().unwrap();
    assert_eq!(lacking.len(), 1);
    assert_eq!(
        lacking[0]["what"],
        "struct t: layout changed (member changed: int x → long x)"
    );
    // With both approved it passes.
    let both = fs::read_to_string(folder.path("a.toml")).unwrap() + &approve(&report, "");
    fs::write(folder.path("a.toml"), both).unwrap();
    diff("n2", &["--approvals", "a.toml"]).0.code(0);
}

/// Listing, linting and its exit codes: text and JSON say the same.
#[test]
fn lists_lint() {
    let folder = Folder::new(&[
        ("k", FOO),
        ("l", "foo\ngone\n"),
        ("good", "foo\n"),
        ("empty", "# none\n"),
        ("s", "foo PASS\nnone PASS\n"),
        ("deny", "foo is private\n"),
    ]);
    let lint = |arguments: &[&str]| {
        let mut all = vec!["lists", "lint"];
        all.extend(arguments);
        Run::new(&all).dir(folder.0.path()).end()
    };
    lint(&["good", "--against", "k"])
        .code(0)
        .out_has("0 errors, 0 warnings");
    lint(&["l", "--against", "k"])
        .code(1)
        .out_has("l:2: error: `gone` is listed and k does not export it");
    lint(&["good", "--against", "k", "--deny", "deny"])
        .code(1)
        .out_has("is private");
    lint(&["good", "--against", "k", "--rules", "s"])
        .code(0)
        .out_has("s:2: warning: the rule `none PASS` selects no symbol");
    lint(&["good", "--against", "k", "--rules", "s", "--strict"]).code(1);
    lint(&["empty", "--against", "k"])
        .code(3)
        .out_has("selects no symbol");
    lint(&[]).code(3).err_has("no listed symbol");
    lint(&["nowhere"]).code(2);
    lint(&["good"])
        .code(0)
        .out_has("not checked: whether listed symbols are exported");
    let json = lint(&["l", "--against", "k", "--format", "json"]).code(1);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["schema"], "kabigate-lint/1");
    assert_eq!(json["findings"][0]["kind"], "list-not-exported");
    assert_eq!(json["findings"][0]["place"], "l:2");
}
