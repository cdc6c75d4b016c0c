//! The `.modinfo` section of a module: `key=value` texts, each ended by a NUL; keys may repeat.

use std::collections::BTreeSet;

/// What this crate uses of `.modinfo`.
#[derive(Default)]
pub(super) struct Modinfo {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) licences: Vec<String>,
    pub(super) vermagic: Option<String>,
    pub(super) srcversion: Option<String>,
    pub(super) namespaces: BTreeSet<String>,
    pub(super) depends: Vec<String>,
    pub(super) in_tree: bool,
}

/// Reads a `.modinfo` section; keys that are not used may hold anything, such as an author's Latin-1 name.
///
/// # Errors
///
/// A value that is used and is not UTF-8.
pub(super) fn read(bytes: &[u8]) -> Result<Modinfo, String> {
    let mut info = Modinfo::default();
    for line in bytes.split(|byte| *byte == 0) {
        let Some(at) = memchr::memchr(b'=', line) else {
            continue;
        };
        let (key, value) = (line.get(..at), line.get(at.saturating_add(1)..));
        if let (Some(key), Some(value)) = (key, value) {
            set(&mut info, key, value)?;
        }
    }
    Ok(info)
}

fn set(info: &mut Modinfo, key: &[u8], value: &[u8]) -> Result<(), String> {
    let text = || {
        String::from_utf8(value.to_vec())
            .map_err(|_| format!("{} in .modinfo is not UTF-8", String::from_utf8_lossy(key)))
    };
    // The loader takes the first value of a key that it expects once.
    let first = |slot: &mut Option<String>| -> Result<(), String> {
        if slot.is_none() {
            *slot = Some(text()?);
        }
        Ok(())
    };
    match key {
        b"name" => first(&mut info.name)?,
        b"version" => first(&mut info.version)?,
        b"vermagic" => first(&mut info.vermagic)?,
        b"srcversion" => first(&mut info.srcversion)?,
        b"license" => info.licences.push(text()?),
        b"import_ns" => {
            info.namespaces.insert(text()?);
        }
        b"depends" => {
            let text = text()?;
            let names = text.split(',').map(str::trim).filter(|n| !n.is_empty());
            info.depends.extend(names.map(str::to_owned));
        }
        b"intree" => info.in_tree = value == b"Y",
        _ => {}
    }
    Ok(())
}
