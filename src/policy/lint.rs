//! What is wrong or odd about the policy itself: lists, rules and approvals held against the kernels that they are for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use time::Date;

use super::approvals::Approvals;
use super::deny::DenyList;
use super::rules::{Rules, UnusedRule};
use super::set::{ListFinding, ProtectedSet};
use super::severity::Standing;
use crate::symvers::Symvers;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LintLevel {
    /// The policy does not do what it says.
    Error,
    /// It does, and holds something that does nothing or is easily misread.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LintFinding {
    /// How bad it is.
    pub level: LintLevel,
    /// What kind of finding it is, such as `not-exported`.
    pub kind: &'static str,
    /// File and line, as `FILE:LINE`, or what stands for them.
    pub place: String,
    /// The symbol that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// What is wrong and what to do, without place.
    pub message: String,
}

/// What the lint looks at.
#[derive(Clone, Copy, Debug)]
pub struct LintInput<'a> {
    /// The protected lists.
    pub protected: &'a ProtectedSet,
    /// The deny lists.
    pub denied: &'a [DenyList],
    /// The rules.
    pub rules: &'a Rules,
    /// The kernels: each with its name. The first one is the one that the lists are for.
    pub kernels: &'a [(&'a str, &'a Symvers)],
    /// Architecture of the kernels; empty if it is not known.
    pub arch: &'a str,
    /// Symbols that known modules import.
    pub used: &'a BTreeSet<String>,
}

/// Parts of the names that a tracepoint exports; a module that calls it needs all that its kernel has.
const TRACEPOINT: [&str; 4] = [
    "__tracepoint_",
    "__traceiter_",
    "__SCK__tp_func_",
    "__SCT__tp_func_",
];

/// Holds lists and rules against kernels. Sorted by level, kind and place.
#[must_use]
pub fn lint(input: &LintInput<'_>) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    for (name, kernel) in input.kernels {
        exported(input, name, kernel, &mut findings);
    }
    duplicates(input.protected, &mut findings);
    denied(input, &mut findings);
    if let Some((_, kernel)) = input.kernels.first() {
        tracepoints(input.protected, kernel, &mut findings);
    }
    unused_rules(input, &mut findings);
    findings.sort();
    findings.dedup();
    findings
}

fn exported(input: &LintInput<'_>, name: &str, kernel: &Symvers, findings: &mut Vec<LintFinding>) {
    for found in input.protected.check_against(kernel, input.arch) {
        let (place, symbol, message) = match &found {
            ListFinding::NotExported { symbol, origin } => (
                origin.to_string(),
                Some(symbol.clone()),
                format!(
                    "`{symbol}` is listed and {name} does not export it; correct or remove the entry"
                ),
            ),
            ListFinding::UnknownExportType {
                symbol,
                origin,
                word,
            } => (
                origin.to_string(),
                Some(symbol.clone()),
                format!("`{symbol}` has the export type `{word}` in {name}, which is not known"),
            ),
            ListFinding::Empty { list } => (
                list.clone().unwrap_or_else(|| "(no list)".to_owned()),
                None,
                "the list selects no symbol, so nothing would be checked".to_owned(),
            ),
            ListFinding::Mismatch {
                list,
                line,
                section,
                list_arch,
                arch,
            } => (
                format!("{list}:{line}"),
                None,
                format!("section `{section}` is for {list_arch}, the kernel is for {arch}"),
            ),
        };
        findings.push(LintFinding {
            level: LintLevel::Error,
            kind: found.code(),
            place,
            symbol,
            message,
        });
    }
    for symbol in input.protected.symbols() {
        let unversioned = kernel
            .get(symbol)
            .is_some_and(|export| export.crc.is_unversioned());
        if unversioned {
            findings.push(LintFinding {
                level: LintLevel::Error,
                kind: "no-crc",
                place: place_of(input.protected, symbol),
                symbol: Some(symbol.to_owned()),
                message: format!(
                    "`{symbol}` has no CRC in {name}, so its changes cannot be checked"
                ),
            });
        }
    }
}

fn place_of(protected: &ProtectedSet, symbol: &str) -> String {
    let first = protected.origins(symbol).first();
    first.map_or_else(|| "(no list)".to_owned(), ToString::to_string)
}

/// Symbols that several plain lists name. Driver groups and the imports of modules share symbols on purpose.
fn duplicates(protected: &ProtectedSet, findings: &mut Vec<LintFinding>) {
    for symbol in protected.symbols() {
        let plain = protected.origins(symbol).iter().filter(|origin| {
            let group = origin
                .section
                .as_ref()
                .is_some_and(|name| !name.ends_with("list"));
            !group && origin.consumers.is_empty()
        });
        let places: Vec<String> = plain.map(ToString::to_string).collect();
        if let [first, others @ ..] = places.as_slice()
            && !others.is_empty()
        {
            findings.push(LintFinding {
                level: LintLevel::Warning,
                kind: "duplicate",
                place: first.clone(),
                symbol: Some(symbol.to_owned()),
                message: format!("`{symbol}` is listed again in {}", others.join(", ")),
            });
        }
    }
}

fn denied(input: &LintInput<'_>, findings: &mut Vec<LintFinding>) {
    for list in input.denied {
        for (symbol, (line, reason)) in &list.symbols {
            if input.protected.contains(symbol) {
                findings.push(LintFinding {
                    level: LintLevel::Error,
                    kind: "denied",
                    place: place_of(input.protected, symbol),
                    symbol: Some(symbol.clone()),
                    message: format!(
                        "`{symbol}` may not be listed by {}:{line}: {reason}",
                        list.name
                    ),
                });
            }
        }
    }
}

/// Tracepoints of which a list names some symbols and the kernel exports more.
fn tracepoints(protected: &ProtectedSet, kernel: &Symvers, findings: &mut Vec<LintFinding>) {
    let mut listed: BTreeMap<&str, &str> = BTreeMap::new();
    for symbol in protected.symbols() {
        let names = TRACEPOINT
            .iter()
            .filter_map(|start| symbol.strip_prefix(start));
        for name in names {
            listed.entry(name).or_insert(symbol);
        }
    }
    for (name, symbol) in listed {
        let parts = TRACEPOINT.iter().map(|start| format!("{start}{name}"));
        let missing: Vec<String> = parts
            .filter(|part| kernel.get(part).is_some() && !protected.contains(part))
            .collect();
        if !missing.is_empty() {
            findings.push(LintFinding {
                level: LintLevel::Warning,
                kind: "tracepoint-part",
                place: place_of(protected, symbol),
                symbol: Some(symbol.to_owned()),
                message: format!(
                    "`{symbol}` belongs to the tracepoint {name}, of which {} should be listed too",
                    missing.join(", ")
                ),
            });
        }
    }
}

fn unused_rules(input: &LintInput<'_>, findings: &mut Vec<LintFinding>) {
    if input.kernels.is_empty() {
        return;
    }
    let kernels: Vec<&Symvers> = input.kernels.iter().map(|(_, kernel)| *kernel).collect();
    let describe = |symbol: &str| {
        let origins = input.protected.origins(symbol).iter();
        let lists: Vec<&str> = origins
            .flat_map(|origin| {
                std::iter::once(origin.list.as_str()).chain(origin.section.as_deref())
            })
            .collect();
        let standing = if input.protected.contains(symbol) {
            Standing::Protected
        } else if input.used.contains(symbol) {
            Standing::Imported
        } else {
            Standing::Unlisted
        };
        (lists, standing)
    };
    for (index, why) in input.rules.unused(&kernels, describe) {
        let Some(rule) = input.rules.rules().get(index) else {
            continue;
        };
        let (kind, message) = match why {
            UnusedRule::NoMatch => ("unused-rule", "selects no symbol of these kernels".to_owned()),
            UnusedRule::Shadowed { by } => (
                "shadowed-rule",
                format!("comes too late: {by} decides about all that it selects"),
            ),
            UnusedRule::NamesASymbol => (
                "rule-of-namespace",
                "is read as a rule about namespaces, but a symbol has this name; write SYMBOL in front of it".to_owned(),
            ),
        };
        findings.push(LintFinding {
            level: LintLevel::Warning,
            kind,
            place: format!("{}:{}", rule.file, rule.line),
            symbol: None,
            message: format!("the rule `{}` {message}", rule.text),
        });
    }
}

/// Approvals whose last day is past.
#[must_use]
pub fn lint_expired(approvals: &Approvals, today: Date) -> Vec<LintFinding> {
    let expired = approvals
        .list()
        .into_iter()
        .filter(|a| a.is_expired(Some(today)));
    expired
        .filter_map(|approval| {
            let day = approval.expires?;
            Some(LintFinding {
                level: LintLevel::Warning,
                kind: "expired-approval",
                place: format!("{}:{}", approval.file, approval.line),
                symbol: None,
                message: format!(
                    "the approval of {} expired after {}-{:02}-{:02}; renew or remove it",
                    approval.what.as_deref().unwrap_or(&approval.fingerprint),
                    day.year(),
                    u8::from(day.month()),
                    day.day()
                ),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{ProtectedList, RuleContext, RuleFile};

    fn set(lists: &[(&str, &str)]) -> ProtectedSet {
        ProtectedSet::union(
            lists.iter().map(|(name, text)| {
                ProtectedList::read(text.as_bytes(), name).expect("a valid list")
            }),
        )
    }

    fn kernel(lines: &[(&str, &str)]) -> Symvers {
        let text: String = lines
            .iter()
            .map(|(symbol, crc)| format!("{crc}\t{symbol}\tvmlinux\tEXPORT_SYMBOL\t\n"))
            .collect();
        Symvers::read(text.as_bytes(), "m").expect("reads").symvers
    }

    fn kinds(findings: &[LintFinding]) -> Vec<String> {
        findings
            .iter()
            .map(|f| {
                format!(
                    "{} {} {}",
                    f.place,
                    f.kind,
                    f.symbol.as_deref().unwrap_or("-")
                )
            })
            .collect()
    }

    /// Every kind of finding about lists and rules, each at its place.
    #[test]
    fn findings_have_places() {
        let protected = set(&[
            ("a", "foo\ngone\n__tracepoint_x\nzero\n"),
            ("b", "foo\n[acme]\nfoo\n"),
        ]);
        let kernel = kernel(&[
            ("foo", "0x1"),
            ("__tracepoint_x", "0x1"),
            ("__SCK__tp_func_x", "0x1"),
            ("zero", "0x0"),
        ]);
        let mut rules = Rules::default();
        let text = b"fo* PASS\nfoo PASS\nnone PASS\n";
        rules.add(RuleFile::read(text, "s", &RuleContext::default()).expect("reads"));
        let denied = [DenyList::read(b"foo is private\n", "deny").expect("reads")];
        let findings = lint(&LintInput {
            protected: &protected,
            denied: &denied,
            rules: &rules,
            kernels: &[("base", &kernel)],
            arch: "x86",
            used: &BTreeSet::new(),
        });
        assert_eq!(
            kinds(&findings),
            [
                "a:1 denied foo",
                "a:2 list-not-exported gone",
                "a:4 no-crc zero",
                "a:1 duplicate foo",
                "s:2 shadowed-rule -",
                "a:3 tracepoint-part __tracepoint_x",
                "s:3 unused-rule -",
            ]
        );
        assert!(
            findings[5]
                .message
                .contains("__SCK__tp_func_x should be listed too")
        );
        assert_eq!(
            findings[0].message,
            "`foo` may not be listed by deny:1: is private"
        );
    }

    /// An approval is told once its last day is past.
    #[test]
    fn expired_approvals() {
        let text = "[[approval]]\nfingerprint = \"0123456789abcdef0123456789abcdef\"\nreason = \"r\"\nowner = \"o\"\nexpires = 2027-01-31\n";
        let approvals = Approvals::read(text.as_bytes(), "a").expect("reads");
        let on = |day| {
            let today = crate::policy::parse_date(day).expect("a day");
            lint_expired(&approvals, today).len()
        };
        assert_eq!((on("2027-01-31"), on("2027-02-01")), (0, 1));
    }
}
