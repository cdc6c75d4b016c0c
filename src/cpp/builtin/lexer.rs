//! Bytes of a file to preprocessing tokens, one logical line at a time (C11 5.1.1.2, phases 1 to 3, as GCC carries them out).

use std::borrow::Cow;

use super::spelling::{Spellings, Sym};
use super::token::{FIRST, Kind, Tok, WHITE};

/// What of the language decides how a file is cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Dialect {
    /// Trigraphs are replaced.
    pub(super) trigraphs: bool,
    /// `//` starts a comment.
    pub(super) line_comments: bool,
    /// `u`, `U`, `u8` and `R` in front of a quote belong to the literal, and `p+` to a number.
    pub(super) c99: bool,
}

/// A file whose spliced lines are joined.
pub(super) struct Joined<'t> {
    text: Cow<'t, [u8]>,
    /// Where in the text a line was joined to the one before.
    splices: Vec<usize>,
}

/// Joins lines that end in a backslash and replaces what newlines and trigraphs stand for.
pub(super) fn join(bytes: &[u8], dialect: Dialect) -> Joined<'_> {
    let has_trigraphs = dialect.trigraphs && memchr::memmem::find(bytes, b"??").is_some();
    let has_splices = memchr::memchr_iter(b'\\', bytes).any(|at| splice_end(bytes, at).is_some());
    if !has_trigraphs && !has_splices && memchr::memchr(b'\r', bytes).is_none() {
        return Joined {
            text: Cow::Borrowed(bytes),
            splices: Vec::new(),
        };
    }
    let bytes = if has_trigraphs {
        Cow::Owned(replace_trigraphs(bytes))
    } else {
        Cow::Borrowed(bytes)
    };
    let mut text = Vec::with_capacity(bytes.len());
    let mut splices = Vec::new();
    let mut at = 0;
    while let Some(offset) = memchr::memchr2(b'\\', b'\r', bytes.get(at..).unwrap_or_default()) {
        text.extend_from_slice(bytes.get(at..at + offset).unwrap_or_default());
        at += offset;
        if bytes.get(at) == Some(&b'\r') {
            // A carriage return before a newline belongs to it; any other is white space.
            if bytes.get(at + 1) != Some(&b'\n') {
                text.push(b' ');
            }
            at += 1;
        } else if let Some(end) = splice_end(&bytes, at) {
            splices.push(text.len());
            at = end;
        } else {
            text.push(b'\\');
            at += 1;
        }
    }
    text.extend_from_slice(bytes.get(at..).unwrap_or_default());
    Joined {
        text: Cow::Owned(text),
        splices,
    }
}

/// The position behind the newline that a backslash joins; blanks may stand between.
fn splice_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at + 1..)?;
    let blanks = rest
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\x0b' | b'\x0c' | b'\r'))?;
    (rest.get(blanks) == Some(&b'\n')).then_some(at + blanks + 2)
}

fn replace_trigraphs(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let replaced = match bytes.get(at..at + 3) {
            Some([b'?', b'?', third]) => match third {
                b'=' => Some(b'#'),
                b'/' => Some(b'\\'),
                b'\'' => Some(b'^'),
                b'(' => Some(b'['),
                b')' => Some(b']'),
                b'!' => Some(b'|'),
                b'<' => Some(b'{'),
                b'>' => Some(b'}'),
                b'-' => Some(b'~'),
                _ => None,
            },
            _ => None,
        };
        text.push(replaced.unwrap_or(byte));
        at += if replaced.is_some() { 3 } else { 1 };
    }
    text
}

/// Reads the tokens of a joined file.
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    splices: &'t [usize],
    pos: usize,
    line: u32,
    dialect: Dialect,
    spellings: &'t Spellings,
    /// Line of a comment that does not end.
    pub(super) unclosed: Option<u32>,
}

const fn word_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let ascii = byte as u8;
        table[byte] =
            ascii.is_ascii_alphanumeric() || ascii == b'_' || ascii == b'$' || byte >= 128;
        byte += 1;
    }
    table
}

static IN_WORD: [bool; 256] = word_bytes();

impl<'t> Lexer<'t> {
    pub(super) fn new(joined: &'t Joined<'_>, dialect: Dialect, spellings: &'t Spellings) -> Self {
        Lexer {
            text: &joined.text,
            splices: &joined.splices,
            pos: 0,
            line: 1,
            dialect,
            spellings,
            unclosed: None,
        }
    }

    fn byte(&self, at: usize) -> u8 {
        // A NUL within the text is white space, as is the place behind its end.
        self.text.get(at).copied().unwrap_or(0)
    }

    /// Whether the whole text was read.
    pub(super) fn at_end(&self) -> bool {
        self.pos >= self.text.len()
    }

    /// The line on which the lexer stands.
    pub(super) fn line(&mut self) -> u32 {
        while let Some((&splice, rest)) = self.splices.split_first() {
            if splice > self.pos {
                break;
            }
            self.line += 1;
            self.splices = rest;
        }
        self.line
    }

    /// Skips white space and comments; whether there was any.
    fn skip_white(&mut self) -> bool {
        let start = self.pos;
        loop {
            match self.byte(self.pos) {
                b' ' | b'\t' | 0x0b | 0x0c => self.pos += 1,
                0 if self.pos < self.text.len() => self.pos += 1,
                b'/' if self.byte(self.pos + 1) == b'*' => self.skip_comment(),
                b'/' if self.dialect.line_comments && self.byte(self.pos + 1) == b'/' => {
                    let rest = self.text.get(self.pos..).unwrap_or_default();
                    self.pos += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                _ => return self.pos > start,
            }
        }
    }

    fn skip_comment(&mut self) {
        let line = self.line();
        let rest = self.text.get(self.pos + 2..).unwrap_or_default();
        let length = match memchr::memmem::find(rest, b"*/") {
            Some(end) => end + 2,
            None => {
                self.unclosed = Some(line);
                rest.len()
            }
        };
        let newlines = memchr::memchr_iter(b'\n', rest.get(..length).unwrap_or_default()).count();
        self.line += u32::try_from(newlines).unwrap_or(0);
        self.pos += 2 + length;
    }

    /// Reads the tokens of a logical line that follow in it, without its newline.
    pub(super) fn rest_of_line(&mut self, into: &mut Vec<Tok>) {
        while let Some(tok) = self.next_in_line() {
            into.push(tok);
        }
    }

    /// The first token of the next line that has one; `None` at the end of the text.
    pub(super) fn first_of_line(&mut self) -> Option<Tok> {
        while !self.at_end() {
            if let Some(mut tok) = self.next_in_line() {
                tok.flags |= FIRST;
                return Some(tok);
            }
            self.end_line();
        }
        None
    }

    /// Goes behind the newline at which the lexer stands.
    pub(super) fn end_line(&mut self) {
        self.line();
        if self.pos < self.text.len() {
            self.pos += 1;
            self.line += 1;
        }
    }

    /// The next token of the line.
    pub(super) fn next_in_line(&mut self) -> Option<Tok> {
        let white = self.skip_white();
        if self.at_end() || self.byte(self.pos) == b'\n' {
            return None;
        }
        let line = self.line();
        let (kind, end) = self.token(self.pos);
        let text = self.text.get(self.pos..end).unwrap_or_default();
        let sym = self.spellings.intern(text);
        self.pos = end;
        Some(Tok {
            sym,
            line,
            kind,
            flags: if white { WHITE } else { 0 },
        })
    }

    /// A header name, if one stands next in the line: whether it stands in angle brackets, and the name.
    pub(super) fn header_name(&mut self) -> Option<(bool, Sym)> {
        self.skip_white();
        let rest = self.text.get(self.pos..)?;
        let line = rest.get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len()))?;
        let (angled, close) = match line.first()? {
            b'<' => (true, b'>'),
            b'"' => (false, b'"'),
            _ => return None,
        };
        let length = memchr::memchr(close, line.get(1..)?)?;
        let sym = self.spellings.intern(line.get(1..length + 1)?);
        self.pos += length + 2;
        Some((angled, sym))
    }

    /// The rest of the line as text, with white space trimmed.
    pub(super) fn text_of_line(&mut self) -> String {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.pos += length;
        String::from_utf8_lossy(rest.get(..length).unwrap_or_default())
            .trim()
            .to_owned()
    }

    fn token(&self, at: usize) -> (Kind, usize) {
        let byte = self.byte(at);
        match byte {
            b'0'..=b'9' => (Kind::Number, self.number_end(at)),
            b'.' if self.byte(at + 1).is_ascii_digit() => (Kind::Number, self.number_end(at)),
            b'"' | b'\'' => self.literal(at, at),
            _ if IN_WORD[usize::from(byte)] => self.word(at),
            _ => self.punctuator(at),
        }
    }

    fn word(&self, at: usize) -> (Kind, usize) {
        let rest = self.text.get(at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|&byte| !IN_WORD[usize::from(byte)])
            .unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        if length <= 3 && matches!(self.byte(at + length), b'"' | b'\'') {
            let is_prefix = word == b"L" || self.dialect.c99 && matches!(word, b"u" | b"U" | b"u8");
            if is_prefix {
                return self.literal(at, at + length);
            }
            let is_raw = self.dialect.c99 && matches!(word, b"R" | b"LR" | b"uR" | b"UR" | b"u8R");
            if is_raw && self.byte(at + length) == b'"' {
                // A raw string undoes splices and may go over lines; as a token that no text can hold it is refused.
                return (Kind::Other, self.line_end(at));
            }
        }
        if word.is_ascii() {
            (Kind::Name, at + length)
        } else {
            (Kind::Other, at + length)
        }
    }

    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + memchr::memchr(b'\n', rest).unwrap_or(rest.len())
    }

    /// A literal from its prefix at `at` and its quote at `quote` on; one that is not closed takes the rest of the line.
    fn literal(&self, at: usize, quote: usize) -> (Kind, usize) {
        let delimiter = self.byte(quote);
        let line_end = self.line_end(at);
        let mut pos = quote + 1;
        while pos < line_end {
            match self.byte(pos) {
                b'\\' => pos += 2,
                byte if byte == delimiter => {
                    let kind = if delimiter == b'"' {
                        Kind::Str
                    } else {
                        Kind::Char
                    };
                    return (kind, pos + 1);
                }
                _ => pos += 1,
            }
        }
        (Kind::Other, line_end)
    }

    fn number_end(&self, at: usize) -> usize {
        let mut end = at + 1;
        loop {
            let byte = self.byte(end);
            let signed = match self.byte(end - 1) {
                b'e' | b'E' => true,
                b'p' | b'P' => self.dialect.c99,
                _ => false,
            };
            let goes_on = byte == b'.'
                || byte != 0 && IN_WORD[usize::from(byte)]
                || signed && matches!(byte, b'+' | b'-');
            if !goes_on {
                return end;
            }
            end += 1;
        }
    }

    fn punctuator(&self, at: usize) -> (Kind, usize) {
        let rest = self.text.get(at..).unwrap_or_default();
        let four: [u8; 4] = std::array::from_fn(|n| rest.get(n).copied().unwrap_or(0));
        let length = match four {
            [b'%', b':', b'%', b':'] => 4,
            [b'.', b'.', b'.', _] | [b'<', b'<', b'=', _] | [b'>', b'>', b'=', _] => 3,
            [b'#', b'#', ..] | [b'+', b'+', ..] | [b'&', b'&', ..] | [b'|', b'|', ..] => 2,
            [b'-', b'-' | b'>', ..] | [b'<', b'<' | b':' | b'%', ..] => 2,
            [b'>', b'>', ..] | [b':', b'>', ..] | [b'%', b':' | b'>', ..] => 2,
            [first, b'=', ..] if b"=!<>+-*/%&|^".contains(&first) => 2,
            _ => 1,
        };
        let is_punct = b"()[]{},;:?~!<>=+-*/%&|^.#".contains(&four[0]);
        let kind = if is_punct { Kind::Punct } else { Kind::Other };
        (kind, at + length)
    }
}

/// Reads a text as one token: its kind, if nothing is left over.
pub(super) fn single(text: &[u8], dialect: Dialect, spellings: &Spellings) -> Option<Tok> {
    let joined = Joined {
        text: Cow::Borrowed(text),
        splices: Vec::new(),
    };
    let mut lexer = Lexer::new(&joined, dialect, spellings);
    let tok = lexer.next_in_line()?;
    (lexer.at_end() && lexer.unclosed.is_none() && !tok.has(WHITE)).then_some(tok)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GNU11: Dialect = Dialect {
        trigraphs: false,
        line_comments: true,
        c99: true,
    };

    fn shown(text: &str, dialect: Dialect) -> String {
        let spellings = Spellings::new();
        let joined = join(text.as_bytes(), dialect);
        let mut lexer = Lexer::new(&joined, dialect, &spellings);
        let mut out = String::new();
        while let Some(first) = lexer.first_of_line() {
            let mut toks = vec![first];
            lexer.rest_of_line(&mut toks);
            for tok in toks {
                let mark = if tok.has(FIRST) { "!" } else { "" };
                let white = if tok.has(WHITE) { "_" } else { "" };
                out.push_str(&format!(
                    "{mark}{white}{}:{} ",
                    spellings.lossy(tok.sym),
                    tok.line
                ));
            }
            lexer.end_line();
        }
        out
    }

    /// Tokens carry the line of their first byte over splices and comments, and say what stood before them.
    #[test]
    fn lines_and_white_space() {
        assert_eq!(
            shown("a b\\\nc \\\n d/*\n\n*/e\n\n/* x\n */ f // g\nh", GNU11),
            "!a:1 _bc:1 _d:3 _e:5 !_f:8 !h:9 "
        );
        assert_eq!(shown("a\\ \r\nb\r\nc", GNU11), "!ab:1 !c:3 ");
    }

    /// The longest token wins; numbers are those of the preprocessor.
    #[test]
    fn longest_match() {
        assert_eq!(
            shown(
                "a-->b 1e+5.x 0x1p-3 ..5 ...<<=%:%: L'a' u8\"x\" 'a\\'",
                GNU11
            ),
            "!a:1 --:1 >:1 b:1 _1e+5.x:1 _0x1p-3:1 _.:1 .5:1 _...:1 <<=:1 %:%::1 _L'a':1 _u8\"x\":1 _'a\\':1 "
        );
    }

    /// Trigraphs are replaced only when asked for.
    #[test]
    fn trigraphs() {
        let asked = Dialect {
            trigraphs: true,
            ..GNU11
        };
        assert_eq!(shown("??=a??/\nb", asked), "!#:1 ab:1 ");
        assert_eq!(shown("??=", GNU11), "!?:1 ?:1 =:1 ");
    }
}
