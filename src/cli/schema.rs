//! `kabigate schema` and `kabigate --version --json`: which documents this program reads and writes.

use std::ffi::OsString;

use clap::Args;

use super::plan::PLAN_SCHEMA;
use super::stdout::print;
use super::{Context, Outcome};
use crate::check::PART_SCHEMA;
use crate::report::{SCHEMA, SET_SCHEMA, schema};
use crate::{baseline, modules};

const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate schema > report.schema.json
  kabigate --version --json",
    super::help::plain_codes!()
);

/// Print the JSON Schema of the report
///
/// What `--output json` writes, with the meaning of every field. `kabigate --version --json` lists the versions of all
/// documents that this program reads and writes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SchemaCommand {}

impl SchemaCommand {
    #[expect(clippy::unused_self, reason = "every command has the same shape")]
    pub(crate) fn run(&self, _: &Context) -> Outcome {
        print(&schema::render());
        Ok(0)
    }
}

/// Whether the program was started as `kabigate --version --json`, in either order.
///
/// Answered before the command line is parsed, since `--version` ends the parsing.
pub(super) fn asks_for_versions(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.take(3).collect();
    let has = |wanted: &[&str]| arguments.iter().any(|a| wanted.iter().any(|w| a == w));
    arguments.len() == 2 && has(&["--version", "-V"]) && has(&["--json"])
}

/// Prints the program's version and those of its documents as JSON.
pub(super) fn print_versions() {
    let document = serde_json::json!({
        "name": "kabigate",
        "version": env!("CARGO_PKG_VERSION"),
        "formats": {
            "report": {"reads": [SCHEMA], "writes": SCHEMA},
            "report-set": {"reads": [SET_SCHEMA], "writes": SET_SCHEMA},
            "part": {"reads": [PART_SCHEMA], "writes": PART_SCHEMA},
            "plan": {"reads": [PLAN_SCHEMA], "writes": PLAN_SCHEMA},
            "baseline": {"reads": [baseline::SCHEMA], "writes": baseline::SCHEMA},
            "modules": {"reads": [modules::SCHEMA], "writes": modules::SCHEMA},
            "sarif": {"reads": [], "writes": "2.1.0"},
        },
    });
    print(&format!("{document:#}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only the two options together, and nothing else, ask for the versions.
    #[test]
    fn versions_are_asked_for_by_two_options() {
        let asks = |text: &str| asks_for_versions(text.split_whitespace().map(OsString::from));
        assert!(asks("--version --json") && asks("--json -V"));
        assert!(!asks("--version") && !asks("--json --json") && !asks("schema --version --json"));
    }
}
