//! Architectures as section headers of protected lists and as kernels and compilers spell them.

/// An architecture's family and, where a spelling says it, the variant within the family.
type Arch = (&'static str, Option<&'static str>);

/// Spellings of `uname -m`, package managers and the kernel's `arch/` folders. Longer ones stand before their
/// suffixes.
const SPELLINGS: [(&str, Arch); 26] = [
    ("x86_64", ("x86", Some("64"))),
    ("amd64", ("x86", Some("64"))),
    ("i386", ("x86", Some("32"))),
    ("i586", ("x86", Some("32"))),
    ("i686", ("x86", Some("32"))),
    ("x86", ("x86", None)),
    ("aarch64", ("arm64", None)),
    ("arm64", ("arm64", None)),
    ("armv7hl", ("arm", None)),
    ("armhf", ("arm", None)),
    ("arm", ("arm", None)),
    ("ppc64le", ("powerpc", Some("64le"))),
    ("ppc64el", ("powerpc", Some("64le"))),
    ("ppc64", ("powerpc", Some("64"))),
    ("ppc", ("powerpc", Some("32"))),
    ("powerpc", ("powerpc", None)),
    ("s390x", ("s390", None)),
    ("s390", ("s390", None)),
    ("riscv64", ("riscv", Some("64"))),
    ("riscv", ("riscv", None)),
    ("loongarch64", ("loongarch", Some("64"))),
    ("loongarch", ("loongarch", None)),
    ("ia64", ("ia64", None)),
    ("mips64", ("mips", Some("64"))),
    ("mips", ("mips", None)),
    ("sw_64", ("sw_64", None)),
];

/// The architecture that the name of a list section ends in, such as `x86_64` of `rhel9_x86_64_stablelist`.
pub(super) fn of_section(name: &str) -> Option<&'static str> {
    let stem = name
        .strip_suffix("list")?
        .trim_end_matches(|c: char| c.is_ascii_lowercase());
    let stem = stem.strip_suffix('_')?;
    SPELLINGS
        .iter()
        .map(|(spelling, _)| *spelling)
        .find(|spelling| {
            stem.strip_suffix(spelling)
                .is_some_and(|before| before.is_empty() || before.ends_with('_'))
        })
}

/// Whether two spellings can mean the same architecture; spellings that are not known only equal themselves.
pub(super) fn agree(one: &str, other: &str) -> bool {
    let known = |word: &str| {
        SPELLINGS
            .iter()
            .find(|(spelling, _)| *spelling == word)
            .map(|(_, arch)| *arch)
    };
    match (known(one), known(other)) {
        (Some((family, variant)), Some((other_family, other_variant))) => {
            family == other_family
                && (variant == other_variant || variant.is_none() || other_variant.is_none())
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The headers of real lists give their architecture, or none.
    #[test]
    fn headers_name_their_architecture() {
        for (header, arch) in [
            ("rhel9_x86_64_stablelist", Some("x86_64")),
            ("rhel8_ppc64le_whitelist", Some("ppc64le")),
            ("ol10_x86_64_whitelist", Some("x86_64")),
            ("deepin66_x86_64_stablelist", Some("x86_64")),
            ("_aarch64_whitelist", Some("aarch64")),
            ("rhel9_s390x_stablelist", Some("s390x")),
            ("abi_symbol_list", None),
            ("abi_whitelist", None),
            ("intel-ixgbe", None),
            ("list", None),
        ] {
            assert_eq!(of_section(header), arch, "{header}");
        }
    }

    /// Spellings of one architecture agree, and a family agrees with each of its variants.
    #[test]
    fn spellings_agree() {
        assert!(agree("x86_64", "amd64"));
        assert!(agree("x86", "x86_64"));
        assert!(agree("aarch64", "arm64"));
        assert!(agree("powerpc", "ppc64le"));
        assert!(agree("odd", "odd"));
        assert!(!agree("i686", "x86_64"));
        assert!(!agree("x86_64", "aarch64"));
        assert!(!agree("ppc64", "ppc64le"));
        assert!(!agree("odd", "x86"));
    }
}
