//! Reader of protected lists: one tolerant grammar for every family that publishes them.
//!
//! A line is a `[section]`, a symbol, a `Module.symvers` line whose symbol counts, a line of `nm -u`, or empty;
//! `#` starts a comment. A section whose name ends in `list` holds protected symbols (`[rhel9_x86_64_stablelist]`,
//! `[abi_symbol_list]`); any other is the name of a driver that uses its symbols (`[intel-ixgbe]`). In Android
//! lists the comment `# required by cfg80211.ko` names the users of the symbols below it.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::error::PolicyError;
use crate::symvers::{
    Crc, Problem, Problems, Symvers, is_kabi_module_folder, looks_like, parse_line, read_file,
    shown, unpack,
};

/// The most bytes that a list may have, packed or unpacked; the largest published one has 300 kB.
const LIST_LIMIT: u64 = 64 << 20;

/// What this reader takes, as [`looks_like`] names it: no hint for the user.
const OWN: [&str; 2] = ["a protected list", "a Module.symvers file"];

/// A symbol of a protected list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The symbol.
    pub symbol: String,
    /// Its line, counted from 1.
    pub line: usize,
    /// The section that holds it, as index into [`ProtectedList::sections`].
    pub section: Option<usize>,
    /// The modules or drivers that need it, as far as the list says, in the order of the list.
    pub consumers: Arc<[String]>,
}

/// A section header of a protected list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The name between the brackets.
    pub name: String,
    /// Its line, counted from 1.
    pub line: usize,
}

impl Section {
    /// Whether the section is a driver's group of symbols and not a protected list.
    #[must_use]
    pub fn is_driver_group(&self) -> bool {
        !self.name.ends_with("list")
    }
}

/// A protected list that was read. Its symbols are protected whatever their section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtectedList {
    /// The file.
    pub name: String,
    /// The symbols in the order of the list. A symbol that several drivers need stands here once for each.
    pub entries: Vec<Entry>,
    /// The section headers in the order of the list.
    pub sections: Vec<Section>,
    /// What is odd but does not change the meaning, in the order of the list.
    pub warnings: Vec<Problem>,
}

impl ProtectedList {
    /// Reads a protected list of any family, plain or packed with gzip, xz or zstd.
    ///
    /// A list without symbols is no error here: [`super::ProtectedSet::check_against`] reports it.
    ///
    /// # Errors
    ///
    /// Data that cannot be unpacked, and all lines that are neither symbol nor section: the first 20 with their
    /// text, then a count.
    pub fn read(bytes: &[u8], name: &str) -> Result<ProtectedList, PolicyError> {
        let text = unpack(bytes, name, LIST_LIMIT)?;
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        if text.trim_ascii_start().first() == Some(&b'{') {
            return super::drivers::read(text, name);
        }
        let mut reader = Reader::default();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            reader.line(line, index.saturating_add(1));
        }
        if reader.problems.is_empty() {
            Ok(reader.finish(name))
        } else {
            Err(PolicyError::Invalid {
                name: name.to_owned(),
                problems: reader.problems,
                looks_like: looks_like(text).filter(|what| !OWN.contains(what)),
            })
        }
    }

    /// Reads a protected list of any family from a file, or Red Hat's folder with a file for each symbol.
    ///
    /// # Errors
    ///
    /// The file cannot be read, and all errors of [`ProtectedList::read`].
    pub fn load(path: &Path) -> Result<ProtectedList, PolicyError> {
        let name = path.display().to_string();
        ProtectedList::read(&list_bytes(path)?, &name)
    }
}

/// The text of a list that lies at a path; of Red Hat's folder with a file for each symbol, the lines in force.
///
/// # Errors
/// If it cannot be read, or a file of the folder is wrong.
pub fn list_bytes(path: &Path) -> Result<Vec<u8>, PolicyError> {
    if is_kabi_module_folder(path) {
        return Ok(Symvers::load_kabi_module(path, None)?.write().into_bytes());
    }
    Ok(read_file(path, LIST_LIMIT)?)
}

/// An entry of a line: the symbol, and its CRC when the line is one of `Module.symvers`.
struct Parsed {
    symbol: String,
    crc: Option<Crc>,
}

/// The first of several equal oddities, and how many there are.
#[derive(Default)]
struct Tally {
    first: Option<(usize, String)>,
    count: usize,
}

impl Tally {
    fn add(&mut self, line: usize, what: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        if self.first.is_none() {
            self.first = Some((line, what()));
        }
    }

    fn warning(self, text: impl FnOnce(usize, &str) -> String) -> Option<Problem> {
        let (line, what) = self.first?;
        Some(Problem {
            line,
            message: text(self.count, &what),
        })
    }
}

#[derive(Default)]
struct Reader {
    list: ProtectedList,
    problems: Problems,
    /// The consumers of the entries that follow, shared because one comment may name many for many entries.
    consumers: Arc<[String]>,
    /// Counts the comments and sections that name consumers; 0 while there are none.
    block: usize,
    /// The first line of each symbol, and its CRC there. Only looked up, never iterated.
    first: HashMap<String, (usize, Option<Crc>)>,
    /// The places of each symbol: section and block. Only looked up, never iterated.
    places: HashSet<(String, Option<usize>, usize)>,
    repeated: Tally,
    drivers: Tally,
}

impl Reader {
    fn line(&mut self, line: &[u8], number: usize) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(line) = std::str::from_utf8(line) else {
            let message = "not UTF-8; expected a symbol or a [section]";
            return self.problems.push(number, message);
        };
        let (text, comment) = match line.split_once('#') {
            Some((text, comment)) => (text.trim(), Some(comment)),
            None => (line.trim(), None),
        };
        if text.is_empty() {
            if let Some(comment) = comment {
                self.set_consumers(required_by(comment), number);
            }
        } else if is_type_line(line) {
            let message = "a line of a symtypes file; expected a symbol or a [section]";
            self.problems.push(number, message);
        } else if let Some(name) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            self.section(name.trim(), number);
        } else {
            match parse(text) {
                Ok(parsed) => self.entry(parsed, number),
                Err(message) => self.problems.push(number, message),
            }
        }
    }

    fn section(&mut self, name: &str, number: usize) {
        if name.is_empty() || name.contains(['[', ']']) || name.contains(char::is_control) {
            let message = format!(
                "`[{}]` is no section header; expected [name], alone on its line",
                shown(name)
            );
            return self.problems.push(number, message);
        }
        let section = Section {
            name: name.to_owned(),
            line: number,
        };
        if section.is_driver_group() {
            self.drivers.add(number, || name.to_owned());
        }
        self.list.sections.push(section);
        self.set_consumers(Vec::new(), number);
    }

    /// Sets who needs the entries that follow: those that a comment names, and the driver of the section.
    fn set_consumers(&mut self, mut names: Vec<String>, number: usize) {
        if let Some(group) = self.list.sections.last().filter(|s| s.is_driver_group()) {
            names.push(group.name.clone());
        }
        self.block = if names.is_empty() { 0 } else { number };
        self.consumers = names.into();
    }

    fn entry(&mut self, parsed: Parsed, number: usize) {
        let section = self.list.sections.len().checked_sub(1);
        match self.first.get(&parsed.symbol) {
            None => {
                let first = (number, parsed.crc);
                self.first.insert(parsed.symbol.clone(), first);
            }
            Some((line, Some(before))) if parsed.crc.is_some_and(|now| now != *before) => {
                let message = format!(
                    "`{}` has CRC {} here and {before} in line {line}; expected one line for each symbol",
                    parsed.symbol,
                    parsed.crc.unwrap_or_default()
                );
                return self.problems.push(number, message);
            }
            Some(_) => {}
        }
        let place = (parsed.symbol.clone(), section, self.block);
        if !self.places.insert(place) {
            let line = self.first.get(&parsed.symbol).map_or(0, |(line, _)| *line);
            let what = || format!("`{}` of line {line}", parsed.symbol);
            return self.repeated.add(number, what);
        }
        self.list.entries.push(Entry {
            symbol: parsed.symbol,
            line: number,
            section,
            consumers: Arc::clone(&self.consumers),
        });
    }

    fn finish(self, name: &str) -> ProtectedList {
        let mut list = self.list;
        name.clone_into(&mut list.name);
        let drivers = self.drivers.warning(|count, what| match count {
            1 => format!("section `{what}` is no `…list` and is read as the symbols of a driver"),
            _ => format!("{count} sections such as `{what}` are no `…list` and are read as the symbols of drivers"),
        });
        let repeated = self.repeated.warning(|count, what| match count {
            1 => format!("entry {what} is repeated"),
            _ => format!("{count} entries are repeated, first {what}"),
        });
        list.warnings.extend(drivers.into_iter().chain(repeated));
        list.warnings.sort();
        list
    }
}

/// The users that an Android comment names; every other comment ends the range of the one before.
fn required_by(comment: &str) -> Vec<String> {
    comment
        .trim()
        .strip_prefix("required by ")
        .map(|names| {
            names
                .split([' ', '\t', ','])
                .filter(|name| !name.is_empty())
                .map(|name| name.strip_suffix(".ko").unwrap_or(name).to_owned())
                .collect()
        })
        .unwrap_or_default()
}

/// Whether the line is one of a symtypes file, which would otherwise read as symbol and remark.
fn is_type_line(line: &str) -> bool {
    let mut chars = line.chars();
    chars.next().is_some_and(|c| "suetEF".contains(c))
        && chars.next() == Some('#')
        && chars.next().is_some_and(|c| !c.is_whitespace())
}

/// Reads the text of a line without its comment.
fn parse(text: &str) -> Result<Parsed, String> {
    if text.starts_with("0x") || text.starts_with("0X") {
        return parse_line(text).map(|export| Parsed {
            symbol: export.symbol.into(),
            crc: Some(export.crc),
        });
    }
    let mut words = text.split_ascii_whitespace();
    let word = match (words.next(), words.next(), words.next()) {
        (Some(word), None, None) => word,
        // A line of `nm -u`: the letter of an undefined or weak symbol and its name.
        (Some("U" | "w" | "v"), Some(word), None) => word,
        _ => {
            return Err(format!(
                "`{}` is more than one word; expected one symbol on a line, and `#` before a remark",
                shown(text)
            ));
        }
    };
    symbol(word).map(|symbol| Parsed { symbol, crc: None })
}

pub(super) fn symbol(word: &str) -> Result<String, String> {
    // Function descriptors of 64-bit PowerPC: the dot is not part of the exported name.
    let name = word.strip_prefix('.').unwrap_or(word);
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '.');
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    if starts && name.chars().all(good) {
        Ok(name.to_owned())
    } else if word.contains('[') && word.ends_with(']') {
        Err(format!(
            "`{}` is a symbol and a section header in one; expected a line feed between them, as when files are joined",
            shown(word)
        ))
    } else if word.contains(['*', '?', '[']) {
        Err(format!(
            "`{}` is a pattern; expected the symbols themselves",
            shown(word)
        ))
    } else {
        Err(format!(
            "`{}` is no symbol; expected letters, digits, `_`, `.` or `$`",
            shown(word)
        ))
    }
}

#[cfg(test)]
mod tests;
