//! Symbols that may not become listed: Android's `symbols.deny`, one symbol and the reason on a line.

use std::collections::BTreeMap;

use super::error::PolicyError;
use crate::symvers::{Problems, shown, unpack};

/// The most bytes of such a file.
const LIMIT: u64 = 16 << 20;

/// The symbols of a deny list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyList {
    /// The file.
    pub name: String,
    /// Line and reason of each symbol.
    pub symbols: BTreeMap<String, (usize, String)>,
}

impl DenyList {
    /// Reads a deny list.
    ///
    /// # Errors
    ///
    /// Data that cannot be unpacked; lines without a reason; a symbol that stands there twice.
    pub fn read(bytes: &[u8], name: &str) -> Result<DenyList, PolicyError> {
        let bytes = unpack(bytes, name, LIMIT)?;
        let mut problems = Problems::default();
        let mut symbols: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = index.saturating_add(1);
            let Ok(line) = std::str::from_utf8(line) else {
                problems.push(number, "not UTF-8; expected a symbol and the reason");
                continue;
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((symbol, reason)) = line.split_once([' ', '\t']) else {
                let message = format!(
                    "`{}` stands without a reason; expected SYMBOL REASON",
                    shown(line)
                );
                problems.push(number, message);
                continue;
            };
            let reason = reason.trim().to_owned();
            if let Some((first, _)) = symbols.get(symbol) {
                let message = format!("`{}` stands in line {first} already", shown(symbol));
                problems.push(number, message);
                continue;
            }
            symbols.insert(symbol.to_owned(), (number, reason));
        }
        if problems.is_empty() {
            Ok(DenyList {
                name: name.to_owned(),
                symbols,
            })
        } else {
            Err(PolicyError::Invalid {
                name: name.to_owned(),
                problems,
                looks_like: None,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symbols keep their line and the whole reason; a line without one is refused.
    #[test]
    fn reasons_are_kept() {
        let read = DenyList::read(b"# deny\nfilp_open  use file_open of the vfs team\n", "d");
        let list = read.expect("reads");
        let reason = "use file_open of the vfs team".to_owned();
        assert_eq!(list.symbols["filp_open"], (2, reason));
        let error = DenyList::read(b"a\nb x\nb y\n", "d").expect_err("bad lines");
        assert_eq!(
            error.to_string(),
            "d:1: `a` stands without a reason; expected SYMBOL REASON\nd:3: `b` stands in line 2 already"
        );
    }
}
