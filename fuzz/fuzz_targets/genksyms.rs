//! Any bytes as a preprocessed unit, under the two grammars that supported trees have.

#![no_main]

use kabigate::cpp::TextTokens;
use kabigate::genksyms::{Profile, analyse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|unit: &[u8]| {
    for profile in [Profile::P4, Profile::P5] {
        let _ = analyse(&mut TextTokens::new(unit), &profile);
    }
});
