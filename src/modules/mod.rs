//! Third-party modules: what they import, who provides them, and which of them a kernel refuses.
//!
//! In flow module files (`.ko`, plain or packed), texts that stand in for them and the exports of kernels; out
//! flow the [`Database`] of modules and the impact of a change on each. The formats are those of the kernel's
//! module loader and modpost (`Documentation/kbuild/modules.rst`); the decisions are those of the loader
//! (`kernel/module/main.c` and `version.c`), in its order.

mod archive;
mod database;
mod dependencies;
mod dkms;
mod elf;
mod error;
mod impact;
mod judge;
mod kernel;
mod md5;
mod modinfo;
mod module;
mod package;
mod provide;
mod ranges;
mod resolve;
mod scan;
mod standin;
mod stored;
mod suggest;
#[cfg(test)]
mod testing;
mod tokens;
mod verdict;
mod vermagic;
mod versions;
pub mod weak_updates;

pub use database::{Database, Entry, Merged, Source};
pub use dependencies::{
    Undeclared, kernel_provides, kernel_sets, module_provides, module_requires, undeclared,
};
pub use dkms::{DkmsConf, Sources};
pub use error::ModulesError;
pub use impact::{ModuleImpact, Outcome, impact};
pub use judge::judge_all;
pub use kernel::{Kernel, KernelFacts, MissingVersion};
pub use module::{Import, Licence, Module, ModuleExport, Origin, VersionSections};
pub use package::{Family, Package};
pub use provide::Siblings;
pub use resolve::{ImportProblem, ProblemKind, problems};
pub use scan::{Found, Scan, scan, scan_bytes, scan_with_sources};
pub use stored::SCHEMA;
pub use suggest::{Suggestion, suggest};
pub use tokens::{Meaning, Relation, Style, Token};
pub use verdict::Loadability;
pub use vermagic::release;
