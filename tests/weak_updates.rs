//! `modules weak-updates` on roots of real modules, against what `depmod` says of the same links.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::Run;
use support::packages::{RELEASE, kernel, run};

/// Pairs of names.
type Pairs = BTreeSet<(String, String)>;

/// The order in which Red Hat's and SUSE's `depmod` look for a module.
const SEARCH: &str = "search updates extra built-in weak-updates\n";

/// One module that needs only the kernel, and two of which one needs the other.
const MODULES: [&str; 3] = ["802/mrp.ko", "llc/llc.ko", "802/stp.ko"];

fn of(root: &Path, release: &str) -> PathBuf {
    root.join("lib/modules").join(release)
}

fn module(name: &str) -> PathBuf {
    of(&kernel().root, RELEASE).join("kernel/net").join(name)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// A kernel whose exports are the distribution's, without those of [`MODULES`] and as `change` has them.
fn install(root: &Path, release: &str, change: impl Fn(&str) -> Option<String>) {
    fs::create_dir_all(of(root, release)).unwrap();
    let text = fs::read_to_string(&kernel().symvers).unwrap();
    let lines = text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        // depmod takes no export of a module from there.
        if fields[2] != "vmlinux" {
            return None;
        }
        change(fields[1]).map(|crc| {
            let crc = if crc.is_empty() { fields[0] } else { &crc };
            format!("{crc}\t{}\t{}\t{}\t\n", fields[1], fields[2], fields[3])
        })
    });
    let text: String = lines.collect();
    fs::write(of(root, release).join("Module.symvers"), text).unwrap();
}

fn unchanged(_: &str) -> Option<String> {
    Some(String::new())
}

fn put(root: &Path, release: &str, folder: &str, name: &str) {
    let place = of(root, release).join(folder).join(file_name(name));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(module(name), place).unwrap();
}

/// A symbol of vmlinux that the first module imports and none of the others does.
fn only_of(name: &str, others: &[&str]) -> String {
    let imports = |name: &str| -> BTreeSet<String> {
        let (out, _) = run(Command::new("modprobe")
            .arg("--dump-modversions")
            .arg(module(name)));
        out.lines()
            .map(|line| line.split('\t').nth(1).unwrap().to_owned())
            .collect()
    };
    let mut own = imports(name);
    for other in others {
        own = &own - &imports(other);
    }
    let text = fs::read_to_string(&kernel().symvers).unwrap();
    let of_kernel = |symbol: &String| text.contains(&format!("\t{symbol}\tvmlinux\t"));
    own.into_iter().find(of_kernel).unwrap()
}

/// What `depmod` prints of a kernel: its `modules.dep` and its warnings of symbols, as file and symbol.
fn depmod(root: &Path, release: &str) -> (BTreeMap<String, Vec<String>>, Pairs) {
    let config = root.join("depmod.d");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("search.conf"), SEARCH).unwrap();
    let mut command = Command::new("depmod");
    command
        .args(["-n", "-e", "-E"])
        .arg(of(root, release).join("Module.symvers"));
    command
        .arg("-C")
        .arg(&config)
        .arg("-b")
        .arg(root)
        .arg(release);
    let (out, err) = run(&mut command);
    let dependencies = out
        .lines()
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .filter(|(path, _)| path.contains(".ko"))
        .map(|(path, needs)| {
            (
                path.to_owned(),
                needs.split_whitespace().map(str::to_owned).collect(),
            )
        });
    let warnings = err.lines().filter_map(|line| {
        let line = line.strip_prefix("depmod: WARNING: ")?;
        let (path, rest) = line.split_once(' ')?;
        let symbol = rest.strip_prefix("needs unknown symbol ");
        let symbol = symbol.or_else(|| rest.strip_prefix("disagrees about version of symbol "))?;
        Some((file_name(path).to_owned(), symbol.to_owned()))
    });
    (dependencies.collect(), warnings.collect())
}

/// Modules of a kernel's `extra` that need one another, by what `depmod` says they depend on.
fn groups(root: &Path, release: &str) -> Vec<BTreeSet<String>> {
    let mut groups: Vec<BTreeSet<String>> = Vec::new();
    for (path, needs) in depmod(root, release).0 {
        let mut group: BTreeSet<String> = [path].into_iter().chain(needs).collect();
        let (joined, apart) = groups
            .into_iter()
            .partition(|other| !other.is_disjoint(&group));
        for other in joined {
            group.extend(other);
        }
        groups = apart;
        groups.push(group);
    }
    groups.sort();
    groups
}

/// The links of one kernel by the logic of `weak-modules`, with `depmod` as judge: file and release, and the symbols of
/// what is not compatible.
fn by_depmod(root: &Path, release: &str, newest_first: &[&str]) -> (Pairs, Pairs) {
    let weak = of(root, release).join("weak-updates");
    let (mut links, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for other in newest_first.iter().filter(|other| **other != release) {
        for group in groups(root, other) {
            fs::create_dir_all(&weak).unwrap();
            let names: Vec<&str> = group.iter().map(|path| file_name(path)).collect();
            let is_there = |name: &&str| {
                let own = of(root, release).join("extra").join(name).exists();
                own || fs::symlink_metadata(weak.join(name)).is_ok()
            };
            if names.iter().any(is_there) {
                continue;
            }
            for (name, path) in names.iter().zip(&group) {
                symlink(of(root, other).join(path), weak.join(name)).unwrap();
            }
            let named: BTreeSet<(String, String)> = depmod(root, release).1;
            let named: BTreeSet<_> = named
                .into_iter()
                .filter(|(file, _)| names.contains(&file.as_str()))
                .collect();
            if named.is_empty() {
                links.extend(
                    names
                        .iter()
                        .map(|name| ((*name).to_owned(), (*other).to_owned())),
                );
            } else {
                refused.extend(named);
                for name in names {
                    fs::remove_file(weak.join(name)).unwrap();
                }
            }
        }
    }
    let _ = fs::remove_dir_all(weak);
    refused.retain(|(file, _)| !links.iter().any(|(linked, _)| linked == file));
    (links, refused)
}

/// The same out of what the program prints of one kernel.
fn by_plan(root: &Path, release: &str) -> (Pairs, Pairs) {
    let ended = Run::new(["modules", "weak-updates", "--kernel", release])
        .args([root])
        .end();
    assert!(ended.code <= 1, "{}", ended.err);
    let (mut links, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for line in ended.out.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["link", path, "from", from, ..] => {
                links.insert((file_name(path).to_owned(), (*from).to_owned()));
            }
            ["Module", file, ..] => {
                let symbols = line
                    .split_once("in symbols: ")
                    .map_or("", |(_, symbols)| symbols);
                let symbols = symbols.split_whitespace();
                refused.extend(symbols.map(|symbol| ((*file).to_owned(), symbol.to_owned())));
            }
            _ => {}
        }
    }
    (links, refused)
}

/// Single modules, modules that need one another, and a newest kernel that is not compatible with a part: links and
/// symbols are those that `weak-modules` finds with `depmod`.
#[test]
fn plans_equal_those_of_depmod() {
    let top = tempfile::tempdir_in(support::target()).unwrap();
    let root = top.path();
    let [single, provider, user] = MODULES;
    let of_provider = only_of(provider, &[single, user]);
    let of_single = only_of(single, &[provider, user]);
    install(root, "6.1.0-10-x", unchanged);
    install(root, "6.1.0-20-x", unchanged);
    install(root, "6.1.0-25-x", |symbol| {
        (symbol != of_single).then(String::new)
    });
    install(root, "6.1.0-30-x", |symbol| {
        let other = symbol == of_provider;
        Some(if other {
            "0x00000bad".to_owned()
        } else {
            String::new()
        })
    });
    for name in MODULES {
        put(root, "6.1.0-10-x", "extra", name);
    }
    put(root, "6.1.0-20-x", "extra", single);
    let newest_first = ["6.1.0-30-x", "6.1.0-25-x", "6.1.0-20-x", "6.1.0-10-x"];
    let mut counted = (0, 0);
    for release in newest_first {
        let theirs = by_depmod(root, release, &newest_first);
        assert_eq!(by_plan(root, release), theirs, "{release}");
        counted = (counted.0 + theirs.0.len(), counted.1 + theirs.1.len());
    }
    // mrp into -30, llc and stp into -25 and -20; llc not into -30, mrp not into -25.
    assert_eq!(counted, (5, 2));
    let (links, _) = by_plan(root, "6.1.0-30-x");
    assert_eq!(
        links,
        [("mrp.ko".to_owned(), "6.1.0-20-x".to_owned())].into()
    );
}

/// Whichever file of a module `depmod` finds first is the one that the plan says comes first.
#[test]
fn files_come_first_as_in_depmod() {
    let places = ["updates", "extra", "kernel/net"];
    for chosen in 0..1 << places.len() {
        let top = tempfile::tempdir_in(support::target()).unwrap();
        let root = top.path();
        install(root, "6.1.0-10-x", unchanged);
        install(root, "6.1.0-20-x", unchanged);
        put(root, "6.1.0-10-x", "extra", MODULES[0]);
        for (bit, place) in places
            .iter()
            .enumerate()
            .filter(|(bit, _)| chosen >> bit & 1 == 1)
        {
            assert!(bit < places.len());
            put(root, "6.1.0-20-x", place, MODULES[0]);
        }
        let out = Run::new(["modules", "weak-updates", "--kernel", "6.1.0-20-x"])
            .args([root])
            .end()
            .code(0)
            .out;
        // With the link in place, whatever the plan says.
        let weak = of(root, "6.1.0-20-x").join("weak-updates");
        fs::create_dir_all(&weak).unwrap();
        symlink(
            of(root, "6.1.0-10-x").join("extra/mrp.ko"),
            weak.join("mrp.ko"),
        )
        .unwrap();
        let found = depmod(root, "6.1.0-20-x").0;
        let winner = found.keys().next().unwrap().split('/').next().unwrap();
        let expected = match winner {
            "weak-updates" => "link    mrp.ko from 6.1.0-10-x".to_owned(),
            "kernel" => "passed  mrp.ko from 6.1.0-10-x: built-in comes first".to_owned(),
            other => format!("passed  mrp.ko from 6.1.0-10-x: {other} comes first"),
        };
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(out.contains(&expected), "{winner}: {out}");
    }
}
