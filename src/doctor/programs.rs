//! Programs that the kernel's build calls, and `git`.

use std::collections::BTreeMap;

use super::packages::Packages;
use super::{Finding, Need, Place, State, absent};
use crate::kbuild::{CompilerFamily, ObjectTree};

/// Oldest versions that a tree asks for, by program.
pub(super) type Versions = BTreeMap<String, String>;

/// Reads the table of `Documentation/process/changes.rst`: program, version, and the command that tells it.
pub(super) fn versions(text: &str) -> Versions {
    let rows = text.lines().filter_map(|line| {
        let columns: Vec<&str> = line
            .split("  ")
            .map(str::trim)
            .filter(|column| !column.is_empty())
            .collect();
        let [_, version, command] = columns.as_slice() else {
            return None;
        };
        let is_version = version.starts_with(|c: char| c.is_ascii_digit());
        let program = command.split(' ').next()?;
        is_version.then(|| (program.to_owned(), (*version).to_owned()))
    });
    rows.collect()
}

/// A program, what it answers to, and what it is needed for.
struct Program {
    name: &'static str,
    arguments: &'static [&'static str],
    purpose: &'static str,
    /// Options one of which needs it; it is always needed if there are none.
    options: &'static [&'static str],
    debian: &'static str,
    fedora: &'static str,
    opensuse: &'static str,
}

const PROGRAMS: [Program; 11] = [
    Program {
        name: "make",
        arguments: &["--version"],
        purpose: "runs the kernel's build",
        options: &[],
        debian: "make",
        fedora: "make",
        opensuse: "make",
    },
    Program {
        name: "bison",
        arguments: &["--version"],
        purpose: "makes the parser of Kconfig",
        options: &[],
        debian: "bison",
        fedora: "bison",
        opensuse: "bison",
    },
    Program {
        name: "flex",
        arguments: &["--version"],
        purpose: "makes the scanner of Kconfig",
        options: &[],
        debian: "flex",
        fedora: "flex",
        opensuse: "flex",
    },
    Program {
        name: "bc",
        arguments: &["--version"],
        purpose: "computes generated headers",
        options: &[],
        debian: "bc",
        fedora: "bc",
        opensuse: "bc",
    },
    Program {
        name: "perl",
        arguments: &["-e", "print $^V"],
        purpose: "makes generated sources",
        options: &[],
        debian: "perl",
        fedora: "perl-interpreter",
        opensuse: "perl",
    },
    Program {
        name: "cmp",
        arguments: &["--version"],
        purpose: "tells whether a generated file changed",
        options: &[],
        debian: "diffutils",
        fedora: "diffutils",
        opensuse: "diffutils",
    },
    Program {
        name: "find",
        arguments: &["--version"],
        purpose: "used by rules of the build",
        options: &[],
        debian: "findutils",
        fedora: "findutils",
        opensuse: "findutils",
    },
    Program {
        name: "pahole",
        arguments: &["--version"],
        purpose: "CONFIG_DEBUG_INFO_BTF is dropped without it",
        options: &["CONFIG_DEBUG_INFO_BTF"],
        debian: "pahole",
        fedora: "dwarves",
        opensuse: "dwarves",
    },
    Program {
        name: "python3",
        arguments: &["--version"],
        purpose: "makes headers of some drivers",
        options: &["CONFIG_DRM_MSM"],
        debian: "python3",
        fedora: "python3",
        opensuse: "python3",
    },
    Program {
        name: "rustc",
        arguments: &["--version"],
        purpose: "CONFIG_RUST is dropped without it",
        options: &["CONFIG_RUST"],
        debian: "rustc",
        fedora: "rust",
        opensuse: "rust",
    },
    Program {
        name: "bindgen",
        arguments: &["--version", "workaround-for-0.69.0"],
        purpose: "CONFIG_RUST is dropped without it",
        options: &["CONFIG_RUST"],
        debian: "bindgen",
        fedora: "bindgen-cli",
        opensuse: "rust-bindgen",
    },
];

/// Looks for every program that is or may be needed.
pub(super) fn examine(place: &Place<'_>, tree: Option<&ObjectTree>) -> Vec<Finding> {
    let mut findings = compiler(place, tree);
    findings.push(linker(place));
    findings.extend(PROGRAMS.iter().filter_map(|program| {
        let need = match program.options {
            [] => Need::Yes,
            options => place.needs.any(options),
        };
        (need != Need::No).then(|| program.finding(place, need))
    }));
    findings.push(git(place));
    findings
}

impl Program {
    fn finding(&self, place: &Place<'_>, need: Need) -> Finding {
        let argv = [&[self.name], self.arguments].concat();
        let packages = Packages::new(self.debian, self.fedora, self.opensuse);
        match place.ask(&argv, None) {
            Some(answer) => recent(place, self.name, self.name, &answer, need, packages),
            None => {
                let detail = match need {
                    Need::Perhaps => {
                        format!("not found; some configurations need it: {}", self.purpose)
                    }
                    Need::Yes | Need::No => format!("not found; {}", self.purpose),
                };
                Finding::new(self.name, absent(need), detail).from(packages)
            }
        }
    }
}

/// A program that is here, judged by the oldest version that the tree asks for.
fn recent(
    place: &Place<'_>,
    name: &str,
    row: &str,
    answer: &str,
    need: Need,
    packages: Packages,
) -> Finding {
    let Some(found) = version(answer) else {
        return Finding::ok(name, "its version is not known");
    };
    match place.versions.get(row) {
        Some(oldest) if is_older(&found, oldest) => {
            let detail = format!("{found} is too old, the tree asks for {oldest}");
            Finding::new(name, absent(need), detail).from(packages)
        }
        _ => Finding::ok(name, found),
    }
}

/// The first word of a text that is a version: digits, then groups of digits behind dots.
fn version(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || "(),-".contains(c))
        .map(|word| word.trim_start_matches('v').trim_end_matches('.'))
        .find(|word| {
            word.contains('.')
                && word.starts_with(|c: char| c.is_ascii_digit())
                && numbers(word).len() > 1
        })
        .map(str::to_owned)
}

fn numbers(version: &str) -> Vec<u64> {
    let groups = version.split('.');
    groups
        .map_while(|group| {
            let digits = group.trim_end_matches(|c: char| !c.is_ascii_digit());
            digits.parse().ok()
        })
        .collect()
}

fn is_older(found: &str, oldest: &str) -> bool {
    numbers(found) < numbers(oldest)
}

fn compiler(place: &Place<'_>, tree: Option<&ObjectTree>) -> Vec<Finding> {
    let name = "compiler";
    let Some(tree) = tree else {
        return Vec::new();
    };
    let make = &place.request.make;
    let packages = match (make.llvm.is_some(), &make.cross_compile) {
        (true, _) => Packages::same("clang"),
        (false, Some(prefix)) => Packages::cross(prefix),
        (false, None) => Packages::same("gcc"),
    };
    let compiler = match tree.compiler() {
        Ok(compiler) => compiler,
        Err(error) => {
            return vec![Finding::new(name, State::Missing, error.to_string()).from(packages)];
        }
    };
    let family = compiler.family.name();
    let told = format!("{family}, {}, for {}", compiler.version, compiler.machine);
    let row = match compiler.family {
        CompilerFamily::Gcc => "gcc",
        CompilerFamily::Clang => "clang",
    };
    // A version of the distribution stands before the compiler's own, in parentheses.
    let version = compiler.version.rsplit(' ').find_map(version);
    let old = version
        .and_then(|version| Some((place.versions.get(row)?, version)))
        .filter(|(oldest, version)| is_older(version, oldest));
    let mut findings = vec![match old {
        Some((oldest, _)) => {
            let detail = format!("{told}: too old, the tree asks for {oldest}");
            Finding::new(name, State::Missing, detail).from(packages)
        }
        None => Finding::ok(name, told),
    }];
    findings.extend(fits(place, tree, compiler.family, &compiler.machine));
    findings
}

/// Whether the compiler is that of the configuration and of the architecture.
fn fits(
    place: &Place<'_>,
    tree: &ObjectTree,
    family: CompilerFamily,
    machine: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = |option: &str| place.needs.any(&[option]) == Need::Yes;
    let wanted = match place.request.family.as_deref() {
        Some(family) => Some(family),
        None if config("CONFIG_CC_IS_GCC") => Some("gcc"),
        None if config("CONFIG_CC_IS_CLANG") => Some("clang"),
        None => None,
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != family.name()) {
        let step = if wanted == "clang" {
            "pass --llvm 1"
        } else {
            "leave --llvm and --cc out, or pass --cc gcc"
        };
        let detail = format!(
            "the configuration was made with {wanted}, and this is {}",
            family.name()
        );
        findings.push(Finding::new("compiler family", State::Missing, detail).next(step));
    }
    let prefix = ARCHITECTURES
        .iter()
        .find(|(arch, ..)| *arch == tree.arch())
        .filter(|(_, machines, _)| !machines.iter().any(|known| machine.starts_with(known)));
    // Clang compiles for all machines, and the kernel's Makefiles tell it which.
    if let Some((arch, _, prefix)) = prefix.filter(|_| family == CompilerFamily::Gcc) {
        let detail = format!("ARCH={arch}, and the compiler makes code for {machine}");
        findings.push(
            Finding::new("cross compiler", State::Missing, detail)
                .from(Packages::cross(prefix))
                .next(format!("pass --cross-compile {prefix}")),
        );
    }
    findings
}

/// Architectures with the machines whose compilers make code for them, and the usual prefix of a cross compiler.
const ARCHITECTURES: [(&str, &[&str], &str); 7] = [
    (
        "x86",
        &["x86_64", "i686", "i586", "i486", "i386"],
        "x86_64-linux-gnu-",
    ),
    ("arm64", &["aarch64"], "aarch64-linux-gnu-"),
    ("arm", &["arm"], "arm-linux-gnueabihf-"),
    ("powerpc", &["powerpc", "ppc"], "powerpc64le-linux-gnu-"),
    ("riscv", &["riscv"], "riscv64-linux-gnu-"),
    ("s390", &["s390"], "s390x-linux-gnu-"),
    ("loongarch", &["loongarch"], "loongarch64-linux-gnu-"),
];

fn linker(place: &Place<'_>) -> Finding {
    let make = &place.request.make;
    let (program, packages) = match (make.llvm.as_deref(), make.cross_compile.as_deref()) {
        (Some(folder), _) if folder.ends_with('/') => {
            (format!("{folder}ld.lld"), Packages::same("lld"))
        }
        (Some(suffix), _) if suffix.starts_with('-') => {
            (format!("ld.lld{suffix}"), Packages::same("lld"))
        }
        (Some(_), _) => ("ld.lld".to_owned(), Packages::same("lld")),
        (None, Some(prefix)) => (format!("{prefix}ld"), Packages::cross(prefix)),
        (None, None) => ("ld".to_owned(), Packages::same("binutils")),
    };
    match place.ask(&[&program, "--version"], None) {
        Some(answer) if make.llvm.is_none() => {
            // The distribution's own name of the build stands in parentheses, the version last.
            let first = answer.lines().next().unwrap_or_default();
            let last = first.rsplit(' ').next().unwrap_or_default();
            recent(place, "linker", "ld", last, Need::Yes, packages)
        }
        Some(answer) => Finding::ok("linker", version(&answer).unwrap_or_default()),
        None => {
            let detail = format!("{program}: not found; the configuration depends on its version");
            Finding::new("linker", State::Missing, detail).from(packages)
        }
    }
}

fn git(place: &Place<'_>) -> Finding {
    match place.ask(&["git", "--version"], None) {
        Some(answer) => Finding::ok("git", version(&answer).unwrap_or_default()),
        None => Finding::new(
            "git",
            State::Warn,
            "not found; patch series are applied with it",
        )
        .from(Packages::new("git", "git-core", "git-core")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table's rows, and nothing around them.
    #[test]
    fn table_of_versions() {
        let text = "\
====================== ===============  ====================
        Program        Minimal version       Command to check the version
GNU C                  5.1              gcc --version
Clang/LLVM (optional)  13.0.1           clang --version
binutils               2.25             ld -v
cpio                   any              cpio --version
Python (optional)      3.5.x            python3 --version
.. [#f1] Sphinx is needed only  to build  the documentation
";
        let read = versions(text);
        let found: Vec<(&str, &str)> = read.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let expected = [
            ("clang", "13.0.1"),
            ("gcc", "5.1"),
            ("ld", "2.25"),
            ("python3", "3.5.x"),
        ];
        assert_eq!(found, expected);
    }

    /// Versions as programs print them.
    #[test]
    fn versions_of_programs() {
        for (text, expected) in [
            ("GNU Make 4.3\nBuilt for x86_64", "4.3"),
            ("bison (GNU Bison) 3.8.2", "3.8.2"),
            ("flex 2.6.4", "2.6.4"),
            ("v1.24", "1.24"),
            ("v5.36.0", "5.36.0"),
            ("bc 1.07.1\nCopyright", "1.07.1"),
            ("git version 2.39.5", "2.39.5"),
            ("2.40", "2.40"),
        ] {
            assert_eq!(version(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(version("no digits here."), None);
    }

    /// Groups are compared as numbers, and what is no number ends the comparison.
    #[test]
    fn older() {
        assert!(
            is_older("3.81", "3.82") && is_older("4.9.4", "5.1") && is_older("2.5.9", "2.5.35")
        );
        assert!(
            !is_older("4.0", "3.82") && !is_older("3.5.2", "3.5.x") && !is_older("12.2.0", "5.1")
        );
    }
}
