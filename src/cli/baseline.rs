//! `kabigate baseline`: record, show, verify and replace a baseline.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::check::inconsistent;
use super::decisions::from_disk;
use super::import::Import;
use super::stdout::{error, note, print, warning};
use super::symvers::Tree;
use super::toolchain::{Build, Toolchain};
use super::update::Update;
use super::{Context, Outcome, configs, protect, reason};
use crate::baseline::{
    self, Baseline, CONFIG, Contents, Extra, MODULES, STABLELIST, UPDATES, can_verify, create,
    read_updates, verify,
};
use crate::check::{baseline_reason, list_reasons, policy_reason};
use crate::history::Commit;
use crate::kbuild::ConfigText;
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
    /// Record another revision in place of the one that a baseline holds, and what that accepts; lists, rules and modules
    /// stay
    Update(Box<Update>),
    /// Record exports that another program computed as a new baseline folder
    Import(Import),
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

impl BaselineCommand {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        match self {
            BaselineCommand::Create(command) => command.run(context),
            BaselineCommand::Show(command) => command.show(),
            BaselineCommand::Verify(command) => command.verify(context),
            BaselineCommand::Update(command) => command.run(context),
            BaselineCommand::Import(command) => command.run(context),
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
                content: protect::scanned(&self.modules)?.into_bytes(),
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
    for text in &warnings {
        warning(context, text);
    }
    let last = reasons.pop();
    for reason in &reasons {
        error(context, reason);
    }
    last.map_or(Ok(()), Err)
}

/// What a snapshot puts into a baseline.
pub(crate) fn contents<'a>(
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
        let updates = match baseline.optional(UPDATES) {
            Some(bytes) => read_updates(bytes)
                .map_err(|error| baseline_reason(&error))?
                .len(),
            None => 0,
        };
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
            (
                "source",
                match &baseline.manifest.imported_from {
                    Some(from) => format!("imported from {from}"),
                    None => "computed from source".to_owned(),
                },
            ),
            (
                "types",
                match baseline.types.units().len() {
                    0 => "none".to_owned(),
                    units => format!("of {units} units"),
                },
            ),
            ("symbols", baseline.symvers.len().to_string()),
            ("protected", protected.len().to_string()),
            ("modules", modules.len().to_string()),
            ("updates", updates.to_string()),
        ] {
            let _ = writeln!(text, "{name:<10} {value}");
        }
        print(&text);
        Ok(0)
    }

    fn verify(&self, context: &Context) -> Outcome {
        let baseline = self.load()?;
        let wrong = verify(&baseline, |_| true);
        let imported = |symbol: &str| !can_verify(&baseline, symbol);
        for inconsistency in &wrong {
            error(context, &inconsistent(inconsistency));
        }
        let versioned = baseline
            .symvers
            .iter()
            .filter(|export| !export.crc.is_unversioned())
            .count();
        let unversioned = baseline.symvers.len() - versioned;
        let all = baseline.symvers.iter();
        let all = all.filter(|export| !export.crc.is_unversioned());
        let unknown = all.filter(|export| imported(&export.symbol)).count();
        print(&format!(
            "{} of {versioned} CRCs agree with the stored types, {unversioned} symbols have no CRC\n",
            versioned - wrong.len() - unknown
        ));
        if unknown > 0 {
            warning(
                context,
                &format!("of {unknown} symbols the baseline was imported without types"),
            );
        }
        Ok(if wrong.is_empty() && unknown < versioned {
            0
        } else {
            ReasonCode::BaselineInconsistent.exit_code()
        })
    }
}

/// The configuration that the baseline was made with; none if it was imported without.
pub(crate) fn stored_config(baseline: &Baseline, folder: &Path) -> Option<ConfigText> {
    let label = folder.join(CONFIG).display().to_string();
    let bytes = baseline.config.clone()?;
    Some(ConfigText { bytes, label })
}
