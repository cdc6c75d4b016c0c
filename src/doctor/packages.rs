//! What distributions call the packages.

use serde::Serialize;

/// Families of distributions, by how they install packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Debian, Ubuntu and what descends from them.
    Debian,
    /// Fedora, RHEL, CentOS, openEuler and the like.
    Fedora,
    /// openSUSE and SLE.
    Suse,
}

impl Family {
    /// All families.
    pub const ALL: [Family; 3] = [Family::Debian, Family::Fedora, Family::Suse];

    /// The family that the text of an os-release(5) file names.
    #[must_use]
    pub fn of(os_release: &str) -> Option<Family> {
        let words = |key: &str| {
            let line = os_release.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_default()
                .trim_matches('"')
                .split(' ')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let names = [words("ID="), words("ID_LIKE=")].concat();
        names.iter().find_map(|name| match name.as_str() {
            "debian" | "ubuntu" => Some(Family::Debian),
            "fedora" | "rhel" | "centos" | "openEuler" => Some(Family::Fedora),
            "suse" | "opensuse" | "sles" => Some(Family::Suse),
            _ => None,
        })
    }

    /// The family's name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Debian => "Debian, Ubuntu",
            Family::Fedora => "Fedora",
            Family::Suse => "openSUSE",
        }
    }

    /// The command that installs packages.
    #[must_use]
    pub fn install(self) -> &'static str {
        match self {
            Family::Debian => "apt-get install",
            Family::Fedora => "dnf install",
            Family::Suse => "zypper install",
        }
    }
}

/// Names of the package that brings one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Packages {
    /// On Debian and Ubuntu.
    pub debian: String,
    /// On Fedora.
    pub fedora: String,
    /// On openSUSE.
    pub opensuse: String,
}

impl Packages {
    pub(super) fn new(debian: &str, fedora: &str, opensuse: &str) -> Packages {
        Packages {
            debian: debian.to_owned(),
            fedora: fedora.to_owned(),
            opensuse: opensuse.to_owned(),
        }
    }

    /// The package is called the same everywhere.
    pub(super) fn same(name: &str) -> Packages {
        Packages::new(name, name, name)
    }

    /// The package of a cross compiler whose tools have this prefix.
    pub(super) fn cross(prefix: &str) -> Packages {
        let triple = prefix.trim_end_matches('-');
        let machine = triple.split('-').next().unwrap_or_default();
        Packages {
            debian: format!("gcc-{triple}"),
            fedora: format!("gcc-{machine}-linux-gnu"),
            opensuse: format!("cross-{machine}-gcc14"),
        }
    }

    /// The name that a family uses.
    #[must_use]
    pub fn of(&self, family: Family) -> &str {
        match family {
            Family::Debian => &self.debian,
            Family::Fedora => &self.fedora,
            Family::Suse => &self.opensuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A family is told by its own name, else by what it is like.
    #[test]
    fn families() {
        let of = |text: &str| Family::of(text);
        assert_eq!(of("NAME=x\nID=debian\n"), Some(Family::Debian));
        assert_eq!(
            of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            Some(Family::Debian)
        );
        assert_eq!(
            of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            Some(Family::Fedora)
        );
        assert_eq!(
            of("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n"),
            Some(Family::Suse)
        );
        assert_eq!(of("ID=alpine\n"), None);
        assert_eq!(of(""), None);
    }
}
