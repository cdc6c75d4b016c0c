use super::*;

/// A compile of 6.1, with fewer of its options; the second half is the command line that the build saves.
const COMPILE: &str = r##"set -e;  echo '  CC      kernel/fork.o';    trap 'rm -f kernel/fork.o; trap - HUP; kill -s HUP $$' HUP; gcc -Wp,-MMD,kernel/.fork.o.d -nostdinc -I/k/arch/x86/include -I./include -include /k/include/linux/kconfig.h -D__KERNEL__ -fmacro-prefix-map=/k/= -std=gnu11 -I /k/kernel -I ./kernel    -DKBUILD_MODFILE='"kernel/fork"' -DKBUILD_BASENAME='"fork"' -D__KBUILD_MODNAME=kmod_fork -c -o kernel/fork.o /k/kernel/fork.c   ; ./tools/objtool/objtool --orc   kernel/fork.o; scripts/basic/fixdep kernel/.fork.o.d kernel/fork.o 'gcc -Wp,-MMD,kernel/.fork.o.d -D__KERNEL__ -DKBUILD_BASENAME='\''"fork"'\'' -c -o kernel/other.o /k/kernel/other.c   ; ./tools/objtool/objtool --orc   kernel/fork.o' > kernel/.fork.o.cmd; rm -f kernel/.fork.o.d"##;

/// A module's object and list, 6.1.
const MODULE: [&str; 2] = [
    r#"set -e;  echo '  CC [M]  fs/efivarfs/super.o'; gcc -Wp,-MMD,fs/efivarfs/.super.o.d -D__KERNEL__ -DMODULE  -DKBUILD_BASENAME='"super"' -c -o fs/efivarfs/super.o /k/fs/efivarfs/super.c  ; rm -f x"#,
    r#"set -e;     printf '%s\n'   inode.o file.o super.o vars.o | awk '!x[$0]++ { print("fs/efivarfs/"$0) }' > fs/efivarfs/efivarfs.mod; printf '%s\n' 'cmd_fs/efivarfs/efivarfs.mod := printf '\''%s\n'\''   inode.o | awk '\''!x[$$0]++ { print("fs/efivarfs/"$$0) }'\'' > fs/efivarfs/efivarfs.mod' > fs/efivarfs/.efivarfs.mod.cmd"#,
];

/// An assembly unit and its versioning, 6.12.
const ASSEMBLY: [&str; 2] = [
    r##"set -e;  echo '  AS      arch/x86/lib/clear_page_64.o'; gcc -Wp,-MMD,arch/x86/lib/.clear_page_64.o.d -nostdinc -D__KERNEL__ -D__ASSEMBLY__ -m64 -DKBUILD_MODFILE='"arch/x86/lib/clear_page_64"' -c -o arch/x86/lib/clear_page_64.o /k/arch/x86/lib/clear_page_64.S  ; rm -f x"##,
    r##"set -e; if nm arch/x86/lib/clear_page_64.o 2>/dev/null | grep -q ' __export_symbol_'; then { echo "#include <linux/kernel.h>" ; echo "#include <asm/asm-prototypes.h>" ; nm arch/x86/lib/clear_page_64.o | sed -n 's/.* __export_symbol_\(.*\)/EXPORT_SYMBOL(\1);/p' ; } | gcc -E -D__GENKSYMS__ -Wp,-MMD,arch/x86/lib/.clear_page_64.o.d -nostdinc -D__KERNEL__ -std=gnu11 -xc - | scripts/genksyms/genksyms   -r /dev/null >> arch/x86/lib/.clear_page_64.o.cmd; fi"##,
];

fn plan(lines: &[&str]) -> Result<Plan, KbuildError> {
    let mut builder = PlanBuilder::new(Path::new("/k"), Path::new("/o"));
    for line in lines {
        builder.line(line.as_bytes());
    }
    builder.finish()
}

fn only(lines: &[&str]) -> Unit {
    let mut plan = plan(lines).expect("a plan");
    assert_eq!(plan.units.len(), 1, "{:?}", plan.units);
    plan.units.remove(0)
}

/// Checks the parts of a built-in C unit, that the quoted copy does not count, and that twice is once.
#[test]
fn built_in_unit() {
    let unit = only(&[COMPILE, COMPILE]);
    assert_eq!(
        (unit.object.as_str(), unit.source.as_str()),
        ("kernel/fork.o", "kernel/fork.c")
    );
    assert_eq!((unit.module.as_str(), unit.generated), ("vmlinux", false));
    assert_eq!(unit.language, Language::C);
    assert_eq!(unit.call.program, ["gcc"]);
    assert_eq!(unit.call.source, "/k/kernel/fork.c");
    assert_eq!(unit.call.cwd, Path::new("/o"));
    let args = [
        "-nostdinc",
        "-I/k/arch/x86/include",
        "-I./include",
        "-include",
        "/k/include/linux/kconfig.h",
        "-D__KERNEL__",
        "-fmacro-prefix-map=/k/=",
        "-std=gnu11",
        "-I",
        "/k/kernel",
        "-I",
        "./kernel",
        "-DKBUILD_MODFILE=\"kernel/fork\"",
        "-DKBUILD_BASENAME=\"fork\"",
        "-D__KBUILD_MODNAME=kmod_fork",
    ];
    assert_eq!(unit.call.args, args.map(Word::from));
}

/// Checks that a module's object takes its module from the list, whichever comes first.
#[test]
fn module_unit() {
    let [compile, list] = MODULE;
    assert_eq!(only(&[compile, list]).module, "fs/efivarfs/efivarfs");
    assert_eq!(only(&[list, compile]).module, "fs/efivarfs/efivarfs");
    let error = plan(&[compile]).expect_err("no list");
    assert!(
        error
            .to_string()
            .contains("no module lists it: fs/efivarfs/super.o"),
        "{error}"
    );
}

/// Checks lists of other shapes: with folders up to 5.16, and with objects outside the module's folder.
#[test]
fn shapes_of_module_lists() {
    let compile = |object: &str| format!("gcc -D__KERNEL__ -DMODULE -c -o {object} /k/a.c");
    let old = "{   echo fs/fat/cache.o fs/fat/dir.o;  echo; } > fs/fat/fat.mod";
    assert_eq!(only(&[&compile("fs/fat/dir.o"), old]).module, "fs/fat/fat");
    let outside = r#"printf '%s\n'   ../../../virt/kvm/kvm_main.o x86.o | awk '!x[$0]++ { print("arch/x86/kvm/"$0) }' > arch/x86/kvm/kvm.mod"#;
    let object = "arch/x86/kvm/../../../virt/kvm/kvm_main.o";
    assert_eq!(
        only(&[&compile(object), outside]).module,
        "arch/x86/kvm/kvm"
    );
    let shared = [
        "printf '%s\\n'   c.o | awk '!x[$0]++ { print(\"d/\"$0) }' > d/vf.mod",
        "printf '%s\\n'   c.o | awk '!x[$0]++ { print(\"d/\"$0) }' > d/pf.mod",
    ];
    assert_eq!(
        only(&[&compile("d/c.o"), shared[0], shared[1]]).module,
        "d/pf"
    );
}

/// Checks that an assembly unit carries the includes and the C call that version its exports.
#[test]
fn assembly_unit() {
    let [compile, versions] = ASSEMBLY;
    let unit = only(&[compile, versions]);
    assert_eq!(
        (unit.language, unit.module.as_str()),
        (Language::Asm, "vmlinux")
    );
    let prototypes = unit.prototypes.expect("prototypes");
    assert_eq!(
        prototypes.call.args,
        ["-nostdinc", "-D__KERNEL__", "-std=gnu11"].map(Word::from)
    );
    assert_eq!(
        prototypes.text(["clear_page_rep", "clear_page_erms"]),
        "#include <linux/kernel.h>\n#include <asm/asm-prototypes.h>\nEXPORT_SYMBOL(clear_page_rep);\nEXPORT_SYMBOL(clear_page_erms);\n"
    );
    assert_eq!(only(&[compile]).prototypes, None);
}

/// Checks that host programs, code with exports switched off, and plain assembly are no units.
#[test]
fn other_compiles_are_no_units() {
    let lines = [
        "gcc -Wall -O2 -c -o scripts/kallsyms.o /k/scripts/kallsyms.c",
        "gcc -D__KERNEL__ -D__DISABLE_EXPORTS -c -o arch/x86/purgatory/sha256.o /k/lib/crypto/sha256.c",
        "gcc -D__KERNEL__ -c -o lib/x.o /k/lib/x.s",
        "gcc -D__KERNEL__ -fverbose-asm -S -o kernel/bounds.s /k/kernel/bounds.c",
        COMPILE,
    ];
    assert_eq!(only(&lines).object, "kernel/fork.o");
}

/// Checks generated sources, and that the inner of two nested trees decides.
#[test]
fn generated_sources() {
    let unit =
        only(&["gcc -D__KERNEL__ -c -o drivers/tty/vt/defkeymap.o drivers/tty/vt/defkeymap.c"]);
    assert_eq!(
        (unit.source.as_str(), unit.generated),
        ("drivers/tty/vt/defkeymap.c", true)
    );
    let mut builder = PlanBuilder::new(Path::new("/k"), Path::new("/k/out"));
    builder.line(b"gcc -D__KERNEL__ -c -o a.o ./a.c; gcc -D__KERNEL__ -c -o b.o ../lib/b.c");
    let plan = builder.finish().expect("a plan");
    let places: Vec<_> = plan
        .units
        .iter()
        .map(|unit| (unit.source.as_str(), unit.generated))
        .collect();
    assert_eq!(places, [("a.c", true), ("lib/b.c", false)]);
}

/// Checks wrappers before the compiler, the temporary names of objects up to 5.18, and options with a word of their own.
#[test]
fn spellings_of_a_compile() {
    let unit = only(&[
        "if true; then ccache gcc -MD -MF x.d --param asan-stack=1 -D__KERNEL__ -x c -c /k/lib/a.c -o ./lib/.tmp_a.o; fi",
    ]);
    assert_eq!(unit.object, "lib/a.o");
    assert_eq!(unit.call.program, ["ccache", "gcc"]);
    assert_eq!(
        unit.call.args,
        ["--param", "asan-stack=1", "-D__KERNEL__", "-x", "c"].map(Word::from)
    );
}

/// Checks that a compile that is not understood is an error, never a unit less.
#[test]
fn unclear_compiles_are_errors() {
    for line in [
        "gcc -D__KERNEL__ -c -o a.o /k/a.c /k/b.c",
        "gcc -D__KERNEL__ -c -o a.o /k/a.rs",
        "gcc -D__KERNEL__ -c /k/a.c",
        "gcc -D__KERNEL__ -c -o a.o /elsewhere/a.c",
        "gcc -D__KERNEL__ -DX='open -c -o a.o /k/a.c",
    ] {
        let error = plan(&[COMPILE, line]).expect_err(line);
        assert!(
            error
                .to_string()
                .contains("not every command of it is understood"),
            "{error}"
        );
    }
    assert!(plan(&["echo nothing"]).is_err());
}
