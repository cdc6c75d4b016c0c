//! Tokens of preprocessed text.
//!
//! In flows what `gcc -E` prints, out flow the tokens as the lexer of the kernel's genksyms cuts them, which is not how
//! C does: `1ULL` is `1UL` and `L`, `!=` is `!` and `=`. Longest match decides everywhere.

use super::{Token, TokenClass, TokenSource};

/// Reads tokens out of the text that a C preprocessor prints.
///
/// A line marker (`# 12 "file.h" 1`) sets file and line; every other line that starts with `#` is dropped. A NUL byte
/// outside a literal ends the unit; a literal ends before the first NUL in it, as a C string does.
///
/// Cost: linear in the text; nothing is copied.
#[derive(Clone, Debug)]
pub struct TextTokens<'a> {
    text: &'a [u8],
    /// INVARIANT: at most `text.len()`.
    pos: usize,
    line: u32,
    file: &'a [u8],
    source_file: Option<&'a [u8]>,
    in_source_file: bool,
    /// For `"` and `'`: no literal that starts before this position is ever closed.
    unclosed_before: [usize; 2],
}

/// What a byte starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Blank,
    Newline,
    Word,
    Digit,
    Dot,
    Quote,
    Hash,
    /// May double or take a `=`.
    Operator,
    End,
    Other,
}

static START: [Start; 256] = starts();
static IN_WORD: [bool; 256] = word_bytes();
/// The bytes at which skipping a braced body has to look.
static STOPS_SKIP: [bool; 256] = skip_stops();

const fn word_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
        byte += 1;
    }
    table
}

const fn starts() -> [Start; 256] {
    let mut table = [Start::Other; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            0 => Start::End,
            b' ' | b'\t' | 0x0b | 0x0c | b'\r' => Start::Blank,
            b'\n' => Start::Newline,
            b'0'..=b'9' => Start::Digit,
            b'.' => Start::Dot,
            b'"' | b'\'' => Start::Quote,
            b'#' => Start::Hash,
            b'~' | b'%' | b'^' | b'&' | b'*' | b'+' | b'=' | b'|' | b'<' | b'>' | b'/' | b'-' => {
                Start::Operator
            }
            b'_' | b'$' => Start::Word,
            _ if byte.is_ascii_alphabetic() => Start::Word,
            _ => Start::Other,
        };
        byte += 1;
    }
    table
}

const fn skip_stops() -> [bool; 256] {
    let mut table = [false; 256];
    table[0] = true;
    table[b'\n' as usize] = true;
    table[b'"' as usize] = true;
    table[b'\'' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table
}

impl<'a> TextTokens<'a> {
    /// Starts at the beginning of the text, in line 1 of `<stdin>`.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        TextTokens {
            text,
            pos: 0,
            line: 1,
            file: b"<stdin>",
            source_file: None,
            in_source_file: false,
            unclosed_before: [0; 2],
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// Takes the bytes up to `end` as a token.
    fn take(&mut self, end: usize, class: TokenClass) -> Token<'a> {
        let text = self.text.get(self.pos..end).unwrap_or_default();
        self.pos = end;
        Token {
            class,
            text,
            word: 0,
        }
    }

    /// The position behind the run of bytes that satisfy `wanted` and starts at `from`.
    fn run(&self, from: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        from + rest
            .iter()
            .position(|&byte| !wanted(byte))
            .unwrap_or(rest.len())
    }

    fn digits(&self, from: usize) -> usize {
        self.run(from, |byte| byte.is_ascii_digit())
    }

    fn at_line_start(&self) -> bool {
        self.pos == 0 || self.byte(self.pos - 1) == Some(b'\n')
    }

    fn word(&mut self) -> Token<'a> {
        let end = self.run(self.pos + 1, |byte| IN_WORD[usize::from(byte)]);
        if end == self.pos + 1
            && self.byte(self.pos) == Some(b'L')
            && let Some((end, class)) = self.literal_end(end)
        {
            return self.take_literal(end, class);
        }
        self.take(end, TokenClass::Identifier)
    }

    /// Takes a closed literal; its text ends before the first NUL, where a C string would.
    fn take_literal(&mut self, end: usize, class: TokenClass) -> Token<'a> {
        let mut token = self.take(end, class);
        if let Some(nul) = memchr::memchr(0, token.text) {
            token.text = token.text.get(..nul).unwrap_or_default();
        }
        token
    }

    /// The end and class of the literal whose quote stands at `quote`; `None` if there is no quote or it is not closed
    /// before an escaped newline or the end of the text.
    ///
    /// A quote that lies within a failed attempt was escaped in it, so both attempts stand in the same state behind it
    /// and fail at the same place; remembering that place keeps the cost linear.
    fn literal_end(&mut self, quote: usize) -> Option<(usize, TokenClass)> {
        let (slot, class) = match self.byte(quote)? {
            b'"' => (0, TokenClass::String),
            b'\'' => (1, TokenClass::Char),
            _ => return None,
        };
        let delimiter = self.byte(quote)?;
        if quote < self.unclosed_before[slot] {
            return None;
        }
        let mut at = quote + 1;
        while let Some(offset) =
            memchr::memchr2(delimiter, b'\\', self.text.get(at..).unwrap_or_default())
        {
            at += offset;
            if self.byte(at) == Some(delimiter) {
                return Some((at + 1, class));
            }
            if matches!(self.byte(at + 1), None | Some(b'\n')) {
                self.unclosed_before[slot] = at;
                return None;
            }
            at += 2;
        }
        self.unclosed_before[slot] = self.text.len();
        None
    }

    fn quote(&mut self) -> Token<'a> {
        match self.literal_end(self.pos) {
            Some((end, class)) => self.take_literal(end, class),
            None => self.take(self.pos + 1, TokenClass::Punctuator),
        }
    }

    /// Takes the longer of the integer and the floating constant that start here.
    fn number(&mut self) -> Token<'a> {
        let integer = self.integer_end();
        match self.float_end() {
            Some(float) if float > integer => self.take(float, TokenClass::Float),
            _ => self.take(integer, TokenClass::Integer),
        }
    }

    fn integer_end(&self) -> usize {
        let start = self.pos;
        let end = if self.byte(start) != Some(b'0') {
            self.digits(start)
        } else if matches!(self.byte(start + 1), Some(b'x' | b'X'))
            && self.byte(start + 2).is_some_and(|b| b.is_ascii_hexdigit())
        {
            self.run(start + 2, |byte| byte.is_ascii_hexdigit())
        } else {
            self.run(start, |byte| matches!(byte, b'0'..=b'7'))
        };
        let is_unsigned = |at| matches!(self.byte(at), Some(b'u' | b'U'));
        let is_long = |at| matches!(self.byte(at), Some(b'l' | b'L'));
        if is_unsigned(end) {
            end + 1 + usize::from(is_long(end + 1))
        } else if is_long(end) {
            end + 1 + usize::from(is_unsigned(end + 1))
        } else {
            end
        }
    }

    fn float_end(&self) -> Option<usize> {
        let whole = self.digits(self.pos);
        let mantissa = if self.byte(whole) == Some(b'.') {
            let fraction = self.digits(whole + 1);
            if whole == self.pos && fraction == whole + 1 {
                return None;
            }
            fraction
        } else {
            whole
        };
        let exponent = self.exponent_end(mantissa);
        if mantissa == whole && exponent.is_none() {
            return None;
        }
        let end = exponent.unwrap_or(mantissa);
        let suffix = matches!(self.byte(end), Some(b'f' | b'F' | b'l' | b'L'));
        Some(end + usize::from(suffix))
    }

    fn exponent_end(&self, at: usize) -> Option<usize> {
        if !matches!(self.byte(at), Some(b'e' | b'E')) {
            return None;
        }
        let digits = at + 1 + usize::from(matches!(self.byte(at + 1), Some(b'+' | b'-')));
        let end = self.digits(digits);
        (end > digits).then_some(end)
    }

    fn dot(&mut self) -> Token<'a> {
        if let Some(end) = self.float_end() {
            return self.take(end, TokenClass::Float);
        }
        let is_dots = self
            .text
            .get(self.pos..)
            .is_some_and(|rest| rest.starts_with(b"..."));
        self.take(
            self.pos + if is_dots { 3 } else { 1 },
            TokenClass::Punctuator,
        )
    }

    fn operator(&mut self, first: u8) -> Token<'a> {
        let pairs = match self.byte(self.pos + 1) {
            Some(b'=') => true,
            Some(b'>') => matches!(first, b'-' | b'>'),
            Some(second) => second == first && matches!(first, b'&' | b'|' | b'<'),
            None => false,
        };
        self.take(self.pos + 1 + usize::from(pairs), TokenClass::Punctuator)
    }

    /// Consumes the line that starts with the `#` at the current position. A last line without newline is none: its
    /// `#` is a token, and so is the rest.
    fn directive(&mut self) -> bool {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let Some(length) = memchr::memchr(b'\n', rest) else {
            return false;
        };
        match marker(rest.get(1..length).unwrap_or_default()) {
            Some((line, file)) => self.enter(line, file),
            None => self.line = self.line.wrapping_add(1),
        }
        self.pos += length + 1;
        true
    }

    fn enter(&mut self, line: u32, file: &'a [u8]) {
        self.line = line;
        self.file = file;
        let source = *self.source_file.get_or_insert(file);
        self.in_source_file = source == file;
    }
}

/// Line and file of a marker, from the text behind its `#`: blanks, an integer, blanks, a quoted name.
fn marker(rest: &[u8]) -> Option<(u32, &[u8])> {
    let number = after_blanks(rest)?;
    if !number.first()?.is_ascii_digit() {
        return None;
    }
    let end = TextTokens::new(number).integer_end();
    let name = after_blanks(number.get(end..)?)?.strip_prefix(b"\"")?;
    let name = name.get(..memchr::memchr(b'"', name)?)?;
    if name.is_empty() {
        return None;
    }
    Some((leading_decimal(number), name))
}

/// The text behind at least one blank or tab.
fn after_blanks(text: &[u8]) -> Option<&[u8]> {
    let blanks = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
    if blanks == 0 {
        None
    } else {
        text.get(blanks..)
    }
}

/// The value of the decimal digits in front, as an `int` of C holds it.
fn leading_decimal(text: &[u8]) -> u32 {
    let value = text
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_u64, |value, byte| {
            value
                .saturating_mul(10)
                .saturating_add(u64::from(byte - b'0'))
        });
    u32::try_from(value.min(i64::MAX.unsigned_abs()) & 0xffff_ffff).unwrap_or(0)
}

impl<'a> TokenSource<'a> for TextTokens<'a> {
    fn next_token(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = self.byte(self.pos)?;
            return Some(match START[usize::from(byte)] {
                Start::Blank => {
                    self.pos += 1;
                    continue;
                }
                Start::Newline => {
                    self.pos += 1;
                    self.line = self.line.wrapping_add(1);
                    continue;
                }
                Start::Word => self.word(),
                Start::Other => self.take(self.pos + 1, TokenClass::Punctuator),
                Start::Operator => self.operator(byte),
                Start::Digit => self.number(),
                Start::Dot => self.dot(),
                Start::Quote => self.quote(),
                Start::Hash => {
                    if self.at_line_start() && self.directive() {
                        continue;
                    }
                    self.take(self.pos + 1, TokenClass::Punctuator)
                }
                Start::End => {
                    self.pos = self.text.len();
                    return None;
                }
            });
        }
    }

    /// Looks only at braces, literals, newlines and lines that start with `#`; all other bytes cannot change where the
    /// body ends or what line it ends on.
    fn skip_braced(&mut self) -> bool {
        let mut depth = 1_u64;
        if self.at_line_start() {
            while self.byte(self.pos) == Some(b'#') && self.directive() {}
        }
        loop {
            let at = self.run(self.pos, |byte| !STOPS_SKIP[usize::from(byte)]);
            self.pos = at;
            match self.byte(at) {
                None => return false,
                Some(b'\n') => {
                    self.pos += 1;
                    self.line = self.line.wrapping_add(1);
                    while self.byte(self.pos) == Some(b'#') && self.directive() {}
                }
                Some(b'{') => {
                    self.pos += 1;
                    depth += 1;
                }
                Some(b'}') => {
                    self.pos += 1;
                    depth -= 1;
                    if depth == 0 {
                        return true;
                    }
                }
                Some(0) => self.pos = self.text.len(),
                Some(_) => {
                    self.quote();
                }
            }
        }
    }

    fn file(&self) -> &'a [u8] {
        self.file
    }

    fn line(&self) -> u32 {
        self.line
    }

    fn in_source_file(&self) -> bool {
        self.in_source_file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spellings(text: &str) -> String {
        let mut tokens = TextTokens::new(text.as_bytes());
        let mut all = Vec::new();
        while let Some(token) = tokens.next_token() {
            all.push(String::from_utf8_lossy(token.text).into_owned());
        }
        all.join(" ")
    }

    /// Numbers, quotes and operators are cut where the kernel's genksyms cuts them (texts printed by that of 6.1.192).
    #[test]
    fn corner_cases() {
        for (text, expected) in [
            (
                "08 0xg 1e5L 1.f .5 1.5e 1..2",
                "0 8 0 xg 1e5L 1.f .5 1.5 e 1. .2",
            ),
            (
                "1ull 0x1.8 08.5 09e1 1f 1.fL",
                "1ul l 0x1 .8 08.5 09e1 1 f 1.f L",
            ),
            (
                "0X1Fu 00l 1lu 1uL 1uu 1e+ 1e+5f",
                "0X1Fu 00l 1lu 1uL 1u u 1 e + 1e+5f",
            ),
            (
                "1.5uL 078 0x 0b1 1.e .e1 5.5.5",
                "1.5 uL 07 8 0 x 0 b1 1. e . e1 5.5 .5",
            ),
            (
                "1ULL 10LL L L'a' l\"x\" LL\"y\" u8\"q\"",
                "1UL L 10L L L L'a' l \"x\" LL \"y\" u8 \"q\"",
            ),
            (
                "1++2--3<<=4>>=5==6!=7<=8...9....1",
                "1 + + 2 - - 3 << = 4 >> = 5 == 6 ! = 7 <= 8. . .9 ... .1",
            ),
            (
                "%= ~= <<< >=> ||| - -> >- &&& /= # ##",
                "%= ~= << < >= > || | - -> > - && & /= # # #",
            ),
            (
                "'\\'' '\\\\' \"\\\"\\\\\" $a @ \\ `",
                "'\\'' '\\\\' \"\\\"\\\\\" $a @ \\ `",
            ),
            ("\"x\\\ny\" z", "\" x \\ y \" z"),
            ("a \"b", "a \" b"),
            ("1'000'000", "1 '000' 000"),
        ] {
            assert_eq!(spellings(text), expected, "{text}");
        }
    }

    /// A marker needs a blank before and behind its integer and a name; whatever else starts a line with `#` is dropped
    /// unless the text ends in it.
    #[test]
    fn markers() {
        for (text, file, line) in [
            ("#  7  \"q\" 1 3\n+", "q", 7),
            ("#\t7\t\"q\"\r\n+", "q", 7),
            ("# 7UL \"q\"\n+", "q", 7),
            ("# 0x10 \"q\"\n+", "q", 0),
            ("# 4294967297 \"q\"\n+", "q", 1),
            ("# 7 \"q\\\"w\"\n+", "q\\", 7),
            ("#7 \"q\"\n+", "<stdin>", 2),
            ("# 08 \"q\"\n+", "<stdin>", 2),
            ("# 7\"q\"\n+", "<stdin>", 2),
            ("# 7 \"\"\n+", "<stdin>", 2),
            ("#line 7 \"q\"\n+", "<stdin>", 2),
            ("#pragma once\n+", "<stdin>", 2),
        ] {
            let mut tokens = TextTokens::new(text.as_bytes());
            assert_eq!(
                tokens.next_token().map(|t| t.text),
                Some(&b"+"[..]),
                "{text}"
            );
            assert_eq!(tokens.file(), file.as_bytes(), "{text}");
            assert_eq!(tokens.line(), line, "{text}");
        }
        assert_eq!(spellings("a\n# 5 \"q\""), "a # 5 \"q\"");
        assert_eq!(spellings(" # 5 \"q\"\n"), "# 5 \"q\"");
    }

    /// Newlines within a literal do not count; a NUL ends the unit, within a literal only the literal's text.
    #[test]
    fn newlines_and_nul() {
        let mut tokens = TextTokens::new(b"\n\"a\nb\"\n+ \"x\0y\" z \0 w");
        let texts: Vec<_> = std::iter::from_fn(|| tokens.next_token().map(|t| t.text)).collect();
        assert_eq!(texts, [&b"\"a\nb\""[..], b"+", b"\"x", b"z"]);
        assert_eq!(tokens.line(), 3);
        assert_eq!(tokens.next_token(), None);
    }

    /// The source file is the one that the first marker names; without markers there is none.
    #[test]
    fn source_file() {
        let mut tokens =
            TextTokens::new(b"a\n# 1 \"a.c\"\nb\n# 1 \"a.h\" 1\nc\n# 2 \"a.c\" 2\nd\n");
        let seen: Vec<_> = std::iter::from_fn(|| {
            tokens.next_token()?;
            Some(tokens.in_source_file())
        })
        .collect();
        assert_eq!(seen, [false, true, false, true]);
    }

    /// Many quotes that are never closed cost no more than one scan.
    #[test]
    fn unclosed_quotes_are_linear() {
        let text = "\"\\".repeat(500_000);
        let mut tokens = TextTokens::new(text.as_bytes());
        let mut count = 0;
        while tokens.next_token().is_some() {
            count += 1;
        }
        assert_eq!(count, 1_000_000);
    }

    struct Slow<'a>(TextTokens<'a>);

    impl<'a> TokenSource<'a> for Slow<'a> {
        fn next_token(&mut self) -> Option<Token<'a>> {
            self.0.next_token()
        }
        fn file(&self) -> &'a [u8] {
            self.0.file()
        }
        fn line(&self) -> u32 {
            self.0.line()
        }
        fn in_source_file(&self) -> bool {
            self.0.in_source_file()
        }
    }

    proptest::proptest! {
        /// Skipping a body leaves the source where reading all its tokens leaves it.
        #[test]
        fn skipping_equals_reading(text in "([{}\"'\\\\#\n a1L.\0]|# 3 \"f\"\n|\\{|\\}){0,60}") {
            let mut fast = TextTokens::new(text.as_bytes());
            let mut slow = Slow(fast.clone());
            proptest::prop_assert_eq!(fast.skip_braced(), slow.skip_braced());
            proptest::prop_assert_eq!(fast.line(), slow.line());
            proptest::prop_assert_eq!(fast.file(), slow.file());
            proptest::prop_assert_eq!(fast.in_source_file(), slow.in_source_file());
            proptest::prop_assert_eq!(fast.next_token(), slow.next_token());
        }
    }
}
