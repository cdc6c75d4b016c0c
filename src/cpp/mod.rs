//! Preprocessing of one unit.
//!
//! In flows a [`Call`] (the compiler call of a unit as Kbuild makes it), out flows a [`Preprocessed`] unit: what
//! `gcc -E -D__GENKSYMS__` prints, the files it read, and what each export site says about class and namespace, which
//! `__GENKSYMS__` hides from the text. Every preprocessor stands behind the trait [`Preprocessor`]; consumers read
//! tokens through [`TokenSource`].

mod builtin;
pub mod child;
mod depfile;
mod engine;
mod gcc;
mod markers;
mod outline;
mod overlay;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

pub use builtin::{Builtin, Disk, FileProvider, Session, Work};
pub use depfile::prerequisites;
pub use engine::{Engine, EngineKind};
pub use gcc::{Gcc, GccLimits};
pub use outline::{MacroTraits, Outline};
pub use overlay::{ExportOverlay, OverlayError};
pub use text::TextTokens;

/// A word of a command line. Thousands of calls share nearly all of theirs.
pub type Word = Arc<str>;

/// The compiler call of one unit, without its input, output and action (`-c`, `-o`) and dependency-file arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The compiler and the wrappers before it, such as `gcc` or `ccache`, `gcc`.
    pub program: Vec<String>,
    /// Arguments that select language, macros and include folders, in order.
    pub args: Vec<Word>,
    /// The source file, as it stood on the command line (relative to `cwd`, or absolute).
    pub source: String,
    /// Folder in which the compiler is started: the object tree.
    pub cwd: PathBuf,
}

/// What one export site says beyond the symbol, as the arguments of the kernel's innermost export macro.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSite {
    /// The exported symbol.
    pub symbol: String,
    /// Licence or section argument: empty for `EXPORT_SYMBOL`; `GPL`, `_gpl` and the like for the GPL-only class.
    pub license: String,
    /// Namespace; empty when there is none.
    pub namespace: String,
}

/// One preprocessed unit.
#[derive(Clone, Debug, Default)]
pub struct Preprocessed {
    /// The text that genksyms reads: C tokens and line markers.
    pub text: Vec<u8>,
    /// Every file that was opened, as named by the preprocessor (relative to the call's folder, or absolute).
    pub dependencies: Vec<PathBuf>,
    /// The export sites in the order of the text.
    pub exports: Vec<ExportSite>,
}

/// Why a unit could not be preprocessed.
#[derive(Debug, thiserror::Error)]
pub enum CppError {
    /// The preprocessor could not be started or its output not be read.
    #[error("failed to run {program}: {source}")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The preprocessor refused the unit.
    #[error("{unit}: preprocessing failed: {message}")]
    Failed {
        /// The source file.
        unit: String,
        /// The first errors it printed.
        message: String,
        /// A file that an `#include` names and that does not exist, if that was the reason.
        missing: Option<String>,
    },
    /// A bound on output or time was reached.
    #[error("{unit}: {what} exceeds the limit of {limit}")]
    Limit {
        /// The source file.
        unit: String,
        /// What was measured.
        what: &'static str,
        /// The limit with its unit.
        limit: String,
    },
}

/// What a call is read for.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Its source.
    Source,
    /// A C text in place of the source; the first line marker names `<stdin>`.
    Text(&'a [u8]),
}

/// What is known of a unit after its tokens were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Every file that was opened, as named by the preprocessor (relative to the call's folder, or absolute).
    pub dependencies: Vec<PathBuf>,
    /// The export sites in the order of the text.
    pub exports: Vec<ExportSite>,
    /// Where the numbers of lines count.
    pub lines: LineUses,
}

/// Where the number of a line (`__LINE__`) of a header may stand in what was handed over, or may have decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineUses {
    /// In these headers, named as in [`Read::dependencies`], and in no other.
    In(Vec<PathBuf>),
    /// Anywhere, and what else the tokens of the files do not show.
    Anywhere,
}

impl Default for LineUses {
    fn default() -> LineUses {
        LineUses::In(Vec::new())
    }
}

/// Reads the tokens of a unit.
pub type Consumer<'c> = dyn FnMut(&mut dyn TokenSource<'_>) + 'c;

/// Anything that turns a compiler call into what genksyms reads.
pub trait Preprocessor: Sync {
    /// Hands the tokens of a C unit under `__GENKSYMS__` to `consumer`.
    ///
    /// The consumer may be called a second time, with the unit's tokens from the start; only what the last call gave counts,
    /// and nothing counts if an error comes back.
    ///
    /// # Errors
    /// If the preprocessor cannot run, refuses the unit or passes a bound.
    fn read(
        &self,
        call: &Call,
        input: Input<'_>,
        consumer: &mut Consumer<'_>,
    ) -> Result<Read, CppError>;
}

/// Lexical class of a raw token, by the rules of the kernel's genksyms lexer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenClass {
    /// `[A-Za-z_$][A-Za-z0-9_$]*`
    Identifier,
    /// An integer with at most one `U` and one `L`.
    Integer,
    /// A floating constant.
    Float,
    /// A string literal.
    String,
    /// A character constant.
    Char,
    /// An operator of two characters, `...`, or any other single character.
    Punctuator,
}

/// A raw token and its spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Its lexical class.
    pub class: TokenClass,
    /// Its spelling.
    pub text: &'a [u8],
    /// The number of the spelling in the source's [`Vocabulary`]; 0 if there is none.
    pub word: u32,
}

/// Numbers for spellings, the same for all units that a session reads.
///
/// The number of a single byte is that byte.
pub trait Vocabulary: Sync {
    /// Tells this vocabulary from any other.
    fn identity(&self) -> u64;
    /// The number of a spelling.
    fn number(&self, text: &[u8]) -> u32;
    /// The spelling of a number.
    fn spelling(&self, number: u32) -> &[u8];
}

/// The raw tokens of one unit in order, with the place of the last one read.
pub trait TokenSource<'a> {
    /// The next token; `None` at the end of the unit, and from then on.
    fn next_token(&mut self) -> Option<Token<'a>>;
    /// Reads on behind the `}` that closes a `{` just read, as if every token up to it had been read and dropped.
    /// Returns whether there is one; if not, the unit is at its end.
    fn skip_braced(&mut self) -> bool {
        let mut depth = 1_u64;
        while let Some(token) = self.next_token() {
            match token.text {
                b"{" => depth += 1,
                b"}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return true;
            }
        }
        false
    }
    /// Tells that the reader stands between two declarations and remembers nothing that could change how it takes the tokens
    /// that follow, but for the names it knows.
    fn rest(&mut self) {}
    /// The numbers of the tokens' spellings.
    fn vocabulary(&self) -> Option<&'a dyn Vocabulary> {
        None
    }
    /// Number of the stretch of tokens that starts here, if the reader rests and other units have the same stretch: the same
    /// tokens in the same places, with the same bodies.
    fn stretch(&mut self) -> Option<u64> {
        None
    }
    /// Whether all tokens of a stretch were read; none if the source does not stand in it, or right behind it, any more.
    fn is_behind(&self, _stretch: u64) -> Option<bool> {
        None
    }
    /// Reads over the stretch that starts here.
    fn pass_stretch(&mut self) {}
    /// File that the lexer stands in: the name in the last line marker, `<stdin>` before the first.
    fn file(&self) -> &'a [u8];
    /// Line that the lexer stands on, counted as genksyms counts for its messages.
    fn line(&self) -> u32;
    /// Whether the lexer stands in the unit's own source file, the one that the first marker names.
    fn in_source_file(&self) -> bool;
}
