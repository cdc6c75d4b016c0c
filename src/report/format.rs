//! Which renderings a run writes, and where to: `FORMAT[:PATH]`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::Error;

/// A rendering of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Text for a person at a terminal or in a CI log.
    Console,
    /// The complete report.
    Json,
    /// JUnit XML as Jenkins' schema has it.
    Junit,
    /// JUnit XML whose cases name the file to look at, for GitLab and the GitHub actions.
    Gitlab,
    /// Markdown for job summaries and comments.
    Markdown,
    /// Annotations as GitHub workflow commands.
    Github,
    /// SARIF 2.1.0 for code scanning.
    Sarif,
    /// GitLab's Code Quality report.
    CodeQuality,
    /// One HTML file.
    Html,
    /// Every protected symbol that breaks, one a line.
    Symbols,
    /// Those of them that both sides export, one a line.
    ModSymbols,
    /// Each change as one sentence, as ksymvers' `short` has them.
    Short,
}

impl Format {
    /// Every format with its spelling.
    pub const ALL: &'static [(Format, &'static str)] = &[
        (Format::Console, "console"),
        (Format::Json, "json"),
        (Format::Junit, "junit"),
        (Format::Gitlab, "gitlab"),
        (Format::Markdown, "markdown"),
        (Format::Github, "github"),
        (Format::Sarif, "sarif"),
        (Format::CodeQuality, "codequality"),
        (Format::Html, "html"),
        (Format::Symbols, "symbols"),
        (Format::ModSymbols, "mod-symbols"),
        (Format::Short, "short"),
    ];

    /// The spellings of all formats, for help and error texts.
    #[must_use]
    pub fn names() -> String {
        let names: Vec<&str> = Format::ALL.iter().map(|(_, name)| *name).collect();
        names.join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spelling = Format::ALL.iter().find(|(format, _)| format == self);
        f.write_str(spelling.map_or("", |(_, name)| name))
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Format::ALL
            .iter()
            .find(|(_, spelling)| *spelling == name)
            .map(|(format, _)| *format)
            .ok_or_else(|| Error::UnknownFormat {
                name: name.to_owned(),
                known: Format::names(),
            })
    }
}

/// One output of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What to render.
    pub format: Format,
    /// Where to; none is standard output.
    pub path: Option<PathBuf>,
}

impl FromStr for Output {
    type Err = Error;

    /// Reads `FORMAT[:PATH]`. `-` as the path is standard output.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, path) = match text.split_once(':') {
            Some((name, path)) => (name, Some(path)),
            None => (text, None),
        };
        let format = name.parse()?;
        let path = match path {
            Some("") => {
                return Err(Error::EmptyPath {
                    format: name.to_owned(),
                });
            }
            Some("-") | None => None,
            Some(path) => Some(PathBuf::from(path)),
        };
        Ok(Output { format, path })
    }
}

/// Checks that the outputs of one run do not overwrite each other.
///
/// # Errors
///
/// Two outputs on standard output, or two with the same path.
pub fn check_outputs(outputs: &[Output]) -> Result<(), Error> {
    for (at, output) in outputs.iter().enumerate() {
        let clash = outputs
            .iter()
            .take(at)
            .any(|earlier| earlier.path == output.path);
        match &output.path {
            None if clash => return Err(Error::TwoOnStdout),
            Some(path) if clash => return Err(Error::SamePath { path: path.clone() }),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every spelling reads as its format, with and without a path.
    #[test]
    fn every_spelling_reads_back() {
        for (format, name) in Format::ALL {
            let plain: Output = name.parse().expect("known format");
            assert_eq!((plain.format, plain.path), (*format, None));
            let file: Output = format!("{name}:out/a:b").parse().expect("known format");
            assert_eq!(file.path, Some(PathBuf::from("out/a:b")));
        }
        let stdout: Output = "json:-".parse().expect("known format");
        assert_eq!(stdout.path, None);
    }

    /// Each rejected spelling says what is wrong and what to write instead.
    #[test]
    fn rejected_spellings() {
        let said = |text: &str| text.parse::<Output>().map_err(|e| e.to_string());
        assert_eq!(
            said("xml:a"),
            Err(
                "unknown output format \"xml\"; known are console, json, junit, gitlab, markdown, github, sarif, codequality, html, symbols, mod-symbols, short"
                    .to_owned()
            )
        );
        assert_eq!(
            said("json:"),
            Err(
                "output \"json:\" has an empty path; write json:PATH, or json for standard output"
                    .to_owned()
            )
        );
    }

    /// Two outputs on standard output or on one path are refused.
    #[test]
    fn outputs_do_not_overwrite_each_other() {
        let check = |texts: &[&str]| {
            let outputs: Result<Vec<Output>, Error> = texts.iter().map(|t| t.parse()).collect();
            outputs
                .and_then(|outputs| check_outputs(&outputs))
                .map_err(|e| e.to_string())
        };
        assert_eq!(check(&["console", "json:a", "junit:b"]), Ok(()));
        assert_eq!(
            check(&["console", "json:-"]),
            Err(
                "two outputs go to standard output; give all but one a path: FORMAT:PATH"
                    .to_owned()
            )
        );
        assert_eq!(
            check(&["json:a", "junit:a"]),
            Err("two outputs go to \"a\"; give each its own path".to_owned())
        );
    }
}
