//! Ctrl-C and SIGTERM: children are stopped, the work area is removed, and the run ends with the reason `interrupted`.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::stdout::warning;
use super::{Context, Outcome, reason};
use crate::report::{Reason, ReasonCode};
use crate::snapshot::{interrupt_flag, is_interrupted};

/// From now on the first signal raises the flag that everything long looks at; the second one ends the process at once,
/// with the exit code of "could not check".
pub(crate) fn listen(context: &Context) {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let listening = flag::register_conditional_shutdown(signal, 3, interrupt_flag())
            .and_then(|_| flag::register(signal, interrupt_flag()));
        if let Err(error) = listening {
            warning(context, &format!("signals are not handled: {error}"));
        }
    }
}

/// What a command came to: whatever failed after the flag was raised failed because of that.
pub(crate) fn judge(outcome: Outcome) -> Outcome {
    match outcome {
        Err(other) if is_interrupted() && other.code != ReasonCode::Interrupted => {
            Err(interrupted())
        }
        other => other,
    }
}

/// The reasons of a check that did not come to its walk.
pub(crate) fn reasons(reasons: Vec<Reason>) -> Vec<Reason> {
    if is_interrupted() {
        vec![interrupted()]
    } else {
        reasons
    }
}

fn interrupted() -> Reason {
    reason(
        ReasonCode::Interrupted,
        "the run was interrupted",
        "run it again; units that were computed are kept in the cache",
    )
}
