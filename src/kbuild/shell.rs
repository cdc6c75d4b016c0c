//! Shell text as `make -n` prints it.
//!
//! In flow bytes piece by piece, out flow logical lines: make hands each to a shell of its own, and a newline ends one
//! unless a backslash stands before it (GNU make's manual, "Splitting Recipe Lines"). Quotes therefore never reach from
//! one logical line into the next, and text that is no command (`$(info ...)`) can harm only its own line. A line splits
//! into simple commands at `;`, `&`, `|` and parentheses outside quotes.

/// Bytes of a logical line; the longest of the kernel, an archive of all objects, has about one million.
const LINE_LIMIT: usize = 16 << 20;

/// Words of the shell's grammar that may stand before a command.
const RESERVED: [&str; 12] = [
    "if", "then", "elif", "else", "while", "until", "do", "{", "}", "!", "fi", "done",
];

/// Puts pieces of output together to logical lines.
#[derive(Default)]
pub(super) struct LineJoiner {
    pending: Vec<u8>,
}

/// A logical line passes the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineTooLong;

impl LineJoiner {
    /// Takes a piece and calls `each` with every logical line that ends in it.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), LineTooLong> {
        let mut rest = piece;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(at);
            rest = tail.get(1..).unwrap_or_default();
            self.pending.extend_from_slice(head);
            if ends_in_backslash(&self.pending) {
                self.pending.push(b'\n');
            } else {
                each(&self.pending);
                self.pending.clear();
            }
            if self.pending.len() > LINE_LIMIT {
                return Err(LineTooLong);
            }
        }
        self.pending.extend_from_slice(rest);
        if self.pending.len() > LINE_LIMIT {
            return Err(LineTooLong);
        }
        Ok(())
    }

    /// Hands over a last line without newline.
    pub(super) fn finish(self, each: impl FnOnce(&[u8])) {
        if !self.pending.is_empty() {
            each(&self.pending);
        }
    }
}

fn ends_in_backslash(line: &[u8]) -> bool {
    line.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// The simple commands of a logical line, unsplit; `None` if a quote does not end.
pub(super) fn commands(line: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut quote = None;
    let mut bytes = line.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (None | Some(b'"'), b'\\') => {
                bytes.next();
            }
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b';' | b'&' | b'|' | b'(' | b')') => {
                found.push(line.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(line.get(start..).unwrap_or_default());
    quote.is_none().then_some(found)
}

/// The words of a simple command without quotes and without reserved words before it; `None` if a quote does not end.
pub(super) fn words(command: &str) -> Option<Vec<String>> {
    let mut words = shlex::split(command)?;
    let reserved = words
        .iter()
        .take_while(|word| RESERVED.contains(&word.as_str()))
        .count();
    words.drain(..reserved);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that lines are joined over pieces and at backslashes, and that an even number of them joins nothing.
    #[test]
    fn joins_lines() {
        let text = b"a \\\n b\nc\\\\\nd 'x\ny'\nlast";
        for size in 1..text.len() {
            let mut joiner = LineJoiner::default();
            let mut lines = Vec::new();
            for piece in text.chunks(size) {
                joiner
                    .push(piece, |line| {
                        lines.push(String::from_utf8_lossy(line).into_owned())
                    })
                    .expect("short lines");
            }
            joiner.finish(|line| lines.push(String::from_utf8_lossy(line).into_owned()));
            assert_eq!(lines, ["a \\\n b", "c\\\\", "d 'x", "y'", "last"]);
        }
    }

    /// Checks that commands split outside quotes only.
    #[test]
    fn splits_commands() {
        let line = r#"set -e;  echo '  CC a.o; b'; if nm a.o 2>/dev/null | grep -q 'x|y'; then gcc -D'A="b;c"' \; x && y; fi"#;
        let found: Vec<&str> = commands(line)
            .expect("balanced")
            .into_iter()
            .map(str::trim)
            .collect();
        let want = [
            "set -e",
            "echo '  CC a.o; b'",
            "if nm a.o 2>/dev/null",
            "grep -q 'x|y'",
            r#"then gcc -D'A="b;c"' \; x"#,
            "",
            "y",
            "fi",
        ];
        assert_eq!(found, want);
        assert_eq!(
            words(want[4]).expect("words"),
            ["gcc", r#"-DA="b;c""#, ";", "x"]
        );
        assert_eq!(words("then { echo x").expect("words"), ["echo", "x"]);
    }

    /// Checks that text with an open quote is told apart from commands.
    #[test]
    fn open_quotes() {
        assert_eq!(commands("don't"), None);
        assert_eq!(commands("say \"don't\" # won't"), None);
        assert_eq!(commands(r"don\'t").map(|list| list.len()), Some(1));
    }
}
