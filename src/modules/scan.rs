//! Finds modules in files and folders.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::archive::{self, ARCHIVE_LIMIT, Contents, Kind, Wanted, is_module_name};
use super::dkms::{self, Sources};
use super::error::ModulesError;
use super::module::{MODULE_LIMIT, Module};
use super::package::Package;
use super::standin;
use crate::symvers::{read_file, unpack, unpack_stream};

/// How deep folders may be nested below a given one.
const DEPTH_LIMIT: usize = 64;

/// A module that was found, and where it was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file or folder that was given.
    pub root: PathBuf,
    /// The module.
    pub module: Module,
    /// Index into [`Scan::packages`] of the package that holds it.
    pub package: Option<usize>,
}

impl Found {
    /// The name of the folder that was given, or that holds the file that was given: who provides the module
    /// when nobody says otherwise. `unknown` if the path does not tell.
    #[must_use]
    pub fn folder(&self) -> String {
        let from_file = self.root == Path::new(&self.module.path);
        let folder = if from_file {
            self.root.parent()
        } else {
            Some(self.root.as_path())
        };
        folder.and_then(Path::file_name).map_or_else(
            || "unknown".to_owned(),
            |n| n.to_string_lossy().into_owned(),
        )
    }
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The modules, in the order of the paths given and bytewise by path within a folder.
    pub modules: Vec<Found>,
    /// The packages that were read, in the same order.
    pub packages: Vec<Package>,
    /// Sources of modules that were found, in the same order. Nothing in them was judged.
    pub sources: Vec<Sources>,
    /// Folders that could not be searched or hold no module, then files that could not be read, each in the
    /// same order. Each means that something was not checked.
    pub problems: Vec<ModulesError>,
}

/// A file to read.
struct Candidate {
    root: PathBuf,
    path: PathBuf,
    shape: Shape,
}

/// What the walk knows about a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// It was given by name, so that its content decides.
    Named,
    /// Its name is that of a module.
    Module,
    /// Its name is that of a package or archive.
    Archive,
    /// It is a `dkms.conf`.
    Dkms,
    /// It is a folder without modules that a Kbuild file builds some in.
    Kbuild,
}

/// Reads the modules of files and folders.
///
/// A file given by name is read whatever its name: a module, a Debian or RPM package, a tar archive, the output
/// of `modprobe --dump-modversions` or a list of `kabi.pl --extra`, plain or packed. Folders are searched with all
/// folders below them for modules, packages and archives by their names, and for `dkms.conf`; a file or folder
/// that several links lead to is read once.
#[must_use]
pub fn scan(paths: &[PathBuf]) -> Scan {
    scan_for(paths, Wanted::Modules)
}

/// As [`scan`], and keeps the files of source trees that archives hold, to build them.
#[must_use]
pub fn scan_with_sources(paths: &[PathBuf]) -> Scan {
    scan_for(paths, Wanted::Sources)
}

/// Reads bytes as [`scan`] reads a file that is given by name; `name` stands in messages.
#[must_use]
pub fn scan_bytes(bytes: &[u8], name: &str) -> Scan {
    let contents = named(bytes, name, Wanted::Modules).unwrap_or_else(|problem| Contents {
        problems: vec![problem],
        ..Contents::default()
    });
    let found = |held: archive::Held| Found {
        root: name.into(),
        module: held.module,
        package: held.package,
    };
    Scan {
        modules: contents.modules.into_iter().map(found).collect(),
        packages: contents.packages,
        sources: contents.sources,
        problems: contents.problems,
    }
}

fn scan_for(paths: &[PathBuf], wanted: Wanted) -> Scan {
    let mut walk = Walk::default();
    for path in paths {
        walk.root(path);
    }
    let read: Vec<Contents> = walk
        .candidates
        .par_iter()
        .map(|candidate| candidate.read(wanted))
        .collect();
    let mut scan = Scan {
        problems: walk.problems,
        ..Scan::default()
    };
    // Of a folder only the whole must hold a module, not each package in it.
    let mut empty: BTreeMap<&Path, bool> = BTreeMap::new();
    for (candidate, mut contents) in walk.candidates.iter().zip(read) {
        if candidate.shape == Shape::Archive && contents.is_empty() {
            contents.problems.clear();
            empty.entry(candidate.root.as_path()).or_insert(true);
        } else {
            empty.insert(candidate.root.as_path(), false);
        }
        let before = scan.packages.len();
        scan.modules
            .extend(contents.modules.into_iter().map(|held| Found {
                root: candidate.root.clone(),
                module: held.module,
                package: held.package.map(|index| before.saturating_add(index)),
            }));
        scan.packages.extend(contents.packages);
        scan.sources
            .extend(contents.sources.into_iter().map(|sources| Sources {
                root: candidate.path.clone(),
                ..sources
            }));
        scan.problems.extend(contents.problems);
    }
    let empty = empty.into_iter().filter(|(_, is_empty)| *is_empty);
    scan.problems
        .extend(empty.map(|(root, _)| ModulesError::NoModule {
            path: root.display().to_string(),
        }));
    scan
}

impl Candidate {
    fn read(&self, wanted: Wanted) -> Contents {
        self.try_read(wanted).unwrap_or_else(|problem| Contents {
            problems: vec![problem],
            ..Contents::default()
        })
    }

    fn try_read(&self, wanted: Wanted) -> Result<Contents, ModulesError> {
        let path = self.path.display().to_string();
        match self.shape {
            Shape::Module => Ok(Contents::of(vec![Module::load(&self.path)?])),
            Shape::Named => self.named(&path, wanted),
            Shape::Archive => {
                let bytes = read_file(&self.path, ARCHIVE_LIMIT)?;
                let kind = Kind::of(&bytes).unwrap_or(Kind::Tar);
                Ok(archive::read(&bytes, kind, &path, wanted))
            }
            Shape::Dkms => {
                let bytes = read_file(&self.path, MODULE_LIMIT)?;
                let (mut sources, problems) = dkms::group([(path, bytes)].into());
                for sources in &mut sources {
                    // They lie in the folder, and only this one text was read.
                    sources.files.clear();
                }
                Ok(Contents {
                    sources,
                    problems,
                    ..Contents::default()
                })
            }
            Shape::Kbuild => Ok(Contents {
                sources: vec![Sources {
                    path,
                    root: self.path.clone(),
                    conf: None,
                    files: BTreeMap::new(),
                }],
                ..Contents::default()
            }),
        }
    }

    fn named(&self, path: &str, wanted: Wanted) -> Result<Contents, ModulesError> {
        if self
            .path
            .file_name()
            .is_some_and(|name| name == "dkms.conf")
        {
            let shape = Shape::Dkms;
            let (root, path) = (self.root.clone(), self.path.clone());
            return Candidate { root, path, shape }.try_read(wanted);
        }
        if is_elf(&self.path) {
            return Ok(Contents::of(vec![Module::load(&self.path)?]));
        }
        let bytes = read_file(&self.path, ARCHIVE_LIMIT)?;
        named(&bytes, path, wanted)
    }
}

/// Reads a file by its content.
fn named(bytes: &[u8], path: &str, wanted: Wanted) -> Result<Contents, ModulesError> {
    if let Some(kind) = Kind::of(bytes) {
        return Ok(archive::read(bytes, kind, path, wanted));
    }
    // Only enough is unpacked to tell a tar archive from a module.
    let mut head = Vec::new();
    let stream = unpack_stream(bytes, path, ARCHIVE_LIMIT)?;
    // Damaged data is told by whoever reads it whole.
    let _ = stream.take(HEAD).read_to_end(&mut head);
    if Kind::of(&head) == Some(Kind::Tar) {
        return Ok(archive::read(bytes, Kind::Tar, path, wanted));
    }
    let data = unpack(bytes, path, MODULE_LIMIT)?;
    Ok(Contents::of(if standin::is_list(&data) {
        standin::read_list(&data, path)?
    } else {
        vec![Module::read(&data, path)?]
    }))
}

impl Contents {
    /// Whether nothing is in it but the word that no module is.
    fn is_empty(&self) -> bool {
        let mut problems = self.problems.iter();
        self.modules.is_empty()
            && self.sources.is_empty()
            && problems.all(|problem| matches!(problem, ModulesError::NoModule { .. }))
    }

    fn of(modules: Vec<Module>) -> Contents {
        let held = |module| archive::Held {
            module,
            package: None,
        };
        Contents {
            modules: modules.into_iter().map(held).collect(),
            ..Contents::default()
        }
    }
}

/// Bytes at the start of a file that tell a tar archive: one header.
const HEAD: u64 = 512;

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let file = fs::File::open(path);
    file.and_then(|mut file| file.read_exact(&mut magic))
        .is_ok()
        && magic == *b"\x7fELF"
}

#[derive(Default)]
struct Walk {
    candidates: Vec<Candidate>,
    problems: Vec<ModulesError>,
    /// Canonical paths of the files and folders that were met, so that no link is followed in a circle.
    met: HashSet<PathBuf>,
}

impl Walk {
    fn root(&mut self, root: &Path) {
        if !root.is_dir() {
            return self.candidates.push(Candidate {
                root: root.to_owned(),
                path: root.to_owned(),
                shape: Shape::Named,
            });
        }
        let problems = self.problems.len();
        let before = self.candidates.len();
        // A folder that is given twice, or below another one, is not searched again but holds modules.
        let mut repeated = false;
        let mut folders = vec![(root.to_owned(), 0_usize)];
        while let Some((folder, depth)) = folders.pop() {
            let real = match canonical(&folder) {
                Ok(real) if self.met.insert(real.clone()) => real,
                Ok(_) => {
                    repeated = true;
                    continue;
                }
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            if depth > DEPTH_LIMIT {
                self.problems.push(ModulesError::TooDeep {
                    path: folder.display().to_string(),
                    limit: DEPTH_LIMIT,
                });
                continue;
            }
            match self.folder(root, &folder, &real) {
                Ok((below, linked)) => {
                    repeated |= linked;
                    let depth = depth.saturating_add(1);
                    folders.extend(below.into_iter().rev().map(|path| (path, depth)));
                }
                Err(problem) => self.problems.push(problem),
            }
        }
        if let Some(found) = self.candidates.get_mut(before..) {
            found.sort_by(|a, b| a.path.cmp(&b.path));
        }
        let nothing = self.candidates.len() == before && self.problems.len() == problems;
        if nothing && builds_modules(root) {
            self.candidates.push(Candidate {
                root: root.to_owned(),
                path: root.to_owned(),
                shape: Shape::Kbuild,
            });
        } else if nothing && !repeated {
            self.problems.push(ModulesError::NoModule {
                path: root.display().to_string(),
            });
        }
    }

    /// Collects the modules of one folder, whose canonical path is `real`, and hands back the folders in it, sorted, and
    /// whether a module was left out because it was met before.
    fn folder(
        &mut self,
        root: &Path,
        folder: &Path,
        real: &Path,
    ) -> Result<(Vec<PathBuf>, bool), ModulesError> {
        let unreadable = |path: &Path, source| ModulesError::Folder {
            path: path.display().to_string(),
            source,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, e))? {
            let entry = entry.map_err(|e| unreadable(folder, e))?;
            // Only a link needs another look at what it leads to.
            let kind = entry.file_type().ok().filter(|kind| !kind.is_symlink());
            paths.push((entry.path(), kind));
        }
        paths.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut below = Vec::new();
        let mut repeated = false;
        for (path, kind) in paths {
            let kind_of = || fs::metadata(&path).ok().map(|meta| meta.file_type());
            let (is_link, kind) = (kind.is_none(), kind.or_else(kind_of));
            let is_folder = kind.is_some_and(|kind| kind.is_dir());
            let Some(shape) = shape(&path).filter(|_| !is_folder) else {
                if is_folder {
                    below.push(path);
                }
                continue;
            };
            // Opening a pipe would wait for a writer. A link that leads nowhere is told below.
            if kind.is_some_and(|kind| !kind.is_file()) {
                self.problems.push(ModulesError::NotModule {
                    path: path.display().to_string(),
                    reason: "no regular file".to_owned(),
                });
                continue;
            }
            let real = match path.file_name().filter(|_| !is_link) {
                Some(name) => Ok(real.join(name)),
                None => canonical(&path),
            };
            match real.map(|real| self.met.insert(real)) {
                Ok(true) => self.candidates.push(Candidate {
                    root: root.to_owned(),
                    path,
                    shape,
                }),
                Ok(false) => repeated = true,
                Err(problem) => self.problems.push(problem),
            }
        }
        Ok((below, repeated))
    }
}

/// The path without links.
fn canonical(path: &Path) -> Result<PathBuf, ModulesError> {
    fs::canonicalize(path).map_err(|source| ModulesError::Folder {
        path: path.display().to_string(),
        source,
    })
}

/// What a file of a folder is read as, by its name.
fn shape(path: &Path) -> Option<Shape> {
    let name = path.file_name()?.to_string_lossy();
    if is_module_name(&name) {
        Some(Shape::Module)
    } else if name == "dkms.conf" {
        Some(Shape::Dkms)
    } else if Kind::by_name(&name) {
        Some(Shape::Archive)
    } else {
        None
    }
}

/// Whether a Kbuild file of the folder builds modules.
fn builds_modules(folder: &Path) -> bool {
    ["Kbuild", "Makefile", "makefile"].iter().any(|name| {
        read_file(&folder.join(name), 1 << 20)
            .is_ok_and(|text| String::from_utf8_lossy(&text).contains("obj-m"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Builder;
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    /// Modules of a folder come sorted, each once, whatever links lead to them or back.
    #[test]
    fn folders_are_searched_once() {
        let top = folder();
        let extra = top.path().join("extra");
        fs::create_dir(&extra).expect("creates");
        let module = Builder::default().modinfo("license=GPL").build();
        for name in ["b.ko", "a.ko", "notes.txt"] {
            fs::write(extra.join(name), &module).expect("writes");
        }
        std::os::unix::fs::symlink(top.path(), extra.join("loop")).expect("links");
        std::os::unix::fs::symlink(extra.join("a.ko"), top.path().join("z.ko")).expect("links");
        let scan = scan(&[top.path().to_owned(), extra.clone()]);
        assert!(scan.problems.is_empty(), "{:?}", scan.problems);
        let names: Vec<_> = scan
            .modules
            .iter()
            .map(|f| f.module.name.as_str())
            .collect();
        assert_eq!(names, ["b", "z"]);
    }

    /// A folder without module, a missing file and a bad file are problems, and do not hide what is good.
    #[test]
    fn nothing_is_skipped_in_silence() {
        let top = folder();
        let empty = top.path().join("empty");
        let mixed = top.path().join("mixed");
        fs::create_dir(&empty).expect("creates");
        fs::create_dir(&mixed).expect("creates");
        fs::write(mixed.join("bad.ko"), b"text").expect("writes");
        fs::write(mixed.join("good.ko"), Builder::default().build()).expect("writes");
        let scan = scan(&[empty, mixed, top.path().join("absent.ko")]);
        assert_eq!(scan.modules.len(), 1);
        assert_eq!(scan.modules[0].folder(), "mixed");
        let kinds: Vec<_> = scan.problems.iter().map(|p| format!("{p:?}")).collect();
        assert!(kinds[0].starts_with("NoModule"), "{kinds:?}");
        assert!(kinds[1].starts_with("NotModule"), "{kinds:?}");
        assert!(kinds[2].starts_with("Unpack"), "{kinds:?}");
    }
}
