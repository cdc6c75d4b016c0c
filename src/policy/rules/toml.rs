//! Reader of `rules.toml`.
//!
//! ```toml
//! schema = 1
//!
//! [[rule]]
//! symbol = ["kvm_*", "vcpu_load"]   # globs over the whole name; so are module, namespace and list
//! module = "arch/x86/kvm/*"         # module column of Module.symvers; `*` crosses `/`
//! namespace = "CXL"                 # "" selects symbols outside of namespaces
//! list = "*[intel-ixgbe]"           # list, or list and section, that protects the symbol
//! standing = "used"                 # protected, used, unlisted
//! class = ["crc-changed", "moved"]  # classes of change
//! severity = "notice"               # error, warning, notice, ignore, default
//! reason = "not meant for others"
//! ```

use std::sync::Arc;

use super::{OTHER_CLASSES, Rule, RuleFile};
use crate::compare::ChangeClass;
use crate::policy::error::PolicyError;
use crate::policy::pattern::{Dialect, Pattern};
use crate::policy::severity::{Severity, Standing};
use crate::policy::suggest::did_you_mean;
use crate::policy::table::{TomlFile, TomlTable};
use crate::symvers::shown;

/// Keys of a rule that select.
const SELECTORS: [&str; 6] = ["symbol", "module", "namespace", "list", "standing", "class"];

/// Keys of a rule.
const KEYS: [&str; 8] = [
    "symbol",
    "module",
    "namespace",
    "list",
    "standing",
    "class",
    "severity",
    "reason",
];

/// Classes that stand for several others.
const FAMILIES: [(&str, &[ChangeClass]); 2] = [
    (
        "moved",
        &[ChangeClass::MovedToModule, ChangeClass::MovedToVmlinux],
    ),
    (
        "namespace",
        &[
            ChangeClass::NamespaceGained,
            ChangeClass::NamespaceChanged,
            ChangeClass::NamespaceRestricted,
            ChangeClass::NamespaceDropped,
        ],
    ),
];

/// Reads `rules.toml`.
pub(super) fn read(bytes: &[u8], name: &str) -> Result<RuleFile, PolicyError> {
    TomlFile::read(bytes, name, |file, top| {
        file.only(top, &["schema", "rule"]);
        file.schema(top);
        let shared: Arc<str> = name.into();
        let tables = file.tables(top, "rule");
        RuleFile {
            name: name.to_owned(),
            kind: "kabigate rules",
            rules: tables
                .into_iter()
                .filter_map(|table| rule(file, table, &shared))
                .collect(),
            warnings: Vec::new(),
        }
    })
}

fn rule(file: &mut TomlFile<'_>, table: TomlTable<'_>, name: &Arc<str>) -> Option<Rule> {
    file.only(table, &KEYS);
    let severity = severity(file, table);
    let mut rule = Rule::new(name, table.line, "", severity.flatten());
    rule.symbols = patterns(file, table, "symbol");
    rule.modules = patterns(file, table, "module");
    rule.namespaces = patterns(file, table, "namespace");
    rule.lists = patterns(file, table, "list");
    rule.standings = standings(file, table);
    rule.classes = classes(file, table);
    rule.reason = file.text(table, "reason").map(|(text, _)| text);
    rule.text = text(file, table);
    if rule.text.is_empty() {
        file.problem(
            table.line,
            "the rule selects nothing in particular; for all symbols write `symbol = \"*\"`",
        );
    }
    severity.is_some().then_some(rule)
}

/// The rule's severity, or none after a problem.
fn severity(file: &mut TomlFile<'_>, table: TomlTable<'_>) -> Option<Option<Severity>> {
    let words = Severity::RULE_WORDS;
    let known = || words.iter().map(|(word, _)| *word);
    let Some((word, line)) = file.text(table, "severity") else {
        let all: Vec<&str> = known().collect();
        let message = format!(
            "the rule has no `severity`; expected one of {}",
            all.join(", ")
        );
        file.problem(table.line, message);
        return None;
    };
    let found = words.iter().find(|(known, _)| *known == word);
    if found.is_none() {
        let near = match word.to_ascii_lowercase().as_str() {
            "fail" | "breaking" | "deny" | "err" => "; did you mean `error`?".to_owned(),
            "warn" => "; did you mean `warning`?".to_owned(),
            "note" | "info" | "pass" => "; did you mean `notice`?".to_owned(),
            "allow" | "none" | "skip" | "off" => "; did you mean `ignore`?".to_owned(),
            other => did_you_mean(other, known()),
        };
        let all: Vec<&str> = known().collect();
        let message = format!(
            "`{}` is no severity{near} (known are {})",
            shown(&word),
            all.join(", ")
        );
        file.problem(line, message);
    }
    found.map(|(_, severity)| *severity)
}

fn patterns(file: &mut TomlFile<'_>, table: TomlTable<'_>, key: &str) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for (text, line) in file.texts(table, key) {
        if text.is_empty() && key != "namespace" {
            file.problem(
                line,
                format!("`{key}` is empty; leave it out or name something"),
            );
            continue;
        }
        match Pattern::read(&text, Dialect::Shell) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => file.problem(line, format!("`{}`: {error}", shown(&text))),
        }
    }
    patterns
}

fn standings(file: &mut TomlFile<'_>, table: TomlTable<'_>) -> Vec<Standing> {
    let mut standings = Vec::new();
    for (word, line) in file.texts(table, "standing") {
        let known = Standing::WORDS.iter().map(|(word, _)| *word);
        match Standing::WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, standing)) => standings.push(*standing),
            None => {
                let near = did_you_mean(&word, known);
                let message = format!(
                    "`{}` is no standing{near} (known are protected, used, unlisted)",
                    shown(&word)
                );
                file.problem(line, message);
            }
        }
    }
    standings
}

fn classes(file: &mut TomlFile<'_>, table: TomlTable<'_>) -> Vec<String> {
    let mut classes = Vec::new();
    for (word, line) in file.texts(table, "class") {
        if let Some((_, family)) = FAMILIES.iter().find(|(name, _)| *name == word) {
            classes.extend(family.iter().map(|class| class.word().to_owned()));
        } else if class_words().any(|known| known == word) {
            classes.push(word);
        } else {
            let near = did_you_mean(&word, class_words());
            let all: Vec<&str> = class_words().collect();
            let message = format!(
                "`{}` is no class of change{near} (known are {})",
                shown(&word),
                all.join(", ")
            );
            file.problem(line, message);
        }
    }
    classes
}

/// The spellings of all classes that a rule can name.
pub(super) fn class_words() -> impl Iterator<Item = &'static str> {
    ChangeClass::all()
        .map(ChangeClass::word)
        .chain(crate::compare::CauseClass::all().map(crate::compare::CauseClass::word))
        .chain(OTHER_CLASSES)
        .chain(FAMILIES.iter().map(|(name, _)| *name))
}

/// The selectors in one line.
fn text(file: &mut TomlFile<'_>, table: TomlTable<'_>) -> String {
    let mut parts = Vec::new();
    for key in SELECTORS {
        let words: Vec<String> = file
            .texts(table, key)
            .into_iter()
            .map(|(text, _)| text)
            .collect();
        if !words.is_empty() {
            parts.push(format!("{key} {}", words.join(", ")));
        }
    }
    match file.text(table, "severity") {
        Some((word, _)) if !parts.is_empty() => format!("{}: {word}", parts.join("; ")),
        _ => parts.join("; "),
    }
}
