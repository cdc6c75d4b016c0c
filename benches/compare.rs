//! Comparing two kernels, verifying a baseline and consolidating symtypes, beside what packages serve for these, in one
//! run.
//!
//! Programs are started as a user starts them, so start-up and report are in the figures. The ratio of CPU time is what
//! counts on a busy machine.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use kabigate::baseline::Baseline;
use kabigate::symtypes::TypeGraph;

const USAGE: &str = "\
usage: cargo bench --bench compare -- OLD NEW [LINUX-SUPPORT]

  OLD, NEW        baseline folders of two kernels
  LINUX-SUPPORT   an unpacked linux-support package of Debian, whose Python library reads Module.symvers

With Debian:
  kabigate baseline create old --tree linux --rev v6.1.170 --config linux-headers-6.1.0-47-amd64.deb
  kabigate baseline create new --tree linux --rev v6.1.176 --config linux-headers-6.1.0-50-amd64.deb
  apt-get download linux-support-6.1.0-50 && dpkg-deb -x linux-support-*.deb support
  cargo bench --bench compare -- old new support";

/// Runs of each; their mean counts, since the system tells CPU time in hundredths of a second.
const RUNS: u32 = 20;
/// Runs of what takes seconds.
const FEW: u32 = 3;

/// What Debian's abicheck did with two files: read both and compare name, CRC and export of each symbol.
const DEBIAN: &str = "\
import sys
sys.path.insert(0, sys.argv[1])
from debian_linux.abi import Symbols
old, new = (Symbols(open(path)) for path in sys.argv[2:4])
changed = [name for name in old.keys() & new.keys() if old[name] != new[name]]
print(len(changed))
";

/// CPU and wall time of one run in seconds.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

fn main() -> ExitCode {
    // `cargo bench` adds `--bench`.
    let words: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .filter(|word| word != "--bench")
        .map(PathBuf::from)
        .collect();
    let (old, new, support) = match words.as_slice() {
        [old, new] => (old, new, None),
        [old, new, support] => (old, new, Some(support)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let symvers = |folder: &Path| folder.join("Module.symvers");
    let (old_symvers, new_symvers) = (symvers(old), symvers(new));
    if !old_symvers.is_file() || !new_symvers.is_file() {
        eprintln!(
            "{}, {}: no baseline folders\n\n{USAGE}",
            old.display(),
            new.display()
        );
        return ExitCode::from(2);
    }
    // Files apart from the types beside them.
    let apart = tempfile::tempdir().unwrap();
    let copy = |from: &Path, name: &str| {
        let to = apart.path().join(name);
        fs::copy(from, &to).unwrap();
        to
    };
    let (old_symvers, new_symvers) = (copy(&old_symvers, "old"), copy(&new_symvers, "new"));

    println!("two Module.symvers");
    let ours = measure(RUNS, || {
        kabigate(&["diff".as_ref(), &old_symvers, &new_symvers])
    });
    row("kabigate diff", ours, ours);
    row(
        "diff (diffutils)",
        measure(RUNS, || {
            run(Command::new("diff").args([&old_symvers, &new_symvers]))
        }),
        ours,
    );
    match support.and_then(|support| library(support)) {
        Some(library) => {
            let mut command = Command::new("python3");
            command
                .args(["-c", DEBIAN])
                .args([&library, &old_symvers, &new_symvers]);
            row("Debian's abi.py", measure(RUNS, || run(&mut command)), ours);
        }
        None => println!("  {:<28} not given", "Debian's abi.py"),
    }

    println!("two kernels with types");
    let ours = measure(RUNS, || kabigate(&["diff".as_ref(), old, new]));
    row("kabigate diff", ours, ours);
    row(
        "kabigate diff, equal sides",
        measure(RUNS, || kabigate(&["diff".as_ref(), old, old])),
        ours,
    );
    row(
        "kabigate baseline verify",
        measure(FEW, || {
            kabigate(&["baseline".as_ref(), "verify".as_ref(), old])
        }),
        ours,
    );

    let objects = apart.path().join("objects");
    let (files, bytes) = write_objects(old, &objects);
    println!(
        "consolidating {files} files of objects, {} MB",
        bytes / 1_000_000
    );
    let ours = measure(FEW, || {
        let text = TypeGraph::from_folder(&objects).unwrap().to_consolidated();
        fs::write(apart.path().join("consolidated"), text).unwrap();
    });
    row("kabigate", ours, ours);
    let sort = format!(
        "cat $(find {} -name '*.symtypes') | LC_ALL=C sort -u",
        objects.display()
    );
    row(
        "sort -u (coreutils)",
        measure(1, || run(Command::new("sh").args(["-c", &sort]))),
        ours,
    );
    ExitCode::SUCCESS
}

/// The folder of the Python library in an unpacked package.
fn library(support: &Path) -> Option<PathBuf> {
    let share = fs::read_dir(support.join("usr/share")).ok()?;
    let libraries = share.filter_map(|entry| Some(entry.ok()?.path().join("lib/python")));
    libraries
        .into_iter()
        .find(|path| path.join("debian_linux/abi.py").is_file())
}

/// Writes the types of each unit as genksyms would; their number and size.
fn write_objects(baseline: &Path, folder: &Path) -> (usize, usize) {
    let types = Baseline::load(baseline).unwrap().types;
    let mut bytes = 0;
    for (path, unit) in types.units() {
        let file = folder.join(format!("{path}.symtypes"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = types.to_object(unit);
        bytes += text.len();
        fs::write(file, text).unwrap();
    }
    (types.units().len(), bytes)
}

fn kabigate(arguments: &[&Path]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kabigate"));
    run(command.args(arguments));
}

/// Runs a program to its end; 1 says that something differs.
fn run(command: &mut Command) {
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(
        matches!(status.code(), Some(0 | 1)),
        "{command:?}: {status}"
    );
}

fn row(name: &str, cost: Cost, ours: Cost) {
    println!(
        "  {name:<28} {:.3} CPU s  {:.3} s  ratio {:.2}",
        cost.cpu,
        cost.wall,
        cost.cpu / ours.cpu
    );
}

fn measure(runs: u32, mut work: impl FnMut()) -> Cost {
    work();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    for _ in 0..runs {
        work();
    }
    Cost {
        cpu: (cpu_seconds() - cpu) / f64::from(runs),
        wall: start.elapsed().as_secs_f64() / f64::from(runs),
    }
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
        .map(|f| f.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}
