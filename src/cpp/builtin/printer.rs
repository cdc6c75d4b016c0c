//! Tokens as genksyms reads them from the compiler's output.
//!
//! genksyms cuts text, not tokens, so what counts is which tokens stand side by side in that text and on which of its lines.
//! The compiler separates tokens where the source did, where they come from different places, and where they would read as
//! one; it goes to a new line where the line of the source changes at such a place.

use super::Stop;
use super::expand::stands_apart;
use super::spelling::{Cut, Spellings, Sym, cut_text};
use super::token::{Kind, Tok, WHITE, avoid_paste, merge_padding};
use crate::cpp::{ExportSite, TokenClass};

/// A token as genksyms reads it, or in its place a body that was skipped up to and with its `}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) sym: Sym,
    pub(super) line: u32,
    pub(super) file: Sym,
    /// None for a body.
    pub(super) class: Option<TokenClass>,
}

/// Export macros of which old kernels leave the calls in the text, and the section that each puts its symbol in.
const TEXTUAL: [(&[u8], &str); 7] = [
    (b"EXPORT_SYMBOL", ""),
    (b"EXPORT_SYMBOL_GPL", "_gpl"),
    (b"EXPORT_SYMBOL_GPL_FUTURE", "_gpl_future"),
    (b"EXPORT_UNUSED_SYMBOL", "_unused"),
    (b"EXPORT_UNUSED_SYMBOL_GPL", "_unused_gpl"),
    (b"EXPORT_SYMBOL_NS", ""),
    (b"EXPORT_SYMBOL_NS_GPL", "_gpl"),
];
/// Most bytes of the arguments of an export.
const MAX_SITE: usize = 1 << 16;

/// An export whose arguments are being read.
struct Site {
    /// The section of a macro that stays in the text; none for the marker, which does not.
    textual: Option<&'static str>,
    depth: u32,
    size: usize,
    arguments: Vec<Vec<u8>>,
}

/// Where the output stands, and what of it was not taken yet.
pub(super) struct Printer {
    pub(super) out: Vec<Raw>,
    /// How many tokens of `out` were taken.
    pub(super) taken: usize,
    /// How many of them a recording has taken note of.
    pub(super) saved: usize,
    /// The line and file of the output.
    pub(super) line: u32,
    pub(super) file: Sym,
    /// Text is dropped.
    pub(super) is_skipping: bool,
    /// Exports leave their calls in the text.
    pub(super) is_textual: bool,
    pub(super) sites: Vec<ExportSite>,
    fresh: bool,
    padding: Option<Tok>,
    previous: Option<Tok>,
    /// The last token, if the next one may join it.
    pending: Option<(Tok, u32)>,
    /// Tokens that stand side by side.
    group: Vec<u8>,
    site: Option<Site>,
}

impl Printer {
    pub(super) fn new(source: Sym) -> Self {
        Printer {
            out: Vec::with_capacity(1024),
            taken: 0,
            saved: 0,
            line: 1,
            file: source,
            is_skipping: false,
            is_textual: false,
            sites: Vec::new(),
            fresh: true,
            padding: None,
            previous: None,
            pending: None,
            group: Vec::new(),
            site: None,
        }
    }

    /// The next token starts a line.
    pub(super) fn new_line(&mut self) {
        self.fresh = true;
        self.padding = None;
        self.previous = None;
    }

    pub(super) fn pad(&mut self, padding: Tok) {
        self.padding = Some(merge_padding(self.padding, padding));
    }

    /// Whether the next token may join what was printed last.
    pub(super) fn is_open(&self) -> bool {
        self.pending.is_some() || !self.group.is_empty()
    }

    /// Goes behind the `}` of a body that was skipped.
    pub(super) fn skipped_to(&mut self, close: Tok, file: Sym) -> Raw {
        self.fresh = false;
        self.padding = None;
        self.previous = Some(close);
        self.line = close.line;
        self.file = file;
        Raw {
            sym: Sym::EMPTY,
            line: close.line,
            file,
            class: None,
        }
    }

    pub(super) fn print(&mut self, tok: Tok, file: Sym, spellings: &Spellings) -> Result<(), Stop> {
        let padding = self.padding.take();
        let text = spellings.text(tok.sym);
        let moves = self.fresh || padding.is_some() || tok.has(WHITE);
        let apart = self.fresh
            || match padding {
                Some(_) => {
                    tok.line != self.line
                        || stands_apart(padding, tok)
                        || self
                            .previous
                            .is_some_and(|previous| avoid_paste(previous, tok, text))
                }
                None => tok.has(WHITE),
            };
        if moves {
            if !(self.fresh || tok.line == self.line) {
                self.previous = None;
            }
            self.fresh = false;
        }
        let line = if moves { tok.line } else { self.line };
        let previous = self.previous.replace(tok);
        if let Some(taken) = self.take_for_site(tok, text)? {
            if taken {
                return Ok(());
            }
        } else {
            self.start_site(tok, text);
            if self
                .site
                .as_ref()
                .is_some_and(|site| site.textual.is_none())
            {
                self.flush(spellings)?;
                return Ok(());
            }
        }
        if !joins(tok) {
            self.flush(spellings)?;
            (self.line, self.file) = (line, file);
            self.out.push(Raw {
                sym: tok.sym,
                line,
                file,
                class: Some(match tok.kind {
                    Kind::Name => TokenClass::Identifier,
                    _ => TokenClass::Punctuator,
                }),
            });
            return Ok(());
        }
        if !apart {
            if tok.kind == Kind::Number && previous.is_some_and(|tok| tok.kind == Kind::Name) {
                return Err(Stop::Refused("a number joined to a name".to_owned()));
            }
            if let Some((pending, _)) = self.pending.take() {
                self.group.extend_from_slice(spellings.text(pending.sym));
            }
            let has_group = !self.group.is_empty();
            if has_group {
                if matches!(spellings.cut(tok.sym), Cut::Exotic) {
                    return Err(exotic(text));
                }
                self.group.extend_from_slice(text);
                return Ok(());
            }
        }
        self.flush(spellings)?;
        (self.line, self.file) = (line, file);
        self.pending = Some((tok, line));
        Ok(())
    }

    /// Cuts what waited for a neighbour.
    pub(super) fn flush(&mut self, spellings: &Spellings) -> Result<(), Stop> {
        let (line, file) = (self.line, self.file);
        let raw = |class, sym| Raw {
            sym,
            line,
            file,
            class: Some(class),
        };
        if let Some((tok, _)) = self.pending.take() {
            match spellings.cut(tok.sym) {
                Cut::One(class) => self.out.push(raw(*class, tok.sym)),
                Cut::Many(parts) => {
                    self.out
                        .extend(parts.iter().map(|(class, sym)| raw(*class, *sym)));
                }
                Cut::Exotic => return Err(exotic(spellings.text(tok.sym))),
            }
        }
        if !self.group.is_empty() {
            let group = std::mem::take(&mut self.group);
            self.out.extend(
                cut_text(&group)
                    .into_iter()
                    .map(|token| raw(token.class, spellings.intern(token.text))),
            );
        }
        Ok(())
    }

    /// Starts an export if the token names its macro.
    fn start_site(&mut self, tok: Tok, text: &[u8]) {
        if tok.kind != Kind::Name {
            return;
        }
        let textual = if self.is_textual {
            let known = TEXTUAL.iter().find(|(name, _)| *name == text);
            match known {
                Some((_, section)) => Some(*section),
                None => return,
            }
        } else if tok.sym == Sym::SITE {
            None
        } else {
            return;
        };
        self.site = Some(Site {
            textual,
            depth: 0,
            size: 0,
            arguments: Vec::new(),
        });
    }

    /// Takes a token for the export that is being read; whether it goes no further. `None` if there is no such export.
    fn take_for_site(&mut self, tok: Tok, text: &[u8]) -> Result<Option<bool>, Stop> {
        let Some(site) = &mut self.site else {
            return Ok(None);
        };
        let taken = site.textual.is_none();
        site.size += text.len();
        if site.size > MAX_SITE {
            return Err(Stop::Limit(
                "the arguments of an export",
                format!("{MAX_SITE} bytes"),
            ));
        }
        if site.depth == 0 {
            if !tok.is(Sym::OPEN_PAREN) {
                let textual = site.textual.is_some();
                self.site = None;
                return if textual {
                    Ok(None)
                } else {
                    Err(Stop::Refused("an export without arguments".to_owned()))
                };
            }
            site.depth = 1;
            site.arguments.push(Vec::new());
            return Ok(Some(taken));
        }
        match (tok.kind, tok.sym) {
            (Kind::Punct, Sym::OPEN_PAREN) => site.depth += 1,
            (Kind::Punct, Sym::CLOSE_PAREN) => site.depth -= 1,
            (Kind::Punct, Sym::COMMA) if site.depth == 1 => {
                site.arguments.push(Vec::new());
                return Ok(Some(taken));
            }
            _ => {}
        }
        if site.depth > 0 {
            if let Some(argument) = site.arguments.last_mut() {
                push_content(argument, tok, text);
            }
        } else if let Some(site) = self.site.take() {
            self.sites.push(finished(site)?);
        }
        Ok(Some(taken))
    }
}

/// Whether what genksyms reads may depend on what stands beside the token.
fn joins(tok: Tok) -> bool {
    match tok.kind {
        Kind::Name => false,
        Kind::Punct => !matches!(
            tok.sym,
            Sym::OPEN_PAREN
                | Sym::CLOSE_PAREN
                | Sym::OPEN_BRACE
                | Sym::CLOSE_BRACE
                | Sym::OPEN_BRACKET
                | Sym::CLOSE_BRACKET
                | Sym::COMMA
                | Sym::SEMICOLON
                | Sym::COLON
                | Sym::QUESTION
        ),
        _ => true,
    }
}

fn exotic(text: &[u8]) -> Stop {
    let text = String::from_utf8_lossy(text);
    let start: String = text.chars().take(40).collect();
    Stop::Refused(format!("the text `{start}`"))
}

/// Appends a token to an argument: a string literal by its content, any other by its spelling.
fn push_content(argument: &mut Vec<u8>, tok: Tok, text: &[u8]) {
    if tok.kind != Kind::Str {
        argument.extend_from_slice(text);
        return;
    }
    let inner = text
        .strip_prefix(b"\"")
        .and_then(|text| text.strip_suffix(b"\""));
    let mut bytes = inner.unwrap_or(text).iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => argument.extend(bytes.next()),
            _ => argument.push(byte),
        }
    }
}

fn finished(site: Site) -> Result<ExportSite, Stop> {
    let mut arguments = site
        .arguments
        .iter()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let symbol = arguments.next().unwrap_or_default();
    let mut second = arguments.next().unwrap_or_default();
    let third = arguments.next().unwrap_or_default();
    if symbol.is_empty() || arguments.next().is_some() {
        return Err(Stop::Refused("the arguments of an export".to_owned()));
    }
    Ok(match site.textual {
        Some(section) => ExportSite {
            symbol,
            license: section.to_owned(),
            namespace: std::mem::take(&mut second),
        },
        None => ExportSite {
            symbol,
            license: second,
            namespace: third,
        },
    })
}
