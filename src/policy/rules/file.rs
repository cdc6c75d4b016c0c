//! Which of the kinds of rule files a text is, told from its content.

use std::path::Path;

use super::{RuleFile, debian, severities, toml, ubuntu};
use crate::policy::AllowedBreaks;
use crate::policy::error::PolicyError;
use crate::symvers::{Problems, looks_like, read_file, unpack};

/// The most bytes of a rule file, packed or unpacked; the largest published one has 5 kB.
const LIMIT: u64 = 16 << 20;

/// What is known of the kernel that rules are read for: sections of some files hold for some kernels only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleContext<'a> {
    /// Its architecture in any usual spelling, if known.
    pub arch: Option<&'a str>,
    /// Its flavour, such as `amd64` or `rt-amd64` of Debian, if known.
    pub flavour: Option<&'a str>,
}

impl RuleFile {
    /// Reads a file of any kind: `rules.toml`, SUSE severities, Debian's `ignore-changes`, Ubuntu's ignore lists.
    ///
    /// # Errors
    ///
    /// Data that cannot be unpacked, and all lines that the kind's grammar does not have. A list of symbols to protect,
    /// a `Module.symvers` and Android's `allowed_breaks` are refused by name.
    pub fn read(
        bytes: &[u8],
        name: &str,
        context: &RuleContext<'_>,
    ) -> Result<RuleFile, PolicyError> {
        let bytes = unpack(bytes, name, LIMIT)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let text = String::from_utf8_lossy(bytes);
        if is_toml(&text, name) {
            return toml::read(bytes, name);
        }
        if text
            .lines()
            .any(|line| AllowedBreaks::is_head(line.trim_end()))
        {
            return Err(foreign(
                name,
                "allows breaks by the text of another tool's report, which is no rule; \
                 expected them as --allowed-breaks FILE, which proposes approvals",
                Some("an Android allowed_breaks file"),
            ));
        }
        if debian::looks_so(&text) {
            return debian::read(&text, name, context);
        }
        if text.lines().any(ends_in_verdict) {
            return severities::read(bytes, name);
        }
        if let Some(what) = looks_like(bytes).filter(|what| *what != "a protected list") {
            return Err(foreign(name, "no rule in any known grammar", Some(what)));
        }
        ubuntu::read(&text, name)
    }

    /// Reads a rule file of any kind from the file system.
    ///
    /// # Errors
    ///
    /// The file cannot be read, and all errors of [`RuleFile::read`].
    pub fn load(path: &Path, context: &RuleContext<'_>) -> Result<RuleFile, PolicyError> {
        let bytes = read_file(path, LIMIT)?;
        RuleFile::read(&bytes, &path.display().to_string(), context)
    }
}

fn foreign(name: &str, message: &str, looks_like: Option<&'static str>) -> PolicyError {
    let mut problems = Problems::default();
    problems.push(1, message);
    PolicyError::Invalid {
        name: name.to_owned(),
        problems,
        looks_like,
    }
}

fn is_toml(text: &str, name: &str) -> bool {
    let name = Path::new(name);
    name.extension().is_some_and(|ending| ending == "toml")
        || text.lines().any(|line| {
            let line = line.trim();
            line.starts_with("[[")
                || line
                    .split_once('=')
                    .is_some_and(|(key, _)| key.trim() == "schema")
        })
}

/// Whether the last word before a remark is a verdict of SUSE's, in any case, or a number behind a pattern.
fn ends_in_verdict(line: &str) -> bool {
    let text = line.split_once('#').map_or(line, |(text, _)| text);
    let mut words = text.split_ascii_whitespace();
    let last = words.next_back().unwrap_or_default();
    last.eq_ignore_ascii_case("PASS")
        || last.eq_ignore_ascii_case("FAIL")
        || (words.next().is_some() && last.bytes().all(|byte| byte.is_ascii_digit()))
}
