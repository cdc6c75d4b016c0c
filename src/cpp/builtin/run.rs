//! One unit on its way through the preprocessor: files that are open, macros, and what was learned on the way.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::compiler::Probe;
use super::expand::Context;
use super::files::FileId;
use super::lexed::Lexed;
use super::lexer::Dialect;
use super::lists::Lists;
use super::macros::{DefId, Macro, Macros};
use super::options::Options;
use super::printer::Printer;
use super::segment::Recording;
use super::spelling::Sym;
use super::token::{FIRST, Kind, Tok, WHITE};
use super::{State, Stop};

/// Deepest nesting of files, as GCC has it.
const MAX_DEPTH: usize = 200;
/// Most tokens that a unit may take to read and expand; the largest of the kernel take some ten millions.
const MAX_STEPS: u64 = 1 << 29;

/// Definitions by name, for one unit. The tables are used again for the next unit.
#[derive(Default)]
pub(super) struct Table {
    defs: Vec<DefId>,
    disabled: Vec<u8>,
    /// What the recording of a stretch knows of a name, see [`Recording`].
    stamps: Vec<u32>,
    pub(super) serial: u32,
    touched: Vec<Sym>,
}

impl Table {
    /// Makes room for that many names.
    fn reserve(&mut self, names: usize) {
        if self.defs.len() < names {
            self.defs.resize(names + names / 2, 0);
            self.disabled.resize(self.defs.len(), 0);
            self.stamps.resize(self.defs.len(), 0);
        }
    }

    pub(super) fn get(&self, name: Sym) -> DefId {
        self.defs.get(name.0 as usize).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, name: Sym, def: DefId) {
        let at = name.0 as usize;
        self.reserve(at + 1);
        if let Some(slot) = self.defs.get_mut(at) {
            *slot = def;
            self.touched.push(name);
        }
    }

    pub(super) fn is_disabled(&self, name: Sym) -> bool {
        self.disabled
            .get(name.0 as usize)
            .is_some_and(|flag| *flag != 0)
    }

    pub(super) fn disable(&mut self, name: Sym, disabled: bool) {
        if let Some(flag) = self.disabled.get_mut(name.0 as usize) {
            *flag = u8::from(disabled);
        }
    }

    /// Sets a name's stamp; whether it had another one.
    pub(super) fn stamp(&mut self, name: Sym, stamp: u32) -> u32 {
        let at = name.0 as usize;
        self.reserve(at + 1);
        match self.stamps.get_mut(at) {
            Some(slot) => std::mem::replace(slot, stamp),
            None => stamp,
        }
    }

    pub(super) fn stamp_of(&self, name: Sym) -> u32 {
        self.stamps.get(name.0 as usize).copied().unwrap_or(0)
    }

    /// Forgets all definitions.
    fn clear(&mut self) {
        for name in self.touched.drain(..) {
            if let Some(slot) = self.defs.get_mut(name.0 as usize) {
                *slot = 0;
            }
            if let Some(flag) = self.disabled.get_mut(name.0 as usize) {
                *flag = 0;
            }
        }
    }
}

/// A file that is being read.
pub(super) struct Frame {
    pub(super) lexed: Arc<Lexed>,
    /// Where reading goes on, while another file is read.
    pub(super) pos: usize,
    /// The file; none for the text of the command line and for standard input.
    pub(super) id: Option<FileId>,
    /// Its folder with a slash at the end, where headers in quotes are searched first.
    pub(super) folder: Sym,
    /// Its name as lines of the output and `__FILE__` have it.
    pub(super) name: Sym,
    /// Where in the list of folders `#include_next` goes on; none in the source file.
    pub(super) next_folder: Option<usize>,
    /// What `#line` adds to line numbers.
    pub(super) shift: u32,
    /// The line of the directive that is carried out.
    pub(super) line: u32,
    /// Its tokens are dropped (`-imacros`).
    pub(super) drops: bool,
    /// Stretches of it are remembered.
    pub(super) is_shared: bool,
}

/// What is fixed for a unit before its first line.
pub(super) struct Setup {
    pub(super) options: Options,
    pub(super) probe: Arc<Probe>,
    pub(super) dialect: Dialect,
    pub(super) is_strict: bool,
    pub(super) program: Vec<String>,
    pub(super) cwd: PathBuf,
    pub(super) cwd_sym: Sym,
    /// Folders for headers in quotes, then those for headers in angle brackets.
    pub(super) folders: Arc<[Sym]>,
    pub(super) first_angled: usize,
    pub(super) source: Sym,
    /// Stretches are remembered and replayed.
    pub(super) shares: bool,
    /// Number of what else of the arguments decides about a stretch of a header.
    pub(super) shape: u32,
}

/// A unit on its way.
pub(super) struct Run<'s> {
    pub(super) state: &'s State,
    pub(super) setup: Setup,
    pub(super) table: Table,
    pub(super) frames: Vec<Frame>,
    /// The file of the innermost frame, and where in it reading stands.
    pub(super) file: Arc<Lexed>,
    pub(super) pos: usize,
    pub(super) contexts: Vec<Context<'s>>,
    pub(super) lists: Lists,
    /// Calls that are nested in arguments of calls.
    pub(super) nesting: u32,
    /// Names are not expanded while positive.
    pub(super) prevent: u32,
    /// 1 while a `(` is looked for, 2 while arguments are collected.
    pub(super) arguments: u8,
    pub(super) in_directive: bool,
    /// The name of the outermost file that was read to its end.
    pub(super) last_name: Sym,
    /// The line of the outermost file behind the last file that it includes, if no token was printed since: there the
    /// compiler tells the place again.
    pub(super) returned_to: Option<u32>,
    /// The token that was read last comes from the text of a macro.
    pub(super) in_macro: bool,
    /// Arguments that are expanded stand on other lines than the call, which another macro starts.
    pub(super) has_odd_lines: bool,
    pub(super) counter: u32,
    /// How often `__LINE__` was used in a header, in text that genksyms reads or in a directive.
    pub(super) line_uses: u32,
    /// The headers that it was used in.
    pub(super) lined: Vec<FileId>,
    /// How often something was consulted that the tokens of files do not show: an option whose name was pasted together, or
    /// a line of a text that is no file.
    pub(super) hidden_uses: u32,
    pub(super) steps: u64,
    pub(super) printer: Printer,
    pub(super) recording: Option<Box<Recording>>,
    pub(super) pushed: HashMap<Sym, Vec<DefId>>,
    /// Files that were read in this unit, and those that are never read again.
    pub(super) seen: HashSet<FileId, foldhash::fast::RandomState>,
    pub(super) once: HashSet<PathBuf>,
    pub(super) dependencies: Vec<FileId>,
}

impl<'s> Run<'s> {
    pub(super) fn new(state: &'s State, setup: Setup, mut table: Table) -> Self {
        table.reserve(state.spellings.len() + (1 << 16));
        let printer = Printer::new(setup.source);
        let last_name = setup.source;
        Run {
            state,
            setup,
            table,
            frames: Vec::new(),
            file: state.empty.clone(),
            pos: 0,
            contexts: Vec::new(),
            lists: Lists::default(),
            nesting: 0,
            prevent: 0,
            arguments: 0,
            in_directive: false,
            last_name,
            returned_to: None,
            in_macro: false,
            has_odd_lines: false,
            counter: 0,
            line_uses: 0,
            lined: Vec::new(),
            hidden_uses: 0,
            steps: 0,
            printer,
            recording: None,
            pushed: HashMap::new(),
            seen: HashSet::default(),
            once: HashSet::new(),
            dependencies: Vec::new(),
        }
    }

    /// Notes that the number of a line of the current file was used, once or more.
    pub(super) fn uses_lines(&mut self, times: u32) {
        let Some(id) = self.frame().and_then(|frame| frame.id) else {
            self.hidden_uses = self.hidden_uses.saturating_add(times);
            return;
        };
        self.line_uses = self.line_uses.saturating_add(times);
        if times > 0 && self.lined.last() != Some(&id) {
            self.lined.push(id);
        }
    }

    /// Gives the table back, empty.
    pub(super) fn into_table(mut self) -> Table {
        self.table.clear();
        self.table
    }

    pub(super) fn text(&self, sym: Sym) -> &'s [u8] {
        self.state.spellings.text(sym)
    }

    pub(super) fn frame(&self) -> Option<&Frame> {
        self.frames.last()
    }

    /// Counts work.
    pub(super) fn step(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps += steps as u64;
        if self.steps > MAX_STEPS {
            return Err(Stop::Limit("preprocessing", format!("{MAX_STEPS} tokens")));
        }
        if self.state.is_full() {
            return Err(Stop::Limit(
                "the number of distinct spellings or macros",
                "16 million".to_owned(),
            ));
        }
        Ok(())
    }

    /// The definition of a name; the recording takes note.
    pub(super) fn lookup(&mut self, name: Sym) -> DefId {
        let def = self.table.get(name);
        if let Some(recording) = &mut self.recording {
            recording.read(&mut self.table, name, def);
        }
        def
    }

    pub(super) fn macro_of(&self, def: DefId) -> Option<&'s Macro> {
        self.state.macros.get(def)
    }

    pub(super) fn define(&mut self, name: Sym, def: DefId) {
        if let Some(recording) = &mut self.recording {
            recording.write(&mut self.table, name);
        }
        self.table.set(name, def);
    }

    /// What cannot be remembered happened in the stretch that is being recorded.
    pub(super) fn spoil(&mut self) {
        self.recording = None;
    }

    /// Opens a file.
    pub(super) fn enter(&mut self, frame: Frame) -> Result<(), Stop> {
        if self.frames.len() > MAX_DEPTH {
            return Err(self.failed(format!("#include nested depth exceeds {MAX_DEPTH}")));
        }
        if let Some(current) = self.frames.last_mut() {
            current.pos = self.pos;
        }
        self.file = frame.lexed.clone();
        self.pos = 0;
        let error = frame.lexed.error;
        self.frames.push(frame);
        if let Some((line, what)) = error {
            if let Some(frame) = self.frames.last_mut() {
                frame.line = line;
            }
            return Err(self.failed(what.to_owned()));
        }
        Ok(())
    }

    /// Closes the innermost file; whether another one is open.
    pub(super) fn leave(&mut self) -> bool {
        let left = self.frames.pop();
        let Some(frame) = self.frames.last() else {
            self.last_name = left.map_or(self.last_name, |frame| frame.name);
            return false;
        };
        self.file = frame.lexed.clone();
        self.pos = frame.pos;
        if self.frames.len() == 1 {
            self.returned_to = Some(frame.line.wrapping_add(frame.shift).wrapping_add(1));
        }
        true
    }

    /// The next token of the files; directives are carried out on the way.
    pub(super) fn lex(&mut self) -> Result<Tok, Stop> {
        loop {
            let Some(&tok) = self.file.toks.get(self.pos) else {
                if self.arguments != 0 || self.frames.is_empty() {
                    return Ok(Tok::END);
                }
                if self.recording.is_some() || self.leave() {
                    return Ok(Tok::BOUNDARY);
                }
                return Ok(Tok::END);
            };
            if tok.kind == Kind::Directive {
                if self.arguments == 1 {
                    return Ok(Tok::END);
                }
                if self.directive(tok)? {
                    return Ok(Tok::BOUNDARY);
                }
                continue;
            }
            self.pos += 1;
            return Ok(self.located(tok));
        }
    }

    /// The token with the line that it counts as standing on.
    fn located(&mut self, mut tok: Tok) -> Tok {
        if tok.has(FIRST)
            && let Some(frame) = self.frames.last_mut()
        {
            frame.line = tok.line;
        }
        if let Some(frame) = self.frames.last()
            && frame.shift != 0
        {
            tok.line = tok.line.wrapping_add(frame.shift);
        }
        if tok.has(FIRST) {
            match self.arguments {
                0 => self.printer.new_line(),
                2 => tok.flags |= WHITE,
                _ => {}
            }
        }
        tok
    }

    /// Puts back the token that was read last.
    pub(super) fn unread(&mut self, tok: Tok) {
        if tok.kind == Kind::End {
            return;
        }
        match self.contexts.last_mut() {
            Some(context) => context.pos = context.pos.saturating_sub(1),
            None => self.pos = self.pos.saturating_sub(1),
        }
    }

    /// An error at the current place, with the files that led there.
    pub(super) fn failed(&self, what: String) -> Stop {
        Stop::Failed {
            message: self.located_message(&what),
            missing: None,
        }
    }

    /// `FILE:LINE: what (included from FILE:LINE, ...)`
    pub(super) fn located_message(&self, what: &str) -> String {
        let place = |frame: &Frame| {
            format!(
                "{}:{}",
                self.state.spellings.lossy(frame.name),
                frame.line.wrapping_add(frame.shift)
            )
        };
        let mut frames = self.frames.iter().rev();
        let mut message = match frames.next() {
            Some(frame) => format!("{}: {what}", place(frame)),
            None => what.to_owned(),
        };
        let from: Vec<String> = frames.take(8).map(place).collect();
        if !from.is_empty() {
            message.push_str(&format!(" (included from {})", from.join(", ")));
        }
        message
    }

    /// Defines what the compiler defines by itself.
    pub(super) fn predefine(&mut self, predefined: &[(Sym, DefId)]) {
        for &(name, def) in predefined {
            self.table.set(name, def);
        }
        for name in super::macros::BUILTINS {
            let text = String::from_utf8_lossy(self.text(name));
            let asked = super::compiler::MAY_HAVE.contains(&&*text);
            if !asked || self.setup.probe.has.contains(&*text) {
                self.table.set(name, Macros::BUILTIN);
            }
        }
        for name in &self.setup.probe.has {
            if !matches!(*name, "__FILE_NAME__" | "__COUNTER__") {
                let name = self.state.spellings.intern(name.as_bytes());
                self.table.set(name, Macros::BUILTIN);
            }
        }
    }
}
