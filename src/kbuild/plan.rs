//! From the text of a dry run to the plan.
//!
//! Three kinds of commands count (`scripts/Makefile.build` of the kernel):
//!
//! - a compile, `CC ... -c -o X.o SOURCE`: a unit, if it is for the kernel (`-D__KERNEL__`) and may export (no
//!   `-D__DISABLE_EXPORTS`, as the boot code, the real-mode code, purgatory and the EFI stub have);
//! - a module's list, `... A.o B.o ... > M.mod`: the objects of module `M`;
//! - for assembly, `{ echo "#include ..." ...; } | CC -E -D__GENKSYMS__ ... -xc - | genksyms`: how its exports get CRCs.
//!
//! The same compile stands again inside quotes where the build saves its command line; shell quoting tells them apart.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cpp::{Call, Word};

use super::shell::{commands, words};
use super::{AsmPrototypes, KbuildError, Language, Plan, Unit};

/// Options whose argument is the next word.
pub(super) const TAKE_A_WORD: [&str; 18] = [
    "-include",
    "-imacros",
    "-I",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-iprefix",
    "-D",
    "-U",
    "-x",
    "-target",
    "--param",
    "-Xassembler",
    "-Xclang",
    "-Xpreprocessor",
    "-mllvm",
    "-arch",
    "-T",
];
/// Options about dependency files whose argument is the next word.
const DEPENDENCY_WORD: [&str; 3] = ["-MF", "-MT", "-MQ"];
/// Options about dependency files and the action, which a [`Call`] leaves out.
const DROPPED: [&str; 7] = ["-c", "-E", "-MD", "-MMD", "-MP", "-MG", "-D__GENKSYMS__"];

/// How the build goes into a folder.
const DESCENT: &str = "scripts/Makefile.build ";

/// Collects a plan from the logical lines of a dry run.
pub(super) struct PlanBuilder<'a> {
    src: &'a Path,
    obj: &'a Path,
    compiles: BTreeMap<String, Compile>,
    prototypes: BTreeMap<String, AsmPrototypes>,
    modules: BTreeMap<String, String>,
    folders: BTreeSet<String>,
    preparing: BTreeSet<String>,
    entangled: BTreeSet<String>,
    compiling: bool,
    problems: Vec<String>,
    words: SharedWords,
}

/// Words of all calls, each once.
#[derive(Default)]
struct SharedWords(HashSet<Word>);

impl SharedWords {
    fn share(&mut self, words: Vec<String>) -> Vec<Word> {
        let shared = words.into_iter().map(|word| {
            if let Some(known) = self.0.get(word.as_str()) {
                return Arc::clone(known);
            }
            let word = Word::from(word);
            self.0.insert(Arc::clone(&word));
            word
        });
        shared.collect()
    }
}

struct Compile {
    language: Language,
    call: Call,
}

impl<'a> PlanBuilder<'a> {
    pub(super) fn new(src: &'a Path, obj: &'a Path) -> Self {
        PlanBuilder {
            src,
            obj,
            compiles: BTreeMap::new(),
            prototypes: BTreeMap::new(),
            modules: BTreeMap::new(),
            folders: BTreeSet::new(),
            preparing: BTreeSet::new(),
            entangled: BTreeSet::new(),
            words: SharedWords::default(),
            compiling: false,
            problems: Vec::new(),
        }
    }

    /// Reads one logical line.
    pub(super) fn line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        if line.contains(DESCENT) {
            self.descent(&line);
        }
        if !(line.contains(" -c ") || line.contains(".mod") || line.contains("-D__GENKSYMS__")) {
            return;
        }
        let Some(commands) = commands(&line) else {
            if line.contains("-D__KERNEL__") {
                self.problem("a compile has an open quote", &line);
            }
            return;
        };
        if line.contains("> ") && line.contains(".mod") {
            self.module_list(&commands);
        }
        for command in &commands {
            let compile = command.contains(" -c ") && command.contains("-D__KERNEL__");
            let versions = command.contains("-D__GENKSYMS__") && command.contains("-xc ");
            if !(compile || versions) {
                continue;
            }
            match words(command) {
                Some(words) if versions => self.versions(words, &commands),
                Some(words) => self.compile(words),
                None => self.problem("a compile has an open quote", command),
            }
        }
    }

    /// Takes `make -f .../scripts/Makefile.build obj=FOLDER ...`, by which the build goes into a folder.
    fn descent(&mut self, line: &str) {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| !word.ends_with(DESCENT.trim_end()));
        let Some(folder) = words.nth(1).and_then(|word| word.strip_prefix("obj=")) else {
            return;
        };
        // What is compiled for the kernel comes after all preparation, and its first folder says so.
        self.compiling |= words.any(|word| word.starts_with("need-builtin"));
        let folder = normal(folder);
        let folder = if folder.is_empty() {
            ".".to_owned()
        } else {
            folder
        };
        if self.compiling {
            self.folders.insert(folder);
        } else {
            self.preparing.insert(folder);
        }
    }

    /// Takes `... A.o B.o ... > M.mod`.
    fn module_list(&mut self, commands: &[&str]) {
        let mut objects = Vec::new();
        let mut prefix = None;
        for command in commands {
            let Some(words) = words(command) else {
                continue;
            };
            let target = words
                .iter()
                .skip_while(|word| *word != ">")
                .nth(1)
                .and_then(|name| name.strip_suffix(".mod"));
            match words.first().map(String::as_str) {
                Some("echo" | "printf") => objects.extend(
                    words
                        .iter()
                        .filter(|word| word.ends_with(".o") && !word.contains(char::is_whitespace))
                        .cloned(),
                ),
                // The list holds bare names, and awk puts the folder before them.
                Some("awk" | "gawk" | "mawk") => {
                    prefix = words.iter().find_map(|word| printed_folder(word))
                }
                _ => {}
            }
            if let Some(module) = target {
                self.add_module(module, &objects, prefix.as_deref());
                return;
            }
        }
    }

    fn add_module(&mut self, module: &str, objects: &[String], prefix: Option<&str>) {
        let folder = module.rsplit_once('/').map_or("", |(folder, _)| folder);
        for object in objects {
            let path = match prefix {
                Some(prefix) => format!("{prefix}{object}"),
                None if object.contains('/') => object.clone(),
                None => format!("{folder}/{object}"),
            };
            // An object may belong to several modules. Exporting from it is an error of the build, so any name does;
            // the first in bytewise order does not depend on the order of the dry run.
            let path = normal(&path);
            let home = path.rsplit_once('/').map_or("", |(home, _)| home);
            if home != folder && !home.starts_with(&format!("{folder}/")) {
                self.entangled.extend([home.to_owned(), folder.to_owned()]);
            }
            let entry = self
                .modules
                .entry(path)
                .or_insert_with(|| module.to_owned());
            if module < entry.as_str() {
                module.clone_into(entry);
            }
        }
    }

    fn compile(&mut self, words: Vec<String>) {
        if words
            .iter()
            .any(|word| word.starts_with("-D__DISABLE_EXPORTS"))
            || !words.iter().any(|word| word == "-c")
        {
            return;
        }
        let text = excerpt(&words);
        let Some(parsed) = ParsedCall::new(words) else {
            return self.problem("a compile has no program", &text);
        };
        let Some(object) = parsed.object.as_deref().and_then(final_object) else {
            return self.problem("a compile has no object", &text);
        };
        let [source] = parsed.inputs.as_slice() else {
            return self.problem("a compile has not exactly one source", &text);
        };
        let language = match source.rsplit_once('.') {
            Some((_, "c")) => Language::C,
            Some((_, "S")) => Language::Asm,
            // Generated or hand-written assembly without preprocessing: it cannot use the export macros.
            Some((_, "s")) => return,
            _ => return self.problem("a compile has a source of unknown language", &text),
        };
        let call = Call {
            program: parsed.program,
            args: self.words.share(parsed.args),
            source: source.clone(),
            cwd: self.obj.to_owned(),
        };
        self.compiles
            .entry(object)
            .or_insert(Compile { language, call });
    }

    /// Takes the preprocessing of the C text that versions an assembly unit's exports.
    fn versions(&mut self, words: Vec<String>, commands: &[&str]) {
        let text = excerpt(&words);
        let object = words.iter().find_map(|word| object_of_depfile(word));
        let (Some(object), Some(parsed)) = (object, ParsedCall::new(words)) else {
            return self.problem(
                "the command that versions an assembly unit does not name its object",
                &text,
            );
        };
        let includes = commands
            .iter()
            .filter_map(|command| super::shell::words(command))
            .filter(|words| words.first().is_some_and(|word| word == "echo"))
            .filter_map(|mut words| words.pop().filter(|line| line.starts_with("#include")))
            .collect();
        let call = Call {
            program: parsed.program,
            args: self.words.share(parsed.args),
            source: "-".to_owned(),
            cwd: self.obj.to_owned(),
        };
        self.prototypes
            .entry(object)
            .or_insert(AsmPrototypes { call, includes });
    }

    fn problem(&mut self, what: &str, text: &str) {
        if self.problems.len() < 20 {
            let text: String = text.chars().take(160).collect();
            self.problems.push(format!("{what}: {text}"));
        }
    }

    /// Puts the units together.
    ///
    /// # Errors
    /// If a command was not understood, a module's object is in no module's list, or there is no unit at all.
    pub(super) fn finish(self) -> Result<Plan, KbuildError> {
        let plan = self.finish_part()?;
        if plan.units.is_empty() {
            return Err(KbuildError::PlanFailed {
                reason: "it compiles nothing; prepare the tree in a fresh object folder first"
                    .to_owned(),
                lines: Vec::new(),
            });
        }
        Ok(plan)
    }

    /// Puts the units of some folders together, of which there may be none.
    ///
    /// # Errors
    /// As for [`PlanBuilder::finish`].
    pub(super) fn finish_part(mut self) -> Result<Plan, KbuildError> {
        let mut units = Vec::with_capacity(self.compiles.len());
        for (object, compile) in std::mem::take(&mut self.compiles) {
            let Some((source, generated)) = self.locate(&compile.call.source) else {
                let what = "a source lies neither in the source tree nor in the object tree";
                self.problem(what, &compile.call.source);
                continue;
            };
            let module = if compile.call.args.iter().any(|word| &**word == "-DMODULE") {
                self.modules.get(&normal(&object)).cloned()
            } else {
                Some("vmlinux".to_owned())
            };
            let Some(module) = module else {
                self.problem(
                    "an object is compiled for a module, and no module lists it",
                    &object,
                );
                continue;
            };
            let call = compile.call;
            let mut prototypes = self.prototypes.remove(&object);
            if compile.language == Language::C {
                prototypes = None;
            }
            units.push(Unit {
                object,
                source,
                generated,
                language: compile.language,
                call,
                module,
                prototypes,
            });
        }
        if !self.problems.is_empty() {
            return Err(KbuildError::PlanFailed {
                reason: "not every command of it is understood".to_owned(),
                lines: self.problems,
            });
        }
        Ok(Plan {
            units,
            notes: Vec::new(),
            folders: self.folders,
            preparing: self.preparing,
            entangled: self.entangled,
        })
    }

    /// Where a source lies: its path in the source tree, or in the object tree and generated.
    fn locate(&self, source: &str) -> Option<(String, bool)> {
        let path = PathBuf::from(normal(&self.obj.join(source).to_string_lossy()));
        let relative = |root: &Path| {
            path.strip_prefix(root)
                .ok()
                .map(|path| path.to_string_lossy().into_owned())
        };
        // One tree may lie inside the other; the inner one decides.
        if self.obj.starts_with(self.src) {
            let generated = relative(self.obj).map(|path| (path, true));
            generated.or_else(|| relative(self.src).map(|path| (path, false)))
        } else {
            let source = relative(self.src).map(|path| (path, false));
            source.or_else(|| relative(self.obj).map(|path| (path, true)))
        }
    }
}

/// A compiler's command line, taken apart.
struct ParsedCall {
    program: Vec<String>,
    args: Vec<String>,
    object: Option<String>,
    inputs: Vec<String>,
}

impl ParsedCall {
    fn new(words: Vec<String>) -> Option<ParsedCall> {
        let mut parsed = ParsedCall {
            program: Vec::new(),
            args: Vec::with_capacity(words.len()),
            object: None,
            inputs: Vec::new(),
        };
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next_if(|word| !word.starts_with('-')) {
            parsed.program.push(word);
        }
        while let Some(word) = words.next() {
            if word == "-o" {
                parsed.object = words.next();
            } else if DEPENDENCY_WORD.contains(&word.as_str()) {
                words.next();
            } else if TAKE_A_WORD.contains(&word.as_str()) {
                let argument = words.next();
                parsed.args.push(word);
                parsed.args.extend(argument);
            } else if !word.starts_with('-') {
                parsed.inputs.push(word);
            } else if !is_dropped(&word) {
                parsed.args.push(word);
            }
        }
        (!parsed.program.is_empty()).then_some(parsed)
    }
}

fn is_dropped(word: &str) -> bool {
    DROPPED.contains(&word)
        || word.starts_with("-Wp,-M")
        || word.starts_with("-MF")
        || word == "-xc"
        || word == "-"
}

/// The object that a build ends with: up to 5.18 it compiles versioned objects to `.tmp_NAME.o` first.
fn final_object(object: &str) -> Option<String> {
    let object = object.strip_prefix("./").unwrap_or(object);
    if !object.ends_with(".o") {
        return None;
    }
    let (folder, name) = object.rsplit_once('/').unwrap_or(("", object));
    let name = name.strip_prefix(".tmp_").unwrap_or(name);
    Some(if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    })
}

/// The object that a dependency file `FOLDER/.NAME.o.d` belongs to.
fn object_of_depfile(word: &str) -> Option<String> {
    let file = word
        .strip_prefix("-Wp,-MMD,")
        .or_else(|| word.strip_prefix("-Wp,-MD,"))?
        .strip_suffix(".d")?;
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let name = name.strip_prefix('.')?;
    final_object(&if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    })
}

/// The folder in awk's `print("FOLDER/"$0)`.
fn printed_folder(program: &str) -> Option<String> {
    let (_, after) = program.split_once("print(\"")?;
    let (folder, _) = after.split_once('"')?;
    Some(folder.to_owned())
}

/// A path without `.` and with `..` taken back, by its text alone.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    if path.starts_with('/') {
        format!("/{joined}")
    } else {
        joined
    }
}

fn excerpt(words: &[String]) -> String {
    let tail = words.len().saturating_sub(4);
    words.get(tail..).unwrap_or_default().join(" ")
}

#[cfg(test)]
mod tests;
