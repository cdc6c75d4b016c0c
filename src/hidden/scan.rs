//! A shallow reading of a C source: macro calls with their structure, and the lines under a test of `__GENKSYMS__`.

use std::collections::BTreeSet;

use super::macros::{Macros, Op};

/// A call of a macro that hides something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) op: Op,
    /// The arguments, white space collapsed.
    pub(super) args: String,
    /// First and last line, counted from 0.
    pub(super) lines: (usize, usize),
    /// The structure, union or enumeration that it stands in: `struct foo`.
    pub(super) within: Option<String>,
    /// What follows it: a word or a sign.
    pub(super) next: Option<String>,
}

impl Call {
    /// The macro's prefix: slots of different families have numbers of their own.
    pub(super) fn family(&self) -> &str {
        let prefix = self.name.split_once("KABI_").map(|(prefix, _)| prefix);
        prefix.unwrap_or_else(|| self.name.split('_').next().unwrap_or_default())
    }

    /// The first argument, which names the slot of those that have one.
    pub(super) fn slot(&self) -> Option<&str> {
        let first = self.args.split(',').next()?.trim();
        (!first.is_empty() && first.bytes().all(|b| b.is_ascii_digit())).then_some(first)
    }
}

/// A macro that the text defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Define {
    pub(super) name: String,
    pub(super) body: String,
    /// Whether it stands under a test of `__GENKSYMS__`.
    pub(super) guarded: bool,
}

/// What a text holds of interest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) calls: Vec<Call>,
    pub(super) defines: Vec<Define>,
    /// Lines, counted from 0, under a test of `__GENKSYMS__`, the test's own lines included.
    pub(super) guarded: BTreeSet<usize>,
    /// Lines of `#include` among them.
    pub(super) includes: BTreeSet<usize>,
    /// The structure that each line ends in, by line; only where there is one.
    pub(super) within: Vec<Option<String>>,
    /// Lines of enumerations that are followed by a further enumerator.
    pub(super) mid_enum: BTreeSet<usize>,
}

/// A word or a sign of the text, with its line.
struct Token {
    text: String,
    line: usize,
}

/// The identifiers of a text.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

impl Scan {
    pub(super) fn of(text: &str, macros: &Macros) -> Scan {
        let mut scan = Scan::default();
        let plain = without_comments(text);
        let mut conditions: Vec<bool> = Vec::new();
        let mut tokens: Vec<Token> = Vec::new();
        let mut lines = plain.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let Some(directive) = line.trim_start().strip_prefix('#') else {
                if conditions.contains(&true) {
                    scan.guarded.insert(number);
                }
                tokenize(line, number, &mut tokens);
                continue;
            };
            let mut whole = directive.trim().to_owned();
            let mut last = number;
            while whole.ends_with('\\') {
                whole.pop();
                let Some((next, more)) = lines.next() else {
                    break;
                };
                whole.push(' ');
                whole.push_str(more.trim());
                last = next;
            }
            let before = conditions.contains(&true);
            scan.directive(&whole, number, &mut conditions);
            if before || conditions.contains(&true) {
                scan.guarded.extend(number..=last);
            }
        }
        scan.read(&tokens, plain.lines().count(), macros);
        scan
    }

    fn directive(&mut self, text: &str, line: usize, conditions: &mut Vec<bool>) {
        let (word, rest) = text.split_at(
            text.find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(text.len()),
        );
        let tests = words(rest).any(|word| word == "__GENKSYMS__");
        match word {
            "if" | "ifdef" | "ifndef" => conditions.push(tests),
            "elif" => {
                if let Some(open) = conditions.last_mut() {
                    *open |= tests;
                }
            }
            "endif" => {
                conditions.pop();
            }
            "include" if conditions.contains(&true) => {
                self.includes.insert(line);
            }
            "define" => {
                let mut parts = words(rest);
                if let Some(name) = parts.next() {
                    let body = rest.trim_start().strip_prefix(name).unwrap_or_default();
                    self.defines.push(Define {
                        name: name.to_owned(),
                        body: body.to_owned(),
                        guarded: conditions.contains(&true),
                    });
                }
            }
            _ => {}
        }
    }

    /// Follows braces for the structure that a token stands in, and picks out calls.
    fn read(&mut self, tokens: &[Token], lines: usize, macros: &Macros) {
        let mut open: Vec<Option<String>> = Vec::new();
        let mut header: Option<String> = None;
        let mut ends: Vec<(usize, Option<String>)> = Vec::new();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.text.as_str() {
                kind @ ("struct" | "union" | "enum") => {
                    let name = tokens.get(at).filter(|next| is_word(&next.text));
                    header = Some(match name {
                        Some(name) => format!("{kind} {}", name.text),
                        None => format!("{kind} (unnamed)"),
                    });
                }
                "{" => open.push(header.take()),
                "}" => {
                    open.pop();
                    header = None;
                }
                ";" | "(" | ")" | "=" => header = None,
                name => {
                    if let Some(op) = macros.op(name) {
                        at = self.call(tokens, at - 1, op, within(&open));
                    }
                }
            }
            ends.push((token.line, within(&open)));
        }
        self.within = vec![None; lines];
        let mut now = None;
        let mut ends = ends.into_iter().peekable();
        for (line, slot) in self.within.iter_mut().enumerate() {
            while let Some((_, state)) = ends.next_if(|(at, _)| *at <= line) {
                now = state;
            }
            slot.clone_from(&now);
        }
        self.mid_enumerators(tokens);
    }

    /// Records the call whose name is at `at`; gives the place behind it.
    fn call(&mut self, tokens: &[Token], at: usize, op: Op, within: Option<String>) -> usize {
        let Some(name) = tokens.get(at) else {
            return at + 1;
        };
        let mut end = at + 1;
        let mut args = Vec::new();
        let mut last = name.line;
        if tokens.get(end).is_some_and(|token| token.text == "(") {
            let mut depth = 0_usize;
            while let Some(token) = tokens.get(end) {
                end += 1;
                last = token.line;
                match token.text.as_str() {
                    "(" => depth += 1,
                    ")" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                args.push(token.text.as_str());
                if depth == 0 {
                    break;
                }
            }
        }
        let inner = args
            .get(1..args.len().saturating_sub(1))
            .unwrap_or_default();
        self.calls.push(Call {
            name: name.text.clone(),
            op,
            args: inner.join(" "),
            lines: (name.line, last),
            within,
            next: tokens.get(end).map(|token| token.text.clone()),
        });
        end
    }

    /// Guarded lines of an enumeration behind which an unguarded enumerator stands.
    fn mid_enumerators(&mut self, tokens: &[Token]) {
        for (line, within) in self.within.iter().enumerate() {
            let in_enum = within.as_ref().is_some_and(|name| name.starts_with("enum"));
            if !in_enum || !self.guarded.contains(&line) {
                continue;
            }
            let from = tokens.partition_point(|token| token.line <= line);
            let behind = tokens.get(from..).unwrap_or_default().iter();
            let mut behind = behind.take_while(|token| token.text != "}");
            if behind.any(|token| is_word(&token.text) && !self.guarded.contains(&token.line)) {
                self.mid_enum.insert(line);
            }
        }
    }
}

/// The innermost structure that has a name.
fn within(open: &[Option<String>]) -> Option<String> {
    let named = |name: &&String| !name.ends_with("(unnamed)");
    let innermost = open.iter().rev().flatten();
    innermost
        .clone()
        .find(named)
        .or_else(|| open.iter().rev().flatten().next())
        .cloned()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn tokenize(line: &str, number: usize, tokens: &mut Vec<Token>) {
    let mut chars = line.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut end = start + c.len_utf8();
        if c.is_ascii_alphanumeric() || c == '_' {
            while let Some((at, _)) = chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '_')
            {
                end = at + 1;
            }
        }
        tokens.push(Token {
            text: line.get(start..end).unwrap_or_default().to_owned(),
            line: number,
        });
    }
}

/// The text with comments, strings and characters blanked, line feeds kept.
fn without_comments(text: &str) -> String {
    #[derive(PartialEq)]
    enum In {
        Code,
        Block,
        Line,
        Quote(char),
    }
    let mut state = In::Code;
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let blank = if c == '\n' { '\n' } else { ' ' };
        match state {
            In::Code if c == '/' && next == Some('*') => {
                chars.next();
                out.push_str("  ");
                state = In::Block;
            }
            In::Code if c == '/' && next == Some('/') => {
                out.push(' ');
                state = In::Line;
            }
            In::Code if c == '"' || c == '\'' => {
                out.push(' ');
                state = In::Quote(c);
            }
            In::Code => out.push(c),
            In::Block if c == '*' && next == Some('/') => {
                chars.next();
                out.push_str("  ");
                state = In::Code;
            }
            In::Quote(_) if c == '\\' && next.is_some_and(|next| next != '\n') => {
                chars.next();
                out.push_str("  ");
            }
            In::Quote(quote) if c == quote || c == '\n' => {
                out.push(blank);
                state = In::Code;
            }
            In::Line if c == '\n' => {
                out.push('\n');
                state = In::Code;
            }
            In::Block | In::Line | In::Quote(_) => out.push(blank),
        }
    }
    out
}
