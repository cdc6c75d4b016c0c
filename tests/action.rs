//! The shell part of the GitHub action, run as a runner would with a program that stands in for `kabigate`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One job of a runner: its folders, and the program that the action runs.
struct Job {
    folder: tempfile::TempDir,
}

impl Job {
    /// `report` is the JSON that the program leaves, `code` what it exits with.
    fn new(report: Option<&str>, code: u8) -> Self {
        let job = Job {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let mut program =
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$ARGUMENTS\"\nenv >\"$ENVIRONMENT\"\n".to_owned();
        if let Some(report) = report {
            fs::write(job.path("source.json"), report).expect("written");
            program.push_str("cp \"$SOURCE\" reports/report.json\n");
            program.push_str("printf '### FAIL\\n' >reports/report.md\n");
            program.push_str(
                "printf '::set-env name=a::b\\n::error title=x::y\\n' >reports/annotations.txt\n",
            );
        }
        program.push_str(&format!("echo '::error::from the tree'\nexit {code}\n"));
        fs::write(job.path("kabigate"), program).expect("written");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(job.path("kabigate"), executable).expect("set");
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs one step; gives its standard output.
    fn step(&self, step: &str, inputs: &[(&str, &str)]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/action/run.sh");
        let run = Command::new("sh")
            .arg(script)
            .arg(step)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RUNNER_TEMP", self.path("temp"))
            .env("GITHUB_ACTION_PATH", env!("CARGO_MANIFEST_DIR"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .env("REPORT_DIR", "reports")
            .env("BINARY", self.path("kabigate"))
            .env("ARGUMENTS", self.path("arguments"))
            .env("ENVIRONMENT", self.path("environment"))
            .env("SOURCE", self.path("source.json"))
            .envs(inputs.iter().copied())
            .output()
            .expect("a shell");
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{step}: {stderr}");
        String::from_utf8_lossy(&run.stdout).into_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The outputs of all steps so far.
    fn outputs(&self) -> BTreeMap<String, String> {
        let text = self.read("output");
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// The JSON of a sample report, as the renderer's own test keeps it.
fn sample(name: &str) -> String {
    let file = format!("src/report/snapshots/kabigate__report__tests__json@{name}.snap");
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a snapshot");
    text.split_once("\n---\n").expect("a header").1.to_owned()
}

/// A failing run writes every output, and the step itself does not fail.
#[test]
fn outputs_of_a_failing_run() {
    let job = Job::new(Some(&sample("fail")), 1);
    job.step("check", &[("RANGE", "a..b")]);
    let outputs = job.outputs();
    let expected = [
        ("verdict", "fail"),
        ("exit-code", "1"),
        ("reasons", ""),
        ("breaks", "6"),
        ("changed-symbols", "7"),
        ("affected-modules", "1"),
        (
            "first-bad-commit",
            "4f2a91c0de124f2a91c0de124f2a91c0de124f2a",
        ),
        ("report-dir", "reports"),
        ("json", "reports/report.json"),
        ("junit", "reports/junit.xml"),
        ("markdown", "reports/report.md"),
    ];
    for (name, value) in expected {
        assert_eq!(outputs.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(outputs.len(), expected.len());
}

/// A run that could not check lists its reason codes.
#[test]
fn outputs_of_a_run_that_could_not_check() {
    let job = Job::new(Some(&sample("not-checked")), 3);
    job.step("check", &[("RANGE", "a..b")]);
    let outputs = job.outputs();
    assert_eq!(outputs["verdict"], "not-checked");
    assert_eq!(outputs["exit-code"], "3");
    assert_eq!(
        outputs["reasons"],
        "baseline-mismatch,preprocess-failed,git-shallow"
    );
}

/// A program that dies, lies about its code or leaves no report has not checked.
#[test]
fn a_run_without_a_report_is_not_checked() {
    for (report, code, expected) in [
        (None, 0, "3"),
        (None, 1, "3"),
        (None, 2, "2"),
        (None, 101, "3"),
        (Some(sample("fail")), 0, "3"),
        (Some(sample("fail")), 137, "3"),
    ] {
        let job = Job::new(report.as_deref(), code);
        job.step("check", &[("RANGE", "a..b")]);
        let outputs = job.outputs();
        assert_eq!(outputs["exit-code"], expected, "{code}");
        let verdict = if expected == "2" {
            "invalid"
        } else {
            "not-checked"
        };
        assert_eq!(outputs["verdict"], verdict, "{code}");
        job.step("summary", &[]);
        assert!(job.read("summary").starts_with("### NOT CHECKED"), "{code}");
    }
}

/// Each event gives its range, a series replaces it, and inputs with blanks stay one argument.
#[test]
fn arguments_of_the_events() {
    let arguments = |inputs: &[(&str, &str)]| {
        let job = Job::new(None, 0);
        job.step("check", inputs);
        job.read("arguments")
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let has =
        |arguments: &[String], wanted: [&str; 2]| arguments.windows(2).any(|pair| pair == wanted);
    let pull = [
        ("EVENT_NAME", "pull_request"),
        ("PULL_BASE", "1a"),
        ("PULL_HEAD", "2b"),
        ("PUSH_HEAD", "3c"),
    ];
    assert!(has(&arguments(&pull), ["--range", "1a..2b"]));
    let queue = [
        ("EVENT_NAME", "merge_group"),
        ("QUEUE_BASE", "1a"),
        ("QUEUE_HEAD", "2b"),
    ];
    assert!(has(&arguments(&queue), ["--range", "1a..2b"]));
    let push = [
        ("EVENT_NAME", "push"),
        ("PUSH_BEFORE", "000"),
        ("PUSH_HEAD", "2b"),
    ];
    assert!(has(&arguments(&push), ["--range", "000..2b"]));
    let series = arguments(&[
        ("EVENT_NAME", "push"),
        ("ONTO", "v6.1"),
        ("PATCHES", "my series"),
    ]);
    assert!(has(&series, ["--onto", "v6.1"]) && has(&series, ["--patches", "my series"]));
    assert!(!series.contains(&"--range".to_owned()));
    let rest = arguments(&[
        ("RANGE", "a..b"),
        ("MODULES", "one.ko\n$(touch x) *\n\n"),
        ("MODE", "observe"),
        ("PER_COMMIT", "true"),
        ("JOBS", "4"),
        ("CACHE", "off"),
    ]);
    assert!(has(&rest, ["--modules", "one.ko"]) && has(&rest, ["--modules", "$(touch x) *"]));
    assert!(has(&rest, ["--mode", "observe"]) && has(&rest, ["--jobs", "4"]));
    assert!(rest.contains(&"--per-commit".to_owned()) && rest.contains(&"--no-cache".to_owned()));
}

/// What runs under the program can neither command the log nor find the runner's files.
#[test]
fn the_tree_reaches_neither_log_nor_runner() {
    let job = Job::new(Some(&sample("fail")), 1);
    let log = job.step("check", &[("RANGE", "a..b")]);
    let token = log
        .lines()
        .next()
        .and_then(|l| l.strip_prefix("::stop-commands::"))
        .expect("stopped");
    assert!(token.len() == 32 && log.ends_with(&format!("\n::{token}::\n")));
    assert!(log.contains("::error::from the tree"));
    assert!(!job.read("environment").contains("GITHUB_OUTPUT="));
    assert_eq!(job.step("annotations", &[]), "::error title=x::y\n");
    job.step("summary", &[]);
    assert_eq!(job.read("summary"), "### FAIL\n");
}

/// The keys of the caches hold the sources, the baseline and the commit, and no character of a stranger.
#[test]
fn keys_of_the_caches() {
    let job = Job::new(None, 0);
    job.step(
        "keys",
        &[("BASELINE", "baselines/a b$c/"), ("GITHUB_SHA", "1a2b")],
    );
    let outputs = job.outputs();
    assert!(outputs["cache-key"].starts_with("kabigate-units-1-abc-"));
    assert!(outputs["cache-key"].ends_with("-1a2b"));
    assert!(outputs["cache-key"].starts_with(&outputs["cache-prefix"]));
    assert!(outputs["binary-key"].starts_with("kabigate-bin-any-any-"));
}
