//! The text of a dry run: what a build would run.
//!
//! Makes that run at once tear each other's lines, which are longer than a pipe writes whole, also with `--output-sync`. So
//! every make below the first one writes a text of its own. The texts are read in the order in which one make calls
//! the next, which is that of a dry run with one job, but for what one make itself does at once.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::plan::PlanBuilder;
use super::shell::{LineJoiner, LineTooLong};
use super::tree::io_error;
use super::{KbuildError, ObjectTree, make};

/// Bytes that all texts may have; those of a distribution's kernel have 165 million.
const LIMIT: u64 = 8 << 30;
/// Calls within calls that are followed; a build has a dozen. What lies deeper is read last.
const DEPTH_LIMIT: usize = 64;
/// What stands before the words of a make, and behind its text.
const MARKS: [u8; 2] = [1, 2];
/// Stands for make below the first one. Where a make's output is not for the dry run's text, but for a rule that reads or
/// drops it, it is left alone.
const SCRIPT: &str = r#"#!/bin/sh
if [ -n "$KABIGATE_DRY_RUN" ] && [ ! -f /dev/stdout ]; then
    exec make "$@"
fi
export KABIGATE_DRY_RUN=1
exec >>"${0%/*}/$$" || exit
if [ ! -f /dev/stdout ]; then
    echo "*** /dev/stdout does not lead to the file that it is" >&2
    exit 2
fi
printf '\001%s\n' "$*"
make "$@"
status=$?
printf '\002\n'
exit $status
"#;

impl ObjectTree {
    /// Reads what a build of these goals would run.
    pub(super) fn dry_run(
        &self,
        goals: &[&str],
    ) -> Result<(PlanBuilder<'_>, make::Ended), KbuildError> {
        let folder = make::home(&self.obj).join("dry-run");
        let result = self.dry_run_in(&folder, goals);
        // Nobody reads it, and the next one is made in an empty folder.
        drop(fs::remove_dir_all(&folder));
        result
    }

    fn dry_run_in(
        &self,
        folder: &Path,
        goals: &[&str],
    ) -> Result<(PlanBuilder<'_>, make::Ended), KbuildError> {
        let script = folder.join("make");
        let failed = |source| io_error(&script, "write", source);
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_error(folder, "remove", error));
            }
            _ => {}
        }
        fs::create_dir_all(folder).map_err(failed)?;
        fs::write(&script, SCRIPT).map_err(failed)?;
        let stand_in = format!("--eval=override MAKE:=sh {}", script.display());
        // How an assembly unit's exports get their CRCs is printed only where they are versioned. Nothing is made, and no
        // header sees this.
        let versions = "CONFIG_MODVERSIONS=y";
        let jobs = format!("-j{}", self.options.jobs.max(1));
        let mut top = Vec::new();
        let ended = make::run(
            &self.src,
            &self.obj,
            &self.options,
            &["-n", "-k", &jobs, &stand_in, versions],
            goals,
            &mut |piece| {
                top.extend_from_slice(piece);
                if top.len() as u64 > LIMIT / 64 {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        )?;
        let mut reader = Reader {
            script: script.display().to_string(),
            texts: texts(folder)?,
            builder: PlanBuilder::new(&self.src, &self.obj),
        };
        reader.read(&mut &*top, folder, 0)?;
        while let Some((words, text)) = reader.next() {
            reader.text(&words, &text, 0)?;
        }
        Ok((reader.builder, ended))
    }
}

/// The text of one make: a part of a file, as a number can serve two processes one after the other.
struct Text {
    path: PathBuf,
    start: u64,
    length: u64,
}

struct Reader<'a> {
    script: String,
    /// Those that were not read yet, by the words of their makes.
    texts: BTreeMap<String, VecDeque<Text>>,
    builder: PlanBuilder<'a>,
}

impl Reader<'_> {
    /// The next text, of a make that no line names as it was called.
    fn next(&mut self) -> Option<(String, Text)> {
        let words = self.texts.keys().next()?.clone();
        let text = self.take(&words)?;
        Some((words, text))
    }

    fn take(&mut self, words: &str) -> Option<Text> {
        let queue = self.texts.get_mut(words)?;
        let text = queue.pop_front();
        if queue.is_empty() {
            self.texts.remove(words);
        }
        text
    }

    fn text(&mut self, words: &str, text: &Text, depth: usize) -> Result<(), KbuildError> {
        let failed = |source| io_error(&text.path, "read", source);
        let mut file = fs::File::open(&text.path).map_err(failed)?;
        file.seek(SeekFrom::Start(text.start)).map_err(failed)?;
        self.read(&mut file.take(text.length), &text.path, depth)
            .map_err(|error| match error {
                KbuildError::PlanFailed { reason, .. } => KbuildError::PlanFailed {
                    reason,
                    lines: vec![format!("make {words}")],
                },
                other => other,
            })
    }

    /// Reads a text, and where it calls a make that one's.
    fn read(
        &mut self,
        text: &mut dyn std::io::Read,
        path: &Path,
        depth: usize,
    ) -> Result<(), KbuildError> {
        let mut joiner = LineJoiner::default();
        let mut piece = vec![0; 256 << 10];
        loop {
            let length = text
                .read(&mut piece)
                .map_err(|source| io_error(path, "read", source))?;
            if length == 0 {
                break;
            }
            let mut result = Ok(());
            let joined = joiner.push(piece.get(..length).unwrap_or_default(), |line| {
                if result.is_ok() {
                    result = self.line(line, depth);
                }
            });
            result?;
            if let Err(LineTooLong) = joined {
                return Err(KbuildError::PlanFailed {
                    reason: "it prints a line of more than 16 MiB".to_owned(),
                    lines: Vec::new(),
                });
            }
        }
        let mut result = Ok(());
        joiner.finish(|line| result = self.line(line, depth));
        result
    }

    fn line(&mut self, line: &[u8], depth: usize) -> Result<(), KbuildError> {
        self.builder.line(line);
        if depth == DEPTH_LIMIT {
            return Ok(());
        }
        let Some(at) = memchr::memmem::find(line, self.script.as_bytes()) else {
            return Ok(());
        };
        let rest = line.get(at + self.script.len()..).unwrap_or_default();
        let words = called(&String::from_utf8_lossy(rest));
        match self.take(&words) {
            Some(text) => self.text(&words, &text, depth + 1),
            None => Ok(()),
        }
    }
}

/// The words of a call, up to what the shell does next.
fn called(rest: &str) -> String {
    let end = rest.find([';', '&', '|', ')']).unwrap_or(rest.len());
    let words = rest.get(..end).unwrap_or_default().split_whitespace();
    let words: Vec<&str> = words.filter(|word| *word != "\\").collect();
    words.join(" ")
}

/// All texts in a folder, by the words of their makes.
///
/// # Errors
/// If one has no end: its make was killed, or could not write.
fn texts(folder: &Path) -> Result<BTreeMap<String, VecDeque<Text>>, KbuildError> {
    let failed = |source| io_error(folder, "read", source);
    let mut found: BTreeMap<String, VecDeque<Text>> = BTreeMap::new();
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_text = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if is_text && entry.file_type().map_err(failed)?.is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let mut total = 0;
    for path in paths {
        let bytes = read_file(&path, LIMIT - total)?;
        total += bytes.len() as u64;
        for (words, text) in parts(&bytes, &path)? {
            found.entry(words).or_default().push_back(text);
        }
    }
    Ok(found)
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, KbuildError> {
    let failed = |source| io_error(path, "read", source);
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(KbuildError::PlanFailed {
            reason: format!("it prints more than {LIMIT} bytes"),
            lines: Vec::new(),
        });
    }
    Ok(bytes)
}

/// The texts of one file.
fn parts(bytes: &[u8], path: &Path) -> Result<Vec<(String, Text)>, KbuildError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let whole = || {
            let line = memchr::memchr(b'\n', rest)?;
            let words = rest.get(..line)?.strip_prefix(&MARKS[..1])?;
            let start = line + 1;
            let text = rest.get(start..)?;
            let end = memchr::memmem::find(text, &[MARKS[1], b'\n'])?;
            Some((String::from_utf8_lossy(words).into_owned(), start, end))
        };
        let Some((words, start, length)) = whole() else {
            return Err(KbuildError::PlanFailed {
                reason: "a make did not write all of its text: it was killed, or the disk is full"
                    .to_owned(),
                lines: Vec::new(),
            });
        };
        let text = Text {
            path: path.to_owned(),
            start: (at + start) as u64,
            length: length as u64,
        };
        found.push((words, text));
        at += start + length + 2;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call's words are those that the shell hands over, wherever they stand.
    #[test]
    fn words_of_calls() {
        for (rest, words) in [
            (
                " -f s/Makefile.build obj=lib need-builtin=1 \\\n \\\n need-modorder=1",
                "-f s/Makefile.build obj=lib need-builtin=1 need-modorder=1",
            ),
            (" -C /o all; echo x", "-C /o all"),
            ("", ""),
        ] {
            assert_eq!(called(rest), words);
        }
    }

    /// A file can hold several texts, and each must have its end.
    #[test]
    fn parts_of_files() {
        let path = Path::new("7");
        let file = b"\x01-f a\ncc x\n\x02\n\x01-f b\n\x02\n";
        let found: Vec<(String, u64, u64)> = parts(file, path)
            .unwrap()
            .into_iter()
            .map(|(words, text)| (words, text.start, text.length))
            .collect();
        assert_eq!(
            found,
            [("-f a".to_owned(), 6, 5), ("-f b".to_owned(), 19, 0)]
        );
        for torn in [&b"\x01-f a\ncc x\n"[..], b"cc x\n", b"\x01-f a"] {
            assert!(parts(torn, path).is_err());
        }
    }
}
