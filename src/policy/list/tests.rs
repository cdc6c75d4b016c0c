use proptest::prelude::*;

use super::*;

fn read(text: &str) -> ProtectedList {
    ProtectedList::read(text.as_bytes(), "list").expect("the text is valid")
}

fn symbols(list: &ProtectedList) -> Vec<&str> {
    list.entries.iter().map(|e| e.symbol.as_str()).collect()
}

/// The shapes of every family give the same symbols.
#[test]
fn every_family_is_read() {
    for text in [
        "___pskb_trim\n___ratelimit\n",
        "___pskb_trim\n___ratelimit",
        "\u{feff}___pskb_trim\r\n\r\n___ratelimit\r\n",
        "[rhel9_x86_64_stablelist]\n\t___pskb_trim\n\t___ratelimit\n",
        "[_aarch64_whitelist]\n\t___pskb_trim\n    ___ratelimit\n",
        "[abi_symbol_list]\n  ___pskb_trim # why\n  .___ratelimit\n",
        "                 U ___pskb_trim\n                 w ___ratelimit\n",
        "0x6bbf39c0\t___pskb_trim\tvmlinux\tEXPORT_SYMBOL\n0x1\t___ratelimit\tvmlinux\tEXPORT_SYMBOL\t\n",
    ] {
        let list = read(text);
        assert_eq!(symbols(&list), ["___pskb_trim", "___ratelimit"], "{text}");
        assert_eq!(list.warnings, [], "{text}");
    }
}

/// A section that is no list names the driver that needs its symbols, and a symbol may stand in several.
#[test]
fn driver_groups_are_consumers() {
    let list = read("[aqc111u-module]\n\tbyte_rev_table\n\tcrc32_le\n[intel-ixgbe]\n\tcrc32_le\n");
    assert_eq!(symbols(&list), ["byte_rev_table", "crc32_le", "crc32_le"]);
    assert_eq!(*list.entries[2].consumers, ["intel-ixgbe"]);
    assert_eq!(
        list.warnings,
        [Problem {
            line: 1,
            message: "2 sections such as `aqc111u-module` are no `…list` and are read as the symbols of drivers"
                .into()
        }]
    );
}

/// Android comments name the users of the symbols below them, up to the next comment.
#[test]
fn android_comments_name_users() {
    let list = read(
        "[abi_symbol_list]\n# commonly used symbols\n  module_layout\n\n# required by cfg80211.ko mac80211.ko\n  \
         debugfs_rename\n# preserved by --additions-only\n  kfree\n",
    );
    let consumers: Vec<&[String]> = list.entries.iter().map(|e| &e.consumers[..]).collect();
    assert_eq!(consumers[1], ["cfg80211", "mac80211"]);
    assert!(consumers[0].is_empty() && consumers[2].is_empty());
}

/// A repeated entry is a warning with a count, and a contradicting baseline line an error.
#[test]
fn repetitions_are_told() {
    let list = read("a\nb\na\nb\n");
    assert_eq!(symbols(&list), ["a", "b"]);
    assert_eq!(
        list.warnings,
        [Problem {
            line: 3,
            message: "2 entries are repeated, first `a` of line 1".into()
        }]
    );
    let text = "0x1\ta\tvmlinux\tEXPORT_SYMBOL\n0x2\ta\tvmlinux\tEXPORT_SYMBOL\n";
    let error = ProtectedList::read(text.as_bytes(), "l").expect_err("they contradict");
    assert_eq!(
        error.to_string(),
        "l:2: `a` has CRC 0x00000002 here and 0x00000001 in line 1; expected one line for each symbol"
    );
}

/// Each kind of bad line has its message.
#[test]
fn bad_lines_are_refused() {
    for (text, message) in [
        (
            "foo bar\n",
            "l:1: `foo bar` is more than one word; expected one symbol on a line, and `#` before a remark",
        ),
        (
            "foo[abi_symbol_list]\n",
            "l:1: `foo[abi_symbol_list]` is a symbol and a section header in one; expected a line feed between \
             them, as when files are joined",
        ),
        (
            "drm_*\n",
            "l:1: `drm_*` is a pattern; expected the symbols themselves",
        ),
        (
            "1abc\n",
            "l:1: `1abc` is no symbol; expected letters, digits, `_`, `.` or `$`",
        ),
        (
            "[]\n",
            "l:1: `[]` is no section header; expected [name], alone on its line",
        ),
        (
            "s#device struct device { }\n",
            "l:1: a line of a symtypes file; expected a symbol or a [section]\nthis looks like a symtypes file",
        ),
        (
            "{\"ixgbe\": \"crc32_le\"}\n",
            "l:1: invalid type: string \"crc32_le\", expected a sequence at line 1 column 20; expected {\"driver\": \
             [\"symbol\", …], …}",
        ),
    ] {
        let error = ProtectedList::read(text.as_bytes(), "l").expect_err("the line is bad");
        assert_eq!(error.to_string(), message);
    }
}

proptest! {
    /// The reader takes any text made of the characters that matter to it without a panic.
    #[test]
    fn any_text_is_read_or_refused(text in "([a-z_.]{0,3}|0x1\ta\tm|\\[|\\]|#|required by |\n|\r|\t| |\\*){0,60}") {
        let _ = ProtectedList::read(text.as_bytes(), "l");
    }

    /// Listed symbols come back in their order, whatever stands around them.
    #[test]
    fn symbols_come_back(names in proptest::collection::vec("[a-z_][a-z0-9_]{0,12}", 1..20)) {
        let text: String = names.iter().map(|n| format!("\t{n} # x\r\n")).collect();
        let list = read(&text);
        let mut expected = Vec::new();
        for name in &names {
            if !expected.contains(&name.as_str()) {
                expected.push(name.as_str());
            }
        }
        prop_assert_eq!(symbols(&list), expected);
    }
}
