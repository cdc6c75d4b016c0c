//! Tar archives: POSIX, GNU and pax headers (`tar(5)`, POSIX `pax`), plain or packed, read as a stream.
//!
//! Long names and pax records are read here and not by the `tar` crate, which would keep a name of any length.

use std::io::Read;

use tar::{Archive, EntryType};

use super::{Member, NAME_LIMIT, Reader, Use, damaged, inside, is_module_name, limit, plain};
use crate::modules::error::ModulesError;
use crate::symvers::unpack_stream;

/// Bytes of a block; an archive ends with blocks of zeros.
const BLOCK: usize = 512;

/// Bytes of one pax header; each record is a path or a number.
const PAX_LIMIT: u64 = 64 << 10;

/// Whether these are the first bytes of a tar archive that is not packed.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262).is_some_and(|magic| magic == b"ustar")
}

/// Reads an archive, packed or not.
pub(super) fn read(
    reader: &mut Reader,
    bytes: &[u8],
    path: &str,
    depth: usize,
) -> Result<(), ModulesError> {
    let stream = unpack_stream(bytes, path, reader.unpacked)?;
    let mut stream = Tail { stream, zeros: 0 };
    members(reader, &mut stream, path, depth)?;
    if stream.zeros < BLOCK {
        // Without it nothing tells a whole archive from one that was cut between two members.
        return Err(damaged(path, "it ends without the mark of its end"));
    }
    Ok(())
}

/// A reader that counts the zeros at the end of what it read.
struct Tail<'a> {
    stream: Box<dyn Read + 'a>,
    zeros: usize,
}

impl Read for Tail<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(into)?;
        let bytes = into.get(..read).unwrap_or_default();
        match bytes.iter().rposition(|byte| *byte != 0) {
            Some(at) => self.zeros = bytes.len().saturating_sub(at).saturating_sub(1),
            None => self.zeros = self.zeros.saturating_add(bytes.len()),
        }
        Ok(read)
    }
}

fn members(
    reader: &mut Reader,
    stream: &mut Tail<'_>,
    path: &str,
    depth: usize,
) -> Result<(), ModulesError> {
    let mut archive = Archive::new(stream);
    let entries = archive.entries().map_err(|e| damaged(path, e))?;
    let (mut long_name, mut is_empty) = (None, true);
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|e| damaged(path, e))?;
        is_empty = false;
        let kind = entry.header().entry_type();
        let size = entry.size();
        match kind {
            EntryType::GNULongName => {
                let name = text(&mut entry, size, NAME_LIMIT as u64, path)?;
                long_name = Some(name.trim_end_matches('\0').to_owned());
                continue;
            }
            EntryType::XHeader => {
                let records = text(&mut entry, size, PAX_LIMIT, path)?;
                long_name = pax(&records, path)?.or(long_name);
                continue;
            }
            EntryType::XGlobalHeader | EntryType::GNULongLink => continue,
            _ => {}
        }
        let own = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = long_name.take().unwrap_or(own);
        if name.len() > NAME_LIMIT {
            return Err(limit(path, format!("{NAME_LIMIT} bytes in a name")));
        }
        let name = plain(&name);
        let member = Member { path: name, size };
        match kind {
            EntryType::Regular | EntryType::Continuous => {
                let purpose = reader.enter(path, &member)?;
                if purpose != Use::Nothing {
                    let mut bytes = Vec::new();
                    entry
                        .read_to_end(&mut bytes)
                        .map_err(|e| damaged(&inside(path, name), e))?;
                    reader.take(path, name, purpose, bytes, depth);
                }
            }
            EntryType::Link | EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                link(reader, path, name, &String::from_utf8_lossy(&target));
            }
            EntryType::GNUSparse if is_module_name(name) => {
                let place = inside(path, name);
                let problem = damaged(&place, "a sparse file, which no package of modules has");
                reader.contents.problems.push(problem);
            }
            _ => {}
        }
    }
    if is_empty {
        return Err(damaged(path, "no tar archive, or an empty one"));
    }
    Ok(())
}

/// A link to a module leads to a file that is read under its own name, unless that is not the name of a module.
pub(super) fn link(reader: &mut Reader, archive: &str, name: &str, target: &str) {
    let base = target.rsplit('/').next().unwrap_or_default();
    if is_module_name(name) && !is_module_name(base) {
        let problem = damaged(
            &inside(archive, name),
            "a link to a file that is not named like a module",
        );
        reader.contents.problems.push(problem);
    }
}

fn text(entry: &mut impl Read, size: u64, most: u64, path: &str) -> Result<String, ModulesError> {
    if size > most {
        return Err(limit(path, format!("{most} bytes in a header")));
    }
    let mut bytes = Vec::new();
    entry
        .read_to_end(&mut bytes)
        .map_err(|e| damaged(path, e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The path of a pax header, if it has one. A size there belongs to files of more than 8 GiB.
fn pax(records: &str, path: &str) -> Result<Option<String>, ModulesError> {
    let mut found = None;
    let mut rest = records;
    while !rest.is_empty() {
        let record = rest
            .split_once(' ')
            .and_then(|(length, _)| length.parse::<usize>().ok())
            .filter(|length| *length > 0)
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| damaged(path, "a pax header that is not made of records"))?;
        let (record, behind) = record;
        rest = behind;
        let pair = record.trim_end_matches('\n').split_once(' ');
        match pair.and_then(|(_, pair)| pair.split_once('=')) {
            Some(("path", value)) => found = Some(value.to_owned()),
            Some(("size", _)) => return Err(limit(path, "8 GiB in a member".to_owned())),
            _ => {}
        }
    }
    Ok(found)
}
