//! Red Hat's folders with one file for each protected symbol (`redhat/kabi/kabi-module/kabi_ARCH/SYMBOL`).
//!
//! ```text
//! #1-4                     from minor release 1 on, up to and without 4; nothing behind the dash: to this day
//! #I:1                     the line in force, counted from 0; lines before it are history
//! #P:net/core/skbuff.c     the source that exports it
//! 0x5b7070d6  __alloc_skb  vmlinux  EXPORT_SYMBOL
//! 0x6a1c2f30  __alloc_skb  vmlinux  EXPORT_SYMBOL
//! ```
//!
//! The file has the name of its symbol. Beside it may stand `.SYMBOL`: the symtypes of the exporting unit.

use std::fs;
use std::path::{Path, PathBuf};

use super::read::parse_line;
use super::unpack::{UnpackError, read_file};
use super::{Export, Problems, Symvers, SymversError};

/// Bytes of one file; they have a few hundred.
const FILE_LIMIT: u64 = 1 << 20;
/// Files of a folder; the largest known have some 7,000.
const COUNT_LIMIT: usize = 200_000;
/// Files that are looked at to tell the kind of a folder.
const LOOKED_AT: usize = 8;

/// The minor releases that a symbol is protected in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Releases {
    min: u32,
    /// The first one that it is no longer protected in.
    end: Option<u32>,
}

impl Releases {
    /// Whether a minor release is one of them; `None` stands for the newest.
    fn hold(self, minor: Option<u32>) -> bool {
        match minor {
            Some(minor) => self.min <= minor && self.end.is_none_or(|end| minor < end),
            None => self.end.is_none(),
        }
    }
}

impl Symvers {
    /// Reads the files of such a folder, each as its name and content: the lines in force in a minor release, or today.
    /// Files whose name starts with `.` are passed over.
    ///
    /// # Errors
    /// All files that are wrong, each with its line; a folder without a symbol that is in force.
    pub fn read_kabi_module(
        files: &[(String, Vec<u8>)],
        minor: Option<u32>,
        name: &str,
    ) -> Result<Symvers, SymversError> {
        let mut problems = Problems::default();
        let mut exports = Vec::new();
        for (file, bytes) in files.iter().filter(|(file, _)| !file.starts_with('.')) {
            match symbol_file(bytes, file) {
                Ok((releases, export)) if releases.hold(minor) => {
                    exports.push(export);
                }
                Ok(_) => {}
                Err((line, what)) => problems.push(0, format!("{file}:{line}: {what}")),
            }
        }
        if !problems.is_empty() {
            return Err(SymversError::Invalid {
                name: name.to_owned(),
                problems,
                looks_like: None,
            });
        }
        if exports.is_empty() {
            return Err(SymversError::Empty {
                name: name.to_owned(),
            });
        }
        Ok(exports.into_iter().collect())
    }

    /// Reads such a folder from the file system.
    ///
    /// # Errors
    /// As [`Symvers::read_kabi_module`], and if a file cannot be read.
    pub fn load_kabi_module(folder: &Path, minor: Option<u32>) -> Result<Symvers, SymversError> {
        let mut files = Vec::new();
        for (name, path) in entries(folder)? {
            if !name.starts_with('.') {
                files.push((name, read_file(&path, FILE_LIMIT)?));
            }
        }
        Symvers::read_kabi_module(&files, minor, &folder.display().to_string())
    }
}

/// Whether a file of that name and content is one of such a folder.
#[must_use]
pub fn is_kabi_module_file(name: &str, bytes: &[u8]) -> bool {
    let first = bytes.split(|&byte| byte == b'\n').next();
    let first = first.map(String::from_utf8_lossy);
    !name.starts_with('.') && first.is_some_and(|line| releases(line.trim_end()).is_some())
}

/// Whether a folder is such a one, judged by its first files.
#[must_use]
pub fn is_kabi_module_folder(folder: &Path) -> bool {
    let Ok(entries) = entries(folder) else {
        return false;
    };
    let plain = entries.iter().filter(|(name, _)| !name.starts_with('.'));
    plain.take(LOOKED_AT).any(|(name, path)| {
        read_file(path, FILE_LIMIT).is_ok_and(|bytes| is_kabi_module_file(name, &bytes))
    })
}

/// The symtypes that stand beside the symbols in such a folder, by symbol.
///
/// # Errors
/// If the folder cannot be listed.
pub fn kabi_module_types(folder: &Path) -> Result<Vec<(String, PathBuf)>, UnpackError> {
    let entries = entries(folder)?;
    let is_symbol = |symbol: &str| {
        let at = entries.binary_search_by(|(name, _)| name.as_str().cmp(symbol));
        at.is_ok()
    };
    let types = entries.iter().filter_map(|(name, path)| {
        let symbol = name.strip_prefix('.')?;
        is_symbol(symbol).then(|| (symbol.to_owned(), path.clone()))
    });
    Ok(types.collect())
}

/// The files of a folder by name; no folders.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, UnpackError> {
    let failed = |source| UnpackError::Open {
        name: folder.display().to_string(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_file() {
            found.push((
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            ));
        }
        if found.len() > COUNT_LIMIT {
            return Err(failed(std::io::Error::other(format!(
                "more than {COUNT_LIMIT} files"
            ))));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads one file; an error names its line.
fn symbol_file(bytes: &[u8], name: &str) -> Result<(Releases, Export), (usize, String)> {
    let text = std::str::from_utf8(bytes).map_err(|_| (1, "not UTF-8".to_owned()))?;
    let mut covered = None;
    let mut in_force = None;
    let mut exports = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = |what: &str| (at + 1, what.to_owned());
        let line = line.trim_end();
        if let Some(found) = releases(line).filter(|_| covered.is_none()) {
            covered = Some(found);
        } else if let Some(number) = line.strip_prefix("#I:") {
            let number = number.trim().parse::<usize>();
            in_force = Some(number.map_err(|_| wrong("`#I:` without a number"))?);
        } else if !line.is_empty() && !line.starts_with('#') {
            let export = parse_line(line).map_err(|what| (at + 1, what))?;
            if export.symbol != name {
                let what = format!(
                    "the line of `{}` in the file of another symbol",
                    export.symbol
                );
                return Err((at + 1, what));
            }
            exports.push(export);
        }
    }
    let covered = covered.ok_or_else(|| {
        let what = "no line of minor releases; expected `#1-` or `#1-4` first";
        (1, what.to_owned())
    })?;
    let at = match (in_force, exports.len()) {
        (None, 0 | 1) => 0,
        (None, several) => {
            let what = format!("{several} lines and no `#I:` that says which one is in force");
            return Err((1, what));
        }
        (Some(at), _) => at,
    };
    let count = exports.len();
    let export = exports.into_iter().nth(at);
    let export = export.ok_or_else(|| (1, format!("line {at} is in force, of {count}")))?;
    Ok((covered, export))
}

/// Reads `#1-` or `#1-4`.
fn releases(line: &str) -> Option<Releases> {
    let (min, end) = line.strip_prefix('#')?.split_once('-')?;
    let number = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse().ok())
    };
    Some(Releases {
        min: number(min)??,
        end: match end {
            "" => None,
            end => Some(number(end)??),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKB: &str = "#1-\n#I:1\n#P:net/core/skbuff.c\n\
        0x5b7070d6\t__alloc_skb\tvmlinux\tEXPORT_SYMBOL\t\n0x6a1c2f30\t__alloc_skb\tvmlinux\tEXPORT_SYMBOL\t\n";
    const OLD: &str = "#2-4\n0x00000001\told\tvmlinux\tEXPORT_SYMBOL_GPL\t\n";

    fn read(files: &[(&str, &str)], minor: Option<u32>) -> Result<Symvers, String> {
        let files: Vec<(String, Vec<u8>)> = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        Symvers::read_kabi_module(&files, minor, "kabi_x86_64").map_err(|error| error.to_string())
    }

    /// The line in force counts, and a symbol only in the releases that it is protected in.
    #[test]
    fn lines_in_force() {
        let files = [
            ("__alloc_skb", SKB),
            ("old", OLD),
            (".old", "no symvers line"),
        ];
        let symbols = |minor| {
            let symvers = read(&files, minor).expect("reads");
            let shown = symvers.iter().map(|e| format!("{} {}", e.symbol, e.crc));
            shown.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(symbols(None), "__alloc_skb 0x6a1c2f30");
        assert_eq!(symbols(Some(3)), "__alloc_skb 0x6a1c2f30, old 0x00000001");
        assert_eq!(symbols(Some(4)), symbols(None));
        assert!(is_kabi_module_file("old", OLD.as_bytes()));
        assert!(!is_kabi_module_file(".old", OLD.as_bytes()));
        assert!(!is_kabi_module_file("x", b"# a list\nfoo\n"));
    }

    /// Files that say nothing certain are refused with their line.
    #[test]
    fn rejected_files() {
        for (name, text, message) in [
            (
                "other",
                SKB,
                "other:4: the line of `__alloc_skb` in the file of another symbol",
            ),
            (
                "old",
                "0x1\told\tvmlinux\tEXPORT_SYMBOL\t\n",
                "old:1: no line of minor releases",
            ),
            (
                "old",
                "#1-\n#I:1\n0x1\told\tvmlinux\tEXPORT_SYMBOL\t\n",
                "old:1: line 1 is in force, of 1",
            ),
            ("old", "#1-\n#I:x\n", "old:2: `#I:` without a number"),
            ("old", "#1-\n", "old:1: line 0 is in force, of 0"),
            (
                "old",
                "#1-\n0x1\told\tv\tEXPORT_SYMBOL\n0x2\told\tv\tEXPORT_SYMBOL\n",
                "old:1: 2 lines and no `#I:`",
            ),
            ("old", "#1-\nold\n", "old:2: 1 column"),
        ] {
            let error = read(&[(name, text)], None).expect_err(message);
            assert!(error.contains(message), "{error}");
        }
        assert!(
            read(&[("old", OLD)], None)
                .expect_err("nothing")
                .contains("no exported symbol")
        );
    }

    /// A folder is told by its files, and the types beside a symbol are found.
    #[test]
    fn folders() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("old", OLD),
            (".old", "int old"),
            (".gitignore", "x"),
            ("__alloc_skb", SKB),
        ] {
            fs::write(folder.path().join(name), text).expect("writes");
        }
        assert!(is_kabi_module_folder(folder.path()));
        assert_eq!(
            Symvers::load_kabi_module(folder.path(), Some(2))
                .expect("reads")
                .len(),
            2
        );
        let types = kabi_module_types(folder.path()).expect("lists");
        assert_eq!(types, [("old".to_owned(), folder.path().join(".old"))]);
    }
}
