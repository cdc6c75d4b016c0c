use super::*;

/// Standard error of a dry run of 6.1 with Debian's configuration, whose signing key lies outside the tree.
const CERTS: &str = "make[3]: *** No rule to make target 'output/signing_key.pem', needed by 'certs/signing_key.x509'.\n\
    make[2]: *** [/k/6.1/scripts/Makefile.build:508: certs] Error 2\n\
    make[1]: *** [/k/6.1/Makefile:2050: .] Error 2\n\
    make: *** [Makefile:250: __sub-make] Error 2\n";

/// A folder with the files of a kernel tree that are looked for.
fn tree(makefile: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir_all(folder.path().join("scripts/genksyms")).expect("a folder");
    for (name, text) in [
        ("Makefile", makefile),
        ("Kbuild", ""),
        ("Kconfig", ""),
        ("scripts/Makefile.build", ""),
    ] {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

fn open(folder: &Path) -> Result<ObjectTree, KbuildError> {
    let options = MakeOptions::new("/usr/local/bin:/usr/bin:/bin");
    ObjectTree::new(folder.to_owned(), folder.join("obj"), options)
}

/// Checks that a missing signing key is a note.
#[test]
fn missing_key_is_tolerated() {
    assert_eq!(
        tolerated(CERTS, "exit status: 2").expect("tolerated"),
        ["No rule to make target 'output/signing_key.pem', needed by 'certs/signing_key.x509'."]
    );
}

/// Checks that every other failure of the dry run is an error that repeats it, and so is one without a reason.
#[test]
fn other_failures_are_errors() {
    for line in [
        "make[3]: *** No rule to make target 'lib/x.c', needed by 'lib/x.o'.",
        "/k/drivers/Makefile:3: *** missing separator.  Stop.",
        "make[2]: *** No rule to make target 'a'.  Stop.",
    ] {
        let error = tolerated(&format!("{line}\n{CERTS}"), "exit status: 2").expect_err(line);
        assert!(error.to_string().contains(line), "{error}");
    }
    let passed_on = "make: *** [Makefile:250: __sub-make] Error 2\n";
    let error = tolerated(passed_on, "exit status: 2").expect_err("no reason");
    assert!(
        error.to_string().contains("units may be missing"),
        "{error}"
    );
    assert!(tolerated("", "signal: 9 (SIGKILL)").is_err());
}

/// Checks what is said of folders that are no kernel tree, or one that is too old.
#[test]
fn refuses_other_folders() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    let error = open(empty.path()).expect_err("no tree");
    assert!(
        error
            .to_string()
            .contains("not a kernel source tree: `Makefile` is missing"),
        "{error}"
    );
    let other = tree("all:\n\techo\n");
    assert!(
        open(other.path())
            .expect_err("no tree")
            .to_string()
            .contains("no VERSION")
    );
    let old = tree("VERSION = 4\nPATCHLEVEL = 18\nSUBLEVEL = 0\n");
    assert!(
        open(old.path())
            .expect_err("too old")
            .to_string()
            .contains("kernel 4.18 is not supported")
    );
    let new = tree("VERSION = 6\nPATCHLEVEL = 1\n");
    std::fs::remove_file(new.path().join("Kbuild")).expect("removed");
    assert!(
        open(new.path())
            .expect_err("incomplete")
            .to_string()
            .contains("`Kbuild` is missing")
    );
}

/// Checks that folders with names that make cannot take are refused.
#[test]
fn refuses_folder_names() {
    let folder = tree("VERSION = 6\nPATCHLEVEL = 1\n");
    let options = MakeOptions::new("/usr/bin:/bin");
    let spaced = folder.path().join("an obj");
    let error = ObjectTree::new(folder.path().to_owned(), spaced, options).expect_err("a blank");
    assert!(matches!(error, KbuildError::FolderName { .. }), "{error}");
}

/// Checks the release before and after preparation, and the folder of the architecture.
#[test]
fn release_and_arch() {
    let folder = tree("# SPDX\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 176\nEXTRAVERSION = -rc1\n");
    let mut object_tree = open(folder.path()).expect("a tree");
    let release = object_tree.release().expect("a release");
    assert_eq!(
        (release.version.as_str(), release.release),
        ("6.1.176-rc1", None)
    );
    let config = object_tree.obj().join("include/config");
    std::fs::create_dir_all(&config).expect("a folder");
    std::fs::write(config.join("kernel.release"), "6.1.176-rc1-x\n").expect("a file");
    let release = object_tree.release().expect("a release").release;
    assert_eq!(release.as_deref(), Some("6.1.176-rc1-x"));
    object_tree.options.arch = Some("x86_64".to_owned());
    assert_eq!(object_tree.arch(), "x86");
}

/// Checks a whole dry run of a tree of its own: units, notes of tolerated failures, and the error when nothing compiles.
#[test]
fn plans_a_small_tree() {
    let folder = tree(
        "VERSION = 6\nPATCHLEVEL = 12\n.PHONY: ./\n./:\n\t@echo '  CC a.o'; gcc -D__KERNEL__ -c -o a.o $(CURDIR)/a.c\n\nnone:\n",
    );
    let object_tree = open(folder.path()).expect("a tree");
    let plan = object_tree.plan().expect("a plan");
    let objects: Vec<_> = plan.units.iter().map(|unit| unit.object.as_str()).collect();
    assert_eq!(objects, ["a.o"]);
    assert!(plan.notes.is_empty());
    let folder = tree("VERSION = 6\nPATCHLEVEL = 12\n.PHONY: ./\n./:\n\t@echo nothing\n");
    let error = open(folder.path())
        .expect("a tree")
        .plan()
        .expect_err("no unit");
    assert!(error.to_string().contains("it compiles nothing"), "{error}");
    let folder = tree("VERSION = 6\nPATCHLEVEL = 12\n.PHONY: ./\n./: missing\n");
    let error = open(folder.path())
        .expect("a tree")
        .plan()
        .expect_err("a failure");
    assert!(
        error
            .to_string()
            .contains("No rule to make target 'missing'"),
        "{error}"
    );
}

/// Checks that make is stopped at its time limit, and that children see neither our variables nor another clock.
#[test]
fn make_is_bounded_and_blind() {
    let makefile = "VERSION = 6\nPATCHLEVEL = 12\nmodules_prepare:\n\t@test -z \"$$CARGO_MANIFEST_DIR\"; test \"$$KBUILD_BUILD_USER\" = kabigate; sleep $(CC)\n";
    let folder = tree(makefile);
    let mut object_tree = open(folder.path()).expect("a tree");
    object_tree.options.cc = Some("0".to_owned());
    object_tree.prepare().expect("prepared");
    object_tree.options.cc = Some("60".to_owned());
    object_tree.options.timeout = std::time::Duration::from_millis(400);
    let error = object_tree.prepare().expect_err("too slow");
    assert!(
        error
            .to_string()
            .contains("make modules_prepare: make was killed after 0.4 s"),
        "{error}"
    );
}

/// Checks that the compiler tells family, version and machine, and that another program is refused.
#[test]
fn compiler_identity() {
    let folder = tree("VERSION = 6\nPATCHLEVEL = 12\n");
    let mut object_tree = open(folder.path()).expect("a tree");
    let compiler = object_tree.compiler().expect("a compiler");
    assert_eq!(compiler.family.name(), "gcc");
    assert!(
        compiler.version.contains("gcc") && compiler.machine.contains("linux"),
        "{compiler:?}"
    );
    object_tree.options.cc = Some("true".to_owned());
    assert!(matches!(
        object_tree.compiler(),
        Err(KbuildError::Compiler { .. })
    ));
}
