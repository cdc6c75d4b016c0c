//! Spellings of tokens, interned for all units of a session.
//!
//! A [`Sym`] stands for the spelling of one preprocessing token. Beside the bytes stands how genksyms cuts them (it reads
//! `1ULL` as `1UL` and `L`), and whether any macro of that name must be expanded even where its text is dropped.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::store::Store;
use crate::cpp::{TextTokens, Token, TokenClass, TokenSource, Vocabulary};

/// The spelling of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Sym(pub(super) u32);

macro_rules! fixed {
    ($($name:ident $text:literal)*) => {
        #[allow(
            non_camel_case_types,
            clippy::upper_case_acronyms,
            dead_code,
            reason = "only numbers the constants"
        )]
        enum Number { $($name),* }
        /// Spellings that the preprocessor itself refers to.
        #[allow(dead_code, reason = "some stand for the ends of a range, others between them")]
        impl Sym { $(pub(super) const $name: Sym = Sym(SINGLE + Number::$name as u32);)* }
        const FIXED: &[&str] = &[$($text),*];
    };
}

/// Spellings of one byte have the number of that byte.
const SINGLE: u32 = 256;

macro_rules! single {
    ($($name:ident $byte:literal)*) => {
        impl Sym { $(pub(super) const $name: Sym = Sym($byte as u32);)* }
    };
}

single! {
    OPEN_PAREN b'(' CLOSE_PAREN b')' OPEN_BRACE b'{' CLOSE_BRACE b'}' OPEN_BRACKET b'[' CLOSE_BRACKET b']'
    COMMA b',' SEMICOLON b';' HASH b'#' DOT b'.' QUESTION b'?' COLON b':' COMPL b'~'
    EQUALS b'=' NOT b'!' GREATER b'>' LESS b'<' PLUS b'+' MINUS b'-' STAR b'*' DIV b'/' MOD b'%' AND b'&' OR b'|' XOR b'^'
    ZERO b'0' ONE b'1'
}

fixed! {
    EMPTY "" HASH_HASH "##" DOTS "..."
    SHIFT_RIGHT ">>" SHIFT_LEFT "<<" EQ_EQ "==" NOT_EQ "!=" GREATER_EQ ">=" LESS_EQ "<=" AND_AND "&&" OR_OR "||"
    ARROW "->"
    DIGRAPH_HASH "%:" DIGRAPH_HASH_HASH "%:%:"
    DEFINED "defined" VA_ARGS "__VA_ARGS__" VA_OPT "__VA_OPT__" PRAGMA_OPERATOR "_Pragma"
    LINE "__LINE__" FILE "__FILE__" BASE_FILE "__BASE_FILE__" INCLUDE_LEVEL "__INCLUDE_LEVEL__" COUNTER "__COUNTER__"
    DATE "__DATE__" TIME "__TIME__" TIMESTAMP "__TIMESTAMP__" FILE_NAME "__FILE_NAME__"
    HAS_INCLUDE "__has_include" HAS_INCLUDE_NEXT "__has_include_next"
    HAS_ATTRIBUTE "__has_attribute" HAS_CPP_ATTRIBUTE "__has_cpp_attribute" HAS_C_ATTRIBUTE "__has_c_attribute"
    HAS_BUILTIN "__has_builtin" HAS_FEATURE "__has_feature" HAS_EXTENSION "__has_extension"
    HAS_DECLSPEC "__has_declspec_attribute" HAS_WARNING "__has_warning" IS_IDENTIFIER "__is_identifier"
    SITE "__kabigate_export_site"
}

/// How genksyms cuts the spelling of one token.
#[derive(Debug)]
pub(super) enum Cut {
    /// It is one token there too.
    One(TokenClass),
    /// It is several.
    Many(Box<[(TokenClass, Sym)]>),
    /// It may reach beyond its own end: a quote without partner, a NUL, a byte that is not ASCII.
    Exotic,
}

/// One spelling.
pub(super) struct Spelling {
    pub(super) text: Box<[u8]>,
    cut: OnceLock<Cut>,
    /// Whether a macro of that name may change braces, paste, or act beyond its text.
    opaque: AtomicBool,
}

#[derive(Default)]
struct Shard {
    /// Number of a spelling plus one, and a part of its hash.
    slots: Vec<(u32, u32)>,
    count: usize,
}

/// How many vocabularies were made.
static MADE: AtomicU64 = AtomicU64::new(1);

/// Shards of the table; a power of two.
const SHARDS: usize = 64;

/// All spellings of a session.
pub(super) struct Spellings {
    store: Store<Spelling>,
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::fast::RandomState,
    bytes: AtomicUsize,
    identity: u64,
}

impl Spellings {
    pub(super) fn new() -> Self {
        let spellings = Spellings {
            store: Store::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            bytes: AtomicUsize::new(0),
            identity: MADE.fetch_add(1, Ordering::Relaxed),
        };
        for byte in 0..=u8::MAX {
            spellings.intern(&[byte]);
        }
        for text in FIXED {
            spellings.intern(text.as_bytes());
        }
        spellings
    }

    /// The spelling's number; [`Sym::EMPTY`] once there is no place left, see [`Spellings::is_full`].
    pub(super) fn intern(&self, text: &[u8]) -> Sym {
        let hash = self.hasher.hash_one(text);
        let (part, fragment) = ((hash >> 58) as usize % SHARDS, (hash >> 20) as u32);
        let Some(shard) = self.shards.get(part) else {
            return Sym::EMPTY;
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.slots.is_empty() {
            shard.slots = vec![(0, 0); 1 << 8];
        }
        let mask = shard.slots.len() - 1;
        let mut at = fragment as usize & mask;
        while let Some(&(number, stored)) = shard.slots.get(at) {
            if number == 0 {
                break;
            }
            if stored == fragment && self.text(Sym(number - 1)) == text {
                return Sym(number - 1);
            }
            at = (at + 1) & mask;
        }
        let spelling = Spelling {
            text: text.into(),
            cut: OnceLock::new(),
            opaque: AtomicBool::new(false),
        };
        let Some(number) = self.store.push(spelling) else {
            return Sym::EMPTY;
        };
        self.bytes.fetch_add(text.len() + 80, Ordering::Relaxed);
        if let Some(slot) = shard.slots.get_mut(at) {
            *slot = (number + 1, fragment);
        }
        shard.count += 1;
        if shard.count * 2 > shard.slots.len() {
            shard.grow();
        }
        Sym(number)
    }

    /// How many spellings there are.
    pub(super) fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether no further spellings should be added.
    pub(super) fn is_full(&self) -> bool {
        self.store.is_full()
    }

    /// Bytes that the spellings take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn text(&self, sym: Sym) -> &[u8] {
        self.store
            .get(sym.0)
            .map_or(&b""[..], |spelling| &spelling.text)
    }

    pub(super) fn lossy(&self, sym: Sym) -> String {
        String::from_utf8_lossy(self.text(sym)).into_owned()
    }

    /// Whether a macro of that name must be expanded even where its text is dropped.
    pub(super) fn is_opaque(&self, sym: Sym) -> bool {
        self.store
            .get(sym.0)
            .is_none_or(|spelling| spelling.opaque.load(Ordering::Acquire))
    }

    pub(super) fn set_opaque(&self, sym: Sym) {
        if let Some(spelling) = self.store.get(sym.0) {
            spelling.opaque.store(true, Ordering::Release);
        }
    }

    /// How genksyms cuts the spelling.
    pub(super) fn cut(&self, sym: Sym) -> &Cut {
        match self.store.get(sym.0) {
            Some(spelling) => spelling.cut.get_or_init(|| self.compute(&spelling.text)),
            None => &Cut::Exotic,
        }
    }

    fn compute(&self, text: &[u8]) -> Cut {
        let is_literal = text.contains(&b'"') || text.contains(&b'\'');
        if text.contains(&0) || !is_literal && !text.is_ascii() {
            return Cut::Exotic;
        }
        let raw = cut_text(text);
        // A literal must be closed where it ends; an unclosed one would swallow what follows.
        let closed = |token: &Token<'_>| token.text != b"\"" && token.text != b"'";
        if is_literal && !raw.iter().all(closed) {
            return Cut::Exotic;
        }
        match raw.as_slice() {
            [only] => Cut::One(only.class),
            _ => Cut::Many(
                raw.iter()
                    .map(|token| (token.class, self.intern(token.text)))
                    .collect(),
            ),
        }
    }
}

impl Vocabulary for Spellings {
    fn identity(&self) -> u64 {
        self.identity
    }

    fn number(&self, text: &[u8]) -> u32 {
        self.intern(text).0
    }

    fn spelling(&self, number: u32) -> &[u8] {
        self.text(Sym(number))
    }
}

/// The raw tokens of a text without newlines. A `#` in front starts no line.
pub(super) fn cut_text(text: &[u8]) -> Vec<Token<'_>> {
    // A `#` at the start of a text without newline is a token, see `TextTokens`.
    let mut tokens = TextTokens::new(text);
    std::iter::from_fn(|| tokens.next_token()).collect()
}

impl Shard {
    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        let old = std::mem::replace(&mut self.slots, vec![(0, 0); size]);
        for (number, fragment) in old.into_iter().filter(|(number, _)| *number != 0) {
            let mut at = fragment as usize & (size - 1);
            while self.slots.get(at).is_some_and(|slot| slot.0 != 0) {
                at = (at + 1) & (size - 1);
            }
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = (number, fragment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fixed spellings have the numbers of their constants, and equal texts share a number.
    #[test]
    fn numbers() {
        let spellings = Spellings::new();
        assert_eq!(spellings.intern(b"("), Sym::OPEN_PAREN);
        assert_eq!(spellings.intern(b"->"), Sym::ARROW);
        assert_eq!(spellings.intern(b"__kabigate_export_site"), Sym::SITE);
        let many: Vec<Sym> = (0..5000)
            .map(|n| spellings.intern(format!("x{n}").as_bytes()))
            .collect();
        for (n, sym) in many.iter().enumerate() {
            assert_eq!(spellings.text(*sym), format!("x{n}").as_bytes());
            assert_eq!(spellings.intern(format!("x{n}").as_bytes()), *sym);
        }
    }

    /// Spellings are cut as genksyms cuts them; what could swallow its surroundings is told apart.
    #[test]
    fn cuts() {
        let spellings = Spellings::new();
        let cut = |text: &str| match spellings.cut(spellings.intern(text.as_bytes())) {
            Cut::One(class) => format!("{class:?}"),
            Cut::Many(parts) => parts
                .iter()
                .map(|(_, sym)| spellings.lossy(*sym))
                .collect::<Vec<_>>()
                .join(" "),
            Cut::Exotic => "exotic".to_owned(),
        };
        assert_eq!(cut("abc"), "Identifier");
        assert_eq!(cut("1ULL"), "1UL L");
        assert_eq!(cut("!="), "! =");
        assert_eq!(cut("<<="), "<< =");
        assert_eq!(cut("\"é\""), "String");
        assert_eq!(cut("u8\"x\""), "u8 \"x\"");
        assert_eq!(cut("'abc"), "exotic");
        assert_eq!(cut("é"), "exotic");
    }
}
