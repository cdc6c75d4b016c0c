//! Headers of libraries that host programs of the build are compiled with, and those of compiler plugins.

use std::path::Path;

use super::packages::Packages;
use super::{Finding, Need, Place, State, absent, family_name};
use crate::kbuild::{CompilerFamily, ObjectTree};

/// A library's header, what needs it, and which options call for that.
struct Header {
    name: &'static str,
    header: &'static str,
    purpose: &'static str,
    options: &'static [&'static str],
    debian: &'static str,
    fedora: &'static str,
    opensuse: &'static str,
}

const HEADERS: [Header; 3] = [
    Header {
        name: "libc",
        header: "stdio.h",
        purpose: "host programs of the build are compiled with it",
        options: &[],
        debian: "libc6-dev",
        fedora: "glibc-devel",
        opensuse: "glibc-devel",
    },
    Header {
        name: "libelf",
        header: "gelf.h",
        purpose: "objtool reads objects with it",
        options: &[
            "CONFIG_OBJTOOL",
            "CONFIG_STACK_VALIDATION",
            "CONFIG_UNWINDER_ORC",
        ],
        debian: "libelf-dev",
        fedora: "elfutils-libelf-devel",
        opensuse: "libelf-devel",
    },
    Header {
        name: "openssl",
        header: "openssl/cms.h",
        purpose: "programs that sign modules are compiled with it",
        options: &[
            "CONFIG_MODULE_SIG_FORMAT",
            "CONFIG_MODULE_SIG",
            "CONFIG_SYSTEM_TRUSTED_KEYRING",
        ],
        debian: "libssl-dev",
        fedora: "openssl-devel",
        opensuse: "libopenssl-devel",
    },
];

/// Asks the compiler of host programs for every header that is or may be needed.
pub(super) fn examine(place: &Place<'_>, tree: Option<&ObjectTree>) -> Vec<Finding> {
    let host = if place.request.make.llvm.is_some() {
        "clang"
    } else {
        "gcc"
    };
    if place.ask(&[host, "--version"], None).is_none() {
        let detail = format!("{host}: not found, so no library's headers can be looked for");
        return vec![
            Finding::new("host compiler", State::Missing, detail).from(Packages::same(host)),
        ];
    }
    let mut findings: Vec<Finding> = HEADERS
        .iter()
        .filter_map(|header| {
            let need = match header.options {
                [] => Need::Yes,
                options => place.needs.any(options),
            };
            (need != Need::No).then(|| header.finding(place, host, need))
        })
        .collect();
    findings.extend(plugins(place, tree));
    findings
}

impl Header {
    fn finding(&self, place: &Place<'_>, host: &str, need: Need) -> Finding {
        let source = format!("#include <{}>\n", self.header);
        let argv = [host, "-E", "-x", "c", "-o", "/dev/null", "-"];
        if place.ask(&argv, Some(source.as_bytes())).is_some() {
            return Finding::ok(self.name, format!("{} is here", self.header));
        }
        let often = if need == Need::Perhaps {
            "some configurations need it: "
        } else {
            ""
        };
        let detail = format!("{} is missing; {often}{}", self.header, self.purpose);
        Finding::new(self.name, absent(need), detail).from(Packages::new(
            self.debian,
            self.fedora,
            self.opensuse,
        ))
    }
}

/// Without the headers, `CONFIG_GCC_PLUGINS` and all that hangs on it are dropped in silence.
fn plugins(place: &Place<'_>, tree: Option<&ObjectTree>) -> Option<Finding> {
    if place.needs.any(&["CONFIG_GCC_PLUGINS"]) != Need::Yes
        || tree.and_then(family_name) != Some(CompilerFamily::Gcc)
    {
        return None;
    }
    let make = &place.request.make;
    let prefix = make.cross_compile.as_deref().unwrap_or_default();
    let gcc = make.cc.clone().unwrap_or_else(|| format!("{prefix}gcc"));
    let words: Vec<&str> = gcc.split(' ').chain(["-print-file-name=plugin"]).collect();
    let folder = place.ask(&words, None)?;
    let name = "plugin headers";
    if Path::new(folder.trim())
        .join("include/gcc-plugin.h")
        .exists()
    {
        return Some(Finding::ok(name, "gcc-plugin.h is here"));
    }
    let words: Vec<&str> = gcc.split(' ').chain(["-dumpversion"]).collect();
    let version = place.ask(&words, None)?;
    let major = version.split('.').next().unwrap_or_default().trim();
    let suffix = prefix.trim_end_matches('-');
    let debian = if suffix.is_empty() {
        format!("gcc-{major}-plugin-dev")
    } else {
        format!("gcc-{major}-plugin-dev-{suffix}")
    };
    let detail = "gcc-plugin.h is missing; CONFIG_GCC_PLUGINS is dropped without it";
    let packages = Packages::new(&debian, "gcc-plugin-devel", &format!("gcc{major}-devel"));
    Some(Finding::new(name, State::Missing, detail).from(packages))
}
