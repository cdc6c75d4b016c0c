//! Exports and definitions of single units: from the cache where their call and files are known, else computed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::UnitFailure;
use super::cache::{Key, UnitCache};
use super::state::{FileName, FileStates, Places};
use super::unit::{Grain, StoredDefinition, UnitFacts, UnitResult};
use crate::cpp::{Call, CppError, ExportSite, Input, LineUses, Preprocessor, Read};
use crate::genksyms::{Memory, UnitSymbols, analyse_with};
use crate::kbuild::{KbuildError, Language, ObjectTree, Unit};

/// What is known of a unit after it was looked at.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Names the compiler call.
    pub(super) call: Key,
    /// Names the state of the files it reads.
    pub(super) state: Key,
    /// The files it reads, by portable name.
    pub(super) files: Arc<[FileName]>,
    /// What it contributes, but for definitions, which are in the cache and in the type graph.
    pub(super) facts: Arc<UnitFacts>,
}

impl Known {
    /// Whether the unit reads a file of the source tree.
    pub(super) fn reads(&self, file: &str) -> bool {
        self.files
            .binary_search_by(|name| (**name).cmp(file))
            .is_ok()
    }
}

/// How looking at a unit ended.
pub(super) enum Outcome {
    /// Its result was known.
    Cached(Known, Vec<StoredDefinition>),
    /// Its result was computed.
    Computed(Known, Vec<StoredDefinition>),
    /// A file that it reads is made by a rule of its object and does not exist yet, or not at all.
    NeedsObject(UnitFailure),
    /// It cannot be computed.
    Failed(UnitFailure),
}

/// What all units of a commit share.
pub(super) struct UnitRun<'a> {
    pub(super) tree: &'a ObjectTree,
    pub(super) cpp: &'a dyn Preprocessor,
    pub(super) memory: &'a Memory,
    /// Compiler, grammar and whatever else decides results and stands in no file or argument.
    pub(super) identity: &'a str,
    pub(super) places: &'a Places,
    pub(super) states: &'a FileStates,
    pub(super) cache: Option<&'a UnitCache>,
}

impl UnitRun<'_> {
    /// Looks at one unit; `before` is what was known of it at the commit before.
    pub(super) fn look(&self, unit: &Unit, before: Option<&Known>) -> Outcome {
        let call = self.call_key(unit);
        if let Some((known, definitions)) = self.recall(call, before) {
            return Outcome::Cached(known, definitions);
        }
        if unit.generated && !Path::new(&unit.call.cwd).join(&unit.call.source).exists() {
            return Outcome::NeedsObject(failure(unit, "its generated source does not exist"));
        }
        match self.compute(unit) {
            Ok(Computed {
                files,
                mut result,
                lines,
            }) => {
                result.map_files(|file| self.states.name(Path::new(file)).to_string());
                // What assembly does with a header's text is not known.
                if unit.language == Language::C {
                    let lined = match &lines {
                        LineUses::In(files) => {
                            let names = self.names(files).into_iter();
                            Some(names.map(|name| name.to_string()).collect())
                        }
                        LineUses::Anywhere => None,
                    };
                    result.place_lines(lined, |file, line| self.states.place(file, line));
                }
                let (known, definitions) = self.keep(call, files, result);
                Outcome::Computed(known, definitions)
            }
            Err(Failure {
                missing: true,
                message,
            }) => Outcome::NeedsObject(failure(unit, &message)),
            Err(Failure { message, .. }) => Outcome::Failed(failure(unit, &message)),
        }
    }

    fn call_key(&self, unit: &Unit) -> Key {
        let mut key = Key::builder();
        key.part(self.identity.as_bytes());
        key.part(match unit.language {
            Language::C => b"c",
            Language::Asm => b"assembly",
        });
        let mut words = call_words(&unit.call);
        if let Some(prototypes) = &unit.prototypes {
            words.extend(call_words(&prototypes.call));
            words.extend(prototypes.includes.iter().map(String::as_str));
        }
        for word in words {
            key.part(self.places.portable(word).as_bytes());
        }
        key.finish()
    }

    fn recall(&self, call: Key, before: Option<&Known>) -> Option<(Known, Vec<StoredDefinition>)> {
        let cache = self.cache?;
        if let Some(before) = before.filter(|before| before.call == call)
            && self.states.of(&before.files, &before.facts) == before.state
            && let Some(result) = cache.get(call, before.state)
        {
            return Some((before.clone(), result.definitions));
        }
        cache.file_lists(call).into_iter().find_map(|list| {
            let files = self.states.intern(list.files);
            let mut facts = UnitFacts {
                lined: list.lined,
                ..UnitFacts::default()
            };
            let (state, result) = Grain::ALL.into_iter().find_map(|grain| {
                facts.grain = grain;
                let state = self.states.of(&files, &facts);
                let result = cache.get(call, state)?;
                (result.facts.grain == grain).then_some((state, result))
            })?;
            let known = Known {
                call,
                state,
                files: files.into(),
                facts: Arc::new(result.facts),
            };
            Some((known, result.definitions))
        })
    }

    fn keep(
        &self,
        call: Key,
        files: Vec<FileName>,
        result: UnitResult,
    ) -> (Known, Vec<StoredDefinition>) {
        let state = self.states.of(&files, &result.facts);
        if let Some(cache) = self.cache {
            cache.put(call, state, &files, &result);
        }
        let known = Known {
            call,
            state,
            files: files.into(),
            facts: Arc::new(result.facts),
        };
        (known, result.definitions)
    }

    fn compute(&self, unit: &Unit) -> Result<Computed, Failure> {
        let mut lines = LineUses::Anywhere;
        let (symbols, sites, files) = match unit.language {
            Language::C => {
                let (symbols, read) = self.analyse(&unit.call, Input::Source)?;
                let files = self.names(&read.dependencies);
                lines = read.lines;
                (symbols, read.exports, files)
            }
            Language::Asm => self.assembly(unit)?,
        };
        if sites.is_empty() {
            return Ok(Computed {
                files,
                result: UnitResult::default(),
                lines,
            });
        }
        if let Some(fault) = symbols.faults.first() {
            return Err(Failure {
                missing: false,
                message: format!("{}: {}", fault.location, fault.message),
            });
        }
        Ok(Computed {
            files,
            result: UnitResult::new(&symbols, &sites),
            lines,
        })
    }

    /// What genksyms makes of a call's source, or of a text in its place.
    fn analyse(&self, call: &Call, input: Input<'_>) -> Result<(UnitSymbols, Read), CppError> {
        let mut symbols = UnitSymbols::default();
        let read = self.cpp.read(call, input, &mut |tokens| {
            symbols = analyse_with(tokens, self.memory);
        })?;
        Ok((symbols, read))
    }

    /// The exports of an assembly unit, and what genksyms makes of the C text with their prototypes that the kernel takes
    /// their CRCs from.
    fn assembly(
        &self,
        unit: &Unit,
    ) -> Result<(UnitSymbols, Vec<ExportSite>, Vec<FileName>), Failure> {
        let assembled = self.tree.asm_exports(unit)?;
        let mut files = self.names(&assembled.dependencies);
        let sites = assembled.exports;
        let Some(prototypes) = unit.prototypes.as_ref().filter(|_| !sites.is_empty()) else {
            return Ok((UnitSymbols::default(), sites, files));
        };
        let text = prototypes.text(sites.iter().map(|site| site.symbol.as_str()));
        let (symbols, read) = self.analyse(&prototypes.call, Input::Text(text.as_bytes()))?;
        files.extend(self.names(&read.dependencies));
        files.sort_unstable();
        files.dedup();
        Ok((symbols, sites, files))
    }

    fn names(&self, paths: &[PathBuf]) -> Vec<FileName> {
        let mut names: Vec<FileName> = paths.iter().map(|path| self.states.name(path)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn call_words(call: &Call) -> Vec<&str> {
    let program = call.program.iter().map(String::as_str);
    program
        .chain(call.args.iter().map(|word| &**word))
        .chain([call.source.as_str()])
        .collect()
}

struct Computed {
    files: Vec<FileName>,
    result: UnitResult,
    lines: LineUses,
}

struct Failure {
    missing: bool,
    message: String,
}

impl From<CppError> for Failure {
    fn from(error: CppError) -> Self {
        let missing = matches!(
            &error,
            CppError::Failed {
                missing: Some(_),
                ..
            }
        );
        Failure {
            missing,
            message: error.to_string(),
        }
    }
}

impl From<KbuildError> for Failure {
    fn from(error: KbuildError) -> Self {
        // Assembly includes binary files that only a rule of its object makes, and the assembler's message does not tell
        // such a file from any other failure.
        Failure {
            missing: true,
            message: error.to_string(),
        }
    }
}

fn failure(unit: &Unit, message: &str) -> UnitFailure {
    UnitFailure {
        object: unit.object.clone(),
        message: message.to_owned(),
    }
}
