//! The files of a baseline folder.

/// Fingerprint of the kernel and of the tool.
pub const MANIFEST: &str = "baseline.toml";
/// The exports.
pub const SYMVERS: &str = "Module.symvers";
/// The types behind the exports.
pub const SYMTYPES: &str = "symtypes.zst";
/// The kernel configuration.
pub const CONFIG: &str = "config";
/// The protected symbols.
pub const STABLELIST: &str = "stablelist";
/// Severity rules.
pub const RULES: &str = "rules.toml";
/// Accepted breaks.
pub const APPROVALS: &str = "approvals.toml";
/// What replacements of the baseline accepted, and why.
pub const UPDATES: &str = "updates.toml";
/// The database of third-party modules.
pub const MODULES: &str = "modules.json";
