//! What a check is about: the commits, and the targets that they are checked for.

use std::cell::LazyCell;
use std::path::PathBuf;
use std::thread;

use clap::Args;

use super::policy_files::PolicyFiles;
use super::reason;
use super::settings::{NAME, Options, Settings};
use crate::check::history_reason;
use crate::history::{HeldFolder, Repo, Walk};
use crate::policy::did_you_mean;
use crate::report::{Reason, ReasonCode};

/// Which commits, against which baselines.
#[derive(Args, Debug)]
pub(crate) struct Selection {
    /// Git tree of the kernel
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) tree: PathBuf,
    /// Commits to check; a missing side stands for HEAD
    #[arg(long, value_name = "A..B", required_unless_present = "patches", conflicts_with_all = ["onto", "patches"])]
    pub(crate) range: Option<String>,
    /// Revision that the patch series applies to
    #[arg(long, value_name = "REV", requires = "patches")]
    pub(crate) onto: Option<String>,
    /// Patch series: a folder of patches, a quilt series, or an mbox
    #[arg(long, value_name = "DIR|MBOX", requires = "onto")]
    pub(crate) patches: Option<PathBuf>,
    /// Baseline folder; repeatable, and several are a target each [default: that of kabigate.toml, or every folder of
    /// baselines/ that is one]
    #[arg(long = "baseline", env = "KABIGATE_BASELINE", value_name = "DIR")]
    pub(crate) baselines: Vec<PathBuf>,
    /// Target of kabigate.toml, or `all`; repeatable [default: all, or those that have the --baseline]
    #[arg(
        long = "target",
        env = "KABIGATE_TARGET",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub(crate) targets: Vec<String>,
    /// Revision that baseline, lists, rules, approvals and kabigate.toml are read from, as far as they lie in the tree
    /// [default: the commit before those that are checked]
    #[arg(long, env = "KABIGATE_POLICY_REF", value_name = "REV")]
    pub(crate) policy_ref: Option<String>,
    /// File with options of a check [default: kabigate.toml beside the baseline, or in baselines/ or at the top of the tree]
    #[arg(long, env = "KABIGATE_SETTINGS", value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
}

/// The commits that were selected.
pub(crate) struct Commits {
    pub(crate) repo: Repo,
    pub(crate) walk: Walk,
    dirty: Option<Pending<Result<Option<String>, Reason>>>,
    /// The folder that a patch series was applied in.
    _scratch: HeldFolder,
}

/// What a thread finds out, waited for when it is first asked for.
type Pending<T> = LazyCell<T, Box<dyn FnOnce() -> T>>;

impl Commits {
    /// Says that uncommitted changes are not checked. The work tree is looked at beside all else since the range was read;
    /// a series is applied to a commit, and no work tree is anybody's claim.
    pub(crate) fn dirty(&self) -> Result<Option<String>, Reason> {
        self.dirty
            .as_ref()
            .map_or(Ok(None), |dirty| LazyCell::force(dirty).clone())
    }
}

impl Selection {
    /// The commits.
    pub(crate) fn commits(&self) -> Result<Commits, Reason> {
        let repo = Repo::open(&self.tree).map_err(|error| history_reason(&error))?;
        let parent = std::env::temp_dir();
        let scratch = HeldFolder::create(&parent).map_err(|error| {
            reason(
                ReasonCode::InputInvalid,
                format!("{}: {error}", parent.display()),
                "set TMPDIR to a folder that exists, is accessible and has room",
            )
        })?;
        let walk = match (&self.range, &self.onto, &self.patches) {
            (Some(range), _, _) => repo.range(range),
            (None, Some(onto), Some(patches)) => repo.series(onto, patches, scratch.path()),
            _ => {
                return Err(reason(
                    ReasonCode::Usage,
                    "nothing to check",
                    "pass --range A..B, or --onto REV with --patches",
                ));
            }
        };
        let walk = walk.map_err(|error| history_reason(&error))?;
        let dirty = self.range.as_ref().map(|_| {
            let path = repo.path().to_owned();
            let thread = thread::spawn(move || {
                let repo = Repo::open(&path).map_err(|error| history_reason(&error))?;
                dirty(&repo)
            });
            let wait = move || {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            LazyCell::new(Box::new(wait) as Box<dyn FnOnce() -> _>)
        });
        Ok(Commits {
            repo,
            walk,
            dirty,
            _scratch: scratch,
        })
    }

    /// The files of the policy, of which nothing was read yet.
    pub(crate) fn policy_files<'a>(&self, commits: &'a Commits) -> Result<PolicyFiles<'a>, Reason> {
        PolicyFiles::new(&commits.repo, &commits.walk, self.policy_ref.as_deref())
    }

    /// The options that kabigate.toml has for a target, or for the one check without.
    pub(crate) fn options(
        &self,
        files: &PolicyFiles<'_>,
        target: Option<&str>,
    ) -> Result<Options, Reason> {
        Ok(self.find_settings(files)?.options(target))
    }

    /// The targets to check, by name; a single `None` stands for a check without targets.
    pub(crate) fn chosen(&self, commits: &Commits) -> Result<Vec<Option<String>>, Reason> {
        let settings = self.find_settings(&self.policy_files(commits)?)?;
        // A matrix without targets hands an empty name down.
        let named = self.targets.iter().filter(|name| !name.is_empty());
        let mut named: Vec<&str> = named.map(String::as_str).collect();
        if !self.baselines.is_empty() && !named.is_empty() {
            return Err(reason(
                ReasonCode::Usage,
                "a target has its own baseline",
                "leave --baseline (or KABIGATE_BASELINE) or --target (or KABIGATE_TARGET) out",
            ));
        }
        if named.is_empty() || named.contains(&"all") {
            named = settings.targets().collect();
        }
        named.sort_unstable();
        named.dedup();
        if named.is_empty() {
            return Ok(vec![None]);
        }
        let unknown = named
            .iter()
            .find(|name| !settings.targets().any(|t| t == **name));
        if let Some(name) = unknown {
            let known: Vec<&str> = settings.targets().collect();
            let near = did_you_mean(name, known.iter().copied());
            return Err(reason(
                ReasonCode::Usage,
                format!(
                    "no target `{name}` in {NAME}{near} (known are {})",
                    match known.is_empty() {
                        true => "none".to_owned(),
                        false => known.join(", "),
                    }
                ),
                "name a target of the file in the policy revision: [target.NAME]",
            ));
        }
        Ok(named
            .into_iter()
            .map(|name| Some(name.to_owned()))
            .collect())
    }

    /// The arguments that select just these commits, and the same policy, also after a branch went on; targets are left
    /// out.
    pub(crate) fn arguments(&self, commits: &Commits) -> Vec<String> {
        let walk = &commits.walk;
        let base = walk.base.id.as_str();
        let mut arguments = vec!["--tree".to_owned(), self.tree.display().to_string()];
        let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
        match (&self.patches, walk.commits.last()) {
            (Some(patches), _) => {
                add("--onto", base.to_owned());
                add("--patches", patches.display().to_string());
            }
            (None, Some(head)) => add("--range", format!("{base}..{}", head.id.as_str())),
            (None, None) => {}
        }
        for path in &self.baselines {
            add("--baseline", path.display().to_string());
        }
        if let Some(path) = &self.settings {
            add("--settings", path.display().to_string());
        }
        if let Some(rev) = &self.policy_ref {
            add("--policy-ref", rev.clone());
        }
        arguments
    }

    /// The settings of the baselines that are named, or else of those that the file has, or else of all that lie in
    /// `baselines/`.
    fn find_settings(&self, files: &PolicyFiles<'_>) -> Result<Settings, Reason> {
        let named = self.settings.as_deref();
        let first = self.baselines.first().map(PathBuf::as_path);
        let settings = Settings::find(named, &self.tree, first, files)?;
        if !self.baselines.is_empty() {
            settings.of(&self.baselines)
        } else if settings.names_a_baseline() {
            Ok(settings)
        } else {
            settings.of(&files.baselines_in(&self.default_baselines())?)
        }
    }

    /// The folder of the baselines that are checked against where nothing names one.
    pub(crate) fn default_baselines(&self) -> PathBuf {
        self.tree.join("baselines")
    }
}

/// Says that uncommitted changes are not checked.
pub(crate) fn dirty(repo: &Repo) -> Result<Option<String>, Reason> {
    let status = repo.status().map_err(|error| history_reason(&error))?;
    Ok((status.modified > 0).then(|| {
        format!(
            "{} files of the work tree have uncommitted changes, which are not checked: {}; commit them first",
            status.modified,
            status.first.join(", ")
        )
    }))
}
