//! A run in parts: the report is that of the whole run, byte for byte, and what does not belong together is refused.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::support::{Ended, Run, git};
use super::{Place, series_arguments};

/// Runs part `index` of `count` and hands back its file.
#[track_caller]
fn part(place: &Place, name: &str, index: usize, count: usize, arguments: &[&str]) -> PathBuf {
    let file = place.path(&format!("{name}-{count}/part-{index:02}.json"));
    let ended = Run::new(["check", "--tree", &place.text("linux")])
        .args(["--cache", &place.cache()])
        .args(["--shard", &format!("{index}/{count}")])
        .args(["--output", &format!("json:{}", file.display())])
        .args(arguments)
        .end()
        .code(0);
    ended
        .err_has(&format!("PART {index}/{count}"))
        .err_has("whether they pass is not decided\n");
    file
}

fn parts(place: &Place, name: &str, count: usize, arguments: &[&str]) -> Vec<PathBuf> {
    let numbers = 1..=count;
    numbers
        .map(|index| part(place, name, index, count, arguments))
        .collect()
}

/// Joins parts into `report`.
#[track_caller]
fn merge(place: &Place, parts: &[PathBuf], report: &str, code: i32, arguments: &[&str]) -> Ended {
    Run::new(["merge", "--output", "console"])
        .args(["--output", &format!("json:{}", place.text(report))])
        .args(arguments)
        .args(parts)
        .end()
        .code(code)
}

fn bytes(place: &Place, file: &str) -> String {
    fs::read_to_string(place.path(file)).unwrap()
}

/// 1, 2 and 7 parts of the example series give the bytes of the run that was not cut, and its exit code.
pub(super) fn parts_give_the_whole_report(place: &Place) {
    let mut arguments = series_arguments().to_vec();
    let baseline = place.text("baseline");
    arguments.extend(["--baseline", &baseline]);
    let whole = bytes(place, "incremental/report.json");
    for count in [1, 2, 7] {
        let mut parts = parts(place, "series", count, &arguments);
        // The order of the files is not that of the parts.
        parts.reverse();
        merge(place, &parts, "merged.json", 1, &[]).out_has("FAIL  7 of ");
        assert!(bytes(place, "merged.json") == whole, "{count} parts");
    }
    refusals(place);
}

/// A part of a range in which neither it nor the commit before it can be computed starts where the whole run does.
pub(super) fn parts_around_commits_that_cannot_be_checked(place: &Place) {
    git(&place.path("linux"), ["checkout", "-q", "broken"]);
    let baseline = place.text("baseline");
    let arguments = ["--range", "base..HEAD", "--baseline", &baseline];
    let parts = parts(place, "broken", 2, &arguments);
    merge(place, &parts, "merged.json", 3, &[]).out_has("preprocess-failed");
    assert!(bytes(place, "merged.json") == bytes(place, "broken/report.json"));
    // Parts of another range do not join with these.
    let foreign = [place.path("series-2/part-01.json"), parts[1].clone()];
    merge(place, &foreign, "refused.json", 3, &[]).out_has("parts-mismatch");
    git(&place.path("linux"), ["checkout", "-q", "main"]);
}

/// What is missing, there twice, or of another run.
fn refusals(place: &Place) {
    let file =
        |count: usize, index: usize| place.path(&format!("series-{count}/part-{index:02}.json"));
    let (one, two) = (file(2, 1), file(2, 2));
    let refused = |parts: &[PathBuf], code: &str, told: &str| {
        merge(place, parts, "refused.json", 3, &[])
            .out_has(code)
            .out_has(told);
        let report: Value = serde_json::from_str(&bytes(place, "refused.json")).unwrap();
        assert_eq!(
            (&report["verdict"], &report["reasons"][0]["code"]),
            (&"not-checked".into(), &code.into())
        );
    };
    refused(
        std::slice::from_ref(&one),
        "parts-incomplete",
        "part 2/2 is missing",
    );
    refused(
        std::slice::from_ref(&two),
        "parts-incomplete",
        "part 1/2 is missing",
    );
    refused(
        &[one.clone(), one.clone(), two.clone()],
        "parts-incomplete",
        "part 1/2 is there twice",
    );
    refused(
        &[one.clone(), file(7, 2)],
        "parts-mismatch",
        "parts of another plan",
    );
    let edits: [(&str, &str, &str); 8] = [
        ("/run/base", "\"0000\"", "another base"),
        ("/run/head", "\"0000\"", "another head"),
        ("/run/baseline", "\"x\"", "another baseline"),
        ("/run/policy", "\"x\"", "another policy"),
        ("/run/mode", "\"observe\"", "another mode"),
        (
            "/piece/start/at/compiler",
            "\"gcc 4.8\"",
            "another compiler",
        ),
        (
            "/piece/start/at/symbols",
            "[\"crc16\"]",
            "another difference to the baseline",
        ),
        ("/piece/steps", "[]", "holds 0 commits, and 3 belong to it"),
    ];
    for (pointer, value, told) in edits {
        let edited = place.path("edited.json");
        let mut part: Value = serde_json::from_slice(&fs::read(&two).unwrap()).unwrap();
        *part.pointer_mut(pointer).unwrap() = serde_json::from_str(value).unwrap();
        fs::write(&edited, part.to_string()).unwrap();
        refused(&[one.clone(), edited], "parts-mismatch", told);
    }
    let other = place.path("other.json");
    let text = fs::read_to_string(&two).unwrap();
    let version = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
    fs::write(&other, text.replace(version, "\"version\":\"0.0.1\"")).unwrap();
    refused(
        &[one.clone(), other.clone()],
        "parts-mismatch",
        "written by version 0.0.1",
    );
    // Neither garbage nor a whole report is a part.
    fs::write(&other, "{}").unwrap();
    merge(place, &[one.clone(), other], "refused.json", 2, &[]).out_has("not a part of a run");
    let report = place.path("incremental/report.json");
    merge(place, &[one, report], "refused.json", 2, &[]).out_has("the report of a whole run");
}

/// Targets of `kabigate.toml` are checked each by itself, whole or in parts, by a plan that the join holds them to.
pub(super) fn targets_in_parts(place: &Place) {
    let arguments = ["--range", "policy..HEAD"];
    let reports = place.text("targets/{target}.json");
    let (set, junit) = (place.text("targets.json"), place.text("targets.xml"));
    let outputs = [
        format!("json:{set}"),
        format!("junit:{junit}"),
        format!("json:{reports}"),
    ];
    let run = |name: &str| {
        let run = Run::new([name]).dir(&place.path("linux"));
        run.args(arguments)
    };
    let check = || run("check").args(["--cache", &place.cache()]);
    let mut whole = check();
    for output in &outputs {
        whole = whole.args(["--output", output]);
    }
    whole
        .args(["--output", "console"])
        .end()
        .code(1)
        .out_has("FAIL  2 targets: 2 failed\n  gate: FAIL");
    let document: Value = serde_json::from_str(&bytes(place, "targets.json")).unwrap();
    assert_eq!(
        (&document["exit_code"], &document["verdict"]),
        (&1.into(), &"fail".into())
    );
    let modes: Vec<&Value> = document["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["mode"])
        .collect();
    assert_eq!(modes, ["enforce", "observe"]);

    let plan = place.text("plan.json");
    run("plan")
        .args(["--shards", "2", "--format", &format!("json:{plan}")])
        .end()
        .code(0)
        .err_has("2 commits, 2 targets, 2 parts each");
    let jobs: Value = serde_json::from_str(&bytes(place, "plan.json")).unwrap();
    let mut parts = Vec::new();
    for job in jobs["jobs"].as_array().unwrap() {
        let text = |key: &str| job[key].as_str().unwrap().to_owned();
        check()
            .args([
                "--output",
                &format!("json:{}", place.text("jobs/{target}-{shard}.json")),
            ])
            .env("KABIGATE_TARGET", &text("target"))
            .env("KABIGATE_SHARD", &text("shard"))
            .end()
            .code(0);
        parts.push(place.path(&format!("jobs/{}.json", text("name"))));
    }
    merge(place, &parts, "merged.json", 1, &["--plan", &plan]);
    assert!(bytes(place, "merged.json") == bytes(place, "targets.json"));
    // Without the plan, a target of which nothing is there is not missed; with it, it is.
    merge(place, &parts[2..], "merged.json", 0, &[]);
    merge(place, &parts[2..], "refused.json", 3, &["--plan", &plan])
        .out_has("parts-incomplete")
        .out_has("target `gate` is missing");
}
