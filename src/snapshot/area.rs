//! The folder that commits are computed in, and what one run leaves there for the next.
//!
//! Configuring, preparing and planning a tree takes most of a minute, and nearly every run does it for a tree that differs
//! in a file or two from the one before. So the work area of a run stays in the cache folder, with a file that says what
//! it stands for:
//!
//! ```text
//! areas-1/3fa0…/lock     held by the run that uses the area; its time tells the last use
//! areas-1/3fa0…/src      one commit's files
//! areas-1/3fa0…/obj      the object tree that is made of them
//! areas-1/3fa0…/state    what is known of both
//! areas-1/3fa0…/bytes    what the folders take on the disk
//! ```
//!
//! The name is a digest of all that was asked for (configuration, architecture, compiler), of the programs that a build
//! would run, and of this program's version. What an area stands for is believed only if
//!
//! - `state` is there and carries its own digest. A run removes it before it touches anything, and writes it anew, whole,
//!   when it ends well: what a killed run left has none.
//! - every file and folder below `src` and `obj` has the size, times and number that it had at the end of the last run, so
//!   that whatever else wrote there is seen.
//!
//! Otherwise the folders are emptied and the run starts from nothing. A run that finds the area in use works in a private
//! folder, as every run does that keeps nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use super::cache::Key;
use super::kept::{self, Kept, Parts};
use super::listing::Listing;
use super::{Settings, SnapshotError};
use crate::history::{Held, PathChange, WorkArea, remove_tree};
use crate::kbuild::ConfigBase;

/// Folder of the areas in a cache; another layout gets another name.
pub(super) const AREAS: &str = "areas-1";

/// Part of every key: raised when the meaning of what is kept changes.
const FORMAT: &[u8] = b"kabigate-area/6";

/// Folder in an object tree for the children's own files and for what is written there at every start.
const OWN: &str = ".kabigate";

/// Most bytes of a state file; a distribution's kernel takes some forty million.
const STATE_LIMIT: u64 = 1 << 30;

/// Bytes of the digest that a state file begins with.
const DIGEST: usize = 32;

/// The content of a state file: a digest of all that follows, then each part behind its length.
struct State(Vec<u8>);

impl State {
    fn parts(&self) -> Option<Parts<&[u8]>> {
        let mut rest = self.0.get(DIGEST..)?;
        let mut parts = Parts::default();
        for part in &mut parts {
            let (len, after) = rest.split_first_chunk::<8>()?;
            let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
            (*part, rest) = after.split_at_checked(len)?;
        }
        rest.is_empty().then_some(parts)
    }
}

/// A work area, private or kept.
pub(super) struct Area {
    pub(super) work: WorkArea,
    claim: Option<Claim>,
    /// What the source folder held at the start, and the folders in it to which something was done since.
    src: Option<Listing>,
    touched: BTreeSet<PathBuf>,
}

/// What both folders of an area hold.
struct Listings {
    src: Listing,
    obj: Listing,
}

impl Listings {
    fn key(&self) -> Key {
        Key::of([
            self.src.key().bytes().as_slice(),
            self.obj.key().bytes().as_slice(),
        ])
    }
}

/// The right to use a kept area.
struct Claim {
    folder: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Area {
    /// The area that the settings ask for, and what is known of it.
    pub(super) fn open(settings: &Settings) -> Result<(Area, Option<Kept>), SnapshotError> {
        if settings.keeps_area
            && let Some(cache) = settings
                .cache
                .as_ref()
                .filter(|cache| !cache.is_read_only())
        {
            let folder = cache.root().join(AREAS).join(key(settings).hex());
            if let Some(opened) = Claim::take(folder).and_then(|claim| claim.open(settings)) {
                return Ok(opened);
            }
        }
        let work = WorkArea::create(&settings.work)?;
        let area = Area {
            work,
            claim: None,
            src: None,
            touched: BTreeSet::new(),
        };
        Ok((area, None))
    }

    /// Takes note of what a checkout did in the source folder.
    pub(super) fn touch(&mut self, changes: &[PathChange]) {
        if self.src.is_none() {
            return;
        }
        for change in changes {
            let folders = Path::new(&change.path).ancestors().skip(1);
            for folder in folders {
                if !self.touched.insert(folder.to_owned()) {
                    break;
                }
            }
        }
    }

    /// Leaves for the next run what is kept, or empties the area.
    pub(super) fn close(&self, kept: Option<&Kept>) {
        let Some(claim) = &self.claim else { return };
        let state = kept.and_then(|kept| {
            let held = self.work.held()?;
            let (listing, parts) = rayon::join(
                || claim.listing(self.src.as_ref(), &self.touched),
                || kept::store(kept, held),
            );
            let listing = listing.ok()?;
            let bytes = listing.src.bytes() + listing.obj.bytes();
            Some((kept::signed(listing.key(), parts?), bytes))
        });
        let is_left = state.is_some_and(|(parts, bytes)| claim.write(&parts, bytes).is_ok());
        if !is_left {
            // What cannot be removed now is removed by the next run.
            let _ = claim.empty();
        }
    }
}

impl Claim {
    /// Takes an area that no other run uses; nothing if one does, or the folder cannot be written.
    fn take(folder: PathBuf) -> Option<Claim> {
        fs::create_dir_all(&folder).ok()?;
        let lock = lock(&folder)?;
        let _ = lock.set_modified(SystemTime::now());
        Some(Claim {
            folder,
            _lock: lock,
        })
    }

    fn open(self, settings: &Settings) -> Option<(Area, Option<Kept>)> {
        if let Some((kept, held, src)) = self.restore(settings) {
            let work = WorkArea::open(&self.folder, Some(held)).ok()?;
            return Some((self.area(work, Some(src)), Some(kept)));
        }
        self.empty().ok()?;
        let work = WorkArea::open(&self.folder, None).ok()?;
        Some((self.area(work, None), None))
    }

    fn area(self, work: WorkArea, src: Option<Listing>) -> Area {
        Area {
            work,
            claim: Some(self),
            src,
            touched: BTreeSet::new(),
        }
    }

    fn restore(&self, settings: &Settings) -> Option<(Kept, Held, Listing)> {
        let state = self.read()?;
        let parts = state.parts()?;
        fs::remove_file(self.folder.join("state")).ok()?;
        let folder = fs::canonicalize(&self.folder).ok()?;
        let (src, obj) = (folder.join("src"), folder.join("obj"));
        let listing = || self.listing(None, &BTreeSet::new()).ok();
        let key = |listings: &Listings| listings.key();
        let (kept, held, listings) = kept::restore(parts, (listing, key), (&src, &obj), settings)?;
        Some((kept, held, listings.src))
    }

    /// The state file, if it is whole.
    fn read(&self) -> Option<State> {
        let path = self.folder.join("state");
        if fs::metadata(&path).ok()?.len() > STATE_LIMIT {
            return None;
        }
        let state = State(fs::read(path).ok()?);
        let (digest, rest) = state.0.split_at_checked(DIGEST)?;
        (blake3::hash(rest).as_bytes() == digest).then_some(state)
    }

    fn write(&self, parts: &Parts<Vec<u8>>, bytes: u64) -> io::Result<()> {
        let lengths = parts
            .each_ref()
            .map(|part| (part.len() as u64).to_le_bytes());
        let pieces = lengths.iter().zip(parts);
        let pieces: Vec<&[u8]> = pieces
            .flat_map(|(length, part)| [length.as_slice(), part])
            .collect();
        let mut digest = blake3::Hasher::new();
        for piece in &pieces {
            digest.update(piece);
        }
        self.write_whole("bytes", &[bytes.to_string().as_bytes()])?;
        let digest = digest.finalize();
        let whole: Vec<&[u8]> = [digest.as_bytes().as_slice()]
            .into_iter()
            .chain(pieces)
            .collect();
        self.write_whole("state", &whole)
    }

    fn write_whole(&self, name: &str, pieces: &[&[u8]]) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.folder)?;
        for piece in pieces {
            file.write_all(piece)?;
        }
        file.persist(self.folder.join(name))
            .map_err(|error| error.error)?;
        Ok(())
    }

    /// What both folders hold now; of the source folder only what was touched is looked at again, if it is known.
    fn listing(&self, src: Option<&Listing>, touched: &BTreeSet<PathBuf>) -> io::Result<Listings> {
        let folder = |name| self.folder.join(name);
        let (src, obj) = rayon::join(
            || match src {
                Some(known) => known.after(&folder("src"), touched),
                None => Listing::of(&folder("src"), &[]),
            },
            || Listing::of(&folder("obj"), &[OWN]),
        );
        Ok(Listings {
            src: src?,
            obj: obj?,
        })
    }

    /// Removes everything but the lock.
    fn empty(&self) -> io::Result<()> {
        empty(&self.folder)
    }
}

/// Locks an area; nothing if another run has it.
fn lock(folder: &Path) -> Option<File> {
    let path = folder.join("lock");
    let lock = File::options().create(true).append(true).open(path).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(lock)
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else if entry.file_name() != "lock" {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Names an area.
fn key(settings: &Settings) -> Key {
    let mut key = Key::builder();
    key.part(FORMAT);
    key.part(env!("CARGO_PKG_VERSION").as_bytes());
    key.part(settings.cpp.name().as_bytes());
    let make = &settings.make;
    for option in [&make.arch, &make.cross_compile, &make.cc, &make.llvm] {
        key.part(option.as_deref().unwrap_or_default().as_bytes());
    }
    key.part(make.path.as_encoded_bytes());
    for program in make.programs() {
        key.part(program.as_bytes());
    }
    key.part(b"configuration");
    match &settings.config.base {
        ConfigBase::Defconfig(name) => key.part(name.as_bytes()),
        ConfigBase::Text(text) => key.part(&text.bytes),
    }
    for fragment in &settings.config.fragments {
        key.part(&fragment.bytes);
    }
    key.finish()
}

/// A kept area, as looking after a cache sees it.
pub(super) struct KeptArea {
    folder: PathBuf,
    /// What it took on the disk at the end of the last run.
    pub(super) bytes: u64,
    /// When it was last used.
    pub(super) used: SystemTime,
}

impl KeptArea {
    /// All areas of a cache.
    pub(super) fn all(cache: &Path) -> io::Result<Vec<KeptArea>> {
        let list = match fs::read_dir(cache.join(AREAS)) {
            Ok(list) => list,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut areas = Vec::new();
        for entry in list {
            let folder = entry?.path();
            let Ok(lock) = fs::metadata(folder.join("lock")) else {
                continue;
            };
            let bytes = fs::read_to_string(folder.join("bytes")).ok();
            areas.push(KeptArea {
                bytes: bytes.and_then(|text| text.parse().ok()).unwrap_or_default(),
                used: lock.modified()?,
                folder,
            });
        }
        areas.sort_by(|a, b| (a.used, &a.folder).cmp(&(b.used, &b.folder)));
        Ok(areas)
    }

    /// Removes the area unless a run uses it; says whether it did.
    pub(super) fn remove(&self) -> io::Result<bool> {
        let Some(_lock) = lock(&self.folder) else {
            return Ok(false);
        };
        remove_tree(&self.folder)?;
        Ok(true)
    }
}
