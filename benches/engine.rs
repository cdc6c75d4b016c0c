//! What a kernel's Module.symvers costs here, against `gcc -E` with the kernel's genksyms and against compiling, in one run.
//!
//! Prints Markdown. CPU time counts, of this process and its children; the other ways are measured on random samples of the
//! same plan and extrapolated. Every measurement is made in a process of its own, so that memory is its own too.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use kabigate::cpp::{EngineKind, Gcc, GccLimits};
use kabigate::history::Repo;
use kabigate::kbuild::{
    ConfigBase, ConfigSource, ConfigText, Difference, Language, MakeOptions, Unit, read_config,
};
use kabigate::snapshot::{Builder, Counters, Progress, Settings, Source, UnitCache};
use serde::{Deserialize, Serialize};
use support::units::Kernel;
use support::{Random, git};

const USAGE: &str = "\
usage: cargo bench --bench engine -- TREE CONFIG

  TREE    folder with a kernel's sources
  CONFIG  a .config file or an unpacked headers package of a distribution

SEED says which units are drawn for the samples (default: from the clock; printed), SAMPLE how many (default: 100),
SCRATCH a folder for some 8 GiB (default: the system's temporary folder).

With Debian:
  apt-get download linux-source-6.1 linux-headers-6.1.0-50-amd64
  for package in *.deb; do dpkg-deb -x $package root; done
  tar -xf root/usr/src/linux-source-6.1.tar.xz
  cargo bench --bench engine -- linux-source-6.1 root/usr/src/linux-headers-6.1.0-50-amd64";

/// What every configuration needs to have CRCs.
const VERSIONED: &[u8] = b"CONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\n";

/// Changes that a commit may make: what it is, the file, the text that is looked for, and what it becomes.
const EDITS: [(&str, &str, &str, &str); 5] = [
    (
        "one `.c` file",
        "kernel/panic.c",
        "#include <linux/debug_locks.h>",
        "#include <linux/debug_locks.h>\nextern int kabigate_bench;",
    ),
    (
        "a comment in a header of all units",
        "include/linux/kernel.h",
        "#include <linux/stdarg.h>",
        "/* A comment. */\n#include <linux/stdarg.h>",
    ),
    (
        "a function body in a header of all units",
        "include/linux/list.h",
        "static inline void INIT_LIST_HEAD(struct list_head *list)\n{",
        "static inline void INIT_LIST_HEAD(struct list_head *list)\n{\n\t(void)list;",
    ),
    (
        "a new field in `struct sk_buff`",
        "include/linux/skbuff.h",
        "struct sk_buff {",
        "struct sk_buff {\n\tunsigned long kabigate_bench;",
    ),
    (
        "one line of a Makefile",
        "kernel/Makefile",
        "obj-y     = ",
        "CFLAGS_panic.o += -DKABIGATE_BENCH\nobj-y     = ",
    ),
];

/// CPU and wall time in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// One snapshot: what each phase cost, and how much there was to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Taken {
    phases: BTreeMap<String, Cost>,
    objects: usize,
    candidates: usize,
    computed: usize,
    exports: usize,
}

impl Taken {
    fn sum(&self, phases: impl Fn(&str) -> bool) -> Cost {
        let chosen = self.phases.iter().filter(|(name, _)| phases(name));
        chosen.fold(Cost::default(), |sum, (_, cost)| Cost {
            cpu: sum.cpu + cost.cpu,
            wall: sum.wall + cost.wall,
        })
    }

    fn whole(&self) -> Cost {
        self.sum(|_| true)
    }

    /// Everything after prepare and plan.
    fn units(&self) -> Cost {
        self.sum(|name| matches!(name, "units" | "make generated sources" | "assemble"))
    }
}

/// What one process measured: the first snapshot, one for each edit, and its peak of memory.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Measured {
    cold: Taken,
    edits: Vec<Taken>,
    peak_mib: u64,
}

/// The phase that runs: its name, and wall and CPU time at its start.
type Running = (String, Instant, f64);

/// Takes the time at every change of phase.
#[derive(Default)]
struct Clock(Mutex<(Option<Running>, Taken)>);

impl Clock {
    fn turn(&self, next: Option<&str>) {
        let mut state = self.0.lock().unwrap();
        let (cpu, now) = (cpu_seconds(), Instant::now());
        if let Some((name, started, before)) = state.0.take() {
            let cost = state.1.phases.entry(name).or_default();
            cost.cpu += cpu - before;
            cost.wall += now.duration_since(started).as_secs_f64();
        }
        state.0 = next.map(|name| (name.to_owned(), now, cpu));
    }

    fn take(&self) -> Taken {
        self.turn(None);
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

impl Progress for Clock {
    fn commit(&self, _: usize, _: usize, _: &str) {}
    fn phase(&self, name: &str) {
        self.turn(Some(name));
    }
    fn configuration(&self, _: &[Difference]) {}
    fn units(&self, _: usize) {
        self.turn(Some("units"));
    }
    fn unit_done(&self) {}
    fn done(&self, counters: &Counters) {
        self.turn(None);
        let taken = &mut self.0.lock().unwrap().1;
        taken.objects = counters.objects;
        taken.candidates = counters.candidates;
        taken.computed = counters.computed;
    }
}

fn main() -> ExitCode {
    // `cargo bench` adds `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["measure", scratch, config, jobs, edits] => {
            let measured = measure(
                Path::new(scratch),
                config,
                jobs.parse().unwrap(),
                *edits == "edits",
            );
            println!("{}", serde_json::to_string(&measured).unwrap());
            ExitCode::SUCCESS
        }
        [tree, config]
            if Path::new(tree).join("Kbuild").is_file() && Path::new(config).exists() =>
        {
            compare(Path::new(tree), config);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn compare(tree: &Path, config: &str) {
    let tree = fs::canonicalize(tree).unwrap();
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let seed = number("SEED").unwrap_or(since_epoch.as_secs());
    let sample = usize::try_from(number("SAMPLE").unwrap_or(100)).unwrap();
    let parent = std::env::var_os("SCRATCH").map_or_else(std::env::temp_dir, PathBuf::from);
    let scratch = tempfile::tempdir_in(parent).unwrap();
    make_repository(&tree, scratch.path());
    println!("{}\n", machine());
    println!("SEED={seed} SAMPLE={sample}\n");

    let two = measured(scratch.path(), config, 2, true);
    let one = measured(scratch.path(), config, 1, false);
    let others = Others::measure(
        &tree,
        config,
        scratch.path(),
        sample,
        &mut Random(seed.max(1)),
    );
    print_comparison(&two, &one, &others);
    print_edits(&two, &others);

    println!(
        "| configuration | objects | candidates | exports | whole, CPU s | units phase, CPU s | memory, MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for name in ["tinyconfig", "defconfig"] {
        print_growth(name, &measured(scratch.path(), name, 2, false));
    }
    print_growth("the distribution's", &two);
}

fn print_comparison(two: &Measured, one: &Measured, others: &Others) {
    let units = two.cold.units().cpu;
    println!("| way | CPU s | wall s | ratio | memory, MiB |");
    println!("|---|---|---|---|---|");
    for (threads, run) in [(1, one), (2, two)] {
        let (whole, units) = (run.cold.whole(), run.cold.units());
        println!(
            "| kabigate, cold, {threads} thread{}: whole command | {:.0} | {:.0} | | {} |",
            if threads == 1 { "" } else { "s" },
            whole.cpu,
            whole.wall,
            run.peak_mib
        );
        println!(
            "| — its units phase | {:.0} | {:.0} | | |",
            units.cpu, units.wall
        );
    }
    println!(
        "| `gcc -E` + genksyms of {} candidates ({} drawn) | {:.0} | | {:.1} times the units phase | |",
        two.cold.candidates,
        others.candidates,
        others.genksyms,
        others.genksyms / units
    );
    println!(
        "| compiling {} objects ({} drawn) | {:.0} | | {:.0} times the units phase | |\n",
        two.cold.objects,
        others.objects,
        others.compile,
        others.compile / units
    );
}

fn print_edits(two: &Measured, others: &Others) {
    println!(
        "| next commit changes | CPU s | wall s | units computed | against `gcc -E` + genksyms of all |"
    );
    println!("|---|---|---|---|---|");
    for (edit, taken) in EDITS.iter().zip(&two.edits) {
        let cost = taken.whole();
        println!(
            "| {} | {:.2} | {:.2} | {} | 1 / {:.0} |",
            edit.0,
            cost.cpu,
            cost.wall,
            taken.computed,
            others.genksyms / cost.cpu.max(0.01)
        );
    }
    println!();
}

fn print_growth(name: &str, run: &Measured) {
    let cold = &run.cold;
    println!(
        "| {name} | {} | {} | {} | {:.0} | {:.1} | {} |",
        cold.objects,
        cold.candidates,
        cold.exports,
        cold.whole().cpu,
        cold.units().cpu,
        run.peak_mib
    );
}

/// The machine, without its name.
fn machine() -> String {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default();
        line.split_once(':')
            .map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let kib = first("/proc/meminfo", "MemTotal");
    let kib: u64 = kib
        .split(' ')
        .next()
        .unwrap_or_default()
        .parse()
        .unwrap_or_default();
    let compiler = Command::new("gcc")
        .arg("--version")
        .output()
        .unwrap()
        .stdout;
    format!(
        "{} cores of {}, {} GiB of memory, {}",
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        first("/proc/cpuinfo", "model name"),
        kib >> 20,
        String::from_utf8_lossy(&compiler)
            .lines()
            .next()
            .unwrap_or_default()
    )
}

/// A bare repository `linux.git` with the tree as commit `base`, and a commit on it for every edit, `edit-0` and so on.
fn make_repository(tree: &Path, scratch: &Path) {
    git(scratch, ["init", "-q", "--bare", "-b", "main", "linux.git"]);
    let git_dir = format!("--git-dir={}", scratch.join("linux.git").display());
    let work_tree = format!("--work-tree={}", tree.display());
    let run = |arguments: &[&str]| {
        let all = [
            &git_dir,
            &work_tree,
            "-c",
            "core.looseCompression=0",
            "-c",
            "gc.auto=0",
        ];
        git(tree, all.iter().copied().chain(arguments.iter().copied()))
    };
    run(&["add", "-A", "-f"]);
    run(&["commit", "-q", "-m", "base"]);
    run(&["tag", "base"]);
    for (at, (what, file, old, new)) in EDITS.iter().enumerate() {
        let text = fs::read_to_string(tree.join(file)).unwrap();
        assert!(text.contains(old), "{file}: no {old:?} for {what}");
        let edited = scratch.join("edited");
        fs::write(&edited, text.replacen(old, new, 1)).unwrap();
        let blob = run(&[
            "hash-object",
            "-w",
            "--no-filters",
            edited.to_str().unwrap(),
        ]);
        run(&["read-tree", "base"]);
        run(&[
            "update-index",
            "--cacheinfo",
            &format!("100644,{blob},{file}"),
        ]);
        let top = run(&["write-tree"]);
        let commit = run(&["commit-tree", "-p", "base", "-m", what, &top]);
        run(&["tag", &format!("edit-{at}"), &commit]);
    }
}

/// Measures in a process of its own.
fn measured(scratch: &Path, config: &str, jobs: usize, edits: bool) -> Measured {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "measure",
            scratch.to_str().unwrap(),
            config,
            &jobs.to_string(),
        ])
        .arg(if edits { "edits" } else { "cold" })
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "a measurement failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A cold snapshot, and one after each edit, from the base.
fn measure(scratch: &Path, config: &str, jobs: usize, edits: bool) -> Measured {
    let folder = tempfile::tempdir_in(scratch).unwrap();
    let mut make = MakeOptions::new(std::env::var_os("PATH").unwrap());
    make.jobs = jobs;
    let settings = Settings {
        make,
        config: config_source(config),
        cpp: EngineKind::Builtin,
        cache: Some(UnitCache::new(&folder.path().join("cache"))),
        jobs,
        work: folder.path().to_owned(),
        keeps_area: false,
    };
    let clock = Clock::default();
    let mut builder = Builder::new(settings, &clock).unwrap();
    let repo = Repo::open(&scratch.join("linux.git")).unwrap();
    let mut snapshot = |rev: &str| {
        let commit = repo.resolve(rev).unwrap();
        let source = Source::Commit {
            repo: &repo,
            commit: &commit,
        };
        let snapshot = builder.snapshot(source).unwrap();
        Taken {
            exports: snapshot.symvers.len(),
            ..clock.take()
        }
    };
    let cold = snapshot("base");
    let mut taken = Vec::new();
    for at in 0..EDITS.len() * usize::from(edits) {
        taken.push(snapshot(&format!("edit-{at}")));
        snapshot("base");
    }
    Measured {
        cold,
        edits: taken,
        peak_mib: peak_mib(),
    }
}

fn config_source(config: &str) -> ConfigSource {
    if Path::new(config).exists() {
        return ConfigSource {
            base: ConfigBase::Text(read_config(Path::new(config)).unwrap()),
            fragments: Vec::new(),
        };
    }
    let fragment = ConfigText {
        bytes: VERSIONED.to_vec(),
        label: "modversions".to_owned(),
    };
    ConfigSource {
        base: ConfigBase::Defconfig(config.to_owned()),
        fragments: vec![fragment],
    }
}

/// What the other ways cost, extrapolated from samples to the whole plan, in CPU seconds.
struct Others {
    candidates: usize,
    objects: usize,
    genksyms: f64,
    compile: f64,
}

impl Others {
    fn measure(
        tree: &Path,
        config: &str,
        scratch: &Path,
        sample: usize,
        random: &mut Random,
    ) -> Others {
        let obj = scratch.join("obj");
        let kernel = Kernel::prepare(tree, &obj, &config_source(config));
        let is_c = |unit: &Unit| unit.language == Language::C && !unit.generated;
        let candidates = kernel.candidates();
        let objects = kernel.tree.plan().unwrap().units;
        let (some, of_candidates) = draw(&candidates, sample, random, is_c);
        let gcc = Gcc::new(kernel.tree.environment(), None, GccLimits::default());
        let genksyms = obj.join("scripts/genksyms/genksyms");
        let (drawn, cost) = sum(&some, |unit| {
            let Ok(preprocessed) = gcc.preprocess(&unit.call) else {
                return false;
            };
            let mut child = Command::new(&genksyms)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), &preprocessed.text)
                .unwrap();
            child.wait().unwrap().success()
        });
        let (all, of_objects) = draw(&objects, sample, random, is_c);
        let (compiled, compile) = sum(&all, |unit| compiles(unit, scratch));
        Others {
            candidates: drawn,
            objects: compiled,
            genksyms: cost / drawn as f64 * of_candidates as f64,
            compile: compile / compiled as f64 * of_objects as f64,
        }
    }
}

/// Draws units that fit; hands back how many there are to draw from, too.
fn draw<'u>(
    units: &'u [Unit],
    count: usize,
    random: &mut Random,
    fits: impl Fn(&Unit) -> bool,
) -> (Vec<&'u Unit>, usize) {
    let mut left: Vec<&Unit> = units.iter().filter(|unit| fits(unit)).collect();
    let all = left.len();
    let drawn = (0..count.min(all)).map(|_| left.swap_remove(random.below(left.len())));
    (drawn.collect(), all)
}

/// How many units could be done, and the CPU seconds that these took. Headers that only a rule of the object makes are
/// missing for some.
fn sum(units: &[&Unit], work: impl Fn(&Unit) -> bool) -> (usize, f64) {
    let mut done = (0, 0.0);
    for unit in units {
        let before = cpu_seconds();
        if work(unit) {
            done = (done.0 + 1, done.1 + cpu_seconds() - before);
        }
    }
    assert!(
        done.0 * 10 > units.len() * 9,
        "only {} of {} units",
        done.0,
        units.len()
    );
    done
}

fn compiles(unit: &Unit, scratch: &Path) -> bool {
    let call = &unit.call;
    let status = Command::new(&call.program[0])
        .args(&call.program[1..])
        .args(call.args.iter().map(|word| &**word))
        .args(["-w", "-c", "-o"])
        .arg(scratch.join("compiled.o"))
        .arg(&call.source)
        .current_dir(&call.cwd)
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// User and system time of this process and of the children that it waited for, in ticks of a hundredth second.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_ascii_whitespace()
        .collect();
    // Fields 14 to 17 of proc(5), counted behind the name, which is field 2.
    let ticks: f64 = fields[11..15]
        .iter()
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

/// The most memory that this process held.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line
        .split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kib >> 10
}
