//! Whether every object that a walk needs is here, asked before any work starts.
//!
//! A partial clone has commits and, often, trees but not their blobs; read carelessly it looks like a history without
//! changes. Nothing is fetched on demand.

use std::collections::HashSet;

use git2::{Odb, OdbLookupFlags, Repository};

use super::commit::Commit;
use super::error::HistoryError;
use super::id::{BlobId, CommitId};
use super::tree::{self, FileMode};

/// Requires all files of a commit to be present and free of submodules.
pub(super) fn require(repo: &Repository, commit: &Commit) -> Result<(), HistoryError> {
    let mut check = Check::new(repo, &commit.id)?;
    for file in tree::list(repo, commit)? {
        check.file(&file.path, file.blob, file.mode)?;
    }
    check.finish()
}

/// Requires what each step after `base` changes to be present and free of submodules.
pub(super) fn require_steps<'a>(
    repo: &'a Repository,
    base: &'a Commit,
    steps: &'a [Commit],
) -> Result<(), HistoryError> {
    let mut check = Check::new(repo, &base.id)?;
    let mut before = base;
    for step in steps {
        check.commit = &step.id;
        for change in tree::diff(repo, (&before.id, before.tree), step)? {
            if let Some((blob, mode)) = change.new {
                check.file(&change.path, blob, mode)?;
            }
        }
        check.finish()?;
        before = step;
    }
    Ok(())
}

/// Collects the missing blobs of one commit.
pub(super) struct Check<'a> {
    repo: &'a Repository,
    odb: Odb<'a>,
    commit: &'a CommitId,
    seen: HashSet<BlobId>,
    first: Option<String>,
    missing: usize,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        repo: &'a Repository,
        commit: &'a CommitId,
    ) -> Result<Check<'a>, HistoryError> {
        let wrap = |source| HistoryError::git("object store", source);
        let odb = repo.odb().map_err(wrap)?;
        odb.refresh().map_err(wrap)?;
        Ok(Check {
            repo,
            odb,
            commit,
            seen: HashSet::new(),
            first: None,
            missing: 0,
        })
    }

    pub(super) fn file(
        &mut self,
        path: &str,
        blob: BlobId,
        mode: FileMode,
    ) -> Result<(), HistoryError> {
        if mode == FileMode::Submodule {
            return Err(tree::submodule(self.commit, path));
        }
        if !self.seen.insert(blob) {
            return Ok(());
        }
        let oid = blob
            .oid()
            .map_err(|source| HistoryError::git(format!("blob {blob}"), source))?;
        if !self.odb.exists_ext(oid, OdbLookupFlags::NO_REFRESH) {
            self.missing += 1;
            self.first.get_or_insert_with(|| path.to_owned());
        }
        Ok(())
    }

    pub(super) fn finish(&self) -> Result<(), HistoryError> {
        match &self.first {
            None => Ok(()),
            Some(path) => Err(missing(self.repo, self.commit, path, self.missing)),
        }
    }
}

/// The error for objects that are not here.
pub(super) fn missing(
    repo: &Repository,
    commit: &CommitId,
    path: &str,
    missing: usize,
) -> HistoryError {
    HistoryError::ObjectsMissing {
        commit: commit.clone(),
        path: path.to_owned(),
        missing,
        promisor: promisor(repo),
    }
}

/// The remote that promised to deliver what a partial clone left out (`remote.NAME.promisor` of git-config(1)). It stays
/// set after the clone has been completed, so it only chooses the advice.
fn promisor(repo: &Repository) -> Option<String> {
    let config = repo.config().ok()?;
    let mut entries = config.entries(Some("remote\\..*\\.promisor")).ok()?;
    while let Some(Ok(entry)) = entries.next() {
        let is_set = !matches!(entry.value(), Ok("false" | "no" | "off" | "0"));
        let name = entry.name().ok().and_then(|key| {
            key.strip_prefix("remote.")?
                .strip_suffix(".promisor")
                .map(str::to_owned)
        });
        if let (true, Some(name)) = (is_set, name) {
            return Some(name);
        }
    }
    None
}
