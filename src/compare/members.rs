//! What changed inside a definition: members of structs and unions, enumerators.
//!
//! In flows the token text of a definition, out flow its [`Member`]s in the order of the source, those of anonymous and
//! inline structs included under a path: `name`, `<anon 1>.next`, `addr.sin_port`. Two lists of members are aligned by
//! their names; what has no partner was added or removed, what stands in the place of another with the same type was
//! renamed. Nothing here knows sizes or offsets: the text does not tell them.

use std::ops::Range;

use crate::symtypes::{c_layout, is_reserved_name, tokens};

/// How deep inline structs may be nested; deeper ones are one member.
const DEPTH_LIMIT: usize = 32;
/// Members beyond which a definition is not read one by one.
const MEMBER_LIMIT: usize = 4_000;

/// One thing that changed in a definition. `old` and `new` are C text of the declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinitionChange {
    /// A member or enumerator that only the head side has.
    Added {
        /// Its path in the definition.
        path: String,
        /// Its declaration.
        new: String,
    },
    /// A member or enumerator that only the base side has.
    Removed {
        /// Its path in the definition.
        path: String,
        /// Its declaration.
        old: String,
    },
    /// Another type, array bound, width, attribute or value.
    Changed {
        /// Its path in the definition; empty for the definition itself.
        path: String,
        /// Its declaration before.
        old: String,
        /// Its declaration now.
        new: String,
    },
    /// Another place among the members.
    Moved {
        /// Its path in the definition.
        path: String,
    },
    /// Another name in the same place, with the same type.
    Renamed {
        /// Its path before.
        path: String,
        /// Its declaration before.
        old: String,
        /// Its declaration now.
        new: String,
    },
    /// A reserved member that became another one.
    SlotUsed {
        /// The path of the reserved member.
        path: String,
        /// Its declaration.
        old: String,
        /// What stands in its place.
        new: String,
    },
}

/// A member of a struct or union, or the container of an anonymous one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// Path with the numbers of anonymous containers.
    pub(super) path: String,
    /// Path without them: what two sides are aligned by.
    pub(super) key: String,
    /// Tokens without name and attributes, of a container without its members.
    pub(super) kind: Vec<&'a str>,
    /// Attributes.
    pub(super) attributes: Vec<String>,
    /// The declaration as tokens, of a container without its members.
    pub(super) text: String,
}

impl Member<'_> {
    /// The declaration as C says it, on one line.
    pub(super) fn in_c(&self) -> String {
        one_line(&self.text)
    }

    /// Whether it mentions a type, which is never its name.
    fn mentions(&self, reference: &str) -> bool {
        let mut attributes = self.attributes.iter().flat_map(|text| tokens(text));
        self.kind.contains(&reference) || attributes.any(|token| token == reference)
    }
}

/// A text as C on one line.
pub(super) fn one_line(text: &str) -> String {
    let laid = c_layout(text);
    let words: Vec<&str> = laid.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_suffix(';').unwrap_or(&line).to_owned()
}

/// A body that is being read.
struct Body {
    /// The tokens that are still to be read.
    rest: Range<usize>,
    /// What stands in front of its members' paths and keys.
    path: String,
    key: String,
    /// Anonymous members so far.
    anonymous: usize,
}

/// Reads the members of a definition, one declaration after the other.
struct MemberReader<'a> {
    tokens: Vec<&'a str>,
    /// The open bodies, the innermost last.
    bodies: Vec<Body>,
    found: Vec<Member<'a>>,
}

impl<'a> MemberReader<'a> {
    /// At the first member of a definition; at the end where that has no body or is not balanced.
    fn new(text: &'a str) -> MemberReader<'a> {
        let tokens: Vec<&str> = tokens(text).collect();
        let open = tokens.iter().position(|&token| token == "{");
        let body = open.and_then(|open| Some(open + 1..matching(&tokens, open)?));
        let outermost = body.map(|rest| Body {
            rest,
            path: String::new(),
            key: String::new(),
            anonymous: 0,
        });
        MemberReader {
            tokens,
            bodies: outermost.into_iter().collect(),
            found: Vec::new(),
        }
    }

    /// Reads one declaration; false at the end.
    fn step(&mut self) -> bool {
        let depth = self.bodies.len();
        let Some(body) = self.bodies.last_mut() else {
            return false;
        };
        let start = body.rest.start;
        let rest = &self.tokens[body.rest.clone()];
        if rest.is_empty() {
            self.bodies.pop();
            return true;
        }
        let end = end_of_member(rest);
        let declaration = &rest[..end];
        body.rest.start = (start + end + 1).min(body.rest.end);
        if declaration.is_empty() {
            return true;
        }
        match inline_body(declaration) {
            Some((from, to)) if depth < DEPTH_LIMIT => {
                let (member, name) = container(declaration, from, to, body);
                let inner = Body {
                    rest: start + from + 1..start + to,
                    path: format!("{}.", member.path),
                    key: match name {
                        Some(name) => format!("{}{name}.", body.key),
                        None => body.key.clone(),
                    },
                    anonymous: 0,
                };
                self.found.push(member);
                self.bodies.push(inner);
            }
            _ => declared(declaration, body, &mut self.found),
        }
        true
    }
}

/// The members of a definition with a body; none if it has none, is not balanced or is too large.
pub(super) fn members(text: &str) -> Option<Vec<Member<'_>>> {
    let mut reader = MemberReader::new(text);
    if reader.bodies.is_empty() {
        return None;
    }
    while reader.step() {
        if reader.found.len() > MEMBER_LIMIT {
            return None;
        }
    }
    Some(reader.found)
}

/// The first member of a definition that mentions a type, as a path; what stands behind it is not read.
pub(super) fn member_of(text: &str, reference: &str) -> Option<String> {
    let mut reader = MemberReader::new(text);
    let mut at = 0;
    while at <= MEMBER_LIMIT && reader.step() {
        let new = reader.found.get(at..).unwrap_or_default();
        if let Some(member) = new.iter().find(|member| member.mentions(reference)) {
            return Some(member.path.clone());
        }
        at = reader.found.len();
    }
    None
}

/// The container of an inline struct, and its name if it has one.
fn container<'a>(
    declaration: &[&'a str],
    from: usize,
    to: usize,
    body: &mut Body,
) -> (Member<'a>, Option<&'a str>) {
    let mut outer: Vec<&str> = declaration[..from].to_vec();
    outer.extend(["{", "...", "}"]);
    outer.extend(&declaration[to + 1..]);
    let (plain, attributes) = without_attributes(&outer);
    // The name stands behind the body; in front of it there may be a tag.
    let behind = plain
        .iter()
        .position(|&token| token == "}")
        .map_or(0, |at| at + 1);
    let name = name_at(&plain[behind..]).map(|at| plain[behind + at]);
    // The first member inside tells anonymous containers of two sides apart.
    let first = declaration[from + 1..to]
        .split(|&token| token == ";")
        .next()
        .and_then(|first| name_at(first).map(|at| first[at]))
        .unwrap_or_default();
    let (path, key) = match name {
        Some(name) => (name.to_owned(), name.to_owned()),
        None => {
            body.anonymous += 1;
            (
                format!("<anon {}>", body.anonymous),
                format!("<anon with {first}>"),
            )
        }
    };
    let member = Member {
        path: [&*body.path, &path].concat(),
        key: [&*body.key, &key].concat(),
        kind: plain
            .into_iter()
            .filter(|&token| Some(token) != name)
            .collect(),
        attributes,
        text: outer.join(" "),
    };
    (member, name)
}

/// The members of one declaration: `int a , * b` declares two.
fn declared<'a>(declaration: &[&'a str], body: &mut Body, found: &mut Vec<Member<'a>>) {
    let (plain, attributes) = without_attributes(declaration);
    let mut parts = split_at_commas(&plain);
    let Some(first) = parts.next() else { return };
    let specifier = first
        .iter()
        .position(|&token| token == "*" || token == "(")
        .into_iter()
        .chain(name_at(first))
        .min()
        .unwrap_or(first.len());
    for (at, part) in std::iter::once(first).chain(parts).enumerate() {
        let mut tokens: Vec<&str> = if at == 0 {
            Vec::new()
        } else {
            first[..specifier].to_vec()
        };
        tokens.extend(part);
        let name = name_at(&tokens);
        let mut text = tokens.join(" ");
        for attribute in &attributes {
            text.push(' ');
            text.push_str(attribute);
        }
        let path = match name {
            Some(name) => tokens[name].to_owned(),
            None => {
                body.anonymous += 1;
                format!("<anon {}>", body.anonymous)
            }
        };
        if let Some(name) = name {
            tokens.remove(name);
        }
        found.push(Member {
            key: match name {
                Some(_) => [&*body.key, &path].concat(),
                None => [&*body.key, "<anon>"].concat(),
            },
            path: [&*body.path, &path].concat(),
            kind: tokens,
            attributes: attributes.clone(),
            text,
        });
    }
}

/// Takes `__attribute__ ( ( ... ) )` out of a declaration; each attribute is one text.
pub(super) fn without_attributes<'a>(all: &[&'a str]) -> (Vec<&'a str>, Vec<String>) {
    let (mut plain, mut attributes) = (Vec::with_capacity(all.len()), Vec::new());
    let mut rest = all;
    while let Some((&token, behind)) = rest.split_first() {
        rest = behind;
        if token != "__attribute__" && token != "__attribute" {
            plain.push(token);
            continue;
        }
        let mut depth = 0_usize;
        let mut end = 0;
        for (at, &token) in rest.iter().enumerate() {
            match token {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                end = at + 1;
                break;
            }
        }
        attributes.push(format!("{token} {}", rest[..end].join(" ")));
        rest = &rest[end..];
    }
    (plain, attributes)
}

/// Splits a declaration at the commas that stand in no parentheses.
fn split_at_commas<'a, 'b>(tokens: &'b [&'a str]) -> impl Iterator<Item = &'b [&'a str]> {
    let mut depth = 0_usize;
    tokens.split(move |&token| {
        match token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        token == "," && depth == 0
    })
}

/// Words of declarations that are no names.
const KEYWORDS: [&str; 25] = [
    "auto",
    "char",
    "const",
    "double",
    "enum",
    "float",
    "int",
    "long",
    "restrict",
    "short",
    "signed",
    "struct",
    "union",
    "unsigned",
    "void",
    "volatile",
    "_Bool",
    "__int128",
    "__restrict",
    "__restrict__",
    "__volatile__",
    "__const",
    "__signed__",
    "typedef",
    "extern",
];

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$')
        && !token.contains('#')
        && !KEYWORDS.contains(&token)
}

/// Where the declared name stands among the tokens of a declaration without attributes and inline bodies.
pub(super) fn name_at(tokens: &[&str]) -> Option<usize> {
    let stop = |token: &&str| matches!(*token, "(" | "[" | ":" | "=");
    let head = tokens.iter().position(stop).unwrap_or(tokens.len());
    let before = tokens[..head].iter().rposition(|token| is_name(token));
    if tokens.get(head) == Some(&"(") {
        // `( * name ) ( ... )` and `( * ( * name ) ( ... ) ) ( ... )`: the first name behind stars and parentheses.
        let inner = tokens[head..]
            .iter()
            .position(|&token| !matches!(token, "(" | "*" | "const" | "volatile"))
            .map(|at| head + at)
            .filter(|&at| at > head + 1 && is_name(tokens[at]));
        return inner.or(before);
    }
    // `struct tag` without a name is no name.
    let tag = before.filter(|&at| at > 0 && matches!(tokens[at - 1], "struct" | "union" | "enum"));
    before.filter(|_| tag.is_none())
}

/// Whether a member is kept free for later use.
fn is_reserved(member: &Member) -> bool {
    is_reserved_name(&member.path)
}

/// What changed from one list of members to another; `same` says whether two members have the same type.
pub(super) fn changes(
    base: &[Member],
    head: &[Member],
    same: &dyn Fn(&Member, &Member) -> bool,
) -> Vec<DefinitionChange> {
    let keys = |members: &[Member]| -> Vec<String> {
        members.iter().map(|member| member.key.clone()).collect()
    };
    let (old, new) = (keys(base), keys(head));
    let place: std::collections::HashMap<&str, usize> = (0..)
        .zip(&new)
        .map(|(at, key)| (key.as_str(), at))
        .collect();
    let held: std::collections::HashSet<&str> = old.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    let ops = similar::capture_diff_slices(similar::Algorithm::Myers, &old, &new);
    for op in ops {
        let (tag, from, to) = op.as_tag_tuple();
        if tag == similar::DiffTag::Equal {
            for (a, b) in base[from].iter().zip(&head[to]) {
                changed(a, b, same, &mut found);
            }
            continue;
        }
        // What is found elsewhere on the other side moved; of the rest, members in the same place pair up.
        let gone: Vec<&Member> = base[from]
            .iter()
            .filter(|member| !place.contains_key(member.key.as_str()))
            .collect();
        let come: Vec<&Member> = head[to.clone()]
            .iter()
            .filter(|member| !held.contains(member.key.as_str()))
            .collect();
        for member in &head[to] {
            if let Some(before) = base.iter().find(|other| other.key == member.key) {
                found.push(DefinitionChange::Moved {
                    path: member.path.clone(),
                });
                changed(before, member, same, &mut found);
            }
        }
        replaced(&gone, &come, same, &mut found);
    }
    slots(base, head, &mut found);
    quiet_containers(&mut found);
    found
}

/// A reserved member that now stands in an anonymous union beside what uses its place.
fn slots(base: &[Member], head: &[Member], found: &mut Vec<DefinitionChange>) {
    for reserved in base.iter().filter(|member| is_reserved(member)) {
        let outer = |path: &str| {
            let at = path.find("<anon ")?;
            let end = path[at..].find('>')?;
            Some(path[..=at + end].to_owned())
        };
        let inside = head
            .iter()
            .find(|member| member.key == reserved.key)
            .and_then(|member| outer(&member.path))
            .filter(|outer| !reserved.path.starts_with(outer.as_str()));
        let Some(container) = inside else { continue };
        let prefix = format!("{container}.");
        let mut new = Vec::new();
        found.retain(|change| match change {
            DefinitionChange::Added { path, new: text } if path.starts_with(&prefix) => {
                if !path.ends_with('>') {
                    new.push(text.clone());
                }
                false
            }
            DefinitionChange::Added { path, .. } => *path != container,
            _ => true,
        });
        if !new.is_empty() {
            found.push(DefinitionChange::SlotUsed {
                path: reserved.path.clone(),
                old: reserved.in_c(),
                new: new.join("; "),
            });
        }
    }
}

/// An anonymous container is told by its members, unless it is all there is to tell.
fn quiet_containers(found: &mut Vec<DefinitionChange>) {
    let is_container = |change: &DefinitionChange| match change {
        DefinitionChange::Added { path, .. } | DefinitionChange::Removed { path, .. } => {
            path.ends_with('>')
        }
        _ => false,
    };
    if !found.iter().all(is_container) {
        found.retain(|change| !is_container(change));
    }
}

fn changed(
    base: &Member,
    head: &Member,
    same: &dyn Fn(&Member, &Member) -> bool,
    found: &mut Vec<DefinitionChange>,
) {
    let containers = base.kind.contains(&"...") && head.kind.contains(&"...");
    if base.text == head.text || (containers && base.kind == head.kind && same(base, head)) {
        return;
    }
    found.push(DefinitionChange::Changed {
        path: head.path.clone(),
        old: base.in_c(),
        new: head.in_c(),
    });
}

/// Members that went and members that came in one place.
fn replaced(
    gone: &[&Member],
    come: &[&Member],
    same: &dyn Fn(&Member, &Member) -> bool,
    found: &mut Vec<DefinitionChange>,
) {
    if gone.len() == 1
        && !come.is_empty()
        && is_reserved(gone[0])
        && !come.iter().all(|m| is_reserved(m))
        || gone.len() == come.len() && gone.iter().any(|member| is_reserved(member))
    {
        for (at, old) in gone.iter().enumerate() {
            let new: Vec<String> = if gone.len() == come.len() {
                vec![come[at].in_c()]
            } else {
                come.iter().map(|member| member.in_c()).collect()
            };
            found.push(DefinitionChange::SlotUsed {
                path: old.path.clone(),
                old: old.in_c(),
                new: new.join("; "),
            });
        }
        return;
    }
    if gone.len() == come.len() && gone.iter().zip(come).all(|(a, b)| same(a, b)) {
        let renamed = gone.iter().zip(come);
        found.extend(renamed.map(|(old, new)| DefinitionChange::Renamed {
            path: old.path.clone(),
            old: old.in_c(),
            new: new.in_c(),
        }));
        return;
    }
    found.extend(gone.iter().map(|old| DefinitionChange::Removed {
        path: old.path.clone(),
        old: old.in_c(),
    }));
    found.extend(come.iter().map(|new| DefinitionChange::Added {
        path: new.path.clone(),
        new: new.in_c(),
    }));
}

/// Where the brace at `open` is closed.
fn matching(tokens: &[&str], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, &token) in tokens.iter().enumerate().skip(open) {
        match token {
            "{" => depth += 1,
            "}" => {
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

/// Where the first declaration of a body ends.
fn end_of_member(body: &[&str]) -> usize {
    let mut depth = 0_usize;
    for (at, &token) in body.iter().enumerate() {
        match token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    body.len()
}

/// The braces of a declaration that defines a struct or union inline.
fn inline_body(declaration: &[&str]) -> Option<(usize, usize)> {
    let open = declaration.iter().position(|&token| token == "{")?;
    let is_struct = declaration[..open]
        .iter()
        .any(|&token| token == "struct" || token == "union" || starts_tag(token));
    is_struct
        .then(|| matching(declaration, open).map(|close| (open, close)))
        .flatten()
}

fn starts_tag(token: &str) -> bool {
    token.starts_with("s#") || token.starts_with("u#")
}
