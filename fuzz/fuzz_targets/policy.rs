//! Any bytes as rules, approvals, allowed breaks and deny lists, and any text as a source that hides something.

#![no_main]

use kabigate::hidden::{Macros, lint, slots};
use kabigate::policy::{AllowedBreaks, Approvals, DenyList, RuleContext, RuleFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["fuzz", "fuzz.toml"] {
        let _ = RuleFile::read(bytes, name, &RuleContext::default());
    }
    let _ = Approvals::read(bytes, "fuzz");
    let _ = AllowedBreaks::read(bytes, "fuzz");
    let _ = DenyList::read(bytes, "fuzz");
    let text = String::from_utf8_lossy(bytes);
    let mut macros = Macros::default();
    macros.learn(&text);
    let _ = lint("", &text, &macros);
    let _ = slots(&text, &macros);
});
