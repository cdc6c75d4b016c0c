//! What a change of files means for what is kept of the commit before.
//!
//! Wrong in one direction only: a change that needs less work than is done costs time, never a CRC.
//!
//! | changed | done again |
//! |---|---|
//! | source of a unit, header that nothing was generated from, text | nothing beyond units |
//! | file that something was generated from, or of a kind that is not known | `prepare`, objects with generated sources |
//! | Makefile of a folder; source that comes or goes | plan of that folder |
//! | top Makefile, architecture's Makefile | configure, prepare; whole plan if they hand down anything otherwise |
//! | included Makefile, rules of `scripts/` | configure, prepare, whole plan |
//! | Kconfig file | configure; if an option comes out differently, prepare and the plan of what uses it |
//! | script that a rule may call | new object tree: no rule says what it made |

use std::collections::{BTreeSet, HashSet};

use crate::kbuild::{Inputs, Mentions, Plan, is_makefile};

/// How much of the tree something must be done again for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing.
    #[default]
    No,
    /// These folders and what lies below.
    Folders(BTreeSet<String>),
    /// Everything.
    Whole,
}

impl Reach {
    pub(super) fn folder(folder: &str) -> Reach {
        Reach::folders([folder])
    }

    fn folders<'a>(folders: impl IntoIterator<Item = &'a str>) -> Reach {
        let folders: BTreeSet<String> = folders.into_iter().map(str::to_owned).collect();
        match folders.is_empty() {
            true => Reach::No,
            false => Reach::Folders(folders),
        }
    }

    /// Both.
    pub(super) fn and(self, other: Reach) -> Reach {
        match (self, other) {
            (Reach::Whole, _) | (_, Reach::Whole) => Reach::Whole,
            (Reach::No, reach) | (reach, Reach::No) => reach,
            (Reach::Folders(mut a), Reach::Folders(b)) => {
                a.extend(b);
                Reach::Folders(a)
            }
        }
    }

    /// Whether it reaches an object.
    pub(super) fn holds(&self, object: &str) -> bool {
        match self {
            Reach::No => false,
            Reach::Folders(folders) => folders.iter().any(|folder| is_below(object, folder)),
            Reach::Whole => true,
        }
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// What must be done again for a commit, beyond its units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// A new object tree; all else then follows.
    pub(super) fresh: bool,
    /// The configuration may come out differently.
    pub(super) configure: bool,
    /// Generated headers and tools may change.
    pub(super) prepare: bool,
    /// What the top Makefile hands down to the folders may change.
    pub(super) frame: bool,
    /// Sources that only the rules of objects make may change.
    pub(super) objects: Reach,
    /// Units or their compiler calls may change.
    pub(super) plan: Reach,
}

impl Work {
    /// Everything that can be done within an object tree but configuring it.
    pub(super) fn all() -> Work {
        Work {
            prepare: true,
            frame: true,
            objects: Reach::Whole,
            plan: Reach::Whole,
            ..Work::default()
        }
    }

    pub(super) fn fresh() -> Work {
        Work {
            fresh: true,
            ..Work::default()
        }
    }

    fn made() -> Work {
        Work {
            prepare: true,
            objects: Reach::Whole,
            ..Work::default()
        }
    }

    fn folder(folder: &str) -> Work {
        Work {
            plan: Reach::folder(folder),
            ..Work::default()
        }
    }

    /// Both.
    #[must_use]
    pub(super) fn and(mut self, other: Work) -> Work {
        self.fresh |= other.fresh;
        self.configure |= other.configure;
        self.prepare |= other.prepare;
        self.frame |= other.frame;
        self.objects = self.objects.and(other.objects);
        self.plan = self.plan.and(other.plan);
        self
    }
}

/// What is known of the object tree, to tell what a changed file means for it.
pub(super) struct Rules<'a> {
    /// Folder of the architecture.
    pub(super) arch: &'a str,
    pub(super) plan: &'a Plan,
    /// Source files of planned units.
    pub(super) planned: HashSet<&'a str>,
    /// What generated headers and tools were made of.
    pub(super) prepared: &'a Inputs,
    /// What sources that only the rules of objects make were made of.
    pub(super) made: &'a Inputs,
    /// Objects that were made for such sources.
    pub(super) made_objects: &'a BTreeSet<String>,
    /// What rules and generators name in their texts.
    pub(super) mentions: &'a Mentions,
}

impl Rules<'_> {
    /// What the change of a path means; `appeared` says whether it came or went.
    pub(super) fn work(&self, path: &str, appeared: bool) -> Work {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if is_text(path, name) || self.is_foreign(path) {
            return Work::default();
        }
        if is_kconfig(path) || name.ends_with(".config") || name.ends_with("defconfig") {
            return Work {
                configure: true,
                ..Work::default()
            };
        }
        if self.is_idle_tool(path) {
            return Work::default();
        }
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let is_source = matches!(extension, "c" | "S" | "h");
        if is_makefile(name) {
            self.makefile(path, folder, name)
        } else if path.starts_with("scripts/") {
            self.script(path, is_source)
        } else if is_source {
            self.source(path, folder, extension, appeared)
        } else if self.mentions.includes(path) {
            Work {
                configure: true,
                ..Work::all()
            }
        } else {
            self.unknown(path)
        }
    }

    /// What a file means of which no rule tells what is made of it.
    fn unknown(&self, path: &str) -> Work {
        let mut work = Work::made();
        if tool_folder(path).is_some_and(|tool| !self.made.reads_below(tool)) {
            work.objects = Reach::No;
        }
        work
    }

    /// Whether a path belongs to a tool that the build of a kernel does not make: it compiled nothing there.
    fn is_idle_tool(&self, path: &str) -> bool {
        tool_folder(path)
            .is_some_and(|tool| !self.prepared.reads_below(tool) && !self.made.reads_below(tool))
    }

    fn makefile(&self, path: &str, folder: &str, name: &str) -> Work {
        let all = Work {
            configure: true,
            ..Work::all()
        };
        if path.starts_with("tools/") {
            return self.unknown(path);
        }
        if is_top_makefile(path, self.arch) {
            return Work {
                configure: true,
                prepare: true,
                frame: true,
                ..Work::default()
            };
        }
        if AFTER_COMPILING.contains(&path) && !self.mentions.includes(path) {
            return Work::default();
        }
        let own_folder = name == "Makefile" || name == "Kbuild";
        if folder.is_empty()
            || !own_folder
            || path.starts_with("scripts/")
            || self.mentions.includes(path)
        {
            return all;
        }
        let visited = self.plan.folders.contains(folder);
        let mut work = if visited {
            Work::folder(folder)
        } else {
            Work::default()
        };
        if self
            .made_objects
            .iter()
            .any(|object| is_below(object, folder))
        {
            work.objects = Reach::folder(folder);
        }
        work.prepare = self.plan.preparing.contains(folder)
            || self.prepared.reads_below(&format!("{folder}/"))
            || path.starts_with("include/")
            || (!visited && path.starts_with("arch/"));
        work
    }

    /// Sources of tools are followed by the build; of any other script no rule says what it made.
    fn script(&self, path: &str, is_source: bool) -> Work {
        if is_source {
            return Work {
                configure: path.starts_with("scripts/kconfig/"),
                ..Work::made()
            };
        }
        let build = Mentions::counts(path, self.arch);
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let aside = path.starts_with("scripts/coccinelle/")
            || path.starts_with("scripts/package/")
            || ["spelling.txt", "const_structs.checkpatch", "kernel-doc"].contains(&name)
            || (!build && name.ends_with(".pl"));
        if aside {
            Work::default()
        } else {
            Work::fresh()
        }
    }

    fn source(&self, path: &str, folder: &str, extension: &str, appeared: bool) -> Work {
        let found = |inputs: &Inputs| inputs.reads(path) || (appeared && inputs.reads_name(path));
        // The build writes a forwarding header where the architecture has none of that name.
        let overlaid = path == "include/linux/export.h";
        let forwards = appeared
            && extension == "h"
            && (folder.contains("/asm") || folder.starts_with("include/asm"));
        let mut work = Work {
            prepare: found(self.prepared) || self.mentions.names(path) || forwards || overlaid,
            objects: match self.mentions.folders(path) {
                Some(folders) if !found(self.made) => Reach::folders(folders),
                _ => Reach::Whole,
            },
            ..Work::default()
        };
        // A source that comes can take the place of another (`foo.S` for `foo.c`); one that goes may be planned.
        if extension != "h" && appeared {
            work.plan = self.planner(folder);
        }
        work
    }

    /// The nearest folder whose Makefile the build reads.
    fn planner(&self, folder: &str) -> Reach {
        let mut folder = folder;
        loop {
            if self.plan.folders.contains(folder) {
                return Reach::folder(folder);
            }
            match folder.rsplit_once('/') {
                Some((above, _)) => folder = above,
                // No Makefile that is read is near enough to name it.
                None => return Reach::Whole,
            }
        }
    }

    /// Whether a path belongs to another architecture, of which this one takes nothing.
    fn is_foreign(&self, path: &str) -> bool {
        let Some((other, _)) = path
            .strip_prefix("arch/")
            .and_then(|rest| rest.split_once('/'))
        else {
            return false;
        };
        if other == self.arch || (self.arch == "um" && other == "x86") {
            return false;
        }
        let folder = format!("arch/{other}/");
        let mut read = self.plan.folders.iter().map(String::as_str);
        let mut compiled = self.planned.iter();
        let used = read.any(|path| path.starts_with(&folder))
            || compiled.any(|path| path.starts_with(&folder))
            || self.prepared.reads_below(&folder)
            || self.made.reads_below(&folder);
        !used
    }
}

/// Whether a file declares options.
pub(super) fn is_kconfig(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.starts_with("Kconfig")
}

/// Makefiles that are called, and never included, for what follows compiling (`Documentation/kbuild/makefiles.rst`).
const AFTER_COMPILING: [&str; 7] = [
    "scripts/Makefile.clean",
    "scripts/Makefile.dtbinst",
    "scripts/Makefile.headersinst",
    "scripts/Makefile.modfinal",
    "scripts/Makefile.modinst",
    "scripts/Makefile.modpost",
    "scripts/Makefile.package",
];

/// The folder of the tool that a path belongs to, such as `tools/objtool/`; none for those that hold what the Makefiles of all
/// tools include.
fn tool_folder(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("tools/")?;
    let (tool, _) = inside.split_once('/')?;
    let is_shared = matches!(tool, "build" | "scripts");
    path.get(..path.len() - inside.len() + tool.len() + 1)
        .filter(|_| !is_shared)
}

/// Whether a Makefile reaches the folders by what it hands down alone.
fn is_top_makefile(path: &str, arch: &str) -> bool {
    path == "Makefile" || path == format!("arch/{arch}/Makefile")
}

/// Whether a file is certainly only for people, or for device trees, which no unit includes.
fn is_text(path: &str, name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    // Kconfig files and programs live below Documentation too.
    let document =
        path.starts_with("Documentation/") && matches!(extension, "rst" | "txt" | "yaml");
    document
        || path.starts_with("LICENSES/")
        || matches!(extension, "dts" | "dtsi" | "dtso")
        || matches!(
            path,
            "MAINTAINERS" | "CREDITS" | "COPYING" | "README" | ".mailmap" | ".clang-format"
        )
        || name == ".gitignore"
        || name == ".gitattributes"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    /// One row per kind of file: what is done again when it changes, and when it comes or goes.
    #[test]
    fn kinds_of_files() {
        let plan = Plan {
            folders: strings(&[
                ".",
                "lib",
                "lib/math",
                "arch/x86/kernel",
                "kernel",
                "drivers",
            ]),
            preparing: strings(&["arch/x86/entry/syscalls", "scripts/mod"]),
            ..Plan::default()
        };
        let prepared = Inputs::of([
            "kernel/bounds.c",
            "include/linux/mmzone.h",
            "scripts/mod/empty.c",
            "tools/objtool/check.c",
        ]);
        let made = Inputs::of(["lib/gen_crc32table.c", "include/scsi/scsi_devinfo.h"]);
        let made_objects = strings(&["lib/crc32.o", "lib2/a.o"]);
        let mut mentions = Mentions::default();
        mentions.add(
            b"x: include/linux/input.h\ninclude $(src)/Makefile.inc\n",
            "lib/x/Makefile",
        );
        mentions.add(b"-include .local\n", "Makefile");
        let rules = Rules {
            arch: "x86",
            plan: &plan,
            planned: HashSet::from(["lib/crc16.c"]),
            prepared: &prepared,
            made: &made,
            made_objects: &made_objects,
            mentions: &mentions,
        };
        let nothing = Work::default;
        let prepare = || Work {
            prepare: true,
            ..nothing()
        };
        let objects = || Work {
            objects: Reach::Whole,
            ..nothing()
        };
        let objects_of = |folder: &str| Work {
            objects: Reach::folder(folder),
            ..nothing()
        };
        let configure = || Work {
            configure: true,
            ..nothing()
        };
        let everything = || Work {
            configure: true,
            ..Work::all()
        };
        let frame = || Work {
            configure: true,
            prepare: true,
            frame: true,
            ..nothing()
        };
        let folder = |name: &str| Work::folder(name);
        for (path, changes, comes) in [
            ("lib/crc16.c", nothing(), folder("lib")),
            ("lib/other.c", nothing(), folder("lib")),
            ("lib/zstd/deep/a.S", nothing(), folder("lib")),
            (
                "mm/new.c",
                nothing(),
                Work {
                    plan: Reach::Whole,
                    ..nothing()
                },
            ),
            (
                "kernel/bounds.c",
                prepare(),
                prepare().and(folder("kernel")),
            ),
            (
                "lib/gen_crc32table.c",
                objects(),
                objects().and(folder("lib")),
            ),
            ("include/linux/fs.h", nothing(), nothing()),
            ("include/linux/mmzone.h", prepare(), prepare()),
            ("arch/x86/include/asm/mmzone.h", nothing(), prepare()),
            ("arch/x86/include/asm/new.h", nothing(), prepare()),
            ("include/scsi/scsi_devinfo.h", objects(), objects()),
            (
                "include/linux/input.h",
                prepare().and(objects_of("lib/x")),
                prepare().and(objects_of("lib/x")),
            ),
            (
                "lib/Makefile",
                folder("lib").and(objects_of("lib")),
                folder("lib").and(objects_of("lib")),
            ),
            ("lib/math/Makefile", folder("lib/math"), folder("lib/math")),
            (
                "kernel/Makefile",
                folder("kernel").and(prepare()),
                folder("kernel").and(prepare()),
            ),
            ("drivers/off/Makefile", nothing(), nothing()),
            ("arch/x86/entry/syscalls/Makefile", prepare(), prepare()),
            ("arch/x86/boot/Makefile", prepare(), prepare()),
            ("arch/x86/Makefile", frame(), frame()),
            ("arch/arm/Makefile", nothing(), nothing()),
            ("arch/arm/kernel/a.c", nothing(), nothing()),
            ("Makefile", frame(), frame()),
            ("Kbuild", everything(), everything()),
            (".local", everything(), everything()),
            ("lib/Makefile.inc", everything(), everything()),
            ("scripts/Makefile.build", everything(), everything()),
            ("scripts/Makefile.modfinal", nothing(), nothing()),
            ("tools/objtool/Makefile", prepare(), prepare()),
            ("tools/objtool/map.txt", prepare(), prepare()),
            ("tools/build/Makefile.build", Work::made(), Work::made()),
            ("tools/usb/usbip/doc/usbipd.8", nothing(), nothing()),
            ("tools/testing/selftests/Makefile", nothing(), nothing()),
            ("net/Kconfig.debug", configure(), configure()),
            ("Documentation/Kconfig", configure(), configure()),
            (
                "arch/x86/configs/x86_64_defconfig",
                configure(),
                configure(),
            ),
            ("scripts/mod/modpost.c", Work::made(), Work::made()),
            ("scripts/syscalltbl.sh", Work::fresh(), Work::fresh()),
            ("scripts/checkpatch.pl", nothing(), nothing()),
            ("scripts/Kconfig.include", configure(), configure()),
            ("Documentation/admin-guide/a.rst", nothing(), nothing()),
            (
                "arch/x86/entry/syscalls/syscall_64.tbl",
                Work::made(),
                Work::made(),
            ),
            ("lib/data.asn1", Work::made(), Work::made()),
        ] {
            assert_eq!(rules.work(path, false), changes, "{path} changes");
            assert_eq!(rules.work(path, true), comes, "{path} comes");
        }
    }
}
