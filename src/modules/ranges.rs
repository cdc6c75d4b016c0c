//! The bytes of a module: of memory, or of a file of which only the ranges that are asked for are read.
//!
//! A module's code and debug information are most of its file and say nothing about its imports, so reading only
//! headers, symbol table and a few sections costs a small part of reading the file.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use object::ReadRef;
use object::read::{ReadCache, ReadCacheOps};

/// How many times its own size a file may be read: sections may overlap in a hostile file only.
const BUDGET_FACTOR: u64 = 2;

/// Bytes that any file may be read, so that tiny files need no exact count.
const BUDGET_FLOOR: u64 = 1 << 20;

/// A file that is read in ranges, each once.
pub(super) struct Ranges {
    cache: ReadCache<Positioned>,
    left: Cell<u64>,
    /// Offset and size of what was read: the cache hands it out again without reading.
    read: RefCell<HashSet<(u64, u64)>>,
}

impl Ranges {
    /// A file of that size, opened for reading.
    pub(super) fn of(file: File, len: u64) -> Ranges {
        let budget = len.saturating_mul(BUDGET_FACTOR).max(BUDGET_FLOOR);
        Ranges {
            cache: ReadCache::new(Positioned { file, len, at: 0 }),
            left: Cell::new(budget),
            read: RefCell::default(),
        }
    }

    fn spend(&self, offset: u64, size: u64) -> Result<(), ()> {
        if !self.read.borrow_mut().insert((offset, size)) {
            return Ok(());
        }
        let left = self.left.get().checked_sub(size).ok_or(())?;
        self.left.set(left);
        Ok(())
    }
}

/// The bytes of a module.
#[derive(Clone, Copy)]
pub(super) enum Data<'d> {
    Memory(&'d [u8]),
    File(&'d Ranges),
}

impl<'d> ReadRef<'d> for Data<'d> {
    fn len(self) -> Result<u64, ()> {
        match self {
            Data::Memory(bytes) => u64::try_from(bytes.len()).map_err(|_| ()),
            Data::File(ranges) => (&ranges.cache).len(),
        }
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'d [u8], ()> {
        match self {
            Data::Memory(bytes) => bytes.read_bytes_at(offset, size),
            Data::File(ranges) => {
                ranges.spend(offset, size)?;
                (&ranges.cache).read_bytes_at(offset, size)
            }
        }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'d [u8], ()> {
        match self {
            Data::Memory(bytes) => bytes.read_bytes_at_until(range, delimiter),
            Data::File(ranges) => {
                let most = range.end.saturating_sub(range.start).min(4096);
                ranges.spend(range.start, most)?;
                (&ranges.cache).read_bytes_at_until(range, delimiter)
            }
        }
    }
}

/// Reads at positions without moving the file's own, one system call for each range.
struct Positioned {
    file: File,
    len: u64,
    at: u64,
}

impl ReadCacheOps for Positioned {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.len)
    }

    fn seek(&mut self, pos: u64) -> Result<u64, ()> {
        self.at = pos;
        Ok(pos)
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ()> {
        let read = self.file.read_at(buf, self.at).map_err(|_| ())?;
        self.at = self.at.saturating_add(u64::try_from(read).map_err(|_| ())?);
        Ok(read)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> Result<(), ()> {
        self.file.read_exact_at(buf, self.at).map_err(|_| ())
    }
}
