//! What can go wrong between a source folder and its plan.

use std::io;
use std::path::PathBuf;

use crate::cpp::child::ChildError;

/// Why a tree could not be configured, prepared or planned.
#[derive(Debug, thiserror::Error)]
pub enum KbuildError {
    /// The folder is not a kernel source tree.
    #[error("{}: not a kernel source tree: {missing}; name the folder that holds the kernel's top Makefile", path.display())]
    NotAKernelTree {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        missing: String,
    },
    /// The tree is older than the builds whose commands are understood.
    #[error("{}: kernel {version} is not supported: its build does not name the objects of modules; 5.4 is the oldest that can be planned", path.display())]
    TooOld {
        /// The folder.
        path: PathBuf,
        /// `VERSION.PATCHLEVEL` of its Makefile.
        version: String,
    },
    /// The kernel's Makefile cannot work with a folder of that name.
    #[error("{}: the kernel's build cannot work in a folder whose name has blanks, colons, quotes or characters special to make; choose another", path.display())]
    FolderName {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{}: failed to {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A program could not be run to its end.
    #[error("{what}: {source}")]
    Child {
        /// What it was run for.
        what: String,
        /// Why it did not end by itself.
        source: ChildError,
    },
    /// `make` ended with a failure.
    #[error("make {target} failed ({status}): {message}")]
    Make {
        /// The targets.
        target: String,
        /// Its exit status.
        status: String,
        /// The first errors it printed.
        message: String,
    },
    /// A configuration is not one.
    #[error("{name}:{line}: {what}: {text}")]
    ConfigSyntax {
        /// Name of the file.
        name: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
        /// The line.
        text: String,
    },
    /// A named default configuration has a name that cannot be a make target.
    #[error(
        "{name:?} is not the name of a default configuration; names look like `defconfig` or `x86_64_defconfig`"
    )]
    DefconfigName {
        /// The name.
        name: String,
    },
    /// A folder or package holds no configuration.
    #[error("{}: {what}; name a configuration file, a folder that holds `.config`, or a headers package (.deb)", path.display())]
    NoConfig {
        /// The folder or package.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The dry run did not print the whole build.
    #[error("the dry run of make does not give a plan: {reason}{}", detail(lines))]
    PlanFailed {
        /// What is wrong.
        reason: String,
        /// What make said.
        lines: Vec<String>,
    },
    /// A bound was reached.
    #[error("{name}: {what} exceeds the limit of {limit}")]
    Limit {
        /// File or program.
        name: String,
        /// What was measured.
        what: &'static str,
        /// The limit with its unit.
        limit: String,
    },
    /// The compiler does not say what it is.
    #[error(
        "{program}: cannot tell which compiler it is: {what}; name the compiler of the baseline with CC"
    )]
    Compiler {
        /// The program.
        program: String,
        /// What is missing.
        what: String,
    },
    /// A build left something in its folder that is not followed.
    #[error("{}: the build left {what} here, which was removed", path.display())]
    Leftover {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// An assembly unit could not be assembled, or its object not be read.
    #[error("{unit}: cannot tell what it exports: {message}")]
    Assemble {
        /// The source file.
        unit: String,
        /// The first errors.
        message: String,
    },
}

fn detail(lines: &[String]) -> String {
    if lines.is_empty() {
        String::new()
    } else {
        format!(": {}", lines.join("; "))
    }
}
