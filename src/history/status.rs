//! What differs between a work tree and its last commit.
//!
//! The library walks every folder for it. A tracked file whose size, mode and times are those of the index is not modified,
//! unless it was written when the index was or later (the "racy" entries of gitformat-index(5)); so all files are asked for
//! these first, and the library only about those that are left.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::Path;

use git2::{
    DiffOptions, Index, IndexEntry, IndexEntryExtendedFlag, IndexEntryFlag, Repository,
    StatusOptions,
};
use rustix::fs::{AtFlags, Mode, OFlags, Stat, open, stat, statat};

/// How many modified files [`Status`] names.
const SHOWN: usize = 5;

/// Beyond it the library looks at all files, which then is faster than looking for so many.
const DOUBTFUL: usize = 1000;

/// What differs between the work tree and its last commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// How many tracked files are modified, added, deleted or staged.
    pub modified: usize,
    /// The first few of them, in bytewise order.
    pub first: Vec<String>,
}

impl Status {
    /// Looks at the index and the work tree of a repository that has one.
    pub(super) fn read(repo: &Repository) -> Result<Status, git2::Error> {
        let mut index = repo.index()?;
        // A handle that was used before holds what it read then.
        index.read(false)?;
        let mut modified = staged(repo, &index)?;
        let doubtful = doubtful(repo, &index).filter(|paths| paths.len() <= DOUBTFUL);
        if doubtful.as_ref().is_none_or(|paths| !paths.is_empty()) {
            modified.extend(changed(repo, &index, doubtful.as_deref())?);
        }
        Ok(Status {
            modified: modified.len(),
            first: modified
                .iter()
                .take(SHOWN)
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect(),
        })
    }
}

/// The paths that differ between the last commit and the index.
fn staged(repo: &Repository, index: &Index) -> Result<BTreeSet<Vec<u8>>, git2::Error> {
    let head = match repo.head() {
        Ok(head) => Some(head.peel_to_tree()?),
        // A repository without commits.
        Err(_) => None,
    };
    let mut options = DiffOptions::new();
    options.ignore_submodules(true);
    let diff = repo.diff_tree_to_index(head.as_ref(), Some(index), Some(&mut options))?;
    let paths = diff.deltas().filter_map(|delta| {
        let file = delta.new_file().path_bytes();
        file.or_else(|| delta.old_file().path_bytes())
            .map(<[u8]>::to_vec)
    });
    Ok(paths.collect())
}

/// The paths of the index whose files may differ from it; none if that cannot be told.
fn doubtful(repo: &Repository, index: &Index) -> Option<Vec<Vec<u8>>> {
    let written = stat(index.path()?).ok()?;
    let written = (written.st_mtime, i64::try_from(written.st_mtime_nsec).ok()?);
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = open(repo.workdir()?, flags, Mode::empty()).ok()?;
    let doubtful = index.iter().filter(|entry| {
        !is_left_out(entry) && !is_submodule(entry) && !is_as_known(entry, written, top.as_fd())
    });
    Some(doubtful.map(|entry| entry.path).collect())
}

fn is_as_known(entry: &IndexEntry, written: (i64, i64), top: impl AsFd) -> bool {
    let path = entry.path.as_slice();
    let Ok(found) = statat(top, path, AtFlags::SYMLINK_NOFOLLOW) else {
        return false;
    };
    let known = |time: git2::IndexTime| (i64::from(time.seconds()), i64::from(time.nanoseconds()));
    let (modified, changed) = times(&found);
    modified == known(entry.mtime)
        && changed == known(entry.ctime)
        && modified < written
        && found.st_size == i64::from(entry.file_size)
        && mode(&found) == entry.mode
        // Entries of a merge that was not ended have a stage.
        && entry.flags & STAGE == 0
}

/// The bits of an entry's flags that tell its stage in a merge.
const STAGE: u16 = 0x3000;

fn times(found: &Stat) -> ((i64, i64), (i64, i64)) {
    let nanoseconds = |value| i64::try_from(value).unwrap_or_default();
    (
        (found.st_mtime, nanoseconds(found.st_mtime_nsec)),
        (found.st_ctime, nanoseconds(found.st_ctime_nsec)),
    )
}

/// The mode as git keeps it; 0 for what it does not.
fn mode(found: &Stat) -> u32 {
    match found.st_mode & 0o170_000 {
        0o100_000 if found.st_mode & 0o100 != 0 => 0o100_755,
        0o100_000 => 0o100_644,
        0o120_000 => 0o120_000,
        _ => 0,
    }
}

/// Whether the file of an entry is none of the work tree's: left out by a sparse checkout, or said not to change.
fn is_left_out(entry: &IndexEntry) -> bool {
    entry.flags_extended & IndexEntryExtendedFlag::SKIP_WORKTREE.bits() != 0
        || entry.flags & IndexEntryFlag::VALID.bits() != 0
}

fn is_submodule(entry: &IndexEntry) -> bool {
    entry.mode == 0o160_000
}

/// The paths that differ between the index and the work tree, of these or of all.
fn changed(
    repo: &Repository,
    index: &Index,
    paths: Option<&[Vec<u8>]>,
) -> Result<Vec<Vec<u8>>, git2::Error> {
    let mut options = StatusOptions::new();
    options
        .show(git2::StatusShow::Workdir)
        .include_untracked(false)
        .include_ignored(false)
        .exclude_submodules(true)
        .update_index(false)
        .disable_pathspec_match(true);
    for path in paths.unwrap_or_default() {
        options.pathspec(path.as_slice());
    }
    let statuses = repo.statuses(Some(&mut options))?;
    // A sparse checkout leaves tracked files out on purpose; the library calls them deleted.
    let left_out = |path: &[u8]| {
        let entry = index.get_path(Path::new(&*String::from_utf8_lossy(path)), 0);
        entry.is_some_and(|entry| is_left_out(&entry))
    };
    Ok(statuses
        .iter()
        .filter(|entry| entry.status() != git2::Status::WT_DELETED || !left_out(entry.path_bytes()))
        .map(|entry| entry.path_bytes().to_vec())
        .collect())
}
