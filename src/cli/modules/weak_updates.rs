//! `kabigate modules weak-updates`: which installed modules each kernel gets.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::super::stdout::{note, page};
use super::super::{Context, Outcome, reason};
use crate::check::module_reason;
use crate::modules::weak_updates::{Plan, Step, apply, plan, read};
use crate::report::{ReasonCode, escape};

const EXAMPLES: &str = "\
Examples:
  kabigate modules weak-updates /
  kabigate modules weak-updates /mnt/image --kernel 6.1.0-50-amd64 --apply

Exit codes:
  0  every kernel gets a compatible file of every module
  1  a kernel gets none of a module
  2  wrong usage, or an input that cannot be read
  3  the exports of a kernel are not known";

/// Plan which installed modules each kernel gets through weak-updates, as weak-modules decides
///
/// Looks at ROOT/lib/modules: for each kernel, newest first, which modules in the `extra` of other kernels are
/// compatible, in groups that need one another. Prints the plan and changes nothing, unless --apply is given.
/// Exits 1 if a kernel gets no compatible file of a module, and 3 if the exports of a kernel are not known.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WeakUpdates {
    /// Root of an installed system
    #[arg(value_name = "ROOT")]
    root: PathBuf,
    /// Only this kernel; repeatable
    #[arg(long, value_name = "RELEASE")]
    kernel: Vec<String>,
    /// Write the links into ROOT
    #[arg(long)]
    apply: bool,
}

impl WeakUpdates {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        let kernels = read(&self.root).map_err(|error| module_reason(&error))?;
        for release in &self.kernel {
            if !kernels.iter().any(|kernel| kernel.release == *release) {
                return Err(reason(
                    ReasonCode::InputInvalid,
                    format!("no kernel {release} in {}", self.root.display()),
                    "name a folder below lib/modules",
                ));
            }
        }
        let mut plans = plan(&kernels);
        plans.retain(|plan| self.kernel.is_empty() || self.kernel.contains(&plan.release));
        let text: String = plans.iter().map(shown).collect();
        page(context, &text);
        if self.apply {
            let changed = apply(&self.root, &plans).map_err(|error| module_reason(&error))?;
            note(
                context,
                &format!("{changed} links changed; run depmod for each kernel"),
            );
        }
        Ok(exit_code(&plans))
    }
}

fn exit_code(plans: &[Plan]) -> u8 {
    if plans.iter().any(|plan| plan.not_checked.is_some()) {
        3
    } else {
        u8::from(plans.iter().any(|plan| !plan.refused.is_empty()))
    }
}

fn shown(plan: &Plan) -> String {
    let mut text = format!("kernel {}\n", escape::terminal(&plan.release));
    let mut line = |line: String| {
        let _ = writeln!(text, "  {}", escape::terminal(&line));
    };
    if let Some(why) = &plan.not_checked {
        line(format!("not checked: {why}"));
    }
    for step in &plan.steps {
        match step {
            Step::Keep(link) => line(format!(
                "keep    {} from {}",
                link.path.display(),
                link.from
            )),
            Step::Add(link) => line(format!(
                "link    {} from {} -> {}",
                link.path.display(),
                link.from,
                link.target.display()
            )),
            Step::Remove { path, reason } => line(format!("remove  {}: {reason}", path.display())),
        }
        if let Step::Keep(link) | Step::Add(link) = step {
            for doubt in &link.doubts {
                line(format!(
                    "        the loader refuses it all the same: {doubt}"
                ));
            }
        }
    }
    for refused in &plan.refused {
        line(refused.sentence(&plan.release));
    }
    for kept in &plan.kept {
        line(format!(
            "passed  {} from {}: {} comes first",
            kept.path.display(),
            kept.from,
            kept.by
        ));
    }
    if plan.steps.is_empty()
        && plan.refused.is_empty()
        && plan.kept.is_empty()
        && plan.not_checked.is_none()
    {
        line("no module of another kernel".to_owned());
    }
    text
}
