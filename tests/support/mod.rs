//! What the tests of the program share: a way to run it, kernels to run it on, and repositories to point it at.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "tests")]

pub mod dejagnu;
pub mod packages;
pub mod runner;
pub mod units;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A run of the program in an environment that holds nothing but what it needs.
pub struct Run {
    command: Command,
}

/// What a run printed and how it ended.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn new<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Run {
        Run::program(env!("CARGO_BIN_EXE_kabigate")).args(arguments)
    }

    /// Another program in that environment.
    pub fn program(program: &str) -> Run {
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null());
        command
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", target().join("home"))
            .env("LC_ALL", "C");
        Run { command }
    }

    pub fn args<I: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = I>) -> Run {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Run {
        self.command.env(name, value);
        self
    }

    pub fn dir(mut self, dir: &Path) -> Run {
        self.command.current_dir(dir);
        self
    }

    /// Starts it, and lets what it prints go.
    pub fn start(mut self) -> Child {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.command.spawn().unwrap()
    }

    pub fn end(mut self) -> Ended {
        let output = self.command.output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// Asserts the exit code and shows everything if it is another one.
    #[track_caller]
    pub fn code(self, expected: i32) -> Ended {
        assert_eq!(
            self.code, expected,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }

    /// Asserts that standard error holds the text.
    #[track_caller]
    pub fn err_has(self, text: &str) -> Ended {
        assert!(
            self.err.contains(text),
            "no {text:?} in stderr:\n{}",
            self.err
        );
        self
    }

    /// Asserts that standard output holds the text.
    #[track_caller]
    pub fn out_has(self, text: &str) -> Ended {
        assert!(
            self.out.contains(text),
            "no {text:?} in stdout:\n{}",
            self.out
        );
        self
    }
}

/// Numbers that look random and follow from a seed that is not 0 (xorshift, Marsaglia 2003).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned()
}

/// The folder of a kernel that `tests/kernels.list` names; fetched on first use.
pub fn kernel(name: &str) -> PathBuf {
    static FETCHED: OnceLock<PathBuf> = OnceLock::new();
    let folder = FETCHED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kernels");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels.sh");
        let status = Command::new("sh")
            .arg(script)
            .arg(&folder)
            .status()
            .unwrap();
        assert!(
            status.success(),
            "tests/kernels.sh could not fetch the kernels that the tests need"
        );
        folder
    });
    let kernel = folder.join(name);
    assert!(kernel.is_dir(), "tests/kernels.list names no {name}");
    kernel
}

/// Runs git in a folder with a fixed author, date and configuration.
#[track_caller]
pub fn git<I: AsRef<OsStr>>(dir: &Path, arguments: impl IntoIterator<Item = I>) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_AUTHOR_DATE", "2026-11-01T00:00:00Z"),
        ])
        .envs([
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
            ("GIT_COMMITTER_DATE", "2026-11-01T00:00:00Z"),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Copies a folder with `cp`, which shares storage where the file system can.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success(), "cannot copy {}", from.display());
}
