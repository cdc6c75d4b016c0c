use super::*;

fn read(text: &str) -> Read {
    Symvers::read(text.as_bytes(), "Module.symvers").expect("the text is valid")
}

fn refusal(text: &str) -> String {
    Symvers::read(text.as_bytes(), "m")
        .expect_err("the text is not valid")
        .to_string()
}

fn only(text: &str) -> Export {
    let read = read(text);
    assert_eq!(read.symvers.len(), 1);
    assert_eq!(read.warnings, []);
    let export = read.symvers.iter().next().cloned();
    export.expect("there is one")
}

/// The columns of every age of kernel give the same model.
#[test]
fn every_age_is_read() {
    let cxl = Export {
        symbol: "insert_resource_expand_to_fit".into(),
        crc: Crc(0x84b4_5156),
        module: "vmlinux".into(),
        class: ExportClass::Gpl,
        namespace: Some("CXL".into()),
    };
    let current = "0x84b45156\tinsert_resource_expand_to_fit\tvmlinux\tEXPORT_SYMBOL_GPL\tCXL\n";
    let early = "0x84b45156\tinsert_resource_expand_to_fit\tCXL\tvmlinux\tEXPORT_SYMBOL_GPL\n";
    let blanks = "0x84b45156  insert_resource_expand_to_fit vmlinux EXPORT_SYMBOL_GPL CXL";
    let early_blanks = "0x84b45156 insert_resource_expand_to_fit CXL vmlinux EXPORT_SYMBOL_GPL";
    for text in [current, early, blanks, early_blanks] {
        assert_eq!(only(text), cxl, "{text}");
    }

    let plain = Export {
        symbol: "phys_base".into(),
        crc: Crc(0x4c9d_28b0),
        module: "vmlinux".into(),
        class: ExportClass::Plain,
        namespace: None,
    };
    for text in [
        "0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t\n",
        "0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\n",
        "0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL",
        "0X4C9D28B0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t\r\n",
        "0x4c9d28b0\tphys_base\t\tvmlinux\tEXPORT_SYMBOL\n",
        "0x4c9d28b0 phys_base vmlinux EXPORT_SYMBOL\n",
        "\u{feff}0x4c9d28b0\t.phys_base\tvmlinux\tEXPORT_SYMBOL\t\t\n",
        "# a comment\n\n0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t\n",
    ] {
        assert_eq!(only(text), plain, "{text}");
    }
    let oldest = only("0x4c9d28b0\tphys_base\tvmlinux\n");
    assert_eq!(oldest.class, ExportClass::Unknown);
}

/// CRCs are numbers, so leading zeros and the case of digits do not matter.
#[test]
fn a_crc_is_a_number() {
    for crc in ["0xab", "0x0ab", "0x000000AB"] {
        assert_eq!(
            only(&format!("{crc}\ta\tm\tEXPORT_SYMBOL\t")).crc,
            Crc(0xab)
        );
    }
}

/// Namespaces are kept as written, whatever their case or shape.
#[test]
fn a_namespace_is_kept() {
    for ns in ["crypto-internal", "module:kvm-amd,kvm-intel", "module:kvm*"] {
        let export = only(&format!("0x1\ta\tm\tEXPORT_SYMBOL_GPL\t{ns}\n"));
        assert_eq!(export.namespace.as_deref(), Some(ns));
    }
}

/// The export types of old kernels are known and a new one is kept with a warning.
#[test]
fn unseen_export_types_are_kept() {
    let old = read("0x1\ta\tm\tEXPORT_UNUSED_SYMBOL\n0x1\tb\tm\tEXPORT_SYMBOL_GPL_FUTURE\n");
    assert_eq!(old.warnings, []);
    let new = read("0x1\ta\tm\tEXPORT_SYMBOL_NEW\t\n");
    let warning = "unknown export type `EXPORT_SYMBOL_NEW` of `a` is kept as it is";
    assert_eq!(new.warnings[0].message, warning);
    assert_eq!(
        new.symvers.write(),
        "0x00000001\ta\tm\tEXPORT_SYMBOL_NEW\t\n"
    );
}

/// A line that repeats an export is a warning, one that contradicts it an error with both lines.
#[test]
fn duplicates_are_told() {
    let line = "0x1\ta\tm\tEXPORT_SYMBOL\t\n";
    let twice = read(&format!("{line}0x2\tb\tm\tEXPORT_SYMBOL\t\n{line}"));
    assert_eq!(twice.symvers.len(), 2);
    assert_eq!(
        twice.warnings,
        [Problem {
            line: 3,
            message: "`a` is listed again, as in line 1".into()
        }]
    );
    assert_eq!(
        refusal(&format!("{line}0x2\ta\tm\tEXPORT_SYMBOL\t\n")),
        "m:2: `a` differs from line 1; expected one line for each symbol"
    );
}

/// Both column orders in one file are read, with a warning.
#[test]
fn mixed_orders_are_warned_about() {
    let mixed = read("0x1\ta\tm\tEXPORT_SYMBOL\t\n0x1\tb\tNS\tm\tEXPORT_SYMBOL\n");
    assert_eq!(mixed.warnings.len(), 1);
    let export = mixed.symvers.get("b").expect("read");
    assert_eq!(export.namespace.as_deref(), Some("NS"));
}

/// Each kind of bad line has its message.
#[test]
fn bad_lines_are_refused() {
    let cases = [
        (
            "0x1\n",
            "m:1: 1 column; expected 0xcrc, symbol, module, export type",
        ),
        (
            "0x1 a\n",
            "m:1: 2 columns; expected 0xcrc, symbol, module, export type\n\
             this looks like the output of modprobe --dump-modversions",
        ),
        (
            "1234\ta\tm\tEXPORT_SYMBOL\t\n",
            "m:1: CRC `1234` does not start with 0x; expected 0x and up to 8 hexadecimal digits",
        ),
        (
            "0x123456789\ta\tm\tEXPORT_SYMBOL\t\n",
            "m:1: CRC `0x123456789` has more than 32 bits; expected 0x and up to 8 hexadecimal digits",
        ),
        (
            "0x+1\ta\tm\tEXPORT_SYMBOL\t\n",
            "m:1: CRC `0x+1` is no hexadecimal number; expected 0x and up to 8 hexadecimal digits",
        ),
        (
            "0x1\ta\tm\tEXPORT_SYMBOL\tNS\textra\n",
            "m:1: column 6 or later holds `extra`; expected at most 5 columns",
        ),
        (
            "0x1\ta\tm\tGPL\t\n",
            "m:1: no export type in column 4 (`GPL`) or 5; expected EXPORT_SYMBOL, EXPORT_SYMBOL_GPL \
             or another EXPORT_… word",
        ),
        (
            "0x1\ta b\tm\tEXPORT_SYMBOL\t\n",
            "m:1: symbol `a b` holds a blank or control character; expected one name",
        ),
        (
            "0x1\t\tm\tEXPORT_SYMBOL\t\n",
            "m:1: empty symbol in column 2; expected its name",
        ),
        (
            "0x1\ta\t\tEXPORT_SYMBOL\t\n",
            "m:1: empty module column; expected vmlinux or a module's path without .ko",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text), message);
    }
    let error = Symvers::read(b"0x1\t\xff\tm\tEXPORT_SYMBOL\t\n", "m").expect_err("not UTF-8");
    assert_eq!(
        error.to_string(),
        "m:1: not UTF-8; expected 0xcrc, symbol, module, export type"
    );
}

/// All bad lines are told at once, the first twenty with their text.
#[test]
fn all_bad_lines_are_told() {
    let text = refusal(&"bad\n".repeat(25));
    assert_eq!(text.lines().count(), 21);
    assert!(text.ends_with("m: and 5 more problems"), "{text}");
}

/// A file without an export is an error of its own, so that it can be told from a bad one.
#[test]
fn an_empty_file_is_its_own_error() {
    for text in ["", "\n", "# only a comment\n"] {
        let error = Symvers::read(text.as_bytes(), "m").expect_err("empty");
        assert!(matches!(error, SymversError::Empty { .. }), "{error}");
    }
}

/// All exports without CRC are a property of the whole, zero for one symbol is not.
#[test]
fn unversioned_kernels_are_told() {
    let zero = "0x00000000\ta\tm\tEXPORT_SYMBOL\t\n";
    assert!(read(zero).symvers.is_unversioned());
    let some = format!("{zero}0x1\tb\tm\tEXPORT_SYMBOL\t\n");
    assert!(!read(&some).symvers.is_unversioned());
}

/// Packed text is read, and the names of partial files are told.
#[test]
fn packed_and_partial_files_are_told() {
    let packed =
        zstd::stream::encode_all(&b"0x1\ta\tm\tEXPORT_SYMBOL\t\n"[..], 3).expect("encodes");
    let read = Symvers::read(&packed, "symvers.gz").expect("reads by content");
    assert!(!read.partial);
    assert!(
        Symvers::read(&packed, "build/vmlinux.symvers")
            .expect("reads")
            .partial
    );
}
