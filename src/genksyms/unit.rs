//! What is known of a unit while it is read.

use super::expand::Expansion;
use super::grammar::GrammarId;
use super::memory::{Meaning, Op, Parsed, Tape};
use super::nodes::{Cyclic, Node, NodeId, Nodes, Packed, Slot};
use super::profile::Profile;
use super::symbols::{Added, Place, Symbols};
use super::words::{Names, WordId, Words};
use super::{Diagnostic, UnitSymbols};
use crate::cpp::{Token, TokenClass, TokenSource};
use crate::symtypes::{Location, TypeKind};

/// Most bytes of file names that messages and places of definitions may repeat.
const MAX_PLACES: usize = 1 << 26;

/// Most tokens that may be copied out of lists and values. Real units copy each of theirs about once; what passes it is
/// made for it, such as thousands of declarators that share thousands of specifiers.
const MAX_COPIED: usize = 1 << 28;

/// What a unit filled, for the next one to fill again: room that grows anew for each unit is copied, and tears
/// the free lists of the allocator.
#[derive(Default)]
pub(super) struct Room {
    pub(super) names: Names,
    symbols: Symbols,
    expansion: Expansion,
}

/// The unit's words, lists and symbols, and what the current declaration has said so far.
pub(super) struct Unit<'a> {
    pub(super) words: Words<'a>,
    pub(super) nodes: Nodes,
    pub(super) symbols: Symbols,
    pub(super) expansion: Expansion,
    pub(super) result: UnitSymbols,
    grammar: GrammarId,
    files: Files<'a>,
    pub(super) is_typedef: bool,
    pub(super) is_extern: bool,
    /// The declared name, as a node.
    pub(super) name: NodeId,
    pub(super) specifiers: NodeId,
    /// A type name is not expected as the next token.
    pub(super) type_unwanted: bool,
    scratch: Vec<Packed>,
    copied: usize,
    /// The stretch that is being read for the first time.
    pub(super) tape: Option<Box<Tape>>,
}

/// Which file the lexer stands in, as a word; 0 is none.
#[derive(Debug)]
struct Files<'a> {
    name: &'a [u8],
    word: u32,
    /// How many bytes of names may still be repeated.
    room: usize,
}

impl<'a> Files<'a> {
    /// The file as a word. Consecutive tokens mostly share one, and then also its memory.
    fn number(&mut self, words: &mut Words<'a>, file: &'a [u8]) -> u32 {
        if !std::ptr::eq(self.name, file) {
            self.name = file;
            self.word = words.intern(file).0;
        }
        self.word
    }

    /// The place with its file's name, as long as there is room for more.
    fn location(&mut self, words: &Words<'a>, place: Place) -> Option<Location> {
        if place.file == 0 {
            return None;
        }
        let file = words.text(WordId(place.file));
        self.room = self.room.checked_sub(file.len() + 64)?;
        Some(Location {
            file: String::from_utf8_lossy(file).into_owned(),
            line: place.line,
        })
    }
}

impl<'a> Unit<'a> {
    pub(super) fn new(profile: &Profile, mut words: Words<'a>, room: Room, dumps: bool) -> Self {
        words.names = room.names;
        Unit {
            words,
            nodes: Nodes::new(),
            symbols: Symbols::new(profile.grammar, room.symbols),
            expansion: Expansion::new(dumps, room.expansion),
            result: UnitSymbols::default(),
            grammar: profile.grammar,
            files: Files {
                name: b"",
                word: 0,
                room: MAX_PLACES,
            },
            is_typedef: false,
            is_extern: false,
            name: 0,
            specifiers: 0,
            type_unwanted: false,
            scratch: Vec::new(),
            copied: 0,
            tape: None,
        }
    }

    pub(super) fn grammar(&self) -> GrammarId {
        self.grammar
    }

    /// Whether types defined in the source file itself stay unknown.
    pub(super) fn grammar_has_source_rule(&self) -> bool {
        self.grammar != GrammarId::P0
    }

    /// Whether a further token has no room.
    pub(super) fn is_full(&self) -> bool {
        self.nodes.is_full() || self.words.is_full()
    }

    /// Appends a token to the list.
    pub(super) fn append<S: TokenSource<'a> + ?Sized>(
        &mut self,
        source: &S,
        token: Token<'a>,
    ) -> WordId {
        let mut node = Node {
            word: match *token.text {
                [byte] if token.class != TokenClass::Identifier => WordId(u32::from(byte)),
                _ => self.words.of(token),
            },
            next: 0,
            line: 0,
            file: 0,
            kind: TypeKind::Symbol,
            in_source_file: source.in_source_file(),
        };
        if token.class == TokenClass::Identifier {
            self.note_read(node.word);
            node.line = source.line();
            node.file = self.files.number(&mut self.words, source.file());
            if self.grammar != GrammarId::P0
                && self
                    .symbols
                    .is(&self.words, node.word, TypeKind::EnumConstant)
            {
                node.kind = TypeKind::EnumConstant;
            }
        }
        self.nodes.append(node);
        node.word
    }

    /// What an identifier means.
    fn meaning(&self, word: WordId) -> Meaning {
        let Some(index) = self.symbols.find(&self.words, word, TypeKind::Symbol) else {
            return Meaning::Unknown;
        };
        match self.symbols.get(index).kind {
            TypeKind::Typedef => Meaning::Type,
            TypeKind::EnumConstant => Meaning::Enumerator,
            _ => Meaning::Declared,
        }
    }

    /// The tape takes note of what an identifier means.
    fn note_read(&mut self, word: WordId) {
        if self.tape.is_some() && self.words.names.is_new(word) {
            let meaning = self.meaning(word);
            if let Some(tape) = &mut self.tape {
                tape.read(word, meaning);
            }
        }
    }

    /// Starts to take note of what a stretch declares.
    pub(super) fn start_tape(&mut self, stretch: u64, state: (usize, u16)) {
        self.words.names.start_stretch();
        self.tape = Some(Box::new(Tape::new(stretch, state)));
    }

    /// Whether identifiers mean what they meant when a stretch was read.
    pub(super) fn fits(&self, parsed: &Parsed) -> bool {
        parsed.fits(|word| self.meaning(word))
    }

    /// Does what a stretch did.
    pub(super) fn replay(&mut self, parsed: &Parsed) {
        for op in &parsed.ops {
            match op {
                Op::Add {
                    name,
                    kind,
                    tokens,
                    size,
                    is_extern,
                    place,
                    at,
                } => {
                    let tokens = parsed.tokens(*tokens);
                    self.copied += tokens.len();
                    let sized = (tokens, *size as usize);
                    let added = (self.symbols).add_sized(
                        &mut self.words,
                        (*name, *kind),
                        sized,
                        *is_extern,
                        *place,
                    );
                    self.report_added(*at, *name, added);
                }
                Op::Enumerator {
                    name,
                    value,
                    place,
                    at,
                } => {
                    let value = parsed.tokens(*value);
                    self.copied += value.len() + self.symbols.shared_value();
                    let added =
                        (self.symbols).add_enumerator(&mut self.words, *name, value, *place);
                    self.report_added(*at, *name, added);
                }
                Op::EndEnum => self.symbols.end_enum(),
                Op::Message(at, text) => self.report_at(*at, text.to_string()),
            }
        }
    }

    /// An enum without a name ends.
    pub(super) fn end_enum(&mut self) {
        self.symbols.end_enum();
        if let Some(tape) = &mut self.tape {
            tape.push(Op::EndEnum);
        }
    }

    /// The place where the lexer stands.
    fn here<S: TokenSource<'a> + ?Sized>(&mut self, source: &S) -> Place {
        Place {
            file: self.files.number(&mut self.words, source.file()),
            line: source.line(),
        }
    }

    pub(super) fn is_typedef(&mut self, word: WordId) -> bool {
        self.note_read(word);
        self.symbols.is(&self.words, word, TypeKind::Typedef)
    }

    /// Reports a message at the place where the lexer stands.
    pub(super) fn report<S: TokenSource<'a> + ?Sized>(&mut self, source: &S, message: String) {
        let at = self.here(source);
        if let Some(tape) = &mut self.tape {
            tape.push(Op::Message(at, message.as_str().into()));
        }
        self.report_at(at, message);
    }

    fn report_at(&mut self, place: Place, message: String) {
        let Some(location) = self.files.location(&self.words, place) else {
            return;
        };
        self.expansion.dump_message(&location, &message);
        self.result
            .diagnostics
            .push(Diagnostic { location, message });
    }

    /// Reports what keeps the result from being complete.
    pub(super) fn fault<S: TokenSource<'a> + ?Sized>(&mut self, source: &S, message: String) {
        let at = self.here(source);
        self.fault_at(at, message);
    }

    fn fault_at(&mut self, at: Place, message: String) {
        self.tape = None;
        self.report_at(at, message.clone());
        if self.result.faults.len() < MAX_FAULTS {
            let file = self.words.text(WordId(at.file));
            self.result.faults.push(Diagnostic {
                location: Location {
                    file: String::from_utf8_lossy(file).into_owned(),
                    line: at.line,
                },
                message,
            });
        }
    }

    /// Reports that the unit is not read any further.
    pub(super) fn stop_full<S: TokenSource<'a> + ?Sized>(&mut self, source: &S) {
        self.fault(
            source,
            "too many tokens, the rest of the unit is not read".to_owned(),
        );
    }

    fn lossy(&self, word: WordId) -> String {
        String::from_utf8_lossy(self.words.text(word)).into_owned()
    }

    fn place(&self, node: NodeId) -> Place {
        let node = self.nodes.node(node);
        Place {
            file: node.file,
            line: node.line,
        }
    }

    /// Adds the list up to `last` as the definition of the name in `node`.
    pub(super) fn add<S: TokenSource<'a> + ?Sized>(
        &mut self,
        source: &S,
        node: NodeId,
        kind: TypeKind,
        last: NodeId,
    ) {
        let name = self.nodes.node(node).word;
        if let Some(tokens) = self.collect(source, name, last, 0) {
            let (place, is_extern) = (self.place(node), self.is_extern);
            let key = (name, kind);
            let size = self.words.size_of(&tokens);
            let at = self.here(source);
            if let Some(tape) = &mut self.tape {
                let span = tape.span(&tokens);
                tape.push(Op::Add {
                    name,
                    kind,
                    tokens: span,
                    size: u32::try_from(size).unwrap_or(u32::MAX),
                    is_extern,
                    place,
                    at,
                });
            }
            let sized = (tokens.as_slice(), size);
            let added = (self.symbols).add_sized(&mut self.words, key, sized, is_extern, place);
            self.report_added(at, name, added);
            self.scratch = tokens;
        }
    }

    /// Adds an enumerator, with the list behind `equals` up to `last` as its value.
    pub(super) fn add_enumerator<S: TokenSource<'a> + ?Sized>(
        &mut self,
        source: &S,
        name: Slot,
        value: Option<(NodeId, NodeId)>,
    ) {
        let node = self.nodes.get(name);
        let word = self.nodes.node(node).word;
        let (last, equals) = value.unwrap_or((0, 0));
        if let Some(tokens) = self.collect(source, word, last, equals) {
            self.copied += self.symbols.shared_value();
            let place = self.place(node);
            let at = self.here(source);
            if let Some(tape) = &mut self.tape {
                let value = tape.span(&tokens);
                tape.push(Op::Enumerator {
                    name: word,
                    value,
                    place,
                    at,
                });
            }
            let added = (self.symbols).add_enumerator(&mut self.words, word, &tokens, place);
            self.report_added(at, word, added);
            self.scratch = tokens;
        }
    }

    /// The tokens of the list behind `end` up to `last`, in the memory of `scratch`. Reports why there are none.
    fn collect<S: TokenSource<'a> + ?Sized>(
        &mut self,
        source: &S,
        name: WordId,
        last: NodeId,
        end: NodeId,
    ) -> Option<Vec<Packed>> {
        if self.copied > MAX_COPIED {
            let at = self.here(source);
            self.report_added(at, name, Added::Full);
            return None;
        }
        let mut tokens = std::mem::take(&mut self.scratch);
        let outcome = self.nodes.collect(last, end, &mut tokens);
        self.copied += tokens.len();
        if outcome == Err(Cyclic) {
            self.scratch = tokens;
            let text = format!(
                "declarator of {} ends in itself, it is left out",
                self.lossy(name)
            );
            self.fault(source, text);
            return None;
        }
        Some(tokens)
    }

    fn report_added(&mut self, at: Place, name: WordId, added: Added) {
        match added {
            Added::Declared => {}
            Added::Redefinition => {
                let text = format!("redefinition of {}", self.lossy(name));
                self.report_at(at, text);
            }
            Added::Full => {
                let text = format!(
                    "definitions take too much room, {} is left out",
                    self.lossy(name)
                );
                self.fault_at(at, text);
            }
        }
    }

    /// Defines a type that is only declared, and reports it.
    pub(super) fn add_unknown<S: TokenSource<'a> + ?Sized>(
        &mut self,
        source: &S,
        reference: Packed,
    ) {
        let Some(keyword) = reference.kind().keyword() else {
            return;
        };
        let name = reference.word();
        let plain = |word| Packed::new(word, TypeKind::Symbol);
        let tokens = [
            plain(self.words.intern(keyword.as_bytes())),
            plain(name),
            plain(WordId(u32::from(b'{'))),
            plain(self.words.intern(b"UNKNOWN")),
            plain(WordId(u32::from(b'}'))),
        ];
        let text = format!("expand undefined {keyword} {}", self.lossy(name));
        self.report(source, text);
        let key = (name, reference.kind());
        let added = (self.symbols).add(&mut self.words, key, &tokens, false, Place::default());
        let at = self.here(source);
        self.report_added(at, name, added);
    }

    /// Name, mark and place of every definition that was visited, in order.
    pub(super) fn finish(mut self) -> (UnitSymbols, Vec<u8>, Room) {
        for &index in self.expansion.visited() {
            let place = self.symbols.get(index).place;
            let location = self.files.location(&self.words, place);
            let definition = self
                .expansion
                .definition(&self.words, &self.symbols, index, location);
            self.result.definitions.push(definition);
        }
        let dump = self.expansion.take_dump();
        let room = Room {
            names: self.words.into_names(),
            symbols: self.symbols,
            expansion: self.expansion,
        };
        (self.result, dump, room)
    }
}

/// Most faults that are listed; the first ones say enough.
const MAX_FAULTS: usize = 20;
