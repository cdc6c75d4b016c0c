//! RPM packages: lead, signature header, header, payload (the file format of RPM's reference manual).
//!
//! The header is read here: the `rpm` crate indexes it unchecked and allocates what it claims, which a stranger's
//! package may misuse. Only tags that are needed are read. A payload in a compression that is not supported does
//! not hide the package: its declared requirements stand in for its modules.

use super::cpio::{self, Listed};
use super::{Held, NAME_LIMIT, Reader, damaged};
use crate::modules::error::ModulesError;
use crate::modules::module::{Module, Origin, canonical};
use crate::modules::package::{Family, Package};
use crate::modules::tokens::{Relation, Token};
use crate::symvers::unpack_stream;

const MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const LEAD: usize = 96;
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
const INTRO: usize = 16;
const ENTRY: usize = 16;

/// The most dependencies and files of one package; a kernel package has 30,000 provided symbols.
const LIST_LIMIT: usize = 1_000_000;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const SIZES: u32 = 1028;
const MODES: u32 = 1030;
const PROVIDES: [u32; 3] = [1047, 1112, 1113];
const REQUIRES: [u32; 3] = [1049, 1048, 1050];
const DIR_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIR_NAMES: u32 = 1118;
const COMPRESSOR: u32 = 1125;
const LONG_SIZES: u32 = 5008;

/// Whether these are the first bytes of a package.
pub(super) fn is_rpm(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Reads a package.
pub(super) fn read(
    reader: &mut Reader,
    bytes: &[u8],
    path: &str,
    depth: usize,
) -> Result<(), ModulesError> {
    let broken = |reason: &'static str| damaged(path, reason);
    let signature = Header::at(bytes, LEAD).map_err(broken)?;
    let header = Header::at(bytes, signature.end.next_multiple_of(8)).map_err(broken)?;
    let package = package(&header, path).map_err(broken)?;
    let payload = bytes.get(header.end..).unwrap_or_default();
    let files = files(&header).map_err(broken)?;
    let held = reader.contents.modules.len();
    let problems = reader.contents.problems.len();
    reader.package = Some(reader.contents.packages.len());
    reader.contents.packages.push(package.clone());
    let compressor = header.text(COMPRESSOR).unwrap_or("gzip");
    let supported = matches!(compressor, "gzip" | "xz" | "zstd" | "lzma" | "bzip2");
    let known = supported || payload.starts_with(b"0707");
    let result = if known {
        unpack_stream(payload, path, reader.unpacked)
            .map_err(ModulesError::from)
            .and_then(|mut stream| cpio::read(reader, &mut stream, &files, path, depth))
    } else {
        Err(damaged(
            path,
            format!("its payload is packed with {compressor}, which is not supported"),
        ))
    };
    let Err(problem) = result else { return Ok(()) };
    // What came before the end may be half of the package, so its tokens stand in for all of it.
    let Some(module) = stand_in(&package, path, &problem) else {
        return Err(problem);
    };
    reader.contents.modules.truncate(held);
    reader.contents.problems.truncate(problems);
    reader.contents.modules.push(Held {
        module,
        package: reader.package,
    });
    Ok(())
}

/// A module that imports what the package requires; `None` if it requires no symbol of a kernel.
fn stand_in(package: &Package, path: &str, problem: &ModulesError) -> Option<Module> {
    let mut module = Module::named(path, canonical(&package.name), Origin::Package);
    for token in &package.requires {
        if let Some((symbol, import)) = token.import() {
            module.imports.insert(symbol, import);
        }
    }
    module.warnings.push(format!(
        "judged by what the package requires, as its modules cannot be read: {problem}"
    ));
    (!module.imports.is_empty()).then_some(module)
}

fn package(header: &Header<'_>, path: &str) -> Result<Package, &'static str> {
    let name = header.text(NAME).ok_or("its header has no name")?;
    let version = header.text(VERSION).ok_or("its header has no version")?;
    let release = header.text(RELEASE).unwrap_or_default();
    let epoch = header.numbers(EPOCH)?.first().copied();
    let mut full = String::new();
    if let Some(epoch) = epoch.filter(|epoch| *epoch != 0) {
        full.push_str(&format!("{epoch}:"));
    }
    full.push_str(version);
    if !release.is_empty() {
        full.push_str(&format!("-{release}"));
    }
    Ok(Package {
        path: path.to_owned(),
        name: name.to_owned(),
        version: full,
        family: Family::Rpm,
        requires: tokens(header, REQUIRES)?,
        provides: tokens(header, PROVIDES)?,
    })
}

fn tokens(header: &Header<'_>, tags: [u32; 3]) -> Result<Vec<Token>, &'static str> {
    const LESS: u64 = 2;
    const GREATER: u64 = 4;
    const EQUAL: u64 = 8;
    let [names, flags, versions] = tags;
    let names = header.texts(names)?;
    let flags = header.numbers(flags)?;
    let versions = header.texts(versions)?;
    if flags.len() != names.len() || versions.len() != names.len() {
        return Err("its lists of dependencies differ in length");
    }
    let each = names.iter().zip(flags).zip(versions);
    Ok(each
        .map(|((name, flags), version)| Token {
            name: (*name).to_owned(),
            relation: match flags & (LESS | GREATER | EQUAL) {
                EQUAL => Relation::Equal,
                0 => Relation::Any,
                LESS => Relation::Less,
                GREATER => Relation::Greater,
                flags if flags == LESS | EQUAL => Relation::LessOrEqual,
                flags if flags == GREATER | EQUAL => Relation::GreaterOrEqual,
                _ => Relation::Any,
            },
            version: version.to_owned(),
        })
        .collect())
}

/// The header's list of files, which entries for large files refer to.
fn files(header: &Header<'_>) -> Result<Vec<Listed>, &'static str> {
    let bases = header.texts(BASE_NAMES)?;
    let folders = header.texts(DIR_NAMES)?;
    let indexes = header.numbers(DIR_INDEXES)?;
    let modes = header.numbers(MODES)?;
    let mut sizes = header.numbers(LONG_SIZES)?;
    if sizes.is_empty() {
        sizes = header.numbers(SIZES)?;
    }
    let wrong = "its lists of files differ in length";
    let mut files = Vec::new();
    for (at, base) in bases.iter().enumerate() {
        let folder = indexes
            .get(at)
            .and_then(|index| folders.get(usize::try_from(*index).ok()?));
        let (Some(folder), Some(size), Some(mode)) = (folder, sizes.get(at), modes.get(at)) else {
            return Err(wrong);
        };
        if folder.len().saturating_add(base.len()) > NAME_LIMIT {
            return Err("a path of its list of files is too long");
        }
        files.push(Listed {
            path: format!("{folder}{base}"),
            size: *size,
            mode: u32::try_from(*mode).unwrap_or(0),
        });
    }
    Ok(files)
}

/// One of the two headers: an index of 16-byte entries (tag, type, offset, count) and the data they point into.
struct Header<'d> {
    index: &'d [u8],
    data: &'d [u8],
    /// Offset behind the header.
    end: usize,
}

impl<'d> Header<'d> {
    fn at(bytes: &'d [u8], at: usize) -> Result<Header<'d>, &'static str> {
        let short = "it ends within its headers";
        let rest = bytes.get(at..).ok_or(short)?;
        let (intro, rest) = rest.split_at_checked(INTRO).ok_or(short)?;
        if !intro.starts_with(&HEADER_MAGIC) {
            return Err("a header has no magic");
        }
        let count = |at: usize| {
            let number = intro.get(at..).and_then(|b| b.first_chunk::<4>());
            number.map_or(0, |number| u32::from_be_bytes(*number))
        };
        let entries = usize::try_from(count(8)).map_err(|_| short)?;
        let size = usize::try_from(count(12)).map_err(|_| short)?;
        let index = entries.checked_mul(ENTRY).ok_or(short)?;
        let (index, rest) = rest.split_at_checked(index).ok_or(short)?;
        let data = rest.get(..size).ok_or(short)?;
        let end = at
            .saturating_add(INTRO)
            .saturating_add(index.len())
            .saturating_add(size);
        Ok(Header { index, data, end })
    }

    /// Type, data from the offset on, and count of a tag.
    fn tag(&self, tag: u32) -> Option<(u32, &'d [u8], usize)> {
        let number = |entry: &[u8], at: usize| {
            let bytes = entry.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*bytes))
        };
        let mut entries = self.index.chunks_exact(ENTRY);
        let entry = entries.find(|entry| number(entry, 0) == Some(tag))?;
        let data = self.data.get(usize::try_from(number(entry, 8)?).ok()?..)?;
        Some((
            number(entry, 4)?,
            data,
            usize::try_from(number(entry, 12)?).ok()?,
        ))
    }

    /// The first text of a tag.
    fn text(&self, tag: u32) -> Option<&'d str> {
        let (_, data, _) = self.tag(tag)?;
        std::str::from_utf8(data.get(..memchr::memchr(0, data)?)?).ok()
    }

    /// All texts of a tag; none if it is absent.
    fn texts(&self, tag: u32) -> Result<Vec<&'d str>, &'static str> {
        let Some((_, mut data, count)) = self.tag(tag) else {
            return Ok(Vec::new());
        };
        if count > LIST_LIMIT {
            return Err("a list of its header is too long");
        }
        let mut texts = Vec::new();
        for _ in 0..count {
            let end = memchr::memchr(0, data).ok_or("a list of its header ends too early")?;
            let (text, rest) = data.split_at_checked(end).ok_or("")?;
            texts.push(std::str::from_utf8(text).map_err(|_| "a text of its header is not UTF-8")?);
            data = rest.get(1..).unwrap_or_default();
        }
        Ok(texts)
    }

    /// All numbers of a tag; none if it is absent.
    fn numbers(&self, tag: u32) -> Result<Vec<u64>, &'static str> {
        let Some((kind, data, count)) = self.tag(tag) else {
            return Ok(Vec::new());
        };
        let width = match kind {
            2 => 1,
            3 => 2,
            4 => 4,
            5 => 8,
            _ => return Err("a list of numbers of its header has another type"),
        };
        if count > LIST_LIMIT {
            return Err("a list of its header is too long");
        }
        let bytes = data
            .get(..count.saturating_mul(width))
            .ok_or("a list of its header ends too early")?;
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
        Ok(bytes.chunks_exact(width).map(number).collect())
    }
}
