//! Whether everything is here to check a tree.
//!
//! In flow a tree, what is known of its configuration and how make is called; out flow [`Finding`]s: what is here, what
//! is missing, and which packages bring it. Nothing of the tree is run and nothing is kept. What a kernel's own build
//! needs stands in its `Documentation/process/changes.rst`, whose table of versions is read; which options need which
//! tool follows from its Makefiles.

mod headers;
mod machine;
mod packages;
mod programs;
mod tree;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::cpp::child::{self, Child, Environment};
use crate::kbuild::{CompilerFamily, Config, MakeOptions, ObjectTree, Sandbox};

pub use packages::{Family, Packages};

/// Time for an answer of a program.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const ANSWER_LIMIT: u64 = 4 << 20;

/// What is to be examined.
#[derive(Clone, Debug)]
pub struct Request {
    /// Git tree of the kernel or plain source folder.
    pub tree: PathBuf,
    /// Revision of a git tree; `HEAD` if absent.
    pub rev: Option<String>,
    /// What is known of the configuration.
    pub config: Configuration,
    /// Family of compilers that a baseline was made with.
    pub family: Option<String>,
    /// How make is called.
    pub make: MakeOptions,
    /// What would confine what make executes.
    pub sandbox: Sandbox,
    /// Folder of work areas.
    pub work: PathBuf,
    /// Folder of unit results; none if nothing is kept.
    pub cache: Option<PathBuf>,
}

/// What is known of the configuration.
#[derive(Clone, Debug, Default)]
pub enum Configuration {
    /// Nothing.
    #[default]
    Unknown,
    /// All options: one that is not mentioned is not set.
    Whole(Config),
    /// A default configuration of that name in the tree, and fragments over it. Options that it does not mention have
    /// defaults that only the build knows.
    Defconfig(String, Config),
}

/// Whether what a finding is about is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Ok,
    /// A check may do without it, or it could not be told.
    Warn,
    /// A check would end without a verdict.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, such as `bison`.
    pub name: String,
    /// Whether it is in order.
    pub state: State,
    /// What was found, or what it is needed for.
    pub detail: String,
    /// Packages that bring what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Packages>,
    /// What to do, where that is no package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

impl Finding {
    fn new(name: &str, state: State, detail: impl Into<String>) -> Finding {
        Finding {
            name: name.to_owned(),
            state,
            detail: detail.into(),
            packages: None,
            next_step: None,
        }
    }

    fn ok(name: &str, detail: impl Into<String>) -> Finding {
        Finding::new(name, State::Ok, detail)
    }

    fn from(self, packages: Packages) -> Finding {
        Finding {
            packages: Some(packages),
            ..self
        }
    }

    fn next(self, step: impl Into<String>) -> Finding {
        Finding {
            next_step: Some(step.into()),
            ..self
        }
    }
}

/// Looks at everything.
///
/// # Errors
/// If no temporary folder can be made.
pub fn examine(request: &Request) -> std::io::Result<Vec<Finding>> {
    let scratch = tempfile::Builder::new()
        .prefix("kabigate-doctor-")
        .tempdir()?;
    let (mut findings, part) = tree::examine(request, scratch.path());
    let place = Place {
        request,
        home: scratch.path().to_owned(),
        needs: part.as_ref().map_or_else(
            || Needs::new(&request.config, None),
            |part| Needs::new(&request.config, part.defconfig.as_ref()),
        ),
        versions: part
            .as_ref()
            .map(|part| part.versions.clone())
            .unwrap_or_default(),
    };
    let tree = part.map(|part| part.tree);
    findings.extend(place.needs.findings());
    findings.extend(programs::examine(&place, tree.as_ref()));
    findings.extend(headers::examine(&place, tree.as_ref()));
    findings.extend(machine::examine(request));
    Ok(findings)
}

/// Where programs are tried, and what is known of what they are for.
struct Place<'a> {
    request: &'a Request,
    home: PathBuf,
    needs: Needs,
    versions: programs::Versions,
}

impl Place<'_> {
    /// What a program says, on both its outputs; `None` if it cannot be started or fails.
    fn ask(&self, argv: &[&str], stdin: Option<&[u8]>) -> Option<String> {
        let (finished, text) = child::output(&Child {
            argv: &child::argv(argv),
            cwd: &self.home,
            environment: &Environment::new(self.request.make.path.clone(), &self.home),
            stdin,
            time: ANSWER_TIME,
            output: ANSWER_LIMIT,
        })
        .ok()?;
        let said = [text, finished.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        finished.status.success().then_some(said)
    }
}

/// Which options are on.
#[derive(Default)]
struct Needs {
    config: Config,
    is_known: bool,
    is_whole: bool,
}

/// Whether something is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Yes,
    Perhaps,
    No,
}

impl Needs {
    fn new(configuration: &Configuration, defconfig: Option<&Config>) -> Needs {
        match configuration {
            Configuration::Unknown => Needs::default(),
            Configuration::Whole(config) => Needs {
                config: config.clone(),
                is_known: true,
                is_whole: true,
            },
            Configuration::Defconfig(_, fragments) => {
                let mut config = defconfig.cloned().unwrap_or_default();
                config.override_with(fragments);
                Needs {
                    config,
                    is_known: true,
                    is_whole: false,
                }
            }
        }
    }

    /// Whether one of the options is on.
    fn any(&self, options: &[&str]) -> Need {
        if options
            .iter()
            .any(|option| self.config.get(option).is_some_and(|value| value != "n"))
        {
            Need::Yes
        } else if self.is_whole {
            Need::No
        } else {
            Need::Perhaps
        }
    }

    /// What the configuration itself lacks.
    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let name = "configuration";
        if !self.is_known {
            findings.push(
                Finding::new(
                    name,
                    State::Warn,
                    "none is named, so what it needs is not known",
                )
                .next("name it with --config CONFIG or --baseline DIR"),
            );
            return findings;
        }
        if self.any(&["CONFIG_GENDWARFKSYMS"]) == Need::Yes {
            let detail = "CONFIG_GENDWARFKSYMS is on: its CRCs come from debug information";
            findings.push(
                Finding::new(name, State::Missing, detail)
                    .next("use a configuration with CONFIG_GENKSYMS"),
            );
        }
        if self.any(&["CONFIG_MODULES"]) == Need::No {
            let detail = "CONFIG_MODULES is off: such a kernel exports nothing";
            findings.push(
                Finding::new(name, State::Missing, detail)
                    .next("use a configuration with CONFIG_MODULES=y"),
            );
        } else if self.any(&["CONFIG_MODVERSIONS"]) == Need::No {
            let detail =
                "CONFIG_MODVERSIONS is off: CRCs are computed, but that kernel compares none";
            findings.push(Finding::new(name, State::Warn, detail));
        }
        if findings.is_empty() {
            let detail = if self.is_whole {
                "all options are known"
            } else {
                "options that it leaves to the build are not known"
            };
            findings.push(Finding::ok(name, detail));
        }
        findings
    }
}

/// The state of what is absent.
fn absent(need: Need) -> State {
    match need {
        Need::Yes => State::Missing,
        Need::Perhaps | Need::No => State::Warn,
    }
}

/// The compiler's own answer, and its command's words.
fn family_name(tree: &ObjectTree) -> Option<CompilerFamily> {
    tree.compiler().ok().map(|compiler| compiler.family)
}
