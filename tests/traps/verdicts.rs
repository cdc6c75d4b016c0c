//! Traps of symvers, lists and rules: one row each.

use std::fs;

use crate::folder::Folder;

struct Trap {
    number: u32,
    old: &'static str,
    new: &'static str,
    /// Further files by name.
    files: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    code: i32,
    /// What standard output must say.
    says: &'static str,
}

pub(crate) const FOO: &str = "0x1→foo→vmlinux→EXPORT_SYMBOL→\n";
const FOO_GPL: &str = "0x1→foo→vmlinux→EXPORT_SYMBOL_GPL→\n";
const FOO_MODULE: &str = "0x1→foo→fs/foo→EXPORT_SYMBOL→\n";
const FOO_CXL: &str = "0x1→foo→vmlinux→EXPORT_SYMBOL→CXL\n";
const FOO_2: &str = "0x2→foo→vmlinux→EXPORT_SYMBOL→\n";
const FOO_CXL_2: &str = "0x2→foo→vmlinux→EXPORT_SYMBOL→CXL\n";
const OTHER: &str = "0x1→bar→vmlinux→EXPORT_SYMBOL→\n";

const TRAPS: &[Trap] = &[
    Trap {
        number: 8,
        old: "0x0→foo→vmlinux→EXPORT_SYMBOL→\n",
        new: FOO,
        files: &[],
        arguments: &[],
        code: 3,
        says: "crc-unversioned",
    },
    Trap {
        number: 13,
        old: "",
        new: FOO,
        files: &[],
        arguments: &[],
        code: 3,
        says: "NOT CHECKED",
    },
    Trap {
        number: 15,
        old: FOO,
        new: FOO_GPL,
        files: &[],
        arguments: &[],
        code: 1,
        says: "EXPORT_SYMBOL → EXPORT_SYMBOL_GPL",
    },
    Trap {
        number: 16,
        old: FOO_GPL,
        new: FOO,
        files: &[],
        arguments: &[],
        code: 0,
        says: "PASS",
    },
    Trap {
        number: 17,
        old: FOO,
        new: FOO_MODULE,
        files: &[],
        arguments: &[],
        code: 0,
        says: "moved to another module",
    },
    Trap {
        number: 18,
        old: FOO,
        new: FOO_CXL,
        files: &[],
        arguments: &[],
        code: 1,
        says: "no namespace → CXL",
    },
    Trap {
        number: 18,
        old: FOO_CXL,
        new: FOO,
        files: &[],
        arguments: &[],
        code: 0,
        says: "PASS",
    },
    Trap {
        number: 19,
        old: "0x1→foobar→vmlinux→EXPORT_SYMBOL→\n",
        new: FOO,
        files: &[("l", "foo\n")],
        arguments: &["--protect", "l"],
        code: 2,
        says: "l:1: `foo` is listed",
    },
    Trap {
        number: 20,
        old: FOO,
        new: OTHER,
        files: &[],
        arguments: &[],
        code: 1,
        says: "foo: removed",
    },
    Trap {
        number: 24,
        old: FOO,
        new: FOO,
        files: &[("l", "# none\n")],
        arguments: &["--protect", "l"],
        code: 3,
        says: "list-empty",
    },
    Trap {
        number: 21,
        old: FOO,
        new: FOO,
        files: &[("l", "[abi_symbol_list]\r\n  foo # why\r\n")],
        arguments: &["--protect", "l"],
        code: 0,
        says: "PASS  1 protected symbol checked, 0 changed",
    },
    Trap {
        number: 21,
        old: FOO,
        new: FOO,
        files: &[("l", "foo[abi_symbol_list]\n")],
        arguments: &["--protect", "l"],
        code: 2,
        says: "l:1: `foo[abi_symbol_list]` is a symbol and a section header in one",
    },
    Trap {
        number: 22,
        old: FOO,
        new: FOO_2,
        files: &[("l", "foo # why\n")],
        arguments: &["--protect", "l"],
        code: 1,
        says: "1 of 1 protected symbol changed",
    },
    Trap {
        number: 23,
        old: FOO,
        new: FOO,
        files: &[("l", "[acme]\n\tfoo\n")],
        arguments: &["--protect", "l"],
        code: 0,
        says: "is read as the symbols of a driver",
    },
    Trap {
        number: 25,
        old: FOO,
        new: FOO_2,
        files: &[("l", ".foo\n")],
        arguments: &["--protect", "l"],
        code: 1,
        says: "1 of 1 protected symbol changed",
    },
    Trap {
        number: 27,
        old: FOO,
        new: FOO_2,
        files: &[("s", "vmlinux PASS\n")],
        arguments: &["--rules", "s"],
        code: 0,
        says: "PASS",
    },
    Trap {
        number: 28,
        old: "0x1→I_BDEV→vmlinux→EXPORT_SYMBOL→\n",
        new: "0x2→I_BDEV→vmlinux→EXPORT_SYMBOL→\n",
        files: &[("s", "I_BDEV PASS\n")],
        arguments: &["--rules", "s"],
        code: 1,
        says: "I_BDEV",
    },
    Trap {
        number: 29,
        old: FOO,
        new: FOO_2,
        files: &[("s", "* PASS\n")],
        arguments: &["--rules", "s"],
        code: 1,
        says: "write `SYMBOL *`",
    },
    Trap {
        number: 29,
        old: FOO_CXL,
        new: FOO_CXL_2,
        files: &[("s", "* PASS\n")],
        arguments: &["--rules", "s"],
        code: 0,
        says: "PASS",
    },
    Trap {
        number: 30,
        old: FOO,
        new: FOO_2,
        files: &[("s", "[a PASS\n")],
        arguments: &["--rules", "s"],
        code: 2,
        says: "s:1: `[a`: `[` without `]`",
    },
    Trap {
        number: 31,
        old: "0x1→foo→lib/test→EXPORT_SYMBOL→\n",
        new: "0x2→foo→lib/test→EXPORT_SYMBOL→\n",
        files: &[("s", "lib/test.ko PASS\n")],
        arguments: &["--rules", "s"],
        code: 1,
        says: "never matches",
    },
    Trap {
        number: 32,
        old: FOO_MODULE,
        new: "0x2→foo→fs/foo→EXPORT_SYMBOL→\n",
        files: &[("s", "fs/f* FAIL\nfs/* PASS\n")],
        arguments: &["--rules", "s"],
        code: 1,
        says: "foo",
    },
    Trap {
        number: 33,
        old: FOO,
        new: "0x1→foo→vmlinux→EXPORT_SYMBOL→\n0x1→bar→vmlinux→EXPORT_SYMBOL→\n",
        files: &[("s", "bar FAIL\n")],
        arguments: &["--rules", "s"],
        code: 0,
        says: "PASS",
    },
    // What SUSE's file cannot say: an addition is forbidden, and a namespaced symbol is excused by class only.
    Trap {
        number: 33,
        old: FOO,
        new: "0x1→foo→vmlinux→EXPORT_SYMBOL→\n0x1→bar→vmlinux→EXPORT_SYMBOL→\n",
        files: &[(
            "r.toml",
            "[[rule]]\nclass = \"added\"\nseverity = \"error\"\n",
        )],
        arguments: &["--rules", "r.toml"],
        code: 1,
        says: "1 other symbol by a rule",
    },
    Trap {
        number: 18,
        old: FOO,
        new: FOO_CXL_2,
        files: &[(
            "r.toml",
            "[[rule]]\nclass = \"namespace\"\nseverity = \"notice\"\n",
        )],
        arguments: &["--rules", "r.toml"],
        code: 1,
        says: "CRC changed",
    },
    Trap {
        number: 73,
        old: FOO,
        new: FOO,
        files: &[],
        arguments: &[],
        code: 0,
        says: "PASS  1 protected symbol checked, 0 changed",
    },
];

/// Each trap of symvers, lists and rules ends with its verdict and says why.
#[test]
fn traps_have_their_verdicts() {
    for trap in TRAPS {
        let folder = Folder::new(&[("old", trap.old), ("new", trap.new)]);
        for (name, text) in trap.files {
            fs::write(folder.path(name), text).unwrap();
        }
        let (ended, report) = folder.diff(trap.arguments);
        let all = format!("{}{}", ended.out, ended.err);
        assert_eq!(ended.code, trap.code, "trap {}:\n{all}", trap.number);
        assert_eq!(report["exit_code"], trap.code, "trap {}", trap.number);
        assert!(
            all.contains(trap.says),
            "trap {}: no {:?} in\n{all}",
            trap.number,
            trap.says
        );
    }
}
