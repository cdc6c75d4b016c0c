//! `kabigate check`: a range of commits or a patch series against a baseline.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::baseline::stored_config;
use super::outputs::Outputs;
use super::policy_files::PolicyFiles;
use super::progress::Shown;
use super::settings::Settings;
use super::stdout::warning;
use super::toolchain::Toolchain;
use super::{Context, Outcome, configs, decisions, interrupt, protect, reason};
use crate::baseline::{Baseline, Inconsistency, verify};
use crate::check::{
    Gate, Series, history_reason, kbuild_reason, list_reasons, run, snapshot_reason, unchecked,
};
use crate::history::{Repo, Walk};
use crate::kbuild::{Config, ConfigBase, ConfigSource, KbuildError};
use crate::modules::Database;
use crate::policy::{Decisions, ProtectedSet, RuleContext};
use crate::report::{Mode, Reason, ReasonCode, Report};
use crate::snapshot::{Builder, UNKNOWN};

const EXAMPLES: &str = "\
Examples:
  kabigate check --range origin/main..HEAD --baseline baselines/x86_64
  kabigate check --tree linux --onto v6.1.176 --patches series/ --baseline baselines/x86_64 \\
      --modules drivers/ --output console --output junit:report.xml --output markdown:report.md";

/// Check a range of commits or a patch series against a baseline
///
/// Every commit is compared with its first parent, so the commit that changes a protected symbol is named even when a
/// later one undoes it; and the tip is compared with the baseline, which decides the verdict.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    /// Git tree of the kernel
    #[arg(long, value_name = "DIR", default_value = ".")]
    tree: PathBuf,
    /// Commits to check; a missing side stands for HEAD
    #[arg(long, value_name = "A..B", required_unless_present = "patches", conflicts_with_all = ["onto", "patches"])]
    range: Option<String>,
    /// Revision that the patch series applies to
    #[arg(long, value_name = "REV", requires = "patches")]
    onto: Option<String>,
    /// Patch series: a folder of patches, a quilt series, or an mbox
    #[arg(long, value_name = "DIR|MBOX", requires = "onto")]
    patches: Option<PathBuf>,
    /// Baseline folder
    #[arg(long, env = "KABIGATE_BASELINE", value_name = "DIR")]
    baseline: Option<PathBuf>,
    /// Revision that baseline, lists, rules, approvals and kabigate.toml are read from, as far as they lie in the tree
    /// [default: the commit before those that are checked]
    #[arg(long, env = "KABIGATE_POLICY_REF", value_name = "REV")]
    policy_ref: Option<String>,
    /// File with options of a check [default: kabigate.toml beside the baseline, or in baselines/ or at the top of the tree]
    #[arg(long, env = "KABIGATE_SETTINGS", value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Protected list beside the baseline's own `stablelist`; repeatable
    #[arg(long, value_name = "LIST")]
    protect: Vec<PathBuf>,
    /// Protect the symbols that modules import: a .ko file or a folder; repeatable
    #[arg(long, value_name = "PATH")]
    protect_imports: Vec<PathBuf>,
    /// Severity rules before the baseline's own `rules.toml`: rules.toml, SUSE severities, Debian or Ubuntu ignore files;
    /// repeatable, the first rule that matches decides
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Approvals beside the baseline's own `approvals.toml`; repeatable
    #[arg(long, value_name = "FILE")]
    approvals: Vec<PathBuf>,
    /// Android allowed_breaks file: named beside what could be approved, approves nothing; repeatable
    #[arg(long, value_name = "FILE")]
    allowed_breaks: Vec<PathBuf>,
    /// Day on which approvals must hold [default: that of the newest of the first and the last commit]
    #[arg(long, env = "KABIGATE_TODAY", value_name = "YYYY-MM-DD", value_parser = decisions::day)]
    today: Option<time::Date>,
    /// Accept listed symbols that the baseline does not export
    #[arg(long)]
    allow_missing: bool,
    /// Third-party modules beside the baseline's `modules.json`: a .ko file or a folder; repeatable
    #[arg(long, value_name = "PATH")]
    modules: Vec<PathBuf>,
    /// Configuration that the baseline must have been made with
    #[arg(
        long,
        value_name = "CONFIG",
        help = "Configuration that the baseline must have been made with: a .config file or a headers package"
    )]
    config: Option<PathBuf>,
    /// Whether breaks fail the run; `observe` reports the same and exits 0 for them [default: enforce]
    #[arg(long, value_enum, env = "KABIGATE_MODE", value_name = "MODE")]
    mode: Option<ModeArgument>,
    /// Fail also for a break that a later commit of the range undoes
    #[arg(long)]
    per_commit: bool,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    toolchain: Toolchain,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ModeArgument {
    Enforce,
    Observe,
}

impl ModeArgument {
    /// Reads the spelling of the command line.
    pub(crate) fn from_word(word: &str) -> Option<ModeArgument> {
        ModeArgument::from_str(word, false).ok()
    }
}

impl From<ModeArgument> for Mode {
    fn from(mode: ModeArgument) -> Mode {
        match mode {
            ModeArgument::Enforce => Mode::Enforce,
            ModeArgument::Observe => Mode::Observe,
        }
    }
}

impl Check {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        self.outputs.check()?;
        let mut warnings = Vec::new();
        let mut mode = self.mode.unwrap_or(ModeArgument::Enforce);
        let mut report = match self.report(context, &mut mode, &mut warnings) {
            Ok(report) => report,
            Err(reasons) => unchecked(mode.into(), self.per_commit, interrupt::reasons(reasons)),
        };
        for text in &warnings {
            warning(context, text);
        }
        warnings.append(&mut report.warnings);
        report.warnings = warnings;
        self.outputs.write(context, &report)
    }

    /// Everything up to the walk can fail as a whole; the reasons then are the report.
    fn report(
        &self,
        context: &Context,
        mode: &mut ModeArgument,
        warnings: &mut Vec<String>,
    ) -> Result<Report, Vec<Reason>> {
        let one = |reason: Reason| vec![reason];
        let (repo, walk, _scratch) = self.walk(warnings).map_err(one)?;
        let files = PolicyFiles::new(&repo, &walk, self.policy_ref.as_deref()).map_err(one)?;
        let options = self.options(&files).map_err(one)?;
        *mode = options.mode;
        let baseline = files.baseline(&options.baseline).map_err(one)?;
        warnings.extend(baseline.warnings.iter().cloned());
        let protected = protected(&options, &baseline, &files, warnings)?;
        for path in &options.modules {
            files.untouched(path, "--modules").map_err(one)?;
        }
        let modules = protect::database(&baseline, &options.modules, warnings).map_err(one)?;
        unversioned(imported(&modules).into_iter(), "imported", &baseline)?;
        consistent(&baseline, &protected, &modules)?;
        let decisions = self
            .decisions(&options, &baseline, &files, &walk, warnings)
            .map_err(one)?;
        let (config, source) = self.config(&baseline).map_err(one)?;
        let arch = baseline.manifest.fingerprint.arch.as_str();
        let settings = self
            .toolchain
            .settings(source, Some(arch).filter(|arch| *arch != UNKNOWN))
            .map_err(|reason| vec![reason])?;
        let cache = settings.cache.clone();
        let progress = Shown::new(context);
        let mut builder = Builder::new(settings, &progress)
            .map_err(|error| vec![snapshot_reason(&error, None)])?;
        let gate = Gate {
            baseline: &baseline,
            config: &config,
            protected: &protected,
            modules: &modules,
            decisions: &decisions,
            mode: options.mode.into(),
            per_commit: options.per_commit,
        };
        let series = Series {
            repo: &repo,
            walk: &walk,
        };
        let mut report = run(&gate, series, &mut builder);
        report.policy.sources = files.sources();
        report.policy.edits = files.edits();
        warnings.extend(self.toolchain.shorten(cache.as_ref()));
        Ok(report)
    }

    /// The options: flags and environment before the settings file.
    fn options(&self, files: &PolicyFiles<'_>) -> Result<CheckOptions, Reason> {
        let baseline = self.baseline.as_deref();
        let settings = Settings::find(self.settings.as_deref(), &self.tree, baseline, files)?;
        let either = |flags: &[PathBuf], file: Vec<PathBuf>| match flags {
            [] => file,
            flags => flags.to_vec(),
        };
        let baseline = self.baseline.clone().or(settings.baseline).ok_or_else(|| {
            reason(
                ReasonCode::Usage,
                "no baseline is named",
                "pass --baseline DIR, or write `baseline = \"DIR\"` into kabigate.toml",
            )
        })?;
        let mode = self.mode.or(settings.mode);
        Ok(CheckOptions {
            baseline,
            protect: either(&self.protect, settings.protect),
            protect_imports: either(&self.protect_imports, settings.protect_imports),
            allow_missing: self.allow_missing || settings.allow_missing.unwrap_or_default(),
            rules: either(&self.rules, settings.rules),
            approvals: either(&self.approvals, settings.approvals),
            allowed_breaks: either(&self.allowed_breaks, settings.allowed_breaks),
            modules: either(&self.modules, settings.modules),
            mode: mode.unwrap_or(ModeArgument::Enforce),
            per_commit: self.per_commit || settings.per_commit.unwrap_or_default(),
        })
    }

    fn decisions(
        &self,
        options: &CheckOptions,
        baseline: &Baseline,
        files: &PolicyFiles<'_>,
        walk: &Walk,
        warnings: &mut Vec<String>,
    ) -> Result<Decisions, Reason> {
        let named = decisions::Named {
            rules: &options.rules,
            approvals: &options.approvals,
            allowed_breaks: &options.allowed_breaks,
        };
        let fingerprint = &baseline.manifest.fingerprint;
        let flavour = decisions::flavour(&fingerprint.release);
        let context = RuleContext {
            arch: Some(&fingerprint.arch),
            flavour: flavour.as_deref(),
        };
        let today = self.today.or_else(|| crate::check::day_of(walk));
        let read = |path: &Path| files.read(path);
        decisions::read(named, Some(baseline), &context, today, &read, warnings)
    }

    /// The baseline's configuration, which `--config` must equal, or in its place that of `--config`.
    fn config(&self, baseline: &Baseline) -> Result<(Config, ConfigSource), Reason> {
        let wrong = |error: KbuildError| kbuild_reason(&error);
        let named = match &self.config {
            Some(path) => Some(crate::kbuild::read_config(path).map_err(wrong)?),
            None => None,
        };
        let stored = stored_config(baseline, &baseline.path);
        let text = stored.clone().or_else(|| named.clone()).ok_or_else(|| {
            reason(
                ReasonCode::BaselineMismatch,
                format!(
                    "the baseline {} was imported without a configuration",
                    baseline.name()
                ),
                "name the configuration that the kernel was built with: --config FILE",
            )
        })?;
        let config = Config::parse(&text.bytes, &text.label).map_err(wrong)?;
        if let (Some(_), Some(named)) = (stored, named) {
            let other = Config::parse(&named.bytes, &named.label).map_err(wrong)?;
            configs::equal(&config, &other, &baseline.name())?;
        }
        let source = ConfigSource {
            base: ConfigBase::Text(text),
            fragments: Vec::new(),
        };
        Ok((config, source))
    }

    /// The commits, and the folder that a patch series was applied in.
    fn walk(&self, warnings: &mut Vec<String>) -> Result<(Repo, Walk, tempfile::TempDir), Reason> {
        let repo = Repo::open(&self.tree).map_err(|error| history_reason(&error))?;
        let scratch = tempfile::tempdir().map_err(|error| {
            reason(
                ReasonCode::InputInvalid,
                format!("temporary folder: {error}"),
                "",
            )
        })?;
        let walk = match (&self.range, &self.onto, &self.patches) {
            (Some(range), _, _) => {
                warnings.extend(dirty(&repo)?);
                repo.range(range)
            }
            (None, Some(onto), Some(patches)) => repo.series(onto, patches, scratch.path()),
            _ => {
                return Err(reason(
                    ReasonCode::Usage,
                    "nothing to check",
                    "pass --range A..B, or --onto REV with --patches",
                ));
            }
        };
        Ok((repo, walk.map_err(|error| history_reason(&error))?, scratch))
    }
}

/// Options after flags, environment and settings file.
struct CheckOptions {
    baseline: PathBuf,
    protect: Vec<PathBuf>,
    protect_imports: Vec<PathBuf>,
    allow_missing: bool,
    rules: Vec<PathBuf>,
    approvals: Vec<PathBuf>,
    allowed_breaks: Vec<PathBuf>,
    modules: Vec<PathBuf>,
    mode: ModeArgument,
    per_commit: bool,
}

/// The protected symbols, each of which must be checkable.
fn protected(
    options: &CheckOptions,
    baseline: &Baseline,
    files: &PolicyFiles<'_>,
    warnings: &mut Vec<String>,
) -> Result<ProtectedSet, Vec<Reason>> {
    let one = |reason: Reason| vec![reason];
    let read = |path: &Path| files.read(path);
    let mut set = protect::lists(baseline, &options.protect, &read, warnings).map_err(one)?;
    for path in &options.protect_imports {
        files.untouched(path, "--protect-imports").map_err(one)?;
    }
    protect::imports(
        &mut set,
        &options.protect_imports,
        &baseline.symvers,
        warnings,
    )
    .map_err(one)?;
    let findings = set.check_against(&baseline.symvers, &baseline.manifest.fingerprint.arch);
    let (reasons, missing) = list_reasons(&findings, options.allow_missing);
    warnings.extend(missing);
    if !reasons.is_empty() {
        return Err(reasons);
    }
    unversioned(set.symbols(), "protected", baseline)?;
    protect::add_module_layout(&mut set, &baseline.symvers);
    Ok(set)
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

/// Refuses symbols without CRC that somebody relies on: a change of their types would go unnoticed.
fn unversioned<'s>(
    symbols: impl Iterator<Item = &'s str>,
    standing: &str,
    baseline: &Baseline,
) -> Result<(), Vec<Reason>> {
    let has_none = |symbol: &&str| {
        baseline
            .symvers
            .get(symbol)
            .is_some_and(|export| export.crc.is_unversioned())
    };
    let reasons: Vec<Reason> = symbols
        .filter(has_none)
        .map(|symbol| {
            reason(
                ReasonCode::CrcUnversioned,
                format!("the {standing} symbol {symbol} has no CRC in the baseline, so its changes cannot be checked"),
                "give the assembly export a prototype in asm-prototypes.h, or take the symbol off the list or its module out of the database",
            )
        })
        .collect();
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(reasons)
    }
}

/// The symbols that known modules import, each once.
fn imported(modules: &Database) -> BTreeSet<&str> {
    modules
        .list()
        .flat_map(|entry| entry.module.imports.keys().map(String::as_str))
        .collect()
}

/// Refuses symbols whose stored CRC is not the one of their stored types: a baseline that lies passes everything.
fn consistent(
    baseline: &Baseline,
    protected: &ProtectedSet,
    modules: &Database,
) -> Result<(), Vec<Reason>> {
    let wrong = verify(baseline, |symbol| {
        protected.contains(symbol) || modules.users(symbol).next().is_some()
    });
    let reasons: Vec<Reason> = wrong.iter().map(inconsistent).collect();
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(reasons)
    }
}

/// One symbol whose stored CRC and types disagree.
pub(crate) fn inconsistent(wrong: &Inconsistency) -> Reason {
    let computed = match &wrong.computed {
        Ok(crc) => crc.to_string(),
        Err(error) => error.to_string(),
    };
    Reason {
        expected: Some(format!("{} (Module.symvers)", wrong.stored)),
        found: Some(format!("{computed} (symtypes.zst)")),
        ..reason(
            ReasonCode::BaselineInconsistent,
            format!("the baseline contradicts itself about {}", wrong.symbol),
            "restore the folder from git, or record it again with `kabigate baseline update`",
        )
    }
}
