//! Dependency files that a compiler writes with `-MD`.
//!
//! The grammar is one make rule: targets, a colon, then prerequisites over lines that end in a backslash. Blanks and `#`
//! in names carry a backslash, `$` is doubled (GCC's manual, option `-MD`).

use std::path::PathBuf;

/// The prerequisites of the first rule, in order and each once.
#[must_use]
pub fn prerequisites(text: &[u8]) -> Vec<PathBuf> {
    let mut words = words(text).into_iter();
    // The colon that ends the targets is the first one before a blank or the end; names may hold others.
    let mut found = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for word in words.by_ref() {
        if word.ends_with(b":") {
            break;
        }
    }
    for word in words {
        // `-MP` adds rules without prerequisites for the headers; the first rule is all there is to read.
        if word.ends_with(b":") {
            break;
        }
        if seen.insert(word.clone()) {
            found.push(PathBuf::from(String::from_utf8_lossy(&word).into_owned()));
        }
    }
    found
}

fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word = Vec::new();
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(b'\n')) => {
                bytes.next();
                end_word(&mut word, &mut words);
            }
            (b'\\', Some(&escaped @ (b' ' | b'\t' | b'#' | b':'))) => {
                bytes.next();
                word.push(escaped);
            }
            (b'$', Some(b'$')) => {
                bytes.next();
                word.push(b'$');
            }
            (b' ' | b'\t' | b'\n' | b'\r', _) => end_word(&mut word, &mut words),
            _ => word.push(byte),
        }
    }
    end_word(&mut word, &mut words);
    words
}

fn end_word(word: &mut Vec<u8>, words: &mut Vec<Vec<u8>>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        prerequisites(text.as_bytes())
            .into_iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect()
    }

    /// Checks a rule over several lines, with escapes and a header named twice.
    #[test]
    fn reads_a_rule() {
        let text = "fork.o: /s/kernel/fork.c \\\n /s/include/a\\ b.h include/c\\#d.h \\\n  e$$f.h /s/kernel/fork.c\n";
        assert_eq!(
            names(text),
            [
                "/s/kernel/fork.c",
                "/s/include/a b.h",
                "include/c#d.h",
                "e$f.h"
            ]
        );
    }

    /// Checks that the empty rules of `-MP` and a missing rule give nothing more.
    #[test]
    fn stops_after_the_first_rule() {
        assert_eq!(names("a.o: a.c b.h\n\nb.h:\n"), ["a.c", "b.h"]);
        assert_eq!(names("-: b.h"), ["b.h"]);
        assert!(names("").is_empty());
        assert!(names("a.o b.o").is_empty());
    }
}
