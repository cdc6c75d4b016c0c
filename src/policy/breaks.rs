//! Reader of Android's `*.allowed_breaks`: breaks that were once accepted, by the text of the report that told them.
//!
//! A chunk begins with a line such as `type 'struct task_struct' changed` and goes on with indented lines. Such a text
//! says nothing of the definition as a whole, so that it can approve nothing: what is read here only proposes what an
//! approval may say ([`super::Approval`]).

use serde::{Deserialize, Serialize};

use super::error::PolicyError;
use crate::symvers::{Problems, shown, unpack};

/// The most bytes of such a file.
const LIMIT: u64 = 16 << 20;

/// The breaks that a file allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedBreaks {
    /// The file.
    pub name: String,
    /// The breaks, in the order of the file.
    pub breaks: Vec<AllowedBreak>,
}

/// One chunk of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedBreak {
    /// Its first line, counted from 1.
    pub line: usize,
    /// What it says is changed, such as `struct task_struct`; none for a head that names no type.
    pub subject: Option<String>,
    /// The head, as it stands.
    pub head: String,
    /// The indented lines below it, without their indent.
    pub details: Vec<String>,
}

impl AllowedBreaks {
    /// Reads such a file.
    ///
    /// # Errors
    ///
    /// Data that cannot be unpacked, and lines that are neither head nor detail of a head.
    pub fn read(bytes: &[u8], name: &str) -> Result<AllowedBreaks, PolicyError> {
        let bytes = unpack(bytes, name, LIMIT)?;
        let mut problems = Problems::default();
        let mut breaks: Vec<AllowedBreak> = Vec::new();
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = index.saturating_add(1);
            let Ok(line) = std::str::from_utf8(line) else {
                problems.push(number, "not UTF-8; expected the text of a report");
                continue;
            };
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with("  ") {
                match breaks.last_mut() {
                    Some(open) => open.details.push(line.trim_start().to_owned()),
                    None => problems.push(number, "a detail without the line that it belongs to"),
                }
            } else if AllowedBreaks::is_head(line) {
                breaks.push(AllowedBreak {
                    line: number,
                    subject: subject(line),
                    head: line.to_owned(),
                    details: Vec::new(),
                });
            } else {
                let message = format!(
                    "`{}` is no change; expected a line such as: type 'struct task_struct' changed",
                    shown(line)
                );
                problems.push(number, message);
            }
        }
        if problems.is_empty() {
            Ok(AllowedBreaks {
                name: name.to_owned(),
                breaks,
            })
        } else {
            Err(PolicyError::Invalid {
                name: name.to_owned(),
                problems,
                looks_like: None,
            })
        }
    }

    /// The breaks of a definition, named as in C: `struct task_struct`.
    pub fn of<'a>(&'a self, definition: &'a str) -> impl Iterator<Item = &'a AllowedBreak> {
        let of = move |one: &&AllowedBreak| one.subject.as_deref() == Some(definition);
        self.breaks.iter().filter(of)
    }

    /// Whether the line begins a chunk.
    pub(super) fn is_head(line: &str) -> bool {
        let counted = || {
            let mut words = line.split(' ');
            words
                .next()
                .is_some_and(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()))
                && line.contains(" symbol(s) ")
        };
        let named = ["type '", "function symbol ", "variable symbol ", "symbol '"];
        (named.iter().any(|start| line.starts_with(start)) && line.contains(" changed"))
            || counted()
    }
}

fn subject(head: &str) -> Option<String> {
    let rest = head.split_once('\'')?.1;
    let (name, _) = rest.split_once('\'')?;
    head.starts_with("type '").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = "# why\ntype 'struct task_struct' changed\n  member 'u64 android_kabi_reserved1' was removed\n  \
        member 'union { unsigned int saved_state; }' was added\n\n2 function symbol(s) removed\n  'int foo()'\n  'int bar()'\n\n\
        function symbol changed from 'int a(int)' to 'int a(long)'\n";

    /// Chunks keep their line, their subject and their details.
    #[test]
    fn chunks() {
        let read = AllowedBreaks::read(REAL.as_bytes(), "b").expect("reads");
        let lines: Vec<_> = read
            .breaks
            .iter()
            .map(|b| (b.line, b.details.len()))
            .collect();
        assert_eq!(lines, [(2, 2), (6, 2), (10, 0)]);
        assert_eq!(read.of("struct task_struct").count(), 1);
        assert_eq!(read.of("struct task").count(), 0);
    }

    /// Lines that no report has are refused by number.
    #[test]
    fn rejected() {
        let error = AllowedBreaks::read(b"  lost\nfoo\n", "b").expect_err("no chunks");
        assert_eq!(
            error.to_string(),
            "b:1: a detail without the line that it belongs to\n\
             b:2: `foo` is no change; expected a line such as: type 'struct task_struct' changed"
        );
    }
}
