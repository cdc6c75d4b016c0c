//! Writing a baseline folder, whole or not at all.
//!
//! The new folder is made beside the target under another name and then put in its place: by one rename where nothing is
//! there, by one exchange of the two names where a baseline is replaced.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder::{CONFIG, MANIFEST, SYMTYPES, SYMVERS};
use super::manifest::SCHEMA;
use super::{BaselineError, Manifest};
use crate::snapshot::Fingerprint;
use crate::symtypes::TypeGraph;
use crate::symvers::{Symvers, unpack};

/// Strong compression: baselines live in git, so size counts more than the second it costs.
const LEVEL: i32 = 19;

/// What a baseline is made of.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// What the CRCs were computed under.
    pub fingerprint: &'a Fingerprint,
    /// Commit they were computed of, if the source was a git tree.
    pub commit: Option<&'a str>,
    /// The exports.
    pub symvers: &'a Symvers,
    /// The types behind them.
    pub types: &'a TypeGraph,
    /// The kernel configuration, as text.
    pub config: &'a [u8],
    /// Whether the kernel's loader compares the CRCs.
    pub crcs_enforced: bool,
}

/// A further file for the folder, such as the protected list.
#[derive(Clone, Debug)]
pub struct Extra {
    /// Name in the folder.
    pub file: &'static str,
    /// Its content.
    pub content: Vec<u8>,
}

/// Where the exports of an imported baseline come from.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// What was read, as its own name.
    pub from: &'a str,
    /// Whether it holds protected symbols only.
    pub protected_only: bool,
}

/// Writes a new baseline folder out of exports that another program recorded; types or configuration that are empty are
/// left out.
///
/// # Errors
/// As [`create`].
pub fn import(
    path: &Path,
    contents: Contents<'_>,
    import: Import<'_>,
    extras: &[Extra],
) -> Result<(), BaselineError> {
    place(path, contents, Some(import), extras)
}

/// Writes a new baseline folder.
///
/// # Errors
/// If something stands at `path`, or the file system refuses; nothing is left behind then.
pub fn create(path: &Path, contents: Contents<'_>, extras: &[Extra]) -> Result<(), BaselineError> {
    place(path, contents, None, extras)
}

fn place(
    path: &Path,
    contents: Contents<'_>,
    import: Option<Import<'_>>,
    extras: &[Extra],
) -> Result<(), BaselineError> {
    if path.exists() {
        return Err(BaselineError::Exists {
            path: path.to_owned(),
        });
    }
    let staged = stage(path, contents, import, extras, None)?;
    fs::rename(staged.path(), path).map_err(BaselineError::io(path))?;
    let _ = staged.keep();
    Ok(())
}

/// Replaces what this program made of a baseline folder and keeps every other file.
///
/// # Errors
/// If there is no baseline at `path`, or the file system refuses; the old baseline stays as it was then.
pub fn replace(path: &Path, contents: Contents<'_>, extras: &[Extra]) -> Result<(), BaselineError> {
    if !path.join(MANIFEST).exists() {
        return Err(BaselineError::Missing {
            path: path.to_owned(),
            what: format!("it has no {MANIFEST}"),
        });
    }
    let staged = stage(path, contents, None, extras, Some(path))?;
    exchange(staged.path(), path).map_err(BaselineError::io(path))
}

/// Makes the new folder beside its place.
fn stage(
    path: &Path,
    contents: Contents<'_>,
    import: Option<Import<'_>>,
    extras: &[Extra],
    old: Option<&Path>,
) -> Result<tempfile::TempDir, BaselineError> {
    let parent = parent_of(path);
    fs::create_dir_all(&parent).map_err(BaselineError::io(&parent))?;
    let staged = tempfile::Builder::new()
        .prefix(".kabigate-")
        .tempdir_in(&parent)
        .map_err(BaselineError::io(&parent))?;
    if let Some(old) = old {
        copy_files(old, staged.path())?;
    }
    let write = |file: &str, bytes: &[u8]| {
        let path = staged.path().join(file);
        fs::write(&path, bytes).map_err(BaselineError::io(path))
    };
    for extra in extras {
        write(extra.file, &extra.content)?;
    }
    let manifest = Manifest {
        schema: SCHEMA,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        commit: contents.commit.map(str::to_owned),
        exports: contents.symvers.len(),
        crcs_enforced: contents.crcs_enforced,
        imported_from: import.map(|import| import.from.to_owned()),
        protected_only: import.is_some_and(|import| import.protected_only),
        fingerprint: contents.fingerprint.clone(),
    };
    write(MANIFEST, manifest.write().as_bytes())?;
    write(SYMVERS, contents.symvers.write().as_bytes())?;
    if import.is_none() || !contents.config.is_empty() {
        write(CONFIG, contents.config)?;
    }
    if import.is_some() && contents.types.is_empty() {
        readable_by_all(staged.path())?;
        return Ok(staged);
    }
    let symtypes = contents.types.to_consolidated();
    if !holds(&staged.path().join(SYMTYPES), symtypes.as_bytes()) {
        let packed =
            zstd::encode_all(symtypes.as_bytes(), LEVEL).map_err(BaselineError::io(path))?;
        write(SYMTYPES, &packed)?;
    }
    readable_by_all(staged.path())?;
    Ok(staged)
}

/// Whether the packed file unpacks to `content`: another version of the compressor must not show as a change in git.
fn holds(packed: &Path, content: &[u8]) -> bool {
    let name = packed.display().to_string();
    fs::read(packed).is_ok_and(|bytes| {
        unpack(&bytes, &name, content.len() as u64 + 1).is_ok_and(|unpacked| *unpacked == *content)
    })
}

fn copy_files(from: &Path, to: &Path) -> Result<(), BaselineError> {
    for entry in fs::read_dir(from).map_err(BaselineError::io(from))? {
        let entry = entry.map_err(BaselineError::io(from))?;
        let kind = entry.file_type().map_err(BaselineError::io(entry.path()))?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            fs::create_dir(&target).map_err(BaselineError::io(&target))?;
            copy_files(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(BaselineError::io(entry.path()))?;
        }
    }
    Ok(())
}

/// Temporary folders are private to their owner; a baseline is an ordinary folder of a repository.
fn readable_by_all(folder: &Path) -> Result<(), BaselineError> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .map_err(BaselineError::io(folder))
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Swaps two folders of one parent.
fn exchange(new: &Path, old: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        // File systems without exchange, such as some network ones: two renames, undone if the second fails.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            let aside = new.with_extension("old");
            fs::rename(old, &aside)?;
            if let Err(error) = fs::rename(new, old) {
                fs::rename(&aside, old)?;
                return Err(error);
            }
            fs::rename(&aside, new)
        }
        result => Ok(result?),
    }
}
