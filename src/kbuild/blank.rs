//! Variables that one environment has without a value, and another one does not have.
//!
//! To `make` both are empty, but for what asks whether a variable is defined (`?=`, `origin`, `flavor`, `.VARIABLES`; "The
//! Two Flavors of Variables" and "Functions That Transform..." in its manual). `ifdef` asks for a value. A shell can tell
//! them apart in several ways, so in a recipe or a script the name alone counts.

use memchr::memmem;

use super::Names;

/// What asks whether a variable is defined.
const ASK: [&[u8]; 4] = [b"?=", b"origin", b"flavor", b".VARIABLES"];
/// Directives that ask for a variable's value.
const DIRECTIVES: [&[u8]; 4] = [b"ifdef", b"ifndef", b"ifeq", b"ifneq"];

/// Whether a text may tell one of these variables without a value from one that is not there.
#[must_use]
pub fn tells_blank(names: &Names, text: &[u8], is_makefile: bool) -> bool {
    if !is_makefile {
        return names.are_in(text);
    }
    text.split(|&byte| byte == b'\n').any(|line| {
        let start = line.trim_ascii_start();
        if start.starts_with(b"#") {
            return false;
        }
        asks_for_any(start) || (names.are_in(start) && !is_directive(start))
    })
}

/// Whether a line asks of a variable whose name is computed, which may be any.
fn asks_for_any(line: &[u8]) -> bool {
    ASK.iter().any(|word| {
        memmem::find_iter(line, word).any(|at| {
            let (before, after) = line.split_at(at);
            match *word {
                b"?=" => before.contains(&b'$'),
                b".VARIABLES" => true,
                _ => after
                    .get(word.len()..)
                    .and_then(|name| name.trim_ascii_start().first())
                    .is_some_and(|first| b"$\\".contains(first)),
            }
        })
    })
}

/// Whether a line of a Makefile is a condition on values alone. A shell has an `else` too, but none with a condition behind.
fn is_directive(line: &[u8]) -> bool {
    let condition = line.strip_prefix(b"else").unwrap_or(line);
    let word = condition
        .trim_ascii_start()
        .split(|byte| byte.is_ascii_whitespace() || *byte == b'(');
    word.take(1).any(|word| DIRECTIVES.contains(&word))
        && !ASK.iter().any(|ask| memmem::find(line, ask).is_some())
        && memmem::find(line, b"shell").is_none()
        && !line.ends_with(b"\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Conditions on a value do not tell; whatever asks for a definition does, and any use in a recipe or a script.
    #[test]
    fn texts_that_tell() {
        let names = Names::of(["cross_compiling".to_owned()]);
        for (text, expected) in [
            ("ifdef cross_compiling\n", false),
            ("  ifndef cross_compiling\nx := 1\nendif\n", false),
            ("ifneq ($(cross_compiling),)\n", false),
            ("else ifdef cross_compiling\n", false),
            ("\telse echo $${cross_compiling-none}; fi\n", true),
            ("x := $(origin \\\n\t$(1))\n", true),
            ("ifeq ($(origin cross_compiling),undefined)\n", true),
            ("ifeq ($(shell sh x $(cross_compiling)),)\n", true),
            ("cross_compiling ?= 1\n", true),
            ("x := $(cross_compiling)\n", true),
            ("\techo $${cross_compiling-none}\n", true),
            ("x := $(origin $(1))\n", true),
            ("x := $(flavor CC)\ny ?= $(CC)\n", false),
            ("$(1)_y ?= z\n", true),
            ("x := $(.VARIABLES)\n", true),
            ("# cross_compiling ?= 1\nobj-y += a.o\n", false),
        ] {
            assert_eq!(
                tells_blank(&names, text.as_bytes(), true),
                expected,
                "{text}"
            );
        }
        assert!(tells_blank(&names, b"[ -n \"$cross_compiling\" ]", false));
        assert!(!tells_blank(&names, b"[ -n \"$ARCH\" ]", false));
    }
}
