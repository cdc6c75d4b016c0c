//! `kabigate cache`: look after the folder of unit results, and move it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::outputs::write_stream;
use super::stdout::print;
use super::toolchain::{cache_folder, size};
use super::{Context, Outcome, reason};
use crate::report::ReasonCode;
use crate::snapshot::{ArchiveError, CacheSize, Moved, UnitCache};

const VERIFY_EXAMPLES: &str = "\
Examples:
  kabigate cache verify
  kabigate cache verify --keep

Exit codes:
  0  done
  2  wrong usage, or a folder that cannot be read
  3  with --keep, an entry is damaged";

const PRUNE_EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate cache prune --cache-limit 500M
  kabigate cache prune --cache /srv/kabigate --cache-limit 0",
    super::help::plain_codes!()
);

const EXPORT_EXAMPLES: &str = concat!(
    "\
Example:
  kabigate cache export cache.tar.zst",
    super::help::plain_codes!()
);

const IMPORT_EXAMPLES: &str = concat!(
    "\
Example:
  kabigate cache import cache.tar.zst --cache-limit 2G",
    super::help::plain_codes!()
);

const STAT_EXAMPLES: &str = concat!(
    "\
Example:
  kabigate cache stat",
    super::help::plain_codes!()
);

/// Count, check, shorten or move the folder of unit results
///
/// The folder holds results that can be computed again; it can be deleted at any time, also as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Say how much the cache holds
    Stat(Stat),
    /// Read every entry and remove damaged ones, which a run would take for absent
    Verify(Verify),
    /// Remove the entries that were not used for the longest time
    Prune(Prune),
    /// Write the cache to one file, a tar archive packed with zstd
    Export(Export),
    /// Take the entries of such a file, each of which is checked; all of them, or none if the file is damaged
    Import(Import),
}

#[derive(Args, Debug)]
pub(crate) struct Folder {
    /// Folder of unit results [default: $XDG_CACHE_HOME/kabigate]
    #[arg(long, env = "KABIGATE_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = STAT_EXAMPLES)]
pub(crate) struct Stat {
    #[command(flatten)]
    folder: Folder,
}

#[derive(Args, Debug)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct Verify {
    #[command(flatten)]
    folder: Folder,
    /// Only name damaged entries, and exit with 3 if there are any
    #[arg(long)]
    keep: bool,
}

#[derive(Args, Debug)]
#[command(after_help = PRUNE_EXAMPLES)]
pub(crate) struct Prune {
    #[command(flatten)]
    folder: Folder,
    /// Size to shorten the cache to, such as 500M or 5G; 0 empties it
    #[arg(long, env = "KABIGATE_CACHE_LIMIT", value_name = "SIZE", default_value = "5G", value_parser = size)]
    cache_limit: u64,
}

#[derive(Args, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct Export {
    #[command(flatten)]
    folder: Folder,
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(crate) struct Import {
    #[command(flatten)]
    folder: Folder,
    /// The file to read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Most that the file may unpack to, such as 500M or 5G
    #[arg(long, env = "KABIGATE_CACHE_LIMIT", value_name = "SIZE", default_value = "5G", value_parser = size)]
    cache_limit: u64,
}

impl CacheCommand {
    pub(crate) fn run(&self, _: &Context) -> Outcome {
        match self {
            CacheCommand::Stat(command) => command.folder.stat(),
            CacheCommand::Verify(command) => command.run(),
            CacheCommand::Prune(command) => command.run(),
            CacheCommand::Export(command) => command.run(),
            CacheCommand::Import(command) => command.run(),
        }
    }
}

impl Folder {
    fn open(&self) -> Result<(UnitCache, PathBuf), crate::report::Reason> {
        let folder = self.cache.clone().or_else(cache_folder).ok_or_else(|| {
            reason(
                ReasonCode::Usage,
                "there is no cache folder: neither XDG_CACHE_HOME nor HOME is set",
                "name one with --cache DIR",
            )
        })?;
        Ok((UnitCache::new(&folder), folder))
    }

    fn stat(&self) -> Outcome {
        let (cache, folder) = self.open()?;
        let size = cache.size().map_err(|error| unreadable(&folder, &error))?;
        print(&format!("{}: {}\n", folder.display(), told(&size)));
        Ok(0)
    }
}

impl Verify {
    fn run(&self) -> Outcome {
        let (cache, folder) = self.folder.open()?;
        let (entries, damaged) = cache
            .verify(!self.keep)
            .map_err(|error| unreadable(&folder, &error))?;
        for path in &damaged {
            print(&format!("damaged: {}\n", path.display()));
        }
        let done = if self.keep || damaged.is_empty() {
            ""
        } else {
            ", removed"
        };
        print(&format!(
            "{}: {entries} entries, {} damaged{done}\n",
            folder.display(),
            damaged.len()
        ));
        Ok(if self.keep && !damaged.is_empty() {
            3
        } else {
            0
        })
    }
}

impl Prune {
    fn run(&self) -> Outcome {
        let (cache, folder) = self.folder.open()?;
        let pruned = cache
            .prune(self.cache_limit)
            .map_err(|error| unreadable(&folder, &error))?;
        print(&format!(
            "{}: removed {} files and work areas, {}; left {}\n",
            folder.display(),
            pruned.removed,
            bytes(pruned.freed),
            told(&pruned.left)
        ));
        Ok(0)
    }
}

impl Export {
    fn run(&self) -> Outcome {
        let (cache, folder) = self.folder.open()?;
        let mut moved = Moved::default();
        write_stream(&self.file, |out| {
            moved = cache.export(out)?;
            Ok(())
        })?;
        let size = std::fs::metadata(&self.file).map_or(0, |found| found.len());
        print(&format!(
            "{}: exported {} entries to {}, {}{}\n",
            folder.display(),
            moved.written,
            self.file.display(),
            bytes(size),
            left_out(&moved)
        ));
        Ok(0)
    }
}

impl Import {
    fn run(&self) -> Outcome {
        let (cache, folder) = self.folder.open()?;
        let failed = |error: ArchiveError| {
            let (code, next) = match error {
                ArchiveError::Limit { .. } => (
                    ReasonCode::LimitExceeded,
                    "allow more with --cache-limit SIZE, or export a shortened cache: `kabigate cache prune`",
                ),
                _ => (
                    ReasonCode::InputInvalid,
                    "fetch the file again, or go on without: the units are computed again",
                ),
            };
            reason(code, format!("{}: {error}", self.file.display()), next)
        };
        let file = std::fs::File::open(&self.file).map_err(|error| failed(error.into()))?;
        let moved = cache.import(file, self.cache_limit).map_err(failed)?;
        print(&format!(
            "{}: imported {} entries, {} were there{}\n",
            folder.display(),
            moved.written,
            moved.known,
            left_out(&moved)
        ));
        Ok(0)
    }
}

/// What was damaged, for people.
fn left_out(moved: &Moved) -> String {
    match moved.damaged {
        0 => String::new(),
        damaged => format!(", {damaged} damaged ones left out"),
    }
}

fn told(size: &CacheSize) -> String {
    format!(
        "{} units, {} entries, {} work areas, {}",
        size.units,
        size.entries,
        size.areas,
        bytes(size.bytes)
    )
}

/// A size for people.
fn bytes(count: u64) -> String {
    let mib = count as f64 / f64::from(1 << 20);
    format!("{mib:.1} MiB")
}

fn unreadable(folder: &std::path::Path, error: &std::io::Error) -> crate::report::Reason {
    reason(
        ReasonCode::InputInvalid,
        format!("{}: {error}", folder.display()),
        "name a folder that you can read and write with --cache DIR, or delete it",
    )
}
