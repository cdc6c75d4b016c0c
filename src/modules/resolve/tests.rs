use super::super::testing::Builder;
use super::*;
use crate::symvers::Symvers;

fn symvers(lines: &[&str]) -> Symvers {
    let text = lines.join("\n").replace(' ', "\t");
    Symvers::read(text.as_bytes(), "m").expect("reads").symvers
}

fn module(builder: &Builder) -> Module {
    Module::read(&builder.build(), "m.ko").expect("the module is valid")
}

fn gpl() -> Builder {
    Builder::default().modinfo("license=GPL").modinfo("name=m")
}

/// The problems as `kind symbol` words.
fn words(module: &Module, symvers: &Symvers) -> Vec<String> {
    let found = problems(module, &Kernel::of(symvers), &Siblings::default());
    let word = |problem: &ImportProblem| format!("{} {}", problem.kind, problem.symbol);
    found.iter().map(word).collect()
}

const LAYOUT_LINE: &str = "0x9 module_layout vmlinux EXPORT_SYMBOL";

/// The table of spellings has one row for each kind, in the order of the enum.
#[test]
fn the_table_is_the_enum() {
    for (index, (kind, word)) in ProblemKind::WORDS.iter().enumerate() {
        assert_eq!(*kind as usize, index);
        assert_eq!(kind.word(), *word);
    }
    assert_eq!(
        ProblemKind::NamespaceWarned as usize + 1,
        ProblemKind::WORDS.len()
    );
}

/// A module whose imports all agree loads; each kind of disagreement is told, with both CRCs.
#[test]
fn each_import_is_judged() {
    let module = module(&gpl().import(1, "same").import(2, "other").import(3, "gone"));
    let kernel = symvers(&[
        "0x1 same vmlinux EXPORT_SYMBOL",
        "0x5 other vmlinux EXPORT_SYMBOL_GPL",
    ]);
    let found = problems(&module, &Kernel::of(&kernel), &Siblings::default());
    assert_eq!(
        words(&module, &kernel),
        ["missing-symbol gone", "crc-mismatch other"]
    );
    assert_eq!(
        (found[1].wanted, found[1].found),
        (Some(Crc(2)), Some(Crc(5)))
    );
    assert_eq!(
        found[1].sentence,
        "`other` is 0x00000005 in the kernel and 0x00000002 in the module"
    );
}

/// GPL-only exports do not exist for a proprietary module and do for one with a dual licence.
#[test]
fn the_licence_decides() {
    let kernel = symvers(&["0x1 a vmlinux EXPORT_SYMBOL_GPL"]);
    for (licence, expected) in [
        ("license=Proprietary", &["gpl-only a"][..]),
        ("license=Dual BSD/GPL", &[]),
        ("license=GPL v2", &[]),
        ("description=none", &["gpl-only a"]),
    ] {
        let module = module(&Builder::default().modinfo(licence).import(1, "a"));
        assert_eq!(words(&module, &kernel), expected, "{licence}");
    }
    let text = Module::read(b"0x1\ta\n0x1\ta\n", "m.txt").expect("reads");
    assert_eq!(words(&text, &kernel), ["not-judged a"]);
}

/// A weak import may be absent, but its CRC must agree when it is there.
#[test]
fn weak_imports_may_be_absent() {
    let kernel = symvers(&["0x1 a vmlinux EXPORT_SYMBOL", LAYOUT_LINE]);
    let absent = gpl().version(9, "module_layout").weak("gone");
    assert_eq!(words(&module(&absent), &kernel), [""; 0]);
    let other = gpl().weak("a").version(2, "a");
    assert_eq!(words(&module(&other), &kernel), ["crc-mismatch a"]);
}

/// An import without version record is told without refusing the module, a module without any is refused.
#[test]
fn missing_records_are_told() {
    let kernel = symvers(&["0x1 a vmlinux EXPORT_SYMBOL", LAYOUT_LINE]);
    let some = module(&gpl().version(9, "module_layout").undefined("a"));
    assert_eq!(words(&some, &kernel), ["no-version a"]);
    assert!(!ProblemKind::NoVersion.refuses());
    let none = module(&gpl().undefined("a"));
    assert_eq!(words(&none, &kernel), ["unversioned-module module_layout"]);
    assert!(ProblemKind::Unversioned.refuses());
}

/// A kernel without any CRC compares none.
#[test]
fn unversioned_kernels_compare_nothing() {
    let kernel = symvers(&["0x0 a vmlinux EXPORT_SYMBOL"]);
    assert_eq!(words(&module(&gpl().import(1, "a")), &kernel), [""; 0]);
    assert_eq!(words(&module(&gpl().undefined("a")), &kernel), [""; 0]);
}

/// Another layout of modules is a kind of its own.
#[test]
fn another_layout_is_told() {
    let kernel = symvers(&["0x1 a vmlinux EXPORT_SYMBOL", LAYOUT_LINE]);
    let module = module(&gpl().version(8, "module_layout").import(1, "a"));
    assert_eq!(words(&module, &kernel), ["module-layout module_layout"]);
}

/// A namespace must be imported, and a list of modules must name this one.
#[test]
fn namespaces_must_be_imported() {
    let kernel = symvers(&[
        "0x1 a vmlinux EXPORT_SYMBOL CXL",
        "0x1 b vmlinux EXPORT_SYMBOL module:x,m*",
        "0x1 c vmlinux EXPORT_SYMBOL module:x,y*",
    ]);
    let without = gpl().import(1, "a").import(1, "b").import(1, "c");
    assert_eq!(
        words(&module(&without), &kernel),
        ["namespace a", "namespace c"]
    );
    assert_eq!(
        words(&module(&without.modinfo("import_ns=CXL")), &kernel),
        ["namespace c"]
    );
    assert!(names_module("kvm-amd,kvm-intel", "kvm_intel"));
    assert!(!names_module("*kvm", "kvm"));
}

/// A symbol of an unknown module is not called removed, and one of a known module is.
#[test]
fn unknown_providers_are_told() {
    let kernel = symvers(&["0x1 a drivers/net/mii EXPORT_SYMBOL"]);
    let unknown = module(&gpl().import(1, "theirs").modinfo("depends=mii,their-core"));
    assert_eq!(words(&unknown, &kernel), ["unknown-provider theirs"]);
    let known = module(&gpl().import(1, "theirs").modinfo("depends=mii"));
    assert_eq!(words(&known, &kernel), ["missing-symbol theirs"]);
}

/// A sibling provides what the kernel does not, replaces a module of the kernel, and never vmlinux.
#[test]
fn siblings_provide() {
    let core = module(&gpl().modinfo("name=core").export(7, "core_open", false, ""));
    let user = module(&gpl().import(7, "core_open"));
    let words = |kernel: &Symvers, siblings: &[&Module]| -> Vec<&'static str> {
        let siblings = Siblings::of(siblings.iter().copied());
        let found = problems(&user, &Kernel::of(kernel), &siblings);
        found.iter().map(|problem| problem.kind.word()).collect()
    };
    let without = symvers(&["0x1 a vmlinux EXPORT_SYMBOL"]);
    assert_eq!(words(&without, &[]), ["missing-symbol"]);
    assert_eq!(words(&without, &[&core, &user]), [""; 0]);
    let in_module = symvers(&["0x1 core_open drivers/core EXPORT_SYMBOL"]);
    assert_eq!(words(&in_module, &[]), ["crc-mismatch"]);
    assert_eq!(words(&in_module, &[&core]), [""; 0]);
    let in_vmlinux = symvers(&["0x1 core_open vmlinux EXPORT_SYMBOL"]);
    assert_eq!(words(&in_vmlinux, &[&core]), ["crc-mismatch"]);
}

/// A module that uses GPL-only symbols may not use those of a proprietary module.
#[test]
fn proprietary_providers_are_refused() {
    let shim = module(
        &Builder::default()
            .modinfo("name=shim")
            .export(7, "shim", false, ""),
    );
    let kernel = symvers(&["0x1 a vmlinux EXPORT_SYMBOL_GPL"]);
    let siblings = Siblings::of([&shim]);
    let user = module(&gpl().import(7, "shim").import(1, "a"));
    let found = problems(&user, &Kernel::of(&kernel), &siblings);
    assert_eq!(found[0].kind, ProblemKind::ProprietaryProvider);
    let user = module(&gpl().import(7, "shim"));
    assert_eq!(problems(&user, &Kernel::of(&kernel), &siblings), []);
}

/// A kernel of which more is known than its exports.
fn with<'a>(symvers: &'a Symvers, facts: super::super::kernel::KernelFacts) -> Kernel<'a> {
    Kernel::with(symvers, facts)
}

/// The kinds of a module's problems.
fn kinds(module: &Module, kernel: &Kernel<'_>) -> Vec<&'static str> {
    let found = problems(module, kernel, &Siblings::default());
    found.iter().map(|problem| problem.kind.word()).collect()
}

/// Proprietary modules make their users proprietary, and these theirs: a GPL-only symbol at the end of the chain
/// is refused, and without one the chain loads.
#[test]
fn taint_spreads_along_a_chain() {
    let kernel = symvers(&[
        "0x1 gpl vmlinux EXPORT_SYMBOL_GPL",
        "0x1 any vmlinux EXPORT_SYMBOL",
    ]);
    let kernel = Kernel::of(&kernel);
    let blob = Builder::default()
        .modinfo("name=blob")
        .modinfo("license=Proprietary")
        .export(1, "blob_open", false, "");
    let glue = gpl()
        .modinfo("name=glue")
        .import(1, "blob_open")
        .import(1, "any")
        .export(2, "glue_open", false, "");
    let (blob, glue) = (module(&blob), module(&glue));
    let user = module(&gpl().import(2, "glue_open").import(1, "gpl"));
    let plain = module(&gpl().import(2, "glue_open").import(1, "any"));
    let mut siblings = Siblings::of([&blob, &glue, &user, &plain]);
    siblings.spread_taint(&kernel);
    let found = problems(&user, &kernel, &siblings);
    assert_eq!(found[0].kind, ProblemKind::ProprietaryProvider);
    assert!(
        found[0].sentence.contains("proprietary by what it uses"),
        "{}",
        found[0].sentence
    );
    assert_eq!(problems(&plain, &kernel, &siblings), []);
    assert_eq!(problems(&glue, &kernel, &siblings), []);
}

/// What is known of the kernel decides: size of struct module, version magic, missing records, namespaces.
#[test]
fn facts_decide() {
    use super::super::kernel::KernelFacts;
    let symvers = symvers(&[
        "0x1 a vmlinux EXPORT_SYMBOL",
        "0x2 b vmlinux EXPORT_SYMBOL_GPL NS",
    ]);
    let module = module(
        &gpl()
            .modinfo("vermagic=6.1 SMP mod_unload modversions ")
            .import(1, "a")
            .undefined("b"),
    );
    let facts = |missing_version, allows_missing_namespaces| KernelFacts {
        vermagic: Some("6.12 SMP mod_unload modversions ".into()),
        this_module_size: Some(128),
        missing_version,
        allows_missing_namespaces,
        forces: false,
    };
    let of = |facts| kinds(&module, &with(&symvers, facts));
    assert_eq!(of(facts(None, false)), ["namespace", "no-version"]);
    let warns = facts(Some(MissingVersion::Warns), true);
    assert_eq!(of(warns), ["no-version-warned", "namespace-warned"]);
    let refuses = facts(Some(MissingVersion::Refuses), true);
    assert_eq!(of(refuses), ["no-version-refused", "namespace-warned"]);
    let forcing = KernelFacts {
        forces: true,
        ..KernelFacts::default()
    };
    let bare = super::super::testing::Builder::default()
        .modinfo("license=GPL")
        .undefined("a");
    let bare = Module::read(&bare.build(), "bare.ko").expect("valid");
    assert_eq!(
        kinds(&bare, &with(&symvers, forcing)),
        ["no-version-warned"]
    );
    assert_eq!(kinds(&bare, &Kernel::of(&symvers)), ["unversioned-module"]);
    let other = KernelFacts {
        vermagic: Some("6.12 SMP preempt mod_unload modversions ".into()),
        this_module_size: Some(192),
        ..facts(Some(MissingVersion::Warns), true)
    };
    assert_eq!(of(other)[..2], ["module-size", "vermagic"]);
}

/// A symbol of the kernel itself may not be exported again, and `module:` namespaces may not be imported by name.
#[test]
fn exports_and_namespaces_that_are_not_allowed() {
    let symvers = symvers(&[
        "0x1 a vmlinux EXPORT_SYMBOL",
        "0x2 b vmlinux EXPORT_SYMBOL_GPL module:n*",
    ]);
    let kernel = Kernel::of(&symvers);
    let again = module(&gpl().import(1, "a").export(1, "a", false, ""));
    assert_eq!(kinds(&again, &kernel), ["duplicate-export"]);
    let by_name = module(&gpl().modinfo("import_ns=module:n*").import(2, "b"));
    assert_eq!(kinds(&by_name, &kernel), ["namespace", "namespace"]);
    let named = Builder::default()
        .modinfo("license=GPL")
        .modinfo("name=net-x")
        .import(2, "b");
    assert_eq!(kinds(&module(&named), &kernel), [""; 0]);
}
