//! Whether a kernel can be compared with a baseline at all.

use crate::baseline::{Baseline, Manifest};
use crate::kbuild::{Config, Difference};
use crate::report::{Reason, ReasonCode};
use crate::snapshot::Snapshot;

/// Options that a message names.
const NAMED: usize = 20;

/// What keeps the base of the range from being compared with the baseline; empty if nothing does.
///
/// The kernel was configured with the baseline's own configuration. Options that its Kconfig files know and the
/// baseline does not are no mismatch: the tree went on since. An option that the baseline holds and that came out
/// otherwise is one: another compiler, a missing tool or another tree.
pub(super) fn mismatches(baseline: &Baseline, snapshot: &Snapshot, config: &Config) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = baseline
        .manifest
        .fingerprint
        .mismatches(&snapshot.fingerprint)
        .into_iter()
        .filter(|mismatch| mismatch.field != "config")
        .map(|mismatch| {
            let next = match mismatch.field {
                "compiler" => "use the compiler that made the baseline (--cc), or record a baseline with this one",
                "arch" => "pass the architecture of the baseline (--arch), or name a baseline of this one",
                _ => "record a baseline of this tree: `kabigate baseline create`",
            };
            reason(baseline, mismatch.field, mismatch.expected, mismatch.found, next)
        })
        .collect();
    let changed: Vec<Difference> = config.not_held(&snapshot.config);
    if !changed.is_empty() {
        let side = |value: fn(&Difference) -> &str| {
            let mut lines: Vec<String> = changed
                .iter()
                .take(NAMED)
                .map(|option| format!("{}={}", option.option, value(option)))
                .collect();
            if changed.len() > NAMED {
                lines.push(format!("and {} more options", changed.len() - NAMED));
            }
            lines.join("\n")
        };
        reasons.push(reason(
            baseline,
            "config",
            side(|option| &option.old),
            side(|option| &option.new),
            "install the tools that the configuration asks for and use the baseline's compiler, \
             or record a baseline with this configuration: `kabigate baseline update`",
        ));
    }
    reasons
}

/// What an imported baseline cannot say about itself, as a warning.
pub(super) fn unknown_circumstances(name: &str, manifest: &Manifest) -> Option<String> {
    let unknown = manifest.fingerprint.unknown();
    (!unknown.is_empty()).then(|| {
        format!(
            "the baseline {name} was imported and does not say its {}, which can change CRCs and was not compared",
            unknown.join(", ")
        )
    })
}

fn reason(
    baseline: &Baseline,
    field: &str,
    expected: String,
    found: String,
    next_step: &str,
) -> Reason {
    Reason {
        code: ReasonCode::BaselineMismatch,
        message: format!(
            "the baseline {} was made with another {field}",
            baseline.name()
        ),
        next_step: Some(next_step.to_owned()),
        commit: None,
        file: None,
        line: None,
        expected: Some(expected),
        found: Some(found),
    }
}
