//! The configuration that a headers package ships.
//!
//! In flows a configuration file, a folder such as `/usr/src/linux-headers-*`, or a Debian package: an `ar` archive
//! (deb(5)) whose member `data.tar`, plain or compressed, holds `usr/src/linux-headers-*/.config`. Nothing is unpacked
//! to disk.

use std::io::Read;
use std::path::{Path, PathBuf};

use object::read::archive::ArchiveFile;

use super::KbuildError;

/// Bytes of a package that is read; kernel header packages have a few million.
const PACKAGE_LIMIT: u64 = 512 << 20;
/// Bytes of an unpacked package.
const UNPACKED_LIMIT: u64 = 4 << 30;
/// Bytes of a configuration.
const CONFIG_LIMIT: u64 = 8 << 20;
/// Files of a package.
const ENTRY_LIMIT: usize = 1_000_000;
/// Memory of the xz decoder, in KiB.
const XZ_MEMORY_KIB: u32 = 256 << 10;

/// A configuration as text and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigText {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Name for messages.
    pub label: String,
}

/// Reads the configuration that `path` is or holds.
///
/// # Errors
/// If nothing readable is there, or no `.config` in the folder or package.
pub fn read_config(path: &Path) -> Result<ConfigText, KbuildError> {
    let metadata = std::fs::metadata(path).map_err(|source| io_error(path, source))?;
    if metadata.is_dir() {
        return read_folder(path);
    }
    let mut start = [0; 8];
    let mut file = std::fs::File::open(path).map_err(|source| io_error(path, source))?;
    let count = file
        .read(&mut start)
        .map_err(|source| io_error(path, source))?;
    if start.get(..count) == Some(b"!<arch>\n".as_slice()) {
        return read_package(path);
    }
    if path.extension().is_some_and(|extension| extension == "deb") {
        return Err(no_config(path, "the file is not a Debian package"));
    }
    Ok(ConfigText {
        bytes: read_bounded(path, CONFIG_LIMIT)?,
        label: path.display().to_string(),
    })
}

fn read_folder(path: &Path) -> Result<ConfigText, KbuildError> {
    let config = path.join(".config");
    if !config.is_file() {
        return Err(no_config(path, "the folder holds no `.config`"));
    }
    Ok(ConfigText {
        bytes: read_bounded(&config, CONFIG_LIMIT)?,
        label: config.display().to_string(),
    })
}

fn read_package(path: &Path) -> Result<ConfigText, KbuildError> {
    let bytes = read_bounded(path, PACKAGE_LIMIT)?;
    let broken =
        |error: object::Error| no_config(path, &format!("the package cannot be read: {error}"));
    let archive = ArchiveFile::parse(&*bytes).map_err(broken)?;
    for member in archive.members() {
        let member = member.map_err(broken)?;
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let Some(suffix) = name.trim_end_matches('/').strip_prefix("data.tar") else {
            continue;
        };
        let data = member.data(&*bytes).map_err(broken)?;
        return find_in_tar(path, decoder(path, suffix, data)?);
    }
    Err(no_config(path, "the package has no data"))
}

fn decoder<'a>(
    path: &Path,
    suffix: &str,
    data: &'a [u8],
) -> Result<Box<dyn Read + 'a>, KbuildError> {
    Ok(match suffix {
        "" => Box::new(data),
        ".gz" => Box::new(flate2::read::MultiGzDecoder::new(data)),
        ".xz" => Box::new(lzma_rust2::XzReader::new_mem_limit(
            data,
            true,
            XZ_MEMORY_KIB,
        )),
        ".zst" => Box::new(zstd::Decoder::new(data).map_err(|source| io_error(path, source))?),
        other => {
            return Err(no_config(
                path,
                &format!("the package is compressed as `data.tar{other}`, which is not known"),
            ));
        }
    })
}

fn find_in_tar(path: &Path, reader: Box<dyn Read + '_>) -> Result<ConfigText, KbuildError> {
    let mut archive = tar::Archive::new(reader.take(UNPACKED_LIMIT));
    let entries = archive.entries().map_err(|source| io_error(path, source))?;
    for entry in entries.take(ENTRY_LIMIT) {
        let entry = entry.map_err(|source| io_error(path, source))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file()
            || !(name.ends_with("/.config") || name == ".config")
        {
            continue;
        }
        let mut bytes = Vec::new();
        entry
            .take(CONFIG_LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|source| io_error(path, source))?;
        return Ok(ConfigText {
            bytes,
            label: format!("{}:{}", path.display(), name.trim_start_matches("./")),
        });
    }
    Err(no_config(path, "the package holds no `.config`"))
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, KbuildError> {
    let file = std::fs::File::open(path).map_err(|source| io_error(path, source))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| io_error(path, source))?;
    if bytes.len() as u64 > limit {
        return Err(KbuildError::Limit {
            name: path.display().to_string(),
            what: "the file",
            limit: format!("{limit} bytes"),
        });
    }
    Ok(bytes)
}

fn io_error(path: &Path, source: std::io::Error) -> KbuildError {
    KbuildError::Io {
        path: path.to_owned(),
        action: "read",
        source,
    }
}

fn no_config(path: &Path, what: &str) -> KbuildError {
    KbuildError::NoConfig {
        path: PathBuf::from(path),
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &[u8] = b"CONFIG_MODVERSIONS=y\n";

    fn tarball(name: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, data) in [
            ("./usr/src/x/Makefile", b"all:\n".as_slice()),
            (name, CONFIG),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, name, data)
                .expect("a tar entry");
        }
        builder.into_inner().expect("a tar file")
    }

    /// A package whose data member has that name and content, as deb(5) describes it.
    fn package(folder: &Path, member: &str, data: &[u8]) -> PathBuf {
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, data) in [("debian-binary", b"2.0\n".as_slice()), (member, data)] {
            bytes.extend_from_slice(
                format!(
                    "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                    0,
                    0,
                    0,
                    100_644,
                    data.len()
                )
                .as_bytes(),
            );
            bytes.extend_from_slice(data);
            if data.len() % 2 == 1 {
                bytes.push(b'\n');
            }
        }
        let path = folder.join("x.deb");
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    /// Checks that the configuration is found in packages of every compression.
    #[test]
    fn reads_packages() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tar = tarball("./usr/src/linux-headers-6.1.0-50-amd64/.config");
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, &tar).expect("compresses");
        let zst = zstd::encode_all(&*tar, 1).expect("compresses");
        for (member, data) in [
            ("data.tar", tar.clone()),
            ("data.tar.gz", gz.finish().expect("compresses")),
            ("data.tar.zst", zst),
        ] {
            let path = package(folder.path(), member, &data);
            let text = read_config(&path).expect("a configuration");
            assert_eq!(text.bytes, CONFIG);
            assert!(
                text.label
                    .ends_with("x.deb:usr/src/linux-headers-6.1.0-50-amd64/.config")
            );
        }
    }

    /// Checks that a file and a folder are read, and that nothing else passes for a configuration.
    #[test]
    fn reads_files_and_folders() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = read_config(folder.path()).expect_err("no configuration");
        assert!(
            error.to_string().contains("the folder holds no `.config`"),
            "{error}"
        );
        std::fs::write(folder.path().join(".config"), CONFIG).expect("a file");
        assert_eq!(read_config(folder.path()).expect("reads").bytes, CONFIG);
        assert_eq!(
            read_config(&folder.path().join(".config"))
                .expect("reads")
                .bytes,
            CONFIG
        );
        let path = package(folder.path(), "data.tar.lz", b"x");
        assert!(
            read_config(&path)
                .expect_err("unknown")
                .to_string()
                .contains("`data.tar.lz`")
        );
        let path = package(folder.path(), "data.tar", &tarball("./etc/config"));
        assert!(
            read_config(&path)
                .expect_err("none")
                .to_string()
                .contains("holds no `.config`")
        );
        std::fs::write(folder.path().join("x.deb"), "text").expect("a file");
        assert!(read_config(&folder.path().join("x.deb")).is_err());
    }
}
