//! Every format of every sample report, and what must hold for all of them.

use super::*;

fn options() -> Options {
    Options {
        tree: "linux".to_owned(),
        ..Options::default()
    }
}

fn budget_of(bytes: usize) -> Options {
    Options {
        markdown_budget: bytes,
        ..options()
    }
}

fn annotations(most: usize) -> Options {
    Options {
        annotations: most,
        tree: String::new(),
        ..options()
    }
}

fn snapshot(format: Format, name: &str) {
    for (sample, report) in samples::all() {
        insta::assert_snapshot!(
            format!("{name}@{sample}"),
            render(&report, format, &options())
        );
    }
}

/// Console text of each sample.
#[test]
fn console_snapshots() {
    snapshot(Format::Console, "console");
}

/// Markdown of each sample.
#[test]
fn markdown_snapshots() {
    snapshot(Format::Markdown, "markdown");
}

/// JUnit XML of each sample.
#[test]
fn junit_snapshots() {
    snapshot(Format::Junit, "junit");
}

/// The dialect for GitLab differs in the files of its cases alone.
#[test]
fn gitlab_adds_only_files() {
    let report = samples::fail();
    let with = render(&report, Format::Gitlab, &options());
    let without = render(&report, Format::Junit, &options());
    assert!(with.contains(r#" file="include/"#), "{with}");
    let mut bare = String::new();
    for (at, part) in with.split(r#" file=""#).enumerate() {
        let rest = if at == 0 {
            Some(part)
        } else {
            part.split_once('"').map(|(_, rest)| rest)
        };
        bare.push_str(rest.expect("an attribute ends with a quote"));
    }
    assert_eq!(bare, without);
    insta::assert_snapshot!("gitlab@fail", with);
}

/// Annotations of each sample.
#[test]
fn github_snapshots() {
    snapshot(Format::Github, "github");
}

/// SARIF of a failing run, of one that could not check, and of hostile text; the rules stand in the first only.
#[test]
fn sarif_snapshots() {
    for (sample, report) in samples::all() {
        let text = render(&report, Format::Sarif, &options());
        match sample {
            "fail" => insta::assert_snapshot!("sarif@fail", text),
            "not-checked" | "hostile" | "hostile-reasons" | "restored" => {
                let mut log: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                let rules = &mut log["runs"][0]["tool"]["driver"]["rules"];
                if let Some(rules) = rules.as_array_mut() {
                    rules.truncate(1);
                }
                let short = serde_json::to_string_pretty(&log).expect("JSON");
                insta::assert_snapshot!(format!("sarif@{sample}"), escape::json_document(&short));
            }
            _ => {}
        }
    }
}

/// SARIF keeps to both bounds, worst first, says what it left out, and never loses the run that could not check.
#[test]
fn sarif_keeps_its_budget() {
    let mut report = samples::fail();
    for number in 0..200 {
        let cause = Cause {
            id: format!("c{number}"),
            ..report.causes[1].clone()
        };
        report.causes.push(cause);
    }
    let rendered = |results, bytes| {
        let options = Options {
            sarif: sarif::Budget { results, bytes },
            ..options()
        };
        let text = sarif::render(&report, &options);
        let log: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        (text.len(), log)
    };
    let (full, log) = rendered(5_000, usize::MAX);
    let run = &log["runs"][0];
    let count = |log: &serde_json::Value| log["runs"][0]["results"].as_array().map_or(0, Vec::len);
    assert_eq!(run["properties"]["truncated"], false);
    assert_eq!(count(&log), 204);
    let (least, log) = rendered(0, 0);
    assert_eq!(count(&log), 0);
    assert_eq!(log["runs"][0]["properties"]["resultsTotal"], 204);
    for (results, bytes) in [(3, usize::MAX), (5_000, least + 10_000), (5_000, full - 1)] {
        let (size, log) = rendered(results, bytes);
        assert!(size <= bytes, "{size} of {bytes}");
        assert!(count(&log) <= results && count(&log) > 0);
        let properties = &log["runs"][0]["properties"];
        assert_eq!(properties["truncated"], true);
        let note = properties["truncatedNote"].as_str().unwrap_or_default();
        assert!(note.contains("the JSON report holds everything"), "{note}");
        assert_eq!(log["runs"][0]["results"][0]["level"], "error");
    }
}

/// Every result names a rule that exists, a place, and a fingerprint of its own; a run that could not check has one.
#[test]
fn sarif_is_sound() {
    for (name, report) in samples::all() {
        let text = sarif::render(&report, &options());
        let log: serde_json::Value = serde_json::from_str(&text).expect(name);
        let run = &log["runs"][0];
        let mut prints = std::collections::BTreeSet::new();
        let results = run["results"].as_array().expect(name);
        for result in results {
            let index = result["ruleIndex"].as_u64().expect(name) as usize;
            let rule = &run["tool"]["driver"]["rules"][index]["id"];
            assert_eq!(rule, &result["ruleId"], "{name}");
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().expect(name);
            assert!(uri.starts_with("linux/"), "{name}: {uri}");
            assert!(place["region"]["startLine"].as_u64() > Some(0), "{name}");
            let print = result["partialFingerprints"]["kabigate/v1"].as_str();
            assert!(
                prints.insert(print.map(str::to_owned)),
                "{name}: {print:?} stands twice"
            );
        }
        let checked = matches!(report.verdict, Verdict::Pass | Verdict::Fail);
        assert_eq!(run["invocations"][0]["executionSuccessful"], checked);
        assert_eq!(run["invocations"][0]["exitCode"], report.exit_code);
        assert!(checked || !results.is_empty(), "{name}");
    }
}

/// The JSON of a failing run: the schema that others read.
#[test]
fn json_snapshot() {
    insta::assert_snapshot!(
        "json@fail",
        render(&samples::fail(), Format::Json, &options())
    );
    insta::assert_snapshot!(
        "json@not-checked",
        render(&samples::not_checked(), Format::Json, &options())
    );
}

/// Leaves every rendering of every sample in `target/samples`, where the checks of `tests/report` read them, and one
/// page of 20,000 symbols.
#[test]
fn samples_are_left_for_other_readers() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/samples");
    std::fs::create_dir_all(&folder).expect("target is writable");
    let mut many = samples::fail();
    let pattern = many.tip.symbols[2].clone();
    for number in 0..20_000 {
        many.tip.symbols.push(SymbolChange {
            symbol: format!("symbol_{number:05}").into(),
            ..pattern.clone()
        });
    }
    for (name, report) in samples::all().into_iter().chain([("many", many)]) {
        for (format, ending) in Format::ALL {
            let text = render(&report, *format, &options());
            std::fs::write(folder.join(format!("{name}.{ending}")), text).expect("writable");
        }
    }
}

/// Two renderings of one report are the same bytes.
#[test]
fn renderings_are_stable() {
    for (name, report) in samples::all() {
        for (format, _) in Format::ALL {
            let (one, two) = (
                render(&report, *format, &options()),
                render(&report.clone(), *format, &options()),
            );
            assert!(one == two, "{name} {format:?}");
        }
    }
}

/// A failing run fits 60 lines, a clean pass is its verdict and provenance.
#[test]
fn console_fits_the_screen() {
    for (name, report) in samples::all() {
        let lines = console::render(&report, &options()).lines().count();
        assert!(lines <= console::MAX_LINES, "{name}: {lines} lines");
    }
    let mut crowded = samples::fail();
    for number in 0..40 {
        let mut cause = crowded.causes[0].clone();
        cause.id = format!("c{number}");
        cause.diff = "+\tint a;\n".repeat(500);
        crowded.causes.push(cause);
        crowded.warnings.push(format!("warning {number}"));
        crowded.commits.push(crowded.commits[0].clone());
        crowded
            .tip
            .modules
            .insert(0, crowded.tip.modules[0].clone());
        crowded.tip.symbols.push(crowded.tip.symbols[1].clone());
        crowded
            .reasons
            .push(samples::not_checked().reasons[1].clone());
    }
    let text = console::render(&crowded, &options());
    assert!(
        text.lines().count() <= console::MAX_LINES,
        "{} lines:\n{text}",
        text.lines().count()
    );
    assert_eq!(
        console::render(&samples::pass(), &options())
            .lines()
            .filter(|l| !l.is_empty())
            .count(),
        8
    );
}

/// Colour adds escape codes and nothing else.
#[test]
fn colour_changes_no_text() {
    let plain = console::render(&samples::fail(), &options());
    let coloured = console::render(
        &samples::fail(),
        &Options {
            color: true,
            ..options()
        },
    );
    assert!(!plain.contains('\u{1b}'));
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}

/// No line of console text or annotations holds what a terminal or a CI log obeys.
#[test]
fn logs_hold_no_strangers_command() {
    for report in [samples::hostile(), samples::hostile_reasons()] {
        let text = console::render(&report, &options());
        assert!(
            text.chars()
                .all(|c| matches!(c, '\n' | '\t') || !c.is_control())
        );
        assert!(!text.contains('\u{202e}') && !text.contains("##["));
        assert!(
            text.lines()
                .all(|line| !line.trim_start().starts_with("::"))
        );
        let commands = github::render(&report, &annotations(10));
        let ours = ["::error ", "::warning ", "::notice "];
        assert!(
            commands
                .lines()
                .all(|line| ours.iter().any(|start| line.starts_with(start)))
        );
        assert!(commands.lines().all(|line| line.matches("::").count() >= 2));
    }
}

/// Markdown stays within its budget, and says what it left out.
#[test]
fn markdown_keeps_its_budget() {
    let report = samples::fail();
    let full = markdown::render(&report, &budget_of(usize::MAX));
    assert!(!full.contains("Left out"));
    for budget in [0, 500, 1_000, 2_000, 3_000, full.len() - 1] {
        let text = markdown::render(&report, &budget_of(budget));
        let least = markdown::render(&report, &budget_of(0)).len();
        assert!(
            text.len() <= budget.max(least),
            "{} of {budget}",
            text.len()
        );
        assert!(text.starts_with("### FAIL "));
        assert!(text.contains("Left out") && text.contains("What was compared"));
        assert_eq!(
            text.matches("<details>").count(),
            text.matches("</details>").count()
        );
        assert_eq!(text.matches("```").count() % 2, 0);
    }
    assert_eq!(markdown::render(&report, &budget_of(full.len())), full);
    assert!(
        markdown::render(&samples::hostile(), &budget_of(markdown::COMMENT_BUDGET)).len()
            <= markdown::COMMENT_BUDGET
    );
}

/// Hostile text opens no element of its own: a Markdown reader finds the structure of a harmless report.
#[test]
fn markdown_of_hostile_text_keeps_its_structure() {
    let source = markdown::render(&samples::hostile(), &budget_of(usize::MAX));
    let mut options = comrak::Options::default();
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.strikethrough = true;
    let arena = comrak::Arena::new();
    let root = comrak::parse_document(&arena, &source, &options);
    let mut html = Vec::new();
    for node in root.descendants() {
        match &node.data.borrow().value {
            comrak::nodes::NodeValue::HtmlBlock(block) => html.push(block.literal.clone()),
            value => assert!(
                !matches!(
                    value.xml_node_name(),
                    "link" | "image" | "html_inline" | "strikethrough" | "emph"
                ),
                "{}",
                value.xml_node_name()
            ),
        }
    }
    for block in html {
        let line = block.trim_end();
        assert!(
            line == "</details>"
                || line.starts_with("<details><summary>") && line.ends_with("</summary>"),
            "{line}"
        );
    }
}

/// JUnit is well-formed, its counts agree with its cases, and no two cases share a name.
#[test]
fn junit_is_sound() {
    for (name, report) in samples::all() {
        let source = junit::render(&report, junit::Dialect::Gitlab, &options());
        let document = roxmltree::Document::parse(&source).expect(name);
        let suite = document
            .root_element()
            .first_element_child()
            .expect("a suite");
        let cases: Vec<_> = suite
            .children()
            .filter(|n| n.has_tag_name("testcase"))
            .collect();
        let names: std::collections::BTreeSet<_> = cases
            .iter()
            .map(|c| (c.attribute("classname"), c.attribute("name")))
            .collect();
        assert_eq!(names.len(), cases.len(), "{name}");
        let count = |tag: &str| {
            suite
                .descendants()
                .filter(|n| n.has_tag_name(tag))
                .count()
                .to_string()
        };
        assert_eq!(
            suite.attribute("tests"),
            Some(cases.len().to_string().as_str())
        );
        assert_eq!(suite.attribute("failures"), Some(count("failure").as_str()));
        assert_eq!(suite.attribute("errors"), Some(count("error").as_str()));
        assert_eq!(cases[0].attribute("name"), Some("gate"));
        assert!(source.len() < 1_000_000, "{name}: {} bytes", source.len());
        let bad = count("failure") != "0" || count("error") != "0";
        assert_eq!(bad, report.verdict != Verdict::Pass, "{name}");
    }
}

/// Every character that XML allows reads back from every place it can stand in; the others are dropped.
#[test]
fn junit_reads_back_every_character() {
    let every: String = ('\0'..=char::MAX).collect();
    for chunk in every.chars().collect::<Vec<_>>().chunks(200) {
        let text: String = chunk.iter().collect();
        let mut report = samples::fail();
        report.causes[0].name = text.clone();
        report.causes[0].diff = format!("+{text}");
        let source = junit::render(&report, junit::Dialect::Gitlab, &options());
        let document = roxmltree::Document::parse(&source).expect("well-formed");
        let case = document
            .descendants()
            .filter(|n| n.has_tag_name("testcase"))
            .find(|n| n.attribute("classname") == Some("kabi.x86.cause"))
            .expect("the cause");
        // The crate's own clipping applies to lines longer than a chunk only.
        assert_eq!(
            case.attribute("name"),
            Some(escape::xml_attribute(&text).as_str())
        );
        let kept: String = text
            .chars()
            .filter(
                |c| matches!(c, '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
            )
            .collect();
        let read: String = case
            .descendants()
            .filter_map(|n| n.is_text().then(|| n.text()).flatten())
            .collect();
        assert!(read.contains(&kept) || chunk.contains(&'\n'), "{kept:?}");
    }
}

/// A report with more symbols than a viewer takes keeps to the limits and counts the rest in the gate.
#[test]
fn junit_keeps_its_limits() {
    let mut report = samples::fail();
    let pattern = report.tip.symbols[2].clone();
    for number in 0..30_000 {
        report.tip.symbols.push(SymbolChange {
            symbol: format!("symbol_{number}").into(),
            ..pattern.clone()
        });
    }
    let source = junit::render(&report, junit::Dialect::Gitlab, &options());
    assert!(source.len() < 10_000_000, "{} bytes", source.len());
    assert!(source.matches("<testcase ").count() <= 20_000);
    assert!(source.contains("more cases in the JSON report"));
}

/// A tiny budget of cases or bytes keeps the gate, the worst, and says how many are missing and where they stand.
#[test]
fn junit_keeps_tiny_budgets() {
    let report = samples::fail();
    for (cases, bytes) in [(0, 0), (1, usize::MAX), (3, usize::MAX), (100, 2_000)] {
        let options = Options {
            junit: junit::Budget { cases, bytes },
            full: "all.json".to_owned(),
            ..options()
        };
        let source = junit::render(&report, junit::Dialect::Jenkins, &options);
        let document = roxmltree::Document::parse(&source).expect("well-formed");
        let tags = document.descendants();
        let count = tags.filter(|n| n.has_tag_name("testcase")).count();
        assert!(count <= cases.max(1), "{count} of {cases}");
        assert!(source.contains("more cases in all.json"), "{source}");
        assert!(source.contains("FAIL  6 of 1,204"), "{source}");
    }
}

/// A text longer than viewers show says how much is missing.
#[test]
fn long_texts_of_cases_are_cut() {
    let mut report = samples::not_checked();
    let pattern = report.reasons[0].clone();
    report.reasons.extend((0..200).map(|_| pattern.clone()));
    let source = junit::render(&report, junit::Dialect::Jenkins, &options());
    assert!(source.contains("more lines in the JSON report"), "{source}");
    assert!(source.lines().count() < 100);
}

/// Code Quality keeps its budget; the last issue counts the rest.
#[test]
fn codequality_keeps_its_budget() {
    let report = samples::fail();
    let all = codequality::render(&report, &options());
    let all: Vec<serde_json::Value> = serde_json::from_str(&all).expect("JSON");
    for budget in [1, 2, 3] {
        let options = Options {
            codequality_budget: budget,
            ..options()
        };
        let text = codequality::render(&report, &options);
        let issues: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        assert_eq!(issues.len(), budget);
        assert_eq!(issues[..budget - 1], all[..budget - 1]);
        let last = issues[budget - 1]["description"].as_str();
        let more = all.len() - (budget - 1);
        assert_eq!(
            last,
            Some(format!("and {more} more findings in the JSON report").as_str())
        );
    }
}

/// Fewer console lines show less, never less than the verdict, and name the file that has all.
#[test]
fn console_keeps_fewer_lines() {
    let mut report = samples::fail();
    for number in 0..40 {
        let cause = Cause {
            id: format!("c{number}"),
            ..report.causes[0].clone()
        };
        report.causes.push(cause);
    }
    for lines in [0, 40, 50] {
        let options = Options {
            console_lines: lines,
            full: "all.json".to_owned(),
            ..options()
        };
        let text = console::render(&report, &options);
        assert!(text.starts_with("FAIL  "), "{text}");
        assert!(lines == 0 || text.lines().count() <= lines, "{text}");
        assert!(lines == 0 || text.contains("all.json"), "{text}");
    }
}

/// GitLab's Code Quality of a failing run and of one that could not check.
#[test]
fn codequality_snapshots() {
    for (sample, report) in samples::all() {
        if matches!(sample, "fail" | "not-checked" | "hostile" | "approved") {
            let text = render(&report, Format::CodeQuality, &options());
            insta::assert_snapshot!(format!("codequality@{sample}"), text);
        }
    }
}

/// At most ten annotations, of which the last counts the rest; none at all if they are off.
#[test]
fn annotations_are_capped() {
    let mut report = samples::fail();
    for number in 0..40 {
        let cause = Cause {
            id: format!("c{number}"),
            ..report.causes[0].clone()
        };
        report.causes.push(cause);
    }
    let text = github::render(&report, &annotations(10));
    assert_eq!(
        text.lines().filter(|l| !l.starts_with("::notice ")).count(),
        10
    );
    assert!(
        text.lines()
            .last()
            .is_some_and(|l| l.contains("and 35 more")),
        "{text}"
    );
    assert_eq!(github::render(&report, &annotations(0)), "");
}
