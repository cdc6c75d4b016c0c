//! The hunks of the commits' patches that changed a definition.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use similar::{DiffTag, TextDiff};

use crate::history::{BlobId, HistoryError, PathChange, Repo, Walk};
use crate::report::{Cause, CauseHunk};

/// Lines of context in a hunk, as in a patch.
const CONTEXT: usize = 3;
/// Beyond it a difference is coarser, never missing.
const DIFF_TIME: Duration = Duration::from_secs(5);
/// Most commits of a cause, and hunks of one of them, that are told.
const MAX_COMMITS: usize = 5;
const MAX_HUNKS: usize = 3;
/// Lines of a hunk beyond which it is cut.
const MAX_LINES: usize = 60;
/// Files beyond this size are not looked at.
const MAX_FILE: usize = 8 << 20;

/// Fills in the hunks of causes whose commits are known.
///
/// A definition that changed through a macro or an include has none: no line of its own text changed.
pub(super) fn fill(repo: &Repo, walk: &Walk, causes: &mut [Cause]) -> Result<(), HistoryError> {
    let mut changes: BTreeMap<String, Vec<PathChange>> = BTreeMap::new();
    let mut before = &walk.base;
    for commit in &walk.commits {
        let id = commit.id.as_str();
        if causes
            .iter()
            .any(|cause| cause.commits.iter().any(|by| by == id))
        {
            changes.insert(id.to_owned(), repo.changes(before, commit)?);
        }
        before = commit;
    }
    for cause in causes {
        let mut hunks = Vec::new();
        for commit in cause.commits.iter().take(MAX_COMMITS) {
            let of_commit = changes.get(commit).into_iter().flatten();
            let files = [&cause.head, &cause.base].into_iter().flatten();
            let files: Vec<&str> = files.map(|place| place.file.as_str()).collect();
            for change in of_commit.filter(|change| files.contains(&change.path.as_str())) {
                let (old, new) = (text(repo, change.old)?, text(repo, change.new)?);
                hunks.extend(of_file(cause, commit, &change.path, &old, &new));
            }
        }
        cause.hunks = hunks;
    }
    Ok(())
}

/// The text of a blob; of one that does not exist or is too large, nothing.
fn text(repo: &Repo, blob: Option<BlobId>) -> Result<String, HistoryError> {
    let bytes = blob
        .map(|blob| repo.blob(blob))
        .transpose()?
        .unwrap_or_default();
    if bytes.len() > MAX_FILE {
        return Ok(String::new());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The hunks of one file that touch the lines of the definition on either side.
fn of_file(cause: &Cause, commit: &str, path: &str, old: &str, new: &str) -> Vec<CauseHunk> {
    let line = |place: &Option<crate::report::Place>| {
        let place = place.as_ref().filter(|place| place.file == path);
        place.map(|place| place.line)
    };
    let before = lines(old, &cause.name, line(&cause.base));
    let after = lines(new, &cause.name, line(&cause.head));
    let diff = TextDiff::configure()
        .timeout(DIFF_TIME)
        .diff_lines(old, new);
    let mut unified = diff.unified_diff();
    unified.context_radius(CONTEXT).missing_newline_hint(false);
    let touching = unified.iter_hunks().filter(|hunk| {
        let mut ops = hunk.ops().iter().filter(|op| op.tag() != DiffTag::Equal);
        ops.any(|op| touches(&before, op.old_range()) || touches(&after, op.new_range()))
    });
    touching
        .take(MAX_HUNKS)
        .map(|hunk| CauseHunk {
            commit: commit.to_owned(),
            file: path.to_owned(),
            header: hunk.header().to_string().trim_end().to_owned(),
            text: cut(&hunk.to_string()),
        })
        .collect()
}

/// The lines of a hunk without its header, as many as are told.
fn cut(hunk: &str) -> String {
    let lines = hunk.lines().filter(|line| !line.starts_with("@@ "));
    let mut text: String = lines
        .clone()
        .take(MAX_LINES)
        .flat_map(|line| [line, "\n"])
        .collect();
    let more = lines.count().saturating_sub(MAX_LINES);
    if more > 0 {
        text.push_str(&format!("… {more} more lines\n"));
    }
    text
}

fn touches(definition: &Option<Range<usize>>, changed: Range<usize>) -> bool {
    let Some(lines) = definition else {
        return false;
    };
    // Lines that went leave an empty range where they stood.
    lines.start < changed.end.max(changed.start + 1) && changed.start < lines.end
}

/// The lines of a definition, counted from 0: from its tag, or else from the line where it is known to stand, to its end.
fn lines(text: &str, name: &str, line: Option<u32>) -> Option<Range<usize>> {
    let tagged = ["struct ", "union ", "enum "]
        .iter()
        .any(|word| name.starts_with(word));
    let found = if tagged { definition(text, name) } else { None };
    let start = match found {
        Some(at) => at,
        None => {
            let line = usize::try_from(line?).ok()?.checked_sub(1)?;
            let ends = text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(ends).nth(line)?
        }
    };
    let rest = text.get(start..)?;
    let mut depth = 0_usize;
    let end = rest.char_indices().find(|(_, c)| {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *c == ';' && depth == 0
    });
    let end = end.map_or(rest.len(), |(at, _)| at);
    let number = |at: usize| text.get(..at).map_or(0, |text| text.matches('\n').count());
    Some(number(start)..number(start + end) + 1)
}

/// Where a tag is followed by a body.
fn definition(text: &str, name: &str) -> Option<usize> {
    let places = text.match_indices(name).map(|(at, _)| at);
    places.into_iter().find(|at| {
        let behind = text.get(at + name.len()..).unwrap_or_default();
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && behind.trim_start().starts_with('{')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "int x;\n\nstruct a {\n\tint a;\n};\n\n\n\n\nstruct b;\nstruct b {\n\tint b;\n\tstruct {\n\t\tint c;\n\t};\n};\n\n\n\n\n\nint f(int a,\n      int b);\n";

    /// Definitions by tag and by line.
    #[test]
    fn lines_of_definitions() {
        assert_eq!(lines(OLD, "struct a", None), Some(2..5));
        assert_eq!(lines(OLD, "struct b", None), Some(10..16));
        assert_eq!(lines(OLD, "f", Some(22)), Some(21..23));
        assert_eq!(lines(OLD, "struct c", None), None);
        assert_eq!(lines("", "f", Some(1)), Some(0..1));
        assert_eq!(lines("struct a {", "struct a", Some(9)), Some(0..1));
    }

    /// Only the hunk that changes the definition's own lines is named.
    #[test]
    fn hunks_of_definitions() {
        let new = OLD
            .replace("int x;", "int y;")
            .replace("\t\tint c;", "\t\tlong c;")
            .replace("int b);", "long b);");
        let cause = |name: &str, line: Option<u32>| {
            let place = line.map(|line| crate::report::Place {
                file: "a.h".to_owned(),
                line,
            });
            Cause {
                name: name.to_owned(),
                base: place.clone(),
                head: place,
                ..Cause::default()
            }
        };
        let of = |name: &str, line: Option<u32>| -> Vec<(String, String)> {
            let hunks = of_file(&cause(name, line), "c", "a.h", OLD, &new).into_iter();
            hunks.map(|hunk| (hunk.header, hunk.text)).collect()
        };
        assert_eq!(of("struct a", None), []);
        assert_eq!(
            of("struct b", None),
            [(
                "@@ -11,7 +11,7 @@".to_owned(),
                " struct b {\n \tint b;\n \tstruct {\n-\t\tint c;\n+\t\tlong c;\n \t};\n };\n \n"
                    .to_owned()
            )]
        );
        assert_eq!(of("f", Some(22)).len(), 1);
        assert!(of("f", Some(22))[0].1.contains("+      long b);"));
    }
}
