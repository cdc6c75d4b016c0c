//! The expressions of `#if` (C11 6.10.1), in the widest integers of the target, which have 64 bits everywhere.

use super::Stop;
use super::lexed::How;
use super::run::Run;
use super::spelling::Sym;
use super::token::{Kind, Tok};

/// Deepest nesting of an expression.
const MAX_NESTING: u32 = 256;

/// A value, and whether it is unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    bits: u64,
    unsigned: bool,
}

impl Value {
    fn signed(value: i64) -> Value {
        Value {
            bits: value.cast_unsigned(),
            unsigned: false,
        }
    }

    fn truth(value: bool) -> Value {
        Value::signed(i64::from(value))
    }

    fn is_true(self) -> bool {
        self.bits != 0
    }

    fn as_signed(self) -> i64 {
        self.bits.cast_signed()
    }
}

/// Reads an expression out of tokens that are expanded and hold no operators of the preprocessor any more.
struct Reader<'a, 's> {
    toks: &'a [Tok],
    at: usize,
    nesting: u32,
    text: &'a dyn Fn(Sym) -> &'s [u8],
    char_is_unsigned: bool,
}

type Outcome = Result<Value, String>;

/// What the tokens evaluate to.
///
/// # Errors
/// What is wrong with them.
pub(super) fn evaluate<'s>(
    toks: &[Tok],
    text: &dyn Fn(Sym) -> &'s [u8],
    char_is_unsigned: bool,
) -> Outcome {
    let mut reader = Reader {
        toks,
        at: 0,
        nesting: 0,
        text,
        char_is_unsigned,
    };
    let value = reader.comma(true)?;
    match reader.peek() {
        None => Ok(value),
        Some(tok) => Err(format!(
            "missing binary operator before token \"{}\"",
            reader.spell(tok)
        )),
    }
}

/// Binary operators with how closely they bind.
fn precedence(sym: Sym) -> Option<u8> {
    Some(match sym {
        Sym::STAR | Sym::DIV | Sym::MOD => 10,
        Sym::PLUS | Sym::MINUS => 9,
        Sym::SHIFT_LEFT | Sym::SHIFT_RIGHT => 8,
        Sym::LESS | Sym::GREATER | Sym::LESS_EQ | Sym::GREATER_EQ => 7,
        Sym::EQ_EQ | Sym::NOT_EQ => 6,
        Sym::AND => 5,
        Sym::XOR => 4,
        Sym::OR => 3,
        Sym::AND_AND => 2,
        Sym::OR_OR => 1,
        _ => return None,
    })
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<Tok> {
        self.toks.get(self.at).copied()
    }

    fn spell(&self, tok: Tok) -> String {
        String::from_utf8_lossy((self.text)(tok.sym)).into_owned()
    }

    fn take(&mut self, sym: Sym) -> bool {
        let found = self.peek().is_some_and(|tok| tok.is(sym));
        self.at += usize::from(found);
        found
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err("the expression nests too deep".to_owned());
        }
        Ok(())
    }

    fn comma(&mut self, live: bool) -> Outcome {
        let mut value = self.conditional(live)?;
        while self.take(Sym::COMMA) {
            value = self.conditional(live)?;
        }
        Ok(value)
    }

    fn conditional(&mut self, live: bool) -> Outcome {
        self.deeper()?;
        let condition = self.binary(1, live)?;
        let value = if self.take(Sym::QUESTION) {
            let yes = self.comma(live && condition.is_true())?;
            if !self.take(Sym::COLON) {
                return Err("'?' without following ':'".to_owned());
            }
            let no = self.conditional(live && !condition.is_true())?;
            let chosen = if condition.is_true() { yes } else { no };
            Value {
                unsigned: yes.unsigned || no.unsigned,
                ..chosen
            }
        } else {
            condition
        };
        self.nesting -= 1;
        Ok(value)
    }

    fn binary(&mut self, least: u8, live: bool) -> Outcome {
        let mut left = self.unary(live)?;
        while let Some(tok) = self.peek().filter(|tok| tok.kind == Kind::Punct) {
            let Some(level) = precedence(tok.sym).filter(|level| *level >= least) else {
                break;
            };
            self.at += 1;
            let right_live = match tok.sym {
                Sym::AND_AND => live && left.is_true(),
                Sym::OR_OR => live && !left.is_true(),
                _ => live,
            };
            self.deeper()?;
            let right = self.binary(level + 1, right_live)?;
            self.nesting -= 1;
            left = apply(tok.sym, left, right, right_live)?;
        }
        Ok(left)
    }

    fn unary(&mut self, live: bool) -> Outcome {
        let Some(tok) = self.peek() else {
            return Err("#if with no expression, or an operator without operand".to_owned());
        };
        self.at += 1;
        match (tok.kind, tok.sym) {
            (Kind::Punct, Sym::OPEN_PAREN) => {
                self.deeper()?;
                let value = self.comma(live)?;
                self.nesting -= 1;
                if !self.take(Sym::CLOSE_PAREN) {
                    return Err("missing ')' in expression".to_owned());
                }
                Ok(value)
            }
            (Kind::Punct, sym @ (Sym::PLUS | Sym::MINUS | Sym::COMPL | Sym::NOT)) => {
                self.deeper()?;
                let value = self.unary(live)?;
                self.nesting -= 1;
                Ok(match sym {
                    Sym::MINUS => Value {
                        bits: value.bits.wrapping_neg(),
                        ..value
                    },
                    Sym::COMPL => Value {
                        bits: !value.bits,
                        ..value
                    },
                    Sym::NOT => Value::truth(!value.is_true()),
                    _ => value,
                })
            }
            (Kind::Number, sym) => number((self.text)(sym)),
            (Kind::Char, sym) => character((self.text)(sym), self.char_is_unsigned),
            (Kind::Name, _) => Ok(Value::signed(0)),
            _ => Err(format!(
                "token \"{}\" is not valid in preprocessor expressions",
                self.spell(tok)
            )),
        }
    }
}

fn apply(operator: Sym, a: Value, b: Value, live: bool) -> Outcome {
    let unsigned = a.unsigned || b.unsigned;
    let value = |bits: u64| Value { bits, unsigned };
    let less = |a: Value, b: Value| {
        if unsigned {
            a.bits < b.bits
        } else {
            a.as_signed() < b.as_signed()
        }
    };
    Ok(match operator {
        Sym::STAR => value(a.bits.wrapping_mul(b.bits)),
        Sym::DIV | Sym::MOD if b.bits == 0 => {
            if live {
                return Err("division by zero in #if".to_owned());
            }
            value(0)
        }
        Sym::DIV if unsigned => value(a.bits / b.bits),
        Sym::DIV => value(a.as_signed().wrapping_div(b.as_signed()).cast_unsigned()),
        Sym::MOD if unsigned => value(a.bits % b.bits),
        Sym::MOD => value(a.as_signed().wrapping_rem(b.as_signed()).cast_unsigned()),
        Sym::PLUS => value(a.bits.wrapping_add(b.bits)),
        Sym::MINUS => value(a.bits.wrapping_sub(b.bits)),
        Sym::SHIFT_LEFT | Sym::SHIFT_RIGHT => shift(operator == Sym::SHIFT_LEFT, a, b),
        Sym::LESS => Value::truth(less(a, b)),
        Sym::GREATER => Value::truth(less(b, a)),
        Sym::LESS_EQ => Value::truth(!less(b, a)),
        Sym::GREATER_EQ => Value::truth(!less(a, b)),
        Sym::EQ_EQ => Value::truth(a.bits == b.bits),
        Sym::NOT_EQ => Value::truth(a.bits != b.bits),
        Sym::AND => value(a.bits & b.bits),
        Sym::XOR => value(a.bits ^ b.bits),
        Sym::OR => value(a.bits | b.bits),
        Sym::AND_AND => Value::truth(a.is_true() && b.is_true()),
        _ => Value::truth(a.is_true() || b.is_true()),
    })
}

/// A shift by a negative number goes the other way; one beyond the width leaves nothing but the sign.
fn shift(left: bool, a: Value, by: Value) -> Value {
    let is_negative = !by.unsigned && by.as_signed() < 0;
    let by = if is_negative {
        by.bits.wrapping_neg()
    } else {
        by.bits
    };
    let bits = if left != is_negative {
        if by < 64 { a.bits << by } else { 0 }
    } else if a.unsigned {
        if by < 64 { a.bits >> by } else { 0 }
    } else {
        (a.as_signed() >> by.min(63)).cast_unsigned()
    };
    Value { bits, ..a }
}

fn number(text: &[u8]) -> Outcome {
    let wrong = || {
        format!(
            "invalid integer \"{}\" in expression",
            String::from_utf8_lossy(text)
        )
    };
    let (radix, digits) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let length = digits
        .iter()
        .position(|byte| !char::from(*byte).is_digit(radix))
        .unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at_checked(length).ok_or_else(wrong)?;
    if digits.is_empty() {
        return Err(wrong());
    }
    let mut bits = 0_u64;
    for digit in digits {
        let digit = char::from(*digit).to_digit(radix).ok_or_else(wrong)?;
        bits = bits
            .wrapping_mul(u64::from(radix))
            .wrapping_add(u64::from(digit));
    }
    let suffix = suffix.to_ascii_lowercase();
    let unsigned = match suffix.as_slice() {
        b"" | b"l" | b"ll" => false,
        b"u" | b"ul" | b"ull" | b"lu" | b"llu" => true,
        _ => return Err(wrong()),
    };
    Ok(Value {
        bits,
        unsigned: unsigned || bits > i64::MAX as u64,
    })
}

/// The value of a character constant: its bytes as digits to the base 256, as an `int`.
fn character(text: &[u8], is_unsigned: bool) -> Outcome {
    let wrong = || {
        format!(
            "character constant {} in expression",
            String::from_utf8_lossy(text)
        )
    };
    let quote = text
        .iter()
        .position(|byte| *byte == b'\'')
        .ok_or_else(wrong)?;
    let is_wide = quote > 0 && text.first() != Some(&b'u');
    let inner = text
        .get(quote + 1..text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    if quote > 0 && !inner.is_ascii() {
        return Err(wrong());
    }
    let mut values: Vec<u32> = Vec::new();
    let mut rest = inner;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            values.push(u32::from(byte));
            continue;
        }
        let (&escape, tail) = rest.split_first().ok_or_else(wrong)?;
        rest = tail;
        let digits = |limit: usize, radix: u32, rest: &[u8]| {
            let run = rest.iter().take(limit);
            run.take_while(|byte| char::from(**byte).is_digit(radix))
                .count()
        };
        values.push(match escape {
            b'n' => 10,
            b't' => 9,
            b'r' => 13,
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'e' | b'E' => 27,
            b'\\' | b'\'' | b'"' | b'?' => u32::from(escape),
            b'0'..=b'7' => {
                let more = digits(2, 8, rest);
                let (octal, tail) = rest.split_at_checked(more).ok_or_else(wrong)?;
                rest = tail;
                octal.iter().fold(u32::from(escape - b'0'), |value, byte| {
                    value * 8 + u32::from(byte - b'0')
                })
            }
            b'x' => {
                let more = digits(8, 16, rest);
                let (hex, tail) = rest.split_at_checked(more).ok_or_else(wrong)?;
                rest = tail;
                let text = std::str::from_utf8(hex).map_err(|_| wrong())?;
                u32::from_str_radix(text, 16).map_err(|_| wrong())?
            }
            _ => return Err(wrong()),
        });
    }
    match values.as_slice() {
        [] => Err("empty character constant".to_owned()),
        // Of several wide characters GCC takes the last.
        [.., last] if is_wide || quote > 0 => Ok(Value::signed(i64::from(last.cast_signed()))),
        [one] if is_unsigned => Ok(Value::signed(i64::from(one & 0xff))),
        [one] => Ok(Value::signed(i64::from((one & 0xff) as u8 as i8))),
        many => {
            let value = many
                .iter()
                .fold(0_u32, |value, byte| value << 8 | byte & 0xff);
            Ok(Value::signed(i64::from(value.cast_signed())))
        }
    }
}

impl Run<'_> {
    /// Whether the condition of a directive holds.
    pub(super) fn condition(&mut self, toks: &[Tok], what: &str) -> Result<bool, Stop> {
        if toks.is_empty() {
            return Err(self.failed(format!("#{what} with no expression")));
        }
        let toks = self.condition_tokens(toks)?;
        let state = self.state;
        let is_unsigned = self.table.get(state.char_unsigned) != 0;
        evaluate(&toks, &|sym| state.spellings.text(sym), is_unsigned)
            .map(Value::is_true)
            .map_err(|message| self.failed(message))
    }

    /// Expands a condition; `defined` becomes a number.
    fn condition_tokens(&mut self, toks: &[Tok]) -> Result<Vec<Tok>, Stop> {
        self.in_directive = true;
        let (depth, prevent) = (self.contexts.len(), self.prevent);
        self.push(super::expand::Text::Own(toks.to_vec()), None)?;
        if let Some(barrier) = self.contexts.last_mut() {
            barrier.is_barrier = true;
        }
        let mut out = Vec::new();
        loop {
            let tok = self.get_solid()?;
            match tok.kind {
                Kind::End => break,
                Kind::Name if tok.sym == Sym::DEFINED => out.push(self.defined()?),
                _ => out.push(tok),
            }
            if out.len() > super::expand::MAX_LIST {
                return Err(Stop::Limit("an expression", "4 million tokens".to_owned()));
            }
        }
        self.contexts.truncate(depth + 1);
        self.contexts.pop();
        self.prevent = prevent;
        self.in_directive = false;
        Ok(out)
    }

    /// The operand of `defined`, as a number.
    fn defined(&mut self) -> Result<Tok, Stop> {
        self.prevent += 1;
        let mut tok = self.get_solid()?;
        let in_parentheses = tok.is(Sym::OPEN_PAREN);
        if in_parentheses {
            tok = self.get_solid()?;
        }
        let closed = !in_parentheses || self.get_solid()?.is(Sym::CLOSE_PAREN);
        self.prevent -= 1;
        if tok.kind != Kind::Name {
            return Err(self.failed("operator \"defined\" requires an identifier".to_owned()));
        }
        if !closed {
            return Err(self.failed("missing ')' after \"defined\"".to_owned()));
        }
        let is_defined = self.is_defined(tok.sym)?;
        Ok(self.truth(is_defined))
    }

    fn truth(&self, value: bool) -> Tok {
        Tok {
            sym: if value { Sym::ONE } else { Sym::ZERO },
            kind: Kind::Number,
            ..Tok::END
        }
    }

    /// What an operator that asks for a file or a feature answers.
    pub(super) fn query(&mut self, operator: Tok) -> Result<i64, Stop> {
        self.spoil();
        let name = self.state.spellings.lossy(operator.sym);
        let missing =
            |run: &Self| run.failed(format!("operator \"{name}\" needs a parenthesised operand"));
        if !self.get_solid()?.is(Sym::OPEN_PAREN) {
            return Err(missing(self));
        }
        let mut operand: Vec<Tok> = Vec::new();
        let mut depth = 0_u32;
        loop {
            // Names of a header between angle brackets are not expanded.
            let is_header = operator.sym.0 <= Sym::HAS_INCLUDE_NEXT.0
                && operand.first().is_some_and(|first| first.is(Sym::LESS));
            self.prevent += u32::from(is_header);
            let tok = self.get_solid();
            self.prevent -= u32::from(is_header);
            let tok = tok?;
            match tok.kind {
                Kind::End => return Err(missing(self)),
                Kind::Punct if tok.sym == Sym::OPEN_PAREN => depth += 1,
                Kind::Punct if tok.sym == Sym::CLOSE_PAREN && depth == 0 => break,
                Kind::Punct if tok.sym == Sym::CLOSE_PAREN => depth -= 1,
                _ => {}
            }
            operand.push(tok);
        }
        let how = match operator.sym {
            Sym::HAS_INCLUDE => How::Plain,
            Sym::HAS_INCLUDE_NEXT => How::Next,
            _ => return self.ask(&name, &operand),
        };
        let Some((angled, header)) = self.header_of(&operand) else {
            return Err(missing(self));
        };
        Ok(self.resolve(how, angled, header).is_some().into())
    }

    /// What the compiler answers.
    fn ask(&mut self, operator: &str, operand: &[Tok]) -> Result<i64, Stop> {
        let mut question = format!("{operator}(");
        for tok in operand {
            question.push_str(&self.state.spellings.lossy(tok.sym));
        }
        question.push(')');
        let file = self.file.clone();
        let setup = &self.setup;
        let others = || super::questions(&file, &self.state.spellings);
        self.state
            .compilers
            .ask(
                &setup.probe,
                (&setup.program, &setup.options.rest, &setup.cwd),
                &question,
                others,
            )
            .map_err(|refusal| Stop::Refused(refusal.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpp::builtin::lexer::{Dialect, Lexer, join};
    use crate::cpp::builtin::spelling::Spellings;

    fn value(text: &str) -> Result<(i64, bool), String> {
        let spellings = Spellings::new();
        let dialect = Dialect {
            trigraphs: false,
            line_comments: true,
            c99: true,
        };
        let joined = join(text.as_bytes(), dialect);
        let mut toks = Vec::new();
        Lexer::new(&joined, dialect, &spellings).rest_of_line(&mut toks);
        evaluate(&toks, &|sym| spellings.text(sym), false)
            .map(|value| (value.as_signed(), value.unsigned))
    }

    /// Values are those of 64-bit integers, with C's rules of signs.
    #[test]
    fn values() {
        for (text, expected) in [
            ("1 + 2 * 3 - 4 / 2", (5, false)),
            ("-1 > 0u", (1, false)),
            ("-1 < 0", (1, false)),
            ("1 ? -1 : 0u", (-1, true)),
            ("0 && 1 / 0", (0, false)),
            ("1 || 1 % 0", (1, false)),
            ("0x7fffffffffffffff", (i64::MAX, false)),
            ("0xffffffffffffffff", (-1, true)),
            ("1 << 63 >> 63", (-1, false)),
            ("1 << -1", (0, false)),
            ("~0u", (-1, true)),
            ("!0 == !!5", (1, false)),
            ("'a'", (97, false)),
            ("'\\377'", (-1, false)),
            ("'ab'", (0x6162, false)),
            ("'\\x41'", (0x41, false)),
            ("L'\\xffff'", (0xffff, false)),
            ("L'ab'", (0x62, false)),
            ("010 + 0b11 + 10ULL", (21, true)),
            ("foo", (0, false)),
            ("1, 2", (2, false)),
            ("(1 ? 2 : 3 ? 4 : 5)", (2, false)),
            ("-9223372036854775807 - 1 == (1 << 63)", (1, false)),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    /// What is no expression is refused in these words, however deep it nests.
    #[test]
    fn refuses() {
        for (text, message) in [
            ("", "#if with no expression, or an operator without operand"),
            (
                "1 +",
                "#if with no expression, or an operator without operand",
            ),
            ("1 2", "missing binary operator before token \"2\""),
            ("(1", "missing ')' in expression"),
            ("1 ? 2", "'?' without following ':'"),
            ("1 / 0", "division by zero in #if"),
            ("08", "invalid integer \"08\" in expression"),
            ("1.0", "invalid integer \"1.0\" in expression"),
            (
                "\"a\"",
                "token \"\"a\"\" is not valid in preprocessor expressions",
            ),
        ] {
            assert_eq!(value(text), Err(message.to_owned()), "{text}");
        }
        for text in ["(", "-", "1 ? ", "1 + "] {
            assert!(value(&text.repeat(100_000)).is_err(), "{text}");
        }
    }
}
