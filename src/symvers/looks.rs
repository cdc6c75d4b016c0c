//! Names the format of a file that was given in place of another, so that an error can say what it got.

/// How much of a file is looked at, in bytes: enough for any header and a few lines.
const WINDOW: usize = 4096;

/// Magics of binary formats that a user may hand over by mistake.
const MAGICS: [(&[u8], &str); 9] = [
    (b"\x7fELF", "an ELF file such as a kernel module or vmlinux"),
    (
        b"!<arch>\n",
        "an ar archive such as a Debian package or a static library",
    ),
    (&[0xed, 0xab, 0xee, 0xdb], "an RPM package"),
    (b"MZ", "a kernel image"),
    (b"PK\x03\x04", "a zip archive"),
    (&[0x1f, 0x8b], "gzip data"),
    (b"\xfd7zXZ\0", "xz data"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd data"),
    (b"BZh", "bzip2 data"),
];

/// The format that these bytes look like, in words that complete "this looks like …"; `None` when unknown.
///
/// Only a window at the start is looked at, and the answer is a hint for error messages, never a decision.
#[must_use]
pub fn looks_like(bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(what);
    }
    let window = bytes.get(..WINDOW).unwrap_or(bytes);
    let window = window.strip_prefix(b"\xef\xbb\xbf").unwrap_or(window);
    let text = String::from_utf8_lossy(window);
    if text.contains('\0') {
        return Some("a binary file");
    }
    let mut lines = text.lines().map(str::trim_end).filter(|l| !l.is_empty());
    let first = lines.next()?;
    comment_header(first).or_else(|| {
        std::iter::once(first)
            .chain(lines)
            .filter(|line| !line.starts_with('#'))
            .find_map(line_kind)
    })
}

/// Formats that announce themselves in a comment on the first line.
fn comment_header(line: &str) -> Option<&'static str> {
    let rest = line.strip_prefix('#')?;
    let (min, max) = rest.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (!min.is_empty() && digits(min) && digits(max))
        .then_some("a per-symbol file of a Red Hat kabi-module folder")
}

/// What a single line gives away.
fn line_kind(line: &str) -> Option<&'static str> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(4).collect();
    let first = *words.first()?;
    if first.starts_with(['{', '"']) || first == "[{" {
        Some("JSON")
    } else if first.starts_with("<?xml") || first.starts_with("<!") || first.starts_with("<html") {
        Some("XML or HTML")
    } else if line.starts_with("diff --git ") || line.starts_with("From ") {
        Some("a patch")
    } else if first.starts_with("CONFIG_") {
        Some("a kernel configuration")
    } else if line.starts_with('[') && line.ends_with(']') {
        Some("a protected list")
    } else if is_type_name(first) {
        Some("a symtypes file")
    } else if let [word, severity] = words[..]
        && (severity.eq_ignore_ascii_case("pass") || severity.eq_ignore_ascii_case("fail"))
        && !word.starts_with("0x")
    {
        Some("a SUSE severities file")
    } else {
        columns_kind(&words)
    }
}

/// `s#name`, `F#"name` and the like: the left side of a symtypes line.
fn is_type_name(word: &str) -> bool {
    let mut chars = word.chars();
    matches!(chars.next(), Some('s' | 'u' | 'e' | 't' | 'E' | 'F'))
        && chars.next() == Some('#')
        && chars.next().is_some()
}

/// Formats told by the shape of their columns.
fn columns_kind(words: &[&str]) -> Option<&'static str> {
    let is_hex = |word: &str| word.bytes().all(|b| b.is_ascii_hexdigit());
    match words {
        [crc, _] if crc.starts_with("0x") => Some("the output of modprobe --dump-modversions"),
        [crc, _, _, ..] if crc.starts_with("0x") => Some("a Module.symvers file"),
        [path, crc, _] if path.ends_with(".ko") && crc.starts_with("0x") => {
            Some("an import list of kabi.pl --extra")
        }
        [address, kind, _, ..]
            if matches!(address.len(), 8 | 16) && is_hex(address) && kind.len() == 1 =>
        {
            Some("a System.map or the output of nm")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each known format is named from a few real first lines.
    #[test]
    fn formats_are_named() {
        let cases: [(&[u8], &str); 13] = [
            (b"\x7fELF\x02", "ELF"),
            (b"!<arch>\ndebian-binary", "Debian"),
            (b"s#device struct device { }\n", "symtypes"),
            (
                b"# Linux\nCONFIG_CC_VERSION_TEXT=\"gcc\"\n",
                "configuration",
            ),
            (b"[rhel9_x86_64_stablelist]\n\tfoo\n", "protected list"),
            (b"drivers/net/* PASS\n", "severities"),
            (b"0x4c9d28b0\tphys_base\n", "dump-modversions"),
            (b"drivers/lpfc.ko 0xc5850110 printk\n", "kabi.pl"),
            (
                b"0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t\n",
                "Module.symvers",
            ),
            (b"ffffffff81000000 T _text\n", "System.map"),
            (b"#1-\n#I:1\n0x1\tx\tvmlinux\tEXPORT_SYMBOL\n", "per-symbol"),
            (b"{\"schema\": 1}\n", "JSON"),
            (b"diff --git a/x b/x\n", "patch"),
        ];
        for (bytes, what) in cases {
            let found = looks_like(bytes).unwrap_or("nothing");
            assert!(found.contains(what), "{what}: {found}");
        }
        assert_eq!(looks_like(b"just words on a line\n"), None);
        assert_eq!(looks_like(b""), None);
    }
}
