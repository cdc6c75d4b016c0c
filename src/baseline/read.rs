//! Reading a baseline folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::folder::{
    APPROVALS, CONFIG, MANIFEST, MODULES, RULES, STABLELIST, SYMTYPES, SYMVERS, UPDATES,
};
use super::{BaselineError, Manifest};
use crate::symtypes::TypeGraph;
use crate::symvers::{Symvers, SymversError, UNPACK_LIMIT, read_file, unpack};

/// A baseline that was read.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Its folder.
    pub path: PathBuf,
    /// What it was made of.
    pub manifest: Manifest,
    /// Its exports.
    pub symvers: Symvers,
    /// The types behind them; empty if the folder holds none.
    pub types: TypeGraph,
    /// The kernel configuration, as text; none if whoever recorded the exports did not have it.
    pub config: Option<Vec<u8>>,
    /// What is odd about the files and changes nothing.
    pub warnings: Vec<String>,
    /// Digest of the four files that the program makes, as they lie in the folder.
    pub digest: String,
    /// The files that people keep and that the folder has, by name.
    kept: BTreeMap<&'static str, Vec<u8>>,
}

/// The files of a baseline folder that people keep.
const KEPT: [&str; 5] = [STABLELIST, RULES, APPROVALS, MODULES, UPDATES];

/// Reads a file of a baseline folder by name; `None` if the folder does not have it.
pub type ReadPart<'a> = dyn FnMut(&str) -> Result<Option<Vec<u8>>, BaselineError> + 'a;

impl Baseline {
    /// Reads a baseline folder whole.
    ///
    /// # Errors
    /// If a file is missing or damaged, if there is no export, or if no export carries a CRC.
    pub fn load(path: &Path) -> Result<Baseline, BaselineError> {
        Baseline::load_into(path, TypeGraph::default())
    }

    /// As [`Baseline::load`], with types that are read into `types`, a graph without units.
    pub(super) fn load_into(path: &Path, types: TypeGraph) -> Result<Baseline, BaselineError> {
        if !path.is_dir() {
            return Err(BaselineError::Missing {
                path: path.to_owned(),
                what: "the folder does not exist".to_owned(),
            });
        }
        Baseline::read_into(path, types, &mut |file| {
            let file = path.join(file);
            if file.exists() {
                Ok(Some(read_file(&file, UNPACK_LIMIT)?))
            } else {
                Ok(None)
            }
        })
    }

    /// Reads a baseline whose files `read` hands out, such as from a revision; `path` is what messages call the folder.
    ///
    /// # Errors
    /// As [`Baseline::load`], and what `read` fails with.
    pub fn read(path: &Path, read: &mut ReadPart<'_>) -> Result<Baseline, BaselineError> {
        Baseline::read_into(path, TypeGraph::default(), read)
    }

    fn read_into(
        path: &Path,
        types: TypeGraph,
        read: &mut ReadPart<'_>,
    ) -> Result<Baseline, BaselineError> {
        let mut kept = BTreeMap::new();
        for file in KEPT {
            if let Some(bytes) = read(file)? {
                kept.insert(file, bytes);
            }
        }
        let mut digest = blake3::Hasher::new();
        let mut part = |file: &str| {
            let bytes = read(file)?;
            // A file that is missing is told apart from an empty one.
            let len = bytes.as_ref().map_or(u64::MAX, |bytes| bytes.len() as u64);
            digest.update(&len.to_le_bytes());
            digest.update(bytes.as_deref().unwrap_or_default());
            Ok::<_, BaselineError>(bytes)
        };
        let required = |bytes: Option<Vec<u8>>, file| bytes.ok_or_else(|| missing(path, file));
        let manifest_path = path.join(MANIFEST);
        let manifest = Manifest::read(&required(part(MANIFEST)?, MANIFEST)?, &manifest_path)?;
        let symvers_path = path.join(SYMVERS);
        let name = symvers_path.display().to_string();
        let symvers = match Symvers::read(&required(part(SYMVERS)?, SYMVERS)?, &name) {
            Err(SymversError::Empty { .. }) => {
                return Err(BaselineError::Empty {
                    path: path.to_owned(),
                });
            }
            read => read?,
        };
        if symvers.symvers.is_unversioned() {
            return Err(BaselineError::Unversioned { path: symvers_path });
        }
        if symvers.partial {
            return Err(BaselineError::Partial { path: symvers_path });
        }
        let symtypes = path.join(SYMTYPES).display().to_string();
        let types = match part(SYMTYPES)? {
            Some(packed) => {
                types.consolidated(&unpack(&packed, &symtypes, UNPACK_LIMIT)?, &symtypes)?
            }
            // What was imported without types says so; from any other folder the file was lost.
            None if manifest.imported_from.is_some() => types,
            None => return Err(missing(path, SYMTYPES)),
        };
        let config = match part(CONFIG)? {
            None if manifest.imported_from.is_none() => return Err(missing(path, CONFIG)),
            config => config,
        };
        Ok(Baseline {
            path: path.to_owned(),
            manifest,
            symvers: symvers.symvers,
            types,
            config,
            digest: digest.finalize().to_hex()[..32].to_owned(),
            kept,
            warnings: symvers
                .warnings
                .iter()
                .map(|problem| format!("{name}:{}: {}", problem.line, problem.message))
                .collect(),
        })
    }

    /// Names and contents of the files that people keep, by name.
    pub fn kept(&self) -> impl Iterator<Item = &[u8]> {
        let files = self.kept.iter();
        files.flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_slice()])
    }

    /// Name of the folder, for reports.
    #[must_use]
    pub fn name(&self) -> String {
        let full = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        full.file_name().map_or_else(
            || self.path.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// A file of the folder that people keep and that not every baseline has: `stablelist`, `rules.toml`,
    /// `approvals.toml`, `modules.json`, `updates.toml`.
    #[must_use]
    pub fn optional(&self, file: &str) -> Option<&[u8]> {
        self.kept.get(file).map(Vec::as_slice)
    }
}

fn missing(path: &Path, file: &str) -> BaselineError {
    BaselineError::Missing {
        path: path.to_owned(),
        what: format!("it has no {file}"),
    }
}
