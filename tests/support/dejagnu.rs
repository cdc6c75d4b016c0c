//! What the comments of a DejaGnu test ask for: options, lines with errors, and patterns of the output.

/// The directives of one test.
#[derive(Debug, Default)]
pub struct Directives {
    /// Arguments of the compiler.
    pub options: Vec<String>,
    /// Lines on which the preprocessor should find an error.
    pub errors: Vec<u32>,
    /// Extended regular expressions of which each should match a line of the preprocessed text.
    pub patterns: Vec<String>,
}

impl Directives {
    /// Reads the comments of a test; without options of its own it has `default`.
    pub fn read(text: &str, default: &[&str]) -> Directives {
        let mut found = Directives::default();
        let mut has_options = false;
        for (at, line) in text.lines().enumerate() {
            if let Some(rest) = behind(line, "{ dg-options ") {
                let words = rest.split('}').next().unwrap_or_default();
                let words = words.trim().trim_matches('"').split_ascii_whitespace();
                found.options = words.map(str::to_owned).collect();
                has_options = true;
            }
            if let Some(rest) = behind(line, "{ dg-error ") {
                found
                    .errors
                    .push(explicit_line(rest).unwrap_or(at as u32 + 1));
            }
            if let Some(rest) = behind(line, "[grep ") {
                found.patterns.extend(quoted(rest));
            }
        }
        if !has_options {
            found.options = default.iter().map(|&word| word.to_owned()).collect();
        }
        // Line 0 stands for messages without a place, which the text of the directive names.
        found.errors.retain(|&line| line > 0);
        found
    }
}

fn behind<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.split_once(start).map(|(_, rest)| rest)
}

/// The line that a directive names itself: `{ dg-error "pattern" "comment" { target *-*-* } LINE }`.
fn explicit_line(rest: &str) -> Option<u32> {
    let (_, behind) = rest.split_once("{ target *-*-* }")?;
    behind.split('}').next()?.trim().parse().ok()
}

/// The first string in Tcl's double quotes, with its backslashes carried out.
fn quoted(text: &str) -> Option<String> {
    let (_, text) = text.split_once('"')?;
    let mut out = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some(out),
            '\\' => out.push(characters.next()?),
            other => out.push(other),
        }
    }
}
