//! Which lines of a changed definition the commits touched.
//!
//! A definition may be long, and its first line far from the change. Viewers of pull requests show a finding only where it
//! stands on a line of the difference, so that line is looked for: the first within the definition's text that the file at
//! the tip does not share with the file before the range.

use std::collections::BTreeMap;
use std::time::Duration;

use similar::{DiffTag, TextDiff};

use super::Series;
use super::causes::CauseUse;
use crate::history::{Commit, Repo};

/// Beyond it a difference of two files is coarser.
const DIFF_TIME: Duration = Duration::from_secs(5);

/// The line of each definition behind the findings of the tip, by the cause's fingerprint.
pub(super) fn changed_lines(causes: &[CauseUse], series: Series<'_>) -> BTreeMap<String, u32> {
    let Some(tip) = series.walk.commits.last() else {
        return BTreeMap::new();
    };
    let mut files: BTreeMap<&str, Option<File>> = BTreeMap::new();
    let mut lines = BTreeMap::new();
    for cause in causes {
        let Some(place) = &cause.head else { continue };
        let file = files
            .entry(place.file.as_str())
            .or_insert_with(|| File::read(series.repo, &series.walk.base, tip, &place.file));
        let line = file
            .as_ref()
            .and_then(|file| file.changed_in(usize::try_from(place.line).ok()?))
            .and_then(|line| u32::try_from(line).ok());
        if let Some(line) = line {
            lines.insert(cause.id.clone(), line);
        }
    }
    lines
}

/// A file at the tip, and its lines that the file before does not have or behind which one is gone; counted from 1.
struct File {
    text: String,
    changed: Vec<usize>,
}

impl File {
    /// Reads both contents; `None` for what the commits do not hold, such as generated headers.
    fn read(repo: &Repo, base: &Commit, tip: &Commit, path: &str) -> Option<File> {
        let read = |commit| -> Option<String> {
            let bytes = repo.read_file(commit, path).ok()??;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read(tip)?;
        Some(File::new(&read(base).unwrap_or_default(), text))
    }

    fn new(old: &str, text: String) -> File {
        let diff = TextDiff::configure()
            .timeout(DIFF_TIME)
            .diff_lines(old, text.as_str());
        let mut changed = Vec::new();
        for op in diff.ops() {
            let lines = op.new_range();
            match op.tag() {
                DiffTag::Equal => {}
                // What is gone stood behind the line before.
                DiffTag::Delete => changed.push(lines.start.max(1)),
                DiffTag::Insert | DiffTag::Replace => changed.extend(lines.start + 1..=lines.end),
            }
        }
        File { text, changed }
    }

    /// The first changed line of the definition that begins at `first`.
    fn changed_in(&self, first: usize) -> Option<usize> {
        let last = first + extent(self.text.lines().skip(first.checked_sub(1)?));
        let mut changed = self.changed.iter().copied();
        changed.find(|line| (first..=last).contains(line))
    }
}

/// How many further lines a definition has: up to the semicolon, or the end of the body, that is in no bracket.
fn extent<'a>(lines: impl Iterator<Item = &'a str>) -> usize {
    let (mut depth, mut in_comment, mut last) = (0_usize, false, 0);
    for (number, line) in lines.enumerate() {
        last = number;
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let step = if in_comment {
                in_comment = !rest.starts_with("*/");
                if in_comment { c.len_utf8() } else { 2 }
            } else if rest.starts_with("//") {
                break;
            } else if rest.starts_with("/*") {
                in_comment = true;
                2
            } else {
                match c {
                    '{' | '(' | '[' => depth += 1,
                    '}' | ')' | ']' => depth = depth.saturating_sub(1),
                    ';' if depth == 0 => return number,
                    _ => {}
                }
                c.len_utf8()
            };
            rest = rest.get(step..).unwrap_or_default();
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "#include <a.h>\n\nstruct a {\n\tint one; /* } ; */\n\tint two;\n\tint three;\n};\n\nstruct b {\n\tint x;\n};\n";

    fn changed(new: &str, first: usize) -> Option<usize> {
        File::new(OLD, new.to_owned()).changed_in(first)
    }

    /// The line that came, or the one before which a line went, and none of a neighbour.
    #[test]
    fn first_changed_line() {
        assert_eq!(changed(OLD, 3), None);
        let added = OLD.replace("\tint three;\n", "\tint three;\n\tint four;\n");
        assert_eq!(changed(&added, 3), Some(7));
        let gone = OLD.replace("\tint two;\n", "");
        assert_eq!(changed(&gone, 3), Some(4));
        let neighbour = OLD.replace("int x", "long x");
        assert_eq!(changed(&neighbour, 3), None);
        assert_eq!(changed(&neighbour, 9), Some(10));
        // A file that is new, and a place beyond the end.
        assert_eq!(File::new("", OLD.to_owned()).changed_in(3), Some(3));
        assert_eq!(changed(OLD, 99), None);
        assert_eq!(changed(OLD, 0), None);
    }

    /// Definitions end at their own semicolon.
    #[test]
    fn extents() {
        assert_eq!(extent("int f(int a,\n\tint b);\nint g;\n".lines()), 1);
        assert_eq!(extent("typedef int t; int g;\n".lines()), 0);
        assert_eq!(extent("struct s {\n// };\nint a[2]; } x;\n".lines()), 2);
        assert_eq!(extent("struct s {\n".lines()), 0);
        assert_eq!(extent("é /* ö */ ;\n".lines()), 0);
    }
}
