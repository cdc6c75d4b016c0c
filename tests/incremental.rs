//! A plan that was brought up to date folder by folder equals one of a whole dry run, on a real kernel.

#![allow(
    missing_docs,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use kabigate::kbuild::{
    ConfigBase, ConfigSource, ConfigText, MakeOptions, ObjectTree, Plan, read_config,
};
use support::{Random, copy, kernel, target};

/// Steps of the test; each costs two dry runs.
const STEPS: usize = 8;

/// Folders whose Makefiles are edited, as the small configuration builds something in each.
const FOLDERS: [&str; 6] = [
    "lib",
    "lib/math",
    "mm",
    "net/core",
    "kernel/time",
    "drivers/base",
];

/// One random edit in a folder: flags, a new source, an object that is built no more, a note, or the first three undone.
fn edit(src: &Path, folder: &str, random: &mut Random, original: &str) {
    let makefile = src.join(folder).join("Makefile");
    let text = std::fs::read_to_string(&makefile).unwrap();
    let text = match random.below(5) {
        0 => format!("{text}\nccflags-y += -DSTEP{}\n", random.below(1000)),
        1 => {
            let name = format!("extra{}", random.below(1000));
            let source = src.join(folder).join(format!("{name}.c"));
            std::fs::write(source, "int extra;\n").unwrap();
            format!("{text}\nobj-y += {name}.o\n")
        }
        2 => text.replacen("obj-y", "gone-y", 1),
        3 => format!("# A note.\n{text}"),
        _ => original.to_owned(),
    };
    std::fs::write(makefile, text).unwrap();
}

/// After each of a row of random edits, the plan that was brought up to date equals that of a whole dry run.
#[test]
fn replanned_folders_equal_a_whole_plan() {
    let seed =
        std::env::var("KABIGATE_TEST_SEED").map_or(0x6b61_6269, |seed| seed.parse().unwrap());
    eprintln!("KABIGATE_TEST_SEED={seed}");
    let mut random = Random(seed);
    let folder = tempfile::tempdir_in(target()).unwrap();
    let src = folder.path().join("linux");
    copy(&kernel("linux-6.1"), &src);
    let mut options = MakeOptions::new(std::env::var_os("PATH").unwrap());
    options.jobs = 2;
    let tree = ObjectTree::new(src.clone(), folder.path().join("obj"), options).unwrap();
    let fragment = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gate.config");
    let ConfigText { bytes, label } = read_config(&fragment).unwrap();
    tree.configure(&ConfigSource {
        base: ConfigBase::Defconfig("tinyconfig".to_owned()),
        fragments: vec![ConfigText { bytes, label }],
    })
    .unwrap();
    tree.prepare().unwrap();
    let originals: Vec<String> = FOLDERS
        .iter()
        .map(|folder| std::fs::read_to_string(src.join(folder).join("Makefile")).unwrap())
        .collect();
    let mut plan = tree.plan().unwrap();
    let mut by_folder = 0;
    for step in 0..STEPS {
        let mut folders = BTreeSet::new();
        for _ in 0..=random.below(2) {
            let at = random.below(FOLDERS.len());
            edit(&src, FOLDERS[at], &mut random, &originals[at]);
            folders.insert(FOLDERS[at].to_owned());
        }
        let replanned = tree.replan(&plan, &folders).unwrap();
        by_folder += usize::from(replanned.is_some());
        let whole = tree.plan().unwrap();
        plan = replanned.unwrap_or_else(|| whole.clone());
        assert_same(&plan, &whole, step, &folders);
    }
    assert!(
        by_folder * 2 > STEPS,
        "only {by_folder} of {STEPS} steps were planned by folder"
    );
}

#[track_caller]
fn assert_same(plan: &Plan, whole: &Plan, step: usize, folders: &BTreeSet<String>) {
    for (a, b) in plan.units.iter().zip(&whole.units) {
        assert_eq!(a, b, "step {step}, {folders:?}");
    }
    assert_eq!(
        plan.units.len(),
        whole.units.len(),
        "step {step}, {folders:?}"
    );
    assert_eq!(plan, whole, "step {step}, {folders:?}");
}
