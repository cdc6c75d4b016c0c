//! Any bytes as a Debian package, an RPM package, a tar archive or one of them packed.

#![no_main]

use kabigate::modules::scan_bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let contents = scan_bytes(bytes, "fuzz");
    assert!(
        !contents.modules.is_empty() || !contents.sources.is_empty() || !contents.problems.is_empty(),
        "nothing is skipped in silence"
    );
});
