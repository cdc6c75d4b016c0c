//! One kernel module: what it imports and exports, and what it says about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::elf::{Object, Place, Symbol, text_at};
use super::error::ModulesError;
use super::ranges::{Data, Ranges};
use super::{modinfo, standin, versions};
use crate::symvers::{Crc, ExportClass, UnpackError, looks_like, read_file, shown, unpack};

/// The most bytes that a module may have, packed or unpacked: with debug information the largest have 200 MB.
pub(super) const MODULE_LIMIT: u64 = 512 << 20;

/// The most bytes of names that one module may keep; real modules stay below 1 MiB.
const NAMES_LIMIT: usize = 32 << 20;

/// The symbol whose CRC stands for the layout of a module itself; every module has a version record for it.
pub(super) const LAYOUT: [&str; 2] = ["module_layout", "struct_module"];

/// Licences that the kernel takes for GPL-compatible (`include/linux/license.h`).
const GPL_COMPATIBLE: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The module itself: all is known.
    Module,
    /// A text with imports and CRCs: licence, namespaces, exports and weak references are not known.
    Text,
    /// The requirements of a package whose files cannot be read: as little is known as from a text, and all is
    /// not even said.
    Package,
}

/// Which sections of version records a module has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionSections {
    /// None: the module can only be forced into a kernel with CRCs.
    #[default]
    None,
    /// `__versions`.
    Basic,
    /// `__version_ext_crcs` and `__version_ext_names` only, which kernels before 6.14 do not know.
    Extended,
    /// Both forms.
    Both,
}

impl VersionSections {
    const WORDS: [(VersionSections, &'static str); 4] = [
        (VersionSections::None, "none"),
        (VersionSections::Basic, "basic"),
        (VersionSections::Extended, "extended"),
        (VersionSections::Both, "both"),
    ];

    /// The spelling in databases and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(sections, _)| *sections == self)
            .map_or("none", |(_, word)| word)
    }

    /// Reads the spelling of [`VersionSections::word`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<VersionSections> {
        let mut words = Self::WORDS.iter();
        words
            .find(|(_, w)| *w == word)
            .map(|(sections, _)| *sections)
    }
}

/// What a module's licence lets it use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Licence {
    /// All exports.
    Gpl,
    /// Only exports that are not GPL-only.
    Proprietary,
    /// Not known, as the module itself was not read.
    Unknown,
}

/// A symbol that a module imports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// The CRC that the symbol had when the module was built; `None` if there is no version record.
    pub crc: Option<Crc>,
    /// Whether the module loads without the symbol.
    pub weak: bool,
}

/// A symbol that a module exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleExport {
    /// Its CRC; `None` if the module was built without versions.
    pub crc: Option<Crc>,
    /// Who may use it.
    pub class: ExportClass,
    /// Namespace that a user must import, if any.
    pub namespace: Option<String>,
}

/// A kernel module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The file, as given.
    pub path: String,
    /// The module's name, with `_` for `-`.
    pub name: String,
    /// What was read.
    pub origin: Origin,
    /// `version=` of the module.
    pub version: Option<String>,
    /// All `license=` values; the loader looks at the first.
    pub licences: Vec<String>,
    /// `vermagic=`, with its trailing blank.
    pub vermagic: Option<String>,
    /// `srcversion=`.
    pub srcversion: Option<String>,
    /// Namespaces that the module imports.
    pub namespaces: BTreeSet<String>,
    /// Modules that must be loaded before, as the build recorded them.
    pub depends: Vec<String>,
    /// Whether the module was built as part of a kernel.
    pub in_tree: bool,
    /// Bytes of the kernel's `struct module` that the module was built with.
    pub this_module_size: Option<u64>,
    /// Which sections of version records the file has.
    pub version_sections: VersionSections,
    /// Imported symbols, with `module_layout`.
    pub imports: BTreeMap<String, Import>,
    /// Exported symbols.
    pub exports: BTreeMap<String, ModuleExport>,
    /// What is odd about the file but does not keep it from being judged.
    pub warnings: Vec<String>,
}

impl Module {
    /// Reads a module: a `.ko` file, plain or packed with gzip, xz or zstd, with or without signature, or the
    /// output of `modprobe --dump-modversions` for it. `path` stands in messages and gives the module's name
    /// if the file does not.
    ///
    /// # Errors
    ///
    /// Data that cannot be unpacked, is no module, or contradicts itself.
    pub fn read(bytes: &[u8], path: &str) -> Result<Module, ModulesError> {
        let data = unpack(bytes, path, MODULE_LIMIT)?;
        if standin::is_dump(&data) {
            return standin::read_dump(&data, path);
        }
        read_elf(Data::Memory(&data), path)
    }

    /// Reads the module of a file. Of a plain `.ko` only the parts that matter are read.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, and all that [`Module::read`] refuses.
    pub fn load(path: &Path) -> Result<Module, ModulesError> {
        let name = path.display().to_string();
        let open = |source| UnpackError::Open {
            name: name.clone(),
            source,
        };
        let file = File::open(path).map_err(open)?;
        let meta = file.metadata().map_err(open)?;
        let mut magic = [0; 4];
        let is_elf = meta.is_file()
            && meta.len() <= MODULE_LIMIT
            && file.read_exact_at(&mut magic, 0).is_ok()
            && magic == *b"\x7fELF";
        if is_elf {
            let ranges = Ranges::of(file, meta.len());
            read_elf(Data::File(&ranges), &name)
        } else {
            Module::read(&read_file(path, MODULE_LIMIT)?, &name)
        }
    }

    /// A module of that name without anything else.
    pub(super) fn named(path: &str, name: String, origin: Origin) -> Module {
        Module {
            path: path.to_owned(),
            name,
            origin,
            version: None,
            licences: Vec::new(),
            vermagic: None,
            srcversion: None,
            namespaces: BTreeSet::new(),
            depends: Vec::new(),
            in_tree: false,
            this_module_size: None,
            version_sections: VersionSections::None,
            imports: BTreeMap::new(),
            exports: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// What the module's licence lets it use. As for the loader, only the first one counts, and a module
    /// without licence is proprietary.
    #[must_use]
    pub fn licence(&self) -> Licence {
        match (self.origin, self.licences.first()) {
            (Origin::Text | Origin::Package, _) => Licence::Unknown,
            (Origin::Module, Some(licence)) if GPL_COMPATIBLE.contains(&licence.as_str()) => {
                Licence::Gpl
            }
            (Origin::Module, _) => Licence::Proprietary,
        }
    }

    /// Whether the module carries any version record.
    #[must_use]
    pub fn is_versioned(&self) -> bool {
        self.version_sections != VersionSections::None
            || self.imports.values().any(|import| import.crc.is_some())
    }
}

/// The name of a module from its file: without folder and endings, with `_` for `-`.
pub(super) fn name_from_path(path: &str) -> String {
    let base = path.rsplit('/').next().unwrap_or(path);
    let stem = base
        .find(".ko")
        .or_else(|| base.rfind('.'))
        .and_then(|at| base.get(..at))
        .filter(|stem| !stem.is_empty())
        .unwrap_or(base);
    canonical(stem)
}

/// The form in which names of modules are compared.
pub(super) fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

fn read_elf(data: Data<'_>, path: &str) -> Result<Module, ModulesError> {
    let not_module = |reason: String| ModulesError::NotModule {
        path: path.to_owned(),
        reason,
    };
    let damaged = |reason| ModulesError::Damaged {
        path: path.to_owned(),
        reason,
    };
    if let Data::Memory(bytes) = data
        && !bytes.starts_with(b"\x7fELF")
    {
        let what = looks_like(bytes).unwrap_or("nothing that is known");
        return Err(not_module(format!("this looks like {what}")));
    }
    let object = Object::read(data).map_err(not_module)?;
    let this_module = object.section(".gnu.linkonce.this_module").ok_or_else(|| {
        not_module("no section .gnu.linkonce.this_module, so it is not linked".into())
    })?;
    let info = object.bytes(".modinfo").map_err(damaged)?;
    let info = modinfo::read(info.unwrap_or_default()).map_err(damaged)?;
    let name = info
        .name
        .map_or_else(|| name_from_path(path), |name| canonical(&name));
    let mut module = Module {
        version: info.version,
        licences: info.licences,
        vermagic: info.vermagic,
        srcversion: info.srcversion,
        namespaces: info.namespaces,
        depends: info.depends,
        in_tree: info.in_tree,
        this_module_size: Some(this_module.size),
        ..Module::named(path, name, Origin::Module)
    };
    read_symbols(&object, &mut module).map_err(damaged)?;
    read_versions(&object, &mut module).map_err(damaged)?;
    warn_about_namespaces(&mut module);
    Ok(module)
}

/// Reads imports and exports from the symbol table.
fn read_symbols(object: &Object<'_>, module: &mut Module) -> Result<(), String> {
    let mut kept = 0_usize;
    let tables: Vec<Option<ExportClass>> = object
        .sections
        .iter()
        .map(|section| export_class(section.name))
        .collect();
    let mut weak: Vec<(&str, bool)> = Vec::new();
    object.each_symbol(|symbol| {
        match symbol.place {
            Place::Undefined => {
                let name = object
                    .name(symbol)
                    .ok_or("an undefined symbol has no readable name")?;
                let name = utf8(name)?;
                let name = name.strip_prefix('.').unwrap_or(name);
                if !is_linkers_own(object, name) {
                    kept = keep(kept, name)?;
                    weak.push((name, symbol.weak));
                }
            }
            Place::Section(index) => {
                let class = tables.get(index).and_then(Option::as_ref);
                let name = class.and_then(|_| object.name(symbol));
                if let Some(class) = class
                    && let Some(name) = name.and_then(|name| name.strip_prefix(b"__ksymtab_"))
                {
                    let name = utf8(name)?;
                    kept = keep(kept, name)?;
                    let export = ModuleExport {
                        crc: None,
                        class: class.clone(),
                        namespace: None,
                    };
                    module.exports.insert(name.to_owned(), export);
                }
            }
            Place::Absolute | Place::Other => {}
        }
        Ok(())
    })?;
    // A name is weak if each of its symbols is; sorted input makes the map in one go.
    weak.sort_unstable();
    weak.dedup_by_key(|(name, _)| *name);
    module.imports = weak
        .into_iter()
        .map(|(name, weak)| (name.to_owned(), Import { crc: None, weak }))
        .collect();
    complete_exports(object, module)
}

/// Bounds the memory for names: many symbols may point into one long text.
fn keep(kept: usize, name: &str) -> Result<usize, String> {
    let kept = kept.saturating_add(name.len());
    if kept > NAMES_LIMIT {
        Err(format!("more than {NAMES_LIMIT} bytes of symbol names"))
    } else {
        Ok(kept)
    }
}

/// Undefined symbols that the linker or the loader makes itself, as modpost knows them.
fn is_linkers_own(object: &Object<'_>, name: &str) -> bool {
    const POWERPC: [&str; 8] = [
        "_restgpr",
        "_savegpr",
        "_restfpr",
        "_savefpr",
        "_restvr",
        "_savevr",
        "_rest32gpr",
        "_save32gpr",
    ];
    name == "_GLOBAL_OFFSET_TABLE_"
        || object.is_powerpc && (name == "TOC." || POWERPC.iter().any(|own| name.starts_with(own)))
}

/// The class of the exports in a section: `__ksymtab_gpl` in a linked module, `___ksymtab_gpl+name` in an
/// object file.
fn export_class(section: &[u8]) -> Option<ExportClass> {
    let section = std::str::from_utf8(section).ok()?;
    let section = section.split('+').next()?.trim_start_matches('_');
    Some(match section.strip_prefix("ksymtab")? {
        "" => ExportClass::Plain,
        "_gpl" => ExportClass::Gpl,
        "_gpl_future" => ExportClass::GplFuture,
        "_unused" => ExportClass::Unused,
        "_unused_gpl" => ExportClass::UnusedGpl,
        _ => return None,
    })
}

/// Adds CRC and namespace to the exports.
fn complete_exports(object: &Object<'_>, module: &mut Module) -> Result<(), String> {
    if module.exports.is_empty() {
        return Ok(());
    }
    object.each_symbol(|symbol| {
        let (crc, space): (&[u8], &[u8]) = (b"__crc_", b"__kstrtabns_");
        if !object.name_starts(symbol, crc) && !object.name_starts(symbol, space) {
            return Ok(());
        }
        let name = object
            .name(symbol)
            .and_then(|n| std::str::from_utf8(n).ok());
        let Some(name) = name else { return Ok(()) };
        if let Some(export) = name
            .strip_prefix("__crc_")
            .and_then(|name| module.exports.get_mut(name))
        {
            export.crc = crc_of(object, symbol);
        } else if let Some(export) = name
            .strip_prefix("__kstrtabns_")
            .and_then(|name| module.exports.get_mut(name))
        {
            let text = object
                .bytes_at(symbol)
                .and_then(|bytes| text_at(bytes, 0))
                .ok_or_else(|| format!("{name} points at no text"))?;
            export.namespace = match utf8(text)? {
                "" => None,
                namespace => Some(namespace.to_owned()),
            };
        }
        Ok(())
    })
}

/// The CRC of an export: the value of an absolute symbol up to 5.18, else the four bytes at its place.
fn crc_of(object: &Object<'_>, symbol: &Symbol) -> Option<Crc> {
    match symbol.place {
        // The mask keeps the low half.
        Place::Absolute => u32::try_from(symbol.value & 0xffff_ffff).ok().map(Crc),
        _ => object.u32(object.bytes_at(symbol)?).map(Crc),
    }
}

/// Adds the CRCs of the imports.
fn read_versions(object: &Object<'_>, module: &mut Module) -> Result<(), String> {
    let versions = versions::read(object)?;
    module.warnings.extend(versions.warnings);
    let mut unused = Vec::new();
    for (name, crc) in versions.crcs {
        if let Some(import) = module.imports.get_mut(name) {
            import.crc = Some(crc);
        } else if LAYOUT.contains(&name) {
            let import = Import {
                crc: Some(crc),
                weak: false,
            };
            module.imports.insert(name.to_owned(), import);
        } else {
            unused.push(name);
        }
    }
    module.version_sections = versions.sections;
    if let Some(first) = unused.first() {
        module.warnings.push(format!(
            "{} version records are of symbols that the module does not use, first `{}`",
            unused.len(),
            shown(first)
        ));
    }
    Ok(())
}

fn warn_about_namespaces(module: &mut Module) {
    let imported = module
        .namespaces
        .iter()
        .find(|ns| ns.starts_with("module:"));
    if let Some(namespace) = imported {
        module.warnings.push(format!(
            "imports the namespace `{}`, which kernels that know such namespaces refuse",
            shown(namespace)
        ));
    }
}

fn utf8(name: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(name).map_err(|_| {
        let text = String::from_utf8_lossy(name);
        format!("the name `{}` is not UTF-8", shown(&text))
    })
}

#[cfg(test)]
mod tests;
