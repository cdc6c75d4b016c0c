//! The tree: whether it is a kernel that can be checked, and whether git has all of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::programs::{Versions, versions};
use super::{Configuration, Finding, Request, State};
use crate::genksyms::Profile;
use crate::history::{Commit, HistoryError, Repo};
use crate::kbuild::{Config, ObjectTree};

/// Where trees say which versions of programs they need.
const CHANGES: &str = "Documentation/process/changes.rst";
/// The tree's own genksyms.
const GENKSYMS: &str = "scripts/genksyms/";
/// Files without which a folder is no kernel tree.
const MARKS: [&str; 4] = ["Makefile", "Kbuild", "Kconfig", "scripts/Makefile.build"];

/// What a tree says about itself.
pub(super) struct Part {
    pub(super) tree: ObjectTree,
    pub(super) versions: Versions,
    pub(super) defconfig: Option<Config>,
}

/// Looks at the tree; `scratch` takes the few files of a commit that tell what it is.
pub(super) fn examine(request: &Request, scratch: &Path) -> (Vec<Finding>, Option<Part>) {
    let mut findings = Vec::new();
    let source = match Repo::open(&request.tree) {
        Ok(repo) => match commit(request, &repo, &mut findings) {
            Ok(commit) => Source::Commit(Box::new((repo, commit))),
            Err(error) => {
                findings.push(refused("git tree", &error));
                return (findings, None);
            }
        },
        Err(HistoryError::NotRepository { .. }) if request.tree.join("Makefile").exists() => {
            let detail =
                "a plain folder: `symvers` and `baseline` take it, `check` needs a git tree";
            findings.push(Finding::new("git tree", State::Warn, detail));
            Source::Folder(request.tree.clone())
        }
        Err(error) => {
            findings.push(refused("git tree", &error));
            return (findings, None);
        }
    };
    let part = match part(request, &source, scratch) {
        Ok((part, told)) => {
            findings.extend(told);
            Some(part)
        }
        Err(detail) => {
            let step = "name the top folder of a kernel tree of 5.4 or later: --tree DIR";
            findings.push(Finding::new("kernel", State::Missing, detail).next(step));
            None
        }
    };
    (findings, part)
}

fn refused(name: &str, error: &HistoryError) -> Finding {
    Finding::new(name, State::Missing, error.to_string()).next(error.next_step())
}

/// The commit that is looked at, if all its objects are here.
fn commit(
    request: &Request,
    repo: &Repo,
    findings: &mut Vec<Finding>,
) -> Result<Commit, HistoryError> {
    let rev = request.rev.as_deref().unwrap_or("HEAD");
    let commit = repo.resolve(rev)?;
    repo.require(&commit)?;
    let name = format!("{} {}", commit.id.short(), commit.subject);
    findings.push(Finding::ok(
        "git tree",
        format!("all files of {name} are here"),
    ));
    if repo.is_shallow()? {
        let detail =
            "this clone is shallow: ranges that begin before its first commit cannot be checked";
        findings
            .push(Finding::new("git history", State::Warn, detail).next("git fetch --unshallow"));
    }
    Ok(commit)
}

enum Source {
    Commit(Box<(Repo, Commit)>),
    Folder(PathBuf),
}

impl Source {
    /// A folder that holds at least what tells which kernel it is.
    fn folder(&self, scratch: &Path, more: &[String]) -> Result<PathBuf, String> {
        let (repo, commit) = match self {
            Source::Folder(folder) => return Ok(folder.clone()),
            Source::Commit(both) => (&both.0, &both.1),
        };
        let src = scratch.join("src");
        let wanted = |path: &str| {
            MARKS.contains(&path)
                || path == CHANGES
                || path.starts_with(GENKSYMS)
                || more.iter().any(|more| more == path)
        };
        let files = repo.files(commit).map_err(|error| error.to_string())?;
        for file in files.iter().filter(|file| wanted(&file.path)) {
            let bytes = repo.blob(file.blob).map_err(|error| error.to_string())?;
            let path = src.join(&file.path);
            let folder = path.parent().unwrap_or(&src);
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&path, bytes))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        fs::create_dir_all(&src).map_err(|error| format!("{}: {error}", src.display()))?;
        Ok(src)
    }
}

fn part(
    request: &Request,
    source: &Source,
    scratch: &Path,
) -> Result<(Part, Vec<Finding>), String> {
    let arch = ObjectTree::source_arch(&request.make);
    let defconfig = match &request.config {
        Configuration::Defconfig(name, _) => Some(format!("arch/{arch}/configs/{name}")),
        _ => None,
    };
    let more: Vec<String> = defconfig.iter().cloned().collect();
    let src = source.folder(scratch, &more)?;
    let tree = ObjectTree::new(src.clone(), scratch.join("obj"), request.make.clone()).map_err(
        |error| {
            error
                .to_string()
                .replace(&format!("{}: ", src.display()), "")
        },
    )?;
    let release = tree.release().map_err(|error| error.to_string())?;
    let mut findings = vec![Finding::ok(
        "kernel",
        format!("Linux {}, ARCH={arch}", release.version),
    )];
    findings.push(match profile(&src) {
        Ok(profile) => Finding::ok("genksyms", format!("grammar {}", profile.id())),
        Err(detail) => Finding::new("genksyms", State::Missing, detail)
            .next("check that scripts/genksyms is that of the kernel"),
    });
    let read = |path: &str| fs::read(src.join(path)).ok();
    Ok((
        Part {
            tree,
            versions: read(CHANGES)
                .map(|bytes| versions(&String::from_utf8_lossy(&bytes)))
                .unwrap_or_default(),
            defconfig: defconfig.and_then(|path| Config::parse(&read(&path)?, &path).ok()),
        },
        findings,
    ))
}

fn profile(src: &Path) -> Result<Profile, String> {
    let folder = src.join(GENKSYMS);
    let mut files = Vec::new();
    let entries = fs::read_dir(&folder).map_err(|error| format!("{GENKSYMS}: {error}"))?;
    for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = fs::read(entry.path()).map_err(|error| format!("{GENKSYMS}{name}: {error}"))?;
        files.push((name, bytes));
    }
    Profile::detect(&files).map_err(|error| error.to_string())
}
