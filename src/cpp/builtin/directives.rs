//! Directives, where they are reached.

use super::Stop;
use super::lexed::{Directive, How, Lexed, Op};
use super::macros::Macros;
use super::run::{Frame, Run};
use super::spelling::Sym;
use super::token::{Kind, Tok};

impl Run<'_> {
    /// Carries out the directive at which reading stands; whether a boundary was reached.
    pub(super) fn directive(&mut self, tok: Tok) -> Result<bool, Stop> {
        let file = self.file.clone();
        let Some(directive) = file.directive(tok) else {
            return Ok(false);
        };
        self.step(1)?;
        if matches!(directive.op, Op::Include(..)) && self.recording.is_some() {
            return Ok(true);
        }
        self.pos += 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.line = directive.line;
        }
        let (prevent, arguments) = (self.prevent, self.arguments);
        (self.prevent, self.arguments) = (0, 0);
        let depth = self.frames.len();
        let boundary = self.carry_out(&file, directive)?;
        (self.prevent, self.arguments) = (prevent, arguments);
        if arguments != 0 && self.frames.len() != depth {
            return Err(self.failed("#include within the arguments of a macro".to_owned()));
        }
        Ok(boundary && arguments == 0)
    }

    fn carry_out(&mut self, file: &Lexed, directive: &Directive) -> Result<bool, Stop> {
        match &directive.op {
            Op::If(span) => {
                if !self.condition(file.arguments(*span), "if")? {
                    self.skip_group(file, directive.next)?;
                }
            }
            Op::Ifdef(name, negated) => {
                if self.is_defined(*name)? == *negated {
                    self.skip_group(file, directive.next)?;
                }
            }
            // The group before was taken.
            Op::Elif(_) | Op::Elifdef(..) | Op::Else => self.skip_rest(file, directive.next),
            Op::Endif | Op::Nothing => {}
            Op::Define(name, def) => self.define(*name, *def),
            Op::Undef(name) => self.define(*name, 0),
            Op::Include(how, header, span) => {
                let (angled, name) = match header {
                    Some(found) => *found,
                    None => self.computed_header(file.arguments(*span))?,
                };
                self.include(*how, angled, name)?;
                return Ok(true);
            }
            Op::Error(message) => return Err(self.failed(message.to_string())),
            Op::Line(span, is_marker) => self.set_line(file.arguments(*span), *is_marker)?,
            Op::Pragma(span) => self.pragma(file.arguments(*span))?,
            Op::Wrong(message) => return Err(self.failed(message.to_string())),
            Op::Unsupported(what) => return Err(Stop::Refused((*what).to_owned())),
        }
        Ok(false)
    }

    /// Goes to the first group behind `next` that is taken, or behind the conditional.
    fn skip_group(&mut self, file: &Lexed, mut next: u32) -> Result<(), Stop> {
        loop {
            let Some((directive, at)) = at(file, next) else {
                self.pos = file.toks.len();
                return Ok(());
            };
            if let Some(frame) = self.frames.last_mut() {
                frame.line = directive.line;
            }
            let taken = match &directive.op {
                Op::Elif(span) => self.condition(file.arguments(*span), "elif")?,
                Op::Elifdef(name, negated) => self.is_defined(*name)? != *negated,
                _ => true,
            };
            if taken {
                self.pos = at + 1;
                return Ok(());
            }
            next = directive.next;
        }
    }

    /// Goes behind the conditional.
    fn skip_rest(&mut self, file: &Lexed, mut next: u32) {
        while let Some((directive, at)) = at(file, next) {
            if matches!(directive.op, Op::Endif) {
                self.pos = at + 1;
                return;
            }
            next = directive.next;
        }
        self.pos = file.toks.len();
    }

    pub(super) fn is_defined(&mut self, name: Sym) -> Result<bool, Stop> {
        if name == Sym::EMPTY {
            return Err(self.failed("no macro name given in a conditional directive".to_owned()));
        }
        let def = self.lookup(name);
        if def == Macros::POISON {
            return Err(self.poisoned(name));
        }
        Ok(def != 0)
    }

    pub(super) fn poisoned(&self, name: Sym) -> Stop {
        self.failed(format!(
            "attempt to use poisoned \"{}\"",
            self.state.spellings.lossy(name)
        ))
    }

    /// The macro-expanded tokens of a directive, paddings left out.
    pub(super) fn expand_directive(&mut self, toks: &[Tok]) -> Result<Vec<Tok>, Stop> {
        self.in_directive = true;
        let expanded = self.expand_list(toks.to_vec());
        self.in_directive = false;
        let (mut toks, _) = expanded?;
        toks.retain(|tok| tok.kind != Kind::Padding);
        Ok(toks)
    }

    /// The header that the tokens of an `#include` expand to.
    fn computed_header(&mut self, toks: &[Tok]) -> Result<(bool, Sym), Stop> {
        let toks = self.expand_directive(toks)?;
        self.header_of(&toks)
            .ok_or_else(|| self.failed("#include expects \"FILENAME\" or <FILENAME>".to_owned()))
    }

    /// The header that these tokens spell, whether in quotes or between angle brackets.
    pub(super) fn header_of(&self, toks: &[Tok]) -> Option<(bool, Sym)> {
        let (first, rest) = toks.split_first()?;
        if first.kind == Kind::Str {
            let name = self
                .text(first.sym)
                .strip_prefix(b"\"")?
                .strip_suffix(b"\"")?;
            return Some((false, self.state.spellings.intern(name)));
        }
        if !first.is(Sym::LESS) {
            return None;
        }
        let mut name = Vec::new();
        for tok in rest {
            if tok.is(Sym::GREATER) {
                return Some((true, self.state.spellings.intern(&name)));
            }
            if tok.has(super::token::WHITE) {
                name.push(b' ');
            }
            name.extend_from_slice(self.text(tok.sym));
        }
        None
    }

    /// `#line`, and markers of files that were preprocessed before.
    fn set_line(&mut self, toks: &[Tok], is_marker: bool) -> Result<(), Stop> {
        self.spoil();
        let expanded = if is_marker {
            toks.to_vec()
        } else {
            self.expand_directive(toks)?
        };
        let wrong =
            |run: &Self| run.failed("#line is not followed by a line and a file".to_owned());
        let Some((number, rest)) = expanded.split_first() else {
            return Err(wrong(self));
        };
        let digits = std::str::from_utf8(self.text(number.sym)).unwrap_or_default();
        let Ok(line) = digits.parse::<u32>() else {
            return Err(wrong(self));
        };
        let name = match rest.first() {
            None => None,
            Some(tok) if tok.kind == Kind::Str => Some(self.unquoted(*tok)),
            Some(_) => return Err(wrong(self)),
        };
        if let Some(frame) = self.frames.last_mut() {
            // The line that follows has that number.
            frame.shift = line.wrapping_sub(frame.line).wrapping_sub(1);
            frame.name = name.unwrap_or(frame.name);
            frame.is_shared = false;
        }
        Ok(())
    }

    /// What a string literal holds, with its simple escapes undone.
    fn unquoted(&self, tok: Tok) -> Sym {
        let text = self.text(tok.sym);
        let start = text
            .iter()
            .position(|byte| *byte == b'"')
            .map_or(0, |at| at + 1);
        let end = text.len().saturating_sub(1).max(start);
        let mut name = Vec::new();
        let mut bytes = text.get(start..end).unwrap_or_default().iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                b'\\' => name.extend(bytes.next()),
                _ => name.push(byte),
            }
        }
        self.state.spellings.intern(&name)
    }

    /// A pragma that the preprocessor itself obeys; any other leaves nothing that genksyms reads.
    pub(super) fn pragma(&mut self, toks: &[Tok]) -> Result<(), Stop> {
        let spelled = |at: usize| toks.get(at).map_or(&b""[..], |tok| self.text(tok.sym));
        match (spelled(0), spelled(1)) {
            (b"once", _) => {
                self.spoil();
                if let Some(real) = self.real_path()? {
                    self.once.insert(real);
                }
            }
            (b"push_macro", _) => {
                self.spoil();
                if let Some(name) = self.named_macro(toks) {
                    let def = self.table.get(name);
                    self.pushed.entry(name).or_default().push(def);
                }
            }
            (b"pop_macro", _) => {
                self.spoil();
                if let Some(name) = self.named_macro(toks)
                    && let Some(def) = self.pushed.get_mut(&name).and_then(Vec::pop)
                {
                    self.define(name, def);
                }
            }
            (b"GCC", b"poison") | (b"clang", b"poison") => {
                self.spoil();
                for tok in toks.iter().skip(2).filter(|tok| tok.kind == Kind::Name) {
                    self.define(tok.sym, Macros::POISON);
                }
            }
            (b"GCC", b"error") => return Err(self.failed("#pragma GCC error".to_owned())),
            _ => {}
        }
        Ok(())
    }

    /// The macro that `("NAME")` names.
    fn named_macro(&self, toks: &[Tok]) -> Option<Sym> {
        match toks {
            [_, open, name, close, ..]
                if open.is(Sym::OPEN_PAREN)
                    && close.is(Sym::CLOSE_PAREN)
                    && name.kind == Kind::Str =>
            {
                Some(self.unquoted(*name))
            }
            _ => None,
        }
    }

    /// Real path of the file that is read.
    fn real_path(&self) -> Result<Option<std::path::PathBuf>, Stop> {
        let file = self.frame().and_then(|frame| frame.id);
        let Some(file) = file.and_then(|id| self.state.files.get(id)) else {
            return Ok(None);
        };
        let real = self
            .state
            .files
            .real(file)
            .map_err(|message| self.failed(message))?;
        Ok(Some(real))
    }

    /// Finds a header and opens it, unless it would be empty.
    fn include(&mut self, how: How, angled: bool, name: Sym) -> Result<(), Stop> {
        let Some((id, next_folder)) = self.resolve(how, angled, name) else {
            let name = self.state.spellings.lossy(name);
            return Err(Stop::Failed {
                message: self.located_message(&format!("{name}: no such file or directory")),
                missing: Some(name),
            });
        };
        self.open(id, next_folder, how == How::Import, false)
    }

    /// Opens a file, unless it would be empty.
    pub(super) fn open(
        &mut self,
        id: u32,
        next_folder: Option<usize>,
        once: bool,
        drops: bool,
    ) -> Result<(), Stop> {
        let state = self.state;
        let Some(file) = state.files.get(id) else {
            return Ok(());
        };
        let lexed = state
            .files
            .lexed(
                file,
                self.setup.dialect,
                &state.spellings,
                &state.macros,
                true,
            )
            .map_err(|message| self.failed(message))?;
        let is_first = self.seen.insert(id);
        if !is_first && lexed.guard.is_some_and(|guard| self.table.get(guard) != 0) {
            return Ok(());
        }
        if once || !self.once.is_empty() {
            let real = state
                .files
                .real(file)
                .map_err(|message| self.failed(message))?;
            if self.once.contains(&real) || once && !self.once.insert(real) {
                return Ok(());
            }
        }
        if is_first {
            self.dependencies.push(id);
        }
        self.enter(Frame {
            lexed,
            pos: 0,
            id: Some(id),
            folder: file.folder,
            name: file.name,
            next_folder,
            shift: 0,
            line: 0,
            drops: drops || self.frame().is_some_and(|frame| frame.drops),
            is_shared: true,
        })
    }

    /// Finds a header: its file, and where in the list of folders `#include_next` goes on from there.
    pub(super) fn resolve(
        &self,
        how: How,
        angled: bool,
        name: Sym,
    ) -> Option<(u32, Option<usize>)> {
        let files = &self.state.files;
        let setup = &self.setup;
        let find = |folder| files.find(&self.state.spellings, setup.cwd_sym, folder, name);
        if self.text(name).starts_with(b"/") {
            return find(Sym::EMPTY).map(|id| (id, Some(0)));
        }
        let frame = self.frame();
        let goes_on = frame
            .and_then(|frame| frame.next_folder)
            .filter(|_| how == How::Next);
        let start = match goes_on {
            Some(at) => at,
            None if angled => setup.first_angled,
            None => {
                let folder = frame.map_or(Sym::EMPTY, |frame| frame.folder);
                if let Some(id) = find(folder) {
                    return Some((id, Some(0)));
                }
                0
            }
        };
        let folders = setup.folders.get(start..).unwrap_or_default();
        folders
            .iter()
            .enumerate()
            .find_map(|(at, folder)| find(*folder).map(|id| (id, Some(start + at + 1))))
    }
}

/// The directive at a position of a file.
fn at(file: &Lexed, position: u32) -> Option<(&Directive, usize)> {
    let tok = file.toks.get(position as usize)?;
    Some((file.directive(*tok)?, position as usize))
}
