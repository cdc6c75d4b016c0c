//! The declaration grammars of genksyms: their notation and their rules.
//!
//! A grammar is a text of rules (see [`super::productions`]), one alternative a line; [`Grammar::read`] turns it into numbered rules for
//! [`super::tables`]. The conventions are yacc's: rules are numbered in the order of the text, an action inside a
//! rule (`@name`) is an empty rule numbered before the rule that holds it, and the value of a rule is that of its first
//! symbol unless the action says otherwise.
//!
//! Notation: `lhs : symbols = actions`, further alternatives start with `|`. `<P0 P1>` in front of an alternative keeps
//! it for these grammars only. Actions: a number (the value is that symbol's), `last` (that of the last symbol that has
//! one), `null`, `+want` and `-want` (whether a type name is unwanted as the next token), and the names that
//! [`Action::parse`] knows.

use super::productions::{P0_TO_P4, P5};
use crate::symtypes::TypeKind;

/// The distinct grammars, by the names of the profiles that use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum GrammarId {
    P0,
    P1,
    P2,
    P4,
    P5,
}

macro_rules! terminals {
    ($($name:ident $text:literal),* $(,)?) => {
        /// The terminals of all grammars.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Terminal { $($name),* }

        impl Terminal {
            /// Every terminal and its spelling in a grammar text, in the order of their numbers.
            pub(super) const ALL: &'static [(Terminal, &'static str)] = &[$((Terminal::$name, $text)),*];
        }
    };
}

terminals! {
    End "$end", Error "error", Undefined "$undefined",
    Identifier "IDENT", Type "TYPE",
    AsmPhrase "ASM_PHRASE", AttributePhrase "ATTRIBUTE_PHRASE", BracePhrase "BRACE_PHRASE",
    BracketPhrase "BRACKET_PHRASE", ExpressionPhrase "EXPRESSION_PHRASE",
    StaticAssertPhrase "STATIC_ASSERT_PHRASE", TypeofPhrase "TYPEOF_PHRASE",
    Auto "AUTO", Bool "BOOL", BuiltinInt "BUILTIN_INT", Char "CHAR", Const "CONST", Double "DOUBLE", Enum "ENUM",
    Extern "EXTERN", Extension "EXTENSION", Float "FLOAT", Inline "INLINE", Int "INT", Long "LONG",
    Register "REGISTER", Restrict "RESTRICT", Short "SHORT", Signed "SIGNED", Static "STATIC", Struct "STRUCT",
    Typedef "TYPEDEF", Typeof "TYPEOF", Union "UNION", Unsigned "UNSIGNED", VaList "VA_LIST", Void "VOID",
    Volatile "VOLATILE", X86Seg "X86_SEG", Export "EXPORT", Dots "DOTS",
    Semicolon "';'", OpenBrace "'{'", CloseBrace "'}'", OpenParen "'('", CloseParen "')'", Comma "','", Star "'*'",
    Colon "':'", Equals "'='",
}

/// What a rule does when it is reduced, besides setting its value. Numbers are positions in the rule, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    None,
    /// Forgets everything about the declaration before.
    Reset,
    /// Ends a declaration: the next one's tokens start a new list.
    Cut,
    /// The declaration is a typedef.
    Typedef,
    /// Exports the symbol named third.
    Export,
    /// Adds a declarator that is still pending at the `;`, third.
    Simple,
    /// Adds the first declarator.
    First,
    /// Adds a further declarator; the position of the comma before it, and its own.
    Next(u8, u8),
    /// Remembers the specifiers up to that symbol.
    Specifiers(u8),
    /// Forgets the specifiers.
    NoSpecifiers,
    /// Drops the first symbol's last token from the list.
    Remove,
    /// The declaration is `extern`, or no longer.
    Extern(bool),
    /// `struct x`: drops the keyword and tags the name, at that position.
    Reference(TypeKind, u8),
    /// `struct x { … }`: positions of keyword, name and body.
    Compound(TypeKind, u8, u8, u8),
    /// An enum without a name is complete.
    AnonymousEnum,
    /// Tags the first symbol's token as a typedef name.
    TypeName,
    /// The first symbol's token names what is declared.
    Name,
    /// Adds a function with a body.
    Function,
    /// Drops an initialiser.
    Initialiser,
    /// Adds an enumerator without a value.
    Enumerator,
    /// Adds an enumerator with a value.
    EnumeratorValue,
}

impl Action {
    /// Reads an action's name and arguments, such as `compound struct 1 2 3`.
    fn parse(words: &[&str]) -> Option<Action> {
        let number = |word: &str| word.parse::<u8>().ok();
        let kind = |word: &str| match word {
            "struct" => Some(TypeKind::Struct),
            "union" => Some(TypeKind::Union),
            "enum" => Some(TypeKind::Enum),
            _ => None,
        };
        Some(match *words {
            ["reset"] => Action::Reset,
            ["cut"] => Action::Cut,
            ["typedef"] => Action::Typedef,
            ["export"] => Action::Export,
            ["simple"] => Action::Simple,
            ["first"] => Action::First,
            ["next", comma, own] => Action::Next(number(comma)?, number(own)?),
            ["spec", at] => Action::Specifiers(number(at)?),
            ["nospec"] => Action::NoSpecifiers,
            ["remove"] => Action::Remove,
            ["extern"] => Action::Extern(true),
            ["inline"] => Action::Extern(false),
            ["ref", k, at] => Action::Reference(kind(k)?, number(at)?),
            ["compound", k, keyword, name, body] => {
                Action::Compound(kind(k)?, number(keyword)?, number(name)?, number(body)?)
            }
            ["anonymous"] => Action::AnonymousEnum,
            ["type"] => Action::TypeName,
            ["name"] => Action::Name,
            ["function"] => Action::Function,
            ["init"] => Action::Initialiser,
            ["enumerator"] => Action::Enumerator,
            ["value"] => Action::EnumeratorValue,
            _ => return None,
        })
    }
}

/// Where the value of a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The symbol at this position, from 1; an empty rule has none.
    Symbol(u8),
    /// The last symbol that has a value.
    Last,
    /// None.
    Null,
}

/// A symbol of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sym {
    Terminal(u8),
    Nonterminal(u16),
}

/// One numbered rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) lhs: u16,
    pub(super) rhs: Vec<Sym>,
    pub(super) action: Action,
    pub(super) value: Value,
    /// What the rule sets the flag "a type name is unwanted" to, if it does.
    pub(super) unwanted: Option<bool>,
}

/// The rules of a grammar. Rule 0 is `$accept : start $end`; non-terminal 0 is `$accept`.
#[derive(Clone, Debug)]
pub(super) struct Grammar {
    pub(super) rules: Vec<Rule>,
    pub(super) nonterminals: Vec<String>,
}

impl Grammar {
    /// The grammar of that name without the alternatives that use a terminal of `absent`.
    ///
    /// # Errors
    /// With the line that is not understood; the texts of this file all are.
    pub(super) fn read(id: GrammarId, absent: &[Terminal]) -> Result<Grammar, String> {
        let text = if id == GrammarId::P5 { P5 } else { P0_TO_P4 };
        let mut grammar = Grammar {
            rules: Vec::new(),
            nonterminals: vec!["$accept".to_owned()],
        };
        let mut lhs = "";
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let alternative = match (line.strip_prefix('|'), line.split_once(" : ")) {
                (Some(rest), _) => rest.trim(),
                (None, Some((name, rest))) => {
                    lhs = name.trim();
                    rest.trim()
                }
                (None, None) => return Err(format!("no rule: {line}")),
            };
            let Some(alternative) = only_for(id, alternative) else {
                continue;
            };
            grammar
                .alternative(lhs, alternative, absent)
                .ok_or_else(|| format!("not understood: {line}"))?;
        }
        grammar.check()?;
        Ok(grammar)
    }

    fn nonterminal(&mut self, name: &str) -> u16 {
        let known = self.nonterminals.iter().position(|n| n == name);
        let index = known.unwrap_or_else(|| {
            self.nonterminals.push(name.to_owned());
            self.nonterminals.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    fn alternative(&mut self, lhs: &str, text: &str, absent: &[Terminal]) -> Option<()> {
        let (symbols, actions) = text.split_once(" = ").unwrap_or((text, ""));
        let names: Vec<&str> = symbols
            .split_whitespace()
            .filter(|s| *s != "%empty")
            .collect();
        let is_absent = |name: &&str| {
            Terminal::ALL
                .iter()
                .any(|(t, n)| n == name && absent.contains(t))
        };
        if names.iter().any(is_absent) {
            return Some(());
        }
        let lhs = self.nonterminal(lhs);
        if self.rules.is_empty() {
            self.rules.push(Rule {
                lhs: 0,
                rhs: vec![Sym::Nonterminal(lhs), Sym::Terminal(Terminal::End as u8)],
                action: Action::None,
                value: Value::Symbol(1),
                unwanted: None,
            });
        }
        let mut rhs = Vec::new();
        for name in names {
            rhs.push(self.symbol(name)?);
        }
        let mut rule = Rule {
            lhs,
            value: if rhs.is_empty() {
                Value::Null
            } else {
                Value::Symbol(1)
            },
            rhs,
            action: Action::None,
            unwanted: None,
        };
        for action in actions.split(',').map(str::trim).filter(|a| !a.is_empty()) {
            match action {
                "last" => rule.value = Value::Last,
                "null" => rule.value = Value::Null,
                "+unwanted" => rule.unwanted = Some(true),
                "-unwanted" => rule.unwanted = Some(false),
                _ => match action.parse() {
                    Ok(position) => rule.value = Value::Symbol(position),
                    Err(_) => {
                        rule.action = Action::parse(&action.split(' ').collect::<Vec<_>>())?;
                    }
                },
            }
        }
        self.rules.push(rule);
        Some(())
    }

    /// The symbol of that name; an action inside a rule becomes a new empty rule.
    fn symbol(&mut self, name: &str) -> Option<Sym> {
        if let Some((terminal, _)) = Terminal::ALL.iter().find(|(_, n)| *n == name) {
            return Some(Sym::Terminal(*terminal as u8));
        }
        let Some(action) = name.strip_prefix('@') else {
            return Some(Sym::Nonterminal(self.nonterminal(name)));
        };
        let lhs = self.nonterminal(&format!("@{}", self.rules.len()));
        self.rules.push(Rule {
            lhs,
            rhs: Vec::new(),
            action: Action::parse(&[action])?,
            value: Value::Null,
            unwanted: None,
        });
        Some(Sym::Nonterminal(lhs))
    }

    /// Every non-terminal has a rule, and every position that a rule names lies within it.
    fn check(&self) -> Result<(), String> {
        for (index, name) in self.nonterminals.iter().enumerate() {
            if !self.rules.iter().any(|rule| usize::from(rule.lhs) == index) {
                return Err(format!("no rule for {name}"));
            }
        }
        for (number, rule) in self.rules.iter().enumerate() {
            let action = match rule.action {
                Action::Next(a, b) => a.max(b),
                Action::Specifiers(a) | Action::Reference(_, a) => a,
                Action::Compound(_, a, b, c) => a.max(b).max(c),
                Action::Export | Action::Simple | Action::EnumeratorValue => 3,
                Action::Function | Action::Initialiser | Action::Cut => 2,
                Action::First
                | Action::Remove
                | Action::TypeName
                | Action::Name
                | Action::Enumerator => 1,
                Action::None
                | Action::Reset
                | Action::Typedef
                | Action::NoSpecifiers
                | Action::Extern(_)
                | Action::AnonymousEnum => 0,
            };
            let value = match rule.value {
                Value::Symbol(at) => at,
                Value::Last | Value::Null => 0,
            };
            if usize::from(action.max(value)) > rule.rhs.len() {
                return Err(format!(
                    "rule {number} names a symbol that it does not have"
                ));
            }
        }
        Ok(())
    }
}

/// The alternative without its `<…>` prefix, if it belongs to that grammar.
fn only_for(id: GrammarId, alternative: &str) -> Option<&str> {
    let Some((names, rest)) = alternative
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
    else {
        return Some(alternative);
    };
    let own = format!("{id:?}");
    names
        .split(' ')
        .any(|name| name == own)
        .then_some(rest.trim())
}
