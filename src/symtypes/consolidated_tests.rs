use super::*;
use crate::symtypes::reference;
use proptest::prelude::*;
use std::fmt::Write as _;

const SAMPLE: &str = "\
/* a.symtypes */
s##queue
q_depth int q_depth ( s#queue * )

/* b.symtypes */
s#queue struct queue { int depth ; }
t#u32 typedef unsigned int u32
q_init extern int q_init ( s#queue * , t#u32 )

/* c.symtypes */
q_exit void q_exit ( s#queue * )
";

fn queue_text(graph: &TypeGraph, symbol: &str) -> String {
    let (unit, _) = graph.exporter(symbol).unwrap();
    let name = graph.name_id(&reference("s#queue").unwrap()).unwrap();
    graph
        .text(graph.record(unit, name).unwrap().text)
        .to_owned()
}

/// Each section sees its own opaque mark, its own record, or the last record before it.
#[test]
fn sections_resolve_types_as_the_format_says() {
    let graph = TypeGraph::from_consolidated(SAMPLE.as_bytes(), "x").unwrap();
    assert_eq!(queue_text(&graph, "q_depth"), "struct queue { UNKNOWN }");
    assert_eq!(queue_text(&graph, "q_init"), "struct queue { int depth ; }");
    assert_eq!(queue_text(&graph, "q_exit"), "struct queue { int depth ; }");
    assert_eq!(graph.to_consolidated(), SAMPLE);
}

/// CRLF line ends, a missing last line end and trailing blanks do not change what is read.
#[test]
fn tolerant_reading() {
    let graph =
        TypeGraph::from_consolidated(SAMPLE.replace('\n', " \r\n").trim_end().as_bytes(), "x");
    assert!(
        graph.is_err(),
        "a blank behind a section header is no header"
    );
    let text = SAMPLE.replace('\n', "\r\n");
    let graph = TypeGraph::from_consolidated(text.trim_end().as_bytes(), "x").unwrap();
    assert_eq!(graph.to_consolidated(), SAMPLE);
}

/// The older dialect: sections of objects, trailing blanks, and a name alone for the definition before it.
#[test]
fn older_dialect() {
    let text = "\
/* a.o */
s#queue struct queue { int depth ; } 
f int f ( s#queue * ) 

/* b.o */
override s#queue struct queue { UNKNOWN } 
g int g ( s#queue * ) 

/* c.o */
s#queue
h int h ( s#queue * ) 
";
    let graph = TypeGraph::from_consolidated(text.as_bytes(), "x").unwrap();
    assert_eq!(queue_text(&graph, "f"), "struct queue { int depth ; }");
    assert_eq!(queue_text(&graph, "g"), "struct queue { UNKNOWN }");
    assert_eq!(queue_text(&graph, "h"), "struct queue { UNKNOWN }");
    let again = TypeGraph::from_consolidated(graph.to_consolidated().as_bytes(), "x").unwrap();
    for symbol in ["f", "g", "h"] {
        assert_eq!(again.crc(symbol), graph.crc(symbol));
    }
}

/// Quoted names with blanks are one name, an unclosed quote and a name that begins with no letter are errors.
#[test]
fn quoted_and_foreign_names() {
    let text = "/* a.symtypes */\ns#'a b' structure_type 'a b' { }\nf subprogram ( s#'a b' )\n";
    let graph = TypeGraph::from_consolidated(text.as_bytes(), "x").unwrap();
    assert_eq!(graph.to_consolidated(), text);
    assert!(graph.is_dwarf());
    for line in ["s#'a b struct", "\u{e9}t\u{e9} int x"] {
        let text = format!("/* a.symtypes */\n{line}\n");
        assert!(
            TypeGraph::from_consolidated(text.as_bytes(), "x").is_err(),
            "{line}"
        );
    }
}

/// Rejected inputs, each with its exact message.
#[test]
fn rejected_inputs() {
    for (input, message) in [
        ("", "x:1: no section; expected a line `/* path.symtypes */`"),
        (
            "f int f\n/* a.symtypes */\n",
            "x:1: record before the first section; expected `/* path.symtypes */`",
        ),
        (
            "/* a.symtypes */\nf int f ( s#b )",
            "x:2: section a: type s#b is not known",
        ),
        (
            "/* a.symtypes */\nf int f\nf int f",
            "x:3: second record of f; the first stands in line 2",
        ),
        (
            "/* a.symtypes */\ns#a",
            "x:2: record s#a has no text; expected `name tokens`",
        ),
        (
            "/* a.c */\n",
            "x:1: section is no symtypes file; expected `/* path.symtypes */`\nx:1: no section; expected a line `/* path.symtypes */`",
        ),
        (
            "/* a.symtypes */\nt##a\n",
            "x:2: bad opaque type; expected `s##name`, `u##name` or `e##name` alone on the line",
        ),
        (
            "/* a.symtypes */\n\u{e9}\n/* a.symtypes */\n",
            "x:2: bad name `\u{e9}`; expected a symbol or `s#`, `u#`, `e#`, `t#` or `E#` with a name\nx:3: second section of a; expected one section per file",
        ),
    ] {
        let error = TypeGraph::from_consolidated(input.as_bytes(), "x").unwrap_err();
        assert_eq!(error.to_string(), message, "{input:?}");
    }
    let error = TypeGraph::from_consolidated(b"/* a.symtypes */\nf \xff\n", "x").unwrap_err();
    assert_eq!(error.to_string(), "x:2: not UTF-8");
}

/// A text that only ends like that of an opaque type is an ordinary one, also where no export refers to it.
#[test]
fn nearly_opaque() {
    let object = b"u#q uni!n q { UNKNOWN }\nx extern u!q x\n";
    let written = TypeGraph::read(object, "a").unwrap().to_consolidated();
    let text = "/* a.symtypes */\nu#q uni!n q { UNKNOWN }\nx extern u!q x\n";
    assert_eq!(written, text);
    let again = TypeGraph::from_consolidated(text.as_bytes(), "a").unwrap();
    assert_eq!(again.to_consolidated(), text);
}

proptest! {
    /// Any bytes give a graph or an error.
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = TypeGraph::from_consolidated(&bytes, "x");
    }

    /// Writing what was read and reading it again changes nothing, in each of the forms.
    #[test]
    fn round_trip(texts in proptest::collection::vec(("[a-c]", 0_u8..3, "[a-c]", proptest::bool::ANY), 1..12)) {
        let mut input = String::new();
        for (section, (name, variant, other, opaque)) in texts.iter().enumerate() {
            let _ = writeln!(input, "/* {section:02}.symtypes */");
            for record in ["a", "b", "c"] {
                if *opaque && record == name {
                    let _ = writeln!(input, "s##{record}");
                } else {
                    let _ = writeln!(input, "s#{record} struct {record} {{ int v{variant} ; s#{other} * p ; }}");
                }
            }
            let _ = writeln!(input, "f{section} int f{section} ( s#{name} , s#{other} )");
        }
        let graph = TypeGraph::from_consolidated(input.as_bytes(), "x").unwrap();
        let written = graph.to_consolidated();
        let again = TypeGraph::from_consolidated(written.as_bytes(), "x").unwrap();
        prop_assert_eq!(again.to_consolidated(), written);
        let combined = graph.to_combined();
        let again = TypeGraph::from_combined(combined.as_bytes(), "x").unwrap();
        prop_assert_eq!(again.to_combined(), combined);
        for section in 0..texts.len() {
            let symbol = format!("f{section}");
            prop_assert_eq!(graph.crc(&symbol), again.crc(&symbol));
        }
        for (path, unit) in graph.units() {
            let object = graph.to_object(unit);
            let again = TypeGraph::from_object(object.as_bytes(), path, "x").unwrap();
            prop_assert_eq!(again.to_object(again.unit(path).unwrap()), object);
        }
        for section in 0..texts.len() {
            let symbol = format!("f{section}");
            prop_assert_eq!(graph.crc(&symbol), again.crc(&symbol));
        }
    }
}
