//! What `--help`, the man pages and the completions say: exit codes below the examples of each command.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::outputs::write_whole;
use super::stdout::{note, page, print};
use super::{Arguments, Context, Outcome, reason};
use crate::report::{Reason, ReasonCode};

/// Exit codes of commands that judge a kernel.
macro_rules! gate_codes {
    () => {
        "

Exit codes:
  0  checked, nothing protected breaks
  1  checked, at least one protected symbol breaks
  2  wrong usage, or an input that cannot be read
  3  could not check: a missing or foreign baseline, an empty list, a commit that does not configure ...

What was not checked never counts as passed."
    };
}

/// Exit codes of commands that judge nothing.
macro_rules! plain_codes {
    () => {
        "

Exit codes:
  0  done
  2  wrong usage, or an input that cannot be read"
    };
}

/// Exit codes of commands that compute or read a kernel and judge nothing.
macro_rules! kernel_codes {
    () => {
        "

Exit codes:
  0  done
  2  wrong usage, or an input that cannot be read
  3  could not be computed, or what is needed for it is missing"
    };
}

pub(super) use {gate_codes, kernel_codes, plain_codes};

const MAN_EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate man | man -l -
  kabigate man baseline create
  kabigate man --out /usr/local/share/man/man1",
    plain_codes!()
);

const COMPLETIONS_EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate completions bash > ~/.local/share/bash-completion/completions/kabigate
  kabigate completions zsh > ~/.zfunc/_kabigate
  kabigate completions fish > ~/.config/fish/completions/kabigate.fish",
    plain_codes!()
);

/// Print a man page, or write all of them into a folder
#[derive(Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManCommand {
    /// Command whose page is printed, such as `baseline create` [default: the program itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Folder for the pages of all commands, such as /usr/local/share/man/man1
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// Print the completions of a shell
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsCommand {
    /// Shell
    shell: Shell,
}

impl ManCommand {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        let mut top = Arguments::command();
        top.build();
        if let Some(folder) = &self.out {
            let mut pages = Vec::new();
            collect(&top, &mut pages)?;
            for (name, text) in &pages {
                write_whole(&folder.join(name), text)?;
            }
            note(
                context,
                &format!("wrote {} pages into {}", pages.len(), folder.display()),
            );
            return Ok(0);
        }
        let mut command = &top;
        for word in &self.command {
            command = command.find_subcommand(word).ok_or_else(|| {
                reason(
                    ReasonCode::Usage,
                    format!("no command is called {word:?}"),
                    "list all: `kabigate --help`",
                )
            })?;
        }
        print(&String::from_utf8_lossy(&rendered(command)?));
        Ok(0)
    }
}

impl CompletionsCommand {
    pub(crate) fn run(&self, context: &Context) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Arguments::command(),
            "kabigate",
            &mut script,
        );
        page(context, &String::from_utf8_lossy(&script));
        Ok(0)
    }
}

/// The pages of a command and all commands below it, by file name.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Reason> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    pages.push((format!("{name}.1"), rendered(command)?));
    for below in command
        .get_subcommands()
        .filter(|c| c.get_name() != "help" && !c.is_hide_set())
    {
        collect(below, pages)?;
    }
    Ok(())
}

fn rendered(command: &Command) -> Result<Vec<u8>, Reason> {
    let mut text = Vec::new();
    // The name of the page is that of the whole command, such as kabigate-baseline-create.
    let name = command.get_display_name().unwrap_or(command.get_name());
    Man::new(command.clone())
        .title(name)
        .render(&mut text)
        .map_err(|error| reason(ReasonCode::InputInvalid, error, ""))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use std::path::Path;

    fn leaves<'c>(command: &'c Command, found: &mut Vec<&'c Command>) {
        let below: Vec<&Command> = command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .collect();
        if below.is_empty() {
            found.push(command);
        }
        for command in below {
            leaves(command, found);
        }
    }

    /// The calls of `kabigate` that stand in lines of a text, each on one line; `#` and a pipe end a call.
    fn calls(text: &str) -> Vec<String> {
        let joined = text.replace("\\\n", " ");
        let lines = joined.lines().map(str::trim);
        let lines = lines.map(|line| line.strip_prefix("$ ").unwrap_or(line));
        let calls = lines.filter(|line| line.starts_with("kabigate "));
        let ends = [" #", " |", " >", " ||", " &&", ";"];
        calls
            .map(|call| {
                let end = ends.iter().filter_map(|end| call.find(end)).min();
                call.get(..end.unwrap_or(call.len()))
                    .unwrap_or(call)
                    .to_owned()
            })
            .collect()
    }

    fn parses(call: &str) -> Result<(), String> {
        let words = shlex::split(call).ok_or("open quote")?;
        match Arguments::try_parse_from(words) {
            Ok(_) => Ok(()),
            Err(error) if !error.use_stderr() => Ok(()),
            Err(error) => Err(format!("{call}: {error}")),
        }
    }

    /// Every command says its exit codes and gives an example, and every example is a call that the program takes.
    #[test]
    fn every_command_has_examples_that_parse() {
        let top = Arguments::command();
        let mut found = Vec::new();
        leaves(&top, &mut found);
        assert!(found.len() > 20);
        for command in found {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(help.contains("Exit codes:\n  0  "), "{name}: no exit codes");
            let calls = calls(&help);
            assert!(!calls.is_empty(), "{name}: no example");
            let names = |call: &String| call.split(' ').any(|word| word == name);
            assert!(calls.iter().any(names), "{name}: {calls:?}");
            for call in calls {
                assert_eq!(parses(&call), Ok(()));
            }
        }
    }

    /// Every call that README and book show in a block of code is one that the program takes.
    #[test]
    fn calls_of_the_documentation_parse() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = vec![top.join("README.md")];
        let docs = std::fs::read_dir(top.join("docs")).expect("docs");
        files.extend(docs.map(|entry| entry.expect("an entry").path()));
        let mut seen = 0;
        for file in files
            .iter()
            .filter(|f| f.extension().is_some_and(|e| e == "md"))
        {
            let text = std::fs::read_to_string(file).expect("read");
            let blocks = text.split("```").skip(1).step_by(2);
            for call in blocks.flat_map(calls) {
                // Synopses name places in capitals and options in brackets.
                if !call.contains(['[', '<', '…']) {
                    seen += 1;
                    assert_eq!(parses(&call), Ok(()), "{}", file.display());
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }

    /// There is a page for every command, and each ends as roff does.
    #[test]
    fn pages_of_all_commands() {
        let mut top = Arguments::command();
        top.build();
        let mut pages = Vec::new();
        collect(&top, &mut pages).expect("rendered");
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.first(), Some(&"kabigate.1"));
        assert!(
            names.contains(&"kabigate-check.1") && names.contains(&"kabigate-baseline-create.1")
        );
        for (name, text) in &pages {
            let text = String::from_utf8_lossy(text);
            assert!(
                text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"),
                "{name}"
            );
        }
    }
}
