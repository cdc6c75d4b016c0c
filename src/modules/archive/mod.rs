//! Modules in what vendors ship: Debian packages, RPM packages and tar archives, plain or packed.
//!
//! In flow the bytes of one file, out flow [`Contents`]. All is read in memory and nothing is written. Archives
//! may hold archives; depth, number of members, length of names and unpacked bytes are bounded for the whole
//! file, and a member that cannot be read is a problem with its path inside the file.

mod cpio;
mod deb;
mod rpm;
mod tar;

use std::collections::BTreeMap;

use super::dkms::Sources;
use super::error::ModulesError;
use super::module::{MODULE_LIMIT, Module};
use super::package::Package;

/// The most bytes of a packed archive.
pub(super) const ARCHIVE_LIMIT: u64 = 2 << 30;

/// The most bytes that all members of one file may unpack to; a kernel with debug information has 6 GB.
const UNPACKED_LIMIT: u64 = 12 << 30;

/// The most members of one file; a kernel package has 10,000.
const MEMBERS_LIMIT: u64 = 1_000_000;

/// The longest path of a member, in bytes.
const NAME_LIMIT: usize = 4096;

/// How deep archives may hold archives: a tar archive of packages has 2 levels.
const DEPTH_LIMIT: usize = 4;

/// The most bytes of a text that is read whole, such as `dkms.conf` or the control file of a package.
const TEXT_LIMIT: u64 = 4 << 20;

/// The most bytes of source files that are kept for a rebuild.
const SOURCES_LIMIT: usize = 256 << 20;

/// What kind of archive a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Deb,
    Rpm,
    Tar,
}

impl Kind {
    /// Tells an unpacked file by its content.
    pub(super) fn of(bytes: &[u8]) -> Option<Kind> {
        if bytes.starts_with(b"!<arch>\n") {
            Some(Kind::Deb)
        } else if rpm::is_rpm(bytes) {
            Some(Kind::Rpm)
        } else if tar::is_tar(bytes) {
            Some(Kind::Tar)
        } else {
            None
        }
    }

    /// Tells by the name whether a file of a folder may be an archive with modules.
    pub(super) fn by_name(name: &str) -> bool {
        const ENDINGS: [&str; 14] = [
            ".deb",
            ".udeb",
            ".rpm",
            ".tar",
            ".tar.gz",
            ".tar.xz",
            ".tar.zst",
            ".tgz",
            ".txz",
            ".tzst",
            ".tar.zstd",
            ".tar.bz2",
            ".tbz2",
            ".tar.lzma",
        ];
        ENDINGS.iter().any(|ending| name.ends_with(ending))
    }
}

/// A module of an archive, with the package that holds it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) module: Module,
    /// Index into [`Contents::packages`].
    pub(super) package: Option<usize>,
}

/// What an archive holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) modules: Vec<Held>,
    pub(super) packages: Vec<Package>,
    pub(super) sources: Vec<Sources>,
    pub(super) problems: Vec<ModulesError>,
}

/// Which members are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Modules and `dkms.conf`.
    Modules,
    /// The same, and the files beside a `dkms.conf`, to build them.
    Sources,
}

/// Reads an archive that [`Kind::of`] told.
pub(super) fn read(bytes: &[u8], kind: Kind, path: &str, wanted: Wanted) -> Contents {
    let mut reader = Reader {
        contents: Contents::default(),
        wanted,
        unpacked: UNPACKED_LIMIT,
        members: MEMBERS_LIMIT,
        texts: BTreeMap::new(),
        texts_bytes: 0,
        package: None,
    };
    if let Err(problem) = reader.archive(bytes, kind, path, 0) {
        reader.contents.problems.push(problem);
    }
    reader.finish(path)
}

/// Reads one file with all that is nested in it.
struct Reader {
    contents: Contents,
    wanted: Wanted,
    /// Bytes that may still be unpacked.
    unpacked: u64,
    /// Members that may still come.
    members: u64,
    /// Texts that may belong to a source tree, by path: `dkms.conf`, and all files if sources are wanted.
    texts: BTreeMap<String, Vec<u8>>,
    texts_bytes: usize,
    /// The package that is read.
    package: Option<usize>,
}

/// What a member is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Module,
    Archive,
    Text,
    Nothing,
}

/// What an archive tells about a member before its bytes.
struct Member<'a> {
    /// Path without leading `./` and `/`.
    path: &'a str,
    size: u64,
}

impl Reader {
    fn archive(
        &mut self,
        bytes: &[u8],
        kind: Kind,
        path: &str,
        depth: usize,
    ) -> Result<(), ModulesError> {
        if depth >= DEPTH_LIMIT {
            return Err(limit(
                path,
                format!("{DEPTH_LIMIT} archives inside each other"),
            ));
        }
        let outer = self.package;
        let result = match kind {
            Kind::Deb => deb::read(self, bytes, path, depth),
            Kind::Rpm => rpm::read(self, bytes, path, depth),
            Kind::Tar => tar::read(self, bytes, path, depth),
        };
        self.package = outer;
        result
    }

    /// Counts a member and says what it is read for.
    fn enter(&mut self, archive: &str, member: &Member<'_>) -> Result<Use, ModulesError> {
        self.members = self
            .members
            .checked_sub(1)
            .ok_or_else(|| limit(archive, format!("{MEMBERS_LIMIT} members")))?;
        self.unpacked = self
            .unpacked
            .checked_sub(member.size)
            .ok_or_else(|| limit(archive, format!("{UNPACKED_LIMIT} bytes of members")))?;
        let base = member.path.rsplit('/').next().unwrap_or_default();
        let all = self.wanted == Wanted::Sources && member.size <= TEXT_LIMIT;
        let (purpose, most) = if is_module_name(base) {
            (Use::Module, MODULE_LIMIT)
        } else if base == "dkms.conf" || all {
            (Use::Text, TEXT_LIMIT)
        } else if Kind::by_name(base) {
            (Use::Archive, ARCHIVE_LIMIT)
        } else {
            (Use::Nothing, u64::MAX)
        };
        if member.size > most {
            let path = inside(archive, member.path);
            return Err(limit(&path, format!("{most} bytes")));
        }
        Ok(purpose)
    }

    /// Takes the bytes of a member that [`Reader::enter`] wanted.
    fn take(&mut self, archive: &str, path: &str, purpose: Use, bytes: Vec<u8>, depth: usize) {
        let full = inside(archive, path);
        match purpose {
            Use::Module => match Module::read(&bytes, &full) {
                Ok(module) => self.contents.modules.push(Held {
                    module,
                    package: self.package,
                }),
                Err(problem) => self.contents.problems.push(problem),
            },
            Use::Archive => {
                if let Err(problem) = self.nested(&bytes, &full, depth) {
                    self.contents.problems.push(problem);
                }
            }
            Use::Text => {
                self.texts_bytes = self.texts_bytes.saturating_add(bytes.len());
                if self.texts_bytes > SOURCES_LIMIT {
                    let problem = limit(&full, format!("{SOURCES_LIMIT} bytes of source files"));
                    self.contents.problems.push(problem);
                } else {
                    self.texts.insert(full, bytes);
                }
            }
            Use::Nothing => {}
        }
    }

    /// Reads an archive inside an archive, which may be packed as a whole.
    fn nested(&mut self, bytes: &[u8], path: &str, depth: usize) -> Result<(), ModulesError> {
        let depth = depth.saturating_add(1);
        if let Some(kind) = Kind::of(bytes) {
            return self.archive(bytes, kind, path, depth);
        }
        // A source package such as a `.tar.gz` of a driver is packed text; the tar reader unpacks as it goes.
        self.archive(bytes, Kind::Tar, path, depth)
    }

    fn finish(mut self, path: &str) -> Contents {
        let (sources, problems) = super::dkms::group(std::mem::take(&mut self.texts));
        self.contents.sources.extend(sources);
        self.contents.problems.extend(problems);
        let nothing = self.contents.modules.is_empty()
            && self.contents.sources.is_empty()
            && self.contents.problems.is_empty();
        if nothing {
            self.contents.problems.push(ModulesError::NoModule {
                path: path.to_owned(),
            });
        }
        self.contents
    }
}

/// The path of a member for messages.
fn inside(archive: &str, member: &str) -> String {
    format!("{archive}:{member}")
}

/// The path of a member as packages mean it: from the root, whatever it begins with.
fn plain(path: &str) -> &str {
    let mut path = path;
    loop {
        let rest = path
            .strip_prefix("./")
            .or_else(|| path.strip_prefix('/'))
            .unwrap_or(path);
        if rest.len() == path.len() {
            return rest;
        }
        path = rest;
    }
}

fn limit(path: &str, limit: String) -> ModulesError {
    ModulesError::Limit {
        path: path.to_owned(),
        limit,
    }
}

fn damaged(path: &str, reason: impl ToString) -> ModulesError {
    ModulesError::Package {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Whether a file of that name is a module.
pub(super) fn is_module_name(name: &str) -> bool {
    [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests;
