//! Sample reports: one of each verdict; those of hostile text lie in [`hostile`].

mod hostile;

use super::*;
use crate::policy::Fingerprint;
pub(super) use hostile::{hostile, hostile_reasons};

/// Every sample with its name.
pub(super) fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("pass", pass()),
        ("fail", fail()),
        ("not-checked", not_checked()),
        ("invalid", invalid()),
        ("restored", restored()),
        ("restored-per-commit", restored_per_commit()),
        ("observe", observe()),
        ("approved", approved()),
        ("partly-approved", partly_approved()),
        ("diff", diff()),
        ("hostile", hostile()),
        ("hostile-reasons", hostile_reasons()),
    ]
}

fn id(digit: char) -> String {
    format!("4f2a91c0de1{digit}")
        .chars()
        .cycle()
        .take(40)
        .collect()
}

pub(super) fn commit(digit: char, subject: &str) -> CommitName {
    CommitName {
        id: id(digit),
        subject: subject.to_owned(),
        author: "Ada Example <ada@example.org>".to_owned(),
        date: format!("2026-03-0{digit}T10:00:00+01:00"),
        source: None,
    }
}

fn list(name: &str, symbols: usize) -> ListName {
    ListName {
        name: name.to_owned(),
        symbols,
    }
}

/// A run that found nothing.
pub(super) fn pass() -> Report {
    Report {
        schema: SCHEMA.to_owned(),
        tool: Tool {
            name: "kabigate".to_owned(),
            version: "0.1.0".to_owned(),
        },
        verdict: Verdict::Pass,
        exit_code: 0,
        mode: Mode::Enforce,
        per_commit: false,
        reasons: Vec::new(),
        warnings: Vec::new(),
        provenance: Provenance {
            target: None,
            old: None,
            new: None,
            base: Some(commit('1', "Linux 6.1.176")),
            head: Some(commit('4', "net: widen the priority of a packet")),
            baseline: Some(BaselineName {
                name: "debian-6.1-amd64".to_owned(),
                release: "6.1.0-50-amd64".to_owned(),
                commit: Some(id('0')),
                arch: "x86".to_owned(),
                config: "9b1c0e5f7d2a4466c1d0".to_owned(),
                compiler: "gcc 12.2.0".to_owned(),
                crc_algorithm: "genksyms P4".to_owned(),
            }),
            lists: vec![list("stablelist", 1_200), list("modules.json", 4)],
            protected: 1_204,
            modules: 2,
            sandbox: Some(SandboxFacts {
                request: SandboxRequest::Auto,
                bubblewrap: false,
                landlock: 7,
                filter: true,
            }),
        },
        compared: Compared {
            symbols: vec![
                compared("netif_rx", "vmlinux"),
                compared("usb_control_msg", "drivers/usb/core/usbcore"),
            ],
            modules: vec!["acme/acme_net".to_owned(), "zeta/zeta_gpu".to_owned()],
        },
        tip: Findings {
            groups: Vec::new(),
            counts: Counts {
                base: 24_683,
                head: 24_683,
                ..Counts::default()
            },
            ..Findings::default()
        },
        commits: ['2', '3', '4']
            .map(|digit| checked(commit(digit, "docs: say it better")))
            .into(),
        causes: Vec::new(),
        hidden: HiddenFindings::default(),
        policy: PolicyFindings::default(),
    }
}

fn compared(symbol: &str, module: &str) -> ComparedSymbol {
    ComparedSymbol {
        symbol: symbol.into(),
        module: module.into(),
    }
}

/// A commit without findings.
pub(super) fn checked(commit: CommitName) -> CommitFindings {
    CommitFindings {
        commit,
        checked: true,
        against: id('1'),
        findings: Findings::default(),
        restored: Vec::new(),
        modules_restored: Vec::new(),
        config: Vec::new(),
    }
}

fn export(crc: &str, class: &str) -> ExportFacts {
    ExportFacts {
        crc: crc.into(),
        module: "vmlinux".into(),
        class: class.to_owned().into(),
        namespace: None,
    }
}

fn change(class: &str, severity: Severity, detail: &str) -> ClassifiedChange {
    ClassifiedChange {
        class: class.to_owned().into(),
        severity,
        detail: detail.to_owned().into(),
        rule: None,
        approval: ApprovalName::Causes,
        approved: false,
        unapproved: Vec::new(),
    }
}

/// What an approval of the removal names.
fn of_removed(symbol: &str) -> Fingerprint {
    Fingerprint::of_symbol(
        symbol,
        "removed",
        "EXPORT_SYMBOL in vmlinux",
        "not exported",
    )
}

/// A protected symbol whose CRC changed through `cause`.
fn crc_changed(symbol: &str, cause: &str, witness: &[&str]) -> SymbolChange {
    SymbolChange {
        symbol: symbol.into(),
        protected: true,
        lists: vec!["stablelist".to_owned()],
        used_by: vec!["acme/acme_net".to_owned()],
        severity: Severity::Fail,
        changes: vec![change(
            "crc-changed",
            Severity::Fail,
            "crc 0x5b7070d6 → 0x6a1c2f30",
        )],
        base: Some(export("0x5b7070d6", "EXPORT_SYMBOL")),
        head: Some(export("0x6a1c2f30", "EXPORT_SYMBOL")),
        causes: vec![cause.to_owned()],
        witness: witness.iter().map(|&step| step.to_owned()).collect(),
        since: Some(id('2')),
    }
}

fn removed(symbol: &str) -> SymbolChange {
    SymbolChange {
        changes: vec![change(
            "removed",
            Severity::Fail,
            "was 0x11223344 in vmlinux",
        )],
        head: None,
        causes: Vec::new(),
        witness: Vec::new(),
        since: Some(id('3')),
        ..crc_changed(symbol, "", &[])
    }
}

fn used_only(symbol: &str) -> SymbolChange {
    SymbolChange {
        protected: false,
        lists: Vec::new(),
        severity: Severity::Warn,
        changes: vec![change(
            "moved-to-module",
            Severity::Warn,
            "vmlinux → lib/crc/crc_core",
        )],
        causes: Vec::new(),
        witness: Vec::new(),
        ..crc_changed(symbol, "", &[])
    }
}

const SK_BUFF_DIFF: &str = "@@ -31,7 +31,7 @@
 \tunion {
 \t\t__wsum csum;
 \t};
-\t__u32 priority;
+\t__u64 priority;
 \tint skb_iif;
 \t__u32 hash;
";

fn sk_buff() -> Cause {
    Cause {
        id: "c-sk-buff".to_owned(),
        name: "struct sk_buff".to_owned(),
        record: "s#sk_buff".to_owned(),
        class: "definition".to_owned(),
        base: Some(Place {
            file: "include/linux/skbuff.h".to_owned(),
            line: 720,
        }),
        head: Some(Place {
            file: "include/linux/skbuff.h".to_owned(),
            line: 722,
        }),
        changed_line: Some(731),
        commits: vec![id('2')],
        changes: Vec::new(),
        hunks: vec![CauseHunk {
            commit: id('2'),
            file: "include/linux/skbuff.h".to_owned(),
            header: "@@ -930,3 +932,4 @@".to_owned(),
            text: " \t__u32\t\t\tpriority;\n+\t__u32\t\t\tlink_flaps;\n \tint\t\t\tskb_iif;\n"
                .to_owned(),
        }],
        diff: SK_BUFF_DIFF.to_owned(),
        protected: ["napi_gro_receive", "netif_rx", "skb_push", "skb_put"]
            .map(str::to_owned)
            .into(),
        unprotected: 1_811,
        modules: vec!["acme/acme_net".to_owned()],
    }
}

fn prototype() -> Cause {
    Cause {
        id: "c-usb".to_owned(),
        name: "usb_control_msg".to_owned(),
        record: "usb_control_msg".to_owned(),
        class: "prototype".to_owned(),
        base: Some(Place { file: "drivers/usb/core/message.c".to_owned(), line: 132 }),
        head: Some(Place { file: "drivers/usb/core/message.c".to_owned(), line: 132 }),
        changed_line: None,
        commits: vec![id('3')],
        changes: Vec::new(),
        hunks: Vec::new(),
        diff: "@@ -1,2 +1,2 @@\n-int usb_control_msg(struct usb_device *dev, int timeout);\n+int usb_control_msg(struct usb_device *dev, unsigned long timeout);\n".to_owned(),
        protected: vec!["usb_control_msg".to_owned()],
        unprotected: 0,
        modules: Vec::new(),
    }
}

fn impact(provider: &str, module: &str, status: ModuleStatus, symbol: &str) -> ModuleImpact {
    ModuleImpact {
        provider: provider.to_owned(),
        version: Some("1.2".to_owned()),
        module: module.to_owned(),
        status,
        problems: vec![ImportProblem {
            symbol: symbol.to_owned(),
            kind: "crc-mismatch".to_owned(),
            wanted: Some("0x5b7070d6".to_owned()),
            found: Some("0x6a1c2f30".to_owned()),
            sentence: format!(
                "{module} disagrees about version of symbol {symbol}: wants 0x5b7070d6, kernel has 0x6a1c2f30"
            ),
            causes: vec!["c-sk-buff".to_owned()],
        }],
        since: Some(id('2')),
    }
}

fn counts(failing: usize, warned: usize) -> Counts {
    Counts {
        base: 24_683,
        head: 24_684,
        failing,
        warned,
        failing_others: 0,
        failing_modules: 0,
        approved: 0,
        other_causes: 0,
        classes: vec![
            ClassCount {
                class: "added".to_owned(),
                protected: 0,
                unprotected: 2,
            },
            ClassCount {
                class: "crc-changed".to_owned(),
                protected: 5,
                unprotected: 1_811,
            },
            ClassCount {
                class: "moved-to-module".to_owned(),
                protected: 1,
                unprotected: 0,
            },
            ClassCount {
                class: "removed".to_owned(),
                protected: 1,
                unprotected: 0,
            },
        ],
    }
}

fn sk_buff_symbols() -> Vec<SymbolChange> {
    let path = ["netif_rx", "struct sk_buff"];
    let symbols = ["napi_gro_receive", "netif_rx", "skb_push", "skb_put"];
    symbols
        .map(|s| crc_changed(s, "c-sk-buff", &[s, path[1]]))
        .into()
}

/// Two causes, a removed symbol, one that is only shown, two modules.
pub(super) fn fail() -> Report {
    let mut symbols = sk_buff_symbols();
    symbols.insert(0, removed("kmem_cache_obsolete"));
    symbols.insert(0, used_only("crc32c"));
    symbols.push(SymbolChange {
        since: Some(id('3')),
        used_by: Vec::new(),
        ..crc_changed("usb_control_msg", "c-usb", &["usb_control_msg"])
    });
    let first = Findings {
        counts: counts(4, 0),
        symbols: sk_buff_symbols(),
        causes: vec!["c-sk-buff".to_owned()],
        modules: vec![impact(
            "acme",
            "acme_net",
            ModuleStatus::StopsLoading,
            "netif_rx",
        )],
        ..Findings::default()
    };
    let second = Findings {
        counts: counts(2, 1),
        symbols: vec![
            used_only("crc32c"),
            removed("kmem_cache_obsolete"),
            crc_changed("usb_control_msg", "c-usb", &["usb_control_msg"]),
        ],
        causes: vec!["c-usb".to_owned()],
        ..Findings::default()
    };
    let mut moves = checked(commit('3', "usb: wider timeout of control messages"));
    moves.findings = second;
    moves.config = vec!["CONFIG_CRC32: m → y".to_owned()];
    let mut widens = checked(commit('2', "net: widen the priority of a packet"));
    widens.findings = first;
    Report {
        verdict: Verdict::Fail,
        exit_code: 1,
        warnings: vec!["stablelist:14: netif_rx is listed twice".to_owned()],
        tip: Findings {
            groups: Vec::new(),
            counts: counts(6, 1),
            symbols,
            unprotected: vec![UnprotectedChange {
                symbol: "dev_alloc_skb".into(),
                classes: vec!["crc-changed".into()],
                rule: None,
            }],
            causes: vec!["c-sk-buff".to_owned(), "c-usb".to_owned()],
            modules: vec![
                impact("acme", "acme_net", ModuleStatus::StopsLoading, "netif_rx"),
                impact("zeta", "zeta_gpu", ModuleStatus::AlreadyBroken, "drm_open"),
            ],
        },
        commits: vec![widens, moves, checked(commit('4', "docs: say it better"))],
        causes: vec![sk_buff(), prototype()],
        ..pass()
    }
}

/// The same, with breaks that do not fail the run.
pub(super) fn observe() -> Report {
    Report {
        mode: Mode::Observe,
        exit_code: 0,
        ..fail()
    }
}

/// One commit breaks, the next but one repairs.
pub(super) fn restored() -> Report {
    let mut breaks = checked(commit('2', "net: widen the priority of a packet"));
    breaks.findings = Findings {
        counts: counts(4, 0),
        symbols: sk_buff_symbols(),
        causes: vec!["c-sk-buff".to_owned()],
        modules: vec![impact(
            "acme",
            "acme_net",
            ModuleStatus::StopsLoading,
            "netif_rx",
        )],
        ..Findings::default()
    };
    let mut repairs = checked(commit(
        '4',
        "Revert \"net: widen the priority of a packet\"",
    ));
    repairs.restored = sk_buff().protected;
    repairs.modules_restored = vec!["acme/acme_net".to_owned()];
    let mut cause = sk_buff();
    cause.commits = vec![id('2'), id('4')];
    Report {
        commits: vec![breaks, checked(commit('3', "docs: say it better")), repairs],
        causes: vec![cause],
        ..pass()
    }
}

/// The same where every commit has to be clean.
pub(super) fn restored_per_commit() -> Report {
    Report {
        verdict: Verdict::Fail,
        exit_code: 1,
        per_commit: true,
        ..restored()
    }
}

fn approval(id: &str, state: ApprovalState, expires: Option<&str>) -> ApprovalUse {
    ApprovalUse {
        fingerprint: id.to_owned(),
        place: "approvals.toml:3".to_owned(),
        state,
        what: "struct sk_buff: definition changed".to_owned(),
        reason: "no module outside of the tree builds packets".to_owned(),
        owner: "net team <net@example.org>".to_owned(),
        expires: expires.map(str::to_owned),
        reference: Some("https://bugs.example.org/123".to_owned()),
        symbols: match state {
            ApprovalState::Unused => Vec::new(),
            _ => vec!["netif_rx".to_owned(), "skb_put".to_owned()],
        },
    }
}

fn hidden_changes(file: &str, text: &str) -> HiddenFindings {
    let change = |kind: &str, meaning: &str, severity| HiddenChange {
        commit: id('2'),
        file: file.to_owned(),
        line: 930,
        added: true,
        kind: kind.to_owned(),
        meaning: meaning.to_owned(),
        within: Some("struct sk_buff".to_owned()),
        text: text.to_owned(),
        class: if kind == "slot-used" { kind } else { "hidden" }.to_owned(),
        severity,
        at_tip: true,
        layout: None,
    };
    HiddenFindings {
        changes: vec![
            change("slot-used", "a reserved slot is used", Severity::Note),
            change(
                "hidden-unguarded",
                "nothing checks the layout",
                Severity::Warn,
            ),
        ],
        slots: vec![SlotBudget {
            within: "struct sk_buff".to_owned(),
            file: file.to_owned(),
            line: 920,
            reserved: 4,
            used: 1,
            left: 3,
        }],
    }
}

/// Every break approved, one by a definition and one by itself, and one change lowered by a rule.
pub(super) fn approved() -> Report {
    let mut symbols = sk_buff_symbols();
    symbols.insert(0, removed("kmem_cache_obsolete"));
    for symbol in &mut symbols {
        symbol.severity = Severity::Note;
        symbol.changes[0].severity = Severity::Note;
        symbol.changes[0].approved = true;
    }
    symbols[0].changes[0].approval = ApprovalName::Known(of_removed("kmem_cache_obsolete"));
    let mut moved = used_only("crc32c");
    moved.severity = Severity::Note;
    moved.changes[0].severity = Severity::Note;
    moved.changes[0].rule = Some("rules.toml:4: symbol crc32*: notice".to_owned());
    symbols.insert(0, moved);
    let tip = Findings {
        counts: Counts {
            failing: 0,
            approved: 5,
            ..counts(0, 0)
        },
        symbols,
        causes: vec!["c-sk-buff".to_owned()],
        ..Findings::default()
    };
    Report {
        tip,
        causes: vec![sk_buff()],
        hidden: hidden_changes("include/linux/skbuff.h", "RH_KABI_USE(1, u32 priority)"),
        policy: PolicyFindings {
            sources: vec![
                "baselines/debian-6.1-amd64: revision 4f2a91c0de11 (the commit before these)"
                    .to_owned(),
            ],
            edits: vec![PolicyEdit {
                file: "baselines/debian-6.1-amd64/approvals.toml".to_owned(),
                commit: id('3'),
                what: "changes".to_owned(),
            }],
            rules: vec![RuleUse {
                rule: "rules.toml:4: symbol crc32*: notice".to_owned(),
                reason: Some("moves between modules are harmless".to_owned()),
                symbols: 1,
            }],
            approvals: vec![
                approval("c-sk-buff", ApprovalState::Used, Some("2027-01-31")),
                ApprovalUse {
                    what: "kmem_cache_obsolete: removed".to_owned(),
                    symbols: vec!["kmem_cache_obsolete".to_owned()],
                    ..approval(
                        &of_removed("kmem_cache_obsolete").digits(),
                        ApprovalState::Used,
                        None,
                    )
                },
                approval("c-other", ApprovalState::Unused, None),
            ],
            ..PolicyFindings::default()
        },
        ..pass()
    }
}

/// The failing report with an approval that expired and what would have to be approved.
pub(super) fn partly_approved() -> Report {
    let mut report = fail();
    for symbol in &mut report.tip.symbols {
        for change in &mut symbol.changes {
            if change.class == "crc-changed" {
                change.unapproved = symbol.causes.clone();
            } else {
                change.approval = ApprovalName::Known(of_removed(&symbol.symbol));
            }
        }
    }
    report.policy.approvals = vec![approval(
        "c-sk-buff",
        ApprovalState::Expired,
        Some("2026-01-31"),
    )];
    report
}

fn reason(code: ReasonCode, message: &str, next_step: &str) -> Reason {
    Reason {
        code,
        message: message.to_owned(),
        next_step: Some(next_step.to_owned()),
        commit: None,
        file: None,
        line: None,
        expected: None,
        found: None,
    }
}

/// Three reasons not to have checked.
pub(super) fn not_checked() -> Report {
    let mismatch = Reason {
        expected: Some("arch x86\nconfig 9b1c0e5f7d2a4466c1d0\ncompiler gcc 12.2.0".to_owned()),
        found: Some("arch x86\nconfig 00aa55ee7d2a4466c1d0\ncompiler gcc 14.2.0".to_owned()),
        ..reason(
            ReasonCode::BaselineMismatch,
            "the baseline has another configuration and another compiler",
            "record a baseline for this configuration: kabigate baseline create --tree . --config .config --out baselines/NAME",
        )
    };
    let unit = Reason {
        commit: Some(id('3')),
        file: Some("net/core/dev.c".to_owned()),
        line: Some(91),
        ..reason(
            ReasonCode::PreprocessFailed,
            "net/core/dev.o does not preprocess\nnet/core/dev.c:91: \"net/missing.h\": no such file\nincluded from net/core/dev.c",
            "repair the commit, or check the range without it",
        )
    };
    let mut failed = checked(commit('3', "net: include what is not there"));
    failed.checked = false;
    let mut config = checked(commit('2', "x86: change an option"));
    config.config = vec!["CONFIG_HZ: 250 → 1000".to_owned()];
    Report {
        verdict: Verdict::NotChecked,
        exit_code: 3,
        reasons: vec![
            mismatch,
            unit,
            reason(
                ReasonCode::GitShallow,
                "the clone ends at 4f2a91c0de11, before the base",
                "run git fetch --unshallow",
            ),
        ],
        tip: Findings::default(),
        commits: vec![config, failed],
        ..pass()
    }
}

/// An input with a line that no reader takes.
pub(super) fn invalid() -> Report {
    let broken = Reason {
        file: Some("baselines/debian-6.1-amd64/stablelist".to_owned()),
        line: Some(7),
        ..reason(
            ReasonCode::InputInvalid,
            "line 7 holds two symbols: \"netif_rxskb_put\" follows no line end",
            "put each symbol on a line of its own",
        )
    };
    Report {
        verdict: Verdict::Invalid,
        exit_code: 2,
        reasons: vec![broken],
        provenance: Provenance::default(),
        compared: Compared::default(),
        tip: Findings::default(),
        commits: Vec::new(),
        ..pass()
    }
}

/// Two symvers compared: no commits, no baseline, no causes.
pub(super) fn diff() -> Report {
    let mut only = crc_changed("netif_rx", "", &[]);
    only.causes = Vec::new();
    only.since = None;
    Report {
        verdict: Verdict::Fail,
        exit_code: 1,
        provenance: Provenance {
            target: None,
            old: None,
            new: None,
            protected: 219,
            lists: vec![list("severities", 219)],
            ..Provenance::default()
        },
        compared: Compared::default(),
        tip: Findings {
            counts: counts(1, 0),
            symbols: vec![only],
            ..Findings::default()
        },
        commits: Vec::new(),
        ..pass()
    }
}
