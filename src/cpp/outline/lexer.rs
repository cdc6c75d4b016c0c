//! The tokens of a header, with their lines, as far as an outline needs them.
//!
//! Anything whose meaning depends on more than this lexer knows ends it: joined lines outside of directives, digraphs,
//! literals that do not end, bytes that no source should hold.

/// Class of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or keyword.
    Word,
    /// A preprocessing number.
    Number,
    /// A string or character constant.
    Literal,
    /// A whole directive, comments included; [`bare`] takes them out.
    Directive,
    /// Any other character.
    Punct(u8),
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexed {
    pub(super) kind: Kind,
    /// Where its spelling starts and ends.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The line on which it starts, from 1.
    pub(super) line: u32,
    /// Whether a blank or comment stands before it.
    pub(super) spaced: bool,
}

/// The tokens of a text; `None` where it is odd.
pub(super) fn lex(text: &[u8]) -> Option<Vec<Lexed>> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
    };
    let mut tokens: Vec<Lexed> = Vec::new();
    let (mut spaced, mut fresh_line) = (true, true);
    while let Some(byte) = lexer.peek(0) {
        let (start, line) = (lexer.at, lexer.line);
        let kind = match byte {
            b'\n' => {
                lexer.newline();
                fresh_line = true;
                spaced = true;
                continue;
            }
            b' ' | b'\t' | 0x0b | 0x0c => {
                lexer.at += 1;
                spaced = true;
                continue;
            }
            b'/' if matches!(lexer.peek(1), Some(b'*' | b'/')) => {
                lexer.comment()?;
                spaced = true;
                continue;
            }
            b'#' if fresh_line => {
                lexer.directive()?;
                Kind::Directive
            }
            b'"' | b'\'' => {
                lexer.literal(byte)?;
                Kind::Literal
            }
            b'0'..=b'9' => {
                lexer.number();
                Kind::Number
            }
            b'.' if lexer.peek(1).is_some_and(|next| next.is_ascii_digit()) => {
                lexer.number();
                Kind::Number
            }
            _ if is_word(byte) => {
                lexer.skip_while(is_word);
                Kind::Word
            }
            b'\\' | b'\r' | 0 => return None,
            b'<' if matches!(lexer.peek(1), Some(b'%' | b':')) => return None,
            b'%' if matches!(lexer.peek(1), Some(b'>' | b':')) => return None,
            b':' if lexer.peek(1) == Some(b'>') => return None,
            other => {
                lexer.at += 1;
                Kind::Punct(other)
            }
        };
        tokens.push(Lexed {
            kind,
            start,
            end: lexer.at,
            line,
            spaced,
        });
        spaced = false;
        fresh_line = false;
    }
    Some(tokens)
}

/// A directive with each run of blanks and comments as one blank, and none at its end. What may be a header's name between
/// angle brackets stays as it is.
pub(super) fn bare(directive: &[u8]) -> Vec<u8> {
    let mut bare = Vec::with_capacity(directive.len());
    let mut lexer = Lexer {
        text: directive,
        at: 0,
        line: 1,
    };
    let (mut spaced, mut in_angle) = (false, false);
    while let Some(byte) = lexer.peek(0) {
        let start = lexer.at;
        match byte {
            b' ' | b'\t' | 0x0b | 0x0c if !in_angle => {
                lexer.at += 1;
                spaced = true;
                continue;
            }
            b'/' if !in_angle && matches!(lexer.peek(1), Some(b'*' | b'/')) => {
                // Whole, as the directive was read.
                let _ = lexer.comment();
                spaced = true;
                continue;
            }
            b'"' | b'\'' => {
                let _ = lexer.literal(byte);
            }
            _ => lexer.at += 1,
        }
        in_angle = byte == b'<' || in_angle && byte != b'>';
        if std::mem::take(&mut spaced) {
            bare.push(b' ');
        }
        bare.extend_from_slice(directive.get(start..lexer.at).unwrap_or_default());
    }
    bare
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn newline(&mut self) {
        self.at += 1;
        self.line = self.line.saturating_add(1);
    }

    fn skip_while(&mut self, fits: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&fits) {
            self.at += 1;
        }
    }

    fn number(&mut self) {
        while let Some(byte) = self.peek(0) {
            let exponent = matches!(byte, b'e' | b'E' | b'p' | b'P')
                && matches!(self.peek(1), Some(b'+' | b'-'));
            if exponent {
                self.at += 2;
            } else if is_word(byte) || byte == b'.' {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    /// A literal, which must end on its line.
    fn literal(&mut self, quote: u8) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek(0)? {
                b'\n' | b'\r' | 0 => return None,
                b'\\' if self.peek(1) == Some(b'\n') => return None,
                b'\\' => self.at += 2,
                byte => {
                    self.at += 1;
                    if byte == quote {
                        return Some(());
                    }
                }
            }
        }
    }

    /// A comment; one of a line ends before the newline and is not joined to the next line.
    fn comment(&mut self) -> Option<()> {
        let block = self.peek(1) == Some(b'*');
        self.at += 2;
        loop {
            match self.peek(0) {
                None if block => return None,
                None => return Some(()),
                Some(b'\\') if !block && self.peek(1) == Some(b'\n') => return None,
                Some(b'\n') if block => self.newline(),
                Some(b'\n') => return Some(()),
                Some(b'*') if block && self.peek(1) == Some(b'/') => {
                    self.at += 2;
                    return Some(());
                }
                Some(0) => return None,
                Some(_) => self.at += 1,
            }
        }
    }

    /// A directive up to the newline that ends it, over joined lines and comments. It must hold no literal that is left
    /// open, as in `#error don't`.
    fn directive(&mut self) -> Option<()> {
        loop {
            match self.peek(0) {
                None | Some(b'\n') => return Some(()),
                Some(b'\\') if self.peek(1) == Some(b'\n') => {
                    self.at += 1;
                    self.newline();
                }
                Some(b'/') if matches!(self.peek(1), Some(b'*' | b'/')) => self.comment()?,
                Some(quote @ (b'"' | b'\'')) => self.literal(quote)?,
                Some(b'\r' | 0) => return None,
                Some(_) => self.at += 1,
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}
