//! From a requested configuration to the one that the tree holds.

use std::io::Write;
use std::path::Path;

use super::tree::io_error;
use super::{Config, ConfigText, Difference, KbuildError, ObjectTree, make};

/// What a configuration starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigBase {
    /// A default configuration of the architecture, by the name of its make target, such as `x86_64_defconfig`.
    Defconfig(String),
    /// A whole `.config`.
    Text(ConfigText),
}

/// A requested configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSource {
    /// What it starts from.
    pub base: ConfigBase,
    /// Lines that override, in this order.
    pub fragments: Vec<ConfigText>,
}

/// The configuration that a tree holds, and what was asked of it in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// The configuration after `olddefconfig`.
    pub config: Config,
    /// Options whose requested value (`old`) the tree does not hold (`new`): unknown to it, without their dependencies,
    /// or dependent on another compiler. A default configuration requests only what its fragments say.
    pub not_held: Vec<Difference>,
}

impl ObjectTree {
    /// Finds the configuration that a request comes to without touching the one that the object tree holds.
    ///
    /// # Errors
    /// As for [`ObjectTree::configure`].
    pub fn configure_aside(&self, source: &ConfigSource) -> Result<Configured, KbuildError> {
        self.configure_at(source, &make::home(&self.obj).join("config"))
    }

    /// Makes a configuration that [`ObjectTree::configure_aside`] found the one of the object tree.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn adopt_configuration(&self) -> Result<(), KbuildError> {
        let (from, to) = (
            make::home(&self.obj).join("config"),
            self.obj.join(".config"),
        );
        std::fs::rename(&from, &to).map_err(|source| io_error(&to, "replace", source))
    }

    /// Writes `.config` into the object tree and lets the kernel complete it (`olddefconfig`).
    ///
    /// # Errors
    /// If a text is not a configuration, a file cannot be written, or make fails.
    pub fn configure(&self, source: &ConfigSource) -> Result<Configured, KbuildError> {
        self.configure_at(source, &self.obj.join(".config"))
    }

    fn configure_at(&self, source: &ConfigSource, path: &Path) -> Result<Configured, KbuildError> {
        let assignment = format!("KCONFIG_CONFIG={}", path.display());
        let mut fragments = Config::default();
        for fragment in &source.fragments {
            fragments.override_with(&Config::parse(&fragment.bytes, &fragment.label)?);
        }
        let (mut start, mut requested) = match &source.base {
            ConfigBase::Text(text) => {
                let config = Config::parse(&text.bytes, &text.label)?;
                (config.clone(), config)
            }
            ConfigBase::Defconfig(name) => {
                check_name(name)?;
                make::build(&self.src, &self.obj, &self.options, &[&assignment, name])?;
                (read_config(path)?, Config::default())
            }
        };
        start.override_with(&fragments);
        requested.override_with(&fragments);
        write_config(path, &start)?;
        make::build(
            &self.src,
            &self.obj,
            &self.options,
            &[&assignment, "olddefconfig"],
        )?;
        let config = read_config(path)?;
        Ok(Configured {
            not_held: requested.not_held(&config),
            config,
        })
    }

    /// The configuration that the object tree holds now.
    ///
    /// # Errors
    /// If there is none.
    pub fn read_config(&self) -> Result<Config, KbuildError> {
        read_config(&self.obj.join(".config"))
    }
}

fn read_config(path: &Path) -> Result<Config, KbuildError> {
    let bytes = std::fs::read(path).map_err(|source| io_error(path, "read", source))?;
    Config::parse(&bytes, &path.display().to_string())
}

fn write_config(path: &Path, config: &Config) -> Result<(), KbuildError> {
    let failed = |source| io_error(path, "write", source);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(config.to_text().as_bytes())
        .map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Refuses names that are no configuration target; such a name could be any target or option of make.
fn check_name(name: &str) -> Result<(), KbuildError> {
    let fits = name.ends_with("config")
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !name.contains("..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-./+".contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(KbuildError::DefconfigName {
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that only names of configuration targets pass.
    #[test]
    fn names_of_default_configurations() {
        for name in [
            "defconfig",
            "x86_64_defconfig",
            "configs/sub/my_defconfig",
            "tinyconfig",
        ] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "clean",
            "-f/x/config",
            "a config",
            "../config",
            "CC=x;config",
            "$(x)config",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
