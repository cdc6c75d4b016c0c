//! Ranges: the first-parent line between two commits.

use std::collections::HashSet;

use git2::{Oid, Repository};

use super::commit::{Commit, Walk};
use super::error::HistoryError;
use super::id::CommitId;
use super::repo::read_commit;
use super::revision;

/// More first parents than any kernel history has; stands against endless or absurd histories.
const MAX_CHAIN: usize = 2_000_000;

/// Splits `A..B`; a missing side is `HEAD`.
fn parse(range: &str) -> Result<(&str, &str), HistoryError> {
    let wrong = |reason| HistoryError::RangeSyntax {
        range: range.to_owned(),
        reason,
    };
    if range.contains("...") {
        return Err(wrong(
            "A...B selects both sides of a merge base; a check needs one line of commits, A..B",
        ));
    }
    let (base, head) = range
        .split_once("..")
        .ok_or_else(|| wrong("a range is written A..B"))?;
    if head.contains("..") {
        return Err(wrong("more than one \"..\""));
    }
    let or_head = |side| if str::is_empty(side) { "HEAD" } else { side };
    Ok((or_head(base), or_head(head)))
}

/// The steps of a range, oldest first, and the commit that they start from.
pub(super) fn walk(repo: &Repository, range: &str) -> Result<Walk, HistoryError> {
    let (base, head) = parse(range)?;
    let base = revision::find(repo, base)?.id();
    let head = revision::find(repo, head)?.id();
    let line = Line::read(repo, head, base)?;
    let (steps, start) = match line.base {
        Some(start) => (line.steps, start),
        None => line.cut_at_history_of(repo, range, base, head)?,
    };
    if steps.is_empty() {
        return Err(HistoryError::RangeEmpty {
            range: range.to_owned(),
            base: CommitId::from_oid(base),
            head: CommitId::from_oid(head),
        });
    }
    let commits: Result<Vec<Commit>, HistoryError> = steps
        .iter()
        .rev()
        .map(|oid| read_commit(repo, *oid))
        .collect();
    Ok(Walk {
        base: read_commit(repo, start)?,
        commits: commits?,
        cover_letters: Vec::new(),
    })
}

/// A commit and its first parents, newest first, down to `base` (not included) or to the root.
struct Line {
    steps: Vec<Oid>,
    base: Option<Oid>,
}

impl Line {
    fn read(repo: &Repository, head: Oid, base: Oid) -> Result<Line, HistoryError> {
        let mut steps = Vec::new();
        let mut next = Some(head);
        while let Some(oid) = next {
            if oid == base {
                return Ok(Line {
                    steps,
                    base: Some(base),
                });
            }
            if steps.len() == MAX_CHAIN {
                return Err(HistoryError::Limit {
                    what: format!("first parents of {head}"),
                    limit: format!("{MAX_CHAIN} commits"),
                });
            }
            steps.push(oid);
            let commit = repo
                .find_commit(oid)
                .map_err(|source| HistoryError::git(format!("commit {oid}"), source))?;
            next = commit.parent_ids().next();
        }
        Ok(Line { steps, base: None })
    }

    /// The part of a line that `base` does not contain, and the first commit that it does: the case of a base that is
    /// not itself a first parent, such as the tip of the branch that a pull request left some commits ago.
    fn cut_at_history_of(
        mut self,
        repo: &Repository,
        range: &str,
        base: Oid,
        head: Oid,
    ) -> Result<(Vec<Oid>, Oid), HistoryError> {
        let fresh = first_parents_not_in(repo, head, base)
            .map_err(|source| HistoryError::git(format!("range {range:?}"), source))?;
        let cut = self.steps.iter().position(|oid| !fresh.contains(oid));
        if let Some((at, start)) = cut.and_then(|at| self.steps.get(at).map(|oid| (at, *oid))) {
            self.steps.truncate(at);
            return Ok((self.steps, start));
        }
        let boundary = revision::boundary(repo)?;
        if self.steps.last().is_some_and(|oid| boundary.contains(oid)) {
            return Err(HistoryError::Shallow {
                what: format!("the start of range {range:?}"),
                deepen: None,
            });
        }
        Err(HistoryError::Unrelated {
            range: range.to_owned(),
            base: CommitId::from_oid(base),
            head: CommitId::from_oid(head),
        })
    }
}

/// The first-parent line of `head` without what `base` reaches by any parent.
fn first_parents_not_in(
    repo: &Repository,
    head: Oid,
    base: Oid,
) -> Result<HashSet<Oid>, git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.simplify_first_parent()?;
    walk.push(head)?;
    walk.hide(base)?;
    walk.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_side_is_head() {
        // Checks the spellings of a range that need no repository.
        assert_eq!(parse("a..b").ok(), Some(("a", "b")));
        assert_eq!(parse("a..").ok(), Some(("a", "HEAD")));
        assert_eq!(parse("..b").ok(), Some(("HEAD", "b")));
    }

    #[test]
    fn other_spellings_are_usage_errors() {
        // Checks the message and code of each refused spelling.
        for (range, message) in [
            (
                "a...b",
                "range \"a...b\": A...B selects both sides of a merge base; a check needs one line of commits, A..B",
            ),
            ("HEAD", "range \"HEAD\": a range is written A..B"),
            ("a..b..c", "range \"a..b..c\": more than one \"..\""),
        ] {
            let error = parse(range).err().map(|e| (e.to_string(), e.code()));
            assert_eq!(error, Some((message.to_owned(), "usage")), "{range}");
        }
    }
}
