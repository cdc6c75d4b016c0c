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

/// A uniquely named folder with `src/` (one commit's files) and `obj/` (empty at first), removed on drop.
#[derive(Debug)]
pub struct WorkArea {
    folder: HeldFolder,
    src: PathBuf,
    obj: PathBuf,
    has_case: bool,
    // INVARIANT: describes the tracked files in `src`, unless `is_broken`.
    held: Held,
    is_broken: bool,
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
        let src = folder.path().join("src");
        let obj = folder.path().join("obj");
        for path in [&src, &obj] {
            fs::create_dir(path).map_err(|e| HistoryError::io("create", path, e))?;
        }
        // "SRC" is found only where the file system takes it for "src".
        let has_case = fs::symlink_metadata(folder.path().join("SRC")).is_err();
        Ok(WorkArea {
            folder,
            src,
            obj,
            has_case,
            held: Held::default(),
            is_broken: false,
        })
    }

    /// Leaves the folder to the user: it stays when this value is dropped.
    pub fn keep(&mut self) {
        self.folder.keep();
    }

    /// The work area itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
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
