//! CRCs of exported symbols from the tokens of one unit.
//!
//! In flow the raw tokens of a preprocessed unit ([`crate::cpp::TokenSource`]) and the [`Profile`] of the tree's own
//! genksyms, out flow [`UnitSymbols`]: each export with its CRC, the definitions behind them in the order in which
//! `genksyms -T` prints them, and the messages it prints with `-w`.
//!
//! The algorithm is that of the kernel's `scripts/genksyms`, bit for bit: raw tokens become terminals (`classifier`),
//! an LALR(1) parser with yacc's conventions (`productions`, `grammar`, `tables`, `parser`) re-links them in lists (`nodes`), the lists
//! become definitions (`symbols`), and an export's declaration is expanded into its CRC (`expand`). Input that the
//! grammar does not understand gives a message and the same result as there.
//!
//! Bounds for any input: memory for its distinct spellings, 20 bytes for each token of one top-level declaration (at most
//! 2^26), 64 MiB of definitions (and a few times that for their copies), 64 MiB of file names in messages and places;
//! time for 2^28 copied tokens and 16 GiB fed to CRCs. What passes one is listed in [`UnitSymbols::faults`] and never
//! yields a CRC.

mod classifier;
mod expand;
mod grammar;
mod memory;
mod nodes;
mod parser;
mod productions;
mod profile;
mod symbols;
mod tables;
#[cfg(test)]
mod tests;
mod unit;
mod words;
mod write;

use unit::Room;

use crate::cpp::TokenSource;
use crate::symtypes::{Definition, Location};
use crate::symvers::Crc;

pub use memory::Memory;
pub use profile::Profile;

/// Why a tree's genksyms is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenksymsError {
    /// The folder holds no genksyms.
    #[error(
        "scripts/genksyms has neither parse.y nor parse.tab.c_shipped: is this the top of a kernel tree?"
    )]
    NoGrammarFile,
    /// Exports are marked in an unknown way.
    #[error(
        "scripts/genksyms knows no export keyword: update kabigate, or use the tree's own genksyms"
    )]
    NoExportKeyword,
    /// The text is not the spelling of a profile.
    #[error("unknown genksyms profile `{0}`")]
    UnknownProfile(String),
}

/// A message of the parser, at the place where the lexer stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// File and line.
    pub location: Location,
    /// The text, in genksyms' own words.
    pub message: String,
}

/// What genksyms makes of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSymbols {
    /// Exports in the order of the unit. A symbol that is exported but not declared has no entry here and a diagnostic.
    pub exports: Vec<(String, Crc)>,
    /// Every definition that an export reaches, and the exports themselves, in order of visit. CRCs are those of the
    /// unit's bytes; in the text of a definition, bytes that are no UTF-8 are replaced.
    pub definitions: Vec<Definition>,
    /// What `genksyms -w` prints.
    pub diagnostics: Vec<Diagnostic>,
    /// What kept the result from being complete, at most 20: a declarator on which the kernel's genksyms never ends, or
    /// a bound. Empty in every unit that the kernel builds; a unit with a fault counts as not checked.
    pub faults: Vec<Diagnostic>,
}

/// Reads a unit to its end.
///
/// Cost: linear in the unit, and in the sum of what its exports expand to.
pub fn analyse<'a, S: TokenSource<'a> + ?Sized>(tokens: &mut S, profile: &Profile) -> UnitSymbols {
    let words = words::Words::new(profile);
    parser::Parser::new(tokens, profile, words, Room::default(), false)
        .run()
        .finish()
        .0
}

/// Reads a unit to its end and also hands back what `genksyms -w -D` prints on its standard error: the messages, and for
/// each export every token that goes into its CRC.
pub fn analyse_and_dump<'a, S: TokenSource<'a> + ?Sized>(
    tokens: &mut S,
    profile: &Profile,
) -> (UnitSymbols, Vec<u8>) {
    let words = words::Words::new(profile);
    let (symbols, dump, _) = parser::Parser::new(tokens, profile, words, Room::default(), true)
        .run()
        .finish();
    (symbols, dump)
}

/// Reads a unit to its end, with what `memory` knows of its stretches from other units. The result is that of [`analyse`].
pub fn analyse_with<'a, S: TokenSource<'a> + ?Sized>(
    tokens: &mut S,
    memory: &Memory,
) -> UnitSymbols {
    let Some(vocabulary) = tokens.vocabulary() else {
        return analyse(tokens, memory.profile());
    };
    let kept = memory.under(vocabulary);
    let words = words::Words::shared(vocabulary, kept.keywords.clone());
    let parser = parser::Parser::new(tokens, memory.profile(), words, kept.take_room(), false);
    let (symbols, _, room) = parser.with(kept.clone()).run().finish();
    kept.give_room(room);
    symbols
}
