//! Definitions of macros, interned, so that equal definitions share a number.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::spelling::{Spellings, Sym};
use super::store::Store;
use super::token::{Kind, NO_EXPAND, PASTE_LEFT, STRINGIFY, Tok, WHITE};

/// A definition; 0 stands for none.
pub(super) type DefId = u32;

/// Most parameters of a macro.
const MAX_PARAMETERS: usize = 1 << 12;

/// What a name is replaced by.
#[derive(Debug)]
pub(super) struct Macro {
    /// How many parameters it takes; `None` if it is no function.
    pub(super) parameters: Option<u32>,
    /// The last parameter takes all further arguments.
    pub(super) variadic: bool,
    /// Its text.
    pub(super) toks: Box<[Tok]>,
    /// The preprocessor itself says what it is.
    pub(super) is_builtin: bool,
}

/// All definitions of a session.
pub(super) struct Macros {
    store: Store<Macro>,
    numbers: Mutex<HashMap<Box<[u32]>, DefId, foldhash::fast::RandomState>>,
    /// Names that become opaque with a name.
    dependents: Mutex<HashMap<Sym, Vec<Sym>, foldhash::fast::RandomState>>,
}

/// Names of macros that the preprocessor itself expands.
pub(super) const BUILTINS: [Sym; 10] = [
    Sym::LINE,
    Sym::FILE,
    Sym::BASE_FILE,
    Sym::INCLUDE_LEVEL,
    Sym::COUNTER,
    Sym::DATE,
    Sym::TIME,
    Sym::TIMESTAMP,
    Sym::FILE_NAME,
    Sym::PRAGMA_OPERATOR,
];

impl Macros {
    pub(super) fn new(spellings: &Spellings) -> Self {
        let macros = Macros {
            store: Store::new(),
            numbers: Mutex::default(),
            dependents: Mutex::default(),
        };
        // Number 0 is no definition, 1 that of every builtin, 2 that of every poisoned name.
        for is_builtin in [false, true, true] {
            macros.store.push(Macro {
                parameters: None,
                variadic: false,
                toks: Box::default(),
                is_builtin,
            });
        }
        spellings.set_opaque(Sym::COUNTER);
        spellings.set_opaque(Sym::PRAGMA_OPERATOR);
        macros
    }

    /// The definition of every name that may not be used any more.
    pub(super) const POISON: DefId = 2;
    /// The definition of every builtin.
    pub(super) const BUILTIN: DefId = 1;

    pub(super) fn get(&self, def: DefId) -> Option<&Macro> {
        self.store.get(def)
    }

    /// Whether no further definitions should be added.
    pub(super) fn is_full(&self) -> bool {
        self.store.is_full()
    }

    /// How many definitions there are.
    pub(super) fn len(&self) -> usize {
        self.store.len()
    }

    /// The number of a definition under a name; `None` if there is no place left.
    pub(super) fn add(&self, spellings: &Spellings, name: Sym, found: Macro) -> Option<DefId> {
        self.declare(spellings, name, &found);
        let key = key(&found);
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = numbers.get(&key) {
            return Some(number);
        }
        let number = self.store.push(found)?;
        numbers.insert(key, number);
        Some(number)
    }

    /// Notes whether macros of that name can be passed over in text that is dropped.
    fn declare(&self, spellings: &Spellings, name: Sym, found: &Macro) {
        if spellings.is_opaque(name) {
            return;
        }
        let mut dependents = self
            .dependents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let names = || found.toks.iter().filter(|tok| tok.kind == Kind::Name);
        if !found.is_plain() || names().any(|tok| spellings.is_opaque(tok.sym)) {
            let mut open = vec![name];
            while let Some(name) = open.pop() {
                spellings.set_opaque(name);
                open.extend(dependents.remove(&name).unwrap_or_default());
            }
            return;
        }
        for tok in names() {
            let list = dependents.entry(tok.sym).or_default();
            if list.last() != Some(&name) {
                list.push(name);
            }
        }
    }
}

impl Macro {
    /// Whether the text by itself leaves the nesting of braces as it is and makes no new names.
    fn is_plain(&self) -> bool {
        let mut depth = 0_i64;
        for (at, tok) in self.toks.iter().enumerate() {
            depth += i64::from(tok.brace());
            let pastes = tok.has(PASTE_LEFT) && !self.is_variable_comma(at);
            if depth < 0 || pastes {
                return false;
            }
        }
        depth == 0
    }

    /// Whether a call evaluates each of its arguments exactly once: expanded where a parameter stands, and nowhere put
    /// in as it is written, which happens beside `##` and expands it anew wherever it goes.
    pub(super) fn expands_arguments_once(&self) -> bool {
        let is_raw = |at: usize| {
            let before = at.checked_sub(1).and_then(|at| self.toks.get(at));
            let tok = self.toks.get(at).into_iter();
            tok.chain(before).any(|tok| tok.has(PASTE_LEFT))
        };
        let places = |number| {
            let of_parameter = move |tok: &Tok| tok.kind == Kind::Param && tok.sym.0 == number;
            let toks = self.toks.iter().enumerate();
            toks.filter(move |(_, tok)| of_parameter(tok))
        };
        (0..self.parameters.unwrap_or_default()).all(|number| {
            !places(number).any(|(at, _)| is_raw(at))
                && places(number).any(|(_, tok)| !tok.has(STRINGIFY))
        }) && !self.toks.iter().any(|tok| tok.kind == Kind::VaOpt)
    }

    /// Whether the token is the comma of `, ## __VA_ARGS__`.
    pub(super) fn is_variable_comma(&self, at: usize) -> bool {
        let next = self.toks.get(at + 1);
        self.variadic
            && self
                .toks
                .get(at)
                .is_some_and(|tok| tok.is(Sym::COMMA) && tok.has(PASTE_LEFT))
            && next.is_some_and(|tok| {
                tok.kind == Kind::Param && Some(tok.sym.0 + 1) == self.parameters
            })
    }
}

/// What tells one definition from another.
fn key(found: &Macro) -> Box<[u32]> {
    let head = found.parameters.map_or(0, |count| count * 2 + 2) + u32::from(found.variadic);
    std::iter::once(head)
        .chain(found.toks.iter().flat_map(|tok| {
            [
                tok.sym.0,
                u32::from(tok.kind as u8) << 8 | u32::from(tok.flags),
            ]
        }))
        .collect()
}

/// Reads what follows `#define`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(toks: &[Tok], spellings: &Spellings) -> Result<(Sym, Macro), String> {
    let (name, rest) = toks
        .split_first()
        .ok_or("no macro name given in #define directive")?;
    if name.kind != Kind::Name {
        return Err("macro names must be identifiers".to_owned());
    }
    if name.sym == Sym::DEFINED {
        return Err("\"defined\" cannot be used as a macro name".to_owned());
    }
    let mut names = Vec::new();
    let mut variadic = false;
    let mut parameters = None;
    let mut body = rest;
    if let Some((open, list)) = rest.split_first()
        && open.is(Sym::OPEN_PAREN)
        && !open.has(WHITE)
    {
        (variadic, body) = parse_parameters(list, &mut names)?;
        parameters = Some(u32::try_from(names.len()).unwrap_or(u32::MAX));
    }
    let toks = parse_body(body, parameters.is_some(), &names, variadic, spellings)?;
    Ok((
        name.sym,
        Macro {
            parameters,
            variadic,
            toks: toks.into(),
            is_builtin: false,
        },
    ))
}

/// Reads parameters up to the closing parenthesis; hands back what follows it.
fn parse_parameters<'t>(
    mut list: &'t [Tok],
    names: &mut Vec<Sym>,
) -> Result<(bool, &'t [Tok]), String> {
    const MALFORMED: &str = "malformed macro parameter list";
    if let Some((close, rest)) = list.split_first()
        && close.is(Sym::CLOSE_PAREN)
    {
        return Ok((false, rest));
    }
    loop {
        let (tok, rest) = list
            .split_first()
            .ok_or("expected ')' in macro parameter list")?;
        let mut variadic = tok.is(Sym::DOTS);
        let name = if variadic { Sym::VA_ARGS } else { tok.sym };
        if !variadic && (tok.kind != Kind::Name || name == Sym::VA_ARGS) {
            return Err(MALFORMED.to_owned());
        }
        if names.contains(&name) {
            return Err("duplicate macro parameter".to_owned());
        }
        if names.len() >= MAX_PARAMETERS {
            return Err("too many macro parameters".to_owned());
        }
        names.push(name);
        list = rest;
        if let Some((dots, rest)) = list.split_first()
            && !variadic
            && dots.is(Sym::DOTS)
        {
            variadic = true;
            list = rest;
        }
        let (end, rest) = list
            .split_first()
            .ok_or("expected ')' in macro parameter list")?;
        list = rest;
        if end.is(Sym::CLOSE_PAREN) {
            return Ok((variadic, list));
        }
        if variadic || !end.is(Sym::COMMA) {
            return Err(MALFORMED.to_owned());
        }
    }
}

fn parse_body(
    body: &[Tok],
    is_function: bool,
    names: &[Sym],
    variadic: bool,
    spellings: &Spellings,
) -> Result<Vec<Tok>, String> {
    let mut toks: Vec<Tok> = Vec::with_capacity(body.len());
    let mut stringify: Option<Tok> = None;
    let mut pasting = false;
    // Parentheses that are open within a `__VA_OPT__`.
    let mut optional: Option<u32> = None;
    let mut at = 0;
    while let Some(&found) = body.get(at) {
        at += 1;
        let mut tok = Tok {
            flags: found.flags & WHITE,
            line: 0,
            ..found
        };
        if toks.is_empty() && stringify.is_none() {
            tok.flags = 0;
        }
        if tok.is(Sym::HASH_HASH) || tok.is(Sym::DIGRAPH_HASH_HASH) {
            let last = toks.last_mut().filter(|_| stringify.is_none() && !pasting);
            match last {
                Some(last) => last.flags |= PASTE_LEFT,
                None if pasting => {}
                None => return Err(AT_END.to_owned()),
            }
            pasting = true;
            continue;
        }
        let parameter = (tok.kind == Kind::Name)
            .then(|| names.iter().position(|name| *name == tok.sym))
            .flatten();
        if let Some(hash) = stringify.take() {
            let Some(parameter) = parameter else {
                return Err("'#' is not followed by a macro parameter".to_owned());
            };
            toks.push(Tok {
                sym: Sym(u32::try_from(parameter).unwrap_or(0)),
                kind: Kind::Param,
                flags: hash.flags | tok.flags | STRINGIFY,
                line: 0,
            });
            pasting = false;
            continue;
        }
        if is_function && (tok.is(Sym::HASH) || tok.is(Sym::DIGRAPH_HASH)) {
            stringify = Some(tok);
            continue;
        }
        if let Some(parameter) = parameter {
            tok.kind = Kind::Param;
            tok.sym = Sym(u32::try_from(parameter).unwrap_or(0));
        } else if variadic && tok.is_name(Sym::VA_OPT) {
            if optional.is_some() || !body.get(at).is_some_and(|next| next.is(Sym::OPEN_PAREN)) {
                return Err("__VA_OPT__ is not followed by a parenthesised list".to_owned());
            }
            at += 1;
            optional = Some(0);
            tok.kind = Kind::VaOpt;
        } else if let Some(depth) = &mut optional {
            if tok.is(Sym::OPEN_PAREN) {
                *depth += 1;
            } else if tok.is(Sym::CLOSE_PAREN) && *depth > 0 {
                *depth -= 1;
            } else if tok.is(Sym::CLOSE_PAREN) {
                if pasting {
                    return Err("'##' cannot appear at either end of __VA_OPT__".to_owned());
                }
                tok.kind = Kind::VaOptEnd;
                optional = None;
            }
        }
        tok.flags &= !NO_EXPAND;
        toks.push(tok);
        pasting = false;
    }
    if pasting {
        return Err(AT_END.to_owned());
    }
    if stringify.is_some() {
        return Err("'#' is not followed by a macro parameter".to_owned());
    }
    if optional.is_some() {
        return Err("unterminated __VA_OPT__".to_owned());
    }
    let _ = spellings;
    Ok(toks)
}

const AT_END: &str = "'##' cannot appear at either end of a macro expansion";
