//! `kabigate baseline import`: a baseline of exports that another program recorded.

use std::path::PathBuf;

use clap::Args;

use super::stdout::{note, warning};
use super::{Context, Outcome, protect, reason};
use crate::baseline::{self, Candidate, Contents, Extra, Import as From, MODULES, STABLELIST};
use crate::check::{baseline_reason, candidate_reason, kbuild_reason, list_reasons, policy_reason};
use crate::kbuild::{Config, read_config};
use crate::policy::{ProtectedList, ProtectedSet};
use crate::report::{Reason, ReasonCode};
use crate::snapshot::{Fingerprint, UNKNOWN};

const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate baseline import baselines/rhel9 kernel/redhat/kabi/kabi-module/kabi_x86_64 --config kernel-x86_64.config
  kabigate baseline import baselines/sl16 symvers-default.gz --symtypes symtypes-default.gz
  kabigate baseline import baselines/debian linux-headers-6.1.0-50-amd64.deb --protect stablelist",
    super::help::kernel_codes!()
);

/// Record exports that another program computed as a new baseline folder
///
/// FROM is a Module.symvers of any age, a Module.kabi, Red Hat's folder with a file for each symbol, SUSE's symvers, a
/// headers package, a build tree, or a /lib/modules/RELEASE folder. Types beside the exports are taken over once their
/// CRCs are recomputed; without types changes are told without what caused them. What FROM does not say about the
/// compiler and the configuration stays unknown and is not compared.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// Folder to make
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// What holds the exports
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// Types behind the exports, if they do not stand beside them
    #[arg(long, value_name = "PATH")]
    symtypes: Option<PathBuf>,
    /// Configuration that the kernel was built with, if it does not stand beside the exports: a .config file or a
    /// headers package. A check needs it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Architecture, as Kbuild's ARCH, if the configuration does not say it
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Release of the kernel, if the configuration does not say it
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// Minor release whose symbols are taken out of Red Hat's folder [default: the newest]
    #[arg(long, value_name = "N")]
    minor: Option<u32>,
    /// Protected list, stored as `stablelist`. Without one a FROM that holds protected symbols only is its own list
    #[arg(long, value_name = "LIST")]
    protect: Option<PathBuf>,
    /// Accept listed symbols that FROM does not export
    #[arg(long)]
    allow_missing: bool,
    /// Third-party modules, stored as `modules.json`: a .ko file or a folder; repeatable
    #[arg(long, value_name = "PATH")]
    modules: Vec<PathBuf>,
}

impl Import {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        if self.folder.exists() {
            return Err(baseline_reason(&baseline::BaselineError::Exists {
                path: self.folder.clone(),
            }));
        }
        let candidate = self.candidate()?;
        for text in &candidate.warnings {
            warning(context, text);
        }
        let config = self.config(&candidate)?;
        let fingerprint = self.fingerprint(&candidate, config.as_deref())?;
        self.verify(context, &candidate)?;
        let extras = self.extras(context, &candidate, &fingerprint.arch)?;
        let name = candidate.path.file_name().unwrap_or_default();
        let enforced = config.as_deref().is_none_or(|text| {
            Config::parse(text, "config").is_ok_and(|config| config.is_yes("CONFIG_MODVERSIONS"))
        });
        baseline::import(
            &self.folder,
            Contents {
                fingerprint: &fingerprint,
                commit: None,
                symvers: &candidate.symvers,
                types: &candidate.types,
                config: config.as_deref().unwrap_or_default(),
                crcs_enforced: enforced,
            },
            From {
                from: &name.to_string_lossy(),
                protected_only: candidate.protected_only,
            },
            &extras,
        )
        .map_err(|error| baseline_reason(&error))?;
        self.tell(context, &candidate, &fingerprint, config.is_some());
        Ok(0)
    }

    fn candidate(&self) -> Result<Candidate, Reason> {
        let types = self.symtypes.as_deref();
        let candidate = match self.minor {
            Some(minor) => Candidate::of_kabi_module(&self.from, types, Some(minor)),
            None => Candidate::load(&self.from, types),
        };
        let candidate = candidate.map_err(|error| candidate_reason(&error))?;
        if candidate.manifest.is_some() {
            return Err(reason(
                ReasonCode::Usage,
                format!("{} is a baseline folder already", self.from.display()),
                "copy the folder, or name the exports that it was made of",
            ));
        }
        Ok(candidate)
    }

    fn config(&self, candidate: &Candidate) -> Result<Option<Vec<u8>>, Reason> {
        match &self.config {
            Some(path) => {
                let text = read_config(path).map_err(|error| kbuild_reason(&error))?;
                Ok(Some(text.bytes))
            }
            None => Ok(candidate.config.clone()),
        }
    }

    /// What is known of how the kernel was made, out of its configuration and the options.
    fn fingerprint(
        &self,
        candidate: &Candidate,
        config: Option<&[u8]>,
    ) -> Result<Fingerprint, Reason> {
        let parsed = match config {
            Some(text) => {
                let config =
                    Config::parse(text, "config").map_err(|error| kbuild_reason(&error))?;
                Some((config, Config::heading(text)))
            }
            None => None,
        };
        let option = |name: &str| parsed.as_ref().and_then(|(config, _)| config.get(name));
        let heading = parsed
            .as_ref()
            .and_then(|(_, heading)| heading.clone())
            .unzip();
        let is_yes = |name: &str| option(name) == Some("y");
        let unknown = || UNKNOWN.to_owned();
        let family = match (is_yes("CONFIG_CC_IS_GCC"), is_yes("CONFIG_CC_IS_CLANG")) {
            (true, _) => "gcc",
            (_, true) => "clang",
            _ => UNKNOWN,
        };
        let dwarf = is_yes("CONFIG_GENDWARFKSYMS") || candidate.types.is_dwarf();
        let algorithm = match (dwarf, parsed.is_some() || !candidate.types.is_empty()) {
            (true, _) => "gendwarfksyms",
            (false, true) => "genksyms",
            (false, false) => UNKNOWN,
        };
        let compiler =
            option("CONFIG_CC_VERSION_TEXT").map(|text| text.trim_matches('"').to_owned());
        Ok(Fingerprint {
            release: self.release.clone().or(heading.1).unwrap_or_else(unknown),
            arch: self.arch.clone().or(heading.0).unwrap_or_else(unknown),
            config: parsed
                .as_ref()
                .map_or_else(unknown, |(config, _)| config.digest()),
            compiler_family: family.to_owned(),
            compiler: compiler.unwrap_or_else(unknown),
            algorithm: algorithm.to_owned(),
            grammar: unknown(),
        })
    }

    /// Refuses types that are those of another kernel: every CRC that they know must be theirs.
    fn verify(&self, context: &Context, candidate: &Candidate) -> Result<(), Reason> {
        if candidate.types.is_empty() || candidate.types.is_dwarf() {
            return Ok(());
        }
        let knows = |symbol: &str| candidate.types.exporter(symbol).is_some();
        let wrong = baseline::verify_types(&candidate.symvers, &candidate.types, knows);
        if let Some(first) = wrong.first() {
            let computed = first.computed.as_ref();
            let computed = computed.map_or_else(ToString::to_string, ToString::to_string);
            return Err(Reason {
                expected: Some(first.stored.to_string()),
                found: Some(computed),
                ..reason(
                    ReasonCode::BaselineInconsistent,
                    format!(
                        "the types are not those of the exports: {} CRCs differ, first that of {}",
                        wrong.len(),
                        first.symbol
                    ),
                    "name the types of this kernel: --symtypes PATH",
                )
            });
        }
        let all = candidate.symvers.iter();
        let all = all.filter(|export| !export.crc.is_unversioned());
        let lacking = all.filter(|export| !knows(&export.symbol)).count();
        if lacking > 0 {
            let text = format!(
                "the types know nothing of {lacking} symbols, whose changes will be told without a cause"
            );
            warning(context, &text);
        }
        Ok(())
    }

    fn extras(
        &self,
        context: &Context,
        candidate: &Candidate,
        arch: &str,
    ) -> Result<Vec<Extra>, Reason> {
        let mut extras = Vec::new();
        let content = match &self.protect {
            Some(path) => Some(super::decisions::from_disk(path)?),
            None => candidate.protected_only.then(|| plain_list(candidate)),
        };
        if let Some(content) = content {
            let name = self
                .protect
                .as_ref()
                .unwrap_or(&self.from)
                .display()
                .to_string();
            let list =
                ProtectedList::read(&content, &name).map_err(|error| policy_reason(&error))?;
            let arch = if arch == UNKNOWN { "" } else { arch };
            let findings = ProtectedSet::union([list]).check_against(&candidate.symvers, arch);
            let (reasons, warnings) = list_reasons(&findings, self.allow_missing);
            for text in &warnings {
                warning(context, text);
            }
            if let Some(first) = reasons.into_iter().next() {
                return Err(first);
            }
            extras.push(Extra {
                file: STABLELIST,
                content,
            });
        }
        if !self.modules.is_empty() {
            let content = protect::scanned(&self.modules)?.into_bytes();
            extras.push(Extra {
                file: MODULES,
                content,
            });
        }
        Ok(extras)
    }

    fn tell(
        &self,
        context: &Context,
        candidate: &Candidate,
        fingerprint: &Fingerprint,
        configured: bool,
    ) {
        let types = if candidate.types.is_empty() {
            "without types"
        } else {
            "with types"
        };
        let kind = if candidate.protected_only {
            "protected symbols"
        } else {
            "symbols"
        };
        note(
            context,
            &format!(
                "recorded {} {kind} of {} in {}, {types}",
                candidate.symvers.len(),
                candidate.source,
                self.folder.display()
            ),
        );
        let unknown = fingerprint.unknown();
        if !unknown.is_empty() {
            note(
                context,
                &format!("not known and not compared: {}", unknown.join(", ")),
            );
        }
        if !configured {
            note(
                context,
                "a check of commits needs the configuration: `kabigate check --config FILE`",
            );
        }
    }
}

/// The exports as a list, one symbol a line.
fn plain_list(candidate: &Candidate) -> Vec<u8> {
    let lines = candidate.symvers.iter();
    let lines: Vec<String> = lines.map(|export| format!("{}\n", export.symbol)).collect();
    lines.concat().into_bytes()
}
