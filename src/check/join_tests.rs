//! Joins of small pieces that are made here; `tests/gate.rs` does the same on a real kernel.

use super::*;
use crate::check::hidden::HiddenLines;
use crate::check::part::Shard;
use crate::check::verdict::unchecked;
use crate::report::{Mode, SymbolChange};

fn commit(id: &str) -> CommitName {
    CommitName {
        id: id.to_owned(),
        subject: format!("commit {id}"),
        author: "A <a@example.org>".to_owned(),
        date: "2026-11-01T00:00:00+00:00".to_owned(),
        source: None,
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn change(symbol: &str) -> SymbolChange {
    SymbolChange {
        symbol: symbol.into(),
        protected: true,
        lists: Vec::new(),
        used_by: Vec::new(),
        severity: Severity::Fail,
        changes: Vec::new(),
        base: None,
        head: None,
        causes: Vec::new(),
        witness: Vec::new(),
        since: None,
    }
}

fn changed(symbols: &[&str]) -> Findings {
    let mut findings = Findings {
        symbols: symbols.iter().map(|symbol| change(symbol)).collect(),
        ..Findings::default()
    };
    findings.tally();
    findings
}

fn stand(commit: &str, symbols: &[&str]) -> Stand {
    Stand {
        commit: commit.to_owned(),
        compiler: "gcc 12".to_owned(),
        symbols: names(symbols),
        modules: BTreeSet::new(),
        conflicts: Vec::new(),
        layouts: Vec::new(),
    }
}

/// A commit that changes `symbols` and after which `come` differ from the baseline and `gone` no longer do.
fn step(id: &str, against: &str, symbols: &[&str], come: &[&str], gone: &[&str]) -> Step {
    Step {
        commit: commit(id),
        conflicts: vec![Twice {
            symbol: "twice".to_owned(),
            message: "twice is exported twice".to_owned(),
        }],
        reasons: Vec::new(),
        brought: Some(Box::new(Brought {
            against: against.to_owned(),
            findings: changed(symbols),
            causes: Vec::new(),
            hunks: Hunks::new(),
            layouts: Vec::new(),
            symbols: Turn {
                come: names(come),
                gone: names(gone),
            },
            modules: Turn::default(),
            config: Vec::new(),
        })),
    }
}

fn failed(id: &str) -> Step {
    Step {
        commit: commit(id),
        conflicts: Vec::new(),
        reasons: vec![*refusal(ReasonCode::PreprocessFailed, "x".to_owned(), "y")],
        brought: None,
    }
}

/// Four commits: `a` breaks f and g, `b` cannot be computed, `c` brings f back, `d` breaks h.
fn steps() -> [Step; 4] {
    [
        step("a", "base", &["f", "g"], &["f", "g"], &[]),
        failed("b"),
        step("c", "a", &["f"], &[], &["f"]),
        step("d", "c", &["h"], &["h"], &[]),
    ]
}

fn end() -> End {
    let mut frame = unchecked(Mode::Enforce, true, Vec::new());
    frame.provenance.base = Some(commit("base"));
    frame.provenance.head = Some(commit("d"));
    End {
        changed_lines: BTreeMap::new(),
        frame,
        tip: Some(Tip {
            commit: "d".to_owned(),
            findings: changed(&["g", "h"]),
            causes: Vec::new(),
            layouts: Vec::new(),
            reasons: Vec::new(),
            warnings: vec!["odd".to_owned()],
        }),
        hidden: HiddenLines::default(),
        hidden_reason: None,
        hidden_warnings: Vec::new(),
        decided: crate::check::decided::Told::default(),
    }
}

/// Where the slice that begins with each commit starts.
fn starts() -> [Stand; 5] {
    [
        stand("base", &[]),
        stand("a", &["f", "g"]),
        stand("a", &["f", "g"]),
        stand("c", &["g"]),
        stand("d", &["g", "h"]),
    ]
}

fn parts(count: usize) -> Vec<Part> {
    let of = |index| {
        let shard = Shard { index, count };
        let slice = shard.slice(4);
        Part {
            schema: PART_SCHEMA.to_owned(),
            shard,
            run: RunId {
                tool: end().frame.tool,
                target: None,
                base: "base".to_owned(),
                head: "d".to_owned(),
                commits: 4,
                line: line_digest(["a", "b", "c", "d"].into_iter()),
                baseline: "bl".to_owned(),
                policy: "p".to_owned(),
                mode: Mode::Enforce,
                per_commit: true,
            },
            warnings: vec!["said of the inputs".to_owned()],
            piece: Piece {
                start: Start::At(starts()[slice.start].clone()),
                steps: steps()[slice].to_vec(),
                causes: Texts::new(),
                asked: Asked::new(),
                end: shard.is_last().then(|| Box::new(end())),
            },
        }
    };
    (1..=count).map(of).collect()
}

/// However the commits are cut, also into more parts than there are commits, the report is the same; and it tells since
/// when symbols are broken, what came back, and each symbol that is exported twice once.
#[test]
fn every_cut_gives_the_same_report() {
    let whole = join_parts(parts(1)).unwrap();
    for count in 2..9 {
        assert_eq!(join_parts(parts(count)).unwrap(), whole, "{count} parts");
    }
    assert_eq!(whole.warnings, ["said of the inputs", "odd"]);
    let since: Vec<_> = whole
        .tip
        .symbols
        .iter()
        .map(|symbol| symbol.since.as_deref())
        .collect();
    assert_eq!(since, [Some("a"), Some("d")]);
    assert_eq!(whole.commits[2].restored, ["f"]);
    assert_eq!(whole.commits[2].findings.counts.failing, 0);
    assert_eq!(
        (whole.commits[1].checked, whole.commits[1].against.as_str()),
        (false, "a")
    );
    let codes: Vec<ReasonCode> = whole.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(
        codes,
        [ReasonCode::ExportAmbiguous, ReasonCode::PreprocessFailed]
    );
    assert_eq!(whole.exit_code, 3);
}

/// A run whose base cannot be compared is that and nothing else, whatever later parts could compute.
#[test]
fn a_run_that_cannot_start() {
    let refused = |count| {
        let mut parts = parts(count);
        parts[0].piece.start = Start::Refused {
            reasons: vec![*refusal(ReasonCode::BaselineMismatch, "x".to_owned(), "y")],
        };
        parts[0].piece.steps.clear();
        join_parts(parts).unwrap()
    };
    let whole = refused(1);
    assert_eq!(refused(3), whole);
    assert!(whole.commits.is_empty() && whole.tip == Findings::default());
    assert_eq!(whole.reasons.len(), 1);
}

/// Parts that do not belong together, or do not go on where the one before ended, are refused.
#[test]
fn refusals() {
    let refused = |change: fn(&mut Vec<Part>)| {
        let mut parts = parts(2);
        change(&mut parts);
        let reason = join_parts(parts).expect_err("refused");
        (reason.code, reason.message)
    };
    let incomplete = |message: &str| (ReasonCode::PartsIncomplete, message.to_owned());
    let mismatch = |message: &str| (ReasonCode::PartsMismatch, message.to_owned());
    assert_eq!(
        refused(|p| p.clear()),
        incomplete("there is no part to join")
    );
    assert_eq!(
        refused(|p| drop(p.pop())),
        incomplete("part 2/2 is missing")
    );
    assert_eq!(
        refused(|p| drop(p.remove(0))),
        incomplete("part 1/2 is missing")
    );
    assert_eq!(
        refused(|p| p.push(p[0].clone())),
        incomplete("part 1/2 is there twice")
    );
    assert_eq!(
        refused(|p| p[1].run.target = Some("x".to_owned())),
        mismatch("part 1/2 and part 2/2 of target x are of another target")
    );
    assert_eq!(
        refused(|p| p[1].piece.end = None),
        mismatch("part 2/2 is not what it says it is")
    );
    assert_eq!(
        refused(|p| p[1].piece.end.as_mut().unwrap().frame.mode = Mode::Observe),
        mismatch("part 2/2 is not what it says it is")
    );
    assert_eq!(
        refused(|p| p[1].piece.start = Start::At(stand("a", &["f"]))),
        mismatch(
            "a part starts with another difference to the baseline than the one before it ended with"
        )
    );
    assert_eq!(
        refused(|p| p[1].piece.start = Start::Refused {
            reasons: Vec::new()
        }),
        mismatch("a part could not compute what the one before it could: ")
    );
    assert_eq!(
        refused(|p| p[0].piece.steps[0].commit.id = "z".to_owned()),
        mismatch("the parts hold other commits than they say")
    );
    let interrupted = |p: &mut Vec<Part>| {
        let reason = *refusal(ReasonCode::Interrupted, String::new(), "");
        p[0].piece.steps[1].reasons = vec![reason];
    };
    assert_eq!(refused(interrupted), incomplete("part 1/2 was interrupted"));
}

/// A part reads back as it was written, and nothing else does.
#[test]
fn documents() {
    let part = parts(2).remove(1);
    let text = part.to_json();
    assert_eq!(Part::read(text.as_bytes(), "p").unwrap(), part);
    let refused = |text: String| Part::read(text.as_bytes(), "p").expect_err("refused").code;
    assert_eq!(
        refused(text.replace("kabigate-part/1", "kabigate-part/9")),
        ReasonCode::InputInvalid
    );
    assert_eq!(
        refused(text.replace("{\"schema\"", "{\"more\":1,\"schema\"")),
        ReasonCode::InputInvalid
    );
    assert_eq!(
        refused(text[..text.len() / 2].to_owned()),
        ReasonCode::InputInvalid
    );
    let version = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
    assert_eq!(
        refused(text.replace(version, "\"version\":\"9.9.9\"")),
        ReasonCode::PartsMismatch
    );
}
