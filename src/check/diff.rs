//! Two kernels against each other, judged like the tip of a range against its baseline: a report without commits.

use std::collections::BTreeSet;

use super::causes::{CauseTable, Texts, causes_of};
use super::decided::tell;
use super::findings::{Judge, full_name};
use super::join::keep_causes;
use super::run::unexplained_reason;
use super::verdict::{conclude, unchecked};
use crate::baseline::{Candidate, verify_types};
use crate::compare::{Side, compare};
use crate::kbuild::Config;
use crate::modules::Database;
use crate::policy::{Decisions, ProtectedSet, Standing};
use crate::report::{
    Compared, ComparedSymbol, ListName, Mode, Provenance, Reason, ReasonCode, Report, SideName,
};

/// Symbols of each side whose CRC is recomputed from the types.
const TRIED: usize = 16;
/// Options of a configuration that a message names.
const NAMED: usize = 5;

/// What two kernels are compared under.
pub struct Pair<'a> {
    /// The old kernel.
    pub base: &'a Candidate,
    /// The new one.
    pub head: &'a Candidate,
    /// The protected symbols.
    pub protected: &'a ProtectedSet,
    /// The known third-party modules.
    pub modules: &'a Database,
    /// Rules and approvals.
    pub decisions: &'a Decisions,
    /// Whether breaks fail the run.
    pub mode: Mode,
}

/// Compares two kernels.
///
/// Never fails as a whole: what keeps them from being compared stands in the report's reasons.
#[must_use]
pub fn diff(pair: &Pair<'_>) -> Report {
    let mut report = unchecked(pair.mode, false, not_comparable(pair.base, pair.head));
    let judge = Judge::new(pair.protected, pair.modules, pair.decisions);
    report.provenance = provenance(pair);
    report.warnings.extend(differences(pair.base, pair.head));
    if !report.reasons.is_empty() {
        return report;
    }
    report.reasons.extend(contradictions(pair.base));
    report.reasons.extend(contradictions(pair.head));
    report.compared = compared(pair, &judge);
    let mut comparison = compare(side(pair.base), side(pair.head));
    if pair.base.protected_only {
        comparison = comparison.without_additions();
    }
    report
        .reasons
        .extend(unexplained_reason(&comparison.unexplained, None));
    let mut findings = judge.findings(&mut comparison, side(pair.base), side(pair.head));
    report.warnings.extend(judge.unknown_modules(&mut findings));
    let (mut causes, mut texts) = (CauseTable::default(), Texts::new());
    let uses = causes_of(&comparison, &findings, &mut texts);
    causes.add(uses, &findings, None);
    report.tip = findings;
    keep_causes(&mut report.tip, |id| causes.matters(id));
    report.causes = causes.into_report(texts);
    tell(&mut report, judge.decided.told(), &judge.decided.asked());
    conclude(&mut report);
    report
}

fn side(candidate: &Candidate) -> Side<'_> {
    Side {
        symvers: &candidate.symvers,
        types: &candidate.types,
    }
}

/// Why the CRCs of two kernels mean different things; empty if nothing says so.
pub(super) fn not_comparable(base: &Candidate, head: &Candidate) -> Vec<Reason> {
    let mismatches = match (&base.manifest, &head.manifest) {
        (Some(base), Some(head)) => base.fingerprint.mismatches(&head.fingerprint),
        _ => Vec::new(),
    };
    let mut reasons: Vec<Reason> = mismatches
        .into_iter()
        .filter(|mismatch| mismatch.field != "config")
        .map(|mismatch| mismatch_reason(mismatch.field, mismatch.expected, mismatch.found))
        .collect();
    if !base.types.is_empty()
        && !head.types.is_empty()
        && base.types.is_dwarf() != head.types.is_dwarf()
    {
        let algorithm = |candidate: &Candidate| {
            if candidate.types.is_dwarf() {
                "gendwarfksyms"
            } else {
                "genksyms"
            }
        };
        reasons.push(mismatch_reason(
            "crc-algorithm",
            algorithm(base).to_owned(),
            algorithm(head).to_owned(),
        ));
    }
    if let (Some(old), Some(new)) = (arch(base), arch(head))
        && old != new
        && reasons
            .iter()
            .all(|reason| !reason.message.ends_with("arch"))
    {
        reasons.push(mismatch_reason("arch", old, new));
    }
    reasons
}

fn mismatch_reason(field: &str, expected: String, found: String) -> Reason {
    Reason {
        code: ReasonCode::BaselineMismatch,
        message: format!("the two kernels were made with another {field}"),
        next_step: Some(
            "compare kernels of one architecture, compiler and CRC algorithm".to_owned(),
        ),
        commit: None,
        file: None,
        line: None,
        expected: Some(expected),
        found: Some(found),
    }
}

/// The architecture of a kernel, as its source folders name it, where something says it.
fn arch(candidate: &Candidate) -> Option<String> {
    if let Some(manifest) = &candidate.manifest {
        return manifest.fingerprint.known_arch().map(str::to_owned);
    }
    Config::heading(candidate.config.as_ref()?).map(|(arch, _)| arch)
}

/// Whether the types of a kernel are those of its CRCs, tried with symbols from all over the table: types of another
/// kernel give other CRCs nearly everywhere.
fn contradictions(candidate: &Candidate) -> Option<Reason> {
    if candidate.types.is_empty() || candidate.types.is_dwarf() {
        return None;
    }
    let every = candidate.symvers.len().div_ceil(TRIED).max(1);
    let tried: BTreeSet<&str> = candidate
        .symvers
        .iter()
        .step_by(every)
        .map(|export| export.symbol.as_str())
        .filter(|symbol| candidate.types.exporter(symbol).is_some())
        .collect();
    let wrong = verify_types(&candidate.symvers, &candidate.types, |symbol| {
        tried.contains(symbol)
    });
    let missing = tried.is_empty();
    let first = wrong.first();
    (missing || first.is_some()).then(|| Reason {
        code: ReasonCode::BaselineInconsistent,
        message: match first {
            Some(first) => format!(
                "{}: the types are not those of the exports: {} has the CRC {}, and its types give {}",
                candidate.name(),
                first.symbol,
                first.stored,
                match &first.computed {
                    Ok(crc) => crc.to_string(),
                    Err(error) => format!("none: {error}"),
                }
            ),
            None => format!("{}: the types know none of the exports", candidate.name()),
        },
        next_step: Some(
            "name the types of this kernel with --old-symtypes or --new-symtypes, or take the wrong ones away"
                .to_owned(),
        ),
        commit: None,
        file: candidate.types_source.clone(),
        line: None,
        expected: None,
        found: None,
    })
}

/// What differs between the kernels beside their exports and does not keep them from being compared.
fn differences(base: &Candidate, head: &Candidate) -> Vec<String> {
    let mut warnings = Vec::new();
    if base.protected_only {
        warnings.push(format!(
            "{} holds protected symbols only, so symbols that {} adds are not told",
            base.name(),
            head.name()
        ));
    }
    warnings.extend(unknown_circumstances(base));
    warnings.extend(unknown_circumstances(head));
    if base.types.is_empty() && head.types.is_empty() {
        warnings.push(
            "neither kernel comes with types, so changed CRCs are told without what caused them; \
             symtypes beside the exports, or --old-symtypes and --new-symtypes, would tell"
                .to_owned(),
        );
    }
    if base.types.is_empty() != head.types.is_empty() {
        let (without, with) = if base.types.is_empty() {
            (base, head)
        } else {
            (head, base)
        };
        warnings.push(format!(
            "{} comes with types and {} without, so no cause can be told",
            with.name(),
            without.name()
        ));
    }
    if let (Some(old), Some(new)) = (&base.config, &head.config) {
        match (
            Config::parse(old, &base.name()),
            Config::parse(new, &head.name()),
        ) {
            (Ok(old), Ok(new)) => warnings.extend(config_warning(&old, &new)),
            (old, new) => {
                let errors = [old.err(), new.err()].into_iter().flatten();
                warnings.extend(errors.map(|error| error.to_string()));
            }
        }
    }
    let unversioned = base
        .symvers
        .iter()
        .filter(|export| export.crc.is_unversioned())
        .filter(|export| {
            head.symvers
                .get(&export.symbol)
                .is_some_and(|export| export.crc.is_unversioned())
        })
        .count();
    if unversioned > 0 {
        warnings.push(format!(
            "{unversioned} symbols have no CRC on both sides: a change of their types does not show"
        ));
    }
    warnings
}

/// What an imported baseline does not say, so that it was compared with nothing.
fn unknown_circumstances(candidate: &Candidate) -> Option<String> {
    let manifest = candidate.manifest.as_ref()?;
    super::comparable::unknown_circumstances(&candidate.name(), manifest)
}

fn config_warning(old: &Config, new: &Config) -> Option<String> {
    let changed = old.not_held(new);
    let first: Vec<String> = changed
        .iter()
        .take(NAMED)
        .map(|option| format!("{}: {} → {}", option.option, option.old, option.new))
        .collect();
    (!changed.is_empty()).then(|| {
        format!(
            "{} options of the configuration differ, which can change CRCs: {}{}",
            changed.len(),
            first.join(", "),
            if changed.len() > first.len() {
                ", ..."
            } else {
                ""
            }
        )
    })
}

fn compared(pair: &Pair<'_>, judge: &Judge<'_>) -> Compared {
    let mut modules: Vec<String> = pair
        .modules
        .list()
        .map(|entry| full_name(&entry.provider, &entry.module.name))
        .collect();
    modules.sort_unstable();
    let mut walk = pair.protected.walk();
    Compared {
        symbols: pair
            .base
            .symvers
            .iter()
            .filter(|export| {
                let entry = walk.entry(&export.symbol);
                judge.standing_of(&export.symbol, entry) != Standing::Unlisted
            })
            .map(|export| ComparedSymbol {
                symbol: export.symbol.clone(),
                module: export.module.clone(),
            })
            .collect(),
        modules,
    }
}

fn provenance(pair: &Pair<'_>) -> Provenance {
    Provenance {
        target: None,
        old: Some(side_name(pair.base)),
        new: Some(side_name(pair.head)),
        lists: pair
            .protected
            .lists()
            .iter()
            .map(|(name, symbols)| ListName {
                name: name.clone(),
                symbols: *symbols,
            })
            .collect(),
        protected: pair.protected.len(),
        modules: pair.modules.len(),
        ..Provenance::default()
    }
}

fn side_name(candidate: &Candidate) -> SideName {
    SideName {
        name: candidate.name(),
        release: candidate
            .manifest
            .as_ref()
            .map(|manifest| manifest.fingerprint.release.clone()),
        exports: candidate.symvers.len(),
        types: !candidate.types.is_empty(),
    }
}
