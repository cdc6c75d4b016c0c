//! Any bytes as a kernel module.

#![no_main]

use kabigate::modules::Module;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Module::read(bytes, "fuzz.ko");
});
