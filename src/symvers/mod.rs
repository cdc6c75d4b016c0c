//! Exported symbols of a kernel.
//!
//! In flows the text of a `Module.symvers` file of any age, out flow [`Export`]s keyed by symbol. The grammar is
//! the one modpost writes (`Documentation/kbuild/modules.rst` of the kernel). What every reader of files needs
//! lives here too, as the lowest room: unpacking, findings with their lines, and naming a file of another format.

mod kabi_module;
mod looks;
mod problems;
mod read;
mod unpack;
mod write;

use std::borrow::Cow;
use std::fmt;

use smol_str::SmolStr;

pub use kabi_module::{is_kabi_module_file, is_kabi_module_folder, kabi_module_types};
pub use looks::looks_like;
pub(crate) use problems::shown;
pub use problems::{PROBLEM_LIMIT, Problem, Problems};
pub(crate) use read::parse_line;
pub use read::{Read, SymversError};
pub use unpack::{UNPACK_LIMIT, UnpackError, read_file, unpack, unpack_stream};

/// The modversion CRC of an exported symbol; zero means the kernel leaves the symbol unversioned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Crc(pub u32);

impl Crc {
    /// Whether the symbol carries no CRC: `CONFIG_MODVERSIONS` off, or an assembly export without prototype.
    #[must_use]
    pub fn is_unversioned(self) -> bool {
        self.0 == 0
    }

    /// As `0x` and eight hexadecimal digits.
    #[must_use]
    pub fn text(self) -> SmolStr {
        let [a, b, c, d, e, f, g, h] = hexadecimal(self.0.to_be_bytes());
        let text = [b'0', b'x', a, b, c, d, e, f, g, h];
        SmolStr::new(str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for Crc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The hexadecimal digits of bytes, two each. There are several such texts for every symbol of a comparison, and formatting
/// costs many times as much.
pub(crate) fn hexadecimal<const BYTES: usize, const DIGITS: usize>(
    bytes: [u8; BYTES],
) -> [u8; DIGITS] {
    const { assert!(DIGITS == 2 * BYTES) };
    std::array::from_fn(|at| {
        let byte = bytes[at / 2];
        b"0123456789abcdef"[usize::from(if at % 2 == 0 { byte >> 4 } else { byte & 0xf })]
    })
}

/// Who may use an export: the word in the fourth column of `Module.symvers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExportClass {
    /// `EXPORT_SYMBOL`: any module.
    Plain,
    /// `EXPORT_SYMBOL_GPL`: modules with a GPL-compatible licence.
    Gpl,
    /// `EXPORT_SYMBOL_GPL_FUTURE` (up to 5.11): any module, announced to become GPL-only.
    GplFuture,
    /// `EXPORT_UNUSED_SYMBOL` (up to 5.11).
    Unused,
    /// `EXPORT_UNUSED_SYMBOL_GPL` (up to 5.11).
    UnusedGpl,
    /// No class is known: a file from before 2.6.18, or the word `(unknown)`.
    Unknown,
    /// A word that starts with `EXPORT_` and is none of the above, kept as written.
    Other(String),
}

impl ExportClass {
    /// The spellings of all classes that the kernel has used.
    const WORDS: [(&'static str, ExportClass); 6] = [
        ("EXPORT_SYMBOL", ExportClass::Plain),
        ("EXPORT_SYMBOL_GPL", ExportClass::Gpl),
        ("EXPORT_SYMBOL_GPL_FUTURE", ExportClass::GplFuture),
        ("EXPORT_UNUSED_SYMBOL", ExportClass::Unused),
        ("EXPORT_UNUSED_SYMBOL_GPL", ExportClass::UnusedGpl),
        ("(unknown)", ExportClass::Unknown),
    ];

    /// Reads the word of the export column; `None` if it cannot be one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<ExportClass> {
        Self::WORDS
            .iter()
            .find(|(w, _)| *w == word)
            .map(|(_, class)| class.clone())
            .or_else(|| {
                word.starts_with("EXPORT_")
                    .then(|| ExportClass::Other(word.to_owned()))
            })
    }

    /// The word of the export column.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            ExportClass::Other(word) => word,
            known => known.known_word(),
        }
    }

    /// As [`ExportClass::word`], without a copy where the word is a known one.
    #[must_use]
    pub fn to_word(&self) -> Cow<'static, str> {
        match self {
            ExportClass::Other(word) => word.clone().into(),
            known => known.known_word().into(),
        }
    }

    fn known_word(&self) -> &'static str {
        let mut words = Self::WORDS.iter();
        let known = words.find(|(_, class)| class == self);
        known.map_or("(unknown)", |(word, _)| word)
    }

    /// Whether the loader hides the symbol from modules without a GPL-compatible licence.
    #[must_use]
    pub fn is_gpl_only(&self) -> bool {
        matches!(self, ExportClass::Gpl | ExportClass::UnusedGpl)
    }
}

impl fmt::Display for ExportClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One exported symbol: a line of `Module.symvers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The symbol's name.
    pub symbol: SmolStr,
    /// Its modversion CRC.
    pub crc: Crc,
    /// `vmlinux`, or the module's path without `.ko`, such as `drivers/net/mii`.
    pub module: SmolStr,
    /// Who may use it.
    pub class: ExportClass,
    /// Namespace that a user must import, if any.
    pub namespace: Option<SmolStr>,
}

/// The exports of a kernel, one per symbol, in bytewise order of the symbols.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symvers {
    // INVARIANT: in bytewise order of the symbols, each once.
    exports: Vec<Export>,
}

impl FromIterator<Export> for Symvers {
    /// Of several exports of one symbol the last one stays.
    fn from_iter<I: IntoIterator<Item = Export>>(exports: I) -> Symvers {
        let exports: Vec<Export> = exports.into_iter().collect();
        let order = order(&exports);
        let mut exports = arranged(exports, order);
        exports.dedup_by(|later, kept| {
            let is_same = later.symbol == kept.symbol;
            if is_same {
                std::mem::swap(later, kept);
            }
            is_same
        });
        Symvers { exports }
    }
}

/// The places of exports in bytewise order of their symbols; those of one symbol in their own order.
fn order(exports: &[Export]) -> Vec<usize> {
    if exports.is_sorted_by(|a, b| a.symbol <= b.symbol) {
        return (0..exports.len()).collect();
    }
    // First by numbers that lie side by side, the start of a name and its place in one: the names lie all over the memory.
    const PLACE: u32 = 32;
    let start = |name: &str| {
        let mut bytes = [0; 16];
        let starts = bytes[4..].iter_mut().zip(name.bytes());
        starts.for_each(|(to, from)| *to = from);
        u128::from_be_bytes(bytes)
    };
    let place = |number: u128| (number & ((1 << PLACE) - 1)) as usize;
    let name = |number: u128| exports[place(number)].symbol.as_str();
    let numbers = exports.iter().enumerate();
    let numbers = numbers.map(|(at, export)| start(&export.symbol) << PLACE | at as u128);
    let mut numbers: Vec<u128> = numbers.collect();
    numbers.sort_unstable();
    for same in numbers.chunk_by_mut(|a, b| a >> PLACE == b >> PLACE) {
        same.sort_by(|a, b| name(*a).cmp(name(*b)));
    }
    numbers.into_iter().map(place).collect()
}

/// The exports of these places, each of them once.
fn arranged(mut exports: Vec<Export>, mut order: Vec<usize>) -> Vec<Export> {
    if order.len() < exports.len() {
        let mut exports: Vec<Option<Export>> = exports.into_iter().map(Some).collect();
        let places = order.iter();
        return places
            .filter_map(|&at| exports.get_mut(at)?.take())
            .collect();
    }
    // Round by round: what stands where another belongs changes its place with that one.
    for start in 0..order.len() {
        let mut at = start;
        while order[at] != start {
            let from = std::mem::replace(&mut order[at], at);
            exports.swap(at, from);
            at = from;
        }
        order[at] = at;
    }
    exports
}

impl Symvers {
    /// Adds an export and hands back the one that held its symbol before, if any. Moves all that stand behind it: many are
    /// better collected.
    pub fn insert(&mut self, export: Export) -> Option<Export> {
        match self.place(&export.symbol) {
            Ok(at) => Some(std::mem::replace(&mut self.exports[at], export)),
            Err(at) => {
                self.exports.insert(at, export);
                None
            }
        }
    }

    /// The export of that symbol.
    #[must_use]
    pub fn get(&self, symbol: &str) -> Option<&Export> {
        self.exports.get(self.place(symbol).ok()?)
    }

    /// Where the export of that symbol is, or would be.
    fn place(&self, symbol: &str) -> Result<usize, usize> {
        self.exports
            .binary_search_by(|export| export.symbol.as_str().cmp(symbol))
    }

    /// All exports in bytewise order of their symbols.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Export> {
        self.exports.iter()
    }

    /// How many symbols are exported.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exports.len()
    }

    /// Whether nothing is exported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exports.is_empty()
    }

    /// Whether there are exports and none of them carries a CRC, as with `CONFIG_MODVERSIONS` off.
    #[must_use]
    pub fn is_unversioned(&self) -> bool {
        !self.is_empty() && self.iter().all(|export| export.crc.is_unversioned())
    }
}
