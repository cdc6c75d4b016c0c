//! A distribution's kernel as packages, fetched by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub const RELEASE: &str = "6.1.0-50-cloud-amd64";

/// The kernel's package and what is in it, and its headers; fetched on first use.
pub struct Kernel {
    pub package: PathBuf,
    pub root: PathBuf,
    pub symvers: PathBuf,
}

pub fn kernel() -> &'static Kernel {
    static FETCHED: OnceLock<Kernel> = OnceLock::new();
    FETCHED.get_or_init(|| {
        let folder = super::target().join("packages");
        fs::create_dir_all(&folder).unwrap();
        let image = fetch(&folder, &format!("linux-image-{RELEASE}"));
        let headers = fetch(&folder, &format!("linux-headers-{RELEASE}"));
        let root = folder.join("root");
        if !root.join(".complete").exists() {
            for package in [&image, &headers] {
                run(Command::new("dpkg-deb").arg("-x").arg(package).arg(&root));
            }
            fs::write(root.join(".complete"), "").unwrap();
        }
        let symvers = root.join(format!("usr/src/linux-headers-{RELEASE}/Module.symvers"));
        Kernel {
            package: image,
            root,
            symvers,
        }
    })
}

/// Downloads a package by its name, unless it is there.
pub fn fetch(folder: &Path, name: &str) -> PathBuf {
    let there = || {
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| {
            let file = path.file_name().unwrap().to_string_lossy();
            file.starts_with(&format!("{name}_")) && file.ends_with(".deb")
        })
    };
    if there().is_none() {
        let mut apt = Command::new("apt-get");
        apt.args(["-o", "APT::Sandbox::User=root", "download", "-qq", name]);
        run(apt.current_dir(folder));
    }
    there().unwrap_or_else(|| panic!("no package {name} in {}", folder.display()))
}

/// Runs a tool of the system, and hands back what it printed.
#[track_caller]
pub fn run(command: &mut Command) -> (String, String) {
    let path = "/usr/sbin:/sbin:/usr/bin:/bin";
    let output = command.env("PATH", path).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; is it installed?"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    (out, err)
}
