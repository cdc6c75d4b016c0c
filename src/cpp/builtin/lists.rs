//! Lists of tokens that are filled again: macros are replaced some thousand times in a unit, and each time takes a few.

use super::token::Tok;

/// Lists that wait to be filled; calls that are nested deeper take new ones.
const MAX_LISTS: usize = 64;
/// Most tokens that a waiting list has room for.
const MAX_ROOM: usize = 1 << 12;

/// Empty lists with room.
#[derive(Default)]
pub(super) struct Lists(Vec<Vec<Tok>>);

impl Lists {
    /// An empty list.
    pub(super) fn take(&mut self) -> Vec<Tok> {
        self.0.pop().unwrap_or_default()
    }

    /// Takes back a list that nobody reads any more.
    pub(super) fn give(&mut self, mut list: Vec<Tok>) {
        if (1..=MAX_ROOM).contains(&list.capacity()) && self.0.len() < MAX_LISTS {
            list.clear();
            self.0.push(list);
        }
    }
}
