//! Identity of the C compiler that a tree's build uses.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cpp::child::{self, Child};

use super::{KbuildError, ObjectTree};

/// Bytes of a compiler's answer.
const ANSWER_LIMIT: u64 = 4 << 20;
/// Time for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Families of C compilers that build kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CompilerFamily {
    /// GCC.
    Gcc,
    /// Clang.
    Clang,
}

impl CompilerFamily {
    /// `gcc` or `clang`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CompilerFamily::Gcc => "gcc",
            CompilerFamily::Clang => "clang",
        }
    }
}

/// Which compiler it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiler {
    /// Its family.
    pub family: CompilerFamily,
    /// First line of `--version`.
    pub version: String,
    /// Its target machine (`-dumpmachine`).
    pub machine: String,
}

impl ObjectTree {
    /// Asks the compiler what it is.
    ///
    /// # Errors
    /// If it cannot be run or does not answer as a C compiler.
    pub fn compiler(&self) -> Result<Compiler, KbuildError> {
        let program = self.compiler_words()?;
        let version = self.answer(&program, &["--version"])?;
        let version = version.lines().next().unwrap_or_default().trim().to_owned();
        let machine = self.answer(&program, &["-dumpmachine"])?.trim().to_owned();
        let macros = self.answer(&program, &["-E", "-dM", "-xc", "/dev/null"])?;
        let defined = |name: &str| {
            macros
                .lines()
                .any(|line| line.split(' ').nth(1) == Some(name))
        };
        let family = if defined("__clang__") {
            CompilerFamily::Clang
        } else if defined("__GNUC__") {
            CompilerFamily::Gcc
        } else {
            return Err(unknown(&program, "it is neither GCC nor Clang"));
        };
        if version.is_empty() || machine.is_empty() {
            return Err(unknown(&program, "it does not say its version and machine"));
        }
        Ok(Compiler {
            family,
            version,
            machine,
        })
    }

    /// The compiler's command as the kernel's Makefile forms it from `CC`, `LLVM` and `CROSS_COMPILE`.
    fn compiler_words(&self) -> Result<Vec<String>, KbuildError> {
        let options = &self.options;
        let command = match (&options.cc, options.llvm.as_deref()) {
            (Some(cc), _) => cc.clone(),
            (None, Some(folder)) if folder.ends_with('/') => format!("{folder}clang"),
            (None, Some(suffix)) if suffix.starts_with('-') => format!("clang{suffix}"),
            (None, Some(_)) => "clang".to_owned(),
            (None, None) => format!(
                "{}gcc",
                options.cross_compile.as_deref().unwrap_or_default()
            ),
        };
        shlex::split(&command)
            .filter(|words| !words.is_empty())
            .ok_or_else(|| unknown(&[command], "the command is empty or has an open quote"))
    }

    fn answer(&self, program: &[String], args: &[&str]) -> Result<String, KbuildError> {
        let mut argv = child::argv(program);
        argv.extend(child::argv(args));
        let (finished, text) = child::output(&Child {
            argv: &argv,
            cwd: &self.obj,
            environment: &self.environment(),
            stdin: None,
            time: ANSWER_TIME,
            output: ANSWER_LIMIT,
        })
        .map_err(|source| KbuildError::Child {
            what: "asking the compiler what it is".to_owned(),
            source,
        })?;
        if !finished.status.success() {
            let what = format!("`{}` failed ({})", args.join(" "), finished.status);
            return Err(unknown(program, &what));
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn unknown(program: &[String], what: &str) -> KbuildError {
    KbuildError::Compiler {
        program: program.join(" "),
        what: what.to_owned(),
    }
}
