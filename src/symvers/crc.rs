//! The CRC of an exported symbol.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The modversion CRC of an exported symbol; zero means the kernel leaves the symbol unversioned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Crc(pub u32);

impl Crc {
    /// Whether the symbol carries no CRC: `CONFIG_MODVERSIONS` off, or an assembly export without prototype.
    #[must_use]
    pub fn is_unversioned(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Crc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // There are two of them in every line of a comparison, and padding a number costs many times as much.
        let mut text = *b"0x00000000";
        for (place, digit) in text.iter_mut().skip(2).rev().enumerate() {
            *digit = b"0123456789abcdef"[(self.0 >> (4 * place)) as usize & 0xf];
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// As `Module.symvers` writes it.
impl Serialize for Crc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Crc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Crc, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let is_number = |digits: &&str| {
            digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        let digits = text.strip_prefix("0x").filter(is_number);
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        number.map(Crc).ok_or_else(|| {
            serde::de::Error::custom(format_args!(
                "`{}` is no CRC; expected 0x and 8 hexadecimal digits",
                super::shown(&text)
            ))
        })
    }
}

impl JsonSchema for Crc {
    fn schema_name() -> Cow<'static, str> {
        "Crc".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let text = serde_json::to_string(&Crc(0xfe)).expect("writes");
        assert_eq!(text, "\"0x000000fe\"");
        assert_eq!(
            serde_json::from_str::<Crc>(&text).expect("reads"),
            Crc(0xfe)
        );
        for bad in ["\"\"", "\"0xfe\"", "\"0x+00000fe\"", "\"000000fe\"", "1"] {
            assert!(serde_json::from_str::<Crc>(bad).is_err(), "{bad}");
        }
    }
}
