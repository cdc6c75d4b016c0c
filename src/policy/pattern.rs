//! Glob patterns over names of symbols, modules and namespaces.
//!
//! A pattern matches a whole name. Two dialects differ in what `*` is:
//!
//! | dialect | `*` | others |
//! |---|---|---|
//! | [`Dialect::Shell`] | any run, `/` included | `?`, `[set]`, `[^set]`, `[!set]`, `\c` |
//! | [`Dialect::Suse`] | the same | the same, but `!` is an ordinary member of a set |
//! | [`Dialect::Debian`] | any run without `/`; `**` is any run | nothing else is special |
//!
//! Matching keeps the set of positions of the pattern that a name can stand at, so it costs at most the product of both
//! lengths however many `*` a pattern has.

/// How the special characters of a pattern read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `rules.toml`.
    Shell,
    /// SUSE severities.
    Suse,
    /// Debian's `ignore-changes`.
    Debian,
}

/// The most characters of a pattern: far above any name.
const MAX_LENGTH: usize = 1_024;

/// A pattern that matches whole names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// What every matching name starts with.
    head: String,
    /// What every matching name ends with, beyond the head.
    end: String,
    /// What follows the head.
    tail: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// Any one character.
    One,
    /// Any run of characters.
    Run,
    /// Any run without `/`.
    RunInFolder,
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// A set without its `]`, a range that runs backwards, a `\` at the end, or a pattern longer than 1,024 characters,
    /// as a text without place.
    pub fn read(text: &str, dialect: Dialect) -> Result<Pattern, String> {
        if text.chars().count() > MAX_LENGTH {
            return Err(format!("a pattern has at most {MAX_LENGTH} characters"));
        }
        let tokens = match dialect {
            Dialect::Debian => debian(text),
            Dialect::Shell | Dialect::Suse => shell(text, dialect == Dialect::Shell)?,
        };
        Ok(Pattern::of(text, tokens))
    }

    /// The pattern that only this name matches.
    #[must_use]
    pub fn exact(name: &str) -> Pattern {
        Pattern::of(name, name.chars().map(Token::Char).collect())
    }

    fn of(text: &str, tokens: Vec<Token>) -> Pattern {
        let literal = |token: &Token| match token {
            Token::Char(c) => Some(*c),
            _ => None,
        };
        let head: String = tokens.iter().map_while(literal).collect();
        let tail: Vec<Token> = tokens.into_iter().skip(head.chars().count()).collect();
        let mut end: Vec<char> = tail.iter().rev().map_while(literal).collect();
        end.reverse();
        Pattern {
            text: text.to_owned(),
            head,
            end: end.into_iter().collect(),
            tail,
        }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether only one name matches.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.tail.is_empty()
    }

    /// Whether the name matches as a whole.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(self.head.as_str()) else {
            return false;
        };
        match self.tail.as_slice() {
            [] => rest.is_empty(),
            [Token::Run] => true,
            _ if !rest.ends_with(self.end.as_str()) => false,
            tail => simulate(tail, rest),
        }
    }
}

/// Runs all positions that the text can stand at through it, one character after the other.
fn simulate(tokens: &[Token], text: &str) -> bool {
    let mut at = vec![false; tokens.len().saturating_add(1)];
    if let Some(first) = at.first_mut() {
        *first = true;
    }
    skip_runs(tokens, &mut at);
    for c in text.chars() {
        let mut next = vec![false; at.len()];
        for (place, token) in tokens.iter().enumerate() {
            if at.get(place) != Some(&true) {
                continue;
            }
            let to = match token {
                Token::Char(own) => (*own == c).then_some(place + 1),
                Token::One => Some(place + 1),
                Token::Run => Some(place),
                Token::RunInFolder => (c != '/').then_some(place),
                Token::Set { negated, ranges } => {
                    let inside = ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                    (inside != *negated).then_some(place + 1)
                }
            };
            if let Some(slot) = to.and_then(|to| next.get_mut(to)) {
                *slot = true;
            }
        }
        skip_runs(tokens, &mut next);
        if !next.contains(&true) {
            return false;
        }
        at = next;
    }
    at.last() == Some(&true)
}

/// A run may be empty.
fn skip_runs(tokens: &[Token], at: &mut [bool]) {
    for (place, token) in tokens.iter().enumerate() {
        let stands = at.get(place) == Some(&true);
        if stands
            && matches!(token, Token::Run | Token::RunInFolder)
            && let Some(slot) = at.get_mut(place + 1)
        {
            *slot = true;
        }
    }
}

fn debian(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                Token::Run
            }
            '*' => Token::RunInFolder,
            c => Token::Char(c),
        });
    }
    tokens
}

fn shell(text: &str, bang: bool) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Run,
            '?' => Token::One,
            '\\' => Token::Char(
                chars
                    .next()
                    .ok_or("`\\` at the end of a pattern; expected a character behind it")?,
            ),
            '[' => set(&mut chars, bang)?,
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

/// Reads a set up to its `]`, which counts as a member where it stands first.
fn set(chars: &mut std::str::Chars<'_>, bang: bool) -> Result<Token, String> {
    const OPEN: &str = "`[` without `]`; expected a set such as [abc] or [a-z], or `\\[`";
    let mut rest = chars.clone();
    let first = rest.next();
    let negated = first == Some('^') || (bang && first == Some('!'));
    if negated {
        *chars = rest;
    }
    let mut ranges: Vec<(char, char)> = Vec::new();
    loop {
        let c = match chars.next().ok_or(OPEN)? {
            ']' if !ranges.is_empty() => return Ok(Token::Set { negated, ranges }),
            '\\' => chars.next().ok_or(OPEN)?,
            c => c,
        };
        let mut ahead = chars.clone();
        let range = (ahead.next(), ahead.next());
        match range {
            (Some('-'), Some(end)) if end != ']' => {
                let end = if end == '\\' {
                    ahead.next().ok_or(OPEN)?
                } else {
                    end
                };
                if end < c {
                    return Err(format!("the range {c}-{end} of a set runs backwards"));
                }
                ranges.push((c, end));
                *chars = ahead;
            }
            _ => ranges.push((c, c)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, dialect: Dialect, name: &str) -> bool {
        Pattern::read(pattern, dialect)
            .expect("a valid pattern")
            .matches(name)
    }

    /// Every special character of each dialect, on names that match and names that do not.
    #[test]
    fn dialects() {
        use Dialect::{Debian, Shell, Suse};
        for (pattern, dialect, yes, no) in [
            ("foo", Shell, &["foo"][..], &["foobar", "afoo", ""][..]),
            ("foo*", Shell, &["foo", "foobar"], &["fo", "afoo"]),
            ("*foo", Shell, &["foo", "a/foo"], &["foob"]),
            ("a*b*c", Shell, &["abc", "a/b/c", "abbc"], &["ab", "acb"]),
            ("a?c", Shell, &["abc", "a/c", "aüc"], &["ac", "abbc"]),
            ("[a-c]x[^0-9]", Shell, &["axy", "cxé"], &["dxy", "ax1"]),
            ("[!a]", Shell, &["b", "!"], &["a"]),
            ("[!a]", Suse, &["a", "!"], &["b"]),
            ("[]a]", Shell, &["]", "a"], &["[", ""]),
            ("\\*a", Shell, &["*a"], &["aa"]),
            (
                "drivers/nvme/host/*",
                Suse,
                &["drivers/nvme/host/a/b"],
                &["drivers/nvme/host"],
            ),
            ("{a,b}", Shell, &["{a,b}"], &["a", "b"]),
            ("drivers/*", Debian, &["drivers/a"], &["drivers/a/b"]),
            (
                "drivers/**",
                Debian,
                &["drivers/a", "drivers/a/b"],
                &["driver"],
            ),
            ("a**b*c", Debian, &["a/bxc", "abc"], &["a/b/xc/"]),
            ("a?[b]", Debian, &["a?[b]"], &["axb"]),
        ] {
            for name in yes {
                assert!(matches(pattern, dialect, name), "{pattern} {name}");
            }
            for name in no {
                assert!(!matches(pattern, dialect, name), "{pattern} {name}");
            }
        }
    }

    /// What is no pattern is refused with what was expected.
    #[test]
    fn rejected_patterns() {
        for (text, message) in [
            (
                "[a",
                "`[` without `]`; expected a set such as [abc] or [a-z], or `\\[`",
            ),
            (
                "[",
                "`[` without `]`; expected a set such as [abc] or [a-z], or `\\[`",
            ),
            ("[z-a]", "the range z-a of a set runs backwards"),
            (
                "a\\",
                "`\\` at the end of a pattern; expected a character behind it",
            ),
        ] {
            assert_eq!(Pattern::read(text, Dialect::Suse), Err(message.to_owned()));
        }
        assert!(Pattern::read(&"a".repeat(2_000), Dialect::Shell).is_err());
    }

    /// Stars in a row and a name that matches until its last character cost no more than the product of the lengths.
    #[test]
    fn many_stars_are_no_trap() {
        let pattern = "*a".repeat(300);
        assert!(!matches(
            &pattern,
            Dialect::Shell,
            &("a".repeat(2_000) + "b")
        ));
    }

    proptest! {
        /// Any text reads or is refused, and what reads can be matched; a pattern without special characters matches itself.
        #[test]
        fn never_panics(text in ".{0,40}", name in ".{0,40}") {
            for dialect in [Dialect::Shell, Dialect::Suse, Dialect::Debian] {
                if let Ok(pattern) = Pattern::read(&text, dialect) {
                    let _ = pattern.matches(&name);
                }
            }
            prop_assert!(Pattern::exact(&text).matches(&text));
        }
    }
}
