//! `kabigate modules suggest`: a protected list from what modules import.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::super::stdout::{print, warning};
use super::super::{Context, Outcome, reason};
use super::DatabaseFile;
use crate::baseline::Candidate;
use crate::check::candidate_reason;
use crate::modules::{Kernel, suggest};
use crate::report::{ReasonCode, escape};

const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate modules suggest --against baselines/x86_64
  kabigate modules suggest --database baselines/x86_64 --name acme_x86_64_stablelist",
    super::super::help::kernel_codes!()
);

/// Users that a comment names.
const NAMED: usize = 4;

/// Suggest a protected list from what the modules of a database import
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Suggest {
    #[command(flatten)]
    database: DatabaseFile,
    /// Suggest only what this kernel exports: a Module.symvers, a baseline folder, a headers package or a
    /// /lib/modules/RELEASE folder
    #[arg(long, value_name = "CANDIDATE")]
    against: Option<PathBuf>,
    /// Name of the list, for a header line such as `[acme_x86_64_stablelist]`
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Leave out which modules use each symbol
    #[arg(long)]
    plain: bool,
}

impl Suggest {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        let database = self.database.load()?;
        let candidate = match &self.against {
            Some(path) => {
                let loaded = Candidate::load(path, None);
                Some(loaded.map_err(|error| candidate_reason(&error))?)
            }
            None => None,
        };
        let kernel = candidate
            .as_ref()
            .map(|candidate| Kernel::of(&candidate.symvers));
        let found = suggest(&database, kernel.as_ref());
        for (symbol, users) in &found.not_exported {
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            let text = format!("{symbol} is not exported, used by {}", users.join(", "));
            warning(context, &text);
        }
        if found.symbols.is_empty() {
            return Err(reason(
                ReasonCode::ListEmpty,
                "the modules import nothing that a list could protect",
                "scan modules first: `kabigate modules scan`",
            ));
        }
        let mut text = String::new();
        if let Some(name) = &self.name {
            let _ = writeln!(text, "[{}]", escape::terminal(name));
        }
        let indent = if self.name.is_some() { "\t" } else { "" };
        for (symbol, users) in &found.symbols {
            let _ = write!(text, "{indent}{}", escape::terminal(symbol));
            if !self.plain && !users.is_empty() {
                let named: Vec<&str> = users.iter().take(NAMED).map(String::as_str).collect();
                let _ = write!(text, "\t# {}", escape::terminal(&named.join(" ")));
                let more = users.len().saturating_sub(NAMED);
                if more > 0 {
                    let _ = write!(text, " and {more} more");
                }
            }
            text.push('\n');
        }
        print(&text);
        Ok(0)
    }
}
