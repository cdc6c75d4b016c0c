//! Folders that runs hold, and those that killed runs left.
//!
//! A run holds a lock (flock(2)) on a file in its folder. The children that it starts inherit it, so that the system lets
//! go of it when the last of them has ended, however they end. A folder whose file nobody holds is what a killed run
//! left. A folder without the file is left alone: it is kept for the user, or its file system knows no locks.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};

use super::remove_tree;

/// The file that is locked.
const LOCK: &str = "lock";

/// Beginning of every folder's name.
const PREFIX: &str = "kabigate-";

/// A uniquely named folder that is removed on drop, or by the next run if this one is killed.
#[derive(Debug)]
pub struct HeldFolder {
    folder: tempfile::TempDir,
    // Closed after the folder is removed.
    _lock: Option<File>,
    is_kept: bool,
}

impl HeldFolder {
    /// Makes a folder in `parent`, which must exist, and removes those that killed runs left there.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn create(parent: &Path) -> io::Result<HeldFolder> {
        remove_abandoned(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = lock(folder.path());
        Ok(HeldFolder {
            folder,
            _lock: lock,
            is_kept: false,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder to the user: it stays when this value is dropped.
    pub(super) fn keep(&mut self) {
        self.folder.disable_cleanup(true);
        self.is_kept = true;
        let _ = fs::remove_file(self.path().join(LOCK));
    }
}

impl Drop for HeldFolder {
    fn drop(&mut self) {
        if !self.is_kept {
            // What stays goes with the folder, or with the next run.
            let _ = remove_tree(self.path());
        }
    }
}

/// Makes the file and locks it; nothing where there are no locks.
fn lock(folder: &Path) -> Option<File> {
    // Under another name until it is locked, so that nobody finds it unlocked.
    let new = folder.join("lock.new");
    let file = File::create_new(&new).ok()?;
    let is_locked = flock(&file, FlockOperation::NonBlockingLockExclusive)
        .and_then(|()| fcntl_setfd(&file, FdFlags::empty()))
        .is_ok();
    if is_locked && fs::rename(&new, folder.join(LOCK)).is_ok() {
        return Some(file);
    }
    let _ = fs::remove_file(new);
    None
}

/// Removes the folders that killed runs of this user left. What cannot be removed now is left to the next run.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let folder = entry.path();
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_own_folder(&folder) {
            let _ = remove_unheld(&folder);
        }
    }
}

/// Others may put what they like into a folder for temporary files, also links.
fn is_own_folder(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw())
}

fn remove_unheld(folder: &Path) -> io::Result<()> {
    let lock = folder.join(LOCK);
    let file = File::options().write(true).open(&lock)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    // The lock goes last: it is by it that the rest is found again.
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path == lock {
            continue;
        }
        if fs::symlink_metadata(&path)?.is_dir() {
            remove_tree(&path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    fs::remove_file(lock)?;
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with content as a killed run leaves it: the lock is gone, the file is there.
    fn left_by_killed_run(parent: &Path, name: &str) -> std::path::PathBuf {
        let folder = parent.join(name);
        fs::create_dir_all(folder.join("src/deep")).expect("a folder");
        fs::write(folder.join("src/deep/file"), "x").expect("a file");
        fs::write(folder.join(LOCK), "").expect("a file");
        folder
    }

    /// What is held, kept, of another name or a link stays; what nobody holds goes.
    #[test]
    fn only_what_nobody_holds_is_removed() {
        let parent = tempfile::tempdir().expect("a folder");
        let held = HeldFolder::create(parent.path()).expect("a folder");
        let mut kept = HeldFolder::create(parent.path()).expect("a folder");
        kept.keep();
        let kept_path = kept.path().to_owned();
        drop(kept);
        let other = left_by_killed_run(parent.path(), "other");
        let left = left_by_killed_run(parent.path(), "kabigate-left");
        let link = parent.path().join("kabigate-link");
        std::os::unix::fs::symlink(&other, &link).expect("a link");
        let next = HeldFolder::create(parent.path()).expect("a folder");
        assert!(!left.exists());
        assert!(held.path().exists() && kept_path.exists() && next.path().exists());
        assert!(other.join("src/deep/file").exists() && link.exists());
        let path = held.path().to_owned();
        drop(held);
        assert!(!path.exists());
    }

    /// A child that outlives the run keeps its folder.
    #[test]
    fn children_hold_it_too() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("kabigate-1");
        fs::create_dir(&folder).expect("a folder");
        let held = lock(&folder).expect("a lock");
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a child");
        drop(held);
        remove_abandoned(parent.path());
        assert!(folder.exists());
        drop(child.stdin.take());
        child.wait().expect("its end");
        // Children of other tests in this process may hold it for a while.
        for _ in 0..200 {
            remove_abandoned(parent.path());
            if !folder.exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the folder is left");
    }
}
