//! What a package says about itself: name, version, and what it requires and provides.

use super::tokens::{Relation, Token};

/// Whose format a package has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `.deb`
    Debian,
    /// `.rpm`
    Rpm,
}

/// A package with modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The file, with the path inside an archive that holds it.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its version: epoch if not zero, upstream version, release.
    pub version: String,
    /// Its format.
    pub family: Family,
    /// What must be installed beside it.
    pub requires: Vec<Token>,
    /// What it offers to others.
    pub provides: Vec<Token>,
}

impl Package {
    /// Reads the control file of a Debian package (`deb-control(5)`).
    ///
    /// # Errors
    ///
    /// A field that is missing.
    pub(super) fn from_control(text: &str, path: &str) -> Result<Package, String> {
        let field = |name: &str| field(text, name);
        let needed = |name: &str| {
            field(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("no field {name}"))
        };
        let list = |name: &str| {
            let value = field(name).unwrap_or_default();
            let each = value
                .split(',')
                .map(str::trim)
                .filter(|one| !one.is_empty());
            each.map(relation).collect()
        };
        Ok(Package {
            path: path.to_owned(),
            name: needed("Package")?,
            version: needed("Version")?,
            family: Family::Debian,
            requires: list("Depends"),
            provides: list("Provides"),
        })
    }
}

/// The value of a field, with its continuation lines joined.
fn field(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines();
    let first = lines.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })?;
    let mut value = first.to_owned();
    for more in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(more.trim());
    }
    Some(value)
}

/// `name (>= version)`; alternatives stay in the name.
fn relation(text: &str) -> Token {
    let any = || Token {
        name: text.to_owned(),
        relation: Relation::Any,
        version: String::new(),
    };
    let Some((name, rest)) = text.split_once('(') else {
        return any();
    };
    let Some(inner) = rest.trim_end().strip_suffix(')') else {
        return any();
    };
    let (sign, version) = inner.trim().split_once(' ').unwrap_or((inner, ""));
    match Relation::from_sign(sign) {
        Some(relation) => Token {
            name: name.trim().to_owned(),
            relation,
            version: version.trim().to_owned(),
        },
        None => any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A control file gives name, version and dependencies, also over continuation lines.
    #[test]
    fn control_files_are_read() {
        let text = "Package: acme-dkms\nVersion: 1:2.0-3\nDepends: dkms (>= 2.1), a | b,\n linux-headers-amd64\nDescription: x\n y\n";
        let package = Package::from_control(text, "a.deb").expect("reads");
        assert_eq!(
            (package.name.as_str(), package.version.as_str()),
            ("acme-dkms", "1:2.0-3")
        );
        let requires: Vec<_> = package.requires.iter().map(ToString::to_string).collect();
        assert_eq!(requires, ["dkms >= 2.1", "a | b", "linux-headers-amd64"]);
        let error = Package::from_control("Package: x\n", "a.deb").expect_err("no version");
        assert_eq!(error, "no field Version");
    }
}
