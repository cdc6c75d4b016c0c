//! The hunks of the commits' patches that changed a definition.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use similar::{DiffTag, TextDiff};

use crate::compare::Cause;
use crate::history::{BlobId, Commit, HistoryError, Repo};
use crate::report::{self, CauseHunk};
use crate::symtypes::Location;

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

/// Hunks by the record that they change.
pub(super) type Hunks = BTreeMap<String, Vec<CauseHunk>>;

/// A definition that is looked for in the files of a patch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sought {
    record: String,
    /// As C says it.
    name: String,
    base: Option<Location>,
    head: Option<Location>,
}

/// The hunks of a commit's patch that change definitions.
///
/// A definition that changed through a macro or an include has none: no line of its own text changed.
pub(super) fn of_commit(
    repo: &Repo,
    parent: &Commit,
    commit: &Commit,
    causes: &[Cause],
) -> Result<Hunks, HistoryError> {
    let mut by_file: BTreeMap<&str, BTreeSet<Sought>> = BTreeMap::new();
    for cause in causes {
        for place in [&cause.head, &cause.base].into_iter().flatten() {
            by_file.entry(&place.file).or_default().insert(Sought {
                record: cause.name.to_string(),
                name: cause.name.in_c(),
                base: cause.base.clone(),
                head: cause.head.clone(),
            });
        }
    }
    let mut hunks = Hunks::new();
    if by_file.is_empty() {
        return Ok(hunks);
    }
    for change in repo.changes(parent, commit)? {
        let Some(sought) = by_file.get(change.path.as_str()) else {
            continue;
        };
        let (old, new) = (text(repo, change.old)?, text(repo, change.new)?);
        for (record, hunk) in of_file(sought, commit.id.as_str(), &change.path, &old, &new) {
            let known = hunks.entry(record).or_default();
            if !known.contains(&hunk) {
                known.push(hunk);
            }
        }
    }
    Ok(hunks)
}

/// Gives causes the hunks of their commits; `hunks` are those of each commit.
pub(super) fn fill(causes: &mut [report::Cause], hunks: &BTreeMap<String, Hunks>) {
    for cause in causes {
        let commits = cause.commits.iter().take(MAX_COMMITS);
        let of_commits = commits.filter_map(|commit| hunks.get(commit)?.get(&cause.record));
        cause.hunks = of_commits.flatten().cloned().collect();
    }
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

/// The hunks of one file that touch the lines of definitions on either side, each with the record.
fn of_file(
    sought: &BTreeSet<Sought>,
    commit: &str,
    path: &str,
    old: &str,
    new: &str,
) -> Vec<(String, CauseHunk)> {
    let diff = TextDiff::configure()
        .timeout(DIFF_TIME)
        .diff_lines(old, new);
    let mut unified = diff.unified_diff();
    unified.context_radius(CONTEXT).missing_newline_hint(false);
    let hunks: Vec<_> = unified.iter_hunks().collect();
    let line = |place: &Option<Location>| {
        let place = place.as_ref().filter(|place| place.file == path);
        place.map(|place| place.line)
    };
    let mut found = Vec::new();
    for sought in sought {
        let before = lines(old, &sought.name, line(&sought.base));
        let after = lines(new, &sought.name, line(&sought.head));
        let touching = hunks.iter().filter(|hunk| {
            let mut ops = hunk.ops().iter().filter(|op| op.tag() != DiffTag::Equal);
            ops.any(|op| touches(&before, op.old_range()) || touches(&after, op.new_range()))
        });
        found.extend(touching.take(MAX_HUNKS).map(|hunk| {
            let hunk = CauseHunk {
                commit: commit.to_owned(),
                file: path.to_owned(),
                header: hunk.header().to_string().trim_end().to_owned(),
                text: cut(&hunk.to_string()),
            };
            (sought.record.clone(), hunk)
        }));
    }
    found
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
        let of = |name: &str, line: Option<u32>| -> Vec<(String, String)> {
            let place = line.map(|line| Location {
                file: "a.h".to_owned(),
                line,
            });
            let sought = BTreeSet::from([Sought {
                record: name.to_owned(),
                name: name.to_owned(),
                base: place.clone(),
                head: place,
            }]);
            let hunks = of_file(&sought, "c", "a.h", OLD, &new).into_iter();
            hunks.map(|(_, hunk)| (hunk.header, hunk.text)).collect()
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
