//! The token stream of one unit, preprocessed as it is read.

use std::sync::Arc;

use super::Stop;
use super::files::FileId;
use super::lexed::Lexed;
use super::macros::Macro;
use super::printer::Raw;
use super::run::{Frame, Run};
use super::spelling::Sym;
use super::token::{Kind, Tok};
use crate::cpp::{Token, TokenClass, TokenSource, Vocabulary};

/// Tokens after which buffered output is handed over.
const BATCH: usize = 512;
/// Deepest nesting of parentheses in a body that is skipped.
const MAX_PARENTHESES: usize = 1 << 16;

/// The tokens of a unit.
pub(super) struct Tokens<'s> {
    pub(super) run: Run<'s>,
    /// A stretch that is replayed, and how many of its tokens were taken.
    chunk: Arc<[Raw]>,
    chunk_taken: usize,
    /// Number of the stretch.
    stretch: u64,
    /// The file to open when the command line was read.
    main: Option<Frame>,
    at_boundary: bool,
    /// The consumer stands between two declarations.
    rests: bool,
    ended: bool,
    /// The place behind the last line was reached.
    is_closed: bool,
    /// What ended the unit before its end.
    pub(super) stop: Option<Stop>,
    file: Sym,
    line: u32,
}

/// A body that is being skipped.
struct Body {
    depth: u64,
    /// For each parenthesis that is open, how deep the braces were, and the name before it.
    parentheses: Vec<(u64, Option<Sym>)>,
    /// The name that was passed over last, if nothing stands behind it yet.
    name: Option<Sym>,
    /// Where it starts, as long as it can be read again from there.
    start: Option<(usize, u32)>,
    /// Every name is expanded.
    is_exact: bool,
}

impl<'s> Tokens<'s> {
    /// A unit of which `command_line` is read before `main`.
    pub(super) fn new(mut run: Run<'s>, command_line: Arc<Lexed>, main: Frame) -> Self {
        let name = run.state.spellings.intern(b"<command-line>");
        let folder = run.state.spellings.intern(b"./");
        let opened = run.enter(Frame {
            lexed: command_line,
            pos: 0,
            id: None,
            folder,
            name,
            next_folder: None,
            shift: 0,
            line: 0,
            drops: false,
            is_shared: false,
        });
        let (file, chunk) = (run.setup.source, run.state.no_raws.clone());
        Tokens {
            run,
            chunk,
            chunk_taken: 0,
            stretch: u64::MAX,
            main: Some(main),
            at_boundary: false,
            rests: false,
            ended: opened.is_err(),
            is_closed: false,
            stop: opened.err(),
            file,
            line: 1,
        }
    }

    /// The files that were read, in order.
    pub(super) fn dependencies(&self) -> &[FileId] {
        &self.run.dependencies
    }

    /// The next token as it was printed.
    fn next_raw(&mut self) -> Option<Raw> {
        loop {
            if let Some(raw) = self.chunk.get(self.chunk_taken) {
                self.chunk_taken += 1;
                return Some(*raw);
            }
            let printer = &mut self.run.printer;
            if let Some(raw) = printer.out.get(printer.taken) {
                printer.taken += 1;
                return Some(*raw);
            }
            if self.ended {
                self.close();
                return None;
            }
            if let Err(stop) = self.fill() {
                self.end(Some(stop));
            }
        }
    }

    fn end(&mut self, stop: Option<Stop>) {
        self.ended = true;
        self.stop = self.stop.take().or(stop);
        if self.stop.is_some() {
            self.run.printer.out.clear();
            self.run.printer.taken = 0;
            self.is_closed = true;
        }
    }

    /// Goes behind the newline with which the compiler ends its last line, or to the place that it told last.
    fn close(&mut self) {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.line = match self.run.returned_to {
                Some(line) => line,
                None => self.line.wrapping_add(1),
            };
            self.file = self.run.last_name;
        }
    }

    /// Preprocesses on until there is something to hand over.
    fn fill(&mut self) -> Result<(), Stop> {
        self.stretch = u64::MAX;
        let printer = &mut self.run.printer;
        printer.out.clear();
        (printer.taken, printer.saved) = (0, 0);
        if std::mem::take(&mut self.at_boundary) && self.replays() {
            return Ok(());
        }
        let filled = self.fill_on();
        self.run.save_raws();
        filled
    }

    fn fill_on(&mut self) -> Result<(), Stop> {
        loop {
            let tok = self.run.get_token()?;
            match tok.kind {
                Kind::Padding => self.run.printer.pad(tok),
                Kind::Boundary => {
                    self.run.end_stretch()?;
                    if !self.run.printer.out.is_empty() {
                        self.at_boundary = true;
                        return Ok(());
                    }
                    if self.replays() {
                        return Ok(());
                    }
                }
                Kind::End => {
                    self.run.printer.flush(&self.run.state.spellings)?;
                    match self.main.take() {
                        Some(main) => {
                            self.run.returned_to = None;
                            self.run.printer.new_line();
                            self.run.enter(main)?;
                        }
                        None => {
                            self.end(None);
                            return Ok(());
                        }
                    }
                }
                _ => {
                    if self.print(tok)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Prints a token; whether there is enough to hand over.
    fn print(&mut self, tok: Tok) -> Result<bool, Stop> {
        let run = &mut self.run;
        let Some(frame) = run.frames.last() else {
            return Ok(false);
        };
        if frame.drops {
            return Ok(false);
        }
        run.printer.print(tok, frame.name, &run.state.spellings)?;
        run.returned_to = None;
        let is_open = tok.is(Sym::OPEN_BRACE) && run.contexts.is_empty();
        Ok(is_open || run.printer.out.len() >= BATCH && !run.printer.is_open())
    }

    /// Replays the stretches that start here, up to the first that has tokens.
    fn replays(&mut self) -> bool {
        if !self.rests {
            return false;
        }
        let Some((number, chunk)) = self.run.begin_stretch() else {
            return false;
        };
        if !chunk.is_empty() {
            self.run.returned_to = None;
        }
        self.chunk = chunk;
        self.stretch = number;
        self.chunk_taken = 0;
        true
    }

    /// Skips the rest of a body in the files.
    fn skip(&mut self, depth: u64) -> Result<bool, Stop> {
        self.stretch = u64::MAX;
        let printer = &mut self.run.printer;
        printer.out.clear();
        (printer.taken, printer.saved) = (0, 0);
        printer.is_skipping = true;
        self.at_boundary = false;
        let is_plain = self.run.contexts.is_empty();
        let mut body = Body {
            depth,
            parentheses: Vec::new(),
            name: None,
            start: is_plain.then_some((self.run.pos, self.run.counter)),
            is_exact: false,
        };
        let frames = self.run.frames.len();
        let close = loop {
            let tok = if body.is_exact || !self.run.contexts.is_empty() {
                self.run.get_token()?
            } else {
                self.run.lex()?
            };
            if self.run.frames.len() != frames {
                body.start = None;
            }
            match tok.kind {
                Kind::End => match self.main.take() {
                    Some(main) => self.run.enter(main)?,
                    None => break None,
                },
                // The body goes over the end of a stretch.
                Kind::Boundary => {
                    self.run.spoil();
                    body.start = None;
                }
                Kind::Name if !body.is_exact && self.run.contexts.is_empty() => {
                    self.pass(tok, &mut body)?;
                }
                Kind::Punct if self.nest(tok, &mut body)? => break Some(tok),
                Kind::Padding => {}
                _ => body.name = None,
            }
        };
        self.run.printer.is_skipping = false;
        let Some(close) = close else {
            self.end(None);
            self.close();
            return Ok(false);
        };
        let file = self.run.frame().map_or(self.file, |frame| frame.name);
        self.run.returned_to = None;
        let raw = self.run.printer.skipped_to(close, file);
        if let Some(recording) = &mut self.run.recording {
            recording.raws.push(raw);
        }
        (self.line, self.file) = (raw.line, raw.file);
        Ok(true)
    }

    /// Follows braces; whether the body ends. A macro's argument that is no balanced text makes the braces of the source
    /// tell nothing, so the body is then read again with all names expanded.
    fn nest(&mut self, tok: Tok, body: &mut Body) -> Result<bool, Stop> {
        match tok.sym {
            Sym::OPEN_BRACE => body.depth += 1,
            Sym::CLOSE_BRACE => {
                body.depth -= 1;
                if body.depth == 0 {
                    return Ok(true);
                }
                if body
                    .parentheses
                    .last()
                    .is_some_and(|(depth, _)| *depth > body.depth)
                {
                    self.again(body)?;
                }
            }
            Sym::OPEN_PAREN if !body.is_exact && body.parentheses.len() < MAX_PARENTHESES => {
                body.parentheses.push((body.depth, body.name));
            }
            Sym::CLOSE_PAREN
                if !body.is_exact
                    && body
                        .parentheses
                        .pop()
                        .is_some_and(|(depth, _)| depth != body.depth) =>
            {
                self.again(body)?;
            }
            _ => {}
        }
        Ok(false)
    }

    /// A name in a body that is skipped: expanded only where that could matter.
    fn pass(&mut self, name: Tok, body: &mut Body) -> Result<(), Stop> {
        if !self.run.state.spellings.is_opaque(name.sym) {
            if let Some(recording) = &mut self.run.recording {
                recording.pass(&mut self.run.table, name.sym);
            }
            body.name = Some(name.sym);
            return Ok(());
        }
        body.name = None;
        let def = self.run.lookup(name.sym);
        let found = if def == 0 {
            None
        } else {
            self.run.macro_of(def)
        };
        let Some(found) = found else { return Ok(()) };
        if self.is_handed_on(body) {
            return self.again(body);
        }
        if !self.run.enter_macro(name, found)? && is_function(found) && !body.parentheses.is_empty()
        {
            // A macro may be handed to another one by name.
            self.again(body)?;
        }
        Ok(())
    }

    /// Whether what stands here is in an argument of a macro that may evaluate it otherwise than once.
    fn is_handed_on(&mut self, body: &Body) -> bool {
        let names = body.parentheses.iter().filter_map(|(_, name)| *name);
        names.into_iter().any(|name| {
            let def = self.run.lookup(name);
            let found = self.run.macro_of(def).filter(|_| def != 0);
            found.is_some_and(|found| !is_function(found) || !found.expands_arguments_once())
        })
    }

    /// Starts the body again with all names expanded.
    fn again(&mut self, body: &mut Body) -> Result<(), Stop> {
        let Some((pos, counter)) = body.start.take() else {
            return Err(Stop::Refused(
                "a body whose braces stand in arguments of macros".to_owned(),
            ));
        };
        self.run.pos = pos;
        self.run.counter = counter;
        self.run.contexts.clear();
        body.depth = 1;
        body.parentheses.clear();
        body.is_exact = true;
        Ok(())
    }
}

fn is_function(found: &Macro) -> bool {
    found.parameters.is_some()
}

impl<'s> TokenSource<'s> for Tokens<'s> {
    fn next_token(&mut self) -> Option<Token<'s>> {
        let raw = self.next_raw()?;
        self.rests = false;
        let Some(class) = raw.class else {
            // The stretch was recorded with this body skipped.
            self.end(Some(Stop::Mismatch));
            self.chunk_taken = self.chunk.len();
            return None;
        };
        (self.line, self.file) = (raw.line, raw.file);
        Some(Token {
            class,
            text: self.run.text(raw.sym),
            word: raw.sym.0,
        })
    }

    fn skip_braced(&mut self) -> bool {
        let mut depth = 1_u64;
        loop {
            let is_buffered = self.chunk_taken < self.chunk.len()
                || self.run.printer.taken < self.run.printer.out.len();
            if !is_buffered {
                if self.ended {
                    return false;
                }
                if depth > 1 {
                    // Tokens of the body were printed before, so that the recording holds half of it.
                    self.run.spoil();
                }
                return self.skip(depth).unwrap_or_else(|stop| {
                    self.end(Some(stop));
                    false
                });
            }
            let Some(raw) = self.next_raw() else {
                return false;
            };
            (self.line, self.file) = (raw.line, raw.file);
            depth = match (raw.class, raw.sym) {
                (None, _) | (Some(TokenClass::Punctuator), Sym::CLOSE_BRACE) => depth - 1,
                (Some(TokenClass::Punctuator), Sym::OPEN_BRACE) => depth + 1,
                _ => depth,
            };
            if depth == 0 {
                return true;
            }
        }
    }

    fn rest(&mut self) {
        self.rests = true;
    }

    fn vocabulary(&self) -> Option<&'s dyn Vocabulary> {
        Some(&self.run.state.spellings)
    }

    fn stretch(&mut self) -> Option<u64> {
        loop {
            if self.run.printer.taken < self.run.printer.out.len() {
                return None;
            }
            match self.chunk_taken.cmp(&self.chunk.len()) {
                std::cmp::Ordering::Less if self.chunk_taken == 0 => return Some(self.stretch),
                std::cmp::Ordering::Less => return None,
                _ => {}
            }
            if self.ended {
                return None;
            }
            if let Err(stop) = self.fill() {
                self.end(Some(stop));
            }
        }
    }

    fn is_behind(&self, stretch: u64) -> Option<bool> {
        (self.stretch == stretch).then_some(self.chunk_taken == self.chunk.len())
    }

    fn pass_stretch(&mut self) {
        self.chunk_taken = self.chunk.len();
        if let Some(last) = self.chunk.last() {
            (self.line, self.file) = (last.line, last.file);
        }
    }

    fn file(&self) -> &'s [u8] {
        self.run.text(self.file)
    }

    fn line(&self) -> u32 {
        self.line
    }

    fn in_source_file(&self) -> bool {
        self.file == self.run.setup.source
    }
}
