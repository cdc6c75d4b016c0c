//! `kabigate doctor` on a real kernel's own files, with programs, objects and options taken away one by one.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Run, git};

/// The files of a kernel that tell which one it is, as a git tree, and a folder of programs.
struct Place {
    folder: tempfile::TempDir,
}

const FILES: [&str; 6] = [
    "Makefile",
    "Kbuild",
    "Kconfig",
    "scripts/Makefile.build",
    "arch/x86/configs/x86_64_defconfig",
    "Documentation/process/changes.rst",
];

impl Place {
    fn new() -> Place {
        let place = Place {
            folder: tempfile::tempdir_in(support::target()).unwrap(),
        };
        let kernel = support::kernel("linux-6.1");
        let tree = place.path("linux");
        fs::create_dir_all(tree.join("scripts")).unwrap();
        support::copy(
            &kernel.join("scripts/genksyms"),
            &tree.join("scripts/genksyms"),
        );
        for file in FILES {
            let to = tree.join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(kernel.join(file), to).unwrap();
        }
        git(&tree, ["init", "-q", "-b", "main"]);
        git(&tree, ["add", "-A", "-f"]);
        git(&tree, ["commit", "-q", "-m", "Linux 6.1"]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder for `PATH` with all programs of this machine but some.
    fn without(&self, programs: &[&str]) -> String {
        let bin = self.path("bin");
        let _ = fs::remove_dir_all(&bin);
        fs::create_dir(&bin).unwrap();
        for folder in ["/usr/bin", "/bin", "/usr/local/bin"] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name().into_string().unwrap();
                if !programs.contains(&name.as_str()) {
                    let _ = std::os::unix::fs::symlink(entry.path(), bin.join(name));
                }
            }
        }
        bin.to_str().unwrap().to_owned()
    }

    /// Runs the command and gives its findings; exit code and `ready` must agree with them.
    #[track_caller]
    fn doctor(&self, path: &str, arguments: &[&str]) -> Vec<Value> {
        let tree = self.path("linux");
        let ended = Run::new(["doctor", "--output", "json", "--tree"])
            .args([tree.as_os_str()])
            .args(arguments)
            .env("PATH", path)
            .end();
        let answer: Value = serde_json::from_str(&ended.out).expect(&ended.err);
        let findings = answer["findings"].as_array().unwrap().clone();
        let missing = findings.iter().any(|f| f["state"] == "missing");
        assert_eq!(answer["ready"], !missing);
        assert_eq!(ended.code, if missing { 3 } else { 0 }, "{answer:#}");
        findings
    }
}

/// The state and the whole of a finding.
#[track_caller]
fn of<'f>(findings: &'f [Value], name: &str) -> (&'f str, &'f Value) {
    let found = findings.iter().find(|f| f["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name}: {findings:#?}"));
    (found["state"].as_str().unwrap(), found)
}

fn here() -> String {
    std::env::var("PATH").unwrap()
}

/// This machine runs these tests, so it can check a tree with a small configuration.
#[test]
fn this_machine_is_ready() {
    let place = Place::new();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gate.config");
    let config = config.to_str().unwrap();
    let findings = place.doctor(
        &here(),
        &["--config", "x86_64_defconfig", "--config", config],
    );
    for name in [
        "git tree", "kernel", "genksyms", "compiler", "linker", "make", "bison", "flex", "bc",
        "git", "libc",
    ] {
        assert_eq!(of(&findings, name).0, "ok", "{name}");
    }
    assert!(
        of(&findings, "kernel").1["detail"]
            .as_str()
            .unwrap()
            .starts_with("Linux 6.1.")
    );
    assert_eq!(of(&findings, "genksyms").1["detail"], "grammar P4");
    // The defconfig itself turns this on.
    assert_ne!(of(&findings, "libelf").0, "missing");
}

/// What is taken away is told with the packages that bring it back.
#[test]
fn missing_programs() {
    let place = Place::new();
    let path = place.without(&["bison", "make", "git", "pahole", "rustc", "bindgen"]);
    let config = place.path("config");
    fs::write(
        &config,
        "CONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\nCONFIG_DEBUG_INFO_BTF=y\n",
    )
    .unwrap();
    let findings = place.doctor(&path, &["--config", config.to_str().unwrap()]);
    assert_eq!(of(&findings, "bison").0, "missing");
    assert_eq!(of(&findings, "make").0, "missing");
    assert_eq!(of(&findings, "flex").0, "ok");
    assert_eq!(of(&findings, "git").0, "warn");
    let (state, pahole) = of(&findings, "pahole");
    assert_eq!(state, "missing");
    assert_eq!(pahole["packages"]["debian"], "pahole");
    assert_eq!(pahole["packages"]["fedora"], "dwarves");
    assert!(!findings.iter().any(|f| f["name"] == "rustc"));
    // Without a configuration it is not known to be needed.
    let findings = place.doctor(&path, &[]);
    assert_eq!(of(&findings, "pahole").0, "warn");
    assert_eq!(of(&findings, "rustc").0, "warn");
    assert_eq!(of(&findings, "configuration").0, "warn");
}

/// For people: a line for each finding, what installs it, and one command for all.
#[test]
fn text_for_people() {
    let place = Place::new();
    let path = place.without(&["bison", "flex"]);
    let tree = place.path("linux");
    let ended = Run::new(["doctor", "--tree", tree.to_str().unwrap()])
        .env("PATH", &path)
        .end()
        .code(3)
        .out_has("missing  bison")
        .out_has("not ready: 2 missing")
        .out_has("install all: ");
    assert!(ended.out.contains("install bison flex\n"), "{}", ended.out);
    let quiet = Run::new(["doctor", "-q", "--tree", tree.to_str().unwrap()])
        .env("PATH", &path)
        .end()
        .code(3);
    assert!(!quiet.out.contains("ok "), "{}", quiet.out);
}

/// What the tree and the configuration are, and what they cannot be.
#[test]
fn trees_and_configurations() {
    let place = Place::new();
    let tree = place.path("linux");
    let arm = place.doctor(&here(), &["--arch", "arm64", "--config", "defconfig"]);
    let (state, cross) = of(&arm, "cross compiler");
    assert_eq!(state, "missing");
    assert_eq!(cross["packages"]["debian"], "gcc-aarch64-linux-gnu");
    assert_eq!(
        cross["next_step"],
        "pass --cross-compile aarch64-linux-gnu-"
    );

    let config = place.path("config");
    fs::write(&config, "CONFIG_MODULES=y\nCONFIG_GENDWARFKSYMS=y\n").unwrap();
    let dwarf = place.doctor(&here(), &["--config", config.to_str().unwrap()]);
    assert_eq!(of(&dwarf, "configuration").0, "missing");
    fs::write(&config, "CONFIG_MODULES=y\nCONFIG_CC_IS_CLANG=y\n").unwrap();
    let clang = place.doctor(&here(), &["--config", config.to_str().unwrap()]);
    assert_eq!(
        of(&clang, "compiler family").1["next_step"],
        "pass --llvm 1"
    );
    assert_eq!(of(&clang, "configuration").0, "warn");

    let file = config.join("below");
    let cache = place.doctor(&here(), &["--cache", file.to_str().unwrap()]);
    assert_eq!(of(&cache, "cache").0, "missing");

    // What works here is this machine's matter; none is told where none is wanted.
    let (state, sandbox) = of(&cache, "sandbox");
    let told = match state {
        "ok" => "no network",
        _ => "neither bubblewrap nor Landlock",
    };
    assert!(
        sandbox["detail"].as_str().unwrap().contains(told),
        "{sandbox}"
    );
    let off = place.doctor(&here(), &["--sandbox", "off"]);
    assert!(!off.iter().any(|f| f["name"] == "sandbox"), "{off:?}");

    let makefile = fs::read_to_string(tree.join("Makefile")).unwrap();
    let old = makefile.replacen("VERSION = 6", "VERSION = 4", 1);
    fs::write(tree.join("Makefile"), old).unwrap();
    git(&tree, ["commit", "-q", "-a", "-m", "Linux 4.1"]);
    let old = place.doctor(&here(), &[]);
    let (state, kernel) = of(&old, "kernel");
    assert_eq!(state, "missing");
    assert!(
        kernel["detail"].as_str().unwrap().contains("4.1"),
        "{kernel}"
    );
    assert_eq!(
        of(&place.doctor(&here(), &["--rev", "HEAD~1"]), "kernel").0,
        "ok"
    );
}

/// A shallow clone is told, one without its objects is refused, and a folder that is no kernel too.
#[test]
fn clones() {
    let place = Place::new();
    let tree = place.path("linux");
    fs::write(tree.join("more"), "more\n").unwrap();
    git(&tree, ["add", "more"]);
    git(&tree, ["commit", "-q", "-m", "more"]);
    let whole = place.path("whole");
    fs::rename(&tree, &whole).unwrap();
    let url = format!("file://{}", whole.display());
    let to = tree.to_str().unwrap();
    git(&place.path(""), ["clone", "-q", "--depth", "1", &url, to]);
    let shallow = place.doctor(&here(), &[]);
    let (state, history) = of(&shallow, "git history");
    assert_eq!(
        (state, &history["next_step"]),
        ("warn", &"git fetch --unshallow".into())
    );

    fs::remove_dir_all(&tree).unwrap();
    git(&whole, ["config", "uploadpack.allowFilter", "true"]);
    let partial = [
        "clone",
        "-q",
        "--filter=blob:none",
        "--no-checkout",
        &url,
        to,
    ];
    git(&place.path(""), partial);
    let partial = place.doctor(&here(), &[]);
    let (state, objects) = of(&partial, "git tree");
    assert_eq!(state, "missing");
    assert!(
        objects["next_step"].as_str().unwrap().contains("--refetch"),
        "{objects}"
    );

    fs::remove_dir_all(&tree).unwrap();
    fs::create_dir(&tree).unwrap();
    assert_eq!(of(&place.doctor(&here(), &[]), "git tree").0, "missing");
}
