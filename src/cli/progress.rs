//! Progress on standard error: a moving bar on a terminal, a line per commit elsewhere.

use std::sync::Mutex;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use super::stdout::{is_interactive, note};
use crate::kbuild::Difference;
use crate::report::escape;
use crate::snapshot::{Counters, Progress};

/// Changed options of a commit's configuration that are named.
const OPTIONS_SHOWN: usize = 10;

/// Shows what a run does.
pub(crate) struct Shown {
    context: Context,
    bar: ProgressBar,
    state: Mutex<State>,
}

struct State {
    name: String,
    started: Instant,
    phase: Option<(String, Instant)>,
}

impl Shown {
    pub(crate) fn new(context: &Context) -> Shown {
        let bar = if is_interactive() && !context.quiet {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        Shown {
            context: *context,
            bar,
            state: Mutex::new(State {
                name: String::new(),
                started: Instant::now(),
                phase: None,
            }),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // INVARIANT: nothing that holds the lock panics, so it is never poisoned.
        change(&mut self.state.lock().expect("progress is not poisoned"))
    }

    /// Ends the phase that runs and tells with `-v` what it took.
    fn end_phase(&self, next: Option<String>) {
        let ended = self.with(|state| {
            let next = next.map(|name| (name, Instant::now()));
            std::mem::replace(&mut state.phase, next)
        });
        if let Some((name, started)) = ended.filter(|_| self.context.verbose) {
            self.bar.suspend(|| {
                note(
                    &self.context,
                    &format!("  {name}: {:.1} s", started.elapsed().as_secs_f64()),
                )
            });
        }
    }
}

impl Progress for Shown {
    fn commit(&self, number: usize, total: usize, name: &str) {
        let name = format!("[{number}/{total}] {}", escape::terminal(name));
        self.with(|state| {
            state.name = name;
            state.started = Instant::now();
        });
    }

    fn phase(&self, phase: &str) {
        self.end_phase(Some(phase.to_owned()));
        let name = self.with(|state| state.name.clone());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            self.bar.set_style(style);
        }
        self.bar.set_message(format!("{name} {phase}"));
        self.bar
            .enable_steady_tick(std::time::Duration::from_millis(200));
    }

    fn configuration(&self, differences: &[Difference]) {
        self.bar.suspend(|| {
            for option in differences.iter().take(OPTIONS_SHOWN) {
                let text = format!("{}: {} → {}", option.option, option.old, option.new);
                note(&self.context, &format!("  {}", escape::terminal(&text)));
            }
            if let Some(more) = differences
                .len()
                .checked_sub(OPTIONS_SHOWN)
                .filter(|more| *more > 0)
            {
                note(&self.context, &format!("  and {more} more options"));
            }
        });
    }

    fn units(&self, total: usize) {
        self.phase("units");
        if let Ok(style) =
            ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} units, {eta} left")
        {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_position(0);
        self.bar.set_length(total as u64);
    }

    fn unit_done(&self) {
        self.bar.inc(1);
    }

    fn done(&self, counters: &Counters) {
        self.end_phase(None);
        let (name, seconds) =
            self.with(|state| (state.name.clone(), state.started.elapsed().as_secs_f64()));
        self.bar.suspend(|| {
            note(
                &self.context,
                &format!(
                    "{name}  {} of {} exporting units computed, {} objects planned, {seconds:.1} s",
                    counters.computed, counters.candidates, counters.objects
                ),
            );
        });
        self.bar.disable_steady_tick();
        self.bar.set_message("");
        self.bar.finish_and_clear();
    }
}
