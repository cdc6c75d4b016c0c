//! The private folder of a run: one commit's sources, and the objects made from them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::checkout::{self, CheckoutSummary, Held, Plan};
use super::commit::Commit;
use super::error::HistoryError;
use super::held::HeldFolder;
use super::id::BlobId;
use super::repo::Repo;

/// A folder with `src/` (one commit's files) and `obj/` (empty at first): a uniquely named one that is removed on drop,
/// or one that the caller keeps for later runs.
#[derive(Debug)]
pub struct WorkArea {
    folder: Folder,
    src: PathBuf,
    obj: PathBuf,
    has_case: bool,
    // INVARIANT: describes the tracked files in `src`, unless `is_broken`.
    held: Held,
    is_broken: bool,
}

#[derive(Debug)]
enum Folder {
    Private(HeldFolder),
    Kept(PathBuf),
}

impl WorkArea {
    /// Makes a work area in the folder `parent`, which must exist, and removes those that killed runs left there.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn create(parent: &Path) -> Result<WorkArea, HistoryError> {
        let parent = fs::canonicalize(parent).map_err(|e| HistoryError::io("open", parent, e))?;
        let folder = HeldFolder::create(&parent)
            .map_err(|e| HistoryError::io("make a work area in", &parent, e))?;
        make_folders(folder.path())?;
        Ok(WorkArea::of(Folder::Private(folder), Held::default()))
    }

    /// Makes a work area of a folder, which the caller alone uses and which stays: of an empty one, or of one whose source
    /// folder holds exactly `held`.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn open(folder: &Path, held: Option<Held>) -> Result<WorkArea, HistoryError> {
        let folder = fs::canonicalize(folder).map_err(|e| HistoryError::io("open", folder, e))?;
        if held.is_none() {
            make_folders(&folder)?;
        }
        Ok(WorkArea::of(Folder::Kept(folder), held.unwrap_or_default()))
    }

    fn of(folder: Folder, held: Held) -> WorkArea {
        let path = match &folder {
            Folder::Private(folder) => folder.path(),
            Folder::Kept(path) => path,
        };
        WorkArea {
            src: path.join("src"),
            obj: path.join("obj"),
            // "SRC" is found only where the file system takes it for "src".
            has_case: fs::symlink_metadata(path.join("SRC")).is_err(),
            folder,
            held,
            is_broken: false,
        }
    }

    /// What the source folder holds; nothing where that is not known, or no commit.
    #[must_use]
    pub fn held(&self) -> Option<&Held> {
        (!self.is_broken && !self.held.is_empty()).then_some(&self.held)
    }

    /// Leaves the folder to the user: it stays when this value is dropped.
    pub fn keep(&mut self) {
        if let Folder::Private(folder) = &mut self.folder {
            folder.keep();
        }
    }

    /// The work area itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.folder {
            Folder::Private(folder) => folder.path(),
            Folder::Kept(path) => path,
        }
    }

    /// The source folder.
    #[must_use]
    pub fn src(&self) -> &Path {
        &self.src
    }

    /// The object folder.
    #[must_use]
    pub fn obj(&self) -> &Path {
        &self.obj
    }

    /// The blob of each file that is checked out, by path; empty before the first checkout and after a failed one.
    #[must_use]
    pub fn blobs(&self) -> &BTreeMap<String, BlobId> {
        &self.held.blobs
    }

    /// Makes `src` hold exactly the files of `commit`, and touches only those that differ from the ones it holds. No
    /// filter runs, modes and symbolic links are kept, folders left empty are removed. Nothing is written before
    /// the whole commit has been found safe and complete; after a failure while writing, the next checkout
    /// starts from an empty folder. All checkouts of one work area read from the same repository.
    ///
    /// # Errors
    /// If the commit holds unsafe paths or links, submodules, or objects that are missing, or if writing fails.
    pub fn checkout(
        &mut self,
        repo: &Repo,
        commit: &Commit,
    ) -> Result<CheckoutSummary, HistoryError> {
        if self.is_broken {
            fs::remove_dir_all(&self.src)
                .and_then(|()| fs::create_dir(&self.src))
                .map_err(|e| HistoryError::io("empty", &self.src, e))?;
            self.is_broken = false;
        }
        let plan = Plan::make(repo, &self.held, commit)?;
        self.check_case(commit, &plan)?;
        let changes = plan.changes(&self.held);
        let from_empty = self.held.is_empty();
        let held = std::mem::take(&mut self.held);
        self.is_broken = true;
        let summary = checkout::perform(repo, commit, &self.src, &plan)?;
        self.held = held.after(plan, commit);
        self.is_broken = false;
        Ok(CheckoutSummary {
            changes,
            from_empty,
            ..summary
        })
    }

    fn check_case(&self, commit: &Commit, plan: &Plan) -> Result<(), HistoryError> {
        let collision = if self.has_case {
            None
        } else {
            plan.case_collision(&self.held)
        };
        match collision {
            None => Ok(()),
            Some((first, second)) => Err(HistoryError::CaseCollision {
                commit: commit.id.clone(),
                first,
                second,
                area: self.path().to_path_buf(),
            }),
        }
    }
}

fn make_folders(area: &Path) -> Result<(), HistoryError> {
    for name in ["src", "obj"] {
        let path = area.join(name);
        fs::create_dir(&path).map_err(|e| HistoryError::io("create", &path, e))?;
    }
    Ok(())
}
