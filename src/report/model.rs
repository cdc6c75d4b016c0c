//! The result of a run as plain data: what `report.json` holds and every other format renders from.
//!
//! The names of fields and the spellings of enums are the published schema; they may be added to, never renamed.
//! Nothing in here depends on the clock, on the machine's paths, on thread order or on what a cache held.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::borrow::Cow;

use super::change::ClassifiedChange;
use super::hidden::HiddenFindings;
use super::policy::PolicyFindings;
use super::sandbox::SandboxFacts;
pub use crate::policy::Severity;

/// Name and version of the document's schema.
pub const SCHEMA: &str = "kabigate-report/1";

/// All that one run found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Name and version of this schema.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// The program that wrote the report.
    pub tool: Tool,
    /// What the run comes to.
    pub verdict: Verdict,
    /// The exit code that belongs to the verdict and the mode.
    pub exit_code: u8,
    /// Whether breaks fail the run.
    pub mode: Mode,
    /// Whether a break fails the run even if a later commit of the range undoes it.
    pub per_commit: bool,
    /// Why the verdict is `invalid` or `not-checked`, worst first; empty otherwise.
    pub reasons: Vec<Reason>,
    /// What the user should know and what changes no verdict, such as duplicate list entries.
    pub warnings: Vec<String>,
    /// What was compared with what.
    pub provenance: Provenance,
    /// What was compared, changed or not.
    pub compared: Compared,
    /// Where the tip stands against the frozen baseline.
    pub tip: Findings,
    /// What each commit brings against its parent, oldest first.
    pub commits: Vec<CommitFindings>,
    /// Every cause that `tip` or `commits` name: those of the tip first, in each part the worst first.
    pub causes: Vec<Cause>,
    /// What the commits hide from the CRCs.
    #[serde(skip_serializing_if = "HiddenFindings::is_empty", default)]
    pub hidden: HiddenFindings,
    /// What people decided beforehand, what it did to this run, and what it lacks.
    #[serde(skip_serializing_if = "PolicyFindings::is_empty", default)]
    pub policy: PolicyFindings,
}

/// The program that wrote the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// `kabigate`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Checked, nothing protected breaks.
    Pass,
    /// Checked, at least one protected symbol breaks.
    Fail,
    /// Wrong usage or invalid input.
    Invalid,
    /// It could not be checked.
    NotChecked,
}

/// Whether breaks fail the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// They are reported, the exit code stays 0.
    Observe,
}

/// Stable codes for the reasons of exit codes 2 and 3.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// The command line is wrong.
    Usage,
    /// A configuration file is wrong.
    ConfigInvalid,
    /// An input file cannot be read or understood.
    InputInvalid,
    /// A revision does not exist.
    RevisionUnknown,
    /// There is no baseline.
    BaselineMissing,
    /// The baseline holds nothing.
    BaselineEmpty,
    /// The baseline was made of another arch, config, compiler, CRC algorithm or grammar.
    BaselineMismatch,
    /// The files of the baseline contradict each other.
    BaselineInconsistent,
    /// There are no CRCs to compare.
    CrcUnversioned,
    /// The protected list selects nothing.
    ListEmpty,
    /// The protected list is for another arch, or names symbols that the baseline does not export.
    ListMismatch,
    /// The range holds no commit.
    RangeEmpty,
    /// The clone is too shallow.
    GitShallow,
    /// Objects are missing, as in a partial clone.
    GitObjectsMissing,
    /// The repository belongs to another user.
    GitOwner,
    /// The repository uses something that is not supported.
    GitUnsupported,
    /// A commit does not configure or prepare.
    ConfigureFailed,
    /// A commit's build cannot be planned.
    PlanFailed,
    /// A unit of a commit does not preprocess.
    PreprocessFailed,
    /// A unit that exported symbols is missing from the plan without a reason.
    UnitMissing,
    /// A CRC changed and no definition explains it.
    UnexplainedChange,
    /// A kernel exports one symbol twice, with different values.
    ExportAmbiguous,
    /// A structure changed in a way that the CRCs do not show, and its layout could not be compared.
    LayoutUnproven,
    /// A bound on time, memory, depth or size was reached.
    LimitExceeded,
    /// A sandbox is demanded and cannot be had.
    SandboxUnavailable,
    /// The run was interrupted.
    Interrupted,
    /// A part of a run is missing, or there twice.
    PartsIncomplete,
    /// Parts belong to different runs.
    PartsMismatch,
}

impl ReasonCode {
    /// Reads the spelling of reports, such as `range-empty`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<ReasonCode> {
        serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
    }

    /// Exit code of the reason: 2 for wrong usage or input, 3 for "could not check".
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            ReasonCode::Usage
            | ReasonCode::ConfigInvalid
            | ReasonCode::InputInvalid
            | ReasonCode::RevisionUnknown => 2,
            ReasonCode::BaselineMissing
            | ReasonCode::BaselineEmpty
            | ReasonCode::BaselineMismatch
            | ReasonCode::BaselineInconsistent
            | ReasonCode::CrcUnversioned
            | ReasonCode::ListEmpty
            | ReasonCode::ListMismatch
            | ReasonCode::RangeEmpty
            | ReasonCode::GitShallow
            | ReasonCode::GitObjectsMissing
            | ReasonCode::GitOwner
            | ReasonCode::GitUnsupported
            | ReasonCode::ConfigureFailed
            | ReasonCode::PlanFailed
            | ReasonCode::PreprocessFailed
            | ReasonCode::UnitMissing
            | ReasonCode::UnexplainedChange
            | ReasonCode::ExportAmbiguous
            | ReasonCode::LayoutUnproven
            | ReasonCode::LimitExceeded
            | ReasonCode::SandboxUnavailable
            | ReasonCode::Interrupted
            | ReasonCode::PartsIncomplete
            | ReasonCode::PartsMismatch => 3,
        }
    }
}

/// Why something is invalid or could not be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Stable code.
    pub code: ReasonCode,
    /// What happened, in one or a few lines.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_step: Option<String>,
    /// The commit it happened at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub commit: Option<String>,
    /// The file it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// The line in that file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    /// What a mismatch expected, one fact a line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected: Option<String>,
    /// What it found instead, line by line as `expected`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub found: Option<String>,
}

/// What was compared with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The target of `kabigate.toml`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// First side of the range: the parent of its first commit.
    pub base: Option<CommitName>,
    /// The last commit that was checked.
    pub head: Option<CommitName>,
    /// The baseline, if one was read.
    pub baseline: Option<BaselineName>,
    /// The old kernel, where two kernels were compared without commits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old: Option<SideName>,
    /// The new kernel, likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub new: Option<SideName>,
    /// The protected lists, in the order given.
    pub lists: Vec<ListName>,
    /// How many symbols are protected.
    pub protected: usize,
    /// How many third-party modules were judged.
    pub modules: usize,
    /// How what the build of the commits executes was confined, where one ran.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sandbox: Option<SandboxFacts>,
}

/// A commit as reports name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitName {
    /// Full object id.
    pub id: String,
    /// First line of its message.
    pub subject: String,
    /// Author as `Name <address>`.
    pub author: String,
    /// Author date, RFC 3339 with offset.
    pub date: String,
    /// For a patch series: the patch file and its place, such as `0002-net-add-a-field.patch (2/6)`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
}

impl CommitName {
    /// The first twelve digits of the id, as the kernel community abbreviates.
    #[must_use]
    pub fn short(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// The baseline as reports name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineName {
    /// Name of its folder.
    pub name: String,
    /// Kernel release it was made of.
    pub release: String,
    /// Commit it was made of, if known.
    pub commit: Option<String>,
    /// Kernel architecture, such as `x86`.
    pub arch: String,
    /// Digest of its configuration.
    pub config: String,
    /// The compiler that configured it.
    pub compiler: String,
    /// CRC algorithm and grammar, such as `genksyms P4`.
    pub crc_algorithm: String,
}

/// One of two kernels that were compared without commits, as reports name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SideName {
    /// What it was read from, without folders that say nothing about it.
    pub name: String,
    /// Its release, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub release: Option<String>,
    /// How many symbols it exports.
    pub exports: usize,
    /// Whether the types behind them are known.
    pub types: bool,
}

/// A protected list as reports name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListName {
    /// Its file name.
    pub name: String,
    /// How many symbols it protects.
    pub symbols: usize,
}

/// What was compared, changed or not: the cases of a test report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Every protected or module-used symbol of the baseline, by name.
    pub symbols: Vec<ComparedSymbol>,
    /// Every third-party module that was judged, as `provider/module`, by name.
    pub modules: Vec<String>,
}

/// A symbol that was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedSymbol {
    /// The symbol.
    pub symbol: SmolStr,
    /// Its module column in the baseline.
    pub module: SmolStr,
}

/// The comparison of two sides: a commit with its parent, or the tip with the baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// How many symbols changed, by class of change.
    pub counts: Counts,
    /// Every protected or module-used symbol that changed, by name.
    pub symbols: Vec<SymbolChange>,
    /// Names of all other symbols that changed, with the classes of their change.
    pub unprotected: Vec<UnprotectedChange>,
    /// Ids of the causes that change a protected or module-used symbol, worst first.
    pub causes: Vec<String>,
    /// Changed CRCs by what caused them: each symbol counts in one group. Worst first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub groups: Vec<CauseGroup>,
    /// Modules that this comparison concerns: those that stop loading, then those that did not load before either, then
    /// those of which it cannot be said.
    pub modules: Vec<ModuleImpact>,
}

impl Findings {
    /// Counts the symbols by what their change does to the verdict.
    pub fn tally(&mut self) {
        let with = |severity| {
            self.symbols
                .iter()
                .filter(|symbol| symbol.protected && symbol.severity == severity)
                .count()
        };
        let (failing, warned) = (with(Severity::Fail), with(Severity::Warn));
        let others =
            |symbol: &&SymbolChange| !symbol.protected && symbol.severity == Severity::Fail;
        self.counts.failing_others = self.symbols.iter().filter(others).count();
        self.counts.approved = self
            .symbols
            .iter()
            .filter(|symbol| symbol.is_approved())
            .count();
        self.counts.failing = failing;
        self.counts.warned = warned;
    }
}

/// How many symbols changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Symbols of the base side.
    pub base: usize,
    /// Symbols of the head side.
    pub head: usize,
    /// Protected symbols with a change that fails the run.
    pub failing: usize,
    /// Symbols that no list protects, with a change that a rule makes fail the run.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub failing_others: usize,
    /// Modules of which it cannot be said whether they load, where a rule makes that fail the run.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub failing_modules: usize,
    /// Symbols whose change is approved.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub approved: usize,
    /// Protected symbols with a change that is only shown.
    pub warned: usize,
    /// Changed definitions that reach neither a protected nor a module-used symbol, or only bring one back.
    pub other_causes: usize,
    /// Per class of change, how many protected symbols and how many others have it; sorted by class name.
    pub classes: Vec<ClassCount>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// How many symbols have one class of change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassCount {
    /// Spelling of the class, such as `crc-changed`.
    pub class: String,
    /// Protected symbols.
    pub protected: usize,
    /// Other symbols.
    pub unprotected: usize,
}

/// A changed symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SymbolChange {
    /// The symbol.
    pub symbol: SmolStr,
    /// Whether a list protects it.
    pub protected: bool,
    /// Where the protection comes from: list and group names.
    pub lists: Vec<String>,
    /// Known modules that import it, as `provider/module`.
    pub used_by: Vec<String>,
    /// Worst of `changes`.
    pub severity: Severity,
    /// Every class of change it has.
    pub changes: Vec<ClassifiedChange>,
    /// The export before; none for an added symbol.
    pub base: Option<ExportFacts>,
    /// The export after; none for a removed symbol.
    pub head: Option<ExportFacts>,
    /// Ids of the causes of a changed CRC.
    pub causes: Vec<String>,
    /// Shortest path from the export to a cause, with the members that lead on: `netif_rx`, `struct sk_buff`,
    /// `dev: struct net_device`.
    pub witness: Vec<String>,
    /// First commit of the range that gave the symbol a failing or shown change against the baseline.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
}

impl SymbolChange {
    /// Whether approvals cover a change of it and nothing of it fails.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.severity < Severity::Fail && self.changes.iter().any(|change| change.approved)
    }
}

/// The facts of one export: a line of `Module.symvers` without its symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportFacts {
    /// `0x%08x`.
    pub crc: SmolStr,
    /// Module column.
    pub module: SmolStr,
    /// Export column.
    pub class: Cow<'static, str>,
    /// Namespace column, if any.
    pub namespace: Option<SmolStr>,
}

/// A symbol that changed and that neither a list protects nor a known module uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnprotectedChange {
    /// The symbol.
    pub symbol: SmolStr,
    /// Spellings of its classes of change.
    pub classes: Vec<Cow<'static, str>>,
    /// The rule that tolerates the change, as `FILE:LINE: RULE`; none where nothing but the built-in severity does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
}

/// What a comparison means for one third-party module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleImpact {
    /// Who provides it.
    pub provider: String,
    /// Its version, if known.
    pub version: Option<String>,
    /// Its name, without `.ko`.
    pub module: String,
    /// What happens to it.
    pub status: ModuleStatus,
    /// Why, worst first.
    pub problems: Vec<ImportProblem>,
    /// First commit of the range against which it no longer loads.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
}

/// What happens to a module.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ModuleStatus {
    /// It loads on the base side and no longer on the head side.
    StopsLoading,
    /// It loads on neither side.
    AlreadyBroken,
    /// It cannot be said: a module it depends on was not given.
    Unknown,
}

/// Why the loader refuses a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportProblem {
    /// The imported symbol.
    pub symbol: String,
    /// What is wrong: `missing-symbol`, `crc-mismatch`, `gpl-only`, `namespace`, `module-layout`, ...
    pub kind: String,
    /// CRC that the module was built with.
    pub wanted: Option<String>,
    /// CRC that the head side has.
    pub found: Option<String>,
    /// The reason as one sentence.
    pub sentence: String,
    /// Ids of the causes.
    pub causes: Vec<String>,
}

/// One commit of the range against its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitFindings {
    /// The commit.
    pub commit: CommitName,
    /// Whether it could be checked; why not stands in the report's reasons under its id.
    pub checked: bool,
    /// The commit it was compared with: its first parent, or the last one before it that could be checked.
    pub against: String,
    /// What it changes.
    pub findings: Findings,
    /// Protected symbols that differed from the baseline before it and no longer do, by name.
    pub restored: Vec<String>,
    /// Modules, as `provider/module`, that load again after it.
    pub modules_restored: Vec<String>,
    /// Options of the kernel configuration that it changes, as `CONFIG_X: old → new`.
    pub config: Vec<String>,
}

/// A definition whose own text changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Fingerprint of the change: of the name and of the texts before and after. No line numbers, no commit ids.
    pub id: String,
    /// The definition as C names it: `struct sk_buff`, `typedef u32`, or the symbol for a changed prototype.
    pub name: String,
    /// The record's name in symtypes: `s#sk_buff`.
    pub record: String,
    /// What kind of change it is: `layout`, `enum-appended`, `enum-shifted`, `prototype`, `attribute`, `slot-used`,
    /// `visibility` (declared ↔ defined), `crc-only`, `undefined`, or `definition` where that could not be told.
    pub class: String,
    /// Where it stands before, if known.
    pub base: Option<Place>,
    /// Where it stands after, if known.
    pub head: Option<Place>,
    /// The first line of `head` that the range touches, where that is known: a line of the change itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub changed_line: Option<u32>,
    /// Commits of the range that changed this definition, oldest first.
    pub commits: Vec<String>,
    /// What changed in the definition, member by member; empty where that could not be told.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<CauseChange>,
    /// The hunks of these commits' patches that changed it; none where it changed through a macro or an include.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub hunks: Vec<CauseHunk>,
    /// Unified diff of the definition, laid out as C.
    pub diff: String,
    /// Protected symbols, of the tip and of all commits, that it changes.
    pub protected: Vec<String>,
    /// How many other symbols it changes at the most in one comparison.
    pub unprotected: usize,
    /// Modules, as `provider/module`, that it breaks.
    pub modules: Vec<String>,
}

/// A hunk of a commit's patch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CauseHunk {
    /// The commit.
    pub commit: String,
    /// The file.
    pub file: String,
    /// Its place, as patches write it: `@@ -930,6 +930,7 @@`.
    pub header: String,
    /// Its lines, the first 60.
    pub text: String,
}

/// One thing that changed in a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CauseChange {
    /// `added`, `removed`, `changed`, `moved`, `renamed` or `slot-used`.
    pub kind: String,
    /// The member or enumerator, as a path; empty for the definition as a whole.
    pub path: String,
    /// Its declaration before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old: Option<String>,
    /// Its declaration after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub new: Option<String>,
}

/// The symbols whose CRC one set of causes changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CauseGroup {
    /// Ids of the causes, by name; empty where types are not known.
    pub causes: Vec<String>,
    /// How many protected symbols.
    pub protected: usize,
    /// How many others.
    pub others: usize,
    /// How many modules stop loading by them.
    pub modules: usize,
}

/// A place in the source tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Path relative to the tree.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
}
