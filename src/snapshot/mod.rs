//! The ABI of one commit.
//!
//! In flow a commit (or a plain source folder) and a configuration, out flows a [`Snapshot`]: exports, types and
//! fingerprint. [`Builder`] drives history, kbuild, cpp and genksyms for one commit after the other in one work area;
//! units whose compiler call and files are known come from the [`UnitCache`].

mod archive;
mod area;
mod assemble;
mod builder;
mod cache;
mod error;
mod fingerprint;
mod kept;
mod listing;
mod prepared;
mod progress;
mod scans;
mod scope;
mod source;
mod stale;
mod state;
mod unit;
mod units;
mod upkeep;
mod views;

use crate::kbuild::Config;
use crate::symtypes::{Location, TypeGraph};
use crate::symvers::Symvers;

pub use archive::{ArchiveError, Moved};
pub use builder::{Builder, Settings};
pub use cache::UnitCache;
pub use error::{SnapshotError, UnitFailure};
pub use fingerprint::{Fingerprint, Mismatch, UNKNOWN};
pub use progress::{Counters, Progress, Silent};
pub use source::Source;
pub use upkeep::{CacheSize, Pruned};
pub use views::{TypeAt, Unseen, View, Views, Wanted};

pub use crate::cpp::child::{is_stopped as is_interrupted, stop_flag as interrupt_flag};

/// The ABI of one commit.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What its CRCs were computed under.
    pub fingerprint: Fingerprint,
    /// The configuration that Kbuild settled on.
    pub config: Config,
    /// The exports.
    pub symvers: Symvers,
    /// The types behind them.
    pub types: TypeGraph,
    /// What the genksyms parser said, each message once, by place. The kernel's own build never shows these.
    pub messages: Vec<ParserMessage>,
    /// Symbols that two objects export with different values; the first one's stand in `symvers`.
    pub conflicts: Vec<Conflict>,
    /// What is odd about the tree and changes no CRC.
    pub warnings: Vec<String>,
}

impl Snapshot {
    /// Whether the kernel's loader compares these CRCs. Without `CONFIG_MODVERSIONS` it compares none, and only this program
    /// knows them.
    #[must_use]
    pub fn crcs_enforced(&self) -> bool {
        self.config.is_yes("CONFIG_MODVERSIONS")
    }
}

/// A symbol that a kernel exports twice, with different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The symbol.
    pub symbol: String,
    /// Both exports, in one sentence.
    pub message: String,
}

/// A message of the genksyms parser.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParserMessage {
    /// Where it stands.
    pub location: Location,
    /// Its text, in genksyms' own words.
    pub message: String,
}
