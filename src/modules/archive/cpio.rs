//! The payload of an RPM package: a cpio archive in the "new" ASCII format (`cpio(5)`), with RPM's own variant
//! for large files, whose entries hold only a number of the header's file list.

use std::collections::BTreeMap;
use std::io::Read;

use super::{Member, NAME_LIMIT, Reader, Use, damaged, inside, is_module_name, limit, plain, tar};
use crate::modules::error::ModulesError;

/// Bytes of the fields of an entry behind its magic.
const FIELDS: usize = 104;

/// A file of the header's list.
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) mode: u32,
}

/// An entry of the archive.
struct Entry {
    name: String,
    mode: u32,
    inode: u32,
    links: u32,
    size: u64,
}

const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// Reads a payload that is already being unpacked; `files` is the header's list.
pub(super) fn read(
    reader: &mut Reader,
    stream: &mut dyn Read,
    files: &[Listed],
    path: &str,
    depth: usize,
) -> Result<(), ModulesError> {
    // Of files that are one inode only the last has the bytes.
    let mut empty: BTreeMap<u32, String> = BTreeMap::new();
    while let Some(entry) = next(stream, files, path)? {
        let name = plain(&entry.name);
        let member = Member {
            path: name,
            size: entry.size,
        };
        let mut purpose = reader.enter(path, &member)?;
        let kind = entry.mode & TYPE;
        if kind == REGULAR && entry.size == 0 && entry.links > 1 {
            if is_module_name(name) {
                empty.insert(entry.inode, name.to_owned());
            }
            continue;
        }
        let mut name = name.to_owned();
        if kind == REGULAR
            && let Some(other) = empty.remove(&entry.inode)
            && purpose == Use::Nothing
        {
            (name, purpose) = (other, Use::Module);
        }
        if kind != REGULAR && kind != LINK {
            purpose = Use::Nothing;
        }
        if kind == LINK {
            let target = take(stream, entry.size.min(NAME_LIMIT as u64), path)?;
            skip(stream, entry.size.saturating_sub(NAME_LIMIT as u64), path)?;
            tar::link(reader, path, &name, &String::from_utf8_lossy(&target));
        } else if purpose == Use::Nothing {
            skip(stream, entry.size, path)?;
        } else {
            let bytes = take(stream, entry.size, &inside(path, &name))?;
            reader.take(path, &name, purpose, bytes, depth);
        }
        pad(stream, entry.size, path)?;
    }
    if let Some(name) = empty.values().next() {
        return Err(damaged(&inside(path, name), "a link whose file is missing"));
    }
    Ok(())
}

/// The next entry; `None` at the trailer.
fn next(
    stream: &mut dyn Read,
    files: &[Listed],
    path: &str,
) -> Result<Option<Entry>, ModulesError> {
    let magic = take(stream, 6, path)?;
    match magic.as_slice() {
        b"070701" | b"070702" => ascii(stream, path),
        b"07070X" => stripped(stream, files, path).map(Some),
        _ => Err(damaged(
            path,
            "the payload is no cpio archive of the new format",
        )),
    }
}

fn ascii(stream: &mut dyn Read, path: &str) -> Result<Option<Entry>, ModulesError> {
    let fields = take(stream, FIELDS as u64, path)?;
    let field = |index: usize| {
        let at = index.saturating_mul(8);
        hex(fields.get(at..at.saturating_add(8)).unwrap_or_default())
            .ok_or_else(|| damaged(path, "a field of the payload is not hexadecimal"))
    };
    let length = u64::from(field(11)?);
    if length > NAME_LIMIT as u64 {
        return Err(limit(path, format!("{NAME_LIMIT} bytes in a name")));
    }
    let name = take(stream, length, path)?;
    // The header of 110 bytes and the name are filled up to 4 bytes.
    pad(stream, length.saturating_add(2), path)?;
    let name = String::from_utf8_lossy(&name);
    let name = name.trim_end_matches('\0');
    if name == "TRAILER!!!" {
        return Ok(None);
    }
    Ok(Some(Entry {
        name: name.to_owned(),
        mode: field(1)?,
        inode: field(0)?,
        links: field(4)?,
        size: field(6)?.into(),
    }))
}

fn stripped(stream: &mut dyn Read, files: &[Listed], path: &str) -> Result<Entry, ModulesError> {
    let number = hex(&take(stream, 8, path)?);
    // Magic and number have 14 bytes, filled up to 4.
    pad(stream, 14, path)?;
    let listed = number
        .and_then(|number| files.get(usize::try_from(number).ok()?))
        .ok_or_else(|| damaged(path, "the payload has a file that the header does not list"))?;
    let is_file = listed.mode & TYPE == REGULAR || listed.mode & TYPE == LINK;
    Ok(Entry {
        name: listed.path.clone(),
        mode: listed.mode,
        inode: 0,
        links: 1,
        size: if is_file { listed.size } else { 0 },
    })
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok()
}

fn take(stream: &mut dyn Read, size: u64, path: &str) -> Result<Vec<u8>, ModulesError> {
    let mut bytes = Vec::new();
    let read = stream.take(size).read_to_end(&mut bytes);
    read.map_err(|e| damaged(path, e))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len == size) {
        Ok(bytes)
    } else {
        Err(damaged(path, "the payload ends too early"))
    }
}

fn skip(stream: &mut dyn Read, size: u64, path: &str) -> Result<(), ModulesError> {
    let skipped = std::io::copy(&mut stream.take(size), &mut std::io::sink());
    match skipped {
        Ok(skipped) if skipped == size => Ok(()),
        Ok(_) => Err(damaged(path, "the payload ends too early")),
        Err(error) => Err(damaged(path, error)),
    }
}

/// Skips what fills a run of that size up to 4 bytes.
fn pad(stream: &mut dyn Read, size: u64, path: &str) -> Result<(), ModulesError> {
    skip(stream, size.wrapping_neg() & 3, path)
}
