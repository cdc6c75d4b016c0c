//! What one unit contributes to a snapshot.

use serde::{Deserialize, Serialize};

use crate::cpp::ExportSite;
use crate::genksyms::UnitSymbols;
use crate::symtypes::{Definition, Location, TypeKind, TypeName, reference};
use crate::symvers::{Crc, ExportClass};

/// One export of a unit, without the module column, which the plan knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnitExport {
    pub(super) symbol: String,
    /// Zero for an export that the unit does not declare: the kernel leaves such a symbol unversioned.
    pub(super) crc: u32,
    pub(super) gpl: bool,
    pub(super) namespace: String,
}

impl UnitExport {
    pub(super) fn crc(&self) -> Crc {
        Crc(self.crc)
    }

    pub(super) fn class(&self) -> ExportClass {
        if self.gpl {
            ExportClass::Gpl
        } else {
            ExportClass::Plain
        }
    }
}

/// A message of the genksyms parser.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct UnitMessage {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) message: String,
}

/// A definition in the form in which results are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredDefinition {
    name: String,
    is_extern: bool,
    text: String,
    file: Option<String>,
    line: u32,
}

/// Whether a message tells of nothing unusual: every unit meets types that it only declares, and declares the same
/// function in a header and in the source. Both show in the definitions.
fn is_ordinary(message: &str) -> bool {
    message.starts_with("expand undefined ") || message.starts_with("redefinition of ")
}

/// What one unit contributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnitResult {
    pub(super) facts: UnitFacts,
    /// The definitions behind the exports: nearly all of the result's size, and needed only to bring a type graph up to
    /// date.
    pub(super) definitions: Vec<StoredDefinition>,
}

/// Exports and messages of the parser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnitFacts {
    pub(super) exports: Vec<UnitExport>,
    pub(super) messages: Vec<UnitMessage>,
    /// What of the headers the result holds for.
    pub(super) grain: Grain,
    /// The files whose lines count, for [`Grain::SomeLines`]; sorted.
    pub(super) lined: Vec<String>,
}

/// What of the headers that a unit reads its result depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Grain {
    /// Their tokens without comments and bodies. Lines are stored as places in the outlines of headers, as with `Lines`.
    Tokens,
    /// These, and every byte of the files in which a macro asked for the number of a line.
    SomeLines,
    /// Their tokens and, where a macro may ask for it, the number of each line.
    Lines,
    /// Every byte. Lines are stored as they are.
    #[default]
    Bytes,
}

impl Grain {
    /// Every grain, the one that holds longest first.
    pub(super) const ALL: [Grain; 4] =
        [Grain::Tokens, Grain::SomeLines, Grain::Lines, Grain::Bytes];
}

impl UnitResult {
    /// Joins what genksyms computed with what the export sites say.
    ///
    /// A symbol without a site of its own (a tree that writes export keywords in its text) is not expected: the gcc
    /// engine reports every site.
    pub(super) fn new(symbols: &UnitSymbols, sites: &[ExportSite]) -> UnitResult {
        let exports = sites
            .iter()
            .map(|site| UnitExport {
                symbol: site.symbol.clone(),
                crc: symbols
                    .exports
                    .iter()
                    .find(|(symbol, _)| *symbol == site.symbol)
                    .map_or(0, |(_, crc)| crc.0),
                gpl: site.is_gpl_only(),
                namespace: site.namespace.clone(),
            })
            .collect();
        let definitions = symbols
            .definitions
            .iter()
            .map(|definition| StoredDefinition {
                name: definition.name.to_string(),
                is_extern: definition.is_extern,
                text: definition.text.clone(),
                file: definition
                    .location
                    .as_ref()
                    .map(|location| location.file.clone()),
                line: definition
                    .location
                    .as_ref()
                    .map_or(0, |location| location.line),
            })
            .collect();
        let messages = symbols
            .diagnostics
            .iter()
            .filter(|diagnostic| !is_ordinary(&diagnostic.message))
            .map(|diagnostic| UnitMessage {
                file: diagnostic.location.file.clone(),
                line: diagnostic.location.line,
                message: diagnostic.message.clone(),
            })
            .collect();
        UnitResult {
            facts: UnitFacts {
                exports,
                messages,
                grain: Grain::Bytes,
                lined: Vec::new(),
            },
            definitions,
        }
    }

    /// Stores lines as places, if all have one; `lined` are the files in which a line's number may have mattered, none
    /// stands for all.
    pub(super) fn place_lines(
        &mut self,
        lined: Option<Vec<String>>,
        place: impl Fn(&str, u32) -> Option<u32>,
    ) {
        let mut placed = self.clone();
        let definitions = placed
            .definitions
            .iter_mut()
            .filter_map(|definition| Some((definition.file.as_deref()?, &mut definition.line)));
        let messages = placed
            .facts
            .messages
            .iter_mut()
            .map(|message| (message.file.as_str(), &mut message.line));
        for (file, line) in definitions.chain(messages) {
            match place(file, *line) {
                Some(place) => *line = place,
                None => return,
            }
        }
        placed.facts.grain = match &lined {
            Some(lined) if lined.is_empty() => Grain::Tokens,
            Some(_) => Grain::SomeLines,
            None => Grain::Lines,
        };
        placed.facts.lined = lined.unwrap_or_default();
        *self = placed;
    }

    /// Rewrites every file name, so that none holds a path of this machine.
    pub(super) fn map_files(&mut self, map: impl Fn(&str) -> String) {
        for definition in &mut self.definitions {
            definition.file = definition.file.as_deref().map(&map);
        }
        for message in &mut self.facts.messages {
            message.file = map(&message.file);
        }
    }
}

impl UnitFacts {
    /// The line that is stored for a file.
    pub(super) fn line(
        &self,
        file: &str,
        stored: u32,
        line: impl Fn(&str, u32) -> Option<u32>,
    ) -> Option<u32> {
        if self.grain == Grain::Bytes {
            Some(stored)
        } else {
            line(file, stored)
        }
    }

    /// The unit's definitions for a type graph; `line` tells the line of a place.
    pub(super) fn definitions(
        &self,
        stored: &[StoredDefinition],
        line: impl Fn(&str, u32) -> Option<u32>,
    ) -> Vec<Definition> {
        stored
            .iter()
            .map(|stored| Definition {
                name: reference(&stored.name).unwrap_or_else(|| TypeName {
                    kind: TypeKind::Symbol,
                    name: stored.name.clone(),
                }),
                is_extern: stored.is_extern,
                text: stored.text.clone(),
                location: stored.file.clone().and_then(|file| {
                    Some(Location {
                        line: self.line(&file, stored.line, &line)?,
                        file,
                    })
                }),
            })
            .collect()
    }
}
