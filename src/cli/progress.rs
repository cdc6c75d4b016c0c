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
    /// How many commits are still to come.
    remaining: usize,
    /// Seconds and number of commits that were computed from what the one before left.
    followers: (f64, u32),
    is_first: bool,
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
                remaining: 0,
                followers: (0.0, 0),
                is_first: true,
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

impl State {
    /// What the commits to come will take, as far as those before tell; the first one, from scratch, tells nothing.
    fn left(&mut self, seconds: f64) -> String {
        if !std::mem::replace(&mut self.is_first, false) {
            self.followers.0 += seconds;
            self.followers.1 += 1;
        }
        let (spent, count) = self.followers;
        if self.remaining == 0 || count == 0 {
            return String::new();
        }
        let left = spent / f64::from(count) * self.remaining as f64;
        if left < 90.0 {
            format!(", about {left:.0} s left")
        } else {
            format!(", about {:.0} min left", left / 60.0)
        }
    }
}

impl Progress for Shown {
    fn commit(&self, number: usize, total: usize, name: &str) {
        let name = format!("[{number}/{total}] {}", escape::terminal(name));
        self.with(|state| {
            state.name = name;
            state.remaining = total.saturating_sub(number);
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
        let (name, seconds, left) = self.with(|state| {
            let seconds = state.started.elapsed().as_secs_f64();
            (state.name.clone(), seconds, state.left(seconds))
        });
        self.bar.suspend(|| {
            note(
                &self.context,
                &format!(
                    "{name}  {} of {} exporting units computed, {} objects planned, {seconds:.1} s{left}",
                    counters.computed, counters.candidates, counters.objects
                ),
            );
        });
        self.bar.disable_steady_tick();
        self.bar.set_message("");
        self.bar.finish_and_clear();
    }
}
