//! The version records of a module: the CRC that each import had when the module was built.
//!
//! `__versions` holds 64-byte records: the CRC as machine word, then the name, filled up with NULs. Since 6.14
//! `__version_ext_crcs` and `__version_ext_names` hold the same as two arrays without a limit on names.

use std::collections::BTreeMap;

use super::elf::{Object, text_at};
use super::module::VersionSections;
use crate::symvers::{Crc, shown};

/// Bytes of one record of `__versions`, on every architecture.
const RECORD: usize = 64;

/// The version records of a module.
#[derive(Default)]
pub(super) struct Versions<'d> {
    pub(super) crcs: BTreeMap<&'d str, Crc>,
    pub(super) sections: VersionSections,
    pub(super) warnings: Vec<String>,
}

/// Reads both forms. Where they disagree the extended one counts, as it does for a kernel that knows it.
///
/// # Errors
///
/// Sections that the kernel would refuse, or whose layout is not that of any released kernel.
pub(super) fn read<'d>(object: &Object<'d>) -> Result<Versions<'d>, String> {
    let mut versions = Versions::default();
    let records = object.bytes("__versions")?;
    if let Some(bytes) = records {
        basic(object, bytes, &mut versions)?;
    }
    let crcs = object.bytes("__version_ext_crcs")?;
    let names = object.bytes("__version_ext_names")?;
    versions.sections = match (records.is_some(), crcs.is_some()) {
        (false, false) => VersionSections::None,
        (true, false) => VersionSections::Basic,
        (false, true) => VersionSections::Extended,
        (true, true) => VersionSections::Both,
    };
    match (crcs, names) {
        (None, None) => {}
        (Some(crcs), Some(names)) => extended(object, crcs, names, &mut versions)?,
        (Some(_), None) => return Err("__version_ext_crcs without __version_ext_names".to_owned()),
        (None, Some(_)) => return Err("__version_ext_names without __version_ext_crcs".to_owned()),
    }
    Ok(versions)
}

fn basic<'d>(
    object: &Object<'_>,
    bytes: &'d [u8],
    versions: &mut Versions<'d>,
) -> Result<(), String> {
    let records = bytes.chunks_exact(RECORD);
    if !records.remainder().is_empty() {
        return Err(format!(
            "__versions has {} bytes, no multiple of {RECORD}: its layout is not known",
            bytes.len()
        ));
    }
    for (index, record) in records.enumerate() {
        let (crc, name) = split(object, record).ok_or_else(|| {
            format!("record {index} of __versions has a layout that is not known")
        })?;
        let name = name_of(name)?;
        // The loader takes the first record of a name.
        let first = *versions.crcs.entry(name).or_insert(crc);
        if first != crc {
            versions.warnings.push(format!(
                "__versions has {first} and {crc} for `{name}`; the first counts"
            ));
        }
    }
    Ok(())
}

/// Splits a record into CRC and name; `None` if the CRC has more than 32 bits or the name is not filled up
/// with NULs, as in the record of variable length that was once proposed.
fn split<'d>(object: &Object<'_>, record: &'d [u8]) -> Option<(Crc, &'d [u8])> {
    let (crc, name) = record.split_at_checked(if object.is_64 { 8 } else { 4 })?;
    let crc = match (object.is_64, object.endian) {
        (false, _) => object.u32(crc)?,
        (true, object::Endianness::Little) => high_is_zero(crc.get(4..)?, object.u32(crc)?)?,
        (true, object::Endianness::Big) => high_is_zero(crc.get(..4)?, object.u32(crc.get(4..)?)?)?,
    };
    let end = memchr::memchr(0, name)?;
    let (name, fill) = name.split_at_checked(end)?;
    (!name.is_empty() && fill.iter().all(|byte| *byte == 0)).then_some((Crc(crc), name))
}

fn high_is_zero(high: &[u8], low: u32) -> Option<u32> {
    high.iter().all(|byte| *byte == 0).then_some(low)
}

fn extended<'d>(
    object: &Object<'_>,
    crcs: &[u8],
    names: &'d [u8],
    versions: &mut Versions<'d>,
) -> Result<(), String> {
    let crcs = crcs.chunks_exact(4);
    if !crcs.remainder().is_empty() {
        return Err("the size of __version_ext_crcs is no multiple of 4".to_owned());
    }
    let mut seen = BTreeMap::new();
    let mut offset = 0_usize;
    for (index, bytes) in crcs.enumerate() {
        let name = text_at(names, offset)
            .filter(|name| !name.is_empty())
            .ok_or_else(|| format!("__version_ext_names has no name for CRC {index}"))?;
        offset = offset.saturating_add(name.len()).saturating_add(1);
        let crc = object.u32(bytes).map_or(Crc(0), Crc);
        seen.entry(name_of(name)?).or_insert(crc);
    }
    for (name, crc) in seen {
        if let Some(basic) = versions.crcs.get(name).filter(|basic| **basic != crc) {
            versions.warnings.push(format!(
                "__versions has {basic} and __version_ext_crcs {crc} for `{name}`; the latter counts"
            ));
        }
        versions.crcs.insert(name, crc);
    }
    Ok(())
}

/// The name of a record; the dot of 64-bit PowerPC function descriptors is not part of an export's name.
fn name_of(name: &[u8]) -> Result<&str, String> {
    match std::str::from_utf8(name) {
        Ok(name) => Ok(name.strip_prefix('.').unwrap_or(name)),
        Err(_) => Err(format!(
            "the symbol name `{}` of a version record is not UTF-8",
            shown(&String::from_utf8_lossy(name))
        )),
    }
}
