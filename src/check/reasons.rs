//! Errors of the rooms as reasons of a report: code, message and next step.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::baseline::{BaselineError, CandidateError};
use crate::history::{Commit, HistoryError, Walk};
use crate::kbuild::{ChildError, KbuildError};
use crate::modules::ModulesError;
use crate::policy::{ListFinding, PolicyError};
use crate::report::{CommitName, Reason, ReasonCode};
use crate::snapshot::SnapshotError;

/// A commit as reports name it.
#[must_use]
pub fn commit_name(commit: &Commit) -> CommitName {
    CommitName {
        id: commit.id.as_str().to_owned(),
        subject: commit.subject.clone(),
        author: commit.author.clone(),
        date: date(commit.time, commit.offset_minutes),
        source: commit.source.clone(),
    }
}

/// The day that approvals must hold on: of the later of the first and the last commit, in UTC. The last one alone could be
/// dated back by its author.
#[must_use]
pub fn day_of(walk: &Walk) -> Option<time::Date> {
    let last = walk
        .commits
        .last()
        .map_or(walk.base.time, |commit| commit.time);
    let latest = last.max(walk.base.time);
    OffsetDateTime::from_unix_timestamp(latest)
        .ok()
        .map(OffsetDateTime::date)
}

/// The day of a commit in UTC.
#[must_use]
pub fn day_of_commit(commit: &Commit) -> Option<time::Date> {
    let time = OffsetDateTime::from_unix_timestamp(commit.time).ok()?;
    Some(time.date())
}

/// RFC 3339; a date that no calendar has (git stores any number) as seconds.
fn date(seconds: i64, offset_minutes: i32) -> String {
    let offset =
        UtcOffset::from_whole_seconds(offset_minutes.saturating_mul(60)).unwrap_or(UtcOffset::UTC);
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.checked_to_offset(offset))
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("@{seconds}"))
}

fn reason(code: ReasonCode, message: impl ToString, next_step: Option<&str>) -> Reason {
    Reason {
        code,
        message: message.to_string(),
        next_step: next_step.map(str::to_owned),
        commit: None,
        file: None,
        line: None,
        expected: None,
        found: None,
    }
}

/// What the system says of a full disk, in the messages of this process and of the programs that it runs in the C locale.
const FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// Whatever a disk has no room for, nothing is wrong with the input, and it could not be checked.
#[must_use]
pub fn or_full_disk(reason: Reason) -> Reason {
    if !FULL.iter().any(|text| reason.message.contains(text)) {
        return reason;
    }
    Reason {
        code: ReasonCode::LimitExceeded,
        next_step: Some(
            "make room on that disk, or name a folder on another one (--work DIR, TMPDIR)"
                .to_owned(),
        ),
        ..reason
    }
}

/// A problem with the repository, the range or the series.
#[must_use]
pub fn history_reason(error: &HistoryError) -> Reason {
    // INVARIANT: history takes its codes from the table of reasons; a test walks them.
    let code = ReasonCode::from_word(error.code()).unwrap_or(ReasonCode::InputInvalid);
    or_full_disk(reason(code, error, Some(&error.next_step())))
}

/// A problem with the kernel's build.
#[must_use]
pub fn kbuild_reason(error: &KbuildError) -> Reason {
    let (code, next_step) = match error {
        KbuildError::NotAKernelTree { .. } | KbuildError::FolderName { .. } => (
            ReasonCode::InputInvalid,
            Some("name the top folder of a kernel tree: --tree DIR"),
        ),
        KbuildError::ConfigSyntax { .. }
        | KbuildError::DefconfigName { .. }
        | KbuildError::NoConfig { .. } => (
            ReasonCode::InputInvalid,
            Some("name a defconfig, a .config file or a headers package: --config CONFIG"),
        ),
        KbuildError::Io { .. } => (
            ReasonCode::InputInvalid,
            Some("check that the file exists and can be read"),
        ),
        KbuildError::TooOld { .. } => {
            (ReasonCode::PlanFailed, Some("check a tree of 5.4 or later"))
        }
        KbuildError::PlanFailed { .. } => (
            ReasonCode::PlanFailed,
            Some("try `make -n -k` with the same configuration in a clean tree"),
        ),
        KbuildError::Child {
            source: ChildError::Time { .. } | ChildError::Output { .. } | ChildError::Bound { .. },
            ..
        } => (
            ReasonCode::LimitExceeded,
            Some(
                "kernel trees stay far below this limit; look at what the Makefiles of this commit run",
            ),
        ),
        KbuildError::Leftover { .. } => (
            ReasonCode::ConfigureFailed,
            Some("look at what the Makefiles of this commit run"),
        ),
        KbuildError::Child { .. } | KbuildError::Make { .. } | KbuildError::Compiler { .. } => (
            ReasonCode::ConfigureFailed,
            Some(
                "try `make olddefconfig modules_prepare` with the same configuration in a clean tree",
            ),
        ),
        KbuildError::Assemble { .. } => (
            ReasonCode::PreprocessFailed,
            Some("build the object named with `make OBJECT` in the same configuration"),
        ),
        KbuildError::Limit { .. } => (
            ReasonCode::LimitExceeded,
            Some("kernel trees stay far below this limit; look for what is unusual in this one"),
        ),
    };
    reason(code, error, next_step)
}

/// Why the ABI of a commit is not known.
#[must_use]
pub fn snapshot_reason(error: &SnapshotError, commit: Option<&Commit>) -> Reason {
    let mut reason = or_full_disk(match error {
        SnapshotError::History(error) => history_reason(error),
        SnapshotError::Kbuild(error) => kbuild_reason(error),
        SnapshotError::Genksyms(error) => reason(
            ReasonCode::PlanFailed,
            error,
            Some(
                "kabigate knows the genksyms of 5.4 and later; is scripts/genksyms changed in this tree?",
            ),
        ),
        SnapshotError::Overlay(error) => reason(
            ReasonCode::PreprocessFailed,
            error,
            Some("is include/linux/export.h changed in this tree?"),
        ),
        SnapshotError::Units(_) => reason(
            ReasonCode::PreprocessFailed,
            error,
            Some("build the objects named with `make OBJECT` in the same configuration"),
        ),
        SnapshotError::Interrupted => reason(
            ReasonCode::Interrupted,
            error,
            Some("run it again; units that were computed are kept in the cache"),
        ),
        SnapshotError::NoModules => reason(
            ReasonCode::CrcUnversioned,
            error,
            Some("add a fragment with CONFIG_MODULES=y: --config FILE"),
        ),
        SnapshotError::Algorithm => reason(
            ReasonCode::BaselineMismatch,
            error,
            Some("choose CONFIG_GENKSYMS in the configuration; gendwarfksyms is not supported"),
        ),
        SnapshotError::Io { .. } => reason(
            ReasonCode::InputInvalid,
            error,
            Some("check that the folder exists, is accessible and has room"),
        ),
    });
    if let Some(commit) = commit {
        reason.commit = Some(commit.id.as_str().to_owned());
        if matches!(
            error,
            SnapshotError::Kbuild(KbuildError::NotAKernelTree { .. })
        ) {
            // The command line is right; it is this commit that lacks a file.
            reason.code = ReasonCode::ConfigureFailed;
        }
    }
    reason
}

/// A problem with the baseline folder.
#[must_use]
pub fn baseline_reason(error: &BaselineError) -> Reason {
    let (code, next_step) = match error {
        BaselineError::Missing { .. } => (
            ReasonCode::BaselineMissing,
            Some(
                "record one: `kabigate baseline create DIR --tree TREE --config CONFIG --protect LIST`",
            ),
        ),
        BaselineError::Exists { .. } => (
            ReasonCode::Usage,
            Some("replace it with `kabigate baseline update`, or name another folder"),
        ),
        BaselineError::Empty { .. } => (
            ReasonCode::BaselineEmpty,
            Some("record it again: `kabigate baseline update DIR --tree TREE`"),
        ),
        BaselineError::Unversioned { .. } => (
            ReasonCode::CrcUnversioned,
            Some("record it again with CONFIG_MODVERSIONS=y in the configuration"),
        ),
        BaselineError::Partial { .. } => (
            ReasonCode::BaselineEmpty,
            Some("use the Module.symvers of a whole build"),
        ),
        BaselineError::Revision { .. } => (
            ReasonCode::GitObjectsMissing,
            Some(
                "fetch the objects of the policy revision: `git fetch --refetch --no-filter origin`",
            ),
        ),
        BaselineError::Unpack(_)
        | BaselineError::Symvers(_)
        | BaselineError::Symtypes(_)
        | BaselineError::Manifest { .. }
        | BaselineError::Io { .. } => (
            ReasonCode::InputInvalid,
            Some("restore the folder from git, or record it again with `kabigate baseline update`"),
        ),
    };
    reason(code, error, next_step)
}

/// A problem with one side of a comparison.
#[must_use]
pub fn candidate_reason(error: &CandidateError) -> Reason {
    let (code, next_step) = match error {
        CandidateError::Baseline(error) => return baseline_reason(error),
        CandidateError::Missing { .. }
        | CandidateError::NoSymvers { .. }
        | CandidateError::Package { .. } => (
            ReasonCode::InputInvalid,
            "name a Module.symvers, a baseline folder, a headers package or a /lib/modules/RELEASE folder",
        ),
        CandidateError::Several { .. } => (ReasonCode::InputInvalid, "name one of them"),
        CandidateError::Empty { .. } | CandidateError::Partial { .. } => (
            ReasonCode::BaselineEmpty,
            "use the Module.symvers of a whole build",
        ),
        CandidateError::Unversioned { .. } => (
            ReasonCode::CrcUnversioned,
            "use a kernel that was built with CONFIG_MODVERSIONS=y",
        ),
        CandidateError::Folder { .. }
        | CandidateError::Unpack(_)
        | CandidateError::Symvers(_)
        | CandidateError::Symtypes(_) => (
            ReasonCode::InputInvalid,
            "correct the file, or fetch it again",
        ),
    };
    reason(code, error, Some(next_step))
}

/// A list, a rule file or approvals that cannot be read.
#[must_use]
pub fn policy_reason(error: &PolicyError) -> Reason {
    reason(
        ReasonCode::InputInvalid,
        error,
        Some("correct the file at the place named"),
    )
}

/// Findings about the protected lists: reasons, and warnings where missing symbols are allowed.
#[must_use]
pub fn list_reasons(findings: &[ListFinding], allow_missing: bool) -> (Vec<Reason>, Vec<String>) {
    let (mut reasons, mut warnings) = (Vec::new(), Vec::new());
    for finding in findings {
        if finding.is_missing_symbol() && allow_missing {
            warnings.push(finding.to_string());
            continue;
        }
        let (code, next_step) = match finding {
            ListFinding::Empty { .. } => (
                ReasonCode::ListEmpty,
                "list the symbols to protect: `stablelist` in the baseline, or --protect LIST",
            ),
            ListFinding::Mismatch { .. } => (
                ReasonCode::ListMismatch,
                "name the list of the baseline's architecture",
            ),
            ListFinding::NotExported { .. } => (
                ReasonCode::InputInvalid,
                "correct or remove the entry, or pass --allow-missing",
            ),
            ListFinding::UnknownExportType { .. } => (
                ReasonCode::ListMismatch,
                "kabigate does not know this export type and cannot judge its changes",
            ),
        };
        reasons.push(reason(code, finding, Some(next_step)));
    }
    (reasons, warnings)
}

/// A module, package or database that cannot be read.
#[must_use]
pub fn module_reason(error: &ModulesError) -> Reason {
    let next_step = match error {
        ModulesError::Database { .. }
        | ModulesError::Entry { .. }
        | ModulesError::Schema { .. } => {
            "restore the file from git, or make it again: `kabigate modules scan`"
        }
        ModulesError::Unpack(_) | ModulesError::Folder { .. } => {
            "check the path and its permissions, or fetch the file again"
        }
        ModulesError::NotModule { .. }
        | ModulesError::NoModule { .. }
        | ModulesError::TooDeep { .. }
        | ModulesError::Limit { .. } => {
            "name modules, packages or tar archives with modules, or folders of them"
        }
        ModulesError::Damaged { .. }
        | ModulesError::Package { .. }
        | ModulesError::Dkms { .. }
        | ModulesError::Invalid { .. } => "correct the file, or fetch or build it again",
        ModulesError::Links { .. } => "remove what is in the way, and run again",
        ModulesError::Twice { .. } => "scan them as different providers: `--provider`",
    };
    reason(ReasonCode::InputInvalid, error, Some(next_step))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dates are written with the author's offset, and a date that no calendar has does not fail.
    #[test]
    fn dates() {
        assert_eq!(date(1_700_000_000, 330), "2023-11-15T03:43:20+05:30");
        assert_eq!(date(i64::MAX, 0), format!("@{}", i64::MAX));
    }

    /// A missing symbol is an error with a next step, and only a warning where the user allows it.
    #[test]
    fn missing_symbols() {
        let finding = ListFinding::Empty { list: None };
        let (reasons, _) = list_reasons(&[finding], true);
        assert_eq!(reasons[0].code, ReasonCode::ListEmpty);
    }
}
