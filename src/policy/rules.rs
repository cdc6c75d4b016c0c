//! Rules: which severity a class of change has for which symbols.
//!
//! All rules of a run stand in one order: the files in the order in which they were given, in each file from top to
//! bottom. **The first rule that matches decides**; where none matches, the built-in severity of the class holds
//! ([`Severity::default_for`]). A rule selects by the symbol's name, the module and namespace of its export, the lists
//! that protect it, why it matters, and the class of change. All that a rule names must fit; of several values one.
//!
//! A CRC that changed through several definitions has a class for each. Each is looked up by itself and the gravest
//! answer counts, so a rule about one class can never excuse another.

mod debian;
mod file;
mod severities;
mod toml;
mod ubuntu;

pub use file::RuleContext;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::pattern::Pattern;
use super::severity::{Severity, Standing};
use crate::compare::ChangeClass;
use crate::symvers::{Problem, Symvers};

/// Class of a known module of which it cannot be said whether it loads: a rule selects it by `module`, as
/// `PROVIDER/MODULE`.
pub const MODULE_UNKNOWN: &str = "module-unknown";

/// Class of a change that the CRCs do not show and that breaks the layout of a structure.
pub const HIDDEN_LAYOUT: &str = "hidden-layout";

/// Classes that are no change of a symbol.
const OTHER_CLASSES: [&str; 4] = [MODULE_UNKNOWN, "hidden", HIDDEN_LAYOUT, "slot-used"];

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The symbol.
    pub symbol: &'a str,
    /// Module column of its export: of the base side, or of the head side for an added symbol.
    pub module: &'a str,
    /// Namespace column of the same export, if it has one.
    pub namespace: Option<&'a str>,
    /// Names of the lists and sections that protect it.
    pub lists: &'a [&'a str],
    /// Why it matters.
    pub standing: Standing,
}

/// One class of change of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facet {
    /// The class.
    pub class: ChangeClass,
    /// For a changed CRC the class of one definition behind it, as rules spell it.
    pub cause: Option<&'static str>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The file.
    pub file: Arc<str>,
    /// The line that it begins in, counted from 1.
    pub line: usize,
    /// The rule in one line, for reports.
    pub text: String,
    /// Why the rule stands there, if it says so.
    pub reason: Option<String>,
    /// Names that it selects; empty selects all.
    pub symbols: Vec<Pattern>,
    /// Modules that it selects; empty selects all.
    pub modules: Vec<Pattern>,
    /// Namespaces that it selects; empty selects all, a pattern without text the symbols outside of namespaces.
    pub namespaces: Vec<Pattern>,
    /// Lists or sections that it selects; empty selects all.
    pub lists: Vec<Pattern>,
    /// Standings that it selects; empty selects all.
    pub standings: Vec<Standing>,
    /// Spellings of classes of change that it selects; empty selects all.
    pub classes: Vec<String>,
    /// The severity; `None` leaves the built-in one.
    pub severity: Option<Severity>,
}

impl Rule {
    /// A rule that selects everything, to be narrowed.
    pub(super) fn new(
        file: &Arc<str>,
        line: usize,
        text: &str,
        severity: Option<Severity>,
    ) -> Rule {
        Rule {
            file: Arc::clone(file),
            line,
            text: text.to_owned(),
            reason: None,
            symbols: Vec::new(),
            modules: Vec::new(),
            namespaces: Vec::new(),
            lists: Vec::new(),
            standings: Vec::new(),
            classes: Vec::new(),
            severity,
        }
    }

    fn takes_module(&self, module: &str) -> bool {
        any(&self.modules, module)
    }

    fn takes_namespace(&self, namespace: Option<&str>) -> bool {
        self.namespaces.is_empty()
            || self.namespaces.iter().any(|pattern| match namespace {
                Some(namespace) => pattern.matches(namespace),
                None => pattern.as_str().is_empty(),
            })
    }

    /// Whether the rule selects the symbol; its module has been looked at.
    fn takes_symbol(&self, subject: &Subject<'_>) -> bool {
        let listed = || subject.lists.iter().any(|list| any(&self.lists, list));
        any(&self.symbols, subject.symbol)
            && self.takes_namespace(subject.namespace)
            && (self.standings.is_empty() || self.standings.contains(&subject.standing))
            && (self.lists.is_empty() || listed())
    }

    /// A rule about the class of definitions does not select a changed CRC of which no definition is known.
    fn takes_class(&self, class: &str, cause: Option<&str>) -> bool {
        self.classes.is_empty()
            || self
                .classes
                .iter()
                .any(|known| known == class || cause.is_some_and(|cause| cause == known))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

fn any(patterns: &[Pattern], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

/// The rules of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFile {
    /// The file.
    pub name: String,
    /// What kind of file it is, for reports: `kabigate rules`, `SUSE severities`, ...
    pub kind: &'static str,
    /// The rules, from top to bottom.
    pub rules: Vec<Rule>,
    /// What is odd but does not change the meaning.
    pub warnings: Vec<Problem>,
}

/// The rules of a run, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
    files: Vec<(String, &'static str, usize)>,
}

/// A rule that decides nothing for the kernels that were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnusedRule {
    /// It selects no symbol.
    NoMatch,
    /// Whatever it selects, an earlier rule has decided.
    Shadowed {
        /// File and line of one such rule.
        by: String,
    },
    /// It was read as one about namespaces and matches none, but a symbol has this name.
    NamesASymbol,
}

impl Rules {
    /// Adds the rules of a file behind those that are there.
    pub fn add(&mut self, file: RuleFile) {
        self.files.push((file.name, file.kind, file.rules.len()));
        self.rules.extend(file.rules);
    }

    /// The rules, in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The files in the order given, with their kind and number of rules.
    #[must_use]
    pub fn files(&self) -> &[(String, &'static str, usize)] {
        &self.files
    }

    /// Whether a rule asks for the class of definitions behind a changed CRC.
    #[must_use]
    pub fn ask_for_causes(&self) -> bool {
        let mut classes = self.rules.iter().flat_map(|rule| &rule.classes);
        classes.any(|class| {
            ChangeClass::from_word(class).is_none() && !OTHER_CLASSES.contains(&class.as_str())
        })
    }

    /// The rules that decide nothing for the exports of these kernels, by place in [`Rules::rules`].
    ///
    /// Classes of change are left aside: a rule counts as used if a symbol that it selects is left to it. `describe`
    /// says for a symbol by which lists it is protected and why it matters.
    #[must_use]
    pub fn unused<'a>(
        &'a self,
        kernels: &[&'a Symvers],
        describe: impl Fn(&str) -> (Vec<&'a str>, Standing),
    ) -> BTreeMap<usize, UnusedRule> {
        let mut used = vec![false; self.rules.len()];
        let mut shadow: BTreeMap<usize, usize> = BTreeMap::new();
        let judge = Matcher::new(self);
        for export in kernels.iter().flat_map(|kernel| kernel.iter()) {
            let (lists, standing) = describe(&export.symbol);
            let subject = Subject {
                symbol: &export.symbol,
                module: &export.module,
                namespace: export.namespace.as_deref(),
                lists: &lists,
                standing,
            };
            let mut decided: Option<usize> = None;
            for &index in judge.candidates(&export.module).iter() {
                let Some(rule) = self.rules.get(index) else {
                    continue;
                };
                if !rule.takes_symbol(&subject) {
                    continue;
                }
                match decided {
                    Some(by) => {
                        shadow.entry(index).or_insert(by);
                    }
                    None => {
                        if let Some(slot) = used.get_mut(index) {
                            *slot = true;
                        }
                        if rule.classes.is_empty() {
                            decided = Some(index);
                        }
                    }
                }
            }
        }
        let names_a_symbol = |rule: &Rule| {
            rule.symbols.is_empty()
                && !rule.namespaces.is_empty()
                && kernels
                    .iter()
                    .flat_map(|kernel| kernel.iter())
                    .any(|export| any(&rule.namespaces, &export.symbol))
        };
        self.rules
            .iter()
            .enumerate()
            .zip(used)
            .filter(|(_, used)| !used)
            .map(|((index, rule), _)| {
                let why = match shadow.get(&index).and_then(|by| self.rules.get(*by)) {
                    Some(by) => UnusedRule::Shadowed {
                        by: format!("{}:{}", by.file, by.line),
                    },
                    None if names_a_symbol(rule) => UnusedRule::NamesASymbol,
                    None => UnusedRule::NoMatch,
                };
                (index, why)
            })
            .collect()
    }
}

/// Looks rules up. Which rules can match at all is found once for each module.
#[derive(Debug)]
pub struct Matcher<'a> {
    rules: &'a Rules,
    /// Rules by module; only looked up, never iterated.
    by_module: RefCell<HashMap<String, Rc<[usize]>>>,
}

/// What the rules say about one class of change of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// How grave the change is.
    pub severity: Severity,
    /// The rule that decided, as place in [`Rules::rules`]; none for the built-in severity.
    pub rule: Option<usize>,
}

impl<'a> Matcher<'a> {
    /// A matcher for the rules.
    #[must_use]
    pub fn new(rules: &'a Rules) -> Matcher<'a> {
        Matcher {
            rules,
            by_module: RefCell::new(HashMap::new()),
        }
    }

    /// The rules that it looks up.
    #[must_use]
    pub fn rules(&self) -> &'a Rules {
        self.rules
    }

    /// The severity that the rules set for a class of something that is no change of a symbol; none where they leave it at
    /// what is built in.
    #[must_use]
    pub fn sets(&self, subject: &Subject<'_>, class: &str) -> Option<Severity> {
        let rule = self.named(subject, class, Severity::Note).rule?;
        self.rules.rules.get(rule)?.severity
    }

    /// What the rules say about something that is no change of a symbol, such as [`MODULE_UNKNOWN`]: only a rule that names
    /// its class counts.
    #[must_use]
    pub fn named(&self, subject: &Subject<'_>, class: &str, built_in: Severity) -> Ruling {
        let candidates = self.candidates(subject.module);
        let rule = candidates.iter().copied().find(|&index| {
            self.rules.rules.get(index).is_some_and(|rule| {
                rule.classes.iter().any(|known| known == class) && rule.takes_symbol(subject)
            })
        });
        let severity = rule
            .and_then(|index| self.rules.rules.get(index))
            .and_then(|rule| rule.severity)
            .unwrap_or(built_in);
        Ruling { severity, rule }
    }

    fn find(&self, subject: &Subject<'_>, class: &str, cause: Option<&str>) -> Option<usize> {
        if self.rules.rules.is_empty() {
            return None;
        }
        let candidates = self.candidates(subject.module);
        let decides = |index: &usize| {
            let rule = self.rules.rules.get(*index);
            rule.is_some_and(|rule| rule.takes_symbol(subject) && rule.takes_class(class, cause))
        };
        candidates.iter().copied().find(decides)
    }

    /// The severity of one class of change.
    #[must_use]
    pub fn rule(&self, subject: &Subject<'_>, facet: Facet) -> Ruling {
        let built_in = Severity::default_for(facet.class, subject.standing);
        let rule = self.find(subject, facet.class.word(), facet.cause);
        let severity = rule
            .and_then(|index| self.rules.rules.get(index))
            .and_then(|rule| rule.severity)
            .unwrap_or(built_in);
        Ruling { severity, rule }
    }

    /// The gravest ruling of several; the first of equally grave ones. No facet is worth a note.
    #[must_use]
    pub fn gravest(
        &self,
        subject: &Subject<'_>,
        facets: impl IntoIterator<Item = Facet>,
    ) -> Ruling {
        let mut gravest: Option<Ruling> = None;
        for facet in facets {
            let ruling = self.rule(subject, facet);
            if gravest.is_none_or(|known| ruling.severity > known.severity) {
                gravest = Some(ruling);
            }
        }
        gravest.unwrap_or(Ruling {
            severity: Severity::Note,
            rule: None,
        })
    }

    fn candidates(&self, module: &str) -> Rc<[usize]> {
        if let Some(known) = self.by_module.borrow().get(module) {
            return Rc::clone(known);
        }
        let rules = self.rules.rules.iter().enumerate();
        let found: Rc<[usize]> = rules
            .filter(|(_, rule)| rule.takes_module(module))
            .map(|(index, _)| index)
            .collect();
        let mut by_module = self.by_module.borrow_mut();
        by_module.insert(module.to_owned(), Rc::clone(&found));
        found
    }
}

#[cfg(test)]
mod tests;
