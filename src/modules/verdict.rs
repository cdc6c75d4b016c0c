//! What a kernel does with a module, in the words of the person who has to act.

use std::fmt;

use super::resolve::{ImportProblem, ProblemKind};

/// What happens when the module is loaded, and what helps; the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loadability {
    /// It loads.
    Loads,
    /// It loads, and the kernel says something about it.
    LoadsWithWarning,
    /// It cannot be said.
    Unknown,
    /// It is refused only because a module that it uses is.
    NeedsOtherModule,
    /// It is refused, and nothing says that building it again for this kernel would not help.
    NeedsRebuild,
    /// It is refused, and would be after a rebuild: a symbol is gone or not for this module.
    SourceMustChange,
}

impl Loadability {
    /// Every verdict with its spelling, the best first.
    pub const WORDS: [(Loadability, &'static str); 6] = [
        (Loadability::Loads, "loads"),
        (Loadability::LoadsWithWarning, "loads-with-warning"),
        (Loadability::Unknown, "unknown"),
        (Loadability::NeedsOtherModule, "needs-other-module"),
        (Loadability::NeedsRebuild, "needs-rebuild"),
        (Loadability::SourceMustChange, "source-must-change"),
    ];

    /// The verdict that the problems of a module lead to.
    #[must_use]
    pub fn of(problems: &[ImportProblem]) -> Loadability {
        let each = problems
            .iter()
            .map(|problem| Loadability::of_kind(problem.kind));
        each.max().unwrap_or(Loadability::Loads)
    }

    /// The verdict that a problem of that kind alone leads to.
    #[must_use]
    pub fn of_kind(kind: ProblemKind) -> Loadability {
        match kind {
            ProblemKind::ModuleSize
            | ProblemKind::ModuleLayout
            | ProblemKind::Unversioned
            | ProblemKind::Vermagic
            | ProblemKind::CrcMismatch
            | ProblemKind::NoVersionRefused => Loadability::NeedsRebuild,
            ProblemKind::Missing
            | ProblemKind::GplOnly
            | ProblemKind::ProprietaryProvider
            | ProblemKind::Namespace
            | ProblemKind::DuplicateExport => Loadability::SourceMustChange,
            ProblemKind::NeedsOtherModule => Loadability::NeedsOtherModule,
            ProblemKind::UnknownProvider | ProblemKind::NotJudged | ProblemKind::NoVersion => {
                Loadability::Unknown
            }
            ProblemKind::NoVersionWarned | ProblemKind::NamespaceWarned => {
                Loadability::LoadsWithWarning
            }
        }
    }

    /// Whether the kernel refuses the module.
    #[must_use]
    pub fn is_refused(self) -> bool {
        self > Loadability::Unknown
    }

    /// The spelling in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(verdict, _)| *verdict == self)
            .map_or("unknown", |(_, word)| word)
    }
}

impl fmt::Display for Loadability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
