//! The combined form, as Oracle and others ship it (`Symtypes.build`): all definitions once, then a line a unit.
//!
//! ```text
//! s#queue@3b2217d1 struct queue { UNKNOWN }
//! s#queue@7201572a struct queue { int depth ; }
//! q_depth int q_depth ( s#queue * )
//! F#a.symtypes q_depth s#queue@3b2217d1
//! ```
//!
//! Only a name that has several texts carries a suffix, the CRC-32 of its record with the plain name. A unit's line
//! names its exports and, for such names, which text the unit saw.

use std::collections::BTreeMap;

use super::collect::{Collector, Scope};
use super::line::{Line, parse, single_blanks};
use super::write::suffix;
use super::{Name, NameId, SymtypesError, TextId, TypeGraph, TypeKind};

/// How the line of a unit begins.
const UNIT: &str = "F#";

/// Whether the text is in the combined form, judged by its last line.
pub(super) fn is_combined(text: &str) -> bool {
    text.trim_end()
        .rsplit('\n')
        .next()
        .is_some_and(|line| line.starts_with(UNIT))
}

#[derive(Clone, Copy)]
struct Text {
    text: TextId,
    is_extern: bool,
}

#[derive(Default)]
struct Reader<'a> {
    collector: Collector,
    /// Names with one text.
    plain: BTreeMap<NameId, Text>,
    /// Names with several, by suffix.
    several: BTreeMap<NameId, BTreeMap<&'a str, Text>>,
    /// The lines of units: number, path, words.
    units: Vec<(usize, &'a str, Vec<&'a str>)>,
}

impl TypeGraph {
    /// Reads symtypes in the combined form; `name` names the file in errors.
    ///
    /// # Errors
    /// If a line is no record, a suffix is not that of its text, a unit uses a name of several texts without saying
    /// which, or a reference has no record.
    pub fn from_combined(bytes: &[u8], name: &str) -> Result<TypeGraph, SymtypesError> {
        TypeGraph::default().combined(bytes, name)
    }

    /// As [`TypeGraph::from_combined`], into this graph, which has no units.
    pub(super) fn combined(self, bytes: &[u8], name: &str) -> Result<TypeGraph, SymtypesError> {
        let mut reader = Reader {
            collector: Collector::new(self),
            ..Reader::default()
        };
        for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            match std::str::from_utf8(line) {
                Ok(line) => reader.line(at + 1, line.strip_suffix('\r').unwrap_or(line)),
                Err(_) => reader.collector.problems.push(at + 1, "not UTF-8"),
            }
        }
        if reader.units.is_empty() {
            reader
                .collector
                .problems
                .push(0, "no unit; expected lines `F#path.symtypes symbol ...`");
        }
        if reader.collector.problems.is_empty() {
            reader.resolve();
        }
        reader.collector.finish(name)
    }
}

impl<'a> Reader<'a> {
    fn line(&mut self, number: usize, line: &'a str) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match line.strip_prefix(UNIT) {
            Some(rest) => self.unit(number, rest),
            None => self.record(number, line),
        }
    }

    fn unit(&mut self, number: usize, rest: &'a str) {
        let mut words = super::tokens(rest);
        let path = words.next().unwrap_or_default();
        let path = path
            .strip_suffix(".symtypes")
            .or_else(|| path.strip_suffix(".o"))
            .unwrap_or(path);
        if path.is_empty() {
            let message = "unit without path; expected `F#path.symtypes symbol ...`";
            return self.collector.problems.push(number, message);
        }
        self.units.push((number, path, words.collect()));
    }

    fn record(&mut self, number: usize, line: &'a str) {
        let (line, choice) = match choice(line) {
            Some((before, choice, after)) => (format!("{before}{after}"), Some(choice)),
            None => (line.to_owned(), None),
        };
        let parsed = match parse(&line) {
            Ok(Line::Record {
                name,
                text,
                is_extern,
            }) => (name, text, is_extern),
            Ok(_) => {
                let message = "record without text; expected `name tokens`";
                return self.collector.problems.push(number, message);
            }
            Err(what) => return self.collector.problems.push(number, what),
        };
        let (name, text, is_extern) = parsed;
        if let Some(choice) = choice
            && suffix(line.trim_end_matches(' ')) != choice
        {
            let message = format!("the text of {name} is not the one that @{choice} stands for");
            return self.collector.problems.push(number, message);
        }
        let id = self.collector.graph.intern_name(name);
        let text = Text {
            text: self.collector.graph.intern_text(&single_blanks(text)),
            is_extern,
        };
        let before = match choice {
            Some(choice) => self.several.entry(id).or_default().insert(choice, text),
            None => self.plain.insert(id, text),
        };
        if before.is_some() || (self.plain.contains_key(&id) && self.several.contains_key(&id)) {
            let message = format!("second record of {name}; expected `name@crc` for each text");
            self.collector.problems.push(number, message);
        }
    }

    /// Makes a section of each unit. A plain definition stands in the first section that reaches it.
    fn resolve(&mut self) {
        self.collector.checked = true;
        let units = std::mem::take(&mut self.units);
        for (number, path, words) in units {
            self.collector.open(path, number);
            let mut chosen: BTreeMap<NameId, Text> = BTreeMap::new();
            let mut open = Vec::new();
            for word in words {
                match self.word(word) {
                    Ok((id, text)) => {
                        chosen.insert(id, text);
                        if self.collector.graph.kind(id) == TypeKind::Symbol {
                            open.push(id);
                        }
                    }
                    Err(what) => self.collector.problems.push(number, what),
                }
            }
            self.reach(number, open, &chosen);
        }
    }

    /// The name and text that a word of a unit's line stands for.
    fn word(&self, word: &str) -> Result<(NameId, Text), String> {
        let (name, choice) = match choice(word) {
            Some((name, choice, "")) => (name, Some(choice)),
            _ => (word, None),
        };
        let unknown = || format!("{} has no record", crate::symvers::shown(word));
        let id = self
            .collector
            .graph
            .id_of(Name::of_token(name).unwrap_or(Name {
                kind: TypeKind::Symbol,
                name,
            }))
            .ok_or_else(unknown)?;
        let text = match choice {
            Some(choice) => self.several.get(&id).and_then(|texts| texts.get(choice)),
            None => self.plain.get(&id),
        };
        Ok((id, *text.ok_or_else(unknown)?))
    }

    fn reach(&mut self, number: usize, mut open: Vec<NameId>, chosen: &BTreeMap<NameId, Text>) {
        let mut met = std::collections::HashSet::new();
        while let Some(id) = open.pop() {
            if !met.insert(id) {
                continue;
            }
            let Some(text) = chosen.get(&id).or_else(|| self.plain.get(&id)).copied() else {
                let name = self.collector.graph.name(id);
                let message = if self.several.contains_key(&id) {
                    format!("the unit does not say which text of {name} it saw")
                } else {
                    format!("type {name} is not known")
                };
                self.collector.problems.push(number, message);
                continue;
            };
            let scope = if self.several.contains_key(&id) {
                Scope::Here
            } else {
                Scope::Onward
            };
            self.collector
                .known(id, text.text, text.is_extern, scope, number);
            open.extend(self.collector.graph.references(text.text));
        }
    }
}

/// Cuts `name@crc rest` into its three parts; none if there is no suffix of eight digits behind the name.
fn choice(line: &str) -> Option<(&str, &str, &str)> {
    let end = line.find(' ').unwrap_or(line.len());
    // A quoted name may hold a blank, so the suffix stands behind its closing quote.
    let end = match line.get(2..3) {
        Some("'") => line
            .get(3..)?
            .find('\'')
            .map(|at| at + 4)
            .map(|close| line[close..].find(' ').map_or(line.len(), |at| close + at))?,
        _ => end,
    };
    let (before, after) = line.split_at(end);
    let (name, digits) = before.rsplit_once('@')?;
    let is_crc = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_crc.then_some((name, digits, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: &str = "\
/* a.symtypes */
s##queue
q_depth int q_depth ( s#queue * )

/* b.symtypes */
s#queue struct queue { int depth ; }
t#u32 typedef unsigned int u32
q_init int q_init ( s#queue * , t#u32 )

/* c.symtypes */
q_exit void q_exit ( s#queue * )
";

    /// The combined form says the same as the consolidated one, also after it was read back.
    #[test]
    fn combined_and_back() {
        let graph = TypeGraph::from_consolidated(UNITS.as_bytes(), "x").unwrap();
        let combined = graph.to_combined();
        assert!(
            combined.contains("\nF#a.symtypes q_depth s#queue@"),
            "{combined}"
        );
        let again = TypeGraph::from_combined(combined.as_bytes(), "x").unwrap();
        assert_eq!(again.to_combined(), combined);
        for symbol in ["q_depth", "q_init", "q_exit"] {
            assert_eq!(again.crc(symbol), graph.crc(symbol), "{symbol}");
        }
    }

    /// How many blanks stand between two tokens says nothing.
    #[test]
    fn blanks_do_not_count() {
        let input = "f  int f  (  void ) \nF#a.symtypes f\n";
        let graph = TypeGraph::from_combined(input.as_bytes(), "x").unwrap();
        assert_eq!(
            graph.to_consolidated(),
            "/* a.symtypes */\nf int f ( void )\n"
        );
    }

    /// Each contradiction is told with its line.
    #[test]
    fn rejected_inputs() {
        for (input, message) in [
            (
                "s#q struct q { }\n",
                "x: no unit; expected lines `F#path.symtypes symbol ...`",
            ),
            (
                "s#q@00000000 struct q { }\nF#a.symtypes\n",
                "x:1: the text of s#q is not the one that @00000000 stands for",
            ),
            (
                "f int f ( s#q )\nF#a.symtypes f\n",
                "x:2: type s#q is not known",
            ),
            ("F#a.symtypes f\n", "x:1: f has no record"),
        ] {
            let error = TypeGraph::from_combined(input.as_bytes(), "x").unwrap_err();
            assert_eq!(error.to_string(), message, "{input:?}");
        }
    }

    /// A name of several texts must be chosen by each unit that uses it.
    #[test]
    fn ambiguous_names_are_chosen() {
        let graph = TypeGraph::from_consolidated(UNITS.as_bytes(), "x").unwrap();
        let combined = graph.to_combined();
        let at = combined.find("F#c.symtypes").unwrap();
        let text = format!("{}F#c.symtypes q_exit\n", &combined[..at]);
        let error = TypeGraph::from_combined(text.as_bytes(), "x").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("the unit does not say which text of s#queue it saw"),
            "{error}"
        );
    }
}
