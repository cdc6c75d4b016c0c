//! Patches that edit the policy so that they would pass: they still fail, and the report says that they edit it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::{copy, git};
use super::{Place, failing};

/// The policy's files, as paths in the tree.
const EDITED: [&str; 3] = [
    "baselines/approvals.toml",
    "baselines/gate/stablelist",
    "baselines/kabigate.toml",
];

/// Puts the baseline into the tree and tags that as `policy`; two commits follow, one that breaks a symbol and one that
/// takes it off the list, approves the break and turns the gate to observing.
pub(super) fn edited_policy(place: &Place) {
    let tree = place.path("linux");
    git(&tree, ["checkout", "-q", "-b", "edits", "base"]);
    let folder = tree.join("baselines");
    fs::create_dir(&folder).unwrap();
    copy(&place.path("baseline"), &folder.join("gate"));
    let settings = "mode = \"enforce\"\napprovals = [\"approvals.toml\"]\n[target.gate]\nbaseline = \"gate\"\n\
                    [target.watch]\nbaseline = \"gate\"\nmode = \"observe\"\n";
    fs::write(folder.join("kabigate.toml"), settings).unwrap();
    fs::write(folder.join("approvals.toml"), "").unwrap();
    git(&tree, ["add", "-A", "-f", "baselines"]);
    git(&tree, ["commit", "-q", "-m", "kabi: baseline"]);
    git(&tree, ["tag", "policy"]);
    let patch = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/series/0003-lib-crc16-take-a-buffer-of-any-type.patch");
    git(&tree, ["am", "-q", patch.to_str().unwrap()]);

    let cache = place.cache();
    let baseline = place.text("linux/baselines/gate");
    let check = |name: &str, arguments: &[&str]| {
        let mut all = vec!["--cache", &cache];
        all.extend(arguments);
        place.check_against(&baseline, name, 1, &all)
    };
    let (_, before) = check("unedited", &["--range", "policy..HEAD"]);
    assert_eq!(failing(&before["tip"]), ["crc16"]);
    let entry = before["policy"]["to_approve"][0]["toml"].as_str().unwrap();
    let entry = entry
        .replace("reason = \"\"", "reason = \"mine\"")
        .replace("owner = \"\"", "owner = \"me\"");
    fs::write(folder.join("approvals.toml"), entry).unwrap();
    let list = fs::read_to_string(folder.join("gate/stablelist")).unwrap();
    assert!(list.contains("crc16\n"));
    fs::write(folder.join("gate/stablelist"), list.replace("crc16\n", "")).unwrap();
    let observing = settings.replace("enforce", "observe");
    fs::write(folder.join("kabigate.toml"), observing).unwrap();
    git(&tree, ["commit", "-q", "-a", "-m", "kabi: let it pass"]);

    let (ended, report) = check("edited-range", &["--range", "policy..HEAD"]);
    ended.code(1);
    still_fails(place, "edited-range", &report);
    let series = place.text("edits");
    git(&tree, ["format-patch", "-q", "-o", &series, "policy..HEAD"]);
    let (_, report) = check(
        "edited-patches",
        &["--onto", "policy", "--patches", &series],
    );
    still_fails(place, "edited-patches", &report);
    // Each of them alone would have let it pass, had it stood there before.
    for file in EDITED {
        git(&tree, ["checkout", "-q", "-B", "allowed", "policy"]);
        git(&tree, ["checkout", "edits", "--", file]);
        git(&tree, ["commit", "-q", "-m", "kabi: a reviewed change"]);
        git(&tree, ["tag", "-f", "reviewed"]);
        git(&tree, ["am", "-q", patch.to_str().unwrap()]);
        let all = ["--range", "reviewed..HEAD", "--cache", &cache];
        let (_, report) = place.check_against(&baseline, "reviewed", 0, &all);
        assert!(report["policy"]["edits"].is_null(), "{file}");
    }
    git(&tree, ["checkout", "-q", "edits"]);
}

/// The break fails, and every rendering that people read names the edits.
fn still_fails(place: &Place, reports: &str, report: &Value) {
    assert_eq!(
        (&report["verdict"], &report["mode"]),
        (&"fail".into(), &"enforce".into())
    );
    assert_eq!(failing(&report["tip"]), ["crc16"]);
    let edits = report["policy"]["edits"].as_array().unwrap();
    let mut files: Vec<&str> = edits
        .iter()
        .map(|edit| edit["file"].as_str().unwrap())
        .collect();
    files.sort_unstable();
    assert_eq!(files, EDITED);
    for file in ["report.txt", "report.md"] {
        let text = fs::read_to_string(place.path(reports).join(file)).unwrap();
        assert!(
            text.contains("olicy edits"),
            "{file} of {reports} does not tell:\n{text}"
        );
    }
}
