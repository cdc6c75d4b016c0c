//! The choice between the preprocessors.

use super::{Builtin, Gcc, Preprocessor};

/// Which preprocessor is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// The one of this crate.
    #[default]
    Builtin,
    /// The compiler's own.
    Gcc,
}

impl EngineKind {
    /// Every choice, the usual one first.
    pub const ALL: [EngineKind; 2] = [EngineKind::Builtin, EngineKind::Gcc];

    /// Its spelling on command lines and in keys of caches.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Builtin => "builtin",
            EngineKind::Gcc => "gcc",
        }
    }
}

/// A preprocessor of either kind.
pub enum Engine {
    /// The one of this crate.
    Builtin(Box<Builtin>),
    /// The compiler's own.
    Gcc(Gcc),
}

impl Engine {
    /// A preprocessor for files that do not change while it lives.
    #[must_use]
    pub fn session(&self) -> Box<dyn Preprocessor + '_> {
        match self {
            Engine::Builtin(builtin) => Box::new(builtin.session()),
            Engine::Gcc(gcc) => Box::new(gcc.clone()),
        }
    }
}
