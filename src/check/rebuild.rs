//! Compiles sources of modules for a candidate kernel: does a rebuild help, or must the source change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::validate::Rebuilt;
use crate::baseline::Candidate;
use crate::history::HeldFolder;
use crate::kbuild::{
    External, ExternalEnd, MakeOptions, build_external, has_kbuild_file, prepared_tree,
};
use crate::modules::{DkmsConf, Module, Sources, scan};
use crate::report::Rebuild;

/// The most files of a source tree.
const FILES_LIMIT: usize = 50_000;

/// The most bytes of a source tree.
const BYTES_LIMIT: u64 = 512 << 20;

/// How deep a source tree may be.
const DEPTH_LIMIT: usize = 64;

/// Compiles sources for a candidate in a folder of its own below `work`, which is removed again.
#[must_use]
pub fn rebuild(
    sources: &Sources,
    candidate: &Candidate,
    options: &MakeOptions,
    work: &Path,
) -> Rebuilt {
    match try_rebuild(sources, candidate, options, work) {
        Ok(rebuilt) => rebuilt,
        Err(message) => Rebuilt {
            rebuild: Rebuild {
                outcome: "not-tried".to_owned(),
                messages: vec![message],
            },
            modules: Vec::new(),
        },
    }
}

fn try_rebuild(
    sources: &Sources,
    candidate: &Candidate,
    options: &MakeOptions,
    work: &Path,
) -> Result<Rebuilt, String> {
    let kernel = prepared_tree(&candidate.path).ok_or_else(|| {
        format!(
            "{}: no prepared tree to build against; name an unpacked headers package, a build tree or /lib/modules/RELEASE with its `build`",
            candidate.path.display()
        )
    })?;
    let kernel = fs::canonicalize(&kernel).map_err(|e| format!("{}: {e}", kernel.display()))?;
    if let Some(conf) = &sources.conf {
        usable(conf)?;
    }
    let folder =
        HeldFolder::create(work).map_err(|error| format!("{}: {error}", work.display()))?;
    // Kbuild prints and compares the real path.
    let top = fs::canonicalize(folder.path())
        .map_err(|error| error.to_string())?
        .join("src");
    materialise(sources, &top)?;
    let (folders, arguments) = commands(sources.conf.as_ref(), &kernel, &top)?;
    for folder in &folders {
        let end = build_external(&External {
            kernel: &kernel,
            sources: &top,
            folder,
            arguments: arguments.as_deref(),
            options,
        });
        match end.map_err(|error| error.to_string())? {
            ExternalEnd::Built => {}
            ExternalEnd::Refused(messages) => return Ok(ended("failed", messages)),
            ExternalEnd::Failed(messages) => return Ok(ended("not-tried", messages)),
        }
    }
    built(sources, &top)
}

fn ended(outcome: &str, messages: Vec<String>) -> Rebuilt {
    Rebuilt {
        rebuild: Rebuild {
            outcome: outcome.to_owned(),
            messages,
        },
        modules: Vec::new(),
    }
}

/// The modules that the build made; all that `dkms.conf` names must be among them.
fn built(sources: &Sources, top: &Path) -> Result<Rebuilt, String> {
    let scan = scan(&[top.to_owned()]);
    if let Some(problem) = scan.problems.first() {
        return Err(problem.to_string());
    }
    let start = format!("{}/", top.display());
    let modules: Vec<Module> = scan
        .modules
        .into_iter()
        .map(|found| {
            let path = found.module.path.replace(&start, "");
            Module {
                path,
                ..found.module
            }
        })
        .collect();
    let wanted = sources.conf.iter().flat_map(|conf| &conf.modules);
    let missing = wanted
        .map(|built| built.name.replace('-', "_"))
        .find(|name| !modules.iter().any(|module| module.name == *name));
    if let Some(name) = missing {
        return Err(format!("the build made no {name}.ko"));
    }
    if modules.is_empty() {
        return Err("the build made no module".to_owned());
    }
    Ok(Rebuilt {
        modules,
        ..ended("clean", Vec::new())
    })
}

/// Refuses what only a shell or a patch program could do.
fn usable(conf: &DkmsConf) -> Result<(), String> {
    if let Some(patch) = conf.patches.first() {
        return Err(format!(
            "dkms.conf applies the patch {patch}, which is not done here"
        ));
    }
    let decides = |line: &str| {
        ["MAKE", "PATCH", "BUILT_MODULE", "PRE_BUILD"]
            .iter()
            .any(|word| line.contains(word))
    };
    match conf.not_understood.iter().find(|(_, line)| decides(line)) {
        Some((number, line)) => Err(format!(
            "dkms.conf:{number}: only a shell could decide `{line}`"
        )),
        None => Ok(()),
    }
}

/// The folders to build in, and the arguments of make if they are not the usual ones.
///
/// The command of `dkms.conf` is used if it is one call of make that names the kernel's folder by a variable. Any
/// other would look for the kernel that runs, so the usual call takes its place where there is a Kbuild file.
fn commands(
    conf: Option<&DkmsConf>,
    kernel: &Path,
    top: &Path,
) -> Result<(Vec<PathBuf>, Option<Vec<String>>), String> {
    let make = conf.and_then(|conf| conf.make.as_deref());
    if let Some(make) = make.filter(|make| make.contains("kernel_source_dir"))
        && let Some(words) = one_call(make, conf, kernel, top)
    {
        return Ok((vec![top.to_owned()], Some(words)));
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    if has_kbuild_file(top) {
        folders.push(top.to_owned());
    } else {
        for built in conf.iter().flat_map(|conf| &conf.modules) {
            let folder = top.join(built.folder.trim_matches('/'));
            let inside = Path::new(&built.folder)
                .components()
                .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if inside && has_kbuild_file(&folder) && !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    if folders.is_empty() {
        return Err("neither dkms.conf nor a Kbuild file says how to build the modules".to_owned());
    }
    Ok((folders, None))
}

/// The arguments of a command that is a single call of make; `None` if a shell would do more.
fn one_call(make: &str, conf: Option<&DkmsConf>, kernel: &Path, top: &Path) -> Option<Vec<String>> {
    if make.contains([';', '|', '&', '`', '>', '<', '\n']) || make.contains("$(") {
        return None;
    }
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("kernel_source_dir", kernel.display().to_string());
    let (name, version) = conf.map(|conf| (conf.name.clone(), conf.version.clone()))?;
    for own in ["PACKAGE_NAME", "module"] {
        set(own, name.clone());
    }
    for own in ["PACKAGE_VERSION", "module_version"] {
        set(own, version.clone());
    }
    // The usual place of the sources: `$dkms_tree/$module/$module_version/build`.
    let usual = "${dkms_tree}/${PACKAGE_NAME}/${PACKAGE_VERSION}/build";
    let text = make
        .replace("$dkms_tree", "${dkms_tree}")
        .replace(
            &format!("${{dkms_tree}}/{name}/{version}/build"),
            &top.display().to_string(),
        )
        .replace(usual, &top.display().to_string());
    let text = crate::modules::expand_variables(&text, &variables);
    let words = shlex::split(&text)?;
    let (program, arguments) = words.split_first()?;
    let open = arguments.iter().any(|word| word.contains('$'));
    let is_make = program.rsplit('/').next() == Some("make");
    (is_make && !open).then(|| arguments.to_vec())
}

/// Writes the sources into a private folder, from an archive or by copying.
fn materialise(sources: &Sources, top: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(top).map_err(|e| failed(top, e))?;
    if sources.files.is_empty() {
        let root = if sources.root.is_dir() {
            sources.root.clone()
        } else {
            sources
                .root
                .parent()
                .map(Path::to_owned)
                .unwrap_or_default()
        };
        let root = match sources.conf {
            Some(_) => Path::new(&sources.path)
                .parent()
                .map(Path::to_owned)
                .unwrap_or(root),
            None => root,
        };
        return copy(&root, top);
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
            } else if path
                .extension()
                .is_some_and(|ending| ending == "ko" || ending == "o")
            {
                fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
    }
    Ok(())
}
