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

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

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
}

impl fmt::Display for Crc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
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
            known => Self::WORDS
                .iter()
                .find(|(_, class)| class == known)
                .map_or("(unknown)", |(word, _)| word),
        }
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
    pub symbol: String,
    /// Its modversion CRC.
    pub crc: Crc,
    /// `vmlinux`, or the module's path without `.ko`, such as `drivers/net/mii`.
    pub module: String,
    /// Who may use it.
    pub class: ExportClass,
    /// Namespace that a user must import, if any.
    pub namespace: Option<String>,
}

/// The exports of a kernel, one per symbol, in bytewise order of the symbols.
#[derive(Clone, Debug, Default)]
pub struct Symvers {
    exports: BTreeSet<BySymbol>,
}

/// An export that is ordered and looked up by its symbol.
#[derive(Clone, Debug)]
struct BySymbol(Export);

impl PartialEq for BySymbol {
    fn eq(&self, other: &Self) -> bool {
        self.0.symbol == other.0.symbol
    }
}

impl Eq for BySymbol {}

impl PartialOrd for BySymbol {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BySymbol {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.symbol.cmp(&other.0.symbol)
    }
}

impl Borrow<str> for BySymbol {
    fn borrow(&self) -> &str {
        &self.0.symbol
    }
}

impl PartialEq for Symvers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Symvers {}

impl FromIterator<Export> for Symvers {
    /// Of several exports of one symbol the last one stays.
    fn from_iter<I: IntoIterator<Item = Export>>(exports: I) -> Symvers {
        Symvers {
            exports: exports.into_iter().map(BySymbol).collect(),
        }
    }
}

impl Symvers {
    /// Adds an export and hands back the one that held its symbol before, if any.
    pub fn insert(&mut self, export: Export) -> Option<Export> {
        let export = BySymbol(export);
        let before = self.exports.take(&export);
        self.exports.insert(export);
        before.map(|before| before.0)
    }

    /// The export of that symbol.
    #[must_use]
    pub fn get(&self, symbol: &str) -> Option<&Export> {
        self.exports.get(symbol).map(|export| &export.0)
    }

    /// All exports in bytewise order of their symbols.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Export> {
        self.exports.iter().map(|export| &export.0)
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
