//! `kabigate explain`: what a class of change means, or what changed behind a symbol.

use std::path::{Path, PathBuf};

use clap::Args;

use super::stdout::{error, page};
use super::{Context, Outcome, reason};
use crate::baseline::{Candidate, CandidateError};
use crate::check::{candidate_reason, explain};
use crate::report::{CLASSES, ReasonCode, class_text, tree};

const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate explain enum-shifted
  kabigate explain netif_rx baselines/old baselines/new",
    super::help::kernel_codes!()
);

/// Say what a class of change means, or which definitions changed behind a symbol
///
/// With OLD and NEW, which are as for `diff`, a tree shows the path from the symbol to each definition whose own text
/// changed. Without them, a class of change is explained.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// Class of change, such as `crc-changed`, or with OLD and NEW a symbol; without it all classes are listed
    #[arg(value_name = "CLASS|SYMBOL")]
    subject: Option<String>,
    /// The old kernel
    #[arg(value_name = "OLD", requires = "new")]
    old: Option<PathBuf>,
    /// The new kernel
    #[arg(value_name = "NEW")]
    new: Option<PathBuf>,
    /// Types of the old kernel, if they do not stand beside it
    #[arg(long, value_name = "PATH", requires = "old")]
    old_symtypes: Option<PathBuf>,
    /// Types of the new kernel, if they do not stand beside it
    #[arg(long, value_name = "PATH", requires = "new")]
    new_symtypes: Option<PathBuf>,
}

impl Explain {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        match (&self.subject, &self.old, &self.new) {
            (Some(symbol), Some(old), Some(new)) => self.symbol(context, symbol, old, new),
            (Some(class), ..) => one_class(context, class),
            (None, ..) => {
                let width = CLASSES
                    .iter()
                    .map(|text| text.class.len())
                    .max()
                    .unwrap_or_default();
                let lines = CLASSES
                    .iter()
                    .map(|text| format!("{:<width$}  {}\n", text.class, text.title));
                page(context, &lines.collect::<String>());
                Ok(0)
            }
        }
    }

    fn symbol(&self, context: &Context, symbol: &str, old: &Path, new: &Path) -> Outcome {
        let wrong = |error: CandidateError| candidate_reason(&error);
        let base = Candidate::load(old, self.old_symtypes.as_deref()).map_err(wrong)?;
        let (base, head) = base
            .beside(new, self.new_symtypes.as_deref())
            .map_err(wrong)?;
        match explain(&base, &head, symbol) {
            Ok(explanation) => {
                page(context, &tree::render(&explanation));
                Ok(0)
            }
            Err(mut reasons) => {
                let last = reasons.pop();
                for reason in &reasons {
                    error(context, reason);
                }
                last.map_or(Ok(0), Err)
            }
        }
    }
}

fn one_class(context: &Context, class: &str) -> Outcome {
    if !CLASSES.iter().any(|text| text.class == class) {
        return Err(reason(
            ReasonCode::Usage,
            format!("no class of change is called {class:?}"),
            "list all classes: `kabigate explain`; for a symbol name two kernels: `kabigate explain SYMBOL OLD NEW`",
        ));
    }
    let text = class_text(class);
    page(
        context,
        &format!(
            "{}: {}\n\n{}\n\n{}\n",
            text.class, text.title, text.why, text.way_out
        ),
    );
    Ok(0)
}
