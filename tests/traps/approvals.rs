//! Traps of approvals.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::folder::Folder;
use crate::support::{Ended, Run};

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

/// Runs `diff` of two kernels with types.
fn diff(folder: &Folder, old: &str, new: &str, more: &[&str]) -> (Ended, Value) {
    let of = |name: &str| (format!("{name}/Module.symvers"), format!("{name}/types"));
    let ((old, old_types), (new, new_types)) = (of(old), of(new));
    let mut all = vec!["diff", &old, &new, "--old-symtypes", &old_types];
    all.extend(["--new-symtypes", &new_types]);
    all.extend(["--output", "console", "--output", "json:r.json"]);
    all.extend(more);
    let ended = Run::new(&all).dir(folder.top()).end();
    let report = serde_json::from_slice(&fs::read(folder.path("r.json")).unwrap()).unwrap();
    (ended, report)
}

/// 38: a change that is picked to another kernel, or whose series is rebased, is the same change: its definition reads the same before and
/// after, whatever else differs between the kernels.
#[test]
fn a_change_that_was_picked_is_the_same_change() {
    let folder = Folder::new(&[]);
    typed(folder.top(), "o", "int a ;", "int x ;");
    typed(folder.top(), "n", "long a ;", "int x ;");
    typed(folder.top(), "elsewhere", "int a ;", "char y ;");
    typed(folder.top(), "picked", "long a ;", "char y ;");
    typed(folder.top(), "other", "short a ;", "char y ;");
    let (ended, report) = diff(&folder, "o", "n", &[]);
    ended.code(1);
    fs::write(folder.path("a.toml"), approve(&report, "")).unwrap();
    let approved = ["--approvals", "a.toml"];
    diff(&folder, "elsewhere", "picked", &approved)
        .0
        .code(0)
        .out_has("Approvals used");
    diff(&folder, "elsewhere", "other", &approved).0.code(1);
}

/// An approved definition does not excuse another one that changed behind it and that is nearest to no symbol.
#[test]
fn approvals_look_behind_the_nearest_definition() {
    let folder = Folder::new(&[]);
    let top = folder.top();
    typed(top, "o", "int a ;", "int x ;");
    typed(top, "n1", "long a ;", "int x ;");
    typed(top, "n2", "long a ;", "long x ;");
    let diff = |new: &str, more: &[&str]| diff(&folder, "o", new, more);
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
