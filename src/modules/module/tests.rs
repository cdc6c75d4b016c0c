use std::io::Write;

use super::super::testing::Builder;
use super::*;

fn read(bytes: &[u8]) -> Module {
    Module::read(bytes, "drivers/my-mod.ko").expect("the module is valid")
}

fn refusal(bytes: &[u8]) -> String {
    Module::read(bytes, "m.ko")
        .expect_err("the module is not valid")
        .to_string()
}

/// A module with everything, for the given class and byte order.
fn full(is_32: bool, is_big: bool) -> Builder {
    Builder::of(is_32, is_big)
        .modinfo("license=Dual BSD/GPL")
        .modinfo("license=other")
        .modinfo("author=J\u{fc}rgen")
        .modinfo("name=my_mod")
        .modinfo("depends=mii,usbcore")
        .modinfo("import_ns=CXL")
        .modinfo("import_ns=CRYPTO_INTERNAL")
        .modinfo("intree=Y")
        .modinfo("srcversion=0123")
        .modinfo("vermagic=6.1.0-50-amd64 SMP preempt mod_unload modversions ")
        .version(0xf4e3_e1b6, "module_layout")
        .import(0x5b70_70d6, "__alloc_skb")
        .undefined("no_record")
        .weak("maybe")
        .export(0x1234_5678, "my_open", true, "CXL")
        .export(0x9abc_def0, "my_close", false, "")
        .old_export(0xdead_beef, "my_old")
}

/// Class and byte order do not change what is read.
#[test]
fn every_class_and_byte_order_is_read() {
    for (is_32, is_big) in [(false, false), (true, false), (false, true), (true, true)] {
        let module = read(&full(is_32, is_big).build());
        assert_eq!(module.name, "my_mod");
        assert_eq!(module.licences, ["Dual BSD/GPL", "other"]);
        assert_eq!(module.licence(), Licence::Gpl);
        assert_eq!(module.depends, ["mii", "usbcore"]);
        assert!(module.namespaces.contains("CXL") && module.namespaces.len() == 2);
        assert!(module.in_tree);
        assert!(
            module
                .vermagic
                .as_deref()
                .is_some_and(|v| v.ends_with("modversions "))
        );
        assert_eq!(module.this_module_size, Some(128));
        let crcs: Vec<_> = module
            .imports
            .iter()
            .map(|(name, i)| (name.as_str(), i.crc.map(|crc| crc.0), i.weak))
            .collect();
        assert_eq!(
            crcs,
            [
                ("__alloc_skb", Some(0x5b70_70d6), false),
                ("maybe", None, true),
                ("module_layout", Some(0xf4e3_e1b6), false),
                ("no_record", None, false),
            ]
        );
        let open = &module.exports["my_open"];
        assert_eq!(open.crc, Some(Crc(0x1234_5678)));
        assert_eq!(open.class, ExportClass::Gpl);
        assert_eq!(open.namespace.as_deref(), Some("CXL"));
        assert_eq!(module.exports["my_close"].class, ExportClass::Plain);
        assert_eq!(module.exports["my_close"].namespace, None);
        assert_eq!(module.exports["my_old"].crc, Some(Crc(0xdead_beef)));
        assert_eq!(module.warnings, [""; 0]);
    }
}

/// Packed modules and modules with a signature behind them read as the module itself.
#[test]
fn packed_and_signed_modules_are_read() {
    let bytes = full(false, false).build();
    let plain = read(&bytes);
    let mut signed = bytes.clone();
    signed.extend(b"signature~Module signature appended~\n");
    assert_eq!(read(&signed), plain);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&signed).expect("a Vec takes all bytes");
    assert_eq!(read(&gzip.finish().expect("a Vec takes all bytes")), plain);
    let zstd = zstd::stream::encode_all(&bytes[..], 3).expect("encodes");
    assert_eq!(read(&zstd), plain);
}

/// Without a name in it the module has its file's, and without licence it is proprietary.
#[test]
fn a_bare_module_is_named_by_its_file() {
    let module = read(&Builder::default().undefined("kfree").build());
    assert_eq!(module.name, "my_mod");
    assert_eq!(module.licence(), Licence::Proprietary);
    assert!(!module.is_versioned());
    for (path, name) in [
        ("a/b-c.ko.xz", "b_c"),
        ("x.ko", "x"),
        ("b.txt", "b"),
        ("b", "b"),
    ] {
        assert_eq!(name_from_path(path), name);
    }
}

/// The extended records count where they disagree with the others, and long names exist only there.
#[test]
fn extended_records_count() {
    let long = "r".repeat(200);
    let module = Builder::default()
        .import(1, "kfree")
        .undefined(&long)
        .extended(2, "kfree")
        .extended(3, &long)
        .build();
    let module = read(&module);
    assert_eq!(module.imports["kfree"].crc, Some(Crc(2)));
    assert_eq!(module.imports[&long].crc, Some(Crc(3)));
    assert_eq!(
        module.warnings,
        [
            "__versions has 0x00000001 and __version_ext_crcs 0x00000002 for `kfree`; the latter counts"
        ]
    );
}

/// Records of symbols that the module does not use are told, and do not become imports.
#[test]
fn unused_records_are_told() {
    let module = read(&Builder::default().undefined("a").version(1, "b").build());
    assert!(!module.imports.contains_key("b"));
    assert_eq!(
        module.warnings,
        ["1 version records are of symbols that the module does not use, first `b`"]
    );
}

/// Each kind of bad file has its message.
#[test]
fn bad_files_are_refused() {
    let module = Builder::default().undefined("a");
    let mut program = module.build();
    program[16] = 2;
    let mut high = 0x1_0000_0001_u64.to_le_bytes().to_vec();
    high.resize(64, b'x');
    let end = "; expected a .ko file, a package or tar archive of them, or the output of modprobe --dump-modversions";
    for (bytes, message) in [
        (
            b"hello\n".to_vec(),
            format!("m.ko: not a kernel module: this looks like nothing that is known{end}"),
        ),
        (
            b"!<arch>\n".to_vec(),
            format!(
                "m.ko: not a kernel module: this looks like an ar archive such as a Debian package or a static \
                 library{end}"
            ),
        ),
        (
            program,
            format!("m.ko: not a kernel module: an ELF program or library, not a relocatable file{end}"),
        ),
        (
            module.clone().raw_versions(&[0; 60]).build(),
            "m.ko: damaged kernel module: __versions has 60 bytes, no multiple of 64: its layout is not known; \
             fetch or build the file again"
                .to_owned(),
        ),
        (
            module.clone().raw_versions(&high).build(),
            "m.ko: damaged kernel module: record 0 of __versions has a layout that is not known; fetch or build \
             the file again"
                .to_owned(),
        ),
    ] {
        assert_eq!(refusal(&bytes), message);
    }
}

/// A section count that the file cannot hold is refused without asking for memory.
#[test]
fn absurd_counts_are_refused() {
    let mut bytes = Builder::default().undefined("a").build();
    let at = u64::from_le_bytes(bytes[40..48].try_into().expect("eight bytes")) as usize;
    // No count in the header means that the first section's size is the count.
    bytes[60..62].fill(0);
    bytes[at + 32..at + 40].copy_from_slice(&u64::from(u32::MAX).to_le_bytes());
    assert!(refusal(&bytes).starts_with("m.ko: not a kernel module: "));
}

/// A module cut off anywhere, and one with any single byte changed, is read or refused but never a panic.
#[test]
fn damaged_modules_never_panic() {
    for (is_32, is_big) in [(false, false), (true, true)] {
        let bytes = full(is_32, is_big).extended(7, "__alloc_skb").build();
        for len in 0..bytes.len() {
            assert!(Module::read(&bytes[..len], "m.ko").is_err(), "{len} bytes");
        }
        let mut changed = bytes.clone();
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                changed[at] = value;
                let _ = Module::read(&changed, "m.ko");
            }
            changed[at] = bytes[at];
        }
    }
}

proptest::proptest! {
    /// Any bytes behind an ELF magic are read or refused.
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.extend(&bytes);
        let _ = Module::read(&elf, "m.ko");
        let _ = Module::read(&bytes, "m.ko");
    }
}
