//! From a revision to a commit, and how far a shallow clone reaches.

use std::collections::BTreeSet;
use std::fs;

use git2::{Commit, Oid, Repository};

use super::error::HistoryError;

/// The commit that `rev` names; tags are followed.
pub(super) fn find<'repo>(
    repo: &'repo Repository,
    rev: &str,
) -> Result<Commit<'repo>, HistoryError> {
    repo.revparse_single(rev)
        .and_then(|object| object.peel_to_commit())
        .map_err(|error| unknown(repo, rev, &error))
}

/// Why `rev` names no commit. In a shallow clone, a commit id or an ancestor that cannot be found is taken to lie beyond
/// the boundary: that is what a CI checkout of depth 1 leaves of a range.
fn unknown(repo: &Repository, rev: &str, error: &git2::Error) -> HistoryError {
    let (stem, is_ancestor) = rev
        .find(['~', '^'])
        .map_or((rev, false), |at| (rev.get(..at).unwrap_or(rev), true));
    let known = is_ancestor && repo.revparse_single(stem).is_ok();
    if repo.is_shallow() && (known || is_commit_id(stem)) {
        return HistoryError::Shallow {
            what: format!("revision {rev:?}"),
            deepen: known.then(|| missing_depth(repo, rev)).flatten(),
        };
    }
    HistoryError::RevisionUnknown {
        rev: rev.to_owned(),
        reason: error.message().to_owned(),
    }
}

/// Seven digits are what git shows of an id at least. All zeros is how a push event says "none".
fn is_commit_id(rev: &str) -> bool {
    rev.len() >= 7 && rev.bytes().all(|b| b.is_ascii_hexdigit()) && rev.bytes().any(|b| b != b'0')
}

/// How many commits `stem~N` lies beyond the boundary.
fn missing_depth(repo: &Repository, rev: &str) -> Option<usize> {
    let (stem, count) = rev.rsplit_once('~')?;
    let wanted: usize = count.parse().ok()?;
    let mut commit = repo.revparse_single(stem).ok()?.peel_to_commit().ok()?;
    for have in 0..wanted {
        match commit.parent(0) {
            Ok(parent) => commit = parent,
            Err(_) => return Some(wanted - have),
        }
    }
    None
}

/// The commits at which a shallow clone is cut, from the `shallow` file of gitrepository-layout(5).
pub(super) fn boundary(repo: &Repository) -> Result<BTreeSet<Oid>, HistoryError> {
    if !repo.is_shallow() {
        return Ok(BTreeSet::new());
    }
    let path = repo.commondir().join("shallow");
    let text = fs::read_to_string(&path).map_err(|e| HistoryError::io("read", &path, e))?;
    Ok(text
        .lines()
        .filter_map(|line| Oid::from_str(line.trim()).ok())
        .collect())
}
