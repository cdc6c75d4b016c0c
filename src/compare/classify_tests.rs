use super::*;
use crate::symtypes::reference;

fn of(name: &str, base: &str, head: &str) -> (CauseClass, Vec<DefinitionChange>) {
    let aliases = |name: &str| match name {
        "u32" => Some("typedef unsigned int u32".to_owned()),
        "__u32" => Some("typedef unsigned int __u32".to_owned()),
        "u64" => Some("typedef unsigned long long u64".to_owned()),
        _ => None,
    };
    let name = reference(name).unwrap_or_else(|| TypeName {
        kind: TypeKind::Symbol,
        name: name.to_owned(),
    });
    classify(&name, base, head, &aliases, &aliases)
}

/// The table holds the classes in the order of the enum.
#[test]
fn the_table_is_the_enum() {
    for (index, class) in CauseClass::all().enumerate() {
        assert_eq!(class as usize, index);
    }
    assert_eq!(CauseClass::Definition as usize + 1, TABLE.len());
}

/// Each kind of change of a definition has its class; the wrapper names it and its texts on both sides.
#[test]
fn classes_of_definitions() {
    use CauseClass as C;
    let table: &[(&str, &str, &str, CauseClass)] = &[
        (
            "s#s",
            "struct s { int a ; }",
            "struct s { long a ; }",
            C::Layout,
        ),
        (
            "s#s",
            "struct s { int a ; }",
            "struct s { int a ; int b ; }",
            C::Layout,
        ),
        (
            "s#s",
            "struct s { int a ; int b ; }",
            "struct s { int b ; int a ; }",
            C::Layout,
        ),
        (
            "s#s",
            "struct s { int a [ 16 ] ; }",
            "struct s { int a [ 32 ] ; }",
            C::Layout,
        ),
        (
            "s#s",
            "struct s { int a : 1 ; }",
            "struct s { int a : 2 ; }",
            C::Layout,
        ),
        (
            "s#s",
            "struct s { int a ; }",
            "struct s { int b ; }",
            C::CrcOnly,
        ),
        (
            "s#s",
            "struct s { t#u32 a ; }",
            "struct s { t#__u32 a ; }",
            C::CrcOnly,
        ),
        (
            "s#s",
            "struct s { t#u32 a ; }",
            "struct s { unsigned a ; }",
            C::CrcOnly,
        ),
        (
            "s#s",
            "struct s { t#u32 a ; }",
            "struct s { t#u64 a ; }",
            C::Layout,
        ),
        (
            "s#s",
            "struct s { int a [ 16 ] ; }",
            "struct s { int a [ 0x10 ] ; }",
            C::CrcOnly,
        ),
        (
            "s#s",
            "struct s { int a ; }",
            "struct s { int a __attribute__ ( ( aligned ( 8 ) ) ) ; }",
            C::Attribute,
        ),
        (
            "s#s",
            "struct s { int a ; t#u64 kabi_reserved1 ; }",
            "struct s { int a ; t#u64 flags ; }",
            C::SlotUsed,
        ),
        (
            "s#s",
            "struct s { int a ; }",
            "struct s { UNKNOWN }",
            C::Visibility,
        ),
        (
            "s#s",
            "struct s { int a ; union { int b ; long c ; } ; }",
            "struct s { int a ; union { int b ; char c ; } ; }",
            C::Layout,
        ),
        (
            "e#e",
            "enum e { A , B }",
            "enum e { A , B , C }",
            C::EnumAppended,
        ),
        (
            "e#e",
            "enum e { A , B }",
            "enum e { A , X , B }",
            C::EnumShifted,
        ),
        ("e#e", "enum e { A , B }", "enum e { A }", C::EnumShifted),
        ("e#e", "enum e { A , B }", "enum e { A , C }", C::CrcOnly),
        (
            "e#e",
            "enum e { A , B }",
            "enum e { A = 0 , B = 1 }",
            C::CrcOnly,
        ),
        (
            "e#e",
            "enum e { A = 1 , B }",
            "enum e { A = 2 , B }",
            C::EnumShifted,
        ),
        ("E#B", "( 1 ) + 1", "( 1 ) + 2", C::EnumShifted),
        ("t#t", "typedef int t", "typedef long t", C::Layout),
        (
            "t#t",
            "typedef t#u32 t",
            "typedef unsigned int t",
            C::CrcOnly,
        ),
        (
            "t#t",
            "typedef int ( * t ) ( int )",
            "typedef int ( * t ) ( long )",
            C::Prototype,
        ),
        (
            "t#t",
            "typedef struct { int counter ; } t",
            "typedef struct { long counter ; } t",
            C::Layout,
        ),
        ("f", "int f ( int )", "int f ( long )", C::Prototype),
        ("f", "int f ( int )", "int f ( const int )", C::CrcOnly),
        (
            "f",
            "int f ( int * )",
            "int f ( const int * )",
            C::Prototype,
        ),
        ("f", "int f ( int * )", "int f ( int * const )", C::CrcOnly),
        ("f", "int f ( int )", "void f ( int )", C::Prototype),
        ("v", "int v", "long v", C::Prototype),
        ("t#t", "", "typedef long t", C::Undefined),
    ];
    for (name, base, head, class) in table {
        assert_eq!(of(name, base, head).0, *class, "{base} -> {head}");
    }
}

/// What changed is told member by member, with the paths of inline structs.
#[test]
fn changes_of_members() {
    let said = |base: &str, head: &str| -> Vec<String> {
        let changes = of("s#s", base, head).1.into_iter();
        changes
            .map(|change| match change {
                DefinitionChange::Added { path, new } => format!("+{path}: {new}"),
                DefinitionChange::Removed { path, old } => format!("-{path}: {old}"),
                DefinitionChange::Changed { path, old, new } => format!("{path}: {old} -> {new}"),
                DefinitionChange::Moved { path } => format!("~{path}"),
                DefinitionChange::Renamed { old, new, .. } => format!("{old} => {new}"),
                DefinitionChange::SlotUsed { path, old, new } => format!("!{path}: {old} -> {new}"),
            })
            .collect()
    };
    assert_eq!(
        said(
            "struct s { int a ; s#q * q ; }",
            "struct s { int a ; t#u32 link_flaps ; s#q * q ; }"
        ),
        ["+link_flaps: u32 link_flaps"]
    );
    assert_eq!(
        said(
            "struct s { struct { int x ; } in ; union { int b ; long c ; } ; }",
            "struct s { struct { int x ; int y ; } in ; union { int b ; } ; }"
        ),
        ["+in.y: int y", "-<anon 1>.c: long c"]
    );
    assert_eq!(
        said(
            "struct s { int ( * open ) ( s#d * ) ; int a , * b ; }",
            "struct s { int ( * open ) ( s#d * , int ) ; int a , * * b ; }"
        ),
        [
            "open: int (*open)(struct d *) -> int (*open)(struct d *, int)",
            "b: int *b -> int **b"
        ]
    );
    assert_eq!(
        said(
            "struct s { int a ; int b ; int c ; }",
            "struct s { int b ; int c ; int a ; }"
        ),
        ["~a"]
    );
    assert_eq!(
        said(
            "struct s { int a ; t#u64 rh_reserved1 ; int z ; }",
            "struct s { int a ; union { t#u64 flags ; struct { t#u64 rh_reserved1 ; } ; } ; int z ; }"
        ),
        ["!rh_reserved1: u64 rh_reserved1 -> u64 flags"]
    );
}

/// Deep nesting, unbalanced braces and huge lists end without a panic.
#[test]
fn hostile_definitions() {
    let deep = format!(
        "struct s {{ {} int a ; {} }}",
        "struct { ".repeat(5000),
        "} ; ".repeat(5000)
    );
    let wide = format!("struct s {{ {} }}", "int a ; ".repeat(30_000));
    for text in [
        deep.as_str(),
        wide.as_str(),
        "struct s { { { ; } ( }",
        "struct s { } } ;",
        "enum e { , , = }",
        "struct s { __attribute__ ( ( ; }",
        "struct s { union { ; } ; * ; : 3 ; [ ] }",
    ] {
        let _ = of("s#s", text, "struct s { int a ; }");
        let _ = of("s#s", "struct s { int a ; }", text);
        let _ = of("f", text, "int f ( , ( )");
    }
}
