//! A kernel source folder and the object folder that is built from it.

use std::path::{Path, PathBuf};

use crate::cpp::child::Environment;

use super::{KbuildError, MakeOptions, Plan, make};

/// The oldest tree whose build lists the objects of each module in `.mod` files beside them.
const OLDEST: (u32, u32) = (5, 4);
/// Files without which a folder is not a kernel tree that versions symbols.
const NEEDED: [&str; 4] = [
    "Kbuild",
    "Kconfig",
    "scripts/Makefile.build",
    "scripts/genksyms",
];
/// Folders whose objects export nothing and whose inputs a configuration may name outside the tree: keys, the initial
/// ram disk, built-in firmware. A missing input there costs no unit that matters.
const TOLERABLE: [&str; 4] = [
    "certs/",
    "usr/",
    "drivers/base/firmware_loader/builtin/",
    "firmware/",
];

/// The header with the macros of all options, in the object folder.
pub const OPTION_MACROS: &str = "include/generated/autoconf.h";

/// Which release a tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// `VERSION.PATCHLEVEL.SUBLEVEL` and `EXTRAVERSION`, as the top Makefile has them.
    pub version: String,
    /// With the local version of the configuration, as `uname -r` would say; `None` before preparation.
    pub release: Option<String>,
}

/// A kernel source folder, never written to, and the object folder that goes with it.
#[derive(Clone, Debug)]
pub struct ObjectTree {
    pub(super) src: PathBuf,
    pub(super) obj: PathBuf,
    pub(super) options: MakeOptions,
    version: Version,
}

#[derive(Clone, Debug)]
struct Version {
    major: u32,
    minor: u32,
    text: String,
}

impl ObjectTree {
    /// Takes a source folder and an object folder, which is made if it does not exist.
    ///
    /// # Errors
    /// If the source is not a kernel tree of 5.4 or later, or make cannot work with the folders' names.
    pub fn new(
        src: PathBuf,
        obj: PathBuf,
        options: MakeOptions,
    ) -> Result<ObjectTree, KbuildError> {
        let version = read_version(&src)?;
        for needed in NEEDED {
            if !src.join(needed).exists() {
                return Err(not_a_tree(&src, &format!("`{needed}` is missing")));
            }
        }
        if (version.major, version.minor) < OLDEST {
            return Err(KbuildError::TooOld {
                path: src,
                version: format!("{}.{}", version.major, version.minor),
            });
        }
        std::fs::create_dir_all(make::home(&obj))
            .map_err(|source| io_error(&obj, "create", source))?;
        let src = absolute(&src)?;
        let obj = absolute(&obj)?;
        Ok(ObjectTree {
            src,
            obj,
            options,
            version,
        })
    }

    /// The source folder.
    #[must_use]
    pub fn src(&self) -> &Path {
        &self.src
    }

    /// The object folder.
    #[must_use]
    pub fn obj(&self) -> &Path {
        &self.obj
    }

    /// The environment that programs working on these folders get.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.options.environment(&[&self.src], &self.obj, false)
    }

    /// Makes all generated headers and tools that compiling anything needs (`modules_prepare`). Running it again after
    /// sources changed makes what depends on them.
    ///
    /// # Errors
    /// If make fails.
    pub fn prepare(&self) -> Result<(), KbuildError> {
        make::build(&self.src, &self.obj, &self.options, &["modules_prepare"])
    }

    /// Lists what a build would compile, from one dry run.
    ///
    /// # Errors
    /// If the dry run fails in a way that may cost units, or is not understood.
    pub fn plan(&self) -> Result<Plan, KbuildError> {
        let (builder, ended) = self.dry_run(self.everything())?;
        let notes = if ended.status.success() {
            Vec::new()
        } else {
            tolerated(&ended.stderr, &ended.status.to_string())?
        };
        let mut plan = builder.finish()?;
        plan.notes = notes;
        Ok(plan)
    }

    /// The values of all options as the build's Makefiles read them, without what a configuration only shows; `None` before
    /// preparation.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn settled_config(&self) -> Result<Option<Vec<u8>>, KbuildError> {
        self.read_generated("include/config/auto.conf")
    }

    /// The macros of all options, as all C units see them; `None` before preparation.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn option_macros(&self) -> Result<Option<Vec<u8>>, KbuildError> {
        self.read_generated(OPTION_MACROS)
    }

    fn read_generated(&self, name: &str) -> Result<Option<Vec<u8>>, KbuildError> {
        let path = self.obj.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&path, "read", error)),
        }
    }

    /// Which release the tree is.
    ///
    /// # Errors
    /// If a file exists and cannot be read.
    pub fn release(&self) -> Result<Release, KbuildError> {
        let path = self.obj.join("include/config/kernel.release");
        let release = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error(&path, "read", error)),
        };
        Ok(Release {
            version: self.version.text.clone(),
            release,
        })
    }

    /// Folder of the architecture below `arch/` (the build's `SRCARCH`).
    #[must_use]
    pub fn arch(&self) -> &str {
        ObjectTree::source_arch(&self.options)
    }

    /// As [`ObjectTree::arch`], for options alone.
    #[must_use]
    pub fn source_arch(options: &MakeOptions) -> &str {
        let arch = options.arch.as_deref().unwrap_or(std::env::consts::ARCH);
        match arch {
            "i386" | "x86_64" => "x86",
            "aarch64" => "arm64",
            "powerpc64" => "powerpc",
            "s390x" => "s390",
            "riscv32" | "riscv64" => "riscv",
            "loongarch64" => "loongarch",
            "mips64" | "mips32r6" | "mips64r6" => "mips",
            "sparc32" | "sparc64" => "sparc",
            "parisc64" => "parisc",
            other => other,
        }
    }

    /// The targets that reach every folder without linking. Since 6.1 the top `Kbuild` descends into all of them.
    pub(super) fn everything(&self) -> &'static [&'static str] {
        if (self.version.major, self.version.minor) >= (6, 1) {
            &["./"]
        } else {
            &["vmlinux", "modules"]
        }
    }
}

/// Judges a dry run that failed: its failures as notes if none of them can cost a unit that exports.
fn tolerated(stderr: &str, status: &str) -> Result<Vec<String>, KbuildError> {
    let stars: Vec<&str> = stderr
        .lines()
        .filter(|line| line.contains("*** "))
        .collect();
    let roots: Vec<&str> = stars
        .iter()
        .copied()
        .filter(|line| !follows_from_another(line))
        .collect();
    let costly: Vec<String> = roots
        .iter()
        .filter(|line| !is_tolerable(line))
        .take(8)
        .map(|line| (*line).to_owned())
        .collect();
    if roots.is_empty() || !costly.is_empty() {
        let lines = if costly.is_empty() {
            vec![make::messages(stderr)]
        } else {
            costly
        };
        return Err(KbuildError::PlanFailed {
            reason: format!("make failed ({status}), and units may be missing"),
            lines,
        });
    }
    let mut notes: Vec<String> = roots
        .iter()
        .filter_map(|line| {
            line.split_once("*** ")
                .map(|(_, text)| text.trim().to_owned())
        })
        .collect();
    notes.sort_unstable();
    notes.dedup();
    Ok(notes)
}

/// Whether a line only passes on the failure of a make below: `*** [FILE:LINE: TARGET] Error N`.
fn follows_from_another(line: &str) -> bool {
    (line.contains("*** [") && line.contains("] Error ")) || line.contains("Waiting for unfinished")
}

/// Whether a line is `No rule to make target 'X', needed by 'Y'.` with `Y` in a folder that exports nothing.
fn is_tolerable(line: &str) -> bool {
    let Some((_, rest)) = line.split_once("No rule to make target '") else {
        return false;
    };
    let Some((_, needed_by)) = rest.split_once("needed by '") else {
        return false;
    };
    let needed_by = needed_by.strip_prefix("./").unwrap_or(needed_by);
    TOLERABLE.iter().any(|folder| needed_by.starts_with(folder))
}

fn read_version(src: &Path) -> Result<Version, KbuildError> {
    let path = src.join("Makefile");
    let text = match std::fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(not_a_tree(src, "`Makefile` is missing"));
        }
        Err(error) => return Err(io_error(&path, "read", error)),
    };
    let value = |name: &str| {
        text.lines()
            .take(50)
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))
            .map(str::trim)
    };
    let number = |name: &str| value(name).and_then(|text| text.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (number("VERSION"), number("PATCHLEVEL")) else {
        return Err(not_a_tree(
            src,
            "its Makefile sets no VERSION and PATCHLEVEL",
        ));
    };
    let sublevel = number("SUBLEVEL").map_or(String::new(), |number| format!(".{number}"));
    let extra = value("EXTRAVERSION").unwrap_or_default();
    Ok(Version {
        major,
        minor,
        text: format!("{major}.{minor}{sublevel}{extra}"),
    })
}

/// The folder's absolute path, if make can work with it.
fn absolute(path: &Path) -> Result<PathBuf, KbuildError> {
    let path = path
        .canonicalize()
        .map_err(|source| io_error(path, "open", source))?;
    let fits = path.to_str().is_some_and(|name| {
        !name.contains(|c: char| {
            c.is_whitespace() || c.is_control() || ":'\"\\$#%;&|<>()*?[]{}`!=".contains(c)
        })
    });
    if fits {
        Ok(path)
    } else {
        Err(KbuildError::FolderName { path })
    }
}

fn not_a_tree(path: &Path, missing: &str) -> KbuildError {
    KbuildError::NotAKernelTree {
        path: path.to_owned(),
        missing: missing.to_owned(),
    }
}

pub(super) fn io_error(path: &Path, action: &'static str, source: std::io::Error) -> KbuildError {
    KbuildError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}

#[cfg(test)]
mod tests;
