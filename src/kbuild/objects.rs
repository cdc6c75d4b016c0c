//! Objects that are made for the sake of what only their rules make: headers and sources.
//!
//! A dry run prints the compile of an object only where the object is out of date. So objects stand in the object tree
//! only while make works on them. Between, they lie aside with their command files, and make finds those again that are
//! up to date.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::plan::normal;
use super::shell::LineJoiner;
use super::tree::io_error;
use super::{KbuildError, ObjectTree, make};

/// Most messages of make that are handed on.
const MESSAGES: usize = 20;

impl ObjectTree {
    /// Brings single objects up to date, for units whose headers or sources only a rule of their object makes, and puts
    /// all objects aside that this made, so that the next dry run prints their compiles. Returns what make said of those
    /// that failed.
    ///
    /// # Errors
    /// If make cannot be run or files cannot be moved. An object that does not compile is no error: what it includes may
    /// have been made before.
    pub fn make_objects(&self, objects: &[&str]) -> Result<Vec<String>, KbuildError> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let mut there: BTreeSet<String> = objects.iter().map(|name| (*name).to_owned()).collect();
        let failed = self
            .bring_back(&mut there)
            .and_then(|()| self.run_make(objects, &mut there));
        // Also after a failure, and all of them: what stays would be missing in the next plan.
        let put = there.iter().map(|object| self.put_aside(object));
        put.fold(Ok(()), Result::and).and(failed)
    }

    /// Adds all objects to `there` that the rules build on their way.
    fn run_make(
        &self,
        objects: &[&str],
        there: &mut BTreeSet<String>,
    ) -> Result<Vec<String>, KbuildError> {
        let jobs = format!("-j{}", self.options.jobs.max(1));
        let mut joiner = LineJoiner::default();
        let ended = make::run(
            &self.src,
            &self.obj,
            &self.options,
            &[&jobs, "-k"],
            objects,
            &mut |piece| match joiner.push(piece, |line| there.extend(announced_object(line))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            },
        );
        joiner.finish(|line| there.extend(announced_object(line)));
        let ended = ended?;
        if ended.status.success() {
            return Ok(Vec::new());
        }
        let lines = ended.stderr.lines();
        let telling = lines.filter(|line| line.contains("***") || line.contains("error:"));
        Ok(telling.take(MESSAGES).map(str::to_owned).collect())
    }

    /// Where the objects lie between two runs of make.
    fn aside(&self) -> PathBuf {
        make::home(&self.obj).join("objects")
    }

    /// Puts all objects into their places and adds their names.
    fn bring_back(&self, there: &mut BTreeSet<String>) -> Result<(), KbuildError> {
        let aside = self.aside();
        let mut open = vec![String::new()];
        while let Some(folder) = open.pop() {
            let path = aside.join(&folder);
            let failed = |source| io_error(&path, "read", source);
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                // What is no text no rule of ours has put there.
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                if entry.file_type().map_err(failed)?.is_dir() {
                    open.push(format!("{folder}{name}/"));
                } else if name.ends_with(".o") {
                    let object = format!("{folder}{name}");
                    move_both(&aside, &self.obj, &object)?;
                    there.insert(object);
                }
            }
        }
        Ok(())
    }

    fn put_aside(&self, object: &str) -> Result<(), KbuildError> {
        move_both(&self.obj, &self.aside(), object)
    }
}

/// Moves an object and the command line that the build saved for it, as far as they are there.
fn move_both(from: &Path, to: &Path, object: &str) -> Result<(), KbuildError> {
    let (folder, name) = object.rsplit_once('/').unwrap_or(("", object));
    let target = to.join(folder);
    fs::create_dir_all(&target).map_err(|source| io_error(&target, "create", source))?;
    for name in [name, &format!(".{name}.cmd")] {
        let path = from.join(folder).join(name);
        match fs::rename(&path, target.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&path, "move", error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The object in a line such as `  CC [M]  fs/fat/dir.o`, by which the build says what it compiles.
fn announced_object(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let compiled = matches!(words.next(), Some("CC" | "AS"));
    let object = words.next_back()?;
    // Only names below the object tree are ever moved.
    let inside = !object.starts_with('/') && !normal(object).starts_with("..");
    (compiled && inside && object.ends_with(".o")).then(|| object.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kbuild::MakeOptions;

    /// Checks that objects are not in their places after they were made, also those made on the way, that a failing one is
    /// reported and no error, and that the next run makes only what is out of date.
    #[test]
    fn objects_lie_aside_and_are_made_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        let makefile = "VERSION = 6\nPATCHLEVEL = 12\n.PHONY: lib/a.o lib/b.o\n\
            lib/a.o: $(O)/lib/a.o $(O)/lib/c.o\n\
            $(O)/lib/%.o: in\n\t@echo '  CC [M]  lib/$*.o'; mkdir -p $(O)/lib; echo made $* >> $(O)/lib/table.h; \
            echo > $@; echo > $(O)/lib/.$*.o.cmd\n\
            lib/b.o:\n\tfalse\n";
        write("Makefile", makefile);
        for name in [
            "Kbuild",
            "Kconfig",
            "scripts/Makefile.build",
            "scripts/genksyms/x",
            "in",
        ] {
            write(name, "");
        }
        let options = MakeOptions::new("/usr/local/bin:/usr/bin:/bin");
        let obj = folder.path().join("obj");
        let tree = ObjectTree::new(folder.path().to_owned(), obj, options).expect("a tree");
        let make = || {
            let notes = tree
                .make_objects(&["lib/a.o", "lib/b.o"])
                .expect("make runs");
            assert!(
                notes.iter().any(|note| note.contains("lib/b.o")),
                "{notes:?}"
            );
            for name in ["a.o", ".a.o.cmd", "c.o", ".c.o.cmd"] {
                assert!(!tree.obj().join("lib").join(name).exists(), "{name}");
            }
            let text = fs::read_to_string(tree.obj().join("lib/table.h")).expect("a table");
            text.lines().count()
        };
        assert_eq!(make(), 2);
        assert_eq!(make(), 2, "up to date");
        std::thread::sleep(std::time::Duration::from_millis(10));
        write("in", "new");
        assert_eq!(make(), 4, "out of date");
    }

    #[test]
    fn only_announced_objects_are_moved() {
        assert_eq!(
            announced_object(b"  AS      lib/a.o").as_deref(),
            Some("lib/a.o")
        );
        for line in [
            "  HOSTCC  scripts/a.o",
            "  CC      ../a.o",
            "  CC      a/../../b.o",
            "  CC      /a.o",
            "  LD [M]  a.o",
        ] {
            assert_eq!(announced_object(line.as_bytes()), None, "{line}");
        }
    }
}
