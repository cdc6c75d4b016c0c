//! What is installed below a root: kernels, the modules of packages, and links that are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{EXTRA, WEAK, order, unreadable};
use crate::modules::archive::is_module_name;
use crate::modules::error::ModulesError;
use crate::modules::module::Module;
use crate::symvers::{Symvers, UNPACK_LIMIT, read_file, unpack};

/// How deep folders below `extra` or `weak-updates` may be nested.
const DEPTH_LIMIT: usize = 16;

/// The most entries that are looked at below one kernel's folder.
const ENTRIES_LIMIT: usize = 100_000;

/// Places of a kernel's exports: below its folder, and in `boot`.
const SYMVERS: [&str; 5] = [
    "symvers.gz",
    "symvers.xz",
    "symvers.zst",
    "Module.symvers",
    "build/Module.symvers",
];

/// A module file of a package.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Path below the kernel's `extra`.
    pub path: PathBuf,
    /// The module.
    pub module: Module,
}

/// One kernel below a root.
#[derive(Clone, Debug)]
pub struct InstalledKernel {
    /// Its release: the name of its folder.
    pub release: String,
    /// Its exports, or why they are not known.
    pub symvers: Result<Symvers, String>,
    /// The modules in its `extra`, by path.
    pub extra: Vec<Installed>,
    /// File names of modules in its `updates`, without packing.
    pub updates: Vec<String>,
    /// File names of the kernel's own modules, without packing.
    pub built_in: Vec<String>,
    /// Links in its `weak-updates` and what they lead to, by path below that folder.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Files in its `weak-updates` that are no links.
    pub files: Vec<PathBuf>,
}

/// Reads the kernels below a root, newest first.
///
/// # Errors
///
/// A folder or module that cannot be read. Exports that cannot be read are part of the result, so that the other
/// kernels can still be planned for.
pub fn read(root: &Path) -> Result<Vec<InstalledKernel>, ModulesError> {
    let modules = root.join("lib/modules");
    let mut kernels = Vec::new();
    for path in sorted(&modules)? {
        let is_link = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
        if is_link || !path.is_dir() {
            continue;
        }
        let release = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        if let Some(release) = release {
            kernels.push(kernel(root, &path, release)?);
        }
    }
    kernels.sort_by(|a, b| {
        order::compare(&b.release, &a.release).then_with(|| b.release.cmp(&a.release))
    });
    if kernels.is_empty() {
        return Err(ModulesError::NoModule {
            path: modules.display().to_string(),
        });
    }
    Ok(kernels)
}

fn kernel(root: &Path, folder: &Path, release: String) -> Result<InstalledKernel, ModulesError> {
    let mut extra = Vec::new();
    let names = |place: &str| {
        let paths = walk(&folder.join(place))?;
        let modules = paths.iter().filter(|path| is_module(path));
        Ok::<_, ModulesError>(modules.map(|path| base_name(path)).collect())
    };
    let (mut links, mut files) = (BTreeMap::new(), Vec::new());
    for path in walk(&folder.join(EXTRA))? {
        // A link in `extra` leads to a module of another package system; only files belong to this kernel.
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) && is_module(&path) {
            extra.push(Installed {
                module: Module::load(&path)?,
                path: below(&path, &folder.join(EXTRA)),
            });
        }
    }
    for path in walk(&folder.join(WEAK))? {
        let inside = below(&path, &folder.join(WEAK));
        match fs::read_link(&path) {
            Ok(target) => {
                links.insert(inside, target);
            }
            Err(_) => files.push(inside),
        }
    }
    Ok(InstalledKernel {
        symvers: symvers(root, folder, &release),
        release,
        extra,
        updates: names("updates")?,
        built_in: names("kernel")?,
        links,
        files,
    })
}

fn symvers(root: &Path, folder: &Path, release: &str) -> Result<Symvers, String> {
    let boot = [".gz", ".xz", ".zst", ""]
        .map(|ending| root.join("boot").join(format!("symvers-{release}{ending}")));
    let headers = ["linux-headers-", "kernels/"].map(|folder| {
        let name = format!("usr/src/{folder}{release}/Module.symvers");
        root.join(name)
    });
    let own = SYMVERS.map(|name| folder.join(name));
    let mut places = own.into_iter().chain(boot).chain(headers);
    let Some(path) = places.find(|path| path.is_file()) else {
        return Err(format!(
            "no exports: neither symvers.gz in {} nor symvers-{release}.gz in boot, nor a headers package",
            folder.display()
        ));
    };
    let name = path.display().to_string();
    let bytes = read_file(&path, UNPACK_LIMIT).map_err(|error| error.to_string())?;
    let text = unpack(&bytes, &name, UNPACK_LIMIT).map_err(|error| error.to_string())?;
    let read = Symvers::read(&text, &name).map_err(|error| error.to_string())?;
    Ok(read.symvers)
}

fn below(path: &Path, folder: &Path) -> PathBuf {
    path.strip_prefix(folder).unwrap_or(path).to_owned()
}

fn is_module(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| is_module_name(&name.to_string_lossy()))
}

/// The name by which `depmod` takes one file for another: without folder and packing, `_` for `-`.
pub(super) fn base_name(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().replace('-', "_"));
    let name = name.unwrap_or_default();
    let end = name.find(".ko").map_or(name.len(), |at| at);
    name.get(..end).unwrap_or_default().to_owned()
}

/// All files and links below a folder, sorted; none if it is absent. Links are not followed.
fn walk(top: &Path) -> Result<Vec<PathBuf>, ModulesError> {
    let mut found = Vec::new();
    let mut folders = vec![(top.to_owned(), 0_usize)];
    if !top.exists() {
        return Ok(found);
    }
    while let Some((folder, depth)) = folders.pop() {
        if depth > DEPTH_LIMIT {
            return Err(ModulesError::TooDeep {
                path: folder.display().to_string(),
                limit: DEPTH_LIMIT,
            });
        }
        for path in sorted(&folder)? {
            let meta = fs::symlink_metadata(&path).map_err(|e| unreadable(&path, e))?;
            if meta.is_dir() {
                folders.push((path, depth.saturating_add(1)));
            } else {
                found.push(path);
            }
            if found.len() > ENTRIES_LIMIT {
                return Err(ModulesError::Limit {
                    path: top.display().to_string(),
                    limit: format!("{ENTRIES_LIMIT} files"),
                });
            }
        }
    }
    found.sort();
    Ok(found)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, ModulesError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, e))? {
        paths.push(entry.map_err(|e| unreadable(folder, e))?.path());
    }
    paths.sort();
    Ok(paths)
}
