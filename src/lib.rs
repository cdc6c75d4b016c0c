//! `kabigate` is a regression gate for the Linux kernel ABI that external modules link against.
//!
//! For every commit of a range it computes the exported symbols, their modversion CRCs and the types behind
//! them without compiling the kernel, compares them with a stored baseline and says which definition changed,
//! where, and which third-party modules stop loading.
//!
//! Data flows one way through the rooms of this crate; a room uses only what stands above it:
//!
//! | room | flows in | flows out |
//! |---|---|---|
//! | [`symvers`] | `Module.symvers` of any age | exports with CRC, class and namespace |
//! | [`symtypes`] | type definitions of units | an interned type graph, consolidated symtypes |
//! | [`cpp`] | a compiler call | the token stream of one unit |
//! | [`genksyms`] | tokens | CRC of each export, type definitions with their place |
//! | [`kbuild`] | a source tree and a configuration | prepared object tree, plan of units |
//! | [`layout`] | a compiler call and names of types | sizes and places of members |
//! | [`history`] | a git tree and a range or series | commits, blob ids, a private work area |
//! | [`snapshot`] | all of the above | symvers, symtypes and fingerprint of one commit |
//! | [`doctor`] | a tree and a configuration | what is missing to check it |
//! | [`baseline`] | a snapshot | the baseline folder, and back |
//! | [`compare`] | two snapshots | changes, causes, witness paths |
//! | [`hidden`] | two contents of a file | what it hides from the CRCs |
//! | [`policy`] | changes, lists, rules, approvals | severities |
//! | [`modules`] | module files | imports, module database, impact |
//! | [`report`] | all results of a run | console, JUnit, Markdown, JSON |
//! | [`check`] | a line of commits and a baseline | the report of one run |
//! | [`cli`] | arguments | library calls, printed report, exit code |

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")
)]

pub mod baseline;
pub mod check;
pub mod cli;
pub mod compare;
pub mod cpp;
pub mod doctor;
pub mod genksyms;
pub mod hidden;
pub mod history;
pub mod kbuild;
pub mod layout;
pub mod modules;
pub mod policy;
pub mod report;
pub mod snapshot;
pub mod symtypes;
pub mod symvers;
