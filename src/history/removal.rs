//! Removal of a kernel tree.
//!
//! For each file that goes, the file system may wait for the disk (ext4 mounted with `discard` does), so several threads
//! wait at a time, whatever the number of cores.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Threads that remove at a time.
const THREADS: usize = 8;
/// How deep below the top the folders lie that one thread removes as a whole: `src/drivers/net` of a work area.
const DEPTH: usize = 3;

/// Removes a folder with all that is in it; links are removed and not followed.
///
/// # Errors
/// If something cannot be removed.
pub fn remove_tree(top: &Path) -> io::Result<()> {
    let folders = Mutex::new(folders_below(top));
    let next = || {
        let mut folders = folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.pop()
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let remove = || {
                while let Some(folder) = next() {
                    // What stays is met again below.
                    let _ = fs::remove_dir_all(folder);
                }
            };
            if thread::Builder::new().spawn_scoped(scope, remove).is_err() {
                break;
            }
        }
    });
    fs::remove_dir_all(top)
}

fn folders_below(top: &Path) -> Vec<PathBuf> {
    let mut level = vec![top.to_owned()];
    for _ in 0..DEPTH {
        let entries = level.iter().flat_map(fs::read_dir).flatten().flatten();
        level = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Everything goes, at every depth, and nothing behind a link.
    #[test]
    fn a_tree_goes_whole() {
        let outside = tempfile::tempdir().unwrap();
        let kept = outside.path().join("a/b/c/kept");
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::write(&kept, "").unwrap();
        let parent = tempfile::tempdir().unwrap();
        let top = parent.path().join("top");
        for at in 0..40 {
            let folder = top.join(format!("src/{}/{at}/deep/er", at % 3));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("file"), "").unwrap();
        }
        fs::write(top.join("lock"), "").unwrap();
        for link in ["link", "src/link", "src/0/link", "src/0/0/link"] {
            symlink(outside.path(), top.join(link)).unwrap();
        }
        remove_tree(&top).unwrap();
        assert!(!top.exists() && kept.exists());
        let gone = remove_tree(&top).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }
}
