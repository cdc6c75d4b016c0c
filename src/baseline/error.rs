//! What can go wrong with a baseline folder.

use std::path::PathBuf;

use crate::symtypes::SymtypesError;
use crate::symvers::{SymversError, UnpackError};

/// Why a baseline cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The folder, or a file that every baseline has, does not exist.
    #[error("{}: no baseline: {what}", .path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// There is something in the way of a new baseline.
    #[error("{}: already exists", .path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The baseline exports nothing.
    #[error("{}: the baseline holds no exported symbol", .path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// No export carries a CRC.
    #[error("{}: every CRC is zero: the kernel was built without CONFIG_MODVERSIONS", .path.display())]
    Unversioned {
        /// The file.
        path: PathBuf,
    },
    /// `Module.symvers` is a partial result of a kernel build.
    #[error("{}: a partial result of a kernel build, no baseline", .path.display())]
    Partial {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A revision does not hand the file out.
    #[error("{}: {message}", .path.display())]
    Revision {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// `Module.symvers` is damaged.
    #[error(transparent)]
    Symvers(#[from] SymversError),
    /// `symtypes.zst` is damaged.
    #[error(transparent)]
    Symtypes(#[from] SymtypesError),
    /// `baseline.toml` is damaged.
    #[error("{}: {message}", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
    /// The file system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl BaselineError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> BaselineError {
        let path = path.into();
        move |source| BaselineError::Io { path, source }
    }
}
