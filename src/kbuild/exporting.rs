//! Which units can export at all.
//!
//! In flow the scans of a tree's files, out flows a yes or no per unit. A unit that exports does so through a macro that
//! leads to the kernel's `EXPORT_SYMBOL`. The index finds the names of all such macros, then all files that use one, then
//! all files that include such a file.
//!
//! Contract: a unit that exports is a candidate (but for an `#include` or a macro whose name is itself computed by a
//! macro); a candidate need not export. Includes of the form `"x"` are looked up beside the includer; what is not found
//! there, and `<x>`, counts as every file whose path ends in `x`, and `<asm/x>` also as `asm-generic/x`, to which the build
//! forwards by headers that it generates. Cost: two passes over the scans and as many more as macros
//! are nested.
//!
//! Example: `pm.h` has `#define EXPORT_OPS(x) _OPS(x); EXPORT_SYMBOL(x)`, and `a.c` includes `"a-ops.c"`, which uses
//! `EXPORT_OPS`. Then `EXPORT_OPS` leads to an export, `a-ops.c` uses it, and `a.c` is a candidate; `pm.h` alone makes
//! none.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::FileScan;
use super::Unit;
use super::plan::normal;
use super::scan::Define;
use super::scan::Essence;

/// Knows of each file of a tree whether an export can come from it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExportIndex {
    known: HashMap<String, bool>,
    /// Hashes of the names of macros that lead to an export.
    macros: HashSet<u32>,
}

impl ExportIndex {
    /// Builds the index from scans of all headers and sources of a tree (or more), by their paths in it, for one
    /// architecture's folder below `arch/`.
    #[must_use]
    pub fn new<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a FileScan)>,
        arch: &str,
    ) -> ExportIndex {
        let mut files: Vec<(&str, &FileScan)> = files.into_iter().collect();
        files.sort_unstable_by_key(|(path, _)| *path);
        let macros = exporting_macros(&files);
        let mut exports: Vec<bool> = files
            .iter()
            .map(|(path, scan)| uses(path, scan, &macros))
            .collect();
        spread(&files, &mut exports, arch);
        ExportIndex {
            macros,
            known: files
                .iter()
                .zip(&exports)
                .map(|((path, _), exports)| ((*path).to_owned(), *exports))
                .collect(),
        }
    }

    /// What of a file's scan the index depends on: its includes, the macros of it that lead to an export, and whether it
    /// uses one. The index stays as it is when a file's scan becomes another one of the same essence.
    #[must_use]
    pub fn essence(&self, path: &str, scan: &FileScan) -> Essence {
        let leads = |define: &&Define| {
            define.exports
                || self.macros.contains(&define.name)
                || define.words.iter().any(|word| self.macros.contains(word))
        };
        let defines: Vec<&Define> = scan.defines.iter().filter(leads).collect();
        Essence::of(&(&scan.includes, defines, uses(path, scan, &self.macros)))
    }

    /// Whether the unit may export something. Generated sources and sources that were not scanned may.
    #[must_use]
    pub fn is_candidate(&self, unit: &Unit) -> bool {
        unit.generated || self.known.get(&unit.source).copied().unwrap_or(true)
    }
}

/// Whether a file itself uses a macro that leads to an export. Macros are told apart by name alone, so those of headers
/// count everywhere; a source that defines such a macro is taken to use it, and its name counts nowhere else.
fn uses(path: &str, scan: &FileScan, macros: &HashSet<u32>) -> bool {
    let leads = |words: &[u32]| words.iter().any(|word| macros.contains(word));
    scan.exports
        || leads(&scan.words)
        || (!is_header(path)
            && scan
                .defines
                .iter()
                .any(|define| define.exports || leads(&define.words)))
}

fn is_header(path: &str) -> bool {
    path.ends_with(".h")
}

/// Hashes of the names of headers' macros that lead to an export, to a fixpoint over all definitions.
fn exporting_macros(files: &[(&str, &FileScan)]) -> HashSet<u32> {
    let mut macros = HashSet::new();
    let mut open = Vec::new();
    let headers = files.iter().filter(|(path, _)| is_header(path));
    for define in headers.flat_map(|(_, scan)| &scan.defines) {
        if define.exports {
            macros.insert(define.name);
        } else {
            open.push(define);
        }
    }
    // Each round but the last adds a name, so there are at most as many rounds as macros; nesting is a handful deep.
    loop {
        let before = macros.len();
        open.retain(|define| {
            let leads = define.words.iter().any(|word| macros.contains(word));
            if leads {
                macros.insert(define.name);
            }
            !leads
        });
        if macros.len() == before {
            return macros;
        }
    }
}

/// Marks every file that includes a marked one, to a fixpoint.
fn spread(files: &[(&str, &FileScan)], exports: &mut [bool], arch: &str) {
    let by_path: HashMap<&str, usize> = files
        .iter()
        .enumerate()
        .map(|(at, (path, _))| (*path, at))
        .collect();
    let mut beside: Vec<Vec<usize>> = vec![Vec::new(); files.len()];
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, (path, scan)) in files.iter().enumerate() {
        for include in &scan.includes {
            let target = include.quoted.then(|| neighbour(path, &include.name));
            match target.and_then(|path| by_path.get(path.as_str()).copied()) {
                Some(target) => {
                    if let Some(users) = beside.get_mut(target) {
                        users.push(at);
                    }
                }
                None => by_name.entry(below(&include.name)).or_default().push(at),
            }
        }
    }
    let mut todo: Vec<usize> = (0..files.len())
        .filter(|&at| exports.get(at) == Some(&true))
        .collect();
    while let Some(at) = todo.pop() {
        let path = files.get(at).map_or("", |(path, _)| *path);
        let users: Vec<usize> = beside
            .get(at)
            .into_iter()
            .flatten()
            .chain(
                names(path, arch)
                    .filter_map(|name| by_name.get(name.as_ref()))
                    .flatten(),
            )
            .copied()
            .collect();
        for user in users {
            if let Some(flag) = exports.get_mut(user)
                && !std::mem::replace(flag, true)
            {
                todo.push(user);
            }
        }
    }
}

/// The path that `name` has when it is looked up beside `includer`.
fn neighbour(includer: &str, name: &str) -> String {
    let folder = includer.rsplit_once('/').map_or("", |(folder, _)| folder);
    normal(&format!("{folder}/{name}"))
        .trim_start_matches('/')
        .to_owned()
}

/// The part of an include's name below the last `..`.
fn below(name: &str) -> &str {
    name.rsplit_once("../").map_or(name, |(_, below)| below)
}

/// The names by which a file can be included from an include folder: all ends of its path. `asm/...` is a name for files
/// of the architecture alone (and of x86 for user-mode Linux, which borrows from it).
fn names<'a>(path: &'a str, arch: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    let foreign = path
        .strip_prefix("arch/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(folder, _)| folder != arch && !(arch == "um" && folder == "x86"));
    let starts = path.match_indices('/').map(|(at, _)| at + 1);
    let ends = std::iter::once(0)
        .chain(starts)
        .filter_map(|at| path.get(at..))
        .filter(move |end| !(foreign && end.starts_with("asm/")));
    ends.flat_map(|end| {
        let forwarded = end
            .strip_prefix("asm-generic/")
            .map(|rest| Cow::Owned(format!("asm/{rest}")));
        std::iter::once(Cow::Borrowed(end)).chain(forwarded)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpp::Call;
    use crate::kbuild::Language;

    fn candidates(files: &[(&str, &str)]) -> Vec<String> {
        let scans: Vec<(&str, FileScan)> = files
            .iter()
            .map(|(path, text)| (*path, FileScan::scan(text.as_bytes())))
            .collect();
        let index = ExportIndex::new(scans.iter().map(|(path, scan)| (*path, scan)), "x86");
        files
            .iter()
            .filter(|(path, _)| index.is_candidate(&unit(path, false)))
            .map(|(path, _)| (*path).to_owned())
            .collect()
    }

    fn unit(source: &str, generated: bool) -> Unit {
        Unit {
            object: source.to_owned(),
            source: source.to_owned(),
            generated,
            language: Language::C,
            call: Call {
                program: Vec::new(),
                args: Vec::new(),
                source: source.to_owned(),
                cwd: std::path::PathBuf::new(),
            },
            module: "vmlinux".to_owned(),
            prototypes: None,
        }
    }

    const EXPORT_H: (&str, &str) = (
        "include/linux/export.h",
        "#define EXPORT_SYMBOL(s) _EXPORT_SYMBOL(s, \"\")\n#define EXPORT_STATIC_CALL(n) EXPORT_SYMBOL(n)\n",
    );

    /// Checks direct use, use through macros of other names in other files, and that defining alone is no use.
    #[test]
    fn macros_lead_to_exports() {
        let found = candidates(&[
            EXPORT_H,
            (
                "a.c",
                "#include <linux/export.h>\nint a; EXPORT_SYMBOL(a);\n",
            ),
            ("b.c", "EXPORT_STATIC_CALL(b)\n"),
            ("ops.h", "#define MY_OPS(x) x; \\\n ADD(x)\n"),
            ("add.h", "#define ADD(x) EXPORT_STATIC_CALL(x)\n"),
            ("c.c", "#include \"ops.h\"\nMY_OPS(c)\n"),
            ("d.c", "#include \"ops.h\"\nint d; /* EXPORT_SYMBOL(d) */\n"),
            ("e.c", "#define D(x) EXPORT_STATIC_CALL(x)\nD(e)\n"),
            ("f.c", "#define F(D) D\nD(f)\n"),
        ]);
        assert_eq!(found, ["a.c", "b.c", "c.c", "e.c"]);
    }

    /// Checks exports that come from included files: beside the includer, up a folder, and from an include folder.
    #[test]
    fn includes_lead_to_exports() {
        let found = candidates(&[
            ("lib/x.c", "EXPORT_SYMBOL(x);\n"),
            ("lib/y.c", "int y;\n"),
            ("lib/z/u.c", "#include \"../x.c\"\n"),
            ("lib/z/v.c", "#include \"../y.c\"\n"),
            ("lib/z/w.c", "#include \"u.c\"\n"),
            ("arch/x86/include/asm/thunk.h", "EXPORT_SYMBOL(thunk)\n"),
            ("lib/t.S", "#include <asm/thunk.h>\n"),
            ("lib/z/y.c", "#include \"x.c\"\n"),
            ("lib/n.c", "#include <linux/thunk.h>\n"),
            ("include/asm-generic/g.h", "EXPORT_SYMBOL(g)\n"),
            ("lib/g.S", "#include <asm/g.h>\n"),
            ("arch/arm64/include/asm/h.h", "EXPORT_SYMBOL(h)\n"),
            ("lib/h.S", "#include <asm/h.h>\n"),
            ("lib/i.c", "#include <../../arm64/include/asm/h.h>\n"),
        ]);
        assert_eq!(
            found,
            [
                "lib/x.c",
                "lib/z/u.c",
                "lib/z/w.c",
                "arch/x86/include/asm/thunk.h",
                "lib/t.S",
                "lib/z/y.c",
                "include/asm-generic/g.h",
                "lib/g.S",
                "arch/arm64/include/asm/h.h",
                "lib/i.c"
            ]
        );
    }

    /// Checks that files that include each other do not keep the index from ending.
    #[test]
    fn cycles_end() {
        let found = candidates(&[
            ("a.h", "#include \"b.h\"\n"),
            ("b.h", "#include \"a.h\"\n"),
            ("c.h", "#include \"d.h\"\nEXPORT_SYMBOL(c);\n"),
            ("d.h", "#include \"c.h\"\n"),
        ]);
        assert_eq!(found, ["c.h", "d.h"]);
    }

    /// Checks that what is not known counts as a candidate.
    #[test]
    fn unknown_files_are_candidates() {
        let index = ExportIndex::new([], "x86");
        assert!(index.is_candidate(&unit("gone.c", false)));
        let scan = FileScan::scan(b"int x;");
        let index = ExportIndex::new([("x.c", &scan)], "x86");
        assert!(!index.is_candidate(&unit("x.c", false)));
        assert!(index.is_candidate(&unit("x.c", true)));
    }
}
