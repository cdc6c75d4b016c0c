//! Files of a session: which exist, where headers are found, what they hold.
//!
//! In flow folders and bytes from a [`FileProvider`], out flow files cut into tokens. Folders are listed once and files
//! read once for a session, so that a header costs no system call after its first use.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use super::lexed::{Lexed, lex};
use super::lexer::Dialect;
use super::macros::Macros;
use super::spelling::{Spellings, Sym};
use super::store::Store;

/// Bytes of a file that is read; the largest of the kernel has 20 MiB.
const FILE_LIMIT: u64 = 128 << 20;

/// Where the preprocessor's files come from.
pub trait FileProvider: Send + Sync {
    /// The names in a folder and whether each is a file; `None` if there is no such folder.
    fn entries(&self, folder: &Path) -> Option<Vec<(OsString, bool)>>;
    /// What a file holds.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The path without symbolic links.
    ///
    /// # Errors
    /// What the system says.
    fn real(&self, path: &Path) -> io::Result<PathBuf>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl FileProvider for Disk {
    fn entries(&self, folder: &Path) -> Option<Vec<(OsString, bool)>> {
        let entries = std::fs::read_dir(folder).ok()?;
        let found = entries.filter_map(Result::ok).map(|entry| {
            let is_file = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => {
                    std::fs::metadata(entry.path()).is_ok_and(|found| found.is_file())
                }
                Ok(kind) => kind.is_file(),
                Err(_) => false,
            };
            (entry.file_name(), is_file)
        });
        Some(found.collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = std::fs::File::open(path)?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, FILE_LIMIT + 1), &mut bytes)?;
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(io::Error::other(format!("larger than {FILE_LIMIT} bytes")));
        }
        Ok(bytes)
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        path.canonicalize()
    }
}

/// A file by the path under which it was found.
pub(super) type FileId = u32;

/// One file.
pub(super) struct File {
    /// Its path as the compiler spells it.
    pub(super) name: Sym,
    /// The folder part of the name, with its slash.
    pub(super) folder: Sym,
    path: PathBuf,
    /// What it holds, in each dialect that was asked for.
    lexed: Mutex<Vec<(Dialect, Arc<Lexed>)>>,
    real: OnceLock<Result<PathBuf, String>>,
}

type Table<K, V> = RwLock<HashMap<K, V, foldhash::fast::RandomState>>;

/// All files of a session.
pub(super) struct Files {
    provider: Arc<dyn FileProvider>,
    /// Folders, without symbolic links, out of which no file may lie.
    roots: Box<[PathBuf]>,
    /// A header whose text is replaced, and by what.
    replaced: Option<(PathBuf, Arc<[u8]>)>,
    folders: Table<PathBuf, Option<Arc<HashMap<OsString, bool>>>>,
    known: Table<(Sym, Sym, Sym), Option<FileId>>,
    store: Store<File>,
    bytes: AtomicUsize,
}

fn read<K, V: Clone>(table: &Table<K, V>, key: &K) -> Option<V>
where
    K: std::hash::Hash + Eq,
{
    let table = table.read().unwrap_or_else(PoisonError::into_inner);
    table.get(key).cloned()
}

fn write<K: std::hash::Hash + Eq, V>(table: &Table<K, V>, key: K, value: V) {
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    table.insert(key, value);
}

impl Files {
    pub(super) fn new(
        provider: Arc<dyn FileProvider>,
        roots: Box<[PathBuf]>,
        replaced: Option<(PathBuf, Arc<[u8]>)>,
    ) -> Self {
        Files {
            provider,
            roots,
            replaced,
            folders: Table::default(),
            known: Table::default(),
            store: Store::new(),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Bytes that the files take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts memory that was taken for files.
    pub(super) fn take(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn get(&self, id: FileId) -> Option<&File> {
        self.store.get(id)
    }

    /// The file `name` in a folder, both as spelled and relative to `cwd`.
    pub(super) fn find(
        &self,
        spellings: &Spellings,
        cwd: Sym,
        folder: Sym,
        name: Sym,
    ) -> Option<FileId> {
        let key = (cwd, folder, name);
        if let Some(known) = read(&self.known, &key) {
            return known;
        }
        let found = self.look(spellings, cwd, folder, name);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Two threads may have looked at once; a file has one number.
        *known.entry(key).or_insert_with(|| {
            let (spelled, path) = found?;
            let folder = spelled.iter().rposition(|byte| *byte == b'/');
            let folder = spelled.get(..folder.map_or(0, |at| at + 1));
            self.store.push(File {
                name: spellings.intern(&spelled),
                folder: spellings.intern(folder.unwrap_or_default()),
                path,
                lexed: Mutex::default(),
                real: OnceLock::new(),
            })
        })
    }

    fn look(
        &self,
        spellings: &Spellings,
        cwd: Sym,
        folder: Sym,
        name: Sym,
    ) -> Option<(Vec<u8>, PathBuf)> {
        let (folder, name) = (spellings.text(folder), spellings.text(name));
        let mut spelled = Vec::with_capacity(folder.len() + name.len() + 1);
        if !name.starts_with(b"/") {
            spelled.extend_from_slice(folder);
            if !folder.is_empty() && !folder.ends_with(b"/") {
                spelled.push(b'/');
            }
        }
        spelled.extend_from_slice(name);
        let path = as_path(spellings.text(cwd)).join(as_path(&spelled));
        self.is_file(&path).then_some((spelled, path))
    }

    /// Whether a folder exists.
    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.list(path).is_some()
    }

    fn is_file(&self, path: &Path) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return false;
        };
        self.list(folder)
            .is_some_and(|names| names.get(name) == Some(&true))
    }

    fn list(&self, folder: &Path) -> Option<Arc<HashMap<OsString, bool>>> {
        if let Some(known) = read(&self.folders, &folder.to_owned()) {
            return known;
        }
        let entries = self.provider.entries(folder);
        let names = entries.map(|entries| Arc::new(entries.into_iter().collect()));
        write(&self.folders, folder.to_owned(), names.clone());
        names
    }

    /// The real path of a file, which must lie in one of the roots.
    ///
    /// # Errors
    /// Why it may not be read.
    pub(super) fn real(&self, file: &File) -> Result<PathBuf, String> {
        let check = || {
            let real = self
                .provider
                .real(&file.path)
                .map_err(|error| format!("{}: {error}", file.path.display()))?;
            if self.roots.iter().any(|root| real.starts_with(root)) {
                return Ok(real);
            }
            Err(format!(
                "{} lies outside of source tree, object tree and the compiler's folders ({}), so it is not read",
                file.path.display(),
                real.display()
            ))
        };
        file.real.get_or_init(check).clone()
    }

    /// The file cut into tokens.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn lexed(
        &self,
        file: &File,
        dialect: Dialect,
        spellings: &Spellings,
        macros: &Macros,
        keep: bool,
    ) -> Result<Arc<Lexed>, String> {
        let mut kept = file.lexed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, lexed)) = kept.iter().find(|(known, _)| *known == dialect) {
            return Ok(lexed.clone());
        }
        let real = self.real(file)?;
        let lexed = match &self.replaced {
            Some((path, text)) if *path == real => lex(text, dialect, spellings, macros),
            _ => {
                let bytes = self
                    .provider
                    .read(&real)
                    .map_err(|error| format!("{}: {error}", file.path.display()))?;
                lex(&bytes, dialect, spellings, macros)
            }
        };
        let lexed = Arc::new(lexed);
        if keep {
            self.take(lexed.bytes());
            kept.push((dialect, lexed.clone()));
        }
        Ok(lexed)
    }
}

/// Bytes of a path as the system's own type.
pub(super) fn as_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file is found by folder and name, and refused when a link leads out of the roots.
    #[test]
    fn finds_and_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("in/sub")).unwrap();
        std::fs::write(root.join("in/sub/a.h"), "x").unwrap();
        std::fs::write(root.join("out.h"), "y").unwrap();
        std::os::unix::fs::symlink(root.join("out.h"), root.join("in/link.h")).unwrap();
        let files = Files::new(Arc::new(Disk), [root.join("in")].into(), None);
        let spellings = Spellings::new();
        let cwd = spellings.intern(root.join("in").to_str().unwrap().as_bytes());
        let find = |folder: &str, name: &str| {
            let (folder, name) = (
                spellings.intern(folder.as_bytes()),
                spellings.intern(name.as_bytes()),
            );
            files.find(&spellings, cwd, folder, name)
        };
        assert_eq!(find("sub", "b.h"), None);
        assert_eq!(find("", "sub"), None);
        let a = files.get(find("./sub", "a.h").unwrap()).unwrap();
        assert_eq!(spellings.text(a.name), b"./sub/a.h");
        assert_eq!(spellings.text(a.folder), b"./sub/");
        assert!(files.real(a).is_ok());
        let link = files.get(find("", "link.h").unwrap()).unwrap();
        assert!(files.real(link).unwrap_err().contains("lies outside"));
    }
}
