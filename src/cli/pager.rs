//! Long text on a terminal goes through a pager, as with git and man: `KABIGATE_PAGER`, else `PAGER`, else `less`.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

/// Lines that fit on every terminal, for which no pager is started.
const SHORT: usize = 23;

/// Shows a text through the pager; `false` if it is to be printed instead.
pub(super) fn show(text: &str) -> bool {
    if text.lines().count() <= SHORT || !io::stdout().is_terminal() {
        return false;
    }
    let is_set = |name| std::env::var_os(name).is_some();
    if is_set("CI") || std::env::var("TERM").is_ok_and(|term| term == "dumb") {
        return false;
    }
    let named = |name| std::env::var(name).ok();
    let pager = named("KABIGATE_PAGER").or_else(|| named("PAGER"));
    let Some((program, arguments)) = words(pager.as_deref()) else {
        return false;
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped());
    if !is_set("LESS") {
        // One screen is not paged, colours are kept, the text stays on the screen.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    if let Some(mut pipe) = child.stdin.take() {
        // Who leaves the pager early has seen enough.
        let _ = pipe.write_all(text.as_bytes());
    }
    let _ = child.wait();
    true
}

/// Program and arguments of the pager; none where it is empty or only copies.
fn words(pager: Option<&str>) -> Option<(String, Vec<String>)> {
    let mut words = shlex::split(pager.unwrap_or("less"))?.into_iter();
    let program = words.next().filter(|program| program != "cat")?;
    Some((program, words.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty pager and `cat` are none, and a pager may have arguments.
    #[test]
    fn which_pager() {
        assert_eq!(words(None), Some(("less".to_owned(), vec![])));
        assert_eq!(
            words(Some("less -S")),
            Some(("less".to_owned(), vec!["-S".to_owned()]))
        );
        assert_eq!(words(Some("")), None);
        assert_eq!(words(Some("cat")), None);
        assert_eq!(words(Some("an 'open quote")), None);
    }
}
