//! `updates.toml`: what each replacement of the baseline accepted, and why.
//!
//! ```toml
//! [[update]]
//! from = "6.1.170 (1f2e3d4c5b6a)"
//! to = "6.1.176 (6a5b4c3d2e1f)"
//! changed = 18107                # symbols that changed, were added or removed
//! protected = 12                 # of them protected ones whose change a check would fail for
//! reason = "new minor release"   # why what no approval covers was accepted, and who answers for it
//! owner = "kernel team"
//!
//! [[update.accepted]]
//! fingerprint = "9f0c2d8e41b6a7351c55e8d2f0b94a63"
//! what = "struct net_device: layout changed (member added: u32 link_flaps)"
//! symbols = 7
//! reason = "no module outside of the tree allocates it"
//! owner = "net team"
//! ```
//!
//! Entries are added at the end and never changed, so that the file reads well in a diff.

use serde::{Deserialize, Serialize};

use super::BaselineError;
use super::folder::UPDATES;

/// What stands above the first entry.
const HEADING: &str =
    "# What each `kabigate baseline update` accepted, the newest last. Added to by kabigate.\n";

/// One replacement of a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The kernel that was there before: its release and commit.
    pub from: String,
    /// The kernel that took its place.
    pub to: String,
    /// Symbols that changed, were added or removed.
    pub changed: usize,
    /// Protected symbols among them whose change fails a check that nobody approved it for.
    pub protected: usize,
    /// Why what no approval covers was accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// Where it was agreed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
    /// The changes that were accepted, worst first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub accepted: Vec<Accepted>,
}

/// A change that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// Fingerprint of the change, as approvals name it.
    pub fingerprint: String,
    /// What changed.
    pub what: String,
    /// How many protected symbols it concerns.
    pub symbols: usize,
    /// Why it was accepted.
    pub reason: String,
    /// Who answers for it; none if the update was made without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// Where it was agreed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
}

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    update: Vec<Update>,
}

/// Reads `updates.toml`.
///
/// # Errors
/// If it is no TOML, or holds something else.
pub fn read_updates(bytes: &[u8]) -> Result<Vec<Update>, BaselineError> {
    let bad = |message: String| BaselineError::Manifest {
        path: UPDATES.into(),
        message,
    };
    let text = std::str::from_utf8(bytes).map_err(|_| bad("not UTF-8".to_owned()))?;
    let file: File = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
    Ok(file.update)
}

/// The file with one more entry; what stands in it stays as it is.
///
/// # Errors
/// If the file there cannot be read.
pub fn add_update(before: Option<&[u8]>, update: &Update) -> Result<Vec<u8>, BaselineError> {
    let mut text = match before {
        Some(bytes) => {
            read_updates(bytes)?;
            String::from_utf8_lossy(bytes).into_owned()
        }
        None => HEADING.to_owned(),
    };
    let file = File {
        update: vec![update.clone()],
    };
    // INVARIANT: the structs hold strings, numbers and lists of tables, all of which TOML can express.
    let entry = toml::to_string(&file).expect("an update is expressible in TOML");
    text.push('\n');
    text.push_str(&entry);
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries are added behind those that are there, whose text stays, and all of them read back.
    #[test]
    fn entries_are_added() {
        let update = |to: &str| Update {
            from: "6.1.1".to_owned(),
            to: to.to_owned(),
            changed: 3,
            protected: 1,
            reason: Some("a \"reason\"".to_owned()),
            accepted: vec![Accepted {
                fingerprint: "00".to_owned(),
                what: "struct a: layout changed".to_owned(),
                symbols: 1,
                reason: "none uses it".to_owned(),
                owner: None,
                reference: None,
            }],
            ..Update::default()
        };
        let first = add_update(None, &update("6.1.2")).expect("writes");
        let both = add_update(Some(&first), &update("6.1.3")).expect("writes");
        assert!(both.starts_with(&first));
        assert_eq!(
            read_updates(&both).expect("reads"),
            [update("6.1.2"), update("6.1.3")]
        );
        let broken = add_update(Some(b"update = 1\n"), &update("6.1.2")).expect_err("no list");
        assert!(broken.to_string().starts_with("updates.toml: "), "{broken}");
    }
}
