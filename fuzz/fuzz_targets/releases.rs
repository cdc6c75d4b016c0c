//! Any two texts as releases: the order is total.

#![no_main]

use kabigate::modules::weak_updates::compare;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pair: (String, String)| {
    let (one, other) = pair;
    assert_eq!(compare(&one, &other), compare(&other, &one).reverse());
});
