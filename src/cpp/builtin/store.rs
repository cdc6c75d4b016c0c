//! A list that only grows and can be read without a lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Values in one block.
const BLOCK: usize = 1 << 12;
/// Most blocks of a list.
const BLOCKS: usize = 1 << 12;

/// Places for values.
type Block<T> = Box<[OnceLock<T>]>;

/// Values in blocks that never move, so that a reference to one lives as long as the list.
pub(super) struct Store<T> {
    blocks: Box<[OnceLock<Block<T>>]>,
    next: AtomicU32,
}

impl<T> Store<T> {
    pub(super) fn new() -> Self {
        Store {
            blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect(),
            next: AtomicU32::new(0),
        }
    }

    /// How many places are taken.
    pub(super) fn len(&self) -> usize {
        (self.next.load(Ordering::Acquire) as usize).min(BLOCK * BLOCKS)
    }

    /// Whether nearly all places are taken.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= BLOCK * BLOCKS - BLOCK
    }

    /// Appends a value; `None` if there is no place left.
    pub(super) fn push(&self, value: T) -> Option<u32> {
        let at = self.next.fetch_add(1, Ordering::AcqRel);
        let block = self.blocks.get(at as usize / BLOCK)?;
        let block = block.get_or_init(|| (0..BLOCK).map(|_| OnceLock::new()).collect());
        block.get(at as usize % BLOCK)?.set(value).ok()?;
        Some(at)
    }

    pub(super) fn get(&self, at: u32) -> Option<&T> {
        let block = self.blocks.get(at as usize / BLOCK)?.get()?;
        block.get(at as usize % BLOCK)?.get()
    }
}
