//! `kabigate symvers`: the Module.symvers of a tree, without compiling it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::outputs::write_whole;
use super::progress::Shown;
use super::selection::dirty;
use super::stdout::{note, print, warning};
use super::toolchain::{Build, Toolchain};
use super::{Context, Outcome, configs, reason, sandbox};
use crate::check::{history_reason, snapshot_reason};
use crate::history::{Commit, HistoryError, Repo};
use crate::report::{Reason, ReasonCode};
use crate::snapshot::{Builder, Settings, Snapshot, Source};
use crate::symtypes::TypeGraph;

const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate symvers --config x86_64_defconfig --config modversions.config --out Module.symvers
  kabigate symvers --tree linux --rev v6.1.176 --config linux-headers-6.1.0-50-amd64.deb",
    super::help::kernel_codes!()
);

/// Writes types as one consolidated file, or into a folder that exists or ends in `/` as one file for each unit.
fn write_symtypes(path: &Path, types: &TypeGraph) -> Result<(), Reason> {
    if !path.is_dir() && !path.to_string_lossy().ends_with('/') {
        return write_whole(path, types.to_consolidated().as_bytes());
    }
    for (unit, records) in types.units() {
        let file = path.join(format!("{unit}.symtypes"));
        write_whole(&file, types.to_object(records).as_bytes())?;
    }
    Ok(())
}

/// A tree and a revision of it.
#[derive(Args, Debug)]
pub(crate) struct Tree {
    /// Git tree of the kernel, or a plain source folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) tree: PathBuf,
    /// Revision of the git tree [default: HEAD]
    #[arg(long, value_name = "REV")]
    pub(crate) rev: Option<String>,
    /// Leave the prepared source and object folders in the work folder, to build modules against
    #[arg(long)]
    pub(crate) keep_work: bool,
}

/// Compute the Module.symvers of a tree without compiling it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SymversCommand {
    #[command(flatten)]
    tree: Tree,
    #[arg(long = "config", value_name = "CONFIG", required = true, help = configs::HELP)]
    configs: Vec<String>,
    /// File for the Module.symvers [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// File for the types behind the symbols, as consolidated symtypes; or a folder, for a file of each object
    #[arg(long, value_name = "FILE|DIR")]
    symtypes: Option<PathBuf>,
    #[command(flatten)]
    toolchain: Toolchain,
}

impl SymversCommand {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        let settings =
            self.toolchain
                .settings(configs::read(&self.configs)?, &Build::default(), None)?;
        let (snapshot, _) = self.tree.snapshot(context, settings, &self.toolchain)?;
        let text = snapshot.symvers.write();
        match &self.out {
            Some(path) => write_whole(path, text.as_bytes())?,
            None => print(&text),
        }
        if let Some(path) = &self.symtypes {
            write_symtypes(path, &snapshot.types)?;
        }
        Ok(0)
    }
}

impl Tree {
    /// Computes the snapshot of the tree and the commit it is of.
    pub(crate) fn snapshot(
        &self,
        context: &Context,
        settings: Settings,
        toolchain: &Toolchain,
    ) -> Result<(Snapshot, Option<Commit>), Reason> {
        let repo = self.repository()?;
        let commit = match &repo {
            Some(repo) => {
                if let Some(text) = dirty(repo)?.filter(|_| self.rev.is_none()) {
                    warning(context, &text);
                }
                Some(
                    repo.resolve(self.rev.as_deref().unwrap_or("HEAD"))
                        .map_err(|error| history_reason(&error))?,
                )
            }
            None => None,
        };
        let settings = Settings {
            // A plain folder is computed where it lies, and a work area that its user keeps is the user's.
            keeps_area: settings.keeps_area && repo.is_some() && !self.keep_work,
            ..settings
        };
        let cache = settings.cache.clone();
        sandbox::tell(context, &settings.make.sandbox);
        let progress = Shown::new(context);
        let mut builder =
            Builder::new(settings, &progress).map_err(|error| snapshot_reason(&error, None))?;
        let source = match (&repo, &commit) {
            (Some(repo), Some(commit)) => {
                crate::snapshot::Progress::commit(
                    &progress,
                    1,
                    1,
                    &format!("{} {}", commit.id.short(), commit.subject),
                );
                Source::Commit { repo, commit }
            }
            _ => {
                crate::snapshot::Progress::commit(
                    &progress,
                    1,
                    1,
                    &self.tree.display().to_string(),
                );
                Source::Folder(&self.tree)
            }
        };
        if self.keep_work {
            let area = builder.keep_work_area();
            note(context, &format!("work area: {}", area.display()));
        }
        let snapshot = builder.snapshot(source).map_err(|error| {
            let reason = snapshot_reason(&error, commit.as_ref());
            Reason {
                message: builder.portable(&reason.message),
                ..reason
            }
        })?;
        // The work area is left before the cache is looked after.
        drop(builder);
        if let Some(text) = toolchain.shorten(cache.as_ref()) {
            warning(context, &text);
        }
        tell(context, &snapshot);
        Ok((snapshot, commit))
    }

    /// The git repository of the tree; none for a plain folder.
    fn repository(&self) -> Result<Option<Repo>, Reason> {
        match Repo::open(&self.tree) {
            Ok(repo) => Ok(Some(repo)),
            Err(HistoryError::NotRepository { .. })
                if is_folder(&self.tree) && self.rev.is_none() =>
            {
                Ok(None)
            }
            Err(HistoryError::NotRepository { .. }) if is_folder(&self.tree) => Err(reason(
                ReasonCode::Usage,
                format!(
                    "{} is no git tree, so it has no revisions",
                    self.tree.display()
                ),
                "leave --rev out",
            )),
            Err(error) => Err(history_reason(&error)),
        }
    }
}

fn is_folder(path: &Path) -> bool {
    path.join("Makefile").exists()
}

/// Says what the kernel's own build would keep silent about.
/// What is said of CRCs that only this program knows.
pub(crate) const UNENFORCED: &str = "CONFIG_MODVERSIONS is off: these CRCs are not enforced by that kernel, whose loader compares none";

fn tell(context: &Context, snapshot: &Snapshot) {
    if !snapshot.crcs_enforced() {
        warning(context, UNENFORCED);
    }
    for text in &snapshot.warnings {
        warning(context, text);
    }
    let shown = if context.verbose {
        snapshot.messages.len()
    } else {
        0
    };
    for message in snapshot.messages.iter().take(shown) {
        warning(
            context,
            &format!("{}: {}", message.location, message.message),
        );
    }
    if let Some(first) = snapshot.messages.first().filter(|_| !context.verbose) {
        note(
            context,
            &format!(
                "{} messages of the genksyms grammar, which a kernel build hides (-v shows all); the first: {}: {}",
                snapshot.messages.len(),
                first.location,
                first.message
            ),
        );
    }
    let unversioned = snapshot
        .symvers
        .iter()
        .filter(|export| export.crc.is_unversioned())
        .count();
    note(
        context,
        &format!(
            "{} exported symbols, {unversioned} without CRC",
            snapshot.symvers.len()
        ),
    );
}
