//! The spellings of one unit, interned.
//!
//! A [`WordId`] stands for one spelling of any token. Beside it stands what the classifier asks of it: whether it is a
//! keyword, and which symbols have it as their name.

use std::borrow::Cow;
use std::sync::Arc;

use super::grammar::{GrammarId, Terminal};
use super::nodes::Packed;
use super::profile::{ExportKeyword, Profile};
use crate::cpp::{Token, Vocabulary};

/// A spelling. The first 256 are the single bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordId(pub(super) u32);

/// How the classifier treats a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    /// It is that terminal.
    Terminal(Terminal),
    /// It starts an attribute phrase.
    Attribute,
    /// It starts an `asm` phrase.
    Asm,
    /// It starts a `typeof` phrase.
    Typeof,
    /// It starts a static assertion.
    StaticAssert,
    /// It is a type that the lexer itself knows, no identifier.
    BuiltinVector,
}

/// Name spaces: ordinary names, tags, and enum tags where a profile keeps them apart.
pub(super) const SPACES: usize = 3;

/// Most spellings that a unit can have; a reference packs one beside its tag.
pub(super) const MAX_WORDS: u32 = 1 << 28;

/// For each spelling the symbols of that name in each name space, plus one.
#[derive(Debug, Default)]
pub(super) struct Names {
    symbols: Vec<[u32; SPACES]>,
    touched: Vec<u32>,
    /// The stretch that read a name last.
    stamps: Vec<u32>,
    stamp: u32,
}

impl Names {
    /// Starts a stretch that has read no name.
    pub(super) fn start_stretch(&mut self) {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.stamps.clear();
            self.stamp = 1;
        }
    }

    /// Whether the stretch reads the name for the first time.
    pub(super) fn is_new(&mut self, word: WordId) -> bool {
        let at = word.0 as usize;
        if self.stamps.len() <= at {
            self.stamps.resize((at + 1).next_power_of_two(), 0);
        }
        let stamp = self.stamp;
        self.stamps
            .get_mut(at)
            .is_some_and(|slot| std::mem::replace(slot, stamp) != stamp)
    }

    /// Forgets all symbols.
    pub(super) fn clear(&mut self) {
        for word in self.touched.drain(..) {
            if let Some(symbols) = self.symbols.get_mut(word as usize) {
                *symbols = [0; SPACES];
            }
        }
    }
}

/// Which spellings are keywords.
#[derive(Clone, Debug, Default)]
pub(super) struct Keywords(Arc<[Option<Keyword>]>);

impl Keywords {
    /// The keywords of a profile under their numbers in a vocabulary.
    pub(super) fn new(profile: &Profile, number: impl Fn(&[u8]) -> u32) -> Self {
        let mut table = Vec::new();
        for (text, keyword) in keywords(profile) {
            let at = number(text.as_bytes()) as usize;
            if table.len() <= at {
                table.resize(at + 1, None);
            }
            if let Some(slot) = table.get_mut(at) {
                *slot = Some(keyword);
            }
        }
        Keywords(table.into())
    }
}

/// The spellings of a unit: numbered by the vocabulary of its source, else interned here.
pub(super) struct Words<'a> {
    vocabulary: Option<&'a dyn Vocabulary>,
    own: Own<'a>,
    keywords: Keywords,
    pub(super) names: Names,
}

/// The interned spellings of a unit whose source has no vocabulary.
#[derive(Debug, Default)]
struct Own<'a> {
    texts: Vec<Cow<'a, [u8]>>,
    /// Open addressing, a power of two of slots: number of the word plus one.
    slots: Vec<u32>,
}

static SINGLE_BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut byte = 0_u8;
    while byte < 255 {
        bytes[byte as usize] = byte;
        byte += 1;
    }
    bytes[255] = 255;
    bytes
};

impl<'a> Words<'a> {
    /// The single bytes and the profile's keywords.
    pub(super) fn new(profile: &Profile) -> Self {
        let mut words = Words {
            vocabulary: None,
            own: Own {
                texts: Vec::with_capacity(1 << 14),
                slots: vec![0; 1 << 15],
            },
            keywords: Keywords::default(),
            names: Names::default(),
        };
        for byte in SINGLE_BYTES.chunks(1) {
            words.intern(byte);
        }
        let own = std::cell::RefCell::new(words.own);
        let table = Keywords::new(profile, |text| {
            own.borrow_mut()
                .find_or_insert(text, || Cow::Owned(text.to_vec()))
        });
        words.own = own.into_inner();
        words.keywords = table;
        words
    }

    /// The spellings of a vocabulary.
    pub(super) fn shared(vocabulary: &'a dyn Vocabulary, keywords: Keywords) -> Self {
        Words {
            vocabulary: Some(vocabulary),
            own: Own::default(),
            keywords,
            names: Names::default(),
        }
    }

    /// The table of names, for the next unit.
    pub(super) fn into_names(self) -> Names {
        self.names
    }

    /// The word of a token.
    pub(super) fn of(&mut self, token: Token<'a>) -> WordId {
        if self.vocabulary.is_some() && token.word != 0 {
            WordId(token.word)
        } else {
            self.intern(token.text)
        }
    }

    /// The word of that spelling.
    pub(super) fn intern(&mut self, text: &'a [u8]) -> WordId {
        WordId(match self.vocabulary {
            Some(vocabulary) => vocabulary.number(text),
            None => self.own.find_or_insert(text, || Cow::Borrowed(text)),
        })
    }

    /// The word of a spelling that is not part of the unit.
    pub(super) fn intern_owned(&mut self, text: &[u8]) -> WordId {
        WordId(match self.vocabulary {
            Some(vocabulary) => vocabulary.number(text),
            None => (self.own).find_or_insert(text, || Cow::Owned(text.to_vec())),
        })
    }

    /// Whether no further spelling fits.
    pub(super) fn is_full(&self) -> bool {
        self.own.texts.len() >= MAX_WORDS as usize
    }

    pub(super) fn keyword(&self, id: WordId) -> Option<Keyword> {
        self.keywords.0.get(id.0 as usize).copied().flatten()
    }

    pub(super) fn text(&self, id: WordId) -> &[u8] {
        match self.vocabulary {
            Some(vocabulary) => vocabulary.spelling(id.0),
            None => (self.own.texts.get(id.0 as usize)).map_or(&b""[..], |text| text),
        }
    }

    /// Bytes that tokens take as text, about.
    pub(super) fn size_of(&self, tokens: &[Packed]) -> usize {
        tokens
            .iter()
            .map(|token| self.text(token.word()).len() + 3)
            .sum()
    }

    /// The symbol of that name in a name space.
    pub(super) fn symbol(&self, id: WordId, space: usize) -> Option<u32> {
        let symbols = self.names.symbols.get(id.0 as usize)?;
        symbols.get(space)?.checked_sub(1)
    }

    pub(super) fn set_symbol(&mut self, id: WordId, space: usize, symbol: u32) {
        let at = id.0 as usize;
        let symbols = &mut self.names.symbols;
        if symbols.len() <= at {
            symbols.resize((at + 1).next_power_of_two(), [0; SPACES]);
        }
        if let Some(slot) = symbols
            .get_mut(at)
            .and_then(|symbols| symbols.get_mut(space))
        {
            *slot = symbol + 1;
            self.names.touched.push(id.0);
        }
    }
}

impl<'a> Own<'a> {
    fn find_or_insert(&mut self, text: &[u8], own: impl FnOnce() -> Cow<'a, [u8]>) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = hash(text) & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            if *self.texts[slot as usize - 1] == *text {
                return slot - 1;
            }
            at = (at + 1) & mask;
        }
        self.texts.push(own());
        let count = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.slots[at] = count;
        if self.texts.len() * 2 > self.slots.len() {
            self.grow();
        }
        count - 1
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        self.slots = vec![0; mask + 1];
        for (index, text) in self.texts.iter().enumerate() {
            let mut at = hash(text) & mask;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = u32::try_from(index + 1).unwrap_or(u32::MAX);
        }
    }
}

/// A folded multiplication of each eight bytes.
fn hash(text: &[u8]) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64, word: u64| {
        let product = u128::from(state ^ word).wrapping_mul(u128::from(FACTOR));
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut state = (text.len() as u64).wrapping_mul(FACTOR) ^ 0x517c_c1b7_2722_0a95;
    let (chunks, rest) = text.as_chunks::<8>();
    for chunk in chunks {
        state = mix(state, u64::from_le_bytes(*chunk));
    }
    let mut tail = 0_u64;
    for byte in rest {
        tail = (tail << 8) | u64::from(*byte);
    }
    mix(state, tail) as usize
}

/// The keywords of a profile.
fn keywords(profile: &Profile) -> Vec<(String, Keyword)> {
    use Terminal as T;
    let mut all: Vec<(String, Keyword)> = Vec::new();
    let mut add = |keyword: Keyword, words: &str| {
        all.extend(words.split(' ').map(|word| (word.to_owned(), keyword)));
    };
    for (terminal, words) in [
        (T::Const, "__const __const__ const"),
        (T::Extension, "__extension__"),
        (T::Inline, "__inline __inline__ inline"),
        (T::Signed, "__signed __signed__ signed"),
        (T::Volatile, "__volatile __volatile__ volatile"),
        (T::Bool, "_Bool"),
        (T::Restrict, "__restrict__ restrict"),
        (T::Auto, "auto"),
        (T::Char, "char"),
        (T::Double, "double"),
        (T::Enum, "enum"),
        (T::Extern, "extern"),
        (T::Float, "float"),
        (T::Int, "int"),
        (T::Long, "long"),
        (T::Register, "register"),
        (T::Short, "short"),
        (T::Static, "static"),
        (T::Struct, "struct"),
        (T::Typedef, "typedef"),
        (T::Union, "union"),
        (T::Unsigned, "unsigned"),
        (T::Void, "void"),
    ] {
        add(Keyword::Terminal(terminal), words);
    }
    add(Keyword::Attribute, "__attribute __attribute__");
    add(Keyword::Asm, "__asm __asm__ asm");
    let restrict = if profile.restrict_with_two_underscores {
        "__restrict"
    } else {
        "_restrict"
    };
    add(Keyword::Terminal(T::Restrict), restrict);
    if profile.grammar >= GrammarId::P2 {
        add(Keyword::Typeof, "__typeof __typeof__ typeof");
    } else {
        add(Keyword::Terminal(T::Typeof), "__typeof__ typeof");
    }
    if profile.typeof_unqual {
        add(
            Keyword::Typeof,
            "typeof_unqual __typeof_unqual __typeof_unqual__",
        );
    }
    if profile.x86_seg {
        add(Keyword::Terminal(T::X86Seg), "__seg_gs __seg_fs");
    }
    if profile.va_list {
        add(Keyword::Terminal(T::VaList), "__builtin_va_list");
    }
    if profile.builtin_int {
        add(
            Keyword::Terminal(T::BuiltinInt),
            "__int128 __int128_t __uint128_t",
        );
    }
    if profile.static_assert {
        add(Keyword::StaticAssert, "_Static_assert");
    }
    let export = match profile.export {
        ExportKeyword::Marker => "__GENKSYMS_EXPORT_SYMBOL",
        ExportKeyword::TwoMacros => "EXPORT_SYMBOL EXPORT_SYMBOL_GPL",
        ExportKeyword::AllMacros => {
            "EXPORT_SYMBOL EXPORT_SYMBOL_GPL EXPORT_SYMBOL_GPL_FUTURE EXPORT_UNUSED_SYMBOL EXPORT_UNUSED_SYMBOL_GPL"
        }
    };
    add(Keyword::Terminal(T::Export), export);
    if profile.grammar == GrammarId::P5 {
        for sign in ["", "u"] {
            for bits in [8, 16, 32, 64] {
                for lanes in [1, 2, 4, 8, 16] {
                    add(
                        Keyword::BuiltinVector,
                        &format!("{sign}int{bits}x{lanes}_t"),
                    );
                }
            }
        }
    }
    all
}
