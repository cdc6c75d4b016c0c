//! What Makefiles and Kconfig ask of the compiler again and again.
//!
//! Which options a compiler knows is found out by calling it with an empty source (`cc-option` and its kin in
//! `scripts/Makefile.compiler`, `scripts/Kconfig.include`). Each run of `make` asks a hundred such questions, most of them
//! those of the run before, and they are nearly all that a run costs which finds nothing to do.
//!
//! So in `make`'s `PATH` a copy of this program stands before the compiler, under its name. In flows a call of the
//! compiler. If it is a [`Question`], whose answer depends on its words alone, the [`Reply`] is the compiler's own, kept from
//! the first time. With any other call the copy becomes the compiler. Nothing is kept from one run of this program to the
//! next, as another compiler may be installed between them.

mod question;
mod reply;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use super::{MakeOptions, make};
use crate::cpp::child::Environment;
use question::Question;
pub use reply::Reply;

/// Tells a copy of this program that it stands for a compiler, and where replies are kept.
pub const PROBES: &str = "KABIGATE_PROBES";

/// Has the compiler asked each question once.
#[derive(Clone, Debug)]
pub struct Probes {
    /// This program.
    program: PathBuf,
    /// Object trees that have a folder of this run.
    ready: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Probes {
    /// With `program`, which is this one.
    #[must_use]
    pub fn new(program: PathBuf) -> Probes {
        Probes {
            program,
            ready: Arc::default(),
        }
    }

    /// Puts itself before the compiler. Where that does not work `make` asks the compiler itself, which only costs time.
    pub(super) fn enter(&self, options: &MakeOptions, obj: &Path, environment: &mut Environment) {
        let Some(compiler) = compiler(options) else {
            return;
        };
        let folder = make::home(obj).join("probes");
        let Ok(path) = self.stand_in(&folder, &compiler, &environment.path) else {
            return;
        };
        environment.path = path;
        let value = folder.to_string_lossy().into_owned();
        environment.extra.push((PROBES, value));
    }

    /// The `PATH` with the stand-in before everything else.
    fn stand_in(&self, folder: &Path, compiler: &str, path: &OsStr) -> io::Result<OsString> {
        let programs = programs(folder);
        let program = programs.join(compiler);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(folder) || !program.is_file() {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::create_dir_all(&programs)?;
            fs::copy(&self.program, &program)?;
            ready.insert(folder.to_owned());
        }
        let all = [programs].into_iter().chain(std::env::split_paths(path));
        std::env::join_paths(all).map_err(io::Error::other)
    }
}

/// The folder of the stand-in.
fn programs(folder: &Path) -> PathBuf {
    folder.join("bin")
}

/// The name under which `make` looks up the compiler; nothing if it does not, or if words before it do something else.
fn compiler(options: &MakeOptions) -> Option<String> {
    let name = match (&options.cc, &options.llvm) {
        (Some(cc), _) => cc.clone(),
        (None, Some(llvm)) if llvm.starts_with('-') => format!("clang{llvm}"),
        (None, Some(llvm)) if llvm.ends_with('/') => return None,
        (None, Some(_)) => "clang".to_owned(),
        (None, None) => format!("{}gcc", options.cross_compile.as_deref().unwrap_or("")),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
}

/// Whether a program of that name stands for a compiler, in the folder that [`PROBES`] names.
#[must_use]
pub fn stands_in(folder: &Path, name: &OsStr) -> bool {
    let name = Path::new(name).file_name();
    name.is_some_and(|name| programs(folder).join(name).is_file())
}

/// Answers a call of the compiler, or becomes the compiler and does not come back. `variables` is the environment.
///
/// # Errors
/// If the compiler cannot be started.
pub fn reply(
    folder: &Path,
    argv: &[OsString],
    variables: &[(OsString, OsString)],
) -> io::Result<Reply> {
    let mut compiler = command(folder, argv, variables)?;
    match Question::of(argv.get(1..).unwrap_or_default()) {
        Some(question) => question.ask(&folder.join("replies"), compiler, variables),
        None => Err(compiler.exec()),
    }
}

/// The call as it would be without the stand-in.
fn command(
    folder: &Path,
    argv: &[OsString],
    variables: &[(OsString, OsString)],
) -> io::Result<Command> {
    let own = programs(folder);
    let path = variables.iter().find(|(name, _)| name == "PATH");
    let path = path.map(|(_, value)| value.as_os_str()).unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(path)
        .filter(|folder| *folder != own)
        .collect();
    let name = argv.first().cloned().unwrap_or_default();
    let base = Path::new(&name).file_name().unwrap_or_default();
    let program = folders
        .iter()
        .map(|folder| folder.join(base))
        .find(|program| program.is_file())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is not in PATH"))?;
    let mut command = Command::new(program);
    command
        .arg0(&name)
        .args(argv.get(1..).unwrap_or_default())
        .env(
            "PATH",
            std::env::join_paths(folders).map_err(io::Error::other)?,
        )
        .env_remove(PROBES);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only a compiler that `make` looks up by one bare name can have something before it.
    #[test]
    fn names_of_compilers() {
        let with = |cc: Option<&str>, llvm: Option<&str>, prefix: Option<&str>| {
            let mut options = MakeOptions::new("/usr/bin");
            options.cc = cc.map(str::to_owned);
            options.llvm = llvm.map(str::to_owned);
            options.cross_compile = prefix.map(str::to_owned);
            compiler(&options)
        };
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(with(None, None, None), named("gcc"));
        assert_eq!(
            with(None, None, Some("aarch64-linux-gnu-")),
            named("aarch64-linux-gnu-gcc")
        );
        assert_eq!(with(Some("gcc-12"), None, Some("x-")), named("gcc-12"));
        assert_eq!(with(None, Some("1"), None), named("clang"));
        assert_eq!(with(None, Some("-15"), None), named("clang-15"));
        for cc in ["ccache gcc", "/opt/bin/gcc", ""] {
            assert_eq!(with(Some(cc), None, None), None, "{cc}");
        }
        assert_eq!(with(None, Some("/opt/llvm/bin/"), None), None);
        assert_eq!(with(None, None, Some("/opt/bin/x-")), None);
    }
}
