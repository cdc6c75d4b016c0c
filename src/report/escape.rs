//! Escapes for strangers' text, one function per target.
//!
//! Symbols, type texts, commit subjects, paths and compiler messages come from whoever wrote the patch. Each
//! function returns text that its target shows and never obeys:
//!
//! | target | function | source of the rules |
//! |---|---|---|
//! | terminal and CI log | [`terminal`] | ECMA-48, Unicode bidirectional algorithm, GitHub's log commands |
//! | Markdown prose, code span, table cell, block | [`markdown`], [`markdown_code`], [`markdown_cell`], [`markdown_block`] | CommonMark, GitHub Flavored Markdown |
//! | XML text and attribute | [`xml_text`], [`xml_attribute`] | XML 1.0, section 2.2 and 3.3.3 |
//! | workflow command | [`command_message`], [`command_property`] | GitHub's workflow command syntax |
//! | HTML text, before the template engine escapes it | [`html_text`] | Unicode bidirectional algorithm |
//! | JSON document | [`json_document`] | RFC 8259, section 7 |
//! | SARIF message and address | [`sarif_message`], [`uri_path`] | SARIF 2.1.0, sections 3.11.5 and 3.11.6; RFC 3986 |
//! | TOML string | [`toml_string`] | TOML 1.0, basic strings |

use std::fmt::Write as _;

/// Whether a reader could obey the character instead of showing it, or show nothing for it.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Spells hidden characters as `\u{…}`, except those in `keep`.
fn visible(text: &str, keep: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) && !keep.contains(&c) {
            push_escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    out
}

fn push_escape(out: &mut String, c: char) {
    // Writing into a String cannot fail.
    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
}

/// A basic string of TOML, quotes included: what is hidden is spelled as `\u` escapes, so that it reads back as it was.
#[must_use]
pub fn toml_string(text: &str) -> String {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        return format!("\"{text}\"");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_hidden(c) => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Cuts `text` after `max` characters and says how many are missing.
#[must_use]
pub fn clip(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => {
            let (kept, rest) = text.split_at(end);
            format!("{kept}… ({} more characters)", rest.chars().count())
        }
    }
}

/// One line for a terminal or a CI log: controls and bidirectional marks become visible, and what a GitHub log
/// takes for a command is broken. TAB stays.
#[must_use]
pub fn terminal(text: &str) -> String {
    let text = visible(text, &['\t']).replace("##[", "#\\u{23}[");
    match text.trim_start().strip_prefix("::") {
        Some(rest) => {
            let blanks: String = text.chars().take_while(|c| c.is_whitespace()).collect();
            format!("{blanks}\\u{{3a}}:{rest}")
        }
        None => text,
    }
}

/// Prose in Markdown: one line in which no markup, mention, reference or address comes alive. White space at
/// the ends is dropped.
///
/// A zero-width space parts what GitHub links after rendering, where a backslash no longer helps: mentions,
/// issue numbers, addresses.
#[must_use]
pub fn markdown(text: &str) -> String {
    const GAP: &str = "&#8203;";
    let text = visible(text.trim(), &['\n', '\t']);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    // Only digits so far: a dot or a bracket would make it the number of a list.
    let mut numbering = true;
    let (mut before, mut before_that) = (' ', ' ');
    let mut chars = text.chars().peekable();
    let mut first = true;
    while let Some(c) = chars.next() {
        let after = chars.peek().copied();
        let opens_block = match c {
            '-' | '+' | '=' => first,
            '.' | ')' => numbering,
            _ => false,
        };
        if opens_block || is_markup(c) {
            out.push('\\');
        }
        out.push(if c == '\n' || c == '\t' { ' ' } else { c });
        let linked = match c {
            '@' | '#' => true,
            ':' => after == Some('/'),
            '.' => matches!(before, 'w' | 'W'),
            '-' => {
                matches!((before_that, before), ('g' | 'G', 'h' | 'H'))
                    && after.is_some_and(|c| c.is_ascii_digit())
            }
            _ => false,
        };
        if linked {
            out.push_str(GAP);
        }
        first = false;
        numbering &= c.is_ascii_digit();
        (before_that, before) = (before, c);
    }
    out
}

/// Whether the character can mean something anywhere in a line of Markdown.
fn is_markup(c: char) -> bool {
    matches!(
        c,
        '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '@' | '#' | '|' | '~' | '$' | '!'
    )
}

/// A code span in Markdown, on one line.
#[must_use]
pub fn markdown_code(text: &str) -> String {
    let text = visible(text, &['\t']).replace('\t', " ");
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let fence = "`".repeat(longest_run(&text, '`') + 1);
    let edge = |c: Option<char>| matches!(c, Some('`' | ' '));
    let blank = text.chars().all(|c| c == ' ');
    let pad = if !blank && (edge(text.chars().next()) || edge(text.chars().next_back())) {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A code span in a cell of a Markdown table.
///
/// A table splits its rows before it looks for code spans, so `|` needs a backslash even there. A backslash of
/// the text in front of one would turn that into an escaped backslash, so it is spelled out.
#[must_use]
pub fn markdown_cell(text: &str) -> String {
    let text = text.replace("\\|", "\\u{5c}|");
    markdown_code(&text).replace('|', "\\|")
}

/// A fenced block in Markdown, with its final LF. `language` is ours.
#[must_use]
pub fn markdown_block(text: &str, language: &str) -> String {
    let text = visible(text, &['\n', '\t']);
    let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{fence}{language}\n{text}{end}{fence}\n")
}

fn longest_run(text: &str, wanted: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Whether XML 1.0 allows the character. CR is left out: a reader turns it into LF.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Content for a CDATA section: drops what XML forbids and parts `]]>`.
#[must_use]
pub fn xml_text(text: &str) -> String {
    let kept: String = text.chars().filter(|&c| is_xml(c)).collect();
    kept.replace("]]>", "]]]]><![CDATA[>")
}

/// Content for an attribute whose writer escapes the markup: drops what XML forbids and collapses white space,
/// which readers normalise to blanks.
#[must_use]
pub fn xml_attribute(text: &str) -> String {
    let kept: String = text.chars().filter(|&c| is_xml(c)).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The message of a workflow command; it may hold several lines.
#[must_use]
pub fn command_message(text: &str) -> String {
    visible(text, &['\n', '\r', '\t'])
        .replace("##[", "#\\u{23}[")
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property of a workflow command.
#[must_use]
pub fn command_property(text: &str) -> String {
    command_message(text)
        .replace(':', "%3A")
        .replace(',', "%2C")
}

/// The text of a SARIF message: braces are doubled, since single ones hold a placeholder, and brackets cannot open a
/// link.
#[must_use]
pub fn sarif_message(text: &str) -> String {
    let text = visible(text, &['\n', '\t']).replace("##[", "#\\u{23}[");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '{' | '}' => out.push(c),
            '[' | ']' | '\\' => out.push('\\'),
            _ => {}
        }
        out.push(c);
    }
    out
}

/// A path as a relative address: no scheme, no host, no query, whatever it is made of.
#[must_use]
pub fn uri_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.trim_start_matches('/').bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Text for an HTML page whose template engine escapes the markup: hidden characters become visible.
#[must_use]
pub fn html_text(text: &str) -> String {
    visible(text, &['\n', '\t'])
}

/// A finished JSON document with hidden characters and log commands spelled as JSON escapes: it reads back equal.
#[must_use]
pub fn json_document(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        // Outside of strings a document holds no hidden character but LF.
        if c != '\n' && is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out.replace("##[", "#\\u0023[")
}

#[cfg(test)]
mod tests {
    use super::*;
    use comrak::nodes::NodeValue;
    use proptest::prelude::*;

    /// Strings rich in what some target obeys.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<char>().prop_map(String::from),
            "[ -~]{0,8}",
            prop::sample::select(vec![
                "]]>",
                "::error::",
                "##[error]",
                "@all",
                "#12",
                "GH-7",
                "https://x.org/a",
                "www.x.org",
                "a@b.org",
                "|",
                "\\|",
                "\\",
                "`",
                "```",
                "*a*",
                "_b_",
                "[l](u)",
                "![i](u)",
                "<b>",
                "<!--",
                "&amp;",
                "~~s~~",
                ":smile:",
                "\u{1b}[31m",
                "\u{202e}",
                "\u{200b}",
                "\u{7f}",
                "\u{85}",
                "\r",
                "\n",
                "\n\n# h",
                "\t",
                "- l",
                "1. n",
                "> q",
                "%0A",
                ",",
                "\u{fffe}",
                "http:",
                "//",
            ])
            .prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn github() -> comrak::Options<'static> {
        let mut options = comrak::Options::default();
        options.extension.table = true;
        options.extension.strikethrough = true;
        options.extension.autolink = true;
        options.extension.tasklist = true;
        options.extension.footnotes = true;
        options
    }

    /// Names of the nodes and the literal text that a Markdown reader finds.
    fn read_markdown(source: &str) -> (Vec<&'static str>, String) {
        let arena = comrak::Arena::new();
        let root = comrak::parse_document(&arena, source, &github());
        let mut kinds = Vec::new();
        let mut text = String::new();
        for node in root.descendants() {
            let value = &node.data.borrow().value;
            kinds.push(value.xml_node_name());
            match value {
                NodeValue::Text(literal) => text.push_str(literal),
                NodeValue::Code(code) => text.push_str(&code.literal),
                NodeValue::CodeBlock(block) => text.push_str(&block.literal),
                _ => {}
            }
        }
        (kinds, text)
    }

    /// Undoes what a runner documents: the first `::` after the command ends the properties.
    fn read_command(line: &str) -> Option<(Vec<String>, String)> {
        let (head, message) = line.strip_prefix("::error ")?.split_once("::")?;
        let decode = |text: &str| {
            text.replace("%2C", ",")
                .replace("%3A", ":")
                .replace("%0A", "\n")
                .replace("%0D", "\r")
                .replace("%25", "%")
        };
        let values = head
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(_, value)| decode(value))
            .collect();
        Some((values, decode(message)))
    }

    proptest! {
        /// A terminal line holds no character that a terminal obeys and nothing a log takes for a command.
        #[test]
        fn terminal_shows_and_never_obeys(text in hostile()) {
            let line = terminal(&text);
            prop_assert!(line.chars().all(|c| c == '\t' || !is_hidden(c)));
            prop_assert!(!line.trim_start().starts_with("::"));
            prop_assert!(!line.contains("##["));
        }

        /// Escaped prose reads back as one paragraph of plain text that says what the input said.
        #[test]
        fn markdown_prose_stays_prose(text in hostile(), start in prop::sample::select(vec!["", "x"])) {
            let expected = visible(text.trim(), &['\n', '\t']).replace(['\n', '\t'], " ");
            let (kinds, read) = read_markdown(&format!("{start}{}", markdown(&text)));
            if !expected.is_empty() || !start.is_empty() {
                prop_assert_eq!(&kinds[..2], &["document", "paragraph"]);
            }
            prop_assert!(kinds.iter().skip(2).all(|kind| *kind == "text"), "{:?}", kinds);
            prop_assert_eq!(read.replace('\u{200b}', ""), format!("{start}{expected}"));
            for alive in ["@a", "#1", "://", "www.x", "GH-7"] {
                prop_assert!(!read.contains(alive), "{} in {:?}", alive, read);
            }
        }

        /// A TOML string reads back as the text, whatever it holds, and stays on its line.
        #[test]
        fn toml_reads_back(text in hostile()) {
            let line = format!("key = {}", toml_string(&text));
            prop_assert!(line.chars().all(|c| !is_hidden(c)));
            let read: toml::Table = toml::from_str(&line).expect("valid TOML");
            prop_assert_eq!(read["key"].as_str(), Some(text.as_str()));
        }

        /// A code span reads back as one code node with the very text.
        #[test]
        fn markdown_code_reads_back(text in hostile()) {
            let (kinds, read) = read_markdown(&format!("x {} x", markdown_code(&text)));
            let expected = visible(&text, &['\t']).replace('\t', " ");
            if !expected.is_empty() {
                prop_assert_eq!(&kinds[..], &["document", "paragraph", "text", "code", "text"]);
                prop_assert_eq!(read, format!("x {expected} x"));
            }
        }

        /// A cell of a table holds one code span and leaves the number of cells as it is.
        #[test]
        fn markdown_cell_stays_in_its_cell(text in hostile()) {
            let source = format!("| a | b |\n|---|---|\n| {} | x |\n", markdown_cell(&text));
            let (kinds, read) = read_markdown(&source);
            prop_assert_eq!(kinds.iter().filter(|kind| **kind == "table_cell").count(), 4);
            let expected = visible(&text, &['\t']).replace('\t', " ").replace("\\|", "\\u{5c}|");
            if !expected.is_empty() {
                prop_assert_eq!(kinds.iter().filter(|kind| **kind == "code").count(), 1);
                prop_assert_eq!(read, format!("ab{expected}x"));
            }
        }

        /// A fenced block ends where it should and holds the text.
        #[test]
        fn markdown_block_reads_back(text in hostile()) {
            let source = format!("a\n\n{}\nb\n", markdown_block(&text, "diff"));
            let (kinds, read) = read_markdown(&source);
            prop_assert_eq!(&kinds[..], &["document", "paragraph", "text", "code_block", "paragraph", "text"]);
            let mut expected = visible(&text, &['\n', '\t']);
            if !expected.is_empty() && !expected.ends_with('\n') {
                expected.push('\n');
            }
            prop_assert_eq!(read, format!("a{expected}b"));
        }

        /// Text in a CDATA section reads back without the forbidden characters and with all others.
        #[test]
        fn xml_text_reads_back(text in hostile()) {
            let source = format!("<a><![CDATA[{}]]></a>", xml_text(&text));
            let document = roxmltree::Document::parse(&source)?;
            let read: String = document.descendants().filter(|n| n.is_text()).filter_map(|n| n.text()).collect();
            let expected: String = text.chars().filter(|&c| is_xml(c)).collect();
            prop_assert_eq!(read, expected);
        }

        /// The runner's reading of a workflow command gives back message and properties.
        #[test]
        fn command_reads_back(title in hostile(), message in hostile()) {
            let line = format!("::error title={}::{}", command_property(&title), command_message(&message));
            prop_assert_eq!(line.lines().count(), 1);
            let shown = |text: &str| visible(text, &['\n', '\r', '\t']).replace("##[", "#\\u{23}[");
            prop_assert_eq!(read_command(&line), Some((vec![shown(&title)], shown(&message))));
        }

        /// A SARIF message reads back to what a person should see, by the standard's rules for braces and brackets.
        #[test]
        fn sarif_message_reads_back(text in hostile()) {
            let mut read = String::new();
            let message = sarif_message(&text);
            let mut chars = message.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' | '{' | '}' => read.extend(chars.next()),
                    '[' | ']' => prop_assert!(false, "a bare bracket in {:?}", message),
                    _ => read.push(c),
                }
            }
            prop_assert_eq!(read, visible(&text, &['\n', '\t']).replace("##[", "#\\u{23}["));
        }

        /// An address decodes to its path and holds nothing but a path.
        #[test]
        fn uri_path_reads_back(text in hostile()) {
            let address = uri_path(&text);
            prop_assert!(!address.starts_with('/') && !address.contains(['?', '#', ':', '\\']));
            let mut bytes = Vec::new();
            for (at, part) in address.split('%').enumerate() {
                let (code, plain) = if at == 0 { ("", part) } else { part.split_at(2) };
                bytes.extend(u8::from_str_radix(code, 16).ok());
                bytes.extend(plain.bytes());
            }
            prop_assert_eq!(String::from_utf8(bytes)?, text.trim_start_matches('/'));
        }

        /// A JSON document means the same after its hidden characters are spelled out.
        #[test]
        fn json_document_reads_back(text in hostile()) {
            let document = serde_json::to_string_pretty(&vec![&text])?;
            let spelled = json_document(&document);
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&spelled)?, vec![text]);
            prop_assert!(spelled.chars().all(|c| c == '\n' || !is_hidden(c)));
            prop_assert!(!spelled.contains("##["));
        }
    }

    /// Each escape turns the known attacks into the spelled-out text.
    #[test]
    fn known_attacks() {
        assert_eq!(terminal("  ::error::x"), "  \\u{3a}:error::x");
        assert_eq!(
            terminal("a ##[group]\u{1b}[2J"),
            "a #\\u{23}[group]\\u{1b}[2J"
        );
        assert_eq!(markdown("@all #1"), "\\@&#8203;all \\#&#8203;1");
        assert_eq!(markdown_code("a`b``c"), "```a`b``c```");
        assert_eq!(markdown_cell("a|b"), "`a\\|b`");
        assert_eq!(xml_text("a\u{1b}]]>"), "a]]]]><![CDATA[>");
        assert_eq!(xml_attribute(" a\n\tb\u{0} "), "a b");
        assert_eq!(command_property("50%:a,b\n"), "50%25%3Aa%2Cb%0A");
        assert_eq!(sarif_message("[a](b) {0}"), "\\[a\\](b) {{0}}");
        assert_eq!(uri_path("//host/a b?#"), "host/a%20b%3F%23");
        assert_eq!(clip("abcdef", 4), "abcd… (2 more characters)");
        assert_eq!(clip("abcd", 4), "abcd");
    }
}
