//! Writes the links of a plan into a root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use super::plan::{Plan, Step, folder};
use super::{refused, unreadable};
use crate::modules::error::ModulesError;

/// Makes and removes the links of all plans, each in one rename, and says how many were changed.
///
/// Only links below `weak-updates` are written; a file that is no link is never replaced, and a folder on the way
/// that is itself a link is an error, as it could lead out of the root.
///
/// # Errors
///
/// The first link that cannot be written. Those before it stay.
pub fn apply(root: &Path, plans: &[Plan]) -> Result<usize, ModulesError> {
    let mut changed = 0_usize;
    for plan in plans {
        let weak = folder(root, &plan.release);
        for step in &plan.steps {
            match step {
                Step::Keep(_) => continue,
                Step::Add(link) => add(&weak, &link.path, &link.target)?,
                Step::Remove { path, .. } => remove(&weak, path)?,
            }
            changed = changed.saturating_add(1);
        }
    }
    Ok(changed)
}

fn add(weak: &Path, path: &Path, target: &Path) -> Result<(), ModulesError> {
    let place = place(weak, path)?;
    match fs::symlink_metadata(&place) {
        Ok(meta) if !meta.is_symlink() => {
            return Err(refused(place, "a file that is no link stands here"));
        }
        _ => {}
    }
    let parent = place.parent().unwrap_or(weak);
    // A link cannot be replaced in place: it is made beside and renamed over the old one.
    let fresh = parent.join(format!(".kabigate-{}", std::process::id()));
    symlink(target, &fresh).map_err(|e| unreadable(&fresh, e))?;
    fs::rename(&fresh, &place).map_err(|error| {
        // What cannot be renamed must not stay either.
        let _ = fs::remove_file(&fresh);
        unreadable(&place, error)
    })
}

fn remove(weak: &Path, path: &Path) -> Result<(), ModulesError> {
    let place = place(weak, path)?;
    match fs::symlink_metadata(&place) {
        Ok(meta) if meta.is_symlink() => fs::remove_file(&place).map_err(|e| unreadable(&place, e)),
        Ok(_) => Err(refused(place, "a file that is no link stands here")),
        Err(error) => Err(unreadable(&place, error)),
    }
}

/// The place of a link, with its folders made; none of them may be a link.
fn place(weak: &Path, path: &Path) -> Result<PathBuf, ModulesError> {
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        return Err(refused(
            path.to_owned(),
            "a path that leads out of weak-updates",
        ));
    }
    let mut folder = weak.to_owned();
    let parents = path.parent().map(Path::components);
    let mut parts = parents.into_iter().flatten();
    loop {
        match fs::symlink_metadata(&folder) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(refused(folder, "not a folder")),
            Err(_) => fs::create_dir(&folder).map_err(|e| unreadable(&folder, e))?,
        }
        match parts.next() {
            Some(part) => folder.push(part),
            None => break,
        }
    }
    Ok(weak.join(path))
}
