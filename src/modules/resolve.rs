//! What keeps a module from loading into a kernel, import by import, as the loader decides.
//!
//! The order and the rules are those of `resolve_symbol` and `check_version` in the kernel's `kernel/module/`.
//! A symbol of `vmlinux` can only come from there. A symbol that both a module of the kernel and a sibling
//! export is accepted if either satisfies the import, because which one is loaded is the administrator's choice
//! (third-party drivers replace those of the kernel).

use std::cell::OnceCell;
use std::fmt;

use super::kernel::{Kernel, MissingVersion};
use super::module::{Import, LAYOUT, Licence, Module, Origin, canonical};
use super::provide::{Provider, Siblings};
use super::vermagic;
use crate::symvers::{Crc, Export, ExportClass};

/// Why an import keeps a module from loading, gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// The kernel's `struct module` has another size (checked since 6.4, and wrong before).
    ModuleSize,
    /// The kernel's `module_layout` has another CRC: every module built for the other layout is refused.
    ModuleLayout,
    /// The module has no version records at all and the kernel has CRCs: it can only be forced.
    Unversioned,
    /// The flags of the version magic differ.
    Vermagic,
    /// Nobody exports the symbol.
    Missing,
    /// The symbol is for GPL-compatible modules and this one is not.
    GplOnly,
    /// The module uses GPL-only symbols and may not use those of a proprietary module.
    ProprietaryProvider,
    /// The symbol's CRC differs.
    CrcMismatch,
    /// The module does not import the symbol's namespace, or imports one that may not be imported.
    Namespace,
    /// The module exports a symbol that the kernel itself exports.
    DuplicateExport,
    /// The import has no version record and this kernel refuses that.
    NoVersionRefused,
    /// The module that exports the symbol is refused itself.
    NeedsOtherModule,
    /// Nobody exports the symbol, but the module depends on a module that was not given.
    UnknownProvider,
    /// Too little of the module is known to say.
    NotJudged,
    /// The import has no version record although the kernel has a CRC: current kernels warn, others refuse.
    NoVersion,
    /// The import has no version record, which this kernel only warns about.
    NoVersionWarned,
    /// The module does not import the symbol's namespace, which this kernel only warns about.
    NamespaceWarned,
}

impl ProblemKind {
    const WORDS: [(ProblemKind, &'static str); 17] = [
        (ProblemKind::ModuleSize, "module-size"),
        (ProblemKind::ModuleLayout, "module-layout"),
        (ProblemKind::Unversioned, "unversioned-module"),
        (ProblemKind::Vermagic, "vermagic"),
        (ProblemKind::Missing, "missing-symbol"),
        (ProblemKind::GplOnly, "gpl-only"),
        (ProblemKind::ProprietaryProvider, "proprietary-provider"),
        (ProblemKind::CrcMismatch, "crc-mismatch"),
        (ProblemKind::Namespace, "namespace"),
        (ProblemKind::DuplicateExport, "duplicate-export"),
        (ProblemKind::NoVersionRefused, "no-version-refused"),
        (ProblemKind::NeedsOtherModule, "needs-other-module"),
        (ProblemKind::UnknownProvider, "unknown-provider"),
        (ProblemKind::NotJudged, "not-judged"),
        (ProblemKind::NoVersion, "no-version"),
        (ProblemKind::NoVersionWarned, "no-version-warned"),
        (ProblemKind::NamespaceWarned, "namespace-warned"),
    ];

    /// The spelling in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        // INVARIANT: the table has its rows in the order of the enum; a test compares them.
        Self::WORDS[self as usize].1
    }

    /// Whether the loader refuses the module.
    #[must_use]
    pub fn refuses(self) -> bool {
        !self.is_open() && !self.only_warns()
    }

    /// Whether it cannot be said if the loader refuses the module.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(
            self,
            ProblemKind::UnknownProvider | ProblemKind::NotJudged | ProblemKind::NoVersion
        )
    }

    /// Whether the module loads and the kernel says something about it.
    #[must_use]
    pub fn only_warns(self) -> bool {
        matches!(
            self,
            ProblemKind::NoVersionWarned | ProblemKind::NamespaceWarned
        )
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An import that keeps a module from loading, or may do so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportProblem {
    /// The symbol.
    pub symbol: String,
    /// What is wrong.
    pub kind: ProblemKind,
    /// The CRC that the module was built with.
    pub wanted: Option<Crc>,
    /// The CRC that the kernel or the other module has.
    pub found: Option<Crc>,
    /// What the loader finds, in one sentence.
    pub sentence: String,
}

/// The `symbol` of a problem that is about the module as a whole.
const WHOLE: &str = "module_layout";

/// Finds what keeps a module from loading into a kernel, gravest kind first, then bytewise by symbol. A symbol
/// with several problems has an entry for each.
///
/// `siblings` are the modules that may be loaded beside it; the module itself may be among them. What a text or a
/// package does not tell about a module is a problem of kind [`ProblemKind::NotJudged`] where it matters.
#[must_use]
pub fn problems(
    module: &Module,
    kernel: &Kernel<'_>,
    siblings: &Siblings<'_>,
) -> Vec<ImportProblem> {
    let judge = Judge::new(module, kernel, siblings);
    let mut problems = Vec::new();
    judge.whole(&mut problems);
    for (symbol, import) in &module.imports {
        judge.import(symbol, import, &mut problems);
    }
    sort(&mut problems);
    problems
}

/// The problems of a module of which some imports must be judged again, because other modules that provide them
/// were refused since `before` was found. `symbols` are those imports in bytewise order.
pub(super) fn judge_again(
    module: &Module,
    kernel: &Kernel<'_>,
    siblings: &Siblings<'_>,
    symbols: &[&str],
    before: &[ImportProblem],
) -> Vec<ImportProblem> {
    // What is wrong with an export of the module itself stands under the symbol too.
    if symbols
        .iter()
        .any(|symbol| module.exports.contains_key(*symbol))
    {
        return problems(module, kernel, siblings);
    }
    let judge = Judge::new(module, kernel, siblings);
    let stays = |problem: &&ImportProblem| symbols.binary_search(&&*problem.symbol).is_err();
    let mut problems: Vec<ImportProblem> = before.iter().filter(stays).cloned().collect();
    for symbol in symbols {
        if let Some(import) = module.imports.get(*symbol) {
            judge.import(symbol, import, &mut problems);
        }
    }
    sort(&mut problems);
    problems
}

fn sort(problems: &mut [ImportProblem]) {
    problems.sort_by(|a, b| (a.kind, &a.symbol).cmp(&(b.kind, &b.symbol)));
}

/// An export as the loader sees it, of the kernel or of a sibling.
struct Offer<'a> {
    crc: Option<Crc>,
    class: &'a ExportClass,
    namespace: Option<&'a str>,
    /// The sibling that exports it.
    sibling: Option<Provider<'a>>,
}

impl<'a> Offer<'a> {
    fn of_kernel(export: &'a Export, versioned: bool) -> Offer<'a> {
        Offer {
            crc: versioned.then_some(export.crc),
            class: &export.class,
            namespace: export.namespace.as_deref(),
            sibling: None,
        }
    }

    fn of_sibling(provider: Provider<'a>) -> Offer<'a> {
        Offer {
            crc: provider.export.crc,
            class: &provider.export.class,
            namespace: provider.export.namespace.as_deref(),
            sibling: Some(provider),
        }
    }

    /// Who exports the symbol, for a sentence.
    fn owner(&self) -> String {
        self.sibling.map_or_else(
            || "the kernel".to_owned(),
            |provider| format!("module {}", provider.module.name),
        )
    }
}

struct Judge<'a> {
    module: &'a Module,
    kernel: &'a Kernel<'a>,
    siblings: &'a Siblings<'a>,
    licence: Licence,
    /// Whether the module has records to compare CRCs with.
    has_records: bool,
    /// Whether the module uses an export that is only for GPL-compatible modules.
    uses_gpl_only: OnceCell<bool>,
    /// Whether all modules that the module depends on are known.
    knows_providers: OnceCell<bool>,
}

impl<'a> Judge<'a> {
    fn new(module: &'a Module, kernel: &'a Kernel<'a>, siblings: &'a Siblings<'a>) -> Judge<'a> {
        Judge {
            module,
            kernel,
            siblings,
            licence: module.licence(),
            has_records: module.origin != Origin::Module || module.is_versioned(),
            uses_gpl_only: OnceCell::new(),
            knows_providers: OnceCell::new(),
        }
    }

    fn uses_gpl_only(&self) -> bool {
        *self.uses_gpl_only.get_or_init(|| {
            let mut symbols = self.module.imports.keys();
            symbols.any(|symbol| {
                self.first_offer(symbol)
                    .is_some_and(|offer| offer.class.is_gpl_only())
            })
        })
    }

    /// Whether each module that the build recorded as a dependency is a module of the kernel or a sibling.
    fn knows_providers(&self) -> bool {
        *self.knows_providers.get_or_init(|| {
            self.module.depends.iter().all(|name| {
                let name = canonical(name);
                self.siblings.knows(&name) || self.kernel.has_module(&name)
            })
        })
    }

    /// What is wrong with the module before any import is looked at.
    fn whole(&self, problems: &mut Vec<ImportProblem>) {
        let module = self.module;
        let mut add = |symbol: &str, kind, sentence| {
            problems.push(problem(symbol, kind, None, None, sentence));
        };
        if module.origin == Origin::Package {
            let sentence = "its files cannot be read, so licence, namespaces and what else it imports are not known";
            add(WHOLE, ProblemKind::NotJudged, sentence.to_owned());
        }
        let sizes = (module.this_module_size, self.kernel.facts.this_module_size);
        if let (Some(own), Some(kernel)) = sizes
            && own != kernel
        {
            let sentence =
                format!("struct module has {kernel} bytes in the kernel and {own} in the module");
            add(WHOLE, ProblemKind::ModuleSize, sentence);
        }
        if let Some(magic) = &self.kernel.facts.vermagic
            && let Some(sentence) = vermagic::differs(module, magic)
        {
            add(WHOLE, ProblemKind::Vermagic, sentence);
        }
        // A kernel with MODULE_FORCE_LOAD takes such modules, and is tainted by them.
        let unversioned = if self.kernel.facts.forces {
            ProblemKind::NoVersionWarned
        } else {
            ProblemKind::Unversioned
        };
        if self.kernel.is_versioned() {
            if !self.has_records {
                let sentence =
                    "the module was built without version records and the kernel has CRCs";
                add(WHOLE, unversioned, sentence.to_owned());
            } else if let Some(symbol) = unversioned_export(module) {
                let sentence = format!("the module exports `{symbol}` without a CRC");
                add(symbol, unversioned, sentence);
            }
        }
        for symbol in module.exports.keys() {
            if self.kernel.get(symbol).is_some_and(is_built_in) {
                let sentence =
                    format!("the module exports `{symbol}`, which the kernel itself exports");
                add(symbol, ProblemKind::DuplicateExport, sentence);
            }
        }
        let imported = module
            .namespaces
            .iter()
            .find(|ns| ns.starts_with("module:"));
        if let Some(namespace) = imported.filter(|_| self.kernel.knows_module_namespaces()) {
            let sentence =
                format!("the module imports `{namespace}`, which this kernel lets nobody import");
            add(WHOLE, ProblemKind::Namespace, sentence);
        }
    }

    /// The export that most likely satisfies an import.
    fn first_offer(&self, symbol: &str) -> Option<Offer<'a>> {
        let kernel = self.kernel.get(symbol);
        let own = || kernel.map(|export| Offer::of_kernel(export, self.kernel.is_versioned()));
        if kernel.is_some_and(is_built_in) {
            return own();
        }
        let mut providers = self.siblings.providers(symbol, self.module);
        providers.next().map(Offer::of_sibling).or_else(own)
    }

    fn import(&self, symbol: &str, import: &Import, problems: &mut Vec<ImportProblem>) {
        let kernel = self.kernel.get(symbol);
        let own = kernel.map(|export| Offer::of_kernel(export, self.kernel.is_versioned()));
        if kernel.is_some_and(is_built_in) {
            if let Some(own) = own {
                self.offer(symbol, import, &own, problems);
            }
            return;
        }
        let providers = self.siblings.providers(symbol, self.module);
        let mut first: Option<Vec<ImportProblem>> = None;
        for offer in providers.map(Offer::of_sibling).chain(own) {
            let mut found = Vec::new();
            self.offer(symbol, import, &offer, &mut found);
            if !found.iter().any(|problem| problem.kind.refuses()) {
                problems.extend(found);
                return;
            }
            first = first.or(Some(found));
        }
        match first {
            Some(found) => problems.extend(found),
            None => problems.extend(self.missing(symbol, import)),
        }
    }

    fn missing(&self, symbol: &str, import: &Import) -> Option<ImportProblem> {
        // No code of the module refers to the symbol of the layout, so only its CRC can be wrong.
        if import.weak || LAYOUT.contains(&symbol) {
            return None;
        }
        let (kind, sentence) = if self.knows_providers() {
            (
                ProblemKind::Missing,
                format!("neither the kernel nor a module that was given exports `{symbol}`"),
            )
        } else {
            (
                ProblemKind::UnknownProvider,
                format!(
                    "the kernel does not export `{symbol}`, and not all modules of `depends={}` were given",
                    self.module.depends.join(",")
                ),
            )
        };
        Some(problem(symbol, kind, import.crc, None, sentence))
    }

    fn offer(
        &self,
        symbol: &str,
        import: &Import,
        offer: &Offer<'_>,
        found: &mut Vec<ImportProblem>,
    ) {
        let mut add = |kind, sentence| {
            found.push(problem(symbol, kind, import.crc, offer.crc, sentence));
        };
        if let Some(provider) = offer.sibling.filter(|provider| provider.refused) {
            let name = &provider.module.name;
            let sentence =
                format!("`{symbol}` comes from module {name}, which the kernel refuses itself");
            add(ProblemKind::NeedsOtherModule, sentence);
        }
        if offer.class.is_gpl_only() && self.licence == Licence::Proprietary {
            let sentence = format!(
                "{} exports `{symbol}` to GPL-compatible modules only, and this one is not",
                offer.owner()
            );
            add(ProblemKind::GplOnly, sentence);
        } else if offer.class.is_gpl_only() && self.licence == Licence::Unknown {
            let sentence = format!(
                "{} exports `{symbol}` to GPL-compatible modules only, and the licence is not known",
                offer.owner()
            );
            add(ProblemKind::NotJudged, sentence);
        }
        if let Some(provider) = offer.sibling.filter(|provider| provider.proprietary)
            && self.licence != Licence::Proprietary
            && self.uses_gpl_only()
        {
            let name = &provider.module.name;
            let how = match provider.module.licence() {
                Licence::Proprietary => "proprietary module",
                _ => "a module that is proprietary by what it uses,",
            };
            let sentence = format!("uses GPL-only symbols and `{symbol}` of {how} {name}");
            add(ProblemKind::ProprietaryProvider, sentence);
        }
        if let Some((kind, sentence)) = self.crc(symbol, import, offer) {
            add(kind, sentence);
        }
        if let Some((kind, sentence)) = self.namespace(symbol, offer) {
            add(kind, sentence);
        }
    }

    fn crc(
        &self,
        symbol: &str,
        import: &Import,
        offer: &Offer<'_>,
    ) -> Option<(ProblemKind, String)> {
        let found = offer.crc?;
        match import.crc {
            Some(wanted) if wanted == found => None,
            Some(wanted) if LAYOUT.contains(&symbol) => Some((
                ProblemKind::ModuleLayout,
                format!(
                    "`{symbol}` is {found} in the kernel and {wanted} in the module: the layout of modules differs"
                ),
            )),
            Some(wanted) => Some((
                ProblemKind::CrcMismatch,
                format!(
                    "`{symbol}` is {found} in {} and {wanted} in the module",
                    offer.owner()
                ),
            )),
            None if !self.has_records => None,
            None => {
                let kind = match self.kernel.facts.missing_version {
                    None => ProblemKind::NoVersion,
                    Some(MissingVersion::Refuses) => ProblemKind::NoVersionRefused,
                    Some(MissingVersion::Warns) => ProblemKind::NoVersionWarned,
                };
                Some((
                    kind,
                    format!(
                        "the module has no version record for `{symbol}`, {} has {found}",
                        offer.owner()
                    ),
                ))
            }
        }
    }

    fn namespace(&self, symbol: &str, offer: &Offer<'_>) -> Option<(ProblemKind, String)> {
        let namespace = offer.namespace?;
        let module = self.module;
        if let Some(users) = namespace.strip_prefix("module:") {
            return (!names_module(users, &module.name)).then(|| {
                (
                    self.namespace_kind(),
                    format!(
                        "`{symbol}` is exported to the modules `{users}` only, and {} is none of them",
                        module.name
                    ),
                )
            });
        }
        if module.origin != Origin::Module {
            let sentence = format!(
                "`{symbol}` is in namespace `{namespace}`, and which namespaces the module imports is not known"
            );
            return Some((ProblemKind::NotJudged, sentence));
        }
        (!module.namespaces.contains(namespace)).then(|| {
            (
                self.namespace_kind(),
                format!(
                    "`{symbol}` is in namespace `{namespace}`, which the module does not import"
                ),
            )
        })
    }

    fn namespace_kind(&self) -> ProblemKind {
        if self.kernel.facts.allows_missing_namespaces {
            ProblemKind::NamespaceWarned
        } else {
            ProblemKind::Namespace
        }
    }
}

fn is_built_in(export: &Export) -> bool {
    export.module == "vmlinux"
}

/// The first export without CRC: the loader takes none of a module then, unless it is forced.
fn unversioned_export(module: &Module) -> Option<&str> {
    let mut exports = module.exports.iter();
    let without = exports.find(|(_, export)| export.crc.is_none());
    without.map(|(symbol, _)| symbol.as_str())
}

fn problem(
    symbol: &str,
    kind: ProblemKind,
    wanted: Option<Crc>,
    found: Option<Crc>,
    sentence: String,
) -> ImportProblem {
    ImportProblem {
        symbol: symbol.to_owned(),
        kind,
        wanted,
        found,
        sentence,
    }
}

/// Whether a list such as `kvm-amd,kvm*` names the module. A star only counts at the end of a name.
fn names_module(users: &str, module: &str) -> bool {
    let module = canonical(module);
    users.split(',').any(|user| {
        let user = canonical(user.trim());
        match user.strip_suffix('*') {
            Some(start) => module.starts_with(start),
            None => module == user,
        }
    })
}

#[cfg(test)]
mod tests;
