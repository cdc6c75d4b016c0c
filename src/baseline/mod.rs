//! The baseline: a kernel's ABI as a folder that lives in git.
//!
//! In flows a snapshot of one commit, out flows the folder, and back. What the folder holds:
//!
//! | file | what |
//! |---|---|
//! | `baseline.toml` | fingerprint of the kernel and of the tool that made it |
//! | `Module.symvers` | the exports, in the kernel's own format, sorted by symbol |
//! | `symtypes.zst` | the types behind them: consolidated symtypes, zstd |
//! | `config` | the kernel configuration |
//! | `stablelist` | the protected symbols, in any family's grammar; kept by people |
//! | `updates.toml` | what replacements of the baseline accepted, and why |
//! | `rules.toml`, `approvals.toml`, `modules.json` | policy and the module database; kept by people |
//!
//! An imported baseline may lack `symtypes.zst` and `config`. The first four are made by `kabigate` and replaced as one; the others are never touched by it except where a
//! command names them.

mod candidate;
mod error;
mod folder;
mod manifest;
mod read;
mod updates;
mod verify;
mod write;

pub use candidate::{Candidate, CandidateError};
pub use error::BaselineError;
pub use folder::{
    APPROVALS, CONFIG, MANIFEST, MODULES, RULES, STABLELIST, SYMTYPES, SYMVERS, UPDATES,
};
pub use manifest::{Manifest, SCHEMA};
pub use read::{Baseline, ReadPart};
pub use updates::{Accepted, Update, add_update, read_updates};
pub use verify::{Inconsistency, can_verify, verify, verify_types};
pub use write::{Contents, Extra, Import, create, import, replace};
