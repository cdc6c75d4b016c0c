//! Tables of TOML files that people write: every problem with its line, unknown keys with a suggestion.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::PolicyError;
use super::suggest::did_you_mean;
use crate::symvers::{Problems, UNPACK_LIMIT, shown, unpack};

/// The version of the files that this program reads.
const SCHEMA: i64 = 1;

/// The lines of a file, to tell where a span of bytes begins.
struct Lines {
    /// Where each line begins.
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Lines {
        let feeds = memchr::memchr_iter(b'\n', text.as_bytes());
        Lines {
            starts: std::iter::once(0).chain(feeds.map(|at| at + 1)).collect(),
        }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.starts.partition_point(|start| *start <= span.start)
    }
}

/// A file whose tables are read one key after the other.
pub struct TomlFile<'a> {
    name: &'a str,
    lines: Lines,
    problems: Problems,
}

/// A table of a file.
#[derive(Clone, Copy)]
pub struct TomlTable<'a> {
    table: &'a DeTable<'a>,
    /// The line that the table begins in, counted from 1.
    pub line: usize,
}

impl<'a> TomlFile<'a> {
    /// Reads a file with `read` and hands back its value if there was no problem.
    ///
    /// # Errors
    ///
    /// Bytes that are no UTF-8 or no TOML, and every problem that `read` told: the first 20 with their text, then a
    /// count.
    pub fn read<T>(
        bytes: &[u8],
        name: &'a str,
        read: impl FnOnce(&mut TomlFile<'a>, TomlTable<'_>) -> T,
    ) -> Result<T, PolicyError> {
        let bytes = unpack(bytes, name, UNPACK_LIMIT)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut problems = Problems::default();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = memchr::memchr_iter(b'\n', before).count() + 1;
                problems.push(line, "not UTF-8; expected a TOML file");
                return Err(invalid(name, problems));
            }
        };
        let lines = Lines::of(text);
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map_or(0, |span| lines.line(&span));
                problems.push(line, format!("{}; expected a TOML file", error.message()));
                return Err(invalid(name, problems));
            }
        };
        let mut file = TomlFile {
            name,
            lines,
            problems,
        };
        let top = TomlTable {
            table: table.get_ref(),
            line: 1,
        };
        let value = read(&mut file, top);
        if file.problems.is_empty() {
            Ok(value)
        } else {
            file.problems.first.sort();
            Err(invalid(name, file.problems))
        }
    }

    /// Tells a problem of a line.
    pub fn problem(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(line, message);
    }

    /// The name of the file.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Refuses keys that a table does not have.
    pub fn only(&mut self, table: TomlTable<'_>, keys: &[&str]) {
        for (key, _) in table.table {
            let word: &str = key.get_ref();
            if !keys.contains(&word) {
                let line = self.lines.line(&key.span());
                let near = did_you_mean(word, keys.iter().copied());
                let message = format!(
                    "unknown key `{}`{near} (known are {})",
                    shown(word),
                    keys.join(", ")
                );
                self.problem(line, message);
            }
        }
    }

    /// Refuses a file of another version; a file need not say it.
    pub fn schema(&mut self, top: TomlTable<'_>) {
        let Some(value) = top.table.get("schema") else {
            return;
        };
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|number| number.as_str().parse::<i64>().ok());
        if number != Some(SCHEMA) {
            let line = self.lines.line(&value.span());
            self.problem(line, format!("this program reads `schema = {SCHEMA}` only"));
        }
    }

    /// The tables of `[[key]]`.
    pub fn tables<'t>(&mut self, top: TomlTable<'t>, key: &str) -> Vec<TomlTable<'t>> {
        let Some(value) = top.table.get(key) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            let line = self.lines.line(&value.span());
            self.problem(
                line,
                format!("`{key}` is a list of tables: write [[{key}]]"),
            );
            return Vec::new();
        };
        let mut tables = Vec::new();
        for value in array.iter() {
            let line = self.lines.line(&value.span());
            match value.get_ref().as_table() {
                Some(table) => tables.push(TomlTable { table, line }),
                None => self.problem(line, format!("expected a table: [[{key}]]")),
            }
        }
        tables
    }

    /// The tables of `[key.NAME]`, by name.
    pub fn named<'t>(&mut self, top: TomlTable<'t>, key: &str) -> Vec<(String, TomlTable<'t>)> {
        let Some(value) = top.table.get(key) else {
            return Vec::new();
        };
        let Some(all) = value.get_ref().as_table() else {
            let line = self.lines.line(&value.span());
            self.problem(line, format!("expected tables: [{key}.NAME]"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (name, value) in all {
            let line = self.lines.line(&name.span());
            match value.get_ref().as_table() {
                Some(table) => {
                    let name: &str = name.get_ref();
                    tables.push((name.to_owned(), TomlTable { table, line }));
                }
                None => self.problem(line, format!("expected a table: [{key}.NAME]")),
            }
        }
        tables.sort_by(|(a, _), (b, _)| a.cmp(b));
        tables
    }

    /// A text, with its line.
    pub fn text(&mut self, table: TomlTable<'_>, key: &str) -> Option<(String, usize)> {
        let value = table.table.get(key)?;
        let line = self.lines.line(&value.span());
        match value.get_ref().as_str() {
            Some(text) => Some((text.to_owned(), line)),
            None => {
                self.wrong_kind(key, "a text", value, line);
                None
            }
        }
    }

    /// A text or a list of texts, each with its line.
    pub fn texts(&mut self, table: TomlTable<'_>, key: &str) -> Vec<(String, usize)> {
        let Some(value) = table.table.get(key) else {
            return Vec::new();
        };
        let whole = [value];
        let values: Vec<&Spanned<DeValue<'_>>> = match value.get_ref().as_array() {
            Some(array) => array.iter().collect(),
            None => whole.to_vec(),
        };
        let mut texts = Vec::new();
        for value in &values {
            let line = self.lines.line(&value.span());
            match value.get_ref().as_str() {
                Some(text) => texts.push((text.to_owned(), line)),
                None => self.wrong_kind(key, "a text or a list of texts", value, line),
            }
        }
        if values.is_empty() {
            let line = self.lines.line(&value.span());
            self.problem(
                line,
                format!("`{key}` is empty; leave it out or name something"),
            );
        }
        texts
    }

    /// `true` or `false`.
    pub fn flag(&mut self, table: TomlTable<'_>, key: &str) -> Option<bool> {
        let value = table.table.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            let line = self.lines.line(&value.span());
            self.wrong_kind(key, "true or false", value, line);
        }
        flag
    }

    /// A day: a TOML date, or the same as a text.
    pub fn date(&mut self, table: TomlTable<'_>, key: &str) -> Option<time::Date> {
        let value = table.table.get(key)?;
        let line = self.lines.line(&value.span());
        let parsed = match value.get_ref() {
            DeValue::String(text) => parse_date(text),
            DeValue::Datetime(when) if when.time.is_none() && when.offset.is_none() => {
                parse_date(&when.to_string())
            }
            _ => None,
        };
        if parsed.is_none() {
            self.problem(
                line,
                format!("`{key}` is no day; expected one such as 2027-01-31"),
            );
        }
        parsed
    }

    fn wrong_kind(&mut self, key: &str, wanted: &str, value: &Spanned<DeValue<'_>>, line: usize) {
        let found = value.get_ref().type_str();
        self.problem(line, format!("`{key}` is {wanted}, not of type {found}"));
    }
}

/// A day as `2027-01-31`.
#[must_use]
pub fn parse_date(text: &str) -> Option<time::Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let right = parts.next().is_none() && (year.len(), month.len(), day.len()) == (4, 2, 2);
    let digits = text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
    if !right || !digits {
        return None;
    }
    let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
    time::Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

fn invalid(name: &str, problems: Problems) -> PolicyError {
    PolicyError::Invalid {
        name: name.to_owned(),
        problems,
        looks_like: None,
    }
}
