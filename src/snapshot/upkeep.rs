//! Looking after the folder of the unit cache: counting, checking and shortening it.
//!
//! Every entry can be made again, so anything may be removed at any time, also while other runs use the folder: they see
//! an entry whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::area::KeptArea;
use super::cache::{FORMER, UnitCache, read_entry};

/// Age from which a file that was never renamed to an entry is what a killed run left.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// What a file takes at least on a disk.
const BLOCK: u64 = 4096;

/// How full a cache is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheSize {
    /// Units that have a result.
    pub units: usize,
    /// Results and lists of files.
    pub entries: usize,
    /// Work areas that wait for the next run.
    pub areas: usize,
    /// Bytes on disk, in whole blocks.
    pub bytes: u64,
}

impl CacheSize {
    fn with(self, areas: &[KeptArea]) -> CacheSize {
        CacheSize {
            areas: areas.len(),
            bytes: self.bytes + areas.iter().map(|area| area.bytes).sum::<u64>(),
            ..self
        }
    }
}

/// What shortening a cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Files and work areas that were removed.
    pub removed: usize,
    /// Bytes on disk that this freed.
    pub freed: u64,
    /// What is left.
    pub left: CacheSize,
}

/// One file of the cache.
struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    is_abandoned: bool,
}

impl UnitCache {
    /// Counts what the cache holds.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub fn size(&self) -> io::Result<CacheSize> {
        Ok(total(&self.entries()?).with(&KeptArea::all(self.root())?))
    }

    /// Reads every entry and checks its digest; hands back how many there are, and the paths of damaged ones in bytewise
    /// order, which are removed if `remove` is set.
    ///
    /// # Errors
    /// If a folder cannot be read, or a damaged entry not be removed.
    pub fn verify(&self, remove: bool) -> io::Result<(usize, Vec<PathBuf>)> {
        let entries = self.entries()?;
        let mut damaged = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_abandoned) {
            // Another run may have removed it meanwhile.
            if read_entry(&entry.path).is_none() && entry.path.exists() {
                damaged.push(entry.path.clone());
                if remove {
                    remove_file(&entry.path)?;
                }
            }
        }
        damaged.sort();
        Ok((entries.len(), damaged))
    }

    /// Removes what no version reads any more and what killed runs left, then until at most `limit` bytes are left the work
    /// areas and after them the entries that were not used for the longest time. An area that a run uses stays, and costs
    /// no entry its place.
    ///
    /// # Errors
    /// If a folder cannot be read, or a file not be removed.
    pub fn prune(&self, limit: u64) -> io::Result<Pruned> {
        let mut pruned = Pruned::default();
        for former in FORMER {
            let folder = self.root().join(former);
            if folder.is_dir() {
                let old = entries_below(&folder)?;
                pruned.removed += old.len();
                pruned.freed += total(&old).bytes;
                fs::remove_dir_all(&folder)?;
            }
        }
        let mut entries = self.entries()?;
        // Equal times are told apart by path, so that two runs remove the same.
        entries.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let mut bytes = total(&entries).bytes;
        let areas = self.prune_areas(limit.saturating_sub(bytes), &mut pruned)?;
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            if bytes > limit || entry.is_abandoned {
                remove_file(&entry.path)?;
                bytes = bytes.saturating_sub(entry.bytes);
                pruned.removed += 1;
                pruned.freed += entry.bytes;
                // The folder of a unit goes with its last entry; one that is in use stays, as it is not empty.
                if let Some(folder) = entry.path.parent() {
                    let _ = fs::remove_dir(folder);
                }
            } else {
                kept.push(entry);
            }
        }
        pruned.left = total(&kept).with(&areas);
        Ok(pruned)
    }

    /// Removes areas until the others take at most `limit` bytes; hands back those.
    fn prune_areas(&self, limit: u64, pruned: &mut Pruned) -> io::Result<Vec<KeptArea>> {
        let areas = KeptArea::all(self.root())?;
        let mut bytes: u64 = areas.iter().map(|area| area.bytes).sum();
        let mut kept = Vec::new();
        for area in areas {
            if bytes > limit && area.remove()? {
                bytes -= area.bytes;
                pruned.removed += 1;
                pruned.freed += area.bytes;
            } else {
                kept.push(area);
            }
        }
        Ok(kept)
    }

    /// The paths of all entries, damaged ones too.
    pub(super) fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let entries = self.entries()?.into_iter();
        let entries = entries.filter(|entry| !entry.is_abandoned);
        Ok(entries.map(|entry| entry.path).collect())
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        entries_below(&self.folder())
    }
}

/// The files of a cache's folder, of which there may be none yet.
fn entries_below(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    let now = SystemTime::now();
    while let Some((folder, depth)) = open.pop() {
        let list = match fs::read_dir(&folder) {
            Ok(list) => list,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in list {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // The cache's own layout is two folders deep.
            if metadata.is_dir() && depth < 2 {
                open.push((entry.path(), depth + 1));
            } else if metadata.is_file() {
                let used = metadata.modified()?;
                let is_new = entry.file_name().to_string_lossy().starts_with(".new-");
                let age = now.duration_since(used).unwrap_or_default();
                if is_new && age < ABANDONED {
                    continue;
                }
                found.push(Entry {
                    path: entry.path(),
                    bytes: metadata.len().div_ceil(BLOCK).max(1) * BLOCK,
                    used,
                    is_abandoned: is_new,
                });
            }
        }
    }
    Ok(found)
}

fn total(entries: &[Entry]) -> CacheSize {
    let mut units: Vec<&Path> = entries
        .iter()
        .filter_map(|entry| entry.path.parent())
        .collect();
    units.sort_unstable();
    units.dedup();
    CacheSize {
        units: units.len(),
        entries: entries.len(),
        areas: 0,
        bytes: entries.iter().map(|entry| entry.bytes).sum(),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::cache::Key;
    use crate::snapshot::unit::UnitResult;

    fn filled(folder: &Path, units: u8) -> UnitCache {
        let cache = UnitCache::new(folder);
        for unit in 0..units {
            let key = Key::of([[unit].as_slice()]);
            cache.put(key, key, &["a.c".into()], &UnitResult::default());
        }
        cache
    }

    /// An empty cache is no error; each unit has a result and a list of files.
    #[test]
    fn counts_entries() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            UnitCache::new(folder.path()).size().unwrap(),
            CacheSize::default()
        );
        let size = filled(folder.path(), 3).size().unwrap();
        assert_eq!((size.units, size.entries, size.bytes), (3, 6, 6 * BLOCK));
    }

    /// A damaged entry is found and, if wanted, removed; the others stay.
    #[test]
    fn verify_finds_damage() {
        let folder = tempfile::tempdir().unwrap();
        let cache = filled(folder.path(), 2);
        assert_eq!(cache.verify(true).unwrap(), (4, Vec::new()));
        let path = cache.entries().unwrap().swap_remove(0).path;
        let mut bytes = fs::read(&path).unwrap();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.verify(false).unwrap(), (4, vec![path.clone()]));
        assert_eq!(cache.verify(true).unwrap(), (4, vec![path]));
        assert_eq!(cache.verify(true).unwrap(), (3, Vec::new()));
    }

    /// What was not used for the longest time goes first, with what killed runs and former versions left.
    #[test]
    fn prune_keeps_what_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = filled(folder.path(), 3);
        let old = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
        let used = Key::of([[1].as_slice()]);
        for entry in cache.entries().unwrap() {
            let file = fs::File::options().write(true).open(&entry.path).unwrap();
            file.set_modified(old).unwrap();
        }
        assert!(cache.get(used, used).is_some());
        let left = cache.folder().join(".new-x");
        fs::write(&left, "x").unwrap();
        fs::File::options()
            .write(true)
            .open(&left)
            .unwrap()
            .set_modified(old)
            .unwrap();
        fs::write(cache.folder().join(".new-y"), "y").unwrap();
        fs::create_dir_all(folder.path().join(FORMER[0]).join("00/00")).unwrap();
        fs::write(folder.path().join(FORMER[0]).join("00/00/x"), "z").unwrap();
        let pruned = cache.prune(BLOCK).unwrap();
        assert_eq!((pruned.removed, pruned.left.entries), (7, 1));
        assert!(cache.get(used, used).is_some());
        assert!(!left.exists() && cache.folder().join(".new-y").exists());
        assert!(!folder.path().join(FORMER[0]).exists());
    }
}
