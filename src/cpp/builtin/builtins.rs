//! Macros that the preprocessor itself expands.

use super::Stop;
use super::expand::Text;
use super::macros::Macros;
use super::run::Run;
use super::spelling::Sym;
use super::token::{Kind, Tok};

impl Run<'_> {
    /// Replaces a builtin name; `false` if it stays as it is.
    pub(super) fn builtin(&mut self, name: Tok) -> Result<bool, Stop> {
        if self.table.get(name.sym) == Macros::POISON {
            return Err(self.poisoned(name.sym));
        }
        let (kind, text) = match name.sym {
            Sym::LINE if self.has_odd_lines && self.nesting > 0 => {
                return Err(Stop::Refused(
                    "__LINE__ on a further line of a call that another macro starts".to_owned(),
                ));
            }
            Sym::LINE => {
                // Of the source itself every byte counts anyway.
                let counts = !self.printer.is_skipping || self.in_directive;
                if counts && self.frames.len() > 1 {
                    self.uses_lines(1);
                }
                (Kind::Number, name.line.to_string().into_bytes())
            }
            Sym::COUNTER => {
                // Where the text is dropped, only how often it was used matters.
                if !self.printer.is_skipping || self.in_directive {
                    self.spoil();
                }
                let value = self.counter;
                self.counter = self.counter.wrapping_add(1);
                (Kind::Number, value.to_string().into_bytes())
            }
            Sym::FILE => {
                let name = self.frame().map_or(self.setup.source, |frame| frame.name);
                (Kind::Str, self.quoted(name))
            }
            Sym::BASE_FILE => {
                self.spoil();
                (Kind::Str, self.quoted(self.setup.source))
            }
            Sym::FILE_NAME => {
                let name = self.frame().map_or(self.setup.source, |frame| frame.name);
                let text = self.text(name);
                let base = text.rsplit(|byte| *byte == b'/').next().unwrap_or(text);
                let base = self.state.spellings.intern(base);
                (Kind::Str, self.quoted(base))
            }
            Sym::INCLUDE_LEVEL => {
                self.spoil();
                let level = self.frames.len().saturating_sub(1);
                (Kind::Number, level.to_string().into_bytes())
            }
            Sym::PRAGMA_OPERATOR => return self.pragma_operator(),
            Sym::DATE | Sym::TIME | Sym::TIMESTAMP => {
                return Err(Stop::Refused(format!(
                    "the time of the build ({})",
                    self.state.spellings.lossy(name.sym)
                )));
            }
            // Where the text is dropped its value does not matter either.
            _ if self.printer.is_skipping && !self.in_directive => return Ok(false),
            Sym::HAS_INCLUDE | Sym::HAS_INCLUDE_NEXT if !self.in_directive => {
                return Err(Stop::Refused(format!(
                    "{} outside of a directive",
                    self.state.spellings.lossy(name.sym)
                )));
            }
            _ => (Kind::Number, self.query(name)?.to_string().into_bytes()),
        };
        let sym = self.state.spellings.intern(&text);
        self.push(
            Text::One(Tok {
                sym,
                line: name.line,
                kind,
                flags: 0,
            }),
            None,
        )?;
        Ok(true)
    }

    /// A file's name as a string literal, its prefix mapped as the call asks for.
    fn quoted(&self, name: Sym) -> Vec<u8> {
        let text = self.text(name);
        let maps = self.setup.options.prefixes.iter().rev();
        let mapped = maps
            .filter_map(|(from, to)| Some((to, text.strip_prefix(from.as_bytes())?)))
            .map(|(to, rest)| [to.as_bytes(), rest].concat())
            .next();
        let mut quoted = vec![b'"'];
        for byte in mapped.unwrap_or_else(|| text.to_vec()) {
            if matches!(byte, b'"' | b'\\') {
                quoted.push(b'\\');
            }
            quoted.push(byte);
        }
        quoted.push(b'"');
        quoted
    }

    /// Carries out `_Pragma ( "..." )`.
    fn pragma_operator(&mut self) -> Result<bool, Stop> {
        let wrong =
            |run: &Self| run.failed("_Pragma takes a parenthesized string literal".to_owned());
        let open = self.get_solid()?;
        let literal = self.get_solid()?;
        let close = self.get_solid()?;
        if !open.is(Sym::OPEN_PAREN) || literal.kind != Kind::Str || !close.is(Sym::CLOSE_PAREN) {
            return Err(wrong(self));
        }
        let text = self.text(literal.sym);
        let start = text
            .iter()
            .position(|byte| *byte == b'"')
            .map_or(0, |at| at + 1);
        let end = text.len().saturating_sub(1).max(start);
        let mut inner = Vec::new();
        let mut bytes = text.get(start..end).unwrap_or_default().iter().peekable();
        while let Some(&byte) = bytes.next() {
            match (byte, bytes.peek()) {
                (b'\\', Some(b'\\' | b'"')) => inner.extend(bytes.next()),
                _ => inner.push(byte),
            }
        }
        let joined = super::lexer::join(&inner, self.setup.dialect);
        let mut toks = Vec::new();
        super::lexer::Lexer::new(&joined, self.setup.dialect, &self.state.spellings)
            .rest_of_line(&mut toks);
        self.pragma(&toks)?;
        // The compiler prints it on a line of its own.
        if !self.in_directive {
            self.printer.new_line();
        }
        self.push(Text::One(Tok::PADDING), None)?;
        Ok(true)
    }
}
