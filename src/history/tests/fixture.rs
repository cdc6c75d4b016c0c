//! A repository in a temporary folder, and pictures of folders to compare.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::history::{Commit, HistoryError, Repo, Walk};

/// A temporary folder with a repository in `user`, and room beside it.
pub(super) struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new() -> Fixture {
        let fixture = Fixture::empty();
        fs::create_dir(fixture.user()).expect("a folder");
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture
    }

    /// Only the folder.
    pub(super) fn empty() -> Fixture {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Fixture { folder }
    }

    /// The linear history `a`, `b`, `c`: each commit rewrites `file` with its name and tags itself.
    pub(super) fn linear() -> Fixture {
        let fixture = Fixture::new();
        for name in ["a", "b", "c"] {
            fixture.write("file", name);
            fixture.write("dir/same", "same\n");
            fixture.commit(name);
        }
        fixture
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn user(&self) -> PathBuf {
        self.path("user")
    }

    pub(super) fn repo(&self) -> Repo {
        Repo::open(&self.user()).expect("a repository")
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.user(), args)
    }

    /// Runs git without any configuration of the machine, at a fixed time.
    pub(super) fn git_in(&self, folder: &Path, args: &[&str]) -> String {
        let output = Command::new("git")
            .env_clear()
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Ann Author")
            .env("GIT_AUTHOR_EMAIL", "ann@example.org")
            .env("GIT_AUTHOR_DATE", "@1700000000 +0130")
            .env("GIT_COMMITTER_NAME", "Carl Committer")
            .env("GIT_COMMITTER_EMAIL", "carl@example.org")
            .env("GIT_COMMITTER_DATE", "@1700000100 +0000")
            .env("LC_ALL", "C")
            .args(["-c", "protocol.file.allow=always"])
            .args(args)
            .current_dir(folder)
            .output()
            .expect("the git program");
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        let path = self.user().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    /// Commits the whole work tree under a tag of the same name.
    pub(super) fn commit(&self, name: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", name]);
        self.git(&["tag", "-f", name]);
    }

    /// Commits a tree that git itself would not make: entries of `mode`, `type`, object name, tab, path.
    pub(super) fn commit_tree(&self, entries: &str, name: &str) {
        let file = self.path("entries");
        fs::write(&file, entries).expect("a file");
        let script = format!("git mktree --missing < {}", file.display());
        let alias = format!("alias.mk=!{script}");
        let tree = self.git(&["-c", &alias, "mk"]);
        let commit = self.git(&["commit-tree", "-m", name, &tree]);
        self.git(&["tag", name, &commit]);
    }

    /// Stores a blob and gives its name.
    pub(super) fn blob(&self, content: &str) -> String {
        let file = self.path("blob");
        fs::write(&file, content).expect("a file");
        self.git(&[
            "hash-object",
            "-w",
            "--no-filters",
            &file.display().to_string(),
        ])
    }

    /// Makes a clone `name` of the repository by the git transport, with the given options.
    pub(super) fn clone(&self, name: &str, options: &[&str]) -> Repo {
        self.git(&["config", "uploadpack.allowFilter", "true"]);
        let url = format!("file://{}", self.user().display());
        let mut args = vec!["clone", "-q"];
        args.extend(options);
        args.extend([url.as_str(), name]);
        self.git_in(self.folder.path(), &args);
        Repo::open(&self.path(name)).expect("a repository")
    }

    /// A folder `name` with these files.
    pub(super) fn folder(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).expect("a folder");
        for (name, content) in files {
            fs::write(folder.join(name), content).expect("a file");
        }
        folder
    }
}

/// The subjects of a walk with its base first.
pub(super) fn subjects(walk: &Walk) -> Vec<&str> {
    std::iter::once(&walk.base)
        .chain(&walk.commits)
        .map(|commit| commit.subject.as_str())
        .collect()
}

/// Code, exit class, text and advice of an error.
pub(super) fn facts<T>(result: Result<T, HistoryError>) -> (&'static str, bool, String, String) {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => (
            error.code(),
            error.is_not_checked(),
            error.to_string(),
            error.next_step(),
        ),
    }
}

/// Everything in a folder: mode and content of each file, target of each link.
pub(super) fn picture(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut todo = vec![folder.to_path_buf()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let found = fs::symlink_metadata(&path).expect("a file");
            let content = if found.is_dir() {
                todo.push(path.clone());
                Vec::new()
            } else if found.is_symlink() {
                let target = fs::read_link(&path).expect("a link");
                target.into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).expect("a file")
            };
            files.insert(path, (found.permissions().mode(), content));
        }
    }
    files
}

/// As [`picture`], with paths relative to the folder.
pub(super) fn relative_picture(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    picture(folder)
        .into_iter()
        .filter_map(|(path, file)| Some((path.strip_prefix(folder).ok()?.to_path_buf(), file)))
        .collect()
}

/// The text of a file of a commit.
pub(super) fn text(repo: &Repo, commit: &Commit, path: &str) -> Option<String> {
    let bytes = repo.read_file(commit, path).expect("a readable commit")?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
