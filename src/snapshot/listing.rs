//! What a folder holds, by the size, times and number of each file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::cache::Key;

/// What the folders of a tree hold, each by its path below the top.
pub(super) struct Listing(BTreeMap<PathBuf, Folder>);

/// What one folder holds, but for what its folders hold.
struct Folder {
    digest: Key,
    /// Bytes that its files take on the disk.
    bytes: u64,
}

impl Listing {
    /// Looks at all files below `top`, but for the folders of these names in it.
    pub(super) fn of(top: &Path, left_out: &[&str]) -> io::Result<Listing> {
        let mut folders = Vec::new();
        let mut open = vec![PathBuf::new()];
        while !open.is_empty() {
            let looked: Vec<(Folder, Vec<PathBuf>)> = open
                .par_iter()
                .map(|path| look(top, path, left_out))
                .collect::<io::Result<_>>()?;
            let mut below = Vec::new();
            for (path, (folder, inside)) in open.drain(..).zip(looked) {
                folders.push((path, folder));
                below.extend(inside);
            }
            open = below;
        }
        Ok(Listing(folders.into_iter().collect()))
    }

    /// The listing after something was done in these folders, of which some may be new or gone, and in no others.
    pub(super) fn after(&self, top: &Path, touched: &BTreeSet<PathBuf>) -> io::Result<Listing> {
        let kept = self.0.iter().filter(|(path, _)| !touched.contains(*path));
        let mut folders: BTreeMap<PathBuf, Folder> = kept
            .map(|(path, folder)| {
                let folder = Folder {
                    digest: folder.digest,
                    bytes: folder.bytes,
                };
                (path.clone(), folder)
            })
            .collect();
        for path in touched {
            match look(top, path, &[]) {
                Ok((folder, _)) => {
                    folders.insert(path.clone(), folder);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Listing(folders))
    }

    /// A digest of all of it.
    pub(super) fn key(&self) -> Key {
        let mut key = Key::builder();
        for (path, folder) in &self.0 {
            key.part(path.as_os_str().as_encoded_bytes());
            key.part(folder.digest.bytes());
        }
        key.finish()
    }

    /// The bytes that the files take on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.0.values().map(|folder| folder.bytes).sum()
    }
}

/// One folder, and the folders in it.
fn look(top: &Path, path: &Path, left_out: &[&str]) -> io::Result<(Folder, Vec<PathBuf>)> {
    let mut entries: Vec<DirEntry> = fs::read_dir(top.join(path))?.collect::<io::Result<_>>()?;
    if path.as_os_str().is_empty() {
        entries.retain(|entry| !left_out.iter().any(|name| entry.file_name() == *name));
    }
    entries.sort_by_cached_key(DirEntry::file_name);
    let mut key = Key::builder();
    let mut bytes = 0;
    let mut inside = Vec::new();
    for entry in entries {
        let name = entry.file_name();
        key.part(name.as_encoded_bytes());
        // A folder's own times change with what is done in it, all of which shows in its entries.
        if entry.file_type()?.is_dir() {
            inside.push(path.join(name));
            continue;
        }
        let found = entry.metadata()?;
        key.part(&line(&found));
        bytes += found.blocks() * 512;
    }
    let folder = Folder {
        digest: key.finish(),
        bytes,
    };
    Ok((folder, inside))
}

/// What tells that a file was written to.
fn line(found: &Metadata) -> [u8; 56] {
    let numbers = [
        found.len(),
        found.ino(),
        found.mtime().cast_unsigned(),
        found.mtime_nsec().cast_unsigned(),
        found.ctime().cast_unsigned(),
        found.ctime_nsec().cast_unsigned(),
        u64::from(found.mode()),
    ];
    let mut line = [0; 56];
    for (bytes, number) in line.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(top: &Path) -> Listing {
        Listing::of(top, &["own"]).unwrap()
    }

    /// Every write shows, wherever it is, but in what is left out.
    #[test]
    fn writes_show() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir_all(top.join("own")).unwrap();
        fs::create_dir_all(top.join("a/own")).unwrap();
        fs::write(top.join("a/b/f"), "1").unwrap();
        let first = of(top).key();
        fs::write(top.join("own/x"), "1").unwrap();
        assert_eq!(of(top).key(), first);
        let mut keys = vec![first];
        for change in [
            &|| fs::write(top.join("a/b/f"), "22").unwrap() as (),
            &|| fs::write(top.join("a/own/x"), "").unwrap(),
            &|| fs::create_dir(top.join("a/b/c")).unwrap(),
            &|| fs::rename(top.join("a/b/f"), top.join("a/b/g")).unwrap(),
        ] as [&dyn Fn(); 4]
        {
            change();
            keys.push(of(top).key());
        }
        let different: BTreeSet<_> = keys.iter().map(|key| key.hex()).collect();
        assert_eq!(different.len(), keys.len());
    }

    /// Looking again at what was touched gives what looking at everything gives.
    #[test]
    fn touched_folders_are_enough() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir_all(top.join("c")).unwrap();
        fs::write(top.join("a/b/f"), "1").unwrap();
        fs::write(top.join("c/f"), "1").unwrap();
        let before = Listing::of(top, &[]).unwrap();
        fs::remove_dir_all(top.join("a/b")).unwrap();
        fs::create_dir_all(top.join("a/n")).unwrap();
        fs::write(top.join("a/n/f"), "12345").unwrap();
        let touched = ["", "a", "a/b", "a/n"].map(PathBuf::from).into();
        let (after, whole) = (
            before.after(top, &touched).unwrap(),
            Listing::of(top, &[]).unwrap(),
        );
        assert_eq!(after.key(), whole.key());
        assert_eq!(after.bytes(), whole.bytes());
        assert_ne!(before.key(), whole.key());
    }
}
