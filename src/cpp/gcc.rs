//! The compiler's own preprocessor behind [`Preprocessor`].
//!
//! In flows a [`Call`], out flows what `gcc -E -D__GENKSYMS__` (or Clang) prints for it, byte for byte: the order of
//! arguments is that of `cmd_gensymtypes_c` in the kernel's `scripts/Makefile.build`. Files read come from `-MD`,
//! class and namespace of exports through an [`ExportOverlay`].

use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use super::child::{self, Child, ChildError, Environment, Finished};
use super::depfile::prerequisites;
use super::markers::{self, HeaderPath};
use super::overlay::HEADER;
use super::{
    Call, Consumer, CppError, ExportOverlay, Input, LineUses, Preprocessed, Preprocessor, Read,
    TextTokens, Word,
};

/// Lines of the compiler's messages that an error repeats.
const MESSAGE_LINES: usize = 5;
/// Bytes of a dependency file that are read.
const DEPFILE_LIMIT: u64 = 16 << 20;

/// Bounds on one run of the preprocessor.
#[derive(Clone, Copy, Debug)]
pub struct GccLimits {
    /// Wall time.
    pub time: Duration,
    /// Bytes of preprocessed text.
    pub output: u64,
}

impl Default for GccLimits {
    /// Two minutes and 256 MiB: a hundred times what the largest units of the kernel need.
    fn default() -> Self {
        GccLimits {
            time: Duration::from_secs(120),
            output: 256 << 20,
        }
    }
}

/// Runs the compiler that a call names, as a preprocessor.
#[derive(Clone, Debug)]
pub struct Gcc {
    environment: Environment,
    overlay: Option<ExportOverlay>,
    limits: GccLimits,
}

impl Gcc {
    /// A preprocessor whose children see `environment`; without an overlay no [`ExportSite`](super::ExportSite)s are found.
    #[must_use]
    pub fn new(environment: Environment, overlay: Option<ExportOverlay>, limits: GccLimits) -> Gcc {
        Gcc {
            environment,
            overlay,
            limits,
        }
    }

    /// The text that the compiler prints for a unit.
    ///
    /// # Errors
    /// As for [`Preprocessor::read`].
    pub fn preprocess(&self, call: &Call) -> Result<Preprocessed, CppError> {
        self.run(call, Input::Source)
    }

    /// The text that the compiler prints for a C text in place of the call's source; its first line marker names `<stdin>`.
    ///
    /// # Errors
    /// As for [`Preprocessor::read`].
    pub fn preprocess_text(&self, call: &Call, text: &[u8]) -> Result<Preprocessed, CppError> {
        self.run(call, Input::Text(text))
    }

    fn run(&self, call: &Call, input: Input<'_>) -> Result<Preprocessed, CppError> {
        let depfile =
            tempfile::NamedTempFile::new_in(&self.environment.home).map_err(|source| {
                CppError::Run {
                    program: "a temporary file for dependencies".to_owned(),
                    source,
                }
            })?;
        let tree_header = self.overlay_for(call);
        let argv = self.argv(call, input, depfile.path(), tree_header.is_some());
        let (finished, text) = child::output(&Child {
            argv: &argv,
            cwd: &call.cwd,
            environment: &self.environment,
            stdin: match input {
                Input::Source => None,
                Input::Text(text) => Some(text),
            },
            time: self.limits.time,
            output: self.limits.output,
        })
        .map_err(|error| self.child_error(call, error))?;
        if !finished.status.success() {
            return Err(refused(call, &finished));
        }
        let mut rule = Vec::new();
        depfile
            .as_file()
            .take(DEPFILE_LIMIT)
            .read_to_end(&mut rule)
            .map_err(|source| CppError::Run {
                program: "the preprocessor's dependency file".to_owned(),
                source,
            })?;
        self.finish(call, text, prerequisites(&rule), tree_header)
    }

    /// Takes the traces of the overlay out of what the preprocessor gave.
    fn finish(
        &self,
        call: &Call,
        text: Vec<u8>,
        mut dependencies: Vec<PathBuf>,
        header: Option<(String, String)>,
    ) -> Result<Preprocessed, CppError> {
        let Some((overlay, tree)) = header else {
            let exports = match self.overlay {
                Some(ExportOverlay { folder: None, .. }) => markers::textual(&text),
                _ => Vec::new(),
            };
            return Ok(Preprocessed {
                text,
                dependencies,
                exports,
            });
        };
        let path = HeaderPath {
            overlay: overlay.as_bytes(),
            tree: tree.as_bytes(),
        };
        let (text, exports) = markers::cut(text, &path).map_err(|at| CppError::Failed {
            unit: call.source.clone(),
            message: format!(
                "the marker of an export at byte {at} of the preprocessed text cannot be read"
            ),
            missing: None,
        })?;
        for dependency in &mut dependencies {
            if dependency.as_os_str() == overlay.as_str() {
                // GCC leaves the same prefix out of dependency files.
                *dependency = PathBuf::from(tree.trim_start_matches("./"));
            }
        }
        Ok(Preprocessed {
            text,
            dependencies,
            exports,
        })
    }

    fn argv(
        &self,
        call: &Call,
        input: Input<'_>,
        depfile: &std::path::Path,
        overlaid: bool,
    ) -> Vec<OsString> {
        let mut argv = child::argv(&call.program);
        argv.extend(child::argv(["-E", "-D__GENKSYMS__", "-MD", "-MF"]));
        argv.push(depfile.as_os_str().to_owned());
        if let (true, Some(folder)) = (overlaid, self.overlay_folder()) {
            argv.push(format!("-I{folder}").into());
        }
        argv.extend(child::argv(call.args.iter().map(|word| &**word)));
        match input {
            Input::Source => argv.push(OsString::from(&call.source)),
            Input::Text(_) => argv.extend(child::argv(["-xc", "-"])),
        }
        argv
    }

    fn overlay_folder(&self) -> Option<&str> {
        self.overlay.as_ref()?.folder.as_deref()
    }

    /// The paths of the export header in the overlay and as the call without overlay would find it; `None` if there is
    /// no overlay or the call finds no such header.
    fn overlay_for(&self, call: &Call) -> Option<(String, String)> {
        let folder = self.overlay_folder()?;
        let tree = include_folders(&call.args)
            .into_iter()
            .map(|include| format!("{}/{HEADER}", include.trim_end_matches('/')))
            .find(|header| call.cwd.join(header).is_file())?;
        Some((format!("{folder}/{HEADER}"), tree))
    }

    fn child_error(&self, call: &Call, error: ChildError) -> CppError {
        let unit = call.source.clone();
        match error {
            ChildError::Run { program, source } => CppError::Run { program, source },
            ChildError::Time { limit, .. } => CppError::Limit {
                unit,
                what: "preprocessing time",
                limit: format!("{} s", limit.as_secs_f64()),
            },
            ChildError::Output { limit, .. } => CppError::Limit {
                unit,
                what: "preprocessed text",
                limit: format!("{limit} bytes"),
            },
            ChildError::Bound { what, limit, .. } => CppError::Limit { unit, what, limit },
            ChildError::Stopped { .. } | ChildError::Interrupted { .. } => CppError::Failed {
                unit,
                message: error.to_string(),
                missing: None,
            },
        }
    }
}

impl Preprocessor for Gcc {
    fn read(
        &self,
        call: &Call,
        input: Input<'_>,
        consumer: &mut Consumer<'_>,
    ) -> Result<Read, CppError> {
        let found = self.run(call, input)?;
        consumer(&mut TextTokens::new(&found.text));
        Ok(Read {
            dependencies: found.dependencies,
            exports: found.exports,
            // What the compiler expands cannot be seen.
            lines: LineUses::Anywhere,
        })
    }
}

/// The folders that `#include <...>` searches, in order: those of `-I`, then those of `-isystem`.
fn include_folders(args: &[Word]) -> Vec<&str> {
    let mut folders = Vec::new();
    let mut system = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let (list, joined) = if let Some(rest) = word.strip_prefix("-isystem") {
            (&mut system, rest)
        } else if let Some(rest) = word.strip_prefix("-I") {
            (&mut folders, rest)
        } else {
            continue;
        };
        if joined.is_empty() {
            list.extend(words.next().map(|word| &**word));
        } else {
            list.push(joined);
        }
    }
    folders.append(&mut system);
    folders
}

/// The error of a unit that the preprocessor refused.
fn refused(call: &Call, finished: &Finished) -> CppError {
    let text = String::from_utf8_lossy(&finished.stderr);
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("error"))
        .take(MESSAGE_LINES)
        .collect();
    if lines.is_empty() {
        lines = text.lines().take(MESSAGE_LINES).collect();
    }
    let message = if lines.is_empty() {
        format!(
            "the preprocessor ended with {} and said nothing",
            finished.status
        )
    } else {
        lines.join("; ")
    };
    CppError::Failed {
        unit: call.source.clone(),
        message,
        missing: text.lines().find_map(missing_file),
    }
}

/// The file that a message says is missing: `fatal error: X: No such file or directory` by GCC,
/// `fatal error: 'X' file not found` by Clang.
fn missing_file(line: &str) -> Option<String> {
    let (_, message) = line.split_once("fatal error: ")?;
    let name = message
        .strip_suffix(": No such file or directory")
        .or_else(|| {
            message
                .strip_suffix(" file not found")
                .map(|name| name.trim_matches('\''))
        })?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests;
