//! The parser: runs the tables over a unit and carries out the actions of the rules.
//!
//! Errors are recovered from as yacc does: states are dropped until one shifts `error`, then tokens are dropped until
//! one can follow it; no message comes until three tokens have been shifted. What is dropped stays in the token list.

use std::sync::{Arc, OnceLock};

use super::classifier::Classifier;
use super::grammar::{Action, Grammar, GrammarId, Terminal, Value};
use super::memory::{Kept, Parsed};
use super::nodes::{NodeId, Slot};
use super::profile::Profile;
use super::tables::{Step, Tables};
use super::unit::{Room, Unit};
use super::words::Words;
use crate::cpp::TokenSource;
use crate::symtypes::TypeKind;

/// The tables of a profile's grammar, built at first use.
pub(super) fn tables(profile: &Profile) -> &'static Tables {
    static TABLES: [[OnceLock<Tables>; 16]; 5] = [const { [const { OnceLock::new() }; 16] }; 5];
    let absent = profile.absent();
    let number = |terminal| match terminal {
        Terminal::X86Seg => 1,
        Terminal::VaList => 2,
        Terminal::BuiltinInt => 4,
        _ => 8,
    };
    let variant: usize = absent.iter().map(|terminal| number(*terminal)).sum();
    let grammar = match profile.grammar {
        GrammarId::P0 => 0,
        GrammarId::P1 => 1,
        GrammarId::P2 => 2,
        GrammarId::P4 => 3,
        GrammarId::P5 => 4,
    };
    TABLES[grammar][variant].get_or_init(|| {
        let grammar = Grammar::read(profile.grammar, &absent);
        // INVARIANT: the texts are constants, and a test reads them for every combination of features.
        Tables::build(grammar.expect("INVARIANT: every grammar text is well formed"))
    })
}

/// Deepest nesting that is parsed, in symbols; a unit that passes it is not read any further.
const MAX_DEPTH: usize = 1 << 20;

/// How many states stand on the stack between two declarations.
const REST_DEPTH: usize = 2;

/// An action found its input wrong.
struct Refused;

/// Whether there is more to parse.
#[derive(PartialEq, Eq)]
enum Progress {
    Goes,
    Ends,
}

/// A parser over one unit.
pub(super) struct Parser<'a, 's, S: ?Sized> {
    tables: &'static Tables,
    source: &'s mut S,
    classifier: Classifier<'a>,
    unit: Unit<'a>,
    /// INVARIANT: one longer than `values`; the first is the start state.
    states: Vec<u16>,
    values: Vec<Slot>,
    lookahead: Option<Terminal>,
    /// The value of the token read last.
    value: Slot,
    /// How many tokens must still be shifted before the next error is reported.
    silence: u8,
    /// What other units declared.
    kept: Option<Arc<Kept>>,
}

impl<'a, 's, S: TokenSource<'a> + ?Sized> Parser<'a, 's, S> {
    pub(super) fn new(
        source: &'s mut S,
        profile: &Profile,
        words: Words<'a>,
        room: Room,
        dumps: bool,
    ) -> Self {
        Parser {
            tables: tables(profile),
            source,
            classifier: Classifier::new(),
            unit: Unit::new(profile, words, room, dumps),
            states: vec![0],
            values: Vec::new(),
            lookahead: None,
            value: 0,
            silence: 0,
            kept: None,
        }
    }

    /// Takes what stretches declare from other units.
    pub(super) fn with(mut self, kept: Arc<Kept>) -> Self {
        self.kept = Some(kept);
        self
    }

    /// Reads the whole unit.
    pub(super) fn run(mut self) -> Unit<'a> {
        while self.advance() == Progress::Goes {}
        self.unit
    }

    fn state(&self) -> u16 {
        self.states.last().copied().unwrap_or(0)
    }

    fn advance(&mut self) -> Progress {
        let state = self.state();
        if self.tables.accepting == Some(state) {
            return Progress::Ends;
        }
        if let Some(rule) = self.tables.unconditional(state) {
            return self.reduce(rule);
        }
        let terminal = self.look();
        match self.tables.step(state, terminal) {
            Step::Shift(next) => {
                self.lookahead = None;
                self.silence = self.silence.saturating_sub(1);
                self.push(next, self.value)
            }
            Step::Reduce(rule) => self.reduce(rule),
            Step::Error => self.error(terminal),
        }
    }

    fn push(&mut self, state: u16, value: Slot) -> Progress {
        if self.states.len() >= MAX_DEPTH {
            let message = "declarations nest too deep, the rest of the unit is not read";
            self.unit.fault(self.source, message.to_owned());
            return Progress::Ends;
        }
        self.states.push(state);
        self.values.push(value);
        Progress::Goes
    }

    fn look(&mut self) -> Terminal {
        if let Some(terminal) = self.lookahead {
            return terminal;
        }
        if self.states.len() <= REST_DEPTH && self.silence == 0 && self.classifier.rests() {
            self.rest();
        }
        let (tables, states) = (self.tables, &self.states);
        let terminal =
            (self.classifier).next(&mut self.unit, self.source, || takes_body(tables, states));
        if terminal != Terminal::End {
            self.value = self.unit.nodes.spare();
        }
        self.lookahead = Some(terminal);
        terminal
    }

    /// Between two declarations: keeps what a stretch declared, and reads over those of which it is known.
    fn rest(&mut self) {
        self.source.rest();
        let Some(kept) = self.kept.clone() else {
            return;
        };
        let state = (self.states.len(), self.state());
        let is_clean = self.unit.name == 0 && self.unit.specifiers == 0 && !self.unit.type_unwanted;
        let behind = (self.unit.tape.as_ref()).map(|tape| self.source.is_behind(tape.stretch));
        if behind == Some(Some(false)) {
            return;
        }
        if let Some(tape) = self.unit.tape.take()
            && is_clean
            && tape.state == state
            && behind == Some(Some(true))
        {
            kept.keep(*tape);
        }
        while is_clean && let Some(stretch) = self.source.stretch() {
            let variants = kept.variants(stretch);
            let fits = |parsed: &&Arc<Parsed>| parsed.state == state && self.unit.fits(parsed);
            let Some(parsed) = variants.iter().find(fits) else {
                if kept.has_room(&variants) {
                    self.unit.start_tape(stretch, state);
                }
                return;
            };
            self.unit.replay(parsed);
            self.source.pass_stretch();
            self.source.rest();
        }
    }

    fn error(&mut self, terminal: Terminal) -> Progress {
        match self.silence {
            0 => self.unit.report(self.source, "syntax error".to_owned()),
            3 if terminal == Terminal::End => return Progress::Ends,
            3 => self.lookahead = None,
            _ => {}
        }
        self.recover()
    }

    fn recover(&mut self) -> Progress {
        self.silence = 3;
        loop {
            if let Step::Shift(next) = self.tables.step(self.state(), Terminal::Error) {
                return self.push(next, self.value);
            }
            if self.values.pop().is_none() {
                return Progress::Ends;
            }
            self.states.pop();
        }
    }

    fn reduce(&mut self, number: u16) -> Progress {
        let tables = self.tables;
        // INVARIANT: the tables hold numbers of their own rules, and at least a rule's symbols are on the stack.
        let rule = &tables.rules[usize::from(number)];
        let base = self.values.len() - rule.rhs.len();
        let outcome = self.act(rule.action, base);
        let value = match rule.value {
            Value::Symbol(at) => self.nth(base, at),
            Value::Last => self.values[base..]
                .iter()
                .rev()
                .copied()
                .find(|v| *v != 0)
                .unwrap_or(0),
            Value::Null => 0,
        };
        self.values.truncate(base);
        self.states.truncate(base + 1);
        if outcome.is_err() {
            return self.recover();
        }
        if let Some(unwanted) = rule.unwanted {
            self.unit.type_unwanted = unwanted;
        }
        self.push(tables.goto(self.state(), rule.lhs), value)
    }

    /// The value of the symbol at that position, from 1, of the rule whose symbols start at `base`.
    fn nth(&self, base: usize, at: u8) -> Slot {
        self.values
            .get(base + usize::from(at) - 1)
            .copied()
            .unwrap_or(0)
    }

    fn act(&mut self, action: Action, base: usize) -> Result<(), Refused> {
        let first = self.nth(base, 1);
        let unit = &mut self.unit;
        match action {
            Action::None => {}
            Action::Reset => {
                unit.is_typedef = false;
                unit.is_extern = false;
                unit.name = 0;
                unit.specifiers = 0;
            }
            Action::Cut => self.cut(base),
            Action::Typedef => unit.is_typedef = true,
            Action::Export => {
                let name = self.unit.nodes.get(self.nth(base, 3));
                self.unit.export(self.source, name);
            }
            Action::Simple => self.pending_declarator(base),
            Action::First => {
                let last = unit.nodes.get(first);
                unit.nodes.set(first, 0);
                self.declare(last);
            }
            Action::Next(comma, own) => {
                let (comma, own) = (self.nth(base, comma), self.nth(base, own));
                let last = self.unit.nodes.get(own);
                self.unit.nodes.set(own, 0);
                self.unit.nodes.set(comma, self.unit.specifiers);
                self.declare(last);
            }
            Action::Specifiers(at) => {
                let slot = self.nth(base, at);
                self.unit.specifiers = self.unit.nodes.get(slot);
            }
            Action::NoSpecifiers => unit.specifiers = 0,
            Action::Remove => unit.nodes.remove(first),
            Action::Extern(is_extern) => unit.is_extern = is_extern,
            Action::Reference(kind, at) => {
                unit.nodes.remove(first);
                let name = self.nth(base, at);
                self.unit.nodes.tag(name, kind);
            }
            Action::Compound(kind, keyword, name, body) => {
                let [keyword, name, body] = [keyword, name, body].map(|at| self.nth(base, at));
                self.compound(kind, keyword, name, body);
            }
            Action::AnonymousEnum => unit.end_enum(),
            Action::TypeName => unit.nodes.tag(first, TypeKind::Typedef),
            Action::Name => {
                if unit.name != 0 {
                    unit.report(self.source, "unexpected second declaration name".to_owned());
                    return Err(Refused);
                }
                unit.name = unit.nodes.get(first);
            }
            Action::Function => {
                let slot = self.nth(base, 2);
                let last = self.unit.nodes.get(slot);
                self.unit.nodes.set(slot, 0);
                self.add_named(TypeKind::Symbol, last);
            }
            Action::Initialiser => {
                let before = unit.nodes.node(unit.nodes.get(first)).next;
                let slot = self.nth(base, 2);
                self.unit.nodes.set(slot, before);
            }
            Action::Enumerator => unit.add_enumerator(self.source, first, None),
            Action::EnumeratorValue => {
                let (equals, value) = (self.nth(base, 2), self.nth(base, 3));
                let nodes = &self.unit.nodes;
                let value = (nodes.get(value), nodes.get(equals));
                self.unit.add_enumerator(self.source, first, Some(value));
            }
        }
        Ok(())
    }

    /// Ends a declaration. Nothing refers to its tokens any more, unless the next one's first has been read.
    fn cut(&mut self, base: usize) {
        let end = self.nth(base, 2);
        self.unit.nodes.set(end, 0);
        self.unit.specifiers = 0;
        self.unit.name = 0;
        if self.lookahead.is_none() {
            self.unit.nodes.clear();
            self.value = 0;
        }
    }

    fn declare(&mut self, last: NodeId) {
        let kind = if self.unit.is_typedef {
            TypeKind::Typedef
        } else {
            TypeKind::Symbol
        };
        self.add_named(kind, last);
    }

    /// Adds the declared name. A declarator that was in error may have none.
    fn add_named(&mut self, kind: TypeKind, last: NodeId) {
        let name = std::mem::take(&mut self.unit.name);
        if name != 0 {
            self.unit.add(self.source, name, kind, last);
        }
    }

    fn pending_declarator(&mut self, base: usize) {
        if self.unit.name != 0 {
            let semicolon = self.unit.nodes.get(self.nth(base, 3));
            let last = self.unit.nodes.get(semicolon);
            self.unit.nodes.set(semicolon, 0);
            self.declare(last);
        }
    }

    /// A type with a body. In the source file itself it stays unknown; elsewhere its tokens become its definition, and a
    /// copy of its name takes their place in the list.
    fn compound(&mut self, kind: TypeKind, keyword: Slot, name: Slot, body: Slot) {
        let ident = self.unit.nodes.get(name);
        if self.unit.grammar_has_source_rule() && self.unit.nodes.node(ident).in_source_file {
            let nodes = &mut self.unit.nodes;
            nodes.remove(keyword);
            nodes.tag(name, kind);
            nodes.set(body, ident);
            return;
        }
        let nodes = &mut self.unit.nodes;
        let start = nodes.get(keyword);
        let before = nodes.get(start);
        let last = nodes.get(body);
        let reference = nodes.copy_last(name, kind, before);
        nodes.set(body, reference);
        nodes.set(start, 0);
        self.unit.add(self.source, ident, kind, last);
    }
}

/// Whether a body that starts now would complete a function definition, by running the tables without their actions.
fn takes_body(tables: &Tables, states: &[u16]) -> bool {
    let mut kept = states.len();
    let mut added: Vec<u16> = Vec::new();
    // Without shifts, the reductions shorten the stack or climb the grammar.
    for _ in 0..states.len() + tables.rules.len() {
        let top = added
            .last()
            .copied()
            .or_else(|| states.get(kept.checked_sub(1)?).copied());
        let Some(top) = top else {
            return false;
        };
        let number = match tables.step(top, Terminal::BracePhrase) {
            Step::Error => return false,
            Step::Shift(next) => return tables.after_body == Some(next),
            Step::Reduce(number) => number,
        };
        let rule = &tables.rules[usize::from(number)];
        let from_added = rule.rhs.len().min(added.len());
        added.truncate(added.len() - from_added);
        kept = kept.saturating_sub(rule.rhs.len() - from_added);
        let below = added
            .last()
            .copied()
            .or_else(|| states.get(kept.checked_sub(1)?).copied());
        added.push(tables.goto(below.unwrap_or(0), rule.lhs));
    }
    false
}
