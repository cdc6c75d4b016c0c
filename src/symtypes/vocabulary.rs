//! The names and texts that graphs are made of, interned: what is equal has one number.
//!
//! Two kernels are nearly alike, so that a second one that is read with the vocabulary of the first brings little that is
//! new: its texts are looked up and not searched for names again, and comparing them is comparing numbers.

use super::graph::{Mention, NameId, TextId};
use super::table::{Table, index};
use super::{Name, TypeKind, mentions};

/// Names and texts by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    pub(super) names: Table,
    kinds: Vec<TypeKind>,
    pub(super) texts: Table,
    /// For each text, where its names begin in `references`; one more than there are texts.
    pub(super) starts: Vec<u32>,
    pub(super) references: Vec<NameId>,
    /// For each text, where its mentions begin in `mentions`; one more than there are texts.
    pub(super) mention_starts: Vec<u32>,
    pub(super) mentions: Vec<Mention>,
    /// The last text that referred to a name, as its number and one; tells repeated references.
    met: Vec<u32>,
    /// For the key of a name, so that not each look-up allocates one.
    key: String,
}

impl Vocabulary {
    /// Makes room for the texts of a file of that many bytes.
    pub(super) fn expect(&mut self, bytes: usize) {
        self.texts.expect(bytes);
    }

    pub(super) fn intern_name(&mut self, name: Name<'_>) -> NameId {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        let (number, new) = self.names.intern(name.key(&mut key));
        self.key = key;
        if new {
            self.kinds.push(name.kind);
            self.met.push(0);
        }
        NameId(number)
    }

    pub(super) fn intern_text(&mut self, text: &str) -> TextId {
        let (number, new) = self.texts.intern(text);
        if new {
            self.note_mentions(number, text);
        }
        TextId(number)
    }

    fn note_mentions(&mut self, number: u32, text: &str) {
        for (start, end, token) in mentions(text) {
            let name = self.intern_name(token);
            self.mentions.push(Mention {
                start: index(start),
                end: index(end),
                name,
            });
            let met = &mut self.met[name.0 as usize];
            if *met != number + 1 {
                *met = number + 1;
                self.references.push(name);
            }
        }
        if self.starts.is_empty() {
            self.starts.push(0);
            self.mention_starts.push(0);
        }
        self.mention_starts.push(index(self.mentions.len()));
        self.starts.push(index(self.references.len()));
    }

    pub(super) fn kind(&self, id: NameId) -> TypeKind {
        // INVARIANT: ids are made by `intern_name` of the same vocabulary only and names are never removed.
        self.kinds[id.0 as usize]
    }

    pub(super) fn id_of(&self, name: Name<'_>) -> Option<NameId> {
        let mut key = String::new();
        self.names.find(name.key(&mut key)).map(NameId)
    }

    /// The names that a text refers to, each once, in the order of the text.
    pub(super) fn references(&self, id: TextId) -> &[NameId] {
        // INVARIANT: `starts` has one more entry than there are texts, each at most the length of `references`.
        let at = id.0 as usize;
        &self.references[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// The names in a text with their places, as often as they stand there.
    pub(super) fn mentions(&self, id: TextId) -> &[Mention] {
        // INVARIANT: as in `references`.
        let at = id.0 as usize;
        &self.mentions[self.mention_starts[at] as usize..self.mention_starts[at + 1] as usize]
    }
}
