//! The start and the end of a text of any length.

/// How much of the start, and again of the end, is kept.
pub(super) const KEEP: usize = 64 << 10;

/// The start and the end of a text of any length.
#[derive(Default)]
pub(super) struct Excerpt {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: u64,
}

impl Excerpt {
    pub(super) fn push(&mut self, piece: &[u8]) {
        let room = KEEP.saturating_sub(self.head.len()).min(piece.len());
        let (head, tail) = piece.split_at(room);
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(tail);
        if self.tail.len() > 2 * KEEP {
            let surplus = self.tail.len() - KEEP;
            self.tail.drain(..surplus);
            self.dropped += surplus as u64;
        }
    }

    /// The text, with a line that says what was left out.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        if self.dropped > 0 {
            let note = format!("\n[{} bytes left out]\n", self.dropped);
            self.head.extend_from_slice(note.as_bytes());
        }
        self.head.append(&mut self.tail);
        self.head
    }
}
