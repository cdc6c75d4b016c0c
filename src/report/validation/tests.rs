//! One sample in every format.

use super::super::{Format, ReasonCode, markdown::COMMENT_BUDGET};
use super::super::{SandboxFacts, SandboxRequest};
use super::*;

fn verdict(verdict: &str, sentences: &[&str]) -> ModuleVerdict {
    let problem = |sentence: &&str| ModuleProblem {
        kind: "crc-mismatch".into(),
        symbol: "printk".into(),
        wanted: Some("0x00000001".into()),
        found: None,
        sentence: (*sentence).to_owned(),
    };
    ModuleVerdict {
        verdict: verdict.into(),
        problems: sentences.iter().map(problem).collect(),
        rebuild: None,
    }
}

fn sample() -> Validation {
    let kernel = |name: &str| ValidatedKernel {
        name: name.into(),
        source: format!("candidates/{name}/Module.symvers"),
        exports: 24_618,
        release: None,
        vermagic: None,
        this_module_size: None,
        missing_version: "unknown".into(),
        not_compared: vec!["version magic".into()],
    };
    let module = |name: &str, verdicts: Vec<ModuleVerdict>| ValidatedModule {
        provider: "kmod-acme".into(),
        version: Some("1.0-3".into()),
        module: name.into(),
        path: format!("kmod-acme.rpm:lib/modules/6.1/extra/{name}.ko"),
        verdicts,
    };
    let mut failed = verdict("needs-rebuild", &["`printk` differs"]);
    failed.rebuild = Some(Rebuild {
        outcome: "failed".into(),
        messages: vec!["acme.c:3:1: error: too few arguments <&\u{1b}]]>".into()],
    });
    Validation {
        schema: VALIDATION_SCHEMA.into(),
        tool: Tool {
            name: "kabigate".into(),
            version: "0".into(),
        },
        exit_code: 1,
        reasons: Vec::new(),
        warnings: vec!["odd".into()],
        candidates: vec![kernel("6.1.0-50-amd64"), kernel("6.12")],
        sandbox: Some(SandboxFacts {
            request: SandboxRequest::Auto,
            bubblewrap: true,
            landlock: 0,
            filter: false,
        }),
        modules: vec![
            module(
                "acme_core",
                vec![
                    verdict("loads", &[]),
                    verdict("unknown", &["a | b <script> @all"]),
                ],
            ),
            module(
                "acme_nic",
                vec![verdict("loads-with-warning", &["no version"]), failed],
            ),
        ],
    }
}

/// The console text has verdict, matrix and reasons.
#[test]
fn console_text() {
    insta::assert_snapshot!("console", console::render(&sample(), false));
}

/// The Markdown has a matrix in which strangers' text is harmless, and stays within its budget.
#[test]
fn markdown_text() {
    let text = markdown::render(&sample(), COMMENT_BUDGET);
    insta::assert_snapshot!("markdown", text);
    let short = markdown::render(&sample(), 600);
    assert!(short.len() <= 600 && short.contains("Left out"), "{short}");
}

/// The JUnit has a case for each module and candidate, and a reader of XML takes it.
#[test]
fn junit_text() {
    let text = junit::render(&sample());
    let document = roxmltree::Document::parse(&text).expect("XML");
    let cases = document
        .descendants()
        .filter(|n| n.has_tag_name("testcase"));
    assert_eq!(cases.count(), 5);
    insta::assert_snapshot!("junit", text);
}

/// The JSON reads back equal; another schema is refused; a bad input is told first.
#[test]
fn json_reads_back() {
    let mut validation = sample();
    let text = json(&validation);
    assert!(is_validation(text.as_bytes()));
    assert_eq!(read(text.as_bytes(), "v.json").expect("reads"), validation);
    let other = text.replace("validation/1", "validation/9");
    assert!(matches!(
        read(other.as_bytes(), "v"),
        Err(Error::Schema { .. })
    ));
    validation.exit_code = 2;
    validation.reasons.push(Reason {
        code: ReasonCode::InputInvalid,
        message: "bad.ko: damaged".into(),
        next_step: None,
        commit: None,
        file: None,
        line: None,
        expected: None,
        found: None,
    });
    let text = render(&validation, Format::Console, false, 0).expect("a format of validations");
    assert!(
        text.starts_with("INVALID  1 of 2 modules stops loading"),
        "{text}"
    );
    assert!(render(&validation, Format::Github, false, 0).is_none());
}
