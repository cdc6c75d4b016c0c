//! The token lists of one top-level declaration.
//!
//! A node links to the token *before* it, so that a list is known by its last token and several phrases can share their
//! beginning. One spare node always stands behind the newest token. A [`Slot`] names a phrase by the node that
//! *follows* its last token: re-linking that node replaces the phrase in the text that goes on behind it.

use super::words::WordId;
use crate::symtypes::TypeKind;

/// A token of a list; 0 is the end of a list.
pub(super) type NodeId = u32;

/// The node that follows a phrase; 0 where a symbol has no value.
pub(super) type Slot = u32;

/// A token in a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) word: WordId,
    /// The token before it.
    pub(super) next: NodeId,
    pub(super) line: u32,
    /// The file's name as a word; 0 is none.
    pub(super) file: u32,
    pub(super) kind: TypeKind,
    pub(super) in_source_file: bool,
}

const BLANK: Node = Node {
    word: WordId(0),
    next: 0,
    line: 0,
    file: 0,
    kind: TypeKind::Symbol,
    in_source_file: false,
};

/// A token of a definition: its spelling and what it refers to, in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed(u32);

const KINDS: [TypeKind; 6] = [
    TypeKind::Symbol,
    TypeKind::Typedef,
    TypeKind::Enum,
    TypeKind::Struct,
    TypeKind::Union,
    TypeKind::EnumConstant,
];

impl Packed {
    pub(super) fn new(word: WordId, kind: TypeKind) -> Packed {
        let tag = match kind {
            TypeKind::Symbol => 0,
            TypeKind::Typedef => 1,
            TypeKind::Enum => 2,
            TypeKind::Struct => 3,
            TypeKind::Union => 4,
            TypeKind::EnumConstant => 5,
        };
        Packed(word.0 << 3 | tag)
    }

    pub(super) fn word(self) -> WordId {
        WordId(self.0 >> 3)
    }

    pub(super) fn kind(self) -> TypeKind {
        let tag = (self.0 & 7) as usize;
        KINDS.get(tag).copied().unwrap_or(TypeKind::Symbol)
    }
}

/// Most nodes that a declaration may need: 1.3 GB of them.
const MAX_NODES: usize = 1 << 26;

/// A list that comes back to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cyclic;

/// The nodes of a declaration. Node 0 stands for no node.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    spare: NodeId,
}

impl Nodes {
    /// Only the spare node.
    pub(super) fn new() -> Self {
        Nodes {
            nodes: vec![BLANK, BLANK],
            spare: 1,
        }
    }

    /// Forgets all nodes; the caller holds no slot of them any more.
    pub(super) fn clear(&mut self) {
        self.nodes.truncate(1);
        self.spare = self.push(BLANK);
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX)
    }

    /// Whether no further token fits.
    pub(super) fn is_full(&self) -> bool {
        self.nodes.len() >= MAX_NODES
    }

    /// Fills the spare node and links a new one behind it.
    pub(super) fn append(&mut self, token: Node) {
        let filled = self.spare;
        self.nodes[filled as usize] = Node {
            next: self.get(filled),
            ..token
        };
        self.spare = self.push(Node {
            next: filled,
            ..BLANK
        });
    }

    /// The slot of what has been read last.
    pub(super) fn spare(&self) -> Slot {
        self.spare
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        // INVARIANT: ids are indices of nodes since the last `clear`.
        &self.nodes[id as usize]
    }

    /// The last token of the slot's phrase.
    pub(super) fn get(&self, slot: Slot) -> NodeId {
        self.nodes[slot as usize].next
    }

    /// Makes another list the slot's phrase. Without a slot nothing happens.
    pub(super) fn set(&mut self, slot: Slot, node: NodeId) {
        if slot != 0 {
            self.nodes[slot as usize].next = node;
        }
    }

    /// Drops the last token of the slot's phrase.
    pub(super) fn remove(&mut self, slot: Slot) {
        let last = self.get(slot);
        self.set(slot, self.get(last));
    }

    /// Tags the last token of the slot's phrase.
    pub(super) fn tag(&mut self, slot: Slot, kind: TypeKind) {
        let last = self.get(slot);
        if last != 0 {
            self.nodes[last as usize].kind = kind;
        }
    }

    /// A copy of the slot's last token under a tag, with another list before it.
    pub(super) fn copy_last(&mut self, slot: Slot, kind: TypeKind, before: NodeId) -> NodeId {
        let original = *self.node(self.get(slot));
        self.push(Node {
            kind,
            next: before,
            ..original
        })
    }

    /// The tokens of the list up to `last` and behind `end`, in the order of the text.
    ///
    /// # Errors
    /// If the list comes back to itself.
    pub(super) fn collect(
        &self,
        last: NodeId,
        end: NodeId,
        into: &mut Vec<Packed>,
    ) -> Result<(), Cyclic> {
        into.clear();
        let mut at = last;
        while at != 0 && at != end {
            if into.len() >= self.nodes.len() {
                return Err(Cyclic);
            }
            let node = self.node(at);
            into.push(Packed::new(node.word, node.kind));
            at = node.next;
        }
        into.reverse();
        Ok(())
    }
}
