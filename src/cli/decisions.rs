//! Rules, approvals and the day that they are held against.

use std::path::{Path, PathBuf};

use time::Date;

use super::reason;
use crate::baseline::{APPROVALS, Baseline, RULES};
use crate::check::policy_reason;
use crate::policy::{
    AllowedBreaks, Approvals, Decisions, PolicyError, RuleContext, RuleFile, Rules, list_bytes,
    parse_date,
};
use crate::report::{Reason, ReasonCode};

/// The files that are named beside the baseline's own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named<'a> {
    pub(crate) rules: &'a [PathBuf],
    pub(crate) approvals: &'a [PathBuf],
    pub(crate) allowed_breaks: &'a [PathBuf],
}

/// Hands out the content of a file.
pub(crate) type ReadPath<'a> = dyn Fn(&Path) -> Result<Vec<u8>, Reason> + 'a;

/// Reads a file, or a folder that is a protected list, where it lies.
pub(crate) fn from_disk(path: &Path) -> Result<Vec<u8>, Reason> {
    list_bytes(path).map_err(|error| {
        reason(
            ReasonCode::InputInvalid,
            error,
            "name a file that can be read",
        )
    })
}

/// Reads the files named, in their order, then the baseline's own.
pub(crate) fn read(
    named: Named<'_>,
    baseline: Option<&Baseline>,
    context: &RuleContext<'_>,
    today: Option<Date>,
    read: &ReadPath<'_>,
    warnings: &mut Vec<String>,
) -> Result<Decisions, Reason> {
    let mut decisions = Decisions {
        today,
        ..Decisions::default()
    };
    let wrong = |error: PolicyError| policy_reason(&error);
    for path in named.rules {
        let name = path.display().to_string();
        let file = RuleFile::read(&read(path)?, &name, context).map_err(wrong)?;
        add(&mut decisions.rules, file, warnings);
    }
    for path in named.approvals {
        let name = path.display().to_string();
        let approvals = Approvals::read(&read(path)?, &name).map_err(wrong)?;
        warnings.extend(decisions.approvals.add(approvals));
    }
    for path in named.allowed_breaks {
        let name = path.display().to_string();
        let allowed = AllowedBreaks::read(&read(path)?, &name).map_err(wrong)?;
        decisions.allowed.push(allowed);
    }
    if let Some(baseline) = baseline {
        if let Some(bytes) = baseline.optional(RULES) {
            let file = RuleFile::read(bytes, RULES, context).map_err(wrong)?;
            add(&mut decisions.rules, file, warnings);
        }
        if let Some(bytes) = baseline.optional(APPROVALS) {
            let approvals = Approvals::read(bytes, APPROVALS).map_err(wrong)?;
            warnings.extend(decisions.approvals.add(approvals));
        }
    }
    Ok(decisions)
}

fn add(rules: &mut Rules, file: RuleFile, warnings: &mut Vec<String>) {
    if file.rules.is_empty() {
        warnings.push(format!("{}: the file holds no rule", file.name));
    }
    let told = file.warnings.iter();
    warnings.extend(told.map(|p| format!("{}:{}: {}", file.name, p.line, p.message)));
    rules.add(file);
}

/// What rules can know of a kernel: its architecture, and its flavour from a release such as `6.1.0-50-rt-amd64`.
pub(crate) fn flavour(release: &str) -> Option<String> {
    let parts = release.split('-').skip(1);
    let words: Vec<&str> = parts
        .skip_while(|part| {
            part.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
        .collect();
    (!words.is_empty()).then(|| words.join("-"))
}

/// Reads the day of `--today`.
pub(crate) fn day(text: &str) -> Result<Date, String> {
    parse_date(text).ok_or_else(|| "expected a day such as 2027-01-31".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flavour stands behind the version and the ABI number.
    #[test]
    fn flavours() {
        assert_eq!(flavour("6.1.0-50-rt-amd64").as_deref(), Some("rt-amd64"));
        assert_eq!(
            flavour("6.12.0-160000.5-default").as_deref(),
            Some("default")
        );
        assert_eq!(flavour("6.1.176"), None);
    }
}
