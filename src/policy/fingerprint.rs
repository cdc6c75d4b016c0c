//! The fingerprint of one change of a symbol.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::symvers::{hexadecimal, shown};

/// Stands for a change in approvals and reports, as 32 hexadecimal digits: 128 bits, so that nobody finds two changes with
/// one fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The digits of a fingerprint.
    const DIGITS: usize = 32;

    /// That of a change that no definition explains: the symbol was removed, its export, its namespace or its module
    /// changed, or its CRC did and no types are known.
    #[must_use]
    pub fn of_symbol(symbol: &str, class: &str, base: &str, head: &str) -> Fingerprint {
        // None of them holds a NUL, and the text of a definition's fingerprint ends with one.
        let text = [symbol, class, base, head].join("\0");
        let mut bytes = [0; 16];
        let digest = blake3::hash(text.as_bytes());
        bytes
            .iter_mut()
            .zip(digest.as_bytes())
            .for_each(|(to, from)| *to = *from);
        Fingerprint(bytes)
    }

    /// The fingerprint that these digits spell.
    ///
    /// # Errors
    /// If they are no 32 hexadecimal digits in lower case.
    pub fn from_digits(digits: &str) -> Result<Fingerprint, String> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_whole = digits.len() == Self::DIGITS && digits.bytes().all(is_digit);
        let number = u128::from_str_radix(digits, 16).ok().filter(|_| is_whole);
        number.map(|number: u128| Fingerprint(number.to_be_bytes())).ok_or_else(|| {
            format!(
                "`{}` is no fingerprint; expected {} digits of 0-9 and a-f, as a report prints them",
                shown(digits),
                Self::DIGITS
            )
        })
    }

    /// Its digits.
    #[must_use]
    pub fn digits(self) -> String {
        let digits: [u8; Self::DIGITS] = hexadecimal(self.0);
        str::from_utf8(&digits).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits())
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> String {
        fingerprint.digits()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(digits: String) -> Result<Fingerprint, String> {
        Fingerprint::from_digits(&digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fingerprint covers symbol, class and both sides, each by itself.
    #[test]
    fn fingerprints_differ() {
        let of = |symbol, class, base, head| Fingerprint::of_symbol(symbol, class, base, head);
        let one = of("a", "removed", "b", "c");
        assert_eq!(one, of("a", "removed", "b", "c"));
        for other in [
            of("x", "removed", "b", "c"),
            of("a", "export-tightened", "b", "c"),
            of("a", "removed", "bc", ""),
            of("a", "removed", "b", "d"),
        ] {
            assert_ne!(one, other);
        }
    }

    /// The digits spell it, and nothing else does.
    #[test]
    fn digits() {
        let one = Fingerprint::of_symbol("a", "removed", "b", "c");
        assert_eq!(Fingerprint::from_digits(&one.digits()), Ok(one));
        let small = Fingerprint(0xab_u128.to_be_bytes());
        assert_eq!(small.to_string(), "000000000000000000000000000000ab");
        for digits in [
            "",
            "ab",
            "000000000000000000000000000000AB",
            "+00000000000000000000000000000ab",
        ] {
            assert!(Fingerprint::from_digits(digits).is_err(), "{digits}");
        }
    }
}
