//! `kabigate check`: a range of commits or a patch series against a baseline.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::baseline::stored_config;
use super::outputs::Outputs;
use super::policy_files::PolicyFiles;
use super::progress::Shown;
use super::sandbox::SandboxArgument;
use super::selection::{Commits, Selection};
use super::stdout::{note, warning};
use super::toolchain::{Build, Toolchain};
use super::{Context, Outcome, configs, decisions, interrupt, protect, reason, sandbox};
use crate::baseline::{Baseline, Inconsistency, verify};
use crate::check::{
    Gate, PART_SCHEMA, Part, RunId, Series, Shard, compute, kbuild_reason, line_digest,
    list_reasons, run, snapshot_reason, unchecked,
};
use crate::history::Walk;
use crate::kbuild::{Config, ConfigBase, ConfigSource, ConfigText, KbuildError};
use crate::modules::Database;
use crate::policy::{Decisions, ProtectedSet, RuleContext};
use crate::report::{Mode, PolicyFindings, Reason, ReasonCode, Report, ReportSet};
use crate::snapshot::Builder;

const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate check --range origin/main..HEAD --baseline baselines/x86_64
  kabigate check --tree linux --onto v6.1.176 --patches series/ --baseline baselines/x86_64 \\
      --modules drivers/ --output console --output junit:report.xml --output markdown:report.md
  kabigate check --range origin/main..HEAD --target all --output console --output 'json:reports/{target}.json'
  kabigate check --range origin/main..HEAD --target arm64 --shard 2/7 --output json:part-2.json",
    super::help::gate_codes!()
);

/// Check a range of commits or a patch series against a baseline
///
/// Every commit is compared with its first parent, so the commit that changes a protected symbol is named even when a
/// later one undoes it; and the tip is compared with the baseline, which decides the verdict.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    #[command(flatten)]
    selection: Selection,
    /// Compute only part I of N of the commits and write it with --output json:FILE; `kabigate merge` joins the parts to
    /// the report. Exit code 0 says that the part was computed, not that it passes
    #[arg(long, env = "KABIGATE_SHARD", value_name = "I/N")]
    shard: Option<Shard>,
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
        if self.shard.is_some() {
            self.outputs.check_part()?;
        }
        let selected = self.selection.commits();
        let selected = selected.and_then(|commits| {
            let targets = self.selection.chosen(&commits)?;
            if self.shard.is_some() && targets.len() > 1 {
                let next = "name it: --target NAME";
                let message = format!(
                    "a part is one of one target, and there are {}",
                    targets.len()
                );
                return Err(reason(ReasonCode::Usage, message, next));
            }
            Ok((commits, targets))
        });
        let (commits, targets) = match selected {
            Ok(selected) => selected,
            Err(reason) => {
                let mode = self.mode.unwrap_or(ModeArgument::Enforce);
                let report = self.refused(mode, None, vec![reason]);
                return self.outputs.write(context, &report);
            }
        };
        if targets.len() > 1 {
            self.outputs.check_set()?;
        }
        let mut reports = Vec::new();
        for target in targets {
            if let Some(name) = &target {
                note(context, &format!("target {name}"));
            }
            let mut warnings = Vec::new();
            let mut mode = self.mode.unwrap_or(ModeArgument::Enforce);
            let done = self.target(
                context,
                &commits,
                target.as_deref(),
                &mut mode,
                &mut warnings,
            );
            let done = match commits.dirty() {
                Ok(dirty) => {
                    warnings.splice(..0, dirty);
                    done
                }
                Err(reason) => done.and(Err(vec![reason])),
            };
            match done {
                Ok(Done::Part(part)) => {
                    for text in &warnings {
                        warning(context, text);
                    }
                    return self.outputs.write_part(context, &part);
                }
                Ok(Done::Report(report)) => reports.push(told(context, warnings, *report)),
                Err(reasons) => {
                    let report = self.refused(mode, target, interrupt::reasons(reasons));
                    reports.push(told(context, warnings, report));
                }
            }
        }
        match <[Report; 1]>::try_from(reports) {
            Ok([report]) => self.outputs.write(context, &report),
            Err(reports) => self.outputs.write_set(context, &ReportSet::new(reports)),
        }
    }

    fn refused(&self, mode: ModeArgument, target: Option<String>, reasons: Vec<Reason>) -> Report {
        let mut report = unchecked(mode.into(), self.per_commit, reasons);
        report.provenance.target = target;
        report
    }

    /// Everything up to the walk can fail as a whole; the reasons then are the report.
    fn target(
        &self,
        context: &Context,
        commits: &Commits,
        target: Option<&str>,
        mode: &mut ModeArgument,
        warnings: &mut Vec<String>,
    ) -> Result<Done, Vec<Reason>> {
        let one = |reason: Reason| vec![reason];
        let walk = &commits.walk;
        let files = self.selection.policy_files(commits).map_err(one)?;
        let options = self.options(&files, target).map_err(one)?;
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
            .decisions(&options, &baseline, &files, walk, warnings)
            .map_err(one)?;
        let (config, source) = self.config(&baseline, &options, &files).map_err(one)?;
        let arch = baseline.manifest.fingerprint.known_arch();
        let of_baseline = Build {
            arch: arch.map(str::to_owned),
            ..Build::default()
        };
        let settings = self
            .toolchain
            .settings(
                source,
                &options.build.clone().or(&of_baseline),
                options.sandbox,
            )
            .map_err(one)?;
        let cache = settings.cache.clone();
        let confined = sandbox::facts(&settings.make.sandbox);
        warnings.extend(confined.warning());
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
            target: target.map(str::to_owned),
            sandbox: Some(confined),
            policy: PolicyFindings {
                sources: files.sources(),
                edits: files.edits(),
                ..PolicyFindings::default()
            },
        };
        let series = Series {
            repo: &commits.repo,
            walk,
        };
        let done = match self.shard {
            None => Done::Report(Box::new(run(&gate, series, &mut builder))),
            Some(shard) => {
                let piece = compute(&gate, series, shard, &mut builder);
                if piece.is_interrupted() {
                    return Err(interrupt::reasons(Vec::new()));
                }
                let run = run_id(&gate, walk, &files).map_err(one)?;
                Done::Part(Box::new(Part {
                    schema: PART_SCHEMA.to_owned(),
                    shard,
                    run,
                    warnings: warnings.clone(),
                    piece,
                }))
            }
        };
        // The work area is left before the cache is looked after.
        drop(builder);
        let shortened = self.toolchain.shorten(cache.as_ref());
        warnings.extend(shortened);
        // Freeing it piece by piece is nothing to wait for.
        let _ = std::thread::Builder::new().spawn(move || drop((baseline, modules)));
        Ok(done)
    }

    /// The options: flags and environment before the settings file.
    fn options(
        &self,
        files: &PolicyFiles<'_>,
        target: Option<&str>,
    ) -> Result<CheckOptions, Reason> {
        let settings = self.selection.options(files, target)?;
        let either = |flags: &[PathBuf], file: Vec<PathBuf>| match flags {
            [] => file,
            flags => flags.to_vec(),
        };
        let baseline = settings.baseline.ok_or_else(|| {
            reason(
                ReasonCode::BaselineMissing,
                format!(
                    "no baseline is named, and {} holds none",
                    self.selection.default_baselines().display()
                ),
                "name one: --baseline DIR; or record one there and commit it before the change: kabigate baseline create",
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
            config: settings.config,
            build: settings.build,
            sandbox: settings.sandbox,
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
            arch: fingerprint.known_arch(),
            flavour: flavour.as_deref(),
        };
        let today = self.today.or_else(|| crate::check::day_of(walk));
        let read = |path: &Path| files.read(path);
        decisions::read(named, Some(baseline), &context, today, &read, warnings)
    }

    /// The baseline's configuration, which `--config` or the one of the settings must equal; that one, if the baseline was
    /// imported without.
    fn config(
        &self,
        baseline: &Baseline,
        options: &CheckOptions,
        files: &PolicyFiles<'_>,
    ) -> Result<(Config, ConfigSource), Reason> {
        let wrong = |error: KbuildError| kbuild_reason(&error);
        let named = match (&self.config, &options.config) {
            (Some(path), _) => Some(crate::kbuild::read_config(path).map_err(wrong)?),
            (None, Some(path)) => Some(ConfigText {
                bytes: files.read(path)?,
                label: path.display().to_string(),
            }),
            (None, None) => None,
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
}

/// What a check of one target comes to.
enum Done {
    Report(Box<Report>),
    Part(Box<Part>),
}

/// The report with what reading the inputs had to tell, which is also shown.
fn told(context: &Context, mut warnings: Vec<String>, mut report: Report) -> Report {
    for text in &warnings {
        warning(context, text);
    }
    warnings.append(&mut report.warnings);
    report.warnings = warnings;
    report
}

/// What tells this run apart from others.
fn run_id(gate: &Gate<'_>, walk: &Walk, files: &PolicyFiles<'_>) -> Result<RunId, Reason> {
    let id = |commit: &crate::history::Commit| commit.id.as_str().to_owned();
    let modules = gate
        .modules
        .write()
        .map_err(|error| crate::check::module_reason(&error))?;
    let mut protected: Vec<String> = gate.protected.symbols().map(str::to_owned).collect();
    protected.extend(
        gate.protected
            .lists()
            .iter()
            .map(|(name, count)| format!("{name}: {count}")),
    );
    let today = gate.decisions.today.map(|day| day.to_string());
    let mut beside: Vec<Vec<u8>> = [modules, protected.join("\n"), today.unwrap_or_default()]
        .map(String::into_bytes)
        .to_vec();
    beside.extend(gate.baseline.kept().map(<[u8]>::to_vec));
    let ids = walk.commits.iter().map(|commit| commit.id.as_str());
    Ok(RunId {
        tool: unchecked(gate.mode, gate.per_commit, Vec::new()).tool,
        target: gate.target.clone(),
        base: id(&walk.base),
        head: walk.commits.last().map(id).unwrap_or_default(),
        commits: walk.commits.len(),
        line: line_digest(ids),
        baseline: baseline_id(gate),
        policy: files.digest(beside.iter().map(Vec::as_slice)),
        mode: gate.mode,
        per_commit: gate.per_commit,
    })
}

/// The baseline of a run; where it holds no configuration, with the one that was named in its place.
fn baseline_id(gate: &Gate<'_>) -> String {
    let id = format!("{} {}", gate.baseline.name(), gate.baseline.digest);
    if gate.baseline.config.is_some() {
        return id;
    }
    // The whole text: an option that is not named gets its default, one that "is not set" does not.
    let digest = blake3::hash(gate.config.to_text().as_bytes()).to_hex();
    format!("{id} with configuration {}", &digest[..32])
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
    /// Configuration that the settings demand.
    config: Option<PathBuf>,
    /// How the settings call the kernel's build.
    build: Build,
    sandbox: Option<SandboxArgument>,
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
    let findings = set.check_against(
        &baseline.symvers,
        baseline
            .manifest
            .fingerprint
            .known_arch()
            .unwrap_or_default(),
    );
    let (reasons, missing) = list_reasons(&findings, options.allow_missing);
    warnings.extend(missing);
    if !reasons.is_empty() {
        return Err(reasons);
    }
    unversioned(set.symbols(), "protected", baseline)?;
    protect::add_module_layout(&mut set, &baseline.symvers);
    Ok(set)
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
