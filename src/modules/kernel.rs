//! A kernel as modules meet it: its exports, and what else its loader compares.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::module::canonical;
use crate::symvers::{Export, Symvers};

/// What a kernel does with an import that has no version record although the export has a CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingVersion {
    /// The module loads with a warning: 4.9 and later.
    Warns,
    /// The module is refused: earlier kernels, and Debian's.
    Refuses,
}

/// What is known of a kernel beside its exports. Nothing that is not known is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelFacts {
    /// The kernel's own version magic, or that of a module built for it.
    pub vermagic: Option<String>,
    /// Bytes of its `struct module`.
    pub this_module_size: Option<u64>,
    /// What it does with an import without version record.
    pub missing_version: Option<MissingVersion>,
    /// Whether it only warns about namespaces that a module does not import
    /// (`CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS`).
    pub allows_missing_namespaces: bool,
    /// Whether it takes modules without version data and is tainted by them (`CONFIG_MODULE_FORCE_LOAD`).
    pub forces: bool,
}

impl KernelFacts {
    /// What a release says: Debian's kernels are told by their names, others by their number.
    #[must_use]
    pub fn missing_version_of(release: &str) -> Option<MissingVersion> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        let major: u32 = numbers.next()?.parse().ok()?;
        let minor: u32 = numbers.next()?.parse().ok()?;
        Some(if (major, minor) < (4, 9) || is_debian(release) {
            MissingVersion::Refuses
        } else {
            MissingVersion::Warns
        })
    }
}

/// `6.1.0-50-amd64`, `6.12.117+deb12-cloud-amd64`: a number of the ABI and a flavour of Debian's.
fn is_debian(release: &str) -> bool {
    const FLAVOURS: [&str; 20] = [
        "amd64",
        "686",
        "686-pae",
        "arm64",
        "arm64-16k",
        "armmp",
        "armmp-lpae",
        "rpi",
        "marvell",
        "4kc-malta",
        "5kc-malta",
        "loongson-3",
        "octeon",
        "powerpc64le",
        "powerpc64le-64k",
        "s390x",
        "riscv64",
        "mips64r2el",
        "loong64",
        "octeon-3",
    ];
    let (version, rest) = release.split_once('-').unwrap_or((release, ""));
    let flavour = |rest: &str| {
        let rest = rest.strip_suffix("-unsigned").unwrap_or(rest);
        let rest = rest
            .strip_prefix("cloud-")
            .or(rest.strip_prefix("rt-"))
            .unwrap_or(rest);
        FLAVOURS.contains(&rest)
    };
    let numbered = rest.split_once('-').is_some_and(|(number, rest)| {
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && flavour(rest)
    });
    version.contains("+deb") || release.contains("+deb") || numbered
}

/// A kernel, with an index of its exports.
#[derive(Debug)]
pub struct Kernel<'a> {
    symvers: &'a Symvers,
    exports: HashMap<&'a str, &'a Export, RandomState>,
    /// Names of the modules that export something, in the form in which names are compared.
    modules: HashSet<String>,
    versioned: bool,
    knows_module_namespaces: bool,
    /// What else is known.
    pub facts: KernelFacts,
}

impl<'a> Kernel<'a> {
    /// A kernel with these exports of which nothing else is known.
    #[must_use]
    pub fn of(symvers: &'a Symvers) -> Kernel<'a> {
        Kernel::with(symvers, KernelFacts::default())
    }

    /// A kernel with these exports and facts.
    #[must_use]
    pub fn with(symvers: &'a Symvers, facts: KernelFacts) -> Kernel<'a> {
        let mut kernel = Kernel {
            symvers,
            exports: HashMap::with_capacity_and_hasher(symvers.len(), RandomState::default()),
            modules: HashSet::new(),
            versioned: !symvers.is_unversioned(),
            knows_module_namespaces: false,
            facts,
        };
        let mut last = "";
        for export in symvers.iter() {
            kernel.exports.insert(&export.symbol, export);
            if export.module != last {
                last = &export.module;
                let base = last.rsplit('/').next().unwrap_or(last);
                kernel.modules.insert(canonical(base));
            }
            let namespace = export.namespace.as_deref().unwrap_or_default();
            kernel.knows_module_namespaces |= namespace.starts_with("module:");
        }
        kernel
    }

    /// The exports.
    #[must_use]
    pub fn symvers(&self) -> &'a Symvers {
        self.symvers
    }

    /// The export of that symbol.
    #[must_use]
    pub fn get(&self, symbol: &str) -> Option<&'a Export> {
        self.exports.get(symbol).copied()
    }

    /// Whether the kernel compares CRCs at all.
    #[must_use]
    pub fn is_versioned(&self) -> bool {
        self.versioned
    }

    /// Whether a module of that name, with `_` for `-`, exports something.
    pub(super) fn has_module(&self, name: &str) -> bool {
        self.modules.contains(name)
    }

    /// Whether any export is in a `module:` namespace, so that the kernel refuses an import of one by name.
    pub(super) fn knows_module_namespaces(&self) -> bool {
        self.knows_module_namespaces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Debian's kernels and old ones refuse what others warn about; a word that is no release tells nothing.
    #[test]
    fn releases_tell_what_is_refused() {
        let of = KernelFacts::missing_version_of;
        for release in [
            "6.1.0-50-amd64",
            "6.12.117+deb12-cloud-amd64",
            "5.10.0-28-rt-amd64",
            "4.8.6",
            "3.10.0-1160.el7.x86_64",
        ] {
            assert_eq!(of(release), Some(MissingVersion::Refuses), "{release}");
        }
        for release in [
            "6.1.192",
            "5.14.0-427.el9.x86_64",
            "6.4.0-150600.21-default",
            "5.15.0-91-generic",
        ] {
            assert_eq!(of(release), Some(MissingVersion::Warns), "{release}");
        }
        assert_eq!(of("kernel"), None);
    }
}
