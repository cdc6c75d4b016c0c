//! `kabigate validate`: built modules against candidate kernels.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::outputs::Outputs;
use super::sandbox::SandboxOptions;
use super::stdout::{note, warning};
use super::{Context, Outcome, sandbox};
use crate::baseline::Candidate;
use crate::check::{Rebuilding, Rebuilt, Validate as Inputs, candidate_reason, rebuild, validate};
use crate::kbuild::{MakeOptions, Sandbox};
use crate::modules::{MissingVersion, Module, Scan, scan, scan_with_sources};
use crate::report::escape;

const EXAMPLES: &str = "\
Exit codes:
  0  every module loads into every kernel
  1  a module stops loading
  2  wrong usage, or a module, package or kernel that cannot be read
  3  it cannot be said of a module whether it loads

Examples:
  kabigate validate drivers/*.rpm --against /lib/modules/6.1.0-50-amd64
  kabigate validate acme.ko --against linux-headers-6.1.0-50-amd64.deb linux-headers-6.12.deb
  kabigate validate acme-dkms.deb --rebuild --against /usr/src/linux-headers-6.1.0-50-amd64
  kabigate validate drivers/ --against baselines/x86_64 --output console --output junit:modules.xml";

/// Judge built modules against candidate kernels, as the kernel's module loader would
///
/// Every module stands against every kernel. Modules may need one another; those given together are judged together.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Validate {
    /// Modules (.ko, .ko.gz, .ko.xz, .ko.zst), packages (.deb, .rpm), tar archives, folders of these, DKMS sources, or
    /// output of `modprobe --dump-modversions`
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Kernels: a Module.symvers (plain or packed), a baseline folder, a headers package (unpacked or .deb), a build
    /// tree, or a /lib/modules/RELEASE folder; repeatable
    #[arg(long, value_name = "CANDIDATE", required = true, num_args = 1..)]
    against: Vec<PathBuf>,
    /// What the kernels do with an import that has no version record [default: by the kernel's release]
    #[arg(long, value_enum, value_name = "WHAT")]
    missing_versions: Option<MissingArgument>,
    /// Compile DKMS and Kbuild sources among PATH for each kernel. Runs dkms.conf and Makefiles, in a sandbox.
    /// The kernels must be unpacked headers packages, build trees, or /lib/modules/RELEASE with its `build`
    #[arg(long)]
    rebuild: bool,
    /// Wall time that one rebuild may take, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 1800,
        requires = "rebuild"
    )]
    rebuild_time: u64,
    /// Compiler of rebuilds, as Kbuild's CC
    #[arg(long, env = "CC", value_name = "CC")]
    cc: Option<String>,
    /// Folder for rebuilds [default: the system's temporary folder]
    #[arg(long, env = "KABIGATE_WORK", value_name = "DIR")]
    work: Option<PathBuf>,
    #[command(flatten)]
    sandbox: SandboxOptions,
    #[command(flatten)]
    outputs: Outputs,
}

/// `--missing-versions`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MissingArgument {
    /// Load the module with a warning, as kernels since 4.9 do
    Warns,
    /// Refuse the module, as Debian's kernels do
    Refuses,
}

impl Validate {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        self.outputs.check_validation()?;
        let (mut candidates, mut reasons, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        // Kernels and modules are read side by side.
        let (loaded, scan) = rayon::join(
            || {
                let each = self.against.iter();
                each.map(|path| Candidate::load(path, None))
                    .collect::<Vec<_>>()
            },
            || {
                if self.rebuild {
                    scan_with_sources(&self.paths)
                } else {
                    scan(&self.paths)
                }
            },
        );
        for candidate in loaded {
            match candidate {
                Ok(candidate) => {
                    warnings.extend(candidate.warnings.iter().cloned());
                    candidates.push(candidate);
                }
                Err(error) => reasons.push(candidate_reason(&error)),
            }
        }
        for found in &scan.modules {
            let path = &found.module.path;
            let each = found.module.warnings.iter();
            warnings.extend(each.map(|text| format!("{path}: {text}")));
        }
        let (mut rebuilt, mut confined) = (Vec::new(), None);
        if self.rebuild {
            let found = self.sandbox.find(None)?;
            let facts = sandbox::facts(&found);
            warnings.extend(facts.warning());
            confined = Some(facts);
            rebuilt = self.rebuild(context, &scan, &candidates, found);
        }
        let inputs = Inputs {
            scan: &scan,
            candidates: &candidates,
            missing_version: self.missing_versions.map(|argument| match argument {
                MissingArgument::Warns => MissingVersion::Warns,
                MissingArgument::Refuses => MissingVersion::Refuses,
            }),
            rebuilt: &rebuilt,
        };
        for text in &warnings {
            warning(context, text);
        }
        let mut validation = validate(&inputs, reasons, warnings);
        validation.sandbox = confined;
        self.outputs.write_validation(context, &validation)
    }

    /// Compiles each source tree for each kernel, one after the other: make itself works in parallel.
    fn rebuild(
        &self,
        context: &Context,
        scan: &Scan,
        candidates: &[Candidate],
        sandbox: Sandbox,
    ) -> Vec<Vec<Rebuilt>> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        let mut options = MakeOptions::new(path);
        options.cc.clone_from(&self.cc);
        options.sandbox = sandbox;
        options.timeout = Duration::from_secs(self.rebuild_time);
        options.jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
        let work = self.work.clone().unwrap_or_else(std::env::temp_dir);
        let given: Vec<&Module> = scan.modules.iter().map(|found| &found.module).collect();
        let each = candidates.iter().map(|candidate| {
            let rebuilding = Rebuilding {
                candidate,
                options: &options,
                work: &work,
            };
            rebuild(&scan.sources, &given, &rebuilding, &mut |sources| {
                let name = escape::terminal(sources.name());
                let kernel = escape::terminal(&candidate.name());
                note(context, &format!("compiling {name} for {kernel}"));
            })
        });
        each.collect()
    }
}
