//! What can go wrong with symtypes files.

use crate::symvers::{Problems, UnpackError};

/// Why symtypes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SymtypesError {
    /// A file with bad lines.
    #[error("{}", .problems.named(.name))]
    Invalid {
        /// The file.
        name: String,
        /// The bad lines.
        problems: Problems,
    },
    /// A folder without symtypes.
    #[error("{name}: holds no .symtypes file")]
    NoFiles {
        /// The folder.
        name: String,
    },
    /// Folders nested too deep.
    #[error("{name}: more than {limit} folders deep")]
    TooDeep {
        /// The folder.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// Too many files.
    #[error("{name}: more than {limit} files")]
    TooMany {
        /// The folder.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// A file that cannot be read or unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
}

impl SymtypesError {
    pub(super) fn one(name: &str, line: usize, message: &str) -> SymtypesError {
        let mut problems = Problems::default();
        problems.push(line, message);
        SymtypesError::Invalid {
            name: name.to_owned(),
            problems,
        }
    }
}
