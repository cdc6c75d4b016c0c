//! Stretches of headers that are remembered and replayed.
//!
//! A stretch goes from the start of a file, or from behind an `#include`, to the next `#include` that is reached, or the end
//! of the file. What it does depends on the definitions of the names it looks at and on nothing else, so that it is kept with
//! them: `reads` lists each name that was looked at before the stretch itself defined it, with its definition; `writes` what
//! it defines; `raws` what genksyms reads of it, bodies that were skipped left out. Where a unit reaches the stretch with the
//! same definitions it is replayed: the names are compared, the writes carried out, and the tokens handed over as they are.
//!
//! Requires, for replay as for recording: no macro is being expanded, and genksyms stands between two declarations. Whether
//! it then skips the same bodies is not known beforehand, since that depends on its types; where it does not skip one, the
//! unit is read anew without replay. In bodies, names are not expanded, so only macros that could change their braces or act
//! beyond them matter: `bodies` lists the names that were passed over, none of which may be such a macro.
//!
//! Not remembered: stretches that use `__COUNTER__` in text that is kept, ask for files or features, change lines, or obey a
//! pragma; they are read each time.

use std::sync::{Arc, PoisonError};

use super::Stop;
use super::lexed::{Lexed, Op};
use super::macros::DefId;
use super::printer::Raw;
use super::run::{Run, Table};
use super::spelling::Sym;
use super::token::Kind;
use crate::cpp::ExportSite;

/// Most variants of one stretch.
const MAX_VARIANTS: usize = 12;

/// A remembered stretch.
pub(super) struct Segment {
    reads: Box<[(Sym, DefId)]>,
    bodies: Box<[Sym]>,
    writes: Box<[(Sym, DefId)]>,
    raws: Arc<[Raw]>,
    /// Where in the file it ends.
    end: usize,
    /// How often `__COUNTER__` was used.
    counter: u32,
    /// How often `__LINE__` was.
    line_uses: u32,
    /// How often what tokens do not show was.
    hidden_uses: u32,
    sites: Box<[ExportSite]>,
    /// What the arguments of the call say about it.
    shape: u32,
    /// Tells it from all other stretches of the session.
    number: u64,
}

/// A stretch that is being recorded.
pub(super) struct Recording {
    file: Arc<Lexed>,
    start: usize,
    counter: u32,
    line_uses: u32,
    hidden_uses: u32,
    sites: usize,
    base: u32,
    reads: Vec<(Sym, DefId)>,
    bodies: Vec<Sym>,
    writes: Vec<Sym>,
    pub(super) raws: Vec<Raw>,
}

/// What the recording knows of a name, as what is added to its base.
const BODY: u32 = 1;
const READ: u32 = 2;
const WRITTEN: u32 = 3;

impl Recording {
    /// A name was looked up.
    pub(super) fn read(&mut self, table: &mut Table, name: Sym, def: DefId) {
        if table.stamp_of(name) < self.base + READ {
            table.stamp(name, self.base + READ);
            self.reads.push((name, def));
        }
    }

    /// A name was defined or undefined.
    pub(super) fn write(&mut self, table: &mut Table, name: Sym) {
        if table.stamp(name, self.base + WRITTEN) != self.base + WRITTEN {
            self.writes.push(name);
        }
    }

    /// A name was passed over in a body.
    pub(super) fn pass(&mut self, table: &mut Table, name: Sym) {
        if table.stamp_of(name) < self.base + BODY {
            table.stamp(name, self.base + BODY);
            self.bodies.push(name);
        }
    }
}

impl Run<'_> {
    /// Whether a stretch that starts here can be remembered.
    fn may_remember(&self) -> bool {
        let Some(frame) = self.frame() else {
            return false;
        };
        if !self.setup.shares || !frame.is_shared || frame.drops || frame.shift != 0 {
            return false;
        }
        let Some(tok) = self.file.toks.get(self.pos) else {
            return false;
        };
        let is_include = tok.kind == Kind::Directive
            && self
                .file
                .directive(*tok)
                .is_some_and(|directive| matches!(directive.op, Op::Include(..)));
        !is_include && self.contexts.is_empty()
    }

    /// Replays the stretch that starts here and hands back its tokens, or starts to record it.
    pub(super) fn begin_stretch(&mut self) -> Option<(u64, Arc<[Raw]>)> {
        if !self.may_remember() {
            return None;
        }
        let start = u32::try_from(self.pos).ok()?;
        let known = self.file.remembered(start);
        let known = known.as_deref().unwrap_or_default();
        let hit = known.iter().find(|segment| self.matches(segment)).cloned();
        match hit {
            Some(segment) => {
                self.state.counters.replayed();
                Some((segment.number, self.replay(&segment)))
            }
            None => {
                self.state.counters.read();
                if known.len() < MAX_VARIANTS {
                    self.record();
                }
                None
            }
        }
    }

    fn matches(&self, segment: &Segment) -> bool {
        let (table, spellings) = (&self.table, &self.state.spellings);
        segment.shape == self.setup.shape
            && segment
                .reads
                .iter()
                .all(|(name, def)| table.get(*name) == *def)
            && (segment.bodies.iter())
                .all(|name| table.get(*name) == 0 || !spellings.is_opaque(*name))
    }

    fn replay(&mut self, segment: &Segment) -> Arc<[Raw]> {
        for &(name, def) in &segment.writes {
            self.table.set(name, def);
        }
        self.counter = self.counter.wrapping_add(segment.counter);
        // A stretch lies in one file.
        self.uses_lines(segment.line_uses);
        self.hidden_uses = self.hidden_uses.saturating_add(segment.hidden_uses);
        self.pos = segment.end;
        self.printer.sites.extend_from_slice(&segment.sites);
        self.printer.new_line();
        segment.raws.clone()
    }

    fn record(&mut self) {
        // Four stamps for each stretch; at the end of the numbers nothing is recorded any more.
        let Some(base) = self.table.serial.checked_add(4) else {
            return;
        };
        self.table.serial = base;
        self.recording = Some(Box::new(Recording {
            file: self.file.clone(),
            start: self.pos,
            counter: self.counter,
            line_uses: self.line_uses,
            hidden_uses: self.hidden_uses,
            sites: self.printer.sites.len(),
            base,
            reads: Vec::new(),
            bodies: Vec::new(),
            writes: Vec::new(),
            raws: Vec::new(),
        }));
    }

    /// Keeps the stretch that was recorded up to here.
    pub(super) fn end_stretch(&mut self) -> Result<(), Stop> {
        self.printer.flush(&self.state.spellings)?;
        self.save_raws();
        let Some(recording) = self.recording.take() else {
            return Ok(());
        };
        if !Arc::ptr_eq(&recording.file, &self.file) || !self.contexts.is_empty() {
            return Ok(());
        }
        let Ok(start) = u32::try_from(recording.start) else {
            return Ok(());
        };
        let segment = Segment {
            bodies: recording.bodies.into(),
            writes: (recording.writes.iter())
                .map(|name| (*name, self.table.get(*name)))
                .collect(),
            raws: recording.raws.into(),
            end: self.pos,
            counter: self.counter.wrapping_sub(recording.counter),
            line_uses: self.line_uses.saturating_sub(recording.line_uses),
            hidden_uses: self.hidden_uses.saturating_sub(recording.hidden_uses),
            sites: self
                .printer
                .sites
                .get(recording.sites..)
                .unwrap_or_default()
                .into(),
            shape: self.setup.shape,
            reads: recording.reads.into(),
            number: self.state.counters.number(),
        };
        let mut segments = recording
            .file
            .segments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = segments.entry(start).or_insert_with(|| [].into());
        let is_known = known
            .iter()
            .any(|known| known.shape == segment.shape && known.reads == segment.reads);
        if known.len() < MAX_VARIANTS && !is_known {
            self.state.files.take(segment.bytes());
            *known = known.iter().cloned().chain([Arc::new(segment)]).collect();
        }
        Ok(())
    }

    /// Copies tokens that were printed since the last call into the recording.
    pub(super) fn save_raws(&mut self) {
        if let Some(recording) = &mut self.recording {
            let saved = self.printer.saved;
            let new = self.printer.out.get(saved..).unwrap_or_default();
            recording.raws.extend_from_slice(new);
        }
        self.printer.saved = self.printer.out.len();
    }
}

impl Segment {
    fn bytes(&self) -> usize {
        size_of_val(&*self.reads)
            + size_of_val(&*self.bodies)
            + size_of_val(&*self.writes)
            + size_of_val(&*self.raws)
            + 200
    }
}
