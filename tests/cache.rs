//! Runs that are killed, run out of room, share a cache or find it damaged: the next run gives exactly the right answer,
//! and nothing is left behind. On a real 6.1 kernel in a small configuration.
//!
//! `KABIGATE_TEST_SEED` says what is damaged; it is printed, so that a run can be repeated.

#![allow(
    missing_docs,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Ended, Random, Run, git};

/// Longest wait for a moment in a run, or for the children of a killed one.
const PATIENCE: Duration = Duration::from_secs(900);

/// Units whose results are in the cache when a run is killed.
const HALF_WAY: usize = 100;

/// A bare repository with a kernel and one commit on top of it, a baseline, and the right answers.
struct Place {
    folder: tempfile::TempDir,
    symvers: Vec<u8>,
    report: Vec<u8>,
}

impl Place {
    fn new() -> Place {
        let mut place = Place {
            folder: tempfile::tempdir_in(support::target()).unwrap(),
            symvers: Vec::new(),
            report: Vec::new(),
        };
        place.make_repository();
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let list = top.join("examples/stablelist");
        let arguments = [
            "baseline",
            "create",
            &place.text("baseline"),
            "--rev",
            "base",
        ];
        place
            .run("first", &arguments)
            .args(place.config())
            .args(["--protect", list.to_str().unwrap()])
            .end()
            .code(0);
        place.symvers = fs::read(place.path("baseline/Module.symvers")).unwrap();
        place.check("first").end().code(1);
        place.report = fs::read(place.path("first.json")).unwrap();
        let report: Value = serde_json::from_slice(&place.report).unwrap();
        assert_eq!(report["verdict"], "fail");
        assert!(place.symvers.len() > 100_000);
        place
    }

    /// The sources of the kernel as commit `base`, and on it one patch that changes a structure that hundreds of units read.
    fn make_repository(&self) {
        let kernel = fs::canonicalize(support::kernel("linux-6.1")).unwrap();
        let git_dir = format!("--git-dir={}", self.text("linux.git"));
        git(
            self.folder.path(),
            ["init", "-q", "--bare", "-b", "main", "linux.git"],
        );
        let run = |arguments: &[&str]| {
            let work_tree = format!("--work-tree={}", kernel.display());
            let all = [
                &git_dir,
                &work_tree,
                "-c",
                "core.looseCompression=0",
                "-c",
                "gc.auto=0",
            ];
            git(
                &kernel,
                all.iter().copied().chain(arguments.iter().copied()),
            )
        };
        run(&["add", "-A", "-f"]);
        run(&["commit", "-q", "-m", "Linux 6.1"]);
        run(&["tag", "base"]);
        let series = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/series");
        let patch = series.join("0002-net-count-the-link-flaps-of-a-device.patch");
        run(&["apply", "--cached", patch.to_str().unwrap()]);
        run(&[
            "commit",
            "-q",
            "-m",
            "net: count the link flaps of a device",
        ]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn config(&self) -> [String; 4] {
        let fragment = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gate.config");
        let fragment = fragment.to_str().unwrap().to_owned();
        [
            "--config".to_owned(),
            "tinyconfig".to_owned(),
            "--config".to_owned(),
            fragment,
        ]
    }

    /// A command on the repository with the cache of that name; all share a folder for work areas.
    fn run(&self, cache: &str, arguments: &[&str]) -> Run {
        Run::new(arguments)
            .args([
                "--tree",
                &self.text("linux.git"),
                "--work",
                &self.text("work"),
            ])
            .args(["--cache", &self.text(&format!("{cache}.cache")), "-v"])
    }

    /// A check of the commit, with its report in `NAME.json`.
    fn check(&self, name: &str) -> Run {
        let arguments = [
            "check",
            "--range",
            "base..main",
            "--baseline",
            &self.text("baseline"),
        ];
        let output = format!("json:{}", self.text(&format!("{name}.json")));
        self.run(name, &arguments).args(["--output", &output])
    }

    /// The Module.symvers of commit `base`, in `NAME.symvers`.
    fn symvers(&self, cache: &str, name: &str) -> Run {
        let arguments = [
            "symvers",
            "--rev",
            "base",
            "--out",
            &self.text(&format!("{name}.symvers")),
        ];
        self.run(cache, &arguments).args(self.config())
    }

    #[track_caller]
    fn assert_report(&self, name: &str) {
        let report = fs::read(self.path(&format!("{name}.json"))).unwrap();
        assert!(report == self.report, "{name}.json is another report");
    }

    #[track_caller]
    fn assert_symvers(&self, name: &str) {
        let symvers = fs::read(self.path(&format!("{name}.symvers"))).unwrap();
        assert!(symvers == self.symvers, "{name}.symvers is another table");
    }

    /// Names of what lies in the folder for work areas.
    fn work_areas(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("work")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Each step's own function says what it checks.
#[test]
fn the_next_run_is_exact() {
    let seed = std::env::var("KABIGATE_TEST_SEED").map_or_else(
        |_| u64::from(std::process::id()) << 20 | 0x6b61_6269,
        |seed| seed.parse().unwrap(),
    );
    eprintln!("KABIGATE_TEST_SEED={seed}");
    let place = Place::new();
    killed_runs(&place);
    damaged_cache(&place, &mut Random(seed));
    runs_at_once(&place);
    full_cache(&place);
    full_work_area(&place);
    full_output(&place);
}

/// Runs that are killed while they check out and while they compute units leave no wrong answer, and work areas that the
/// next run removes.
fn killed_runs(place: &Place) {
    let mut run = place.check("killed").start();
    wait_for(&mut run, "files in the work area", || {
        let mut areas = place.work_areas().into_iter();
        areas.any(|area| fs::read_dir(area.join("src")).is_ok_and(|list| list.count() > 5))
    });
    kill(run);
    assert_eq!(place.work_areas().len(), 1, "what the killed run left");
    assert!(!place.path("killed.json").exists());
    let mut run = place.check("killed").start();
    wait_for(&mut run, "results in the cache", || {
        files(&place.path("killed.cache")).len() > 2 * HALF_WAY
    });
    kill(run);
    wait_until("the children's end", || {
        !has_children_in(&place.path("work"))
    });
    let ended = place.check("killed").end().code(1);
    place.assert_report("killed");
    assert_eq!(place.work_areas(), [] as [PathBuf; 0], "all is removed");
    let (computed, all) = computed(&ended);
    assert!(
        computed + HALF_WAY / 2 < all,
        "{computed} of {all} units were computed: the killed run's are not used"
    );
}

/// Entries with flipped bits, cut ones and empty ones are found by `cache verify`, never used, and replaced.
fn damaged_cache(place: &Place, random: &mut Random) {
    let cache = place.text("killed.cache");
    let mut damaged = 0;
    for path in files(&place.path("killed.cache")) {
        let mut bytes = fs::read(&path).unwrap();
        match random.below(4) {
            0 => continue,
            1 => bytes.truncate(random.below(bytes.len())),
            _ => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        fs::write(path, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > HALF_WAY, "only {damaged} entries");
    let said = format!(", {damaged} damaged");
    Run::new(["cache", "verify", "--keep", "--cache", &cache])
        .end()
        .code(3)
        .out_has(&said);
    place.check("killed").end().code(1);
    place.assert_report("killed");
    Run::new(["cache", "verify", "--keep", "--cache", &cache])
        .end()
        .code(0)
        .out_has(", 0 damaged");
}

/// Two runs that fill one cache while a third empties it over and over do not disturb each other.
fn runs_at_once(place: &Place) {
    let cache = place.text("shared.cache");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pruning = scope.spawn(|| {
            let mut times = 0;
            while !done.load(Ordering::Relaxed) {
                let prune = ["cache", "prune", "--cache-limit", "1M", "--cache", &cache];
                Run::new(prune).end().code(0);
                times += 1;
                std::thread::sleep(Duration::from_millis(500));
            }
            times
        });
        let runs = ["one", "two"]
            .map(|name| scope.spawn(move || place.symvers("shared", name).end().code(0)));
        let ended = runs.map(|run| run.join());
        done.store(true, Ordering::Relaxed);
        assert!(pruning.join().unwrap() > 2);
        for run in ended {
            run.unwrap();
        }
    });
    place.assert_symvers("one");
    place.assert_symvers("two");
    Run::new(["cache", "verify", "--keep", "--cache", &cache])
        .end()
        .code(0)
        .out_has(", 0 damaged");
    assert_eq!(place.work_areas(), [] as [PathBuf; 0]);
}

/// A cache that runs out of room costs nothing but a warning; what is in it is whole.
fn full_cache(place: &Place) {
    let script = r#"
        "$KABIGATE" "$@" --cache "$DISK" || exit
        left=$(df -k --output=avail "$DISK" | tail -n 1)
        [ "$left" -lt 64 ] || { echo "the disk is not full: $left KiB left" >&2; exit 98; }
        "$KABIGATE" cache verify --keep --cache "$DISK""#;
    let out = place.text("full.symvers");
    let tree = place.text("linux.git");
    let work = place.text("work");
    let arguments = [
        "symvers", "--rev", "base", "--tree", &tree, "--work", &work, "--out", &out,
    ];
    on_small_disk(
        2048,
        script,
        &[
            &arguments[..],
            &place.config().each_ref().map(|word| &**word),
        ]
        .concat(),
    )
    .code(0)
    .out_has(", 0 damaged")
    .err_has("warning: the cache cannot be written: No space left on device");
    place.assert_symvers("full");
}

/// A work area that runs out of room is "could not check", with the next step, and is removed.
fn full_work_area(place: &Place) {
    let script = r#"
        code=0
        "$KABIGATE" "$@" --work "$DISK" || code=$?
        ls -A "$DISK"
        exit "$code""#;
    let report = format!("json:{}", place.text("full.json"));
    let (tree, baseline) = (place.text("linux.git"), place.text("baseline"));
    let check = [
        "check",
        "--no-cache",
        "--range",
        "base..main",
        "--tree",
        &tree,
    ];
    let arguments = [&check[..], &["--baseline", &baseline, "--output", &report]].concat();
    let ended = on_small_disk(8192, script, &arguments).code(3);
    assert_eq!(ended.out, "", "what is left in the work area");
    assert_full(place);
    // Sources that are read where they lie: it is the kernel's own build that finds no room.
    let kernel = support::kernel("linux-6.1");
    let out = place.text("none.symvers");
    let symvers = [
        "symvers",
        "--tree",
        kernel.to_str().unwrap(),
        "--no-cache",
        "--out",
        &out,
    ];
    let config = place.config();
    let arguments = [&symvers[..], &config.each_ref().map(|word| &**word)].concat();
    let ended = on_small_disk(1024, script, &arguments)
        .code(3)
        .err_has("No space left on device")
        .err_has("--work DIR");
    assert_eq!(ended.out, "", "what is left in the work area");
    assert!(!Path::new(&out).exists());
}

#[track_caller]
fn assert_full(place: &Place) {
    let report: Value =
        serde_json::from_slice(&fs::read(place.path("full.json")).unwrap()).unwrap();
    assert_eq!(report["verdict"], "not-checked");
    let reason = &report["reasons"][0];
    assert_eq!(reason["code"], "limit-exceeded", "{reason}");
    let text = |key: &str| reason[key].as_str().unwrap().to_owned();
    assert!(
        text("message").contains("No space left on device"),
        "{reason}"
    );
    assert!(text("next_step").contains("--work DIR"), "{reason}");
}

/// A report that finds no room is not written in part.
fn full_output(place: &Place) {
    let script = r#"
        code=0
        "$KABIGATE" "$@" --output "html:$DISK/report.html" || code=$?
        ls -A "$DISK"
        exit "$code""#;
    let report = place.text("first.json");
    let ended = on_small_disk(16, script, &["report", "--from", &report])
        .code(3)
        .err_has("report.html: No space left on device");
    assert_eq!(ended.out, "", "what is left of the report");
}

/// Runs a script with a disk of that many KiB in `$DISK` and the program in `$KABIGATE`.
fn on_small_disk(kib: u32, script: &str, arguments: &[&str]) -> Ended {
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/small_disk.sh");
    Run::program("sh")
        .args([
            small.to_str().unwrap(),
            &kib.to_string(),
            "sh",
            "-c",
            script,
            "sh",
        ])
        .args(arguments)
        .env("KABIGATE", env!("CARGO_BIN_EXE_kabigate"))
        .end()
}

/// Units that were computed in the first snapshot of a run, and all that can export.
fn computed(ended: &Ended) -> (usize, usize) {
    let line = ended
        .err
        .lines()
        .find(|line| line.contains(" exporting units computed"))
        .unwrap();
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let at = words.iter().position(|&word| word == "exporting").unwrap();
    (
        words[at - 3].parse().unwrap(),
        words[at - 1].parse().unwrap(),
    )
}

/// All files below a folder, in bytewise order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        // Folders come and go while runs work.
        for entry in fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(_) => found.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

fn kill(mut run: Child) {
    run.kill().unwrap();
    let status = run.wait().unwrap();
    assert_eq!(status.code(), None, "the run ended before it was killed");
}

/// Waits until something holds of a run that goes on.
#[track_caller]
fn wait_for(run: &mut Child, what: &str, holds: impl Fn() -> bool) {
    wait_until(what, || {
        assert_eq!(run.try_wait().unwrap(), None, "the run ended before {what}");
        holds()
    });
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process works in a folder below that one.
fn has_children_in(folder: &Path) -> bool {
    let folder = fs::canonicalize(folder).unwrap();
    let mut processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes.any(|process| {
        fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder))
    })
}
