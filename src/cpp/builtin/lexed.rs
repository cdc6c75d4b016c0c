//! A file cut into tokens and directives, once for all units of a session.
//!
//! Conditional directives know the next one of their group, so that a group that is not taken costs one step; a
//! definition is read once and is a number from then on. What is wrong with a directive is kept with it, because it is an
//! error only where the directive is reached.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::lexer::{Dialect, Lexer, join};
use super::macros::{DefId, Macros, parse};
use super::segment::Segment;
use super::spelling::{Spellings, Sym};
use super::token::{FIRST, Kind, Tok};

/// Where the tokens of a directive lie in [`Lexed::arguments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(u32, u32);

/// How a header is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// `#include`
    Plain,
    /// `#include_next`
    Next,
    /// `#import`
    Import,
}

/// What a directive does.
#[derive(Clone, Debug)]
pub(super) enum Op {
    If(Span),
    /// `#ifdef`, or `#ifndef` if the flag is set.
    Ifdef(Sym, bool),
    Elif(Span),
    Elifdef(Sym, bool),
    Else,
    Endif,
    Define(Sym, DefId),
    Undef(Sym),
    /// The flag of a header says that it stands in angle brackets; without a header the tokens are expanded.
    Include(How, Option<(bool, Sym)>, Span),
    Error(Box<str>),
    /// `#line`, or a line marker if the flag is set.
    Line(Span, bool),
    Pragma(Span),
    Nothing,
    /// It is wrong.
    Wrong(Box<str>),
    /// It is right, but not carried out here.
    Unsupported(&'static str),
}

/// A directive.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) op: Op,
    pub(super) line: u32,
    /// Position of the next directive of a conditional group; the end of the file if it has none.
    pub(super) next: u32,
}

/// Variants of stretches by where they start.
type Segments = HashMap<u32, Arc<[Arc<Segment>]>, foldhash::fast::RandomState>;

/// A file cut into tokens.
pub(super) struct Lexed {
    pub(super) toks: Box<[Tok]>,
    pub(super) directives: Box<[Directive]>,
    pub(super) arguments: Box<[Tok]>,
    /// The macro that makes a second inclusion empty.
    pub(super) guard: Option<Sym>,
    /// What is wrong with the file as a whole, and on which line.
    pub(super) error: Option<(u32, &'static str)>,
    /// What was remembered of stretches that start at a position.
    pub(super) segments: Mutex<Segments>,
}

impl Lexed {
    pub(super) fn arguments(&self, span: Span) -> &[Tok] {
        self.arguments
            .get(span.0 as usize..span.1 as usize)
            .unwrap_or_default()
    }

    pub(super) fn directive(&self, tok: Tok) -> Option<&Directive> {
        self.directives.get(tok.sym.0 as usize)
    }

    /// The remembered stretches that start at a position.
    pub(super) fn remembered(&self, at: u32) -> Option<Arc<[Arc<Segment>]>> {
        let segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        segments.get(&at).cloned()
    }

    /// Bytes of memory that the file takes, about.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.toks) + size_of_val(&*self.arguments) + size_of_val(&*self.directives)
    }
}

/// Cuts a file into tokens and directives.
pub(super) fn lex(bytes: &[u8], dialect: Dialect, spellings: &Spellings, macros: &Macros) -> Lexed {
    let joined = join(bytes, dialect);
    let mut lexer = Lexer::new(&joined, dialect, spellings);
    let mut file = Builder {
        toks: Vec::with_capacity(bytes.len() / 6),
        directives: Vec::new(),
        arguments: Vec::new(),
        line: Vec::new(),
        open: Vec::new(),
        error: None,
        spellings,
        macros,
    };
    while let Some(first) = lexer.first_of_line() {
        if first.is(Sym::HASH) || first.is(Sym::DIGRAPH_HASH) {
            file.directive(&mut lexer, first.line);
        } else {
            file.toks.push(first);
            lexer.rest_of_line(&mut file.toks);
        }
        lexer.end_line();
    }
    file.finish(lexer.unclosed)
}

struct Builder<'a> {
    toks: Vec<Tok>,
    directives: Vec<Directive>,
    arguments: Vec<Tok>,
    /// The tokens of the line that is being read.
    line: Vec<Tok>,
    /// Conditional groups that are open: the last directive of each, and whether it was `#else`.
    open: Vec<(usize, bool)>,
    error: Option<(u32, &'static str)>,
    spellings: &'a Spellings,
    macros: &'a Macros,
}

impl Builder<'_> {
    fn directive(&mut self, lexer: &mut Lexer<'_>, line: u32) {
        let op = self.read(lexer);
        self.line.clear();
        lexer.rest_of_line(&mut self.line);
        let number = self.directives.len();
        let position = u32::try_from(self.toks.len()).unwrap_or(u32::MAX);
        let op = self.link(op, number, position, line);
        self.directives.push(Directive {
            op,
            line,
            next: u32::MAX,
        });
        self.toks.push(Tok {
            sym: Sym(u32::try_from(number).unwrap_or(u32::MAX)),
            line,
            kind: Kind::Directive,
            flags: FIRST,
        });
    }

    /// Links the directive to the group it belongs to.
    fn link(&mut self, op: Op, number: usize, position: u32, line: u32) -> Op {
        match &op {
            Op::If(_) | Op::Ifdef(..) => self.open.push((number, false)),
            Op::Elif(_) | Op::Elifdef(..) | Op::Else | Op::Endif => {
                let Some(&(last, after_else)) = self.open.last() else {
                    return Op::Wrong("conditional directive without #if".into());
                };
                if let Some(directive) = self.directives.get_mut(last) {
                    directive.next = position;
                }
                if matches!(op, Op::Endif) {
                    self.open.pop();
                } else {
                    if after_else {
                        self.error
                            .get_or_insert((line, "#else or #elif after #else"));
                    }
                    let is_else = matches!(op, Op::Else);
                    if let Some(top) = self.open.last_mut() {
                        *top = (number, is_else);
                    }
                }
            }
            _ => {}
        }
        op
    }

    fn read(&mut self, lexer: &mut Lexer<'_>) -> Op {
        let Some(name) = lexer.next_in_line() else {
            return Op::Nothing;
        };
        if name.kind == Kind::Number {
            self.line.clear();
            self.line.push(name);
            lexer.rest_of_line(&mut self.line);
            return Op::Line(self.keep(), true);
        }
        let spelled = self.spellings.text(name.sym);
        match spelled {
            b"if" => Op::If(self.rest(lexer)),
            b"elif" => Op::Elif(self.rest(lexer)),
            b"ifdef" | b"ifndef" => Op::Ifdef(self.name(lexer), spelled == b"ifndef"),
            b"elifdef" | b"elifndef" => Op::Elifdef(self.name(lexer), spelled == b"elifndef"),
            b"else" => Op::Else,
            b"endif" => Op::Endif,
            b"define" => self.define(lexer),
            b"undef" => match self.name(lexer) {
                Sym::EMPTY => Op::Wrong("no macro name given in #undef directive".into()),
                name => Op::Undef(name),
            },
            b"include" => self.include(lexer, How::Plain),
            b"include_next" => self.include(lexer, How::Next),
            b"import" => self.include(lexer, How::Import),
            b"error" => Op::Error(format!("#error {}", lexer.text_of_line()).into()),
            b"line" => Op::Line(self.rest(lexer), false),
            b"pragma" => Op::Pragma(self.rest(lexer)),
            b"warning" | b"ident" | b"sccs" => Op::Nothing,
            b"assert" | b"unassert" => Op::Unsupported("assertions (#assert)"),
            _ => Op::Wrong(
                format!(
                    "invalid preprocessing directive #{}",
                    String::from_utf8_lossy(spelled)
                )
                .into(),
            ),
        }
    }

    /// Keeps the tokens of the line.
    fn keep(&mut self) -> Span {
        let start = u32::try_from(self.arguments.len()).unwrap_or(u32::MAX);
        self.arguments.append(&mut self.line);
        Span(
            start,
            u32::try_from(self.arguments.len()).unwrap_or(u32::MAX),
        )
    }

    fn rest(&mut self, lexer: &mut Lexer<'_>) -> Span {
        self.line.clear();
        lexer.rest_of_line(&mut self.line);
        self.keep()
    }

    /// The name that follows; none is [`Sym::EMPTY`].
    fn name(&mut self, lexer: &mut Lexer<'_>) -> Sym {
        match lexer.next_in_line() {
            Some(tok) if tok.kind == Kind::Name => tok.sym,
            _ => Sym::EMPTY,
        }
    }

    fn define(&mut self, lexer: &mut Lexer<'_>) -> Op {
        self.line.clear();
        lexer.rest_of_line(&mut self.line);
        let added = parse(&self.line, self.spellings).and_then(|(name, found)| {
            let def = self.macros.add(self.spellings, name, found);
            Ok((name, def.ok_or("too many macros")?))
        });
        match added {
            Ok((name, def)) => Op::Define(name, def),
            Err(message) => Op::Wrong(message.into()),
        }
    }

    fn include(&mut self, lexer: &mut Lexer<'_>, how: How) -> Op {
        let header = lexer.header_name();
        Op::Include(how, header, self.rest(lexer))
    }

    fn finish(mut self, unclosed: Option<u32>) -> Lexed {
        if let Some(&(number, _)) = self.open.first() {
            let line = self.directives.get(number).map_or(0, |found| found.line);
            self.error
                .get_or_insert((line, "unterminated conditional directive"));
        }
        if let Some(line) = unclosed {
            self.error = Some((line, "unterminated comment"));
        }
        let guard = self.guard();
        Lexed {
            toks: self.toks.into(),
            directives: self.directives.into(),
            arguments: self.arguments.into(),
            guard,
            error: self.error,
            segments: Mutex::default(),
        }
    }

    /// The macro of an `#ifndef` that encloses the whole file.
    fn guard(&self) -> Option<Sym> {
        let first = self
            .toks
            .first()
            .filter(|tok| tok.kind == Kind::Directive)?;
        let directive = self.directives.get(first.sym.0 as usize)?;
        let name = match directive.op {
            Op::Ifdef(name, true) => name,
            Op::If(span) => {
                let toks = self.arguments.get(span.0 as usize..span.1 as usize)?;
                not_defined(toks)?
            }
            _ => return None,
        };
        let closes = directive.next as usize + 1 == self.toks.len();
        let end = self.toks.get(directive.next as usize)?;
        let is_endif = matches!(self.directives.get(end.sym.0 as usize)?.op, Op::Endif);
        (closes && is_endif && name != Sym::EMPTY).then_some(name)
    }
}

/// The name of `! defined NAME` or `! defined ( NAME )`.
fn not_defined(toks: &[Tok]) -> Option<Sym> {
    let name = match toks {
        [not, defined, name] if not.is(Sym::NOT) && defined.is_name(Sym::DEFINED) => name,
        [not, defined, open, name, close]
            if not.is(Sym::NOT)
                && defined.is_name(Sym::DEFINED)
                && open.is(Sym::OPEN_PAREN)
                && close.is(Sym::CLOSE_PAREN) =>
        {
            name
        }
        _ => return None,
    };
    (name.kind == Kind::Name).then_some(name.sym)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexed(text: &str) -> (Spellings, Lexed) {
        let spellings = Spellings::new();
        let macros = Macros::new(&spellings);
        let dialect = Dialect {
            trigraphs: false,
            line_comments: true,
            c99: true,
        };
        let file = lex(text.as_bytes(), dialect, &spellings, &macros);
        (spellings, file)
    }

    /// A guard is an `#ifndef`, in either spelling, around the whole file.
    #[test]
    fn guards() {
        for (text, guard) in [
            ("/* c */\n#ifndef A\n#define A\nx\n#endif // A\n", Some("A")),
            ("#if !defined(A)\n#endif", Some("A")),
            ("# if ! defined A\n#if 1\n#else\n#endif\n#endif", Some("A")),
            ("#ifndef A\n#endif\nx", None),
            ("#ifndef A\n#else\n#endif", None),
            ("#ifdef A\n#endif", None),
            ("x\n#ifndef A\n#endif", None),
        ] {
            let (spellings, file) = lexed(text);
            assert_eq!(
                file.guard.map(|sym| spellings.lossy(sym)).as_deref(),
                guard,
                "{text}"
            );
        }
    }

    /// Groups are linked, and what is open at the end of the file is its error.
    #[test]
    fn groups() {
        let (_, file) = lexed("#if 1\na\n#elif 2\n#else\nb\n#endif\nc");
        let next: Vec<u32> = file.directives.iter().map(|found| found.next).collect();
        assert_eq!(next, [2, 3, 5, u32::MAX]);
        assert_eq!(file.error, None);
        let (_, file) = lexed("\n#if 1\n#if 2\n#endif\n");
        assert_eq!(file.error, Some((2, "unterminated conditional directive")));
        let (_, file) = lexed("a /* \n");
        assert_eq!(file.error, Some((1, "unterminated comment")));
    }
}
