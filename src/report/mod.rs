//! What a run found out, and how it is shown.
//!
//! In flow the results of a run as one [`Report`], out flow its renderings. A renderer is a pure function of the
//! report and its options, one file each; [`json`] is the complete one. Wording is chosen here and nowhere else,
//! and strangers' text passes the function of [`escape`] that is named after its target.
//!
//! | rendering | shape from |
//! |---|---|
//! | [`console`] | plain text, at most [`console::MAX_LINES`] lines |
//! | [`markdown`] | GitHub Flavored Markdown within a budget of bytes |
//! | [`junit`] | the JUnit XML that Jenkins, GitLab and the common GitHub actions read |
//! | [`json`] | the model itself |
//! | [`github`] | GitHub's workflow commands for annotations |
//! | [`sarif`] | SARIF 2.1.0, the OASIS standard for results of static analysis |
//! | [`codequality`] | the Code Quality report of GitLab |
//! | [`html`] | one self-contained file for a browser |
//! | [`tree`] | what changed behind one symbol, for `explain` |
//! | [`list`] | the lists `symbols` and `mod-symbols` of suse-kabi-tools: one symbol a line |
//! | [`short`] | the form `short` of its ksymvers: one sentence a change |

mod approve;
mod change;
mod classes;
pub mod codequality;
pub mod console;
mod detail;
mod error;
pub mod escape;
#[cfg(test)]
mod facts;
mod finding;
mod format;
pub mod github;
mod hidden;
pub mod html;
pub mod json;
pub mod junit;
pub mod list;
pub mod markdown;
mod model;
mod policy;
mod policy_text;
#[cfg(test)]
mod samples;
mod sandbox;
pub mod sarif;
pub mod schema;
pub mod set;
pub mod short;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod validation;
mod view;
mod wording;

pub use change::{ApprovalName, ClassifiedChange};
pub use classes::{CLASSES, ClassText, class_text};
pub use detail::Detail;
pub use error::Error;
pub use format::{Format, Output, check_outputs};
pub use hidden::*;
pub use model::*;
pub use policy::*;
pub use sandbox::{SandboxFacts, SandboxRequest};
pub use set::{ReportSet, SET_SCHEMA};
pub use tree::{ClassDetail, Explanation, Node};
pub use validation::{
    ModuleProblem, ModuleVerdict, Rebuild, VALIDATION_SCHEMA, ValidatedKernel, ValidatedModule,
    Validation,
};
pub use wording::cause_title;

use escape::clip;

/// What a rendering needs to know beside the report.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the console text is coloured.
    pub color: bool,
    /// Most lines of the console text, as far as the sections that are always there leave it.
    pub console_lines: usize,
    /// Bounds of the JUnit renderings.
    pub junit: junit::Budget,
    /// Most bytes of a Markdown rendering.
    pub markdown_budget: usize,
    /// Most annotations.
    pub annotations: usize,
    /// Path of the kernel tree in the repository that annotations and SARIF results point into; empty if they are the
    /// same.
    pub tree: String,
    /// Most issues of a Code Quality rendering.
    pub codequality_budget: usize,
    /// Most bytes of an HTML rendering.
    pub html_budget: usize,
    /// Bounds of a SARIF rendering.
    pub sarif: sarif::Budget,
    /// How a rendering that leaves something out calls the complete report.
    pub full: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            color: false,
            console_lines: console::MAX_LINES,
            junit: junit::Budget::default(),
            markdown_budget: markdown::COMMENT_BUDGET,
            annotations: github::MAX_ANNOTATIONS,
            tree: String::new(),
            codequality_budget: codequality::MAX_ISSUES,
            html_budget: html::MAX_BYTES,
            sarif: sarif::Budget::default(),
            full: "the JSON report".to_owned(),
        }
    }
}

/// Renders a report.
#[must_use]
pub fn render(report: &Report, format: Format, options: &Options) -> String {
    match format {
        Format::Console => console::render(report, options),
        Format::Json => json::render(report),
        Format::Junit => junit::render(report, junit::Dialect::Jenkins, options),
        Format::Gitlab => junit::render(report, junit::Dialect::Gitlab, options),
        Format::Markdown => markdown::render(report, options),
        Format::Github => github::render(report, options),
        Format::Sarif => sarif::render(report, options),
        Format::CodeQuality => codequality::render(report, options),
        Format::Html => html::render(report, options),
        Format::Symbols => list::symbols(report),
        Format::ModSymbols => list::mod_symbols(report),
        Format::Short => short::render(report),
    }
}

/// A file of the kernel tree as the repository names it; `tree` is the path of the tree in there.
fn in_tree(tree: &str, file: &str) -> String {
    match tree.trim_start_matches("./").trim_end_matches('/') {
        "" | "." => file.to_owned(),
        tree => format!("{tree}/{file}"),
    }
}
