//! Unpacks gzip, xz, zstd, lzma and bzip2 data, recognised by content and bounded in size.
//!
//! Kernels ship `symvers.gz`, modules as `.ko.gz`, `.ko.xz` and `.ko.zst`, and names do not always tell the
//! truth, so only the magic decides. The magics are those of RFC 1952, the .xz file format specification and
//! RFC 8878; old packages are packed with lzma, whose first bytes are properties that all tools write, or bzip2.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

/// The most bytes that a file may have, packed or unpacked, unless the caller says otherwise: 1 GiB.
pub const UNPACK_LIMIT: u64 = 1 << 30;

/// How many times larger than its packed form a file may be; below [`RATIO_FLOOR`] bytes the ratio is free.
const RATIO_LIMIT: u64 = 1000;

/// Size up to which any ratio is accepted: it cannot hurt and tiny regular files pack very well.
const RATIO_FLOOR: u64 = 32 << 20;

/// The most memory one xz block, or lzma data, may ask for its dictionary, in KiB; `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 256 << 10;

/// The largest zstd window, as power of two; `zstd --ultra -22` uses 27.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Why data could not be unpacked or a file could not be read.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// The file cannot be opened or read.
    #[error("{name}: cannot be read: {source}; check the path and its permissions")]
    Open {
        /// The file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// The path is a folder.
    #[error("{name}: is a folder; name the file inside it")]
    Folder {
        /// The folder.
        name: String,
    },
    /// The packed data is damaged.
    #[error("{name}: damaged {format} data: {source}; fetch or build the file again")]
    Damaged {
        /// The file.
        name: String,
        /// `gzip`, `xz`, `zstd`, `lzma` or `bzip2`.
        format: &'static str,
        /// What the decoder says.
        source: io::Error,
    },
    /// The file is larger than allowed, packed or unpacked.
    #[error("{name}: larger than the limit of {limit} bytes{}; name a smaller file", when(.format))]
    TooLarge {
        /// The file.
        name: String,
        /// Its format when it is the unpacked data that is too large.
        format: Option<&'static str>,
        /// The limit in bytes that applied.
        limit: u64,
    },
}

fn when(format: &Option<&'static str>) -> String {
    format.map_or_else(String::new, |format| {
        format!(" when its {format} data is unpacked")
    })
}

/// The packed formats that are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Gzip,
    Xz,
    Zstd,
    Lzma,
    Bzip2,
}

impl Format {
    const MAGICS: [(&'static [u8], Format); 5] = [
        (&[0x1f, 0x8b], Format::Gzip),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0x00], Format::Xz),
        (&[0x28, 0xb5, 0x2f, 0xfd], Format::Zstd),
        (&[0x5d, 0x00, 0x00], Format::Lzma),
        (b"BZh", Format::Bzip2),
    ];

    fn of(bytes: &[u8]) -> Option<Format> {
        Self::MAGICS
            .iter()
            .find(|(magic, _)| bytes.starts_with(magic))
            .map(|(_, format)| *format)
    }

    fn name(self) -> &'static str {
        match self {
            Format::Gzip => "gzip",
            Format::Xz => "xz",
            Format::Zstd => "zstd",
            Format::Lzma => "lzma",
            Format::Bzip2 => "bzip2",
        }
    }

    fn decoder<'a>(self, bytes: &'a [u8]) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Format::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
            Format::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
                bytes,
                true,
                XZ_MEMORY_KIB,
            )),
            Format::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
            Format::Lzma => Box::new(lzma_rust2::LzmaReader::new_mem_limit(
                bytes,
                XZ_MEMORY_KIB,
                None,
            )?),
            Format::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(bytes)),
        })
    }
}

/// Unpacks packed data, recognised by its first bytes; anything else is handed back as it is.
///
/// `limit` bounds the result in bytes. A result of more than 32 MiB may also not be more than 1000 times the
/// size of the packed data.
///
/// # Errors
///
/// Damaged data, and data that passes a limit.
pub fn unpack<'a>(bytes: &'a [u8], name: &str, limit: u64) -> Result<Cow<'a, [u8]>, UnpackError> {
    let Some(format) = Format::of(bytes) else {
        return Ok(Cow::Borrowed(bytes));
    };
    let damaged = |source| UnpackError::Damaged {
        name: name.to_owned(),
        format: format.name(),
        source,
    };
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let limit = limit.min(packed.saturating_mul(RATIO_LIMIT).max(RATIO_FLOOR));
    let mut unpacked = Vec::new();
    let decoder = format.decoder(bytes).map_err(damaged)?;
    if read_at_most(decoder, limit, &mut unpacked).map_err(damaged)? {
        Ok(Cow::Owned(unpacked))
    } else {
        Err(UnpackError::TooLarge {
            name: name.to_owned(),
            format: Some(format.name()),
            limit,
        })
    }
}

/// Unpacks packed data as it is read, recognised by its first bytes; anything else is read as it is.
///
/// Reading more than `limit` bytes is an error, and so is more than 1000 times the size of the packed data once
/// that is above 32 MiB.
///
/// # Errors
///
/// Data whose decoder cannot be made. Damaged data is an error of the reading.
pub fn unpack_stream<'a>(
    bytes: &'a [u8],
    name: &str,
    limit: u64,
) -> Result<Box<dyn Read + 'a>, UnpackError> {
    let Some(format) = Format::of(bytes) else {
        return Ok(Box::new(bytes));
    };
    let decoder = format
        .decoder(bytes)
        .map_err(|source| UnpackError::Damaged {
            name: name.to_owned(),
            format: format.name(),
            source,
        })?;
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(Box::new(Bounded {
        decoder,
        left: limit.min(packed.saturating_mul(RATIO_LIMIT).max(RATIO_FLOOR)),
    }))
}

/// A reader that fails once it has given too many bytes.
struct Bounded<'a> {
    decoder: Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(into)?;
        let count = u64::try_from(read).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(count)
            .ok_or_else(|| io::Error::other("it unpacks to more bytes than are allowed"))?;
        Ok(read)
    }
}

/// Reads a file, still packed if it is.
///
/// # Errors
///
/// The file cannot be read, is a folder, or has more than `limit` bytes.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, UnpackError> {
    let name = || path.display().to_string();
    let open = |source| UnpackError::Open {
        name: name(),
        source,
    };
    let file = File::open(path).map_err(open)?;
    let facts = file.metadata().map_err(open)?;
    if facts.is_dir() {
        return Err(UnpackError::Folder { name: name() });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(facts.len().min(limit)).unwrap_or(0));
    if read_at_most(file, limit, &mut bytes).map_err(open)? {
        Ok(bytes)
    } else {
        Err(UnpackError::TooLarge {
            name: name(),
            format: None,
            limit,
        })
    }
}

/// Reads to the end, and says whether the end came within `limit` bytes.
fn read_at_most(reader: impl Read, limit: u64, into: &mut Vec<u8>) -> io::Result<bool> {
    reader.take(limit.saturating_add(1)).read_to_end(into)?;
    Ok(u64::try_from(into.len()).is_ok_and(|len| len <= limit))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).expect("a Vec takes all bytes");
        encoder.finish().expect("a Vec takes all bytes")
    }

    /// "hello\n" as written by `xz --check=crc32`.
    const XZ: &[u8] = &[
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, 0x02, 0x00, 0x21,
        0x01, 0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x05, 0x68, 0x65, 0x6c,
        0x6c, 0x6f, 0x0a, 0x00, 0x00, 0x00, 0x20, 0x30, 0x3a, 0x36, 0x00, 0x01, 0x1a, 0x06, 0xc5,
        0xea, 0xc8, 0x79, 0x90, 0x42, 0x99, 0x0d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01, 0x59, 0x5a,
    ];

    /// The same by `xz --format=lzma`.
    const LZMA: &[u8] = &[
        0x5d, 0x00, 0x00, 0x80, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x34,
        0x19, 0x49, 0xee, 0x8d, 0xdd, 0x3d, 0x3a, 0xdf, 0xff, 0xff, 0xdd, 0x12, 0x00, 0x00,
    ];

    /// The same by `bzip2`.
    const BZIP2: &[u8] = &[
        0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, 0xc1, 0xc0, 0x80, 0xe2, 0x00,
        0x00, 0x01, 0x41, 0x00, 0x00, 0x10, 0x02, 0x44, 0xa0, 0x00, 0x30, 0xcd, 0x00, 0xc3, 0x46,
        0x29, 0x97, 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, 0xc1, 0xc0, 0x80, 0xe2,
    ];

    /// All formats are recognised by content and unpacked; other bytes pass unchanged.
    #[test]
    fn formats_are_recognised_by_content() {
        let zstd = zstd::stream::encode_all(&b"hello\n"[..], 3).expect("encodes");
        let plain = b"hello\n".to_vec();
        let old = [LZMA.to_vec(), BZIP2.to_vec()];
        for packed in [gzip(b"hello\n"), XZ.to_vec(), zstd, plain]
            .into_iter()
            .chain(old)
        {
            assert_eq!(*unpack(&packed, "f", 100).expect("unpacks"), *b"hello\n");
        }
        assert_eq!(unpack(b"", "f", 0).expect("nothing is fine").len(), 0);
    }

    /// Data that unpacks to more than the limit is refused, and exactly the limit is accepted.
    #[test]
    fn the_limit_holds() {
        let packed = gzip(&[0; 1000]);
        assert!(unpack(&packed, "f", 1000).is_ok());
        let error = unpack(&packed, "f", 999).expect_err("one byte too many");
        assert_eq!(
            error.to_string(),
            "f: larger than the limit of 999 bytes when its gzip data is unpacked; name a smaller file"
        );
    }

    /// A file of zeros packed a thousandfold is refused by its ratio although the limit would allow it.
    #[test]
    fn the_ratio_holds() {
        let bomb = zstd::stream::encode_all(io::repeat(0).take(64 << 20), 1).expect("encodes");
        assert!(matches!(
            unpack(&bomb, "f", UNPACK_LIMIT),
            Err(UnpackError::TooLarge { limit, .. }) if limit == RATIO_FLOOR
        ));
    }

    /// Every truncation of packed data is an error or the whole text, never a panic and never less text.
    #[test]
    fn truncated_data_is_refused() {
        let zstd = zstd::stream::encode_all(&b"hello\n"[..], 3).expect("encodes");
        let old = [LZMA.to_vec(), BZIP2.to_vec()];
        for packed in [gzip(b"hello\n"), XZ.to_vec(), zstd].into_iter().chain(old) {
            for len in 6..packed.len() {
                if let Ok(text) = unpack(&packed[..len], "f", 100) {
                    panic!("{len} of {} bytes gave {text:?}", packed.len());
                }
            }
        }
    }

    /// A folder is told apart from an unreadable file.
    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(matches!(
            read_file(folder.path(), 10),
            Err(UnpackError::Folder { .. })
        ));
        assert!(matches!(
            read_file(&folder.path().join("absent"), 10),
            Err(UnpackError::Open { .. })
        ));
    }
}
