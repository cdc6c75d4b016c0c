//! What the generated files of an object tree are made of.
//!
//! In flow the command files that Kbuild leaves beside everything it makes (`.NAME.cmd`: the command line, and for
//! compiled files every header, `scripts/basic/fixdep` of the kernel), and the texts of Makefiles and generators; out
//! flows a yes or no per source file. A file whose change cannot matter to what was made needs no run of make.
//!
//! Contract: a file that some made thing was made of is either named in a command file ([`Inputs`]), or named by a
//! Makefile or by the text of a generator that opens it itself ([`Mentions`]: the speakup driver's `makemapdata.c` opens
//! headers that no rule tells of), or of a kind of which nothing is known, which the caller treats as read. Wrong in one
//! direction only: a file that counts as read without being so costs a run of make.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::names::without_comments;
use super::plan::normal;
use super::{KbuildError, ObjectTree};
use crate::kbuild::tree::io_error;

/// Bytes of a command file that are read; those of the largest generated files have a few hundred thousand.
const FILE_LIMIT: u64 = 64 << 20;

/// The source files that made things were made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Inputs {
    files: HashSet<String>,
    names: HashSet<String>,
    /// Generated headers, by their path behind `include/generated/`.
    generated: HashSet<String>,
    /// The command files that this was read from, relative to the object tree.
    commands: HashSet<PathBuf>,
}

impl Inputs {
    /// Whether something was made of that file of the source tree.
    #[must_use]
    pub fn reads(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// Whether something was made of a file of that base name, so that a new file may take its place.
    #[must_use]
    pub fn reads_name(&self, path: &str) -> bool {
        self.names.contains(base_name(path))
    }

    /// Whether something was made of a file in that folder of the source tree.
    #[must_use]
    pub fn reads_below(&self, folder: &str) -> bool {
        self.files.iter().any(|file| file.starts_with(folder))
    }

    /// Whether something was made of a generated header, by its path in the object tree.
    #[must_use]
    pub fn reads_generated(&self, path: &str) -> bool {
        let (_, inside) = path.split_once(GENERATED).unwrap_or(("", path));
        self.generated.contains(inside)
    }

    /// Of these files.
    pub fn of<'a>(files: impl IntoIterator<Item = &'a str>) -> Inputs {
        let files: HashSet<String> = files.into_iter().map(str::to_owned).collect();
        Inputs {
            names: files
                .iter()
                .map(|file| base_name(file).to_owned())
                .collect(),
            files,
            ..Inputs::default()
        }
    }

    /// The files, in no order.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }
}

impl ObjectTree {
    /// Reads what the object tree's files were made of, but for what `known` tells already.
    ///
    /// # Errors
    /// If a folder or file cannot be read.
    pub fn inputs(&self, known: Option<&Inputs>) -> Result<Inputs, KbuildError> {
        let mut inputs = Inputs::default();
        let prefix = format!("{}/", self.src.display());
        let mut open = vec![PathBuf::new()];
        while let Some(inside) = open.pop() {
            let folder = self.obj.join(&inside);
            let failed = |source| io_error(&folder, "read", source);
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let kind = entry.file_type().map_err(failed)?;
                let path = inside.join(entry.file_name());
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if kind.is_dir() {
                    if path != Path::new("include/config") && name != ".kabigate" {
                        open.push(path);
                    }
                } else if kind.is_file()
                    && is_command_file(&name)
                    && !known.is_some_and(|known| known.commands.contains(&path))
                {
                    let text = read(&self.obj.join(&path))?;
                    inputs.add(&text, &prefix);
                    inputs.commands.insert(path);
                }
            }
        }
        Ok(inputs)
    }
}

impl Inputs {
    /// Takes every path below the source tree, and every generated header, that a command file names.
    fn add(&mut self, text: &[u8], prefix: &str) {
        self.generated.extend(paths_behind(text, GENERATED));
        for path in paths_behind(text, prefix) {
            let path = normal(&path);
            // A stranger's command file may name anything; what lies above the tree is not of it.
            if !path.starts_with("..") && !self.files.contains(&path) {
                self.names.insert(base_name(&path).to_owned());
                self.files.insert(path);
            }
        }
    }
}

/// Where generated headers lie, in whatever folder.
const GENERATED: &str = "include/generated/";

/// What stands behind each place of `prefix`, as far as a path goes.
fn paths_behind(text: &[u8], prefix: &str) -> impl Iterator<Item = String> {
    memmem::find_iter(text, prefix.as_bytes()).map(move |at| {
        let rest = text.get(at + prefix.len()..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || b"'\"`;()\\,:|&<>$=".contains(byte))
            .unwrap_or(rest.len());
        String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned()
    })
}

/// `.NAME.cmd`; the tools' own build calls its files the same.
fn is_command_file(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".cmd")
}

/// The names of headers and sources that rules and generators mention in their texts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mentions {
    /// Base names, each with the texts that have it: Makefiles by their paths, all others by an empty one.
    names: HashMap<String, BTreeSet<String>>,
    /// The paths that Makefiles include, such as `tools/build/Makefile.include`.
    included: HashSet<MakefilePattern>,
}

/// A path that a Makefile includes: its fixed parts, between which variables stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct MakefilePattern {
    /// Whether the path begins at the top of the tree, and not with a variable that may be any folder.
    is_anchored: bool,
    /// Where else the file lies: what a Makefile includes through a variable of its own lies near it.
    within: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Part {
    Fixed(String),
    /// A variable that stands for one folder's name.
    Name,
    /// Any other variable.
    Any,
}

/// Variables that stand for the top of the tree.
const TOPS: [&str; 3] = ["$(srctree)/", "${srctree}/", "./"];
/// Variables that stand for the architecture.
const NAMES: [&str; 3] = ["SRCARCH", "ARCH", "HEADER_ARCH"];

impl MakefilePattern {
    /// What a word behind `include` says; nothing if it can only be the Makefile of the folder that the build is in.
    fn of(word: &str, makefile: &str) -> Option<MakefilePattern> {
        let mut folders = makefile.rsplitn(3, '/');
        let within = folders
            .nth(2)
            .map_or(String::new(), |above| format!("{above}/"));
        if word.contains("..") {
            return Some(MakefilePattern::any(within));
        }
        let inside = TOPS.iter().find_map(|top| word.strip_prefix(top));
        let mut rest = inside.unwrap_or(word);
        let is_anchored = !rest.starts_with('$');
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let Some(at) = rest.find('$') else {
                parts.push(Part::Fixed(rest.to_owned()));
                break;
            };
            let (fixed, variable) = rest.split_at(at);
            if !fixed.is_empty() {
                parts.push(Part::Fixed(fixed.to_owned()));
            }
            let end = variable.find([')', '}'])?;
            let (name, after) = variable.split_at(end + 1);
            // A call within a call is not followed.
            if name.matches('$').count() > 1 {
                return Some(MakefilePattern::any(within));
            }
            let name = name.trim_matches(['$', '(', '{', ')', '}']);
            parts.push(if NAMES.contains(&name) {
                Part::Name
            } else {
                Part::Any
            });
            rest = after;
        }
        let is_own = match parts.as_slice() {
            [Part::Any, Part::Fixed(name)] => {
                makefile.starts_with("scripts/") && matches!(name.as_str(), "/Makefile" | "/Kbuild")
            }
            parts => !parts.iter().any(|part| matches!(part, Part::Fixed(_))),
        };
        (!is_own).then_some(MakefilePattern {
            is_anchored,
            within,
            parts,
        })
    }

    /// The pattern of any path near a Makefile.
    fn any(within: String) -> MakefilePattern {
        MakefilePattern {
            is_anchored: false,
            within,
            parts: vec![Part::Any],
        }
    }

    fn matches(&self, path: &str) -> bool {
        // A pattern that is not anchored begins with a variable, behind which a slash stands.
        if self.is_anchored {
            return fits(&self.parts, path);
        }
        path.starts_with(&self.within)
            && (fits(&self.parts, path) || fits(&self.parts, &format!("/{path}")))
    }
}

/// Whether a text is made of these parts. Makefiles have a handful of them.
fn fits(parts: &[Part], text: &str) -> bool {
    match parts {
        [] => text.is_empty(),
        [Part::Fixed(fixed), rest @ ..] => text
            .strip_prefix(fixed.as_str())
            .is_some_and(|text| fits(rest, text)),
        [Part::Name, rest @ ..] => {
            let name = text.find('/').unwrap_or(text.len());
            text.get(name..).is_some_and(|text| fits(rest, text))
        }
        [Part::Any, rest @ ..] => text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .filter_map(|at| text.get(at..))
            .any(|text| fits(rest, text)),
    }
}

impl Mentions {
    /// Takes the text of a Makefile, or of a script or generator.
    pub fn add(&mut self, text: &[u8], path: &str) {
        let makefile = is_makefile(base_name(path)).then_some(path);
        let in_c = (path.ends_with(".c") || path.ends_with(".h")).then(|| without_comments(text));
        let text = in_c.as_deref().unwrap_or(text);
        for line in text.split(|&byte| byte == b'\n') {
            let start = line.trim_ascii_start();
            if start.starts_with(b"#") {
                // A comment of Makefiles and scripts; in C an include, which dependency files tell of.
                continue;
            }
            if let Some(makefile) = makefile {
                self.include(start, makefile);
            }
            // An include inside of a line is printed into a file whose own dependencies tell of it.
            if !line.contains(&b'.') || memmem::find(line, b"#include").is_some() {
                continue;
            }
            let words =
                line.split(|byte| !(byte.is_ascii_alphanumeric() || b"_-.+".contains(byte)));
            for word in words {
                if word.ends_with(b".h") || word.ends_with(b".c") || word.ends_with(b".S") {
                    let name = String::from_utf8_lossy(word).into_owned();
                    let texts = self.names.entry(name).or_default();
                    texts.insert(makefile.unwrap_or_default().to_owned());
                }
            }
        }
    }

    fn include(&mut self, line: &[u8], makefile: &str) {
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_whitespace();
        if !matches!(words.next(), Some("include" | "-include" | "sinclude")) {
            return;
        }
        for word in words {
            if let Some(pattern) = MakefilePattern::of(word, makefile) {
                self.included.insert(pattern);
            }
        }
    }

    /// Whether some text mentions a file of that base name.
    #[must_use]
    pub fn names(&self, path: &str) -> bool {
        self.names.contains_key(base_name(path))
    }

    /// The folders whose own Makefiles alone mention a file of that base name: what is made of it is made in them or below,
    /// as no other folder's rules see these texts. `None` if a text mentions it whose rules may serve anywhere.
    #[must_use]
    pub fn folders(&self, path: &str) -> Option<BTreeSet<&str>> {
        let texts = self.names.get(base_name(path)).into_iter().flatten();
        texts.map(|text| self.own_folder(text)).collect()
    }

    /// The folder whose rules are in that Makefile, if they serve in no other one.
    fn own_folder<'t>(&self, makefile: &'t str) -> Option<&'t str> {
        let (folder, name) = makefile.rsplit_once('/')?;
        let is_own = matches!(name, "Makefile" | "Kbuild")
            && !makefile.starts_with("scripts/")
            && !self.includes(makefile);
        is_own.then_some(folder)
    }

    /// Whether a Makefile may include that one.
    #[must_use]
    pub fn includes(&self, makefile: &str) -> bool {
        self.included
            .iter()
            .any(|pattern| pattern.matches(makefile))
    }

    /// Whether a source file's text counts: Makefiles and build scripts of one architecture. Lists of headers to wrap and
    /// to install name files without reading them, tools and samples have headers of their own, and the checkers among the scripts take no part in a build.
    #[must_use]
    pub fn counts(path: &str, arch: &str) -> bool {
        let name = base_name(path);
        let foreign = path
            .strip_prefix("arch/")
            .is_some_and(|rest| !rest.starts_with(&format!("{arch}/")));
        let aside = [
            "include/",
            "tools/",
            "samples/",
            "Documentation/",
            "scripts/coccinelle/",
            "scripts/gdb/",
            "scripts/package/",
        ];
        if foreign || aside.iter().any(|folder| path.starts_with(folder)) {
            return false;
        }
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let script = matches!(extension, "sh" | "pl" | "py" | "awk" | "sed" | "bc");
        is_makefile(name) || (script && !CHECKERS.contains(&name))
    }
}

/// Scripts that people run on sources, or on what a kernel printed.
const CHECKERS: [&str; 10] = [
    "checkpatch.pl",
    "get_maintainer.pl",
    "checkstack.pl",
    "decode_stacktrace.sh",
    "kernel-doc.pl",
    "get_abi.pl",
    "headerdep.pl",
    "headers_check.pl",
    "headers_install.sh",
    "update-dtc-source.sh",
];

/// Whether a base name is that of a file with rules.
#[must_use]
pub fn is_makefile(name: &str) -> bool {
    name.starts_with("Makefile") || name.starts_with("Kbuild") || name.ends_with(".mk")
}

fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn read(path: &Path) -> Result<Vec<u8>, KbuildError> {
    use std::io::Read as _;
    let failed = |source| io_error(path, "read", source);
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(failed)?
        .take(FILE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(KbuildError::Limit {
            name: path.display().to_string(),
            what: "the command file",
            limit: format!("{FILE_LIMIT} bytes"),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command file of 6.1, shortened: paths of the command line and of the dependencies count, whatever stands at
    /// their ends.
    #[test]
    fn reads_command_files() {
        let text = b"cmd_drivers/scsi/scsi_devinfo_tbl.c := sed -n 's/.*define/x/p' /k/include/scsi/scsi_devinfo.h > drivers/scsi/scsi_devinfo_tbl.c\n\
            cmd_kernel/bounds.s := gcc -I/k/arch/x86/include -DKBUILD='\"bounds\"' -S -o kernel/bounds.s /k/kernel/bounds.c\n\
            source_kernel/bounds.s := /k/kernel/bounds.c\n\
            deps_kernel/bounds.s := \\\n    $(wildcard include/config/SMP) \\\n  /k/include/linux/kconfig.h \\\n  /k/scripts/../include/linux/page-flags.h \\\n  arch/x86/include/generated/asm/rwonce.h \\\n";
        let mut inputs = Inputs::default();
        inputs.add(text, "/k/");
        for path in [
            "include/scsi/scsi_devinfo.h",
            "kernel/bounds.c",
            "include/linux/kconfig.h",
            "include/linux/page-flags.h",
        ] {
            assert!(inputs.reads(path), "{path}");
        }
        assert!(!inputs.reads("include/linux/sched.h"));
        assert!(inputs.reads_generated("arch/x86/include/generated/asm/rwonce.h"));
        assert!(!inputs.reads_generated("include/generated/bounds.h"));
        assert!(inputs.reads_name("arch/x86/include/linux/kconfig.h"));
        assert!(!inputs.reads_below("scripts/") && inputs.reads_below("kernel/"));
    }

    /// Headers that a generator opens by name count, includes and comments do not; an include of a Makefile reaches
    /// every file that its end may name.
    #[test]
    fn reads_mentions() {
        let mut mentions = Mentions::default();
        mentions.add(
            b"#include \"utils.h\"\n/* of\n * stat.h */\tsnprintf(f, sizeof(f), \"%s/include/linux/input.h\", topdir);\n",
            "lib/x/gen.c",
        );
        mentions.add(
            b"# see list.h\n\techo '#include <linux/kernel.h>'\nchars := $(src)/../alpha.h\ninclude $(srctree)/drivers/x/Makefile.inc\n-include $(src)/Makefile.local $(obj)/x.d\n",
            "lib/x/Makefile",
        );
        for (path, expected) in [
            ("include/linux/input.h", true),
            ("lib/alpha.h", true),
            ("include/linux/utils.h", false),
            ("include/linux/stat.h", false),
            ("include/linux/list.h", false),
            ("include/linux/kernel.h", false),
        ] {
            assert_eq!(mentions.names(path), expected, "{path}");
        }
        assert_eq!(
            mentions.folders("any/alpha.h"),
            Some(BTreeSet::from(["lib/x"]))
        );
        assert_eq!(mentions.folders("any/input.h"), None);
        assert_eq!(mentions.folders("any/list.h"), Some(BTreeSet::new()));
        assert!(mentions.includes("drivers/x/Makefile.inc"));
        assert!(mentions.includes("lib/y/Makefile.local"));
        assert!(!mentions.includes("any/Makefile.local"));
        assert!(!mentions.includes("drivers/x/Makefile"));
        let text =
            b"include $(srctree)/arch/$(SRCARCH)/Makefile\ninclude $(srctree)/lib/vdso/Makefile\n";
        mentions.add(text, "Makefile");
        // What another Makefile includes serves wherever that one is.
        mentions.add(b"deps := beta.h\n", "lib/vdso/Makefile");
        assert_eq!(mentions.folders("beta.h"), None);
        for (path, included) in [
            ("arch/x86/Makefile", true),
            ("arch/x86/kernel/Makefile", false),
            ("lib/vdso/Makefile", true),
            ("lib/Makefile", false),
            ("drivers/x/Makefile", false),
        ] {
            assert_eq!(mentions.includes(path), included, "{path}");
        }
    }

    /// Makefiles and scripts of this architecture count, lists of headers and checkers do not.
    #[test]
    fn texts_that_count() {
        for (path, expected) in [
            ("lib/Makefile", true),
            ("arch/x86/Kbuild", true),
            ("arch/arm/Makefile", false),
            ("include/asm-generic/Kbuild", false),
            ("scripts/syscalltbl.sh", true),
            ("scripts/checkpatch.pl", false),
            ("tools/objtool/Makefile", false),
            ("lib/crc16.c", false),
        ] {
            assert_eq!(Mentions::counts(path, "x86"), expected, "{path}");
        }
    }
}
