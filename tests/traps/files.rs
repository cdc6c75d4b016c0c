//! Traps of the files that hold exports: every age and packing of `Module.symvers`.

use std::fs;
use std::io::Write as _;

use crate::folder::Folder;
use crate::support::Run;

const CXL: &str = "0x84b45156→x→vmlinux→EXPORT_SYMBOL_GPL→CXL\n";
const PLAIN: &str = "0x000000ab→x→vmlinux→EXPORT_SYMBOL→\n";

/// Trap, a spelling, and the usual one with the same meaning.
const SAME: [(u32, &str, &str); 12] = [
    (1, "0x000000ab→x→vmlinux→EXPORT_SYMBOL", PLAIN),
    (2, "0x84b45156 x vmlinux EXPORT_SYMBOL_GPL CXL\n", CXL),
    (3, "0x84b45156→x→CXL→vmlinux→EXPORT_SYMBOL_GPL\n", CXL),
    (3, "0x000000ab→x→→vmlinux→EXPORT_SYMBOL\n", PLAIN),
    (4, "0x000000ab→x→vmlinux\n", PLAIN),
    (5, "0x0ab→x→vmlinux→EXPORT_SYMBOL→\n", PLAIN),
    (5, "0xAB→x→vmlinux→EXPORT_SYMBOL→\n", PLAIN),
    (6, "0x84b45156→x→vmlinux→EXPORT_SYMBOL_GPL→CXL", CXL),
    (7, "0x84b45156→x→vmlinux→EXPORT_SYMBOL_GPL→CXL\r\n", CXL),
    (7, "0x000000ab→x→vmlinux→EXPORT_SYMBOL→\r\n", PLAIN),
    (
        9,
        "0x1→x→vmlinux→EXPORT_UNUSED_SYMBOL→\n",
        "0x1→x→vmlinux→EXPORT_UNUSED_SYMBOL\n",
    ),
    (
        14,
        "0x1→x→vmlinux→EXPORT_SYMBOL_GPL→module:kvm-amd,kvm-intel\n",
        "0x1 x vmlinux EXPORT_SYMBOL_GPL module:kvm-amd,kvm-intel\n",
    ),
];

/// Trap, a file, the exit code and what is said of it.
const TOLD: [(u32, &str, i32, &str); 6] = [
    // The last character of a namespace or name is not lost with the line feed.
    (
        6,
        "0x84b45156→x→vmlinux→EXPORT_SYMBOL_GPL→CX",
        1,
        "CXL → CX",
    ),
    (
        7,
        "0x84b45156→x→vmlinux→EXPORT_SYMBOL_GPL→CX\r\n",
        1,
        "CXL → CX",
    ),
    (
        10,
        "0x1→x→vmlinux→EXPORT_SYMBOL→NS→more\n",
        2,
        "new:1: column 6 or later holds `more`",
    ),
    (
        11,
        "0x1→x→vmlinux→EXPORT_SYMBOL→\n0x2→x→vmlinux→EXPORT_SYMBOL→\n",
        2,
        "new:2: `x` differs from line 1",
    ),
    (13, "", 3, "no exported symbol in the file"),
    (
        14,
        "0x84b45156→x→vmlinux→EXPORT_SYMBOL_GPL→cxl\n",
        1,
        "CXL → cxl",
    ),
];

#[test]
fn every_spelling_means_the_same() {
    for (number, text, usual) in SAME {
        for (old, new) in [(text, usual), (usual, text)] {
            let folder = Folder::new(&[("old", old), ("new", new)]);
            let (ended, _) = folder.diff(&[]);
            assert_eq!(
                ended.code, 0,
                "trap {number} {text:?}:\n{}{}",
                ended.out, ended.err
            );
            ended.out_has("1 protected symbol checked, 0 changed");
        }
    }
}

#[test]
fn other_files_are_told() {
    for (number, text, code, says) in TOLD {
        let folder = Folder::new(&[("old", CXL), ("new", text)]);
        let (ended, _) = folder.diff(&[]);
        assert_eq!(
            ended.code, code,
            "trap {number}:\n{}{}",
            ended.out, ended.err
        );
        ended.out_has(says);
    }
}

/// 12: packed files are known by their content, whatever their name says.
#[test]
fn packed_files_are_read() {
    let folder = Folder::new(&[("plain", PLAIN)]);
    let text = PLAIN.replace('→', "\t");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    xz.write_all(text.as_bytes()).unwrap();
    let xz = xz.finish().unwrap();
    fs::write(folder.path("m.gz"), gzip.finish().unwrap()).unwrap();
    fs::write(folder.path("m.xz"), &xz).unwrap();
    fs::write(folder.path("wrong.gz"), &xz).unwrap();
    fs::write(
        folder.path("m.zst"),
        zstd::encode_all(text.as_bytes(), 3).unwrap(),
    )
    .unwrap();
    for name in ["m.gz", "m.xz", "wrong.gz", "m.zst"] {
        Run::new(["diff", "plain", name])
            .dir(folder.top())
            .end()
            .code(0)
            .out_has("1 protected symbol checked, 0 changed");
    }
}
