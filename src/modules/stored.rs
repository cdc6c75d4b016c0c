//! The form of `modules.json`, schema 1.
//!
//! A new reader takes old data as long as keys are only added with a default; an old reader refuses data with
//! another schema and keys it does not know, so that nothing is dropped when it writes the file again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::database::Entry;
use super::error::ModulesError;
use super::module::{Import, Module, ModuleExport, Origin, VersionSections};
use crate::symvers::{Crc, ExportClass};

/// Version of the database's document.
pub const SCHEMA: u64 = 1;

#[derive(Deserialize)]
struct Head {
    schema: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u64,
    modules: Vec<StoredModule>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredModule {
    provider: String,
    version: Option<String>,
    module: String,
    path: String,
    source: StoredOrigin,
    module_version: Option<String>,
    licences: Vec<String>,
    vermagic: Option<String>,
    srcversion: Option<String>,
    in_tree: bool,
    this_module_size: Option<u64>,
    /// Absent in databases of older programs, which did not tell the sections apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    versions: Option<String>,
    depends: Vec<String>,
    namespaces: BTreeSet<String>,
    weak: BTreeSet<String>,
    #[serde(deserialize_with = "unique")]
    imports: BTreeMap<String, Option<StoredCrc>>,
    #[serde(deserialize_with = "unique")]
    exports: BTreeMap<String, StoredExport>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredOrigin {
    Module,
    Text,
    Package,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredExport {
    crc: Option<StoredCrc>,
    class: String,
    namespace: Option<String>,
}

/// A CRC as `0x` and eight digits, the form in which people compare it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct StoredCrc(Crc);

impl From<StoredCrc> for String {
    fn from(crc: StoredCrc) -> String {
        crc.0.to_string()
    }
}

impl TryFrom<String> for StoredCrc {
    type Error = String;

    fn try_from(word: String) -> Result<StoredCrc, String> {
        let expected = || format!("CRC `{word}`; expected 0x and 8 hexadecimal digits");
        let digits = word.strip_prefix("0x").ok_or_else(expected)?;
        if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(expected());
        }
        u32::from_str_radix(digits, 16)
            .map(|crc| StoredCrc(Crc(crc)))
            .map_err(|_| expected())
    }
}

/// Reads a map and refuses a key that stands there twice, where serde's own maps keep the last one in silence.
fn unique<'de, V, D>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
where
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Unique<V>(PhantomData<V>);
    impl<'de, V: Deserialize<'de>> Visitor<'de> for Unique<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map from symbols")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut values = BTreeMap::new();
            while let Some(key) = map.next_key::<String>()? {
                if values.contains_key(&key) {
                    return Err(A::Error::custom(format!(
                        "symbol `{key}` stands here twice"
                    )));
                }
                let value = map.next_value()?;
                values.insert(key, value);
            }
            Ok(values)
        }
    }
    deserializer.deserialize_map(Unique(PhantomData))
}

/// Reads the entries, each with its number counted from 1.
pub(super) fn read(bytes: &[u8], name: &str) -> Result<Vec<(Entry, usize)>, ModulesError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let refused = |error: serde_json::Error| ModulesError::Database {
        name: name.to_owned(),
        line: error.line().max(1),
        column: error.column().max(1),
        reason: without_place(&error),
    };
    let head: Head = serde_json::from_slice(bytes).map_err(refused)?;
    if head.schema != SCHEMA {
        return Err(ModulesError::Schema {
            name: name.to_owned(),
            found: head.schema,
            known: SCHEMA,
        });
    }
    let file: File = serde_json::from_slice(bytes).map_err(refused)?;
    let mut entries = Vec::new();
    for (index, stored) in file.modules.into_iter().enumerate() {
        let number = index.saturating_add(1);
        let entry = restore(stored).map_err(|reason| ModulesError::Entry {
            name: name.to_owned(),
            entry: number,
            reason,
        })?;
        entries.push((entry, number));
    }
    Ok(entries)
}

/// The text of an error without the place that serde adds at its end.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The text for the entries, in their order, with a last LF.
pub(super) fn write<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<String, ModulesError> {
    let file = File {
        schema: SCHEMA,
        modules: entries.map(store).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file).map_err(|error| ModulesError::Database {
        name: "modules.json".to_owned(),
        line: 1,
        column: 1,
        reason: error.to_string(),
    })?;
    text.push('\n');
    Ok(text)
}

fn store(entry: &Entry) -> StoredModule {
    let module = &entry.module;
    let weak = module.imports.iter().filter(|(_, import)| import.weak);
    let import = |(symbol, import): (&String, &Import)| (symbol.clone(), import.crc.map(StoredCrc));
    let export = |(symbol, export): (&String, &ModuleExport)| {
        let stored = StoredExport {
            crc: export.crc.map(StoredCrc),
            class: export.class.word().to_owned(),
            namespace: export.namespace.clone(),
        };
        (symbol.clone(), stored)
    };
    StoredModule {
        provider: entry.provider.clone(),
        version: entry.version.clone(),
        module: module.name.clone(),
        path: module.path.clone(),
        source: match module.origin {
            Origin::Module => StoredOrigin::Module,
            Origin::Text => StoredOrigin::Text,
            Origin::Package => StoredOrigin::Package,
        },
        module_version: module.version.clone(),
        licences: module.licences.clone(),
        vermagic: module.vermagic.clone(),
        srcversion: module.srcversion.clone(),
        in_tree: module.in_tree,
        this_module_size: module.this_module_size,
        versions: (module.origin == Origin::Module)
            .then(|| module.version_sections.word().to_owned()),
        depends: module.depends.clone(),
        namespaces: module.namespaces.clone(),
        weak: weak.map(|(symbol, _)| symbol.clone()).collect(),
        imports: module.imports.iter().map(import).collect(),
        exports: module.exports.iter().map(export).collect(),
    }
}

fn restore(stored: StoredModule) -> Result<Entry, String> {
    let origin = match stored.source {
        StoredOrigin::Module => Origin::Module,
        StoredOrigin::Text => Origin::Text,
        StoredOrigin::Package => Origin::Package,
    };
    let mut module = Module::named(&stored.path, stored.module, origin);
    for (symbol, crc) in stored.imports {
        let import = Import {
            crc: crc.map(|crc| crc.0),
            weak: false,
        };
        module.imports.insert(symbol, import);
    }
    for symbol in stored.weak {
        let import = module.imports.get_mut(&symbol);
        import
            .ok_or_else(|| format!("weak symbol `{symbol}` is not among the imports"))?
            .weak = true;
    }
    for (symbol, export) in stored.exports {
        let class = ExportClass::from_word(&export.class)
            .ok_or_else(|| format!("export type `{}` of `{symbol}` is not known", export.class))?;
        let export = ModuleExport {
            crc: export.crc.map(|crc| crc.0),
            class,
            namespace: export.namespace,
        };
        module.exports.insert(symbol, export);
    }
    module.version = stored.module_version;
    module.licences = stored.licences;
    module.vermagic = stored.vermagic;
    module.srcversion = stored.srcversion;
    module.in_tree = stored.in_tree;
    module.this_module_size = stored.this_module_size;
    module.version_sections = match stored.versions {
        Some(word) => VersionSections::from_word(&word)
            .ok_or_else(|| format!("version sections `{word}` are not known"))?,
        None if module.origin == Origin::Module && module.is_versioned() => VersionSections::Basic,
        None => VersionSections::None,
    };
    module.depends = stored.depends;
    module.namespaces = stored.namespaces;
    Ok(Entry {
        provider: stored.provider,
        version: stored.version,
        module,
    })
}
