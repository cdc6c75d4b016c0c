//! What was brought up to date equals what is computed from scratch, on a real kernel: a plan that was planned again folder by
//! folder, and snapshots after options and handed down flags changed.

#![allow(
    missing_docs,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use kabigate::cpp::EngineKind;
use kabigate::kbuild::{
    ConfigBase, ConfigSource, ConfigText, Difference, MakeOptions, ObjectTree, Plan, read_config,
};
use kabigate::snapshot::{
    Builder, Counters, Progress, Settings, Silent, Snapshot, Source, UnitCache,
};
use kabigate::symvers::Export;
use support::{Random, copy, kernel, target};

/// Steps of the test; each costs two dry runs.
const STEPS: usize = 4;

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

/// The files whose edits change an option and what the top Makefile hands down.
const PLACES: [(&str, &str); 4] = [
    (
        "lib/Kconfig",
        "\nconfig TRIED\n\tdef_bool y\n\nconfig TRIED_TOO\n\tdef_bool y\n\nconfig RETYPED\n\tint\n\tdefault 10\n",
    ),
    // One unit shows the option in its text, one pastes its name together, and of one the Makefile asks for it.
    (
        "include/linux/crc16.h",
        "\n#ifdef CONFIG_TRIED\nextern struct tried { int a; } tried;\n#else\nextern struct tried { long a; } tried;\n#endif\n",
    ),
    (
        "lib/crc16.c",
        "\nstruct tried tried;\nEXPORT_SYMBOL(tried);\n",
    ),
    (
        "lib/crc-ccitt.c",
        "\n#define PASTED(name) CONFIG_##name\n#if PASTED(TRIED)\nint pasted;\n#else\nlong pasted;\n#endif\nEXPORT_SYMBOL(pasted);\n",
    ),
];

/// Computes a folder's snapshots and counts the units that each took.
struct Counting(std::sync::Mutex<Counters>);

impl Progress for Counting {
    fn commit(&self, _: usize, _: usize, _: &str) {}
    fn phase(&self, _: &str) {}
    fn configuration(&self, _: &[Difference]) {}
    fn units(&self, _: usize) {}
    fn unit_done(&self) {}
    fn done(&self, counters: &Counters) {
        *self.0.lock().unwrap() = *counters;
    }
}

/// What snapshots of a tree with a small configuration are made with, in a folder.
fn settings(folder: &Path, cached: bool) -> Settings {
    let mut make = MakeOptions::new(std::env::var_os("PATH").unwrap());
    make.jobs = 2;
    let fragment = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gate.config");
    Settings {
        make,
        config: ConfigSource {
            base: ConfigBase::Defconfig("tinyconfig".to_owned()),
            fragments: vec![read_config(&fragment).unwrap()],
        },
        cpp: EngineKind::Builtin,
        cache: cached.then(|| UnitCache::new(&folder.join("cache"))),
        jobs: 2,
        work: folder.to_owned(),
        keeps_area: false,
    }
}

fn edit_file(src: &Path, file: &str, edit: impl FnOnce(String) -> String) {
    let before = std::fs::read_to_string(src.join(file)).unwrap();
    std::fs::write(src.join(file), edit(before)).unwrap();
}

/// How many units the last snapshot took.
fn computed(counting: &Counting) -> usize {
    counting.0.lock().unwrap().computed
}

/// The exports that another snapshot has otherwise.
fn changed(old: &Snapshot, new: &Snapshot) -> Vec<String> {
    let differs = |export: &&Export| old.symvers.get(&export.symbol) != Some(export);
    let changed = new.symvers.iter().filter(differs);
    changed.map(|export| export.symbol.to_string()).collect()
}

fn assert_is_from_scratch(snapshot: &Snapshot, settings: Settings, src: &Path) {
    let scratch = Builder::new(settings, &Silent)
        .unwrap()
        .snapshot(Source::Folder(src))
        .unwrap();
    assert_eq!(snapshot.symvers, scratch.symvers);
    assert_eq!(snapshot.config, scratch.config);
    assert_eq!(snapshot.fingerprint, scratch.fingerprint);
    assert_eq!(
        snapshot.types.to_consolidated(),
        scratch.types.to_consolidated()
    );
}

/// Where the lines of a header move, only units are computed in which a macro asked for a line of that very header; a comment
/// in a directive reaches nobody.
#[test]
fn lines_reach_those_who_ask() {
    let folder = tempfile::tempdir_in(target()).unwrap();
    let src = folder.path().join("linux");
    copy(&kernel("linux-6.1"), &src);
    let append = |file: &str, text: &str| edit_file(&src, file, |before| format!("{before}{text}"));
    append(
        "include/linux/crc-ccitt.h",
        "\n#define JOIN(a, b) a##b\n#define HERE_AT(line) JOIN(here_, line)\n#define HERE HERE_AT(__LINE__)\nextern struct HERE { int a; } here;\n",
    );
    append("include/linux/kernel.h", "\nextern int HERE;\n");
    append("lib/crc-ccitt.c", "\nEXPORT_SYMBOL(here);\n");
    let counting = Counting(std::sync::Mutex::default());
    let mut builder = Builder::new(settings(folder.path(), true), &counting).unwrap();
    let mut take = |file: &str, from: &str, to: &str| {
        edit_file(&src, file, |text| text.replacen(from, to, 1));
        let snapshot = builder.snapshot(Source::Folder(&src)).unwrap();
        (snapshot, computed(&counting))
    };
    let (first, all) = take("lib/crc-ccitt.c", "", "");
    let include = "#include <linux/stdarg.h>";
    let (second, beside) = take(
        "include/linux/kernel.h",
        include,
        &format!("/* A. */\n{include}"),
    );
    let (third, behind) = take(
        "include/linux/kernel.h",
        include,
        &format!("{include} /* B. */"),
    );
    let (fourth, own) = take(
        "include/linux/crc-ccitt.h",
        "#define JOIN",
        "/* C. */\n#define JOIN",
    );
    drop(builder);
    assert_eq!(changed(&first, &second), [""; 0]);
    assert_eq!(changed(&second, &third), [""; 0]);
    assert_eq!(changed(&third, &fourth), ["here"]);
    // What assembly reads counts whole, and so does what has a line without a place.
    assert!(
        behind < all / 10 && beside == behind && (1..all / 10).contains(&own),
        "{all} units, then {beside}, {behind} and {own}"
    );
    assert_is_from_scratch(&fourth, settings(folder.path(), false), &src);
}

/// After an option changed, and after the top Makefile hands down another flag, the snapshot is the one from scratch, and took
/// only the units that the change can reach.
#[test]
fn options_and_flags_reach_their_users() {
    let folder = tempfile::tempdir_in(target()).unwrap();
    let src = folder.path().join("linux");
    copy(&kernel("linux-6.1"), &src);
    let append = |file: &str, text: &str| edit_file(&src, file, |before| format!("{before}{text}"));
    PLACES.iter().for_each(|(file, text)| append(file, text));
    append(
        "lib/Makefile",
        "\nifdef CONFIG_TRIED\nCFLAGS_bsearch.o += -DASKED\nendif\nCFLAGS_sort.o += $(HANDED)\n",
    );
    append(
        "lib/bsearch.c",
        "\n#ifdef ASKED\nint asked;\n#else\nlong asked;\n#endif\nEXPORT_SYMBOL(asked);\n",
    );
    append(
        "lib/sort.c",
        "\n#ifdef HANDED\nint handed;\n#else\nlong handed;\n#endif\nEXPORT_SYMBOL(handed);\n",
    );
    append(
        "lib/list_sort.c",
        "\n#if CONFIG_RETYPED == 16\nint retyped;\n#else\nlong retyped;\n#endif\nEXPORT_SYMBOL(retyped);\n",
    );

    let counting = Counting(std::sync::Mutex::default());
    let settings = |cached| settings(folder.path(), cached);
    let mut builder = Builder::new(settings(true), &counting).unwrap();
    let first = builder.snapshot(Source::Folder(&src)).unwrap();
    let all = computed(&counting);

    let edit = |old: &str, new: &str| {
        edit_file(&src, "lib/Kconfig", |kconfig| kconfig.replace(old, new));
    };
    edit("TRIED\n\tdef_bool y", "TRIED\n\tdef_bool n");
    let second = builder.snapshot(Source::Folder(&src)).unwrap();
    let mut counts = vec![computed(&counting)];

    let makefile = std::fs::read_to_string(src.join("Makefile")).unwrap();
    let makefile = makefile.replacen(
        "SUBLEVEL = ",
        "# A note.\nexport HANDED := -DHANDED\nSUBLEVEL = 9",
        1,
    );
    std::fs::write(src.join("Makefile"), makefile).unwrap();
    append("scripts/Makefile.modfinal", "\n# A note.\n");
    let third = builder.snapshot(Source::Folder(&src)).unwrap();
    counts.push(computed(&counting));

    // The header of all options defines one that is on.
    edit("TRIED\n\tdef_bool n", "TRIED\n\tdef_bool y");
    let fourth = builder.snapshot(Source::Folder(&src)).unwrap();
    counts.push(computed(&counting));
    // Of these the configuration tells nothing.
    edit("RETYPED\n\tint", "RETYPED\n\thex");
    let fifth = builder.snapshot(Source::Folder(&src)).unwrap();
    counts.push(computed(&counting));
    edit("RETYPED\n\thex", "RETYPED\n\tint");
    let sixth = builder.snapshot(Source::Folder(&src)).unwrap();
    counts.push(computed(&counting));
    drop(builder);

    assert_eq!(changed(&first, &second), ["asked", "pasted", "tried"]);
    assert_eq!(changed(&second, &third), ["handed"]);
    assert_eq!(changed(&third, &fourth), ["asked", "pasted", "tried"]);
    assert_eq!(changed(&fourth, &fifth), ["retyped"]);
    assert_eq!(fifth.config, sixth.config);
    assert_is_from_scratch(&sixth, settings(false), &src);
    assert!(
        counts.iter().all(|count| *count < all / 4),
        "{all} units, then {counts:?}"
    );
}
