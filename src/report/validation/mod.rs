//! What a validation of built modules against candidate kernels found: a document of its own, and its renderings.
//!
//! Every module stands against every candidate. [`Validation`] is plain data and complete as JSON; console,
//! Markdown and JUnit render from it.

mod console;
mod junit;
mod markdown;

use serde::{Deserialize, Serialize};

use super::{Error, Format, Reason, SandboxFacts, Tool, escape};

/// The schema of the document.
pub const VALIDATION_SCHEMA: &str = "kabigate-validation/1";

/// Modules against candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// [`VALIDATION_SCHEMA`].
    pub schema: String,
    /// Who wrote it.
    pub tool: Tool,
    /// 0 all modules load, 1 one stops loading, 2 an input cannot be read, 3 it cannot be said of one.
    pub exit_code: u8,
    /// What could not be read or checked.
    pub reasons: Vec<Reason>,
    /// What is odd and changes nothing.
    pub warnings: Vec<String>,
    /// The kernels, in the order given.
    pub candidates: Vec<ValidatedKernel>,
    /// The modules, in the order given; sources that were not built stand among them.
    pub modules: Vec<ValidatedModule>,
    /// How rebuilds were confined, where there were any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sandbox: Option<SandboxFacts>,
}

/// A candidate kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatedKernel {
    /// Short name, its own among the candidates.
    pub name: String,
    /// What was read.
    pub source: String,
    /// How many symbols it exports.
    pub exports: usize,
    /// Its release, if it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub release: Option<String>,
    /// Its version magic, if it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vermagic: Option<String>,
    /// Bytes of its `struct module`, if they are known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub this_module_size: Option<u64>,
    /// What it does with an import that has no version record: `warns`, `refuses` or `unknown`.
    pub missing_version: String,
    /// What of the loader's rules could not be applied, for want of a fact about the kernel.
    pub not_compared: Vec<String>,
}

/// A module, or sources of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatedModule {
    /// The package that holds it, or the folder.
    pub provider: String,
    /// The version of the package, or of the module.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// Its name.
    pub module: String,
    /// The file, with the path inside a package.
    pub path: String,
    /// One for each candidate, in their order.
    pub verdicts: Vec<ModuleVerdict>,
}

/// What one kernel does with one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleVerdict {
    /// `loads`, `loads-with-warning`, `unknown`, `needs-other-module`, `needs-rebuild` or `source-must-change`.
    pub verdict: String,
    /// Why, the gravest first.
    pub problems: Vec<ModuleProblem>,
    /// What came of compiling its sources for this kernel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rebuild: Option<Rebuild>,
}

/// One reason of a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleProblem {
    /// What kind of problem, such as `crc-mismatch`.
    pub kind: String,
    /// The symbol; `module_layout` for the module as a whole.
    pub symbol: String,
    /// The CRC that the module was built with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wanted: Option<String>,
    /// The CRC that the kernel has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub found: Option<String>,
    /// What the loader finds, in one sentence.
    pub sentence: String,
}

/// What came of compiling sources for a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebuild {
    /// `clean`, `failed` or `not-tried`.
    pub outcome: String,
    /// The compiler's first errors, or why it was not tried.
    pub messages: Vec<String>,
}

impl Validation {
    /// Whether a verdict keeps its module from loading.
    #[must_use]
    pub fn stops(verdict: &str) -> bool {
        matches!(
            verdict,
            "needs-other-module" | "needs-rebuild" | "source-must-change"
        )
    }

    /// Verdicts with that property over all modules and candidates.
    fn count(&self, is: impl Fn(&str) -> bool) -> usize {
        let all = self.modules.iter().flat_map(|module| &module.verdicts);
        all.filter(|verdict| is(&verdict.verdict)).count()
    }

    /// One line: the verdict and the numbers that matter.
    fn headline(&self) -> String {
        let modules = self.modules.len();
        let stopped = |module: &&ValidatedModule| {
            module
                .verdicts
                .iter()
                .any(|v| Validation::stops(&v.verdict))
        };
        let stopped = self.modules.iter().filter(stopped).count();
        let unknown = self.count(|verdict| verdict == "unknown");
        let word = match self.exit_code {
            0 => "PASS",
            1 => "FAIL",
            2 => "INVALID",
            _ => "NOT CHECKED",
        };
        let mut line = format!(
            "{word}  {stopped} of {} {} loading · {}",
            counted(modules, "module"),
            if stopped == 1 { "stops" } else { "stop" },
            counted(self.candidates.len(), "kernel")
        );
        if unknown > 0 {
            line.push_str(&format!(" · {} unknown", counted(unknown, "verdict")));
        }
        if let Some(reason) = self.reasons.first() {
            let first = reason.message.lines().next().unwrap_or_default();
            line.push_str(&format!(" · {first}"));
        }
        line
    }
}

impl ValidatedModule {
    /// `provider/module`.
    fn name(&self) -> String {
        format!("{}/{}", self.provider, self.module)
    }
}

impl ModuleVerdict {
    /// The verdict in a matrix: with what a rebuild came to.
    fn shown(&self) -> String {
        match self.rebuild.as_ref().map(|r| r.outcome.as_str()) {
            Some("clean") => format!("{}, rebuilds cleanly", self.verdict),
            Some("failed") => format!("{}, does not rebuild", self.verdict),
            _ => self.verdict.clone(),
        }
    }
}

fn counted(number: usize, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// Renders a validation; `None` if that format does not hold one.
#[must_use]
pub fn render(
    validation: &Validation,
    format: Format,
    color: bool,
    budget: usize,
) -> Option<String> {
    match format {
        Format::Console => Some(console::render(validation, color)),
        Format::Json => Some(json(validation)),
        Format::Junit => Some(junit::render(validation)),
        Format::Markdown => Some(markdown::render(validation, budget)),
        _ => None,
    }
}

fn json(validation: &Validation) -> String {
    // INVARIANT: a validation holds strings, numbers, lists and structs only, and a String takes every byte.
    let document = serde_json::to_string_pretty(validation)
        .expect("a validation has no map with keys that are not strings");
    let mut out = escape::json_document(&document);
    out.push('\n');
    out
}

/// Whether the bytes are a validation, by their schema.
#[must_use]
pub fn is_validation(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Header {
        schema: String,
    }
    serde_json::from_slice::<Header>(bytes)
        .is_ok_and(|header| header.schema.starts_with("kabigate-validation/"))
}

/// Reads the JSON of a validation. `name` is how messages call the input.
///
/// # Errors
///
/// The bytes are no JSON, are of another schema, or lack or add a field.
pub fn read(bytes: &[u8], name: &str) -> Result<Validation, Error> {
    let validation: Validation =
        serde_json::from_slice(bytes).map_err(|error| Error::Unreadable {
            name: name.to_owned(),
            line: error.line(),
            message: error.to_string(),
        })?;
    if validation.schema != VALIDATION_SCHEMA {
        return Err(Error::Schema {
            name: name.to_owned(),
            found: validation.schema,
            expected: VALIDATION_SCHEMA.to_owned(),
        });
    }
    Ok(validation)
}

#[cfg(test)]
mod tests;
