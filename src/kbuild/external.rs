//! Builds modules outside the tree against a prepared kernel (`Documentation/kbuild/modules.rst`).
//!
//! In flow a prepared tree, such as a headers package, and a private copy of the sources; out flows how the build
//! ended. The sources' own Makefiles run in the sandbox, like those of a tree.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::cpp::child::{self, Child, ChildError};

use super::make::home;
use super::sandbox::{SYSTEM, refuse_leftovers};
use super::{KbuildError, MakeOptions};

/// Bytes that a build may print.
const OUTPUT_LIMIT: u64 = 64 << 20;

/// Bytes of a Kbuild file that are looked at.
const KBUILD_FILE_LIMIT: u64 = 1 << 20;

/// Lines of the compiler's messages that are kept.
const MESSAGES: usize = 12;

/// How a build outside the tree ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalEnd {
    /// It made what it was asked for.
    Built,
    /// The compiler or modpost refused the sources; their first errors.
    Refused(Vec<String>),
    /// It failed for another reason, which says nothing about the sources.
    Failed(Vec<String>),
}

/// A build of modules outside the tree.
#[derive(Clone, Copy, Debug)]
pub struct External<'a> {
    /// The prepared tree.
    pub kernel: &'a Path,
    /// A private copy of the sources, which the build writes into.
    pub sources: &'a Path,
    /// Folder of the Kbuild file; `sources` or one below.
    pub folder: &'a Path,
    /// Arguments for make in place of the usual ones.
    pub arguments: Option<&'a [String]>,
    /// How make is run.
    pub options: &'a MakeOptions,
}

/// The folder of a kernel that modules can be built against; `None` if the path is none.
#[must_use]
pub fn prepared_tree(path: &Path) -> Option<PathBuf> {
    let places = [path.to_owned(), path.join("build")];
    places.into_iter().find(|place| {
        place.join("Makefile").is_file()
            && (place.join("include/generated/autoconf.h").is_file()
                || place.join("include/config/auto.conf").is_file())
    })
}

/// Whether a folder has a Kbuild file that builds modules.
#[must_use]
pub fn has_kbuild_file(folder: &Path) -> bool {
    ["Kbuild", "Makefile", "makefile"].iter().any(|name| {
        let mut text = Vec::new();
        let file = fs::File::open(folder.join(name));
        let read = file.and_then(|file| file.take(KBUILD_FILE_LIMIT).read_to_end(&mut text));
        read.is_ok() && String::from_utf8_lossy(&text).contains("obj-")
    })
}

/// Runs the build.
///
/// # Errors
///
/// If make cannot be started, or its output passes a bound. A build that takes too long has failed.
pub fn build_external(external: &External<'_>) -> Result<ExternalEnd, KbuildError> {
    let home = home(external.sources);
    fs::create_dir_all(&home).map_err(|source| KbuildError::Io {
        path: home,
        action: "make the folder",
        source,
    })?;
    let jobs = format!("-j{}", external.options.jobs.max(1));
    let mut argv: Vec<OsString> = child::argv(["make", "--no-print-directory", &jobs]);
    match external.arguments {
        Some(arguments) => argv.extend(arguments.iter().map(OsString::from)),
        None => {
            argv.push("-C".into());
            argv.push(external.kernel.into());
            let mut folder = OsString::from("M=");
            folder.push(external.folder);
            argv.push(folder);
            argv.push("modules".into());
        }
    }
    argv.extend(external.options.variables().map(OsString::from));
    let source = external.kernel.join("source").canonicalize().ok();
    let mut reads = vec![external.kernel];
    reads.extend(source.as_deref());
    let environment = external.options.environment(&reads, external.sources, true);
    let finished = child::run(
        &Child {
            argv: &argv,
            cwd: external.folder,
            environment: &environment,
            stdin: None,
            time: external.options.timeout,
            output: OUTPUT_LIMIT,
        },
        &mut |_| ControlFlow::Continue(()),
    );
    let mut folders: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    folders.extend(reads.iter().map(|&path| path.to_owned()));
    folders.push(external.sources.to_owned());
    refuse_leftovers(external.sources, &folders)?;
    let finished = match finished {
        Ok(finished) => finished,
        Err(ChildError::Time { limit, .. }) => {
            let text = format!("the build took longer than {} s", limit.as_secs());
            return Ok(ExternalEnd::Failed(vec![text]));
        }
        Err(source) => {
            return Err(KbuildError::Child {
                what: "make of an external module".to_owned(),
                source,
            });
        }
    };
    if finished.status.success() {
        return Ok(ExternalEnd::Built);
    }
    Ok(judge(&String::from_utf8_lossy(&finished.stderr), external))
}

/// Tells errors of the sources from others.
fn judge(stderr: &str, external: &External<'_>) -> ExternalEnd {
    let is_error = |line: &&str| {
        line.contains(": error: ")
            || line.contains(": fatal error: ")
            || (line.contains("ERROR: modpost:") && !line.contains("Is a directory"))
    };
    let kept = |lines: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        lines
            .take(MESSAGES)
            .map(|line| relative(line, external))
            .collect()
    };
    let errors = kept(&mut stderr.lines().filter(is_error));
    if errors.is_empty() {
        let mut lines = stderr.lines().filter(|line| !line.trim().is_empty());
        ExternalEnd::Failed(kept(&mut lines))
    } else {
        ExternalEnd::Refused(errors)
    }
}

/// A message without the folders of this machine.
fn relative(line: &str, external: &External<'_>) -> String {
    let sources = format!("{}/", external.sources.display());
    let kernel = format!("{}/", external.kernel.display());
    line.replace(&sources, "").replace(&kernel, "KERNEL/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors of compiler and modpost are the sources' own, a missing tool is not; no path of the machine stays.
    #[test]
    fn errors_are_told_apart() {
        let options = MakeOptions::new("/usr/bin");
        let external = External {
            kernel: Path::new("/usr/src/k"),
            sources: Path::new("/tmp/x"),
            folder: Path::new("/tmp/x"),
            arguments: None,
            options: &options,
        };
        let text = "In file included\n/tmp/x/a.c:3:5: error: too few arguments\nmake[1]: *** [x] Error 1\n/usr/src/k/h.h:1:1: error: b\n";
        assert_eq!(
            judge(text, &external),
            ExternalEnd::Refused(vec![
                "a.c:3:5: error: too few arguments".into(),
                "KERNEL/h.h:1:1: error: b".into()
            ])
        );
        let text = "make: gcc-12: No such file or directory\nmake: *** [x] Error 127\n";
        assert!(matches!(judge(text, &external), ExternalEnd::Failed(lines) if lines.len() == 2));
    }
}
