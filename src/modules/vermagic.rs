//! The version magic of modules and kernels: `RELEASE FLAG FLAG ... ` (`include/linux/vermagic.h`).
//!
//! A module with `__versions` may come from another release, but its flags must be the kernel's, byte for byte. In
//! a module with extended version records only, the kernel compares the release too (6.16, `same_magic`).

use super::module::{Module, Origin, VersionSections};

/// The release at the start of a version magic.
#[must_use]
pub fn release(vermagic: &str) -> &str {
    vermagic.split(' ').next().unwrap_or_default()
}

/// The flags behind the release, with the blank before them.
fn flags(vermagic: &str) -> &str {
    vermagic.get(release(vermagic).len()..).unwrap_or_default()
}

/// What the loader finds when it compares the version magic of a module with the kernel's; `None` if it agrees.
pub(super) fn differs(module: &Module, kernel: &str) -> Option<String> {
    if module.origin != Origin::Module {
        return None;
    }
    let Some(own) = module.vermagic.as_deref() else {
        return Some("the module has no version magic, so it can only be forced".to_owned());
    };
    let skips_release = matches!(
        module.version_sections,
        VersionSections::Basic | VersionSections::Both
    );
    if !skips_release && release(own) != release(kernel) {
        return Some(format!(
            "the module was built for release {} and has no section __versions that would let it load into {}",
            release(own),
            release(kernel)
        ));
    }
    if flags(own) == flags(kernel) {
        return None;
    }
    let (module_only, kernel_only) = (only(own, kernel), only(kernel, own));
    let side = |who: &str, words: &[&str]| {
        (!words.is_empty()).then(|| format!("only {who} has `{}`", words.join(" ")))
    };
    let sides: Vec<String> = [
        side("the module", &module_only),
        side("the kernel", &kernel_only),
    ]
    .into_iter()
    .flatten()
    .collect();
    let what = if sides.is_empty() {
        format!("`{}` and `{}`", flags(own), flags(kernel))
    } else {
        sides.join(", ")
    };
    Some(format!("the flags of the version magic differ: {what}"))
}

/// Flags of one side that the other lacks.
fn only<'a>(one: &'a str, other: &str) -> Vec<&'a str> {
    let words = flags(one).split_ascii_whitespace();
    words
        .filter(|word| !flags(other).split_ascii_whitespace().any(|o| o == *word))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Builder;
    use super::*;

    fn module(builder: &Builder) -> Module {
        Module::read(&builder.build(), "m.ko").expect("valid")
    }

    const KERNEL: &str = "6.1.0-50-amd64 SMP preempt mod_unload modversions ";

    /// Another release is fine where `__versions` is, and nowhere else; other flags never are.
    #[test]
    fn flags_must_agree() {
        let with = |magic: &str| Builder::default().modinfo(&format!("vermagic={magic}"));
        let same = "6.1.0-47-amd64 SMP preempt mod_unload modversions ";
        assert_eq!(differs(&module(&with(same).import(1, "a")), KERNEL), None);
        let extended = module(&with(same).undefined("a").extended(1, "a"));
        let found = differs(&extended, KERNEL).expect("the release counts");
        assert!(
            found.contains("built for release 6.1.0-47-amd64"),
            "{found}"
        );
        let other =
            module(&with("6.1.0-50-amd64 SMP mod_unload modversions RANDSTRUCT_1 ").import(1, "a"));
        assert_eq!(
            differs(&other, KERNEL).as_deref(),
            Some(
                "the flags of the version magic differ: only the module has `RANDSTRUCT_1`, only the kernel has `preempt`"
            )
        );
        let blank =
            module(&with("6.1.0-50-amd64 SMP preempt mod_unload modversions").import(1, "a"));
        assert!(
            differs(&blank, KERNEL).is_some(),
            "the loader compares bytes"
        );
        assert!(differs(&module(&Builder::default()), KERNEL).is_some());
    }
}
