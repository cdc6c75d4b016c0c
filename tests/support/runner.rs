//! Runs the steps of a composite action in their order, as a runner does: inputs and their defaults, expressions, the
//! outputs of earlier steps, `if`, and the files behind `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY`.
//!
//! Understands as much of YAML and of expressions as this project's actions use, and refuses everything else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Map = BTreeMap<String, String>;

/// One step of an action.
#[derive(Debug, Default)]
struct Step {
    id: String,
    condition: String,
    uses: String,
    run: String,
    env: Vec<(String, String)>,
}

/// An action and the job that it runs in.
pub struct Runner {
    steps: Vec<Step>,
    outputs: Vec<(String, String)>,
    /// Values of expressions, such as `inputs.tree` and `github.event_name`.
    context: Map,
    action: PathBuf,
    temp: PathBuf,
    workspace: PathBuf,
}

/// How the action ended.
pub struct Ended {
    pub success: bool,
    pub outputs: Map,
    /// What each step printed, joined.
    pub log: String,
    pub summary: String,
}

impl Runner {
    /// Reads `action.yml`; `temp` is a folder of the runner's, `workspace` where the repository was checked out.
    pub fn new(file: &Path, workspace: &Path, temp: &Path) -> Runner {
        let text = fs::read_to_string(file).unwrap();
        let mut runner = Runner {
            steps: Vec::new(),
            outputs: Vec::new(),
            context: Map::new(),
            action: file.parent().unwrap().to_owned(),
            temp: temp.to_owned(),
            workspace: workspace.to_owned(),
        };
        fs::create_dir_all(temp).unwrap();
        runner.read(&text);
        runner
    }

    /// Sets what an expression stands for.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Runner {
        self.context.insert(name.to_owned(), value.to_owned());
        self
    }

    fn read(&mut self, text: &str) {
        let (mut part, mut name, mut in_env) = ("", String::new(), false);
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let item = trimmed.strip_prefix("- ");
            let (key, value) = item
                .unwrap_or(trimmed)
                .split_once(':')
                .unwrap_or((trimmed, ""));
            let value = value.trim();
            let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            let value = quoted.unwrap_or(value).to_owned();
            match (part, indent) {
                (_, 0) => {
                    part = if key == "runs" {
                        "runs"
                    } else {
                        key.to_owned().leak()
                    }
                }
                ("inputs" | "outputs", 2) => name = key.to_owned(),
                ("inputs", 4) if key == "default" => {
                    self.context.insert(format!("inputs.{name}"), value);
                }
                ("outputs", 4) if key == "value" => self.outputs.push((name.clone(), value)),
                ("runs", 4 | 6) => {
                    if item.is_some() {
                        self.steps.push(Step::default());
                    }
                    let Some(step) = self.steps.last_mut() else {
                        continue;
                    };
                    in_env = key == "env";
                    match key {
                        "id" => step.id = value,
                        "if" => step.condition = value,
                        "uses" => step.uses = value,
                        "run" => step.run = value,
                        "shell" => assert_eq!(value, "sh"),
                        "env" | "with" => {}
                        _ => panic!("unknown key {key} of a step"),
                    }
                }
                ("runs", 8) if in_env => {
                    let step = self.steps.last_mut().unwrap();
                    step.env.push((key.to_owned(), value));
                }
                _ => {}
            }
        }
        assert!(!self.steps.is_empty() && self.steps.iter().all(|s| !s.run.contains("${{")));
    }

    /// A text with its expressions replaced.
    fn expand(&self, text: &str) -> String {
        let mut parts = text.split("${{");
        let mut out = parts.next().unwrap().to_owned();
        for part in parts {
            let (name, rest) = part.split_once("}}").unwrap();
            out.push_str(self.context.get(name.trim()).map_or("", String::as_str));
            out.push_str(rest);
        }
        out
    }

    /// Whether a step runs. Without a status function it runs only while all steps before succeeded.
    fn holds(&self, condition: &str, success: bool) -> bool {
        let value = |word: &str| match word.trim() {
            literal if literal.starts_with('\'') => literal.trim_matches('\'').to_owned(),
            name => self.context.get(name).cloned().unwrap_or_default(),
        };
        let terms: Vec<&str> = condition.split("&&").map(str::trim).collect();
        let always = terms.contains(&"always()");
        let each = terms.iter().filter(|t| !t.is_empty() && **t != "always()");
        let all = each.into_iter().all(|term| {
            if let Some((left, right)) = term.split_once("!=") {
                value(left) != value(right)
            } else if let Some((left, right)) = term.split_once("==") {
                value(left) == value(right)
            } else {
                panic!("unknown condition {term}")
            }
        });
        all && (always || success)
    }

    /// Runs all steps; those that use other actions are passed over, as with an empty cache.
    pub fn run(mut self) -> Ended {
        let (mut success, mut log) = (true, String::new());
        let summary = self.temp.join("summary");
        fs::write(&summary, "before\n").unwrap();
        for number in 0..self.steps.len() {
            let step = &self.steps[number];
            if !self.holds(&step.condition, success) || !step.uses.is_empty() {
                continue;
            }
            let output = self.temp.join(format!("output-{number}"));
            fs::write(&output, "").unwrap();
            let env = step
                .env
                .iter()
                .map(|(name, value)| (name, self.expand(value)));
            let ended = Command::new("sh")
                .args(["-e", "-c", &step.run])
                .current_dir(&self.workspace)
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap())
                .env("HOME", &self.temp)
                .env("CI", "true")
                .env("GITHUB_ACTIONS", "true")
                .env("RUNNER_TEMP", &self.temp)
                .env("GITHUB_ACTION_PATH", &self.action)
                .env("GITHUB_OUTPUT", &output)
                .env("GITHUB_ENV", self.temp.join("env"))
                .env("GITHUB_STEP_SUMMARY", &summary)
                .envs(env)
                .output()
                .unwrap();
            success &= ended.status.success();
            log.push_str(&String::from_utf8_lossy(&ended.stdout));
            log.push_str(&String::from_utf8_lossy(&ended.stderr));
            let id = step.id.clone();
            for line in fs::read_to_string(&output).unwrap().lines() {
                let (name, value) = line.split_once('=').unwrap();
                let name = format!("steps.{id}.outputs.{name}");
                self.context.insert(name, value.to_owned());
            }
        }
        let outputs = self.outputs.iter();
        let outputs = outputs.map(|(name, value)| (name.clone(), self.expand(value)));
        Ended {
            success,
            outputs: outputs.collect(),
            log,
            summary: fs::read_to_string(summary).unwrap(),
        }
    }
}
