//! Reader of `Module.symvers`, tolerant of everything that kernels of any age have written.
//!
//! Three columns up to 2.6.17, four up to 5.3, then a namespace: third in 5.4 and 5.5 as first released, last
//! since kernel commit 5190044c2965 and its back-ports. The order is decided for each line.

use std::path::Path;

use smol_str::SmolStr;
use thiserror::Error;

use super::problems::{Problem, Problems, shown};
use super::unpack::{self, UNPACK_LIMIT, UnpackError};
use super::{Crc, Export, ExportClass, Symvers, arranged, looks_like, order};

/// A `Module.symvers` file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The exports.
    pub symvers: Symvers,
    /// What is odd about the file but does not change its meaning, in file order.
    pub warnings: Vec<Problem>,
    /// Whether the name says that the file holds only a part of a kernel's exports: `vmlinux.symvers` and
    /// `modules-only.symvers` are intermediate results of a kernel build, and no baseline.
    pub partial: bool,
}

/// Why a `Module.symvers` file could not be read.
#[derive(Debug, Error)]
pub enum SymversError {
    /// The file cannot be read or unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The file holds no export at all.
    #[error(
        "{name}: no exported symbol in the file, nothing to check; \
         expected Module.symvers lines: 0xcrc, symbol, module, export type"
    )]
    Empty {
        /// The file.
        name: String,
    },
    /// Lines that are no export.
    #[error("{}{}", .problems.named(.name), hint(.looks_like))]
    Invalid {
        /// The file.
        name: String,
        /// The bad lines.
        problems: Problems,
        /// What the file looks like instead, if it does.
        looks_like: Option<&'static str>,
    },
}

fn hint(looks_like: &Option<&'static str>) -> String {
    looks_like.map_or_else(String::new, |what| format!("\nthis looks like {what}"))
}

/// Where the namespace column of a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// No namespace column, or an empty one in a line split at blanks: says nothing about the file.
    Unsaid,
    /// Last, as since 5.6.
    Last,
    /// Third, as in 5.4 and 5.5.
    Third,
}

/// Lines that room is made for before they are read; kernels have 30,000.
const MOST_EXPECTED: usize = 1 << 17;

/// The names of partial files.
const PARTIAL: [&str; 2] = ["vmlinux.symvers", "modules-only.symvers"];

impl Symvers {
    /// Reads the text of a `Module.symvers` file of any age, plain or packed with gzip, xz or zstd.
    ///
    /// `name` stands in messages and tells a partial file by its base name. Blank lines, lines that start with
    /// `#`, CR LF and a missing last LF are accepted. One leading `.` of a symbol (64-bit PowerPC with function
    /// descriptors) is dropped, as depmod does. A line that repeats an export is a warning.
    ///
    /// # Errors
    ///
    /// Data that cannot be unpacked, a file without an export, and all lines that are no export or contradict
    /// another line: the first 20 with their text, then a count.
    pub fn read(bytes: &[u8], name: &str) -> Result<Read, SymversError> {
        let text = unpack::unpack(bytes, name, UNPACK_LIMIT)?;
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let mut reader = Reader {
            characters: Characters::of(text),
            ..Reader::default()
        };
        reader.expect(memchr::memchr_iter(b'\n', text).count());
        match std::str::from_utf8(text) {
            Ok(text) => {
                let (mut start, mut number) = (0, 0);
                let ends = memchr::memchr_iter(b'\n', text.as_bytes());
                for end in ends.chain([text.len()]) {
                    number += 1;
                    reader.text(text.get(start..end).unwrap_or_default(), number);
                    start = end + 1;
                }
            }
            Err(_) => {
                for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
                    reader.line(line, index.saturating_add(1));
                }
            }
        }
        let order = reader.once(order(&reader.exports));
        if reader.problems.is_empty() {
            reader.finish(order, name)
        } else {
            Err(SymversError::Invalid {
                name: name.to_owned(),
                problems: reader.problems,
                looks_like: looks_like(text).filter(|what| !what.contains("Module.symvers")),
            })
        }
    }

    /// Reads a `Module.symvers` file of any age, plain or packed.
    ///
    /// # Errors
    ///
    /// The file cannot be read, and all errors of [`Symvers::read`].
    pub fn load(path: &Path) -> Result<Read, SymversError> {
        let bytes = unpack::read_file(path, UNPACK_LIMIT)?;
        Symvers::read(&bytes, &path.display().to_string())
    }
}

#[derive(Default)]
struct Reader {
    /// In the order of the file.
    exports: Vec<Export>,
    /// The line of each export.
    lines: Vec<usize>,
    problems: Problems,
    warnings: Vec<Problem>,
    characters: Characters,
    /// The module of the line before, which most often is that of the next.
    module: SmolStr,
    /// The first line of each order.
    last: Option<usize>,
    third: Option<usize>,
}

impl Reader {
    /// Makes room for that many lines.
    fn expect(&mut self, lines: usize) {
        // What a line of a file takes in memory is some times its length, so a file of line ends alone gets no more.
        let lines = lines.min(MOST_EXPECTED);
        self.exports.reserve(lines);
        self.lines.reserve(lines);
    }

    fn line(&mut self, line: &[u8], number: usize) {
        match std::str::from_utf8(line) {
            Ok(line) => self.text(line, number),
            Err(_) => self.problems.push(
                number,
                "not UTF-8; expected 0xcrc, symbol, module, export type",
            ),
        }
    }

    fn text(&mut self, line: &str, number: usize) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim_ascii().is_empty() || line.starts_with('#') {
            return;
        }
        match Line::parse(line, self.characters) {
            Ok(line) => {
                match line.order {
                    Order::Unsaid => {}
                    Order::Last => self.last = self.last.or(Some(number)),
                    Order::Third => self.third = self.third.or(Some(number)),
                }
                self.export(line, number);
            }
            Err(message) => self.problems.push(number, message),
        }
    }

    fn export(&mut self, line: Line<'_>, number: usize) {
        if self.module != line.module {
            self.module = line.module.into();
        }
        let export = line.export(self.module.clone());
        if let ExportClass::Other(word) = &export.class {
            self.warnings.push(Problem {
                line: number,
                message: format!(
                    "unknown export type `{word}` of `{}` is kept as it is",
                    export.symbol
                ),
            });
        }
        self.exports.push(export);
        self.lines.push(number);
    }

    /// Leaves of the sorted places the first of each symbol, and tells of the others.
    fn once(&mut self, mut order: Vec<usize>) -> Vec<usize> {
        order.dedup_by(|again, first| {
            let is_same = self.exports[*again].symbol == self.exports[*first].symbol;
            if is_same {
                self.repeated(*first, *again);
            }
            is_same
        });
        order
    }

    /// Tells of a second line for a symbol.
    fn repeated(&mut self, first: usize, again: usize) {
        let (export, line) = (&self.exports[again], self.lines[again]);
        let (symbol, before) = (&export.symbol, self.lines[first]);
        if self.exports[first] == *export {
            let message = format!("`{symbol}` is listed again, as in line {before}");
            self.warnings.push(Problem { line, message });
        } else {
            let message =
                format!("`{symbol}` differs from line {before}; expected one line for each symbol");
            self.problems.push(line, message);
        }
    }

    fn finish(mut self, order: Vec<usize>, name: &str) -> Result<Read, SymversError> {
        if self.exports.is_empty() {
            return Err(SymversError::Empty {
                name: name.to_owned(),
            });
        }
        if let (Some(last), Some(third)) = (self.last, self.third) {
            self.warnings.push(Problem {
                line: last.max(third),
                message: format!(
                    "the namespace is the third column in line {third} and the fifth in line {last}; \
                     each line is read in its own order"
                ),
            });
        }
        self.warnings.sort();
        Ok(Read {
            symvers: Symvers {
                exports: arranged(self.exports, order),
            },
            warnings: self.warnings,
            partial: PARTIAL.contains(&base_name(name)),
        })
    }
}

/// Reads one `Module.symvers` line that stands in a file of another format.
pub(crate) fn parse_line(line: &str) -> Result<Export, String> {
    Line::parse(line, Characters::Any).map(|line| {
        let module = line.module.into();
        line.export(module)
    })
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// What a line says.
struct Line<'a> {
    crc: Crc,
    symbol: &'a str,
    module: &'a str,
    class: ExportClass,
    /// Empty if there is none.
    namespace: &'a str,
    order: Order,
}

impl<'a> Line<'a> {
    /// Reads one line that is not blank.
    fn parse(line: &'a str, characters: Characters) -> Result<Line<'a>, String> {
        let fields =
            Fields::between_tabs(line).unwrap_or_else(|| Fields::of(line.split_ascii_whitespace()));
        let [crc, symbol, rest @ ..] = fields.first() else {
            return Err("1 column; expected 0xcrc, symbol, module, export type".to_owned());
        };
        let crc = parse_crc(crc)?;
        if let Some(extra) = fields.extra {
            return Err(format!(
                "column 6 or later holds `{}`; expected at most 5 columns",
                shown(extra)
            ));
        }
        let (module, class, namespace, order) = columns(rest)?;
        Ok(Line {
            crc,
            symbol: parse_symbol(symbol, characters)?,
            module: parse_module(module, characters)?,
            class,
            namespace: parse_text(namespace, "namespace", characters)?,
            order,
        })
    }

    fn export(self, module: SmolStr) -> Export {
        Export {
            symbol: self.symbol.into(),
            crc: self.crc,
            module,
            class: self.class,
            namespace: (!self.namespace.is_empty()).then(|| self.namespace.into()),
        }
    }
}

/// The columns of a line.
#[derive(Default)]
struct Fields<'a> {
    columns: [&'a str; 5],
    count: usize,
    /// The first one behind these that is not empty.
    extra: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// The columns between the tabs; none if there is no tab.
    fn between_tabs(line: &'a str) -> Option<Self> {
        let mut all = Fields::default();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\t', line.as_bytes()) {
            all.push(line.get(start..end).unwrap_or_default());
            start = end + 1;
        }
        all.push(line.get(start..).unwrap_or_default());
        (start > 0).then_some(all)
    }

    fn of(fields: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Fields::default();
        fields.for_each(|field| all.push(field));
        all
    }

    fn push(&mut self, field: &'a str) {
        match self.columns.get_mut(self.count) {
            Some(column) => {
                *column = field;
                self.count += 1;
            }
            None => self.extra = (self.extra).or(Some(field).filter(|field| !field.is_empty())),
        }
    }

    fn first(&self) -> &[&'a str] {
        self.columns.get(..self.count).unwrap_or(&self.columns)
    }
}

/// What characters the columns of a file hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Characters {
    /// Visible ones of ASCII, as in nearly every file: no column needs a look at them.
    Visible,
    /// Anything.
    #[default]
    Any,
}

impl Characters {
    /// Looks at the whole text without a way out, so that many bytes go at once.
    fn of(text: &[u8]) -> Characters {
        let visible = |byte: u8| byte.wrapping_sub(b'!') <= b'~' - b'!';
        let between = |byte: u8| (byte == b'\t') | (byte == b'\n');
        let bytes = text.iter();
        if bytes.fold(true, |all, &byte| all & (visible(byte) | between(byte))) {
            Characters::Visible
        } else {
            Characters::Any
        }
    }
}

/// Decides the order of the columns after the symbol: module, class, namespace.
fn columns<'a>(rest: &[&'a str]) -> Result<(&'a str, ExportClass, &'a str, Order), String> {
    match rest {
        [] => Err("2 columns; expected 0xcrc, symbol, module, export type".to_owned()),
        [module] => Ok((module, ExportClass::Unknown, "", Order::Unsaid)),
        [second, third, tail @ ..] => {
            let fifth = tail.first().copied().unwrap_or("");
            if let Some(class) = ExportClass::from_word(third) {
                let order = if tail.is_empty() {
                    Order::Unsaid
                } else {
                    Order::Last
                };
                return Ok((second, class, fifth, order));
            }
            match ExportClass::from_word(fifth) {
                Some(class) => Ok((third, class, second, Order::Third)),
                None => Err(format!(
                    "no export type in column 4 (`{}`) or 5; expected EXPORT_SYMBOL, EXPORT_SYMBOL_GPL \
                     or another EXPORT_… word",
                    shown(third)
                )),
            }
        }
    }
}

fn parse_crc(word: &str) -> Result<Crc, String> {
    let expected = "expected 0x and up to 8 hexadecimal digits";
    let digits = word
        .strip_prefix("0x")
        .or_else(|| word.strip_prefix("0X"))
        .ok_or_else(|| format!("CRC `{}` does not start with 0x; {expected}", shown(word)))?;
    // Digits that fall out on the left are counted below.
    let number = digits.bytes().try_fold(0_u32, |number, digit| {
        Some(number << 4 | char::from(digit).to_digit(16)?)
    });
    match number {
        Some(_) if digits.len() > 8 => Err(format!(
            "CRC `{}` has more than 32 bits; {expected}",
            shown(word)
        )),
        Some(number) if !digits.is_empty() => Ok(Crc(number)),
        _ => Err(format!(
            "CRC `{}` is no hexadecimal number; {expected}",
            shown(word)
        )),
    }
}

fn parse_symbol(word: &str, characters: Characters) -> Result<&str, String> {
    let symbol = word.strip_prefix('.').unwrap_or(word);
    if symbol.is_empty() {
        Err("empty symbol in column 2; expected its name".to_owned())
    } else if characters == Characters::Any
        && symbol.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        Err(format!(
            "symbol `{}` holds a blank or control character; expected one name",
            shown(symbol)
        ))
    } else {
        Ok(symbol)
    }
}

fn parse_module(word: &str, characters: Characters) -> Result<&str, String> {
    if word.is_empty() {
        Err("empty module column; expected vmlinux or a module's path without .ko".to_owned())
    } else {
        parse_text(word, "module", characters)
    }
}

fn parse_text<'a>(word: &'a str, column: &str, characters: Characters) -> Result<&'a str, String> {
    if characters == Characters::Any && word.contains(char::is_control) {
        Err(format!(
            "{column} `{}` holds a control character; expected plain text",
            shown(word)
        ))
    } else {
        Ok(word)
    }
}

#[cfg(test)]
mod tests;
