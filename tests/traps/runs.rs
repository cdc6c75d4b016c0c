//! Traps of whole runs.

use std::fs;
use std::process::Stdio;

use crate::folder::Folder;
use crate::support::Run;

const OLD: &str =
    "0x1→a→vmlinux→EXPORT_SYMBOL→\n0x2→b→fs/b→EXPORT_SYMBOL_GPL→NS\n0x3→c→vmlinux→EXPORT_SYMBOL→\n";
const NEW: &str =
    "0x9→a→vmlinux→EXPORT_SYMBOL→\n0x2→b→fs/c→EXPORT_SYMBOL_GPL→\n0x4→d→vmlinux→EXPORT_SYMBOL→\n";

/// 78: a run has no clock, no order of threads and no path of the machine in what it writes.
#[test]
fn running_twice_gives_the_same_bytes() {
    let formats = [
        "console",
        "json",
        "junit",
        "markdown",
        "github",
        "sarif",
        "codequality",
        "html",
    ];
    let run = || {
        let folder = Folder::new(&[("old", OLD), ("new", NEW)]);
        let mut arguments = vec!["diff".to_owned(), "old".to_owned(), "new".to_owned()];
        for format in formats {
            arguments.extend(["--output".to_owned(), format!("{format}:out.{format}")]);
        }
        Run::new(&arguments).dir(folder.top()).end().code(1);
        formats.map(|format| fs::read(folder.path(&format!("out.{format}"))).unwrap())
    };
    let (first, second) = (run(), run());
    for (format, (a, b)) in formats.iter().zip(first.iter().zip(&second)) {
        assert!(a == b, "{format} differs between two runs");
        assert!(!a.is_empty(), "{format}");
    }
}

/// 79: a reader that goes away ends the printing, quietly, and changes no exit code.
#[test]
fn a_reader_that_goes_away() {
    let old: String = (0..5000)
        .map(|at| format!("{:#x}→sym_{at}→vmlinux→EXPORT_SYMBOL→\n", at + 1))
        .collect();
    let new = old.replace("→vmlinux→EXPORT_SYMBOL→", "→vmlinux→EXPORT_SYMBOL_GPL→");
    let folder = Folder::new(&[("old", &old), ("new", &new)]);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_kabigate"))
        .args(["diff", "old", "new", "--output", "json"])
        .current_dir(folder.top())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let told = String::from_utf8_lossy(&ended.stderr);
    let expected = ["next: ", "warning: neither kernel comes with types"];
    let mut lines = told.lines();
    let complaint = lines.find(|line| !expected.iter().any(|start| line.starts_with(start)));
    assert_eq!(complaint, None);
}
