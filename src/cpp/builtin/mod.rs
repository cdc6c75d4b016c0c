//! The preprocessor of this crate, which reads every header once for all units.
//!
//! In flows a [`Call`], out flow the tokens that the text of `gcc -E -D__GENKSYMS__` would give, the files that were read, and
//! the export sites. The language is that of C11 6.4 and 6.10, with the extensions that the preprocessors of GCC and Clang
//! document; where the standard leaves a choice, GCC's answer was found by experiment. Macros, folders and features of the
//! compiler come from the compiler itself (`compiler`).
//!
//! A [`Session`] holds what its units share: spellings (`spelling`), definitions (`macros`), files cut into tokens and
//! directives (`files`, `lexed`), and stretches of headers with what they do (`segment`). A unit (`run`) opens files and obeys
//! directives (`directives`, `expression`), expands macros (`expand`, `builtins`), and knows where the output stands
//! (`printer`); its tokens are made as genksyms asks for them, so that bodies which genksyms drops are not expanded (`source`).
//!
//! What this preprocessor does not carry out, such as `__DATE__` or raw strings, it refuses; the unit then goes to the
//! compiler, so that such a unit is slow and never wrong. All loops are bounded by tokens read and made; a session that has
//! grown too large starts anew between two units, which changes no result.

mod builtins;
mod compiler;
mod directives;
mod expand;
mod expression;
mod files;
mod lexed;
mod lexer;
mod lists;
mod macros;
mod options;
mod printer;
mod run;
mod segment;
mod source;
mod spelling;
mod store;
#[cfg(test)]
mod tests;
mod token;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::compiler::Compilers;
use self::files::{FileId, Files};
use self::lexed::{Lexed, lex};
use self::lexer::Dialect;
use self::macros::{DefId, Macros};
use self::options::{Change, Options};
use self::printer::Raw;
use self::run::{Frame, Run, Setup, Table};
use self::source::Tokens;
use self::spelling::{Spellings, Sym};
use self::token::Kind;
use super::child::Environment;
use super::{Call, Consumer, CppError, ExportOverlay, Gcc, Input, LineUses, Preprocessor, Read};

pub use self::files::{Disk, FileProvider};

/// Bytes of memory after which a session starts anew.
const SESSION_LIMIT: usize = 900 << 20;

/// Something that is not carried out here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal(String);

/// Why a unit is not read to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The unit is wrong.
    Failed {
        message: String,
        missing: Option<String>,
    },
    /// A bound was reached.
    Limit(&'static str, String),
    /// It uses something that is not carried out here.
    Refused(String),
    /// A stretch was replayed that does not fit.
    Mismatch,
}

/// What was done, for `-v`.
#[derive(Debug, Default)]
struct Counters {
    replayed: AtomicU64,
    read: AtomicU64,
    compiler: AtomicU64,
    again: AtomicU64,
    stretches: AtomicU64,
}

impl Counters {
    fn replayed(&self) {
        self.replayed.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    /// A number for a stretch.
    fn number(&self) -> u64 {
        self.stretches.fetch_add(1, Ordering::Relaxed)
    }
}

/// Work that was done by a [`Builtin`] so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Stretches of headers that were replayed.
    pub replayed: u64,
    /// Stretches of headers that were read.
    pub read: u64,
    /// Units that were given to the compiler.
    pub by_compiler: u64,
    /// Units that were read again without replay.
    pub again: u64,
}

/// Names and their definitions.
type Definitions = Arc<[(Sym, DefId)]>;

/// What the units of a session share until it starts anew.
pub(super) struct State {
    spellings: Spellings,
    macros: Macros,
    files: Files,
    compilers: Arc<Compilers>,
    counters: Arc<Counters>,
    /// The compiler's macros, by its own list of them.
    predefined: Mutex<HashMap<String, Definitions>>,
    shapes: Mutex<HashMap<String, u32>>,
    tables: Mutex<Vec<Table>>,
    empty: Arc<Lexed>,
    no_raws: Arc<[Raw]>,
    char_unsigned: Sym,
}

impl State {
    fn is_full(&self) -> bool {
        self.spellings.is_full() || self.macros.is_full()
    }

    /// Whether no further unit should start in it.
    fn is_worn(&self) -> bool {
        let bytes = self.spellings.bytes() + self.files.bytes() + self.macros.len() * 200;
        bytes > SESSION_LIMIT || self.is_full()
    }
}

/// The preprocessor of this crate.
pub struct Builtin {
    gcc: Gcc,
    compilers: Arc<Compilers>,
    counters: Arc<Counters>,
    provider: Arc<dyn FileProvider>,
    roots: Vec<PathBuf>,
    overlay: Option<ExportOverlay>,
    refusals: Mutex<Vec<(String, String)>>,
}

/// Most units given to the compiler whose reasons are kept.
const MAX_REFUSALS: usize = 100;

impl Builtin {
    /// A preprocessor that reads files below `roots` and those of the compiler; children see `environment`, and units that it
    /// does not take go to `gcc`. Without an overlay no export sites are found.
    ///
    /// # Errors
    /// If a root does not exist.
    pub fn new(
        environment: Environment,
        overlay: Option<ExportOverlay>,
        gcc: Gcc,
        roots: &[&Path],
    ) -> Result<Builtin, CppError> {
        let real = |root: &&Path| {
            root.canonicalize().map_err(|source| CppError::Run {
                program: format!("the preprocessor in {}", root.display()),
                source,
            })
        };
        Ok(Builtin {
            gcc,
            compilers: Arc::new(Compilers::new(environment)),
            counters: Arc::default(),
            provider: Arc::new(Disk),
            roots: roots.iter().map(real).collect::<Result<_, _>>()?,
            overlay,
            refusals: Mutex::default(),
        })
    }

    /// The first units that were given to the compiler, each with what this preprocessor does not carry out.
    #[must_use]
    pub fn refusals(&self) -> Vec<(String, String)> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.clone()
    }

    /// Notes that a unit goes to the compiler.
    fn refuse(&self, call: &Call, why: String) {
        self.counters.compiler.fetch_add(1, Ordering::Relaxed);
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() < MAX_REFUSALS {
            refusals.push((call.source.clone(), why));
        }
    }

    /// Reads files from somewhere else than the disk.
    #[must_use]
    pub fn with_files(mut self, provider: Arc<dyn FileProvider>) -> Builtin {
        self.provider = provider;
        self
    }

    /// Work done in all sessions so far.
    #[must_use]
    pub fn work(&self) -> Work {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Work {
            replayed: load(&self.counters.replayed),
            read: load(&self.counters.read),
            by_compiler: load(&self.counters.compiler),
            again: load(&self.counters.again),
        }
    }

    /// Starts a session. No file may change while it lasts.
    #[must_use]
    pub fn session(&self) -> Session<'_> {
        Session {
            engine: self,
            state: Mutex::new(None),
            shares: true,
        }
    }

    fn state(&self, roots: &[PathBuf]) -> State {
        let spellings = Spellings::new();
        let macros = Macros::new(&spellings);
        let header = self
            .overlay
            .as_ref()
            .and_then(|overlay| overlay.header.clone());
        let mut all = self.roots.clone();
        all.extend_from_slice(roots);
        State {
            files: Files::new(self.provider.clone(), all.into(), header),
            compilers: self.compilers.clone(),
            counters: self.counters.clone(),
            predefined: Mutex::default(),
            shapes: Mutex::default(),
            tables: Mutex::default(),
            empty: Arc::new(lex(b"", PLAIN, &spellings, &macros)),
            no_raws: Arc::new([]),
            char_unsigned: spellings.intern(b"__CHAR_UNSIGNED__"),
            spellings,
            macros,
        }
    }
}

const PLAIN: Dialect = Dialect {
    trigraphs: false,
    line_comments: true,
    c99: true,
};

/// What the units of one commit share.
pub struct Session<'e> {
    engine: &'e Builtin,
    state: Mutex<Option<(Arc<State>, Vec<PathBuf>)>>,
    shares: bool,
}

impl Session<'_> {
    /// The same session without replay of headers, for comparison.
    #[must_use]
    pub fn without_replay(mut self) -> Self {
        self.shares = false;
        self
    }

    /// The shared state, a new one if the last is worn or lacks a folder of the compiler. The tree chooses both compiler and
    /// `-isystem` folders, so a folder counts as the compiler's only where the environment says that it may be.
    fn state(&self, roots: &[String], cwd: &Path) -> Arc<State> {
        let mut kept = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let environment = self.engine.compilers.environment();
        let mut wanted: Vec<PathBuf> = roots
            .iter()
            .filter_map(|root| cwd.join(root).canonicalize().ok())
            .filter(|root| environment.may_hold_compiler(root))
            .collect();
        if let Some((state, known)) = kept.as_ref() {
            if !state.is_worn() && wanted.iter().all(|root| known.contains(root)) {
                return state.clone();
            }
            wanted.extend(
                known
                    .iter()
                    .filter(|root| !wanted.contains(root))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
        }
        let state = Arc::new(self.engine.state(&wanted));
        *kept = Some((state.clone(), wanted));
        state
    }

    fn run(
        &self,
        call: &Call,
        input: Input<'_>,
        shares: bool,
        consumer: &mut Consumer<'_>,
    ) -> Result<Read, Stop> {
        let refused = |refusal: Refusal| Stop::Refused(refusal.0);
        let options = Options::parse(&call.args).map_err(refused)?;
        let compilers = &self.engine.compilers;
        let probe = compilers
            .probe(&call.program, &options.rest, &call.cwd)
            .map_err(refused)?;
        let mut roots = probe.system.clone();
        roots.extend(options.system.iter().cloned());
        let state = self.state(&self.compiler_roots(&roots, call), &call.cwd);
        let setup = setup(&state, call, input, options, probe, shares)?;
        let table = state
            .tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_default();
        let mut tokens = tokens(&state, setup, call, input, table, self.is_textual())?;
        consumer(&mut tokens);
        let read = match tokens.stop.take() {
            Some(stop) => Err(stop),
            None => Ok(Read {
                dependencies: paths(&state, tokens.dependencies()),
                exports: std::mem::take(&mut tokens.run.printer.sites),
                lines: match tokens.run.hidden_uses {
                    0 => LineUses::In(paths(&state, &tokens.run.lined)),
                    _ => LineUses::Anywhere,
                },
            }),
        };
        let table = tokens.run.into_table();
        state
            .tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(table);
        read
    }

    /// Of the folders that the compiler itself searches and those that a call takes for the system's, the ones outside of the
    /// trees; anything else that a call names must lie in a tree.
    fn compiler_roots(&self, folders: &[String], call: &Call) -> Vec<String> {
        let inside = |folder: &&String| {
            let path = call.cwd.join(folder);
            !self.engine.roots.iter().any(|root| path.starts_with(root))
        };
        folders.iter().filter(inside).cloned().collect()
    }

    fn is_textual(&self) -> bool {
        (self.engine.overlay.as_ref()).is_some_and(|overlay| overlay.header.is_none())
    }
}

impl Preprocessor for Session<'_> {
    fn read(
        &self,
        call: &Call,
        input: Input<'_>,
        consumer: &mut Consumer<'_>,
    ) -> Result<Read, CppError> {
        let mut outcome = self.run(call, input, self.shares, consumer);
        if matches!(outcome, Err(Stop::Mismatch)) {
            self.engine.counters.again.fetch_add(1, Ordering::Relaxed);
            outcome = self.run(call, input, false, consumer);
        }
        let unit = || call.source.clone();
        match outcome {
            Ok(read) => Ok(read),
            Err(Stop::Failed { message, missing }) => Err(CppError::Failed {
                unit: unit(),
                message,
                missing,
            }),
            Err(Stop::Limit(what, limit)) => Err(CppError::Limit {
                unit: unit(),
                what,
                limit,
            }),
            Err(Stop::Refused(why)) => {
                self.engine.refuse(call, why);
                self.engine.gcc.read(call, input, consumer)
            }
            Err(Stop::Mismatch) => {
                self.engine
                    .refuse(call, "a replay without replay".to_owned());
                self.engine.gcc.read(call, input, consumer)
            }
        }
    }
}

/// What is fixed for a unit.
fn setup(
    state: &State,
    call: &Call,
    input: Input<'_>,
    options: Options,
    probe: Arc<compiler::Probe>,
    shares: bool,
) -> Result<Setup, Stop> {
    let (old, is_strict) = options.standard();
    let dialect = Dialect {
        trigraphs: options.trigraphs || is_strict,
        line_comments: !(old && is_strict),
        c99: !old,
    };
    let spellings = &state.spellings;
    let intern = |text: &str| spellings.intern(text.as_bytes());
    let (folders, first_angled) = folders(state, &options, &probe.system, &call.cwd);
    let shape = {
        let mut shapes = state.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(shapes.len()).unwrap_or(u32::MAX);
        let key = format!("{:?} {is_strict}", options.prefixes);
        *shapes.entry(key).or_insert(next)
    };
    Ok(Setup {
        dialect,
        is_strict,
        program: call.program.clone(),
        cwd: call.cwd.clone(),
        cwd_sym: intern(&call.cwd.to_string_lossy()),
        folders: folders.iter().map(|folder| intern(folder)).collect(),
        first_angled,
        source: match input {
            Input::Source => intern(&call.source),
            Input::Text(_) => intern("<stdin>"),
        },
        shares,
        shape,
        options,
        probe,
    })
}

/// The folders in which headers are searched: for quotes all, for angle brackets those from the second value on. As in GCC,
/// folders that do not exist go, and of two that are the same the first stays, except that one of the system's stays.
fn folders(
    state: &State,
    options: &Options,
    system: &[String],
    cwd: &Path,
) -> (Vec<String>, usize) {
    let real = |folder: &String| {
        let path = cwd.join(folder);
        state
            .files
            .is_folder(&path)
            .then(|| path.canonicalize().unwrap_or(path))
    };
    let mut seen: Vec<PathBuf> = Vec::new();
    let keep = |list: &[&String], seen: &mut Vec<PathBuf>| -> Vec<String> {
        let mut kept = Vec::new();
        for folder in list {
            if let Some(real) = real(folder)
                && !seen.contains(&real)
            {
                seen.push(real);
                kept.push((*folder).clone());
            }
        }
        kept
    };
    let later: Vec<&String> = (options.system.iter())
        .chain(system)
        .chain(&options.after)
        .collect();
    let later = keep(&later, &mut seen);
    let angled = keep(&options.folders.iter().collect::<Vec<_>>(), &mut seen);
    let mut quoted = keep(&options.quote.iter().collect::<Vec<_>>(), &mut Vec::new());
    let first_angled = quoted.len();
    quoted.extend(angled);
    quoted.extend(later);
    (quoted, first_angled)
}

/// Opens a unit.
fn tokens<'s>(
    state: &'s State,
    setup: Setup,
    call: &Call,
    input: Input<'_>,
    table: Table,
    is_textual: bool,
) -> Result<Tokens<'s>, Stop> {
    let failed = |message: String| Stop::Failed {
        message,
        missing: None,
    };
    let (spellings, macros) = (&state.spellings, &state.macros);
    let dialect = setup.dialect;
    let command_line = command_line(state, &setup);
    let command_line = Arc::new(lex(command_line.as_bytes(), dialect, spellings, macros));
    let (id, folder, lexed) = match input {
        Input::Source => {
            let id = state
                .files
                .find(spellings, setup.cwd_sym, Sym::EMPTY, setup.source);
            let file = id
                .and_then(|id| state.files.get(id))
                .ok_or_else(|| Stop::Failed {
                    message: format!("{}: no such file or directory", call.source),
                    missing: Some(call.source.clone()),
                })?;
            let lexed = state.files.lexed(file, dialect, spellings, macros, false);
            (id, file.folder, lexed.map_err(failed)?)
        }
        Input::Text(text) => {
            let lexed = lex(text, dialect, spellings, macros);
            (None, Sym::EMPTY, Arc::new(lexed))
        }
    };
    let predefined = predefined(state, &setup);
    if !setup.options.macros_of.is_empty() {
        return Err(Stop::Refused("the option -imacros".to_owned()));
    }
    let main = Frame {
        lexed,
        pos: 0,
        id,
        folder,
        name: setup.source,
        next_folder: None,
        shift: 0,
        line: 0,
        drops: false,
        is_shared: false,
    };
    let mut run = Run::new(state, setup, table);
    run.printer.is_textual = is_textual;
    run.predefine(&predefined);
    run.dependencies.extend(id);
    Ok(Tokens::new(run, command_line, main))
}

/// The compiler's own macros.
fn predefined(state: &State, setup: &Setup) -> Definitions {
    let text = &setup.probe.macros;
    let mut known = state
        .predefined
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.get(text) {
        return found.clone();
    }
    let lexed = lex(
        text.as_bytes(),
        setup.dialect,
        &state.spellings,
        &state.macros,
    );
    let found: Definitions = lexed
        .directives
        .iter()
        .filter_map(|directive| match directive.op {
            lexed::Op::Define(name, def) => Some((name, def)),
            _ => None,
        })
        .collect();
    known.insert(text.clone(), found.clone());
    found
}

/// What a compiler reads before the source: macros of the command line, then the files that it names.
fn command_line(state: &State, setup: &Setup) -> String {
    let options = &setup.options;
    let mut text = "#define __GENKSYMS__ 1\n".to_owned();
    for change in &options.changes {
        match change {
            Change::Define(define) => text.push_str(&format!("#define {define}\n")),
            Change::Undefine(name) => text.push_str(&format!("#undef {name}\n")),
        }
    }
    // GCC reads this header of the C library first, where its folders hold it.
    let implicit = state.spellings.intern(b"stdc-predef.h");
    let folders = setup.folders.get(setup.first_angled..).unwrap_or_default();
    let has_implicit = !setup.probe.is_clang
        && !setup.probe.system.is_empty()
        && folders.iter().any(|folder| {
            let found = state
                .files
                .find(&state.spellings, setup.cwd_sym, *folder, implicit);
            found.is_some()
        });
    if has_implicit {
        text.push_str("#include <stdc-predef.h>\n");
    }
    for file in &options.includes {
        text.push_str(&format!("#include \"{file}\"\n"));
    }
    text
}

fn paths(state: &State, files: &[FileId]) -> Vec<PathBuf> {
    let mut seen = HashSet::with_hasher(foldhash::fast::RandomState::default());
    let files = files.iter();
    files
        .filter_map(|id| state.files.get(*id))
        .map(|file| {
            let mut name = state.spellings.text(file.name);
            // Dependency files leave the same prefix out.
            while let Some(rest) = name.strip_prefix(b"./") {
                name = rest;
            }
            name
        })
        .filter(|name| seen.insert(*name))
        .map(|name| files::as_path(name).to_owned())
        .collect()
}

/// All questions to the compiler that the conditions of a file may ask.
fn questions(file: &Lexed, spellings: &Spellings) -> Vec<String> {
    let mut found = Vec::new();
    for window in file.arguments.windows(4) {
        let [operator, open, operand, close] = window else {
            continue;
        };
        let asks = (Sym::HAS_ATTRIBUTE.0..=Sym::IS_IDENTIFIER.0).contains(&operator.sym.0);
        if asks
            && operator.kind == Kind::Name
            && open.is(Sym::OPEN_PAREN)
            && operand.kind == Kind::Name
            && close.is(Sym::CLOSE_PAREN)
        {
            let (operator, operand) = (spellings.lossy(operator.sym), spellings.lossy(operand.sym));
            found.push(format!("{operator}({operand})"));
        }
    }
    found
}
