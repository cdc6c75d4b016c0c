//! Any bytes as a stored report; what is accepted renders in every format and reads back equal.

#![no_main]

use kabigate::report::{Format, Options, json, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(report) = json::read(bytes, "fuzz") else {
        return;
    };
    for (format, _) in Format::ALL {
        let _ = render(&report, *format, &Options::default());
    }
    let again = json::read(json::render(&report).as_bytes(), "written")
        .expect("what was written is readable");
    assert_eq!(again, report);
});
