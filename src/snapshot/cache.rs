//! Results of units, kept by content.
//!
//! A unit's result depends on its compiler call and on the content of every file it reads. The call (with compiler,
//! grammar and source path, paths of this machine replaced) is the key of a folder. In it stand lists of files that the
//! unit read, and results named by the digest of what these files held:
//!
//! ```text
//! units-3/3f/3fa0…/files-91c2…    one list of files, as many as the unit has had
//! units-3/3f/3fa0…/5be7…          a result
//! ```
//!
//! The top folder carries the version of the layout: another version does not see its entries, and removes them when it
//! shortens the cache. Using an entry sets its time, by which the cache is shortened.
//!
//! An entry is written under another name and renamed, so it is whole or absent; it carries a digest of itself, so a
//! damaged one is a miss. Nothing is locked: two runs that write one entry write the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::state::FileName;
use super::unit::UnitResult;

/// Part of every key: raised when the meaning of an entry changes.
const FORMAT: &[u8] = b"kabigate-unit/4";

/// Most bytes that an entry may unpack to; larger ones are not kept.
const ENTRY_LIMIT: usize = 64 << 20;

/// Most lists of files that are tried for one unit.
const FILE_LISTS: usize = 64;

/// How hard entries are packed: their writing is on the way of every cold run.
const PACKING: i32 = 1;

/// Digest that names a unit's folder or a result in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// Digest of a list of parts.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Key {
        let mut builder = Key::builder();
        for part in parts {
            builder.part(part);
        }
        builder.finish()
    }

    pub(super) fn builder() -> KeyBuilder {
        let mut hasher = blake3::Hasher::new();
        hasher.update(FORMAT);
        KeyBuilder(hasher)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

/// Makes a key part by part; each part is closed, so that no two lists of parts have one key.
pub(super) struct KeyBuilder(blake3::Hasher);

impl KeyBuilder {
    pub(super) fn part(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    pub(super) fn finish(&self) -> Key {
        Key(*self.0.finalize().as_bytes())
    }
}

/// A folder of unit results.
#[derive(Clone, Debug)]
pub struct UnitCache {
    root: PathBuf,
    /// Whether nothing is written, not even the time of use.
    is_read_only: bool,
    /// Entries that were written, by all clones together.
    written: Arc<AtomicUsize>,
    /// Why an entry could not be written first, to any clone.
    refused: Arc<OnceLock<String>>,
}

/// Folder of this version's entries.
pub(super) const CURRENT: &str = "units-3";

/// Folders of former versions.
pub(super) const FORMER: [&str; 2] = ["units", "units-2"];

/// Age from which the use of an entry is noted.
const NOTED: Duration = Duration::from_secs(3600);

impl UnitCache {
    /// Opens the cache in `folder`, which is made when the first entry is written.
    #[must_use]
    pub fn new(folder: &Path) -> UnitCache {
        UnitCache {
            root: folder.to_owned(),
            is_read_only: false,
            written: Arc::default(),
            refused: Arc::default(),
        }
    }

    /// The same cache, of which entries are used and none is written.
    #[must_use]
    pub fn read_only(self) -> UnitCache {
        UnitCache {
            is_read_only: true,
            ..self
        }
    }

    /// Whether this run wrote entries.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.written.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Why this run could not write an entry.
    #[must_use]
    pub fn refused(&self) -> Option<&str> {
        self.refused.get().map(String::as_str)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.root.join(CURRENT)
    }

    fn unit_folder(&self, unit: Key) -> PathBuf {
        let hex = unit.hex();
        self.folder().join(&hex[..2]).join(hex)
    }

    /// The lists of files that the unit is known to have read, newest last in no particular order of time.
    pub(super) fn file_lists(&self, unit: Key) -> Vec<FileList> {
        let folder = self.unit_folder(unit);
        let Ok(entries) = fs::read_dir(&folder) else {
            return Vec::new();
        };
        let names: BTreeSet<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("files-"))
            .map(|entry| entry.path())
            .collect();
        names
            .iter()
            .take(FILE_LISTS)
            .filter_map(|path| {
                let list = postcard::from_bytes(&read_entry(path)?).ok()?;
                self.note_use(path);
                Some(list)
            })
            .collect()
    }

    /// The unit's result for that state of its files.
    pub(super) fn get(&self, unit: Key, state: Key) -> Option<UnitResult> {
        let path = self.unit_folder(unit).join(state.hex());
        let bytes = read_entry(&path)?;
        let result = postcard::from_bytes(&bytes).ok()?;
        self.note_use(&path);
        Some(result)
    }

    /// Sets the time of an entry, unless that was done lately. A cache that others own is used without.
    fn note_use(&self, path: &Path) {
        if self.is_read_only {
            return;
        }
        let now = SystemTime::now();
        let is_recent = fs::metadata(path)
            .and_then(|found| found.modified())
            .is_ok_and(|used| now.duration_since(used).is_ok_and(|age| age < NOTED));
        if !is_recent && let Ok(file) = fs::File::options().write(true).open(path) {
            let _ = file.set_modified(now);
        }
    }

    /// Keeps a result and the list of files it was made of. If the file system refuses, the cache is as good as before, and
    /// [`UnitCache::refused`] tells why.
    pub(super) fn put(&self, unit: Key, state: Key, files: &[FileName], result: &UnitResult) {
        if self.is_read_only {
            return;
        }
        if let Err(error) = self.write(unit, state, files, result) {
            self.refused.get_or_init(|| error.to_string());
        }
    }

    fn write(
        &self,
        unit: Key,
        state: Key,
        files: &[FileName],
        result: &UnitResult,
    ) -> io::Result<()> {
        let folder = self.unit_folder(unit);
        fs::create_dir_all(&folder)?;
        self.written.fetch_add(1, Ordering::Relaxed);
        write_entry(&folder, &state.hex(), &encode(result)?)?;
        let files: Vec<&str> = files.iter().map(|file| &**file).collect();
        let list = encode(&(files, &result.facts.lined))?;
        let name = format!("files-{}", &Key::of([list.as_slice()]).hex()[..32]);
        if read_entry(&folder.join(&name)).is_some() {
            return Ok(());
        }
        write_entry(&folder, &name, &list)
    }
}

/// The files that a result was made of, by portable name.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct FileList {
    pub(super) files: Vec<String>,
    /// Those whose lines count.
    pub(super) lined: Vec<String>,
}

fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(io::Error::other)
}

/// An entry is the digest of its packed content, then that content.
pub(super) fn read_entry(path: &Path) -> Option<Vec<u8>> {
    content_of(&fs::read(path).ok()?)
}

/// The content of an entry; none if it is damaged.
pub(super) fn content_of(entry: &[u8]) -> Option<Vec<u8>> {
    let (digest, packed) = entry.split_at_checked(32)?;
    if blake3::hash(packed).as_bytes() != digest {
        return None;
    }
    zstd::bulk::decompress(packed, ENTRY_LIMIT).ok()
}

fn write_entry(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    if content.len() > ENTRY_LIMIT {
        return Ok(());
    }
    let packed = zstd::bulk::compress(content, PACKING)?;
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    file.write_all(blake3::hash(&packed).as_bytes())?;
    file.write_all(&packed)?;
    file.persist(folder.join(name))
        .map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::unit::UnitExport;

    fn result(symbol: &str) -> UnitResult {
        let mut result = UnitResult::default();
        result.facts.exports.push(UnitExport {
            symbol: symbol.to_owned(),
            crc: 7,
            gpl: true,
            namespace: String::new(),
        });
        result
    }

    /// What was put comes back for the same unit and state, and for no other.
    #[test]
    fn entries_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let cache = UnitCache::new(folder.path());
        let (unit, state) = (
            Key::of([b"unit".as_slice()]),
            Key::of([b"state".as_slice()]),
        );
        assert_eq!(cache.get(unit, state), None);
        let files: Vec<FileName> = vec!["a.c".into(), "a.h".into()];
        cache.put(unit, state, &files, &result("f"));
        assert_eq!(cache.get(unit, state), Some(result("f")));
        let lists = cache.file_lists(unit);
        let lists: Vec<_> = lists
            .iter()
            .map(|list| (&list.files[..], &list.lined[..]))
            .collect();
        let files = ["a.c", "a.h"].map(String::from);
        assert_eq!(lists, [(&files[..], &[][..])]);
        assert_eq!(cache.get(state, unit), None);
    }

    /// A flipped bit anywhere in an entry makes it a miss, and so does a cut.
    #[test]
    fn damaged_entries_are_misses() {
        let folder = tempfile::tempdir().unwrap();
        let cache = UnitCache::new(folder.path());
        let (unit, state) = (
            Key::of([b"unit".as_slice()]),
            Key::of([b"state".as_slice()]),
        );
        cache.put(unit, state, &[], &result("f"));
        let path = cache.unit_folder(unit).join(state.hex());
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get(unit, state), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(cache.get(unit, state), None, "cut at {at}");
        }
        fs::write(&path, whole).unwrap();
        assert_eq!(cache.get(unit, state), Some(result("f")));
    }

    /// A folder that cannot be written is told, and is a cache without entries.
    #[test]
    fn refusals_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let cache = UnitCache::new(&file);
        let key = Key::of([b"unit".as_slice()]);
        assert_eq!(cache.refused(), None);
        cache.put(key, key, &[], &result("f"));
        assert!(cache.refused().is_some_and(|why| why.contains("directory")));
        assert_eq!(cache.get(key, key), None);
    }

    /// No two lists of parts share a key.
    #[test]
    fn keys_separate_their_parts() {
        let key = |parts: &[&str]| Key::of(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
    }
}
