//! What changed between two kernels, and which definitions caused it.
//!
//! In flow two [`Side`]s (exports and, where known, the types behind them), out flows a [`Comparison`]: a [`Change`] per
//! symbol that differs, and every [`Cause`] once. A cause is a definition whose *own* text differs; a record of symtypes
//! names the types it uses instead of containing them, so a struct that merely contains a changed struct is no cause.

mod cause;
mod change;
mod class;
mod classify;
mod members;
mod near;
mod paths;
mod reach;

pub use cause::{Cause, Step};
pub use change::{Change, Comparison, Side, classify, compare};
pub use class::ChangeClass;
pub use classify::CauseClass;
pub use members::DefinitionChange;
pub use paths::{Reached, paths};
pub use reach::{KnownCauses, Reach};
