use proptest::prelude::*;

use super::*;
use crate::compare::ChangeClass::{Added, CrcChanged, Removed};

fn read(text: &str, name: &str) -> RuleFile {
    RuleFile::read(text.as_bytes(), name, &RuleContext::default()).expect(text)
}

fn rules(texts: &[(&str, &str)]) -> Rules {
    let mut rules = Rules::default();
    for (name, text) in texts {
        rules.add(read(text, name));
    }
    rules
}

fn refused(text: &str, name: &str) -> String {
    RuleFile::read(text.as_bytes(), name, &RuleContext::default())
        .expect_err(text)
        .to_string()
}

/// A protected symbol of a module, and of a namespace if it holds a `:`-separated second part.
fn subject<'a>(symbol: &'a str, module: &'a str, namespace: Option<&'a str>) -> Subject<'a> {
    Subject {
        symbol,
        module,
        namespace,
        lists: &[],
        standing: Standing::Protected,
    }
}

fn severity(rules: &Rules, subject: &Subject<'_>, class: ChangeClass) -> Severity {
    let facet = Facet { class, cause: None };
    Matcher::new(rules).rule(subject, facet).severity
}

/// SUSE's own reading: what a pattern without kind means, and that the first matching line decides over all kinds.
#[test]
fn severities_as_suse_reads_them() {
    let text = "drivers/nvme/host/nvme-fc*\tFAIL\ndrivers/nvme/host/*\t\tPASS\nvmlinux PASS # all\n\
                I_BDEV PASS\n* PASS\nlib/test.ko PASS\nSYMBOL x* PASS\nfoo PASS\n";
    let rules = rules(&[("severities", text)]);
    for (symbol, module, namespace, expected) in [
        ("a", "drivers/nvme/host/nvme-fc-x", None, Severity::Fail),
        ("a", "drivers/nvme/host/nvme", None, Severity::Note),
        ("a", "vmlinux", None, Severity::Note),
        ("I_BDEV", "fs/a", None, Severity::Fail),
        ("a", "fs/a", Some("CXL"), Severity::Note),
        ("a", "lib/test", None, Severity::Fail),
        ("xa", "fs/a", None, Severity::Note),
        ("foo", "fs/a", None, Severity::Note),
        ("foobar", "fs/a", None, Severity::Fail),
    ] {
        let subject = subject(symbol, module, namespace);
        assert_eq!(
            severity(&rules, &subject, CrcChanged),
            expected,
            "{symbol} {module}"
        );
        // FAIL and PASS alike leave what is tolerated anyway.
        assert!(severity(&rules, &subject, Added) <= Severity::Note);
    }
}

/// What is odd in a severities file is told without another meaning: the older dialect, words in lower case, `*` and `.ko`.
#[test]
fn severities_lint() {
    let file = read("a pass\nb 7\nc 6\n* PASS\nlib/test.ko PASS\n", "severities");
    let severities: Vec<_> = file.rules.iter().map(|rule| rule.severity).collect();
    let note = Some(Severity::Note);
    assert_eq!(severities, [note, None, note, note, note]);
    let told: Vec<_> = file
        .warnings
        .iter()
        .map(|w| (w.line, w.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1, "the verdict `pass` is read as PASS"),
            (
                4,
                "`*` alone is a rule about namespaces and selects symbols in one only; for all symbols write `SYMBOL *`"
            ),
            (
                5,
                "`lib/test.ko` never matches: modules stand in Module.symvers without `.ko`"
            ),
        ]
    );
}

/// Lines that SUSE's tools refuse or panic on are errors with their line.
#[test]
fn severities_rejected() {
    assert_eq!(
        refused(
            "[a PASS\na#b PASS\nSYMBL a PASS\na b c PASS\na MAYBE\nok PASS\n",
            "s"
        ),
        "s:1: `[a`: `[` without `]`; expected a set such as [abc] or [a-z], or `\\[`\n\
         s:2: `a` has 1 words; expected [MODULE|NAMESPACE|SYMBOL] PATTERN PASS|FAIL\n\
         s:3: `SYMBL` is no kind of rule; did you mean `SYMBOL`?; expected MODULE, NAMESPACE or SYMBOL\n\
         s:4: `a b c PASS` has 4 words; expected [MODULE|NAMESPACE|SYMBOL] PATTERN PASS|FAIL\n\
         s:5: `MAYBE` is no verdict; expected PASS or FAIL"
    );
}

/// `rules.toml`: each selector selects by itself, all of them must fit, and the first rule that fits decides.
#[test]
fn toml_selects() {
    let text = r#"
schema = 1
[[rule]]
symbol = ["kvm_*", "vcpu_load"]
module = "arch/*"
severity = "notice"
[[rule]]
namespace = "CXL"
severity = "ignore"
[[rule]]
class = "added"
standing = "unlisted"
symbol = "*"
severity = "error"
[[rule]]
list = "*gone*"
class = ["moved", "removed"]
severity = "warning"
reason = "known"
[[rule]]
symbol = "kvm_*"
severity = "default"
[[rule]]
symbol = "kvm_x"
severity = "ignore"
"#;
    let rules = rules(&[("rules.toml", text)]);
    let plain = subject("kvm_x", "arch/x86/kvm/kvm", None);
    assert_eq!(severity(&rules, &plain, CrcChanged), Severity::Note);
    // The module does not fit the first rule; the fifth leaves the built-in severity and hides the sixth.
    assert_eq!(
        severity(&rules, &subject("kvm_x", "vmlinux", None), CrcChanged),
        Severity::Fail
    );
    assert_eq!(
        severity(&rules, &subject("b", "vmlinux", Some("CXL")), Removed),
        Severity::Ignore
    );
    let unlisted = Subject {
        standing: Standing::Unlisted,
        ..subject("new", "vmlinux", None)
    };
    assert_eq!(severity(&rules, &unlisted, Added), Severity::Fail);
    assert_eq!(
        severity(&rules, &subject("new", "vmlinux", None), Added),
        Severity::Note
    );
    let listed = Subject {
        lists: &["stablelist [gone-list]"],
        ..subject("b", "vmlinux", None)
    };
    assert_eq!(severity(&rules, &listed, Removed), Severity::Warn);
    assert_eq!(severity(&rules, &listed, CrcChanged), Severity::Fail);
    let ruling = Matcher::new(&rules).rule(
        &listed,
        Facet {
            class: Removed,
            cause: None,
        },
    );
    let rule = &rules.rules()[ruling.rule.expect("a rule")];
    assert_eq!(
        rule.to_string(),
        "rules.toml:15: list *gone*; class moved, removed: warning"
    );
}

/// A rule about one class of definition does not excuse a symbol that changed through another one too.
#[test]
fn one_class_excuses_no_other() {
    let rules = rules(&[(
        "r.toml",
        "[[rule]]\nclass = \"visibility\"\nseverity = \"notice\"\n",
    )]);
    let matcher = Matcher::new(&rules);
    let facet = |cause| Facet {
        class: CrcChanged,
        cause,
    };
    let one = subject("a", "vmlinux", None);
    let of = |facets: &[Facet]| matcher.gravest(&one, facets.iter().copied()).severity;
    assert_eq!(of(&[facet(Some("visibility"))]), Severity::Note);
    assert_eq!(
        of(&[facet(Some("visibility")), facet(Some("definition"))]),
        Severity::Fail
    );
    assert_eq!(of(&[facet(None)]), Severity::Fail);
    assert!(rules.ask_for_causes());
}

/// Each mistake in `rules.toml` is told with its line and, where a word is near, with that word.
#[test]
fn toml_rejected() {
    let text = "[[rule]]\nsymbl = \"a\"\nseverity = \"eror\"\n[[rule]]\nclass = \"crc-chnged\"\nseverity = \"fail\"\n\
                [[rule]]\nsymbol = \"[a\"\nstanding = \"usd\"\n[[rules]]\n";
    let classes: Vec<_> = toml::class_words().collect();
    assert_eq!(
        refused(text, "r.toml"),
        format!(
            "r.toml:1: the rule selects nothing in particular; for all symbols write `symbol = \"*\"`\n\
             r.toml:2: unknown key `symbl`; did you mean `symbol`? (known are symbol, module, namespace, list, standing, class, severity, reason)\n\
             r.toml:3: `eror` is no severity; did you mean `error`? (known are error, warning, notice, ignore, default)\n\
             r.toml:5: `crc-chnged` is no class of change; did you mean `crc-changed`? (known are {})\n\
             r.toml:6: `fail` is no severity; did you mean `error`? (known are error, warning, notice, ignore, default)\n\
             r.toml:7: the rule has no `severity`; expected one of error, warning, notice, ignore, default\n\
             r.toml:8: `[a`: `[` without `]`; expected a set such as [abc] or [a-z], or `\\[`\n\
             r.toml:9: `usd` is no standing; did you mean `used`? (known are protected, used, unlisted)\n\
             r.toml:10: unknown key `rules`; did you mean `rule`? (known are schema, rule)",
            classes.join(", ")
        )
    );
}

const DEFINES: &str = "[base]\narches: amd64\n\n[abi]\nabiname: 5\nignore-changes:\n __cpuhp_*\n # why\n \
    module:drivers/net/wireless/**\n\n[abi_arm64]\nignore-changes: arm_only\n[abi_amd64_rt_amd64]\nignore-changes:\n rt_only\n";

/// Debian's sections hold for their kernels only, and its `*` stops at `/`.
#[test]
fn debian_sections() {
    let read = |arch, flavour| {
        let context = RuleContext { arch, flavour };
        RuleFile::read(DEFINES.as_bytes(), "defines", &context).expect("reads")
    };
    let names =
        |file: &RuleFile| -> Vec<String> { file.rules.iter().map(|r| r.text.clone()).collect() };
    let plain = read(Some("x86"), Some("amd64"));
    assert_eq!(
        names(&plain),
        ["__cpuhp_*", "module:drivers/net/wireless/**"]
    );
    assert_eq!(plain.warnings, []);
    assert_eq!(
        names(&read(Some("x86_64"), Some("rt-amd64")))[2..],
        ["rt_only"]
    );
    assert_eq!(names(&read(Some("arm64"), None))[2..], ["arm_only"]);
    // Nothing is known of the kernel: the sections of some kernels only are left out, and that is told.
    let unknown = read(None, None);
    assert_eq!((names(&unknown).len(), unknown.warnings.len()), (2, 2));
    let mut rules = Rules::default();
    rules.add(plain);
    let wireless = subject("a", "drivers/net/wireless/intel/iwlwifi/iwlwifi", None);
    assert_eq!(severity(&rules, &wireless, Removed), Severity::Note);
    assert_eq!(
        severity(&rules, &subject("__cpuhp_a/b", "vmlinux", None), Removed),
        Severity::Fail
    );
    assert_eq!(
        refused("[abi]\nignore-changes: modul:a name:b:c\n", "defines"),
        "defines:2: `modul:` is unknown; did you mean `module`?; expected name:PATTERN or module:PATTERN\n\
         defines:2: `name:b:c` has two colons; expected name:PATTERN or module:PATTERN"
    );
}

/// Ubuntu's names are exact symbols or locations.
#[test]
fn ubuntu_names() {
    let rules = rules(&[("ignore.abi", "M: drivers/foo\nbar\nfs/ext4/ext4\n")]);
    assert_eq!(
        severity(&rules, &subject("x", "drivers/foo", None), Removed),
        Severity::Note
    );
    assert_eq!(
        severity(&rules, &subject("bar", "vmlinux", None), Removed),
        Severity::Note
    );
    assert_eq!(
        severity(&rules, &subject("x", "bar", None), Removed),
        Severity::Note
    );
    assert_eq!(
        severity(&rules, &subject("x", "fs/ext4/ext4", None), Removed),
        Severity::Note
    );
    assert_eq!(
        severity(&rules, &subject("bar1", "vmlinux", None), Removed),
        Severity::Fail
    );
    assert_eq!(
        refused("foo*\na b c\n", "ignore.abi"),
        "ignore.abi:1: `foo*` is neither symbol nor location; names stand here as they are, without patterns\n\
         ignore.abi:2: `a b c` is more than one name; expected a symbol, a location, or `M: LOCATION`"
    );
}

/// Files that are no rules are refused by name.
#[test]
fn foreign_files() {
    let symvers = "0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t\n";
    assert!(refused(symvers, "m").ends_with("this looks like a Module.symvers file"));
    let android = "type 'struct task_struct' changed\n  member 'u64 a' was removed\n";
    assert!(refused(android, "b").ends_with("this looks like an Android allowed_breaks file"));
}

/// A rule that selects nothing, one that comes too late, and one whose pattern was meant for a symbol are told apart.
#[test]
fn unused_rules() {
    let text = "a* PASS\nab PASS\nnone PASS\nI_BDEV PASS\nvmlinux PASS\n";
    let rules = rules(&[("s", text)]);
    let kernel = Symvers::read(
        b"0x1\tab\tvmlinux\tEXPORT_SYMBOL\t\n0x2\tI_BDEV\tfs/x\tEXPORT_SYMBOL\t\n0x2\tz\tvmlinux\tEXPORT_SYMBOL\t\n",
        "m",
    )
    .expect("reads")
    .symvers;
    let unused = rules.unused(&[&kernel], |_| (Vec::new(), Standing::Protected));
    let expected = [
        (
            1,
            UnusedRule::Shadowed {
                by: "s:1".to_owned(),
            },
        ),
        (2, UnusedRule::NoMatch),
        (3, UnusedRule::NamesASymbol),
    ];
    assert_eq!(unused, expected.into());
}

/// The rules of several files stand in the order of the files.
#[test]
fn files_in_order() {
    let rules = rules(&[
        ("s", "a PASS\n"),
        ("r.toml", "[[rule]]\nsymbol = \"a\"\nseverity = \"error\"\n"),
    ]);
    assert_eq!(
        severity(&rules, &subject("a", "vmlinux", None), Removed),
        Severity::Note
    );
    assert_eq!(rules.files().len(), 2);
}

proptest! {
    /// No bytes panic, whatever kind they are taken for.
    #[test]
    fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), text in "[\\[\\]a-z=\\* \n:/#'PASFIL0-9]{0,120}") {
        for name in ["r", "r.toml"] {
            let _ = RuleFile::read(&bytes, name, &RuleContext::default());
            let _ = RuleFile::read(text.as_bytes(), name, &RuleContext::default());
        }
    }
}
