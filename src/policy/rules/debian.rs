//! Reader of Debian's `ignore-changes` (`debian/config/defines`, sections `[abi…]`, up to bookworm).
//!
//! `[name:|module:]PATTERN`, one on an indented line; `*` is any run without `/`, `**` any run. A section's name is
//! `abi`, `abi_ARCH` or `abi_ARCH_FEATURESET_FLAVOUR`; the union of those that apply to a kernel holds.

use std::sync::Arc;

use super::{Rule, RuleContext, RuleFile};
use crate::policy::arch;
use crate::policy::error::PolicyError;
use crate::policy::pattern::{Dialect, Pattern};
use crate::policy::severity::Severity;
use crate::policy::suggest::did_you_mean;
use crate::symvers::{Problem, Problems, shown};

/// The key whose patterns count.
const KEY: &str = "ignore-changes";

/// Whether the text has a section or the key of such a file.
pub(super) fn looks_so(text: &str) -> bool {
    text.lines().any(|line| {
        key(line).is_some()
            || section(line).is_some_and(|name| name == "abi" || name.starts_with("abi_"))
    })
}

/// Reads the patterns that apply to a kernel.
pub(super) fn read(
    text: &str,
    name: &str,
    context: &RuleContext<'_>,
) -> Result<RuleFile, PolicyError> {
    let mut reader = Reader {
        file: name.into(),
        applies: true,
        inside: false,
        rules: Vec::new(),
        warnings: Vec::new(),
        problems: Problems::default(),
    };
    for (index, line) in text.lines().enumerate() {
        reader.line(line, index.saturating_add(1), context);
    }
    if reader.problems.is_empty() {
        Ok(RuleFile {
            name: name.to_owned(),
            kind: "Debian ignore-changes",
            rules: reader.rules,
            warnings: reader.warnings,
        })
    } else {
        Err(PolicyError::Invalid {
            name: name.to_owned(),
            problems: reader.problems,
            looks_like: None,
        })
    }
}

fn section(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix('[')?.strip_suffix(']')
}

/// What stands behind the key on its own line.
fn key(line: &str) -> Option<&str> {
    let (word, rest) = line.split_once([':', '='])?;
    (word.trim_end() == KEY).then_some(rest)
}

struct Reader {
    file: Arc<str>,
    /// Whether the section holds for the kernel.
    applies: bool,
    /// Whether lines that are indented belong to the key.
    inside: bool,
    rules: Vec<Rule>,
    warnings: Vec<Problem>,
    problems: Problems,
}

impl Reader {
    fn line(&mut self, line: &str, number: usize, context: &RuleContext<'_>) {
        if line.trim_start().starts_with('#') || line.trim().is_empty() {
            return;
        }
        let indented = line.starts_with([' ', '\t']);
        if indented {
            if self.inside {
                self.patterns(line, number);
            }
        } else if let Some(name) = section(line) {
            self.inside = false;
            self.applies = self.section_applies(name, number, context);
        } else {
            let rest = key(line);
            self.inside = rest.is_some();
            if let Some(rest) = rest {
                self.patterns(rest, number);
            }
        }
    }

    fn section_applies(&mut self, name: &str, number: usize, context: &RuleContext<'_>) -> bool {
        if name == "abi" {
            return true;
        }
        let Some(scope) = name.strip_prefix("abi_") else {
            return false;
        };
        let mut parts = scope.split('_');
        let (of_arch, featureset, flavour) = (parts.next(), parts.next(), parts.next());
        let same_arch = match (of_arch, context.arch) {
            (Some(one), Some(other)) => arch::agree(one, other),
            _ => false,
        };
        let decided = match (same_arch, featureset, flavour, context.flavour) {
            (false, ..) => context.arch.is_some().then_some(false),
            (true, None | Some("none"), None, _) => Some(true),
            (true, Some("none"), Some(flavour), Some(own)) => Some(flavour == own),
            (true, Some(featureset), Some(flavour), Some(own)) => {
                Some(own == format!("{featureset}-{flavour}"))
            }
            _ => None,
        };
        if decided.is_none() {
            self.warnings.push(Problem {
                line: number,
                message: format!(
                    "section `{}` is not applied: it is not known whether the kernel is of this architecture and flavour",
                    shown(name)
                ),
            });
        }
        decided.unwrap_or(false)
    }

    fn patterns(&mut self, text: &str, number: usize) {
        for word in text.split_ascii_whitespace() {
            match rule(word, &self.file, number) {
                Ok(rule) if self.applies => self.rules.push(rule),
                Ok(_) => {}
                Err(message) => self.problems.push(number, message),
            }
        }
    }
}

fn rule(word: &str, file: &Arc<str>, number: usize) -> Result<Rule, String> {
    let mut rule = Rule::new(file, number, word, Some(Severity::Note));
    let (kind, pattern) = word.split_once(':').unwrap_or(("name", word));
    if pattern.contains(':') {
        return Err(format!(
            "`{}` has two colons; expected name:PATTERN or module:PATTERN",
            shown(word)
        ));
    }
    let read = Pattern::read(pattern, Dialect::Debian)?;
    match kind {
        "name" => rule.symbols.push(read),
        "module" => rule.modules.push(read),
        other => {
            return Err(format!(
                "`{}:` is unknown{}; expected name:PATTERN or module:PATTERN",
                shown(other),
                did_you_mean(other, ["name", "module"])
            ));
        }
    }
    Ok(rule)
}
