//! `kabigate.toml`: options of a check in a file beside the baselines.
//!
//! A flag beats the environment, the environment beats the file; relative paths are relative to the file.

use std::path::{Path, PathBuf};

use super::check::ModeArgument;
use super::policy_files::PolicyFiles;
use super::sandbox::SandboxArgument;
use crate::check::policy_reason;
use crate::policy::{TomlFile, did_you_mean};
use crate::report::Reason;

/// The file's name.
pub(crate) const NAME: &str = "kabigate.toml";

/// The options that it can hold.
const KEYS: [&str; 12] = [
    "schema",
    "baseline",
    "protect",
    "protect-imports",
    "allow-missing",
    "rules",
    "approvals",
    "allowed-breaks",
    "modules",
    "mode",
    "per-commit",
    "sandbox",
];

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) baseline: Option<PathBuf>,
    pub(crate) protect: Vec<PathBuf>,
    pub(crate) protect_imports: Vec<PathBuf>,
    pub(crate) allow_missing: Option<bool>,
    pub(crate) rules: Vec<PathBuf>,
    pub(crate) approvals: Vec<PathBuf>,
    pub(crate) allowed_breaks: Vec<PathBuf>,
    pub(crate) modules: Vec<PathBuf>,
    pub(crate) mode: Option<ModeArgument>,
    pub(crate) per_commit: Option<bool>,
    pub(crate) sandbox: Option<SandboxArgument>,
}

impl Settings {
    /// Reads the file that is named, or the one beside the baselines if there is one.
    pub(crate) fn find(
        named: Option<&Path>,
        tree: &Path,
        baseline: Option<&Path>,
        files: &PolicyFiles<'_>,
    ) -> Result<Settings, Reason> {
        if let Some(path) = named {
            return Settings::read(&files.read(path)?, path);
        }
        let places = match baseline {
            Some(baseline) => vec![baseline.parent().unwrap_or(Path::new("")).join(NAME)],
            None => vec![tree.join("baselines").join(NAME), tree.join(NAME)],
        };
        for path in places {
            if files.has(&path)?
                && let Some(bytes) = files.read_optional(&path)?
            {
                return Settings::read(&bytes, &path);
            }
        }
        Ok(Settings::default())
    }

    fn read(bytes: &[u8], path: &Path) -> Result<Settings, Reason> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.display().to_string();
        let read = TomlFile::read(bytes, &name, |file, top| {
            file.only(top, &KEYS);
            file.schema(top);
            let mut paths = |key: &str| -> Vec<PathBuf> {
                let texts = file.texts(top, key).into_iter();
                texts.map(|(text, _)| folder.join(text)).collect()
            };
            Settings {
                protect: paths("protect"),
                protect_imports: paths("protect-imports"),
                rules: paths("rules"),
                approvals: paths("approvals"),
                allowed_breaks: paths("allowed-breaks"),
                modules: paths("modules"),
                baseline: file
                    .text(top, "baseline")
                    .map(|(text, _)| folder.join(text)),
                allow_missing: file.flag(top, "allow-missing"),
                per_commit: file.flag(top, "per-commit"),
                mode: file.text(top, "mode").and_then(|(word, line)| {
                    let mode = ModeArgument::from_word(&word);
                    if mode.is_none() {
                        let near = did_you_mean(&word, ["enforce", "observe"]);
                        let message = format!("no such mode{near} (known are enforce, observe)");
                        file.problem(line, message);
                    }
                    mode
                }),
                sandbox: file.text(top, "sandbox").and_then(|(word, line)| {
                    let sandbox = SandboxArgument::from_word(&word);
                    if sandbox.is_none() {
                        let near = did_you_mean(&word, ["auto", "require", "off"]);
                        let message =
                            format!("no such sandbox{near} (known are auto, require, off)");
                        file.problem(line, message);
                    }
                    sandbox
                }),
            }
        });
        read.map_err(|error| Reason {
            code: crate::report::ReasonCode::ConfigInvalid,
            ..policy_reason(&error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths are relative to the file, and what is unknown is refused with its line.
    #[test]
    fn reads_and_refuses() {
        let path = Path::new("baselines/kabigate.toml");
        let text = "baseline = \"x86_64\"\nrules = [\"a\", \"/b\"]\nmode = \"observe\"\nper-commit = true\nsandbox = \"require\"\n";
        let read = Settings::read(text.as_bytes(), path).expect("reads");
        assert_eq!(read.baseline, Some("baselines/x86_64".into()));
        assert_eq!(read.rules, [PathBuf::from("baselines/a"), "/b".into()]);
        assert_eq!(read.per_commit, Some(true));
        assert!(matches!(read.sandbox, Some(SandboxArgument::Require)));
        let refused = Settings::read(b"sandbox = \"of\"\n", path).expect_err("bad");
        assert!(
            refused.message.contains("did you mean `off`?"),
            "{}",
            refused.message
        );
        let refused = Settings::read(b"mode = \"obsrve\"\nrulse = \"x\"\n", path).expect_err("bad");
        assert_eq!(
            refused.message,
            "baselines/kabigate.toml:1: no such mode; did you mean `observe`? (known are enforce, observe)\n\
             baselines/kabigate.toml:2: unknown key `rulse`; did you mean `rules`? (known are schema, baseline, protect, \
             protect-imports, allow-missing, rules, approvals, allowed-breaks, modules, mode, per-commit, sandbox)"
        );
        assert_eq!(refused.code, crate::report::ReasonCode::ConfigInvalid);
    }
}
