//! Baselines of exports that another program recorded, and the sentences and lists of a comparison of two kernels.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use kabigate::symtypes::{Definition, TypeGraph, TypeKind, TypeName, reference};
use kabigate::symvers::{Export, ExportClass, Symvers};
use support::{Ended, Run};

/// The configuration that a headers package holds beside the exports.
const CONFIG: &str = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.176 Kernel Configuration\n#\n\
    CONFIG_CC_VERSION_TEXT=\"gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0\"\nCONFIG_CC_IS_GCC=y\nCONFIG_MODVERSIONS=y\n";

/// A kernel of two units; `member` stands in the structure that both symbols reach.
struct Kernel {
    symvers: Symvers,
    types: TypeGraph,
}

impl Kernel {
    fn new(member: &str) -> Kernel {
        let mut types = TypeGraph::default();
        let queue = format!("struct queue {{ int depth ;{member} }}");
        let mut symvers = Symvers::default();
        for symbol in ["q_exit", "q_init"] {
            let prototype = format!("int {symbol} ( s#queue * )");
            let records = [("s#queue", queue.as_str()), (symbol, prototype.as_str())];
            types.add_unit(&format!("lib/{symbol}"), &records.map(definition));
            symvers.insert(Export {
                symbol: symbol.into(),
                crc: types.crc(symbol).unwrap(),
                module: "vmlinux".into(),
                class: ExportClass::Plain,
                namespace: None,
            });
        }
        Kernel { symvers, types }
    }
}

fn definition((name, text): (&str, &str)) -> Definition {
    Definition {
        name: reference(name).unwrap_or(TypeName {
            kind: TypeKind::Symbol,
            name: name.to_owned(),
        }),
        is_extern: false,
        text: text.to_owned(),
        location: None,
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir_in(support::target()).unwrap())
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.0.path().join(path).exists()
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Run::new(arguments).dir(self.0.path()).end()
    }

    fn import(&self, arguments: &[&str]) -> Ended {
        let mut all = vec!["baseline", "import"];
        all.extend(arguments);
        self.run(&all)
    }
}

/// With types and configuration beside the exports an imported baseline is whole but for what nobody wrote down.
#[test]
fn exports_with_types() {
    let (place, old, new) = (Place::new(), Kernel::new(""), Kernel::new(" int width ;"));
    for (folder, kernel) in [("old", &old), ("new", &new)] {
        place.write(&format!("{folder}/Module.symvers"), kernel.symvers.write());
        place.write(
            &format!("{folder}/symtypes"),
            kernel.types.to_consolidated(),
        );
        place.write(&format!("{folder}/.config"), CONFIG);
    }
    place
        .import(&["bl", "old"])
        .code(0)
        .err_has("with types")
        .err_has("not known and not compared: grammar");
    let manifest = place.read("bl/baseline.toml");
    for text in [
        "imported_from = \"old\"",
        "release = \"6.1.176\"",
        "arch = \"x86\"",
        "compiler_family = \"gcc\"",
        "algorithm = \"genksyms\"",
        "grammar = \"unknown\"",
    ] {
        assert!(manifest.contains(text), "{text}: {manifest}");
    }
    assert_eq!(place.read("bl/config"), CONFIG);
    place
        .run(&["baseline", "verify", "bl"])
        .code(0)
        .out_has("2 of 2 CRCs agree");
    place
        .run(&["baseline", "show", "bl"])
        .code(0)
        .out_has("imported from old")
        .out_has("of 2 units");
    place
        .run(&["diff", "bl", "new"])
        .code(1)
        .out_has("struct queue: layout changed (member added: int width)");
    place
        .import(&["bl", "new"])
        .code(2)
        .err_has("already exists");
    place
        .import(&["again", "bl"])
        .code(2)
        .err_has("is a baseline folder already");
    // Types of another kernel are refused, and nothing is left.
    place
        .import(&["wrong", "old", "--symtypes", "new/symtypes"])
        .code(3)
        .err_has("the types are not those of the exports");
    assert!(!place.has("wrong"));
}

/// Without types a comparison works, tells no cause and says so; nothing can be verified, and that is no success.
#[test]
fn exports_without_types() {
    let (place, old, new) = (Place::new(), Kernel::new(""), Kernel::new(" int width ;"));
    place.write("old.symvers", old.symvers.write());
    place.write("new.symvers", new.symvers.write());
    place
        .import(&["bl", "old.symvers"])
        .code(0)
        .err_has("without types")
        .err_has("arch, config, compiler, crc-algorithm, grammar")
        .err_has("needs the configuration");
    assert!(!place.has("bl/symtypes.zst") && !place.has("bl/config"));
    place
        .run(&["diff", "bl", "new.symvers"])
        .code(1)
        .out_has("2 of 2 protected symbols changed")
        .err_has("without what caused them");
    // An architecture that nobody wrote down contradicts none.
    place.write("list", "[rhel9_x86_64_stablelist]\n\tq_init\n");
    place
        .run(&["diff", "bl", "new.symvers", "--protect", "list"])
        .code(1)
        .out_has("1 of 1 protected symbol changed");
    place
        .run(&["baseline", "verify", "bl"])
        .code(3)
        .out_has("0 of 2 CRCs agree");
    // A folder that lost its types is something else.
    let whole = place
        .read("bl/baseline.toml")
        .replace("imported_from = \"old.symvers\"\n", "");
    place.write("bl/baseline.toml", whole);
    place
        .run(&["baseline", "show", "bl"])
        .code(3)
        .err_has("it has no symtypes.zst");
}

/// Red Hat's folder with a file for each symbol is baseline and list in one, with the types beside the symbols.
#[test]
fn a_file_for_each_symbol() {
    let (place, old, new) = (Place::new(), Kernel::new(""), Kernel::new(" int width ;"));
    let line = |kernel: &Kernel, symbol: &str| {
        let text = kernel.symvers.write();
        let line = text.lines().find(|line| line.contains(symbol));
        line.unwrap().to_owned()
    };
    place.write(
        "kabi/q_init",
        format!("#1-\n#I:0\n#P:lib/q.c\n{}\n", line(&old, "q_init")),
    );
    place.write("kabi/q_exit", format!("#1-3\n{}\n", line(&old, "q_exit")));
    let unit = old.types.unit("lib/q_init").unwrap();
    place.write("kabi/.q_init", old.types.to_object(unit));
    let mut whole = new.symvers.clone();
    whole.insert(Export {
        symbol: "other".into(),
        crc: kabigate::symvers::Crc(1),
        module: "vmlinux".into(),
        class: ExportClass::Plain,
        namespace: None,
    });
    place.write("new/Module.symvers", whole.write());
    place.write("new/symtypes", new.types.to_consolidated());
    place
        .import(&["bl", "kabi"])
        .code(0)
        .err_has("recorded 1 protected symbols of kabi in bl, with types");
    assert_eq!(place.read("bl/stablelist"), "q_init\n");
    place
        .run(&[
            "diff",
            "bl",
            "new",
            "--protect",
            "bl/stablelist",
            "--output",
            "short",
        ])
        .code(1)
        .out_has("Export 'q_init' changed CRC from '0x")
        .out_has("Changes tolerated by rules: '0' additions, '0' removals, '0' modifications");
    place
        .import(&["minor", "kabi", "--minor", "2"])
        .code(0)
        .err_has("recorded 2 protected symbols")
        .err_has("the types know nothing of 1 symbols");
    // As a list it protects what is in force.
    place.write("old/Module.symvers", old.symvers.write());
    place
        .run(&["diff", "old", "new", "--protect", "kabi"])
        .code(1)
        .out_has("1 of 1 protected symbol changed");
    place.write("kabi/q_free", "#1-\n0x1\tq_exit\tvmlinux\tEXPORT_SYMBOL\n");
    place
        .run(&["diff", "old", "new", "--protect", "kabi"])
        .code(2)
        .out_has("q_free:2: the line of `q_exit` in the file of another symbol");
}

/// A `Module.kabi` is its own list, and what it does not list is neither added nor missed.
#[test]
fn module_kabi() {
    let (place, old, new) = (Place::new(), Kernel::new(""), Kernel::new(" int width ;"));
    let text = old.symvers.write();
    let first = text.lines().next().unwrap();
    place.write("Module.kabi_x86_64", format!("{first}\n"));
    place.write("new/Module.symvers", new.symvers.write());
    place
        .import(&["bl", "Module.kabi_x86_64"])
        .code(0)
        .err_has("recorded 1 protected symbols");
    assert_eq!(place.read("bl/stablelist"), "q_exit\n");
    for old in ["bl", "Module.kabi_x86_64"] {
        place
            .run(&["diff", old, "new"])
            .code(1)
            .out_has("1 of 1 protected symbol changed")
            .err_has("holds protected symbols only");
    }
}

/// A comparison restarts itself for huge pages unless the user set the allocator up: both ways it gets the same arguments,
/// bytes that are no text included, and says the same.
#[test]
fn a_restart_changes_nothing() {
    let (place, old, new) = (Place::new(), Kernel::new(""), Kernel::new(" int width ;"));
    let file = OsStr::from_bytes(b"old \xff.symvers");
    fs::write(place.0.path().join(file), old.symvers.write()).unwrap();
    place.write("new.symvers", new.symvers.write());
    let run = || Run::new(["diff".as_ref(), file, "new.symvers".as_ref()]).dir(place.0.path());
    let [restarted, at_once] = [run(), run().env("GLIBC_TUNABLES", "")].map(Run::end);
    let restarted = restarted
        .code(1)
        .out_has("2 of 2 protected symbols changed");
    assert_eq!((restarted.out, restarted.err), {
        let at_once = at_once.code(1);
        (at_once.out, at_once.err)
    });
}

/// SUSE's files lie beside each other under names of the flavour; a headers package's configuration is found.
#[test]
fn files_of_distributions() {
    let (place, old) = (Place::new(), Kernel::new(""));
    let packed = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    place.write("kabi/symvers-default.zst", packed(&old.symvers.write()));
    place.write("kabi/symtypes-default", old.types.to_consolidated());
    place
        .import(&["suse", "kabi/symvers-default.zst"])
        .code(0)
        .err_has("with types");
    let headers = "usr/src/linux-headers-6.1.0-50-amd64";
    place.write(
        &format!("package/{headers}/Module.symvers"),
        old.symvers.write(),
    );
    place.write(&format!("package/{headers}/.config"), CONFIG);
    place
        .import(&["debian", "package"])
        .code(0)
        .err_has("without types");
    assert!(
        place
            .read("debian/baseline.toml")
            .contains("release = \"6.1.176\"")
    );
    place.write("lib/modules/6.1/symvers.zst", packed(&old.symvers.write()));
    place.import(&["running", "lib/modules/6.1"]).code(0);
    place
        .import(&[
            "combined",
            "kabi/symvers-default.zst",
            "--symtypes",
            combined(&place, &old).to_str().unwrap(),
        ])
        .code(0);
    place
        .run(&["baseline", "verify", "combined"])
        .code(0)
        .out_has("2 of 2");
}

fn combined(place: &Place, kernel: &Kernel) -> PathBuf {
    place.write("Symtypes.build", kernel.types.to_combined())
}

/// Equal inputs give equal reports, whatever the number of threads and the order that hash tables happen to have.
#[test]
fn reports_are_the_same_every_time() {
    let place = Place::new();
    let (old, new) = (large_kernel(0), large_kernel(1));
    for (folder, kernel) in [("old", &old), ("new", &new)] {
        place.write(&format!("{folder}/Module.symvers"), kernel.symvers.write());
        place.write(
            &format!("{folder}/symtypes"),
            kernel.types.to_consolidated(),
        );
    }
    let formats = [
        "json", "console", "markdown", "junit", "sarif", "html", "short", "symbols",
    ];
    let mut first: Option<Vec<String>> = None;
    for threads in ["1", "2", "7"] {
        let outputs = formats.map(|format| format!("{format}:{format}"));
        let mut arguments = vec!["diff", "old", "new"];
        arguments.extend(
            outputs
                .iter()
                .flat_map(|output| ["--output", output.as_str()]),
        );
        Run::new(&arguments)
            .env("RAYON_NUM_THREADS", threads)
            .dir(place.0.path())
            .end()
            .code(1);
        let texts: Vec<String> = formats.iter().map(|format| place.read(format)).collect();
        let before = first.get_or_insert_with(|| texts.clone());
        assert!(*before == texts, "{threads} threads");
    }
}

/// A kernel of many units whose structures refer to each other; of some the text depends on `variant`.
fn large_kernel(variant: usize) -> Kernel {
    let mut types = TypeGraph::default();
    let mut symvers = Symvers::default();
    for unit in 0..60_usize {
        let mut records = Vec::new();
        for at in 0..12_usize {
            let (next, other) = ((at * 5 + 1) % 12, (at + unit) % 12);
            let changed = if at % 4 == 0 { variant } else { 0 };
            let text = format!(
                "struct n{at} {{ s#n{next} * next ; int v{changed} ; s#n{other} * other ; }}"
            );
            records.push((format!("s#n{at}"), text));
        }
        let symbol = format!("f{unit}");
        records.push((
            symbol.clone(),
            format!("int {symbol} ( s#n{} * )", unit % 12),
        ));
        let definitions: Vec<Definition> = records
            .iter()
            .map(|(name, text)| definition((name, text)))
            .collect();
        types.add_unit(&format!("lib/u{unit}"), &definitions);
        symvers.insert(Export {
            crc: types.crc(&symbol).unwrap(),
            module: format!("drivers/m{}", unit % 7).into(),
            symbol: symbol.into(),
            class: ExportClass::Plain,
            namespace: None,
        });
    }
    Kernel { symvers, types }
}

/// The sentences of `short` stand in the order and the words that readers of ksymvers know.
#[test]
fn short_sentences() {
    let place = Place::new();
    let text = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| line.replace(' ', "\t") + "\t\n")
            .collect::<String>()
    };
    place.write(
        "old",
        text(&[
            "0x00000001 changes vmlinux EXPORT_SYMBOL",
            "0x00000002 loosens vmlinux EXPORT_SYMBOL_GPL",
            "0x00000003 goes vmlinux EXPORT_SYMBOL",
            "0x00000004 ruled vmlinux EXPORT_SYMBOL",
            "0x00000005 ruled_gone vmlinux EXPORT_SYMBOL",
        ]),
    );
    place.write(
        "new",
        text(&[
            "0x00000003 changes vmlinux EXPORT_SYMBOL_GPL",
            "0x00000002 loosens vmlinux EXPORT_SYMBOL",
            "0x00000001 comes vmlinux EXPORT_SYMBOL",
            "0x00000007 ruled vmlinux EXPORT_SYMBOL",
            "0x00000001 ruled_new vmlinux EXPORT_SYMBOL",
        ]),
    );
    place.write("severities", "loosens FAIL\nruled* PASS\n");
    let ended = place
        .run(&[
            "diff",
            "old",
            "new",
            "--rules",
            "severities",
            "--output",
            "short",
        ])
        .code(1);
    assert_eq!(
        ended.out,
        "\
Export 'comes' has been added (implicitly tolerated)
Export 'goes' has been removed
Export 'changes' changed CRC from '0x00000001' to '0x00000003'
Export 'changes' changed type from 'EXPORT_SYMBOL' to 'EXPORT_SYMBOL_GPL'
Export 'loosens' changed type from 'EXPORT_SYMBOL_GPL' to 'EXPORT_SYMBOL' (implicitly tolerated)
Changes tolerated by rules: '1' additions, '1' removals, '1' modifications
"
    );
}

/// A list that a revision of the tree holds as a folder is read from there, not from the work tree.
#[test]
fn a_list_folder_of_a_revision() {
    let place = Place::new();
    let tree = place.0.path().join("tree");
    fs::create_dir_all(&tree).unwrap();
    let git = |arguments: &[&str]| support::git(&tree, arguments.iter().copied());
    git(&["init", "-q", "-b", "main"]);
    place.write(
        "tree/kabi/gone_symbol",
        "#1-\n0x1\tgone_symbol\tvmlinux\tEXPORT_SYMBOL\n",
    );
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "base"]);
    git(&["commit", "-q", "--allow-empty", "-m", "next"]);
    // The work tree's file is another one; it is not opened.
    place.write("tree/kabi/gone_symbol", "this is no such file");
    let old = Kernel::new("");
    place.write("exports/Module.symvers", old.symvers.write());
    place.write("exports/.config", CONFIG);
    place.import(&["bl", "exports"]).code(0);
    let bl = place.0.path().join("bl");
    let check = |list: &str| {
        Run::new([
            "check",
            "--range",
            "HEAD~1..HEAD",
            "--baseline",
            bl.to_str().unwrap(),
        ])
        .args(["--protect", list])
        .dir(Path::new(&tree))
        .end()
    };
    check("kabi").code(2).out_has("`gone_symbol` is listed");
    check("absent").code(2).out_has("no such file");
}

/// Parts of a run against a baseline without configuration join only if all were computed with the same one.
#[test]
fn parts_of_one_configuration() {
    let (place, kernel) = (Place::new(), Kernel::new(""));
    place.write("Module.symvers", kernel.symvers.write());
    place.import(&["tree/bl", "Module.symvers"]).code(0);
    place.write("tree/bl/stablelist", "q_init\n");
    let tree = place.0.path().join("tree");
    let git = |arguments: &[&str]| support::git(&tree, arguments.iter().copied());
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "base"]);
    git(&["tag", "base"]);
    for subject in ["one", "two"] {
        git(&["commit", "-q", "--allow-empty", "-m", subject]);
    }
    place.write("a.config", "CONFIG_MODVERSIONS=y\nCONFIG_SMP=y\n");
    place.write("b.config", "CONFIG_MODVERSIONS=y\n");
    let unset = "CONFIG_MODVERSIONS=y\n# CONFIG_SMP is not set\n";
    place.write("c.config", unset);
    let part = |name: &str, shard: &str, config: &str| {
        let output = format!("json:../{name}");
        Run::new(["check", "--range", "base..HEAD", "--baseline", "bl"])
            .dir(&tree)
            .args(["--work", "../work", "--config", config])
            .args(["--shard", shard, "--output", &output])
            .end()
            .code(0);
    };
    part("first", "1/2", "../a.config");
    part("same", "2/2", "../a.config");
    part("absent", "2/2", "../b.config");
    part("b-first", "1/2", "../b.config");
    part("unset", "2/2", "../c.config");
    // The tree is no kernel, which is all that the joined run has to say.
    place
        .run(&["merge", "first", "same"])
        .code(3)
        .out_has("not a kernel source tree");
    for (first, other) in [("first", "absent"), ("b-first", "unset")] {
        place
            .run(&["merge", first, other])
            .code(3)
            .out_has("parts-mismatch")
            .out_has("of another baseline");
    }
}
