//! What a candidate tells about its kernel beside the exports: release, version magic, size of `struct module`.
//!
//! A module of the kernel itself tells most; it was built with the kernel. Without one the version magic follows
//! from release and configuration (`include/linux/vermagic.h`) where the architecture adds nothing unknown to it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::baseline::Candidate;
use crate::kbuild::Config;
use crate::modules::{KernelFacts, Module, release};

/// Folders that are looked into for a module of the kernel; each kernel has many in the first.
const FOLDERS_LIMIT: usize = 2_000;

/// The facts of a candidate, with its release if that is known.
pub(super) fn facts(candidate: &Candidate) -> (KernelFacts, Option<String>) {
    let mut facts = KernelFacts::default();
    let config = candidate.config.as_deref();
    let config = config.and_then(|text| Config::parse(text, &candidate.source).ok());
    let own = own_module(&candidate.path);
    if let Some(module) = &own {
        facts.vermagic = module.vermagic.clone();
        facts.this_module_size = module.this_module_size;
    }
    let named = facts
        .vermagic
        .as_deref()
        .map(|magic| release(magic).to_owned());
    let release = named.or_else(|| release_of(candidate));
    if let Some(config) = &config {
        let yes = |option: &str| config.is_yes(option);
        facts.allows_missing_namespaces = yes("CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS");
        facts.forces = yes("CONFIG_MODULE_FORCE_LOAD");
        if facts.vermagic.is_none() {
            facts.vermagic = release
                .as_deref()
                .and_then(|release| magic(config, release));
        }
    }
    facts.missing_version = release.as_deref().and_then(KernelFacts::missing_version_of);
    (facts, release)
}

/// The version magic of a configuration; `None` where the architecture or a seed adds what is not known here.
fn magic(config: &Config, release: &str) -> Option<String> {
    let yes = |option: &str| config.is_yes(option);
    let arch = if yes("CONFIG_X86_64") || yes("CONFIG_S390") {
        ""
    } else if yes("CONFIG_ARM64") {
        "aarch64"
    } else {
        return None;
    };
    if yes("CONFIG_RANDSTRUCT_FULL")
        || yes("CONFIG_RANDSTRUCT_PERFORMANCE")
        || yes("CONFIG_GCC_PLUGIN_RANDSTRUCT")
    {
        return None;
    }
    let mut magic = format!("{release} ");
    let mut add = |is_set: bool, flag: &str| {
        if is_set {
            magic.push_str(flag);
        }
    };
    let preempt = yes("CONFIG_PREEMPT_BUILD") || yes("CONFIG_PREEMPT");
    add(yes("CONFIG_SMP"), "SMP ");
    add(preempt, "preempt ");
    add(!preempt && yes("CONFIG_PREEMPT_RT"), "preempt_rt ");
    add(yes("CONFIG_MODULE_UNLOAD"), "mod_unload ");
    add(yes("CONFIG_MODVERSIONS"), "modversions ");
    add(true, arch);
    Some(magic)
}

/// The release by the generated header of a tree, or by the name of the folder that holds the exports.
fn release_of(candidate: &Candidate) -> Option<String> {
    let header = candidate.path.join("include/generated/utsrelease.h");
    let text = crate::symvers::read_file(&header, 1 << 16).ok();
    let text = text.as_deref().map(String::from_utf8_lossy);
    let in_header = text.as_deref().and_then(|text| text.split('"').nth(1));
    if let Some(release) = in_header.filter(|release| !release.is_empty()) {
        return Some(release.to_owned());
    }
    let absolute = std::path::absolute(&candidate.path).ok();
    let absolute = absolute.map(|path| path.display().to_string());
    let from_names = [Some(candidate.source.as_str()), absolute.as_deref()]
        .into_iter()
        .flatten()
        .find_map(release_in_path);
    let manifest = candidate.manifest.as_ref();
    from_names.or_else(|| manifest.map(|manifest| manifest.fingerprint.release.clone()))
}

/// The release in `.../lib/modules/RELEASE/...`, `.../linux-headers-RELEASE/...` or `.../kernels/RELEASE/...`.
fn release_in_path(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split(['/', ':']).collect();
    let is_release = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let behind = parts.windows(2).find_map(|pair| match pair {
        ["modules" | "kernels", release] if is_release(release) => Some(*release),
        _ => None,
    });
    let named = || {
        let mut parts = parts.iter().rev();
        parts.find_map(|part| {
            let release = part.strip_prefix("linux-headers-")?;
            (is_release(release) && !release.ends_with(".deb")).then_some(release)
        })
    };
    behind.or_else(named).map(str::to_owned)
}

/// A module of the kernel itself, below `kernel/` of a `/lib/modules/RELEASE` tree: the first that can be read.
fn own_module(path: &Path) -> Option<Module> {
    let mut roots = vec![path.join("kernel")];
    for inside in ["lib/modules", "usr/lib/modules"] {
        let releases = sorted(&path.join(inside));
        // Of several kernels none can be chosen, and the candidate was refused before.
        if let [release] = releases.as_slice() {
            roots.push(release.join("kernel"));
        }
    }
    let mut left = FOLDERS_LIMIT;
    let mut folders: Vec<PathBuf> = roots.into_iter().filter(|root| root.is_dir()).collect();
    while let Some(folder) = folders.pop() {
        left = left.checked_sub(1)?;
        for path in sorted(&folder).into_iter().rev() {
            let is_link = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            if path.is_dir() && !is_link {
                folders.push(path);
            } else if name.is_some_and(|name| name.contains(".ko"))
                && let Ok(module) = Module::load(&path)
                && module.in_tree
            {
                return Some(module);
            }
        }
    }
    None
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The version magic of Debian's configuration is the one in Debian's modules.
    #[test]
    fn version_magic_follows_from_the_configuration() {
        let text = "CONFIG_X86_64=y\nCONFIG_SMP=y\nCONFIG_PREEMPT_BUILD=y\nCONFIG_PREEMPT_DYNAMIC=y\nCONFIG_MODULE_UNLOAD=y\nCONFIG_MODVERSIONS=y\n";
        let config = Config::parse(text.as_bytes(), "c").expect("reads");
        assert_eq!(
            magic(&config, "6.1.0-50-amd64").as_deref(),
            Some("6.1.0-50-amd64 SMP preempt mod_unload modversions ")
        );
        let other = Config::parse(b"CONFIG_ARM=y\n", "c").expect("reads");
        assert_eq!(magic(&other, "6.1"), None);
    }

    /// Releases are found in the paths of headers packages and module trees.
    #[test]
    fn releases_are_found_in_paths() {
        for (path, expected) in [
            (
                "/lib/modules/6.1.0-50-amd64/build/Module.symvers",
                Some("6.1.0-50-amd64"),
            ),
            (
                "x.deb:usr/src/linux-headers-6.1.0-50-amd64/Module.symvers",
                Some("6.1.0-50-amd64"),
            ),
            (
                "/usr/src/kernels/5.14.0-427.el9.x86_64",
                Some("5.14.0-427.el9.x86_64"),
            ),
            ("linux-headers-6.1.0-50-amd64_6.1.176-1_amd64.deb", None),
            ("Module.symvers", None),
        ] {
            assert_eq!(release_in_path(path).as_deref(), expected, "{path}");
        }
    }
}
