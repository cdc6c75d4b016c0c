//! Compiles sources of modules for a candidate kernel: does a rebuild help, or must the source change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path};

use smol_str::SmolStr;

use super::facts::facts;
use super::validate::Rebuilt;
use crate::baseline::Candidate;
use crate::history::HeldFolder;
use crate::kbuild::{Errors, External, ExternalEnd, MakeOptions, build_external, prepared_tree};
use crate::modules::{Module, Sources, scan};
use crate::report::Rebuild;
use crate::symvers::{Export, Symvers};

/// The most files of a source tree.
const FILES_LIMIT: usize = 50_000;

/// The most bytes of a source tree.
const BYTES_LIMIT: u64 = 512 << 20;

/// How deep a source tree may be.
const DEPTH_LIMIT: usize = 64;

/// Where and how sources are compiled.
#[derive(Clone, Copy, Debug)]
pub struct Rebuilding<'a> {
    /// The kernel.
    pub candidate: &'a Candidate,
    /// How make is run.
    pub options: &'a MakeOptions,
    /// Folder for private copies, which are removed again.
    pub work: &'a Path,
}

/// What came of one try.
struct Tried {
    rebuilt: Rebuilt,
    /// Symbols that were defined nowhere, if that was all that was wrong.
    undefined: BTreeSet<String>,
}

/// Compiles all sources for one kernel; `starts` is told of each before.
///
/// Sources may need symbols of other sources, or of modules that were `given` built. Those that lack nothing else are
/// compiled again with the exports that meanwhile are known.
#[must_use]
pub fn rebuild(
    sources: &[Sources],
    given: &[&Module],
    rebuilding: &Rebuilding<'_>,
    starts: &mut dyn FnMut(&Sources),
) -> Vec<Rebuilt> {
    let mut lent = vec![BTreeSet::new(); sources.len()];
    let mut tried: Vec<Tried> = Vec::new();
    for one in sources {
        starts(one);
        tried.push(rebuilding.one(one, &Symvers::default()));
    }
    loop {
        let offered = exports(&tried, given);
        let mut again = false;
        for (index, one) in sources.iter().enumerate() {
            let (Some(last), Some(lent)) = (tried.get_mut(index), lent.get_mut(index)) else {
                continue;
            };
            let found = last.undefined.iter().filter(|s| offered.get(s).is_some());
            let before = lent.len();
            lent.extend(found.cloned());
            if lent.len() > before {
                starts(one);
                let exports = offered.iter().filter(|e| lent.contains(&*e.symbol));
                *last = rebuilding.one(one, &exports.cloned().collect());
                again = true;
            }
        }
        if !again {
            return tried.into_iter().map(|tried| tried.rebuilt).collect();
        }
    }
}

/// What modules that were built, and else those that were given, export.
fn exports(tried: &[Tried], given: &[&Module]) -> Symvers {
    let built = tried.iter().flat_map(|tried| &tried.rebuilt.modules);
    let modules = given.iter().copied().chain(built);
    let exports = modules.flat_map(|module| {
        module.exports.iter().map(|(symbol, export)| Export {
            symbol: symbol.into(),
            crc: export.crc.unwrap_or_default(),
            module: module.name.as_str().into(),
            class: export.class.clone(),
            namespace: export.namespace.as_deref().map(SmolStr::new),
        })
    });
    exports.collect()
}

impl Rebuilding<'_> {
    fn one(&self, sources: &Sources, lent: &Symvers) -> Tried {
        self.compile(sources, lent)
            .unwrap_or_else(|message| ended("not-tried", vec![message]))
    }

    fn compile(&self, sources: &Sources, lent: &Symvers) -> Result<Tried, String> {
        let candidate = self.candidate;
        let named = candidate.path.display();
        let kernel = prepared_tree(&candidate.path).ok_or_else(|| {
            format!(
                "{named}: no prepared tree to build against; name an unpacked headers package, a build tree or /lib/modules/RELEASE with its `build`"
            )
        })?;
        let kernel = fs::canonicalize(&kernel).map_err(|e| format!("{}: {e}", kernel.display()))?;
        let (_, release) = facts(candidate);
        let release =
            release.ok_or_else(|| format!("{named}: the kernel's release is not known"))?;
        let folder = HeldFolder::create(self.work)
            .map_err(|error| format!("{}: {error}", self.work.display()))?;
        // Kbuild prints and compares the real path.
        let folder = fs::canonicalize(folder.path())
            .map_err(|error| error.to_string())
            .map(|path| (folder, path));
        let (_kept, folder) = folder?;
        let dkms = sources.conf.as_ref();
        let dkms = dkms.map(|conf| (conf.name.as_str(), conf.version.as_str()));
        let top = match dkms {
            Some((name, version)) => folder
                .join(plain(name)?)
                .join(plain(version)?)
                .join("build"),
            None => folder.join("src"),
        };
        materialise(sources, &top)?;
        let symbols = folder.join("lent.symvers");
        if !lent.is_empty() {
            fs::write(&symbols, lent.write()).map_err(|e| format!("{}: {e}", symbols.display()))?;
        }
        let end = build_external(&External {
            kernel: &kernel,
            release: &release,
            sources: &top,
            dkms,
            extra_symbols: (!lent.is_empty()).then_some(&symbols),
            options: self.options,
        });
        match end.map_err(|error| error.to_string())? {
            ExternalEnd::Built { modules, errors } => built(&modules, errors, &top),
            ExternalEnd::Refused(errors) => Ok(refused(errors)),
            ExternalEnd::Failed(messages) => Ok(ended("not-tried", messages)),
        }
    }
}

/// A name that is one folder.
fn plain(name: &str) -> Result<&str, String> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) => Ok(name),
        _ => Err(format!("`{name}` of its dkms.conf is no name of a folder")),
    }
}

fn ended(outcome: &str, messages: Vec<String>) -> Tried {
    Tried {
        rebuilt: Rebuilt {
            rebuild: Rebuild {
                outcome: outcome.to_owned(),
                messages,
            },
            modules: Vec::new(),
        },
        undefined: BTreeSet::new(),
    }
}

fn refused(errors: Errors) -> Tried {
    Tried {
        undefined: if errors.only_undefined {
            errors.undefined
        } else {
            BTreeSet::new()
        },
        ..ended("failed", errors.messages)
    }
}

/// The modules that the build made; all that `dkms.conf` names must be among them.
fn built(wanted: &[String], errors: Errors, top: &Path) -> Result<Tried, String> {
    let missing = wanted
        .iter()
        .find(|path| !top.join(format!("{path}.ko")).is_file());
    if let Some(path) = missing {
        // Commands behind a failed make can hide that it failed.
        return if errors.messages.is_empty() {
            Err(format!("the build made no {path}.ko"))
        } else {
            Ok(refused(errors))
        };
    }
    let scan = scan(&[top.to_owned()]);
    if let Some(problem) = scan.problems.first() {
        return Err(problem.to_string());
    }
    let start = format!("{}/", top.display());
    let own = |path: &str| {
        let path = path.strip_suffix(".ko").unwrap_or(path);
        wanted.is_empty() || wanted.iter().any(|wanted| wanted == path)
    };
    let modules = scan.modules.into_iter().map(|found| Module {
        path: found.module.path.replace(&start, ""),
        ..found.module
    });
    let modules: Vec<Module> = modules.filter(|module| own(&module.path)).collect();
    if modules.is_empty() {
        return Err("the build made no module".to_owned());
    }
    let mut tried = ended("clean", Vec::new());
    tried.rebuilt.modules = modules;
    Ok(tried)
}

/// Writes the sources into a private folder, from an archive or by copying.
fn materialise(sources: &Sources, top: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(top).map_err(|e| failed(top, e))?;
    if sources.files.is_empty() {
        let of_conf = Path::new(&sources.path).parent();
        let of_conf = of_conf.filter(|folder| !folder.as_os_str().is_empty());
        let root = match sources.conf {
            Some(_) => of_conf.unwrap_or(Path::new(".")),
            None => &sources.root,
        };
        return copy(root, top);
    }
    for (name, bytes) in &sources.files {
        let path = Path::new(name);
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(format!("{name}: a path that leads out of the sources"));
        }
        let path = top.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| failed(parent, e))?;
        }
        fs::write(&path, bytes).map_err(|e| failed(&path, e))?;
    }
    make_scripts_run(top, &sources.files)
}

/// Archives keep no modes here: what begins like a script may be run by the Makefiles.
fn make_scripts_run(top: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    for (name, bytes) in files {
        if bytes.starts_with(b"#!") {
            let path = top.join(name);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

/// Copies a source tree; links are copied as what they lead to inside the tree, and others are left out.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let root = fs::canonicalize(from).map_err(|e| failed(from, e))?;
    let (mut files, mut bytes) = (0_usize, 0_u64);
    let mut folders = vec![(root.clone(), to.to_owned(), 0_usize)];
    while let Some((folder, target, depth)) = folders.pop() {
        if depth > DEPTH_LIMIT {
            return Err(format!(
                "{}: more than {DEPTH_LIMIT} folders deep",
                folder.display()
            ));
        }
        fs::create_dir_all(&target).map_err(|e| failed(&target, e))?;
        for entry in fs::read_dir(&folder).map_err(|e| failed(&folder, e))? {
            let entry = entry.map_err(|e| failed(&folder, e))?;
            let name = entry.file_name();
            let path = entry.path();
            let kind = entry.file_type().map_err(|e| failed(&path, e))?;
            let real = fs::canonicalize(&path)
                .ok()
                .filter(|real| real.starts_with(&root));
            let (Some(real), false) = (real, name == ".git") else {
                continue;
            };
            if kind.is_dir() {
                folders.push((path, target.join(&name), depth.saturating_add(1)));
            } else if real.is_file() {
                let size = fs::metadata(&real).map_err(|e| failed(&real, e))?.len();
                files = files.saturating_add(1);
                bytes = bytes.saturating_add(size);
                if files > FILES_LIMIT || bytes > BYTES_LIMIT {
                    return Err(format!(
                        "{}: more than {FILES_LIMIT} files or {BYTES_LIMIT} bytes of sources",
                        root.display()
                    ));
                }
                fs::copy(&real, target.join(&name)).map_err(|e| failed(&real, e))?;
            }
        }
    }
    // Modules that lie there from an earlier build are not what this one makes.
    remove_built(to)
}

fn remove_built(top: &Path) -> Result<(), String> {
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                folders.push(path);
            } else if is_built(&path) {
                fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Whether a build made a file: Kbuild leaves a command file beside its objects, vendors' binary objects have none.
fn is_built(path: &Path) -> bool {
    let ends = |ending: &str| path.extension().is_some_and(|found| found == ending);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ends("ko") || (ends("o") && path.with_file_name(format!(".{name}.cmd")).exists())
}
