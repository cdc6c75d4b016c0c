//! Which patch files make up a series, in which order, and how each is to be applied.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::error::HistoryError;

/// Bytes of one patch file or mbox; the patch between two kernel releases is below this.
const MAX_FILE: u64 = 256 << 20;

/// Bytes of a quilt `series` file.
const MAX_SERIES: u64 = 16 << 20;

/// Patches of a series; the largest distribution series have some 30,000.
pub(super) const MAX_PATCHES: usize = 100_000;

/// One file of a series. It holds one patch, or an mbox of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PatchFile {
    pub(super) path: PathBuf,
    /// The name that the user knows it by.
    pub(super) name: String,
    /// Leading components to strip from the paths in the patch.
    pub(super) strip: u32,
    /// Whether the patch is to be applied backwards.
    pub(super) is_reversed: bool,
}

impl PatchFile {
    fn new(path: PathBuf, name: String) -> PatchFile {
        PatchFile {
            path,
            name,
            strip: 1,
            is_reversed: false,
        }
    }
}

/// The files of the series at `path`: a folder with a quilt `series` file, a folder with `*.patch` files (in bytewise
/// order of their names, which is the order of git-format-patch), or a single file.
pub(super) fn list(path: &Path) -> Result<Vec<PatchFile>, HistoryError> {
    let path = fs::canonicalize(path).map_err(|e| HistoryError::io("read", path, e))?;
    let quilt = path.join("series");
    let (files, looked_for) = if path.is_file() {
        (vec![PatchFile::new(path.clone(), name_of(&path))], "a file")
    } else if quilt.is_file() {
        (
            read_quilt(&path, &quilt)?,
            "patches named in its series file",
        )
    } else {
        (read_folder(&path)?, "*.patch files, or a series file")
    };
    if files.is_empty() {
        return Err(HistoryError::SeriesEmpty { path, looked_for });
    }
    if files.len() > MAX_PATCHES {
        return Err(too_many(&path));
    }
    for file in &files {
        check_inside(&path, file)?;
        check_size(&file.path, MAX_FILE)?;
    }
    Ok(files)
}

pub(super) fn too_many(path: &Path) -> HistoryError {
    HistoryError::Limit {
        what: format!("{}: number of patches", path.display()),
        limit: MAX_PATCHES.to_string(),
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// A series can be a stranger's: a link in it must not make us quote another file of the machine.
fn check_inside(folder: &Path, file: &PatchFile) -> Result<(), HistoryError> {
    let real = fs::canonicalize(&file.path).map_err(|e| HistoryError::io("read", &file.path, e))?;
    if real.starts_with(folder) {
        return Ok(());
    }
    Err(HistoryError::PatchInvalid {
        place: file.path.display().to_string(),
        reason: "is a link that leads out of the series' folder".to_owned(),
    })
}

fn check_size(path: &Path, limit: u64) -> Result<(), HistoryError> {
    let found = fs::metadata(path).map_err(|e| HistoryError::io("read", path, e))?;
    if found.len() > limit {
        return Err(HistoryError::Limit {
            what: format!("size of {}", path.display()),
            limit: format!("{} MiB", limit >> 20),
        });
    }
    Ok(())
}

fn read_folder(folder: &Path) -> Result<Vec<PatchFile>, HistoryError> {
    let wrap = |error| HistoryError::io("read", folder, error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrap)? {
        let path = entry.map_err(wrap)?.path();
        if path.extension().is_some_and(|end| end == "patch") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort_unstable_by(|a, b| a.file_name().cmp(&b.file_name()));
    let file = |path: PathBuf| {
        let name = name_of(&path);
        PatchFile::new(path, name)
    };
    Ok(paths.into_iter().map(file).collect())
}

fn read_quilt(folder: &Path, series: &Path) -> Result<Vec<PatchFile>, HistoryError> {
    check_size(series, MAX_SERIES)?;
    let bytes = fs::read(series).map_err(|e| HistoryError::io("read", series, e))?;
    parse_quilt(&bytes, &series.display().to_string(), folder)
}

/// Reads a quilt `series` file: a patch per line with its options, `#` starts a comment at a line's begin or after a blank.
fn parse_quilt(bytes: &[u8], name: &str, folder: &Path) -> Result<Vec<PatchFile>, HistoryError> {
    let mut files = Vec::new();
    for (line, number) in bytes.split(|b| *b == b'\n').zip(1u32..) {
        let wrong = |reason: String| HistoryError::PatchInvalid {
            place: format!("{name}:{number}"),
            reason,
        };
        let line = std::str::from_utf8(line).map_err(|_| wrong("is not UTF-8".to_owned()))?;
        let mut words = line
            .split_ascii_whitespace()
            .take_while(|word| !word.starts_with('#'));
        let Some(patch) = words.next() else {
            continue;
        };
        if !stays_inside(patch) {
            return Err(wrong(format!("{patch:?} is not a path below the folder")));
        }
        let mut file = PatchFile::new(folder.join(patch), patch.to_owned());
        for word in words {
            read_option(&mut file, word)
                .ok_or_else(|| wrong(format!("unknown option {word:?} (known: -pN, -R)")))?;
        }
        if !file.path.is_file() {
            return Err(wrong(format!("{patch:?} does not exist")));
        }
        files.push(file);
    }
    Ok(files)
}

fn stays_inside(patch: &str) -> bool {
    Path::new(patch)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// `-pab` is quilt's way to say that the patch has `a/` and `b/` before its paths.
fn read_option(file: &mut PatchFile, word: &str) -> Option<()> {
    match (word, word.strip_prefix("-p")) {
        ("-R", _) => file.is_reversed = true,
        (_, Some("ab")) => file.strip = 1,
        (_, Some(count)) => file.strip = count.parse().ok()?,
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quilt_lines_are_read() {
        // Checks comments, blank lines, folders and every option.
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("net")).expect("a folder");
        for name in ["a.patch", "b.diff", "net/c.patch", "x#y.patch"] {
            fs::write(folder.path().join(name), "").expect("a patch");
        }
        let text =
            b"# head\n\na.patch\n  b.diff -p0 # why\n\tnet/c.patch -R -p2\nx#y.patch -pab\r\n";
        let files = parse_quilt(text, "series", folder.path()).expect("a series");
        let read: Vec<(&str, u32, bool)> = files
            .iter()
            .map(|f| (f.name.as_str(), f.strip, f.is_reversed))
            .collect();
        assert_eq!(
            read,
            [
                ("a.patch", 1, false),
                ("b.diff", 0, false),
                ("net/c.patch", 2, true),
                ("x#y.patch", 1, false)
            ]
        );
    }

    #[test]
    fn bad_quilt_lines_name_their_line() {
        // Checks the exact message of each refused line.
        for (text, message) in [
            ("a\n", "series:1: \"a\" does not exist"),
            (
                "\n/etc/passwd\n",
                "series:2: \"/etc/passwd\" is not a path below the folder",
            ),
            ("../a", "series:1: \"../a\" is not a path below the folder"),
            ("a -px", "series:1: unknown option \"-px\" (known: -pN, -R)"),
            (
                "a +guard",
                "series:1: unknown option \"+guard\" (known: -pN, -R)",
            ),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let error = parse_quilt(text.as_bytes(), "series", folder.path()).err();
            assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(message));
        }
        let error = parse_quilt(b"\xff\n", "series", Path::new("/")).err();
        assert_eq!(error.map(|e| e.code()), Some("input-invalid"));
    }

    #[test]
    fn links_out_of_the_folder_are_refused() {
        // Checks a *.patch file that stands for another file of the machine.
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("a.patch")).expect("a link");
        let error = list(folder.path()).err().map(|e| e.to_string());
        assert!(error.is_some_and(|text| text.contains("leads out of the series' folder")));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_series_or_an_error(bytes: Vec<u8>) {
            // Checks that no content of a series file makes the reader panic.
            let _ = parse_quilt(&bytes, "series", Path::new("/nowhere"));
        }
    }

    #[test]
    fn patch_files_come_in_bytewise_order() {
        // Checks order and that other files of the folder are left alone.
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "0010-b.patch",
            "0002-a.patch",
            "B.patch",
            "a.patch",
            "README",
            "c.patch~",
        ] {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        let files = list(folder.path()).expect("a series");
        let names: Vec<&str> = files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(
            names,
            ["0002-a.patch", "0010-b.patch", "B.patch", "a.patch"]
        );
    }

    #[test]
    fn a_folder_without_patches_is_an_empty_range() {
        // Checks that nothing to check is never taken for a pass.
        let folder = tempfile::tempdir().expect("a folder");
        let error = list(folder.path()).err();
        assert_eq!(error.as_ref().map(HistoryError::code), Some("range-empty"));
        assert!(error.is_some_and(|e| e.is_not_checked()));
    }
}
