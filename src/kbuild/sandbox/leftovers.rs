//! What a child left in its folder and must not: this program goes on to read and write there with the rights of the user,
//! and a link, a pipe or a device in place of a file would lead it elsewhere.
//!
//! In flows a folder, and those that links may lead into; out flows the first name that is neither a file nor a folder nor
//! such a link. All of them are removed.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::super::tree::io_error;
use crate::kbuild::KbuildError;

/// Names that are looked at; a prepared tree of a distribution's kernel has some twenty thousand.
const NAMES: usize = 4_000_000;

/// Removes what a child left and must not.
///
/// # Errors
/// If there was something, or a folder cannot be read.
pub(crate) fn refuse_leftovers(top: &Path, allowed: &[PathBuf]) -> Result<(), KbuildError> {
    let mut first = None;
    let mut names = 0_usize;
    let mut open = vec![top.to_owned()];
    while let Some(folder) = open.pop() {
        let failed = |source| io_error(&folder, "read", source);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let path = entry.path();
            names += 1;
            if names > NAMES {
                return Err(KbuildError::Limit {
                    name: top.display().to_string(),
                    what: "the number of files",
                    limit: NAMES.to_string(),
                });
            }
            let is_fine = kind.is_file() || (kind.is_symlink() && stays(&path, allowed));
            if kind.is_dir() {
                open.push(path);
            } else if !is_fine {
                fs::remove_file(&path).map_err(|source| io_error(&path, "remove", source))?;
                let what = if kind.is_symlink() {
                    "a link out of its folders"
                } else {
                    "neither a file nor a folder"
                };
                first.get_or_insert(KbuildError::Leftover { path, what });
            }
        }
    }
    first.map_or(Ok(()), Err)
}

/// Whether a link leads, or would lead if something were there, into one of the folders.
fn stays(link: &Path, allowed: &[PathBuf]) -> bool {
    let Ok(target) = fs::read_link(link) else {
        return false;
    };
    let mut exists = link.parent().unwrap_or(Path::new("/")).join(target);
    let inside = |real: &Path| allowed.iter().any(|folder| real.starts_with(folder));
    // What does not exist is judged by the folder that does; a step upwards from what does not exist may lead anywhere.
    loop {
        if let Ok(real) = exists.canonicalize() {
            return inside(&real);
        }
        let is_name = matches!(exists.components().next_back(), Some(Component::Normal(_)));
        if !is_name || fs::symlink_metadata(&exists).is_ok() || !exists.pop() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::os::unix::fs::symlink;

    /// Links inside stay, also those that lead nowhere; links out of the folder and pipes go, and are told.
    #[test]
    fn only_links_inside_stay() {
        let area = tempfile::tempdir().unwrap();
        let area = area.path().canonicalize().unwrap();
        let (src, obj) = (area.join("src"), area.join("obj"));
        fs::create_dir_all(src.join("a/b")).unwrap();
        fs::create_dir_all(obj.join("c/d/e")).unwrap();
        fs::write(area.join("secret"), "x").unwrap();
        let allowed = [src.clone(), obj.clone(), PathBuf::from("/usr")];
        let link = |to: &str, name: &str| symlink(to, obj.join(name)).unwrap();
        link("../src", "source");
        link("c/new", "later");
        link("/usr/bin", "tools");
        assert!(refuse_leftovers(&obj, &allowed).is_ok());
        assert!(obj.join("source").exists());
        for bad in [
            "/etc/passwd",
            "../secret",
            "../new",
            "/nonexistent/x",
            "source/../secret",
            "source/../new",
            "c/none/../../../../new",
            "bad",
        ] {
            link(bad, "bad");
            let error = refuse_leftovers(&obj, &allowed).expect_err(bad);
            assert!(error.to_string().contains("bad"), "{error}");
            assert!(fs::symlink_metadata(obj.join("bad")).is_err(), "{bad}");
            assert!(refuse_leftovers(&obj, &allowed).is_ok());
        }
        let pipe = obj.join("c/d/e/pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(refuse_leftovers(&obj, &allowed).is_err());
        assert!(!pipe.exists());
    }
}
