//! Applying a patch series without touching the user's repository.
//!
//! A private bare repository borrows the user's objects through `objects/info/alternates`; its index starts as the base
//! commit's tree, each patch is applied to the index, written as a tree and committed. Author and date come from the
//! patch, the committer is fixed, so the same series gives the same commit ids.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use git2::Oid;

use super::commit::Commit;
use super::error::HistoryError;
use super::git::{self, Git, Output};
use super::mail::{self, Mail};
use super::patches::{self, PatchFile};

/// Who commits, and who authors where a patch does not say.
const COMMITTER: (&str, &str) = ("kabigate", "kabigate@localhost");
const UNKNOWN: (&str, &str) = ("unknown", "unknown@localhost");

/// A series that has been applied.
pub(super) struct Applied {
    /// The folder that holds the private repository; removed on drop.
    pub(super) store: tempfile::TempDir,
    /// The commits in order, each with patch file and position.
    pub(super) commits: Vec<(Oid, String)>,
    /// Patch files or mails that only announce the series.
    pub(super) cover_letters: Vec<String>,
}

/// The object folder of the private repository in `store`.
pub(super) fn objects_of(store: &Path) -> PathBuf {
    store.join("series.git").join("objects")
}

/// Applies the series at `patches` to `base`, whose committer date is `committed`. `objects` is the user's object folder.
pub(super) fn apply(
    objects: &Path,
    search_path: Option<&OsStr>,
    base: &Commit,
    committed: i64,
    patches: &Path,
    work: &Path,
) -> Result<Applied, HistoryError> {
    let files = patches::list(patches)?;
    let work = fs::canonicalize(work).map_err(|e| HistoryError::io("open", work, e))?;
    let store = tempfile::Builder::new()
        .prefix("series-")
        .tempdir_in(&work)
        .map_err(|e| HistoryError::io("make a folder in", &work, e))?;
    let git = Git {
        search_path: search_path.map(OsStr::to_owned),
        git_dir: store.path().join("series.git"),
        index: store.path().join("index"),
        cwd: store.path().to_path_buf(),
    };
    init(&git.git_dir, objects)?;
    let series = Series::read(&git, &files, store.path(), patches)?;
    let tree = base.tree.to_string();
    git.line(&["read-tree".as_ref(), tree.as_ref()], &[], None)?;
    let mut parent = base.id.to_string();
    let mut commits = Vec::with_capacity(series.patches.len());
    for (patch, position) in series.patches.iter().zip(1usize..) {
        let source = format!(
            "{} ({position} of {})",
            patch.file.name,
            series.patches.len()
        );
        parent = patch.commit(&git, &source, &parent, committed)?;
        let oid = Oid::from_str(&parent)
            .map_err(|error| HistoryError::git(format!("commit of {source}"), error))?;
        commits.push((oid, source));
    }
    Ok(Applied {
        store,
        commits,
        cover_letters: series.cover_letters,
    })
}

/// Makes the bare repository that borrows `objects`.
fn init(git_dir: &Path, objects: &Path) -> Result<(), HistoryError> {
    let objects = fs::canonicalize(objects).map_err(|e| HistoryError::io("open", objects, e))?;
    let bytes = objects.as_os_str().as_encoded_bytes();
    // One path a line; a leading quote would start a quoted one, but an absolute path begins with a slash.
    if bytes.contains(&b'\n') {
        return Err(HistoryError::Unsupported {
            place: objects.display().to_string(),
            what: "a repository path with a line feed is".to_owned(),
            advice: "rename the folder",
        });
    }
    let wrap = |error| HistoryError::io("create", git_dir, error);
    for folder in ["objects/info", "objects/pack", "refs/heads"] {
        fs::create_dir_all(git_dir.join(folder)).map_err(wrap)?;
    }
    fs::write(git_dir.join("HEAD"), "ref: refs/heads/series\n").map_err(wrap)?;
    let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tautocrlf = false\n";
    fs::write(git_dir.join("config"), config).map_err(wrap)?;
    let line = [bytes, b"\n"].concat();
    fs::write(git_dir.join("objects/info/alternates"), line).map_err(wrap)
}

/// A series taken apart.
struct Series<'a> {
    patches: Vec<Patch<'a>>,
    cover_letters: Vec<String>,
}

impl<'a> Series<'a> {
    fn read(
        git: &Git,
        files: &'a [PatchFile],
        store: &Path,
        patches: &Path,
    ) -> Result<Series<'a>, HistoryError> {
        let mut series = Series {
            patches: Vec::new(),
            cover_letters: Vec::new(),
        };
        for (file, number) in files.iter().zip(1usize..) {
            let scratch = store.join(format!("mails-{number:06}"));
            fs::create_dir(&scratch).map_err(|e| HistoryError::io("create", &scratch, e))?;
            for (path, part) in mail::split(git, file, &scratch)?.iter().zip(1usize..) {
                let stem = store.join(format!("part-{number:06}-{part:06}"));
                let mail = mail::read(git, file, path, &stem)?;
                if mail.is_cover_letter {
                    series.cover_letters.push(file.name.clone());
                } else {
                    series.patches.push(Patch { file, mail });
                }
            }
            if series.patches.len() > patches::MAX_PATCHES {
                return Err(patches::too_many(patches));
            }
        }
        if series.patches.is_empty() {
            return Err(HistoryError::SeriesEmpty {
                path: patches.to_path_buf(),
                looked_for: "only cover letters are there",
            });
        }
        Ok(series)
    }
}

/// One patch of a series.
struct Patch<'a> {
    file: &'a PatchFile,
    mail: Mail,
}

impl Patch<'_> {
    /// Applies the patch to the index and commits it; hands back the commit's name.
    fn commit(
        &self,
        git: &Git,
        source: &str,
        parent: &str,
        committed: i64,
    ) -> Result<String, HistoryError> {
        self.apply(git, source)?;
        let tree = git.line(&["write-tree".as_ref()], &[], None)?;
        let message = self.mail.diff.with_extension("commit");
        let text = format!("{}\n\n{}", self.mail.subject, self.mail.body).replace('\0', "");
        fs::write(&message, text).map_err(|e| HistoryError::io("write", &message, e))?;
        let args: [&OsStr; 6] = [
            "commit-tree".as_ref(),
            tree.as_ref(),
            "-p".as_ref(),
            parent.as_ref(),
            "-F".as_ref(),
            message.as_os_str(),
        ];
        let fallback = format!("@{committed} +0000");
        let date = if self.mail.date.is_empty() {
            &fallback
        } else {
            &self.mail.date
        };
        let output = git.run(&args, &self.identity(date, &fallback), None)?;
        // A quilt header may hold anything for a date; it does not decide whether the patch can be checked.
        let output = if !output.is_ok && output.stderr.contains("invalid date") {
            git.run(&args, &self.identity(&fallback, &fallback), None)?
        } else {
            output
        };
        let id = output.stdout.trim();
        if output.is_ok && !id.is_empty() {
            Ok(id.to_owned())
        } else {
            Err(git::failed(&args, output.message()))
        }
    }

    fn identity<'m>(&'m self, date: &'m str, committed: &'m str) -> [(&'m str, &'m str); 6] {
        // Git refuses names without any letter or digit.
        let or = |text: &'m str, other| {
            let usable = text.chars().any(char::is_alphanumeric) && !text.contains('\0');
            if usable { text } else { other }
        };
        [
            ("GIT_AUTHOR_NAME", or(&self.mail.author, UNKNOWN.0)),
            ("GIT_AUTHOR_EMAIL", or(&self.mail.address, UNKNOWN.1)),
            ("GIT_AUTHOR_DATE", date),
            ("GIT_COMMITTER_NAME", COMMITTER.0),
            ("GIT_COMMITTER_EMAIL", COMMITTER.1),
            ("GIT_COMMITTER_DATE", committed),
        ]
    }

    fn apply(&self, git: &Git, source: &str) -> Result<(), HistoryError> {
        let strip = OsString::from(format!("-p{}", self.file.strip));
        let mut args: Vec<&OsStr> = vec![
            "apply".as_ref(),
            "--cached".as_ref(),
            "--whitespace=nowarn".as_ref(),
            &strip,
        ];
        if self.file.is_reversed {
            args.push("-R".as_ref());
        }
        args.push(self.mail.diff.as_os_str());
        let output = git.run(&args, &[], None)?;
        if output.is_ok {
            return Ok(());
        }
        let (file, line) = place(&output);
        Err(HistoryError::PatchFailed {
            patch: source.to_owned(),
            file,
            line,
            message: output.message(),
        })
    }
}

/// The file and hunk that git's messages name, as in `error: patch failed: kernel/fork.c:120`, `error: a.c: does not
/// exist in index`, `error: corrupt patch at line 7` (newer: `at FILE:7`).
fn place(output: &Output) -> (Option<String>, Option<u32>) {
    let errors = || {
        output
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("error: "))
    };
    let hunk = errors()
        .filter_map(|text| text.strip_prefix("patch failed: ")?.rsplit_once(':'))
        .find_map(|(file, line)| Some((file.to_owned(), line.parse().ok()?)));
    if let Some((file, line)) = hunk {
        return (Some(file), Some(line));
    }
    let corrupt = errors()
        .filter(|text| text.starts_with("corrupt patch at "))
        .find_map(|text| text.rsplit_once([' ', ':'])?.1.parse().ok());
    if corrupt.is_some() {
        return (None, corrupt);
    }
    let file = errors().find_map(|text| text.split_once(": "));
    (file.map(|(file, _)| file.to_owned()), None)
}
