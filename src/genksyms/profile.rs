//! Which genksyms a tree has.
//!
//! In flow the files of the tree's own `scripts/genksyms/`, out flows a [`Profile`]. Only the presence of single words
//! is looked at: what the files say about the version is nothing to go by, since distributions backport.

use std::fmt;
use std::str::FromStr;

use super::GenksymsError;
use super::grammar::{GrammarId, Terminal};

/// How a unit says that it exports a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ExportKeyword {
    /// `__GENKSYMS_EXPORT_SYMBOL`, to which the kernel's macros expand.
    Marker,
    /// The macros themselves, from `EXPORT_SYMBOL` to `EXPORT_UNUSED_SYMBOL_GPL`.
    AllMacros,
    /// `EXPORT_SYMBOL` and `EXPORT_SYMBOL_GPL` only.
    TwoMacros,
}

/// Which behaviour of genksyms a tree has; detected from `scripts/genksyms/`, never from the version.
///
/// CRCs are comparable only under one profile. Its spelling ([`fmt::Display`], [`FromStr`]) is a grammar and how the
/// rest differs from what trees with that grammar usually have: `P4`, `P5+typeof_unqual+x86_seg`, `P4-static_assert`.
///
/// P4 is checked against the kernel's own binary on whole units, P5 on small ones; P0, P1 and P2 follow a description of
/// their sources only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Profile {
    pub(super) grammar: GrammarId,
    /// `typeof_unqual` is a keyword.
    pub(super) typeof_unqual: bool,
    /// `__seg_gs` and `__seg_fs` are qualifiers.
    pub(super) x86_seg: bool,
    /// `__builtin_va_list` is a keyword.
    pub(super) va_list: bool,
    /// `__int128` and its kin are keywords.
    pub(super) builtin_int: bool,
    /// `_Static_assert` is a keyword.
    pub(super) static_assert: bool,
    /// `__restrict` is a keyword; else `_restrict` is.
    pub(super) restrict_with_two_underscores: bool,
    pub(super) export: ExportKeyword,
}

/// Files that any genksyms has one of; a folder without them is not one.
const GRAMMAR_FILES: [&str; 2] = ["parse.y", "parse.tab.c_shipped"];

impl Profile {
    /// 2.6.18 to 2.6.38: enums are opaque.
    pub const P0: Profile = Profile::usual(GrammarId::P0);
    /// 2.6.39 to about 3.8: enumerators are symbols.
    pub const P1: Profile = Profile::usual(GrammarId::P1);
    /// About 3.9 to 4.17: `typeof` of an expression.
    pub const P2: Profile = Profile::usual(GrammarId::P2);
    /// Linux 5.x to 6.13.
    pub const P4: Profile = Profile::usual(GrammarId::P4);
    /// Linux 6.14: attributes are recorded wherever they stand.
    pub const P5: Profile = Profile::usual(GrammarId::P5);

    const fn usual(grammar: GrammarId) -> Profile {
        let is_recent = matches!(grammar, GrammarId::P4 | GrammarId::P5);
        Profile {
            grammar,
            typeof_unqual: false,
            x86_seg: false,
            va_list: is_recent,
            builtin_int: is_recent,
            static_assert: is_recent,
            restrict_with_two_underscores: is_recent,
            export: if is_recent {
                ExportKeyword::Marker
            } else {
                ExportKeyword::AllMacros
            },
        }
    }

    /// Finds the profile of a tree from the files of its `scripts/genksyms/`: pairs of a path below that folder and the
    /// content. Only whole words are looked for.
    ///
    /// # Errors
    /// If the files are not those of a genksyms, or export symbols in no known way.
    pub fn detect(scripts: &[(String, Vec<u8>)]) -> Result<Profile, GenksymsError> {
        let is_grammar = |(path, _): &(String, Vec<u8>)| GRAMMAR_FILES.contains(&path.as_str());
        if !scripts.iter().any(is_grammar) {
            return Err(GenksymsError::NoGrammarFile);
        }
        let has = |word: &str| {
            let is_source = |path: &str| {
                ["keywords", "parse", "lex", "genksyms"]
                    .iter()
                    .any(|stem| path.starts_with(stem))
            };
            let mut files = scripts.iter().filter(|(path, _)| is_source(path));
            files.any(|(_, text)| has_word(text, word.as_bytes()))
        };
        let recent = ["BUILTIN_INT_KEYW", "VA_LIST_KEYW", "STATIC_ASSERT_KEYW"];
        let grammar = if !has("SYM_ENUM_CONST") {
            GrammarId::P0
        } else if !has("TYPEOF_PHRASE") {
            GrammarId::P1
        } else if has("dont_want_type_specifier") {
            GrammarId::P5
        } else if recent.iter().any(|word| has(word)) {
            GrammarId::P4
        } else {
            GrammarId::P2
        };
        let export = if has("__GENKSYMS_EXPORT_SYMBOL") {
            ExportKeyword::Marker
        } else if has("EXPORT_UNUSED_SYMBOL") {
            ExportKeyword::AllMacros
        } else if has("EXPORT_SYMBOL") {
            ExportKeyword::TwoMacros
        } else {
            return Err(GenksymsError::NoExportKeyword);
        };
        Ok(Profile {
            grammar,
            typeof_unqual: has("typeof_unqual"),
            x86_seg: has("X86_SEG_KEYW"),
            va_list: has("VA_LIST_KEYW"),
            builtin_int: has("BUILTIN_INT_KEYW"),
            static_assert: has("STATIC_ASSERT_KEYW"),
            restrict_with_two_underscores: has("__restrict"),
            export,
        })
    }

    /// The word by which a preprocessed text exports a symbol: `EXPORT_SYMBOL ( name ) ;` or what the macro of that name becomes.
    #[must_use]
    pub fn export_keyword(&self) -> &'static str {
        match self.export {
            ExportKeyword::Marker => "__GENKSYMS_EXPORT_SYMBOL",
            ExportKeyword::AllMacros | ExportKeyword::TwoMacros => "EXPORT_SYMBOL",
        }
    }

    /// The profile's stable spelling, for fingerprints.
    #[must_use]
    pub fn id(&self) -> String {
        self.to_string()
    }

    /// Terminals that no keyword of the profile stands for. They change the tables, so their rules must be absent.
    pub(super) fn absent(&self) -> Vec<Terminal> {
        let all = [
            (self.x86_seg, Terminal::X86Seg),
            (self.va_list, Terminal::VaList),
            (self.builtin_int, Terminal::BuiltinInt),
            (self.static_assert, Terminal::StaticAssertPhrase),
        ];
        all.iter()
            .filter(|(present, _)| !present)
            .map(|(_, terminal)| *terminal)
            .collect()
    }

    fn switches(&mut self) -> [(&'static str, &mut bool); 6] {
        [
            ("typeof_unqual", &mut self.typeof_unqual),
            ("x86_seg", &mut self.x86_seg),
            ("va_list", &mut self.va_list),
            ("builtin_int", &mut self.builtin_int),
            ("static_assert", &mut self.static_assert),
            ("__restrict", &mut self.restrict_with_two_underscores),
        ]
    }
}

const GRAMMARS: [(&str, Profile); 5] = [
    ("P0", Profile::P0),
    ("P1", Profile::P1),
    ("P2", Profile::P2),
    ("P4", Profile::P4),
    ("P5", Profile::P5),
];

const EXPORTS: [(&str, ExportKeyword); 3] = [
    ("export_marker", ExportKeyword::Marker),
    ("export_macros", ExportKeyword::AllMacros),
    ("export_two_macros", ExportKeyword::TwoMacros),
];

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut own, mut usual) = (*self, Profile::usual(self.grammar));
        for (name, profile) in GRAMMARS {
            if profile.grammar == self.grammar {
                f.write_str(name)?;
            }
        }
        for ((name, own), (_, usual)) in own.switches().into_iter().zip(usual.switches()) {
            if *own != *usual {
                write!(f, "{}{name}", if *own { '+' } else { '-' })?;
            }
        }
        for (name, export) in EXPORTS {
            if export == self.export && export != usual.export {
                write!(f, "+{name}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Profile {
    type Err = GenksymsError;

    fn from_str(text: &str) -> Result<Profile, GenksymsError> {
        let unknown = || GenksymsError::UnknownProfile(text.to_owned());
        let end = text.find(['+', '-']).unwrap_or(text.len());
        let (name, mut rest) = text.split_at_checked(end).ok_or_else(unknown)?;
        let known = GRAMMARS.iter().find(|(grammar, _)| *grammar == name);
        let mut profile = known.ok_or_else(unknown)?.1;
        while let Some(sign) = rest.chars().next() {
            let tail = rest.get(1..).unwrap_or_default();
            let end = tail.find(['+', '-']).unwrap_or(tail.len());
            let (feature, next) = tail.split_at_checked(end).ok_or_else(unknown)?;
            let export = EXPORTS
                .iter()
                .find(|(name, _)| *name == feature && sign == '+');
            if let Some((_, export)) = export {
                profile.export = *export;
            } else {
                let mut switches = profile.switches();
                let switch = switches.iter_mut().find(|(name, _)| *name == feature);
                *switch.ok_or_else(unknown)?.1 = sign == '+';
            }
            rest = next;
        }
        Ok(profile)
    }
}

/// Whether the text holds the word, with no byte of an identifier on either side.
fn has_word(text: &[u8], word: &[u8]) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    memchr::memmem::find_iter(text, word).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        !is_word(before) && !is_word(text.get(at + word.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(words: &str) -> Vec<(String, Vec<u8>)> {
        vec![
            ("parse.y".to_owned(), b"%token".to_vec()),
            ("keywords.c".to_owned(), words.as_bytes().to_vec()),
        ]
    }

    /// Each combination of words that a tree is known to have yields its profile, under its spelling.
    #[test]
    fn detects() {
        let recent =
            "SYM_ENUM_CONST TYPEOF_PHRASE BUILTIN_INT_KEYW VA_LIST_KEYW STATIC_ASSERT_KEYW";
        let marker = "__restrict __GENKSYMS_EXPORT_SYMBOL";
        for (words, id) in [
            (format!("{recent} {marker}"), "P4"),
            (format!("{recent} {marker} dont_want_type_specifier"), "P5"),
            (
                format!("{recent} {marker} dont_want_type_specifier X86_SEG_KEYW typeof_unqual"),
                "P5+typeof_unqual+x86_seg",
            ),
            (
                "SYM_ENUM_CONST TYPEOF_PHRASE BUILTIN_INT_KEYW VA_LIST_KEYW _restrict EXPORT_UNUSED_SYMBOL".to_owned(),
                "P4-static_assert-__restrict+export_macros",
            ),
            ("SYM_ENUM_CONST TYPEOF_PHRASE _restrict EXPORT_UNUSED_SYMBOL".to_owned(), "P2"),
            ("SYM_ENUM_CONST _restrict EXPORT_UNUSED_SYMBOL".to_owned(), "P1"),
            ("_restrict EXPORT_SYMBOL EXPORT_SYMBOL_GPL".to_owned(), "P0+export_two_macros"),
        ] {
            let profile = Profile::detect(&files(&words)).expect("INVARIANT: the words make a profile");
            assert_eq!(profile.id(), id);
            assert_eq!(id.parse::<Profile>().ok(), Some(profile));
        }
    }

    /// Files that are no genksyms, and spellings that are no profile, are refused in these words.
    #[test]
    fn refuses() {
        for (files, message) in [
            (
                vec![("Makefile".to_owned(), Vec::new())],
                "scripts/genksyms has neither parse.y nor parse.tab.c_shipped: is this the top of a kernel tree?",
            ),
            (
                files("SYM_ENUM_CONST"),
                "scripts/genksyms knows no export keyword: update kabigate, or use the tree's own genksyms",
            ),
        ] {
            let error =
                Profile::detect(&files).expect_err("INVARIANT: these files are no genksyms");
            assert_eq!(error.to_string(), message);
        }
        for text in [
            "",
            "P3",
            "P4+",
            "P4+nothing",
            "P4-export_marker",
            "P4 ",
            "p4",
            "P4+é",
        ] {
            let error = text
                .parse::<Profile>()
                .expect_err("INVARIANT: the text is no profile");
            assert_eq!(
                error.to_string(),
                format!("unknown genksyms profile `{text}`")
            );
        }
    }
}
