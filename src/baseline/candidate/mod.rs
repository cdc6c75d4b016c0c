//! A candidate: whatever on disk holds the exports of one kernel.
//!
//! In flows a path, out flows a [`Candidate`]: exports, and types, configuration and fingerprint where they are found
//! beside. What a path may be:
//!
//! | path | exports |
//! |---|---|
//! | a file | a `Module.symvers` of any age, plain or packed with gzip, xz or zstd; a `.deb` that holds one |
//! | a baseline folder | its `Module.symvers`, with types, configuration and fingerprint |
//! | a headers package, unpacked, or a build tree | its `Module.symvers` |
//! | `/lib/modules/K` | `symvers.gz` (`.xz`, `.zst`) or `build/Module.symvers` |
//! | a folder that a package was unpacked in | the one file of the above that it holds |
//! | a `Module.kabi` file, or Red Hat's folder with a file for each symbol | the protected symbols and no other |
//!
//! Types are looked for beside the exports: `symtypes.zst`, `symtypes` and their packed forms, or the name of the
//! exports' file with `symvers` replaced by `symtypes` (`symvers-default.gz`, `symtypes-default.gz`).

mod error;
mod find;
mod package;

use std::path::{Path, PathBuf};

pub use error::CandidateError;

use super::folder::MANIFEST;
use super::{Baseline, Manifest};
use crate::symtypes::TypeGraph;
use crate::symvers::{Symvers, SymversError, UNPACK_LIMIT, is_kabi_module_folder, unpack};

/// The most bytes of a configuration that is found beside the exports.
const CONFIG_LIMIT: u64 = 8 << 20;

/// The exports of one kernel, and what is known about them.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The path as it was given.
    pub path: PathBuf,
    /// What was read, as a path or `package:path`.
    pub source: String,
    /// The exports.
    pub symvers: Symvers,
    /// The types behind them; empty if none were found.
    pub types: TypeGraph,
    /// Where the types were found.
    pub types_source: Option<String>,
    /// The kernel configuration as text, if it was found.
    pub config: Option<Vec<u8>>,
    /// What the kernel was made of, for a baseline folder.
    pub manifest: Option<Manifest>,
    /// Whether the exports are those of a list of protected symbols, so that nothing is known about any other.
    pub protected_only: bool,
    /// What is odd about the files and changes nothing.
    pub warnings: Vec<String>,
}

/// The bytes of what a candidate is made of.
pub(super) struct Parts {
    source: String,
    symvers: Vec<u8>,
    types: Option<Source>,
    config: Option<Vec<u8>>,
    protected_only: bool,
}

/// Where types come from.
pub(super) enum Source {
    /// A file or folder.
    Path(PathBuf),
    /// Bytes out of a package.
    Bytes(String, Vec<u8>),
    /// Files of units, each with the unit's name; the text stands for all of them.
    Files(String, Vec<(String, PathBuf)>),
}

impl Candidate {
    /// Reads what `path` names; types are read from `types` instead of beside the exports where it is given.
    ///
    /// # Errors
    /// If nothing or more than one thing of the kind is found, if it cannot be read, if there is no export, if no
    /// export carries a CRC, or if the file is a partial result of a kernel build.
    pub fn load(path: &Path, types: Option<&Path>) -> Result<Candidate, CandidateError> {
        load_into(path, types, TypeGraph::default())
    }

    /// Reads another candidate, which shares the names and texts of its types with this one: two kernels have most of
    /// them in common.
    ///
    /// # Errors
    /// As [`Candidate::load`].
    pub fn beside(
        mut self,
        path: &Path,
        types: Option<&Path>,
    ) -> Result<(Candidate, Candidate), CandidateError> {
        let own = std::mem::take(&mut self.types);
        let (own, other) =
            own.beside(|empty| load_into(path, types, empty), |other| &other.types)?;
        self.types = own;
        Ok((self, other))
    }

    /// Reads Red Hat's folder with a file for each symbol as it stood in a minor release, or stands today.
    ///
    /// # Errors
    /// If a file is wrong, or no symbol is in force.
    pub fn of_kabi_module(
        path: &Path,
        types: Option<&Path>,
        minor: Option<u32>,
    ) -> Result<Candidate, CandidateError> {
        let parts = find::kabi_module(path, minor)?;
        with_types(path, parts, types, TypeGraph::default())
    }

    /// The kernel that a baseline holds.
    #[must_use]
    pub fn of_baseline(baseline: Baseline) -> Candidate {
        let has_types = !baseline.types.is_empty();
        Candidate {
            source: baseline.path.display().to_string(),
            types_source: has_types
                .then(|| baseline.path.join(super::SYMTYPES).display().to_string()),
            path: baseline.path,
            symvers: baseline.symvers,
            types: baseline.types,
            config: baseline.config,
            protected_only: baseline.manifest.protected_only,
            manifest: Some(baseline.manifest),
            warnings: baseline.warnings,
        }
    }

    /// Short name for reports: the last part of the path that says something.
    #[must_use]
    pub fn name(&self) -> String {
        let full = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let parts: Vec<String> = full
            .components()
            .filter_map(|part| match part {
                std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            })
            .collect();
        match parts.as_slice() {
            // Every kernel's file has this name; the folder tells them apart.
            [.., folder, file] if file.starts_with("Module.") => format!("{folder}/{file}"),
            [.., last] => last.clone(),
            [] => full.display().to_string(),
        }
    }
}

/// Reads a candidate whose types go into `empty`, a graph without units.
fn load_into(
    path: &Path,
    types: Option<&Path>,
    empty: TypeGraph,
) -> Result<Candidate, CandidateError> {
    if path.join(MANIFEST).is_file() {
        return of_baseline(path, types, empty);
    }
    let parts = if path.is_dir() && is_kabi_module_folder(path) {
        find::kabi_module(path, None)?
    } else {
        find::parts(path)?
    };
    with_types(path, parts, types, empty)
}

fn of_baseline(
    path: &Path,
    types: Option<&Path>,
    empty: TypeGraph,
) -> Result<Candidate, CandidateError> {
    let mut candidate = Candidate::of_baseline(Baseline::load_into(path, empty)?);
    if let Some(types) = types {
        let empty = std::mem::take(&mut candidate.types).emptied();
        let (graph, name) = read_types(Source::Path(types.to_owned()), empty)?;
        candidate.types = graph;
        candidate.types_source = Some(name);
    }
    Ok(candidate)
}

fn with_types(
    path: &Path,
    mut parts: Parts,
    types: Option<&Path>,
    empty: TypeGraph,
) -> Result<Candidate, CandidateError> {
    if let Some(types) = types {
        parts.types = Some(Source::Path(types.to_owned()));
    }
    of_parts(path, parts, empty)
}

fn of_parts(path: &Path, parts: Parts, empty: TypeGraph) -> Result<Candidate, CandidateError> {
    let name = parts.source;
    let read = match Symvers::read(&parts.symvers, &name) {
        Err(SymversError::Empty { .. }) => return Err(CandidateError::Empty { name }),
        read => read?,
    };
    if read.symvers.is_unversioned() {
        return Err(CandidateError::Unversioned { name });
    }
    if read.partial {
        return Err(CandidateError::Partial { name });
    }
    let (types, types_source) = match parts.types {
        Some(source) => {
            let (types, name) = read_types(source, empty)?;
            (types, Some(name))
        }
        None => (empty, None),
    };
    let warnings = read
        .warnings
        .iter()
        .map(|problem| format!("{name}:{}: {}", problem.line, problem.message))
        .collect();
    Ok(Candidate {
        path: path.to_owned(),
        source: name,
        symvers: read.symvers,
        types,
        types_source,
        config: parts.config,
        manifest: None,
        protected_only: parts.protected_only,
        warnings,
    })
}

fn read_types(source: Source, empty: TypeGraph) -> Result<(TypeGraph, String), CandidateError> {
    Ok(match source {
        Source::Path(path) => (empty.load_into(&path)?, path.display().to_string()),
        Source::Bytes(name, bytes) => (
            empty.read_into(&unpack(&bytes, &name, UNPACK_LIMIT)?, &name)?,
            name,
        ),
        Source::Files(name, files) => (empty.files(&files, &name)?, name),
    })
}

#[cfg(test)]
mod tests;
