//! A unified diff as rows of two columns, with the part of a line that changed marked.

use serde::Serialize;

use super::page::text;

/// Longest line, in characters.
const MAX_WIDTH: usize = 400;

/// One row: a heading of a hunk, a line of both sides, or a line of one side.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// Heading of a hunk; the other fields are empty then.
    pub(super) hunk: Option<String>,
    pub(super) old: Option<Side>,
    pub(super) new: Option<Side>,
    /// Whether the sides differ.
    pub(super) changed: bool,
}

/// A line of one side, cut where it differs from the other side.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Side {
    pub(super) number: Option<usize>,
    pub(super) start: String,
    /// What the other side has otherwise.
    pub(super) middle: String,
    pub(super) end: String,
}

/// Reads at most `max` lines of a unified diff.
pub(super) fn rows(diff: &str, max: usize) -> Vec<Row> {
    let mut reader = Reader::default();
    for line in diff.lines().take(max) {
        reader.line(line);
    }
    reader.flush();
    reader.rows
}

#[derive(Default)]
struct Reader {
    rows: Vec<Row>,
    removed: Vec<(Option<usize>, String)>,
    added: Vec<(Option<usize>, String)>,
    /// Numbers of the next lines, once a hunk has told them.
    at: Option<(usize, usize)>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let (mark, rest) = match line.chars().next() {
            Some(mark @ ('-' | '+' | ' ')) => (mark, line.get(1..).unwrap_or_default()),
            Some('@') => ('@', line),
            _ => (' ', line),
        };
        match mark {
            '-' => {
                // A removal after an addition starts another change.
                if !self.added.is_empty() {
                    self.flush();
                }
                let number = self.count(true, false);
                self.removed.push((number, rest.to_owned()));
            }
            '+' => {
                let number = self.count(false, true);
                self.added.push((number, rest.to_owned()));
            }
            '@' => {
                self.flush();
                self.at = numbers(line);
                self.rows.push(Row {
                    hunk: Some(text(line, MAX_WIDTH)),
                    ..Row::default()
                });
            }
            _ => {
                self.flush();
                let at = self.at;
                self.count(true, true);
                let side = |number| Side {
                    number,
                    start: text(rest, MAX_WIDTH),
                    ..Side::default()
                };
                self.rows.push(Row {
                    old: Some(side(at.map(|(old, _)| old))),
                    new: Some(side(at.map(|(_, new)| new))),
                    ..Row::default()
                });
            }
        }
    }

    /// The number of the line that is read, of the old side if it is there, and one more for the next.
    fn count(&mut self, old: bool, new: bool) -> Option<usize> {
        let (left, right) = self.at?;
        let next = |number: usize, counts: bool| number.saturating_add(usize::from(counts));
        self.at = Some((next(left, old), next(right, new)));
        Some(if old { left } else { right })
    }

    /// Pairs what was removed with what was added, line by line.
    fn flush(&mut self) {
        let removed = std::mem::take(&mut self.removed);
        let added = std::mem::take(&mut self.added);
        let (mut old, mut new) = (removed.into_iter(), added.into_iter());
        loop {
            let row = match (old.next(), new.next()) {
                (None, None) => return,
                (Some((a, left)), Some((b, right))) => {
                    let (start, end) = common(&left, &right);
                    Row {
                        old: Some(cut(a, &left, start, end)),
                        new: Some(cut(b, &right, start, end)),
                        changed: true,
                        hunk: None,
                    }
                }
                (left, right) => Row {
                    old: left.map(|(n, line)| whole(n, &line)),
                    new: right.map(|(n, line)| whole(n, &line)),
                    changed: true,
                    hunk: None,
                },
            };
            self.rows.push(row);
        }
    }
}

/// First lines of both sides out of `@@ -31,7 +31,7 @@`.
fn numbers(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace().skip(1);
    let mut number = |sign| {
        let word = words.next()?.strip_prefix(sign)?;
        word.split(',').next()?.parse().ok()
    };
    Some((number('-')?, number('+')?))
}

/// Bytes that both lines have in common at the start and at the end, cut between words.
fn common(left: &str, right: &str) -> (usize, usize) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let same = left.chars().zip(right.chars()).take_while(|(a, b)| a == b);
    let mut start: usize = same.map(|(c, _)| c.len_utf8()).sum();
    while let Some(c) = left.get(..start).and_then(|s| s.chars().next_back()) {
        let goes_on = |line: &str| {
            let next = line.get(start..).and_then(|s| s.chars().next());
            next.is_some_and(is_word)
        };
        if !is_word(c) || !(goes_on(left) || goes_on(right)) {
            break;
        }
        start -= c.len_utf8();
    }
    let (a, b) = (
        left.get(start..).unwrap_or_default(),
        right.get(start..).unwrap_or_default(),
    );
    let same = a.chars().rev().zip(b.chars().rev());
    let same = same.take_while(|(a, b)| a == b);
    let mut end: usize = same.map(|(c, _)| c.len_utf8()).sum();
    while let Some(c) = a
        .len()
        .checked_sub(end)
        .and_then(|at| a.get(at..)?.chars().next())
    {
        let goes_on = |line: &str| {
            let before = line.len().checked_sub(end).and_then(|at| line.get(..at));
            before
                .and_then(|s| s.chars().next_back())
                .is_some_and(is_word)
        };
        if end == 0 || !is_word(c) || !(goes_on(a) || goes_on(b)) {
            break;
        }
        end -= c.len_utf8();
    }
    (start, end)
}

/// A line without a counterpart: nothing of it is like or unlike another.
fn whole(number: Option<usize>, line: &str) -> Side {
    Side {
        number,
        start: text(line, MAX_WIDTH),
        ..Side::default()
    }
}

fn cut(number: Option<usize>, line: &str, start: usize, end: usize) -> Side {
    let end = line.len().saturating_sub(end).max(start);
    let part = |from: usize, to: usize| line.get(from..to).unwrap_or_default();
    if line.chars().count() > MAX_WIDTH {
        return Side {
            number,
            middle: text(line, MAX_WIDTH),
            ..Side::default()
        };
    }
    Side {
        number,
        start: text(part(0, start), MAX_WIDTH),
        middle: text(part(start, end), MAX_WIDTH),
        end: text(part(end, line.len()), MAX_WIDTH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines keep their numbers, a changed line stands beside the old one, and only the words that differ are marked.
    #[test]
    fn changed_lines_stand_side_by_side() {
        let rows = rows(
            "@@ -31,3 +31,4 @@\n a;\n-\t__u32 x;\n+\t__u64 x;\n+\tint y;\n b;\n",
            99,
        );
        assert_eq!(rows.len(), 5);
        let side = |number, start: &str, middle: &str, end: &str| {
            Some(Side {
                number: Some(number),
                start: start.to_owned(),
                middle: middle.to_owned(),
                end: end.to_owned(),
            })
        };
        assert_eq!(rows[2].old, side(32, "\t", "__u32", " x;"));
        assert_eq!(rows[2].new, side(32, "\t", "__u64", " x;"));
        assert_eq!(
            (&rows[3].old, &rows[3].new),
            (&None, &side(33, "\tint y;", "", ""))
        );
        assert_eq!(rows[4].old, side(33, "b;", "", ""));
        assert_eq!(rows[4].new, side(34, "b;", "", ""));
    }

    proptest! {
        /// Whatever the lines are, the three parts of a side make the line again.
        #[test]
        fn parts_make_the_line(left in "[ -~äß€]{0,30}", right in "[ -~äß€]{0,30}") {
            let rows = rows(&format!("-{left}\n+{right}\n"), 9);
            let whole = |side: &Option<Side>| {
                side.as_ref().map(|s| format!("{}{}{}", s.start, s.middle, s.end))
            };
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(whole(&rows[0].old), Some(left));
            prop_assert_eq!(whole(&rows[0].new), Some(right));
        }

        /// No text makes the reader panic.
        #[test]
        fn never_panics(diff in "(?s).{0,200}") {
            rows(&diff, 50);
        }
    }
}
