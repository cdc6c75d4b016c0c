//! Any bytes as a Module.symvers; what is accepted reads back from what is written of it.

#![no_main]

use kabigate::symvers::Symvers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = Symvers::read(bytes, "fuzz") else {
        return;
    };
    let written = read.symvers.write();
    let again = Symvers::read(written.as_bytes(), "written").expect("what was written is readable");
    assert_eq!(again.symvers.write(), written);
});
