//! The gate from end to end on a real 6.1 kernel: baseline, modules, the example series, ranges, and commits that
//! cannot be checked. The configuration is a small one, so that every commit can also be computed from scratch.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

#[path = "gate/edits.rs"]
mod edits;
#[path = "gate/sharded.rs"]
mod sharded;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Ended, Run, git};

/// A git tree of the kernel, a baseline of it, two modules built against it, and folders for all that.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Makes the git tree, records the baseline and scans the modules.
    fn new() -> Place {
        let place = Place {
            folder: tempfile::tempdir_in(support::target()).unwrap(),
        };
        let tree = place.path("linux");
        support::copy(&support::kernel("linux-6.1"), &tree);
        git(&tree, ["init", "-q", "-b", "main"]);
        // Git would pack the new objects some time after the commit, while the test compares the repository's files.
        git(&tree, ["config", "gc.auto", "0"]);
        git(&tree, ["config", "maintenance.auto", "false"]);
        git(&tree, ["add", "-A", "-f"]);
        git(&tree, ["commit", "-q", "-m", "Linux 6.1"]);
        git(&tree, ["tag", "base"]);
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let config = top.join("tests/data/gate.config");
        Run::new([
            "baseline",
            "create",
            &place.text("baseline"),
            "--tree",
            &place.text("linux"),
            "--rev",
            "base",
        ])
        .args([
            "--config",
            "tinyconfig",
            "--config",
            config.to_str().unwrap(),
        ])
        .args([
            "--protect",
            top.join("examples/stablelist").to_str().unwrap(),
        ])
        .args([
            "--cache",
            &place.text("cache"),
            "--work",
            &place.text("kept"),
            "--keep-work",
        ])
        .end()
        .code(0)
        .err_has("exported symbols");
        place.build_modules(&top.join("examples/modules"));
        Run::new([
            "modules",
            "scan",
            "--provider",
            "acme",
            "--database",
            &place.text("baseline"),
            &place.text("modules"),
        ])
        .end()
        .code(0)
        .err_has("2 modules added");
        place
    }

    /// Builds the example modules with the kernel's own build, against the kept work area and our Module.symvers.
    fn build_modules(&self, sources: &Path) {
        let area = fs::read_dir(self.path("kept"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        support::copy(sources, &self.path("modules"));
        fs::copy(
            self.path("baseline/Module.symvers"),
            area.join("obj/Module.symvers"),
        )
        .unwrap();
        let output = Command::new("make")
            .arg("-C")
            .arg(area.join("src"))
            .arg(format!("O={}", area.join("obj").display()))
            .arg(format!("M={}", self.text("modules")))
            .arg("modules")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::remove_dir_all(self.path("kept")).unwrap();
    }

    /// Runs a check that writes every report into `reports`.
    #[track_caller]
    fn check(&self, reports: &str, code: i32, arguments: &[&str]) -> (Ended, Value) {
        self.check_against(&self.text("baseline"), reports, code, arguments)
    }

    /// As [`Place::check`], against another baseline.
    #[track_caller]
    fn check_against(
        &self,
        baseline: &str,
        reports: &str,
        code: i32,
        arguments: &[&str],
    ) -> (Ended, Value) {
        let folder = self.path(reports);
        let mut run = Run::new(["check", "--tree", &self.text("linux")]);
        run = run.args(["--baseline", baseline]);
        run = run.args(arguments);
        for (format, file) in [
            ("console", "txt"),
            ("junit", "xml"),
            ("markdown", "md"),
            ("json", "json"),
        ] {
            run = run.args([
                "--output",
                &format!(
                    "{format}:{}",
                    folder.join(format!("report.{file}")).display()
                ),
            ]);
        }
        let ended = run.end().code(code);
        let json = serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
        (ended, json)
    }

    fn cache(&self) -> String {
        self.text("cache")
    }
}

/// The gate on a real kernel, step by step on one tree: each step's own function says what it checks.
#[test]
fn gate_on_a_real_kernel() {
    let place = Place::new();
    let before = fingerprint_of(&place.path("linux"));
    let series = example_series(&place);
    from_scratch_is_byte_for_byte_the_same(&place);
    junit_fits_the_schema(&place);
    baseline_verifies(&place);
    foreign_baselines_are_refused(&place);
    assert_unwritten(&before, &fingerprint_of(&place.path("linux")));
    range_says_what_the_series_said(&place, &series);
    commits_that_cannot_be_checked(&place);
    observing_hides_only_breaks(&place);
    approvals_over_a_rebase(&place);
    updates_say_why(&place);
    sharded::parts_give_the_whole_report(&place);
    sharded::parts_around_commits_that_cannot_be_checked(&place);
    edits::edited_policy(&place);
    sharded::targets_in_parts(&place);
}

/// The reports of the example series name the right commits, symbols, causes with both places, and modules.
fn example_series(place: &Place) -> Value {
    let mut arguments = series_arguments().to_vec();
    let cache = place.cache();
    arguments.extend(["--cache", &cache]);
    let (ended, report) = place.check("incremental", 1, &arguments);
    ended.err_has("[7/7]");
    assert_eq!(report["verdict"], "fail");
    let breaks: Vec<(usize, Vec<&str>)> = commits(&report)
        .iter()
        .enumerate()
        .map(|(at, commit)| (at, failing(&commit["findings"])))
        .filter(|(_, symbols)| !symbols.is_empty())
        .collect();
    let net = [
        "alloc_etherdev_mqs",
        "free_netdev",
        "mii_link_ok",
        "register_netdev",
        "unregister_netdev",
    ];
    let pool = [
        "gen_pool_alloc_algo_owner",
        "gen_pool_create",
        "gen_pool_destroy",
    ];
    assert_eq!(
        breaks,
        [
            (1, net.to_vec()),
            (2, vec!["crc16"]),
            (3, pool.to_vec()),
            (5, vec!["crc_ccitt"])
        ]
    );
    assert_eq!(commits(&report)[4]["restored"], serde_json::json!(pool));
    let mut tip: Vec<&str> = net.to_vec();
    tip.extend(["crc16", "crc_ccitt"]);
    tip.sort_unstable();
    assert_eq!(failing(&report["tip"]), tip);

    let device = cause(&report, "struct net_device");
    assert_eq!(device["base"]["file"], "include/linux/netdevice.h");
    assert_eq!(
        device["base"]["line"].as_u64().unwrap() + 1,
        device["head"]["line"].as_u64().unwrap()
    );
    assert!(
        device["diff"]
            .as_str()
            .unwrap()
            .contains("\n+\tu32 link_flaps;\n"),
        "{device}"
    );
    assert_eq!(
        device["commits"],
        serde_json::json!([commits(&report)[1]["commit"]["id"]])
    );
    let prototype = cause(&report, "crc16");
    assert_eq!(
        (&prototype["class"], &prototype["base"]["file"]),
        (&"prototype".into(), &"include/linux/crc16.h".into())
    );
    assert!(
        prototype["diff"]
            .as_str()
            .unwrap()
            .contains("+u16 crc16(u16, const void *, size_t)"),
        "{prototype}"
    );
    let symbol = report["tip"]["symbols"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["symbol"] == "crc_ccitt")
        .unwrap();
    assert_eq!(symbol["changes"][0]["class"], "export-tightened");

    let modules: Vec<(&str, &str)> = report["tip"]["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| {
            (
                module["module"].as_str().unwrap(),
                module["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        modules,
        [
            ("acme_link", "stops-loading"),
            ("acme_nic", "stops-loading")
        ]
    );
    let kinds: Vec<&str> = report["tip"]["modules"][0]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["gpl-only", "crc-mismatch"]);
    // What the report says in every format is compared where the readers of all formats are.
    let reports = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/reports");
    fs::create_dir_all(&reports).unwrap();
    fs::copy(
        place.path("incremental/report.json"),
        reports.join("example-series.json"),
    )
    .unwrap();
    report
}

/// Computing every commit from scratch, in an area of its own, gives the same bytes in every format.
fn from_scratch_is_byte_for_byte_the_same(place: &Place) {
    let mut arguments = series_arguments().to_vec();
    let work = place.text("work");
    arguments.extend(["--no-cache", "--work", &work]);
    place.check("scratch", 1, &arguments);
    for file in ["report.txt", "report.xml", "report.md", "report.json"] {
        let read = |folder: &str| fs::read_to_string(place.path(folder).join(file)).unwrap();
        assert_eq!(read("incremental"), read("scratch"), "{file}");
    }
}

/// The JUnit report is valid against the schema beside the tests.
fn junit_fits_the_schema(place: &Place) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/junit.xsd");
    let output = Command::new("xmllint")
        .args(["--noout", "--schema"])
        .arg(schema)
        .arg(place.path("incremental/report.xml"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Every stored CRC follows from the stored types.
fn baseline_verifies(place: &Place) {
    Run::new(["baseline", "verify", &place.text("baseline")])
        .end()
        .code(0)
        .out_has("CRCs agree");
}

/// A baseline of another compiler, grammar or configuration is exit 3 and shows what differs.
fn foreign_baselines_are_refused(place: &Place) {
    let original = place.path("original");
    support::copy(&place.path("baseline"), &original);
    for (file, from, to, field) in [
        (
            "baseline.toml",
            "compiler_family = \"gcc\"",
            "compiler_family = \"clang\"",
            "clang",
        ),
        (
            "config",
            "CONFIG_CC_IS_GCC=y",
            "CONFIG_CC_IS_CLANG=y",
            "CONFIG_CC_IS_CLANG=y",
        ),
    ] {
        let path = place.path("baseline").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no {from} in {file}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let mut arguments = series_arguments().to_vec();
        let cache = place.cache();
        arguments.extend(["--cache", &cache]);
        let (_, report) = place.check("foreign", 3, &arguments);
        let reasons = report["reasons"].to_string();
        assert!(
            reasons.contains("baseline-mismatch") && reasons.contains(field),
            "{reasons}"
        );
        fs::copy(original.join(file), &path).unwrap();
    }
}

/// Commits in the user's own branch give the verdict that the series gave.
fn range_says_what_the_series_said(place: &Place, series: &Value) {
    let tree = place.path("linux");
    let patches = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/series");
    let mut files: Vec<PathBuf> = fs::read_dir(patches)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        git(&tree, ["am", "-q", file.to_str().unwrap()]);
    }
    let (_, report) = place.check(
        "range",
        1,
        &["--range", "base..HEAD", "--cache", &place.cache()],
    );
    assert_eq!(failing(&report["tip"]), failing(&series["tip"]));
    let subjects = |report: &Value| -> Vec<String> {
        commits(report)
            .iter()
            .map(|commit| commit["commit"]["subject"].to_string())
            .collect()
    };
    assert_eq!(subjects(&report), subjects(series));
    assert_eq!(
        commits(&report)[5]["commit"]["id"],
        git(&tree, ["rev-parse", "HEAD"])
    );
}

/// A commit that does not configure and one that does not preprocess are told as such, and the walk goes on.
fn commits_that_cannot_be_checked(place: &Place) {
    let tree = place.path("linux");
    git(&tree, ["checkout", "-q", "-b", "broken", "base"]);
    let edit = |file: &str, from: &str, to: &str, subject: &str| {
        let path = tree.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        git(&tree, ["commit", "-q", "-a", "-m", subject]);
    };
    edit(
        "lib/crc16.c",
        "#include <linux/types.h>",
        "#include <linux/no_such_header.h>",
        "break a unit",
    );
    edit(
        "lib/crc16.c",
        "#include <linux/no_such_header.h>",
        "#include <linux/types.h>",
        "mend the unit",
    );
    edit(
        "lib/Kconfig",
        "menu \"Library routines\"",
        "source \"lib/no_such/Kconfig\"\n\nmenu \"Library routines\"",
        "break Kconfig",
    );
    let (ended, report) = place.check(
        "broken",
        3,
        &["--range", "base..HEAD", "--cache", &place.cache()],
    );
    let checked: Vec<bool> = commits(&report)
        .iter()
        .map(|commit| commit["checked"].as_bool().unwrap())
        .collect();
    assert_eq!(checked, [false, true, false]);
    let codes: Vec<(&str, &Value)> = report["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| (reason["code"].as_str().unwrap(), &reason["commit"]))
        .collect();
    let id = |at: usize| &commits(&report)[at]["commit"]["id"];
    assert_eq!(
        codes,
        [("preprocess-failed", id(0)), ("configure-failed", id(2))]
    );
    let message = report["reasons"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("lib/crc16.o") && message.contains("linux/no_such_header.h"),
        "{message}"
    );
    assert!(
        !message.contains(place.folder.path().to_str().unwrap()),
        "a path of this machine: {message}"
    );
    assert_eq!(failing(&report["tip"]), Vec::<&str>::new());
    drop(ended);
    git(&tree, ["checkout", "-q", "main"]);
}

/// Observing reports the same and exits 0; per-commit mode fails for a break that was undone.
fn observing_hides_only_breaks(place: &Place) {
    let (_, report) = place.check(
        "observe",
        0,
        &[
            "--range",
            "base..HEAD",
            "--mode",
            "observe",
            "--cache",
            &place.cache(),
        ],
    );
    assert_eq!(
        (&report["verdict"], &report["exit_code"]),
        (&"fail".into(), &0.into())
    );
    let cache = place.cache();
    let tree = place.path("linux");
    git(&tree, ["checkout", "-q", "-b", "undone", "base"]);
    git(&tree, ["cherry-pick", "main~2", "main~1"]);
    let (_, report) = place.check("undone", 0, &["--range", "base..HEAD", "--cache", &cache]);
    assert_eq!(report["verdict"], "pass");
    assert_eq!(failing(&commits(&report)[0]["findings"]).len(), 3);
    let (_, report) = place.check(
        "per-commit",
        1,
        &["--range", "base..HEAD", "--per-commit", "--cache", &cache],
    );
    assert_eq!(report["verdict"], "fail");
}

/// An approval holds over a rebase, does not cover a further change of the same structure, and ends with its last day.
fn approvals_over_a_rebase(place: &Place) {
    let (tree, cache) = (place.path("linux"), place.cache());
    let header = tree.join("include/linux/netdevice.h");
    let approvals = place.text("approvals.toml");
    let check = |name: &str, code, more: &[&str]| {
        let mut arguments = vec!["--range", "base..HEAD", "--cache", &cache];
        arguments.extend(more);
        place.check(name, code, &arguments)
    };
    let line = |report: &Value| cause(report, "struct net_device")["head"]["line"].as_u64();
    git(&tree, ["checkout", "-q", "-b", "feature", "base"]);
    git(&tree, ["cherry-pick", "main~4"]);
    let (_, before) = check("feature", 1, &[]);
    let entry = before["policy"]["to_approve"][0]["toml"].as_str().unwrap();
    let entry = entry
        .replace("reason = \"\"", "reason = \"nobody allocates it\"")
        .replace("owner = \"\"", "owner = \"net\"");
    fs::write(&approvals, entry + "expires = 2027-01-31\n").unwrap();

    git(&tree, ["checkout", "-q", "-b", "rebased", "base"]);
    let text = fs::read_to_string(&header).unwrap();
    fs::write(&header, format!("/* one\n * two\n */\n{text}")).unwrap();
    git(&tree, ["commit", "-q", "-a", "-m", "net: say more"]);
    git(&tree, ["cherry-pick", "feature"]);
    let (_, after) = check("rebased", 0, &["--approvals", &approvals]);
    assert_eq!(line(&after), line(&before).map(|line| line + 3));
    assert_eq!(after["policy"]["approvals"][0]["state"], "used");
    let late = ["--approvals", &approvals, "--today", "2027-02-01"];
    check("expired", 1, &late);
    let told = fs::read_to_string(place.path("expired/report.txt")).unwrap();
    for text in ["Approvals that expired", "expired after 2027-01-31"] {
        assert!(told.contains(text), "no {text:?} in\n{told}");
    }

    git(&tree, ["checkout", "-q", "-b", "further"]);
    let text = fs::read_to_string(&header).unwrap();
    let further = text.replace("link_flaps;", "link_flaps;\n\tu32 link_moves;");
    assert_ne!(text, further);
    fs::write(&header, further).unwrap();
    git(
        &tree,
        ["commit", "-q", "-a", "-m", "net: count the moves too"],
    );
    let (_, again) = check("further", 1, &["--approvals", &approvals]);
    let lacking = again["policy"]["to_approve"].as_array().unwrap();
    assert_eq!(lacking.len(), 1, "{lacking:?}");
    assert_ne!(
        lacking[0]["fingerprint"],
        again["policy"]["approvals"][0]["fingerprint"]
    );
    git(&tree, ["checkout", "-q", "main"]);
}

/// Replacing a baseline whose protected symbols break needs approvals or a reason, and records them.
fn updates_say_why(place: &Place) {
    let folder = place.text("updated");
    support::copy(&place.path("baseline"), Path::new(&folder));
    let (tree, cache) = (place.text("linux"), place.cache());
    let update = |more: &[&str]| {
        let arguments = ["baseline", "update", &folder, "--tree", &tree];
        Run::new(arguments)
            .args(["--rev", "rebased", "--cache", &cache])
            .args(more)
            .end()
    };
    let read = |file: &str| fs::read_to_string(Path::new(&folder).join(file)).unwrap();
    let symvers = read("Module.symvers");
    update(&[])
        .code(2)
        .err_has("struct net_device: layout changed")
        .err_has("--reason");
    assert_eq!(read("Module.symvers"), symvers);
    update(&["--reason", "new series", "--owner", "net"]).code(0);
    let said = read("updates.toml");
    for text in [
        "reason = \"new series\"",
        "owner = \"net\"",
        "protected = 5",
        "what = \"struct net_device: layout changed",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert_ne!(read("Module.symvers"), symvers);
    let list = read("stablelist");
    fs::remove_dir_all(&folder).unwrap();
    support::copy(&place.path("baseline"), Path::new(&folder));
    assert_eq!(read("stablelist"), list);
    fs::copy(
        place.path("approvals.toml"),
        Path::new(&folder).join("approvals.toml"),
    )
    .unwrap();
    update(&[]).code(0);
    let said = read("updates.toml");
    assert!(said.contains("reason = \"nobody allocates it\""), "{said}");
}

/// A configuration without modules exports nothing that could be checked: exit 3 with the way out.
#[test]
fn configuration_without_modules() {
    let tree = support::kernel("linux-6.1");
    Run::new([
        "symvers",
        "--tree",
        tree.to_str().unwrap(),
        "--config",
        "tinyconfig",
        "--no-cache",
    ])
    .end()
    .code(3)
    .err_has("CONFIG_MODULES is off")
    .err_has("CONFIG_MODULES=y");
}

fn series_arguments() -> [&'static str; 4] {
    [
        "--onto",
        "base",
        "--patches",
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples/series"),
    ]
}

fn commits(report: &Value) -> &Vec<Value> {
    report["commits"].as_array().unwrap()
}

fn failing(findings: &Value) -> Vec<&str> {
    findings["symbols"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|symbol| symbol["severity"] == "fail")
        .map(|symbol| symbol["symbol"].as_str().unwrap())
        .collect()
}

fn cause<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["causes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|cause| cause["name"] == name)
        .unwrap()
}

/// Asserts that two fingerprints of a tree agree, and names what differs.
fn assert_unwritten(before: &BTreeSet<String>, after: &BTreeSet<String>) {
    let differ: Vec<&String> = before.symmetric_difference(after).collect();
    assert!(
        differ.is_empty(),
        "the user's tree was written to: {differ:?}"
    );
}

/// What git says of the work tree, and the digest of every file of the repository.
fn fingerprint_of(tree: &Path) -> BTreeSet<String> {
    let output = Command::new("sh")
        .args([
            "-c",
            "git --no-optional-locks status --porcelain && find .git -type f -exec sha256sum {} +",
        ])
        .current_dir(tree)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}
