//! Finds the exports, types and configuration of a candidate.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CONFIG_LIMIT, CandidateError, Parts, Source, package};
use crate::symvers::{Symvers, UNPACK_LIMIT, kabi_module_types, read_file};

/// Endings of packed files, the plain one first.
pub(super) const PACKED: [&str; 4] = ["", ".gz", ".xz", ".zst"];

/// What a folder may hold the exports in, in order of preference.
const NAMES: [&str; 3] = ["Module.symvers", "symvers", "build/Module.symvers"];

/// Where an unpacked package keeps a kernel's files: folders whose children are looked into.
const INSIDE: [&str; 5] = [
    "usr/src",
    "lib/modules",
    "usr/lib/modules",
    "usr/src/kernels",
    "boot",
];

/// The exports at a path, with what stands beside them.
pub(super) fn parts(path: &Path) -> Result<Parts, CandidateError> {
    if path.is_dir() {
        return folder(path);
    }
    if !path.exists() {
        return Err(CandidateError::Missing {
            path: path.to_owned(),
        });
    }
    let bytes = read_file(path, UNPACK_LIMIT)?;
    if package::is_deb(&bytes) {
        return package::parts(&bytes, &path.display().to_string());
    }
    Ok(beside(path, bytes))
}

/// A folder that holds the exports itself, or one that a package was unpacked in.
fn folder(path: &Path) -> Result<Parts, CandidateError> {
    if let Some(file) = symvers_in(path) {
        let bytes = read_file(&file, UNPACK_LIMIT)?;
        return Ok(beside(&file, bytes));
    }
    let mut found = Vec::new();
    for inside in INSIDE {
        found.extend(below(&path.join(inside))?);
    }
    // `lib` and `usr/lib` may be one folder, and `build` a link to what stands in `usr/src`.
    let mut places: Vec<(PathBuf, PathBuf)> = found
        .into_iter()
        .filter_map(|file| Some((fs::canonicalize(&file).ok()?, file)))
        .collect();
    places.sort();
    places.dedup_by(|a, b| a.0 == b.0);
    match places.as_slice() {
        [] => Err(CandidateError::NoSymvers {
            name: path.display().to_string(),
            what: "the folder holds no Module.symvers, symvers.gz or build/Module.symvers"
                .to_owned(),
        }),
        [(_, file)] => Ok(beside(file, read_file(file, UNPACK_LIMIT)?)),
        several => Err(CandidateError::Several {
            name: path.display().to_string(),
            found: several
                .iter()
                .map(|(_, file)| file.display().to_string())
                .collect(),
        }),
    }
}

/// The exports and types of Red Hat's folder with a file for each symbol.
pub(super) fn kabi_module(folder: &Path, minor: Option<u32>) -> Result<Parts, CandidateError> {
    let source = folder.display().to_string();
    let types = kabi_module_types(folder)?;
    Ok(Parts {
        symvers: Symvers::load_kabi_module(folder, minor)?
            .write()
            .into_bytes(),
        types: (!types.is_empty()).then(|| Source::Files(source.clone(), types)),
        config: None,
        protected_only: true,
        source,
    })
}

fn symvers_in(folder: &Path) -> Option<PathBuf> {
    NAMES
        .iter()
        .flat_map(|name| PACKED.map(|packed| folder.join(format!("{name}{packed}"))))
        .find(|file| file.is_file())
}

/// The files of exports in the children of a folder; of `symvers-RELEASE` files each one.
fn below(folder: &Path) -> Result<Vec<PathBuf>, CandidateError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |source| CandidateError::Folder {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(symvers_in(&path));
        } else if is_symvers_name(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_symvers_name(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("symvers-"))
}

/// Whether a file is a list of protected symbols by its name: `Module.kabi`, `Module.kabi_x86_64`.
fn is_module_kabi(file: &Path) -> bool {
    file.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("Module.kabi"))
}

/// The exports of a file with the types and the configuration beside it.
fn beside(file: &Path, symvers: Vec<u8>) -> Parts {
    let config = file
        .parent()
        .map(|folder| folder.join(".config"))
        .filter(|config| config.is_file())
        .and_then(|config| read_file(&config, CONFIG_LIMIT).ok());
    Parts {
        source: file.display().to_string(),
        symvers,
        types: types_beside(file).map(Source::Path),
        config,
        protected_only: is_module_kabi(file),
    }
}

fn types_beside(file: &Path) -> Option<PathBuf> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = file.file_name()?.to_string_lossy().into_owned();
    type_names(&name)
        .into_iter()
        .flat_map(|name| PACKED.map(|packed| folder.join(format!("{name}{packed}"))))
        .find(|path| path.exists())
}

/// What the types of a file of exports may be called, without the ending of a packed file.
pub(super) fn type_names(symvers: &str) -> Vec<String> {
    let plain = PACKED
        .iter()
        .rev()
        .find_map(|packed| symvers.strip_suffix(packed))
        .unwrap_or(symvers);
    let mut names = Vec::new();
    if plain.contains("symvers") {
        names.push(plain.replacen("symvers", "symtypes", 1));
    }
    if plain == "Module.symvers" || plain == "symvers" {
        names.push("symtypes".to_owned());
    }
    names
}
