//! What may come of the macros of a tree, by their names alone.
//!
//! In flow the scans of a tree's files, out flow four facts about each name. A name has a fact if any of its definitions
//! anywhere in the tree shows it, or uses a name that has it: a superset of what an expansion can hold, but for names
//! that a macro pastes together.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::FileScan;
use super::scan::{Define, Essence, hash};
use crate::cpp::MacroTraits;

const UNPAIRED: u8 = 1;
const COUNTS: u8 = 2;
const PLACES: u8 = 4;
const DECLARES: u8 = 8;

/// Words that have a fact by themselves.
const SEEDS: [(&[u8], u8); 5] = [
    (b"__COUNTER__", COUNTS),
    (b"__LINE__", PLACES),
    (b"struct", DECLARES),
    (b"union", DECLARES),
    (b"enum", DECLARES),
];

/// What may come of each macro of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macros {
    /// Facts by hash of the name.
    facts: HashMap<u32, u8>,
}

impl Default for Macros {
    /// Of a tree without macros.
    fn default() -> Macros {
        let facts = SEEDS.iter().map(|(word, fact)| (hash(word), *fact));
        Macros {
            facts: facts.collect(),
        }
    }
}

impl Macros {
    /// Of all definitions of a tree, to a fixpoint. Each round but the last adds a fact; nesting is some ten deep.
    #[must_use]
    pub fn new<'a>(files: impl Iterator<Item = &'a FileScan>) -> Macros {
        let mut macros = Macros::default();
        let mut open: Vec<&Define> = files.flat_map(|scan| &scan.defines).collect();
        loop {
            let mut changed = false;
            for define in &open {
                let facts = macros.of_definition(define);
                if facts != 0 {
                    let known = macros.facts.entry(define.name).or_default();
                    changed |= *known | facts != *known;
                    *known |= facts;
                }
            }
            if !changed {
                return macros;
            }
            // A definition with every fact gives nothing new.
            open.retain(|define| macros.of(define.name) != UNPAIRED | COUNTS | PLACES | DECLARES);
        }
    }

    fn of(&self, name: u32) -> u8 {
        self.facts.get(&name).copied().unwrap_or_default()
    }

    fn of_definition(&self, define: &Define) -> u8 {
        let own = if define.unpaired { UNPAIRED } else { 0 };
        define
            .words
            .iter()
            .fold(own, |facts, word| facts | self.of(*word))
    }

    /// What may come of a word.
    #[must_use]
    pub fn traits(&self, word: &[u8]) -> MacroTraits {
        let facts = self.of(hash(word));
        // The keywords and the compiler's own macros speak for themselves.
        MacroTraits {
            unpaired: facts & UNPAIRED != 0,
            counts: facts & COUNTS != 0,
            places: facts & PLACES != 0,
            declares: facts & DECLARES != 0,
        }
    }

    /// What of a file's scan the facts depend on. Nothing follows for any name when a file's scan becomes another one of
    /// the same essence.
    #[must_use]
    pub fn essence(&self, scan: &FileScan) -> Essence {
        let mut facts: Vec<(u32, u8)> = scan
            .defines
            .iter()
            .map(|define| (define.name, self.of_definition(define)))
            .filter(|(_, facts)| *facts != 0)
            .collect();
        facts.sort_unstable();
        Essence::of(&facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> FileScan {
        FileScan::scan(text.as_bytes())
    }

    /// Facts spread from definitions to the macros that use them, over files and in any order.
    #[test]
    fn facts_spread() {
        let files = [
            scan(
                "#define ONCE(x) ({ ID(tmp) = x; })\n#define BEGIN(x) loop(x) {\n#define PLAIN(x) (x)\n",
            ),
            scan(
                "#define ID(x) PASTE(x, __COUNTER__)\n#define LOOP BEGIN(1)\n#define WARN() at(__LINE__)\n#define END }\n#define T struct t\n#define BAD() )(\n",
            ),
        ];
        let macros = Macros::new(files.iter());
        let none = MacroTraits::default();
        let counts = MacroTraits {
            counts: true,
            ..none
        };
        let unpaired = MacroTraits {
            unpaired: true,
            ..none
        };
        for (name, expected) in [
            ("ONCE", counts),
            ("ID", counts),
            ("PLAIN", none),
            ("BEGIN", unpaired),
            ("LOOP", unpaired),
            ("END", unpaired),
            ("BAD", unpaired),
            (
                "WARN",
                MacroTraits {
                    places: true,
                    ..none
                },
            ),
            (
                "T",
                MacroTraits {
                    declares: true,
                    ..none
                },
            ),
            ("other", none),
        ] {
            assert_eq!(macros.traits(name.as_bytes()), expected, "{name}");
        }
        let old = scan("#define A PLAIN(1)\n");
        let same = |text: &str| macros.essence(&old) == macros.essence(&scan(text));
        assert!(same("#define A PLAIN(2)\n#define B 3\n"));
        assert!(!same("#define A ID(2)\n"));
        assert!(!same("#define A {\n"));
    }
}
