//! `--config`: a defconfig name, a configuration file, or a headers package.

use std::path::Path;

use crate::check::kbuild_reason;
use crate::kbuild::{Config, ConfigBase, ConfigSource, Difference, read_config};
use crate::report::{Reason, ReasonCode};

use super::reason;

/// Differing options that a message names.
const NAMED: usize = 20;

/// Help of the option.
pub(crate) const HELP: &str = "Kernel configuration: a defconfig name (x86_64_defconfig), a .config file, an unpacked headers package or its .deb. \
     Repeat it for fragments that are laid over the first";

/// Reads the values of `--config`: the first is the base, every other one a fragment.
pub(crate) fn read(values: &[String]) -> Result<ConfigSource, Reason> {
    let Some((base, fragments)) = values.split_first() else {
        return Err(reason(
            ReasonCode::Usage,
            "no configuration is named",
            "pass --config with a defconfig name, a .config file or a headers package",
        ));
    };
    let base = if is_defconfig(base) {
        ConfigBase::Defconfig(base.clone())
    } else {
        ConfigBase::Text(file(base)?)
    };
    Ok(ConfigSource {
        base,
        fragments: fragments
            .iter()
            .map(|fragment| file(fragment))
            .collect::<Result<_, _>>()?,
    })
}

/// A name of a make target, unless a file of that name is there.
fn is_defconfig(value: &str) -> bool {
    value.ends_with("config")
        && !value.contains('/')
        && !value.starts_with('.')
        && !Path::new(value).exists()
}

fn file(path: &str) -> Result<crate::kbuild::ConfigText, Reason> {
    read_config(Path::new(path)).map_err(|error| kbuild_reason(&error))
}

/// Refuses a configuration that is not the baseline's, with the options that differ.
pub(crate) fn equal(baseline: &Config, other: &Config, name: &str) -> Result<(), Reason> {
    let differing = baseline.difference(other);
    if differing.is_empty() {
        return Ok(());
    }
    let side = |value: fn(&Difference) -> &str| -> String {
        differing
            .iter()
            .take(NAMED)
            .map(|option| format!("{}={}\n", option.option, value(option)))
            .collect()
    };
    Err(Reason {
        expected: Some(side(|option| &option.old)),
        found: Some(side(|option| &option.new)),
        ..reason(
            ReasonCode::BaselineMismatch,
            format!(
                "{} options of the configuration differ from the baseline {name}",
                differing.len()
            ),
            "name the baseline of this configuration, or leave --config out",
        )
    })
}
