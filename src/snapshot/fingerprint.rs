//! What two kernels must share for their CRCs to be comparable.

use serde::{Deserialize, Serialize};

/// What a field holds that nobody knows, such as the compiler behind an imported `Module.symvers`.
pub const UNKNOWN: &str = "unknown";

/// The circumstances that a kernel's CRCs were computed under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Kernel release, such as `6.1.176`. Two kernels of different release are comparable.
    pub release: String,
    /// Architecture as the kernel's source folders name it, such as `x86`.
    pub arch: String,
    /// Digest of the configuration without options that only name tool versions.
    pub config: String,
    /// `gcc` or `clang`.
    pub compiler_family: String,
    /// First line of `cc --version`. Two versions of one family are comparable.
    pub compiler: String,
    /// `genksyms`.
    pub algorithm: String,
    /// Grammar of the tree's genksyms, such as `P4`.
    pub grammar: String,
}

/// A circumstance in which two fingerprints differ so that their CRCs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// `arch`, `config`, `compiler`, `crc-algorithm` or `grammar`.
    pub field: &'static str,
    /// What the baseline has.
    pub expected: String,
    /// What the kernel under test has.
    pub found: String,
}

impl Fingerprint {
    /// The architecture, if somebody knows it.
    #[must_use]
    pub fn known_arch(&self) -> Option<&str> {
        Some(self.arch.as_str()).filter(|arch| *arch != UNKNOWN)
    }

    /// What keeps `self`, the baseline's, from being compared with `other`; empty if nothing does. What a side does not
    /// know is compared with nothing: [`Fingerprint::unknown`] tells it.
    #[must_use]
    pub fn mismatches(&self, other: &Fingerprint) -> Vec<Mismatch> {
        let known = |value: &str| value != UNKNOWN;
        self.fields()
            .into_iter()
            .zip(other.fields())
            .map(|((field, expected), (_, found))| (field, expected, found))
            .filter(|(_, expected, found)| expected != found && known(expected) && known(found))
            .map(|(field, expected, found)| Mismatch {
                field,
                expected: expected.to_owned(),
                found: found.to_owned(),
            })
            .collect()
    }

    /// The circumstances that nobody knows, by the names that mismatches have.
    #[must_use]
    pub fn unknown(&self) -> Vec<&'static str> {
        let unknown = self.fields().into_iter();
        let unknown = unknown.filter(|(_, value)| *value == UNKNOWN);
        unknown.map(|(field, _)| field).collect()
    }

    fn fields(&self) -> [(&'static str, &str); 5] {
        [
            ("arch", &self.arch),
            ("config", &self.config),
            ("compiler", &self.compiler_family),
            ("crc-algorithm", &self.algorithm),
            ("grammar", &self.grammar),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Release and compiler version may differ; everything else keeps two kernels apart and is named.
    #[test]
    fn only_what_changes_crcs_is_a_mismatch() {
        let base = Fingerprint {
            release: "6.1.1".into(),
            arch: "x86".into(),
            config: "aa".into(),
            compiler_family: "gcc".into(),
            compiler: "gcc 12".into(),
            algorithm: "genksyms".into(),
            grammar: "P4".into(),
        };
        let later = Fingerprint {
            release: "6.1.2".into(),
            compiler: "gcc 13".into(),
            ..base.clone()
        };
        assert_eq!(base.mismatches(&later), []);
        let other = Fingerprint {
            arch: "arm64".into(),
            grammar: "P5".into(),
            ..base.clone()
        };
        let fields: Vec<&str> = base
            .mismatches(&other)
            .iter()
            .map(|mismatch| mismatch.field)
            .collect();
        assert_eq!(fields, ["arch", "grammar"]);
        let imported = Fingerprint {
            compiler_family: UNKNOWN.into(),
            grammar: UNKNOWN.into(),
            ..other
        };
        let fields: Vec<&str> = base.mismatches(&imported).iter().map(|m| m.field).collect();
        assert_eq!(fields, ["arch"]);
        assert_eq!(imported.unknown(), ["compiler", "grammar"]);
        assert!(base.unknown().is_empty());
    }
}
