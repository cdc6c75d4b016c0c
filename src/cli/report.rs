//! `kabigate report`: renders a stored report again.

use std::path::PathBuf;

use clap::Args;

use super::outputs::Outputs;
use super::{Context, Outcome, reason};
use crate::report::{ReasonCode, json, set, validation};

const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate report --from report.json
  kabigate report --from report.json --output html:report.html --output sarif:kabi.sarif",
    super::help::gate_codes!()
);

/// Largest report that is read.
const LIMIT: u64 = 1 << 30;

/// Render a stored report.json again
///
/// The exit code is that of the run that wrote the report.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReportCommand {
    /// Report of a check, a diff or a validation, written with `--output json:FILE`
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    outputs: Outputs,
}

impl ReportCommand {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        self.outputs.check()?;
        let next = "write one with `kabigate check --output json:FILE`";
        let bytes = crate::symvers::read_file(&self.from, LIMIT)
            .map_err(|error| reason(ReasonCode::InputInvalid, error, next))?;
        if validation::is_validation(&bytes) {
            self.outputs.check_validation()?;
            let name = self.from.display().to_string();
            let validation = validation::read(&bytes, &name)
                .map_err(|error| reason(ReasonCode::InputInvalid, error, ""))?;
            return self.outputs.write_validation(context, &validation);
        }
        if set::is_set(&bytes) {
            let set = set::read(&bytes, &self.from.display().to_string())
                .map_err(|error| reason(ReasonCode::InputInvalid, error, ""))?;
            return self.outputs.write_set(context, &set);
        }
        let report = json::read(&bytes, &self.from.display().to_string())
            .map_err(|error| reason(ReasonCode::InputInvalid, error, ""))?;
        self.outputs.write_again(context, &report)
    }
}
