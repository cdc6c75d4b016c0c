//! The protected symbols of all lists together, and whether they fit a kernel.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;

use smol_str::SmolStr;

use super::arch;
use super::list::ProtectedList;
use crate::symvers::{ExportClass, Symvers, shown};

/// Where a protected symbol comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The list's file.
    pub list: String,
    /// The line of the entry, counted from 1; 0 for the imports of a module.
    pub line: usize,
    /// The section or driver group that holds it.
    pub section: Option<String>,
    /// The modules or drivers that need it, as far as the list says.
    pub consumers: Arc<[String]>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.list)?;
        match self.line {
            0 => Ok(()),
            line => write!(f, ":{line}"),
        }
    }
}

/// A section header of one of the lists.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    list: String,
    line: usize,
    name: String,
}

/// The union of protected lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtectedSet {
    symbols: BTreeMap<SmolStr, Vec<Origin>>,
    headers: Vec<Header>,
    /// The lists in the order in which they were added, with the number of their entries.
    lists: Vec<(String, usize)>,
}

impl ProtectedSet {
    /// The union of the lists.
    #[must_use]
    pub fn union(lists: impl IntoIterator<Item = ProtectedList>) -> ProtectedSet {
        let mut set = ProtectedSet::default();
        for list in lists {
            set.add(list);
        }
        set
    }

    /// Protects every export of a kernel; `name` stands for the list in reports.
    #[must_use]
    pub fn every_export(symvers: &Symvers, name: &str) -> ProtectedSet {
        ProtectedSet {
            symbols: symvers
                .iter()
                .map(|export| (export.symbol.clone(), Vec::new()))
                .collect(),
            headers: Vec::new(),
            lists: vec![(name.to_owned(), symvers.len())],
        }
    }

    /// Adds the symbols of a list.
    pub fn add(&mut self, list: ProtectedList) {
        let ProtectedList {
            name,
            entries,
            sections,
            ..
        } = list;
        self.lists.push((name.clone(), entries.len()));
        for entry in entries {
            let section = entry.section.and_then(|index| sections.get(index));
            self.symbols
                .entry(entry.symbol.into())
                .or_default()
                .push(Origin {
                    list: name.clone(),
                    line: entry.line,
                    section: section.map(|section| section.name.clone()),
                    consumers: entry.consumers,
                });
        }
        self.headers
            .extend(sections.into_iter().map(|section| Header {
                list: name.clone(),
                line: section.line,
                name: section.name,
            }));
    }

    /// Adds the symbols that a module imports; the module is the list.
    pub fn add_imports(&mut self, module: &str, symbols: Vec<String>) {
        let name = format!("imports of {module}");
        let consumers: Arc<[String]> = [module.to_owned()].into();
        self.lists.push((name.clone(), symbols.len()));
        for symbol in symbols {
            self.symbols.entry(symbol.into()).or_default().push(Origin {
                list: name.clone(),
                line: 0,
                section: None,
                consumers: Arc::clone(&consumers),
            });
        }
    }

    /// Whether the symbol is protected.
    #[must_use]
    pub fn contains(&self, symbol: &str) -> bool {
        self.symbols.contains_key(symbol)
    }

    /// Where the symbol is listed, in the order of the lists; empty if it is not protected.
    #[must_use]
    pub fn origins(&self, symbol: &str) -> &[Origin] {
        self.entry(symbol).unwrap_or_default()
    }

    /// As [`ProtectedSet::origins`]; none if it is not protected.
    #[must_use]
    pub fn entry(&self, symbol: &str) -> Option<&[Origin]> {
        self.symbols.get(symbol).map(Vec::as_slice)
    }

    /// Finds symbols that are asked for in bytewise order, each by a step and not by a search.
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        Walk(self.symbols.iter().peekable())
    }

    /// The modules and drivers that need the symbol according to the lists, sorted.
    #[must_use]
    pub fn consumers(&self, symbol: &str) -> BTreeSet<&str> {
        self.origins(symbol)
            .iter()
            .flat_map(|origin| origin.consumers.iter().map(String::as_str))
            .collect()
    }

    /// The protected symbols, in bytewise order.
    pub fn symbols(&self) -> impl ExactSizeIterator<Item = &str> {
        self.symbols.keys().map(SmolStr::as_str)
    }

    /// The lists in the order in which they were added, with the number of entries of each.
    #[must_use]
    pub fn lists(&self) -> &[(String, usize)] {
        &self.lists
    }

    /// How many symbols are protected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether no symbol is protected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Finds what keeps the set from protecting the kernel with these exports.
    ///
    /// `arch` is the kernel's architecture in any usual spelling; headers are not compared when it is empty.
    /// Each finding but [`ListFinding::NotExported`] means that the check cannot be made. What is found comes
    /// in the order: no list, empty lists, sections of other architectures, symbols in bytewise order.
    #[must_use]
    pub fn check_against(&self, symvers: &Symvers, arch: &str) -> Vec<ListFinding> {
        let mut findings = Vec::new();
        if self.lists.is_empty() {
            findings.push(ListFinding::Empty { list: None });
        }
        let empty = self.lists.iter().filter(|(_, entries)| *entries == 0);
        findings.extend(empty.map(|(list, _)| ListFinding::Empty {
            list: Some(list.clone()),
        }));
        findings.extend(self.headers.iter().filter_map(|h| mismatch(h, arch)));
        for (symbol, origins) in &self.symbols {
            findings.extend(check_symbol(symbol, origins, symvers));
        }
        findings
    }
}

/// A walk through the protected symbols.
#[derive(Debug)]
pub struct Walk<'a>(Peekable<btree_map::Iter<'a, SmolStr, Vec<Origin>>>);

impl<'a> Walk<'a> {
    /// As [`ProtectedSet::entry`], of a symbol that does not stand before one that was asked for.
    pub fn entry(&mut self, symbol: &str) -> Option<&'a [Origin]> {
        loop {
            let (name, origins) = self.0.peek()?;
            match name.as_str().cmp(symbol) {
                Ordering::Less => self.0.next(),
                Ordering::Equal => return Some(origins.as_slice()),
                Ordering::Greater => return None,
            };
        }
    }
}

fn mismatch(header: &Header, arch: &str) -> Option<ListFinding> {
    let of_list = arch::of_section(&header.name)?;
    (!arch.is_empty() && !arch::agree(of_list, arch)).then(|| ListFinding::Mismatch {
        list: header.list.clone(),
        line: header.line,
        section: header.name.clone(),
        list_arch: of_list.to_owned(),
        arch: arch.to_owned(),
    })
}

fn check_symbol(symbol: &str, origins: &[Origin], symvers: &Symvers) -> Option<ListFinding> {
    let origin = origins.first()?.clone();
    let symbol = symbol.to_owned();
    match symvers.get(&symbol).map(|export| &export.class) {
        None => Some(ListFinding::NotExported { symbol, origin }),
        Some(ExportClass::Other(word)) => Some(ListFinding::UnknownExportType {
            symbol,
            origin,
            word: word.clone(),
        }),
        Some(_) => None,
    }
}

/// Why a protected list does not protect a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListFinding {
    /// A list selects no symbol, or there is no list: nothing would be checked.
    Empty {
        /// The list, unless none was given at all.
        list: Option<String>,
    },
    /// A section is meant for another architecture.
    Mismatch {
        /// The list.
        list: String,
        /// The line of the header.
        line: usize,
        /// The header's name.
        section: String,
        /// The architecture that the header names.
        list_arch: String,
        /// The kernel's architecture.
        arch: String,
    },
    /// A listed symbol that the kernel does not export: its entry can never fail.
    NotExported {
        /// The symbol.
        symbol: String,
        /// The first entry that lists it.
        origin: Origin,
    },
    /// A listed symbol whose export type is not known, so that its changes cannot be judged.
    UnknownExportType {
        /// The symbol.
        symbol: String,
        /// The first entry that lists it.
        origin: Origin,
        /// The word of the export column.
        word: String,
    },
}

impl ListFinding {
    /// The reason code of the report.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ListFinding::Empty { .. } => "list-empty",
            ListFinding::Mismatch { .. } => "list-mismatch",
            ListFinding::NotExported { .. } => "list-not-exported",
            ListFinding::UnknownExportType { .. } => "list-export-type-unknown",
        }
    }

    /// Whether the user may lower the finding to a warning by saying that symbols may be missing.
    #[must_use]
    pub fn is_missing_symbol(&self) -> bool {
        matches!(self, ListFinding::NotExported { .. })
    }
}

impl fmt::Display for ListFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListFinding::Empty { list: None } => f.write_str(
                "no protected list is given; name one that lists the symbols to protect",
            ),
            ListFinding::Empty { list: Some(list) } => write!(
                f,
                "{list}: the list selects no symbol, so nothing would be checked; \
                 add symbols or leave the list out"
            ),
            ListFinding::Mismatch {
                list,
                line,
                section,
                list_arch,
                arch,
            } => write!(
                f,
                "{list}:{line}: section `{section}` is for {list_arch}, the kernel is for {arch}; \
                 name the list of that architecture"
            ),
            ListFinding::NotExported { symbol, origin } => write!(
                f,
                "{origin}: `{symbol}` is listed but the kernel does not export it; \
                 correct or remove the entry, or allow missing symbols"
            ),
            ListFinding::UnknownExportType {
                symbol,
                origin,
                word,
            } => write!(
                f,
                "{origin}: `{symbol}` has the export type `{}`, which is not known; \
                 its changes cannot be judged",
                shown(word)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symvers(symbols: &[&str]) -> Symvers {
        let text: String = symbols
            .iter()
            .map(|s| format!("0x1\t{s}\tvmlinux\tEXPORT_SYMBOL\t\n"))
            .collect();
        Symvers::read(text.as_bytes(), "m").expect("reads").symvers
    }

    fn set(text: &str) -> ProtectedSet {
        ProtectedSet::union([ProtectedList::read(text.as_bytes(), "list").expect("reads")])
    }

    /// A listed symbol matches the export of exactly that name; a longer name does not count.
    #[test]
    fn names_match_whole() {
        let findings = set("foo\nbar\n").check_against(&symvers(&["foobar", "bar"]), "x86_64");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].is_missing_symbol());
        assert_eq!(
            findings[0].to_string(),
            "list:1: `foo` is listed but the kernel does not export it; \
             correct or remove the entry, or allow missing symbols"
        );
    }

    /// No list, an empty one, and an empty one among others are each told.
    #[test]
    fn nothing_selected_is_told() {
        let kernel = symvers(&["foo"]);
        let codes = |set: &ProtectedSet| {
            let findings = set.check_against(&kernel, "x86_64");
            findings.iter().map(ListFinding::code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&ProtectedSet::default()), ["list-empty"]);
        assert_eq!(codes(&set("[rhel9_x86_64_stablelist]\n")), ["list-empty"]);
        let mut both = set("foo\n");
        assert_eq!(codes(&both), [""; 0]);
        both.add(ProtectedList::read(b"# none\n", "other").expect("reads"));
        assert_eq!(codes(&both), ["list-empty"]);
    }

    /// A list for another architecture is told, also when its symbols exist here.
    #[test]
    fn another_architecture_is_told() {
        let list = set("[rhel9_x86_64_stablelist]\n\tfoo\n");
        let kernel = symvers(&["foo"]);
        assert_eq!(list.check_against(&kernel, "x86_64"), []);
        assert_eq!(list.check_against(&kernel, "x86"), []);
        let findings = list.check_against(&kernel, "aarch64");
        assert_eq!(findings[0].code(), "list-mismatch");
        assert_eq!(
            findings[0].to_string(),
            "list:1: section `rhel9_x86_64_stablelist` is for x86_64, the kernel is for aarch64; \
             name the list of that architecture"
        );
    }

    /// The union keeps every place that lists a symbol, and collects its consumers.
    #[test]
    fn the_union_remembers_origins() {
        let mut all = set("foo\n");
        let drivers = "[intel-ixgbe]\n\tfoo\n\tbar\n[aqc111u-module]\n\tfoo\n";
        all.add(ProtectedList::read(drivers.as_bytes(), "drivers").expect("reads"));
        assert_eq!(all.len(), 2);
        let lines: Vec<_> = all.origins("foo").iter().map(|o| o.line).collect();
        assert_eq!(lines, [1, 2, 5]);
        assert_eq!(
            all.consumers("foo").into_iter().collect::<Vec<_>>(),
            ["aqc111u-module", "intel-ixgbe"]
        );
        assert!(all.origins("foobar").is_empty() && !all.contains("foobar"));
        assert_eq!(all.symbols().collect::<Vec<_>>(), ["bar", "foo"]);
    }

    /// A protected symbol with an export type nobody knows cannot be judged.
    #[test]
    fn an_unknown_export_type_is_told() {
        let kernel =
            Symvers::read(b"0x1\tfoo\tvmlinux\tEXPORT_SYMBOL_NEW\t\n", "m").expect("reads");
        let findings = set("foo\n").check_against(&kernel.symvers, "");
        assert_eq!(findings[0].code(), "list-export-type-unknown");
    }
}
