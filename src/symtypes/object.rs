//! Symtypes of single units, as `genksyms -T` writes one beside each object, and folders of them.
//!
//! The files of a kernel repeat the same definitions thousands of times: 400 MB hold 12 MB of distinct lines. So a line
//! is looked up whole, and read only once.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::collect::{Collector, Scope};
use super::line::{Line, parse, single_blanks};
use super::table::{Table, index};
use super::{NameId, SymtypesError, TextId, TypeGraph, is_opaque};
use crate::symvers::{UNPACK_LIMIT, UnpackError, read_file, unpack};

/// How the names of these files end.
const ENDING: &str = "symtypes";
/// How deep folders may be nested below the one that is given.
const DEPTH_LIMIT: usize = 64;
/// Files of a folder; a kernel has some 4,000.
const FILE_LIMIT: usize = 1_000_000;
/// Parts that the files are read in; each keeps its own lines, so more of them cost more.
const PARTS: usize = 4;

/// A file's lines as numbers in the table of its part.
struct Lines {
    file: usize,
    lines: Vec<u32>,
}

/// Some of the files.
#[derive(Default)]
struct Part {
    table: Table,
    files: Vec<Lines>,
}

/// What a distinct line says.
#[derive(Clone)]
enum Meaning {
    Blank,
    Record(NameId, TextId, bool, Scope),
    Wrong(String),
}

impl TypeGraph {
    /// Reads the symtypes of one unit; `path` is the unit's path without ending, `name` names the file in errors.
    ///
    /// # Errors
    /// If a line is no record, a name stands twice, or a reference has no record.
    pub fn from_object(bytes: &[u8], path: &str, name: &str) -> Result<TypeGraph, SymtypesError> {
        TypeGraph::default().object(bytes, path, name)
    }

    /// As [`TypeGraph::from_object`], into this graph, which has no units.
    pub(super) fn object(
        self,
        bytes: &[u8],
        path: &str,
        name: &str,
    ) -> Result<TypeGraph, SymtypesError> {
        let mut part = Part::default();
        part.read(0, bytes, name)?;
        join(self, vec![part], &[path.to_owned()], name)
    }

    /// Reads all files of a folder and the folders below it whose names end in `.symtypes`, packed or not.
    ///
    /// # Errors
    /// If a file cannot be read or is wrong, or there is none.
    pub fn from_folder(folder: &Path) -> Result<TypeGraph, SymtypesError> {
        TypeGraph::default().folder(folder)
    }

    /// As [`TypeGraph::from_folder`], into this graph, which has no units.
    pub(super) fn folder(self, folder: &Path) -> Result<TypeGraph, SymtypesError> {
        let name = folder.display().to_string();
        let files = files(folder)?;
        if files.is_empty() {
            return Err(SymtypesError::NoFiles { name });
        }
        self.files(&files, &name)
    }

    /// Reads the symtypes of units into this graph, which has none; each as the unit's path and its file, packed or not;
    /// `name` stands for all of them in errors.
    ///
    /// # Errors
    /// If a file cannot be read or is wrong.
    pub fn files(
        self,
        files: &[(String, PathBuf)],
        name: &str,
    ) -> Result<TypeGraph, SymtypesError> {
        let paths: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
        let size = files.len().div_ceil(PARTS).max(1);
        let parts: Result<Vec<Part>, SymtypesError> = files
            .par_chunks(size)
            .enumerate()
            .map(|(at, files)| {
                let mut part = Part::default();
                for (below, (_, file)) in files.iter().enumerate() {
                    let name = file.display().to_string();
                    let bytes = read_file(file, UNPACK_LIMIT)?;
                    let text = unpack(&bytes, &name, UNPACK_LIMIT)?;
                    part.read(at * size + below, &text, &name)?;
                }
                Ok(part)
            })
            .collect();
        join(self, parts?, &paths, name)
    }
}

impl Part {
    fn read(&mut self, file: usize, bytes: &[u8], name: &str) -> Result<(), SymtypesError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + memchr::memchr_iter(b'\n', before).count();
            SymtypesError::one(name, line, "not UTF-8")
        })?;
        let mut lines = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
            let line = rest[..end].trim_end_matches([' ', '\r']);
            lines.push(self.table.intern(line).0);
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        self.files.push(Lines { file, lines });
        Ok(())
    }
}

/// The files of a folder with the paths of their units, sorted.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, SymtypesError> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = open.pop() {
        let failed = |source| {
            SymtypesError::Unpack(UnpackError::Open {
                name: folder.display().to_string(),
                source,
            })
        };
        if depth > DEPTH_LIMIT {
            return Err(SymtypesError::TooDeep {
                name: folder.display().to_string(),
                limit: DEPTH_LIMIT,
            });
        }
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if kind.is_dir() {
                open.push((entry.path(), format!("{path}/"), depth + 1));
            } else if let Some(unit) = unit_name(&path).filter(|_| entry.path().is_file()) {
                found.push((unit, entry.path()));
            }
        }
        if found.len() > FILE_LIMIT {
            return Err(SymtypesError::TooMany {
                name: folder.display().to_string(),
                limit: FILE_LIMIT,
            });
        }
    }
    found.sort();
    Ok(found)
}

/// The path of the unit that a file is of: without the ending, and without that of a packed file.
fn unit_name(path: &str) -> Option<String> {
    let plain = [".gz", ".xz", ".zst"]
        .iter()
        .find_map(|packed| path.strip_suffix(packed))
        .unwrap_or(path);
    let unit = plain.strip_suffix(ENDING)?.strip_suffix('.')?;
    Some(unit.strip_suffix(".o").unwrap_or(unit).to_owned())
}

/// Joins the parts of a folder in the order of the files.
fn join(
    graph: TypeGraph,
    parts: Vec<Part>,
    paths: &[String],
    name: &str,
) -> Result<TypeGraph, SymtypesError> {
    let mut collector = Collector::of_objects(graph);
    for part in parts {
        let distinct = 0..index(part.table.len());
        let meanings: Vec<Meaning> = distinct
            .map(|line| meaning(&mut collector.graph, part.table.get(line)))
            .collect();
        drop(part.table);
        for file in part.files {
            let path = paths.get(file.file).map_or("", String::as_str);
            let before = collector.problems.len();
            collector.open(path, 0);
            for (at, &line) in file.lines.iter().enumerate() {
                match &meanings[line as usize] {
                    Meaning::Blank => {}
                    Meaning::Record(id, text, is_extern, scope) => {
                        collector.known(*id, *text, *is_extern, *scope, at + 1);
                    }
                    Meaning::Wrong(what) => collector.problems.push(at + 1, what.clone()),
                }
            }
            collector.close();
            if collector.problems.len() > before {
                let name = if paths.len() == 1 {
                    name.to_owned()
                } else {
                    format!("{name}/{path}.{ENDING}")
                };
                return Err(SymtypesError::Invalid {
                    name,
                    problems: collector.problems,
                });
            }
        }
    }
    collector.finish(name)
}

fn meaning(graph: &mut TypeGraph, line: &str) -> Meaning {
    if line.is_empty() {
        return Meaning::Blank;
    }
    match parse(line) {
        Ok(Line::Record {
            name,
            text,
            is_extern,
        }) => {
            let scope = if name.kind.keyword().is_some() && is_opaque(text) {
                Scope::Here
            } else {
                Scope::Onward
            };
            let id = graph.intern_name(name);
            let text = graph.intern_text(&single_blanks(text));
            Meaning::Record(id, text, is_extern, scope)
        }
        Ok(Line::Opaque(name) | Line::Bare(name)) => {
            Meaning::Wrong(format!("record {name} has no text; expected `name tokens`"))
        }
        Err(what) => Meaning::Wrong(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "s#q struct q { UNKNOWN } \nf int f ( s#q * ) \n";
    const B: &str =
        "s#q struct q { int a ; } \nt#u32 typedef unsigned int u32 \ng int g ( s#q * , t#u32 ) \n";
    const C: &str = "s#q struct q { int a ; } \nh extern int h ( s#q * ) \n";

    /// A folder of files gives the consolidated file of the same units, whatever the order of lines in them.
    #[test]
    fn folder_is_consolidated() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("net")).unwrap();
        for (path, text) in [("b.symtypes", B), ("net/c.symtypes", C), ("a.symtypes", A)] {
            fs::write(folder.path().join(path), text).unwrap();
        }
        fs::write(folder.path().join("README"), "x").unwrap();
        let graph = TypeGraph::from_folder(folder.path()).unwrap();
        let text = "\
/* a.symtypes */
s##q
f int f ( s#q * )

/* b.symtypes */
s#q struct q { int a ; }
t#u32 typedef unsigned int u32
g int g ( s#q * , t#u32 )

/* net/c.symtypes */
h extern int h ( s#q * )
";
        assert_eq!(graph.to_consolidated(), text);
        let again = TypeGraph::from_consolidated(text.as_bytes(), "x").unwrap();
        assert_eq!(again.to_consolidated(), text);
        for symbol in ["f", "g", "h"] {
            assert_eq!(graph.crc(symbol), again.crc(symbol));
        }
        let unit = graph.unit("net/c").unwrap();
        let own = TypeGraph::from_object(graph.to_object(unit).as_bytes(), "net/c", "x").unwrap();
        assert_eq!(own.crc("h"), graph.crc("h"));
    }

    /// The number of threads that read a folder does not show in the graph.
    #[test]
    fn threads_do_not_show() {
        let folder = tempfile::tempdir().unwrap();
        for unit in 0..40 {
            let text = format!(
                "s#q struct q {{ int v{} ; }} \nf{unit} int f{unit} ( s#q * ) \n",
                unit % 3
            );
            fs::write(folder.path().join(format!("u{unit}.symtypes")), text).unwrap();
        }
        let texts: Vec<String> = [1, 4]
            .into_iter()
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let pool = pool.build().unwrap();
                let graph = pool
                    .install(|| TypeGraph::from_folder(folder.path()))
                    .unwrap();
                graph.to_consolidated()
            })
            .collect();
        assert_eq!(texts[0], texts[1]);
        assert_eq!(texts[0].matches("/* u").count(), 40);
    }

    /// Wrong files are told with their name and line; a folder without such a file is an error.
    #[test]
    fn rejected_inputs() {
        let said = |text: &[u8]| {
            TypeGraph::from_object(text, "a", "a.symtypes")
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            said(b"f int f ( s#q )\n"),
            "a.symtypes:1: section a: type s#q is not known"
        );
        assert_eq!(
            said(b"f int f\nf long f\n"),
            "a.symtypes:2: second record of f; the first stands in line 1"
        );
        assert_eq!(
            said(b"\ns##q\n"),
            "a.symtypes:2: record s#q has no text; expected `name tokens`"
        );
        assert_eq!(said(b"f int f\n\xff"), "a.symtypes:2: not UTF-8");
        let folder = tempfile::tempdir().unwrap();
        let error = TypeGraph::from_folder(folder.path()).unwrap_err();
        assert!(error.to_string().contains("holds no .symtypes file"));
    }
}
