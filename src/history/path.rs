//! Which paths and symbolic links of a commit are safe to write below a folder.
//!
//! A commit is a stranger's: a path could climb out of the work area, and a link could make a compiler's include read
//! a file of the machine. git refuses some of this on its own checkouts; the rules here are stricter.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// How many links Linux follows for one path (path_resolution(7)); a longer chain is an error there and so leads nowhere.
const MAX_LINKS: usize = 40;

/// `PATH_MAX` of Linux.
const MAX_TARGET: usize = 4096;

/// A path that is refused, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) path: String,
    pub(super) reason: String,
}

impl Refused {
    fn new(path: &str, reason: impl Into<String>) -> Refused {
        Refused {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Why a path itself cannot be written.
fn fault(path: &str) -> Option<&'static str> {
    if path.contains('\0') {
        return Some("holds a NUL byte");
    }
    path.split('/').find_map(|name| match name {
        "" => Some("is absolute or holds an empty name"),
        "." | ".." => Some("holds a \".\" or \"..\" component"),
        name if name.eq_ignore_ascii_case(".git") => Some("lies in a folder named \".git\""),
        _ => None,
    })
}

/// Checks one path on its own.
pub(super) fn check_path(path: &str) -> Result<(), Refused> {
    fault(path).map_or(Ok(()), |reason| Err(Refused::new(path, reason)))
}

/// A folder and the folders above it, up to the top (not included).
pub(super) fn ancestors(folder: &str) -> impl Iterator<Item = &str> {
    let first = (!folder.is_empty()).then_some(folder);
    std::iter::successors(first, |folder| folder.rsplit_once('/').map(|(up, _)| up))
}

/// Two paths or folders that a file system without case would take for one.
pub(super) fn case_collision<'a>(
    paths: impl IntoIterator<Item = &'a str>,
) -> Option<(String, String)> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for path in paths {
        for name in ancestors(path) {
            match seen.insert(name.to_lowercase(), name) {
                Some(other) if other != name => return Some((other.to_owned(), name.to_owned())),
                _ => {}
            }
        }
    }
    None
}

/// Checks that no symbolic link of a commit, followed through the others, leaves the tree. `links` maps paths to targets.
pub(super) fn check_links(links: &BTreeMap<String, Vec<u8>>) -> Result<(), Refused> {
    let mut targets: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, target) in links {
        targets.insert(path, target_text(path, target)?);
    }
    targets.keys().try_for_each(|path| follow(path, &targets))
}

fn target_text<'a>(path: &str, target: &'a [u8]) -> Result<&'a str, Refused> {
    let text = std::str::from_utf8(target)
        .map_err(|_| Refused::new(path, "is a symbolic link whose target is not UTF-8"))?;
    if text.is_empty() || text.len() >= MAX_TARGET || text.contains('\0') {
        return Err(Refused::new(
            path,
            "is a symbolic link whose target is empty, too long or holds a NUL byte",
        ));
    }
    if text.starts_with('/') {
        let reason = format!("is a symbolic link to the absolute path {text:?}");
        return Err(Refused::new(path, reason));
    }
    Ok(text)
}

/// Walks the components of a link as the system would, with the tree's own links, and fails on a step above the top.
/// Bounded by [`MAX_LINKS`] targets of [`MAX_TARGET`] bytes.
fn follow(path: &str, links: &BTreeMap<&str, &str>) -> Result<(), Refused> {
    let mut todo: VecDeque<&str> = path.split('/').collect();
    let mut at: Vec<&str> = Vec::new();
    let mut followed = 0;
    while let Some(name) = todo.pop_front() {
        match name {
            "" | "." => continue,
            ".." if at.pop().is_none() => {
                let target = links.get(path).copied().unwrap_or_default();
                let reason = format!("is a symbolic link out of the tree, to {target:?}");
                return Err(Refused::new(path, reason));
            }
            ".." => continue,
            name => at.push(name),
        }
        let Some(target) = links.get(at.join("/").as_str()) else {
            continue;
        };
        followed += 1;
        if followed > MAX_LINKS {
            return Ok(());
        }
        at.pop();
        for name in target.split('/').rev() {
            todo.push_front(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_paths_are_refused() {
        // Checks each kind of path that must never be written, with its message.
        for (path, reason) in [
            ("/etc/passwd", "is absolute or holds an empty name"),
            ("a//b", "is absolute or holds an empty name"),
            ("a/../../b", "holds a \".\" or \"..\" component"),
            ("./a", "holds a \".\" or \"..\" component"),
            ("a/.git/config", "lies in a folder named \".git\""),
            (".GIT", "lies in a folder named \".git\""),
            ("a\0b", "holds a NUL byte"),
        ] {
            let refused = check_path(path).err();
            assert_eq!(refused, Some(Refused::new(path, reason)));
        }
        for path in [".gitignore", "a/.github", "a/b..c"] {
            assert_eq!(check_path(path), Ok(()));
        }
    }

    #[test]
    fn case_collisions_name_both_paths() {
        // Checks files (the kernel's xt_MARK.h and xt_mark.h) and folders.
        let found = case_collision(["net/xt_MARK.h", "net/xt_mark.h"]);
        assert_eq!(
            found,
            Some(("net/xt_MARK.h".into(), "net/xt_mark.h".into()))
        );
        let found = case_collision(["A/x", "a/y"]);
        assert_eq!(found, Some(("A".into(), "a".into())));
        assert_eq!(case_collision(["a/x", "a/y", "b"]), None);
    }

    fn links(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        let pair = |(path, target): &(&str, &str)| ((*path).to_owned(), target.as_bytes().to_vec());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn links_inside_the_tree_pass() {
        // Checks links as kernels have them, a dangling one and a loop.
        let kernel = links(&[
            (
                "scripts/dtc/include-prefixes/arm",
                "../../../arch/arm/boot/dts",
            ),
            ("Documentation/Changes", "process/changes.rst"),
            ("a/loop", "../b/loop"),
            ("b/loop", "../a/loop"),
            ("top", "."),
            ("dangling", "not/there"),
        ]);
        assert_eq!(check_links(&kernel), Ok(()));
    }

    #[test]
    fn links_out_of_the_tree_are_refused() {
        // Checks plain escapes and one that only shows when other links are followed.
        for (pairs, path) in [
            (vec![("a", "/etc/passwd")], "a"),
            (vec![("a/b", "../../x")], "a/b"),
            (vec![("a", "b/../../x")], "a"),
            (
                vec![("deep/er/way", "../.."), ("x", "deep/er/way/../secret")],
                "x",
            ),
            (vec![("d", ".."), ("e", "d/x")], "d"),
            (vec![("a", "")], "a"),
        ] {
            let refused = check_links(&links(&pairs)).err().map(|r| r.path);
            assert_eq!(refused.as_deref(), Some(path), "{pairs:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn accepted_links_stay_below_the_folder(
            raw in proptest::collection::btree_map("[ab](/[ab]){0,3}", "([ab]|\\.|\\.\\.)(/([ab]|\\.\\.)){0,4}", 1..5)
        ) {
            // Checks the rule against the system's own path resolution, on random small trees of links.
            let is_free = |path: &str| !ancestors(path).skip(1).any(|up| raw.contains_key(up));
            let links: BTreeMap<String, Vec<u8>> = raw
                .iter()
                .filter(|(path, _)| is_free(path))
                .map(|(path, target)| (path.clone(), target.clone().into_bytes()))
                .collect();
            if check_links(&links).is_ok() {
                let outer = tempfile::tempdir().expect("a folder");
                let top = outer.path().join("t/t/t/t/t/t/top");
                for (path, target) in &links {
                    let path = top.join(path);
                    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
                    let target = String::from_utf8_lossy(target).into_owned();
                    std::os::unix::fs::symlink(target, path).expect("a link");
                }
                let top = std::fs::canonicalize(&top).expect("a folder");
                for path in links.keys() {
                    // A dangling link or a loop leads nowhere.
                    if let Ok(real) = std::fs::canonicalize(top.join(path)) {
                        proptest::prop_assert!(real.starts_with(&top), "{path} -> {real:?}");
                    }
                }
            }
        }
    }
}
