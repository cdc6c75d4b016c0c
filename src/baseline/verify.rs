//! Whether the files of a baseline agree with each other.

use rayon::prelude::*;

use super::Baseline;
use crate::symtypes::{CrcError, TypeGraph};
use crate::symvers::{Crc, Symvers};

/// A symbol whose stored CRC is not the one that its stored types give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inconsistency {
    /// The symbol.
    pub symbol: String,
    /// CRC in `Module.symvers`.
    pub stored: Crc,
    /// CRC of its types, or why there is none.
    pub computed: Result<Crc, CrcError>,
}

/// Recomputes the CRC of every versioned symbol that `wanted` selects from the stored types.
///
/// Symbols without CRC have no types behind them and are skipped; so are those of an imported baseline that its types do
/// not know. The result is sorted by symbol.
#[must_use]
pub fn verify(baseline: &Baseline, wanted: impl Fn(&str) -> bool + Sync) -> Vec<Inconsistency> {
    verify_types(&baseline.symvers, &baseline.types, |symbol| {
        wanted(symbol) && can_verify(baseline, symbol)
    })
}

/// Whether the baseline should hold the types behind a symbol.
#[must_use]
pub fn can_verify(baseline: &Baseline, symbol: &str) -> bool {
    baseline.manifest.imported_from.is_none() || baseline.types.exporter(symbol).is_some()
}

/// As [`verify`], for exports and types of any source.
#[must_use]
pub fn verify_types(
    symvers: &Symvers,
    types: &TypeGraph,
    wanted: impl Fn(&str) -> bool + Sync,
) -> Vec<Inconsistency> {
    let exports: Vec<_> = symvers
        .iter()
        .filter(|export| !export.crc.is_unversioned() && wanted(&export.symbol))
        .collect();
    exports
        .par_iter()
        .filter_map(|export| {
            let computed = types.crc(&export.symbol);
            (computed != Ok(export.crc)).then(|| Inconsistency {
                symbol: export.symbol.to_string(),
                stored: export.crc,
                computed,
            })
        })
        .collect()
}
