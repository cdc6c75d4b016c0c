//! Writes a graph in the forms that [`super`] reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use super::consolidated::opaque_text;
use super::graph::{Record, Stored};
use super::line::NIL;
use super::{NameId, TextId, TypeGraph, TypeKind, UnitTypes};

impl TypeGraph {
    /// Writes the graph as a consolidated symtypes file: sections by path, in a section types and then exports by name.
    #[must_use]
    pub fn to_consolidated(&self) -> String {
        if let Some(text) = self.as_its_file() {
            return text;
        }
        let mut out = String::new();
        let mut last: HashMap<NameId, (TextId, bool)> = HashMap::new();
        for (path, unit) in self.units() {
            let mut written: Vec<Record> = self.records(unit);
            written.retain(|record| {
                if self.kind(record.name) == TypeKind::Symbol || self.is_opaque_record(record) {
                    return true;
                }
                let text = (record.text, record.is_extern);
                last.insert(record.name, text) != Some(text)
            });
            self.write_section(&mut out, path, written);
        }
        out
    }

    /// What a file's sections hold, as it is, if a writer would write the same.
    fn as_its_file(&self) -> Option<String> {
        if !self.sections.canonical || self.sections.len() != self.units().len() {
            return None;
        }
        let mut out = String::new();
        for (path, unit) in self.units() {
            let Stored::Section(section) = &unit.0 else {
                return None;
            };
            let records = self.sections.written(*section);
            self.write_section(&mut out, path, records.collect());
        }
        Some(out)
    }

    fn write_section(&self, out: &mut String, path: &str, mut records: Vec<Record>) {
        records.sort_unstable_by_key(|record| {
            let is_symbol = self.kind(record.name) == TypeKind::Symbol;
            (is_symbol, self.key(record.name))
        });
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "/* {path}.symtypes */");
        for record in records {
            let name = self.name(record.name);
            match name.kind.tag() {
                Some(tag) if self.is_opaque_record(&record) => {
                    let name = name.to_string();
                    let _ = writeln!(out, "{tag}##{}", name.get(2..).unwrap_or_default());
                }
                _ => self.write_record(out, &name.to_string(), &record),
            }
        }
    }

    fn write_record(&self, out: &mut String, name: &str, record: &Record) {
        out.push_str(name);
        if record.is_extern {
            out.push_str(" extern");
        }
        out.push(' ');
        match self.text(record.text) {
            "" => out.push_str(NIL),
            text => out.push_str(text),
        }
        out.push('\n');
    }

    /// A record without the end of its line.
    fn line(&self, name: &str, record: &Record) -> String {
        let mut line = String::new();
        self.write_record(&mut line, name, record);
        line.pop();
        line
    }

    fn is_opaque_record(&self, record: &Record) -> bool {
        let text = self.text(record.text);
        text.ends_with("{ UNKNOWN }")
            && !record.is_extern
            && opaque_text(self.name(record.name)).as_deref() == Some(text)
    }

    /// Writes one unit as genksyms does with `-T`, types and then exports by name: each definition in full.
    #[must_use]
    pub fn to_object(&self, unit: &UnitTypes) -> String {
        let mut records = self.records(unit);
        records.sort_unstable_by_key(|record| {
            let is_symbol = self.kind(record.name) == TypeKind::Symbol;
            (is_symbol, self.key(record.name))
        });
        let mut out = String::new();
        for record in &records {
            self.write_record(&mut out, &self.name(record.name).to_string(), record);
        }
        out
    }

    /// Writes the graph in the combined form: all definitions by name, each text of an ambiguous name with the CRC-32 of
    /// its record behind the name, then what each unit exports and which of the ambiguous texts it saw.
    #[must_use]
    pub fn to_combined(&self) -> String {
        let mut variants: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut seen: Vec<(&str, Vec<Record>)> = Vec::new();
        for (path, unit) in self.units() {
            let records = self.records(unit);
            for record in &records {
                let name = self.name(record.name).to_string();
                let line = self.line(&name, record);
                variants
                    .entry(name)
                    .or_default()
                    .insert(suffix(&line), line);
            }
            seen.push((path, records));
        }
        let mut out = String::new();
        for (name, texts) in &variants {
            for (suffix, line) in texts {
                if texts.len() == 1 {
                    let _ = writeln!(out, "{line}");
                } else {
                    let text = line.get(name.len()..).unwrap_or_default();
                    let _ = writeln!(out, "{name}@{suffix}{text}");
                }
            }
        }
        for (path, records) in seen {
            let mut words = BTreeSet::new();
            for record in &records {
                let name = self.name(record.name).to_string();
                let ambiguous = variants.get(&name).is_some_and(|texts| texts.len() > 1);
                if ambiguous {
                    words.insert(format!("{name}@{}", suffix(&self.line(&name, record))));
                } else if self.kind(record.name) == TypeKind::Symbol {
                    words.insert(name);
                }
            }
            let words: Vec<String> = words.into_iter().collect();
            let _ = writeln!(out, "F#{path}.symtypes {}", words.join(" "));
        }
        out
    }
}

/// What tells the texts of one name apart: CRC-32 of the record.
pub(super) fn suffix(line: &str) -> String {
    format!("{:08x}", crc32fast::hash(line.as_bytes()))
}
