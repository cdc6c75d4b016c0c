//! Where baseline, lists, rules, approvals and settings are read from.
//!
//! A change must not judge itself: files that lie in the tree under check are read from the policy revision, by default
//! the commit before the range, and the work tree's files are not opened. Files outside of the tree are read where they
//! are. So are files in it that neither the policy revision nor any commit of the range knows: the change cannot have
//! touched them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::decisions::from_disk;
use super::reason;
use crate::baseline::{Baseline, BaselineError, MANIFEST};
use crate::check::{baseline_reason, history_reason};
use crate::history::{Commit, HistoryError, PathChange, Repo, Walk};
use crate::report::{PolicyEdit, Reason, ReasonCode};
use crate::symvers::{Symvers, is_kabi_module_file};

/// The files of the policy.
pub(crate) struct PolicyFiles<'a> {
    repo: &'a Repo,
    /// The top of the work tree; none if the repository has none.
    top: Option<PathBuf>,
    /// The revision that files of the tree are read from.
    commit: Commit,
    /// How reports call it.
    called: String,
    base: &'a Commit,
    /// What each commit of the range changes.
    changes: Vec<(String, Vec<PathChange>)>,
    /// What was read from where.
    told: RefCell<Told>,
}

#[derive(Default)]
struct Told {
    sources: Vec<String>,
    /// Paths in the tree that belong to the policy.
    watched: BTreeSet<String>,
    /// Digest of the names and contents of the single files.
    digest: blake3::Hasher,
}

/// Where a file or folder is read from.
enum Place {
    /// The policy revision, at a path relative to the top.
    Revision(String),
    /// The file system.
    Disk,
}

impl<'a> PolicyFiles<'a> {
    /// Files of the tree come from `policy_ref`, or from the commit before the walk.
    pub(crate) fn new(
        repo: &'a Repo,
        walk: &'a Walk,
        policy_ref: Option<&str>,
    ) -> Result<PolicyFiles<'a>, Reason> {
        let failed = |error: HistoryError| history_reason(&error);
        let (commit, why) = match policy_ref {
            Some(rev) => (repo.resolve(rev).map_err(failed)?, "--policy-ref"),
            None => (walk.base.clone(), "the commit before these"),
        };
        let mut changes = Vec::new();
        let mut before = &walk.base;
        for step in &walk.commits {
            let of_step = repo.changes(before, step).map_err(failed)?;
            changes.push((step.id.as_str().to_owned(), of_step));
            before = step;
        }
        let top = repo.work_tree().map_err(failed)?;
        Ok(PolicyFiles {
            repo,
            top: top.map(|top| std::fs::canonicalize(&top).unwrap_or(top)),
            called: format!("revision {} ({why})", commit.id.short()),
            commit,
            base: &walk.base,
            changes,
            told: RefCell::default(),
        })
    }

    /// Reads a baseline folder.
    pub(crate) fn baseline(&self, path: &Path) -> Result<Baseline, Reason> {
        let place = self.place(path, MANIFEST)?;
        let Place::Revision(folder) = place else {
            return Baseline::load(path).map_err(|error| baseline_reason(&error));
        };
        let read = Baseline::read(path, &mut |file| {
            self.blob(&join(&folder, file))
                .map_err(|error| BaselineError::Revision {
                    path: path.join(file),
                    message: error.to_string(),
                })
        });
        read.map_err(|error| {
            let reason = baseline_reason(&error);
            match error {
                BaselineError::Missing { .. } => Reason {
                    message: format!("{} in {}", reason.message, self.called),
                    next_step: Some(
                        "commit the baseline before the change that is checked, or name the revision that has it: --policy-ref REV"
                            .to_owned(),
                    ),
                    ..reason
                },
                _ => reason,
            }
        })
    }

    /// The folders in a folder that are a baseline, in the order of their names.
    pub(crate) fn baselines_in(&self, folder: &Path) -> Result<Vec<PathBuf>, Reason> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            names.insert(entry.file_name());
        }
        if let Some(inside) = self.relative(folder) {
            let failed = |error: HistoryError| history_reason(&error);
            for entry in self.repo.files_of(&self.commit, &inside).map_err(failed)? {
                let rest = entry.path.strip_prefix(&format!("{inside}/"));
                if let Some((name, MANIFEST)) = rest.and_then(|rest| rest.split_once('/')) {
                    names.insert(name.into());
                }
            }
        }
        let mut baselines = Vec::new();
        for path in names.into_iter().map(|name| folder.join(name)) {
            if self.has(&path.join(MANIFEST))? {
                baselines.push(path);
            }
        }
        Ok(baselines)
    }

    /// Reads a file that must be there.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, Reason> {
        let missing = |what: String| {
            let next = "name an existing file; files in the tree are read from the policy revision (--policy-ref REV)";
            reason(ReasonCode::InputInvalid, what, next)
        };
        self.read_optional(path)?.ok_or_else(|| {
            missing(format!(
                "{}: no such file in {}",
                path.display(),
                self.called
            ))
        })
    }

    /// Reads a file that need not be there.
    pub(crate) fn read_optional(&self, path: &Path) -> Result<Option<Vec<u8>>, Reason> {
        let read = self.read_at_place(path)?;
        if let Some(bytes) = &read {
            let mut told = self.told.borrow_mut();
            add(&mut told.digest, path.display().to_string().as_bytes());
            add(&mut told.digest, bytes);
        }
        Ok(read)
    }

    /// Digest of all single files that were read, of where they and folders came from, and of what stands beside them.
    pub(crate) fn digest<'b>(&self, beside: impl Iterator<Item = &'b [u8]>) -> String {
        let told = self.told.borrow();
        let mut digest = told.digest.clone();
        for source in &told.sources {
            add(&mut digest, source.as_bytes());
        }
        for part in beside {
            add(&mut digest, part);
        }
        digest.finalize().to_hex()[..32].to_owned()
    }

    fn read_at_place(&self, path: &Path) -> Result<Option<Vec<u8>>, Reason> {
        match self.place(path, "")? {
            Place::Revision(file) => match self.blob(&file) {
                Ok(None) => self.folder_list(&file),
                read => read.map_err(|error| history_reason(&error)),
            },
            Place::Disk => from_disk(path).map(Some),
        }
    }

    /// The lines in force of Red Hat's folder with a file for each symbol, if the policy revision has such a folder.
    fn folder_list(&self, folder: &str) -> Result<Option<Vec<u8>>, Reason> {
        let failed = |error: HistoryError| history_reason(&error);
        let mut files = Vec::new();
        for entry in self.repo.files_of(&self.commit, folder).map_err(failed)? {
            let inside = entry.path.strip_prefix(folder);
            let Some(name) = inside.and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            if !name.contains('/') && !name.starts_with('.') {
                let bytes = self.repo.blob(entry.blob).map_err(failed)?;
                files.push((name.to_owned(), bytes));
            }
        }
        if !files
            .iter()
            .any(|(name, bytes)| is_kabi_module_file(name, bytes))
        {
            return Ok(None);
        }
        let symvers = Symvers::read_kabi_module(&files, None, folder);
        let symvers = symvers.map_err(|error| {
            let next = "correct the file, or name another list";
            reason(ReasonCode::InputInvalid, error, next)
        })?;
        Ok(Some(symvers.write().into_bytes()))
    }

    /// Whether a file that need not be there is: looked up without telling where it would come from. Commits that edit it
    /// are told all the same.
    pub(crate) fn has(&self, path: &Path) -> Result<bool, Reason> {
        match self.relative(path) {
            Some(file) => {
                self.told.borrow_mut().watched.insert(file.clone());
                let found = self.blob(&file).map_err(|error| history_reason(&error))?;
                Ok(found.is_some() || (!self.known(&file)? && path.exists()))
            }
            None => Ok(path.exists()),
        }
    }

    /// Refuses modules that the range edits: their files are read from the work tree.
    pub(crate) fn untouched(&self, path: &Path, option: &str) -> Result<(), Reason> {
        let Some(file) = self.relative(path) else {
            return Ok(());
        };
        let edit = self.edits_of(&file).next();
        edit.map_or(Ok(()), |edit| {
            Err(Reason {
                commit: Some(edit.commit),
                file: Some(edit.file),
                ..reason(
                    ReasonCode::InputInvalid,
                    format!("the range edits {}, which {option} names: module files are read from the work tree", path.display()),
                    "keep modules outside of the tree, or record what they import: `kabigate modules scan`",
                )
            })
        })
    }

    /// One sentence for each path about where it was read from, in the order of reading.
    pub(crate) fn sources(&self) -> Vec<String> {
        self.told.borrow().sources.clone()
    }

    /// The commits that edit a file of the policy, oldest first.
    pub(crate) fn edits(&self) -> Vec<PolicyEdit> {
        let told = self.told.borrow();
        let mut edits: Vec<PolicyEdit> = Vec::new();
        for (commit, changes) in &self.changes {
            for change in changes {
                if told.watched.iter().any(|path| within(&change.path, path)) {
                    edits.push(edit(commit, change));
                }
            }
        }
        edits
    }

    /// Whether a file or folder of the tree is in the work tree only.
    fn known(&self, file: &str) -> Result<bool, Reason> {
        Ok(self.holds(self.base, file)? || self.edits_of(file).next().is_some())
    }

    /// Whether a commit has a file there, a link, or a folder.
    fn holds(&self, commit: &Commit, path: &str) -> Result<bool, Reason> {
        let failed = |error: HistoryError| history_reason(&error);
        let file = self.repo.read_through_links(commit, path);
        if file.map_err(failed)?.is_some() {
            return Ok(true);
        }
        let plain = self.repo.read_file(commit, path).map_err(failed)?;
        Ok(plain.is_some() || self.repo.has_folder(commit, path).map_err(failed)?)
    }

    fn edits_of<'s>(&'s self, path: &'s str) -> impl Iterator<Item = PolicyEdit> + 's {
        let all = self.changes.iter();
        let all = all.flat_map(|(commit, changes)| changes.iter().map(move |c| (commit, c)));
        // A folder above it that becomes something else changes it too.
        all.filter(move |(_, change)| within(&change.path, path) || within(path, &change.path))
            .map(|(commit, change)| edit(commit, change))
    }

    /// Decides where a path is read from, and notes it; of a folder `part` is a file that it surely has.
    fn place(&self, path: &Path, part: &str) -> Result<Place, Reason> {
        let shown = path.display();
        let Some(file) = self.relative(path) else {
            if self.commit.id != self.base.id {
                return Err(reason(
                    ReasonCode::Usage,
                    format!("{shown} does not lie in the tree, so --policy-ref cannot apply to it"),
                    "name files of the tree, or leave --policy-ref out",
                ));
            }
            self.tell(format!("{shown}: working files, outside of the tree"), None);
            return Ok(Place::Disk);
        };
        let probe = join(&file, part);
        // A commit that adds one file to a folder that no revision has could add an approval to a local baseline.
        let touched = self.edits_of(&file).next().is_some();
        if touched || self.holds(&self.commit, &probe)? || self.known(&probe)? {
            self.tell(format!("{shown}: {}", self.called), Some(file.clone()));
            return Ok(Place::Revision(file));
        }
        if path.exists() {
            self.tell(
                format!("{shown}: working files, in no revision of the range"),
                Some(file),
            );
            return Ok(Place::Disk);
        }
        self.tell(format!("{shown}: {}", self.called), Some(file.clone()));
        Ok(Place::Revision(file))
    }

    fn tell(&self, source: String, watched: Option<String>) {
        let mut told = self.told.borrow_mut();
        if !told.sources.contains(&source) {
            told.sources.push(source);
        }
        told.watched.extend(watched);
    }

    fn blob(&self, file: &str) -> Result<Option<Vec<u8>>, HistoryError> {
        self.repo.read_through_links(&self.commit, file)
    }

    /// The path within the tree; none for one outside of it. Symbolic links within the tree are left as they are.
    fn relative(&self, path: &Path) -> Option<String> {
        let top = self.top.as_ref()?;
        let whole = plain(&std::path::absolute(path).ok()?);
        let inside = |whole: &Path| {
            let above: Vec<&Path> = whole.ancestors().collect();
            let is_top = |folder: &&&Path| std::fs::canonicalize(folder).is_ok_and(|f| f == *top);
            let root = above.iter().rev().find(is_top)?;
            let rest = whole.strip_prefix(root).ok()?;
            Some(rest.to_str()?.to_owned())
        };
        inside(&whole).or_else(|| inside(&std::fs::canonicalize(&whole).ok()?))
    }
}

/// Adds a part to a digest, closed so that no two lists of parts have one digest.
fn add(digest: &mut blake3::Hasher, part: &[u8]) {
    digest.update(&(part.len() as u64).to_le_bytes());
    digest.update(part);
}

fn edit(commit: &str, change: &PathChange) -> PolicyEdit {
    PolicyEdit {
        file: change.path.clone(),
        commit: commit.to_owned(),
        what: match (&change.old, &change.new) {
            (None, _) => "adds",
            (_, None) => "removes",
            _ => "changes",
        }
        .to_owned(),
    }
}

/// Whether a path is another one or lies below it.
fn within(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn join(folder: &str, file: &str) -> String {
    match (folder, file) {
        ("", file) => file.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, file) => format!("{folder}/{file}"),
    }
}

/// The path without `.` and with `..` taken by its name.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path is within a folder by whole names only.
    #[test]
    fn names_are_whole() {
        assert!(within("a/b", "a") && within("a", "a") && within("a", ""));
        assert!(!within("ab", "a") && !within("a", "a/b"));
        assert_eq!(plain(Path::new("/a/./b/../c")), PathBuf::from("/a/c"));
        assert_eq!(
            (join("", "a"), join("a", ""), join("a", "b")),
            ("a".into(), "a".into(), "a/b".into())
        );
    }
}
