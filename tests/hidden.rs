//! Changes that a source hides from its CRCs, on a real 6.1 kernel with the macros that distributions have for it: those that keep the
//! layout pass with a proof, those that do not fail though every CRC is equal.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Ended, Run, git};

/// Macros in the three shapes that are in use.
const MACROS: &str = "\
#ifndef _LINUX_KABI_SHAPES_H
#define _LINUX_KABI_SHAPES_H
#define RH_KABI_PASTE_(a, b) a##b
#define RH_KABI_PASTE(a, b) RH_KABI_PASTE_(a, b)
#define RH_KABI_HIDDEN RH_KABI_PASTE(rh_kabi_hidden_, __LINE__)
#define RH_KABI_FITS(orig, new) \\
	union { _Static_assert(sizeof(struct { new; }) <= sizeof(struct { orig; }), \"too large\"); }
#define RH_KABI_RESERVE(n) unsigned long rh_reserved##n;
#define ANDROID_KABI_RESERVE(n) u64 android_kabi_reserved##n
#ifdef __GENKSYMS__
#define RH_KABI_USE(n, new) RH_KABI_RESERVE(n)
#define RH_KABI_EXCLUDE(elem)
#define RH_KABI_FILL_HOLE(new)
#define RH_KABI_FORCE_CHANGE(n) __attribute__((rh_kabi_change##n))
#define ANDROID_KABI_USE(n, new) ANDROID_KABI_RESERVE(n)
#else
#define RH_KABI_USE(n, new) \\
	union { new; struct { RH_KABI_RESERVE(n) } RH_KABI_HIDDEN; RH_KABI_FITS(unsigned long x, new); };
#define RH_KABI_EXCLUDE(elem) elem;
#define RH_KABI_FILL_HOLE(new) new;
#define RH_KABI_FORCE_CHANGE(n)
#define ANDROID_KABI_USE(n, new) \\
	union { new; struct { ANDROID_KABI_RESERVE(n); }; RH_KABI_FITS(u64 x, new); }
#endif
#endif
";

/// What the first commit puts into the header of the kernel's pool allocator.
const SLOTS: [(&str, &str); 3] = [
    (
        "#include <linux/types.h>\n",
        "#include <linux/types.h>\n#include <linux/kabi_shapes.h>\n",
    ),
    (
        "\tconst char *name;\n};",
        "\tconst char *name;\n\tRH_KABI_RESERVE(1)\n\tRH_KABI_RESERVE(2)\n\tANDROID_KABI_RESERVE(1);\n\
         \tANDROID_KABI_RESERVE(2);\n\tvoid *suse_kabi_padding;\n\tint last;\n};",
    ),
    (
        "struct genpool_data_align {\n",
        "struct genpool_data_align {\n\tint old_member;\n",
    ),
];

/// Commits that hide something and keep the layout.
const GOOD: [(&str, &str, &str); 4] = [
    (
        "a slot in Red Hat's shape",
        "RH_KABI_RESERVE(1)",
        "RH_KABI_USE(1, u32 used)",
    ),
    (
        "a slot in Android's shape",
        "ANDROID_KABI_RESERVE(1);",
        "ANDROID_KABI_USE(1, u32 android_used);",
    ),
    (
        "padding in SUSE's shape",
        "\tvoid *suse_kabi_padding;\n",
        "#ifndef __GENKSYMS__\n\tunsigned long suse_used;\n#else\n\tvoid *suse_kabi_padding;\n#endif\n",
    ),
    (
        "a hole",
        "\n\tgenpool_algo_t algo;",
        "\tRH_KABI_FILL_HOLE(int in_hole)\n\tgenpool_algo_t algo;",
    ),
];

/// Commits that are told, and those that break what they hide.
const BAD: [(&str, &str, &str); 5] = [
    (
        "an exclusion without a changed CRC",
        "\tint old_member;\n",
        "\tRH_KABI_EXCLUDE(int old_member)\n",
    ),
    (
        "a forced change that does nothing",
        "\tint align;",
        "\tint align RH_KABI_FORCE_CHANGE(1);",
    ),
    (
        "a slot that is too small",
        "RH_KABI_RESERVE(2)",
        "RH_KABI_USE(2, u64 big[2])",
    ),
    (
        "no longer",
        "RH_KABI_USE(2, u64 big[2])",
        "RH_KABI_RESERVE(2)",
    ),
    (
        "another slot that is too small",
        "ANDROID_KABI_RESERVE(2);",
        "ANDROID_KABI_USE(2, u64 android_big[2]);",
    ),
];

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn text(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("linux")
    }

    /// The kernel with the macros and slots, and a baseline of it.
    fn new() -> Place {
        let place = Place {
            folder: tempfile::tempdir_in(support::target()).unwrap(),
        };
        let tree = place.tree();
        support::copy(&support::kernel("linux-6.1"), &tree);
        git(&tree, ["init", "-q", "-b", "main"]);
        git(&tree, ["config", "gc.auto", "0"]);
        git(&tree, ["config", "maintenance.auto", "false"]);
        fs::write(tree.join("include/linux/kabi_shapes.h"), MACROS).unwrap();
        for (from, to) in SLOTS {
            place.edit(from, to);
        }
        git(&tree, ["add", "-A", "-f"]);
        git(&tree, ["commit", "-q", "-m", "Linux 6.1 with slots"]);
        git(&tree, ["tag", "base"]);
        fs::write(place.text("list"), "gen_pool_create\ngen_pool_destroy\n").unwrap();
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gate.config");
        Run::new([
            "baseline",
            "create",
            &place.text("baseline"),
            "--rev",
            "base",
        ])
        .args(["--tree", &place.text("linux"), "--config", "tinyconfig"])
        .args(["--config", config.to_str().unwrap()])
        .args([
            "--protect",
            &place.text("list"),
            "--cache",
            &place.text("cache"),
        ])
        .end()
        .code(0);
        place
    }

    fn edit(&self, from: &str, to: &str) {
        let header = self.tree().join("include/linux/genalloc.h");
        let text = fs::read_to_string(&header).unwrap();
        assert!(text.contains(from), "no {from:?} in {}", header.display());
        fs::write(&header, text.replacen(from, to, 1)).unwrap();
    }

    fn commit(&self, commits: &[(&str, &str, &str)]) {
        for (subject, from, to) in commits {
            self.edit(from, to);
            git(&self.tree(), ["commit", "-q", "-a", "-m", subject]);
        }
    }

    fn check(&self, range: &str) -> (Ended, Value) {
        let report = self.text("report.json");
        let ended = Run::new(["check", "--tree", &self.text("linux"), "--range", range])
            .args([
                "--baseline",
                &self.text("baseline"),
                "--cache",
                &self.text("cache"),
            ])
            .args(["--output", "console", "--output", &format!("json:{report}")])
            .end();
        let json = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
        (ended, json)
    }
}

/// A run in parts gives the bytes of the run that was not cut: proofs, layouts and what leads back go with the parts.
fn parts_give_the_whole_report(place: &Place, range: &str) {
    let whole = fs::read_to_string(place.text("report.json")).unwrap();
    for count in [2, 5] {
        let parts: Vec<String> = (1..=count)
            .map(|index| {
                let file = place.text(&format!("part-{count}-{index}.json"));
                Run::new(["check", "--tree", &place.text("linux"), "--range", range])
                    .args(["--baseline", &place.text("baseline")])
                    .args(["--cache", &place.text("cache")])
                    .args(["--shard", &format!("{index}/{count}")])
                    .args(["--output", &format!("json:{file}")])
                    .end()
                    .code(0);
                file
            })
            .collect();
        let merged = place.text("merged.json");
        Run::new(["merge", "--output", &format!("json:{merged}")])
            .args(&parts)
            .end()
            .code(1);
        let merged = fs::read_to_string(merged).unwrap();
        assert!(merged == whole, "{count} parts:\n{merged}\n{whole}");
    }
}

/// The hidden changes of the commit with that subject.
fn changes<'r>(report: &'r Value, subject: &str) -> Vec<&'r Value> {
    let mut commits = report["commits"].as_array().unwrap().iter();
    let commit = commits
        .find(|commit| commit["commit"]["subject"] == subject)
        .unwrap();
    assert_eq!(
        commit["findings"]["symbols"].as_array().map_or(0, Vec::len),
        0,
        "a CRC tells of {subject}"
    );
    let changes = report["hidden"]["changes"].as_array().unwrap().iter();
    changes
        .filter(|change| change["commit"] == commit["commit"]["id"])
        .collect()
}

#[test]
fn hidden_changes_are_proven_or_refuted() {
    let place = Place::new();
    place.commit(&GOOD);
    let (ended, report) = place.check("base..HEAD");
    let ended = ended.code(0).out_has("PASS").out_has("layout kept");
    for (subject, fact) in [
        (
            "a slot in Red Hat's shape",
            "used (u32, 4 bytes) stands at byte ",
        ),
        (
            "a slot in Android's shape",
            "in the place of android_kabi_reserved1 (8 bytes)",
        ),
        (
            "padding in SUSE's shape",
            "in the place of suse_kabi_padding (8 bytes)",
        ),
        ("a hole", "in_hole (int, 4 bytes) stands at byte "),
    ] {
        let told = changes(&report, subject);
        assert!(!told.is_empty(), "{subject}");
        for change in told {
            assert_eq!(change["severity"], "note", "{change}");
            assert_eq!(change["layout"]["verdict"], "kept", "{change}");
            let text = change["layout"]["text"].as_str().unwrap();
            assert!(text.contains(fact) && text.contains(" as before"), "{text}");
            let diff = change["layout"]["diff"].as_str().unwrap();
            assert!(diff.contains("\n+\t"), "what the compiler sees: {diff}");
        }
    }
    let slots = &report["hidden"]["slots"][0];
    assert_eq!(
        (&slots["within"], &slots["reserved"], &slots["left"]),
        (&"struct gen_pool".into(), &4.into(), &2.into())
    );
    drop(ended);

    git(&place.tree(), ["tag", "good"]);
    place.commit(&BAD);
    let (ended, report) = place.check("good..HEAD");
    ended
        .code(1)
        .out_has("FAIL")
        .out_has("LAYOUT BROKEN though the CRC is equal: android_used");
    assert_eq!(report["tip"]["counts"]["failing"], 0, "no CRC changed");
    let one = |subject: &str| changes(&report, subject)[0].clone();
    let excluded = &changes(&report, "an exclusion without a changed CRC");
    assert!(
        excluded
            .iter()
            .any(|change| change["kind"] == "exclude-without-force-change"
                && change["severity"] == "warn"),
        "{excluded:?}"
    );
    let lost = one("a forced change that does nothing");
    assert_eq!(
        (&lost["kind"], &lost["severity"]),
        (&"force-change-lost".into(), &"warn".into())
    );
    let small = one("a slot that is too small");
    assert_eq!(small["layout"]["verdict"], "broken", "{small}");
    assert_eq!(
        (&small["class"], &small["severity"], &small["at_tip"]),
        (&"hidden-layout".into(), &"fail".into(), &true.into())
    );
    assert_eq!(
        small["layout"]["symbols"],
        serde_json::json!(["gen_pool_create", "gen_pool_destroy"])
    );
    let text = small["layout"]["text"].as_str().unwrap();
    for member in ["android_used", "suse_used", "last"] {
        assert!(
            text.contains(&format!("{member} moves from byte ")),
            "{text}"
        );
    }
    let undone = one("no longer");
    assert_eq!(
        (&undone["layout"]["verdict"], &undone["severity"]),
        (&"restored".into(), &"note".into())
    );
    let again = one("another slot that is too small");
    assert_eq!(
        (&again["layout"]["verdict"], &again["severity"]),
        (&"broken".into(), &"fail".into())
    );
    let text = again["layout"]["text"].as_str().unwrap();
    assert!(
        text.contains("does not fit into android_kabi_reserved2 (8 bytes)"),
        "{text}"
    );
    parts_give_the_whole_report(&place, "good..HEAD");
}
