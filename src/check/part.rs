//! What one of several jobs computed of a run, as plain data: a contiguous slice of the commits.
//!
//! A commit's own comparison needs nothing but the commit before it, so a run can be cut anywhere. What depends on the
//! whole walk (since when a symbol is broken, what a commit brings back, causes across commits) is no part of a
//! [`Piece`]; [`join_parts`](super::join_parts) works it out, also for a run that was never cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::causes::{CauseUse, Texts};
use super::decided::{Asked, Told};
use super::hidden::HiddenLines;
use super::hunks::Hunks;
use super::layouts::{StepLayout, TypeLayout};
use crate::report::{CommitName, Findings, Mode, Reason, ReasonCode, Report, Tool, escape};

/// Name and version of the document.
pub const PART_SCHEMA: &str = "kabigate-part/1";

/// Most parts that a run may have.
pub const MAX_SHARDS: usize = 10_000;

/// Which of how many parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its number, counted from 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Shard {
    /// All of a run.
    pub const WHOLE: Shard = Shard { index: 1, count: 1 };

    /// Its slice of so many commits: those of all parts follow each other and differ by one commit in length at most.
    #[must_use]
    pub fn slice(self, commits: usize) -> Range<usize> {
        let cut = |part: usize| part * commits / self.count.max(1);
        cut(self.index.saturating_sub(1))..cut(self.index)
    }

    /// Whether it ends at the tip.
    #[must_use]
    pub fn is_last(self) -> bool {
        self.index == self.count
    }

    pub(super) fn is_valid(self) -> bool {
        (1..=self.count).contains(&self.index) && self.count <= MAX_SHARDS
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `I/N`.
    fn from_str(text: &str) -> Result<Shard, String> {
        let wrong = || format!("expected I/N with 1 ≤ I ≤ N ≤ {MAX_SHARDS}, such as 2/7");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong());
        let shard = Shard {
            index: number(index)?,
            count: number(count)?,
        };
        if shard.is_valid() {
            Ok(shard)
        } else {
            Err(wrong())
        }
    }
}

/// A part of a run as a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Name and version of this document.
    pub schema: String,
    /// Which part it is.
    pub shard: Shard,
    /// The run that it is a part of.
    pub run: RunId,
    /// What the user should know about the inputs.
    pub warnings: Vec<String>,
    /// What was computed.
    pub piece: Piece,
}

impl Part {
    /// Writes the document.
    #[must_use]
    pub fn to_json(&self) -> String {
        // INVARIANT: a part holds strings, numbers, lists, structs and maps with names as keys.
        let document = serde_json::to_string(self).expect("keys of a part are strings");
        let mut out = escape::json_document(&document);
        out.push('\n');
        out
    }

    /// Reads what [`Part::to_json`] wrote. `name` is how messages call the input.
    ///
    /// # Errors
    /// The bytes are no JSON, are of another schema or of another version of the program, or lack or add a field.
    pub fn read(bytes: &[u8], name: &str) -> Result<Part, Box<Reason>> {
        #[derive(Deserialize)]
        struct Header {
            schema: String,
            run: Option<Run>,
        }
        #[derive(Deserialize)]
        struct Run {
            tool: Tool,
        }
        let refused = |code, message: String| {
            Box::new(Reason {
                code,
                message: format!("{name}: {message}"),
                next_step: Some(
                    "name files that `kabigate check --shard I/N --output json:FILE` wrote"
                        .to_owned(),
                ),
                commit: None,
                file: None,
                line: None,
                expected: None,
                found: None,
            })
        };
        let unreadable = |error: serde_json::Error| {
            refused(
                ReasonCode::InputInvalid,
                format!("not a part of a run: {error}"),
            )
        };
        let header: Header = serde_json::from_slice(bytes).map_err(unreadable)?;
        if header.schema != PART_SCHEMA {
            let message = format!(
                "document of schema {:?}, expected {PART_SCHEMA:?}",
                header.schema
            );
            return Err(refused(ReasonCode::InputInvalid, message));
        }
        let version = env!("CARGO_PKG_VERSION");
        if let Some(run) = header.run.filter(|run| run.tool.version != version) {
            let message = format!(
                "written by version {}, this is version {version}",
                run.tool.version
            );
            return Err(refused(ReasonCode::PartsMismatch, message));
        }
        serde_json::from_slice(bytes).map_err(unreadable)
    }
}

/// What tells runs apart. All parts of one run agree in all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunId {
    /// The program.
    pub tool: Tool,
    /// The target of `kabigate.toml`, if there is one.
    pub target: Option<String>,
    /// The commit before those that are checked.
    pub base: String,
    /// The last one of them.
    pub head: String,
    /// How many there are.
    pub commits: usize,
    /// Digest of their ids in order.
    pub line: String,
    /// Digest of the baseline's exports, types, configuration and fingerprint; a configuration that is named because the
    /// baseline holds none counts as its own.
    pub baseline: String,
    /// Digest of lists, rules, approvals, known modules and the day, and of where they were read from.
    pub policy: String,
    /// Whether breaks fail the run.
    pub mode: Mode,
    /// Whether a break fails the run even if a later commit undoes it.
    pub per_commit: bool,
}

impl RunId {
    /// What differs from another run: the name of the first thing that does, and both values.
    #[must_use]
    pub fn difference(&self, other: &RunId) -> Option<(&'static str, String, String)> {
        let facts = |run: &RunId| {
            let mode = match run.mode {
                Mode::Enforce => "enforce",
                Mode::Observe => "observe",
            };
            let per_commit = if run.per_commit { ", per commit" } else { "" };
            [
                ("program", format!("{} {}", run.tool.name, run.tool.version)),
                (
                    "target",
                    run.target.clone().unwrap_or_else(|| "none".to_owned()),
                ),
                ("base", run.base.clone()),
                ("head", run.head.clone()),
                ("commits", format!("{} commits, {}", run.commits, run.line)),
                ("baseline", run.baseline.clone()),
                ("policy", run.policy.clone()),
                ("mode", format!("{mode}{per_commit}")),
            ]
        };
        let both = facts(self).into_iter().zip(facts(other));
        let mut differing = both.filter(|((_, ours), (_, theirs))| ours != theirs);
        let ((name, ours), (_, theirs)) = differing.next()?;
        Some((name, ours, theirs))
    }
}

/// What was computed of a slice of the commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Where the slice starts.
    pub start: Start,
    /// The commits of the slice, oldest first.
    pub steps: Vec<Step>,
    /// The causes that the comparisons may tell, by fingerprint.
    pub causes: Texts,
    /// Symbols that approvals were asked about.
    pub asked: Asked,
    /// What belongs to the run as a whole: with the last slice.
    pub end: Option<Box<End>>,
}

impl Piece {
    /// Whether the run was interrupted before all of it was computed.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.reasons()
            .any(|reason| reason.code == ReasonCode::Interrupted)
    }

    /// What could not be checked about its commits.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        let of_start = match &self.start {
            Start::Refused { reasons } => reasons.as_slice(),
            Start::At(_) => &[],
        };
        of_start
            .iter()
            .chain(self.steps.iter().flat_map(|step| &step.reasons))
    }
}

/// What the first commit of a slice is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Neither the commit before the range nor any before the slice can be computed or compared with the baseline.
    Refused {
        /// Why.
        reasons: Vec<Reason>,
    },
    /// The last commit before the slice that can be computed.
    At(Stand),
}

/// A commit and how it stands against the baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stand {
    /// The commit.
    pub commit: String,
    /// The compiler that it was configured with.
    pub compiler: String,
    /// Protected and used symbols that differ from the baseline.
    pub symbols: BTreeSet<String>,
    /// Modules that no longer load.
    pub modules: BTreeSet<String>,
    /// Symbols that it exports twice.
    pub conflicts: Vec<Twice>,
    /// If it is the commit before the range, the layouts there of the types that hidden changes touch.
    pub layouts: Vec<TypeLayout>,
}

/// A symbol that somebody relies on and that a kernel exports twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twice {
    /// The symbol.
    pub symbol: String,
    /// Both exports, in one sentence.
    pub message: String,
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The commit.
    pub commit: CommitName,
    /// Symbols that it exports twice.
    pub conflicts: Vec<Twice>,
    /// What could not be checked about it.
    pub reasons: Vec<Reason>,
    /// What it brings; none if it could not be computed.
    pub brought: Option<Box<Brought>>,
}

/// What a commit brings against the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brought {
    /// The commit that it was compared with.
    pub against: String,
    /// What it changes, not yet knowing what of it leads back to the baseline.
    pub findings: Findings,
    /// The definitions behind that.
    pub causes: Vec<CauseUse>,
    /// The hunks of its patch that changed them.
    pub hunks: Hunks,
    /// What its hidden changes do to layouts.
    pub layouts: Vec<StepLayout>,
    /// Symbols that begin and cease to differ from the baseline.
    pub symbols: Turn,
    /// Modules that stop loading and load again.
    pub modules: Turn,
    /// Options of the configuration that it changes.
    pub config: Vec<String>,
}

/// What comes into a set of names and what leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What comes.
    pub come: BTreeSet<String>,
    /// What leaves.
    pub gone: BTreeSet<String>,
}

impl Turn {
    /// From one set to another.
    pub(super) fn of(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Turn {
        Turn {
            come: after.difference(before).cloned().collect(),
            gone: before.difference(after).cloned().collect(),
        }
    }
}

/// What belongs to the run as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The report as it is before anything was walked: what is compared with what, and under which policy.
    pub frame: Report,
    /// The last commit that could be computed against the baseline.
    pub tip: Option<Tip>,
    /// Where the commits changed the definitions behind what the tip is found to break, by the cause's fingerprint.
    pub changed_lines: BTreeMap<String, u32>,
    /// What the commits hide from the CRCs.
    pub hidden: HiddenLines,
    /// Why that could not be looked for.
    pub hidden_reason: Option<Reason>,
    /// What was not looked at.
    pub hidden_warnings: Vec<String>,
    /// What people decided beforehand.
    pub decided: Told,
}

/// The last commit that could be computed, against the baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tip {
    /// The commit.
    pub commit: String,
    /// How it stands.
    pub findings: Findings,
    /// The definitions behind that.
    pub causes: Vec<CauseUse>,
    /// The layouts of the types that hidden changes touch, if it is the last commit of the range.
    pub layouts: Vec<TypeLayout>,
    /// What could not be checked about it.
    pub reasons: Vec<Reason>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slices of all parts are the whole, in order, and as even as can be; a part may be empty.
    #[test]
    fn slices_make_up_the_whole() {
        for commits in 0..30 {
            for count in 1..12 {
                let slices: Vec<Range<usize>> = (1..=count)
                    .map(|index| Shard { index, count }.slice(commits))
                    .collect();
                let all: Vec<usize> = slices.iter().cloned().flatten().collect();
                assert_eq!(all, (0..commits).collect::<Vec<_>>());
                let longest = slices.iter().map(ExactSizeIterator::len).max();
                let shortest = slices.iter().map(ExactSizeIterator::len).min();
                assert!(longest.unwrap_or(0) - shortest.unwrap_or(0) <= 1);
            }
        }
    }

    /// Only `I/N` within bounds is a part.
    #[test]
    fn spellings_of_shards() {
        assert_eq!("2/7".parse(), Ok(Shard { index: 2, count: 7 }));
        for text in [
            "", "2", "0/7", "8/7", "1/0", "-1/2", "1/10001", "1/2/3", "a/b",
        ] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
