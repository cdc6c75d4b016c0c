//! The dependency tokens that a kernel or a module should have in its package, and whether a package has them.
//!
//! Red Hat: a kernel provides `kernel(S)` for each export, a module `ksym(S)` for its own; a module requires
//! `kernel(S)` for what the kernel exports with that CRC and `ksym(S)` for all else. SUSE: both provide and require
//! `ksym(FLAVOR:S)`. The old sets of SUSE hash all exports of a folder of modules.

use std::collections::{BTreeMap, BTreeSet};

use super::kernel::Kernel;
use super::md5;
use super::module::{LAYOUT, Module};
use super::package::Package;
use super::tokens::{Meaning, Style, Token};
use crate::symvers::{Crc, Symvers};

/// What a kernel's package provides, in bytewise order.
#[must_use]
pub fn kernel_provides(symvers: &Symvers, style: Style, flavor: &str) -> Vec<Token> {
    let each = symvers
        .iter()
        .map(|export| Token::of_symbol(style, flavor, &export.symbol, export.crc, true));
    sorted(each)
}

/// The sets of symbols that a kernel's package of SUSE provided up to 2017, in bytewise order.
///
/// A set is a folder of modules with `_` for `/`, or `vmlinux`; its hash the first 16 digits of the MD5 sum of its
/// exports, one on each line as in the oldest `Module.symvers` with four columns, sorted by symbol.
#[must_use]
pub fn kernel_sets(symvers: &Symvers, flavor: &str) -> Vec<Token> {
    let mut sets: BTreeMap<String, String> = BTreeMap::new();
    for export in symvers.iter() {
        let set = match export.module.rsplit_once('/') {
            Some((folder, _)) => folder.replace('/', "_"),
            None => export.module.to_string(),
        };
        sets.entry(set).or_default().push_str(&format!(
            "{}\t{}\t{}\t{}\n",
            export.crc,
            export.symbol,
            export.module,
            export.class.word()
        ));
    }
    let token = |(set, text): (String, String)| {
        Token::equal(
            format!("kernel({flavor}:{set})"),
            md5::short(text.as_bytes()),
        )
    };
    sorted(sets.into_iter().map(token))
}

/// What a package with these modules provides, in bytewise order.
#[must_use]
pub fn module_provides(modules: &[&Module], style: Style, flavor: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for module in modules {
        tokens.push(Token {
            name: format!("kmod({}.ko)", module.name),
            relation: super::tokens::Relation::Any,
            version: String::new(),
        });
        for (symbol, export) in &module.exports {
            if let Some(crc) = export.crc {
                tokens.push(Token::of_symbol(style, flavor, symbol, crc, false));
            }
        }
    }
    sorted(tokens.into_iter())
}

/// What a package with these modules requires, in bytewise order: every import with a CRC that no module of the
/// package provides itself. `kernel` is the one that they were built for.
#[must_use]
pub fn module_requires(
    modules: &[&Module],
    kernel: Option<&Kernel<'_>>,
    style: Style,
    flavor: &str,
) -> Vec<Token> {
    let own: BTreeSet<&str> = modules
        .iter()
        .flat_map(|module| module.exports.keys())
        .map(String::as_str)
        .collect();
    let mut tokens = Vec::new();
    for module in modules {
        for (symbol, import) in &module.imports {
            let Some(crc) = import.crc.filter(|_| !own.contains(symbol.as_str())) else {
                continue;
            };
            let export = kernel.and_then(|kernel| kernel.get(symbol));
            let of_kernel = export.is_some_and(|export| export.crc == crc);
            tokens.push(Token::of_symbol(style, flavor, symbol, crc, of_kernel));
        }
    }
    sorted(tokens.into_iter())
}

fn sorted(tokens: impl Iterator<Item = Token>) -> Vec<Token> {
    let mut tokens: Vec<Token> = tokens.collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

/// Where a package's declared requirements and the imports of its modules differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undeclared {
    /// Imports with a CRC that the package does not require: it installs beside a kernel that lacks them.
    pub missing: Vec<(String, Crc)>,
    /// Imports that the package requires with another CRC than the module has: symbol, declared, imported.
    pub differing: Vec<(String, Crc, Crc)>,
    /// Symbols that the package requires and none of its modules imports.
    pub unused: Vec<String>,
    /// Sets of symbols that the package requires; what is in them is not known here.
    pub sets: Vec<String>,
}

impl Undeclared {
    /// Whether declarations and imports agree.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.differing.is_empty() && self.unused.is_empty()
    }
}

/// Compares what a package requires with what its modules import.
#[must_use]
pub fn undeclared(package: &Package, modules: &[&Module]) -> Undeclared {
    let mut declared: BTreeMap<&str, BTreeSet<Crc>> = BTreeMap::new();
    let mut found = Undeclared::default();
    for token in &package.requires {
        match token.meaning() {
            Meaning::RedHat { symbol, crc, .. } | Meaning::Suse { symbol, crc, .. } => {
                declared.entry(symbol).or_default().insert(crc);
            }
            Meaning::Set { set, .. } => found.sets.push(set.to_owned()),
            Meaning::Other => {}
        }
    }
    let own: BTreeSet<&String> = modules.iter().flat_map(|m| m.exports.keys()).collect();
    let mut imported: BTreeSet<&str> = BTreeSet::new();
    for module in modules {
        for (symbol, import) in &module.imports {
            imported.insert(symbol);
            let Some(crc) = import.crc.filter(|_| !own.contains(symbol)) else {
                continue;
            };
            match declared.get(symbol.as_str()) {
                Some(crcs) if crcs.contains(&crc) => {}
                Some(crcs) => {
                    let other = crcs.iter().next().copied().unwrap_or_default();
                    found.differing.push((symbol.clone(), other, crc));
                }
                // A weak symbol may be absent, and generators leave the layout out.
                None if import.weak || LAYOUT.contains(&symbol.as_str()) => {}
                None => found.missing.push((symbol.clone(), crc)),
            }
        }
    }
    let unused = declared.keys().filter(|symbol| !imported.contains(*symbol));
    found.unused = unused.map(|symbol| (*symbol).to_owned()).collect();
    found.missing.sort();
    found.missing.dedup();
    found.differing.sort();
    found.differing.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::super::package::Family;
    use super::super::testing::Builder;
    use super::*;

    fn symvers() -> Symvers {
        let text =
            "0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\n0x22\tb\tdrivers/net/mii\tEXPORT_SYMBOL_GPL\t\n";
        Symvers::read(text.as_bytes(), "m").expect("reads").symvers
    }

    fn words(tokens: &[Token]) -> Vec<String> {
        tokens.iter().map(ToString::to_string).collect()
    }

    /// A kernel's tokens in both grammars, and its sets.
    #[test]
    fn kernels_provide() {
        let symvers = symvers();
        let red_hat = kernel_provides(&symvers, Style::RedHat, "");
        assert_eq!(
            words(&red_hat),
            ["kernel(a) = 0x00000001", "kernel(b) = 0x00000022"]
        );
        let suse = kernel_provides(&symvers, Style::Suse, "default");
        assert_eq!(
            words(&suse),
            ["ksym(default:a) = 1", "ksym(default:b) = 22"]
        );
        let sets = words(&kernel_sets(&symvers, "default"));
        let hash = md5::short(b"0x00000001\ta\tvmlinux\tEXPORT_SYMBOL\n");
        assert!(sets[0].starts_with("kernel(default:drivers_net) = "));
        assert_eq!(sets[1], format!("kernel(default:vmlinux) = {hash}"));
    }

    /// A module's tokens name the kernel only for what the kernel has; what siblings provide is not required.
    #[test]
    fn modules_require() {
        let core = Builder::default()
            .export(5, "core_open", false, "")
            .import(1, "a")
            .build();
        let user = Builder::default()
            .import(5, "core_open")
            .import(0x22, "b")
            .import(9, "other")
            .build();
        let core = Module::read(&core, "core.ko").expect("valid");
        let user = Module::read(&user, "user.ko").expect("valid");
        let symvers = symvers();
        let kernel = Kernel::of(&symvers);
        let tokens = module_requires(&[&core, &user], Some(&kernel), Style::RedHat, "");
        assert_eq!(
            words(&tokens),
            [
                "kernel(a) = 0x00000001",
                "kernel(b) = 0x00000022",
                "ksym(other) = 0x00000009"
            ]
        );
        let tokens = module_provides(&[&core, &user], Style::RedHat, "");
        assert_eq!(
            words(&tokens),
            [
                "kmod(core.ko)",
                "kmod(user.ko)",
                "ksym(core_open) = 0x00000005"
            ]
        );
    }

    /// What a package declares is compared with what its modules import.
    #[test]
    fn declarations_are_compared() {
        let module = Builder::default()
            .import(1, "a")
            .import(2, "b")
            .import(3, "c")
            .build();
        let module = Module::read(&module, "m.ko").expect("valid");
        let package = Package {
            path: "p".into(),
            name: "p".into(),
            version: "1".into(),
            family: Family::Rpm,
            requires: vec![
                Token::equal("kernel(a)".into(), "0x1".into()),
                Token::equal("ksym(default:b)".into(), "7".into()),
                Token::equal("ksym(gone)".into(), "0x7".into()),
            ],
            provides: Vec::new(),
        };
        let found = undeclared(&package, &[&module]);
        assert_eq!(found.missing, [("c".to_owned(), Crc(3))]);
        assert_eq!(found.differing, [("b".to_owned(), Crc(7), Crc(2))]);
        assert_eq!(found.unused, ["gone"]);
    }
}
