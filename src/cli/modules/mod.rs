//! `kabigate modules`: the database of third-party modules.

mod deps;
mod suggest;
mod weak_updates;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::outputs::write_whole;
use super::stdout::{note, page, warning};
use super::{Context, Outcome, protect, reason};
use crate::baseline::MODULES;
use crate::check::module_reason;
use crate::modules::{Database, Merged, Source};
use crate::report::{Reason, ReasonCode, escape};

const USERS_EXAMPLES: &str = concat!(
    "\
Example:
  kabigate modules users netif_rx --database baselines/x86_64",
    super::help::plain_codes!()
);

const LIST_EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate modules list --database baselines/x86_64
  kabigate modules list --unlisted --protect stablelist",
    super::help::plain_codes!()
);

const SCAN_EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate modules scan --provider acme --database baselines/x86_64 drivers/
  kabigate modules scan kmod-acme.rpm acme-dkms.deb",
    super::help::plain_codes!()
);

/// Keep the database of third-party modules and ask it
#[derive(Debug, Subcommand)]
pub(crate) enum ModulesCommand {
    /// Read modules and add them to a database, in place of the same modules of the same provider
    Scan(Scan),
    /// List the modules of a database, or what they import and no list protects
    List(List),
    /// List the modules that import a symbol
    Users(Users),
    /// Suggest a protected list from what the modules of a database import
    Suggest(suggest::Suggest),
    /// Print the dependency tokens of a kernel or of packages with modules, or compare them with what the modules
    /// import
    Deps(deps::Deps),
    /// Plan which installed modules each kernel gets through weak-updates, as weak-modules decides
    WeakUpdates(weak_updates::WeakUpdates),
}

/// A module database.
#[derive(Args, Debug)]
pub(crate) struct DatabaseFile {
    /// Module database: a modules.json, or the baseline folder that holds it
    #[arg(long, value_name = "FILE|DIR", default_value = MODULES)]
    database: PathBuf,
}

/// Read modules and add them to a database
#[derive(Args, Debug)]
#[command(after_help = SCAN_EXAMPLES)]
pub(crate) struct Scan {
    /// Modules (.ko, .ko.gz, .ko.xz, .ko.zst), packages (.deb, .rpm), tar archives, folders of these, or output of
    /// `modprobe --dump-modversions`
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Vendor or package that provides the modules [default: the package, or name of the folder]
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Version of the package [default: that of the package, or the module's own]
    #[arg(long, value_name = "VERSION")]
    package_version: Option<String>,
    #[command(flatten)]
    database: DatabaseFile,
}

/// List the modules of a database
#[derive(Args, Debug)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct List {
    /// List instead the imports that no protected list holds, with the modules that use them
    #[arg(long, requires = "protect")]
    unlisted: bool,
    /// Protected list; repeatable
    #[arg(long, value_name = "LIST")]
    protect: Vec<PathBuf>,
    #[command(flatten)]
    database: DatabaseFile,
}

impl List {
    fn run(&self, context: &Context) -> Outcome {
        let database = self.database.load()?;
        if !self.unlisted {
            return list(context, &database);
        }
        let mut warnings = Vec::new();
        let set = protect::named(&self.protect, &mut warnings)?;
        let siblings: BTreeSet<&String> = database
            .list()
            .flat_map(|entry| entry.module.exports.keys())
            .collect();
        let mut users: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for entry in database.list() {
            let own = entry.module.imports.keys();
            for symbol in own.filter(|s| !set.contains(s) && !siblings.contains(s)) {
                let user = format!("{}/{}", entry.provider, entry.module.name);
                users.entry(symbol).or_default().push(user);
            }
        }
        let mut text = String::new();
        for (symbol, users) in &users {
            let users = escape::terminal(&users.join(" "));
            let _ = writeln!(text, "{}  {users}", escape::terminal(symbol));
        }
        page(context, &text);
        Ok(0)
    }
}

/// List the modules that import a symbol
#[derive(Args, Debug)]
#[command(after_help = USERS_EXAMPLES)]
pub(crate) struct Users {
    /// Symbol
    #[arg(value_name = "SYMBOL")]
    symbol: String,
    #[command(flatten)]
    database: DatabaseFile,
}

impl ModulesCommand {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        match self {
            ModulesCommand::Scan(command) => command.run(context),
            ModulesCommand::List(command) => command.run(context),
            ModulesCommand::Users(command) => {
                users(context, &command.database.load()?, &command.symbol)
            }
            ModulesCommand::Suggest(command) => command.run(context),
            ModulesCommand::Deps(command) => command.run(context),
            ModulesCommand::WeakUpdates(command) => command.run(context),
        }
    }
}

impl DatabaseFile {
    fn path(&self) -> PathBuf {
        if self.database.is_dir() {
            self.database.join(MODULES)
        } else {
            self.database.clone()
        }
    }

    fn load(&self) -> Result<Database, Reason> {
        read(&self.path())
    }
}

fn read(path: &Path) -> Result<Database, Reason> {
    let bytes = std::fs::read(path).map_err(|error| {
        let next = "make one: `kabigate modules scan PATH...`";
        reason(
            ReasonCode::InputInvalid,
            format!("{}: {error}", path.display()),
            next,
        )
    })?;
    Database::read(&bytes, &path.display().to_string()).map_err(|error| module_reason(&error))
}

impl Scan {
    fn run(&self, context: &Context) -> Outcome {
        let path = self.database.path();
        let mut database = if path.exists() {
            read(&path)?
        } else {
            Database::default()
        };
        let source = Source {
            provider: self.provider.clone(),
            version: self.package_version.clone(),
        };
        let mut warnings = Vec::new();
        let merged = protect::scan(&mut database, &self.paths, &source, &mut warnings)?;
        for text in &warnings {
            warning(context, text);
        }
        let text = database.write().map_err(|error| module_reason(&error))?;
        write_whole(&path, text.as_bytes())?;
        note(
            context,
            &format!(
                "{}: {} modules added, {} updated, {} unchanged",
                path.display(),
                merged.added.len(),
                merged.updated.len(),
                merged.unchanged.len()
            ),
        );
        changes(context, &merged);
        Ok(0)
    }
}

/// Names what changed, so that the diff of the database need not be read for it.
fn changes(context: &Context, merged: &Merged) {
    const NAMED: usize = 20;
    for (sign, entries) in [("+", &merged.added), ("~", &merged.updated)] {
        for (provider, module) in entries.iter().take(NAMED) {
            let name = escape::terminal(&format!("{provider}/{module}"));
            note(context, &format!("  {sign} {name}"));
        }
        let more = entries.len().saturating_sub(NAMED);
        if more > 0 {
            note(context, &format!("  {sign} and {more} more"));
        }
    }
}

fn list(context: &Context, database: &Database) -> Outcome {
    let mut text = String::new();
    for entry in database.list() {
        let _ = writeln!(
            text,
            "{}/{}  {}  {} imports  {}",
            escape::terminal(&entry.provider),
            escape::terminal(&entry.module.name),
            escape::terminal(entry.version.as_deref().unwrap_or("no version")),
            entry.module.imports.len(),
            escape::terminal(&entry.module.licences.join(", ")),
        );
    }
    page(context, &text);
    Ok(0)
}

fn users(context: &Context, database: &Database, symbol: &str) -> Outcome {
    let mut text = String::new();
    for (entry, import) in database.users(symbol) {
        let crc = import
            .crc
            .map_or_else(|| "no CRC".to_owned(), |crc| crc.to_string());
        let weak = if import.weak { "  weak" } else { "" };
        let _ = writeln!(
            text,
            "{}/{}  {crc}{weak}",
            escape::terminal(&entry.provider),
            escape::terminal(&entry.module.name)
        );
    }
    page(context, &text);
    Ok(0)
}
