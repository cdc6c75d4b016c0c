//! Debian packages (`deb(5)`): an `ar` archive of `debian-binary`, `control.tar.*` and `data.tar.*`.

use std::io::Read;

use object::read::archive::ArchiveFile;

use super::{Kind, NAME_LIMIT, Reader, TEXT_LIMIT, damaged, inside, limit, plain};
use crate::modules::error::ModulesError;
use crate::modules::package::Package;
use crate::symvers::unpack_stream;

/// Members of a package; a signed one has four.
const MEMBERS: usize = 16;

/// Bytes of the unpacked `control.tar`; the largest have lists of checksums of 10 MB.
const CONTROL_LIMIT: u64 = 256 << 20;

/// Reads a package.
pub(super) fn read(
    reader: &mut Reader,
    bytes: &[u8],
    path: &str,
    depth: usize,
) -> Result<(), ModulesError> {
    let broken = |error: object::read::Error| damaged(path, error);
    let archive = ArchiveFile::parse(bytes).map_err(broken)?;
    let mut has_data = false;
    for (index, member) in archive.members().enumerate() {
        if index >= MEMBERS {
            return Err(limit(
                path,
                format!("{MEMBERS} members of a Debian package"),
            ));
        }
        let member = member.map_err(broken)?;
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let data = member.data(bytes).map_err(broken)?;
        let full = inside(path, &name);
        if name.starts_with("control.tar") {
            let package = control(data, &full, path)?;
            reader.package = Some(reader.contents.packages.len());
            reader.contents.packages.push(package);
        } else if name.starts_with("data.tar") {
            has_data = true;
            if data.starts_with(b"BZh") || name.ends_with(".lzma") {
                return Err(damaged(&full, "packed in a way that is not supported"));
            }
            reader.archive(data, Kind::Tar, path, depth.saturating_add(1))?;
        }
    }
    if has_data {
        Ok(())
    } else {
        Err(damaged(
            path,
            "an ar archive without data.tar, so no Debian package",
        ))
    }
}

/// Reads name, version and dependencies out of `control.tar`.
fn control(data: &[u8], full: &str, path: &str) -> Result<Package, ModulesError> {
    let stream = unpack_stream(data, full, CONTROL_LIMIT)?;
    let mut archive = ::tar::Archive::new(stream);
    let entries = archive.entries().map_err(|e| damaged(full, e))?;
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|e| damaged(full, e))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if name.len() > NAME_LIMIT || plain(&name) != "control" {
            continue;
        }
        if entry.size() > TEXT_LIMIT {
            return Err(limit(full, format!("{TEXT_LIMIT} bytes of control file")));
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).map_err(|e| damaged(full, e))?;
        return Package::from_control(&String::from_utf8_lossy(&text), path)
            .map_err(|reason| damaged(&inside(full, "control"), reason));
    }
    Err(damaged(full, "no control file"))
}
