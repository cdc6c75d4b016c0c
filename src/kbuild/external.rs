//! Builds modules outside the tree against a prepared kernel (`Documentation/kbuild/modules.rst`).
//!
//! In flow a prepared tree, such as a headers package, and a private copy of the sources; out flows how the build
//! ended. The sources' own Makefiles run in the sandbox, like those of a tree. So does the `dkms.conf` of DKMS sources,
//! which is a program for bash: `dkms.bash` does with it what `dkms(8)` says.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cpp::child::{self, Child, ChildError, Environment};

use super::make::home;
use super::sandbox::{SYSTEM, refuse_leftovers};
use super::{KbuildError, MakeOptions};

/// Bytes that a build may print.
const OUTPUT_LIMIT: u64 = 64 << 20;

/// Lines of the compiler's messages that are kept.
const MESSAGES: usize = 12;

/// What is done with DKMS sources.
const DKMS: &str = include_str!("dkms.bash");

/// Exit code of it: the kernel is excluded.
const EXCLUDED: i32 = 77;

/// Exit code of it: the sources cannot be prepared.
const NOT_PREPARED: i32 = 78;

/// How a build outside the tree ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalEnd {
    /// It ended well.
    Built {
        /// What `dkms.conf` says is built, as paths in the sources without `.ko`.
        modules: Vec<String>,
        /// Errors that were told all the same.
        errors: Errors,
    },
    /// The compiler or modpost refused the sources.
    Refused(Errors),
    /// It failed for another reason, which says nothing about the sources.
    Failed(Vec<String>),
}

/// What compiler and modpost told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// The first errors.
    pub messages: Vec<String>,
    /// Symbols that modpost found nowhere.
    pub undefined: BTreeSet<String>,
    /// Whether nothing else was told.
    pub only_undefined: bool,
}

/// A build of modules outside the tree.
#[derive(Clone, Copy, Debug)]
pub struct External<'a> {
    /// The prepared tree.
    pub kernel: &'a Path,
    /// Its release.
    pub release: &'a str,
    /// A private copy of the sources, which the build writes into.
    pub sources: &'a Path,
    /// The name and version of DKMS sources, which then lie in `NAME/VERSION/build`.
    pub dkms: Option<(&'a str, &'a str)>,
    /// Exports of other modules outside the tree, as a `Module.symvers`.
    pub extra_symbols: Option<&'a Path>,
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
    let source = external.kernel.join("source").canonicalize().ok();
    let mut reads = vec![external.kernel];
    reads.extend(source.as_deref());
    let finished = child::output(&Child {
        argv: &command(external),
        cwd: external.sources,
        environment: &environment(external, &reads),
        stdin: None,
        time: external.options.timeout,
        output: OUTPUT_LIMIT,
    });
    let mut folders: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    folders.extend(reads.iter().map(|&path| path.to_owned()));
    folders.push(external.sources.to_owned());
    refuse_leftovers(external.sources, &folders)?;
    let (finished, names) = match finished {
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
    let stderr = String::from_utf8_lossy(&finished.stderr);
    if !finished.status.success() {
        return Ok(judge(&stderr, finished.status.code(), external));
    }
    let modules = match external.dkms {
        Some(_) => String::from_utf8_lossy(&names)
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
        None => Vec::new(),
    };
    Ok(ExternalEnd::Built {
        modules,
        errors: errors(&stderr, external),
    })
}

fn command(external: &External<'_>) -> Vec<OsString> {
    let mut argv: Vec<OsString> = if external.dkms.is_some() {
        child::argv(["bash", "-c", DKMS, "dkms.bash"])
    } else {
        let jobs = format!("-j{}", external.options.jobs.max(1));
        let mut argv = child::argv(["make", "--no-print-directory", &jobs, "-C"]);
        argv.push(external.kernel.into());
        let mut folder = OsString::from("M=");
        folder.push(external.sources);
        argv.push(folder);
        argv.push("modules".into());
        argv
    };
    argv.extend(external.options.variables().map(OsString::from));
    argv
}

/// The environment of make, with what a `dkms.conf` may use and with what Kbuild takes other modules' exports from.
fn environment(external: &External<'_>, reads: &[&Path]) -> Environment {
    let mut reads = reads.to_vec();
    reads.extend(external.extra_symbols);
    let mut environment = external.options.environment(&reads, external.sources, true);
    let mut set = |name: &'static str, value: String| environment.extra.push((name, value));
    if let Some(path) = external.extra_symbols {
        set("KBUILD_EXTRA_SYMBOLS", path.display().to_string());
    }
    if let Some((name, version)) = external.dkms {
        let tree = external.sources.ancestors().nth(3);
        let tree = tree.unwrap_or(external.sources).display().to_string();
        set("module", name.to_owned());
        set("module_version", version.to_owned());
        set("kernelver", external.release.to_owned());
        set("kernel_source_dir", external.kernel.display().to_string());
        set("dkms_tree", tree.clone());
        set("source_tree", tree);
        set("arch", std::env::consts::ARCH.to_owned());
        set("jobs", external.options.jobs.max(1).to_string());
    }
    environment
}

/// Tells errors of the sources from others.
fn judge(stderr: &str, code: Option<i32>, external: &External<'_>) -> ExternalEnd {
    let last = || stderr.lines().rfind(|line| !line.trim().is_empty());
    let said = || last().map(|line| relative(line, external)).into_iter();
    let errors = errors(stderr, external);
    match code {
        Some(EXCLUDED) if external.dkms.is_some() => ExternalEnd::Failed(said().collect()),
        Some(NOT_PREPARED) if external.dkms.is_some() && errors.messages.is_empty() => {
            ExternalEnd::Refused(Errors {
                messages: said().collect(),
                ..Errors::default()
            })
        }
        _ if errors.messages.is_empty() => {
            let lines = stderr.lines().filter(|line| !line.trim().is_empty());
            let lines = lines.take(MESSAGES).map(|line| relative(line, external));
            ExternalEnd::Failed(lines.collect())
        }
        _ => ExternalEnd::Refused(errors),
    }
}

/// The errors of compiler and modpost in what a build told.
fn errors(stderr: &str, external: &External<'_>) -> Errors {
    let is_error = |line: &&str| {
        line.contains(": error: ")
            || line.contains(": fatal error: ")
            || (line.contains("ERROR: modpost:") && !line.contains("Is a directory"))
    };
    let mut errors = Errors {
        only_undefined: true,
        ..Errors::default()
    };
    for line in stderr.lines().filter(is_error) {
        match undefined(line) {
            Some(symbol) => {
                errors.undefined.insert(symbol.to_owned());
            }
            None => errors.only_undefined = false,
        }
        if errors.messages.len() < MESSAGES {
            errors.messages.push(relative(line, external));
        }
    }
    errors
}

/// The symbol of `ERROR: modpost: "SYMBOL" [MODULE] undefined!`.
fn undefined(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("ERROR: modpost: \"")?;
    let (symbol, rest) = rest.split_once('"')?;
    rest.ends_with("undefined!").then_some(symbol)
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

    fn external<'a>(options: &'a MakeOptions, dkms: bool) -> External<'a> {
        External {
            kernel: Path::new("/usr/src/k"),
            release: "6.1.0",
            sources: Path::new("/tmp/x"),
            dkms: dkms.then_some(("x", "1")),
            extra_symbols: None,
            options,
        }
    }

    fn messages(end: &ExternalEnd) -> Vec<&str> {
        let lines = match end {
            ExternalEnd::Built { errors, .. } | ExternalEnd::Refused(errors) => &errors.messages,
            ExternalEnd::Failed(lines) => lines,
        };
        lines.iter().map(String::as_str).collect()
    }

    /// Errors of compiler and modpost are the sources' own, a missing tool is not; no path of the machine stays.
    #[test]
    fn errors_are_told_apart() {
        let options = MakeOptions::new("/usr/bin");
        let external = external(&options, false);
        let text = "In file included\n/tmp/x/a.c:3:5: error: too few arguments\nmake[1]: *** [x] Error 1\n/usr/src/k/h.h:1:1: error: b\n";
        let end = judge(text, Some(2), &external);
        assert!(matches!(&end, ExternalEnd::Refused(errors) if !errors.only_undefined));
        assert_eq!(
            messages(&end),
            [
                "a.c:3:5: error: too few arguments",
                "KERNEL/h.h:1:1: error: b"
            ]
        );
        let text = "make: gcc-12: No such file or directory\nmake: *** [x] Error 127\n";
        let end = judge(text, Some(2), &external);
        assert!(matches!(&end, ExternalEnd::Failed(lines) if lines.len() == 2));
    }

    /// Symbols that are defined nowhere are known by name.
    #[test]
    fn undefined_symbols_are_named() {
        let options = MakeOptions::new("/usr/bin");
        let text = "ERROR: modpost: \"acme_open\" [/tmp/x/a.ko] undefined!\n";
        let end = judge(text, Some(2), &external(&options, false));
        let ExternalEnd::Refused(errors) = &end else {
            panic!("{end:?}");
        };
        assert!(errors.only_undefined && errors.undefined.contains("acme_open"));
        assert_eq!(
            messages(&end),
            ["ERROR: modpost: \"acme_open\" [a.ko] undefined!"]
        );
    }

    /// A kernel that `dkms.conf` excludes says nothing about the sources, a patch that does not apply does.
    #[test]
    fn codes_of_the_script() {
        let options = MakeOptions::new("/usr/bin");
        let text = "noise\nits dkms.conf excludes this kernel: X\n";
        let end = judge(text, Some(EXCLUDED), &external(&options, true));
        assert!(matches!(end, ExternalEnd::Failed(_)));
        assert_eq!(messages(&end), ["its dkms.conf excludes this kernel: X"]);
        let end = judge(
            "the patch p does not apply\n",
            Some(NOT_PREPARED),
            &external(&options, true),
        );
        assert!(matches!(end, ExternalEnd::Refused(_)));
        let end = judge("noise\n", Some(NOT_PREPARED), &external(&options, false));
        assert!(matches!(end, ExternalEnd::Failed(_)));
    }
}
