//! Reader of Ubuntu's lists of ignored changes (`abi-blacklist`, `ignore.abi`, `abi.ignore`): one symbol or one location
//! (the module column) on a line, exactly as it stands in the `abi` file; in the oldest ones `M: LOCATION`.

use std::sync::Arc;

use super::{Rule, RuleFile};
use crate::policy::error::PolicyError;
use crate::policy::pattern::Pattern;
use crate::policy::severity::Severity;
use crate::symvers::{Problems, shown};

/// Reads the names.
pub(super) fn read(text: &str, name: &str) -> Result<RuleFile, PolicyError> {
    let file: Arc<str> = name.into();
    let mut problems = Problems::default();
    let mut rules = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index.saturating_add(1);
        let line = line.split_once('#').map_or(line, |(text, _)| text).trim();
        if line.is_empty() {
            continue;
        }
        match names(line) {
            Ok((symbol, module)) => {
                let one = |name: &str| {
                    let rule = Rule::new(&file, number, line, Some(Severity::Note));
                    (rule, Pattern::exact(name))
                };
                if let Some(symbol) = symbol {
                    let (mut rule, pattern) = one(symbol);
                    rule.symbols.push(pattern);
                    rules.push(rule);
                }
                if let Some(module) = module {
                    let (mut rule, pattern) = one(module);
                    rule.modules.push(pattern);
                    rules.push(rule);
                }
            }
            Err(message) => problems.push(number, message),
        }
    }
    if !problems.is_empty() {
        return Err(PolicyError::Invalid {
            name: name.to_owned(),
            problems,
            looks_like: None,
        });
    }
    Ok(RuleFile {
        name: name.to_owned(),
        kind: "Ubuntu ignore list",
        rules,
        warnings: Vec::new(),
    })
}

/// The symbol and the module that a line can mean.
fn names(line: &str) -> Result<(Option<&str>, Option<&str>), String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    match words.as_slice() {
        ["M:", module] => Ok((None, Some(module))),
        [word] => match word.strip_prefix("M:") {
            Some("") => Err("`M:` names no location".to_owned()),
            Some(module) => Ok((None, Some(module))),
            None if word.contains('/') => Ok((None, Some(word))),
            None if name(word) => Ok((Some(word), Some(word))),
            None => Err(format!(
                "`{}` is neither symbol nor location; names stand here as they are, without patterns",
                shown(word)
            )),
        },
        _ => Err(format!(
            "`{}` is more than one name; expected a symbol, a location, or `M: LOCATION`",
            shown(line)
        )),
    }
}

fn name(word: &str) -> bool {
    word.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '$'))
}
