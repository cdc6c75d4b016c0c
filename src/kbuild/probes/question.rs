//! Calls of a compiler whose outcome depends on their words and their standard input alone.

use std::ffi::{OsStr, OsString};

use crate::kbuild::plan::TAKE_A_WORD;

/// What a compiler does that reads one empty or given source and links nothing.
const ACTIONS: [&str; 4] = ["-c", "-S", "-E", "-fsyntax-only"];
/// Starts of words that have a compiler read other files, or write more than its output. A word too many only costs time.
const OTHER_FILES: [&str; 27] = [
    "@",
    "--",
    "-include",
    "-imacros",
    "-specs",
    "-iplugindir",
    "-fplugin",
    "-fprofile",
    "-fauto-profile",
    "-fdump",
    "-fsave",
    "-fopt-info",
    "-fcallgraph-info",
    "-fstack-usage",
    "-fmodule",
    "-ftest-coverage",
    "-ftime-",
    "-gsplit",
    "-save",
    "-dump",
    "-wrapper",
    "-M",
    "-T",
    "-B",
    "-X",
    "-Wl,",
    "-print",
];
/// Of these, the words that have it do neither.
const HARMLESS: [&str; 2] = ["--param", "--target="];

/// A call whose answer can be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// All words but the name of the file.
    pub(super) words: Vec<OsString>,
    /// The file that the call writes.
    pub(super) file: Option<OsString>,
    /// Whether the source is standard input, and not an empty file.
    pub(super) reads_input: bool,
}

impl Question {
    /// Reads the words behind the compiler's name; nothing if the call reads or writes any other file.
    pub(super) fn of(words: &[OsString]) -> Option<Question> {
        let mut question = Question {
            words: Vec::with_capacity(words.len()),
            file: None,
            reads_input: false,
        };
        let (mut sources, mut acts, mut is_named) = (0, false, false);
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let text = word.to_str()?;
            if reads_or_writes(text) {
                return None;
            }
            acts |= ACTIONS.contains(&text);
            question.words.push(word.clone());
            if text == "-o" {
                let output = rest.next()?;
                is_named = true;
                if output == OsStr::new("-") || output == OsStr::new("/dev/null") {
                    question.words.push(output.clone());
                } else {
                    question.file = Some(output.clone());
                }
            } else if TAKE_A_WORD.contains(&text) {
                question.words.push(rest.next()?.clone());
            } else if text == "-" || text == "/dev/null" {
                sources += 1;
                question.reads_input = text == "-";
            } else if !text.starts_with('-') {
                return None;
            }
        }
        // What goes to no named file goes to one beside the source.
        let is_named = is_named || !words.iter().any(|word| word == "-c" || word == "-S");
        (sources == 1 && acts && is_named).then_some(question)
    }
}

fn reads_or_writes(word: &str) -> bool {
    let passes_on = |prefix: &str, fine: fn(&str) -> bool| {
        (word.strip_prefix(prefix)).is_some_and(|passed| !passed.split(',').all(fine))
    };
    // What is passed on to the preprocessor and the assembler has options of its own for files.
    let odd = passes_on("-Wp,", |word| {
        word.starts_with("-D") || word.starts_with("-U")
    }) || passes_on("-Wa,", |word| {
        !["-a", "--MD", "-o", "@", "-I", "--debug-prefix"]
            .iter()
            .any(|start| word.starts_with(start))
    });
    let other = OTHER_FILES.iter().any(|start| word.starts_with(start))
        && !HARMLESS.iter().any(|start| word.starts_with(start));
    odd || other || word.contains("file") || word.contains("list=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(call: &str) -> Option<Question> {
        let words: Vec<OsString> = call.split_whitespace().map(OsString::from).collect();
        Question::of(&words)
    }

    /// Questions of 6.1's Makefiles and Kconfig files.
    #[test]
    fn questions_of_kernels() {
        for call in [
            "-Werror -D__KERNEL__ -m64 -fcf-protection=none -c -x c /dev/null -o .tmp_7/tmp",
            "-Werror --param asan-globals=1 -c -x c /dev/null -o /dev/null",
            "-Wa,--fatal-warnings -x assembler-with-cpp -c /dev/null -o /dev/null",
            "-c -x assembler -o .tmp_7/tmp -",
            "-E -P -x c -",
            "-S -x c -c -O0 -mcmodel=kernel -fstack-protector - -o -",
            "-I /t/arch/x86/include -fsyntax-only -x c /dev/null",
            "--target=x86_64-linux-gnu -Wa,-gdwarf-5 -c -x assembler -o /dev/null /dev/null",
        ] {
            let question = of(call).expect(call);
            assert_eq!(
                question.reads_input,
                call.contains(" -o -") || call.ends_with(" -")
            );
        }
        let one = of("-c -x c /dev/null -o .tmp_7/tmp").unwrap();
        let two = of("-c -x c /dev/null -o .tmp_81/tmp").unwrap();
        assert_eq!(one.words, two.words);
        assert_eq!(one.file, Some(".tmp_7/tmp".into()));
        assert_eq!(of("-c -x c /dev/null -o /dev/null").unwrap().file, None);
    }

    /// Whatever reads or writes another file goes to the compiler.
    #[test]
    fn other_calls() {
        for call in [
            "-c -o a.o a.c",
            "-c -x c /dev/null",
            "-x c /dev/null -o /dev/null",
            "-c -x c /dev/null b.c -o /dev/null",
            "-E -x c - -include a.h",
            "-E -x c - -imacros a.h",
            "-E -x c - @words",
            "-c -x c /dev/null -o /dev/null -MD",
            "-c -x c /dev/null -o /dev/null -Wp,-MMD,x.d",
            "-c -x c /dev/null -o /dev/null -Wa,-alh=list",
            "-c -x c /dev/null -o /dev/null -Wa,-gdwarf-5,--MD,x.d",
            "-c -x c /dev/null -o /dev/null -gsplit-dwarf",
            "-c -x c /dev/null -o /dev/null -fplugin=x.so",
            "-c -x c /dev/null -o /dev/null -fprofile-sample-use=x",
            "-c -x c /dev/null -o /dev/null -fsanitize-ignorelist=x",
            "-c -x c /dev/null -o /dev/null -frandomize-layout-seed-file=x",
            "-c -x c /dev/null -o",
            "--version",
            "-print-file-name=plugin",
            "-v",
            "",
        ] {
            assert_eq!(of(call), None, "{call}");
        }
    }
}
