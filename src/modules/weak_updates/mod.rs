//! `weak-updates`: which modules that were built for one kernel are linked into another.
//!
//! In flows a root with `lib/modules/RELEASE` folders, out flow a [`Plan`] and, if asked, the links. The rules are
//! those of Red Hat's `weak-modules`: for each kernel the others are looked at newest first; the modules in their
//! `extra/` form groups that need one another; a group is linked as a whole or not at all, and the first kernel that
//! has a compatible one wins. A module whose file name is in the kernel's own `updates`, `extra` or `kernel` is not linked,
//! as `depmod` searches `updates extra built-in weak-updates` in this order. Compatible means what `depmod -e -E` looks
//! at: symbols and their CRCs. What the loader refuses beyond that is told beside it.

mod apply;
mod order;
mod plan;
mod tree;

use std::path::PathBuf;

use super::error::ModulesError;

pub use apply::apply;
pub use order::compare;
pub use plan::{Kept, Link, Plan, Refused, Step, plan};
pub use tree::{Installed, InstalledKernel, read};

/// Where links stand below a kernel's folder.
pub(super) const WEAK: &str = "weak-updates";

/// Where modules of packages stand below a kernel's folder.
pub(super) const EXTRA: &str = "extra";

fn unreadable(path: &std::path::Path, source: std::io::Error) -> ModulesError {
    ModulesError::Folder {
        path: path.display().to_string(),
        source,
    }
}

fn refused(path: PathBuf, reason: &str) -> ModulesError {
    ModulesError::Links {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
