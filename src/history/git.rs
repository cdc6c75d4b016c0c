//! The `git` program, for what the library cannot do: applying patches and taking mails apart.
//!
//! It runs in a private bare repository with an environment of our own: no user or system configuration, no hooks, no
//! lazy fetch, no shell. Paths it is given are absolute, so none can be taken for an option.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::error::HistoryError;

/// Applying the largest kernel patch takes seconds.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Output kept of one run. The longest we read is a count or an object name; what git says about a patch is short.
const MAX_OUTPUT: usize = 256 << 10;

/// Lines of git's messages that an error quotes.
const QUOTED_LINES: usize = 6;

/// How to call git.
pub(super) struct Git {
    /// Folders to look for the program in, as in `PATH`.
    pub(super) search_path: Option<OsString>,
    /// The private repository.
    pub(super) git_dir: PathBuf,
    /// The index to work on.
    pub(super) index: PathBuf,
    /// A folder for git to stand in.
    pub(super) cwd: PathBuf,
}

/// What one run printed.
pub(super) struct Output {
    pub(super) is_ok: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Output {
    /// The last lines of what git said, on one line.
    pub(super) fn message(&self) -> String {
        let lines: Vec<&str> = self
            .stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let skip = lines.len().saturating_sub(QUOTED_LINES);
        lines.get(skip..).unwrap_or_default().join("; ")
    }
}

impl Git {
    /// Runs a git command and requires success; hands back the first line printed.
    pub(super) fn line(
        &self,
        args: &[&OsStr],
        env: &[(&str, &str)],
        stdin: Option<&Path>,
    ) -> Result<String, HistoryError> {
        let output = self.run(args, env, stdin)?;
        if !output.is_ok {
            return Err(failed(args, output.message()));
        }
        Ok(output.stdout.lines().next().unwrap_or("").trim().to_owned())
    }

    /// Runs a git command to its end, whatever its exit status.
    pub(super) fn run(
        &self,
        args: &[&OsStr],
        env: &[(&str, &str)],
        stdin: Option<&Path>,
    ) -> Result<Output, HistoryError> {
        let mut command = self.command();
        command.args(args).envs(env.iter().copied());
        command.stdin(match stdin {
            None => Stdio::null(),
            Some(path) => File::open(path)
                .map_err(|error| HistoryError::io("read", path, error))?
                .into(),
        });
        let mut child = command
            .spawn()
            .map_err(|error| failed(args, error.to_string()))?;
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let status = wait(&mut child, args)?;
        let text = |reader: thread::JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
        };
        Ok(Output {
            is_ok: status,
            stdout: text(stdout),
            stderr: text(stderr),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        if let Some(path) = &self.search_path {
            command.env("PATH", path);
        }
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
            ("TZ", "UTC"),
        ] {
            command.env(name, value);
        }
        command
            .env("GIT_DIR", &self.git_dir)
            .env("GIT_INDEX_FILE", &self.index)
            .current_dir(&self.cwd)
            .args(["--no-optional-locks", "-c", "core.hooksPath=/dev/null"])
            .args(["-c", "core.fsmonitor=false"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

pub(super) fn failed(args: &[&OsStr], message: impl Into<String>) -> HistoryError {
    HistoryError::Program {
        action: action(args),
        message: message.into(),
    }
}

fn action(args: &[&OsStr]) -> String {
    args.first()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Reads a stream to its end in a thread of its own and keeps the last [`MAX_OUTPUT`] bytes or a little more.
fn collect<R: Read + Send + 'static>(stream: Option<R>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut part = [0; 8192];
        let Some(mut stream) = stream else {
            return kept;
        };
        while let Ok(count) = stream.read(&mut part) {
            if count == 0 {
                break;
            }
            kept.extend_from_slice(part.get(..count).unwrap_or_default());
            if kept.len() > 2 * MAX_OUTPUT {
                kept.drain(..kept.len() - MAX_OUTPUT);
            }
        }
        kept
    })
}

/// Waits for the end, or kills the program at the time limit.
fn wait(child: &mut Child, args: &[&OsStr]) -> Result<bool, HistoryError> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if start.elapsed() < TIME_LIMIT => thread::sleep(pause),
            outcome => {
                // The process may just have ended; then there is nothing left to stop.
                let _ = child.kill();
                let _ = child.wait();
                return Err(match outcome {
                    Err(error) => failed(args, error.to_string()),
                    Ok(_) => HistoryError::Limit {
                        what: format!("run time of git {}", action(args)),
                        limit: format!("{} s", TIME_LIMIT.as_secs()),
                    },
                });
            }
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
