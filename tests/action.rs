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
        ("approved", "0"),
        ("affected-modules", "1"),
        (
            "first-bad-commit",
            "4f2a91c0de124f2a91c0de124f2a91c0de124f2a",
        ),
        ("report-dir", "reports"),
        ("json", "reports/report.json"),
        ("junit", "reports/junit.xml"),
        ("markdown", "reports/report.md"),
        ("html", "reports/report.html"),
        ("sarif", "reports/kabigate.sarif"),
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

/// The outputs of several targets are those of all of them, and the files of which each has its own lie in a folder.
#[test]
fn outputs_of_several_targets() {
    let inner: Vec<String> = ["fail", "not-checked", "fail"]
        .map(sample)
        .iter()
        .map(|text| text.trim_end().replace('\n', "\n    "))
        .collect();
    let set = format!(
        "{{\n  \"schema\": \"kabigate-report-set/1\",\n  \"verdict\": \"not-checked\",\n  \"exit_code\": 3,\n  \
         \"reports\": [\n    {}\n  ]\n}}\n",
        inner.join(",\n    ")
    );
    let job = Job::new(Some(&set), 3);
    for target in ["a", "b"] {
        let folder = job.path("reports/kabigate-targets").join(target);
        fs::create_dir_all(&folder).expect("a folder");
    }
    let program = job.read("kabigate");
    let writes = "for t in a b; do mkdir -p reports/kabigate-targets/$t\n\
                  echo \"::error title=$t::x\" >reports/kabigate-targets/$t/annotations.txt; done\n";
    fs::write(
        job.path("kabigate"),
        program.replacen('\n', &format!("\n{writes}"), 1),
    )
    .expect("written");
    let inputs = [("RANGE", "a..b"), ("BASELINE", "kabi/a\n\nkabi/b c\n")];
    job.step("check", &inputs);
    let outputs = job.outputs();
    let expected = [
        ("verdict", "not-checked"),
        ("exit-code", "3"),
        ("reasons", "baseline-mismatch,preprocess-failed,git-shallow"),
        ("breaks", "12"),
        ("changed-symbols", "14"),
        ("affected-modules", "2"),
        (
            "first-bad-commit",
            "4f2a91c0de124f2a91c0de124f2a91c0de124f2a",
        ),
        ("html", "reports/kabigate-targets"),
        ("sarif", "reports/kabigate-targets"),
        ("markdown", "reports/report.md"),
    ];
    for (name, value) in expected {
        assert_eq!(outputs.get(name).map(String::as_str), Some(value), "{name}");
    }
    let annotations = job.step("annotations", &[]);
    assert_eq!(
        annotations,
        "::error title=x::y\n::error title=a::x\n::error title=b::x\n"
    );
    // Doctor, which ran last, is asked about no baseline.
    assert!(!job.read("arguments").contains("--baseline"));
    let one = Job::new(None, 0);
    one.step("check", &inputs);
    let arguments: Vec<String> = one.read("arguments").lines().map(str::to_owned).collect();
    let named = |baseline: &str| {
        arguments
            .windows(2)
            .any(|pair| pair == ["--baseline", baseline])
    };
    assert!(named("kabi/a") && named("kabi/b c"));
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
        ("CONFIG", "my config"),
        ("POLICY_REF", "main"),
        ("ANNOTATIONS", "3"),
        ("TREE", "./src/linux"),
    ]);
    assert!(has(&rest, ["--config", "my config"]) && has(&rest, ["--policy-ref", "main"]));
    assert!(has(&rest, ["--annotations", "3"]) && has(&rest, ["--annotation-root", "src/linux"]));
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

/// A stand-in for `gh` that answers with what a test gives and notes how it was called.
const GH: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$GH_CALLS"
case "$*" in
*/comments\ --jq*) cat "$GH_COMMENTS" ;;
*PATCH*|*comments\ -F*)
    [ ! -e "$GH_REFUSES" ] || exit 1
    for argument; do case $argument in body=@*) cat "${argument#body=@}" >"$GH_BODY" ;; esac; done
    ;;
*artifacts\ --jq*) cat "$GH_ARTIFACTS" ;;
*/zip) cat "$GH_ZIP" ;;
*/pulls\ *) printf '%s' "$GH_PULLS" ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac
"#;

impl Job {
    /// Puts `gh` in the way; gives the variables that it and the steps need.
    fn with_gh(&self, own_comment: &str) -> Vec<(&'static str, String)> {
        let bin = self.path("bin");
        fs::create_dir_all(&bin).expect("made");
        fs::create_dir_all(self.path("temp")).expect("made");
        fs::write(bin.join("gh"), GH).expect("written");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bin.join("gh"), executable).expect("set");
        fs::write(self.path("comments"), own_comment).expect("written");
        let path = std::env::var("PATH").expect("a path");
        let text = |name: &str| self.path(name).display().to_string();
        vec![
            ("PATH", format!("{}:{path}", bin.display())),
            ("GH_CALLS", text("calls")),
            ("GH_COMMENTS", text("comments")),
            ("GH_REFUSES", text("refuses")),
            ("GH_BODY", text("body")),
            ("GH_ARTIFACTS", text("artifacts")),
            ("GH_ZIP", text("artifact.zip")),
            ("GH_PULLS", "7\n".to_owned()),
            ("REPOSITORY", "acme/linux".to_owned()),
            ("PULL_NUMBER", "7".to_owned()),
            ("MARKER_NAME", "kabi/gate/base<!line -->".to_owned()),
        ]
    }

    fn comment(&self, gh: &[(&'static str, String)], inputs: &[(&str, &str)]) -> String {
        let _ = fs::remove_file(self.path("calls"));
        let _ = fs::remove_file(self.path("body"));
        let all: Vec<(&str, &str)> = gh
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain(inputs.iter().copied())
            .collect();
        self.step("comment", &all)
    }
}

/// A comment is made where it is wanted, updated in place, and its refusal is a warning with the remedy.
#[test]
fn comment_on_the_pull_request() {
    let job = Job::new(None, 1);
    fs::create_dir(job.path("reports")).expect("made");
    fs::write(job.path("reports/report.md"), "### FAIL\n").expect("written");
    let gh = job.with_gh("");
    job.comment(&gh, &[("COMMENT", "off"), ("VERDICT", "fail")]);
    assert_eq!(job.read("calls"), "");
    job.comment(&gh, &[("COMMENT", "failures"), ("VERDICT", "pass")]);
    assert_eq!(job.read("body"), "");
    let quiet = [
        ("COMMENT", "changes"),
        ("VERDICT", "pass"),
        ("CHANGED", "0"),
        ("APPROVED", "0"),
    ];
    job.comment(&gh, &quiet);
    assert_eq!(job.read("body"), "");
    job.comment(
        &gh,
        &[
            ("COMMENT", "changes"),
            ("VERDICT", "pass"),
            ("CHANGED", "2"),
        ],
    );
    assert!(job.read("body").contains("### FAIL"));
    job.comment(&gh, &[("COMMENT", "failures"), ("VERDICT", "fail")]);
    assert_eq!(
        job.read("body"),
        "<!-- kabigate kabi/gate/baseline -- -->\n### FAIL\n"
    );
    assert!(
        job.read("calls")
            .contains("repos/acme/linux/issues/7/comments -F")
    );

    let gh = job.with_gh("31\n");
    job.comment(&gh, &[("COMMENT", "failures"), ("VERDICT", "pass")]);
    assert!(
        job.read("calls")
            .contains("PATCH repos/acme/linux/issues/comments/31")
    );
    fs::write(job.path("refuses"), "").expect("written");
    let log = job.comment(&gh, &[("COMMENT", "failures"), ("VERDICT", "fail")]);
    assert!(log.starts_with("::warning ") && log.contains("examples/publish.yml"));
}

/// A release's archive is taken only with its checksum, and holds what people install.
#[test]
fn program_of_a_release() {
    let job = Job::new(None, 0);
    let releases = job.path("releases/v9.9.9");
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Without what debuggers read, which a release does not have either.
    let program = job.path("stripped");
    let stripped = Command::new("strip")
        .args([env!("CARGO_BIN_EXE_kabigate"), "-o"])
        .arg(&program)
        .status();
    assert!(stripped.expect("strip").success());
    let made = Command::new("sh")
        .arg(top.join(".ci/release"))
        .arg(&program)
        .arg("v9.9.9")
        .arg(&releases)
        .output()
        .expect("a shell");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let sums = fs::read_to_string(releases.join("SHA256SUMS")).expect("sums");
    let (sum, archive) = sums.trim().split_once("  ").expect("a sum");
    let listed = Command::new("tar")
        .arg("-tzf")
        .arg(releases.join(archive))
        .output();
    let listed = String::from_utf8(listed.expect("tar").stdout).expect("names");
    for name in [
        "/kabigate\n",
        "/man/man1/kabigate-check.1\n",
        "/completions/kabigate.bash\n",
    ] {
        assert!(listed.contains(name), "{name}: {listed}");
    }
    let url = format!("file://{}", job.path("releases").display());
    let inputs = [
        ("BINARY", ""),
        ("VERSION", "v9.9.9"),
        ("RELEASES", url.as_str()),
    ];
    for checksum in ["", sum] {
        let _ = fs::remove_dir_all(job.path("temp"));
        job.step(
            "install",
            &[&inputs[..], &[("CHECKSUM", checksum)]].concat(),
        );
        let taken = Command::new(&job.outputs()["binary"])
            .arg("--version")
            .output();
        assert!(String::from_utf8_lossy(&taken.expect("runs").stdout).starts_with("kabigate "));
    }
    let _ = fs::remove_dir_all(job.path("temp"));
    let script = top.join(".github/action/run.sh");
    let wrong = Command::new("sh")
        .args([script.as_os_str(), "install".as_ref()])
        .envs(inputs)
        .env("CHECKSUM", "0".repeat(64))
        .env("RUNNER_TEMP", job.path("temp"))
        .env("GITHUB_OUTPUT", job.path("output"))
        .status()
        .expect("a shell");
    assert!(!wrong.success() && !job.path("temp/kabigate/bin/kabigate").exists());
}

/// The privileged half takes a report out of an artifact as data: rendered anew, of the right head, and nothing else.
#[test]
fn publishing_for_forks() {
    let head = "4f2a91c0de144f2a91c0de144f2a91c0de144f2a";
    let publish = |files: &[(&str, &str)], head: &str, pulls: &str| {
        let job = Job::new(None, 0);
        let mut gh = job.with_gh("");
        for (name, text) in files {
            fs::write(job.path(name), text).expect("written");
            let zip = Command::new("zip")
                .args(["-q", "artifact.zip", name])
                .current_dir(job.folder.path())
                .status()
                .expect("zip");
            assert!(zip.success());
        }
        fs::write(job.path("artifacts"), "12 4000 kabigate-base\n").expect("written");
        gh.retain(|(name, _)| !["GH_PULLS", "MARKER_NAME"].contains(name));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/action/publish.sh");
        let ended = Command::new("sh")
            .arg(script)
            .current_dir(job.folder.path())
            .env_clear()
            .envs(gh)
            .env("GH_PULLS", pulls)
            .env("RUNNER_TEMP", job.path("temp"))
            .env("BINARY", env!("CARGO_BIN_EXE_kabigate"))
            .env("RUN_ID", "99")
            .env("HEAD_SHA", head)
            .env("HEAD_OWNER", "stranger")
            .env("HEAD_BRANCH", "a;b $(c)")
            .env("HEAD_REPOSITORY", "stranger/linux")
            .output()
            .expect("a shell");
        let said = [ended.stdout, ended.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (ended.status.success(), said, job.read("body"))
    };
    let report = sample("fail");
    let evil = [
        ("report.json", report.as_str()),
        ("report.md", "@everyone buy this"),
    ];
    let (done, said, body) = publish(&evil, head, "7\n");
    assert!(done, "{said}");
    assert!(
        body.starts_with("<!-- kabigate kabigate-base -->\n### "),
        "{body}"
    );
    assert!(body.contains("a run without privileges") && !body.contains("buy this"));
    let expected = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/report/snapshots/kabigate__report__tests__markdown@fail.snap"),
    );
    let expected = expected.expect("a snapshot");
    let headline = expected
        .lines()
        .find(|line| line.starts_with("### "))
        .expect("a headline");
    assert!(body.contains(headline), "{body}");

    // Another head, no report, a report that is none, or no open pull request any more.
    let other = "0".repeat(40);
    let (done, said, body) = publish(&[("report.json", &report)], &other, "7\n");
    assert!(
        !done && body.is_empty() && said.contains("another commit"),
        "{said}"
    );
    let (done, said, body) = publish(&[("report.md", "### PASS")], head, "7\n");
    assert!(
        !done && body.is_empty() && said.contains("no report.json"),
        "{said}"
    );
    let (done, said, body) = publish(&[("report.json", "{\"verdict\": \"pass\"}")], head, "7\n");
    assert!(
        !done && body.is_empty() && said.contains("is no report"),
        "{said}"
    );
    let (done, said, body) = publish(&[("report.json", &report)], head, "");
    assert!(
        done && body.is_empty() && said.contains("no open pull request"),
        "{said}"
    );
}
