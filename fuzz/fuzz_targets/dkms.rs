//! Any text as a `dkms.conf`.

#![no_main]

use kabigate::modules::DkmsConf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = DkmsConf::read(&String::from_utf8_lossy(bytes));
});
