//! The unit cache as one file, for CI systems that keep files between jobs: a tar archive (POSIX pax/ustar), packed with
//! zstd (RFC 8878).
//!
//! Its first member, `kabigate-cache.json`, says which layout the entries have and how many there are; the others are the
//! entries under their names in the cache. Entries that are damaged are not exported. An import believes nothing: a
//! member must have an entry's name and size, and carry the digest of itself. Members are unpacked beside the entries and
//! get their names only once the archive was read to its end, so a cut or foreign archive leaves the cache as it was.

use std::fs;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::cache::{CURRENT, UnitCache, content_of};

/// Name of the first member.
const HEADER: &str = "kabigate-cache.json";

/// Name and version of the archive.
const SCHEMA: &str = "kabigate-cache/1";

/// Most bytes of an entry or of the header; packed results stay far below.
const MEMBER_LIMIT: u64 = 64 << 20;

/// Most members of an archive.
const MEMBERS_LIMIT: usize = 20_000_000;

/// zstd level: entries are packed already, so that a higher one gains nothing.
const LEVEL: i32 = 1;

/// What the first member holds.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    schema: String,
    layout: String,
    entries: usize,
}

/// What an import or export did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Entries that were written.
    pub written: usize,
    /// Entries that the cache has already.
    pub known: usize,
    /// Members that are no whole entry; they were left out.
    pub damaged: usize,
}

/// Why an archive cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file or the cache cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is none, or one of another version.
    #[error("not an archive of a cache: {0}")]
    Foreign(String),
    /// It ends before its end.
    #[error("the archive is cut: {found} of {expected} entries")]
    Cut {
        /// Members that it has.
        found: usize,
        /// Members that it should have.
        expected: usize,
    },
    /// It unpacks to more than is allowed.
    #[error("the archive unpacks to more than {limit} bytes")]
    Limit {
        /// The bound.
        limit: u64,
    },
    /// The cache is read-only.
    #[error("the cache is read-only")]
    ReadOnly,
}

impl UnitCache {
    /// Writes every whole entry to an archive; the same entries give the same bytes.
    ///
    /// # Errors
    /// If a folder cannot be read, or `out` not be written.
    pub fn export(&self, out: impl Write) -> io::Result<Moved> {
        let mut moved = Moved::default();
        let mut paths = Vec::new();
        for path in self.paths()? {
            match fs::read(&path) {
                Ok(bytes) if content_of(&bytes).is_some() => paths.push(path),
                Ok(_) => moved.damaged += 1,
                // Another run shortens the cache.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        paths.sort();
        // The header tells the number of entries, so a run that shortens the cache just now ends this one.
        let mut packer = zstd::stream::Encoder::new(BufWriter::new(out), LEVEL)?;
        packer.include_checksum(true)?;
        let mut archive = tar::Builder::new(packer);
        let header = Header {
            schema: SCHEMA.to_owned(),
            layout: CURRENT.to_owned(),
            entries: paths.len(),
        };
        append(
            &mut archive,
            Path::new(HEADER),
            &serde_json::to_vec(&header)?,
            0,
        )?;
        for path in paths {
            let bytes = fs::read(&path)?;
            let name = path.strip_prefix(self.root()).map_err(io::Error::other)?;
            append(&mut archive, name, &bytes, used(&path))?;
            moved.written += 1;
        }
        archive.into_inner()?.finish()?.flush()?;
        Ok(moved)
    }

    /// Takes the entries of an archive that unpacks to at most `limit` bytes; all of them or, with an error, none.
    ///
    /// # Errors
    /// If the archive cannot be read to its end, is none of this version or too large, or the cache cannot be written.
    pub fn import(&self, archive: impl Read, limit: u64) -> Result<Moved, ArchiveError> {
        if self.is_read_only() {
            return Err(ArchiveError::ReadOnly);
        }
        fs::create_dir_all(self.root())?;
        let staging = tempfile::Builder::new()
            .prefix(".import-")
            .tempdir_in(self.root())?;
        let unpacked = Bounded {
            inner: zstd::stream::Decoder::new(BufReader::new(archive))?,
            left: limit,
            exceeded: false,
        };
        let mut archive = tar::Archive::new(unpacked);
        let read = stage(&mut archive, staging.path());
        let mut rest = archive.into_inner();
        if rest.exceeded {
            return Err(ArchiveError::Limit { limit });
        }
        let (names, mut moved) = read?;
        // The end of the archive is not that of the packed stream, whose checksum stands behind it.
        io::copy(&mut rest, &mut io::sink())?;
        for (number, (name, time)) in names.iter().enumerate() {
            let to = self.root().join(name);
            if fs::read(&to).is_ok_and(|bytes| content_of(&bytes).is_some()) {
                moved.known += 1;
                continue;
            }
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            let staged = staging.path().join(number.to_string());
            let file = fs::File::options().write(true).open(&staged)?;
            file.set_modified(*time)?;
            fs::rename(&staged, &to)?;
            moved.written += 1;
        }
        Ok(moved)
    }
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &Path,
    bytes: &[u8],
    time: u64,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(time);
    archive.append_data(&mut header, name, bytes)
}

/// When an entry was used last, in seconds.
fn used(path: &Path) -> u64 {
    let time = fs::metadata(path).and_then(|found| found.modified());
    let since = time.map(|time| time.duration_since(SystemTime::UNIX_EPOCH));
    since.map_or(0, |since| since.unwrap_or_default().as_secs())
}

/// Names and times of use of the entries of an archive, whose contents are in `staging` under their numbers.
type Staged = Vec<(PathBuf, SystemTime)>;

fn stage<R: Read>(
    archive: &mut tar::Archive<R>,
    staging: &Path,
) -> Result<(Staged, Moved), ArchiveError> {
    let foreign = |what: &str| ArchiveError::Foreign(what.to_owned());
    let now = SystemTime::now();
    let (mut names, mut moved) = (Staged::new(), Moved::default());
    let mut expected = None;
    let mut found = 0_usize;
    for member in archive.entries()? {
        let mut member = member?;
        let name = member.path()?.into_owned();
        if member.size() > MEMBER_LIMIT || found == MEMBERS_LIMIT {
            return Err(foreign("it holds more than a cache does"));
        }
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes)?;
        let Some(_) = expected else {
            if name != Path::new(HEADER) {
                return Err(foreign("it does not begin with kabigate-cache.json"));
            }
            expected = Some(entries(&bytes)?);
            continue;
        };
        found += 1;
        let is_file = member.header().entry_type().is_file();
        if !is_file || !is_entry(&name) || content_of(&bytes).is_none() {
            moved.damaged += 1;
            continue;
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(member.header().mtime()?);
        fs::write(staging.join(names.len().to_string()), &bytes)?;
        // A time of tomorrow would keep an entry for ever.
        names.push((name, time.min(now)));
    }
    match expected {
        None => Err(foreign("it is empty")),
        Some(expected) if expected != found => Err(ArchiveError::Cut { found, expected }),
        Some(_) => Ok((names, moved)),
    }
}

/// How many entries an archive says that it has.
fn entries(header: &[u8]) -> Result<usize, ArchiveError> {
    let header: Header =
        serde_json::from_slice(header).map_err(|error| ArchiveError::Foreign(error.to_string()))?;
    if header.schema != SCHEMA || header.layout != CURRENT {
        return Err(ArchiveError::Foreign(format!(
            "{} with {}, expected {SCHEMA} with {CURRENT}",
            header.schema, header.layout
        )));
    }
    Ok(header.entries)
}

/// Whether a path is that of an entry: `units-2/3f/3fa0…/5be7…` or `…/files-91c2…`.
fn is_entry(path: &Path) -> bool {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let hex = |text: &str, digits: usize| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == digits && text.bytes().all(is_hex)
    };
    let Some([top, short, unit, entry]) = parts.as_deref() else {
        return false;
    };
    let list = entry.strip_prefix("files-");
    *top == CURRENT
        && hex(unit, 64)
        && hex(short, 2)
        && unit.starts_with(short)
        && (list.is_some_and(|list| hex(list, 32)) || hex(entry, 64))
}

/// A stream that ends with an error once too much was read from it.
struct Bounded<R> {
    inner: R,
    left: u64,
    exceeded: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => {
                self.exceeded = true;
                Err(io::Error::other("the archive is too large"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::cache::Key;
    use crate::snapshot::unit::UnitResult;

    fn filled(units: u8) -> (tempfile::TempDir, UnitCache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = UnitCache::new(folder.path());
        for unit in 0..units {
            let key = Key::of([[unit].as_slice()]);
            cache.put(key, key, &["a.c".into()], &UnitResult::default());
        }
        (folder, cache)
    }

    fn exported(cache: &UnitCache) -> Vec<u8> {
        let mut bytes = Vec::new();
        cache.export(&mut bytes).unwrap();
        bytes
    }

    /// Nothing of an import that failed is left beside or among the entries.
    #[track_caller]
    fn assert_untouched(folder: &tempfile::TempDir) {
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// What was exported comes in elsewhere, once; the archive is the same for the same entries.
    #[test]
    fn entries_move() {
        let (_from, cache) = filled(3);
        let bytes = exported(&cache);
        assert_eq!(bytes, exported(&cache));
        let (_to, other) = filled(1);
        let moved = other.import(bytes.as_slice(), 1 << 20).unwrap();
        assert_eq!((moved.written, moved.known, moved.damaged), (4, 2, 0));
        let again = other.import(bytes.as_slice(), 1 << 20).unwrap();
        assert_eq!((again.written, again.known), (0, 6));
        let key = Key::of([[2].as_slice()]);
        assert_eq!(other.get(key, key), Some(UnitResult::default()));
        assert_eq!(exported(&other), bytes);
    }

    /// An archive that is cut anywhere or has a changed byte gives an error or entries that are whole, and nothing else.
    #[test]
    fn damaged_archives_leave_the_cache_whole() {
        let (_from, cache) = filled(2);
        let bytes = exported(&cache);
        for cut in (0..bytes.len()).step_by(7) {
            let folder = tempfile::tempdir().unwrap();
            let other = UnitCache::new(folder.path());
            assert!(
                other.import(&bytes[..cut], 1 << 20).is_err(),
                "cut at {cut}"
            );
            assert_untouched(&folder);
        }
        for at in (0..bytes.len()).step_by(11) {
            let folder = tempfile::tempdir().unwrap();
            let other = UnitCache::new(folder.path());
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            match other.import(damaged.as_slice(), 1 << 20) {
                Ok(_) => assert_eq!(other.verify(false).unwrap().1, Vec::<PathBuf>::new()),
                Err(_) => assert_untouched(&folder),
            }
        }
    }

    /// Damaged entries are not exported; names that lead elsewhere, links and foreign files are not imported.
    #[test]
    fn only_whole_entries_move() {
        let (_from, cache) = filled(2);
        let path = cache.paths().unwrap().swap_remove(0);
        fs::write(&path, "x").unwrap();
        let mut bytes = Vec::new();
        let moved = cache.export(&mut bytes).unwrap();
        assert_eq!((moved.written, moved.damaged), (3, 1));

        let mut archive = tar::Builder::new(zstd::stream::Encoder::new(Vec::new(), 1).unwrap());
        let header = Header {
            schema: SCHEMA.to_owned(),
            layout: CURRENT.to_owned(),
            entries: 4,
        };
        let header = serde_json::to_vec(&header).unwrap();
        append(&mut archive, Path::new(HEADER), &header, 0).unwrap();
        let (_other, good) = filled(1);
        let entry = good.paths().unwrap().swap_remove(0);
        let whole = fs::read(&entry).unwrap();
        let name = entry.strip_prefix(good.root()).unwrap();
        append(&mut archive, Path::new("elsewhere"), &whole, 0).unwrap();
        let mut escaping = tar::Header::new_ustar();
        escaping.as_old_mut().name[..12].copy_from_slice(b"units-2/../x");
        escaping.set_size(whole.len() as u64);
        escaping.set_cksum();
        archive.append(&escaping, whole.as_slice()).unwrap();
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        archive.append_link(&mut link, name, "/etc/passwd").unwrap();
        append(&mut archive, name, &whole, u64::from(u32::MAX)).unwrap();
        let bytes = archive.into_inner().unwrap().finish().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let moved = UnitCache::new(folder.path())
            .import(bytes.as_slice(), 1 << 20)
            .unwrap();
        assert_eq!((moved.written, moved.damaged), (1, 3));
        let used = fs::metadata(folder.path().join(name))
            .unwrap()
            .modified()
            .unwrap();
        assert!(used <= SystemTime::now());
    }

    /// An archive that unpacks to too much, one of another layout and a cache that is read only are refused.
    #[test]
    fn refusals() {
        let (_from, cache) = filled(2);
        let bytes = exported(&cache);
        let folder = tempfile::tempdir().unwrap();
        let other = UnitCache::new(folder.path());
        let refused = other.import(bytes.as_slice(), 1000);
        assert!(
            matches!(refused, Err(ArchiveError::Limit { limit: 1000 })),
            "{refused:?}"
        );
        let refused = other.clone().read_only().import(bytes.as_slice(), 1 << 20);
        assert!(matches!(refused, Err(ArchiveError::ReadOnly)));
        let mut archive = tar::Builder::new(zstd::stream::Encoder::new(Vec::new(), 1).unwrap());
        append(
            &mut archive,
            Path::new(HEADER),
            b"{\"schema\":\"kabigate-cache/9\",\"layout\":\"\",\"entries\":0}",
            0,
        )
        .unwrap();
        let foreign = archive.into_inner().unwrap().finish().unwrap();
        let refused = other.import(foreign.as_slice(), 1 << 20);
        assert!(matches!(refused, Err(ArchiveError::Foreign(_))));
        assert_untouched(&folder);
    }

    /// Runs that write, read, shorten and move one folder at a time see whole entries or none.
    #[test]
    fn many_runs_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let cache = UnitCache::new(folder.path());
        let (_from, other) = filled(8);
        let archive = exported(&other);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for round in 0..40_u8 {
                        let key = Key::of([[round % 8].as_slice()]);
                        let files: [std::sync::Arc<str>; 1] = ["a.c".into()];
                        // A folder that is shortened just now may refuse an entry; nothing of it is left then.
                        cache.put(key, key, &files, &UnitResult::default());
                        let found = cache.get(key, key);
                        assert!(found.is_none_or(|found| found == UnitResult::default()));
                        assert!(
                            cache
                                .file_lists(key)
                                .iter()
                                .all(|list| list.files.iter().eq(["a.c"]))
                        );
                    }
                });
            }
            scope.spawn(|| (0..10).for_each(|_| drop(cache.prune(4096))));
            scope.spawn(|| (0..5).for_each(|_| drop(cache.import(archive.as_slice(), 1 << 20))));
        });
        assert_eq!(cache.verify(false).unwrap().1, Vec::<PathBuf>::new());
        assert_eq!(
            cache.import(archive.as_slice(), 1 << 20).unwrap().damaged,
            0
        );
        assert_eq!(cache.size().unwrap().units, 8);
    }
}
