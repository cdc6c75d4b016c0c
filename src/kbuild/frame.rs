//! What the top Makefile hands down to the folders that the build goes into.
//!
//! A folder's own Makefiles and those below `scripts/` know of the top Makefile, of the architecture's, and of what these
//! include nothing but the words that `make` is called with and its environment. So where both are as before, a change
//! up there cannot reach a folder.
//!
//! The top Makefile is run dry with a command that prints the environment in the place of each further make.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{KbuildError, Names, ObjectTree, make};

/// Bytes that the top Makefile may print; it takes a hundred thousand.
const LIMIT: usize = 64 << 20;
/// What stands before and behind an environment.
const MARKS: [u8; 2] = [1, 2];
/// What is run in the place of a make below the top one. Make prints it with its words, then it prints its environment.
const STAND_IN: &str = "printf '\\001';env -0;printf '\\002';true";

/// The calls of all makes below the top one, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame(Vec<Call>);

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Call {
    words: String,
    environment: BTreeMap<String, String>,
}

/// Variables that two frames hand down differently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// With another value.
    pub values: Names,
    /// Without a value in one frame, and not at all in the other one.
    pub blank: Names,
}

impl Frame {
    /// Reads what a dry run printed.
    fn read(text: &[u8]) -> Frame {
        let mut calls: Vec<Call> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if rest.first() == Some(&MARKS[0]) {
                let end = memchr::memchr(MARKS[1], rest).unwrap_or(rest.len());
                if let (Some(call), Some(block)) = (calls.last_mut(), rest.get(1..end)) {
                    call.environment.extend(environment(block));
                }
                rest = rest.get(end + 1..).unwrap_or_default();
                continue;
            }
            let end = memchr::memchr2(b'\n', MARKS[0], rest).unwrap_or(rest.len());
            let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default());
            if let Some((_, words)) = line.split_once(STAND_IN) {
                calls.push(Call {
                    words: words.to_owned(),
                    environment: BTreeMap::new(),
                });
            }
            let skipped = end + usize::from(rest.get(end) == Some(&b'\n'));
            rest = rest.get(skipped..).unwrap_or_default();
        }
        Frame(calls)
    }

    /// The variables that some make gets differently; `None` if the calls themselves are other ones, or an environment is not
    /// known: not every `env` can print one.
    #[must_use]
    pub fn differences(&self, other: &Frame) -> Option<Handed> {
        let same = self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|(a, b)| a.words == b.words);
        let is_known = |frame: &Frame| frame.0.iter().all(|call| !call.environment.is_empty());
        if !same || self.0.is_empty() || !is_known(self) || !is_known(other) {
            return None;
        }
        let none = String::new();
        let (mut values, mut blank) = (Vec::new(), Vec::new());
        for (a, b) in self.0.iter().zip(&other.0) {
            let (a, b) = (&a.environment, &b.environment);
            for name in a.keys().chain(b.keys()) {
                let (old, new) = (a.get(name), b.get(name));
                if old.unwrap_or(&none) != new.unwrap_or(&none) {
                    values.push(name.clone());
                } else if old != new {
                    blank.push(name.clone());
                }
            }
        }
        Some(Handed {
            values: Names::of(values),
            blank: Names::of(blank),
        })
    }
}

/// Variables, each closed by a NUL.
fn environment(block: &[u8]) -> impl Iterator<Item = (String, String)> {
    block.split(|&byte| byte == 0).filter_map(|variable| {
        let text = String::from_utf8_lossy(variable);
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    })
}

impl ObjectTree {
    /// What the top Makefile hands down in a build of everything.
    ///
    /// # Errors
    /// If make cannot be run.
    pub fn frame(&self) -> Result<Frame, KbuildError> {
        // The first run of the top Makefile only goes into the object folder.
        let stand_in = format!("--eval=$(if $(sub_make_done),$(eval override MAKE:={STAND_IN}))");
        let mut text = Vec::new();
        let flags = ["-n", "-k", &stand_in];
        let goals = self.everything();
        let ended = make::run(
            &self.src,
            &self.obj,
            &self.options,
            &flags,
            goals,
            &mut |piece| {
                text.extend_from_slice(piece);
                if text.len() > LIMIT {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        if text.len() > LIMIT {
            // A tree whose Makefile does not run itself again, and goes into all folders.
            return Ok(Frame::default());
        }
        ended?;
        Ok(Frame::read(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(calls: &[(&str, &str)]) -> Frame {
        let mut text = b"make -C /o -f /s/Makefile ./\n".to_vec();
        for (words, variables) in calls {
            text.extend(format!("{STAND_IN}{words}\n").as_bytes());
            text.push(1);
            text.extend(variables.replace(' ', "\0").as_bytes());
            text.extend([0, 2]);
            text.extend(b"ln -s a b\n");
        }
        Frame::read(&text)
    }

    /// Calls and variables are compared by value; a frame without a call says nothing.
    #[test]
    fn differences() {
        let old = frame(&[(" obj=a", "A=1 B=2\nx"), (" obj=.", "A=1 B=3")]);
        assert_eq!(old.0[0].words, " obj=a");
        assert_eq!(old.0[0].environment["B"], "2\nx");
        assert_eq!(old.differences(&old), Some(Handed::default()));
        let new = frame(&[(" obj=a", "A=1 B=2\nx D="), (" obj=.", "C=1 B=4")]);
        let handed = Handed {
            values: Names::of(["A", "B", "C"].map(str::to_owned)),
            blank: Names::of(["D".to_owned()]),
        };
        assert_eq!(old.differences(&new), Some(handed));
        let other = frame(&[(" obj=a", "A=1 B=2\nx"), (" obj=b", "A=1 B=3")]);
        assert_eq!(old.differences(&other), None);
        assert_eq!(Frame::default().differences(&Frame::default()), None);
        let blind = frame(&[(" obj=a", "")]);
        assert_eq!(blind.differences(&blind), None);
    }
}
