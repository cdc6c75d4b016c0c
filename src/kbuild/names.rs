//! Names of options and of make's variables, looked for in the texts that may use them.
//!
//! Wrong in one direction only: a text that names something without using it costs time.

use std::collections::BTreeSet;

use memchr::memmem;

/// How the name of every option begins.
const OPTION: &str = "CONFIG_";
/// What stands behind an option's name where it is built as a module.
const AS_MODULE: &[u8] = b"_MODULE";

/// Names whose values are other ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// The options whose lines differ between two texts of settings, as `include/config/auto.conf` (`CONFIG_X=y`) or
    /// `include/generated/autoconf.h` (`#define CONFIG_X 1`) hold them, whatever their headings say. `None` if another line
    /// differs.
    #[must_use]
    pub fn of_changed_options(old: &[u8], new: &[u8]) -> Option<Names> {
        let lines = |text: &[u8]| -> BTreeSet<String> {
            let lines = text.split(|&byte| byte == b'\n');
            lines
                .filter(|line| !is_heading(line))
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect()
        };
        let (old, new) = (lines(old), lines(new));
        let names = old.symmetric_difference(&new).map(|line| {
            let line = line.strip_prefix("#define ").unwrap_or(line);
            let end = line.find(['=', ' '])?;
            let name = line.get(..end)?;
            let plain = name.bytes().all(is_of_name);
            let name = name.strip_suffix("_MODULE").unwrap_or(name);
            (plain && name.len() > OPTION.len() && name.starts_with(OPTION))
                .then(|| name.to_owned())
        });
        names.collect::<Option<_>>().map(Names)
    }

    /// These names.
    #[must_use]
    pub fn of(names: impl IntoIterator<Item = String>) -> Names {
        Names(names.into_iter().collect())
    }

    /// Takes these too.
    pub fn extend(&mut self, others: Names) {
        self.0.extend(others.0);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a text of any kind has one of them as a word. An option counts also with `_MODULE` behind it, and where a
    /// beginning stands that something else completes: `CONFIG_$(x)`, `CONFIG_##x`.
    #[must_use]
    pub fn are_in(&self, text: &[u8]) -> bool {
        if self.0.iter().all(|name| name.starts_with(OPTION)) {
            return memmem::find_iter(text, OPTION).any(|start| {
                let before = start.checked_sub(1).and_then(|at| text.get(at));
                !before.is_some_and(|&byte| is_of_name(byte))
                    && self.has(word(text.get(start..).unwrap_or_default()))
            });
        }
        text.split(|&byte| !is_of_name(byte))
            .any(|word| self.has(word))
    }

    /// As [`Names::are_in`], for C, of which comments and literals do not count.
    #[must_use]
    pub fn are_in_c(&self, text: &[u8]) -> bool {
        // Nearly all files name none of them, also in comments. What a raw string holds could pass for a comment.
        self.are_in(text) && (memmem::find(text, b"R\"").is_some() || self.are_in(&bare(text)))
    }

    fn has(&self, word: &[u8]) -> bool {
        let Ok(word) = str::from_utf8(word) else {
            return false;
        };
        let known = |word: &str| self.0.contains(word);
        if word.starts_with(OPTION) && word.ends_with('_') {
            let mut from = self.0.range(word.to_owned()..);
            return from.next().is_some_and(|name| name.starts_with(word));
        }
        let stem = word.as_bytes().strip_suffix(AS_MODULE);
        known(word) || stem.is_some_and(|stem| known(&word[..stem.len()]))
    }
}

/// Whether a line only says which kernel's settings these are, in a comment of make or of C.
fn is_heading(line: &[u8]) -> bool {
    let of_make = line == b"#" || line.starts_with(b"# ");
    let of_c = line == b" */" || (line.starts_with(b" *") && memmem::find(line, b"*/").is_none());
    (of_make || of_c) && !line.ends_with(b"\\")
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The word that a text begins with.
fn word(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| !is_of_name(byte));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// A C text with a blank for each comment and literal. Where a literal does not end in its line, nothing is taken away from
/// there to the end of the line.
fn bare(text: &[u8]) -> Vec<u8> {
    strip(text, false)
}

/// A C text with a blank for each comment.
pub(super) fn without_comments(text: &[u8]) -> Vec<u8> {
    strip(text, true)
}

fn strip(text: &[u8], keeps_literals: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let taken = match byte {
            b'/' if rest.starts_with(b"/*") => {
                out.push(b' ');
                2 + comment(rest.get(2..).unwrap_or_default())
            }
            b'/' if rest.starts_with(b"//") => {
                out.push(b' ');
                memchr::memchr(b'\n', rest).unwrap_or(rest.len())
            }
            b'"' | b'\'' => {
                let (length, is_closed) = literal(rest, byte);
                match rest.get(..length) {
                    Some(open) if keeps_literals || !is_closed => out.extend_from_slice(open),
                    _ => out.push(b' '),
                }
                length
            }
            _ => {
                out.push(byte);
                1
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// The length of a comment behind its `/*`. Its end can be cut by a line that goes on in the next one.
fn comment(text: &[u8]) -> usize {
    let mut stars = memchr::memchr_iter(b'*', text);
    let end = stars.find_map(|star| {
        let mut at = star + 1;
        while text.get(at..).is_some_and(|rest| rest.starts_with(b"\\\n")) {
            at += 2;
        }
        (text.get(at) == Some(&b'/')).then_some(at + 1)
    });
    end.unwrap_or(text.len())
}

/// The length of a literal with its quotes, or up to the end of its line, and whether it ends in it.
fn literal(text: &[u8], quote: u8) -> (usize, bool) {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\n' => return (at, false),
            _ if byte == quote => return (at + 1, true),
            _ => at += 1,
        }
    }
    (text.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Names {
        Names::of(list.iter().map(|&name| name.to_owned()))
    }

    /// Options that come, go or have another value are told from both files; any other line makes it unknown.
    #[test]
    fn differences_of_settings() {
        let old = b"#\n# Linux\n#\nCONFIG_A=y\nCONFIG_B=m\nCONFIG_C=\"x\"\n";
        let new = b"#\n# Linux\n#\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=\"y z\"\nCONFIG_D=1\n";
        let all = names(&["CONFIG_B", "CONFIG_C", "CONFIG_D"]);
        assert_eq!(Names::of_changed_options(old, new), Some(all));
        assert_eq!(Names::of_changed_options(old, old), Some(Names::default()));
        let as_module =
            Names::of_changed_options(b"#define CONFIG_B_MODULE 1\n", b"#define CONFIG_B 1\n");
        assert_eq!(as_module, Some(names(&["CONFIG_B"])));
        let none = Some(Names::default());
        for (old, new) in [
            (&b" * Linux/x86 6.1.1\n"[..], &b" * Linux/x86 6.1.2\n"[..]),
            (b"# 6.1.1\n", b"# 6.1.2\n"),
        ] {
            assert_eq!(Names::of_changed_options(old, new), none);
        }
        for other in [
            &b"#define X 1\n"[..],
            b"CONFIG_=y\n",
            b"CONFIG_A\n",
            b"# 6.1.1 \\\n",
            b" * 6.1.1 */ int a;\n",
        ] {
            assert_eq!(Names::of_changed_options(old, other), None);
        }
    }

    /// Only whole words count, and beginnings that something completes.
    #[test]
    fn words() {
        let options = names(&["CONFIG_SMP", "CONFIG_X86_64"]);
        for (text, expected) in [
            ("#ifdef CONFIG_SMP\n", true),
            ("IS_MODULE(CONFIG_SMP)", true),
            ("#ifdef CONFIG_SMP_MODULE", true),
            ("CONFIG_SMPX XCONFIG_SMP CONFIG_SMP_X", false),
            ("obj-$(CONFIG_$(name)) += a.o", true),
            ("CONFIG_X86_##bits", true),
            ("CONFIG_ARM_##bits", false),
            ("", false),
        ] {
            assert_eq!(options.are_in(text.as_bytes()), expected, "{text}");
        }
        let variables = names(&["KBUILD_CFLAGS", "CONFIG_SMP"]);
        assert!(variables.are_in(b"cflags := $(KBUILD_CFLAGS) -g"));
        assert!(!variables.are_in(b"cflags := $(KBUILD_CFLAGS_KERNEL)"));
        assert!(!Names::default().are_in(b"CONFIG_SMP"));
    }

    /// Comments and literals of C do not count, wherever they begin; what only looks like one does.
    #[test]
    fn comments() {
        let options = names(&["CONFIG_SMP"]);
        for (text, expected) in [
            ("/* CONFIG_SMP */", false),
            ("// CONFIG_SMP\nint a;", false),
            ("/* a *\\\n/ CONFIG_SMP /* b */", true),
            ("char *a = \"/*\"; CONFIG_SMP /* */", true),
            ("char a = '\"'; /* CONFIG_SMP */", false),
            ("char *a = \"\\\"/*\"; CONFIG_SMP", true),
            ("#error don't /*\nCONFIG_SMP */", true),
            ("a /* CONFIG_* */ b", false),
            ("R\"(\" /* )\" CONFIG_SMP /* */", true),
            ("a / CONFIG_SMP", true),
            ("f(\"CONFIG_%s CONFIG_SMP\")", false),
            ("#error don't CONFIG_SMP\n", true),
            ("/* open CONFIG_SMP", false),
        ] {
            assert_eq!(options.are_in_c(text.as_bytes()), expected, "{text}");
        }
    }
}
