//! `kabigate merge`: joins the parts of a check to the report that the check gives as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::outputs::Outputs;
use super::plan::Plan;
use super::{Context, Outcome, reason};
use crate::check::{Part, join_parts, unchecked};
use crate::report::{Mode, Reason, ReasonCode, Report, ReportSet, json};
use crate::symvers::read_file;

/// Largest part that is read.
const LIMIT: u64 = 1 << 30;

const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate merge parts/*.json --output console --output json:report.json --output junit:report.xml
  kabigate merge --plan plan.json parts/*.json --output 'json:reports/{target}.json'",
    super::help::gate_codes!()
);

/// Join the parts of a check to its report
///
/// Report and exit code are those of `kabigate check` without --shard. A part that is missing, there twice, or of another
/// range, baseline, policy or program is refused with exit code 3. Parts of several targets give the report of each; the
/// worst decides the exit code.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Merge {
    /// Files that `kabigate check --shard` wrote
    #[arg(value_name = "PART", required = true)]
    parts: Vec<PathBuf>,
    /// Plan that the parts must fulfil: every job of it, and no other. Without it, a target of which no part is there is
    /// not missed
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
}

impl Merge {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        self.outputs.check()?;
        let reports = self.reports().unwrap_or_else(|reason| {
            // Whoever waits for the report learns from it why there is none.
            vec![unchecked(Mode::Enforce, false, vec![reason])]
        });
        match <[Report; 1]>::try_from(reports) {
            Ok([report]) => self.outputs.write(context, &report),
            Err(reports) => self.outputs.write_set(context, &ReportSet::new(reports)),
        }
    }

    /// The report of each target.
    fn reports(&self) -> Result<Vec<Report>, Reason> {
        let mut targets: BTreeMap<Option<String>, Vec<Part>> = BTreeMap::new();
        let mut refused: BTreeMap<Option<String>, Vec<(String, Report)>> = BTreeMap::new();
        for path in &self.parts {
            let name = path.display().to_string();
            match read(path, &name)? {
                Read::Part(part) => {
                    let parts = targets.entry(part.run.target.clone()).or_default();
                    parts.push(*part);
                }
                Read::Refused(report) => {
                    let reports = refused.entry(report.provenance.target.clone()).or_default();
                    reports.push((name, *report));
                }
            }
        }
        if let Some(path) = &self.plan {
            let parts = targets.values().flatten();
            let unread = refused.keys().cloned().collect();
            Plan::read(path)?.fulfilled(parts, &unread)?;
        }
        same_line(targets.values().filter_map(|parts| parts.first()))?;
        let mut reports: BTreeMap<Option<String>, Report> = BTreeMap::new();
        for (target, all) in refused {
            let others = targets.remove(&target).is_some();
            reports.insert(target, of_refused(all, others)?);
        }
        for (target, parts) in targets {
            let report = join_parts(parts).map_err(|reason| *reason)?;
            reports.insert(target, report);
        }
        Ok(reports.into_values().collect())
    }
}

/// What a job left.
enum Read {
    Part(Box<Part>),
    /// The report of a job that could compute nothing, such as for want of the baseline.
    Refused(Box<Report>),
}

fn read(path: &Path, name: &str) -> Result<Read, Reason> {
    let next = "name files that `kabigate check --shard I/N --output json:FILE` wrote";
    let bytes =
        read_file(path, LIMIT).map_err(|error| reason(ReasonCode::InputInvalid, error, next))?;
    match json::read(&bytes, name) {
        Ok(report) if !report.reasons.is_empty() && report.commits.is_empty() => {
            Ok(Read::Refused(Box::new(report)))
        }
        Ok(_) => Err(reason(
            ReasonCode::InputInvalid,
            format!("{name}: the report of a whole run, not a part of one"),
            "render it with `kabigate report --from FILE`",
        )),
        Err(_) => Ok(Read::Part(Box::new(
            Part::read(&bytes, name).map_err(|reason| *reason)?,
        ))),
    }
}

/// The report of a target whose jobs could compute nothing: the one that all of them left.
fn of_refused(all: Vec<(String, Report)>, others: bool) -> Result<Report, Reason> {
    let mut all = all.into_iter();
    let Some((first, report)) = all.next() else {
        return Err(reason(
            ReasonCode::PartsIncomplete,
            "there is no part to join",
            "",
        ));
    };
    if others || all.any(|(_, other)| other != report) {
        let why = report.reasons.first();
        return Err(reason(
            ReasonCode::PartsIncomplete,
            format!(
                "{first}: its job could compute nothing: {}",
                why.map_or("", |reason| reason.message.as_str())
            ),
            why.and_then(|reason| reason.next_step.as_deref())
                .unwrap_or("run the part again"),
        ));
    }
    Ok(report)
}

/// Refuses targets of different ranges, by a part of each: what is reported as one run is one.
fn same_line<'p>(parts: impl Iterator<Item = &'p Part>) -> Result<(), Reason> {
    let mut parts = parts.map(|part| &part.run);
    let Some(first) = parts.next() else {
        return Ok(());
    };
    let Some(other) = parts.find(|run| (&run.base, &run.line) != (&first.base, &first.line)) else {
        return Ok(());
    };
    Err(Reason {
        expected: Some(format!("{}..{}", first.base, first.head)),
        found: Some(format!("{}..{}", other.base, other.head)),
        ..reason(
            ReasonCode::PartsMismatch,
            "the targets are of different ranges",
            "join the parts of one range: `kabigate plan` lists them",
        )
    })
}
