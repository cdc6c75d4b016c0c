//! What can go wrong with a candidate.

use std::path::PathBuf;

use crate::baseline::BaselineError;
use crate::symtypes::SymtypesError;
use crate::symvers::{SymversError, UnpackError};

/// Why the exports of a candidate cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// There is nothing at the path.
    #[error("{}: no such file or folder", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A folder or package without exports.
    #[error("{name}: {what}")]
    NoSymvers {
        /// The folder or package.
        name: String,
        /// What was looked for.
        what: String,
    },
    /// A folder or package with the exports of several kernels.
    #[error("{name}: holds the exports of several kernels: {}", .found.join(", "))]
    Several {
        /// The folder or package.
        name: String,
        /// What was found, sorted.
        found: Vec<String>,
    },
    /// The file exports nothing.
    #[error("{name}: no exported symbol in the file, nothing to compare")]
    Empty {
        /// The file.
        name: String,
    },
    /// No export carries a CRC.
    #[error("{name}: every CRC is zero: the kernel was built without CONFIG_MODVERSIONS")]
    Unversioned {
        /// The file.
        name: String,
    },
    /// The file is a partial result of a kernel build.
    #[error("{name}: a partial result of a kernel build, which lacks exports of the kernel")]
    Partial {
        /// The file.
        name: String,
    },
    /// A package that cannot be read.
    #[error("{name}: the package cannot be read: {what}")]
    Package {
        /// The package.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A folder that cannot be listed.
    #[error("{}: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A damaged baseline folder.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// A file cannot be read or unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A damaged `Module.symvers`.
    #[error(transparent)]
    Symvers(#[from] SymversError),
    /// Damaged types.
    #[error(transparent)]
    Symtypes(#[from] SymtypesError),
}
