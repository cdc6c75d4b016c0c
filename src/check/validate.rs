//! Built modules against candidate kernels.

use std::collections::BTreeSet;

use super::facts::facts;
use crate::baseline::Candidate;
use crate::modules::{
    ImportProblem, Kernel, KernelFacts, Loadability, MissingVersion, Module, Scan, Sources,
    judge_all,
};
use crate::report::{
    ModuleProblem, ModuleVerdict, Reason, Rebuild, Tool, VALIDATION_SCHEMA, ValidatedKernel,
    ValidatedModule, Validation,
};

/// What is validated.
#[derive(Debug)]
pub struct Validate<'a> {
    /// The modules and sources, with what could not be read.
    pub scan: &'a Scan,
    /// The kernels.
    pub candidates: &'a [Candidate],
    /// What a missing version record means, if the user says so for all kernels.
    pub missing_version: Option<MissingVersion>,
    /// What came of compiling the sources: for each candidate one entry for each of the scan's sources. Empty if
    /// nothing was compiled.
    pub rebuilt: &'a [Vec<Rebuilt>],
}

/// What came of compiling one source tree for one kernel.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// How it ended.
    pub rebuild: Rebuild,
    /// The modules that were built.
    pub modules: Vec<Module>,
}

/// Judges every module against every candidate. `reasons` is what went wrong before.
#[must_use]
pub fn validate(
    what: &Validate<'_>,
    mut reasons: Vec<Reason>,
    warnings: Vec<String>,
) -> Validation {
    let scan = what.scan;
    reasons.extend(scan.problems.iter().map(super::module_reason));
    let mut modules: Vec<ValidatedModule> = scan
        .modules
        .iter()
        .map(|found| {
            let package = found.package.and_then(|index| scan.packages.get(index));
            let module = &found.module;
            ValidatedModule {
                provider: package.map_or_else(|| found.folder(), |package| package.name.clone()),
                version: package
                    .map(|package| package.version.clone())
                    .or_else(|| module.version.clone()),
                module: module.name.clone(),
                path: module.path.clone(),
                verdicts: Vec::new(),
            }
        })
        .collect();
    let mut sources: Vec<ValidatedModule> = scan.sources.iter().map(of_sources).collect();
    let mut kernels = Vec::new();
    for (index, candidate) in what.candidates.iter().enumerate() {
        let (mut facts, release) = facts(candidate);
        facts.missing_version = what.missing_version.or(facts.missing_version);
        let kernel = Kernel::with(&candidate.symvers, facts);
        kernels.push(of_kernel(candidate, &kernel.facts, release, &kernels));
        let judged: Vec<&Module> = scan.modules.iter().map(|found| &found.module).collect();
        let verdicts = judge_all(&judged, &kernel);
        for (module, problems) in modules.iter_mut().zip(verdicts) {
            let rebuild = rebuild_of(what, &module.module, index);
            module.verdicts.push(verdict(&problems, rebuild));
        }
        let built = what.rebuilt.get(index).into_iter().flatten();
        let built = built.flat_map(|rebuilt| &rebuilt.modules);
        let others: Vec<&Module> = built.chain(judged.iter().copied()).collect();
        for (number, row) in sources.iter_mut().enumerate() {
            let rebuilt = what.rebuilt.get(index).and_then(|each| each.get(number));
            row.verdicts.push(of_rebuilt(rebuilt, &others, &kernel));
        }
    }
    modules.extend(sources);
    let mut validation = Validation {
        schema: VALIDATION_SCHEMA.to_owned(),
        tool: Tool {
            name: "kabigate".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        exit_code: 0,
        reasons,
        warnings,
        candidates: kernels,
        modules,
        sandbox: None,
    };
    validation.exit_code = exit_code(&validation);
    validation
}

/// 2 before 3, 3 before 1: what was not checked never counts as passed.
fn exit_code(validation: &Validation) -> u8 {
    let codes = validation
        .reasons
        .iter()
        .map(|reason| reason.code.exit_code());
    let mut worst = codes.min().unwrap_or(0);
    let mut verdicts = validation
        .modules
        .iter()
        .flat_map(|module| &module.verdicts);
    let unknown = verdicts.clone().any(|verdict| verdict.verdict == "unknown");
    let nothing = validation.modules.is_empty() || validation.candidates.is_empty();
    if worst == 0 && (unknown || nothing) {
        worst = 3;
    }
    if worst == 0 && verdicts.any(|verdict| Validation::stops(&verdict.verdict)) {
        worst = 1;
    }
    worst
}

fn of_kernel(
    candidate: &Candidate,
    facts: &KernelFacts,
    release: Option<String>,
    before: &[ValidatedKernel],
) -> ValidatedKernel {
    let wanted = release.clone().unwrap_or_else(|| candidate.name());
    let mut name = wanted.clone();
    let mut number = 1_usize;
    while before.iter().any(|kernel| kernel.name == name) {
        number = number.saturating_add(1);
        name = format!("{wanted} ({number})");
    }
    let mut not_compared = Vec::new();
    if facts.vermagic.is_none() {
        not_compared.push("version magic".to_owned());
    }
    if facts.this_module_size.is_none() {
        not_compared.push("size of struct module".to_owned());
    }
    ValidatedKernel {
        name,
        source: candidate.source.clone(),
        exports: candidate.symvers.len(),
        release,
        vermagic: facts.vermagic.clone(),
        this_module_size: facts.this_module_size,
        missing_version: match facts.missing_version {
            Some(MissingVersion::Warns) => "warns",
            Some(MissingVersion::Refuses) => "refuses",
            None => "unknown",
        }
        .to_owned(),
        not_compared,
    }
}

/// What a rebuild came to goes before what the imports make likely: a symbol that is gone may have been one of a header.
fn verdict(problems: &[ImportProblem], rebuild: Option<Rebuild>) -> ModuleVerdict {
    use Loadability::{Loads, NeedsRebuild, SourceMustChange};
    let found = Loadability::of(problems);
    // What loads needs no rebuild.
    let rebuild = rebuild.filter(|_| found != Loads);
    let outcome = rebuild.as_ref().map(|rebuild| rebuild.outcome.as_str());
    let verdict = match (found, outcome) {
        (NeedsRebuild | SourceMustChange, Some("clean")) => NeedsRebuild,
        (NeedsRebuild | SourceMustChange, Some("failed")) => SourceMustChange,
        _ => found,
    };
    ModuleVerdict {
        verdict: verdict.word().to_owned(),
        problems: problems.iter().map(of_problem).collect(),
        rebuild,
    }
}

fn of_problem(problem: &ImportProblem) -> ModuleProblem {
    ModuleProblem {
        kind: problem.kind.word().to_owned(),
        symbol: problem.symbol.clone(),
        wanted: problem.wanted.map(|crc| crc.to_string()),
        found: problem.found.map(|crc| crc.to_string()),
        sentence: problem.sentence.clone(),
    }
}

fn of_sources(sources: &Sources) -> ValidatedModule {
    let conf = sources.conf.as_ref();
    let names: BTreeSet<&String> = conf.into_iter().flat_map(|conf| &conf.modules).collect();
    let names: Vec<&String> = names.into_iter().collect();
    ValidatedModule {
        provider: sources.name().to_owned(),
        version: sources.version().map(str::to_owned),
        module: match names.as_slice() {
            [] => "(sources)".to_owned(),
            [one] => format!("{one} (sources)"),
            [one, rest @ ..] => format!("{one} and {} more (sources)", rest.len()),
        },
        path: sources.path.clone(),
        verdicts: Vec::new(),
    }
}

/// What came of compiling the sources of a module that was also given built.
fn rebuild_of(what: &Validate<'_>, module: &str, candidate: usize) -> Option<Rebuild> {
    let rebuilt = what.rebuilt.get(candidate)?;
    let mut sources = what.scan.sources.iter().zip(rebuilt);
    let (_, rebuilt) = sources.find(|(sources, rebuilt)| {
        let conf = sources.conf.as_ref();
        let mut named = conf.into_iter().flat_map(|conf| &conf.modules);
        let mut built = rebuilt.modules.iter();
        named.any(|named| named.replace('-', "_") == module)
            || built.any(|built| built.name == module)
    })?;
    Some(rebuilt.rebuild.clone())
}

/// The verdict on sources: that of the modules that were built from them, each judged beside all others.
fn of_rebuilt(rebuilt: Option<&Rebuilt>, others: &[&Module], kernel: &Kernel<'_>) -> ModuleVerdict {
    let told = |kind: &str, sentence: String| ModuleProblem {
        kind: kind.to_owned(),
        symbol: "module_layout".to_owned(),
        wanted: None,
        found: None,
        sentence,
    };
    let Some(rebuilt) = rebuilt else {
        let sentence = "its sources were not compiled; pass --rebuild".to_owned();
        return ModuleVerdict {
            verdict: Loadability::Unknown.word().to_owned(),
            problems: vec![told("not-built", sentence)],
            rebuild: None,
        };
    };
    let (verdict, problems) = match rebuilt.rebuild.outcome.as_str() {
        "clean" => {
            // Of a module that was built anew and also given, the new one counts.
            let mut all: Vec<&Module> = rebuilt.modules.iter().collect();
            let mut names: BTreeSet<&str> = all.iter().map(|module| module.name.as_str()).collect();
            let others = others.iter().copied();
            all.extend(others.filter(|module| names.insert(&module.name)));
            let problems = judge_all(&all, kernel);
            let own: Vec<ImportProblem> = problems
                .into_iter()
                .take(rebuilt.modules.len())
                .flatten()
                .collect();
            (Loadability::of(&own), own.iter().map(of_problem).collect())
        }
        "failed" => (
            Loadability::SourceMustChange,
            vec![told(
                "does-not-compile",
                "its sources do not compile for this kernel".to_owned(),
            )],
        ),
        _ => (
            Loadability::Unknown,
            vec![told(
                "not-built",
                "its sources could not be compiled here".to_owned(),
            )],
        ),
    };
    ModuleVerdict {
        verdict: verdict.word().to_owned(),
        problems,
        rebuild: Some(rebuilt.rebuild.clone()),
    }
}
