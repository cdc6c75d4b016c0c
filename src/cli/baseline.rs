//! `kabigate baseline`: record, show, verify and replace a baseline.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::check::inconsistent;
use super::decisions::from_disk;
use super::stdout::{error, note, print};
use super::symvers::Tree;
use super::toolchain::{Build, Toolchain};
use super::{Context, Outcome, configs, protect, reason};
use crate::baseline::{
    self, Baseline, CONFIG, Contents, Extra, MODULES, STABLELIST, create, replace, verify,
};
use crate::check::{baseline_reason, list_reasons, policy_reason};
use crate::compare::{Side, compare};
use crate::history::Commit;
use crate::kbuild::{ConfigBase, ConfigSource, ConfigText};
use crate::modules::{Database, Source};
use crate::policy::{ProtectedList, ProtectedSet};
use crate::report::{Reason, ReasonCode};
use crate::snapshot::Snapshot;

const SHOW_EXAMPLES: &str = concat!(
    "\
Example:
  kabigate baseline show baselines/x86_64",
    super::help::kernel_codes!()
);

const VERIFY_EXAMPLES: &str = "\
Example:
  kabigate baseline verify baselines/x86_64

Exit codes:
  0  every CRC follows from the stored types
  2  wrong usage, or an input that cannot be read
  3  the baseline is missing, empty or contradicts itself";

const UPDATE_EXAMPLES: &str = concat!(
    "\
Example:
  kabigate baseline update baselines/x86_64 --tree linux --rev v6.1.177",
    super::help::kernel_codes!()
);

const CREATE_EXAMPLES: &str = concat!(
    "\
Example:
  kabigate baseline create baselines/x86_64 --tree linux --rev v6.1.176 \\
      --config x86_64_defconfig --config modversions.config --protect stablelist --modules drivers/",
    super::help::kernel_codes!()
);

/// Record, show, verify or replace a baseline
#[derive(Debug, Subcommand)]
pub(crate) enum BaselineCommand {
    /// Record the ABI of a revision as a new baseline folder
    Create(Create),
    /// Say what a baseline was made of and what it protects
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Folder),
    /// Recompute every CRC of a baseline from its stored types
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Folder),
    /// Record another revision in place of the one that a baseline holds; lists, rules and modules stay
    Update(Update),
}

/// Record the ABI of a revision as a new baseline folder
#[derive(Args, Debug)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct Create {
    /// Folder to make
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    tree: Tree,
    #[arg(long = "config", value_name = "CONFIG", required = true, help = configs::HELP)]
    configs: Vec<String>,
    /// Protected list, stored as `stablelist`
    #[arg(long, value_name = "LIST")]
    protect: Option<PathBuf>,
    /// Accept listed symbols that the tree does not export
    #[arg(long)]
    allow_missing: bool,
    /// Third-party modules, stored as `modules.json`: a .ko file or a folder; repeatable
    #[arg(long, value_name = "PATH")]
    modules: Vec<PathBuf>,
    #[command(flatten)]
    toolchain: Toolchain,
}

/// A baseline folder.
#[derive(Args, Debug)]
pub(crate) struct Folder {
    /// Baseline folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Record another revision in place of the one that a baseline holds
#[derive(Args, Debug)]
#[command(after_help = UPDATE_EXAMPLES)]
pub(crate) struct Update {
    /// Baseline folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    tree: Tree,
    #[arg(
        long = "config",
        value_name = "CONFIG",
        help = "Another configuration than the baseline's; repeatable, as with `create`"
    )]
    configs: Vec<String>,
    #[command(flatten)]
    toolchain: Toolchain,
}

impl BaselineCommand {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        match self {
            BaselineCommand::Create(command) => command.run(context),
            BaselineCommand::Show(command) => command.show(),
            BaselineCommand::Verify(command) => command.verify(context),
            BaselineCommand::Update(command) => command.run(context),
        }
    }
}

impl Create {
    fn run(&self, context: &Context) -> Outcome {
        if self.folder.exists() {
            return Err(baseline_reason(&baseline::BaselineError::Exists {
                path: self.folder.clone(),
            }));
        }
        let list = self.list()?;
        let settings =
            self.toolchain
                .settings(configs::read(&self.configs)?, &Build::default(), None)?;
        let mut extras = Vec::new();
        if !self.modules.is_empty() {
            extras.push(Extra {
                file: MODULES,
                content: self.modules()?.into_bytes(),
            });
        }
        let (snapshot, commit) = self.tree.snapshot(context, settings, &self.toolchain)?;
        if let Some((list, content)) = list {
            check_list(context, list, &snapshot, self.allow_missing)?;
            extras.push(Extra {
                file: STABLELIST,
                content,
            });
        }
        let config = snapshot.config.to_text();
        create(
            &self.folder,
            contents(&snapshot, commit.as_ref(), &config),
            &extras,
        )
        .map_err(|error| baseline_reason(&error))?;
        note(
            context,
            &format!(
                "recorded {} symbols in {}",
                snapshot.symvers.len(),
                self.folder.display()
            ),
        );
        if self.protect.is_none() {
            let next = "next: write the symbols to protect into its `stablelist`, one a line, or take them from modules: `kabigate modules suggest`";
            note(context, next);
        }
        let step = format!(
            "next: commit {0}, then `kabigate check --range REV..HEAD --baseline {0}`",
            self.folder.display()
        );
        note(context, &step);
        Ok(0)
    }

    fn list(&self) -> Result<Option<(ProtectedList, Vec<u8>)>, Reason> {
        let Some(path) = &self.protect else {
            return Ok(None);
        };
        let list = ProtectedList::load(path).map_err(|error| policy_reason(&error))?;
        let content = std::fs::read(path).map_err(|error| {
            reason(
                ReasonCode::InputInvalid,
                format!("{}: {error}", path.display()),
                "",
            )
        })?;
        Ok(Some((list, content)))
    }

    fn modules(&self) -> Result<String, Reason> {
        let mut database = Database::default();
        protect::scan(
            &mut database,
            &self.modules,
            &Source::default(),
            &mut Vec::new(),
        )?;
        database
            .write()
            .map_err(|error| crate::check::module_reason(&error))
    }
}

fn check_list(
    context: &Context,
    list: ProtectedList,
    snapshot: &Snapshot,
    allow_missing: bool,
) -> Result<(), Reason> {
    let set = ProtectedSet::union([list]);
    let findings = set.check_against(&snapshot.symvers, &snapshot.fingerprint.arch);
    let (mut reasons, warnings) = list_reasons(&findings, allow_missing);
    for warning in warnings {
        super::stdout::warning(context, &warning);
    }
    let last = reasons.pop();
    for reason in &reasons {
        error(context, reason);
    }
    last.map_or(Ok(()), Err)
}

fn contents<'a>(
    snapshot: &'a Snapshot,
    commit: Option<&'a Commit>,
    config: &'a str,
) -> Contents<'a> {
    Contents {
        fingerprint: &snapshot.fingerprint,
        commit: commit.map(|commit| commit.id.as_str()),
        symvers: &snapshot.symvers,
        types: &snapshot.types,
        config: config.as_bytes(),
        crcs_enforced: snapshot.crcs_enforced(),
    }
}

impl Folder {
    fn load(&self) -> Result<Baseline, Reason> {
        Baseline::load(&self.folder).map_err(|error| baseline_reason(&error))
    }

    fn show(&self) -> Outcome {
        let baseline = self.load()?;
        let mut warnings = Vec::new();
        let protected = protect::lists(&baseline, &[], &from_disk, &mut warnings)?;
        let modules = protect::database(&baseline, &[], &mut warnings)?;
        let fingerprint = &baseline.manifest.fingerprint;
        let mut text = String::new();
        for (name, value) in [
            ("baseline", baseline.name()),
            (
                "kernel",
                format!("{} ({})", fingerprint.release, fingerprint.arch),
            ),
            (
                "commit",
                baseline
                    .manifest
                    .commit
                    .clone()
                    .unwrap_or_else(|| "not of a git tree".to_owned()),
            ),
            ("config", fingerprint.config.clone()),
            ("compiler", fingerprint.compiler.clone()),
            ("CRCs", baseline.manifest.crc_algorithm()),
            ("made by", format!("kabigate {}", baseline.manifest.tool)),
            ("symbols", baseline.symvers.len().to_string()),
            ("protected", protected.len().to_string()),
            ("modules", modules.len().to_string()),
        ] {
            let _ = writeln!(text, "{name:<10} {value}");
        }
        print(&text);
        Ok(0)
    }

    fn verify(&self, context: &Context) -> Outcome {
        let baseline = self.load()?;
        let wrong = verify(&baseline, |_| true);
        for inconsistency in &wrong {
            error(context, &inconsistent(inconsistency));
        }
        let versioned = baseline
            .symvers
            .iter()
            .filter(|export| !export.crc.is_unversioned())
            .count();
        let unversioned = baseline.symvers.len() - versioned;
        print(&format!(
            "{} of {versioned} CRCs agree with the stored types, {unversioned} symbols have no CRC\n",
            versioned - wrong.len()
        ));
        Ok(if wrong.is_empty() {
            0
        } else {
            ReasonCode::BaselineInconsistent.exit_code()
        })
    }
}

impl Update {
    fn run(&self, context: &Context) -> Outcome {
        let old = Baseline::load(&self.folder).map_err(|error| baseline_reason(&error))?;
        let source = if self.configs.is_empty() {
            stored_config(&old, &self.folder)
        } else {
            configs::read(&self.configs)?
        };
        let build = Build {
            arch: Some(old.manifest.fingerprint.arch.clone()),
            ..Build::default()
        };
        let settings = self.toolchain.settings(source, &build, None)?;
        let (snapshot, commit) = self.tree.snapshot(context, settings, &self.toolchain)?;
        let config = snapshot.config.to_text();
        replace(
            &self.folder,
            contents(&snapshot, commit.as_ref(), &config),
            &[],
        )
        .map_err(|error| baseline_reason(&error))?;
        let comparison = compare(
            Side {
                symvers: &old.symvers,
                types: &old.types,
            },
            Side {
                symvers: &snapshot.symvers,
                types: &snapshot.types,
            },
        );
        let protected = protect::lists(&old, &[], &from_disk, &mut Vec::new())?;
        let changed = comparison
            .changes
            .keys()
            .filter(|symbol| protected.contains(symbol))
            .count();
        note(
            context,
            &format!(
                "{} symbols changed, {changed} of them protected; {} now holds {} symbols",
                comparison.changes.len(),
                self.folder.display(),
                snapshot.symvers.len()
            ),
        );
        Ok(0)
    }
}

/// The configuration that the baseline was made with.
pub(crate) fn stored_config(baseline: &Baseline, folder: &Path) -> ConfigSource {
    let label = folder.join(CONFIG).display().to_string();
    ConfigSource {
        base: ConfigBase::Text(ConfigText {
            bytes: baseline.config.clone(),
            label,
        }),
        fragments: Vec::new(),
    }
}
