//! The rooms of the crate use each other only in the order that `docs/architecture.md` gives.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

/// Each room with the rooms that it may use; a room stands below all of them.
const ROOMS: [(&str, &[&str]); 17] = [
    ("symvers", &[]),
    ("hidden", &[]),
    ("symtypes", &["symvers"]),
    ("cpp", &[]),
    ("genksyms", &["cpp", "symtypes", "symvers"]),
    ("kbuild", &["cpp"]),
    ("layout", &["cpp", "symtypes"]),
    ("history", &[]),
    (
        "snapshot",
        &[
            "symvers", "symtypes", "cpp", "genksyms", "kbuild", "layout", "history",
        ],
    ),
    ("doctor", &["cpp", "genksyms", "kbuild", "history"]),
    ("baseline", &["snapshot", "symtypes", "symvers"]),
    ("compare", &["symtypes", "symvers"]),
    ("policy", &["compare", "symvers"]),
    ("modules", &["symvers", "policy"]),
    ("report", &["compare", "policy"]),
    (
        "check",
        &[
            "baseline", "compare", "hidden", "history", "kbuild", "layout", "modules", "policy",
            "report", "snapshot", "symtypes", "symvers",
        ],
    ),
    (
        "cli",
        &[
            "baseline", "check", "compare", "cpp", "doctor", "history", "kbuild", "modules",
            "policy", "report", "snapshot", "symtypes", "symvers",
        ],
    ),
];

/// Every `crate::room` in the sources of a room, tests included, names a room that it may use.
#[test]
fn rooms_use_only_what_stands_above_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let known: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (room, may) in ROOMS {
        let files = sources(&src.join(room));
        assert!(!files.is_empty(), "no room {room}");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for used in text.split("crate::").skip(1) {
                let used = used
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap();
                if known.contains(used) && used != room && !may.contains(&used) {
                    wrong.push(format!("{} uses {used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let folders: BTreeSet<String> = std::fs::read_dir(&src)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        folders,
        known.iter().map(|room| (*room).to_owned()).collect(),
        "a room that the table lacks"
    );
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}
