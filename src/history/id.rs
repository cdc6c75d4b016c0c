//! Names of git objects.

use std::fmt;

use git2::Oid;
use serde::{Deserialize, Serialize};

/// Bytes of a SHA-1 object name; repositories with other hashes are refused when they are opened.
const LEN: usize = 20;

fn bytes(oid: Oid) -> [u8; LEN] {
    let mut out = [0; LEN];
    for (to, from) in out.iter_mut().zip(oid.as_bytes()) {
        *to = *from;
    }
    out
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The name of a commit: 40 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitId(String);

impl CommitId {
    /// Reads a full commit name; `None` unless it is 40 hexadecimal digits.
    #[must_use]
    pub fn parse(hex: &str) -> Option<CommitId> {
        let whole = hex.len() == 2 * LEN && hex.bytes().all(|b| b.is_ascii_hexdigit());
        whole.then(|| CommitId(hex.to_ascii_lowercase()))
    }

    /// All 40 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, as kernel commit messages quote commits.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }

    pub(super) fn from_oid(oid: Oid) -> CommitId {
        CommitId(oid.to_string())
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a tree object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TreeId([u8; LEN]);

impl TreeId {
    pub(super) fn from_oid(oid: Oid) -> TreeId {
        TreeId(bytes(oid))
    }

    pub(super) fn oid(self) -> Result<Oid, git2::Error> {
        Oid::from_bytes(&self.0)
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeId({self})")
    }
}

/// The name of a blob, that is of the content of one file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId([u8; LEN]);

impl BlobId {
    /// The id with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; LEN]) -> BlobId {
        BlobId(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    pub(super) fn from_oid(oid: Oid) -> BlobId {
        BlobId(bytes(oid))
    }

    pub(super) fn oid(self) -> Result<Oid, git2::Error> {
        Oid::from_bytes(&self.0)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}
