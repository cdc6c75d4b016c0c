//! A plan in the form in which one run keeps it for the next.
//!
//! Units have a hundred arguments each, nearly all of which stand in thousands of calls: a string is stored, and read, once.
//! Whoever writes the form picks an encoding and guards it against damage; a number that names nothing is refused.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::{AsmPrototypes, Language, Plan, Unit};
use crate::cpp::{Call, Word};

/// A plan whose strings are numbers.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredPlan {
    words: Vec<Word>,
    units: Vec<StoredUnit>,
    /// Everything but the units.
    rest: Rest,
}

/// Notes, folders, preparing and entangled folders of a [`Plan`].
type Rest = (
    Vec<String>,
    BTreeSet<String>,
    BTreeSet<String>,
    BTreeSet<String>,
);

#[derive(Debug, Serialize, Deserialize)]
struct StoredUnit {
    object: u32,
    source: u32,
    generated: bool,
    language: Language,
    call: StoredCall,
    module: u32,
    prototypes: Option<(StoredCall, Vec<u32>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredCall {
    program: Vec<u32>,
    args: Vec<u32>,
    source: u32,
    cwd: u32,
}

impl Plan {
    /// What another run can go on from; nothing for paths that are no text.
    #[must_use]
    pub fn stored(&self) -> Option<StoredPlan> {
        let mut numbers = Numbers::default();
        let units = self.units.iter().map(|unit| numbers.unit(unit));
        let units = units.collect::<Option<_>>()?;
        Some(StoredPlan {
            words: numbers.words,
            units,
            rest: (
                self.notes.clone(),
                self.folders.clone(),
                self.preparing.clone(),
                self.entangled.clone(),
            ),
        })
    }

    /// The plan that was stored; nothing if its parts do not fit together.
    #[must_use]
    pub fn restore(stored: StoredPlan) -> Option<Plan> {
        let words = Words(stored.words);
        let units = stored.units.iter().map(|unit| words.unit(unit));
        let units = units.collect::<Option<_>>()?;
        let (notes, folders, preparing, entangled) = stored.rest;
        Some(Plan {
            units,
            notes,
            folders,
            preparing,
            entangled,
        })
    }
}

/// Words in the order of their numbers.
#[derive(Default)]
struct Numbers {
    words: Vec<Word>,
    by_text: HashMap<Word, u32, RandomState>,
    /// Words of calls share their text, so most are known by where it lies.
    by_place: HashMap<*const u8, u32, RandomState>,
}

impl Numbers {
    fn text(&mut self, text: &str) -> Option<u32> {
        match self.by_text.get(text) {
            Some(number) => Some(*number),
            None => self.add(text.into()),
        }
    }

    fn word(&mut self, word: &Word) -> Option<u32> {
        if let Some(number) = self.by_place.get(&word.as_ptr()) {
            return Some(*number);
        }
        let number = match self.by_text.get(word) {
            Some(number) => *number,
            None => self.add(Arc::clone(word))?,
        };
        self.by_place.insert(word.as_ptr(), number);
        Some(number)
    }

    fn add(&mut self, word: Word) -> Option<u32> {
        let number = u32::try_from(self.words.len()).ok()?;
        self.by_text.insert(Arc::clone(&word), number);
        self.words.push(word);
        Some(number)
    }

    fn texts(&mut self, texts: &[String]) -> Option<Vec<u32>> {
        texts.iter().map(|text| self.text(text)).collect()
    }

    fn call(&mut self, call: &Call) -> Option<StoredCall> {
        Some(StoredCall {
            program: self.texts(&call.program)?,
            args: call
                .args
                .iter()
                .map(|word| self.word(word))
                .collect::<Option<_>>()?,
            source: self.text(&call.source)?,
            cwd: self.text(call.cwd.to_str()?)?,
        })
    }

    fn unit(&mut self, unit: &Unit) -> Option<StoredUnit> {
        let prototypes = match &unit.prototypes {
            Some(prototypes) => Some((
                self.call(&prototypes.call)?,
                self.texts(&prototypes.includes)?,
            )),
            None => None,
        };
        Some(StoredUnit {
            object: self.text(&unit.object)?,
            source: self.text(&unit.source)?,
            generated: unit.generated,
            language: unit.language,
            call: self.call(&unit.call)?,
            module: self.text(&unit.module)?,
            prototypes,
        })
    }
}

/// Words by number.
struct Words(Vec<Word>);

impl Words {
    fn word(&self, number: u32) -> Option<&Word> {
        self.0.get(number as usize)
    }

    fn text(&self, number: u32) -> Option<String> {
        Some((**self.word(number)?).to_owned())
    }

    fn texts(&self, numbers: &[u32]) -> Option<Vec<String>> {
        numbers.iter().map(|number| self.text(*number)).collect()
    }

    fn call(&self, call: &StoredCall) -> Option<Call> {
        let args = call.args.iter().map(|number| self.word(*number).cloned());
        Some(Call {
            program: self.texts(&call.program)?,
            args: args.collect::<Option<_>>()?,
            source: self.text(call.source)?,
            cwd: self.text(call.cwd)?.into(),
        })
    }

    fn unit(&self, unit: &StoredUnit) -> Option<Unit> {
        let prototypes = match &unit.prototypes {
            Some((call, includes)) => Some(AsmPrototypes {
                call: self.call(call)?,
                includes: self.texts(includes)?,
            }),
            None => None,
        };
        Some(Unit {
            object: self.text(unit.object)?,
            source: self.text(unit.source)?,
            generated: unit.generated,
            language: unit.language,
            call: self.call(&unit.call)?,
            module: self.text(unit.module)?,
            prototypes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let call = |args: &[&str]| Call {
            program: vec!["ccache".to_owned(), "gcc".to_owned()],
            args: args.iter().map(|&arg| arg.into()).collect(),
            source: "../a.S".to_owned(),
            cwd: "/o".into(),
        };
        let unit = |object: &str, prototypes| Unit {
            object: object.to_owned(),
            source: "a.S".to_owned(),
            generated: true,
            language: Language::Asm,
            call: call(&["-Ia", "-DX", "-Ia"]),
            module: "vmlinux".to_owned(),
            prototypes,
        };
        let prototypes = AsmPrototypes {
            call: call(&["-DX", "-E"]),
            includes: vec!["#include <a.h>".to_owned()],
        };
        Plan {
            units: vec![unit("a.o", Some(prototypes)), unit("b.o", None)],
            notes: vec!["note".to_owned()],
            folders: ["lib".to_owned()].into(),
            preparing: ["scripts".to_owned()].into(),
            entangled: ["fs".to_owned()].into(),
        }
    }

    /// Every field comes back, and each word is stored once.
    #[test]
    fn what_was_stored_comes_back() {
        let stored = plan().stored().unwrap();
        let words: std::collections::HashSet<_> = stored.words.iter().collect();
        assert_eq!(words.len(), stored.words.len());
        let bytes = postcard::to_stdvec(&stored).unwrap();
        let restored = Plan::restore(postcard::from_bytes(&bytes).unwrap()).unwrap();
        assert_eq!(restored, plan());
        let (one, two) = (&restored.units[0].call, &restored.units[1].call);
        assert!(Arc::ptr_eq(&one.args[0], &two.args[0]));
    }

    /// Words that are missing are not made up.
    #[test]
    fn numbers_of_nothing_are_refused() {
        let mut stored = plan().stored().unwrap();
        stored.words.pop();
        assert_eq!(Plan::restore(stored), None);
    }
}
