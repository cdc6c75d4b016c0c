//! The call of bubblewrap (`bwrap(1)`): an empty file system into which only what a policy names is mounted.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::Policy;
use super::folders::DEVICES;

/// Namespaces of its own, and an end with the one who started it.
const FLAGS: [&str; 9] = [
    "--die-with-parent",
    "--unshare-user-try",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--cap-drop",
    "ALL",
];

/// The names under which a process finds its own open files; shells want them.
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// The words that start `program` under a policy; its own come behind.
pub(super) fn words(bwrap: &Path, program: &Path, policy: &Policy) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![bwrap.into()];
    words.extend(FLAGS.map(OsString::from));
    let mut add = |flag: &str, from: &OsStr, to: &OsStr| {
        words.extend([flag.into(), from.to_owned(), to.to_owned()]);
    };
    for path in &policy.reads {
        add("--ro-bind-try", path.as_ref(), path.as_ref());
    }
    for path in &policy.writes {
        add("--bind", path.as_ref(), path.as_ref());
    }
    add("--ro-bind", program.as_ref(), program.as_ref());
    for device in DEVICES {
        add("--dev-bind-try", device.as_ref(), device.as_ref());
    }
    for (to, link) in LINKS {
        add("--symlink", to.as_ref(), link.as_ref());
    }
    words.extend(["--proc", "/proc", "--remount-ro", "/", "--"].map(OsString::from));
    words
}
