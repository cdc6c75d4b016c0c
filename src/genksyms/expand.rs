//! The CRC of an export: the CRC-32 of everything its declaration says, types included.
//!
//! Each token's bytes and one blank are fed to the CRC (the common one, polynomial 0xEDB88320 reflected). A name that
//! refers to a definition is replaced by it at its first use in an export, and fed as it is from then on. The walk keeps
//! its own stack. Definitions are turned into runs of bytes between references once and fed run by run.

use super::nodes::{NodeId, Packed};
use super::symbols::Symbols;
use super::unit::Unit;
use super::words::{WordId, Words};
use crate::cpp::TokenSource;
use crate::symtypes::{Definition, Location, TypeKind, TypeName};
use crate::symvers::Crc;

/// Most bytes that all exports of a unit may feed, a few seconds of work. Real units stay below 1 GB.
const MAX_FED: u64 = 1 << 34;

/// Bytes of all definitions that the room is kept for.
const KEPT: usize = 1 << 24;

/// How many bytes are gathered before the CRC sees them.
const GATHERED: usize = 1 << 15;

/// Plain bytes of a definition, and the reference behind them.
#[derive(Clone, Copy, Debug)]
struct Run {
    end: u32,
    reference: Option<Packed>,
}

/// What the expansions of a unit know of one symbol.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The export that met it last, counted from 1.
    mark: u32,
    is_visited: bool,
    /// Where its runs start and end; none before its first expansion.
    runs: Option<(u32, u32)>,
    /// Where the bytes of its runs start.
    bytes: u32,
    crc: Option<Crc>,
}

/// A definition that is being expanded.
#[derive(Clone, Copy, Debug)]
struct Frame {
    symbol: u32,
    run: u32,
    byte: u32,
}

/// The expansions of a unit.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    known: Vec<Known>,
    runs: Vec<Run>,
    bytes: Vec<u8>,
    visited: Vec<u32>,
    export: u32,
    gathered: Vec<u8>,
    crc: crc32fast::Hasher,
    fed: u64,
    dump: Option<Vec<u8>>,
    frames: Vec<Frame>,
}

impl Expansion {
    /// Nothing expanded yet, in the room of another unit's; with `dumps`, what `genksyms -D` prints is kept.
    pub(super) fn new(dumps: bool, mut room: Expansion) -> Self {
        room.known.clear();
        room.runs.clear();
        room.bytes.clear();
        room.bytes.shrink_to(KEPT);
        room.visited.clear();
        room.gathered.clear();
        Expansion {
            known: room.known,
            runs: room.runs,
            bytes: room.bytes,
            visited: room.visited,
            gathered: room.gathered,
            dump: dumps.then(Vec::new),
            ..Expansion::default()
        }
    }

    pub(super) fn visited(&self) -> &[u32] {
        &self.visited
    }

    pub(super) fn take_dump(&mut self) -> Vec<u8> {
        self.dump.take().unwrap_or_default()
    }

    /// Puts a message where it appears in what `-D` prints.
    pub(super) fn dump_message(&mut self, location: &Location, message: &str) {
        if let Some(dump) = &mut self.dump {
            dump.extend_from_slice(format!("{location}: {message}\n").as_bytes());
        }
    }

    fn dump(&mut self, text: &[u8]) {
        if let Some(dump) = &mut self.dump {
            dump.extend_from_slice(text);
        }
    }

    fn known(&mut self, symbol: u32) -> &mut Known {
        let index = symbol as usize;
        if index >= self.known.len() {
            self.known.resize(index + 1, Known::default());
        }
        &mut self.known[index]
    }

    fn feed(&mut self, text: &[u8]) {
        self.gathered.extend_from_slice(text);
        self.gathered.push(b' ');
        self.fed += text.len() as u64 + 1;
        if self.dump.is_some() {
            self.dump(text);
            self.dump(b" ");
        }
        self.drain_if(GATHERED);
    }

    fn feed_run(&mut self, start: u32, end: u32) {
        let run = &self.bytes[start as usize..end as usize];
        self.gathered.extend_from_slice(run);
        self.fed += run.len() as u64;
        if let Some(dump) = &mut self.dump {
            dump.extend_from_slice(run);
        }
        self.drain_if(GATHERED);
    }

    fn drain_if(&mut self, at_least: usize) {
        if self.gathered.len() >= at_least {
            self.crc.update(&self.gathered);
            self.gathered.clear();
        }
    }

    fn finish_crc(&mut self) -> Crc {
        self.drain_if(0);
        Crc(std::mem::take(&mut self.crc).finalize())
    }

    /// Marks the symbol as met in this export and starts on its definition. An empty one has nothing to start on.
    fn enter(&mut self, words: &Words<'_>, symbols: &Symbols, symbol: u32) {
        let export = self.export;
        self.known(symbol).mark = export;
        if symbols.tokens(symbol).is_empty() {
            return;
        }
        if self.known(symbol).runs.is_none() {
            self.cut_runs(words, symbols, symbol);
        }
        let known = *self.known(symbol);
        self.frames.push(Frame {
            symbol,
            run: known.runs.map_or(0, |(start, _)| start),
            byte: known.bytes,
        });
    }

    fn cut_runs(&mut self, words: &Words<'_>, symbols: &Symbols, symbol: u32) {
        // INVARIANT: all definitions together have less text than 4 GB, see `Symbols::add`.
        let bound = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (first, bytes) = (bound(self.runs.len()), bound(self.bytes.len()));
        for &token in symbols.tokens(symbol) {
            if token.kind() == TypeKind::Symbol {
                self.bytes.extend_from_slice(words.text(token.word()));
                self.bytes.push(b' ');
            } else {
                self.runs.push(Run {
                    end: bound(self.bytes.len()),
                    reference: Some(token),
                });
            }
        }
        self.runs.push(Run {
            end: bound(self.bytes.len()),
            reference: None,
        });
        let last = bound(self.runs.len());
        let known = self.known(symbol);
        known.runs = Some((first, last));
        known.bytes = bytes;
    }

    /// Feeds the next run of the innermost definition; hands back the reference behind it. At the end of a definition
    /// it counts as visited.
    fn advance(&mut self) -> Option<Packed> {
        let frame = self.frames.last_mut()?;
        let run = self.runs[frame.run as usize];
        let (start, symbol) = (frame.byte, frame.symbol);
        frame.run += 1;
        frame.byte = run.end;
        self.feed_run(start, run.end);
        if run.reference.is_none() {
            self.frames.pop();
            if !std::mem::replace(&mut self.known(symbol).is_visited, true) {
                self.visited.push(symbol);
            }
        }
        run.reference
    }

    /// The record that `genksyms -T` prints for a symbol.
    pub(super) fn definition(
        &self,
        words: &Words<'_>,
        symbols: &Symbols,
        index: u32,
        location: Option<Location>,
    ) -> Definition {
        let symbol = symbols.get(index);
        let mut text = Vec::new();
        for token in symbols.tokens(index) {
            if !text.is_empty() {
                text.push(b' ');
            }
            if let Some(tag) = token.kind().tag() {
                text.extend_from_slice(tag.encode_utf8(&mut [0; 4]).as_bytes());
                text.push(b'#');
            }
            text.extend_from_slice(words.text(token.word()));
        }
        Definition {
            name: TypeName {
                kind: symbol.kind,
                name: String::from_utf8_lossy(words.text(symbol.name)).into_owned(),
            },
            is_extern: symbol.is_extern,
            text: into_text(text),
            location,
        }
    }
}

/// The bytes as text; what is no UTF-8 is replaced.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl<'a> Unit<'a> {
    /// Exports the symbol that a node names.
    pub(super) fn export<S: TokenSource<'a> + ?Sized>(&mut self, source: &S, node: NodeId) {
        self.tape = None;
        let name = self.nodes.node(node).word;
        let text = String::from_utf8_lossy(self.words.text(name)).into_owned();
        let Some(symbol) = self.symbols.find(&self.words, name, TypeKind::Symbol) else {
            self.report(source, format!("export undefined symbol {text}"));
            return;
        };
        // What is declared never changes again, so that a second export of the same symbol gives the same.
        let known = self
            .expansion
            .known(symbol)
            .crc
            .filter(|_| self.expansion.dump.is_none());
        let crc = known.or_else(|| self.expand(source, symbol, &text));
        let Some(crc) = crc else {
            let message = format!("expansions of the unit take too long, {text} is left out");
            self.fault(source, message);
            return;
        };
        self.expansion.known(symbol).crc = Some(crc);
        self.result.exports.push((text, crc));
    }

    /// The CRC of a symbol; `None` if the unit has fed too much already.
    fn expand<S: TokenSource<'a> + ?Sized>(
        &mut self,
        source: &S,
        symbol: u32,
        name: &str,
    ) -> Option<Crc> {
        self.expansion.export += 1;
        self.expansion.frames.clear();
        self.expansion
            .dump(format!("Export {name} == <").as_bytes());
        self.expansion.enter(&self.words, &self.symbols, symbol);
        while !self.expansion.frames.is_empty() && self.expansion.fed < MAX_FED {
            if let Some(reference) = self.expansion.advance() {
                self.refer(source, reference);
            }
        }
        self.expansion.dump(b">\n");
        let crc = self.expansion.finish_crc();
        (self.expansion.fed < MAX_FED).then_some(crc)
    }

    /// Expands what a token refers to, or feeds its name if the export has met it.
    fn refer<S: TokenSource<'a> + ?Sized>(&mut self, source: &S, reference: Packed) {
        let (name, kind) = (reference.word(), reference.kind());
        if kind.keyword().is_some() && self.symbols.find(&self.words, name, kind).is_none() {
            self.add_unknown(source, reference);
        }
        let export = self.expansion.export;
        match self.symbols.find(&self.words, name, kind) {
            Some(target) if self.expansion.known(target).mark != export => {
                self.expansion.enter(&self.words, &self.symbols, target);
            }
            _ => {
                if let Some(keyword) = kind.keyword() {
                    self.expansion.feed(keyword.as_bytes());
                }
                self.feed_word(name);
            }
        }
    }

    fn feed_word(&mut self, word: WordId) {
        self.expansion.feed(self.words.text(word));
    }
}
