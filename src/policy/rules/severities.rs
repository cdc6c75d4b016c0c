//! Reader of SUSE's `severities`: `[MODULE|NAMESPACE|SYMBOL] PATTERN PASS|FAIL`, `#` before a remark.
//!
//! A pattern without its kind is one of modules if it holds `/` or is `vmlinux`, one of namespaces if it equals itself in
//! upper case, else one of symbols. `PASS` tolerates what a symbol does, `FAIL` leaves it to the built-in severities, so
//! that `FAIL` forbids nothing that is tolerated anyway. The older dialect has numbers instead: one above 6 is `FAIL`.

use std::sync::Arc;

use super::{Rule, RuleFile};
use crate::policy::error::PolicyError;
use crate::policy::pattern::{Dialect, Pattern};
use crate::policy::severity::Severity;
use crate::policy::suggest::did_you_mean;
use crate::symvers::{Problem, Problems, shown};

/// The largest number of the older dialect that tolerates.
const THRESHOLD: u32 = 6;

/// What a pattern is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Module,
    Namespace,
    Symbol,
}

const KINDS: [(&str, Kind); 3] = [
    ("MODULE", Kind::Module),
    ("NAMESPACE", Kind::Namespace),
    ("SYMBOL", Kind::Symbol),
];

/// What a line says, and what is odd about it.
struct Line {
    rule: Rule,
    warnings: Vec<String>,
}

/// Reads the lines of a severities file.
pub(super) fn read(text: &[u8], name: &str) -> Result<RuleFile, PolicyError> {
    let file: Arc<str> = name.into();
    let mut problems = Problems::default();
    let mut rules = Vec::new();
    let mut warnings = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = index.saturating_add(1);
        let Ok(line) = std::str::from_utf8(line) else {
            problems.push(number, "not UTF-8; expected a rule");
            continue;
        };
        match self::line(line, &file, number) {
            Ok(None) => {}
            Ok(Some(read)) => {
                rules.push(read.rule);
                warnings.extend(read.warnings.into_iter().map(|message| Problem {
                    line: number,
                    message,
                }));
            }
            Err(message) => problems.push(number, message),
        }
    }
    if !problems.is_empty() {
        return Err(PolicyError::Invalid {
            name: name.to_owned(),
            problems,
            looks_like: None,
        });
    }
    Ok(RuleFile {
        name: name.to_owned(),
        kind: "SUSE severities",
        rules,
        warnings,
    })
}

fn line(line: &str, file: &Arc<str>, number: usize) -> Result<Option<Line>, String> {
    let text = line.split_once('#').map_or(line, |(text, _)| text);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let mut warnings = Vec::new();
    let (kind, pattern, verdict) = match words.as_slice() {
        [] => return Ok(None),
        [pattern, verdict] => (None, *pattern, *verdict),
        [kind, pattern, verdict] => (Some(typed(kind)?), *pattern, *verdict),
        _ => {
            return Err(format!(
                "`{}` has {} words; expected [MODULE|NAMESPACE|SYMBOL] PATTERN PASS|FAIL",
                shown(text.trim()),
                words.len()
            ));
        }
    };
    let severity = self::verdict(verdict, &mut warnings)?;
    let read = Pattern::read(pattern, Dialect::Suse)
        .map_err(|error| format!("`{}`: {error}", shown(pattern)))?;
    let found = kind.unwrap_or_else(|| inferred(pattern));
    oddities(kind, found, pattern, &mut warnings);
    let mut rule = Rule::new(file, number, &words.join(" "), severity);
    match found {
        Kind::Module => rule.modules.push(read),
        Kind::Namespace => rule.namespaces.push(read),
        Kind::Symbol => rule.symbols.push(read),
    }
    Ok(Some(Line { rule, warnings }))
}

fn typed(word: &str) -> Result<Kind, String> {
    let found = KINDS.iter().find(|(known, _)| *known == word);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        format!(
            "`{}` is no kind of rule{}; expected MODULE, NAMESPACE or SYMBOL",
            shown(word),
            did_you_mean(
                &word.to_ascii_uppercase(),
                KINDS.iter().map(|(known, _)| *known)
            )
        )
    })
}

fn inferred(pattern: &str) -> Kind {
    if pattern.contains('/') || pattern == "vmlinux" {
        Kind::Module
    } else if pattern.to_uppercase() == pattern {
        Kind::Namespace
    } else {
        Kind::Symbol
    }
}

/// The severity of a verdict; `None` leaves the built-in one.
fn verdict(word: &str, warnings: &mut Vec<String>) -> Result<Option<Severity>, String> {
    if let Ok(number) = word.parse::<u32>() {
        return Ok((number <= THRESHOLD).then_some(Severity::Note));
    }
    let upper = word.to_ascii_uppercase();
    if upper != word && (upper == "PASS" || upper == "FAIL") {
        warnings.push(format!("the verdict `{word}` is read as {upper}"));
    }
    match upper.as_str() {
        "PASS" => Ok(Some(Severity::Note)),
        "FAIL" => Ok(None),
        _ => Err(format!(
            "`{}` is no verdict{}; expected PASS or FAIL",
            shown(word),
            did_you_mean(&upper, ["PASS", "FAIL"])
        )),
    }
}

fn oddities(kind: Option<Kind>, found: Kind, pattern: &str, warnings: &mut Vec<String>) {
    if kind.is_none() && pattern == "*" {
        warnings.push(
            "`*` alone is a rule about namespaces and selects symbols in one only; \
             for all symbols write `SYMBOL *`"
                .to_owned(),
        );
    }
    if found == Kind::Module && pattern.ends_with(".ko") {
        warnings.push(format!(
            "`{}` never matches: modules stand in Module.symvers without `.ko`",
            shown(pattern)
        ));
    }
}
