//! What goes to standard output and standard error.

use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Effects};
use clap::ColorChoice;

use super::{Context, pager};
use crate::report::Reason;
use crate::report::escape;

/// Which of the two streams are coloured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) out: bool,
    pub(crate) err: bool,
}

impl Style {
    pub(crate) fn new(choice: ColorChoice) -> Style {
        let choose = |auto: anstream::ColorChoice| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => auto != anstream::ColorChoice::Never,
        };
        Style {
            out: choose(anstream::AutoStream::choice(&io::stdout())),
            err: choose(anstream::AutoStream::choice(&io::stderr())),
        }
    }
}

/// Writes to standard output. A reader that went away ends the printing and changes no exit code.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a text that may be long to standard output: through the pager on a terminal, unless that is not wanted.
pub(crate) fn page(context: &Context, text: &str) {
    if !(context.paged && pager::show(text)) {
        print(text);
    }
}

/// Writes a line to standard error.
pub(crate) fn note(context: &Context, text: &str) {
    if !context.quiet {
        complain(text);
    }
}

/// Writes a line to standard error, whatever the settings are.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", escape::terminal(text));
}

/// Writes a warning to standard error.
pub(crate) fn warning(context: &Context, text: &str) {
    labelled(context, AnsiColor::Yellow, "warning", text);
}

/// Writes an error with its next step to standard error.
pub(crate) fn error(context: &Context, reason: &Reason) {
    labelled(context, AnsiColor::Red, "error", &reason.message);
    let mut err = io::stderr().lock();
    if let (Some(expected), Some(found)) = (&reason.expected, &reason.found) {
        for (expected, found) in expected.lines().zip(found.lines()) {
            let _ = writeln!(
                err,
                "  expected {}, found {}",
                escape::terminal(expected),
                escape::terminal(found)
            );
        }
    }
    if let Some(next_step) = &reason.next_step {
        let _ = writeln!(err, "  next: {}", escape::terminal(next_step));
    }
}

fn labelled(context: &Context, color: AnsiColor, label: &str, text: &str) {
    let label = paint(label, color, context.style.err);
    let mut err = io::stderr().lock();
    for (at, line) in text.lines().enumerate() {
        let line = escape::terminal(line);
        let _ = if at == 0 {
            writeln!(err, "{label}: {line}")
        } else {
            writeln!(err, "  {line}")
        };
    }
}

/// A word in bold and colour, if colours are wanted.
pub(crate) fn paint(text: &str, color: AnsiColor, colored: bool) -> String {
    if !colored {
        return text.to_owned();
    }
    let style = anstyle::Style::new()
        .fg_color(Some(color.into()))
        .effects(Effects::BOLD);
    format!("{}{text}{}", style.render(), style.render_reset())
}

/// Whether progress may move on the screen: a terminal that is no CI log.
pub(crate) fn is_interactive() -> bool {
    io::stderr().is_terminal() && std::env::var_os("CI").is_none()
}
