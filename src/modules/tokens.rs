//! Dependency tokens of packages, with the symbols of kernels that some of them name.
//!
//! Red Hat's generators write `kernel(SYMBOL) = 0xCRC` for symbols of the kernel and `ksym(SYMBOL) = 0xCRC` for
//! those of other modules; SUSE's write `ksym(FLAVOR:SYMBOL) = CRC` without `0x` and leading zeros, and up to
//! 2017 `kernel(FLAVOR:SET) = HASH` for whole sets of symbols. A colon inside the parentheses means SUSE.

use std::fmt;

use super::module::Import;
use crate::symvers::Crc;

/// How a version must relate to the one of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// No version is asked for.
    Any,
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Relation {
    const SIGNS: [(Relation, &'static str); 6] = [
        (Relation::Any, ""),
        (Relation::Equal, "="),
        (Relation::Less, "<"),
        (Relation::LessOrEqual, "<="),
        (Relation::Greater, ">"),
        (Relation::GreaterOrEqual, ">="),
    ];

    /// The sign between name and version; Debian writes `<<` and `>>` for strictly less and greater.
    #[must_use]
    pub fn from_sign(sign: &str) -> Option<Relation> {
        let sign = match sign {
            "<<" => "<",
            ">>" => ">",
            other => other,
        };
        let mut signs = Self::SIGNS.iter();
        signs
            .find(|(_, s)| *s == sign)
            .map(|(relation, _)| *relation)
    }

    /// The sign as RPM writes it.
    #[must_use]
    pub fn sign(self) -> &'static str {
        Self::SIGNS
            .iter()
            .find(|(relation, _)| *relation == self)
            .map_or("", |(_, sign)| sign)
    }
}

/// One `Requires` or `Provides` of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    /// What is required or provided, such as `kernel(printk)`.
    pub name: String,
    /// How the versions must relate.
    pub relation: Relation,
    /// The version; empty if none is asked for.
    pub version: String,
}

/// What a token says about the symbols of kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning<'t> {
    /// A symbol with its CRC, in Red Hat's grammar; `of_kernel` tells `kernel()` from `ksym()`.
    RedHat {
        /// The symbol.
        symbol: &'t str,
        /// Its CRC.
        crc: Crc,
        /// Whether the package that was built against is a kernel.
        of_kernel: bool,
    },
    /// A symbol of a flavor with its CRC, in SUSE's grammar.
    Suse {
        /// The kernel's flavor, such as `default`.
        flavor: &'t str,
        /// The symbol.
        symbol: &'t str,
        /// Its CRC.
        crc: Crc,
    },
    /// A set of symbols of a flavor with the first 16 digits of its MD5 sum, in SUSE's old grammar.
    Set {
        /// The kernel's flavor.
        flavor: &'t str,
        /// The folder of modules, with `_` for `/`, or `vmlinux`.
        set: &'t str,
        /// The hash.
        hash: &'t str,
    },
    /// Nothing.
    Other,
}

/// Whose grammar tokens are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Red Hat's.
    RedHat,
    /// SUSE's.
    Suse,
}

impl Token {
    /// A token that asks for or gives exactly that version.
    #[must_use]
    pub fn equal(name: String, version: String) -> Token {
        Token {
            name,
            relation: Relation::Equal,
            version,
        }
    }

    /// The token of a symbol. `flavor` is used by SUSE's grammar, `of_kernel` by Red Hat's.
    #[must_use]
    pub fn of_symbol(style: Style, flavor: &str, symbol: &str, crc: Crc, of_kernel: bool) -> Token {
        match (style, of_kernel) {
            (Style::RedHat, true) => Token::equal(format!("kernel({symbol})"), crc.to_string()),
            (Style::RedHat, false) => Token::equal(format!("ksym({symbol})"), crc.to_string()),
            (Style::Suse, _) => {
                Token::equal(format!("ksym({flavor}:{symbol})"), format!("{:x}", crc.0))
            }
        }
    }

    /// What the token says about symbols of kernels.
    #[must_use]
    pub fn meaning(&self) -> Meaning<'_> {
        self.symbol_meaning().unwrap_or(Meaning::Other)
    }

    fn symbol_meaning(&self) -> Option<Meaning<'_>> {
        if self.relation != Relation::Equal {
            return None;
        }
        let (kind, rest) = self.name.split_once('(')?;
        let inner = rest.strip_suffix(')').filter(|inner| !inner.is_empty())?;
        let version = self.version.as_str();
        match (kind, inner.split_once(':')) {
            ("kernel" | "ksym", None) => Some(Meaning::RedHat {
                symbol: inner,
                crc: crc(version.strip_prefix("0x").unwrap_or(version))?,
                of_kernel: kind == "kernel",
            }),
            ("ksym", Some((flavor, symbol))) => Some(Meaning::Suse {
                flavor,
                symbol,
                crc: crc(version.strip_prefix("0x").unwrap_or(version))?,
            }),
            ("kernel", Some((flavor, set))) if version.len() == 16 => Some(Meaning::Set {
                flavor,
                set,
                hash: version,
            }),
            _ => None,
        }
    }

    /// The symbol that the token requires, as a module would import it.
    pub(super) fn import(&self) -> Option<(String, Import)> {
        let (symbol, crc) = match self.meaning() {
            Meaning::RedHat { symbol, crc, .. } | Meaning::Suse { symbol, crc, .. } => {
                (symbol, crc)
            }
            Meaning::Set { .. } | Meaning::Other => return None,
        };
        let import = Import {
            crc: Some(crc),
            weak: false,
        };
        Some((symbol.to_owned(), import))
    }
}

fn crc(digits: &str) -> Option<Crc> {
    let is_hex = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex
        .then(|| u32::from_str_radix(digits, 16).ok().map(Crc))
        .flatten()
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.relation == Relation::Any {
            f.write_str(&self.name)
        } else {
            write!(f, "{} {} {}", self.name, self.relation.sign(), self.version)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens of both grammars give symbol and CRC as a number, whatever its leading zeros.
    #[test]
    fn symbols_of_both_grammars() {
        let token = |name: &str, version: &str| Token::equal(name.into(), version.into());
        let import = |token: &Token| token.import().map(|(s, i)| (s, i.crc.map(|c| c.0)));
        assert_eq!(
            import(&token("kernel(__alloc_skb)", "0x5b7070d6")),
            Some(("__alloc_skb".into(), Some(0x5b70_70d6)))
        );
        assert_eq!(
            import(&token("ksym(desktop:mutex_trylock)", "418482")),
            Some(("mutex_trylock".into(), Some(0x0041_8482)))
        );
        let set = token("kernel(default:vmlinux)", "0123456789abcdef");
        assert!(matches!(set.meaning(), Meaning::Set { set: "vmlinux", .. }));
        for other in ["kmod(e1000.ko)", "kernel-uname-r", "ksym()", "kernel(x"] {
            assert_eq!(token(other, "0x1").meaning(), Meaning::Other, "{other}");
        }
        assert_eq!(token("kernel(x)", "0x123456789").meaning(), Meaning::Other);
    }

    /// What is written reads back as the same symbol.
    #[test]
    fn written_tokens_read_back() {
        for (style, text) in [
            (Style::RedHat, "kernel(mutex_trylock) = 0x00418482"),
            (Style::Suse, "ksym(rt:mutex_trylock) = 418482"),
        ] {
            let token = Token::of_symbol(style, "rt", "mutex_trylock", Crc(0x41_8482), true);
            assert_eq!(token.to_string(), text);
            let crc = token.import().and_then(|(_, import)| import.crc);
            assert_eq!(crc, Some(Crc(0x41_8482)));
        }
    }
}
