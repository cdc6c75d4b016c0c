//! From raw tokens to the terminals of the grammar.
//!
//! Attributes, `asm`, `typeof` of an expression, brackets, bodies, initialisers and static assertions become one
//! terminal each, while their tokens go into the list one by one.

use super::grammar::{GrammarId, Terminal};
use super::unit::Unit;
use super::words::{Keyword, WordId};
use crate::cpp::{Token, TokenClass, TokenSource};

/// What the classifier is reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Normal,
    Attribute,
    Asm,
    StaticAssert,
    Typeof,
    TypeofFirst,
    Bracket,
    Brace,
    Expression,
}

/// The state of the classifier between two terminals.
#[derive(Debug)]
pub(super) struct Classifier<'a> {
    mode: Mode,
    /// For how many more terminals a name is not looked up as a type.
    no_type_lookup: u8,
    /// For how many more terminals a `{` opens no body.
    no_brace_phrase: u8,
    /// Tokens put back, the next one last.
    pending: Vec<Token<'a>>,
}

/// Within one call: what the current phrase has done so far.
struct Phrase {
    depth: i64,
}

impl<'a> Classifier<'a> {
    pub(super) fn new() -> Self {
        Classifier {
            mode: Mode::Normal,
            no_type_lookup: 0,
            no_brace_phrase: 0,
            pending: Vec::new(),
        }
    }

    /// Whether nothing that was read before counts for what follows.
    pub(super) fn rests(&self) -> bool {
        self.mode == Mode::Normal
            && self.pending.is_empty()
            && self.no_type_lookup == 0
            && self.no_brace_phrase == 0
    }

    /// The next terminal. `takes_body` says whether a body would complete a function definition, in which case its
    /// tokens are skipped.
    pub(super) fn next<S: TokenSource<'a> + ?Sized>(
        &mut self,
        unit: &mut Unit<'a>,
        source: &mut S,
        takes_body: impl Fn() -> bool,
    ) -> Terminal {
        let mut phrase = Phrase { depth: 0 };
        loop {
            let token = match self.pending.pop() {
                Some(token) => token,
                None => match source.next_token() {
                    Some(token) => token,
                    None => return Terminal::End,
                },
            };
            if unit.is_full() {
                unit.stop_full(source);
                return Terminal::End;
            }
            let found = match self.mode {
                Mode::Normal => self.normal(unit, source, token, &mut phrase, &takes_body),
                Mode::Expression => self.expression(unit, source, token, &mut phrase),
                Mode::Typeof => self.type_of(unit, source, token, &mut phrase),
                Mode::TypeofFirst => self.type_of_first(unit, source, token, &mut phrase),
                Mode::Attribute => {
                    self.nested(unit, source, token, &mut phrase, Terminal::AttributePhrase)
                }
                Mode::Asm => self.nested(unit, source, token, &mut phrase, Terminal::AsmPhrase),
                Mode::StaticAssert => self.nested(
                    unit,
                    source,
                    token,
                    &mut phrase,
                    Terminal::StaticAssertPhrase,
                ),
                Mode::Bracket => {
                    self.nested(unit, source, token, &mut phrase, Terminal::BracketPhrase)
                }
                Mode::Brace => self.nested(unit, source, token, &mut phrase, Terminal::BracePhrase),
            };
            if let Some(terminal) = found {
                self.count_down(unit, terminal);
                return terminal;
            }
        }
    }

    fn count_down(&mut self, unit: &Unit<'a>, terminal: Terminal) {
        self.no_type_lookup = self.no_type_lookup.saturating_sub(1);
        if unit.grammar() != GrammarId::P5 || terminal != Terminal::AttributePhrase {
            self.no_brace_phrase = self.no_brace_phrase.saturating_sub(1);
        }
    }

    fn enter(&mut self, mode: Mode, phrase: &mut Phrase, depth: i64) -> Option<Terminal> {
        self.mode = mode;
        phrase.depth = depth;
        None
    }

    fn normal<S: TokenSource<'a> + ?Sized>(
        &mut self,
        unit: &mut Unit<'a>,
        source: &mut S,
        token: Token<'a>,
        phrase: &mut Phrase,
        takes_body: &impl Fn() -> bool,
    ) -> Option<Terminal> {
        let word = unit.append(source, token);
        if token.class == TokenClass::Identifier {
            return self.identifier(unit, word, phrase);
        }
        if token.class != TokenClass::Punctuator {
            return Some(Terminal::Undefined);
        }
        Some(match token.text {
            b"[" => return self.enter(Mode::Bracket, phrase, 1),
            b"{" if self.no_brace_phrase == 0 => {
                if !takes_body() {
                    return self.enter(Mode::Brace, phrase, 1);
                }
                if source.skip_braced() {
                    Terminal::BracePhrase
                } else {
                    Terminal::End
                }
            }
            b"{" => Terminal::OpenBrace,
            b"=" | b":" => {
                self.mode = Mode::Expression;
                if token.text == b"=" {
                    Terminal::Equals
                } else {
                    Terminal::Colon
                }
            }
            b";" => Terminal::Semicolon,
            b"}" => Terminal::CloseBrace,
            b"(" => Terminal::OpenParen,
            b")" => Terminal::CloseParen,
            b"," => Terminal::Comma,
            b"*" => Terminal::Star,
            b"..." => Terminal::Dots,
            // A byte above ASCII is a negative number to the kernel's parser, and that is the end.
            [0x80..=0xff] => Terminal::End,
            _ => Terminal::Undefined,
        })
    }

    fn identifier(
        &mut self,
        unit: &mut Unit<'a>,
        word: WordId,
        phrase: &mut Phrase,
    ) -> Option<Terminal> {
        let terminal = match unit.words.keyword(word) {
            Some(Keyword::Attribute) => return self.enter(Mode::Attribute, phrase, 0),
            Some(Keyword::Asm) => return self.enter(Mode::Asm, phrase, 0),
            Some(Keyword::Typeof) => return self.enter(Mode::Typeof, phrase, 0),
            Some(Keyword::StaticAssert) => return self.enter(Mode::StaticAssert, phrase, 0),
            Some(Keyword::BuiltinVector) => return Some(Terminal::BuiltinInt),
            Some(Keyword::Terminal(terminal)) => terminal,
            None => Terminal::Identifier,
        };
        match terminal {
            Terminal::Struct | Terminal::Union | Terminal::Enum => {
                if terminal != Terminal::Enum || unit.grammar() != GrammarId::P0 {
                    self.no_brace_phrase = 3;
                }
                self.no_type_lookup = 2;
                return Some(terminal);
            }
            Terminal::Export => return Some(terminal),
            _ => {}
        }
        let is_type = self.no_type_lookup == 0 && !unit.type_unwanted && unit.is_typedef(word);
        Some(if is_type { Terminal::Type } else { terminal })
    }

    /// Within a phrase that ends where its brackets are balanced.
    fn nested<S: TokenSource<'a> + ?Sized>(
        &mut self,
        unit: &mut Unit<'a>,
        source: &mut S,
        token: Token<'a>,
        phrase: &mut Phrase,
        terminal: Terminal,
    ) -> Option<Terminal> {
        unit.append(source, token);
        let (open, close): (&[u8], &[u8]) = match self.mode {
            Mode::Bracket => (b"[", b"]"),
            Mode::Brace => (b"{", b"}"),
            _ => (b"(", b")"),
        };
        if token.text == open {
            phrase.depth += 1;
        } else if token.text == close {
            phrase.depth -= 1;
            if phrase.depth == 0 {
                self.mode = Mode::Normal;
                return Some(terminal);
            }
        }
        None
    }

    fn type_of<S: TokenSource<'a> + ?Sized>(
        &mut self,
        unit: &mut Unit<'a>,
        source: &mut S,
        token: Token<'a>,
        phrase: &mut Phrase,
    ) -> Option<Terminal> {
        if token.text == b"(" && phrase.depth == 0 {
            return self.enter(Mode::TypeofFirst, phrase, 1);
        }
        self.nested(unit, source, token, phrase, Terminal::TypeofPhrase)
    }

    /// Decides by the first token between the parentheses whether they hold a type, which the grammar reads, or an
    /// expression, which stays as it is written. Only before an identifier is the parenthesis kept.
    fn type_of_first<S: TokenSource<'a> + ?Sized>(
        &mut self,
        unit: &mut Unit<'a>,
        source: &mut S,
        token: Token<'a>,
        phrase: &mut Phrase,
    ) -> Option<Terminal> {
        let open = Token {
            class: TokenClass::Punctuator,
            text: b"(",
            word: u32::from(b'('),
        };
        self.mode = Mode::Typeof;
        if token.class == TokenClass::Identifier {
            let word = unit.words.of(token);
            let keyword = unit.words.keyword(word);
            let is_vector = keyword == Some(Keyword::BuiltinVector);
            if !is_vector && (keyword.is_some() || unit.is_typedef(word)) {
                self.pending.extend([token, open]);
                self.mode = Mode::Normal;
                return Some(Terminal::Typeof);
            }
            if !is_vector {
                unit.append(source, open);
            }
        }
        self.nested(unit, source, token, phrase, Terminal::TypeofPhrase)
    }

    fn expression<S: TokenSource<'a> + ?Sized>(
        &mut self,
        unit: &mut Unit<'a>,
        source: &mut S,
        token: Token<'a>,
        phrase: &mut Phrase,
    ) -> Option<Terminal> {
        let closes = |text: &[u8]| {
            matches!(text, b"," | b";") || text == b"}" && unit.grammar() != GrammarId::P0
        };
        if phrase.depth == 0 && closes(token.text) {
            self.pending.push(token);
            self.mode = Mode::Normal;
            return Some(Terminal::ExpressionPhrase);
        }
        match token.text {
            b"(" | b"[" | b"{" => phrase.depth += 1,
            b")" | b"]" | b"}" => phrase.depth -= 1,
            _ => {}
        }
        unit.append(source, token);
        None
    }
}
