//! Type definitions behind the exports of a kernel.
//!
//! In flow the definitions that genksyms meets in each unit, or a file of them in any of the forms below; out flows an
//! interned [`TypeGraph`], and the forms again.
//!
//! | form | what | from |
//! |---|---|---|
//! | per object | one file a unit, each definition in full | `genksyms -T`; the record grammar of all forms |
//! | consolidated | one file, each text where it first differs | SUSE (`kabi/<arch>/symtypes-<flavor>`), in both its dialects |
//! | combined | one file, each definition once, then a line a unit | Oracle (`Symtypes.build`), also XCP-ng |

mod collect;
mod combined;
mod consolidated;
mod crc;
mod error;
mod graph;
mod layout;
mod line;
mod object;
mod read;
mod sections;
mod stored;
mod table;
mod token;
mod vocabulary;
mod write;

use std::fmt;

pub use crc::CrcError;
pub use error::SymtypesError;
pub use graph::{LocationId, NameId, Record, TextId, Translation, TypeGraph, UnitTypes};
pub use layout::c_layout;
pub use stored::StoredGraph;
pub(crate) use token::mentions;
pub use token::{Tokens, reference, tokens};

/// What a record of a symtypes file defines; also the name space of the record's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TypeKind {
    /// An exported function or variable; no tag.
    Symbol,
    /// `t#`
    Typedef,
    /// `e#`
    Enum,
    /// `s#`
    Struct,
    /// `u#`
    Union,
    /// `E#`, an enumeration constant.
    EnumConstant,
}

impl TypeKind {
    const TAGS: [(char, TypeKind); 5] = [
        ('t', TypeKind::Typedef),
        ('e', TypeKind::Enum),
        ('s', TypeKind::Struct),
        ('u', TypeKind::Union),
        ('E', TypeKind::EnumConstant),
    ];

    /// The letter before `#`; `None` for symbols.
    #[must_use]
    pub fn tag(self) -> Option<char> {
        Self::TAGS
            .iter()
            .find(|(_, kind)| *kind == self)
            .map(|(tag, _)| *tag)
    }

    /// The kind that a letter before `#` stands for.
    #[must_use]
    pub fn from_tag(tag: char) -> Option<TypeKind> {
        Self::TAGS
            .iter()
            .find(|(t, _)| *t == tag)
            .map(|(_, kind)| *kind)
    }

    /// The C keyword of a tagged type: `struct`, `union` or `enum`.
    #[must_use]
    pub fn keyword(self) -> Option<&'static str> {
        match self {
            TypeKind::Struct => Some("struct"),
            TypeKind::Union => Some("union"),
            TypeKind::Enum => Some("enum"),
            TypeKind::Symbol | TypeKind::Typedef | TypeKind::EnumConstant => None,
        }
    }
}

/// The name of a record, such as `s#sk_buff` or `netif_rx`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeName {
    /// Name space of the name.
    pub kind: TypeKind,
    /// The name without its tag.
    pub name: String,
}

impl TypeName {
    /// The name as C code says it: `struct sk_buff`, `typedef u32`, `netif_rx`.
    #[must_use]
    pub fn in_c(&self) -> String {
        let word = match self.kind {
            TypeKind::Typedef => Some("typedef"),
            kind => kind.keyword(),
        };
        match word {
            // A comparison of two kernels names 70,000 steps of paths, and formatting costs several times as much.
            Some(word) => [word, " ", &self.name].concat(),
            None => self.name.clone(),
        }
    }
}

impl TypeName {
    /// The name without ownership.
    #[must_use]
    pub fn as_name(&self) -> Name<'_> {
        Name {
            kind: self.kind,
            name: &self.name,
        }
    }
}

impl fmt::Display for TypeName {
    /// Writes the name as a symtypes file does: `s#sk_buff`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_name().fmt(f)
    }
}

/// The name of a record, borrowed from where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a> {
    /// Name space of the name.
    pub kind: TypeKind,
    /// The name without its tag.
    pub name: &'a str,
}

impl<'a> Name<'a> {
    /// The name that a token refers to: `s#sk_buff`, or `s#'a b'` for names with blanks. `s##sk_buff` is none: so a file says
    /// that a type is only declared.
    #[must_use]
    pub fn of_token(token: &'a str) -> Option<Name<'a>> {
        let [tag, b'#', ..] = token.as_bytes() else {
            return None;
        };
        let kind = TypeKind::from_tag(char::from(*tag))?;
        let name = token.get(2..)?;
        let name = name
            .strip_prefix('\'')
            .and_then(|name| name.strip_suffix('\''))
            .unwrap_or(name);
        let is_name = !name.is_empty() && !name.starts_with('#');
        is_name.then_some(Name { kind, name })
    }

    /// The name with its own storage.
    #[must_use]
    pub fn to_owned(self) -> TypeName {
        TypeName {
            kind: self.kind,
            name: self.name.to_owned(),
        }
    }

    /// What names are kept and ordered under: the tag and the name without quotes.
    pub(crate) fn key<'b>(&self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        let Some(tag) = self.kind.tag() else {
            return self.name;
        };
        buffer.push(tag);
        buffer.push('#');
        buffer.push_str(self.name);
        buffer
    }
}

impl fmt::Display for Name<'_> {
    /// Writes the name as a symtypes file does: `s#sk_buff`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tag) = self.kind.tag() {
            write!(f, "{tag}#")?;
        }
        if self.kind.tag().is_some() && self.name.contains(' ') {
            return write!(f, "'{}'", self.name);
        }
        f.write_str(self.name)
    }
}

/// Whether a text is that of a type that is declared and not defined where it is used.
#[must_use]
pub fn is_opaque(text: &str) -> bool {
    text.ends_with("{ UNKNOWN }")
}

/// Words in the names of members that are kept free for later use.
const RESERVED: [&str; 4] = ["reserved", "padding", "kabi_aux", "_spare"];

/// Whether the name of a member, or the path to it, says that it is kept free for later use.
#[must_use]
pub fn is_reserved_name(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    RESERVED.iter().any(|word| name.contains(word))
}

/// Where a definition stands in the source, from the line markers of the preprocessed text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Path of the file, relative to the source tree; in the object tree for generated files.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One record of a symtypes file: a type or an exported symbol with its own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// What is defined.
    pub name: TypeName,
    /// Whether the record carries the word `extern`, which is no part of the CRC.
    pub is_extern: bool,
    /// The tokens, each separated from the next by one blank, references as `s#name`; no trailing blank. Empty where
    /// genksyms prints `(nil)`.
    pub text: String,
    /// Where it was read, if known.
    pub location: Option<Location>,
}
