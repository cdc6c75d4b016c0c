//! The traps that silently pass elsewhere, each with the verdict that must come out.
//!
//! The numbers are those of a list of 80 traps that was drawn up from the behaviour of other tools. `table` says which tests hold each
//! of them; most stand here, as two small kernels, a policy and a verdict, the others beside the code that would err.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod approvals;
mod files;
mod folder;
mod lists;
mod runs;
mod table;
mod types;
mod verdicts;
