//! Options on how kernel trees are configured and computed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::reason;
use super::sandbox::{SandboxArgument, SandboxOptions};
use crate::cpp::EngineKind;
use crate::kbuild::{ConfigSource, MakeOptions, Probes, Sandbox};
use crate::report::{Reason, ReasonCode};
use crate::snapshot::{Settings, UnitCache};

/// How the kernel's own build is called, and where results are kept.
#[derive(Args, Debug)]
#[command(next_help_heading = "Build options")]
pub(crate) struct Toolchain {
    /// Architecture, as Kbuild's ARCH
    #[arg(long, env = "ARCH", value_name = "ARCH")]
    pub(crate) arch: Option<String>,
    /// Prefix of the cross compiler, as Kbuild's CROSS_COMPILE
    #[arg(long, env = "CROSS_COMPILE", value_name = "PREFIX")]
    cross_compile: Option<String>,
    /// Compiler, as Kbuild's CC
    #[arg(long, env = "CC", value_name = "CC")]
    cc: Option<String>,
    /// Build with LLVM, as Kbuild's LLVM (1, a path or a version suffix)
    #[arg(long, env = "LLVM", value_name = "LLVM")]
    llvm: Option<String>,
    /// Preprocessor of units: kabigate's own, or the compiler's
    #[arg(
        long,
        env = "KABIGATE_CPP",
        value_name = "ENGINE",
        default_value = "builtin",
        value_parser = parse_engine
    )]
    cpp: EngineKind,
    /// Units that are computed at a time [default: one per core]
    #[arg(
        short,
        long,
        env = "KABIGATE_JOBS",
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true
    )]
    jobs: usize,
    /// Folder of unit results that are kept between runs [default: $XDG_CACHE_HOME/kabigate]
    #[arg(
        long,
        env = "KABIGATE_CACHE",
        value_name = "DIR",
        conflicts_with = "no_cache"
    )]
    cache: Option<PathBuf>,
    /// Use the results in the cache and write none, as for pull requests that share a cache they must not change
    #[arg(long, env = "KABIGATE_CACHE_READ_ONLY", conflicts_with = "no_cache")]
    cache_read_only: bool,
    /// Size to which the cache is shortened after a run that added to it, such as 500M or 5G
    #[arg(long, env = "KABIGATE_CACHE_LIMIT", value_name = "SIZE", default_value = "5G", value_parser = size)]
    cache_limit: u64,
    /// Compute every commit from scratch: keep no unit result and no object tree
    #[arg(long)]
    no_cache: bool,
    /// Folder for a work area of this run alone, which takes about 2 GiB while the command runs [default: one in the cache,
    /// where it stays for the next run; without a cache that may be written, the system's temporary folder]
    #[arg(long, env = "KABIGATE_WORK", value_name = "DIR")]
    work: Option<PathBuf>,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

/// How the kernel's own build is called for a target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Build {
    pub(crate) arch: Option<String>,
    pub(crate) cc: Option<String>,
    pub(crate) cross_compile: Option<String>,
    pub(crate) llvm: Option<String>,
}

impl Build {
    /// These, and where one is not set, the other one.
    pub(crate) fn or(self, other: &Build) -> Build {
        Build {
            arch: self.arch.or_else(|| other.arch.clone()),
            cc: self.cc.or_else(|| other.cc.clone()),
            cross_compile: self.cross_compile.or_else(|| other.cross_compile.clone()),
            llvm: self.llvm.or_else(|| other.llvm.clone()),
        }
    }
}

/// Wall time that one call of make may take.
const MAKE_TIME: Duration = Duration::from_secs(3600);

impl Toolchain {
    /// What confines what make executes.
    pub(crate) fn sandbox(&self) -> Result<Sandbox, Reason> {
        self.sandbox.find(None)
    }

    /// The settings of a builder; `build` and `sandbox` are used where the options name nothing.
    pub(crate) fn settings(
        &self,
        config: ConfigSource,
        build: &Build,
        sandbox: Option<SandboxArgument>,
    ) -> Result<Settings, Reason> {
        let mut make = self.make_options(build);
        make.sandbox = self.sandbox.find(sandbox)?;
        let jobs = make.jobs;
        let work = self.work_folder();
        std::fs::create_dir_all(&work).map_err(|error| {
            reason(
                ReasonCode::InputInvalid,
                format!("{}: {error}", work.display()),
                "name a folder with --work DIR",
            )
        })?;
        let cache = self.cache_folder().map(|folder| {
            let cache = UnitCache::new(&folder);
            if self.cache_read_only {
                cache.read_only()
            } else {
                cache
            }
        });
        Ok(Settings {
            make,
            config,
            cpp: self.cpp,
            cache,
            jobs,
            work,
            keeps_area: self.work.is_none(),
        })
    }

    /// What make is told; `build` is used where the options name nothing.
    pub(crate) fn make_options(&self, build: &Build) -> MakeOptions {
        let path =
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let mut make = MakeOptions::new(path);
        let own = Build {
            arch: self.arch.clone(),
            cc: self.cc.clone(),
            cross_compile: self.cross_compile.clone(),
            llvm: self.llvm.clone(),
        };
        let build = own.or(build);
        make.arch = build.arch;
        make.cross_compile = build.cross_compile;
        make.cc = build.cc;
        make.llvm = build.llvm;
        make.jobs = match self.jobs {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            jobs => jobs,
        };
        make.timeout = MAKE_TIME;
        make.probes = std::env::current_exe().ok().map(Probes::new);
        make
    }

    /// The folder in which work areas are made.
    pub(crate) fn work_folder(&self) -> PathBuf {
        self.work.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// The folder of unit results, if any are kept.
    pub(crate) fn cache_folder(&self) -> Option<PathBuf> {
        if self.no_cache {
            return None;
        }
        self.cache.clone().or_else(cache_folder)
    }

    /// Shortens the cache after a run, if the run added to it; hands back what went wrong with the cache, which costs time
    /// later and nothing else.
    pub(crate) fn shorten(&self, cache: Option<&UnitCache>) -> Option<String> {
        let cache = cache?;
        let shortened = if cache.has_grown() {
            cache.prune(self.cache_limit).err()
        } else {
            None
        };
        match (cache.refused(), shortened) {
            (Some(error), _) => Some(format!("the cache cannot be written: {error}")),
            (None, Some(error)) => Some(format!("the cache cannot be shortened: {error}")),
            (None, None) => None,
        }
    }
}

/// The folder of unit results where no option names one.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("kabigate"))
}

/// Reads a size: a number of bytes, or of `K`, `M`, `G` or `T`, which are powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return Err("write a number with K, M, G or T, such as 500M".to_owned()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "write a number with K, M, G or T, such as 500M".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "the size is too large".to_owned())
}

fn parse_engine(text: &str) -> Result<EngineKind, String> {
    let known = EngineKind::ALL.iter().find(|kind| kind.name() == text);
    known.copied().ok_or_else(|| {
        let names: Vec<&str> = EngineKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("known are {}", names.join(" and "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes are powers of 1024; anything else is refused.
    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", 0),
            ("12", 12),
            ("3K", 3 << 10),
            ("500M", 500 << 20),
            ("5GiB", 5 << 30),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in ["", "G", "-1", "5 G", "5X", "99999999T", "1.5G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
