//! Any bytes as a module database; what is accepted reads back from what is written of it.

#![no_main]

use kabigate::modules::Database;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(database) = Database::read(bytes, "fuzz") else {
        return;
    };
    let written = database.write().expect("a database is expressible");
    let again =
        Database::read(written.as_bytes(), "written").expect("what was written is readable");
    assert_eq!(again.write().expect("a database is expressible"), written);
});
