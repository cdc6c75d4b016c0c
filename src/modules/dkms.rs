//! Sources of modules: DKMS trees with their `dkms.conf`, and folders with a Kbuild file.
//!
//! `dkms.conf` is shell text (`dkms(8)`). It is not run to know what it is about: assignments are read with the quoting of
//! the shell, and whatever needs a shell to decide is kept as a line that was not understood. Only a rebuild runs it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::ModulesError;

/// Longest `dkms.conf` that is read, in lines.
const LINES_LIMIT: usize = 10_000;

/// The most bytes of one value, also after variables are put in.
const VALUE_LIMIT: usize = 64 << 10;

/// Modules that one `dkms.conf` may build.
const MODULES_LIMIT: usize = 1_000;

/// Sources of modules that were found instead of modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The `dkms.conf`, or the folder with the Kbuild file, with the path inside an archive.
    pub path: String,
    /// The file or folder that holds them.
    pub root: PathBuf,
    /// What `dkms.conf` says; `None` for a folder with a Kbuild file.
    pub conf: Option<DkmsConf>,
    /// The files by their path in the source tree, if they were asked for and come from an archive.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Sources {
    /// How reports call them.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.conf {
            Some(conf) => &conf.name,
            None => {
                let path = self.path.trim_end_matches('/');
                path.rsplit('/').next().unwrap_or(path)
            }
        }
    }

    /// The version that `dkms.conf` gives.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.conf.as_ref().map(|conf| conf.version.as_str())
    }
}

/// What a `dkms.conf` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DkmsConf {
    /// `PACKAGE_NAME`.
    pub name: String,
    /// `PACKAGE_VERSION`.
    pub version: String,
    /// The modules without `.ko`, in the order of their numbers; none if only a shell could tell them.
    pub modules: Vec<String>,
    /// Lines that only a shell could decide, with their number.
    pub not_understood: Vec<(usize, String)>,
}

impl DkmsConf {
    /// Reads a `dkms.conf`.
    ///
    /// # Errors
    ///
    /// Too long a text, or one without name or version of the package.
    pub fn read(text: &str) -> Result<DkmsConf, String> {
        let mut variables: BTreeMap<String, String> = BTreeMap::new();
        let mut conf = DkmsConf::default();
        // Open `if`, `case`, loops and functions.
        let mut depth = 0_usize;
        for (number, line) in logical_lines(text)? {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let word = line.split_ascii_whitespace().next().unwrap_or_default();
            let opens = matches!(word, "if" | "case" | "for" | "while" | "until" | "{");
            let closes = matches!(word, "fi" | "esac" | "done" | "}");
            let function = line.contains("()") && line.ends_with('{');
            if opens || function {
                let one_line =
                    line.ends_with("fi") || line.ends_with("done") || line.ends_with("esac");
                depth = depth.saturating_add(usize::from(!one_line));
            }
            let assigned = assignment(line);
            match assigned {
                Some((name, value)) if depth == 0 => match shell_value(value, &variables) {
                    Some(value) => {
                        variables.insert(name.to_owned(), value);
                    }
                    None => conf.not_understood.push((number, line.to_owned())),
                },
                _ => conf.not_understood.push((number, line.to_owned())),
            }
            if closes {
                depth = depth.saturating_sub(1);
            }
        }
        let needed = |name: &str| {
            let value = variables.get(name).filter(|value| !value.is_empty());
            value.cloned().ok_or_else(|| format!("no {name}"))
        };
        conf.name = needed("PACKAGE_NAME")?;
        conf.version = needed("PACKAGE_VERSION")?;
        conf.modules = modules(&variables)?;
        // With a single module its name is optional.
        let mut open = conf.not_understood.iter();
        if conf.modules.is_empty() && !open.any(|(_, line)| line.contains("BUILT_MODULE_NAME")) {
            conf.modules.push(conf.name.clone());
        }
        Ok(conf)
    }
}

fn modules(variables: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let mut modules: BTreeMap<usize, &String> = BTreeMap::new();
    for (key, value) in variables {
        let number = match key.strip_prefix("BUILT_MODULE_NAME") {
            // Without a number it is the first.
            Some("") => Some(0),
            Some(rest) => rest
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']')?.parse().ok()),
            None => None,
        };
        if let Some(number) = number {
            modules.insert(number, value);
        }
    }
    if modules.len() > MODULES_LIMIT {
        return Err(format!("more than {MODULES_LIMIT} modules"));
    }
    Ok(modules.into_values().cloned().collect())
}

/// Lines with their number, joined where a backslash or an open quote continues them.
fn logical_lines(text: &str) -> Result<Vec<(usize, String)>, String> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        if index >= LINES_LIMIT {
            return Err(format!("more than {LINES_LIMIT} lines"));
        }
        let line = line.trim_end_matches('\r');
        let more = line.ends_with('\\');
        let line = line.strip_suffix('\\').unwrap_or(line);
        match lines.last_mut().filter(|_| open) {
            Some((_, before)) => {
                before.push(' ');
                before.push_str(line);
            }
            None => lines.push((index.saturating_add(1), line.to_owned())),
        }
        let whole = lines.last().map_or("", |(_, whole)| whole.as_str());
        if whole.len() > VALUE_LIMIT {
            return Err(format!("a line of more than {VALUE_LIMIT} bytes"));
        }
        let comment = whole.trim_start().starts_with('#');
        open = !comment && (more || has_open_quote(whole));
    }
    Ok(lines)
}

fn has_open_quote(line: &str) -> bool {
    let mut quote = None;
    let mut escaped = false;
    for c in line.chars() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, c) {
            (Some('\''), '\\') => {}
            (_, '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    quote.is_some()
}

/// Name, with its number in brackets, and text behind the `=` of an assignment.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let base = name.split('[').next()?;
    let is_name = !base.is_empty()
        && base.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !base.starts_with(|c: char| c.is_ascii_digit());
    let number = name.get(base.len()..)?;
    let is_number = number.is_empty()
        || number
            .strip_prefix('[')
            .and_then(|n| n.strip_suffix(']'))
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    (is_name && is_number).then_some((name, value))
}

/// The value of one shell word, with variables that are known put in; `None` if a shell would have to run
/// something, or if there is more than one word.
fn shell_value(value: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    if value.contains('`') || value.contains("$(") {
        return None;
    }
    // A single quoted part keeps its dollars, so that only the rest is expanded.
    let literal = value.trim_start().starts_with('\'');
    let words = shlex::split(value)?;
    let word = match words.as_slice() {
        [] => String::new(),
        [word] => word.clone(),
        [word, rest @ ..] if rest.first().is_some_and(|r| r.starts_with('#')) => word.clone(),
        _ => return None,
    };
    let value = if literal {
        word
    } else {
        expand(&word, variables)
    };
    (value.len() <= VALUE_LIMIT).then_some(value)
}

/// Puts the variables that are known into a shell text (`$name`, `${name}`); others stay as they are, and all do
/// once the text has become absurdly long.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$').filter(|_| out.len() <= VALUE_LIMIT) {
        out.push_str(before);
        let (name, after) = variable(behind);
        match variables.get(name) {
            Some(value) if !name.is_empty() => out.push_str(value),
            _ => {
                out.push('$');
                let taken = behind.len().saturating_sub(after.len());
                out.push_str(behind.get(..taken).unwrap_or_default());
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The name behind a dollar, and what follows it.
fn variable(text: &str) -> (&str, &str) {
    if let Some((name, after)) = text.strip_prefix('{').and_then(|t| t.split_once('}')) {
        return (name, after);
    }
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Groups the texts of an archive into source trees, by the folder of each `dkms.conf`.
pub(super) fn group(texts: BTreeMap<String, Vec<u8>>) -> (Vec<Sources>, Vec<ModulesError>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let confs: Vec<String> = texts
        .keys()
        .filter(|path| path.rsplit(['/', ':']).next() == Some("dkms.conf"))
        .cloned()
        .collect();
    for path in confs {
        let folder = path.strip_suffix("dkms.conf").unwrap_or_default();
        let text = texts.get(&path).map(|bytes| String::from_utf8_lossy(bytes));
        match DkmsConf::read(&text.unwrap_or_default()) {
            Ok(conf) => {
                let files = texts.iter().filter_map(|(path, bytes)| {
                    Some((path.strip_prefix(folder)?.to_owned(), bytes.clone()))
                });
                found.push(Sources {
                    files: files.collect(),
                    path: path.clone(),
                    root: PathBuf::new(),
                    conf: Some(conf),
                });
            }
            Err(reason) => problems.push(ModulesError::Dkms { path, reason }),
        }
    }
    (found, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A real configuration with variables, numbers and continuation lines is read.
    #[test]
    fn configurations_are_read() {
        let text = "# dkms\nPACKAGE_NAME=\"acme\"\nPACKAGE_VERSION=1.2\nMAKE[0]=\"make -C src \\\n KVER=${kernelver} V=$PACKAGE_VERSION\"\n\
            BUILT_MODULE_NAME[0]=\"$PACKAGE_NAME\"\nBUILT_MODULE_LOCATION[0]=\"src\"\nDEST_MODULE_LOCATION[0]=\"/updates\"\n\
            BUILT_MODULE_NAME[1]='acme_$x'\nif [ -e /x ]; then\n  MAKE[0]=\"evil\"\nfi\nAUTOINSTALL=yes # always\nX=$(uname -r)\n";
        let conf = DkmsConf::read(text).expect("reads");
        assert_eq!((conf.name.as_str(), conf.version.as_str()), ("acme", "1.2"));
        assert_eq!(conf.modules, ["acme", "acme_$x"]);
        let lines: Vec<_> = conf.not_understood.iter().map(|(n, _)| *n).collect();
        assert_eq!(lines, [10, 11, 12, 14]);
    }

    /// Values that double with each line end at a bound.
    #[test]
    fn values_are_bounded() {
        let text = format!(
            "PACKAGE_NAME=a\nPACKAGE_VERSION=1\nX=xx\n{}",
            "X=\"$X$X\"\n".repeat(100)
        );
        let conf = DkmsConf::read(&text).expect("reads");
        assert!(!conf.not_understood.is_empty());
        let long = format!("X=\"{}", "line\n".repeat(20_000));
        assert!(DkmsConf::read(&long).is_err());
    }

    /// A configuration without name or version is refused; without module name the package names it.
    #[test]
    fn names_are_needed() {
        assert_eq!(
            DkmsConf::read("X=1\n").expect_err("no name"),
            "no PACKAGE_NAME"
        );
        let conf = DkmsConf::read("PACKAGE_NAME=a\nPACKAGE_VERSION=1\n").expect("reads");
        assert_eq!(conf.modules, ["a"]);
        let text = "PACKAGE_NAME=a\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME[$i]=b\n";
        assert!(DkmsConf::read(text).expect("reads").modules.is_empty());
    }
}
