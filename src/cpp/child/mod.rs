//! The one place where this crate's build and preprocessing steps start a program.
//!
//! In flows a [`Child`]: argument vector, folder, environment and bounds. Its standard output flows to a sink while it
//! runs, its exit status and the start and end of its standard error flow out. A child leads a process group of its
//! own, and whatever is left of that group is killed when the child ends, is too slow or says too much. There is no
//! shell, and no variable of ours reaches the child. Where the environment has a [`Confinement`], the child starts behind
//! its words, cannot leave the group, and the group has bounds.

mod environment;
mod excerpt;
mod watch;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

pub use environment::{Confinement, Environment};
use excerpt::Excerpt;
use watch::{Excess, Watch};

/// Bytes taken from a pipe at once: the usual size of a pipe's buffer.
const CHUNK: usize = 64 << 10;
/// Pause between two looks at a child that closed its pipes and still runs.
const EXIT_PAUSE: Duration = Duration::from_millis(2);

/// A program to run, with all its bounds.
#[derive(Debug)]
pub struct Child<'a> {
    /// Program and arguments; the first word is looked up in the environment's `PATH`.
    pub argv: &'a [OsString],
    /// Folder in which it starts.
    pub cwd: &'a Path,
    /// What it sees of the environment.
    pub environment: &'a Environment,
    /// What it reads from standard input; nothing if absent.
    pub stdin: Option<&'a [u8]>,
    /// Wall time after which it is killed.
    pub time: Duration,
    /// Bytes of standard output after which it is killed.
    pub output: u64,
}

/// How a child ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard error: all of it, or its start and its end with a line that says what was left out.
    pub stderr: Vec<u8>,
}

/// Why a child did not come to its own end.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started, or its output not be read.
    #[error("failed to run {program}: {source}")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ran too long and was killed.
    #[error("{program} was killed after {} s", limit.as_secs_f64())]
    Time {
        /// The program.
        program: String,
        /// The limit.
        limit: Duration,
        /// What it had printed to standard error.
        stderr: Vec<u8>,
    },
    /// It printed too much and was killed.
    #[error("{program} was killed because it printed more than {limit} bytes")]
    Output {
        /// The program.
        program: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// All its processes together passed a bound, and were killed.
    #[error("{program} was killed because {what} exceeded the limit of {limit}")]
    Bound {
        /// The program.
        program: String,
        /// What was measured.
        what: &'static str,
        /// The limit with its unit.
        limit: String,
    },
    /// All children were stopped by [`stop_flag`].
    #[error("{program} was killed because the run was interrupted")]
    Interrupted {
        /// The program.
        program: String,
    },
    /// The reader of its output gave up, and it was killed.
    #[error("{program} was killed because its output could not be used")]
    Stopped {
        /// The program.
        program: String,
    },
}

/// Whether children are to end.
static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// How long a child may go on after the flag was raised.
const STOP_PAUSE: Duration = Duration::from_millis(200);

/// A flag that ends all children with their process groups, those of other threads too, and lets none start any more,
/// for the handler of a signal to raise.
#[must_use]
pub fn stop_flag() -> Arc<AtomicBool> {
    Arc::clone(&STOP)
}

/// Whether the flag was raised.
#[must_use]
pub fn is_stopped() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Runs a child and hands its standard output to `sink` piece by piece.
///
/// # Errors
/// If it cannot be started, passes a bound, or the sink breaks off. A child that exits with a failure is no error here.
pub fn run(
    child: &Child<'_>,
    sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<Finished, ChildError> {
    let program = child
        .argv
        .first()
        .map_or_else(String::new, |word| word.to_string_lossy().into_owned());
    let failed = |source| ChildError::Run {
        program: program.clone(),
        source,
    };
    if is_stopped() {
        return Err(ChildError::Interrupted { program });
    }
    let mut running = start(child).map_err(failed)?;
    let mut guard = Guard::new(child, &running);
    let mut stderr = Excerpt::default();
    let end = match pump(child, &mut running, &mut guard, sink, &mut stderr) {
        Ok(End::Closed) => wait_exit(&running, &mut guard),
        other => other,
    };
    running.kill_group();
    let status = running.process.wait().map_err(failed)?;
    match end.map_err(failed)? {
        End::Closed => Ok(Finished {
            status,
            stderr: stderr.into_bytes(),
        }),
        End::Late => Err(ChildError::Time {
            program,
            limit: child.time,
            stderr: stderr.into_bytes(),
        }),
        End::TooMuch => Err(ChildError::Output {
            program,
            limit: child.output,
        }),
        End::Excess(Excess::Processes(limit)) => Err(ChildError::Bound {
            program,
            what: "the number of its processes",
            limit: limit.to_string(),
        }),
        End::Excess(Excess::Memory(limit)) => Err(ChildError::Bound {
            program,
            what: "the memory of its processes",
            limit: format!("{limit} bytes"),
        }),
        End::Stopped => Err(ChildError::Stopped { program }),
        End::Interrupted => Err(ChildError::Interrupted { program }),
    }
}

/// Runs a child and collects its standard output.
///
/// # Errors
/// As for [`run`].
pub fn output(child: &Child<'_>) -> Result<(Finished, Vec<u8>), ChildError> {
    let mut text = Vec::new();
    let finished = run(child, &mut |piece| {
        text.extend_from_slice(piece);
        ControlFlow::Continue(())
    })?;
    Ok((finished, text))
}

/// The words of a command as the system wants them.
pub fn argv<I>(words: I) -> Vec<OsString>
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    words
        .into_iter()
        .map(|word| word.as_ref().to_owned())
        .collect()
}

/// A started child; its group is killed when this value goes, also on a panic of the sink.
struct Running {
    process: std::process::Child,
    reaped: bool,
}

impl Running {
    /// Kills all that is left of the group. The leader is not reaped before, so its id cannot belong to a stranger.
    fn kill_group(&mut self) {
        if !self.reaped {
            // The group may be empty already; there is nothing to do about any other failure.
            let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
            self.reaped = true;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill_group();
            let _ = self.process.wait();
        }
    }
}

enum End {
    Closed,
    Late,
    TooMuch,
    Excess(Excess),
    Stopped,
    Interrupted,
}

/// What ends a child before its time, looked at while it runs.
struct Guard<'a> {
    deadline: Instant,
    watch: Option<Watch<'a>>,
}

impl<'a> Guard<'a> {
    fn new(child: &Child<'a>, running: &Running) -> Guard<'a> {
        let group = Pid::from_child(&running.process);
        let confinement = child.environment.confinement.as_deref();
        Guard {
            deadline: Instant::now() + child.time,
            watch: confinement.map(|confinement| Watch::new(group, confinement)),
        }
    }

    /// Why the child is to end now.
    fn look(&mut self) -> Option<End> {
        if is_stopped() {
            return Some(End::Interrupted);
        }
        if Instant::now() >= self.deadline {
            return Some(End::Late);
        }
        self.watch.as_mut()?.look().map(End::Excess)
    }

    /// How long to wait before the next look. A signal may come to another thread, so the flag is looked at from time to time.
    fn pause(&self) -> Duration {
        let pause = match self.watch {
            Some(_) => watch::PAUSE,
            None => STOP_PAUSE,
        };
        pause.min(self.deadline.saturating_duration_since(Instant::now()))
    }
}

fn start(child: &Child<'_>) -> io::Result<Running> {
    let mut words = child.argv.iter();
    if let (Some(confinement), Some(program)) = (&child.environment.confinement, child.argv.first())
    {
        // The confining program would start in any case, and could only fail later.
        if !child.environment.has_program(program, child.cwd) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        words = confinement.words.iter();
    }
    let program = words
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program is named"))?;
    let mut command = Command::new(program);
    command.args(words);
    if child.environment.confinement.is_some() {
        command.args(child.argv);
    }
    child.environment.apply(&mut command);
    command
        .current_dir(child.cwd)
        .stdin(match child.stdin {
            Some(text) => Stdio::from(spooled(text, &child.environment.home)?),
            None => Stdio::null(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    Ok(Running {
        process: command.spawn()?,
        reaped: false,
    })
}

/// A nameless file that holds `text`: unlike a pipe it needs nobody to write while the child's output is read.
fn spooled(text: &[u8], folder: &Path) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(text)?;
    file.rewind()?;
    Ok(file)
}

/// Reads both pipes until they close or a bound is reached.
fn pump(
    child: &Child<'_>,
    running: &mut Running,
    guard: &mut Guard<'_>,
    sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    stderr: &mut Excerpt,
) -> io::Result<End> {
    let mut out = running.process.stdout.take();
    let mut err = running.process.stderr.take();
    let mut buffer = vec![0; CHUNK];
    let mut printed = 0_u64;
    while out.is_some() || err.is_some() {
        if let Some(end) = guard.look() {
            return Ok(end);
        }
        let (out_ready, err_ready) = wait_ready(out.as_ref(), err.as_ref(), guard.pause())?;
        if out_ready {
            let piece = read_piece(&mut out, &mut buffer)?;
            printed = printed.saturating_add(piece.len() as u64);
            if printed > child.output {
                return Ok(End::TooMuch);
            }
            if !piece.is_empty() && sink(piece).is_break() {
                return Ok(End::Stopped);
            }
        }
        if err_ready {
            stderr.push(read_piece(&mut err, &mut buffer)?);
        }
    }
    Ok(End::Closed)
}

/// Waits until a pipe can be read or was closed, no longer than `pause`.
fn wait_ready(
    out: Option<&std::process::ChildStdout>,
    err: Option<&std::process::ChildStderr>,
    pause: Duration,
) -> io::Result<(bool, bool)> {
    let timeout = Timespec {
        tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(pause.subsec_nanos()),
    };
    let mut fds = Vec::with_capacity(2);
    fds.extend(out.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    fds.extend(err.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    match poll(&mut fds, Some(&timeout)) {
        Ok(0) => return Ok((false, false)),
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok((false, false)),
        Err(error) => return Err(error.into()),
    }
    let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
    let out_ready = out.is_some() && ready.next().unwrap_or(false);
    let err_ready = err.is_some() && ready.next().unwrap_or(false);
    Ok((out_ready, err_ready))
}

/// Takes what a readable pipe holds, and drops the pipe at its end.
fn read_piece<'b, R: Read>(pipe: &mut Option<R>, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let Some(reader) = pipe else { return Ok(&[]) };
    let count = match reader.read(buffer) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(&[]),
        other => other?,
    };
    if count == 0 {
        *pipe = None;
    }
    Ok(buffer.get(..count).unwrap_or_default())
}

/// Waits for the exit of a child that closed its pipes, and leaves it to be reaped.
fn wait_exit(running: &Running, guard: &mut Guard<'_>) -> io::Result<End> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let id = WaitId::Pid(Pid::from_child(&running.process));
    loop {
        match waitid(id.clone(), options) {
            Ok(Some(_)) => return Ok(End::Closed),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(end) = guard.look() {
            return Ok(end);
        }
        std::thread::sleep(EXIT_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(home: &Path) -> Environment {
        Environment::new("/usr/local/bin:/usr/bin:/bin", home)
    }

    fn run_sh(
        script: &str,
        stdin: Option<&[u8]>,
        time: Duration,
        limit: u64,
    ) -> Result<(Finished, Vec<u8>), ChildError> {
        let home = tempfile::tempdir().expect("a temporary folder");
        output(&Child {
            argv: &argv(["sh", "-c", script]),
            cwd: home.path(),
            environment: &environment(home.path()),
            stdin,
            time,
            output: limit,
        })
    }

    /// Checks that output, error text and status of a child arrive, and that it sees only the listed variables.
    #[test]
    fn outputs_and_environment() {
        let script = "env -u PWD -u OLDPWD -u SHLVL -u _ | cut -d= -f1 | sort | tr '\\n' ' '; echo no >&2; exit 3";
        let (finished, text) = run_sh(script, None, Duration::from_secs(20), 1000).expect("runs");
        assert_eq!(String::from_utf8_lossy(&text), "HOME LC_ALL PATH TMPDIR ");
        assert_eq!(finished.stderr, b"no\n");
        assert_eq!(finished.status.code(), Some(3));
    }

    /// Checks that a child reads the given input, also when it is far larger than a pipe's buffer.
    #[test]
    fn large_input_does_not_block() {
        let input = vec![b'x'; 1 << 20];
        let (_, text) =
            run_sh("cat", Some(&input), Duration::from_secs(20), 2 << 20).expect("runs");
        assert!(text == input);
    }

    /// Checks that a child over its time is killed together with a grandchild that holds the pipe open.
    #[test]
    fn time_limit_kills_the_group() {
        let start = Instant::now();
        let error = run_sh(
            "echo early >&2; sleep 60 & wait",
            None,
            Duration::from_millis(300),
            1000,
        )
        .expect_err("too slow");
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(
            matches!(&error, ChildError::Time { stderr, .. } if stderr == b"early\n"),
            "{error}"
        );
    }

    /// Checks that a grandchild left in the background does not survive the child.
    #[test]
    fn leftovers_are_killed() {
        let (finished, text) = run_sh(
            "sleep 60 >/dev/null 2>&1 & echo $!",
            None,
            Duration::from_secs(20),
            1000,
        )
        .expect("runs");
        assert!(finished.status.success());
        let pid: i32 = String::from_utf8_lossy(&text)
            .trim()
            .parse()
            .expect("a process id");
        let pid = Pid::from_raw(pid).expect("not zero");
        let gone = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            state.map_or(true, |stat| stat.contains(") Z "))
        });
        assert!(gone);
    }

    /// Checks that a child that prints without end is killed at its limit.
    #[test]
    fn output_limit() {
        let error = run_sh("yes", None, Duration::from_secs(20), 100_000).expect_err("too much");
        assert!(matches!(error, ChildError::Output { limit: 100_000, .. }));
    }

    /// Checks that long error text keeps its start and its end.
    #[test]
    fn long_error_text_is_cut_in_the_middle() {
        let script = "echo first >&2; yes 123456789 | head -100000 >&2; echo last >&2";
        let (finished, _) = run_sh(script, None, Duration::from_secs(20), 10).expect("runs");
        let text = String::from_utf8_lossy(&finished.stderr);
        assert!(text.starts_with("first\n") && text.ends_with("last\n"));
        assert!(text.contains("bytes left out]") && text.len() < 4 * excerpt::KEEP);
    }

    /// Checks that a program that does not exist is named in the error.
    #[test]
    fn missing_program() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let error = output(&Child {
            argv: &argv(["kabigate-no-such-program"]),
            cwd: home.path(),
            environment: &environment(home.path()),
            stdin: None,
            time: Duration::from_secs(5),
            output: 10,
        })
        .expect_err("not there");
        assert!(
            error
                .to_string()
                .starts_with("failed to run kabigate-no-such-program: ")
        );
    }
}
