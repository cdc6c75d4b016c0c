//! Configuration, preparation and plan of a kernel tree, from the kernel's own build and without compiling it.
//!
//! In flow a plain source folder, an object folder and a configuration; out flow a prepared object tree and a [`Plan`]:
//! every [`Unit`] that the build would compile, with its compiler call and module. The plan comes from one dry run
//! (`make -n`), parsed as shell text. What the commands look like follows the kernel's `scripts/Makefile.build` and
//! `scripts/Makefile.lib`.
//!
//! A plan is brought up to date folder by folder ([`ObjectTree::replan`]), and what the generated files are made of is
//! read from the command files that the build leaves beside them ([`Inputs`], [`Mentions`]).
//!
//! What `make` asks of the compiler is answered from what it asked before, where that is the same ([`Probes`]).
//!
//! All that make and compilers execute runs in a [`Sandbox`], where one works.
//!
//! Which units can export at all is decided from their text by [`ExportIndex`]; what assembly units export is read from
//! the one object that is made of each ([`ObjectTree::asm_exports`]).

mod asm;
mod blank;
mod compiler;
mod config;
mod configure;
mod dry_run;
mod error;
mod exporting;
mod external;
mod frame;
mod headers;
mod inputs;
mod macros;
mod make;
mod names;
mod objects;
mod plan;
mod probes;
mod replan;
mod sandbox;
mod scan;
mod shell;
mod stored;
mod tools;
mod tree;
mod unit;

pub use crate::cpp::child::ChildError;
pub use asm::Assembled;
pub use blank::tells_blank;
pub use compiler::{Compiler, CompilerFamily};
pub use config::{Config, Difference};
pub use configure::{ConfigBase, ConfigSource, Configured};
pub use error::KbuildError;
pub use exporting::ExportIndex;
pub use external::{Errors, External, ExternalEnd, build_external, prepared_tree};
pub use frame::{Frame, Handed};
pub use headers::{ConfigText, read_config};
pub use inputs::{Inputs, Mentions, is_makefile};
pub use macros::Macros;
pub use make::MakeOptions;
pub use names::Names;
pub use probes::{PROBES, Probes, Reply, reply, stands_in};
pub use sandbox::{
    Facts, NoSandbox, Policy, RestrictError, Sandbox, SandboxRequest, measure as measure_sandbox,
};
pub use scan::{Essence, FileScan};
pub use stored::StoredPlan;
pub use tree::{OPTION_MACROS, ObjectTree, Release};
pub use unit::{AsmPrototypes, Language, Plan, Unit};
