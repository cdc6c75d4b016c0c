//! Why the ABI of a commit could not be computed.

use std::fmt;
use std::path::PathBuf;

use crate::cpp::OverlayError;
use crate::genksyms::GenksymsError;
use crate::history::HistoryError;
use crate::kbuild::KbuildError;

/// A unit that could not be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFailure {
    /// The object.
    pub object: String,
    /// Why.
    pub message: String,
}

/// Why the ABI of a commit could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The commit cannot be read or written to the work area.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The tree does not configure, prepare or plan.
    #[error(transparent)]
    Kbuild(#[from] KbuildError),
    /// The tree's genksyms is of no known kind.
    #[error(transparent)]
    Genksyms(#[from] GenksymsError),
    /// The tree's export header is of no known kind.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// Units do not preprocess; what they export is not known.
    #[error("{}", Failures(.0))]
    Units(Vec<UnitFailure>),
    /// The run was interrupted.
    #[error("the run was interrupted")]
    Interrupted,
    /// The configuration builds a kernel without modules.
    #[error("CONFIG_MODULES is off in the configuration: that kernel exports nothing")]
    NoModules,
    /// The configuration computes CRCs from debug information.
    #[error(
        "CONFIG_GENDWARFKSYMS is on in the configuration: its CRCs come from debug information, not from genksyms"
    )]
    Algorithm,
    /// A file of the work area cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

struct Failures<'a>(&'a [UnitFailure]);

/// How many failed units a message names.
const NAMED: usize = 5;

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} units do not preprocess", self.0.len())?;
        for failure in self.0.iter().take(NAMED) {
            write!(f, "\n{}: {}", failure.object, failure.message)?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}
