//! Any bytes as symtypes of any form; what is accepted reads back from what is written of it, and every symbol in it has a
//! CRC or a reason why not.

#![no_main]

use kabigate::symtypes::{TypeGraph, TypeKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(graph) = TypeGraph::read(bytes, "fuzz") else {
        return;
    };
    let written = graph.to_consolidated();
    let again = TypeGraph::from_consolidated(written.as_bytes(), "written")
        .expect("what was written is readable");
    assert_eq!(again.to_consolidated(), written);
    for (_, unit) in graph.units() {
        for record in graph.records(unit) {
            let name = graph.name(record.name);
            if name.kind == TypeKind::Symbol {
                let _ = graph.crc(name.name);
            }
        }
    }
});
