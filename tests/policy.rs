//! A change cannot judge itself: what the policy is read from, and what a range that edits it comes to.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use kabigate::baseline::{Contents, Extra, STABLELIST, create};
use kabigate::kbuild::Config;
use kabigate::snapshot::Fingerprint;
use kabigate::symtypes::{Definition, TypeGraph, TypeKind, TypeName};
use kabigate::symvers::{Export, ExportClass, Symvers};
use serde_json::Value;
use support::{Ended, Run, git};

/// A git tree that is no kernel, so that a check ends early with what it read of the policy, and a baseline in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place {
            folder: tempfile::tempdir_in(support::target()).unwrap(),
        };
        let tree = place.tree();
        fs::create_dir_all(tree.join("kabi")).unwrap();
        git(&tree, ["init", "-q", "-b", "main"]);
        write_baseline(&place.baseline());
        place.commit("base");
        git(&tree, ["tag", "base"]);
        place
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn baseline(&self) -> PathBuf {
        self.tree().join("kabi/x86")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.tree().join(name), text).unwrap();
    }

    fn commit(&self, subject: &str) {
        git(&self.tree(), ["add", "-A"]);
        git(
            &self.tree(),
            ["commit", "-q", "--allow-empty", "-m", subject],
        );
    }

    /// Runs a check of what came after the tag `base`.
    fn check(&self, arguments: &[&str]) -> (Ended, Value) {
        let report = self.folder.path().join("report.json");
        let output = format!("json:{}", report.display());
        let work = self.folder.path().join("work");
        let mut all = vec![
            "check",
            "--range",
            "base..HEAD",
            "--work",
            work.to_str().unwrap(),
        ];
        all.extend(["--output", "console", "--output", &output]);
        all.extend(arguments);
        let ended = Run::new(&all).dir(&self.tree()).end();
        let json = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        (ended, json)
    }
}

fn write_baseline(path: &Path) {
    let mut types = TypeGraph::default();
    let mut symvers = Symvers::default();
    for symbol in ["alpha", "beta"] {
        let definition = Definition {
            name: TypeName {
                kind: TypeKind::Symbol,
                name: symbol.to_owned(),
            },
            is_extern: false,
            text: format!("int {symbol} ( void )"),
            location: None,
        };
        types.add_unit(&format!("lib/{symbol}"), &[definition]);
        symvers.insert(Export {
            symbol: symbol.into(),
            crc: types.crc(symbol).unwrap(),
            module: "vmlinux".into(),
            class: ExportClass::Plain,
            namespace: None,
        });
    }
    let config = b"CONFIG_MODVERSIONS=y\n";
    let fingerprint = Fingerprint {
        release: "6.1.0".to_owned(),
        arch: "x86".to_owned(),
        config: Config::parse(config, "config").unwrap().digest(),
        compiler_family: "gcc".to_owned(),
        compiler: "gcc 12".to_owned(),
        algorithm: "genksyms".to_owned(),
        grammar: "P4".to_owned(),
    };
    let contents = Contents {
        crcs_enforced: true,
        fingerprint: &fingerprint,
        commit: None,
        symvers: &symvers,
        types: &types,
        config,
    };
    let list = Extra {
        file: STABLELIST,
        content: b"alpha\nbeta\n".to_vec(),
    };
    create(path, contents, &[list]).unwrap();
}

fn edits(report: &Value) -> Vec<String> {
    let edits = report["policy"]["edits"].as_array().unwrap();
    edits
        .iter()
        .map(|edit| {
            format!(
                "{} {}",
                edit["what"].as_str().unwrap(),
                edit["file"].as_str().unwrap()
            )
        })
        .collect()
}

/// List, approvals, rules and settings of the range's own commits are told and not used; their work tree's files are not
/// even opened.
#[test]
fn edits_are_told_and_not_used() {
    let place = Place::new();
    place.write("kabi/x86/stablelist", "beta\n");
    place.write("kabi/x86/approvals.toml", "this is no TOML\n");
    place.write("kabi/kabigate.toml", "mode = \"observe\"\n");
    place.commit("policy: let it pass");
    let (ended, report) = place.check(&["--baseline", "kabi/x86"]);
    ended
        .code(3)
        .out_has("Policy edits: these commits edit what they are judged by")
        .out_has("policy: let it pass: changes kabi/x86/stablelist");
    assert_eq!(report["provenance"]["protected"], 2);
    assert_eq!(report["mode"], "enforce");
    assert_eq!(report["reasons"][0]["code"], "configure-failed");
    assert_eq!(
        edits(&report),
        [
            "adds kabi/kabigate.toml",
            "adds kabi/x86/approvals.toml",
            "changes kabi/x86/stablelist"
        ]
    );
    let source = report["policy"]["sources"][0].as_str().unwrap();
    assert!(
        source.starts_with("kabi/x86: revision ") && source.ends_with("(the commit before these)"),
        "{source}"
    );
    // The same files count where somebody names their revision.
    place
        .check(&["--baseline", "kabi/x86", "--policy-ref", "HEAD"])
        .0
        .code(2)
        .out_has("approvals.toml:1");
    place.write("kabi/x86/approvals.toml", "");
    place.commit("policy: repair");
    let (_, report) = place.check(&["--baseline", "kabi/x86", "--policy-ref", "HEAD"]);
    assert_eq!(
        (&report["provenance"]["protected"], &report["mode"]),
        (&1.into(), &"observe".into())
    );
}

/// A baseline that only the range adds is none, whether it is a folder, a link to one, or a folder behind a link.
#[test]
fn a_range_cannot_bring_its_baseline() {
    let place = Place::new();
    let tree = place.tree();
    fs::rename(tree.join("kabi/x86"), tree.join("kabi/other")).unwrap();
    place.commit("kabi: move");
    git(&tree, ["tag", "-f", "base"]);
    support::copy(&tree.join("kabi/other"), &place.baseline());
    place.commit("kabi: add");
    place
        .check(&["--baseline", "kabi/x86"])
        .0
        .code(3)
        .out_has("baseline-missing")
        .out_has("--policy-ref REV");
    // A link of the base revision is followed within the tree.
    fs::remove_dir_all(place.baseline()).unwrap();
    std::os::unix::fs::symlink("other", place.baseline()).unwrap();
    place.commit("kabi: link");
    git(&tree, ["tag", "-f", "base"]);
    place.commit("empty");
    let (_, report) = place.check(&["--baseline", "kabi/x86"]);
    assert_eq!(report["provenance"]["protected"], 2);
    // One that leads out of it is not.
    fs::remove_file(place.baseline()).unwrap();
    std::os::unix::fs::symlink("../../elsewhere", place.baseline()).unwrap();
    place.commit("kabi: lead astray");
    git(&tree, ["tag", "-f", "base"]);
    place.commit("empty");
    place
        .check(&["--baseline", "kabi/x86"])
        .0
        .code(2)
        .out_has("leads out of the tree");
}

/// Files outside of the tree and files that no revision knows are read where they are, and the report says so.
#[test]
fn other_files_are_read_where_they_are() {
    let place = Place::new();
    place.commit("empty");
    let outside = place.folder.path().join("outside");
    write_baseline(&outside);
    let (_, report) = place.check(&["--baseline", outside.to_str().unwrap()]);
    let source = report["policy"]["sources"][0].as_str().unwrap();
    assert!(
        source.ends_with("working files, outside of the tree"),
        "{source}"
    );
    place
        .check(&[
            "--baseline",
            outside.to_str().unwrap(),
            "--policy-ref",
            "HEAD",
        ])
        .0
        .code(2)
        .out_has("does not lie in the tree");
    place.write("own.list", "alpha\n");
    let (_, report) = place.check(&["--baseline", "kabi/x86", "--protect", "own.list"]);
    let source = report["policy"]["sources"][1].as_str().unwrap();
    assert_eq!(
        source,
        "own.list: working files, in no revision of the range"
    );
    // Once a commit of the range has it, it is none of the base revision.
    place.commit("add a list");
    place
        .check(&["--baseline", "kabi/x86", "--protect", "own.list"])
        .0
        .code(2)
        .out_has("own.list: no such file in revision");
}

/// A range that adds an approval to a baseline which only the work tree has does not get it read.
#[test]
fn a_local_baseline_takes_nothing_from_the_range() {
    let place = Place::new();
    let local = place.tree().join("kabi/local");
    support::copy(&place.baseline(), &local);
    fs::write(local.join("approvals.toml"), "").unwrap();
    git(&place.tree(), ["add", "kabi/local/approvals.toml"]);
    git(&place.tree(), ["commit", "-q", "-m", "approve"]);
    place
        .check(&["--baseline", "kabi/local"])
        .0
        .code(3)
        .out_has("baseline-missing");
}

/// Where nothing is named, every baseline in `baselines/` of the base revision is checked against: a change can neither take
/// one away nor bring one.
#[test]
fn baselines_in_their_folder() {
    let place = Place::new();
    let baseline = |name: &str| place.tree().join("baselines").join(name);
    write_baseline(&baseline("x86"));
    fs::create_dir_all(baseline("notes")).unwrap();
    place.write("baselines/notes/README", "not a baseline\n");
    place.commit("baselines: x86");
    git(&place.tree(), ["tag", "-f", "base"]);
    place.commit("empty");
    let (_, report) = place.check(&[]);
    assert_eq!(report["provenance"]["baseline"]["name"], "x86");
    assert_eq!(report["provenance"]["target"], Value::Null);
    write_baseline(&baseline("x86-rt"));
    place.commit("baselines: x86-rt");
    git(&place.tree(), ["tag", "-f", "base"]);
    fs::remove_dir_all(baseline("x86")).unwrap();
    write_baseline(&baseline("lax"));
    place.commit("baselines: others");
    let targets = |report: &Value| -> Vec<String> {
        let reports = report["reports"].as_array().unwrap();
        let name = |report: &Value| report["provenance"]["target"].as_str().unwrap().to_owned();
        reports.iter().map(name).collect()
    };
    let (ended, report) = place.check(&[]);
    assert_eq!(targets(&report), ["x86", "x86-rt"]);
    ended
        .out_has("baselines/lax/baseline.toml")
        .out_has("baselines/x86/baseline.toml");
    let named = ["--baseline", "baselines/x86-rt", "--baseline", "kabi/x86"];
    let (_, report) = place.check(&named);
    assert_eq!(targets(&report), ["x86", "x86-rt"]);
    place
        .check(&["--baseline", "kabi/x86", "--baseline", "baselines/x86"])
        .0
        .code(2)
        .out_has("two of the baselines are called `x86`");
}

/// Options of kabigate.toml of the base revision hold, flags beat them, and what is unknown ends the run.
#[test]
fn settings_of_the_base_revision() {
    let place = Place::new();
    place.write(
        "kabi/kabigate.toml",
        "baseline = \"x86\"\nmode = \"observe\"\nprotect = [\"more\"]\n",
    );
    place.write("kabi/more", "beta\n");
    place.commit("kabi: settings");
    git(&place.tree(), ["tag", "-f", "base"]);
    place.commit("empty");
    let (_, report) = place.check(&["--settings", "kabi/kabigate.toml"]);
    assert_eq!(report["mode"], "observe");
    assert_eq!(report["provenance"]["lists"][1]["name"], "kabi/more");
    let (_, report) = place.check(&["--baseline", "kabi/x86", "--mode", "enforce"]);
    assert_eq!(report["mode"], "enforce");
    place.check(&[]).0.code(3).out_has("no baseline is named");
    place.write("kabi/kabigate.toml", "baselin = \"x86\"\n");
    place.commit("kabi: a slip");
    place
        .check(&["--settings", "kabi/kabigate.toml", "--policy-ref", "HEAD"])
        .0
        .code(2)
        .out_has("config-invalid")
        .out_has("kabi/kabigate.toml:1: unknown key `baselin`; did you mean `baseline`?");
}

/// What commits hide from the CRCs is told by file, line, commit and structure; what a later commit takes back is told as
/// such; and the slots that are left are counted.
#[test]
fn hidden_changes_are_told() {
    let place = Place::new();
    fs::create_dir_all(place.tree().join("include/linux")).unwrap();
    let kabi = "#ifdef __GENKSYMS__\n# define ACME_SWAP(a, b) a\n#else\n# define ACME_SWAP(a, b) b\n#endif\n";
    place.write("include/linux/acme.h", kabi);
    let header = "struct foo {\n\tint a;\n\tRH_KABI_RESERVE(1)\n\tRH_KABI_RESERVE(2)\n};\n";
    place.write("include/linux/foo.h", header);
    place.commit("foo: a structure");
    git(&place.tree(), ["tag", "-f", "base"]);
    place.write(
        "include/linux/foo.h",
        &header.replace("RH_KABI_RESERVE(1)", "RH_KABI_USE(1, int b)"),
    );
    place.commit("foo: use a slot");
    place.write("lib.c", "struct bar {\n\tACME_SWAP(int a, long a);\n};\n");
    place.commit("bar: swap");
    fs::remove_file(place.tree().join("lib.c")).unwrap();
    place.commit("bar: gone");
    let rule = "[[rule]]\nclass = \"slot-used\"\nsymbol = \"foo\"\nmodule = \"include/*\"\nseverity = \"warning\"\n";
    place.write("own.toml", rule);
    let (ended, report) = place.check(&["--baseline", "kabi/x86", "--rules", "own.toml"]);
    ended
        .code(3)
        .out_has("include/linux/foo.h:3: struct foo: slot-used: RH_KABI_USE(1 , int b)")
        .out_has("struct foo: 1 of 2 reserved slots used, 1 left (include/linux/foo.h:3)");
    let changes = report["hidden"]["changes"].as_array().unwrap();
    let told: Vec<(&str, bool, &str, bool)> = changes
        .iter()
        .map(|c| {
            let text = |key: &str| c[key].as_str().unwrap();
            (
                text("kind"),
                c["added"].as_bool().unwrap(),
                text("severity"),
                c["at_tip"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("slot-used", true, "warn", true),
            ("hiding-macro", true, "warn", false),
            ("hiding-macro", false, "warn", false),
        ]
    );
}
