//! What can go wrong with module files and the database.

use std::io;

use thiserror::Error;

use crate::symvers::{Problems, UnpackError};

/// Why a module, a text that stands in for one, or a database could not be read.
#[derive(Debug, Error)]
pub enum ModulesError {
    /// The file cannot be read or unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The file is something else than a kernel module.
    #[error(
        "{path}: not a kernel module: {reason}; expected a .ko file, a package or tar archive of them, or the output of modprobe --dump-modversions"
    )]
    NotModule {
        /// The file.
        path: String,
        /// What it is, or what is missing.
        reason: String,
    },
    /// The file is a kernel module whose data contradicts itself.
    #[error("{path}: damaged kernel module: {reason}; fetch or build the file again")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A package or archive cannot be read, or not all of it.
    #[error("{path}: {reason}; fetch or build the package again")]
    Package {
        /// The file, with the path inside it.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Something is larger than anything a vendor ships.
    #[error("{path}: more than {limit}; name the modules themselves")]
    Limit {
        /// The file, with the path inside it.
        path: String,
        /// The limit that was passed.
        limit: String,
    },
    /// A link of `weak-updates` cannot be written.
    #[error("{path}: {reason}; remove it and run again")]
    Links {
        /// Where the link should stand.
        path: String,
        /// What is in its way.
        reason: String,
    },
    /// A `dkms.conf` cannot be used.
    #[error("{path}: {reason}; correct the file")]
    Dkms {
        /// The file, with the path inside an archive.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A text that stands in for modules has bad lines.
    #[error("{}", .problems.named(.name))]
    Invalid {
        /// The file.
        name: String,
        /// The bad lines.
        problems: Problems,
    },
    /// A folder or package holds no module.
    #[error("{path}: no kernel module in it; name the file or folder that holds the modules")]
    NoModule {
        /// The folder or package.
        path: String,
    },
    /// A folder cannot be read.
    #[error("{path}: cannot be read: {source}; check the path and its permissions")]
    Folder {
        /// The folder or file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// Folders are nested deeper than anything a distribution ships.
    #[error("{path}: more than {limit} folders deep; name a folder nearer to the modules")]
    TooDeep {
        /// The folder that was not entered.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// Two files of one scan are the same module of one provider, and differ.
    #[error(
        "{path}: differs from {other}, also module `{module}` of `{provider}`; scan them as different providers"
    )]
    Twice {
        /// The file that was left out.
        path: String,
        /// The file that was kept.
        other: String,
        /// The module's name.
        module: String,
        /// The provider.
        provider: String,
    },
    /// The database is not what this program writes.
    #[error("{name}:{line}:{column}: {reason}; correct the line or scan the modules again")]
    Database {
        /// The file.
        name: String,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// An entry of the database contradicts itself or another one.
    #[error("{name}: entry {entry}: {reason}; correct it or scan the modules again")]
    Entry {
        /// The file.
        name: String,
        /// The number of the entry, counted from 1.
        entry: usize,
        /// What is wrong.
        reason: String,
    },
    /// The database was written in a form that this program does not know.
    #[error(
        "{name}: schema {found} is not known, this program reads schema {known}; use the program that wrote it, or scan the modules again"
    )]
    Schema {
        /// The file.
        name: String,
        /// The schema that the file declares.
        found: u64,
        /// The schema of this program.
        known: u64,
    },
}
