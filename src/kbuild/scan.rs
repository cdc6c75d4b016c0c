//! What one source file says that matters to exporting, from its bytes alone.
//!
//! A scan depends on nothing but the file's content, so it can be kept under the content's hash. Identifiers are kept as
//! 32-bit hashes: two that collide can only make a unit a candidate that is none.

use serde::{Deserialize, Serialize};

/// Keyword that the export macros expand to; the macros themselves match by their shape.
const KEYWORD: &[u8] = b"__GENKSYMS_EXPORT_SYMBOL";

/// Includes, macro definitions and identifiers of one file. Comments and literals do not count, and neither do directives
/// other than `#include` and `#define`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileScan {
    /// Files that it includes by name.
    pub(super) includes: Vec<Include>,
    /// Macros whose body has identifiers.
    pub(super) defines: Vec<Define>,
    /// Hashes of the identifiers outside directives, sorted.
    pub(super) words: Vec<u32>,
    /// Whether an export macro of the kernel's stands among them.
    pub(super) exports: bool,
    /// Whether the file mentions `__GENKSYMS__` anywhere.
    pub mentions_genksyms: bool,
}

/// An `#include`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Include {
    pub(super) name: String,
    pub(super) quoted: bool,
}

/// A `#define`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Define {
    /// Hash of its name.
    pub(super) name: u32,
    /// Hashes of the identifiers of its body but for its parameters.
    pub(super) words: Vec<u32>,
    /// Whether an export macro of the kernel's stands in its body.
    pub(super) exports: bool,
    /// Whether its body has a brace or parenthesis without its partner.
    pub(super) unpaired: bool,
}

/// Digest of the part of a scan that something depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Essence([u8; 16]);

impl Essence {
    pub(super) fn of(part: &impl Serialize) -> Essence {
        // INVARIANT: vectors, strings and numbers always serialise; only maps of unknown length do not.
        let bytes = postcard::to_stdvec(part).unwrap_or_default();
        let mut digest = [0; 16];
        let whole = blake3::hash(&bytes);
        digest.copy_from_slice(&whole.as_bytes()[..16]);
        Essence(digest)
    }
}

impl FileScan {
    /// Scans a file in one pass.
    #[must_use]
    pub fn scan(bytes: &[u8]) -> FileScan {
        let mut scanner = Scanner { bytes, at: 0 };
        let mut scan = FileScan {
            mentions_genksyms: memchr::memmem::find(bytes, b"__GENKSYMS__").is_some(),
            ..FileScan::default()
        };
        let mut line_start = true;
        while let Some(token) = scanner.token() {
            match token {
                Token::Newline => {
                    line_start = true;
                    continue;
                }
                // An assembler's macro that is being defined is not used by that.
                Token::Word(b"macro") if scanner.follows_a_dot() => {
                    let _ = scanner.token();
                }
                Token::Word(word) => {
                    scan.words.push(hash(word));
                    scan.exports |= is_export_word(word);
                }
                Token::Other(b'#') if line_start => scan.directive(&mut scanner),
                Token::Other(_) => {}
            }
            line_start = false;
        }
        scan.words.sort_unstable();
        scan.words.dedup();
        scan.words.shrink_to_fit();
        scan.includes.sort();
        scan.includes.dedup();
        scan
    }

    /// Whether a tree's file can be scanned for exports, by its name: C, assembly, and what they include.
    #[must_use]
    pub fn is_source_name(path: &str) -> bool {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        matches!(extension, "c" | "h" | "S" | "inc")
    }

    /// Reads a directive up to the newline that ends it.
    fn directive(&mut self, scanner: &mut Scanner<'_>) {
        match scanner.token() {
            Some(Token::Word(b"include")) => self.includes.extend(scanner.include()),
            Some(Token::Word(b"define")) => self.define(scanner),
            Some(Token::Newline) => scanner.at -= 1,
            _ => {
                scanner.rest_of_line(|_| {});
            }
        }
    }

    fn define(&mut self, scanner: &mut Scanner<'_>) {
        let Some(Token::Word(name)) = scanner.token() else {
            return;
        };
        let parameters = scanner.parameters();
        let mut words = Vec::new();
        let mut exports = false;
        let mut pairs = Pairs::default();
        scanner.rest_of_line(|token| {
            let word = match token {
                Token::Word(word) => word,
                Token::Other(byte) => return pairs.add(byte),
                Token::Newline => return,
            };
            let word_hash = hash(word);
            if !parameters.contains(&word_hash) {
                words.push(word_hash);
                exports |= is_export_word(word);
            }
        });
        let unpaired = pairs.are_open();
        if words.is_empty() && !unpaired {
            return;
        }
        words.sort_unstable();
        words.dedup();
        words.shrink_to_fit();
        self.defines.push(Define {
            name: hash(name),
            words,
            exports,
            unpaired,
        });
    }
}

/// Whether braces and parentheses pair.
#[derive(Default)]
struct Pairs {
    braces: i32,
    others: i32,
    wrong: bool,
}

impl Pairs {
    fn add(&mut self, byte: u8) {
        let (count, step) = match byte {
            b'{' => (&mut self.braces, 1),
            b'}' => (&mut self.braces, -1),
            b'(' | b'[' => (&mut self.others, 1),
            b')' | b']' => (&mut self.others, -1),
            _ => return,
        };
        *count = count.saturating_add(step);
        self.wrong |= *count < 0;
    }

    fn are_open(&self) -> bool {
        self.wrong || self.braces != 0 || self.others != 0
    }
}

/// Whether an identifier is one of the kernel's export macros, or a stem that `##` completes to one.
fn is_export_word(word: &[u8]) -> bool {
    if word == KEYWORD {
        return true;
    }
    let stem = word
        .get(word.iter().take_while(|&&byte| byte == b'_').count()..)
        .unwrap_or_default();
    let Some(rest) = stem.strip_prefix(b"EXPORT") else {
        return false;
    };
    let shouted = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    rest == b"_" || (rest.iter().all(shouted) && memchr::memmem::find(rest, b"SYMBOL").is_some())
}

/// FNV-1a over 32 bits.
pub(super) fn hash(word: &[u8]) -> u32 {
    word.iter().fold(0x811c_9dc5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

enum Token<'a> {
    Newline,
    Word(&'a [u8]),
    Other(u8),
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The next token; blanks, joined lines, comments, numbers and literals are passed over.
    fn token(&mut self) -> Option<Token<'a>> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            match byte {
                b'\n' => {
                    self.at += 1;
                    return Some(Token::Newline);
                }
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'\\' => self.at += 1 + usize::from(self.peek(1) == Some(b'\n')),
                b'/' if self.peek(1) == Some(b'*') => self.skip_comment(),
                b'/' if self.peek(1) == Some(b'/') => self.skip_line(),
                b'"' | b'\'' => self.skip_literal(byte),
                b'0'..=b'9' => self.at += self.word_length(),
                _ if is_word(byte) => {
                    let start = self.at;
                    self.at += self.word_length();
                    return self.bytes.get(start..self.at).map(Token::Word);
                }
                other => {
                    self.at += 1;
                    return Some(Token::Other(other));
                }
            }
        }
    }

    /// Reads the operand of an `#include` and goes to the end of its line.
    fn include(&mut self) -> Option<Include> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let line = rest
            .get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len()))
            .unwrap_or_default();
        self.rest_of_line(|_| {});
        let operand = line.trim_ascii_start();
        let (quoted, close) = match operand.first()? {
            b'"' => (true, b'"'),
            b'<' => (false, b'>'),
            _ => return None,
        };
        let name = operand.get(1..)?;
        let name = name.get(..memchr::memchr(close, name)?)?;
        Some(Include {
            name: String::from_utf8_lossy(name).into_owned(),
            quoted,
        })
    }

    /// Reads the parameters of a macro, if a parenthesis follows its name without a blank; their hashes.
    fn parameters(&mut self) -> Vec<u32> {
        let mut parameters = Vec::new();
        if self.peek(0) != Some(b'(') {
            return parameters;
        }
        while let Some(token) = self.token() {
            match token {
                Token::Word(word) => parameters.push(hash(word)),
                Token::Other(b')') => break,
                Token::Newline => {
                    self.at -= 1;
                    break;
                }
                Token::Other(_) => {}
            }
        }
        parameters
    }

    /// Calls `each` with the tokens up to the end of the line, and stops before the newline.
    fn rest_of_line(&mut self, mut each: impl FnMut(Token<'a>)) {
        while let Some(token) = self.token() {
            match token {
                Token::Newline => {
                    self.at -= 1;
                    return;
                }
                other => each(other),
            }
        }
    }

    /// Whether the word `macro`, just read, is the directive `.macro`.
    fn follows_a_dot(&self) -> bool {
        self.at.checked_sub(6).and_then(|at| self.bytes.get(at)) == Some(&b'.')
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn word_length(&self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.iter()
            .position(|&byte| !is_word(byte))
            .unwrap_or(rest.len())
    }

    fn skip_comment(&mut self) {
        let rest = self.bytes.get(self.at + 2..).unwrap_or_default();
        let length = memchr::memmem::find(rest, b"*/").map_or(rest.len(), |end| end + 2);
        self.at += 2 + length;
    }

    fn skip_line(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => return,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// Passes over a literal. It ends with its line at the latest: in assembly an apostrophe may stand in a comment.
    fn skip_literal(&mut self, quote: u8) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => return,
                b'\\' => self.at += 2,
                _ if byte == quote => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> FileScan {
        FileScan::scan(text.as_bytes())
    }

    /// Checks which identifiers count as the kernel's own export macros.
    #[test]
    fn export_words() {
        for word in [
            "EXPORT_SYMBOL",
            "EXPORT_SYMBOL_GPL",
            "__EXPORT_SYMBOL",
            "___EXPORT_SYMBOL",
            "EXPORT_UNUSED_SYMBOL_GPL",
            "EXPORT_SYMBOL_NS_GPL",
            "EXPORT_TRACEPOINT_SYMBOL",
            "__GENKSYMS_EXPORT_SYMBOL",
            "EXPORT_",
        ] {
            assert!(is_export_word(word.as_bytes()), "{word}");
        }
        for word in [
            "EXPORT",
            "EXPORT_STATIC_CALL",
            "ACPI_EXPORT_SYMBOL",
            "export_symbol",
            "EXPORTfs_SYMBOL",
        ] {
            assert!(!is_export_word(word.as_bytes()), "{word}");
        }
    }

    /// Checks that only identifiers outside directives, comments and literals are words of a file.
    #[test]
    fn words_of_a_file() {
        let text = "/* EXPORT_SYMBOL(a) */ // EXPORT_SYMBOL \\\nEXPORT_SYMBOL\n#ifdef EXPORT_SYMBOL\n#endif\nchar *s = \"EXPORT_SYMBOL\"; 0xEXPORT_SYMBOL\n";
        assert!(!scan(text).exports);
        assert!(scan("# don't\nint x;\nEXPORT_SYMBOL(x)\n").exports);
        assert!(!scan(".macro ___EXPORT_SYMBOL name\n.endm\n").exports);
        assert!(scan(".macro f name\nEXPORT_SYMBOL(\\name)\n.endm\n").exports);
        assert_eq!(scan("b a b").words, {
            let mut want = vec![hash(b"a"), hash(b"b")];
            want.sort_unstable();
            want
        });
    }

    /// Checks includes of both kinds, also behind a blank and with a comment after them.
    #[test]
    fn includes_of_a_file() {
        let scan = scan(
            "#include <linux/b.h>\n # include \"a.c\" /* x\n y */\n#include MACRO\n#include\nint x;\n",
        );
        let names: Vec<_> = scan
            .includes
            .iter()
            .map(|i| (i.name.as_str(), i.quoted))
            .collect();
        assert_eq!(names, [("a.c", true), ("linux/b.h", false)]);
        assert!(scan.words.contains(&hash(b"x")) && !scan.words.contains(&hash(b"MACRO")));
    }

    /// Checks that bodies of macros are read over joined lines and kept apart from the file's words.
    #[test]
    fn defines_of_a_file() {
        let scan = scan(
            "#define EMPTY\n#define N 12\n#define F(x) \\\n\tEXPORT_SYMBOL(x); \\\n\tg(\"y\")\nint z;\n",
        );
        let [define] = scan.defines.as_slice() else {
            panic!("one macro: {:?}", scan.defines)
        };
        assert_eq!((define.name, define.exports), (hash(b"F"), true));
        assert!(define.words.contains(&hash(b"g")));
        assert!(!define.words.contains(&hash(b"y")) && !define.words.contains(&hash(b"x")));
        assert!(!scan.exports && scan.words.contains(&hash(b"z")));
    }

    /// Checks that no input makes the scanner run past its end.
    #[test]
    fn ends_on_any_input() {
        for text in [
            "#",
            "#define",
            "#define A",
            "#include \"",
            "/*",
            "\"\\",
            "'",
            "\\",
            "#define A \\",
            "//\\",
            "# include <a",
        ] {
            let _ = scan(text);
        }
    }
}
