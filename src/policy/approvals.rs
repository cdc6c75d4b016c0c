//! Approvals: breaks that somebody accepted, each bound to one change.
//!
//! ```toml
//! schema = 1
//!
//! [[approval]]
//! fingerprint = "9f0c2d…"             # 32 hexadecimal digits, from a report
//! what = "struct net_device: definition changed"
//! reason = "no module outside of the tree may allocate it"
//! owner = "net team <net@example.org>"
//! expires = 2027-01-31                 # optional: the last day on which it holds
//! reference = "https://bugs.example.org/123"   # optional
//! ```
//!
//! The fingerprint of a changed definition is a digest of its name and of its text before and after; that of another
//! change of a symbol covers the symbol, the class of change and what stood there before and after. Lines, commits and CRCs have
//! no part in it where a definition is known. So an approval survives a rebase and a cherry-pick, and does not cover a
//! further change of what it approved.

use std::collections::BTreeMap;
use std::path::Path;

use time::Date;

use super::error::PolicyError;
use super::fingerprint::Fingerprint;
use super::table::{TomlFile, TomlTable};
use crate::symvers::read_file;

/// The most bytes of such a file.
const LIMIT: u64 = 16 << 20;

/// Keys of an approval.
const KEYS: [&str; 6] = [
    "fingerprint",
    "what",
    "reason",
    "owner",
    "expires",
    "reference",
];

/// An accepted break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The file.
    pub file: String,
    /// The line that it begins in, counted from 1.
    pub line: usize,
    /// The change that it accepts.
    pub fingerprint: String,
    /// What the change is, for readers.
    pub what: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it holds.
    pub expires: Option<Date>,
    /// Where it was agreed.
    pub reference: Option<String>,
}

/// How approvals stand to one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It is approved.
    Approved(&'a Approval),
    /// It was approved up to a day that is past.
    Expired(&'a Approval),
    /// Nobody approved it.
    Unapproved,
}

/// The approvals of all files, by fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    by_fingerprint: BTreeMap<String, Approval>,
}

impl Approvals {
    /// Reads `approvals.toml`.
    ///
    /// # Errors
    ///
    /// Bytes that are no TOML; unknown keys; an approval without fingerprint, reason or owner; two of one change.
    pub fn read(bytes: &[u8], name: &str) -> Result<Approvals, PolicyError> {
        TomlFile::read(bytes, name, |file, top| {
            file.only(top, &["schema", "approval"]);
            file.schema(top);
            let mut approvals = Approvals::default();
            for table in file.tables(top, "approval") {
                let Some(approval) = approval(file, table) else {
                    continue;
                };
                let fingerprint = approval.fingerprint.clone();
                if let Some(first) = approvals.by_fingerprint.get(&fingerprint) {
                    let message = format!(
                        "the change {fingerprint} is approved in line {} already; expected one approval for each change",
                        first.line
                    );
                    file.problem(table.line, message);
                    continue;
                }
                approvals.by_fingerprint.insert(fingerprint, approval);
            }
            approvals
        })
    }

    /// Reads `approvals.toml` from the file system.
    ///
    /// # Errors
    ///
    /// The file cannot be read, and all errors of [`Approvals::read`].
    pub fn load(path: &Path) -> Result<Approvals, PolicyError> {
        let bytes = read_file(path, LIMIT)?;
        Approvals::read(&bytes, &path.display().to_string())
    }

    /// Adds the approvals of another file. Of two of one change the one that holds longer counts, and a sentence says so.
    pub fn add(&mut self, other: Approvals) -> Vec<String> {
        let mut said = Vec::new();
        for (fingerprint, approval) in other.by_fingerprint {
            let Some(known) = self.by_fingerprint.get(&fingerprint) else {
                self.by_fingerprint.insert(fingerprint, approval);
                continue;
            };
            said.push(format!(
                "{}:{}: the change {fingerprint} is approved in {}:{} already; the approval that holds longer counts",
                approval.file, approval.line, known.file, known.line
            ));
            let longer = match (known.expires, approval.expires) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(known), Some(other)) => other > known,
            };
            if longer {
                self.by_fingerprint.insert(fingerprint, approval);
            }
        }
        said
    }

    /// How the approvals stand to a change on a day.
    #[must_use]
    pub fn standing(&self, fingerprint: &str, today: Option<Date>) -> Standing<'_> {
        match self.by_fingerprint.get(fingerprint) {
            None => Standing::Unapproved,
            Some(approval) if approval.is_expired(today) => Standing::Expired(approval),
            Some(approval) => Standing::Approved(approval),
        }
    }

    /// All approvals by file and line.
    #[must_use]
    pub fn list(&self) -> Vec<&Approval> {
        let mut all: Vec<&Approval> = self.by_fingerprint.values().collect();
        all.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        all
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_fingerprint.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_fingerprint.is_empty()
    }

    /// Whether one holds for some time only, so that a day must be known.
    #[must_use]
    pub fn expire(&self) -> bool {
        self.by_fingerprint.values().any(|a| a.expires.is_some())
    }
}

impl Approval {
    /// Whether its last day is past. Without a day to compare with, one that expires has expired.
    #[must_use]
    pub fn is_expired(&self, today: Option<Date>) -> bool {
        match (self.expires, today) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(last), Some(today)) => today > last,
        }
    }
}

fn approval(file: &mut TomlFile<'_>, table: TomlTable<'_>) -> Option<Approval> {
    file.only(table, &KEYS);
    let fingerprint = fingerprint(file, table);
    let reason = said(file, table, "reason");
    let owner = said(file, table, "owner");
    Some(Approval {
        file: file.name().to_owned(),
        line: table.line,
        what: file.text(table, "what").map(|(text, _)| text),
        expires: file.date(table, "expires"),
        reference: file.text(table, "reference").map(|(text, _)| text),
        fingerprint: fingerprint?,
        reason: reason?,
        owner: owner?,
    })
}

fn fingerprint(file: &mut TomlFile<'_>, table: TomlTable<'_>) -> Option<String> {
    let Some((text, line)) = file.text(table, "fingerprint") else {
        let message = "the approval has no `fingerprint`; expected the one that a report prints";
        file.problem(table.line, message);
        return None;
    };
    if let Err(message) = Fingerprint::from_digits(&text) {
        file.problem(line, message);
        return None;
    }
    Some(text)
}

/// A text that must say something.
fn said(file: &mut TomlFile<'_>, table: TomlTable<'_>, key: &str) -> Option<String> {
    match file.text(table, key) {
        Some((text, _)) if !text.trim().is_empty() => Some(text),
        Some((_, line)) => {
            file.problem(line, format!("`{key}` says nothing; an approval needs one"));
            None
        }
        None => {
            let message = format!("the approval has no `{key}`");
            file.problem(table.line, message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";

    fn text(extra: &str) -> String {
        format!("[[approval]]\nfingerprint = \"{ONE}\"\nreason = \"r\"\nowner = \"o\"\n{extra}")
    }

    fn day(text: &str) -> Option<Date> {
        super::super::table::parse_date(text)
    }

    /// An approval holds through its last day and not on the next, and without a day it has expired.
    #[test]
    fn expiry() {
        for date in ["2027-01-31", "\"2027-01-31\""] {
            let read = Approvals::read(text(&format!("expires = {date}\n")).as_bytes(), "a");
            let approvals = read.expect("reads");
            let approved = |today| matches!(approvals.standing(ONE, today), Standing::Approved(_));
            assert!(approved(day("2027-01-31")));
            assert!(!approved(day("2027-02-01")) && !approved(None));
            assert_eq!(approvals.standing("x", None), Standing::Unapproved);
        }
        let forever = Approvals::read(text("").as_bytes(), "a").expect("reads");
        assert!(matches!(forever.standing(ONE, None), Standing::Approved(_)));
    }

    /// Every problem of a file is told with its line: unknown keys with what they were meant to be.
    #[test]
    fn rejected_files() {
        let cases = [
            (
                "[[approval]]\nreasn = \"x\"\n",
                "a:1: the approval has no `fingerprint`; expected the one that a report prints\n\
              a:1: the approval has no `owner`\na:1: the approval has no `reason`\n\
              a:2: unknown key `reasn`; did you mean `reason`? (known are fingerprint, what, reason, owner, expires, reference)",
            ),
            (
                "approval = 1\n",
                "a:1: `approval` is a list of tables: write [[approval]]",
            ),
            (
                "x = 1\n",
                "a:1: unknown key `x` (known are schema, approval)",
            ),
            ("schema = 2\n", "a:1: this program reads `schema = 1` only"),
            (
                "\n\nx\n",
                "a:3: key with no value, expected `=`; expected a TOML file",
            ),
        ];
        for (bytes, message) in cases {
            let error = Approvals::read(bytes.as_bytes(), "a").expect_err(bytes);
            assert_eq!(error.to_string(), message);
        }
        for (extra, message) in [
            ("expires = 2027-13-01\n", ""),
            (
                "expires = \"soon\"\n",
                "a:5: `expires` is no day; expected one such as 2027-01-31",
            ),
            (
                "expires = 2027-01-31T10:00:00Z\n",
                "a:5: `expires` is no day; expected one such as 2027-01-31",
            ),
            (
                "reference = 1\n",
                "a:5: `reference` is a text, not of type integer",
            ),
        ] {
            let error = Approvals::read(text(extra).as_bytes(), "a")
                .expect_err(extra)
                .to_string();
            assert!(error == message || message.is_empty(), "{error}");
        }
        let twice = Approvals::read((text("") + &text("")).as_bytes(), "a").expect_err("twice");
        assert!(
            twice.to_string().starts_with("a:5: the change 0123"),
            "{twice}"
        );
    }

    /// Of two files that approve one change the one that holds longer counts, and that is told.
    #[test]
    fn the_longer_one_counts() {
        let read = |extra: &str| Approvals::read(text(extra).as_bytes(), "a").expect("reads");
        let mut all = read("expires = 2027-01-31\n");
        assert_eq!(all.add(read("expires = 2027-03-31\n")).len(), 1);
        assert!(matches!(
            all.standing(ONE, day("2027-03-01")),
            Standing::Approved(_)
        ));
        assert_eq!(all.add(read("expires = 2027-01-31\n")).len(), 1);
        assert!(matches!(
            all.standing(ONE, day("2027-03-01")),
            Standing::Approved(_)
        ));
        assert_eq!(all.len(), 1);
    }
}
