use super::super::database::Source;
use super::super::scan::{Found, Scan};
use super::super::testing::Builder;
use super::*;

fn symvers(lines: &[&str]) -> Symvers {
    let text = lines.join("\n").replace(' ', "\t");
    Symvers::read(text.as_bytes(), "m").expect("reads").symvers
}

fn database(modules: &[(&str, Builder)]) -> Database {
    let found = modules.iter().map(|(path, builder)| Found {
        root: (*path).into(),
        module: Module::read(&builder.clone().modinfo("license=GPL").build(), path).expect("valid"),
        package: None,
    });
    let scan = Scan {
        modules: found.collect(),
        ..Scan::default()
    };
    let source = Source {
        provider: Some("acme".into()),
        version: None,
    };
    let mut database = Database::default();
    assert!(database.merge(scan, &source).problems.is_empty());
    database
}

fn outcomes(impacts: &[ModuleImpact]) -> Vec<(&str, &'static str)> {
    impacts
        .iter()
        .map(|impact| (impact.module.as_str(), impact.outcome.word()))
        .collect()
}

/// Modules that break are told apart from those that were refused before and those that load again.
#[test]
fn outcomes_are_told_apart() {
    let db = database(&[
        ("breaks.ko", Builder::default().import(1, "a")),
        ("loads.ko", Builder::default().import(1, "b")),
        (
            "old.ko",
            Builder::default().import(1, "never").import(1, "a"),
        ),
        ("repaired.ko", Builder::default().import(2, "a")),
        (
            "unknown.ko",
            Builder::default()
                .import(1, "theirs")
                .modinfo("depends=theirs"),
        ),
    ]);
    let base = symvers(&["0x1 a vmlinux EXPORT_SYMBOL", "0x1 b vmlinux EXPORT_SYMBOL"]);
    let head = symvers(&["0x2 a vmlinux EXPORT_SYMBOL", "0x1 b vmlinux EXPORT_SYMBOL"]);
    let impacts = impact(&db, &base, &head);
    assert_eq!(
        outcomes(&impacts),
        [
            ("breaks", "breaks"),
            ("loads", "loads"),
            ("old", "already-refused"),
            ("repaired", "repaired"),
            ("unknown", "unknown"),
        ]
    );
    let symbols: Vec<_> = impacts[2]
        .new_problems()
        .map(|p| p.symbol.as_str())
        .collect();
    assert_eq!(symbols, ["a"]);
}

/// A refused module takes its exports away from the others, however long the chain.
#[test]
fn refusals_spread() {
    let db = database(&[
        ("a.ko", Builder::default().import(7, "b_open")),
        (
            "b.ko",
            Builder::default()
                .import(8, "c_open")
                .export(7, "b_open", false, ""),
        ),
        (
            "c.ko",
            Builder::default()
                .import(1, "kfree")
                .export(8, "c_open", false, ""),
        ),
        ("d.ko", Builder::default().import(1, "kmalloc")),
    ]);
    let base = symvers(&[
        "0x1 kfree vmlinux EXPORT_SYMBOL",
        "0x1 kmalloc vmlinux EXPORT_SYMBOL",
    ]);
    let head = symvers(&[
        "0x2 kfree vmlinux EXPORT_SYMBOL",
        "0x1 kmalloc vmlinux EXPORT_SYMBOL",
    ]);
    let impacts = impact(&db, &base, &head);
    assert_eq!(
        outcomes(&impacts),
        [
            ("a", "breaks"),
            ("b", "breaks"),
            ("c", "breaks"),
            ("d", "loads")
        ]
    );
    let kinds: Vec<_> = impacts
        .iter()
        .flat_map(|i| i.head.iter().map(|p| p.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ProblemKind::NeedsOtherModule,
            ProblemKind::NeedsOtherModule,
            ProblemKind::CrcMismatch
        ]
    );
}

/// A symbol that the kernel had and has no more is missing also for a module with unknown dependencies.
#[test]
fn removed_symbols_are_missing() {
    let db = database(&[(
        "m.ko",
        Builder::default().import(1, "a").modinfo("depends=theirs"),
    )]);
    let base = symvers(&["0x1 a vmlinux EXPORT_SYMBOL", "0x1 b vmlinux EXPORT_SYMBOL"]);
    let head = symvers(&["0x1 b vmlinux EXPORT_SYMBOL"]);
    let impacts = impact(&db, &base, &head);
    assert_eq!(impacts[0].outcome, Outcome::Breaks);
    assert_eq!(
        impacts[0].head[0].sentence,
        "the kernel no longer exports `a`"
    );
}

/// Modules that need one another in a circle are judged and the rounds end.
#[test]
fn circles_end() {
    let db = database(&[
        (
            "a.ko",
            Builder::default().import(1, "b").export(1, "a", false, ""),
        ),
        (
            "b.ko",
            Builder::default()
                .import(1, "a")
                .import(1, "gone")
                .export(1, "b", false, ""),
        ),
    ]);
    let base = symvers(&["0x1 gone vmlinux EXPORT_SYMBOL"]);
    let head = symvers(&["0x1 other vmlinux EXPORT_SYMBOL"]);
    assert_eq!(
        outcomes(&impact(&db, &base, &head)),
        [("a", "breaks"), ("b", "breaks")]
    );
}
