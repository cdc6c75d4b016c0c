//! Cutting a check into jobs, what a part is written as, and moving the cache: all that needs no kernel.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Run, git};

/// A git tree that is no kernel, with many commits and a kabigate.toml before them.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(commits: usize, settings: &str) -> Place {
        let place = Place {
            folder: tempfile::tempdir_in(support::target()).unwrap(),
        };
        let tree = place.tree();
        fs::create_dir_all(tree.join("baselines")).unwrap();
        git(&tree, ["init", "-q", "-b", "main"]);
        if !settings.is_empty() {
            fs::write(tree.join("baselines/kabigate.toml"), settings).unwrap();
        }
        git(&tree, ["add", "-A"]);
        git(&tree, ["commit", "-q", "--allow-empty", "-m", "base"]);
        git(&tree, ["tag", "base"]);
        let mut stream = String::new();
        for number in 1..=commits {
            let from = if number == 1 { "from base^0\n" } else { "" };
            let message = format!("commit {number}");
            let _ = write!(
                stream,
                "commit refs/heads/main\ncommitter A <a@example.org> {} +0000\ndata {}\n{message}\n{from}",
                1_700_000_000 + number,
                message.len()
            );
        }
        let file = place.folder.path().join("stream");
        fs::write(&file, stream).unwrap();
        let import = Command::new("git")
            .args(["fast-import", "--quiet"])
            .current_dir(&tree)
            .stdin(fs::File::open(&file).unwrap())
            .status();
        assert!(import.unwrap().success());
        git(&tree, ["reset", "-q", "--hard"]);
        place
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn plan(&self, arguments: &[&str]) -> Run {
        Run::new(["plan", "--range", "base..HEAD"])
            .dir(&self.tree())
            .args(arguments)
    }
}

const TWO: &str = "[target.x86_64]\nbaseline = \"x86\"\n[target.arm64]\nbaseline = \"arm\"\ncross-compile = \"aarch64-linux-gnu-\"\n";

/// The lines of a GitHub output.
fn outputs(text: &str) -> Vec<(&str, &str)> {
    text.lines()
        .map(|line| line.split_once('=').unwrap())
        .collect()
}

/// The matrix for GitHub has every target and part once, stays under 256 jobs however many commits there are, and is the
/// same each time.
#[test]
fn github_matrix() {
    let place = Place::new(130, TWO);
    let ended = place.plan(&["--format", "github"]).end().code(0);
    assert!(
        ended.err.contains(
            "130 commits, 2 targets, 6 parts each (25 commits a job): 12 jobs with 22 commits"
        ),
        "{}",
        ended.err
    );
    assert_eq!(place.plan(&["--format", "github"]).end().out, ended.out);
    let lines = outputs(&ended.out);
    assert_eq!(
        lines.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["matrix", "jobs", "commits", "base", "head"]
    );
    let matrix: Value = serde_json::from_str(lines[0].1).unwrap();
    let jobs = matrix["include"].as_array().unwrap();
    assert_eq!((jobs.len(), lines[1].1, lines[2].1), (12, "12", "130"));
    assert_eq!(
        jobs[0],
        serde_json::json!({"name": "arm64-1-of-6", "target": "arm64", "shard": "1/6"})
    );
    assert_eq!(lines[4].1, git(&place.tree(), ["rev-parse", "HEAD"]));

    // One commit a job would be 260 jobs.
    let ended = place
        .plan(&["--format", "github", "--commits-per-job", "1"])
        .end()
        .code(0);
    assert!(
        ended.err.contains("128 parts each") && ended.err.contains("more jobs than 256 cannot be"),
        "{}",
        ended.err
    );
    let matrix: Value = serde_json::from_str(outputs(&ended.out)[0].1).unwrap();
    assert_eq!(matrix["include"].as_array().unwrap().len(), 256);
    assert!(ended.out.len() < 1_000_000);
    place
        .plan(&["--format", "github", "--shards", "129"])
        .end()
        .code(2)
        .err_has("258 jobs are more than the 256");
    // Without a limit of a CI system there are as many parts as commits at the most.
    let ended = place
        .plan(&["--shards", "500", "--target", "arm64"])
        .end()
        .code(0);
    let plan: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(plan["jobs"].as_array().unwrap().len(), 130);
}

/// The plan says what each job has, in every form that is asked for at once; a file without targets is one of it.
#[test]
fn forms_of_a_plan() {
    let place = Place::new(5, "");
    let (json, yaml) = (
        place.folder.path().join("plan.json"),
        place.folder.path().join("jobs.yml"),
    );
    let ended = place
        .plan(&[
            "--baseline",
            "kabi's/x86",
            "--shards",
            "2",
            "--format",
            "github",
        ])
        .args(["--format", &format!("json:{}", json.display())])
        .args(["--format", &format!("gitlab:{}", yaml.display())])
        .end()
        .code(0);
    let matrix: Value = serde_json::from_str(outputs(&ended.out)[0].1).unwrap();
    assert_eq!(
        matrix["include"][1],
        serde_json::json!({"name": "default-2-of-2", "target": "", "shard": "2/2"})
    );
    let plan: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(
        (&plan["schema"], &plan["commits"]),
        (&"kabigate-plan/1".into(), &5.into())
    );
    let sizes: Vec<&Value> = plan["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| &job["commits"])
        .collect();
    assert_eq!(sizes, [2, 3]);
    let yaml = fs::read_to_string(yaml).unwrap();
    assert!(
        yaml.contains("      - KABIGATE_SHARD: [\"1/2\", \"2/2\"]\n"),
        "{yaml}"
    );
    assert!(yaml.contains(r#"--baseline \"kabi's/x86\""#), "{yaml}");
    place
        .plan(&["--format", "json", "--format", "github"])
        .end()
        .code(2)
        .err_has("standard output");
    place
        .plan(&["--format", "jenkins"])
        .end()
        .code(2)
        .err_has("json, github and gitlab");
}

/// The pipeline for GitLab has at most 200 jobs in its matrix and holds the commits fast by their ids. `tests/run.sh`
/// checks it against GitLab's schema.
#[test]
fn gitlab_pipeline() {
    let place = Place::new(210, TWO);
    let ended = place
        .plan(&[
            "--format",
            "gitlab",
            "--commits-per-job",
            "2",
            "--gitlab-include",
            "ci/kabigate.yml",
        ])
        .end()
        .code(0);
    let text = ended.out;
    let parts: Vec<String> = (1..=100).map(|part| format!("\"{part}/100\"")).collect();
    let matrix = format!(
        "    matrix:\n      - KABIGATE_TARGET: [\"arm64\", \"x86_64\"]\n        KABIGATE_SHARD: [{}]\n",
        parts.join(", ")
    );
    assert!(text.contains(&matrix), "{text}");
    let head = git(&place.tree(), ["rev-parse", "HEAD"]);
    let base = git(&place.tree(), ["rev-parse", "base"]);
    assert!(text.contains(&format!("kabigate check --tree . --range {base}..{head} ")));
    assert!(
        text.contains("include:\n  - local: \"ci/kabigate.yml\"\n")
            && text.contains("extends: .kabigate")
    );
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/samples");
    fs::create_dir_all(&samples).unwrap();
    fs::write(samples.join("plan.gitlab-ci.yml"), text).unwrap();
}

/// Targets are chosen by name; what is unknown, doubled or empty ends the plan.
#[test]
fn choosing_targets() {
    let place = Place::new(1, TWO);
    let targets = |arguments: &[&str]| {
        let ended = place.plan(arguments).end().code(0);
        let plan: Value = serde_json::from_str(&ended.out).unwrap();
        let jobs = plan["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["target"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(targets(&[]), ["arm64", "x86_64"]);
    assert_eq!(targets(&["--target", "all"]), ["arm64", "x86_64"]);
    assert_eq!(
        targets(&["--target", "x86_64", "--target", "x86_64"]),
        ["x86_64"]
    );
    assert_eq!(targets(&["--baseline", "baselines/arm"]), ["arm64"]);
    assert_eq!(targets(&["--baseline", "baselines/other"]), [""]);
    place.plan(&["--target", "arm46"]).end().code(2).err_has(
        "no target `arm46` in kabigate.toml; did you mean `arm64`? (known are arm64, x86_64)",
    );
    place
        .plan(&["--target", "arm64", "--baseline", "baselines/arm"])
        .end()
        .code(2)
        .err_has("a target has its own baseline");
    Run::new(["plan", "--range", "HEAD..HEAD"])
        .dir(&place.tree())
        .end()
        .code(3)
        .err_has("no commit");
}

/// Parts of which none could compute anything join to the report of the whole run, and one such part beside others is
/// refused; outputs that hold no part are refused before any work.
#[test]
fn parts_that_compute_nothing() {
    let place = Place::new(4, "");
    let file = |name: &str| place.folder.path().join(name);
    let check = |name: &str| {
        Run::new(["check", "--range", "base..HEAD", "--baseline", "none"])
            .dir(&place.tree())
            .args(["--output", &format!("json:{}", file(name).display())])
    };
    check("whole.json").end().code(3);
    check("one.json").args(["--shard", "1/2"]).end().code(3);
    check("two.json").env("KABIGATE_SHARD", "2/2").end().code(3);
    let merged = format!("json:{}", file("merged.json").display());
    Run::new(["merge", "--output", &merged])
        .args([file("one.json"), file("two.json")])
        .end()
        .code(3);
    let read = |name: &str| fs::read_to_string(file(name)).unwrap();
    assert_eq!(read("merged.json"), read("whole.json"));
    let text = read("two.json").replace("baseline-missing", "git-shallow");
    fs::write(file("two.json"), text).unwrap();
    Run::new(["merge"])
        .args([file("one.json"), file("two.json")])
        .end()
        .code(3)
        .out_has("its job could compute nothing");
    check("x.json")
        .args(["--shard", "3/2"])
        .end()
        .code(2)
        .err_has("such as 2/7");
    for outputs in [&["--output", "junit:x.xml"][..], &[]] {
        Run::new([
            "check",
            "--range",
            "base..HEAD",
            "--baseline",
            "none",
            "--shard",
            "1/2",
        ])
        .args(outputs)
        .dir(&place.tree())
        .end()
        .code(2)
        .err_has("a part of a run is written as JSON");
    }
}

/// Several targets need a path each where a format holds one report.
#[test]
fn outputs_of_several_targets() {
    let place = Place::new(1, TWO);
    let check = |output: &str| {
        Run::new(["check", "--range", "base..HEAD", "--output", output])
            .dir(&place.tree())
            .end()
    };
    check("sarif:all.sarif")
        .code(2)
        .err_has("write `{target}` into its path");
    check("sarif:{target}.sarif").code(3);
    assert!(
        place.tree().join("arm64.sarif").exists() && place.tree().join("x86_64.sarif").exists()
    );
    let text = check("markdown").code(3).out;
    assert!(
        text.starts_with("### NOT CHECKED  2 targets: 2 not checked\n"),
        "{text}"
    );
    check("json:set.json").code(3);
    Run::new(["report", "--from", "set.json", "--output", "markdown"])
        .dir(&place.tree())
        .end()
        .code(3)
        .out_has(&text);
}

/// The cache moves as one file; a damaged one leaves the cache as it was.
#[test]
fn cache_moves_as_one_file() {
    let folder = tempfile::tempdir_in(support::target()).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let cache = |command: &str, file: &str| {
        Run::new(["cache", command, "--cache", &path("cache"), &path(file)]).end()
    };
    cache("export", "empty.tar.zst")
        .code(0)
        .out_has("exported 0 entries");
    cache("import", "empty.tar.zst")
        .code(0)
        .out_has("imported 0 entries, 0 were there");
    let bytes = fs::read(path("empty.tar.zst")).unwrap();
    fs::write(path("cut.tar.zst"), &bytes[..bytes.len() / 2]).unwrap();
    cache("import", "cut.tar.zst")
        .code(2)
        .err_has("cut.tar.zst");
    cache("import", "missing.tar.zst")
        .code(2)
        .err_has("No such file");
    Run::new([
        "cache",
        "import",
        "--cache",
        &path("cache"),
        "--cache-limit",
        "100",
        &path("empty.tar.zst"),
    ])
    .end()
    .code(3)
    .err_has("more than 100 bytes");
}
