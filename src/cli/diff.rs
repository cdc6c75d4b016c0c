//! `kabigate diff`: two kernels against each other, without a range of commits.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use super::check::ModeArgument;
use super::outputs::Outputs;
use super::stdout::warning;
use super::{Context, Outcome, decisions, leave, protect, reason};
use crate::baseline::{Candidate, CandidateError};
use crate::check::{Pair, candidate_reason, diff, list_reasons, unchecked};
use crate::modules::Database;
use crate::policy::{Decisions, ProtectedSet, RuleContext};
use crate::report::{Reason, ReasonCode, Report};

const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate diff linux-headers-6.1.0-49-amd64.deb linux-headers-6.1.0-50-amd64.deb
  kabigate diff baselines/x86_64 /lib/modules/6.1.0-50-amd64 --protect stablelist --modules drivers/
  kabigate diff old/Module.symvers new/Module.symvers --output symbols --output json:report.json",
    super::help::gate_codes!()
);

/// Compare two kernels
///
/// OLD and NEW each are what holds the exports of a kernel: a Module.symvers (plain, .gz, .xz or .zst), a baseline
/// folder, a headers package (unpacked or .deb), a build tree, or a /lib/modules/RELEASE folder. Types are read from
/// `symtypes` files beside, and tell which definitions changed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Diff {
    /// The old kernel
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The new kernel
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Types of the old kernel, if they do not stand beside it
    #[arg(long, value_name = "PATH")]
    old_symtypes: Option<PathBuf>,
    /// Types of the new kernel, if they do not stand beside it
    #[arg(long, value_name = "PATH")]
    new_symtypes: Option<PathBuf>,
    /// Protected list; repeatable. Without one every symbol of OLD is protected
    #[arg(long, value_name = "LIST")]
    protect: Vec<PathBuf>,
    /// Protect the symbols that modules import: a .ko file or a folder; repeatable
    #[arg(long, value_name = "PATH")]
    protect_imports: Vec<PathBuf>,
    /// Severity rules: rules.toml, SUSE severities, Debian or Ubuntu ignore files; repeatable, the first rule that
    /// matches decides
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Approvals; repeatable
    #[arg(long, value_name = "FILE")]
    approvals: Vec<PathBuf>,
    /// Android allowed_breaks file: named beside what could be approved, approves nothing; repeatable
    #[arg(long, value_name = "FILE")]
    allowed_breaks: Vec<PathBuf>,
    /// Day on which approvals must hold; without it those that expire have expired
    #[arg(long, env = "KABIGATE_TODAY", value_name = "YYYY-MM-DD", value_parser = decisions::day)]
    today: Option<time::Date>,
    /// Accept listed symbols that OLD does not export
    #[arg(long)]
    allow_missing: bool,
    /// Third-party modules: a .ko file or a folder; repeatable
    #[arg(long, value_name = "PATH")]
    modules: Vec<PathBuf>,
    /// Whether breaks fail the run; `observe` reports the same and exits 0 for them
    #[arg(long, value_enum, env = "KABIGATE_MODE", default_value_t = ModeArgument::Enforce)]
    mode: ModeArgument,
    #[command(flatten)]
    outputs: Outputs,
}

impl Diff {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        self.outputs.check()?;
        let mut warnings = Vec::new();
        let mut report = match self.report(&mut warnings) {
            Ok(report) => report,
            Err(reasons) => unchecked(self.mode.into(), false, reasons),
        };
        for text in warnings.iter().chain(&report.warnings) {
            warning(context, text);
        }
        warnings.append(&mut report.warnings);
        report.warnings = warnings;
        let outcome = self.outputs.write(context, &report);
        leave(report);
        outcome
    }

    fn report(&self, warnings: &mut Vec<String>) -> Result<Report, Vec<Reason>> {
        let (base, head) = self.sides()?;
        warnings.extend(base.warnings.iter().chain(&head.warnings).cloned());
        let protected = self.protected(&base, warnings)?;
        let mut modules = Database::default();
        protect::scan_all(&mut modules, &self.modules, warnings).map_err(|reason| vec![reason])?;
        let imported = modules.list().flat_map(|entry| entry.module.imports.keys());
        let imported: BTreeSet<&str> = imported.map(String::as_str).collect();
        let reasons = unversioned(imported.into_iter(), "imported", &base);
        if !reasons.is_empty() {
            return Err(reasons);
        }
        let decisions = self
            .decisions(&base, warnings)
            .map_err(|reason| vec![reason])?;
        let report = diff(&Pair {
            base: &base,
            head: &head,
            protected: &protected,
            modules: &modules,
            decisions: &decisions,
            mode: self.mode.into(),
        });
        leave((base, head, protected));
        Ok(report)
    }

    /// Both kernels, or all that keeps them from being read.
    fn sides(&self) -> Result<(Candidate, Candidate), Vec<Reason>> {
        let wrong = |error: CandidateError| candidate_reason(&error);
        let new_types = self.new_symtypes.as_deref();
        match Candidate::load(&self.old, self.old_symtypes.as_deref()) {
            Ok(base) => base
                .beside(&self.new, new_types)
                .map_err(|error| vec![wrong(error)]),
            Err(error) => {
                let other = Candidate::load(&self.new, new_types).err();
                Err([error].into_iter().chain(other).map(wrong).collect())
            }
        }
    }

    fn decisions(&self, base: &Candidate, warnings: &mut Vec<String>) -> Result<Decisions, Reason> {
        let named = decisions::Named {
            rules: &self.rules,
            approvals: &self.approvals,
            allowed_breaks: &self.allowed_breaks,
        };
        let fingerprint = base.manifest.as_ref().map(|manifest| &manifest.fingerprint);
        let flavour = fingerprint.and_then(|of| decisions::flavour(&of.release));
        let context = RuleContext {
            arch: fingerprint.map(|of| of.arch.as_str()),
            flavour: flavour.as_deref(),
        };
        let read = &decisions::from_disk;
        decisions::read(named, None, &context, self.today, read, warnings)
    }

    fn protected(
        &self,
        base: &Candidate,
        warnings: &mut Vec<String>,
    ) -> Result<ProtectedSet, Vec<Reason>> {
        if self.protect.is_empty() && self.protect_imports.is_empty() {
            return Ok(ProtectedSet::every_export(
                &base.symvers,
                "(every symbol of OLD)",
            ));
        }
        let mut set = protect::named(&self.protect, warnings).map_err(|reason| vec![reason])?;
        protect::imports(&mut set, &self.protect_imports, &base.symvers, warnings)
            .map_err(|reason| vec![reason])?;
        let arch = base
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.fingerprint.known_arch())
            .unwrap_or_default();
        let (mut reasons, missing) =
            list_reasons(&set.check_against(&base.symvers, arch), self.allow_missing);
        warnings.extend(missing);
        reasons.extend(unversioned(set.symbols(), "protected", base));
        protect::add_module_layout(&mut set, &base.symvers);
        if reasons.is_empty() {
            Ok(set)
        } else {
            Err(reasons)
        }
    }
}

/// Symbols without CRC that somebody relies on: a change of their types would go unnoticed.
fn unversioned<'s>(
    symbols: impl Iterator<Item = &'s str>,
    standing: &str,
    base: &Candidate,
) -> Vec<Reason> {
    let has_none = |symbol: &&str| {
        base.symvers
            .get(symbol)
            .is_some_and(|export| export.crc.is_unversioned())
    };
    symbols
        .filter(has_none)
        .map(|symbol| {
            reason(
                ReasonCode::CrcUnversioned,
                format!("the {standing} symbol {symbol} has no CRC in OLD, so its changes cannot be checked"),
                "give the assembly export a prototype in asm-prototypes.h, or take the symbol off the list",
            )
        })
        .collect()
}
