//! What kind of change a definition's two texts make.
//!
//! The class says what the change does to a module that was built before: nothing but the CRC (`crc-only`), values that
//! it does not use (`enum-appended`), or the layout that it was compiled with (`layout`). Texts that cannot be read as a
//! definition fall back to `definition`, which claims nothing.

use super::members::{
    DefinitionChange, Member, changes, members, name_at, one_line, without_attributes,
};
use crate::symtypes::{TypeKind, TypeName, is_opaque, tokens};

/// How many aliases of aliases are followed.
const ALIAS_LIMIT: usize = 16;

/// How the text of a cause changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseClass {
    /// The export's own declaration, or the type of a function behind a typedef.
    Prototype,
    /// Members of a struct or union came, went, moved or got another type, or an alias stands for another type.
    Layout,
    /// Enumerators moved to other values or went.
    EnumShifted,
    /// Enumerators came, and no value moved.
    EnumAppended,
    /// Only attributes changed.
    Attribute,
    /// A reserved member was put to use.
    SlotUsed,
    /// A type that one side only declares and the other defines: an `#include` came or went, the layout did not change.
    Visibility,
    /// Names and spellings that the CRC covers and the compiled code does not hold.
    CrcOnly,
    /// One side has a definition without text.
    Undefined,
    /// The text of a type, in a way that could not be told.
    Definition,
}

/// All classes with their spelling.
const TABLE: [(CauseClass, &str); 10] = [
    (CauseClass::Prototype, "prototype"),
    (CauseClass::Layout, "layout"),
    (CauseClass::EnumShifted, "enum-shifted"),
    (CauseClass::EnumAppended, "enum-appended"),
    (CauseClass::Attribute, "attribute"),
    (CauseClass::SlotUsed, "slot-used"),
    (CauseClass::Visibility, "visibility"),
    (CauseClass::CrcOnly, "crc-only"),
    (CauseClass::Undefined, "undefined"),
    (CauseClass::Definition, "definition"),
];

impl CauseClass {
    /// All classes.
    pub fn all() -> impl ExactSizeIterator<Item = CauseClass> {
        TABLE.iter().map(|(class, _)| *class)
    }

    /// Its spelling in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        // INVARIANT: the table has its rows in the order of the enum; a test compares them.
        TABLE[self as usize].1
    }
}

/// The text that a typedef stands for, in the unit of the definition.
type Aliases<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The class of a change and what changed.
pub(super) fn classify(
    name: &TypeName,
    base: &str,
    head: &str,
    base_aliases: Aliases<'_>,
    head_aliases: Aliases<'_>,
) -> (CauseClass, Vec<DefinitionChange>) {
    if base.is_empty() || head.is_empty() {
        return (CauseClass::Undefined, Vec::new());
    }
    if is_opaque(base) != is_opaque(head) {
        return (CauseClass::Visibility, Vec::new());
    }
    if name.kind == TypeKind::EnumConstant {
        return (CauseClass::EnumShifted, vec![whole(base, head)]);
    }
    let same = |a: &[&str], b: &[&str]| canonical(a, base_aliases) == canonical(b, head_aliases);
    if is_enum(base) && is_enum(head) {
        return enums(base, head);
    }
    if let (Some(old), Some(new)) = (members(base), members(head)) {
        let alike = |a: &Member<'_>, b: &Member<'_>| same(&a.kind, &b.kind);
        let found = changes(&old, &new, &alike);
        return (of_members(base, head, &old, &new, &found, &alike), found);
    }
    declaration(name, base, head, &same)
}

/// The change of a definition as a whole.
fn whole(base: &str, head: &str) -> DefinitionChange {
    DefinitionChange::Changed {
        path: String::new(),
        old: one_line(base),
        new: one_line(head),
    }
}

/// A struct or union.
fn of_members(
    base: &str,
    head: &str,
    old: &[Member],
    new: &[Member],
    found: &[DefinitionChange],
    alike: &dyn Fn(&Member, &Member) -> bool,
) -> CauseClass {
    let plain = |text: &str| {
        let all: Vec<&str> = tokens(text).collect();
        without_attributes(&all).0.join(" ")
    };
    if plain(base) == plain(head) {
        return CauseClass::Attribute;
    }
    if found.is_empty() {
        // Something outside of the members, such as the tag.
        return CauseClass::Definition;
    }
    let harmless = |change: &DefinitionChange| match change {
        DefinitionChange::Renamed { .. } => true,
        DefinitionChange::Changed { path, .. } => {
            let at_path = |member: &&Member<'_>| member.path == *path;
            match (old.iter().find(at_path), new.iter().find(at_path)) {
                (Some(a), Some(b)) => a.attributes == b.attributes && alike(a, b),
                _ => false,
            }
        }
        _ => false,
    };
    if found.iter().all(harmless) {
        CauseClass::CrcOnly
    } else if found
        .iter()
        .all(|change| matches!(change, DefinitionChange::SlotUsed { .. }))
    {
        CauseClass::SlotUsed
    } else {
        CauseClass::Layout
    }
}

/// A prototype, a variable or a typedef without a body.
fn declaration(
    name: &TypeName,
    base: &str,
    head: &str,
    same: &dyn Fn(&[&str], &[&str]) -> bool,
) -> (CauseClass, Vec<DefinitionChange>) {
    let (old, new): (Vec<&str>, Vec<&str>) = (tokens(base).collect(), tokens(head).collect());
    let ((old_plain, _), (new_plain, _)) = (without_attributes(&old), without_attributes(&new));
    let class = if old_plain == new_plain {
        CauseClass::Attribute
    } else if same(&by_value(&old_plain), &by_value(&new_plain)) {
        CauseClass::CrcOnly
    } else if name.kind == TypeKind::Symbol || old_plain.contains(&"(") || new_plain.contains(&"(")
    {
        CauseClass::Prototype
    } else if name.kind == TypeKind::Typedef {
        CauseClass::Layout
    } else {
        CauseClass::Definition
    };
    (class, vec![whole(base, head)])
}

/// A prototype without `const` and `volatile` on parameters that are passed by value, and without parameter names.
fn by_value<'a>(all: &[&'a str]) -> Vec<&'a str> {
    let Some(open) = all
        .iter()
        .rposition(|&token| token == ")")
        .and_then(|close| opening(all, close))
    else {
        return all.to_vec();
    };
    let mut out = all[..=open].to_vec();
    let inside = &all[open + 1..all.len().saturating_sub(1)];
    let mut depth = 0_usize;
    for parameter in inside.split(|&token| {
        match token {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        token == "," && depth == 0
    }) {
        let pointer = parameter.iter().rposition(|&token| token == "*");
        // Behind the last star the qualifiers are those of the pointer itself; without a star, of the value.
        let from = pointer.map_or(0, |at| at + 1);
        let name = name_at(parameter).filter(|&at| at > 0 && at + 1 == parameter.len());
        let kept = parameter.iter().enumerate().filter(|(at, token)| {
            (*at < from || !matches!(**token, "const" | "volatile")) && Some(*at) != name
        });
        out.extend(kept.map(|(_, token)| *token));
        out.push(",");
    }
    out
}

/// Where the parenthesis that `close` ends begins.
fn opening(tokens: &[&str], close: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in (0..=close).rev() {
        match tokens[at] {
            ")" => depth += 1,
            "(" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Tokens with simple aliases replaced by what they stand for, numbers by their value, and words of integer types in
/// one order.
fn canonical(all: &[&str], aliases: Aliases<'_>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for token in all {
        let mut words = vec![(*token).to_owned()];
        for _ in 0..ALIAS_LIMIT {
            let Some(target) = words
                .iter()
                .position(|word| word.starts_with("t#"))
                .and_then(|at| Some((at, target(aliases(words[at].get(2..)?)?, &words[at])?)))
            else {
                break;
            };
            words.splice(target.0..=target.0, target.1);
        }
        out.extend(words.into_iter().map(|word| match number(&word) {
            Some(value) => value.to_string(),
            None => word,
        }));
    }
    sort_integer_words(out)
}

/// What `typedef TARGET NAME` stands for, if it is nothing but a list of words.
fn target(text: String, token: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = tokens(&text).collect();
    let (first, rest) = words.split_first()?;
    let (last, middle) = rest.split_last()?;
    let simple = *first == "typedef"
        && token.get(2..) == Some(last)
        && !middle
            .iter()
            .any(|word| matches!(*word, "(" | "[" | "{" | "*" | "__attribute__"));
    simple.then(|| middle.iter().map(|word| (*word).to_owned()).collect())
}

fn number(word: &str) -> Option<u64> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = word.trim_end_matches(['u', 'U', 'l', 'L']);
    if let Some(hex) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        u64::from_str_radix(hex, 16).ok()
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(digits, 8).ok()
    } else {
        digits.parse().ok()
    }
}

/// `long unsigned int` and `unsigned long` are one type.
fn sort_integer_words(words: Vec<String>) -> Vec<String> {
    const INTEGER: [&str; 6] = ["unsigned", "signed", "short", "long", "char", "int"];
    let is_integer = |word: &String| INTEGER.contains(&word.as_str());
    let mut out: Vec<String> = Vec::new();
    let mut rest = words.into_iter().peekable();
    while let Some(word) = rest.next() {
        if !is_integer(&word) {
            out.push(word);
            continue;
        }
        let mut run = vec![word];
        while let Some(word) = rest.next_if(is_integer) {
            run.push(word);
        }
        let is_long = run.iter().any(|word| word == "long" || word == "short");
        let is_char = run.iter().any(|word| word == "char");
        run.retain(|word| match word.as_str() {
            "int" => !is_long,
            "signed" => is_char,
            _ => true,
        });
        if run.is_empty() || run == ["unsigned"] {
            run.push("int".to_owned());
        }
        run.sort_unstable();
        out.extend(run);
    }
    out
}

fn is_enum(text: &str) -> bool {
    let mut words = tokens(text);
    matches!(
        (words.next(), words.next()),
        (Some("enum"), _) | (Some("typedef"), Some("enum"))
    ) && text.contains('{')
}

/// An enumerator with its value: an expression, and how many places behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Enumerator {
    name: String,
    value: (String, u64),
}

fn enumerators(text: &str) -> Option<Vec<Enumerator>> {
    let all: Vec<&str> = tokens(text).collect();
    let open = all.iter().position(|&token| token == "{")?;
    let close = all.iter().rposition(|&token| token == "}")?;
    let body = all.get(open + 1..close)?;
    let mut depth = 0_usize;
    let mut found: Vec<Enumerator> = Vec::new();
    let mut value = (String::new(), 0);
    for item in body.split(|&token| {
        match token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        token == "," && depth == 0
    }) {
        let Some((name, rest)) = item.split_first() else {
            continue;
        };
        if let Some(("=", expression)) = rest.split_first().map(|(sign, rest)| (*sign, rest)) {
            value = match expression {
                [one] if number(one).is_some() => (String::new(), number(one)?),
                other => (other.join(" "), 0),
            };
        }
        found.push(Enumerator {
            name: (*name).to_owned(),
            value: value.clone(),
        });
        value.1 = value.1.checked_add(1)?;
    }
    Some(found)
}

fn enums(base: &str, head: &str) -> (CauseClass, Vec<DefinitionChange>) {
    let (Some(old), Some(new)) = (enumerators(base), enumerators(head)) else {
        return (CauseClass::Definition, vec![whole(base, head)]);
    };
    let said = |one: &Enumerator| match &one.value {
        (expression, place) if expression.is_empty() => format!("{} = {place}", one.name),
        (expression, 0) => format!("{} = {}", one.name, one_line(expression)),
        (expression, place) => format!("{} = {} + {place}", one.name, one_line(expression)),
    };
    let find = |all: &[Enumerator], name: &str| all.iter().find(|one| one.name == name).cloned();
    let gone: Vec<&Enumerator> = old
        .iter()
        .filter(|one| find(&new, &one.name).is_none())
        .collect();
    let come: Vec<&Enumerator> = new
        .iter()
        .filter(|one| find(&old, &one.name).is_none())
        .collect();
    let mut found = Vec::new();
    let renamed =
        gone.len() == come.len() && gone.iter().zip(&come).all(|(a, b)| a.value == b.value);
    for (at, one) in gone.iter().enumerate() {
        found.push(if renamed {
            DefinitionChange::Renamed {
                path: one.name.clone(),
                old: said(one),
                new: said(come[at]),
            }
        } else {
            DefinitionChange::Removed {
                path: one.name.clone(),
                old: said(one),
            }
        });
    }
    if !renamed {
        found.extend(come.iter().map(|one| DefinitionChange::Added {
            path: one.name.clone(),
            new: said(one),
        }));
    }
    let mut shifted = !renamed && !gone.is_empty();
    for one in &old {
        if let Some(now) = find(&new, &one.name)
            && now.value != one.value
        {
            shifted = true;
            found.push(DefinitionChange::Changed {
                path: one.name.clone(),
                old: said(one),
                new: said(&now),
            });
        }
    }
    let class = if shifted {
        CauseClass::EnumShifted
    } else if !come.is_empty() && !renamed {
        CauseClass::EnumAppended
    } else {
        // The same names with the same values, or other names for them: a spelling.
        CauseClass::CrcOnly
    };
    (class, found)
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
