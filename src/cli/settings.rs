//! `kabigate.toml`: options of a check in a file beside the baselines, and the targets that a check can have.
//!
//! ```toml
//! mode = "enforce"              # what stands above the targets holds for all of them
//!
//! [target.arm64]
//! baseline = "debian-6.1-arm64"
//! cross-compile = "aarch64-linux-gnu-"
//! ```
//!
//! A flag beats the environment, the environment beats the file, a target's own key beats the one above the targets;
//! relative paths are relative to the file. A file without targets is one check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::check::ModeArgument;
use super::policy_files::PolicyFiles;
use super::reason;
use super::sandbox::SandboxArgument;
use super::toolchain::Build;
use crate::check::policy_reason;
use crate::policy::{TomlFile, TomlTable, did_you_mean};
use crate::report::{Reason, ReasonCode};

/// The file's name.
pub(crate) const NAME: &str = "kabigate.toml";

/// The options that the file and each target can hold.
const KEYS: [&str; 16] = [
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
    "arch",
    "config",
    "cc",
    "cross-compile",
    "llvm",
    "sandbox",
];

/// Longest name of a target.
const NAME_LIMIT: usize = 64;

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// What holds for every target, or for the one check of a file without targets.
    common: Options,
    targets: BTreeMap<String, Options>,
}

/// Options of one check.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
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
    /// Configuration that the baseline must have been made with.
    pub(crate) config: Option<PathBuf>,
    /// How the kernel's build is called.
    pub(crate) build: Build,
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

    /// The names of the targets.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// Whether the file says what to check against.
    pub(crate) fn names_a_baseline(&self) -> bool {
        self.common.baseline.is_some() || !self.targets.is_empty()
    }

    /// The settings of these baselines alone. One that is a target of the file stays it; of several, each other one is a
    /// target with the name of its folder.
    pub(crate) fn of(mut self, baselines: &[PathBuf]) -> Result<Settings, Reason> {
        let mut targets = BTreeMap::new();
        for baseline in baselines {
            let known = self.target_of(baseline).map(str::to_owned);
            let (name, options) = match known.and_then(|name| self.targets.remove_entry(&name)) {
                Some(entry) => entry,
                None if baselines.len() == 1 => {
                    self.common.baseline = Some(baseline.clone());
                    break;
                }
                None => {
                    let options = Options {
                        baseline: Some(baseline.clone()),
                        ..Options::default()
                    };
                    (folder_name(baseline)?, options)
                }
            };
            if targets.insert(name.clone(), options).is_some() {
                return Err(reason(
                    ReasonCode::Usage,
                    format!("two of the baselines are called `{name}`"),
                    "give them targets of different names in kabigate.toml",
                ));
            }
        }
        self.targets = targets;
        Ok(self)
    }

    /// The target that has this baseline, if exactly one has.
    fn target_of(&self, baseline: &Path) -> Option<&str> {
        let is_it = |options: &Options| {
            let own = options
                .baseline
                .as_deref()
                .and_then(|own| std::path::absolute(own).ok());
            own.is_some() && own == std::path::absolute(baseline).ok()
        };
        let mut targets = self.targets.iter().filter(|(_, options)| is_it(options));
        let (name, _) = targets.next()?;
        targets.next().is_none().then_some(name)
    }

    /// The options of a target, or of the one check without.
    pub(crate) fn options(&self, target: Option<&str>) -> Options {
        let own = target.and_then(|name| self.targets.get(name)).cloned();
        match own {
            Some(own) => own.or(&self.common),
            None => self.common.clone(),
        }
    }

    fn read(bytes: &[u8], path: &Path) -> Result<Settings, Reason> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.display().to_string();
        let read = TomlFile::read(bytes, &name, |file, top| {
            let beside = ["schema", "target"];
            let keys: Vec<&str> = beside.into_iter().chain(KEYS).collect();
            file.only(top, &keys);
            file.schema(top);
            let mut targets = BTreeMap::new();
            for (name, table) in file.named(top, "target") {
                if !is_name(&name) {
                    let message =
                        "a target is named with letters, digits, `.`, `_` and `-`, and not `all`";
                    file.problem(table.line, message);
                }
                file.only(table, &KEYS);
                targets.insert(name, Options::read(file, table, folder));
            }
            Settings {
                common: Options::read(file, top, folder),
                targets,
            }
        });
        read.map_err(|error| Reason {
            code: ReasonCode::ConfigInvalid,
            ..policy_reason(&error)
        })
    }
}

/// Whether a target can have this name: it stands in paths, matrices and class names.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    starts_well && name.len() <= NAME_LIMIT && name != "all" && name.bytes().all(plain)
}

/// The name of a baseline's folder as that of a target.
fn folder_name(baseline: &Path) -> Result<String, Reason> {
    let name = baseline.file_name().and_then(|name| name.to_str());
    match name.filter(|name| is_name(name)) {
        Some(name) => Ok(name.to_owned()),
        None => Err(reason(
            ReasonCode::Usage,
            format!("{}: a target cannot be called so", baseline.display()),
            "give it a target in kabigate.toml: [target.NAME]",
        )),
    }
}

impl Options {
    fn read(file: &mut TomlFile<'_>, table: TomlTable<'_>, folder: &Path) -> Options {
        let mut paths = |key: &str| -> Vec<PathBuf> {
            let texts = file.texts(table, key).into_iter();
            texts.map(|(text, _)| folder.join(text)).collect()
        };
        Options {
            protect: paths("protect"),
            protect_imports: paths("protect-imports"),
            rules: paths("rules"),
            approvals: paths("approvals"),
            allowed_breaks: paths("allowed-breaks"),
            modules: paths("modules"),
            baseline: file
                .text(table, "baseline")
                .map(|(text, _)| folder.join(text)),
            config: file
                .text(table, "config")
                .map(|(text, _)| folder.join(text)),
            allow_missing: file.flag(table, "allow-missing"),
            per_commit: file.flag(table, "per-commit"),
            mode: file.text(table, "mode").and_then(|(word, line)| {
                let mode = ModeArgument::from_word(&word);
                if mode.is_none() {
                    let near = did_you_mean(&word, ["enforce", "observe"]);
                    let message = format!("no such mode{near} (known are enforce, observe)");
                    file.problem(line, message);
                }
                mode
            }),
            sandbox: file.text(table, "sandbox").and_then(|(word, line)| {
                let sandbox = SandboxArgument::from_word(&word);
                if sandbox.is_none() {
                    let near = did_you_mean(&word, ["auto", "require", "off"]);
                    let message = format!("no such sandbox{near} (known are auto, require, off)");
                    file.problem(line, message);
                }
                sandbox
            }),
            build: Build {
                arch: file.text(table, "arch").map(|(text, _)| text),
                cc: file.text(table, "cc").map(|(text, _)| text),
                cross_compile: file.text(table, "cross-compile").map(|(text, _)| text),
                llvm: file.text(table, "llvm").map(|(text, _)| text),
            },
        }
    }

    /// These, and where one is not set, the common one.
    fn or(self, common: &Options) -> Options {
        let either = |own: Vec<PathBuf>, common: &Vec<PathBuf>| match own.is_empty() {
            true => common.clone(),
            false => own,
        };
        Options {
            baseline: self.baseline.or_else(|| common.baseline.clone()),
            sandbox: self.sandbox.or(common.sandbox),
            protect: either(self.protect, &common.protect),
            protect_imports: either(self.protect_imports, &common.protect_imports),
            allow_missing: self.allow_missing.or(common.allow_missing),
            rules: either(self.rules, &common.rules),
            approvals: either(self.approvals, &common.approvals),
            allowed_breaks: either(self.allowed_breaks, &common.allowed_breaks),
            modules: either(self.modules, &common.modules),
            mode: self.mode.or(common.mode),
            per_commit: self.per_commit.or(common.per_commit),
            config: self.config.or_else(|| common.config.clone()),
            build: self.build.or(&common.build),
        }
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
        let read = read.options(None);
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
             baselines/kabigate.toml:2: unknown key `rulse`; did you mean `rules`? (known are schema, target, baseline, \
             protect, protect-imports, allow-missing, rules, approvals, allowed-breaks, modules, mode, per-commit, arch, \
             config, cc, cross-compile, llvm, sandbox)"
        );
        assert_eq!(refused.code, ReasonCode::ConfigInvalid);
    }

    /// A target has its own keys and, where it has none, those above the targets.
    #[test]
    fn targets() {
        let text = "mode = \"observe\"\nmodules = [\"all\"]\n[target.b]\nbaseline = \"b\"\narch = \"arm64\"\n\
                    [target.a]\nbaseline = \"a\"\nmodules = \"own\"\nmode = \"enforce\"\n";
        let read = Settings::read(text.as_bytes(), Path::new("kabi/kabigate.toml")).expect("reads");
        assert_eq!(read.targets().collect::<Vec<_>>(), ["a", "b"]);
        let (a, b) = (read.options(Some("a")), read.options(Some("b")));
        assert_eq!(
            (a.modules, b.modules),
            (vec!["kabi/own".into()], vec!["kabi/all".into()])
        );
        assert!(matches!(a.mode, Some(ModeArgument::Enforce)));
        assert!(matches!(b.mode, Some(ModeArgument::Observe)));
        assert_eq!(b.build.arch.as_deref(), Some("arm64"));
        assert_eq!(read.target_of(Path::new("kabi/b")), Some("b"));
        assert_eq!(read.target_of(Path::new("b")), None);
        let one = read.of(&["kabi/b".into()]).expect("one");
        assert_eq!(one.targets().collect::<Vec<_>>(), ["b"]);
        let other = one.of(&["kabi/c".into()]).expect("another");
        assert_eq!(other.targets().count(), 0);
        assert_eq!(other.options(None).baseline, Some("kabi/c".into()));
        let refused = Settings::read(b"[target.all]\nx = 1\n[target.\"../x\"]\n", Path::new("k"))
            .expect_err("bad");
        assert_eq!(refused.message.matches("a target is named with").count(), 2);
        assert!(
            refused.message.contains("k:2: unknown key `x`"),
            "{}",
            refused.message
        );
    }

    /// Several baselines are a target each: that of the file, or one with the name of the folder.
    #[test]
    fn several_baselines() {
        let text = "mode = \"observe\"\n[target.x86]\nbaseline = \"amd64\"\n[target.b]\nbaseline = \"b\"\n";
        let read =
            || Settings::read(text.as_bytes(), Path::new("kabi/kabigate.toml")).expect("reads");
        let several = read().of(&["kabi/arm64/".into(), "kabi/amd64".into()]);
        let several = several.expect("two");
        assert_eq!(several.targets().collect::<Vec<_>>(), ["arm64", "x86"]);
        let options = several.options(Some("arm64"));
        assert_eq!(options.baseline, Some("kabi/arm64/".into()));
        assert!(matches!(options.mode, Some(ModeArgument::Observe)));
        for (paths, message) in [
            (["a/x", "b/x"], "two of the baselines are called `x`"),
            (["a/x", "a/all"], "a/all: a target cannot be called so"),
            (["a/x", "a/.."], "a/..: a target cannot be called so"),
        ] {
            let refused = read().of(&paths.map(PathBuf::from)).expect_err(message);
            assert_eq!(
                (refused.code, &*refused.message),
                (ReasonCode::Usage, message)
            );
        }
    }
}
