//! The consolidated symtypes file: the types of all units, each text written where it first differs.
//!
//! ```text
//! /* net/core/skbuff.symtypes */
//! s##opaque                              only declared in this unit
//! s#queue struct queue { int depth ; }   its text from here on, until another section gives another one
//! q_init int q_init ( s#queue * )        an export of this unit
//! ```
//!
//! A reader resolves what an export refers to in three steps: a type that its section marks as opaque, a record of the
//! section, the last record of that name in the file so far. The grammar is SUSE's (`kabi/<arch>/symtypes-<flavor>`).
//! Its older dialect has sections of objects (`/* path.o */`), trailing blanks, and names alone on a line for
//! definitions that stand before them.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::collect::{Collector, Scope};
use super::line::{Line, parse};
use super::{Name, NameId, SymtypesError, TextId, TypeGraph};

/// How both dialects begin a section.
const OPENING: &str = "/* ";

/// Whether the text is a consolidated symtypes file, judged by its first line.
pub(super) fn is_consolidated(text: &str) -> bool {
    text.trim_start_matches(['\n', '\r', ' '])
        .starts_with(OPENING)
}

impl TypeGraph {
    /// Reads a consolidated symtypes file; `name` names it in errors.
    ///
    /// # Errors
    /// If a line is no record, a name stands twice in a section, or a reference has no record.
    pub fn from_consolidated(bytes: &[u8], name: &str) -> Result<TypeGraph, SymtypesError> {
        TypeGraph::default().consolidated(bytes, name)
    }

    /// As [`TypeGraph::from_consolidated`], into this graph, which has no units.
    ///
    /// # Errors
    /// As there.
    pub fn consolidated(mut self, bytes: &[u8], name: &str) -> Result<TypeGraph, SymtypesError> {
        self.expect(bytes.len());
        let mut reader = Reader {
            collector: Collector::new(self),
            opaque: HashMap::default(),
            older: false,
            sections: 0,
        };
        let lines = memchr::memchr_iter(b'\n', bytes).count();
        reader.collector.expect(lines);
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let mut rest = text;
                let mut number = 0;
                while !rest.is_empty() {
                    number += 1;
                    let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
                    reader.line(number, &rest[..end]);
                    rest = rest.get(end + 1..).unwrap_or_default();
                }
            }
            Err(_) => reader.not_text(bytes),
        }
        if reader.sections == 0 {
            reader
                .collector
                .problems
                .push(1, "no section; expected a line `/* path.symtypes */`");
        }
        reader.collector.finish(name)
    }
}

struct Reader<'a> {
    collector: Collector,
    /// The lines of types that are only declared: a kernel has some 300,000 of them, and 3,000 different ones.
    opaque: HashMap<&'a str, (NameId, TextId), RandomState>,
    /// Whether the open section is one of the older dialect.
    older: bool,
    sections: usize,
}

impl<'a> Reader<'a> {
    /// Names the lines that are not UTF-8; the others may still be wrong, which the next run tells.
    fn not_text(&mut self, bytes: &[u8]) {
        for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if std::str::from_utf8(line).is_err() {
                self.collector.problems.push(at + 1, "not UTF-8");
            }
        }
        self.sections = 1;
    }

    fn line(&mut self, number: usize, line: &'a str) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(&(name, text)) = self.known_opaque(line) {
            self.collector.known(name, text, false, Scope::Here, number);
        } else if let Some(path) = line
            .strip_prefix(OPENING)
            .and_then(|rest| rest.strip_suffix(" */"))
        {
            self.open(number, path);
        } else if !line.trim_ascii().is_empty() {
            self.record(number, line);
        }
    }

    fn known_opaque(&self, line: &str) -> Option<&(NameId, TextId)> {
        let may_be = line.as_bytes().get(1..3) == Some(b"##");
        may_be.then(|| self.opaque.get(line)).flatten()
    }

    fn open(&mut self, number: usize, path: &str) {
        let unit = path
            .strip_suffix(".symtypes")
            .map(|unit| (unit, false))
            .or_else(|| path.strip_suffix(".o").map(|unit| (unit, true)));
        let Some((unit, older)) = unit.filter(|(unit, _)| !unit.is_empty()) else {
            return self.collector.problems.push(
                number,
                "section is no symtypes file; expected `/* path.symtypes */`",
            );
        };
        self.sections += 1;
        self.older = older;
        self.collector.open(unit, number);
    }

    fn record(&mut self, number: usize, line: &'a str) {
        match parse(line) {
            Ok(Line::Record {
                name,
                text,
                is_extern,
            }) => self
                .collector
                .record(name, text, is_extern, Scope::Onward, number),
            Ok(Line::Opaque(name)) => {
                let (name, text) = self.collector.opaque(name);
                self.opaque.insert(line, (name, text));
                self.collector.known(name, text, false, Scope::Here, number);
            }
            Ok(Line::Bare(name)) if self.older => self.collector.bare(name, number),
            Ok(Line::Bare(name)) => self.collector.problems.push(
                number,
                format!("record {name} has no text; expected `name tokens`"),
            ),
            Err(what) => self.collector.problems.push(number, what),
        }
    }
}

/// Text of a tagged type that is declared and never defined.
pub(super) fn opaque_text(name: Name<'_>) -> Option<String> {
    let keyword = name.kind.keyword()?;
    Some(if name.name.contains(' ') {
        format!("{keyword} '{}' {{ UNKNOWN }}", name.name)
    } else {
        format!("{keyword} {} {{ UNKNOWN }}", name.name)
    })
}

#[cfg(test)]
#[path = "consolidated_tests.rs"]
mod tests;
