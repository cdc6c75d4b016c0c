//! LALR(1) tables with the conventions of yacc.
//!
//! In flows a [`Grammar`], out flow [`Tables`]. Lookaheads are computed as DeRemer and Pennello describe ("Efficient
//! computation of LALR(1) look-ahead sets", 1982). Because the tables decide how a parser recovers from errors, three
//! conventions are part of the result: a conflict is settled for the shift, or for the earlier rule; a state that cannot
//! shift `error` takes its most frequent reduction on every other token; a state with nothing else takes it without
//! looking at a token.

use super::grammar::{Grammar, Rule, Sym, Terminal};

const TERMINALS: usize = Terminal::ALL.len();
const _: () = assert!(TERMINALS <= 64, "a set of terminals is a u64");

/// What a state does on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Error,
    Shift(u16),
    Reduce(u16),
}

/// Parsing tables of one grammar.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub(super) rules: Vec<Rule>,
    steps: Vec<[Step; TERMINALS]>,
    /// The rule that a state reduces without looking at a token.
    unconditional: Vec<Option<u16>>,
    gotos: Vec<u16>,
    nonterminals: usize,
    /// The state in which the rule of a function definition is complete.
    pub(super) after_body: Option<u16>,
    /// The state in which the whole unit and its end have been read.
    pub(super) accepting: Option<u16>,
    /// Unsettled shift/reduce and reduce/reduce conflicts, counted as bison counts them.
    pub(super) conflicts: (usize, usize),
}

impl Tables {
    /// What the state does on the terminal.
    pub(super) fn step(&self, state: u16, terminal: Terminal) -> Step {
        self.steps
            .get(usize::from(state))
            .map_or(Step::Error, |row| row[terminal as usize])
    }

    /// The rule that the state reduces whatever comes next.
    pub(super) fn unconditional(&self, state: u16) -> Option<u16> {
        self.unconditional
            .get(usize::from(state))
            .copied()
            .flatten()
    }

    /// The state behind a reduced non-terminal.
    pub(super) fn goto(&self, state: u16, nonterminal: u16) -> u16 {
        let index = usize::from(state) * self.nonterminals + usize::from(nonterminal);
        self.gotos.get(index).copied().unwrap_or(0)
    }

    /// How many states there are.
    #[cfg(test)]
    pub(super) fn states(&self) -> usize {
        self.steps.len()
    }

    /// Builds the tables of a grammar.
    pub(super) fn build(grammar: Grammar) -> Tables {
        let automaton = Automaton::build(&grammar.rules);
        let lookaheads = Lookaheads::compute(&grammar, &automaton);
        let mut tables = Tables {
            steps: Vec::new(),
            unconditional: Vec::new(),
            gotos: vec![0; automaton.states.len() * grammar.nonterminals.len()],
            nonterminals: grammar.nonterminals.len(),
            after_body: automaton.after(&grammar.rules, Terminal::BracePhrase),
            accepting: automaton.after(&grammar.rules, Terminal::End),
            conflicts: (0, 0),
            rules: grammar.rules,
        };
        for (index, state) in automaton.states.iter().enumerate() {
            tables.add_state(index, state, &lookaheads.of_state[index]);
        }
        tables
    }

    fn add_state(&mut self, index: usize, state: &State, reductions: &[(u16, u64)]) {
        let mut row = [Step::Error; TERMINALS];
        for &(rule, lookahead) in reductions.iter().rev() {
            for terminal in bits(lookahead) {
                row[terminal] = Step::Reduce(rule);
            }
        }
        let mut shifts = 0_u64;
        for &(symbol, target) in &state.transitions {
            match symbol {
                Sym::Terminal(terminal) => {
                    row[usize::from(terminal)] = Step::Shift(target);
                    shifts |= 1 << terminal;
                }
                Sym::Nonterminal(nonterminal) => {
                    self.gotos[index * self.nonterminals + usize::from(nonterminal)] = target;
                }
            }
        }
        self.count_conflicts(shifts, reductions);
        let shifts_error = shifts & (1 << Terminal::Error as u8) != 0;
        let default = if shifts_error {
            None
        } else {
            most_frequent(&row, reductions)
        };
        let mut unconditional = None;
        if let Some(rule) = default {
            let is_only = |step: &Step| matches!(step, Step::Error) || *step == Step::Reduce(rule);
            unconditional = row.iter().all(is_only).then_some(rule);
            for (terminal, step) in row.iter_mut().enumerate() {
                // The lookup of a state that shifts `error` does not see defaults.
                if *step == Step::Error && terminal != Terminal::Error as usize {
                    *step = Step::Reduce(rule);
                }
            }
        }
        self.steps.push(row);
        self.unconditional.push(unconditional);
    }

    fn count_conflicts(&mut self, shifts: u64, reductions: &[(u16, u64)]) {
        let any = reductions.iter().fold(0, |all, (_, set)| all | set);
        self.conflicts.0 += (shifts & any).count_ones() as usize;
        for terminal in bits(any) {
            let wanting = reductions
                .iter()
                .filter(|(_, set)| set & (1 << terminal) != 0);
            self.conflicts.1 += wanting.count() - 1;
        }
    }
}

/// The reduction that a row holds most often, the earlier rule on a tie.
fn most_frequent(row: &[Step], reductions: &[(u16, u64)]) -> Option<u16> {
    let mut best = (0, None);
    for &(rule, _) in reductions {
        let count = row
            .iter()
            .filter(|step| **step == Step::Reduce(rule))
            .count();
        if count > best.0 {
            best = (count, Some(rule));
        }
    }
    best.1
}

/// The numbers of the bits that are set.
fn bits(set: u64) -> impl Iterator<Item = usize> {
    (0..TERMINALS).filter(move |bit| set & (1 << bit) != 0)
}

/// A rule and how many of its symbols have been read.
type Item = (u16, u16);

#[derive(Clone, Debug, Default)]
struct State {
    kernel: Vec<Item>,
    transitions: Vec<(Sym, u16)>,
    /// Rules that are complete in this state, in order.
    complete: Vec<u16>,
}

/// The LR(0) automaton.
#[derive(Debug, Default)]
struct Automaton {
    states: Vec<State>,
}

impl Automaton {
    fn build(rules: &[Rule]) -> Automaton {
        let mut automaton = Automaton::default();
        automaton.states.push(State {
            kernel: vec![(0, 0)],
            ..State::default()
        });
        let mut next = 0;
        while let Some(state) = automaton.states.get(next) {
            let items = closure(rules, &state.kernel);
            automaton.expand(rules, next, &items);
            next += 1;
        }
        automaton
    }

    fn expand(&mut self, rules: &[Rule], index: usize, items: &[Item]) {
        let mut by_symbol: Vec<(Sym, Vec<Item>)> = Vec::new();
        let mut complete = Vec::new();
        for &(rule, dot) in items {
            match rules[usize::from(rule)].rhs.get(usize::from(dot)) {
                None => complete.push(rule),
                Some(symbol) => match by_symbol.iter_mut().find(|(s, _)| s == symbol) {
                    Some((_, kernel)) => kernel.push((rule, dot + 1)),
                    None => by_symbol.push((*symbol, vec![(rule, dot + 1)])),
                },
            }
        }
        complete.sort_unstable();
        let mut transitions = Vec::new();
        for (symbol, mut kernel) in by_symbol {
            kernel.sort_unstable();
            let known = self.states.iter().position(|state| state.kernel == kernel);
            let target = known.unwrap_or_else(|| {
                self.states.push(State {
                    kernel,
                    ..State::default()
                });
                self.states.len() - 1
            });
            transitions.push((symbol, u16::try_from(target).unwrap_or(u16::MAX)));
        }
        self.states[index].transitions = transitions;
        self.states[index].complete = complete;
    }

    fn target(&self, state: u16, symbol: Sym) -> Option<u16> {
        let transitions = &self.states.get(usize::from(state))?.transitions;
        transitions
            .iter()
            .find(|(s, _)| *s == symbol)
            .map(|(_, t)| *t)
    }

    /// The state in which nothing but a rule that ends in this terminal, behind a non-terminal, is complete.
    fn after(&self, rules: &[Rule], terminal: Terminal) -> Option<u16> {
        let ends_in = |rule: u16| {
            let rhs = &rules[usize::from(rule)].rhs;
            matches!(rhs[..], [.., Sym::Nonterminal(_), Sym::Terminal(t)] if t == terminal as u8)
        };
        let found = self
            .states
            .iter()
            .position(|state| matches!(state.complete[..], [rule] if ends_in(rule)))?;
        u16::try_from(found).ok()
    }
}

fn closure(rules: &[Rule], kernel: &[Item]) -> Vec<Item> {
    let mut items = kernel.to_vec();
    let mut next = 0;
    while let Some(&(rule, dot)) = items.get(next) {
        next += 1;
        let Some(Sym::Nonterminal(wanted)) = rules[usize::from(rule)].rhs.get(usize::from(dot))
        else {
            continue;
        };
        for (number, candidate) in rules.iter().enumerate() {
            let item = (u16::try_from(number).unwrap_or(u16::MAX), 0);
            if candidate.lhs == *wanted && !items.contains(&item) {
                items.push(item);
            }
        }
    }
    items
}

/// Lookahead sets of the complete rules of each state.
#[derive(Debug)]
struct Lookaheads {
    of_state: Vec<Vec<(u16, u64)>>,
}

impl Lookaheads {
    fn compute(grammar: &Grammar, automaton: &Automaton) -> Lookaheads {
        let rules = &grammar.rules;
        let nullable = nullable(rules, grammar.nonterminals.len());
        let is_nullable =
            |symbol: &Sym| matches!(symbol, Sym::Nonterminal(n) if nullable[usize::from(*n)]);
        // Transitions on non-terminals: where from, on what, where to.
        let mut moves: Vec<(u16, u16, u16)> = Vec::new();
        for (index, state) in automaton.states.iter().enumerate() {
            for &(symbol, target) in &state.transitions {
                if let Sym::Nonterminal(nonterminal) = symbol {
                    moves.push((
                        u16::try_from(index).unwrap_or(u16::MAX),
                        nonterminal,
                        target,
                    ));
                }
            }
        }
        let move_of = |state: u16, nonterminal: u16| {
            moves
                .iter()
                .position(|(s, n, _)| (*s, *n) == (state, nonterminal))
        };
        let mut follow = vec![0_u64; moves.len()];
        let mut reads: Vec<(usize, usize)> = Vec::new();
        let mut includes: Vec<(usize, usize)> = Vec::new();
        let mut lookback: Vec<(u16, u16, usize)> = Vec::new();
        for (index, &(from, nonterminal, target)) in moves.iter().enumerate() {
            for (symbol, _) in &automaton.states[usize::from(target)].transitions {
                match symbol {
                    Sym::Terminal(terminal) => follow[index] |= 1 << terminal,
                    Sym::Nonterminal(n) if nullable[usize::from(*n)] => {
                        reads.extend(move_of(target, *n).map(|read| (index, read)));
                    }
                    Sym::Nonterminal(_) => {}
                }
            }
            for (number, rule) in rules
                .iter()
                .enumerate()
                .filter(|(_, r)| r.lhs == nonterminal)
            {
                let mut state = from;
                for (at, symbol) in rule.rhs.iter().enumerate() {
                    if let Sym::Nonterminal(n) = symbol
                        && rule.rhs[at + 1..].iter().all(is_nullable)
                    {
                        includes.extend(move_of(state, *n).map(|inner| (inner, index)));
                    }
                    state = automaton.target(state, *symbol).unwrap_or(0);
                }
                lookback.push((state, u16::try_from(number).unwrap_or(u16::MAX), index));
            }
        }
        // In this order: what is read behind a transition must not gain the contexts of the transition that reads it.
        close(&mut follow, &reads);
        close(&mut follow, &includes);
        let of_rule = |state: usize, rule: u16| {
            lookback
                .iter()
                .filter(|(s, r, _)| (usize::from(*s), *r) == (state, rule))
                .fold(0, |set, (_, _, at)| set | follow[*at])
        };
        Lookaheads {
            of_state: (automaton.states.iter().enumerate())
                .map(|(index, state)| {
                    let complete = state.complete.iter();
                    complete.map(|&rule| (rule, of_rule(index, rule))).collect()
                })
                .collect(),
        }
    }
}

/// Adds to each set, along the edges (to, from), until nothing changes.
fn close(sets: &mut [u64], edges: &[(usize, usize)]) {
    let mut changed = true;
    while changed {
        changed = false;
        for &(to, from) in edges {
            let sum = sets[to] | sets[from];
            changed |= sum != sets[to];
            sets[to] = sum;
        }
    }
}

/// Which non-terminals derive the empty text.
fn nullable(rules: &[Rule], count: usize) -> Vec<bool> {
    let mut nullable = vec![false; count];
    let mut changed = true;
    while changed {
        changed = false;
        for rule in rules {
            let is_empty = |s: &Sym| matches!(s, Sym::Nonterminal(n) if nullable[usize::from(*n)]);
            if !nullable[usize::from(rule.lhs)] && rule.rhs.iter().all(is_empty) {
                nullable[usize::from(rule.lhs)] = true;
                changed = true;
            }
        }
    }
    nullable
}
