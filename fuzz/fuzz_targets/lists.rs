//! Any bytes as a protected list.

#![no_main]

use kabigate::policy::ProtectedList;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ProtectedList::read(bytes, "fuzz");
});
