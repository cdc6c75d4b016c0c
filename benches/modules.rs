//! Reading and validating all modules of a kernel, against `depmod -n -e -E` on the same files, in one run.
//!
//! Both judge the same modules against the same `Module.symvers`. The ratio of CPU time is what counts on a busy
//! machine; wall time shows what the threads are worth.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use kabigate::modules::{Kernel, Loadability, Module, judge_all, scan};
use kabigate::symvers::Symvers;

const USAGE: &str = "\
usage: cargo bench --bench modules -- ROOT RELEASE MODULE.SYMVERS

  ROOT            folder that holds lib/modules/RELEASE, such as an unpacked linux-image package
  RELEASE         the kernel's release, such as 6.1.0-47-amd64
  MODULE.SYMVERS  the exports to judge against, such as those of the headers package

With Debian:
  apt-get download linux-image-6.1.0-47-amd64 linux-headers-6.1.0-47-amd64
  for package in *.deb; do dpkg-deb -x $package root; done
  cargo bench --bench modules -- root 6.1.0-47-amd64 root/usr/src/linux-headers-6.1.0-47-amd64/Module.symvers";

/// Runs of each; the fastest counts, as all that disturbs only adds.
const RUNS: usize = 5;

/// CPU and wall time in seconds.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

fn main() -> ExitCode {
    // `cargo bench` adds `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|w| w != "--bench")
        .collect();
    let [root, release, symvers] = words.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let folder = Path::new(root).join("lib/modules").join(release);
    if !folder.is_dir() || !Path::new(symvers).is_file() {
        eprintln!(
            "{}: no such folder, or no file {symvers}\n\n{USAGE}",
            folder.display()
        );
        return ExitCode::from(2);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut counted = (0, 0);
    for _ in 0..RUNS {
        theirs.push(measure(|| depmod(root, release, symvers)));
        ours.push(measure(|| counted = validate(&folder, symvers)));
    }
    let (ours, theirs) = (fastest(&ours), fastest(&theirs));
    println!("{} modules, {} of them refused", counted.0, counted.1);
    println!(
        "depmod -n -e -E  {:.3} CPU s  {:.3} s",
        theirs.cpu, theirs.wall
    );
    println!("kabigate         {:.3} CPU s  {:.3} s", ours.cpu, ours.wall);
    println!(
        "ratio            {:.2} CPU    {:.2} wall",
        ours.cpu / theirs.cpu,
        ours.wall / theirs.wall
    );
    ExitCode::SUCCESS
}

fn depmod(root: &str, release: &str, symvers: &str) {
    let status = Command::new("depmod")
        .args(["-n", "-e", "-E", symvers, "-b", root, release])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "depmod did not run"
    );
}

fn validate(folder: &Path, symvers: &str) -> (usize, usize) {
    let (scan, symvers) = rayon::join(
        || scan(&[PathBuf::from(folder)]),
        || {
            let bytes = std::fs::read(symvers).unwrap();
            Symvers::read(&bytes, symvers).unwrap().symvers
        },
    );
    assert!(scan.problems.is_empty(), "{:?}", scan.problems);
    let modules: Vec<&Module> = scan.modules.iter().map(|found| &found.module).collect();
    let judged = judge_all(&modules, &Kernel::of(&symvers));
    let refused = judged
        .iter()
        .filter(|problems| Loadability::of(problems).is_refused());
    (modules.len(), refused.count())
}

fn measure(work: impl FnOnce()) -> Cost {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    work();
    Cost {
        cpu: cpu_seconds() - cpu,
        wall: start.elapsed().as_secs_f64(),
    }
}

/// User and system time of this process and of the children that it waited for, in ticks of a hundredth second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
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

fn fastest(costs: &[Cost]) -> Cost {
    let least = |of: fn(&Cost) -> f64| costs.iter().map(of).fold(f64::INFINITY, f64::min);
    Cost {
        cpu: least(|cost| cost.cpu),
        wall: least(|cost| cost.wall),
    }
}
