//! The documentation against the program: links lead somewhere, tables name what there is, and the first gate works for a
//! new user on a real kernel, command by command. On the tree that this leaves, the GitHub Action runs as on a runner.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::git;
use support::runner::Runner;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(top().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let files = ["README.md", "CHANGELOG.md", "fuzz/README.md"];
    let files = files.into_iter().map(|file| top().join(file));
    let mut pages: Vec<PathBuf> = files
        .chain(docs)
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.sort();
    pages
}

/// The text without blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The name that a heading has in addresses.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Every link to a file or a heading leads to one, and every page of the book can be found from its index.
#[test]
fn links_resolve() {
    let (mut wrong, mut reached) = (Vec::new(), BTreeSet::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in prose(&text).split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(file)
            };
            let Ok(target) = target.canonicalize() else {
                wrong.push(format!("{}: {link}", page.display()));
                continue;
            };
            let known = heading.is_empty()
                || fs::read_to_string(&target)
                    .unwrap()
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == heading);
            if !known {
                wrong.push(format!("{}: no heading {link}", page.display()));
            }
            if page.ends_with("docs/README.md") {
                reached.insert(target);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for page in pages()
        .iter()
        .filter(|page| page.parent().unwrap().ends_with("docs"))
    {
        let known = reached.contains(page) || page.ends_with("docs/README.md");
        assert!(known, "{} is not in docs/README.md", page.display());
    }
}

/// The page of exit codes tells every reason code of the schema, and nothing else.
#[test]
fn reason_codes_are_told() {
    let schema: serde_json::Value =
        serde_json::from_slice(&fs::read(top().join("docs/report.schema.json")).unwrap()).unwrap();
    let codes = &schema["$defs"]["ReasonCode"];
    let codes = codes["oneOf"]
        .as_array()
        .or(codes["enum"].as_array())
        .unwrap();
    let codes: BTreeSet<&str> = codes
        .iter()
        .map(|code| code["const"].as_str().or(code.as_str()).unwrap())
        .collect();
    let text = fs::read_to_string(top().join("docs/exit-codes.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let told: BTreeSet<&str> = rows.map(|row| row.split('`').next().unwrap()).collect();
    assert_eq!(told, codes);
}

/// The page on CI tells every input and output of the Action.
#[test]
fn inputs_and_outputs_are_told() {
    let action = fs::read_to_string(top().join("action.yml")).unwrap();
    let names = action
        .split("\nruns:")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| {
            let name = line.strip_prefix("  ")?.strip_suffix(':')?;
            (!name.starts_with(' ')).then_some(name)
        });
    let text = fs::read_to_string(top().join("docs/ci.md")).unwrap();
    let mut seen = 0;
    for name in names {
        seen += 1;
        assert!(text.contains(&format!("\n| `{name}` | ")), "{name}");
    }
    assert!(seen > 30, "{seen}");
}

/// One command of a page, and the lines that must show up in its output, in this order.
struct Step {
    command: String,
    expected: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let blocks = page.split("```console\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let mut steps: Vec<Step> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step {
                command: command.to_owned(),
                expected: Vec::new(),
            }),
            None => steps.last_mut().unwrap().expected.push(line.to_owned()),
        }
    }
    steps
}

/// Whether a line is as expected, where `…` stands for any text.
fn fits(line: &str, expected: &str) -> bool {
    let parts: Vec<&str> = expected.split('…').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return line == expected;
    }
    if line.len() < first.len() + last.len() || !line.starts_with(first) || !line.ends_with(last) {
        return false;
    }
    let mut rest = &line[first.len()..line.len() - last.len()];
    parts[1..parts.len() - 1]
        .iter()
        .all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        })
}

/// Stands before the output of each command; no report prints it.
const MARK: &str = "\u{1}step ";

/// Runs a page's commands in one shell and holds the output of each against what the page shows.
#[track_caller]
fn follow(page: &str, folder: &Path) {
    let steps = steps(page);
    let mut script = String::from("exec 2>&1\n");
    for (number, step) in steps.iter().enumerate() {
        script.push_str(&format!(
            "echo '{MARK}{number}'\n(exit $code)\n{}\ncode=$?\n",
            step.command
        ));
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_kabigate")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let ended = Command::new("bash")
        .args(["-c", &format!("code=0\n{script}")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let outputs: Vec<&str> = text.split(MARK).skip(1).collect();
    assert_eq!(outputs.len(), steps.len(), "{text}");
    for (step, output) in steps.iter().zip(outputs) {
        let mut lines = output.lines().skip(1);
        for expected in step.expected.iter().filter(|line| *line != "…") {
            let found = lines.any(|line| fits(line, expected));
            assert!(
                found,
                "$ {}\nno line {expected:?} in\n{output}",
                step.command
            );
        }
    }
}

/// The page as a new user reads it, from an empty folder with a kernel tree in it, and then the Action on a pull request of
/// the change that breaks.
#[test]
fn first_gate_and_action() {
    let folder = tempfile::tempdir_in(support::target()).unwrap();
    let tree = folder.path().join("linux");
    support::copy(&support::kernel("linux-6.1"), &tree);
    git(&tree, ["init", "-q", "-b", "main"]);
    for (key, value) in [
        ("gc.auto", "0"),
        ("user.name", "me"),
        ("user.email", "me@example.org"),
    ] {
        git(&tree, ["config", key, value]);
    }
    git(&tree, ["add", "-A", "-f"]);
    git(&tree, ["commit", "-q", "-m", "Linux 6.1"]);
    let page = fs::read_to_string(top().join("docs/first-gate.md")).unwrap();
    follow(&page, folder.path());

    let html = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(html.contains("struct completion") && html.trim_end().ends_with("</html>"));
    action(&tree, folder.path());
}

/// A pull request with the change that breaks, on the tree that the page left.
fn action(tree: &Path, folder: &Path) {
    let rev = |name: &str| git(tree, ["rev-parse", name]);
    let run = |temp: &str, base: &str, head: &str| {
        Runner::new(&top().join("action.yml"), folder, &folder.join(temp))
            .with("inputs.binary", env!("CARGO_BIN_EXE_kabigate"))
            .with("inputs.tree", "linux")
            .with("inputs.baseline", "linux/baselines/small")
            .with("inputs.report-dir", &format!("{temp}-report"))
            .with("github.event_name", "pull_request")
            .with("github.event.pull_request.base.sha", base)
            .with("github.event.pull_request.head.sha", head)
            .run()
    };
    let ended = run("runner", &rev("HEAD~2"), &rev("HEAD"));
    let outputs = &ended.outputs;
    assert!(!ended.success, "{}", ended.log);
    assert_eq!(outputs["verdict"], "fail", "{}", ended.log);
    assert_eq!(outputs["exit-code"], "1");
    assert_eq!(outputs["reasons"], "");
    assert_eq!(outputs["first-bad-commit"], rev("HEAD"));
    assert_ne!(outputs["breaks"], "0");
    assert!(
        ended.summary.starts_with("before\n### "),
        "{}",
        ended.summary
    );
    assert!(ended.summary.contains("struct completion"));
    let annotations: Vec<&str> = ended
        .log
        .lines()
        .filter(|l| l.starts_with("::error "))
        .collect();
    assert!(
        annotations
            .iter()
            .any(|a| a.contains("file=linux/include/linux/completion.h,line=")),
        "{annotations:#?}"
    );
    for name in ["json", "junit", "markdown", "html", "sarif"] {
        let size = fs::metadata(folder.join(&outputs[name])).unwrap().len();
        assert!(size > 500, "{name}: {size}");
    }
    let sarif = fs::read_to_string(folder.join(&outputs["sarif"])).unwrap();
    assert!(sarif.contains("linux/include/linux/completion.h"));

    let ended = run("passing", &rev("HEAD~2"), &rev("HEAD~1"));
    assert!(ended.success, "{}", ended.log);
    assert_eq!(ended.outputs["verdict"], "pass");
    // A base that does not exist is refused and never guessed.
    let ended = run("unknown", &"0".repeat(40), &rev("HEAD"));
    assert!(!ended.success);
    assert_eq!(ended.outputs["verdict"], "invalid");
    assert_eq!(ended.outputs["reasons"], "revision-unknown");
}
