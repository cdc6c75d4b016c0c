//! Tokens of a definition text.

use super::{Name, TypeName};

/// Splits a definition text at blanks outside string and character literals and quoted names.
pub fn tokens(text: &str) -> Tokens<'_> {
    Tokens { rest: text }
}

/// Iterator over the tokens of a definition text.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start_matches(' ');
        if rest.is_empty() {
            self.rest = rest;
            return None;
        }
        let end = token_end(rest.as_bytes());
        let (token, rest) = rest.split_at(end);
        self.rest = rest;
        Some(token)
    }
}

/// Length of the token at the start of `bytes`. Blanks inside double or single quotes belong to the token; a quote that
/// is never closed is an ordinary character, as in the kernel's lexer.
fn token_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' => return at,
            b'"' | b'\'' => at = closing_quote(bytes, at).map_or(at + 1, |close| close + 1),
            _ => at += 1,
        }
    }
    at
}

fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let quote = *bytes.get(open)?;
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            _ if byte == quote => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// The name that a token refers to: `s#sk_buff`, or `s#'a b'` for names with blanks.
#[must_use]
pub fn reference(token: &str) -> Option<TypeName> {
    Name::of_token(token).map(Name::to_owned)
}

/// The names that a text mentions, in its order and as often as it does, each with where it begins and ends.
pub(crate) fn mentions(text: &str) -> impl Iterator<Item = (usize, usize, Name<'_>)> {
    // Nearly every text is without quotes; then a name begins behind a blank and ends before one.
    let plain = memchr::memchr2(b'"', b'\'', text.as_bytes()).is_none();
    let bytes = text.as_bytes();
    let fast = plain
        .then(|| memchr::memchr_iter(b'#', bytes))
        .into_iter()
        .flatten()
        .filter_map(move |hash| {
            let start = hash.checked_sub(1)?;
            if start > 0 && bytes[start - 1] != b' ' {
                return None;
            }
            let rest = text.get(start..)?;
            let end = memchr::memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
            Some((start, start + end, Name::of_token(&rest[..end])?))
        });
    let slow = (!plain)
        .then(|| {
            let mut tokens = tokens(text);
            std::iter::from_fn(move || {
                let token = tokens.next()?;
                let end = text.len() - tokens.rest.len();
                Some((end - token.len(), end, token))
            })
            .filter_map(|(start, end, token)| Some((start, end, Name::of_token(token)?)))
        })
        .into_iter()
        .flatten();
    fast.chain(slow)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blanks inside literals do not split a token, and an open quote is a token like any other.
    #[test]
    fn literals_are_one_token() {
        let split: Vec<&str> = tokens(r#"asm ( "a \" b" ) ' ' x "#).collect();
        assert_eq!(split, ["asm", "(", r#""a \" b""#, ")", "' '", "x"]);
        assert_eq!(tokens("a \" b").collect::<Vec<_>>(), ["a", "\"", "b"]);
        assert_eq!(tokens("  ").count(), 0);
    }

    /// The fast search for names finds what cutting into tokens finds.
    #[test]
    fn mentions_are_the_references_among_the_tokens() {
        for text in [
            "struct a { s#b * c ; t#u32 d [ E#N ] ; }",
            "s#a",
            "a#b xs#c s# s#x#y # s#\u{e9}",
            "\u{e9}#a \u{e9}s#a",
            "f ( \"s#in literal\" , s#'a b' , ' s#c )",
        ] {
            let slow: Vec<TypeName> = tokens(text).filter_map(reference).collect();
            let fast: Vec<TypeName> = mentions(text).map(|(_, _, name)| name.to_owned()).collect();
            assert_eq!(fast, slow, "{text}");
            for (start, end, name) in mentions(text) {
                assert_eq!(Name::of_token(&text[start..end]), Some(name), "{text}");
            }
        }
    }

    /// Only a tag letter with a hash and a name is a reference.
    #[test]
    fn references_are_recognised() {
        let of = |token| reference(token).map(|name| name.to_string());
        assert_eq!(of("s#sk_buff").as_deref(), Some("s#sk_buff"));
        assert_eq!(of("E#MAX").as_deref(), Some("E#MAX"));
        assert_eq!(of("s#'a b'").map(|_| ()), Some(()));
        for other in ["int", "x#y", "s#", "#", "s", "", "s##q", "E#'#'"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
