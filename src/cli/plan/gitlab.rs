//! The plan as a child pipeline of GitLab CI.
//!
//! Shape from GitLab's CI/CD YAML reference: `parallel:matrix`, `artifacts`, `include`. Texts of the command line are quoted
//! for the shell, then for YAML, of which JSON strings are a part.

use std::fmt::Write as _;

use super::Plan;

/// Writes the pipeline; `arguments` select the same commits and targets for each job.
pub(super) fn pipeline(
    plan: &Plan,
    targets: &[Option<String>],
    shards: usize,
    arguments: &[String],
    include: Option<&str>,
) -> String {
    let words = words(arguments);
    let names: Vec<&str> = targets.iter().flatten().map(String::as_str).collect();
    let parts: Vec<String> = (1..=shards)
        .map(|index| format!("{index}/{shards}"))
        .collect();
    let extends = include
        .map(|_| "  extends: .kabigate\n")
        .unwrap_or_default();
    let mut out = format!(
        "# Made by `kabigate plan --format gitlab`: {} commits, {} jobs.\n",
        plan.commits,
        plan.jobs.len()
    );
    if let Some(file) = include {
        let _ = writeln!(out, "include:\n  - local: {}", quoted(file));
    }
    out.push_str("stages: [check, report]\n\nkabigate:\n  stage: check\n");
    out.push_str(extends);
    out.push_str("  variables:\n    GIT_DEPTH: \"0\"\n  parallel:\n    matrix:\n");
    let mut lead = "- ";
    if !names.is_empty() {
        let _ = writeln!(out, "      - KABIGATE_TARGET: {}", list(&names));
        lead = "  ";
    }
    let _ = writeln!(out, "      {lead}KABIGATE_SHARD: {}", list(&parts));
    let check =
        format!("kabigate check {words} --output 'json:kabigate-parts/{{target}}-{{shard}}.json'");
    let _ = writeln!(out, "  script:\n    - {}", quoted(&check));
    out.push_str("  artifacts:\n    when: always\n    paths: [kabigate-parts/]\n\n");
    out.push_str("# Also when a job failed: then it says which part is missing.\n");
    out.push_str("kabigate-report:\n  stage: report\n");
    out.push_str(extends);
    // Without `needs`, of which a job can have 50 only: artifacts of the stage before come all the same.
    out.push_str("  when: always\n  variables:\n    GIT_DEPTH: \"0\"\n");
    let chosen: String = names
        .iter()
        .map(|name| format!(" --target {name}"))
        .collect();
    let again =
        format!("kabigate plan {words}{chosen} --shards {shards} --format json:kabigate-plan.json");
    let merge = "kabigate merge --plan kabigate-plan.json kabigate-parts/*.json --output console \
                 --output json:kabigate-report/report.json --output gitlab:kabigate-report/junit.xml \
                 --output markdown:kabigate-report/report.md";
    let _ = writeln!(
        out,
        "  script:\n    - {}\n    - {}",
        quoted(&again),
        quoted(merge)
    );
    out.push_str("  artifacts:\n    when: always\n    paths: [kabigate-report/]\n");
    out.push_str("    reports:\n      junit: kabigate-report/junit.xml\n");
    out
}

/// Words of a shell command; a word with a NUL byte, which no shell takes, is left out.
fn words(arguments: &[String]) -> String {
    let words: Vec<_> = arguments
        .iter()
        .filter_map(|word| shlex::try_quote(word).ok())
        .collect();
    words.join(" ")
}

/// A text in YAML's double quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}
