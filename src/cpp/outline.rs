//! What a header says apart from comments and function bodies.
//!
//! In flow the text of a header and what is known of the tree's macros, out flows an [`Outline`]: a digest of the tokens
//! that can reach a declaration, and the lines on which they stand. Two texts of one digest give every C unit that
//! includes them at the top level the same declarations, each on the line of the same place in [`Outline::lines`].
//!
//! What is left out, and why that is sound:
//!
//! - Comments and blanks, but for whether there is a blank where one can be seen: between operators, in parentheses, in
//!   directives. How tokens are grouped into lines counts.
//! - The inside of a function body: braces at the top level, behind the parameters of a declarator, that hold no
//!   directive. The grammar of genksyms takes them as one token and drops it. A macro that may hold an unpaired brace
//!   makes its body count; a head with a macro that may expand to `struct`, `union` or `enum` is taken for no function's.
//! - Yet a statement of such a body counts if a macro in it may use `__COUNTER__`, as every use changes all later ones.
//!
//! Where a macro stands outside of bodies that may hold an unpaired brace, where conditional branches leave different
//! depths, and where the text is odd in any other way, nothing is decided: the digest is that of the bytes. Where a macro
//! stands outside of bodies that may use `__LINE__`, the absolute lines count too, but in [`Outline::lineless`]. Cost: one pass, and memory for the tokens.
//!
//! Example: `int f(void)⏎{⏎ return 0;⏎}⏎struct s;` keeps `int f ( void )`, `{`, `}` and `struct s ;` on the lines 1, 2, 4
//! and 5; with one more line in the body the digest is the same and the lines are 1, 2, 5 and 6.

mod lexer;

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use lexer::{Kind, Lexed, bare, lex};

/// What may come of a word, if it is the name of a macro somewhere in the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MacroTraits {
    /// Its expansion may hold a brace or parenthesis without its partner.
    pub unpaired: bool,
    /// Its expansion may use `__COUNTER__`.
    pub counts: bool,
    /// Its expansion may use `__LINE__`.
    pub places: bool,
    /// Its expansion may hold `struct`, `union` or `enum`.
    pub declares: bool,
}

/// What a header says apart from comments and function bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// Digest of all that counts.
    pub digest: [u8; 32],
    /// The same, but for the absolute lines: of two texts that are equal in this, a unit that never asks for the number of
    /// a line makes the same.
    pub lineless: [u8; 32],
    /// The lines on which tokens that count stand, counted from 1, ascending. One that stands twice is a line whose tokens
    /// may part. Empty if every byte of the text counts.
    pub lines: Box<[u32]>,
}

impl Outline {
    /// Outlines a text; `traits` tells what is known of a word.
    #[must_use]
    pub fn of(text: &[u8], traits: &dyn Fn(&[u8]) -> MacroTraits) -> Outline {
        lex(text)
            .and_then(|tokens| Outliner::new(text, &tokens, traits).run())
            .unwrap_or_else(|| {
                let mut hasher = blake3::Hasher::new();
                let digest = *hasher.update(b"text").update(text).finalize().as_bytes();
                Outline {
                    digest,
                    lineless: digest,
                    lines: Box::default(),
                }
            })
    }

    /// The place of a line among those of the tokens that count, if exactly one of them has it.
    #[must_use]
    pub fn place(&self, line: u32) -> Option<u32> {
        let at = self.lines.partition_point(|&other| other < line);
        let here = self.lines.get(at) == Some(&line);
        let twice = self.lines.get(at + 1) == Some(&line);
        (here && !twice).then(|| u32::try_from(at).ok()).flatten()
    }

    /// The line of a place.
    #[must_use]
    pub fn line(&self, place: u32) -> Option<u32> {
        self.lines.get(place as usize).copied()
    }
}

struct Outliner<'a> {
    text: &'a [u8],
    tokens: &'a [Lexed],
    traits: &'a dyn Fn(&[u8]) -> MacroTraits,
    hasher: blake3::Hasher,
    lines: Vec<u32>,
    /// Open braces, and open parentheses and brackets.
    depth: (u32, u32),
    /// The depths at which the open conditionals began.
    conditionals: Vec<(u32, u32)>,
    /// Whether a macro that may use `__LINE__` stands outside of bodies.
    places: bool,
    /// The absolute lines of all tokens that count.
    absolute: blake3::Hasher,
    /// The next token starts a line of its own, whatever stands before it.
    apart: bool,
}

impl<'a> Outliner<'a> {
    fn new(
        text: &'a [u8],
        tokens: &'a [Lexed],
        traits: &'a dyn Fn(&[u8]) -> MacroTraits,
    ) -> Outliner<'a> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"outline");
        Outliner {
            text,
            tokens,
            traits,
            hasher,
            lines: Vec::new(),
            depth: (0, 0),
            conditionals: Vec::new(),
            places: false,
            absolute: blake3::Hasher::new(),
            apart: true,
        }
    }

    /// Goes through all tokens; `None` where something is not decided.
    fn run(mut self) -> Option<Outline> {
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            self.keep(at);
            match token.kind {
                Kind::Directive => self.directive(token)?,
                Kind::Word => self.word(token)?,
                Kind::Punct(b'{') if self.depth == (0, 0) => {
                    if let Some(end) = self.body(at) {
                        self.counting_statements(at + 1..end);
                        self.apart = true;
                        self.keep(end);
                        at = end + 1;
                        continue;
                    }
                    self.depth.0 += 1;
                }
                Kind::Punct(b'{') => self.depth.0 += 1,
                Kind::Punct(b'}') => self.depth.0 = self.depth.0.checked_sub(1)?,
                Kind::Punct(b'(' | b'[') => self.depth.1 += 1,
                Kind::Punct(b')' | b']') => self.depth.1 = self.depth.1.checked_sub(1)?,
                _ => {}
            }
            at += 1;
        }
        if self.depth != (0, 0) || !self.conditionals.is_empty() {
            return None;
        }
        let lineless = *self.hasher.finalize().as_bytes();
        if self.places {
            let absolute = self.absolute.finalize();
            self.hasher.update(b"lines").update(absolute.as_bytes());
        }
        Some(Outline {
            digest: *self.hasher.finalize().as_bytes(),
            lineless,
            lines: self.lines.into(),
        })
    }

    fn spelling(&self, token: &Lexed) -> &'a [u8] {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// Takes a token that counts: its spelling, whether it begins a line, and whether a blank before it can be seen.
    fn keep(&mut self, at: usize) {
        let Some(token) = self.tokens.get(at) else {
            return;
        };
        let apart = std::mem::take(&mut self.apart);
        let starts = apart || self.lines.last() != Some(&token.line);
        if starts {
            self.lines.push(token.line);
        }
        self.absolute.update(&token.line.to_le_bytes());
        let before = at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let word = |token: Option<&Lexed>| token.is_some_and(|token| token.kind == Kind::Word);
        let literal = token.kind == Kind::Literal;
        let seen = !apart && (self.depth.1 > 0 || literal || !(word(before) || word(Some(token))));
        let flags = u8::from(starts) | u8::from(seen && token.spaced) << 1;
        let spelling = match token.kind {
            Kind::Directive => Cow::Owned(bare(self.spelling(token))),
            _ => Cow::Borrowed(self.spelling(token)),
        };
        self.hasher
            .update(&[flags])
            .update(&(spelling.len() as u64).to_le_bytes())
            .update(&spelling);
    }

    /// Follows conditionals: each branch must end at the depth at which it began.
    fn directive(&mut self, token: &Lexed) -> Option<()> {
        let text = self.spelling(token);
        let name = text
            .trim_ascii_start()
            .strip_prefix(b"#")?
            .trim_ascii_start();
        let end = name
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
            .unwrap_or(name.len());
        match name.get(..end)? {
            b"if" | b"ifdef" | b"ifndef" => self.conditionals.push(self.depth),
            b"else" | b"elif" | b"elifdef" | b"elifndef"
                if self.conditionals.last() != Some(&self.depth) =>
            {
                return None;
            }
            b"endif" if self.conditionals.pop() != Some(self.depth) => return None,
            b"line" => return None,
            _ => {}
        }
        // What a macro stands for is asked where its name stands, and what a condition asks at once.
        if name.get(..end) != Some(b"define") {
            let mut words = name.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
            self.places |= words.any(|word| (self.traits)(word).places);
        }
        Some(())
    }

    fn word(&mut self, token: &Lexed) -> Option<()> {
        let traits = (self.traits)(self.spelling(token));
        self.places |= traits.places;
        (!traits.unpaired).then_some(())
    }

    /// The place of the brace that closes the function body opened at `open`; `None` if it is not certainly one.
    fn body(&self, open: usize) -> Option<usize> {
        if !self.is_function_head(open) {
            return None;
        }
        let end = self.closing(open)?;
        // A body is followed by another declaration; what is followed by a name's separator is a type or a value.
        let follows = self.tokens.get(end + 1).map(|token| token.kind);
        matches!(follows, None | Some(Kind::Word | Kind::Directive)).then_some(end)
    }

    /// The partner of a brace, if there is no directive, no unpaired macro and no unpaired parenthesis before it.
    fn closing(&self, open: usize) -> Option<usize> {
        let (mut braces, mut others) = (0_u32, 0_u32);
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.kind {
                Kind::Directive => return None,
                Kind::Word if (self.traits)(self.spelling(token)).unpaired => return None,
                Kind::Punct(b'{') => braces += 1,
                Kind::Punct(b'}') => {
                    braces -= 1;
                    if braces == 0 {
                        return (others == 0).then_some(at);
                    }
                }
                Kind::Punct(b'(' | b'[') => others += 1,
                Kind::Punct(b')' | b']') => others = others.checked_sub(1)?,
                _ => {}
            }
        }
        None
    }

    /// Whether the brace at `open` stands behind `... NAME ( ... )` of a declarator that is no part of a type.
    fn is_function_head(&self, open: usize) -> bool {
        // The words and operators of the head outside of parentheses, from its end.
        let mut head: Vec<&Lexed> = Vec::new();
        let mut depth = 0_u32;
        for token in self.tokens.get(..open).unwrap_or_default().iter().rev() {
            match token.kind {
                Kind::Punct(b')' | b']') => depth += 1,
                Kind::Punct(b'(' | b'[') => match depth.checked_sub(1) {
                    Some(less) => {
                        if less == 0 {
                            head.push(token);
                        }
                        depth = less;
                    }
                    None => return false,
                },
                Kind::Directive if depth > 0 => return false,
                Kind::Directive | Kind::Punct(b';' | b'}' | b'{') if depth == 0 => break,
                Kind::Punct(b'{' | b'}') => return false,
                _ if depth == 0 => head.push(token),
                _ => {}
            }
        }
        let closed = open.checked_sub(1).and_then(|at| self.tokens.get(at));
        if depth != 0 || closed.is_none_or(|token| token.kind != Kind::Punct(b')')) {
            return false;
        }
        let [group, callee, rest @ ..] = head.as_slice() else {
            return false;
        };
        group.kind == Kind::Punct(b'(')
            && callee.kind == Kind::Word
            && self.declares_no_type(std::iter::once(*callee).chain(rest.iter().copied()))
    }

    /// Whether no word of a head, read from its end, can open a type or a value: a tag's keyword must have a `*` behind it.
    fn declares_no_type<'t>(&self, head: impl Iterator<Item = &'t Lexed>) -> bool {
        let mut is_pointer = false;
        for token in head {
            match token.kind {
                Kind::Punct(b'*') => is_pointer = true,
                Kind::Punct(b'=') | Kind::Literal => return false,
                Kind::Word => match self.spelling(token) {
                    b"struct" | b"union" | b"enum" if is_pointer => {}
                    b"struct" | b"union" | b"enum" | b"typedef" => return false,
                    word if (self.traits)(word).declares => return false,
                    _ => {}
                },
                _ => {}
            }
        }
        true
    }

    /// Takes the statements of a body in which a macro may use `__COUNTER__`, without their lines. A statement ends at a
    /// semicolon or brace outside of parentheses, so the arguments of a macro never part from its name.
    fn counting_statements(&mut self, body: Range<usize>) {
        let mut start = body.start;
        let (mut depth, mut counts) = (0_u32, false);
        for at in body.clone() {
            let Some(token) = self.tokens.get(at) else {
                return;
            };
            match token.kind {
                Kind::Word => counts |= (self.traits)(self.spelling(token)).counts,
                Kind::Punct(b'(' | b'[') => depth += 1,
                Kind::Punct(b')' | b']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            let ends = depth == 0 && matches!(token.kind, Kind::Punct(b';' | b'{' | b'}'));
            if ends || at + 1 == body.end {
                if counts {
                    self.statement(start..at + 1);
                }
                start = at + 1;
                counts = false;
            }
        }
    }

    fn statement(&mut self, tokens: Range<usize>) {
        for token in self.tokens.get(tokens).unwrap_or_default() {
            let spelling = self.spelling(token);
            self.hasher
                .update(&[4 | u8::from(token.spaced)])
                .update(&(spelling.len() as u64).to_le_bytes())
                .update(spelling);
        }
    }
}

#[cfg(test)]
mod tests;
