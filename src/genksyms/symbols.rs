//! The symbols that a unit declares.
//!
//! The first declaration of a name wins; a later one that differs is only reported. Definitions are kept as flat
//! token lists in one pool: the lists of [`super::nodes`] are re-linked while a declaration is read, but never within a
//! definition that has been added, so that a flat copy says the same.

use super::grammar::GrammarId;
use super::nodes::Packed;
use super::words::{WordId, Words};
use crate::symtypes::TypeKind;

/// Most bytes that all definitions of a unit may have as text. The largest real units need a few millions; what passes
/// it is made for it, such as thousands of declarators that share thousands of specifiers.
const MAX_TEXT: usize = 1 << 26;

/// Tokens of all definitions that the room is kept for; the largest real units need some hundred thousand.
const KEPT: usize = 1 << 22;

/// Where a name was read; file 0 is no place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: u32,
    pub(super) line: u32,
}

/// A declared symbol.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    pub(super) name: WordId,
    pub(super) kind: TypeKind,
    /// Where its tokens lie in the pool.
    tokens: (u32, u32),
    pub(super) is_extern: bool,
    pub(super) place: Place,
}

/// What came of adding a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is the first of its name, or equal to the first.
    Declared,
    /// Another definition was there before.
    Redefinition,
    /// The definitions have no more room; the symbol is not declared.
    Full,
}

/// All symbols of a unit.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    symbols: Vec<Symbol>,
    pool: Vec<Packed>,
    text: usize,
    has_enum_space: bool,
    /// The last explicit value of an enumerator.
    last_value: Vec<Packed>,
    /// What the next enumerator adds to it.
    counter: u64,
}

impl Symbols {
    /// In the room of those of another unit.
    pub(super) fn new(grammar: GrammarId, mut room: Symbols) -> Self {
        room.symbols.clear();
        room.pool.clear();
        room.pool.shrink_to(KEPT);
        Symbols {
            has_enum_space: grammar == GrammarId::P0,
            symbols: room.symbols,
            pool: room.pool,
            ..Symbols::default()
        }
    }

    fn space(&self, kind: TypeKind) -> usize {
        match kind {
            TypeKind::Symbol | TypeKind::Typedef | TypeKind::EnumConstant => 0,
            TypeKind::Enum if self.has_enum_space => 2,
            TypeKind::Struct | TypeKind::Union | TypeKind::Enum => 1,
        }
    }

    pub(super) fn get(&self, index: u32) -> &Symbol {
        // INVARIANT: indices come from `find`, and symbols are never removed.
        &self.symbols[index as usize]
    }

    pub(super) fn tokens(&self, index: u32) -> &[Packed] {
        let (start, end) = self.get(index).tokens;
        &self.pool[start as usize..end as usize]
    }

    /// The symbol of that name in the name space of the kind.
    pub(super) fn find(&self, words: &Words<'_>, name: WordId, kind: TypeKind) -> Option<u32> {
        words.symbol(name, self.space(kind))
    }

    /// Whether the name stands for a symbol of exactly that kind.
    pub(super) fn is(&self, words: &Words<'_>, name: WordId, kind: TypeKind) -> bool {
        self.find(words, name, kind)
            .is_some_and(|index| self.get(index).kind == kind)
    }

    /// An enum starts counting anew.
    pub(super) fn end_enum(&mut self) {
        self.last_value.clear();
        self.counter = 0;
    }

    /// How many tokens an enumerator without a value repeats.
    pub(super) fn shared_value(&self) -> usize {
        self.last_value.len()
    }

    /// Adds an enumerator; an empty value is none.
    pub(super) fn add_enumerator(
        &mut self,
        words: &mut Words<'_>,
        name: WordId,
        value: &[Packed],
        place: Place,
    ) -> Added {
        if value.is_empty() {
            let tokens = self.next_value(words);
            return self.add(words, (name, TypeKind::EnumConstant), &tokens, false, place);
        }
        self.last_value = value.to_vec();
        self.counter = 1;
        self.add(words, (name, TypeKind::EnumConstant), value, false, place)
    }

    /// The value of an enumerator without one: `( last ) + n`, or `n`.
    fn next_value(&mut self, words: &mut Words<'_>) -> Vec<Packed> {
        let number = words.intern_owned(self.counter.to_string().as_bytes());
        self.counter = self.counter.wrapping_add(1);
        let plain = |word| Packed::new(word, TypeKind::Symbol);
        let byte = |byte: u8| plain(WordId(u32::from(byte)));
        if self.last_value.is_empty() {
            return vec![plain(number)];
        }
        let mut tokens = vec![byte(b'(')];
        tokens.extend_from_slice(&self.last_value);
        tokens.extend([byte(b')'), byte(b'+'), plain(number)]);
        tokens
    }

    /// Adds a symbol of any kind but an enumerator, or one whose value is settled.
    pub(super) fn add(
        &mut self,
        words: &mut Words<'_>,
        (name, kind): (WordId, TypeKind),
        tokens: &[Packed],
        is_extern: bool,
        place: Place,
    ) -> Added {
        let size = words.size_of(tokens);
        self.add_sized(words, (name, kind), (tokens, size), is_extern, place)
    }

    /// The same for tokens whose size as text is known.
    pub(super) fn add_sized(
        &mut self,
        words: &mut Words<'_>,
        (name, kind): (WordId, TypeKind),
        (tokens, size): (&[Packed], usize),
        is_extern: bool,
        place: Place,
    ) -> Added {
        if kind == TypeKind::Enum {
            self.end_enum();
        }
        if let Some(index) = self.find(words, name, kind) {
            let is_same = self.get(index).kind == kind && self.tokens(index) == tokens;
            return if is_same {
                Added::Declared
            } else {
                Added::Redefinition
            };
        }
        self.text = self.text.saturating_add(size);
        if self.text > MAX_TEXT {
            return Added::Full;
        }
        let start = self.pool.len();
        self.pool.extend_from_slice(tokens);
        let bound = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.symbols.push(Symbol {
            name,
            kind,
            tokens: (bound(start), bound(self.pool.len())),
            is_extern,
            place,
        });
        words.set_symbol(name, self.space(kind), bound(self.symbols.len() - 1));
        Added::Declared
    }
}
