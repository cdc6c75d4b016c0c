//! The validation suite of mcpp, run whole through our preprocessor and, for reference, through the compiler's.
//!
//! Every file must give the tokens that `gcc -E` gives, and every line on which `gcc -E` finds an error must be an error on
//! that line for us: each such line is tried on its own, with the others taken out. What the suite itself asks for (lines
//! with errors, patterns of the text) is compared with what both do. All that differs stands in
//! `tests/data/conformance.list` with its reason, and nothing else may.
//!
//! The suite's files in C++ are not read: no unit of a kernel is one.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kabigate::cpp::child::Environment;
use kabigate::cpp::{
    Builtin, Call, CppError, Gcc, GccLimits, Input, Preprocessor, TextTokens, TokenClass,
    TokenSource,
};
use rayon::prelude::*;
use support::dejagnu::Directives;
use support::target;

/// Folders of the suite, and the arguments of tests that name none.
const FOLDERS: [(&str, &[&str]); 5] = [
    ("cpp-test/test-t", &["-ansi", "-pedantic-errors"]),
    ("cpp-test/test-l", &["-ansi", "-pedantic-errors"]),
    ("test-t", &["-std=c99"]),
    ("test-c", &["-std=c99"]),
    ("test-l", &["-std=c99"]),
];

/// Rounds in which the errors of a file are taken out: some show only when others are gone.
const ROUNDS: usize = 24;

/// A token with its place.
type Shown = (TokenClass, String, String, u32, bool);

fn shown(source: &mut dyn TokenSource<'_>) -> Vec<Shown> {
    let mut all = Vec::new();
    while let Some(token) = source.next_token() {
        all.push((
            token.class,
            String::from_utf8_lossy(token.text).into_owned(),
            String::from_utf8_lossy(source.file()).into_owned(),
            source.line(),
            source.in_source_file(),
        ));
    }
    all
}

/// One file of the suite.
struct Test<'a> {
    root: &'a Path,
    folder: PathBuf,
    name: String,
    /// As the list names it.
    label: String,
    directives: Directives,
    /// What differs, by the list's words for it.
    found: Vec<String>,
    /// Comparisons that were made.
    checks: usize,
}

impl Test<'_> {
    fn environment(&self) -> Environment {
        Environment::new("/usr/local/bin:/usr/bin:/bin", self.root.to_owned())
    }

    fn call(&self) -> Call {
        Call {
            program: vec!["gcc".to_owned()],
            args: self
                .directives
                .options
                .iter()
                .map(|option| option.as_str().into())
                .collect(),
            source: self.name.clone(),
            cwd: self.folder.clone(),
        }
    }

    /// Lines of this file on which the compiler finds an error, and whether it finds one at all. One in an included file counts
    /// for the line that includes it.
    fn compiler_errors(&self) -> (BTreeSet<u32>, bool) {
        let output = Command::new("gcc")
            .args(&self.directives.options)
            .args(["-E", "-D__GENKSYMS__", &self.name, "-o", "/dev/null"])
            .current_dir(&self.folder)
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let own = |line: &str| -> Option<u32> {
            let (_, rest) = line.split_once(&format!("{}:", self.name))?;
            rest.split([':', ',']).next()?.parse().ok()
        };
        let mut lines = BTreeSet::new();
        let mut includer = None;
        for line in text.lines() {
            if line.starts_with("In file included from") {
                includer = own(line);
            } else if line.trim_start().starts_with("from ") {
                includer = own(line).or(includer);
            } else if line.contains("error: ") && !line.contains("the conditional began here") {
                let place = line.starts_with(&self.name).then(|| own(line)).flatten();
                lines.extend(place.or(includer));
            }
        }
        (lines, !output.status.success())
    }

    fn report(&mut self, kind: &str, line: Option<u32>) {
        let at = line.map_or_else(String::new, |line| format!(":{line}"));
        self.found.push(format!("{kind} {}{at}", self.label));
    }

    /// Runs the whole file.
    fn run(&mut self) {
        let path = self.folder.join(&self.name);
        let original = fs::read(&path).unwrap();
        let (errors, _) = self.compiler_errors();
        for &line in &errors {
            if self.keep_only(&path, &original, &errors, Some(line)) {
                self.fails(Some(line));
            }
        }
        if self.keep_only(&path, &original, &errors, None) {
            self.same_tokens();
        } else {
            // An error in an included file, or one that others hang on: the file fails as it is.
            fs::write(&path, &original).unwrap();
            self.fails(None);
        }
        for line in self.directives.errors.clone() {
            self.checks += 1;
            if !errors.contains(&line) {
                self.report("both", Some(line));
            }
        }
        fs::write(path, original).unwrap();
    }

    /// Takes all errors out of the file but one, so that the compiler finds only this one; whether that was possible.
    fn keep_only(
        &self,
        path: &Path,
        original: &[u8],
        errors: &BTreeSet<u32>,
        kept: Option<u32>,
    ) -> bool {
        let mut out: BTreeMap<u32, usize> = errors.iter().map(|&line| (line, 0)).collect();
        for _ in 0..ROUNDS {
            fs::write(path, without(original, &out, kept)).unwrap();
            let (left, fails) = self.compiler_errors();
            let wanted: BTreeSet<u32> = kept.into_iter().collect();
            if left == wanted && fails == kept.is_some() {
                return true;
            }
            if left.is_empty() {
                return false;
            }
            for &line in &left {
                out.entry(line).and_modify(|times| *times += 1).or_default();
            }
        }
        false
    }

    /// Our reader fails, on the line given if there is one.
    fn fails(&mut self, line: Option<u32>) {
        self.checks += 1;
        match self.ours() {
            Ok(_) => self.report("accepts", line),
            Err(error) => {
                let text = error.to_string();
                let is_there = line.is_none_or(|line| {
                    let place = format!("{}:{line}", self.name);
                    [":", ")", ","]
                        .iter()
                        .any(|end| text.contains(&format!("{place}{end}")))
                });
                if !is_there {
                    println!("{}: {error}", self.label);
                    self.report("elsewhere", line);
                }
            }
        }
    }

    /// Our reader gives the compiler's tokens, and they fit the suite's patterns.
    fn same_tokens(&mut self) {
        self.checks += 1;
        let gcc = Gcc::new(self.environment(), None, GccLimits::default());
        let theirs = gcc.preprocess(&self.call()).unwrap();
        match self.ours() {
            Err(error) => {
                println!("{}: {error}", self.label);
                self.report("refuses", None);
            }
            // The compiler's own, perhaps of another second.
            Ok(None) => {}
            Ok(Some(ours)) => {
                let expected = shown(&mut TextTokens::new(&theirs.text));
                let at = (0..ours.len().max(expected.len()))
                    .find(|&at| ours.get(at) != expected.get(at));
                if let Some(at) = at {
                    println!(
                        "{}: token {at} is {:?}, by the compiler {:?}",
                        self.label,
                        ours.get(at),
                        expected.get(at)
                    );
                    self.report("differs", None);
                }
            }
        }
        for pattern in self.directives.patterns.clone() {
            self.checks += 1;
            if !matches(&pattern, &theirs.text) {
                println!("{}: nothing fits {pattern}", self.label);
                self.report("both", None);
            }
        }
    }

    /// The tokens of our own reader; none of a file that it hands to the compiler, which is reported.
    fn ours(&mut self) -> Result<Option<Vec<Shown>>, CppError> {
        let gcc = Gcc::new(self.environment(), None, GccLimits::default());
        let builtin = Builtin::new(self.environment(), None, gcc, &[self.root]).unwrap();
        let mut tokens = Vec::new();
        let read = builtin
            .session()
            .read(&self.call(), Input::Source, &mut |source| {
                tokens = shown(source);
            });
        let refusals = builtin.refusals();
        for (_, why) in &refusals {
            println!("{}: {why}", self.label);
            self.report("compiler", None);
        }
        read.map(|_| refusals.is_empty().then_some(tokens))
    }
}

/// A text without the lines given but one. A condition becomes a false one the first time and is emptied the next, so that its
/// `#endif` stays in its place where it has one.
fn without(text: &[u8], lines: &BTreeMap<u32, usize>, kept: Option<u32>) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let number = at as u32 + 1;
        match lines.get(&number).filter(|_| Some(number) != kept) {
            None => out.extend_from_slice(line),
            Some(times) => {
                let line = line.trim_ascii_start();
                let is_condition =
                    line.first() == Some(&b'#') && line[1..].trim_ascii_start().starts_with(b"if");
                if is_condition && *times == 0 {
                    out.extend_from_slice(b"#if 0");
                }
                out.push(b'\n');
            }
        }
    }
    out
}

/// Whether a line of the text fits an extended regular expression.
fn matches(pattern: &str, text: &[u8]) -> bool {
    let mut grep = Command::new("grep")
        .args(["-a", "-q", "-E", "-e", pattern])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It stops reading at the first line that fits.
    let _ = grep.stdin.take().unwrap().write_all(text);
    grep.wait().unwrap().success()
}

/// The files of a folder in C, by name; how many others are in C++.
fn sources(folder: &Path) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    let mut others = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        match name.rsplit_once('.').map(|(_, end)| end) {
            Some("c") => found.push(name),
            // The suite's name for texts that are only preprocessed.
            Some("t") => {
                let as_c = format!("{name}.c");
                fs::rename(folder.join(&name), folder.join(&as_c)).unwrap();
                found.push(as_c);
            }
            Some("C" | "cc") => others += 1,
            _ => {}
        }
    }
    found.sort();
    (found, others)
}

/// The whole suite, with exactly the known differences.
#[test]
fn mcpp_validation_suite() {
    let folder = tempfile::tempdir_in(target()).unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (mut tests, mut cplusplus) = (Vec::new(), 0);
    for (name, default) in FOLDERS {
        let copy = root.join(name);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        support::copy(&support::kernel("mcpp").join(name), &copy);
        let (names, others) = sources(&copy);
        cplusplus += others;
        tests.extend(names.into_iter().map(|file| {
            let text = fs::read(copy.join(&file)).unwrap();
            Test {
                root: &root,
                folder: copy.clone(),
                label: format!("{name}/{file}"),
                directives: Directives::read(&String::from_utf8_lossy(&text), default),
                name: file,
                found: Vec::new(),
                checks: 0,
            }
        }));
    }
    tests.par_iter_mut().for_each(Test::run);
    let (files, checks) = (
        tests.len(),
        tests.iter().map(|test| test.checks).sum::<usize>(),
    );
    let found: BTreeSet<String> = tests.into_iter().flat_map(|test| test.found).collect();
    assert!(
        files > 200 && checks > 400,
        "only {files} files and {checks} checks"
    );
    let list = include_str!("data/conformance.list");
    let listed: BTreeSet<String> = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once("  ").unwrap().0.to_owned())
        .collect();
    println!(
        "{files} files, {checks} checks, {} listed differences; {cplusplus} files of C++ not read",
        found.len()
    );
    let unlisted: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "not in tests/data/conformance.list:\n{unlisted:#?}\nlisted, and the same now:\n{gone:#?}"
    );
}
