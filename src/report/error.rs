//! What can go wrong between a report and its renderings.

use std::path::PathBuf;

/// Why an output or a stored report is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No format has this spelling.
    #[error("unknown output format {name:?}; known are {known}")]
    UnknownFormat {
        /// What was written.
        name: String,
        /// The spellings that exist.
        known: String,
    },
    /// `FORMAT:` without anything behind it.
    #[error(
        "output \"{format}:\" has an empty path; write {format}:PATH, or {format} for standard output"
    )]
    EmptyPath {
        /// The format.
        format: String,
    },
    /// Standard output can hold one report.
    #[error("two outputs go to standard output; give all but one a path: FORMAT:PATH")]
    TwoOnStdout,
    /// A file can hold one report.
    #[error("two outputs go to {path:?}; give each its own path")]
    SamePath {
        /// The path.
        path: PathBuf,
    },
    /// A stored report is no report.
    #[error("{name}:{line}: not a report: {message}; write one with --output json:PATH")]
    Unreadable {
        /// Name of the input.
        name: String,
        /// Line of the problem, counted from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A stored report has another schema.
    #[error(
        "{name}: report of schema {found:?}, this version reads {expected:?}; write it again with this version"
    )]
    Schema {
        /// Name of the input.
        name: String,
        /// Its schema.
        found: String,
        /// The schema that can be read.
        expected: String,
    },
}
