//! A stablelist from what modules use.
//!
//! `module_layout` is in it, as every module needs it. Where one half of a tracepoint is used
//! (`__tracepoint_X`, `__traceiter_X`), the other is too: a kernel that drops one drops both.

use std::collections::{BTreeMap, BTreeSet};

use super::database::Database;
use super::kernel::Kernel;
use super::module::LAYOUT;

/// A suggested list: symbols with the modules that use them, and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suggestion {
    /// Symbols in bytewise order, each with the modules that use it as `provider/module`.
    pub symbols: BTreeMap<String, BTreeSet<String>>,
    /// Imports that other modules of the database export, so that no kernel can protect them.
    pub of_siblings: BTreeSet<String>,
    /// Imports that the kernel does not export.
    pub not_exported: BTreeMap<String, BTreeSet<String>>,
}

/// Suggests the symbols that the modules of a database use. With a kernel only what it exports is suggested.
#[must_use]
pub fn suggest(database: &Database, kernel: Option<&Kernel<'_>>) -> Suggestion {
    let mut found = Suggestion::default();
    let siblings: BTreeSet<&String> = database
        .list()
        .flat_map(|entry| entry.module.exports.keys())
        .collect();
    let exported = |symbol: &str| kernel.map(|kernel| kernel.get(symbol).is_some());
    for entry in database.list() {
        let user = format!("{}/{}", entry.provider, entry.module.name);
        for (symbol, import) in &entry.module.imports {
            match exported(symbol) {
                Some(false) | None if siblings.contains(symbol) => {
                    found.of_siblings.insert(symbol.clone());
                }
                // A module loads without a weak symbol.
                Some(false) if import.weak => {}
                Some(false) => {
                    let users = found.not_exported.entry(symbol.clone()).or_default();
                    users.insert(user.clone());
                }
                Some(true) | None => {
                    for name in std::iter::once(symbol.clone()).chain(other_half(symbol)) {
                        if exported(&name) != Some(false) {
                            found.symbols.entry(name).or_default().insert(user.clone());
                        }
                    }
                }
            }
        }
    }
    let [layout, _] = LAYOUT;
    if !found.symbols.is_empty() && exported(layout) != Some(false) {
        found.symbols.entry(layout.to_owned()).or_default();
    }
    found
}

/// The other half of a tracepoint.
fn other_half(symbol: &str) -> Option<String> {
    let with = |from: &str, to: &str| symbol.strip_prefix(from).map(|name| format!("{to}{name}"));
    with("__tracepoint_", "__traceiter_").or_else(|| with("__traceiter_", "__tracepoint_"))
}

#[cfg(test)]
mod tests {
    use super::super::database::Source;
    use super::super::module::Module;
    use super::super::scan::{Found, Scan};
    use super::super::testing::Builder;
    use super::*;
    use crate::symvers::Symvers;

    /// Imports are suggested with their users, with the layout and the halves of tracepoints; what the kernel
    /// cannot protect is told apart.
    #[test]
    fn imports_are_suggested() {
        let core = Builder::default()
            .export(1, "core_open", false, "")
            .import(1, "a");
        let user = Builder::default()
            .import(1, "core_open")
            .import(1, "a")
            .import(1, "gone")
            .import(1, "__tracepoint_x");
        let found = |name: &str, builder: &Builder| Found {
            root: name.into(),
            module: Module::read(&builder.build(), name).expect("valid"),
            package: None,
        };
        let scan = Scan {
            modules: vec![found("core.ko", &core), found("user.ko", &user)],
            ..Scan::default()
        };
        let mut database = Database::default();
        let provider = Some("acme".to_owned());
        database.merge(
            scan,
            &Source {
                provider,
                version: None,
            },
        );
        let without = suggest(&database, None);
        let names: Vec<_> = without.symbols.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "__traceiter_x",
                "__tracepoint_x",
                "a",
                "gone",
                "module_layout"
            ]
        );
        assert_eq!(without.symbols["a"].len(), 2);
        let text = "0x1\ta\tvmlinux\tEXPORT_SYMBOL\n0x1\t__tracepoint_x\tvmlinux\tEXPORT_SYMBOL\n";
        let symvers = Symvers::read(text.as_bytes(), "m").expect("reads").symvers;
        let with = suggest(&database, Some(&Kernel::of(&symvers)));
        let names: Vec<_> = with.symbols.keys().map(String::as_str).collect();
        assert_eq!(names, ["__tracepoint_x", "a"]);
        assert_eq!(with.not_exported.keys().collect::<Vec<_>>(), ["gone"]);
        assert_eq!(with.of_siblings.iter().collect::<Vec<_>>(), ["core_open"]);
    }
}
