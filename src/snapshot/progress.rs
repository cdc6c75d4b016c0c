//! How a long computation tells what it does.

use crate::kbuild::Difference;

/// Hears what a computation does; implementations show it.
pub trait Progress: Sync {
    /// The computation of a commit begins: its number in the run, counted from 1, how many there are, and its name.
    fn commit(&self, number: usize, total: usize, name: &str);
    /// A phase begins, such as `configure`.
    fn phase(&self, name: &str);
    /// The commit's configuration differs from that of the commit before.
    fn configuration(&self, differences: &[Difference]);
    /// The units phase begins; that many units are to be looked at.
    fn units(&self, total: usize);
    /// One unit is done.
    fn unit_done(&self);
    /// The computation of one commit is done.
    fn done(&self, counters: &Counters);
}

/// What the computation of one commit cost. Counts depend on the cache, so no report holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Objects of the plan.
    pub objects: usize,
    /// Units that can export.
    pub candidates: usize,
    /// Units that were preprocessed and parsed.
    pub computed: usize,
    /// Units whose results were known.
    pub cached: usize,
    /// Units whose call or files changed since the commit before, or might have.
    pub looked_at: usize,
    /// Files of the source tree that were written.
    pub written: usize,
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn commit(&self, _: usize, _: usize, _: &str) {}
    fn phase(&self, _: &str) {}
    fn configuration(&self, _: &[Difference]) {}
    fn units(&self, _: usize) {}
    fn unit_done(&self) {}
    fn done(&self, _: &Counters) {}
}
