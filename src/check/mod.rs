//! One run of the gate: a line of commits against a baseline.
//!
//! In flow a repository, a walk, a baseline, the protected symbols and the known modules, out flows a
//! [`Report`](crate::report::Report). Two questions are answered apart: what each commit changes against its parent, and
//! where the tip stands against the frozen baseline. A run can be cut into parts that are computed apart and joined
//! ([`compute`], [`join_parts`]); one that is not cut goes the same way. A commit that cannot be computed is told as such and the walk goes
//! on; what was not checked never counts as passed.

mod causes;
mod comparable;
mod decided;
mod diff;
mod explain;
mod facts;
mod findings;
mod hidden;
mod hunks;
mod join;
mod layouts;
mod lines;
mod part;
mod reasons;
mod rebuild;
mod run;
mod validate;
mod verdict;

pub use diff::{Pair, diff};
pub use explain::explain;
pub use join::{join_parts, line_digest};
pub use part::{MAX_SHARDS, PART_SCHEMA, Part, Piece, RunId, Shard};
pub use reasons::{
    baseline_reason, candidate_reason, commit_name, day_of, day_of_commit, history_reason,
    kbuild_reason, list_reasons, module_reason, or_full_disk, policy_reason, snapshot_reason,
};
pub use rebuild::{Rebuilding, rebuild};
pub use run::{Gate, Series, compute, run};
pub use validate::{Rebuilt, Validate, validate};
pub use verdict::{conclude, unchecked};
