//! Changes that a source hides from its own CRCs.
//!
//! genksyms reads a source with `__GENKSYMS__` defined, and distributions use that to show it the old text of a
//! definition and the compiler the new one. Then an equal CRC proves only that the *annotated* text is equal. In flow the two
//! contents of a changed file, out flow findings about the lines that came or went, and how many reserved slots the
//! structures of the file have left.
//!
//! What the macros do is known from their names: an operation such as `USE` or `EXCLUDE` behind any prefix that ends in
//! `KABI_` (`RH_KABI_`, `DEEPIN_KABI_`, `ANDROID_KABI_`, `UEK_KABI_`, …), and any macro that a header of the tree defines
//! under a test of `__GENKSYMS__`.

mod lint;
mod macros;
mod scan;
#[cfg(test)]
mod tests;

pub use lint::{Finding, Kind, Slots, lint, slots};
pub use macros::Macros;
