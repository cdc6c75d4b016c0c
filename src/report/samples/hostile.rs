//! Reports in which every text is hostile.

use super::*;

/// What strangers can write into names and messages.
const HOSTILE: &str = "::error::x ##[error]y\u{1b}[31m]]>@all #12 |a\\|b| `c` ``d`` <b>&amp; *e* _f_ [l](u) https://x.org \u{202e}rtl\u{7f}\r\n::warning::z";

/// Hostile text in every field that holds text, and a symbol of 100 kB.
pub(in crate::report) fn hostile() -> Report {
    let text = || HOSTILE.to_owned();
    let nasty = |digit| CommitName {
        subject: text(),
        author: text(),
        date: text(),
        source: Some(text()),
        ..commit(digit, "")
    };
    let mut report = fail();
    report.warnings = vec![text()];
    report.hidden = hidden_changes(HOSTILE, HOSTILE);
    for change in &mut report.hidden.changes {
        change.within = Some(text());
        change.severity = Severity::Fail;
    }
    report.policy = PolicyFindings {
        sources: vec![text()],
        edits: vec![PolicyEdit {
            file: text(),
            commit: text(),
            what: "adds".to_owned(),
        }],
        rules: vec![RuleUse {
            rule: text(),
            reason: Some(text()),
            symbols: 1,
        }],
        approvals: vec![ApprovalUse {
            what: text(),
            reason: text(),
            owner: text(),
            reference: Some(text()),
            place: text(),
            symbols: vec![text()],
            ..approval("c-sk-buff", ApprovalState::Expired, None)
        }],
        ..PolicyFindings::default()
    };
    report.reasons = Vec::new();
    report.provenance = Provenance {
        target: None,
        old: None,
        new: None,
        base: Some(nasty('1')),
        head: Some(nasty('4')),
        baseline: Some(BaselineName {
            name: text(),
            release: text(),
            commit: Some(text()),
            arch: text(),
            config: text(),
            compiler: text(),
            crc_algorithm: text(),
        }),
        lists: vec![ListName {
            name: text(),
            symbols: 1,
        }],
        protected: 1,
        modules: 1,
        sandbox: None,
    };
    for symbol in &mut report.tip.symbols {
        symbol.lists = vec![text()];
        symbol.used_by = vec![text()];
        for change in &mut symbol.changes {
            change.detail = text().into();
        }
        for export in [&mut symbol.base, &mut symbol.head].into_iter().flatten() {
            export.module = text().into();
        }
    }
    report.tip.symbols.insert(0, removed(&"s".repeat(100_000)));
    report.tip.symbols.insert(0, removed(HOSTILE));
    for module in &mut report.tip.modules {
        (module.provider, module.module, module.version) = (text(), text(), Some(text()));
        module.problems[0].sentence = text();
    }
    for cause in &mut report.causes {
        (cause.name, cause.class, cause.diff) = (
            text(),
            text(),
            format!("@@\n-{HOSTILE}\n+```\n ::error::z\n"),
        );
        cause.head = Some(Place {
            file: text(),
            line: 1,
        });
        cause.hunks = vec![CauseHunk {
            commit: text(),
            file: text(),
            header: text(),
            text: text(),
        }];
        cause.protected = vec![text(), "s".repeat(100_000)];
        cause.modules = vec![text()];
    }
    for symbol in &mut report.tip.symbols {
        for change in &mut symbol.changes {
            change.approval = ApprovalName::Known(of_removed(&symbol.symbol));
        }
    }
    for commit in &mut report.commits {
        (commit.commit.subject, commit.commit.author, commit.config) =
            (text(), text(), vec![text()]);
        commit.restored = vec![text()];
    }
    report
}

/// Hostile text in reasons.
pub(in crate::report) fn hostile_reasons() -> Report {
    let mut report = not_checked();
    for reason in &mut report.reasons {
        reason.message = HOSTILE.to_owned();
        reason.next_step = Some(HOSTILE.to_owned());
        reason.file = Some(HOSTILE.to_owned());
        reason.expected = Some(HOSTILE.to_owned());
        reason.found = Some("x".to_owned());
    }
    report
}
