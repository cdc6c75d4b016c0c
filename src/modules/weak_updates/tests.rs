//! Roots made here, with modules and exports of a few symbols.

use std::fs;
use std::path::Path;

use super::*;
use crate::modules::testing::Builder;

fn kernel(root: &Path, release: &str, exports: &[(&str, u32)]) {
    let folder = root.join("lib/modules").join(release);
    fs::create_dir_all(&folder).expect("creates");
    let lines: Vec<String> = exports
        .iter()
        .map(|(symbol, crc)| format!("{crc:#010x}\t{symbol}\tvmlinux\tEXPORT_SYMBOL\t\n"))
        .collect();
    fs::write(folder.join("Module.symvers"), lines.concat()).expect("writes");
}

fn module(root: &Path, release: &str, path: &str, builder: &Builder) {
    let file = root.join("lib/modules").join(release).join(path);
    fs::create_dir_all(file.parent().expect("a folder")).expect("creates");
    let builder = builder.clone().modinfo("license=GPL");
    fs::write(file, builder.build()).expect("writes");
}

/// The plans as lines: release, then what is done.
fn lines(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for plan in plan(&read(root).expect("reads")) {
        let release = &plan.release;
        lines.extend(
            plan.not_checked
                .iter()
                .map(|_| format!("{release} not checked")),
        );
        lines.extend(plan.steps.iter().map(|step| match step {
            Step::Keep(link) => {
                format!("{release} keep {} from {}", link.path.display(), link.from)
            }
            Step::Add(link) => format!("{release} add {} from {}", link.path.display(), link.from),
            Step::Remove { path, .. } => format!("{release} remove {}", path.display()),
        }));
        lines.extend(plan.refused.iter().map(|refused| refused.sentence(release)));
        let kept = plan.kept.iter();
        lines.extend(kept.map(|k| format!("{release} kept {} by {}", k.path.display(), k.by)));
    }
    lines
}

/// A module goes into every compatible kernel, newest first wins, and a kernel that differs says in which symbols.
#[test]
fn single_modules() {
    let top = tempfile::tempdir().expect("a temporary folder");
    let root = top.path();
    for (release, crc) in [
        ("5.14.0-70.el9", 1),
        ("5.14.0-162.el9", 1),
        ("5.14.0-284.el9", 2),
    ] {
        kernel(root, release, &[("a", crc)]);
    }
    let built = Builder::default().import(1, "a");
    module(root, "5.14.0-70.el9", "extra/acme/acme.ko", &built);
    assert_eq!(
        lines(root),
        [
            "Module acme.ko from kernel 5.14.0-70.el9 is not compatible with kernel 5.14.0-284.el9 in symbols: a",
            "5.14.0-162.el9 add acme/acme.ko from 5.14.0-70.el9",
        ]
    );
    let plans = plan(&read(root).expect("reads"));
    assert_eq!(apply(root, &plans).expect("applies"), 1);
    let link = root.join("lib/modules/5.14.0-162.el9/weak-updates/acme/acme.ko");
    assert_eq!(
        fs::read_link(link).expect("a link"),
        Path::new("/lib/modules/5.14.0-70.el9/extra/acme/acme.ko")
    );
    assert!(
        lines(root).contains(&"5.14.0-162.el9 keep acme/acme.ko from 5.14.0-70.el9".to_owned())
    );
    let plans = plan(&read(root).expect("reads"));
    assert_eq!(apply(root, &plans).expect("applies"), 0);
}

/// Modules that need one another are linked together or not at all; a stale link is removed.
#[test]
fn groups_are_linked_as_one() {
    let top = tempfile::tempdir().expect("a temporary folder");
    let root = top.path();
    kernel(root, "1.0", &[("a", 1), ("b", 1)]);
    kernel(root, "2.0", &[("a", 1), ("b", 2)]);
    let core = Builder::default()
        .import(1, "b")
        .export(7, "core_open", false, "");
    let user = Builder::default().import(7, "core_open").import(1, "a");
    module(root, "1.0", "extra/core.ko", &core);
    module(root, "1.0", "extra/user.ko", &user);
    module(
        root,
        "1.0",
        "extra/alone.ko",
        &Builder::default().import(1, "a"),
    );
    let weak = root.join("lib/modules/2.0/weak-updates");
    fs::create_dir(&weak).expect("creates");
    std::os::unix::fs::symlink("/lib/modules/1.0/extra/user.ko", weak.join("user.ko"))
        .expect("links");
    assert_eq!(
        lines(root),
        [
            "2.0 add alone.ko from 1.0",
            "2.0 remove user.ko",
            "Module core.ko from kernel 1.0 is not compatible with kernel 2.0 in symbols: b",
            "Module user.ko from kernel 1.0 is not compatible with kernel 2.0 a module that it needs, or that needs it, is not",
        ]
    );
    apply(root, &plan(&read(root).expect("reads"))).expect("applies");
    assert!(fs::symlink_metadata(weak.join("user.ko")).is_err());
}

/// The kernel's own updates and extra come first; of two kernels the newer one's module is linked, unless it is
/// not compatible; a kernel without exports is not checked.
#[test]
fn search_order_and_newest_first() {
    let top = tempfile::tempdir().expect("a temporary folder");
    let root = top.path();
    for (release, crc) in [("1.0", 1), ("2.0", 2), ("3.0", 1)] {
        kernel(root, release, &[("a", crc)]);
    }
    module(
        root,
        "1.0",
        "extra/acme.ko",
        &Builder::default().import(1, "a"),
    );
    module(
        root,
        "2.0",
        "extra/acme.ko",
        &Builder::default().import(2, "a"),
    );
    module(
        root,
        "1.0",
        "extra/other.ko.xz",
        &Builder::default().import(1, "a"),
    );
    module(
        root,
        "3.0",
        "updates/other.ko",
        &Builder::default().import(1, "a"),
    );
    fs::create_dir_all(root.join("lib/modules/0.9/extra")).expect("creates");
    assert_eq!(
        lines(root),
        [
            "3.0 add acme.ko from 1.0",
            "3.0 kept other.ko.xz by updates",
            "Module other.ko.xz from kernel 1.0 is not compatible with kernel 2.0 in symbols: a",
            "2.0 kept acme.ko by extra",
            "1.0 kept acme.ko by extra",
            "0.9 not checked",
        ]
    );
}

/// Nothing but links is replaced, and no link leads the writer out of the root.
#[test]
fn files_are_never_replaced() {
    let top = tempfile::tempdir().expect("a temporary folder");
    let root = top.path();
    kernel(root, "1.0", &[("a", 1)]);
    kernel(root, "2.0", &[("a", 1)]);
    module(
        root,
        "1.0",
        "extra/acme/acme.ko",
        &Builder::default().import(1, "a"),
    );
    let weak = root.join("lib/modules/2.0/weak-updates");
    fs::create_dir_all(weak.join("acme")).expect("creates");
    fs::write(weak.join("acme/acme.ko"), b"file").expect("writes");
    let plans = plan(&read(root).expect("reads"));
    let error = apply(root, &plans).expect_err("a file stands there");
    assert!(error.to_string().contains("no link stands here"), "{error}");
    fs::remove_dir_all(&weak).expect("removes");
    let outside = tempfile::tempdir().expect("a temporary folder");
    std::os::unix::fs::symlink(outside.path(), &weak).expect("links");
    let error = apply(root, &plans).expect_err("leads out");
    assert!(error.to_string().contains("not a folder"), "{error}");
    assert_eq!(fs::read_dir(outside.path()).expect("reads").count(), 0);
}
