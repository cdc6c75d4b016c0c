//! What is wrong with a text file, line by line: the shape every text reader of this crate reports in.

use std::fmt;

/// How many problems of one file are kept with their text; the rest is only counted.
pub const PROBLEM_LIMIT: usize = 20;

/// One finding in a text file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line of the file, counted from 1; 0 when the finding is about the whole file.
    pub line: usize,
    /// What is wrong and what was expected, without file and line.
    pub message: String,
}

/// The findings of one file: the first [`PROBLEM_LIMIT`] with their text, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The findings in file order.
    pub first: Vec<Problem>,
    /// How many further findings were only counted.
    pub more: usize,
}

impl Problems {
    /// Adds a finding, behind those of its line and of lines before; beyond the limit it is only counted.
    pub fn push(&mut self, line: usize, message: impl Into<String>) {
        let at = self.first.partition_point(|problem| problem.line <= line);
        if at < PROBLEM_LIMIT {
            let message = message.into();
            self.first.insert(at, Problem { line, message });
        }
        if at == PROBLEM_LIMIT || self.first.len() > PROBLEM_LIMIT {
            self.first.truncate(PROBLEM_LIMIT);
            self.more = self.more.saturating_add(1);
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// How many findings there are in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len().saturating_add(self.more)
    }

    /// The findings as `file:line: message` lines, closed by the count of the rest.
    #[must_use]
    pub fn named<'a>(&'a self, name: &'a str) -> impl fmt::Display + 'a {
        Named {
            problems: self,
            name,
        }
    }
}

/// A stranger's word for a message: at most 80 characters, control characters escaped.
pub(crate) fn shown(word: &str) -> String {
    const LIMIT: usize = 80;
    let mut text = String::new();
    for c in word.chars().take(LIMIT) {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    if word.chars().nth(LIMIT).is_some() {
        text.push('…');
    }
    text
}

struct Named<'a> {
    problems: &'a Problems,
    name: &'a str,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.first.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match problem.line {
                0 => write!(f, "{}: {}", self.name, problem.message)?,
                line => write!(f, "{}:{line}: {}", self.name, problem.message)?,
            }
        }
        match self.problems.more {
            0 => Ok(()),
            1 => write!(f, "\n{}: and 1 more problem", self.name),
            more => write!(f, "\n{}: and {more} more problems", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings beyond the limit are counted, not kept, and the text says how many they are.
    #[test]
    fn beyond_the_limit_findings_are_counted() {
        let mut problems = Problems::default();
        for line in 1..=PROBLEM_LIMIT + 3 {
            problems.push(line, "bad");
        }
        assert_eq!(problems.first.len(), PROBLEM_LIMIT);
        assert_eq!(problems.len(), PROBLEM_LIMIT + 3);
        let text = problems.named("f").to_string();
        assert!(text.starts_with("f:1: bad\nf:2: bad\n"));
        assert!(text.ends_with("f:20: bad\nf: and 3 more problems"));
    }

    /// What is found late stands where its line does, and takes the place of what stands behind.
    #[test]
    fn findings_stand_in_the_order_of_lines() {
        let mut problems = Problems::default();
        for line in 1..=PROBLEM_LIMIT {
            problems.push(2 * line, "bad");
        }
        problems.push(3, "late");
        problems.push(100, "too late");
        let lines: Vec<usize> = problems.first.iter().take(3).map(|one| one.line).collect();
        assert_eq!(lines, [2, 3, 4]);
        assert_eq!((problems.first.len(), problems.more), (PROBLEM_LIMIT, 2));
    }
}
