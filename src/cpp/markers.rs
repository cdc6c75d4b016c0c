//! Export sites in preprocessed text.
//!
//! In flows text that was preprocessed through the header of `overlay`, out flows the text as it is without that header,
//! and what each marker said.

use memchr::memmem;

use super::ExportSite;
use super::overlay::MARKER;

/// Export keywords that old kernels leave in the text, and the section suffix that tells their class.
const TEXTUAL: [(&str, &str); 7] = [
    ("EXPORT_SYMBOL", ""),
    ("EXPORT_SYMBOL_GPL", "_gpl"),
    ("EXPORT_SYMBOL_GPL_FUTURE", "_gpl_future"),
    ("EXPORT_UNUSED_SYMBOL", "_unused"),
    ("EXPORT_UNUSED_SYMBOL_GPL", "_unused_gpl"),
    ("EXPORT_SYMBOL_NS", ""),
    ("EXPORT_SYMBOL_NS_GPL", "_gpl"),
];

impl ExportSite {
    /// Whether the licence argument selects the GPL-only class: `GPL` since 6.3, a section suffix such as `_gpl` before.
    #[must_use]
    pub fn is_gpl_only(&self) -> bool {
        matches!(self.license.as_str(), "GPL" | "_gpl" | "_unused_gpl")
    }
}

/// Where the instrumented header lies, and under which name the tree's own header would have been read.
pub(super) struct HeaderPath<'a> {
    /// Path in the overlay.
    pub(super) overlay: &'a [u8],
    /// Path in the tree.
    pub(super) tree: &'a [u8],
}

/// Cuts all markers out of `text` and maps the header's path in line markers back to the tree.
///
/// One blank before a marker goes with it: the macro's body puts it there. Cost is one pass over the text.
///
/// # Errors
/// The byte offset of a marker that is not a call with a symbol and at most two more arguments.
pub(super) fn cut(
    text: Vec<u8>,
    header: &HeaderPath<'_>,
) -> Result<(Vec<u8>, Vec<ExportSite>), usize> {
    let edits = edits(&text, header)?;
    if edits.is_empty() {
        return Ok((text, Vec::new()));
    }
    let mut clean = Vec::with_capacity(text.len());
    let mut sites = Vec::new();
    let mut done = 0;
    for edit in edits {
        clean.extend_from_slice(text.get(done..edit.start).unwrap_or_default());
        match edit.site {
            Some(site) => sites.push(site),
            None => clean.extend_from_slice(header.tree),
        }
        done = edit.end;
    }
    clean.extend_from_slice(text.get(done..).unwrap_or_default());
    Ok((clean, sites))
}

/// A stretch of the text to drop (with what it said) or to replace by the header's path in the tree.
struct Edit {
    start: usize,
    end: usize,
    site: Option<ExportSite>,
}

fn edits(text: &[u8], header: &HeaderPath<'_>) -> Result<Vec<Edit>, usize> {
    let mut edits = Vec::new();
    for at in memmem::find_iter(text, MARKER) {
        let (site, end) = site_at(text, at + MARKER.len()).ok_or(at)?;
        let blank = at > 0 && text.get(at - 1) == Some(&b' ');
        edits.push(Edit {
            start: at - usize::from(blank),
            end,
            site: Some(site),
        });
    }
    for at in memmem::find_iter(text, header.overlay) {
        if in_line_marker(text, at) {
            edits.push(Edit {
                start: at,
                end: at + header.overlay.len(),
                site: None,
            });
        }
    }
    edits.sort_unstable_by_key(|edit| edit.start);
    Ok(edits)
}

/// Whether the offset stands on a line that starts with `#`.
fn in_line_marker(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    text.get(start) == Some(&b'#')
}

/// Reads `(symbol, licence, namespace)` after a marker's name.
fn site_at(text: &[u8], at: usize) -> Option<(ExportSite, usize)> {
    let (arguments, end) = arguments(text, at)?;
    let mut arguments = arguments.into_iter();
    let site = ExportSite {
        symbol: arguments.next().filter(|symbol| !symbol.is_empty())?,
        license: arguments.next().unwrap_or_default(),
        namespace: arguments.next().unwrap_or_default(),
    };
    arguments.next().is_none().then_some((site, end))
}

/// Splits a parenthesised argument list; string literals give their content and join, other tokens their spelling.
/// Also returns the offset after the closing parenthesis.
fn arguments(text: &[u8], at: usize) -> Option<(Vec<String>, usize)> {
    let rest = text.get(at..)?;
    let mut bytes = rest.iter().copied().enumerate().peekable();
    while bytes
        .next_if(|(_, byte)| byte.is_ascii_whitespace())
        .is_some()
    {}
    bytes.next_if(|(_, byte)| *byte == b'(')?;
    let mut arguments = Vec::new();
    let mut current = Vec::new();
    let mut depth = 0_u32;
    while let Some((offset, byte)) = bytes.next() {
        match byte {
            b'"' => loop {
                match bytes.next()?.1 {
                    b'"' => break,
                    b'\\' => current.push(bytes.next()?.1),
                    other => current.push(other),
                }
            },
            b')' if depth == 0 => {
                arguments.push(String::from_utf8_lossy(&current).into_owned());
                return Some((arguments, at + offset + 1));
            }
            b',' if depth == 0 => {
                arguments.push(String::from_utf8_lossy(&current).into_owned());
                current.clear();
            }
            b' ' | b'\t' | b'\n' => {}
            other => {
                depth = match other {
                    b'(' => depth.checked_add(1)?,
                    b')' => depth - 1,
                    _ => depth,
                };
                current.push(other);
            }
        }
    }
    None
}

/// The exports of a text in which `EXPORT_SYMBOL...` itself is what genksyms reads.
pub(super) fn textual(text: &[u8]) -> Vec<ExportSite> {
    let mut sites = Vec::new();
    for at in memmem::find_iter(text, b"EXPORT_") {
        if at > 0 && text.get(at - 1).is_some_and(|&byte| is_word(byte)) {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|&byte| !is_word(byte))
            .unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let known = TEXTUAL.iter().find(|(name, _)| name.as_bytes() == word);
        let Some((_, license)) = known else { continue };
        let Some((mut arguments, _)) = arguments(text, at + end) else {
            continue;
        };
        let namespace = if arguments.len() > 1 {
            arguments.remove(1)
        } else {
            String::new()
        };
        let symbol = arguments.into_iter().next().unwrap_or_default();
        sites.push(ExportSite {
            symbol,
            license: (*license).to_owned(),
            namespace,
        });
    }
    sites
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: HeaderPath<'static> = HeaderPath {
        overlay: b"/w/overlay/linux/export.h",
        tree: b"/s/include/linux/export.h",
    };

    fn site(symbol: &str, license: &str, namespace: &str) -> ExportSite {
        ExportSite {
            symbol: symbol.to_owned(),
            license: license.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// Checks that markers vanish, that their arguments are read, and that only line markers are mapped.
    #[test]
    fn cuts_markers_and_maps_the_header() {
        let text = b"# 1 \"/w/overlay/linux/export.h\" 1\nchar *p = \"/w/overlay/linux/export.h\";\n\
            __GENKSYMS_EXPORT_SYMBOL(a) __kabigate_export_site(a, \"\", \"\");\n\
            __GENKSYMS_EXPORT_SYMBOL(b) __kabigate_export_site(b, \"_gpl\", \"USB_\" \"STORAGE\");\n\
            __GENKSYMS_EXPORT_SYMBOL(c) __kabigate_export_site(c, \"GPL\", \"module:\" \"kvm,kvm-intel\"); int x;\n";
        let (clean, sites) = cut(text.to_vec(), &HEADER).expect("markers read");
        let want = "# 1 \"/s/include/linux/export.h\" 1\nchar *p = \"/w/overlay/linux/export.h\";\n\
            __GENKSYMS_EXPORT_SYMBOL(a);\n__GENKSYMS_EXPORT_SYMBOL(b);\n__GENKSYMS_EXPORT_SYMBOL(c); int x;\n";
        assert_eq!(String::from_utf8_lossy(&clean), want);
        let gpl: Vec<bool> = sites.iter().map(ExportSite::is_gpl_only).collect();
        assert_eq!(
            sites,
            [
                site("a", "", ""),
                site("b", "_gpl", "USB_STORAGE"),
                site("c", "GPL", "module:kvm,kvm-intel")
            ]
        );
        assert_eq!(gpl, [false, true, true]);
    }

    /// Checks that text without markers comes back as it was.
    #[test]
    fn leaves_other_text_alone() {
        let text = b"int a;\n# 2 \"x.c\"\n".to_vec();
        assert_eq!(cut(text.clone(), &HEADER), Ok((text, Vec::new())));
    }

    /// Checks that a marker that is cut off or has too many arguments is refused with its place.
    #[test]
    fn refuses_broken_markers() {
        for text in [
            "x __kabigate_export_site",
            "x __kabigate_export_site(a, \"",
            "x __kabigate_export_site(a,b,c,d)",
            "x __kabigate_export_site()",
        ] {
            assert_eq!(cut(text.as_bytes().to_vec(), &HEADER), Err(2), "{text}");
        }
    }

    /// Checks the keywords that kernels before 5.5 leave in the text.
    #[test]
    fn reads_textual_exports() {
        let text = b"int a; EXPORT_SYMBOL(a); EXPORT_SYMBOL_GPL ( b ) ; XEXPORT_SYMBOL(c) EXPORT_SYMBOL_NS_GPL(d, NS); EXPORT_OTHER(e)";
        assert_eq!(
            textual(text),
            [
                site("a", "", ""),
                site("b", "_gpl", ""),
                site("d", "_gpl", "NS")
            ]
        );
    }
}
