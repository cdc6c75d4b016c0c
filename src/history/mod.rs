//! Commits of a kernel tree: ranges, patch series, trees, and a private work area to hold one of them.
//!
//! In flow a git repository ([`Repo`]) and what to look at: a range `A..B`, or a patch series on top of a revision.
//! Out flow a [`Walk`] (the commits, oldest first, and the one they start from), the files and blob ids of each commit,
//! and a [`WorkArea`] whose source folder holds exactly one commit's files.
//!
//! The user's repository is only read. A series is applied in a bare repository of our own that borrows the user's
//! objects through git's alternates (gitrepository-layout(5)), and files are written from blobs, not by `git checkout`:
//! so no filter, hook or lazy fetch runs, and moving to the next commit touches only what differs.
//!
//! Sources: gitrevisions(7) and git-rev-list(1) (`--first-parent`), git-format-patch(1) and git-mailsplit(1) for
//! series, quilt(1) for `series` files, gitformat-index(5) and git's tree object for paths and modes.

mod checkout;
mod commit;
mod complete;
mod error;
mod git;
mod held;
mod id;
mod mail;
mod patches;
mod path;
mod range;
mod removal;
mod repo;
mod revision;
mod series;
mod status;
mod tree;
mod work_area;

#[cfg(test)]
mod tests;

pub use checkout::{CheckoutSummary, Held};
pub use commit::{Commit, Walk};
pub use error::HistoryError;
pub use held::HeldFolder;
pub use id::{BlobId, CommitId, TreeId};
pub use removal::remove_tree;
pub use repo::Repo;
pub use status::Status;
pub use tree::{FileEntry, FileMode, PathChange};
pub use work_area::WorkArea;
