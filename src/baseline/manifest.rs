//! `baseline.toml`: what the baseline was made of.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BaselineError;
use crate::snapshot::Fingerprint;

/// Version of the folder's layout.
pub const SCHEMA: u32 = 1;

/// The content of `baseline.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the folder's layout; this program reads and writes version 1.
    pub schema: u32,
    /// Version of the program that wrote the folder.
    pub tool: String,
    /// Commit that the baseline was made of, if the source was a git tree.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub commit: Option<String>,
    /// How many symbols `Module.symvers` holds.
    pub exports: usize,
    /// Whether the kernel's loader compares the CRCs; without `CONFIG_MODVERSIONS` only this program knows them.
    #[serde(default = "enforced", skip_serializing_if = "Clone::clone")]
    pub crcs_enforced: bool,
    /// What the exports were imported from; none if this program computed them. Types and configuration can be missing then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub imported_from: Option<String>,
    /// Whether `Module.symvers` holds protected symbols only, so that nothing is known about any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected_only: bool,
    /// What the CRCs were computed under.
    pub fingerprint: Fingerprint,
}

fn enforced() -> bool {
    true
}

impl Manifest {
    /// Algorithm and grammar of the CRCs for people, and whether the kernel leaves them unused.
    #[must_use]
    pub fn crc_algorithm(&self) -> String {
        let Fingerprint {
            algorithm, grammar, ..
        } = &self.fingerprint;
        let unused = if self.crcs_enforced {
            ""
        } else {
            ", not enforced by that kernel"
        };
        format!("{algorithm} {grammar}{unused}")
    }

    pub(super) fn read(text: &[u8], path: &Path) -> Result<Manifest, BaselineError> {
        let bad = |message: String| BaselineError::Manifest {
            path: path.to_owned(),
            message,
        };
        let text = std::str::from_utf8(text).map_err(|_| bad("not UTF-8".to_owned()))?;
        let manifest: Manifest = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        if manifest.schema != SCHEMA {
            return Err(bad(format!(
                "schema {}; this program reads schema {SCHEMA}",
                manifest.schema
            )));
        }
        Ok(manifest)
    }

    pub(super) fn write(&self) -> String {
        // INVARIANT: the struct holds strings, numbers and one table, all of which TOML can express.
        let body = toml::to_string_pretty(self).expect("a manifest is expressible in TOML");
        format!(
            "# Made by kabigate: `kabigate baseline show` explains it, `kabigate baseline update` replaces it.\n{body}"
        )
    }
}
