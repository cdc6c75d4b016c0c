//! What genksyms and what the compiler see of single types, at the commit in the work area.
//!
//! A type is looked at in a unit that reads the file which defines it: once preprocessed as for genksyms, once as for the
//! compiler (without `__GENKSYMS__`), and once compiled for its debug information. Both texts are read by the grammar of genksyms
//! and so compare token by token; only the debug information knows attributes behind a body and the type behind a `typeof`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Builder;
use super::prepared::Prepared;
use super::units::Known;
use crate::cpp::{Call, Input, Preprocessor};
use crate::genksyms::analyse;
use crate::kbuild::{Language, Unit};
use crate::layout::{Layout, layouts, object};
use crate::symtypes::{TypeKind, TypeName, is_opaque};

/// How many units are tried for a type.
const MAX_TRIES: usize = 3;
/// Most types that are looked at in one commit.
const MAX_TYPES: usize = 256;

/// A type and the file that defines it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeAt {
    /// Path in the source tree.
    pub file: String,
    /// The type as C says it: `struct page`, `union u`, `enum e`.
    pub name: String,
}

impl TypeAt {
    /// The name of the type's record; none for what is no tagged type.
    #[must_use]
    pub fn record(&self) -> Option<TypeName> {
        let (keyword, name) = self.name.split_once(' ')?;
        let kinds = [TypeKind::Struct, TypeKind::Union, TypeKind::Enum];
        let kind = kinds
            .into_iter()
            .find(|kind| kind.keyword() == Some(keyword))?;
        Some(TypeName {
            kind,
            name: name.to_owned(),
        })
    }
}

/// A type as one unit sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The unit's object.
    pub object: String,
    /// Whether that is the unit in which the type is looked for first if none is preferred.
    pub is_first: bool,
    /// Its text under `__GENKSYMS__`, which the CRC covers.
    pub genksyms: Option<String>,
    /// Its text without.
    pub compiler: Option<String>,
    /// Where the compiler puts its members.
    pub layout: Layout,
}

/// Why a type was not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// No unit that can export anything reads the file.
    NotRead,
    /// The units that read the file do not define the type.
    NotDefined,
    /// It could not be looked at.
    Failed(String),
}

/// Types to look at, each with the object in whose unit to look first, if there is a reason to prefer one.
pub type Wanted = BTreeMap<TypeAt, Option<String>>;

/// What was seen of types.
pub type Views = BTreeMap<TypeAt, Result<View, Unseen>>;

impl Builder<'_> {
    /// Looks at types of the last snapshot, each in the unit that is preferred, if that is still there. What was looked at
    /// before has no part in it.
    pub fn views(&self, wanted: &Wanted) -> Views {
        let mut views = Views::new();
        let Some((prepared, units)) = self.kept.as_ref().and_then(|kept| kept.looked_at()) else {
            let failed = || Err(Unseen::Failed("the commit was not computed".to_owned()));
            return wanted.keys().map(|at| (at.clone(), failed())).collect();
        };
        if !wanted.is_empty() {
            self.progress.phase("layouts");
        }
        let mut open: Vec<(&TypeAt, Vec<&Unit>)> = Vec::new();
        for (count, (at, preferred)) in wanted.iter().enumerate() {
            let readers = readers(prepared, units, at, preferred.as_ref());
            if count >= MAX_TYPES {
                let text = format!("more than {MAX_TYPES} types in one commit");
                views.insert(at.clone(), Err(Unseen::Failed(text)));
            } else if readers.is_empty() {
                views.insert(at.clone(), Err(Unseen::NotRead));
            } else {
                views.insert(at.clone(), Err(Unseen::NotDefined));
                open.push((at, readers));
            }
        }
        for round in 0..MAX_TRIES {
            let mut groups: BTreeMap<&str, (&Unit, BTreeSet<&str>)> = BTreeMap::new();
            for (at, readers) in &open {
                if let Some(unit) = readers.get(round) {
                    let group = groups
                        .entry(&unit.object)
                        .or_insert((unit, BTreeSet::new()));
                    group.1.insert(&at.name);
                }
            }
            let session = prepared.cpp.session();
            let groups: Vec<(&Unit, BTreeSet<&str>)> = groups.into_values().collect();
            let looked: Vec<Seen> = self.pool.install(|| {
                let groups = groups.par_iter();
                groups
                    .map(|(unit, names)| look(prepared, &*session, unit, names))
                    .collect()
            });
            let looked: HashMap<&str, &Seen> = groups
                .iter()
                .map(|(unit, _)| unit.object.as_str())
                .zip(&looked)
                .collect();
            open.retain(|(at, readers)| {
                let Some(seen) = readers
                    .get(round)
                    .and_then(|unit| looked.get(unit.object.as_str()))
                else {
                    return false;
                };
                let view = match seen {
                    Ok(types) => types.get(&at.name).cloned().ok_or(Unseen::NotDefined),
                    Err(message) => Err(Unseen::Failed(message.clone())),
                };
                let is_open = view.is_err();
                views.insert((*at).clone(), view);
                is_open
            });
        }
        for (at, view) in &mut views {
            match view {
                Ok(view) => {
                    let first = readers(prepared, units, at, None);
                    view.is_first = first.first().is_some_and(|unit| unit.object == view.object);
                }
                Err(Unseen::Failed(message)) => *message = self.portable(message),
                Err(_) => {}
            }
        }
        views
    }
}

/// The C units that read the file of a type: the one that is preferred, then those that read least.
fn readers<'u>(
    prepared: &'u Prepared,
    units: &HashMap<String, Known>,
    at: &TypeAt,
    preferred: Option<&String>,
) -> Vec<&'u Unit> {
    let mut readers: Vec<(bool, usize, &Unit)> = units
        .iter()
        .filter(|(_, known)| known.reads(&at.file))
        .filter_map(|(object, known)| Some((known, prepared.plan.unit(object)?)))
        .filter(|(_, unit)| unit.language == Language::C)
        .map(|(known, unit)| (Some(&unit.object) != preferred, known.files.len(), unit))
        .collect();
    readers.sort_by(|a, b| (a.0, a.1, &a.2.object).cmp(&(b.0, b.1, &b.2.object)));
    readers.truncate(MAX_TRIES);
    readers.into_iter().map(|(_, _, unit)| unit).collect()
}

/// The types that one unit defines, by name, or why it could not be looked at.
type Seen = Result<BTreeMap<String, View>, String>;

fn look(prepared: &Prepared, cpp: &dyn Preprocessor, unit: &Unit, names: &BTreeSet<&str>) -> Seen {
    let bytes =
        object(&unit.call, &prepared.tree.environment()).map_err(|error| error.to_string())?;
    let layouts = layouts(&bytes, names).map_err(|error| error.to_string())?;
    let wanted: Vec<&str> = layouts.keys().map(String::as_str).collect();
    let genksyms = texts(prepared, cpp, &unit.call, &wanted)?;
    let mut plain = unit.call.clone();
    plain.args.push("-U__GENKSYMS__".into());
    let compiler = texts(prepared, cpp, &plain, &wanted)?;
    let view = |(name, layout): (String, Layout)| {
        let view = View {
            object: unit.object.clone(),
            is_first: false,
            genksyms: genksyms.get(&name).cloned(),
            compiler: compiler.get(&name).cloned(),
            layout,
        };
        (name, view)
    };
    Ok(layouts.into_iter().map(view).collect())
}

/// The texts of types in a unit, as a function that takes pointers to them would have them in its CRC. The unit's source is
/// included, so that the types which it defines itself are no secret either.
fn texts(
    prepared: &Prepared,
    cpp: &dyn Preprocessor,
    call: &Call,
    names: &[&str],
) -> Result<BTreeMap<String, String>, String> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let pointers: Vec<String> = names.iter().map(|name| format!("{name} *")).collect();
    let keyword = prepared.profile.export_keyword();
    let text = format!(
        "#include \"{}\"\n#undef {keyword}\nextern void kabigate_view ( {} ) ;\n{keyword} ( kabigate_view ) ;\n",
        call.source,
        pointers.join(" , ")
    );
    let mut symbols = crate::genksyms::UnitSymbols::default();
    cpp.read(call, Input::Text(text.as_bytes()), &mut |tokens| {
        symbols = analyse(tokens, &prepared.profile);
    })
    .map_err(|error| error.to_string())?;
    let types = symbols.definitions.into_iter();
    Ok(types
        .filter(|definition| !is_opaque(&definition.text))
        .map(|definition| (definition.name.in_c(), definition.text))
        .filter(|(name, _)| names.contains(&name.as_str()))
        .collect())
}
