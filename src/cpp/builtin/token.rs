//! Preprocessing tokens.

use super::spelling::Sym;

/// What a preprocessing token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum Kind {
    /// An identifier.
    Name,
    /// A preprocessing number.
    Number,
    /// A character constant, with its prefix.
    Char,
    /// A string literal, with its prefix.
    Str,
    /// An operator or separator.
    Punct,
    /// Any other character, or a quote without partner with the rest of its line.
    Other,
    /// In a macro's text: a parameter, whose number stands in place of the spelling.
    Param,
    /// In a macro's text: `__VA_OPT__` and its `(`; the `)` that ends it is [`Kind::VaOptEnd`].
    VaOpt,
    /// The end of a `__VA_OPT__`.
    VaOptEnd,
    /// In a file: a directive, whose number stands in place of the spelling.
    Directive,
    /// Nothing but the fact that two tokens do not stand side by side.
    Padding,
    /// The end of a file, a directive or an argument.
    End,
    /// A place at which a remembered stretch of a file may start.
    Boundary,
}

/// White space stands before the token; for padding: before the token that it stands for.
pub(super) const WHITE: u8 = 1;
/// The first token of its line.
pub(super) const FIRST: u8 = 2;
/// A name that is never expanded again.
pub(super) const NO_EXPAND: u8 = 4;
/// In a macro's text: `##` follows.
pub(super) const PASTE_LEFT: u8 = 8;
/// In a macro's text: `#` stands before the parameter.
pub(super) const STRINGIFY: u8 = 16;
/// Padding that stands for a token.
pub(super) const HAS_SOURCE: u8 = 32;

/// A preprocessing token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tok {
    pub(super) sym: Sym,
    /// The line that it counts as standing on.
    pub(super) line: u32,
    pub(super) kind: Kind,
    pub(super) flags: u8,
}

impl Tok {
    pub(super) const END: Tok = Tok::plain(Kind::End);
    pub(super) const BOUNDARY: Tok = Tok::plain(Kind::Boundary);
    /// Padding that stands for no token.
    pub(super) const PADDING: Tok = Tok::plain(Kind::Padding);

    const fn plain(kind: Kind) -> Tok {
        Tok {
            sym: Sym::EMPTY,
            line: 0,
            kind,
            flags: 0,
        }
    }

    /// Padding in the place of a token.
    pub(super) fn padding_for(source: Tok) -> Tok {
        Tok {
            flags: source.flags & WHITE | HAS_SOURCE,
            ..Tok::PADDING
        }
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn is(self, sym: Sym) -> bool {
        self.sym == sym && self.kind == Kind::Punct
    }

    pub(super) fn is_name(self, sym: Sym) -> bool {
        self.sym == sym && self.kind == Kind::Name
    }

    /// Whether it is `{`, or `}`, in any spelling: `1`, `-1`, else 0.
    pub(super) fn brace(self) -> i8 {
        match (self.kind, self.sym) {
            (Kind::Punct, Sym::OPEN_BRACE) => 1,
            (Kind::Punct, Sym::CLOSE_BRACE) => -1,
            _ => 0,
        }
    }
}

/// Merges a further padding into what is known of the padding before a token: a padding for nothing beats one for a token
/// without white space before it, and the first one is kept otherwise.
pub(super) fn merge_padding(known: Option<Tok>, next: Tok) -> Tok {
    match known {
        Some(known) if known.has(HAS_SOURCE) && (known.has(WHITE) || next.has(HAS_SOURCE)) => known,
        _ => next,
    }
}

/// Whether the compiler puts a blank between two tokens that the source did not separate, so that they stay two.
pub(super) fn avoid_paste(a: Tok, b: Tok, text: &[u8]) -> bool {
    let first = if b.kind == Kind::Punct {
        text.first().copied().unwrap_or(0)
    } else {
        0
    };
    match a.kind {
        Kind::Name => match b.kind {
            Kind::Name | Kind::Char | Kind::Str => true,
            Kind::Number => text
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')),
            _ => false,
        },
        Kind::Number => {
            matches!(b.kind, Kind::Number | Kind::Name | Kind::Char)
                || matches!(first, b'.' | b'+' | b'-')
        }
        Kind::Punct => match a.sym {
            _ if first == b'=' && takes_equals(a.sym) => true,
            Sym::GREATER => first == b'>',
            Sym::LESS => matches!(first, b'<' | b'%' | b':'),
            Sym::PLUS => first == b'+',
            Sym::MINUS => matches!(first, b'-' | b'>'),
            Sym::DIV => matches!(first, b'/' | b'*'),
            Sym::MOD => matches!(first, b':' | b'%'),
            Sym::AND => first == b'&',
            Sym::OR => first == b'|',
            Sym::COLON => matches!(first, b':' | b'>'),
            Sym::ARROW => first == b'*',
            Sym::DOT => matches!(first, b'.' | b'%') || b.kind == Kind::Number,
            Sym::HASH | Sym::DIGRAPH_HASH => matches!(first, b'#' | b'%'),
            _ => false,
        },
        _ => false,
    }
}

fn takes_equals(sym: Sym) -> bool {
    matches!(
        sym,
        Sym::EQUALS
            | Sym::NOT
            | Sym::GREATER
            | Sym::LESS
            | Sym::PLUS
            | Sym::MINUS
            | Sym::STAR
            | Sym::DIV
            | Sym::MOD
            | Sym::AND
            | Sym::OR
            | Sym::XOR
            | Sym::SHIFT_RIGHT
            | Sym::SHIFT_LEFT
    )
}
