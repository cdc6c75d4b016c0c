//! `kabigate plan`: cuts a check into jobs of CI.

mod gitlab;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::outputs::write_whole;
use super::selection::{Commits, Selection};
use super::stdout::{note, print, warning};
use super::{Context, Outcome, reason};
use crate::check::{MAX_SHARDS, Part, Shard, line_digest};
use crate::report::{Reason, ReasonCode};
use crate::symvers::read_file;

/// Name and version of the document.
pub(crate) const PLAN_SCHEMA: &str = "kabigate-plan/1";

/// Largest plan that is read.
const LIMIT: u64 = 64 << 20;

/// Commits of a job where nothing else is said: so many that walking them takes longer than what each job does first.
const COMMITS_PER_JOB: usize = 25;

/// Most jobs of a matrix on GitHub.
const GITHUB_JOBS: usize = 256;

/// Most jobs of `parallel:matrix` on GitLab.
const GITLAB_JOBS: usize = 200;

const EXAMPLES: &str = "\
Examples:
  kabigate plan --range origin/main..HEAD --format github --format json:plan.json >>\"$GITHUB_OUTPUT\"
  kabigate plan --range origin/main..HEAD --commits-per-job 50 --format gitlab:jobs.yml
  kabigate plan --onto v6.1.176 --patches series/ --baseline baselines/x86_64 --shards 4

The formats:
  json    the plan as a document; `kabigate merge --plan` checks the parts against it
  github  lines for GITHUB_OUTPUT: `matrix` for fromJSON, `jobs`, `commits`, `base` and `head`
  gitlab  a child pipeline that runs the jobs and joins their parts

Exit codes:
  0  the plan is written
  2  wrong usage, or an input that cannot be read
  3  the commits or a baseline are not there";

/// Cut a check into jobs of CI
///
/// A job is a part of the commits for one target: `kabigate check --target NAME --shard I/N`. `kabigate merge` joins what
/// the jobs wrote. The same commits and options give the same plan.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanCommand {
    #[command(flatten)]
    selection: Selection,
    /// Jobs for each target
    #[arg(long, value_name = "N", conflicts_with = "commits_per_job", value_parser = clap::value_parser!(u32).range(1..))]
    shards: Option<u32>,
    /// Most commits of a job [default: 25, or more where the limit of the CI system wants it]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    commits_per_job: Option<u32>,
    /// What to write, and where to: json, github or gitlab; repeatable [default: json]
    #[arg(long = "format", value_name = "FORMAT[:PATH]")]
    formats: Vec<PlanOutput>,
    /// File of the repository that the GitLab pipeline includes, with a job `.kabigate` that its jobs extend: image, tags,
    /// variables, before_script
    #[arg(long, value_name = "FILE")]
    gitlab_include: Option<String>,
}

/// A form of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Github,
    Gitlab,
}

/// One output.
#[derive(Clone, Debug)]
struct PlanOutput {
    form: Form,
    path: Option<PathBuf>,
}

impl FromStr for PlanOutput {
    type Err = String;

    fn from_str(text: &str) -> Result<PlanOutput, String> {
        let (form, path) = match text.split_once(':') {
            Some((form, path)) => (form, Some(path)),
            None => (text, None),
        };
        let form = match form {
            "json" => Form::Json,
            "github" => Form::Github,
            "gitlab" => Form::Gitlab,
            _ => return Err("known are json, github and gitlab".to_owned()),
        };
        match path {
            Some("") => Err("the path is empty; leave `:` out for standard output".to_owned()),
            Some("-") | None => Ok(PlanOutput { form, path: None }),
            Some(path) => Ok(PlanOutput {
                form,
                path: Some(path.into()),
            }),
        }
    }
}

/// The jobs of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Name and version of this document.
    schema: String,
    /// The commit before those that are checked.
    base: String,
    /// The last one of them.
    head: String,
    /// How many there are.
    commits: usize,
    /// Digest of their ids in order.
    line: String,
    /// The jobs, by target and part.
    jobs: Vec<Job>,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    /// A name for files and artifacts.
    name: String,
    /// The target; empty for a check without targets.
    target: String,
    /// The part, as `I/N`.
    shard: String,
    /// How many commits it has.
    commits: usize,
}

impl PlanCommand {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        let commits = self.selection.commits()?;
        if let Some(text) = commits.dirty()? {
            warning(context, &text);
        }
        let targets = self.selection.chosen(&commits)?;
        let default = [PlanOutput {
            form: Form::Json,
            path: None,
        }];
        let outputs = match self.formats.as_slice() {
            [] => &default[..],
            formats => formats,
        };
        if outputs
            .iter()
            .filter(|output| output.path.is_none())
            .count()
            > 1
        {
            return Err(reason(
                ReasonCode::Usage,
                "two forms of the plan go to standard output",
                "give all but one a path: FORMAT:PATH",
            ));
        }
        let limit = outputs.iter().map(|output| output.form.most_jobs()).min();
        let shards = self.shards(
            context,
            commits.walk.commits.len(),
            targets.len(),
            limit.unwrap_or(MAX_SHARDS),
        )?;
        let plan = Plan::new(&commits, &targets, shards);
        for output in outputs {
            let text = match output.form {
                Form::Json => plan.json(),
                Form::Github => plan.github(),
                Form::Gitlab => {
                    let arguments = self.selection.arguments(&commits);
                    let include = self.gitlab_include.as_deref();
                    gitlab::pipeline(&plan, &targets, shards, &arguments, include)
                }
            };
            match &output.path {
                Some(path) => write_whole(path, text.as_bytes())?,
                None => print(&text),
            }
        }
        Ok(0)
    }

    /// How many parts each target has, with the reason on standard error.
    fn shards(
        &self,
        context: &Context,
        commits: usize,
        targets: usize,
        limit: usize,
    ) -> Result<usize, Reason> {
        let most = limit / targets.max(1);
        let too_many = |jobs: usize, next: &str| {
            let message = format!("{jobs} jobs are more than the {limit} that a matrix can have");
            reason(ReasonCode::Usage, message, next)
        };
        if most == 0 {
            return Err(too_many(
                targets,
                "plan some of the targets at a time: --target NAME",
            ));
        }
        let wanted = self.commits_per_job.unwrap_or(0) as usize;
        let (shards, why) = match self.shards {
            Some(shards) => (shards as usize, "--shards".to_owned()),
            None => {
                let size = if wanted == 0 { COMMITS_PER_JOB } else { wanted };
                (commits.div_ceil(size), format!("{size} commits a job"))
            }
        };
        if self.shards.is_some() && shards > most {
            return Err(too_many(shards * targets, "ask for fewer: --shards N"));
        }
        let fitting = shards.min(commits).clamp(1, most);
        let each = commits.div_ceil(fitting);
        let limited = match fitting < shards.min(commits) {
            true => format!("; more jobs than {limit} cannot be, so each has more commits"),
            false => String::new(),
        };
        note(
            context,
            &format!(
                "{commits} commits, {targets} targets, {fitting} parts each ({why}{limited}): {} jobs with {each} commits at the most",
                fitting * targets
            ),
        );
        Ok(fitting)
    }
}

impl Form {
    fn most_jobs(self) -> usize {
        match self {
            Form::Json => MAX_SHARDS,
            Form::Github => GITHUB_JOBS,
            Form::Gitlab => GITLAB_JOBS,
        }
    }
}

impl Plan {
    fn new(commits: &Commits, targets: &[Option<String>], count: usize) -> Plan {
        let line = &commits.walk.commits;
        let job = |target: &Option<String>, index: usize| {
            let shard = Shard { index, count };
            let target = target.clone().unwrap_or_default();
            let prefix = if target.is_empty() {
                "default"
            } else {
                &target
            };
            Job {
                name: format!("{prefix}-{index}-of-{count}"),
                shard: shard.to_string(),
                commits: shard.slice(line.len()).len(),
                target,
            }
        };
        Plan {
            schema: PLAN_SCHEMA.to_owned(),
            base: commits.walk.base.id.as_str().to_owned(),
            head: line
                .last()
                .map(|c| c.id.as_str().to_owned())
                .unwrap_or_default(),
            commits: line.len(),
            line: line_digest(line.iter().map(|commit| commit.id.as_str())),
            jobs: targets
                .iter()
                .flat_map(|target| (1..=count).map(move |index| job(target, index)))
                .collect(),
        }
    }

    fn json(&self) -> String {
        // INVARIANT: a plan holds strings, numbers, lists and structs only.
        let mut out = serde_json::to_string_pretty(self).expect("a plan has no map");
        out.push('\n');
        out
    }

    /// Lines for `GITHUB_OUTPUT`. All values are of our own making: names, numbers and ids.
    fn github(&self) -> String {
        let include: Vec<_> = self
            .jobs
            .iter()
            .map(|job| serde_json::json!({"name": job.name, "target": job.target, "shard": job.shard}))
            .collect();
        let matrix = serde_json::json!({ "include": include });
        let mut out = String::new();
        let _ = writeln!(out, "matrix={matrix}");
        let _ = writeln!(out, "jobs={}", self.jobs.len());
        let _ = writeln!(out, "commits={}", self.commits);
        let _ = writeln!(out, "base={}", self.base);
        let _ = writeln!(out, "head={}", self.head);
        out
    }

    /// Reads a plan.
    pub(crate) fn read(path: &Path) -> Result<Plan, Reason> {
        let next = "write one with `kabigate plan --format json:FILE`";
        let bytes = read_file(path, LIMIT)
            .map_err(|error| reason(ReasonCode::InputInvalid, error, next))?;
        let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{}:{}: not a plan: {error}", path.display(), error.line());
            reason(ReasonCode::InputInvalid, message, next)
        })?;
        if plan.schema != PLAN_SCHEMA {
            let message = format!(
                "{}: plan of schema {:?}, this version reads {PLAN_SCHEMA:?}",
                path.display(),
                plan.schema
            );
            return Err(reason(ReasonCode::InputInvalid, message, next));
        }
        Ok(plan)
    }

    /// Refuses parts that are not the jobs of the plan; of `unread` targets no part could be computed.
    pub(crate) fn fulfilled<'p>(
        &self,
        parts: impl Iterator<Item = &'p Part>,
        unread: &BTreeSet<Option<String>>,
    ) -> Result<(), Reason> {
        let next = "run the jobs of this plan, or name the plan of these parts";
        let mut left: BTreeSet<(&str, &str)> = self
            .jobs
            .iter()
            .map(|job| (job.target.as_str(), job.shard.as_str()))
            .collect();
        for part in parts {
            let run = &part.run;
            if (&run.base, &run.line) != (&self.base, &self.line) {
                return Err(Reason {
                    expected: Some(format!("{}..{}", self.base, self.head)),
                    found: Some(format!("{}..{}", run.base, run.head)),
                    ..reason(
                        ReasonCode::PartsMismatch,
                        "the plan is of another range than the parts",
                        next,
                    )
                });
            }
            let target = run.target.as_deref().unwrap_or_default();
            let shard = part.shard.to_string();
            let planned = left.iter().any(|job| *job == (target, shard.as_str()));
            left.retain(|job| *job != (target, shard.as_str()));
            // A part that is there twice is told when the parts are joined.
            let known = self
                .jobs
                .iter()
                .any(|job| job.target == target && job.shard == shard);
            if !planned && !known {
                let message = format!("part {shard} of target `{target}` is no job of the plan");
                return Err(reason(ReasonCode::PartsMismatch, message, next));
            }
        }
        left.retain(|(target, _)| {
            let name = (!target.is_empty()).then(|| (*target).to_owned());
            !unread.contains(&name)
        });
        match left.first() {
            None => Ok(()),
            Some((target, shard)) => Err(reason(
                ReasonCode::PartsIncomplete,
                format!(
                    "part {shard} of target `{target}` is missing, and {} of the plan in all",
                    left.len()
                ),
                "run the missing jobs again, and name the file of each",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forms are told by name, with and without a path.
    #[test]
    fn spellings_of_outputs() {
        let read = |text: &str| {
            text.parse::<PlanOutput>()
                .map(|output| (output.form, output.path))
        };
        assert_eq!(read("github"), Ok((Form::Github, None)));
        assert_eq!(read("gitlab:a:b"), Ok((Form::Gitlab, Some("a:b".into()))));
        assert!(read("jenkins").is_err() && read("json:").is_err());
    }
}
