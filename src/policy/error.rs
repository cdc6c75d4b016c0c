//! Why a file of the policy cannot be read.

use thiserror::Error;

use crate::symvers::{Problems, SymversError, UnpackError};

/// Why a file of the policy could not be read.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The file cannot be read or unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A folder with a file for each symbol, and files in it that are wrong.
    #[error(transparent)]
    Symvers(#[from] SymversError),
    /// Lines that the file's grammar does not have.
    #[error("{}{}", .problems.named(.name), hint(.looks_like))]
    Invalid {
        /// The file.
        name: String,
        /// The bad lines.
        problems: Problems,
        /// What the file looks like instead, if it does.
        looks_like: Option<&'static str>,
    },
}

fn hint(looks_like: &Option<&'static str>) -> String {
    looks_like.map_or_else(String::new, |what| format!("\nthis looks like {what}"))
}
