//! The exports in a Debian package (deb(5)): a headers package, or a kernel's with `symvers` in it.

use std::io::Read;

use object::read::archive::ArchiveFile;

use super::find::{PACKED, type_names};
use super::{CONFIG_LIMIT, CandidateError, Parts, Source};
use crate::symvers::{UNPACK_LIMIT, unpack};

/// Entries of a package; a headers package has some 20,000.
const ENTRY_LIMIT: usize = 1_000_000;
/// Bytes of a package when it is unpacked.
const SIZE_LIMIT: u64 = 8 << 30;
/// Bytes of all files that are kept.
const KEPT_LIMIT: u64 = UNPACK_LIMIT;
/// The most memory one xz block may ask for its dictionary, in KiB; `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 256 << 10;

/// Whether the bytes are an ar archive, as a Debian package is.
pub(super) fn is_deb(bytes: &[u8]) -> bool {
    bytes.starts_with(b"!<arch>\n")
}

/// A file of the package that matters.
struct Kept {
    path: String,
    bytes: Vec<u8>,
}

/// The exports of a package, with its types and configuration where it holds them.
pub(super) fn parts(bytes: &[u8], name: &str) -> Result<Parts, CandidateError> {
    let broken = |what: String| CandidateError::Package {
        name: name.to_owned(),
        what,
    };
    let archive = ArchiveFile::parse(bytes).map_err(|error| broken(error.to_string()))?;
    for member in archive.members() {
        let member = member.map_err(|error| broken(error.to_string()))?;
        let member_name = String::from_utf8_lossy(member.name()).into_owned();
        let Some(suffix) = member_name.trim_end_matches('/').strip_prefix("data.tar") else {
            continue;
        };
        let data = member
            .data(bytes)
            .map_err(|error| broken(error.to_string()))?;
        let reader = decoder(suffix, data).map_err(broken)?;
        let kept = kept(reader).map_err(broken)?;
        return choose(kept, name);
    }
    Err(broken("it has no member `data.tar`".to_owned()))
}

fn decoder<'a>(suffix: &str, data: &'a [u8]) -> Result<Box<dyn Read + 'a>, String> {
    Ok(match suffix {
        "" => Box::new(data),
        ".gz" => Box::new(flate2::read::MultiGzDecoder::new(data)),
        ".xz" => Box::new(lzma_rust2::XzReader::new_mem_limit(
            data,
            true,
            XZ_MEMORY_KIB,
        )),
        ".zst" => Box::new(zstd::Decoder::new(data).map_err(|error| error.to_string())?),
        other => {
            return Err(format!(
                "compressed as `data.tar{other}`, which is not known"
            ));
        }
    })
}

/// Reads the files that matter; the whole package is read, so that a second kernel in it is not overlooked.
fn kept(reader: Box<dyn Read + '_>) -> Result<Vec<Kept>, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut archive = tar::Archive::new(reader.take(SIZE_LIMIT));
    let mut kept = Vec::new();
    let mut room = KEPT_LIMIT;
    for (index, entry) in archive.entries().map_err(text)?.enumerate() {
        if index >= ENTRY_LIMIT {
            return Err(format!("more than {ENTRY_LIMIT} entries"));
        }
        let entry = entry.map_err(text)?;
        let path = String::from_utf8_lossy(&entry.path_bytes())
            .trim_start_matches("./")
            .to_owned();
        if !entry.header().entry_type().is_file() || !matters(&path) {
            continue;
        }
        let mut bytes = Vec::new();
        entry
            .take(room.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(text)?;
        room = room
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| format!("its symbol tables have more than {KEPT_LIMIT} bytes"))?;
        kept.push(Kept { path, bytes });
    }
    Ok(kept)
}

fn matters(path: &str) -> bool {
    let name = file_name(path);
    is_symvers(name) || name == ".config" || name.starts_with("symtypes")
}

/// `Module.symvers`, `symvers.gz` of `/lib/modules`, and `symvers-RELEASE` of `/boot`.
fn is_symvers(name: &str) -> bool {
    name.starts_with("symvers-")
        || ["Module.symvers", "symvers"].iter().any(|plain| {
            PACKED
                .iter()
                .any(|packed| name == format!("{plain}{packed}"))
        })
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn choose(mut kept: Vec<Kept>, package: &str) -> Result<Parts, CandidateError> {
    kept.sort_by(|a, b| a.path.cmp(&b.path));
    let found: Vec<usize> = (0..kept.len())
        .filter(|&at| is_symvers(file_name(&kept[at].path)))
        .collect();
    let unpacked =
        |kept: &Kept| unpack(&kept.bytes, package, UNPACK_LIMIT).map(std::borrow::Cow::into_owned);
    let Some((&first, others)) = found.split_first() else {
        return Err(CandidateError::NoSymvers {
            name: package.to_owned(),
            what: "the package holds no Module.symvers and no symvers file".to_owned(),
        });
    };
    let symvers = unpacked(&kept[first])?;
    for &other in others {
        if unpacked(&kept[other])? != symvers {
            return Err(CandidateError::Several {
                name: package.to_owned(),
                found: found.iter().map(|&at| kept[at].path.clone()).collect(),
            });
        }
    }
    let path = kept[first].path.clone();
    let names = type_names(file_name(&path));
    let beside = |wanted: &dyn Fn(&str) -> bool| {
        kept.iter()
            .find(|other| folder(&other.path) == folder(&path) && wanted(file_name(&other.path)))
    };
    let types = beside(&|name| {
        names.iter().any(|plain| {
            PACKED
                .iter()
                .any(|packed| name == format!("{plain}{packed}"))
        })
    });
    let config = beside(&|name| name == ".config")
        .filter(|config| config.bytes.len() as u64 <= CONFIG_LIMIT)
        .map(|config| config.bytes.clone());
    Ok(Parts {
        source: format!("{package}:{path}"),
        symvers,
        protected_only: false,
        types: types
            .map(|types| Source::Bytes(format!("{package}:{}", types.path), types.bytes.clone())),
        config,
    })
}
