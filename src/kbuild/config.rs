//! The kernel's `.config`.
//!
//! Lines are `CONFIG_NAME=value` with a value `y`, `m`, a number or a quoted string, `# CONFIG_NAME is not set`, other
//! comments, and blank (`Documentation/kbuild/kconfig.rst`). An option that is not set and one that is not mentioned
//! mean the same to the build.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::KbuildError;

/// Bytes of a configuration; distributions' have a quarter of a million.
const SIZE_LIMIT: usize = 8 << 20;
/// Bytes at the start of a configuration that its heading stands in.
const HEADING_LIMIT: usize = 400;
/// The value of an option that is not set.
const NOT_SET: &str = "n";

/// Options that name the version of a tool or of the build and nothing that the build does. What a version enables shows
/// in options of its own (`CONFIG_CC_HAS_...`).
const TOOL_VERSIONS: [&str; 15] = [
    "CONFIG_AS_VERSION",
    "CONFIG_BINDGEN_VERSION_TEXT",
    "CONFIG_CC_VERSION_TEXT",
    "CONFIG_CLANG_VERSION",
    "CONFIG_GCC_VERSION",
    "CONFIG_LD_VERSION",
    "CONFIG_LLD_VERSION",
    "CONFIG_PAHOLE_VERSION",
    "CONFIG_RUSTC_LLVM_VERSION",
    "CONFIG_RUSTC_LLVM_MAJOR_VERSION",
    "CONFIG_RUSTC_VERSION",
    "CONFIG_RUSTC_VERSION_TEXT",
    "CONFIG_RUSTC_COMPILER_BUILTINS_VERSION",
    "CONFIG_BINDGEN_VERSION",
    "CONFIG_BUILD_SALT",
];

/// A parsed configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    options: BTreeMap<String, String>,
}

/// One option that two configurations hold differently.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The option, with `CONFIG_`.
    pub option: String,
    /// Its value on the one side; `n` when not set.
    pub old: String,
    /// Its value on the other side; `n` when not set.
    pub new: String,
}

impl Config {
    /// Reads a configuration or a fragment of one; the last of several lines on an option holds.
    ///
    /// # Errors
    /// On the first line that is neither an assignment nor a comment.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Config, KbuildError> {
        if bytes.len() > SIZE_LIMIT {
            return Err(KbuildError::Limit {
                name: name.to_owned(),
                what: "the configuration",
                limit: format!("{SIZE_LIMIT} bytes"),
            });
        }
        let mut options = BTreeMap::new();
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            match assignment(&line) {
                Ok(Some((option, value))) => {
                    options.insert(option.to_owned(), value.to_owned());
                }
                Ok(None) => {}
                Err(what) => {
                    return Err(KbuildError::ConfigSyntax {
                        name: name.to_owned(),
                        line: number + 1,
                        what,
                        text: line.chars().take(200).collect(),
                    });
                }
            }
        }
        Ok(Config { options })
    }

    /// Architecture and release from the line that Kconfig writes above the options:
    /// `# Linux/x86 6.1.176 Kernel Configuration`.
    #[must_use]
    pub fn heading(bytes: &[u8]) -> Option<(String, String)> {
        let head = bytes.get(..HEADING_LIMIT).unwrap_or(bytes);
        let head = String::from_utf8_lossy(head);
        let (_, rest) = head.split_once("# Linux/")?;
        let mut words = rest.split_whitespace().map(str::to_owned);
        Some((words.next()?, words.next()?))
    }

    /// The value of an option as written (strings with their quotes); `None` when it is not set.
    #[must_use]
    pub fn get(&self, option: &str) -> Option<&str> {
        self.options
            .get(option)
            .map(String::as_str)
            .filter(|value| *value != NOT_SET)
    }

    /// Whether an option is built in (`y`).
    #[must_use]
    pub fn is_yes(&self, option: &str) -> bool {
        self.get(option) == Some("y")
    }

    /// Options that are set, in bytewise order, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options
            .iter()
            .map(|(option, value)| (option.as_str(), value.as_str()))
            .filter(|(_, value)| *value != NOT_SET)
    }

    /// BLAKE3 over the options that are set, sorted, without those that only name the version of a tool.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (option, value) in self
            .iter()
            .filter(|(option, _)| !names_tool_version(option))
        {
            hasher.update(option.as_bytes());
            hasher.update(b"=");
            hasher.update(value.as_bytes());
            hasher.update(b"\n");
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Options that `other` holds differently, in bytewise order; versions of tools are left out as in the digest.
    #[must_use]
    pub fn difference(&self, other: &Config) -> Vec<Difference> {
        let mut all: Vec<&String> = self.options.keys().chain(other.options.keys()).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
            .filter(|option| !names_tool_version(option))
            .filter_map(|option| self.differs(other, option))
            .collect()
    }

    /// Options that this configuration asks for and `held` does not hold. Options not mentioned here ask for nothing.
    #[must_use]
    pub fn not_held(&self, held: &Config) -> Vec<Difference> {
        self.options
            .keys()
            .filter(|option| !names_tool_version(option))
            .filter_map(|option| self.differs(held, option))
            .collect()
    }

    /// Takes over all that `fragment` says.
    pub fn override_with(&mut self, fragment: &Config) {
        for (option, value) in &fragment.options {
            self.options.insert(option.clone(), value.clone());
        }
    }

    /// The text of a `.config`, in bytewise order of the options.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (option, value) in &self.options {
            if value == NOT_SET {
                text.push_str(&format!("# {option} is not set\n"));
            } else {
                text.push_str(&format!("{option}={value}\n"));
            }
        }
        text
    }

    fn differs(&self, other: &Config, option: &str) -> Option<Difference> {
        let (old, new) = (
            self.get(option).unwrap_or(NOT_SET),
            other.get(option).unwrap_or(NOT_SET),
        );
        (old != new).then(|| Difference {
            option: option.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
        })
    }
}

fn names_tool_version(option: &str) -> bool {
    TOOL_VERSIONS.contains(&option)
}

/// Reads a line as an assignment; `None` for blank lines and comments.
fn assignment(line: &str) -> Result<Option<(&str, &str)>, &'static str> {
    let line = line.trim_end_matches('\r').trim();
    if let Some(comment) = line.strip_prefix('#') {
        let option = comment
            .trim()
            .strip_suffix(" is not set")
            .map(str::trim_end);
        return Ok(option
            .filter(|option| is_option(option))
            .map(|option| (option, NOT_SET)));
    }
    if line.is_empty() {
        return Ok(None);
    }
    let (option, value) = line
        .split_once('=')
        .ok_or("expected `CONFIG_NAME=value` or a comment")?;
    if !is_option(option) {
        return Err("the option's name is not CONFIG_ and letters, digits or `_`");
    }
    if !is_value(value) {
        return Err("the value is neither y, m, n, a number nor a quoted string");
    }
    Ok(Some((option, value)))
}

fn is_option(name: &str) -> bool {
    name.strip_prefix("CONFIG_").is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn is_value(value: &str) -> bool {
    if let Some(rest) = value.strip_prefix('"') {
        let mut escaped = false;
        let mut closed = false;
        for byte in rest.bytes() {
            if closed {
                return false;
            }
            closed = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
        }
        return closed;
    }
    let digits = value.strip_prefix('-').unwrap_or(value);
    matches!(value, "y" | "m" | "n")
        || (digits.starts_with(|first: char| first.is_ascii_digit())
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'x' || byte == b'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.176 Kernel Configuration\n#\n\
        CONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0\"\nCONFIG_GCC_VERSION=120200\n\
        CONFIG_MODVERSIONS=y\n# CONFIG_WERROR is not set\nCONFIG_E1000=m\nCONFIG_PHYSICAL_START=0x1000000\n\
        CONFIG_LOG_BUF_SHIFT=17\nCONFIG_DEFAULT_HOSTNAME=\"(none)\"\n";

    fn parse(text: &str) -> Config {
        Config::parse(text.as_bytes(), "test").expect("a configuration")
    }

    /// Checks values of every kind.
    #[test]
    fn reads_values() {
        let config = parse(TEXT);
        assert_eq!(config.get("CONFIG_MODVERSIONS"), Some("y"));
        assert_eq!(config.get("CONFIG_E1000"), Some("m"));
        assert_eq!(config.get("CONFIG_WERROR"), None);
        assert_eq!(config.get("CONFIG_PHYSICAL_START"), Some("0x1000000"));
        assert_eq!(config.get("CONFIG_DEFAULT_HOSTNAME"), Some("\"(none)\""));
        assert_eq!(parse(&config.to_text()), config);
    }

    /// Checks that the digest knows neither order, comments, unset options nor versions of tools, but values.
    #[test]
    fn digest_covers_what_the_build_does() {
        let config = parse(TEXT);
        let other = "CONFIG_E1000=m\nCONFIG_MODVERSIONS=y\nCONFIG_DEFAULT_HOSTNAME=\"(none)\"\nCONFIG_LOG_BUF_SHIFT=17\nCONFIG_PHYSICAL_START=0x1000000\nCONFIG_GCC_VERSION=130000\n";
        assert_eq!(config.digest(), parse(other).digest());
        assert_ne!(
            config.digest(),
            parse(&other.replace("=17", "=18")).digest()
        );
        assert_eq!(config.digest().len(), 64);
    }

    /// Checks the differences of two configurations, and what a request asked for in vain.
    #[test]
    fn differences() {
        let old = parse("CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_GCC_VERSION=1\n");
        let new = parse("CONFIG_A=y\nCONFIG_C=y\nCONFIG_D=3\nCONFIG_GCC_VERSION=2\n");
        let show = |list: Vec<Difference>| -> Vec<String> {
            list.iter()
                .map(|d| format!("{} {} {}", d.option, d.old, d.new))
                .collect()
        };
        assert_eq!(
            show(old.difference(&new)),
            ["CONFIG_B m n", "CONFIG_C n y", "CONFIG_D n 3"]
        );
        assert_eq!(show(old.not_held(&new)), ["CONFIG_B m n", "CONFIG_C n y"]);
    }

    /// Checks that a fragment overrides, also by unsetting.
    #[test]
    fn fragments_override() {
        let mut config = parse(TEXT);
        config.override_with(&parse("# CONFIG_E1000 is not set\nCONFIG_WERROR=y\n"));
        assert_eq!(config.get("CONFIG_E1000"), None);
        assert_eq!(config.get("CONFIG_WERROR"), Some("y"));
        assert!(config.to_text().contains("# CONFIG_E1000 is not set\n"));
    }

    /// Checks that every malformed line is refused with its number.
    #[test]
    fn refuses_other_lines() {
        for line in [
            "hello",
            "MODVERSIONS=y",
            "CONFIG_=y",
            "CONFIG_A-B=y",
            "CONFIG_A=yes",
            "CONFIG_A=",
            "CONFIG_A=\"open",
            "CONFIG_A=\"a\" b",
            "CONFIG_A=\"a\\\"",
        ] {
            let error =
                Config::parse(format!("CONFIG_X=y\n{line}\n").as_bytes(), "c").expect_err(line);
            assert!(error.to_string().starts_with("c:2: "), "{error}");
        }
    }
}
