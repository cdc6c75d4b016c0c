//! What goes wrong before a kernel is touched: message, next step and exit code of each.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use kabigate::baseline::{Contents, Extra, MODULES, STABLELIST, create};
use kabigate::kbuild::Config;
use kabigate::snapshot::Fingerprint;
use kabigate::symtypes::{Definition, TypeGraph, TypeKind, TypeName};
use kabigate::symvers::{Export, ExportClass, Symvers};
use support::{Ended, Run, git};

/// A folder with a small baseline, a git tree that is no kernel, and room for reports.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place::with(&["alpha", "beta"], Some("alpha\nbeta\n"))
    }

    fn with(symbols: &[&str], list: Option<&str>) -> Place {
        let place = Place {
            folder: tempfile::tempdir_in(support::target()).unwrap(),
        };
        write_baseline(&place.baseline(), symbols, list, |_| {});
        let tree = place.tree();
        fs::create_dir(&tree).unwrap();
        git(&tree, ["init", "-q", "-b", "main"]);
        for content in ["one", "two"] {
            fs::write(tree.join("file"), content).unwrap();
            git(&tree, ["add", "file"]);
            git(&tree, ["commit", "-q", "-m", content]);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn baseline(&self) -> PathBuf {
        self.path("baseline")
    }

    fn tree(&self) -> PathBuf {
        self.path("tree")
    }

    /// Runs a check that writes a JSON report too, and asserts that report and exit code agree.
    #[track_caller]
    fn check(&self, code: i32, reason: &str, arguments: &[&str]) -> Ended {
        let report = self.path("report.json");
        let tree = self.tree();
        let work = self.path("work");
        let mut all = vec!["check", "--work", work.to_str().unwrap()];
        if !arguments.contains(&"--tree") {
            all.extend(["--tree", tree.to_str().unwrap()]);
        }
        let output = format!("json:{}", report.display());
        all.extend(["--output", "console", "--output", &output]);
        all.extend(arguments);
        let ended = Run::new(&all).end().code(code);
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        assert_eq!(json["exit_code"], code, "{json}");
        assert_eq!(
            json["verdict"],
            if code == 2 { "invalid" } else { "not-checked" }
        );
        let codes: Vec<&str> = json["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["code"].as_str().unwrap())
            .collect();
        assert!(codes.contains(&reason), "{codes:?}");
        assert!(json["reasons"][0]["next_step"].is_string(), "{json}");
        ended
    }

    #[track_caller]
    fn check_baseline(&self, code: i32, reason: &str) -> Ended {
        self.check(
            code,
            reason,
            &[
                "--range",
                "HEAD~1..HEAD",
                "--baseline",
                self.baseline().to_str().unwrap(),
            ],
        )
    }
}

fn write_baseline(
    path: &Path,
    symbols: &[&str],
    list: Option<&str>,
    change: impl Fn(&mut Fingerprint),
) {
    let mut types = TypeGraph::default();
    let mut symvers = Symvers::default();
    for symbol in symbols {
        let definition = Definition {
            name: TypeName {
                kind: TypeKind::Symbol,
                name: (*symbol).to_owned(),
            },
            is_extern: false,
            text: format!("int {symbol} ( void )"),
            location: None,
        };
        types.add_unit(&format!("lib/{symbol}"), &[definition]);
        symvers.insert(Export {
            symbol: (*symbol).into(),
            crc: types.crc(symbol).unwrap(),
            module: "vmlinux".into(),
            class: ExportClass::Plain,
            namespace: None,
        });
    }
    let config = b"CONFIG_MODVERSIONS=y\n";
    let mut fingerprint = Fingerprint {
        release: "6.1.0".to_owned(),
        arch: "x86".to_owned(),
        config: Config::parse(config, "config").unwrap().digest(),
        compiler_family: "gcc".to_owned(),
        compiler: "gcc 12".to_owned(),
        algorithm: "genksyms".to_owned(),
        grammar: "P4".to_owned(),
    };
    change(&mut fingerprint);
    let contents = Contents {
        fingerprint: &fingerprint,
        commit: None,
        symvers: &symvers,
        types: &types,
        config,
        crcs_enforced: true,
    };
    let extras: Vec<Extra> = list
        .map(|list| Extra {
            file: STABLELIST,
            content: list.as_bytes().to_vec(),
        })
        .into_iter()
        .collect();
    create(path, contents, &extras).unwrap();
}

/// A baseline that does not exist is exit 3 and the command that records one is named.
#[test]
fn missing_baseline() {
    let place = Place::new();
    fs::remove_dir_all(place.baseline()).unwrap();
    place
        .check_baseline(3, "baseline-missing")
        .out_has("the folder does not exist")
        .out_has("kabigate baseline create");
}

/// A baseline without one of its files is exit 3 and the file is named.
#[test]
fn incomplete_baseline() {
    let place = Place::new();
    fs::remove_file(place.baseline().join("symtypes.zst")).unwrap();
    place
        .check_baseline(3, "baseline-missing")
        .out_has("it has no symtypes.zst");
}

/// A baseline without symbols is exit 3, never "nothing changed".
#[test]
fn empty_baseline() {
    let place = Place::new();
    fs::write(place.baseline().join("Module.symvers"), "").unwrap();
    place
        .check_baseline(3, "baseline-empty")
        .out_has("holds no exported symbol");
}

/// A Module.symvers full of zeros is that of a kernel without MODVERSIONS: exit 3.
#[test]
fn baseline_without_crcs() {
    let place = Place::new();
    let zeros =
        "0x00000000\talpha\tvmlinux\tEXPORT_SYMBOL\t\n0x00000000\tbeta\tvmlinux\tEXPORT_SYMBOL\t\n";
    fs::write(place.baseline().join("Module.symvers"), zeros).unwrap();
    place
        .check_baseline(3, "crc-unversioned")
        .out_has("CONFIG_MODVERSIONS");
}

/// A protected symbol without CRC cannot be checked, even if others have one.
#[test]
fn protected_symbol_without_crc() {
    let place = Place::new();
    let path = place.baseline().join("Module.symvers");
    let text = fs::read_to_string(&path).unwrap();
    let alpha = text.lines().find(|line| line.contains("alpha")).unwrap();
    fs::write(&path, text.replace(&alpha[..10], "0x00000000")).unwrap();
    place
        .check_baseline(3, "crc-unversioned")
        .out_has("alpha has no CRC");
}

/// Damaged files of a baseline are exit 2, with file and line where the file has lines.
#[test]
fn damaged_baseline() {
    let place = Place::new();
    let symvers = place.baseline().join("Module.symvers");
    fs::write(&symvers, "0x1\talpha\tvmlinux\tEXPORT_SYMBOL\t\nalpha\n").unwrap();
    place
        .check_baseline(2, "input-invalid")
        .out_has("Module.symvers:2");

    let place = Place::new();
    let symtypes = place.baseline().join("symtypes.zst");
    let whole = fs::read(&symtypes).unwrap();
    fs::write(&symtypes, &whole[..whole.len() / 2]).unwrap();
    place
        .check_baseline(2, "input-invalid")
        .out_has("symtypes.zst");

    let place = Place::new();
    fs::write(
        place.baseline().join("baseline.toml"),
        "schema = 1\nexports = \"many\"\n",
    )
    .unwrap();
    place
        .check_baseline(2, "input-invalid")
        .out_has("baseline.toml");
}

/// A CRC that its own types contradict is exit 3: such a baseline would pass or fail anything.
#[test]
fn inconsistent_baseline() {
    let place = Place::new();
    let path = place.baseline().join("Module.symvers");
    let text = fs::read_to_string(&path).unwrap();
    let alpha = text.lines().find(|line| line.contains("alpha")).unwrap();
    fs::write(&path, text.replace(&alpha[..10], "0x00000001")).unwrap();
    place
        .check_baseline(3, "baseline-inconsistent")
        .out_has("alpha");
    let folder = place.baseline();
    Run::new(["baseline", "verify", folder.to_str().unwrap()])
        .end()
        .code(3)
        .err_has("alpha")
        .out_has("1 of 2 CRCs");
}

/// An intact baseline verifies and shows what it was made of.
#[test]
fn intact_baseline() {
    let place = Place::new();
    let folder = place.baseline();
    Run::new(["baseline", "verify", folder.to_str().unwrap()])
        .end()
        .code(0)
        .out_has("2 of 2 CRCs agree");
    Run::new(["baseline", "show", folder.to_str().unwrap()])
        .end()
        .code(0)
        .out_has("6.1.0 (x86)")
        .out_has("protected  2");
}

/// No list, an empty list, and a list for another architecture are exit 3; an entry that matches nothing is exit 2 and
/// only a warning where the user allows it.
#[test]
fn lists_that_protect_nothing() {
    let place = Place::with(&["alpha"], None);
    place
        .check_baseline(3, "list-empty")
        .out_has("no protected list");
    let place = Place::with(&["alpha"], Some("# nothing\n"));
    place
        .check_baseline(3, "list-empty")
        .out_has("selects no symbol");
    let place = Place::with(&["alpha"], Some("[rhel9_aarch64_stablelist]\n\talpha\n"));
    place.check_baseline(3, "list-mismatch").out_has("aarch64");
    let place = Place::with(&["alpha", "foobar"], Some("alpha\nfoo\n"));
    place
        .check_baseline(2, "input-invalid")
        .out_has("stablelist:2")
        .out_has("foo")
        .out_has("--allow-missing");
    let baseline = place.baseline();
    place
        .check(
            3,
            "configure-failed",
            &[
                "--range",
                "HEAD~1..HEAD",
                "--allow-missing",
                "--baseline",
                baseline.to_str().unwrap(),
            ],
        )
        .err_has("warning")
        .out_has("not a kernel source tree");
}

/// Ranges: unknown revisions and bad syntax are exit 2, an empty range is exit 3.
#[test]
fn bad_ranges() {
    let place = Place::new();
    let baseline = place.baseline();
    let baseline = baseline.to_str().unwrap();
    place
        .check(
            2,
            "revision-unknown",
            &["--range", "nowhere..HEAD", "--baseline", baseline],
        )
        .out_has("nowhere");
    place
        .check(2, "usage", &["--range", "HEAD", "--baseline", baseline])
        .out_has("BASE..HEAD");
    place
        .check(
            3,
            "range-empty",
            &["--range", "HEAD..HEAD", "--baseline", baseline],
        )
        .out_has("holds no commit");
    place.check(
        2,
        "input-invalid",
        &["--tree", "/", "--range", "a..b", "--baseline", baseline],
    );
}

/// Uncommitted changes are not checked and a warning says so.
#[test]
fn dirty_tree() {
    let place = Place::new();
    fs::write(place.tree().join("file"), "three").unwrap();
    place
        .check_baseline(3, "configure-failed")
        .err_has("1 files of the work tree have uncommitted changes, which are not checked: file")
        .out_has("not a kernel source tree");
}

/// A shallow clone whose boundary the range crosses is exit 3 with the command that repairs it.
#[test]
fn shallow_clone() {
    let place = Place::new();
    let clone = place.path("clone");
    let url = format!("file://{}", place.tree().display());
    git(
        place.folder.path(),
        ["clone", "-q", "--depth", "1", &url, clone.to_str().unwrap()],
    );
    let baseline = place.baseline();
    let arguments = [
        "--tree",
        clone.to_str().unwrap(),
        "--range",
        "HEAD~1..HEAD",
        "--baseline",
        baseline.to_str().unwrap(),
    ];
    place
        .check(3, "git-shallow", &arguments)
        .out_has("git fetch");
}

/// A module that is cut off, or no module at all, is exit 2 with the file's name: it was not checked.
#[test]
fn unreadable_modules() {
    let place = Place::new();
    let module = place.path("cut.ko");
    fs::write(&module, b"\x7fELF\x02\x01\x01\0\0\0").unwrap();
    let baseline = place.baseline();
    let arguments = [
        "--range",
        "HEAD~1..HEAD",
        "--baseline",
        baseline.to_str().unwrap(),
        "--modules",
        module.to_str().unwrap(),
    ];
    place
        .check(2, "input-invalid", &arguments)
        .out_has("cut.ko");
    let database = place.path("modules.json");
    let arguments = [
        "modules",
        "scan",
        "--database",
        database.to_str().unwrap(),
        module.to_str().unwrap(),
    ];
    Run::new(arguments).end().code(2).err_has("cut.ko");
    assert!(!database.exists(), "a failed scan writes nothing");
}

/// A damaged module database is exit 2 with file and line.
#[test]
fn damaged_module_database() {
    let place = Place::new();
    fs::write(
        place.baseline().join(MODULES),
        "{\n  \"schema\": 1,\n  \"modules\": [\n",
    )
    .unwrap();
    place
        .check_baseline(2, "input-invalid")
        .out_has("modules.json");
}

/// A configuration other than the baseline's is exit 3 and the options that differ are shown.
#[test]
fn other_configuration() {
    let place = Place::new();
    let config = place.path("other.config");
    fs::write(&config, "CONFIG_MODVERSIONS=y\nCONFIG_KASAN=y\n").unwrap();
    let baseline = place.baseline();
    let arguments = [
        "--range",
        "HEAD~1..HEAD",
        "--baseline",
        baseline.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
    ];
    place
        .check(3, "baseline-mismatch", &arguments)
        .out_has("CONFIG_KASAN");
}

/// Wrong usage is exit 2: no command, an unknown option, two reports on standard output, range and series at once.
#[test]
fn wrong_usage() {
    Run::new::<&str>([])
        .end()
        .code(2)
        .err_has("Usage: kabigate");
    Run::new(["check", "--no-such-option"])
        .end()
        .code(2)
        .err_has("--no-such-option");
    Run::new([
        "check",
        "--range",
        "a..b",
        "--patches",
        "c",
        "--onto",
        "d",
        "--baseline",
        "e",
    ])
    .end()
    .code(2);
    let two = [
        "check",
        "--range",
        "a..b",
        "--baseline",
        "e",
        "--output",
        "json",
        "--output",
        "junit",
    ];
    Run::new(two).end().code(2).err_has("standard output");
    Run::new([
        "check",
        "--range",
        "a..b",
        "--baseline",
        "e",
        "--output",
        "pdf",
    ])
    .end()
    .code(2)
    .err_has("pdf");
    Run::new(["symvers", "--tree", "/"])
        .end()
        .code(2)
        .err_has("--config");
    Run::new(["explain", "no-such-class"])
        .end()
        .code(2)
        .err_has("no class of change");
}

/// Help explains the commands and the exit codes, and `explain` every class.
#[test]
fn help_teaches() {
    Run::new(["--help"])
        .end()
        .code(0)
        .out_has("Exit codes:")
        .out_has("could not check");
    Run::new(["check", "--help"])
        .end()
        .code(0)
        .out_has("Examples:")
        .out_has("--patches");
    Run::new(["explain"])
        .end()
        .code(0)
        .out_has("export-tightened");
    Run::new(["explain", "export-tightened"])
        .end()
        .code(0)
        .out_has("GPL");
    assert!(
        Run::new(["--version"])
            .end()
            .code(0)
            .out
            .starts_with("kabigate ")
    );
}

/// A folder that is no kernel tree is exit 2.
#[test]
fn no_kernel_tree() {
    let folder = tempfile::tempdir_in(support::target()).unwrap();
    fs::write(folder.path().join("Makefile"), "all:\n").unwrap();
    let tree = folder.path().to_str().unwrap();
    Run::new([
        "symvers",
        "--tree",
        tree,
        "--config",
        "x86_64_defconfig",
        "--no-cache",
    ])
    .end()
    .code(2)
    .err_has("not a kernel source tree");
}

/// A stored report renders again with the same exit code, and a file that is no report is exit 2.
#[test]
fn stored_reports() {
    let place = Place::new();
    fs::remove_dir_all(place.baseline()).unwrap();
    place.check_baseline(3, "baseline-missing");
    let report = place.path("report.json");
    let from = report.to_str().unwrap();
    let json = Run::new(["report", "--from", from, "--output", "json"])
        .end()
        .code(3);
    assert_eq!(json.out, fs::read_to_string(&report).unwrap());
    Run::new(["report", "--from", from, "--output", "junit"])
        .end()
        .code(3)
        .out_has("<testsuite");
    fs::write(&report, "{}").unwrap();
    Run::new(["report", "--from", from])
        .end()
        .code(2)
        .err_has("report.json");
}
