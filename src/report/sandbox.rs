//! How what the build of the commits executes was confined.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sandbox of a run: what was asked for, and what held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SandboxFacts {
    /// What was asked for.
    pub request: SandboxRequest,
    /// Whether bubblewrap held files, processes and network.
    pub bubblewrap: bool,
    /// The version of Landlock's interface that held files; 0 if it did not.
    pub landlock: u32,
    /// Whether system calls were filtered.
    pub filter: bool,
}

/// What kind of sandbox is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxRequest {
    /// The best that works, or none.
    Auto,
    /// The best that works, and no run without.
    Require,
    /// None.
    Off,
}

impl SandboxFacts {
    /// Whether anything held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.bubblewrap || self.landlock > 0
    }

    /// What held, in a few words.
    #[must_use]
    pub fn sentence(&self) -> String {
        let landlock = format!("Landlock (ABI {})", self.landlock);
        match (self.bubblewrap, self.landlock) {
            (true, 0) => "bubblewrap, no network".to_owned(),
            (true, _) => format!("bubblewrap and {landlock}, no network"),
            (false, 0) if self.request == SandboxRequest::Off => "none (switched off)".to_owned(),
            (false, 0) => "none (nothing works here)".to_owned(),
            (false, _) => format!("{landlock}, no network"),
        }
    }

    /// What to know where nothing held although it was wanted.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        (self.request != SandboxRequest::Off && !self.held()).then(|| {
            "no sandbox: what the Makefiles of these commits run has your rights, as neither bubblewrap nor Landlock works \
             here; install bubblewrap, or refuse such runs with --sandbox require"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What held is told by name, and only a sandbox that was wanted and missing is a warning.
    #[test]
    fn sentences() {
        let facts = |request, bubblewrap, landlock| SandboxFacts {
            request,
            bubblewrap,
            landlock,
            filter: true,
        };
        for (facts, sentence, warns) in [
            (
                facts(SandboxRequest::Auto, true, 7),
                "bubblewrap and Landlock (ABI 7), no network",
                false,
            ),
            (
                facts(SandboxRequest::Require, true, 0),
                "bubblewrap, no network",
                false,
            ),
            (
                facts(SandboxRequest::Auto, false, 1),
                "Landlock (ABI 1), no network",
                false,
            ),
            (
                facts(SandboxRequest::Auto, false, 0),
                "none (nothing works here)",
                true,
            ),
            (
                facts(SandboxRequest::Off, false, 0),
                "none (switched off)",
                false,
            ),
        ] {
            assert_eq!(facts.sentence(), sentence);
            assert_eq!(facts.warning().is_some(), warns, "{sentence}");
        }
    }
}
