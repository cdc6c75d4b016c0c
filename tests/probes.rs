//! The program under the name of a compiler: what `make` asks again is answered from what it asked before.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A compiler that writes down its calls, says what it was given, and fails where it is told to.
const COMPILER: &str = r#"#!/bin/sh
echo "$0 $*" >>"$LOG"
echo "${KABIGATE_PROBES-none} ${PATH%%:*}" >>"$LOG.variables"
for word; do
    case "$last $word" in
    "-o "*/tmp) echo object >"$word" ;;
    *" -fail") echo "no -fail" >&2; exit 3 ;;
    *" -") tr a-z A-Z ;;
    esac
    last=$word
done
"#;

struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// A folder with the compiler `real/a-cc`, and this program before it as `probes/bin/a-cc`.
    fn new() -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["real", "probes/bin", "work"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::write(at("real/a-cc"), COMPILER).unwrap();
        fs::set_permissions(at("real/a-cc"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink(env!("CARGO_BIN_EXE_kabigate"), at("probes/bin/a-cc")).unwrap();
        Machine { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn call(&self, words: &str, source: &str) -> Output {
        let path = format!(
            "{}:{}:/usr/bin:/bin",
            self.at("probes/bin").display(),
            self.at("real").display()
        );
        let input = self.at("source");
        fs::write(&input, source).unwrap();
        Command::new(self.at("probes/bin/a-cc"))
            .arg0("a-cc")
            .args(words.split_whitespace())
            .current_dir(self.at("work"))
            .env_clear()
            .env("PATH", path)
            .env("KABIGATE_PROBES", self.at("probes"))
            .env("LOG", self.at("log"))
            .stdin(Stdio::from(fs::File::open(&input).unwrap()))
            .output()
            .unwrap()
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.at("log")).map_or(0, |log| log.lines().count())
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The second answer is the first one, with its code, its texts and its file, and the compiler is not called for it.
#[test]
fn a_question_is_asked_once() {
    let machine = Machine::new();
    let first = machine.call("-c -x c /dev/null -o /dev/null -fail", "");
    assert_eq!(first.status.code(), Some(3));
    assert_eq!(first.stderr, b"no -fail\n");
    let second = machine.call("-c -x c /dev/null -o /dev/null -fail", "");
    assert_eq!((second.status, second.stderr), (first.status, first.stderr));
    assert_eq!(machine.calls(), 1);

    for (at, folder) in ["work/a", "work/b"].into_iter().enumerate() {
        fs::create_dir(machine.at(folder)).unwrap();
        let name = &folder["work/".len()..];
        let output = machine.call(&format!("-c -x c /dev/null -o {name}/tmp"), "");
        assert!(output.status.success());
        assert_eq!(
            read(&machine.at(&format!("{folder}/tmp"))),
            "object\n",
            "{at}"
        );
    }
    assert_eq!(machine.calls(), 2);
}

/// What stands in standard input belongs to the question.
#[test]
fn sources_tell_questions_apart() {
    let machine = Machine::new();
    for (source, calls) in [
        ("abc", 1),
        ("abc", 1),
        ("abd", 2),
        ("#include <a.h>", 3),
        ("#include <a.h>", 4),
    ] {
        let output = machine.call("-E -x c -", source);
        assert_eq!(output.stdout, source.to_uppercase().as_bytes(), "{source}");
        assert_eq!(machine.calls(), calls, "{source}");
    }
    let long = "x".repeat(1 << 20);
    for calls in [5, 6] {
        assert_eq!(machine.call("-E -x c -", &long).stdout.len(), long.len());
        assert_eq!(machine.calls(), calls);
    }
}

/// Any other call is the compiler's, which finds everything as if nothing stood before it.
#[test]
fn other_calls_are_the_compilers() {
    let machine = Machine::new();
    for calls in [1, 2] {
        let output = machine.call("-c -o a.o a.c -fail", "");
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(machine.calls(), calls);
    }
    machine.call("-E -x c -", "abc");
    let real = machine.at("real");
    let expected = format!("none {}\n", real.display()).repeat(3);
    assert_eq!(read(&machine.at("log.variables")), expected);
    fs::remove_file(real.join("a-cc")).unwrap();
    let output = machine.call("-c -o a.o a.c", "");
    assert_eq!(output.status.code(), Some(126));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a-cc: it is not in PATH"));
}
