//! What the arguments of a compiler call say to the preprocessor.

use super::Refusal;
use crate::cpp::Word;

/// A change to the macros before the first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// `-D`, as the text behind `#define`.
    Define(String),
    /// `-U`
    Undefine(String),
}

/// The arguments of a call, sorted by what they decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// `-D` and `-U` in order.
    pub(super) changes: Vec<Change>,
    /// `-imacros` files.
    pub(super) macros_of: Vec<String>,
    /// `-include` files.
    pub(super) includes: Vec<String>,
    /// `-iquote` folders.
    pub(super) quote: Vec<String>,
    /// `-I` folders.
    pub(super) folders: Vec<String>,
    /// `-isystem` folders.
    pub(super) system: Vec<String>,
    /// `-idirafter` folders.
    pub(super) after: Vec<String>,
    /// `-fmacro-prefix-map` and its kin: what a prefix of `__FILE__` becomes.
    pub(super) prefixes: Vec<(String, String)>,
    /// All other arguments, from which the compiler knows its macros and folders.
    pub(super) rest: Vec<String>,
    /// Trigraphs are replaced.
    pub(super) trigraphs: bool,
    /// The standard that is named.
    pub(super) standard: Option<String>,
}

/// Options whose value may be joined to them or follow.
const WITH_VALUE: [&str; 8] = [
    "-include",
    "-imacros",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-D",
    "-U",
    "-I",
];
/// Options with a value that decides nothing here.
const IGNORED_WITH_VALUE: [&str; 5] = ["-MF", "-MT", "-MQ", "-o", "-L"];
/// Beginnings of options that change what the preprocessor does in ways not carried out here.
const UNSUPPORTED: [&str; 15] = [
    "-I-",
    "-I=",
    "-iprefix",
    "-iwithprefix",
    "-C",
    "-P",
    "-traditional",
    "-fpreprocessed",
    "-fdirectives-only",
    "-finput-charset",
    "-fextended-identifiers",
    "-fno-extended-identifiers",
    "-Xpreprocessor",
    "-A",
    "-fno-dollars-in-identifiers",
];

impl Options {
    /// Sorts arguments.
    ///
    /// # Errors
    /// If one asks for what is not carried out here.
    pub(super) fn parse(args: &[Word]) -> Result<Options, Refusal> {
        let mut options = Options::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if IGNORED_WITH_VALUE.contains(&&**word) {
                words.next();
                continue;
            }
            if let Some(found) = UNSUPPORTED.iter().find(|start| word.starts_with(**start)) {
                return Err(Refusal(format!("the option {found}")));
            }
            if word.starts_with('@') {
                return Err(Refusal("arguments in a file (@FILE)".to_owned()));
            }
            let named = WITH_VALUE.iter().find(|name| word.starts_with(**name));
            if let Some(name) = named {
                let joined = &word[name.len()..];
                let value = if joined.is_empty() {
                    words
                        .next()
                        .map(|word| (**word).to_owned())
                        .unwrap_or_default()
                } else {
                    joined.to_owned()
                };
                options.set(name, value);
                continue;
            }
            options.other(word)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: String) {
        match name {
            "-include" => self.includes.push(value),
            "-imacros" => self.macros_of.push(value),
            "-isystem" => self.system.push(value),
            "-iquote" => self.quote.push(value),
            "-idirafter" => self.after.push(value),
            "-D" => self.changes.push(Change::Define(define_text(&value))),
            "-U" => self.changes.push(Change::Undefine(value)),
            _ => self.folders.push(value),
        }
    }

    fn other(&mut self, word: &str) -> Result<(), Refusal> {
        if let Some(list) = word.strip_prefix("-Wp,") {
            return self.passed_on(list);
        }
        if is_silent(word) {
            return Ok(());
        }
        for prefix in ["-fmacro-prefix-map=", "-ffile-prefix-map="] {
            if let Some(map) = word.strip_prefix(prefix) {
                let (from, to) = map
                    .split_once('=')
                    .ok_or_else(|| Refusal(format!("the option {word}")))?;
                self.prefixes.push((from.to_owned(), to.to_owned()));
                return Ok(());
            }
        }
        if word == "-trigraphs" {
            self.trigraphs = true;
        }
        if word == "-ansi" {
            self.standard = Some("c90".to_owned());
        } else if let Some(standard) = word.strip_prefix("-std=").or(word.strip_prefix("--std=")) {
            self.standard = Some(standard.to_owned());
        }
        self.rest.push(word.to_owned());
        Ok(())
    }

    /// What `-Wp,` passes to the preprocessor.
    fn passed_on(&mut self, list: &str) -> Result<(), Refusal> {
        let mut words = list.split(',');
        while let Some(word) = words.next() {
            match word {
                "-MD" | "-MMD" | "-MF" | "-MT" | "-MQ" => drop(words.next()),
                "-MP" => {}
                _ if word.starts_with("-D") && word.len() > 2 => {
                    self.set("-D", word[2..].to_owned());
                }
                _ if word.starts_with("-U") && word.len() > 2 => {
                    self.set("-U", word[2..].to_owned());
                }
                _ => return Err(Refusal(format!("the option -Wp,{word}"))),
            }
        }
        Ok(())
    }

    /// Whether the standard that is named is one of the years before 1999, and whether it is strict.
    pub(super) fn standard(&self) -> (bool, bool) {
        let Some(name) = self.standard.as_deref() else {
            return (false, false);
        };
        let strict = !name.starts_with("gnu");
        let old = ["89", "90", "199409"]
            .iter()
            .any(|year| name.ends_with(year));
        (old, strict)
    }
}

/// Whether an option decides neither macros nor folders.
fn is_silent(word: &str) -> bool {
    let warning = word.starts_with("-W") && !word.starts_with("-Wa,") && !word.starts_with("-Wl,");
    warning
        || word.starts_with("-Wa,")
        || word.starts_with("-Wl,")
        || word.starts_with("-M")
        || matches!(word, "-c" | "-E" | "-S" | "-w" | "-pipe")
        || word.starts_with("-fdebug-prefix-map=")
}

/// The text behind `#define` that `-D` stands for.
fn define_text(value: &str) -> String {
    match value.split_once('=') {
        Some((name, text)) => format!("{name} {text}"),
        None => format!("{value} 1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, Refusal> {
        Options::parse(&text.split(' ').map(Word::from).collect::<Vec<_>>())
    }

    /// Arguments are sorted, whether their value is joined to them or not.
    #[test]
    fn sorts() {
        let options = parse(
            "-nostdinc -I./a -I b -isystem c -iquoted -idirafter e -include f.h -Dg -Dh=1=2 -UI -D J(x)=x -std=gnu89 -Wall -Wp,-MMD,x.d -O2 -fmacro-prefix-map=/s/= -o x.o",
        )
        .unwrap();
        assert_eq!(options.folders, ["./a", "b"]);
        assert_eq!(options.system, ["c"]);
        assert_eq!(options.quote, ["d"]);
        assert_eq!(options.after, ["e"]);
        assert_eq!(options.includes, ["f.h"]);
        assert_eq!(
            options.changes,
            [
                Change::Define("g 1".to_owned()),
                Change::Define("h 1=2".to_owned()),
                Change::Undefine("I".to_owned()),
                Change::Define("J(x) x".to_owned())
            ]
        );
        assert_eq!(options.rest, ["-nostdinc", "-std=gnu89", "-O2"]);
        assert_eq!(options.prefixes, [("/s/".to_owned(), String::new())]);
        assert_eq!(options.standard(), (true, false));
    }

    /// Options that would change what is read are refused by name.
    #[test]
    fn refuses() {
        for text in ["-traditional-cpp", "-CC", "@file", "-Wp,-C", "-iprefix x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
