//! One line of a symtypes file: `name [extern] token ...`.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{Name, TypeKind};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A record with its text; the text is empty where genksyms wrote `(nil)`.
    Record {
        name: Name<'a>,
        text: &'a str,
        is_extern: bool,
    },
    /// `s##name`: only declared in this section.
    Opaque(Name<'a>),
    /// A name alone: in the older dialect of packed files the definition that stands before it.
    Bare(Name<'a>),
}

/// How genksyms writes a definition without tokens.
pub(super) const NIL: &str = "(nil)";

/// Reads a line that is not blank. A leading `override`, which genksyms writes for records that it took over from a
/// reference file, changes nothing about the record.
pub(super) fn parse(line: &str) -> Result<Line<'_>, String> {
    let line = line.strip_prefix("override ").unwrap_or(line);
    let (word, rest) = first_word(line)?;
    let rest = rest.trim_matches(' ');
    if let [tag, b'#', b'#', ..] = word.as_bytes() {
        let name = word.get(3..).unwrap_or_default();
        let kind = TypeKind::from_tag(char::from(*tag))
            .filter(|kind| kind.keyword().is_some() && rest.is_empty() && !name.is_empty());
        return match kind {
            Some(kind) => Ok(Line::Opaque(Name {
                kind,
                name: unquoted(name),
            })),
            None => Err(
                "bad opaque type; expected `s##name`, `u##name` or `e##name` alone on the line"
                    .to_owned(),
            ),
        };
    }
    let name = match Name::of_token(word) {
        Some(name) => name,
        None => symbol(word)?,
    };
    let (text, is_extern) = match rest.strip_prefix("extern ") {
        Some(text) => (text.trim_start_matches(' '), true),
        None => (rest, false),
    };
    match text {
        "" => Ok(Line::Bare(name)),
        NIL => Ok(Line::Record {
            name,
            text: "",
            is_extern,
        }),
        text => Ok(Line::Record {
            name,
            text,
            is_extern,
        }),
    }
}

/// Cuts the name off; a quoted one may hold blanks.
fn first_word(line: &str) -> Result<(&str, &str), String> {
    let bytes = line.as_bytes();
    let first = memchr::memchr2(b'\'', b' ', bytes);
    let quote = first.filter(|&at| bytes[at] == b'\'' && at > 0 && bytes[at - 1] == b'#');
    let end = match quote {
        None if first.is_some_and(|at| bytes[at] == b' ') => first,
        None => memchr::memchr(b' ', bytes),
        Some(open) => {
            let close = bytes
                .iter()
                .skip(open + 1)
                .position(|&byte| byte == b'\'')
                .map(|at| open + 1 + at + 1)
                .ok_or("unclosed quote in the name; expected `s#'name'`")?;
            if bytes.get(close).is_some_and(|&byte| byte != b' ') {
                return Err("no blank behind the name; expected `s#'name' tokens`".to_owned());
            }
            Some(close)
        }
    };
    Ok(line.split_at(end.unwrap_or(line.len())))
}

fn unquoted(name: &str) -> &str {
    name.strip_prefix('\'')
        .and_then(|name| name.strip_suffix('\''))
        .filter(|name| !name.is_empty())
        .unwrap_or(name)
}

/// The name of an export: no other thing has a name without tag.
fn symbol(word: &str) -> Result<Name<'_>, String> {
    let first = word.bytes().next();
    let fits = first.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_.$".contains(&byte));
    if fits
        && !word
            .bytes()
            .any(|byte| byte.is_ascii_control() || byte == b'#')
    {
        Ok(Name {
            kind: TypeKind::Symbol,
            name: word,
        })
    } else {
        Err(format!(
            "bad name `{}`; expected a symbol or `s#`, `u#`, `e#`, `t#` or `E#` with a name",
            crate::symvers::shown(word)
        ))
    }
}

/// Two blanks, as a search that is prepared once.
static DOUBLE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"  "));

/// The text with single blanks between its tokens, where it has others.
pub(super) fn single_blanks(text: &str) -> std::borrow::Cow<'_, str> {
    if DOUBLE.find(text.as_bytes()).is_none() {
        return text.into();
    }
    super::tokens(text).collect::<Vec<_>>().join(" ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every shape of a line reads as what it is.
    #[test]
    fn shapes_of_lines() {
        let said = |line| match parse(line) {
            Ok(Line::Record {
                name,
                text,
                is_extern,
            }) => format!("{name} = {text} {is_extern}"),
            Ok(Line::Opaque(name)) => format!("{name} opaque"),
            Ok(Line::Bare(name)) => format!("{name} bare"),
            Err(error) => error,
        };
        for (line, meaning) in [
            (
                "s#q struct q { int a ; } ",
                "s#q = struct q { int a ; } false",
            ),
            ("arr extern int arr [ E#D ]", "arr = int arr [ E#D ] true"),
            ("override s#q struct q { } ", "s#q = struct q { } false"),
            ("s##q", "s#q opaque"),
            (
                "s#'a b' structure_type x",
                "s#'a b' = structure_type x false",
            ),
            ("s#q", "s#q bare"),
            ("t#x (nil) ", "t#x =  false"),
            (".func int func", ".func = int func false"),
            (
                "s#'a b structure_type",
                "unclosed quote in the name; expected `s#'name'`",
            ),
            (
                "\u{e9}t\u{e9} int",
                "bad name `\u{e9}t\u{e9}`; expected a symbol or `s#`, `u#`, `e#`, `t#` or `E#` with a name",
            ),
            (
                "x#q int",
                "bad name `x#q`; expected a symbol or `s#`, `u#`, `e#`, `t#` or `E#` with a name",
            ),
            (
                "t##q",
                "bad opaque type; expected `s##name`, `u##name` or `e##name` alone on the line",
            ),
        ] {
            assert_eq!(said(line), meaning, "{line}");
        }
        assert_eq!(single_blanks("a  b   \"c  d\""), "a b \"c  d\"");
    }
}
