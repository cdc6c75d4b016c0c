//! A copy of `linux/export.h` that lets each export say its class and namespace.
//!
//! Under `__GENKSYMS__` the innermost export macro of `include/linux/export.h` expands to `__GENKSYMS_EXPORT_SYMBOL(sym)`
//! alone, so class and namespace vanish. The copy also emits a marker that repeats all parameters of the macro:
//!
//! ```text
//! #define ___EXPORT_SYMBOL(sym, sec, ns)  __GENKSYMS_EXPORT_SYMBOL(sym) __kabigate_export_site(sym, sec, ns)
//! ```
//!
//! The folder that holds the copy is searched first. Lines keep their numbers, so that the preprocessed text differs in
//! the markers, which `markers` cuts out again, and in the header's path, which is mapped back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::memmem;

/// Name of the marker in the preprocessed text.
pub(super) const MARKER: &str = "__kabigate_export_site";
/// The header that holds the export macros, below an include folder.
pub(super) const HEADER: &str = "linux/export.h";
/// What the innermost macro expands to under `__GENKSYMS__`.
const KEYWORD: &str = "__GENKSYMS_EXPORT_SYMBOL";
/// Bytes of a header that is read; the kernel's has five thousand.
const HEADER_LIMIT: u64 = 1 << 20;

/// How the exports of a tree tell their class and namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOverlay {
    /// The include folder with the instrumented header; `None` if the tree leaves `EXPORT_SYMBOL...` in the text.
    pub(super) folder: Option<String>,
    /// The header without symbolic links, and its instrumented text; `None` as for the folder.
    pub(super) header: Option<(PathBuf, Arc<[u8]>)>,
}

/// Why the export header of a tree cannot be instrumented.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// A file could not be read or written.
    #[error("{}: failed to {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The header has a shape that is not known.
    #[error("{}:{line}: {what}; class and namespace of exports cannot be told in this tree, please report its version", path.display())]
    Shape {
        /// The header.
        path: PathBuf,
        /// Line of the macro, from 1.
        line: usize,
        /// What is unexpected.
        what: &'static str,
    },
    /// The folder's name cannot be used on a command line or in a line marker.
    #[error("{}: the folder's name has characters that a line marker cannot hold; choose another work folder", path.display())]
    Name {
        /// The folder.
        path: PathBuf,
    },
}

impl ExportOverlay {
    /// Instruments `include/linux/export.h` of `tree` and writes it to `folder`, an absolute path, as an include folder.
    ///
    /// # Errors
    /// If the header cannot be read or written, or has no macro of a known shape.
    pub fn create(tree: &Path, folder: &Path) -> Result<ExportOverlay, OverlayError> {
        let path = tree.join("include").join(HEADER);
        let text = read(&path)?;
        let shape = |(line, what)| OverlayError::Shape {
            path: path.clone(),
            line,
            what,
        };
        let Some(changed) = instrument(&text).map_err(shape)? else {
            return Ok(ExportOverlay {
                folder: None,
                header: None,
            });
        };
        let name = folder
            .to_str()
            .filter(|name| folder.is_absolute() && !name.contains(['"', '\\', '\n']))
            .ok_or_else(|| OverlayError::Name {
                path: folder.to_owned(),
            })?;
        write(&folder.join(HEADER), &changed)?;
        let real = path.canonicalize().map_err(|source| OverlayError::Io {
            path: path.clone(),
            action: "find",
            source,
        })?;
        Ok(ExportOverlay {
            folder: Some(name.trim_end_matches('/').to_owned()),
            header: Some((real, changed.into())),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, OverlayError> {
    let failed = |source| OverlayError::Io {
        path: path.to_owned(),
        action: "read",
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, HEADER_LIMIT), &mut text).map_err(failed)?;
    Ok(text)
}

/// Writes a whole file or nothing: beside its place first, then renamed.
fn write(path: &Path, text: &[u8]) -> Result<(), OverlayError> {
    let failed = |source| OverlayError::Io {
        path: path.to_owned(),
        action: "write",
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    io::Write::write_all(&mut file, text).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Adds a marker to each macro whose body is the export keyword. `None` if the header leaves exports textual.
fn instrument(text: &[u8]) -> Result<Option<Vec<u8>>, (usize, &'static str)> {
    if memmem::find(text, KEYWORD.as_bytes()).is_none() {
        return match memmem::find(text, b"__GENKSYMS__") {
            Some(_) => Ok(None),
            None => Err((1, "no macro expands to __GENKSYMS_EXPORT_SYMBOL")),
        };
    }
    let mut changed = Vec::with_capacity(text.len() + 256);
    let mut found = false;
    let mut line = 1;
    for logical in LogicalLines(text) {
        let Some(marker) = marker_of(logical).map_err(|what| (line, what))? else {
            changed.extend_from_slice(logical);
            line += memchr::memchr_iter(b'\n', logical).count();
            continue;
        };
        let end = logical.trim_ascii_end().len();
        let (body, rest) = logical.split_at(end);
        changed.extend_from_slice(body);
        changed.extend_from_slice(marker.as_bytes());
        changed.extend_from_slice(rest);
        line += memchr::memchr_iter(b'\n', logical).count();
        found = true;
    }
    if found {
        Ok(Some(changed))
    } else {
        Err((1, "no #define has __GENKSYMS_EXPORT_SYMBOL as its body"))
    }
}

/// The marker to append to a logical line, if it is a `#define` whose body is the export keyword.
fn marker_of(logical: &[u8]) -> Result<Option<String>, &'static str> {
    let text = String::from_utf8_lossy(logical).replace("\\\n", " ");
    let Some(define) = text
        .trim_start()
        .strip_prefix('#')
        .and_then(|rest| rest.trim_start().strip_prefix("define"))
    else {
        return Ok(None);
    };
    if !define.contains(KEYWORD) {
        return Ok(None);
    }
    let (_, after) = define
        .split_once('(')
        .ok_or("the export macro takes no parameters")?;
    let (list, body) = after
        .split_once(')')
        .ok_or("the export macro's parameters do not end")?;
    let parameters: Vec<&str> = list.split(',').map(parameter).collect();
    let (symbol, rest) = parameters
        .split_first()
        .ok_or("the export macro takes no parameters")?;
    let body: String = body.split_whitespace().collect();
    if body != format!("{KEYWORD}({symbol})") {
        return Err(
            "the body of the export macro is not __GENKSYMS_EXPORT_SYMBOL of its first parameter",
        );
    }
    if rest.is_empty() || rest.len() > 2 {
        return Err("the export macro does not take symbol, licence and namespace");
    }
    Ok(Some(format!(" {MARKER}({})", parameters.join(", "))))
}

/// The name by which a macro's body refers to a parameter.
fn parameter(spelled: &str) -> &str {
    match spelled.trim() {
        "..." => "__VA_ARGS__",
        name => name.trim_end_matches("...").trim_end(),
    }
}

/// Lines of a text with their newlines, joined where a backslash ends them.
struct LogicalLines<'a>(&'a [u8]);

impl<'a> Iterator for LogicalLines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr_iter(b'\n', self.0)
            .find(|&at| at == 0 || self.0.get(at - 1) != Some(&b'\\'))
            .map_or(self.0.len(), |at| at + 1);
        let (line, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrumented(text: &str) -> String {
        let changed = instrument(text.as_bytes())
            .expect("a known shape")
            .expect("macros");
        String::from_utf8(changed).expect("text")
    }

    /// Checks both macros of 6.1's header, of which one carries a continuation line.
    #[test]
    fn shape_of_6_1() {
        let text = "#ifdef __GENKSYMS__\n\n#define ___EXPORT_SYMBOL(sym, sec, ns)\t\\\n\t__GENKSYMS_EXPORT_SYMBOL(sym)\n\n#else\n\
                    #define __cond_export_sym_0(sym, sec, ns) __GENKSYMS_EXPORT_SYMBOL(sym)\n";
        let want = "#ifdef __GENKSYMS__\n\n#define ___EXPORT_SYMBOL(sym, sec, ns)\t\\\n\t__GENKSYMS_EXPORT_SYMBOL(sym) __kabigate_export_site(sym, sec, ns)\n\n#else\n\
                    #define __cond_export_sym_0(sym, sec, ns) __GENKSYMS_EXPORT_SYMBOL(sym) __kabigate_export_site(sym, sec, ns)\n";
        assert_eq!(instrumented(text), want);
    }

    /// Checks 6.12's macro, and a named variable parameter.
    #[test]
    fn shape_of_6_12() {
        let text = "#define __EXPORT_SYMBOL(sym, license, ns)\t__GENKSYMS_EXPORT_SYMBOL(sym)\n";
        assert!(instrumented(text).ends_with("(sym) __kabigate_export_site(sym, license, ns)\n"));
        let text = "#define __EXPORT_SYMBOL(sym, license, ns...)\t__GENKSYMS_EXPORT_SYMBOL(sym)";
        assert!(instrumented(text).ends_with("(sym) __kabigate_export_site(sym, license, ns)"));
    }

    /// Checks that a header that only hides its macros from genksyms counts as textual.
    #[test]
    fn textual_header() {
        assert_eq!(
            instrument(b"#ifndef __GENKSYMS__\n#define EXPORT_SYMBOL(s) x\n#endif\n"),
            Ok(None)
        );
    }

    /// Checks that other shapes are refused with their line.
    #[test]
    fn unknown_shapes() {
        assert_eq!(
            instrument(b"#pragma once\n"),
            Err((1, "no macro expands to __GENKSYMS_EXPORT_SYMBOL"))
        );
        assert_eq!(
            instrument(b"\n#define E(sym) __GENKSYMS_EXPORT_SYMBOL(sym)\n"),
            Err((
                2,
                "the export macro does not take symbol, licence and namespace"
            ))
        );
        assert_eq!(
            instrument(b"#define E(sym, l, n) f(sym) __GENKSYMS_EXPORT_SYMBOL(sym)\n"),
            Err((
                1,
                "the body of the export macro is not __GENKSYMS_EXPORT_SYMBOL of its first parameter"
            ))
        );
    }
}
