//! Expansion of macros (C11 6.10.3), with GCC's answers where the standard leaves a choice.
//!
//! Texts that are being rescanned stand on a stack. A macro is disabled while its text stands there; a name that is met
//! while its macro is disabled is never expanded again. Padding tokens tell where the compiler's output separates tokens.

use super::Stop;
use super::macros::Macro;
use super::run::Run;
use super::spelling::Sym;
use super::token::{Kind, NO_EXPAND, PASTE_LEFT, STRINGIFY, Tok, WHITE, merge_padding};

/// Deepest nesting of calls within arguments of calls.
const MAX_NESTING: u32 = 300;
/// Most tokens of one argument or replacement.
pub(super) const MAX_LIST: usize = 1 << 22;
/// Most texts that are rescanned at a time.
const MAX_CONTEXTS: usize = 1 << 16;

/// Tokens of a context.
pub(super) enum Text<'s> {
    /// A macro's own text; its tokens count as standing on that line.
    Macro(&'s [Tok], u32),
    /// Tokens made for the occasion.
    Own(Vec<Tok>),
    /// One token.
    One(Tok),
}

/// A text that is being rescanned.
pub(super) struct Context<'s> {
    pub(super) text: Text<'s>,
    pub(super) pos: usize,
    /// The macro that it replaces.
    pub(super) name: Option<Sym>,
    /// Reading does not go on behind its end.
    pub(super) is_barrier: bool,
}

impl Context<'_> {
    fn next(&mut self) -> Option<Tok> {
        let tok = match &self.text {
            Text::Macro(toks, line) => toks.get(self.pos).map(|tok| Tok {
                line: *line,
                ..*tok
            }),
            Text::Own(toks) => toks.get(self.pos).copied(),
            Text::One(tok) => (self.pos == 0).then_some(*tok),
        }?;
        self.pos += 1;
        Some(tok)
    }
}

/// An argument of a call.
#[derive(Default)]
struct Argument {
    toks: Vec<Tok>,
    expanded: Option<Vec<Tok>>,
    /// It stands for further arguments of which there are none, not even an empty one.
    is_absent: bool,
}

impl<'s> Run<'s> {
    /// The next token after expansion, paddings included.
    pub(super) fn get_token(&mut self) -> Result<Tok, Stop> {
        loop {
            self.in_macro = (self.contexts.last()).is_some_and(|context| context.name.is_some());
            let mut tok = match self.contexts.last_mut() {
                None => self.lex()?,
                Some(context) => match context.next() {
                    Some(tok) if tok.has(PASTE_LEFT) => {
                        self.paste(tok)?;
                        if self.in_directive {
                            continue;
                        }
                        return Ok(Tok::padding_for(tok));
                    }
                    Some(tok) => tok,
                    None if context.is_barrier => return Ok(Tok::END),
                    None => {
                        self.pop_context();
                        if self.in_directive {
                            continue;
                        }
                        return Ok(Tok::PADDING);
                    }
                },
            };
            if tok.kind != Kind::Name || tok.has(NO_EXPAND) {
                return Ok(tok);
            }
            if self.table.is_disabled(tok.sym) {
                tok.flags |= NO_EXPAND;
                return Ok(tok);
            }
            if self.prevent > 0 {
                return Ok(tok);
            }
            let def = self.lookup(tok.sym);
            if def == 0 {
                return Ok(tok);
            }
            let Some(found) = self.macro_of(def) else {
                return Ok(tok);
            };
            if self.enter_macro(tok, found)? {
                if self.in_directive {
                    continue;
                }
                return Ok(Tok::padding_for(tok));
            }
            return Ok(tok);
        }
    }

    /// The next token that is no padding.
    pub(super) fn get_solid(&mut self) -> Result<Tok, Stop> {
        loop {
            let tok = self.get_token()?;
            if tok.kind != Kind::Padding {
                return Ok(tok);
            }
        }
    }

    fn pop_context(&mut self) {
        let Some(context) = self.contexts.pop() else {
            return;
        };
        if let Text::Own(toks) = context.text {
            self.lists.give(toks);
        }
        if let Some(name) = context.name
            && self.contexts.last().and_then(|below| below.name) != Some(name)
        {
            self.table.disable(name, false);
        }
    }

    pub(super) fn push(&mut self, text: Text<'s>, name: Option<Sym>) -> Result<(), Stop> {
        if self.contexts.len() >= MAX_CONTEXTS {
            return Err(Stop::Limit(
                "the nesting of macros",
                MAX_CONTEXTS.to_string(),
            ));
        }
        self.contexts.push(Context {
            text,
            pos: 0,
            name,
            is_barrier: false,
        });
        Ok(())
    }

    /// Replaces a name by its macro's text, unless it takes arguments and none follow.
    pub(super) fn enter_macro(&mut self, name: Tok, found: &'s Macro) -> Result<bool, Stop> {
        self.step(1 + found.toks.len())?;
        if found.is_builtin {
            return self.builtin(name);
        }
        let Some(parameters) = found.parameters else {
            self.table.disable(name.sym, true);
            self.push(Text::Macro(&found.toks, name.line), Some(name.sym))?;
            return Ok(true);
        };
        let in_macro = self.in_macro;
        let Some(mut arguments) = self.invocation(name, found)? else {
            return Ok(false);
        };
        // Which line such arguments count as standing on is the compiler's secret.
        let is_elsewhere = |argument: &Argument| {
            argument
                .toks
                .iter()
                .any(|tok| tok.kind == Kind::Name && tok.line != name.line)
        };
        let is_odd = in_macro && arguments.iter().any(is_elsewhere);
        let had_odd_lines = self.has_odd_lines;
        self.has_odd_lines |= is_odd;
        if parameters == 0 {
            self.push(Text::Macro(&found.toks, name.line), Some(name.sym))?;
        } else {
            let toks = self.replace(name, found, &mut arguments)?;
            self.push(Text::Own(toks), Some(name.sym))?;
        }
        for argument in arguments {
            self.lists.give(argument.toks);
            self.lists.give(argument.expanded.unwrap_or_default());
        }
        self.has_odd_lines = had_odd_lines;
        self.table.disable(name.sym, true);
        Ok(true)
    }

    /// The arguments that follow a name; `None` if no `(` does.
    fn invocation(&mut self, name: Tok, found: &Macro) -> Result<Option<Vec<Argument>>, Stop> {
        self.prevent += 1;
        self.arguments = 1;
        let mut padding = None;
        let tok = loop {
            let tok = self.get_token()?;
            if tok.kind != Kind::Padding {
                break tok;
            }
            padding = Some(merge_padding(padding, tok));
        };
        let arguments = if tok.is(Sym::OPEN_PAREN) {
            self.arguments = 2;
            Some(self.collect(name, found)?)
        } else {
            self.unread(tok);
            if let Some(padding) = padding {
                self.push(Text::One(padding), None)?;
            }
            None
        };
        self.arguments = 0;
        self.prevent -= 1;
        Ok(arguments)
    }

    /// Collects arguments behind the `(` up to its `)`.
    fn collect(&mut self, name: Tok, found: &Macro) -> Result<Vec<Argument>, Stop> {
        let wanted = found.parameters.unwrap_or(0) as usize;
        let mut arguments: Vec<Argument> = Vec::with_capacity(wanted);
        let mut surplus = 0_usize;
        loop {
            let mut argument = Argument {
                toks: self.lists.take(),
                ..Argument::default()
            };
            let takes_commas = found.variadic && arguments.len() + 1 == wanted;
            let end = self.collect_one(&mut argument.toks, takes_commas)?;
            self.step(argument.toks.len())?;
            if end.kind == Kind::End {
                return Err(self.failed(format!(
                    "unterminated argument list invoking macro \"{}\"",
                    self.state.spellings.lossy(name.sym)
                )));
            }
            if arguments.len() < wanted.max(1) {
                arguments.push(argument);
            } else {
                surplus += 1;
            }
            if end.is(Sym::CLOSE_PAREN) {
                break;
            }
        }
        let is_one_empty =
            arguments.len() == 1 && arguments.first().is_some_and(|one| one.toks.is_empty());
        if wanted == 0 && is_one_empty {
            arguments.clear();
        }
        let given = arguments.len() + surplus;
        let is_absent = found.variadic
            && (given < wanted || given == 1 && is_one_empty && !self.setup.is_strict);
        if found.variadic && given + 1 == wanted {
            arguments.push(Argument::default());
        } else if given != wanted {
            return Err(self.failed(format!(
                "macro \"{}\" passed {given} arguments, but takes {wanted}",
                self.state.spellings.lossy(name.sym)
            )));
        }
        if let Some(last) = arguments.last_mut() {
            last.is_absent = is_absent;
        }
        Ok(arguments)
    }

    /// Collects one argument; hands back what ended it.
    fn collect_one(&mut self, toks: &mut Vec<Tok>, takes_commas: bool) -> Result<Tok, Stop> {
        let mut depth = 0_u32;
        let end = loop {
            let tok = self.get_token()?;
            match tok.kind {
                Kind::Padding if toks.is_empty() => continue,
                Kind::End | Kind::Boundary => break Tok::END,
                Kind::Punct => match tok.sym {
                    Sym::OPEN_PAREN => depth += 1,
                    Sym::CLOSE_PAREN if depth == 0 => break tok,
                    Sym::CLOSE_PAREN => depth -= 1,
                    Sym::COMMA if depth == 0 && !takes_commas => break tok,
                    _ => {}
                },
                _ => {}
            }
            if toks.len() >= MAX_LIST {
                return Err(Stop::Limit("an argument", format!("{MAX_LIST} tokens")));
            }
            toks.push(tok);
        };
        while toks.last().is_some_and(|tok| tok.kind == Kind::Padding) {
            toks.pop();
        }
        Ok(end)
    }

    /// Expands a list of tokens by itself.
    pub(super) fn expand_list(&mut self, toks: Vec<Tok>) -> Result<(Vec<Tok>, Vec<Tok>), Stop> {
        if self.nesting >= MAX_NESTING {
            return Err(Stop::Limit(
                "the nesting of macro calls in arguments",
                MAX_NESTING.to_string(),
            ));
        }
        self.nesting += 1;
        let (prevent, arguments) = (self.prevent, self.arguments);
        (self.prevent, self.arguments) = (0, 0);
        self.push(Text::Own(toks), None)?;
        let base = self.contexts.len();
        if let Some(barrier) = self.contexts.last_mut() {
            barrier.is_barrier = true;
        }
        let mut expanded = self.lists.take();
        loop {
            let tok = self.get_token()?;
            if tok.kind == Kind::End {
                break;
            }
            if expanded.len() >= MAX_LIST {
                return Err(Stop::Limit("an argument", format!("{MAX_LIST} tokens")));
            }
            expanded.push(tok);
        }
        while self.contexts.len() > base {
            self.pop_context();
        }
        let toks = match self.contexts.pop().map(|context| context.text) {
            Some(Text::Own(toks)) => toks,
            _ => Vec::new(),
        };
        (self.prevent, self.arguments) = (prevent, arguments);
        self.nesting -= 1;
        self.step(expanded.len())?;
        Ok((expanded, toks))
    }

    /// A macro's text with its arguments in place.
    fn replace(
        &mut self,
        name: Tok,
        found: &Macro,
        arguments: &mut [Argument],
    ) -> Result<Vec<Tok>, Stop> {
        let mut out = self.lists.take();
        out.reserve(found.toks.len() * 2);
        let mut before: Option<Tok> = None;
        let mut at = 0;
        while let Some(&src) = found.toks.get(at) {
            if out.len() >= MAX_LIST {
                return Err(Stop::Limit("a replacement", format!("{MAX_LIST} tokens")));
            }
            match src.kind {
                Kind::Param => {
                    self.substitute(src, before, found, arguments, &mut out)?;
                }
                Kind::VaOpt => {
                    if !self.has_variable_arguments(arguments)? {
                        at = end_of_optional(&found.toks, at);
                        let end = found.toks.get(at).copied().unwrap_or(src);
                        if let (Some(last), true) = (out.last_mut(), is_paste(before)) {
                            last.flags = last.flags & !PASTE_LEFT | end.flags & PASTE_LEFT;
                        }
                        out.push(Tok::padding_for(src));
                    } else if !is_paste(before) {
                        out.push(Tok::padding_for(src));
                    }
                }
                Kind::VaOptEnd => {
                    if let (Some(last), true) = (out.last_mut(), src.has(PASTE_LEFT)) {
                        last.flags |= PASTE_LEFT;
                    } else if !self.in_directive {
                        out.push(Tok::PADDING);
                    }
                }
                _ => out.push(src),
            }
            before = Some(src);
            at += 1;
        }
        for tok in &mut out {
            tok.line = name.line;
        }
        self.step(out.len())?;
        Ok(out)
    }

    fn has_variable_arguments(&mut self, arguments: &mut [Argument]) -> Result<bool, Stop> {
        let Some(last) = arguments.last_mut() else {
            return Ok(false);
        };
        let expanded = self.expanded(last)?;
        Ok(expanded.iter().any(|tok| tok.kind != Kind::Padding))
    }

    fn expanded<'a>(&mut self, argument: &'a mut Argument) -> Result<&'a [Tok], Stop> {
        if argument.expanded.is_none() {
            let is_plain = argument
                .toks
                .iter()
                .all(|tok| tok.kind != Kind::Name || tok.has(NO_EXPAND));
            let expanded = if is_plain {
                let mut expanded = self.lists.take();
                expanded.extend_from_slice(&argument.toks);
                expanded
            } else {
                let (expanded, toks) = self.expand_list(std::mem::take(&mut argument.toks))?;
                argument.toks = toks;
                expanded
            };
            argument.expanded = Some(expanded);
        }
        Ok(argument.expanded.as_deref().unwrap_or_default())
    }

    /// Puts an argument in the place of a parameter.
    fn substitute(
        &mut self,
        src: Tok,
        before: Option<Tok>,
        found: &Macro,
        arguments: &mut [Argument],
        out: &mut Vec<Tok>,
    ) -> Result<(), Stop> {
        let Some(argument) = arguments.get_mut(src.sym.0 as usize) else {
            return Ok(());
        };
        let pasted = is_paste(before);
        // What the token that was put out last becomes: the `##` behind it goes, or turns to what follows the parameter.
        let mut takes_flag = false;
        let stringified;
        let toks: &[Tok] = if src.has(STRINGIFY) {
            stringified = [self.stringify(&argument.toks)];
            &stringified
        } else if src.has(PASTE_LEFT) || pasted {
            &argument.toks
        } else {
            self.expanded(argument)?;
            argument.expanded.as_deref().unwrap_or_default()
        };
        if pasted
            && !src.has(STRINGIFY)
            && !src.has(PASTE_LEFT)
            && let Some(last) = out.last()
        {
            let is_last = Some(src.sym.0 + 1) == found.parameters;
            if last.is(Sym::COMMA) && found.variadic && is_last {
                if argument.is_absent {
                    out.pop();
                } else {
                    takes_flag = true;
                }
            } else if toks.is_empty() {
                takes_flag = true;
            }
        }
        let mut flagged = if takes_flag {
            out.len().checked_sub(1)
        } else {
            None
        };
        if before.is_some() && !pasted && !self.in_directive {
            out.push(Tok::padding_for(src));
        }
        out.extend_from_slice(toks);
        if !toks.is_empty() && src.has(PASTE_LEFT) {
            flagged = out.len().checked_sub(1);
        }
        if let Some(tok) = flagged.and_then(|at| out.get_mut(at)) {
            tok.flags = tok.flags & !PASTE_LEFT | src.flags & PASTE_LEFT;
        }
        if !self.in_directive && !src.has(PASTE_LEFT) {
            out.push(Tok::PADDING);
        }
        Ok(())
    }

    /// The string literal that spells an argument.
    fn stringify(&mut self, toks: &[Tok]) -> Tok {
        let mut text = vec![b'"'];
        let mut source: Option<Tok> = None;
        let mut backslashes = 0_usize;
        for &tok in toks {
            if tok.kind == Kind::Padding {
                source = Some(merge_padding(source, tok));
                continue;
            }
            if text.len() > 1 && stands_apart(source, tok) {
                text.push(b' ');
            }
            source = None;
            let spelled = self.text(tok.sym);
            let is_literal = matches!(tok.kind, Kind::Str | Kind::Char);
            for &byte in spelled {
                if is_literal && matches!(byte, b'"' | b'\\') {
                    text.push(b'\\');
                }
                if is_literal && byte == b'\n' {
                    text.extend_from_slice(b"\\n");
                    continue;
                }
                text.push(byte);
            }
            backslashes = match spelled {
                b"\\" if tok.kind == Kind::Other => backslashes + 1,
                _ => 0,
            };
        }
        // A backslash at the end would escape the closing quote, so that the compiler drops it.
        if backslashes % 2 == 1 {
            text.pop();
        }
        text.push(b'"');
        Tok {
            sym: self.state.spellings.intern(&text),
            line: 0,
            kind: Kind::Str,
            flags: 0,
        }
    }

    /// Joins the token with those that follow it after `##`, and puts the result in their place.
    fn paste(&mut self, first: Tok) -> Result<(), Stop> {
        let mut left = first;
        loop {
            let right = loop {
                match self.contexts.last_mut().and_then(Context::next) {
                    Some(tok) if tok.kind == Kind::Padding => {}
                    other => break other,
                }
            };
            let Some(right) = right else { break };
            left = self.join(left, right)?;
            if !right.has(PASTE_LEFT) {
                break;
            }
        }
        left.flags &= !PASTE_LEFT;
        self.push(Text::One(left), None)
    }

    fn join(&mut self, left: Tok, right: Tok) -> Result<Tok, Stop> {
        let (a, b) = (self.text(left.sym), self.text(right.sym));
        let text = [a, b].concat();
        self.step(1)?;
        let found = super::lexer::single(&text, self.setup.dialect, &self.state.spellings);
        let Some(found) = found else {
            return Err(self.failed(format!(
                "pasting \"{}\" and \"{}\" does not give a valid preprocessing token",
                String::from_utf8_lossy(a),
                String::from_utf8_lossy(b)
            )));
        };
        if is_hidden_option(a, b, &text) {
            self.hidden_uses = self.hidden_uses.saturating_add(1);
        }
        Ok(Tok {
            line: left.line,
            flags: left.flags & WHITE,
            ..found
        })
    }
}

/// Whether the name of an option is made of parts that do not show it in the text, as `IS_ENABLED(CONFIG_X)` shows
/// `CONFIG_X_MODULE`.
fn is_hidden_option(left: &[u8], right: &[u8], whole: &[u8]) -> bool {
    let prefix = b"CONFIG_";
    let shows = left.len() > prefix.len() && left.starts_with(prefix) && right == b"_MODULE";
    whole.starts_with(prefix) && !shows
}

fn is_paste(before: Option<Tok>) -> bool {
    before.is_some_and(|tok| tok.has(PASTE_LEFT))
}

/// Whether a token is separated from the one before it, given the padding between them.
pub(super) fn stands_apart(source: Option<Tok>, tok: Tok) -> bool {
    match source {
        Some(source) if source.has(super::token::HAS_SOURCE) => source.has(WHITE),
        _ => tok.has(WHITE),
    }
}

/// The position of the end of the `__VA_OPT__` that starts at a position.
fn end_of_optional(toks: &[Tok], at: usize) -> usize {
    let rest = toks.get(at..).unwrap_or_default();
    let length = rest.iter().position(|tok| tok.kind == Kind::VaOptEnd);
    at + length.unwrap_or(rest.len())
}
