//! One commit, and the line of commits that a check walks.

use super::id::{CommitId, TreeId};

/// One commit, real or made from a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub id: CommitId,
    /// The tree it holds.
    pub tree: TreeId,
    /// First line of its message; for a patch without mail header, the best title its text gives.
    pub subject: String,
    /// Author as `Name <address>`.
    pub author: String,
    /// Author date in seconds since 1970-01-01 UTC.
    pub time: i64,
    /// Offset of the author's clock from UTC, in minutes.
    pub offset_minutes: i32,
    /// How many parents it has; a step of a walk compares with the first one.
    pub parents: usize,
    /// For a commit made from a patch: the patch file's name and its position, such as `0002-x.patch (2 of 5)`.
    pub source: Option<String>,
}

impl Commit {
    pub(super) fn read(commit: &git2::Commit<'_>) -> Commit {
        let author = commit.author();
        let when = author.when();
        Commit {
            id: CommitId::from_oid(commit.id()),
            tree: TreeId::from_oid(commit.tree_id()),
            subject: text(commit.summary_bytes().unwrap_or_default()),
            author: format!(
                "{} <{}>",
                text(author.name_bytes()),
                text(author.email_bytes())
            ),
            time: when.seconds(),
            offset_minutes: when.offset_minutes(),
            parents: commit.parent_count(),
            source: None,
        }
    }
}

/// Commit texts carry any encoding; what is not UTF-8 shows as replacement characters.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A line of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The commit that the first step is compared with.
    pub base: Commit,
    /// The steps, oldest first; each is compared with the one before it. Never empty.
    pub commits: Vec<Commit>,
    /// Mails of a series that announce it and carry no diff (`[PATCH 0/5]`), named as [`Commit::source`] names patches.
    pub cover_letters: Vec<String>,
}
