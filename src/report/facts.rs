//! The same facts in every format: each rendering is read back by a reader of its format and compared with the report.

use std::collections::BTreeSet;

use super::escape::clip;
use super::view::{View, module_name, stopped, without_cause};
use super::wording::{NAME_LIMIT, reason_code, thousands, verdict_word};
use super::*;

/// What a reader learns from one rendering. A field is none where the format has no place for it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    /// `PASS`, `FAIL`, `INVALID` or `NOT CHECKED`.
    verdict: String,
    /// Names of all causes, in order.
    causes: Option<Vec<String>>,
    /// Names of changed symbols, protected or used.
    symbols: Option<BTreeSet<String>>,
    /// Modules that stop loading.
    modules: Option<BTreeSet<String>>,
    /// Codes of the reasons, in order.
    reasons: Option<Vec<String>>,
    /// Number of changes that the CRCs do not show.
    hidden: Option<usize>,
    /// Number of approvals, whatever they did.
    approvals: Option<usize>,
}

impl Facts {
    fn of(report: &Report) -> Facts {
        let tip = &report.tip;
        Facts {
            verdict: verdict_word(report.verdict).to_owned(),
            causes: Some(report.causes.iter().map(|c| shown(&c.name)).collect()),
            symbols: Some(tip.symbols.iter().map(|s| shown(&s.symbol)).collect()),
            modules: Some(stopped(tip).map(|m| shown(&module_name(m))).collect()),
            reasons: Some(report.reasons.iter().map(|r| reason_code(r.code)).collect()),
            hidden: Some(report.hidden.changes.len()),
            approvals: Some(report.policy.approvals.len()),
        }
    }

    /// Counts a row below a heading.
    fn count(&mut self, heading: &str) {
        let approvals = policy_text::STATES.map(policy_text::approvals_heading);
        if heading == policy_text::HIDDEN {
            *self.hidden.get_or_insert_default() += 1;
        } else if approvals.contains(&heading) {
            *self.approvals.get_or_insert_default() += 1;
        }
    }

    /// Compares field by field what `read` has with what it should have a part of.
    fn contain(&self, read: &Facts, text: &str, name: &str) {
        // A format that has a place for them tells some, if there are any.
        let part = |all: &[String], some: &[String]| {
            some.iter().all(|one| all.contains(one)) && (all.is_empty() || !some.is_empty())
        };
        let list = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
        let set = |names: &Option<BTreeSet<String>>| names.clone().unwrap_or_default();
        assert_eq!(read.verdict, self.verdict, "{name}: verdict");
        for (what, all, some) in [
            ("causes", &self.causes, &read.causes),
            ("reasons", &self.reasons, &read.reasons),
        ] {
            let holds = some.is_none() || part(&list(all), &list(some));
            assert!(holds, "{name}: {what} {some:?}");
        }
        for (what, all, some) in [
            ("symbols", &self.symbols, &read.symbols),
            ("modules", &self.modules, &read.modules),
        ] {
            let others: Vec<String> = set(some).difference(&set(all)).cloned().collect();
            assert!(others.is_empty(), "{name}: {what} {others:?}");
            let mut lines = text.lines();
            let is_left_out = lines.any(|l| l.contains("Left out") && l.contains(what));
            let tells = is_left_out || set(all).is_empty() || !set(some).is_empty();
            let tells = tells || some.is_none();
            assert!(tells, "{name}: no {what}");
        }
        assert!(
            read.hidden.unwrap_or_default() <= self.hidden.unwrap_or_default(),
            "{name}: hidden changes"
        );
    }

    /// Compares field by field what `read` has with what it should have.
    fn compare(&self, read: &Facts, name: &str) {
        assert_eq!(read.verdict, self.verdict, "{name}: verdict");
        let sorted = |names: &Option<Vec<String>>| {
            names.clone().map(|mut names| {
                names.sort();
                names
            })
        };
        if read.causes.is_some() {
            assert_eq!(sorted(&read.causes), sorted(&self.causes), "{name}: causes");
        }
        if read.hidden.is_some() {
            assert_eq!(read.hidden, self.hidden, "{name}: hidden changes");
        }
        if read.approvals.is_some() {
            assert_eq!(read.approvals, self.approvals, "{name}: approvals");
        }
        if read.symbols.is_some() {
            assert_eq!(read.symbols, self.symbols, "{name}: symbols");
        }
        if read.modules.is_some() {
            assert_eq!(read.modules, self.modules, "{name}: modules");
        }
        if read.reasons.is_some() {
            assert_eq!(
                sorted(&read.reasons),
                sorted(&self.reasons),
                "{name}: reasons"
            );
        }
    }
}

/// A name as a reader gets it: cut, white space collapsed.
fn shown(name: &str) -> String {
    let words: Vec<String> = clip(name, NAME_LIMIT)
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    words.join(" ")
}

fn verdict_of(headline: &str) -> String {
    let word = headline.split("  ").next().unwrap_or_default();
    word.trim_end_matches(" (observe mode)").to_owned()
}

fn from_json(text: &str) -> Facts {
    Facts::of(&json::read(text.as_bytes(), "report").expect("own output"))
}

fn from_console(text: &str) -> Facts {
    let lines: Vec<&str> = text.lines().collect();
    let number = |line: &&&str| {
        let (number, rest) = line.trim_start().split_once(". ")?;
        (!rest.is_empty()).then_some(())?;
        number.parse::<usize>().ok().map(|_| rest.to_owned())
    };
    let causes = lines.iter().filter_map(|line| number(&line));
    // A cause in one line has its place in front: `file:line: name: title: reach`.
    let names = causes.map(|rest| {
        let parts: Vec<&str> = rest.split(": ").collect();
        let place = parts.first().is_some_and(|p| {
            p.rsplit_once(':')
                .is_some_and(|(_, l)| l.parse::<u32>().is_ok())
        });
        shown(parts.get(usize::from(place)).unwrap_or(&""))
    });
    let of_section = |heading: &str| -> BTreeSet<String> {
        let start = lines.iter().position(|line| *line == heading);
        let rest = start.map_or(&[][..], |at| &lines[at + 1..]);
        let rows = rest.iter().take_while(|line| line.starts_with("  "));
        let rows = rows.filter_map(|line| line.trim().split_once(": "));
        rows.filter_map(|(name, _)| Some(name.split_whitespace().next()?.to_owned()))
            .collect()
    };
    let codes: BTreeSet<String> = all_codes();
    Facts {
        verdict: verdict_of(lines.first().unwrap_or(&"")),
        causes: Some(names.collect()),
        symbols: None,
        modules: Some(of_section("Modules that stop loading")),
        reasons: Some(
            lines
                .iter()
                .filter(|line| codes.contains(**line))
                .map(|line| (*line).to_owned())
                .collect(),
        ),
        ..Facts::default()
    }
}

/// Every reason code there is, out of the schema.
fn all_codes() -> BTreeSet<String> {
    let schema: serde_json::Value = serde_json::from_str(&schema::render()).expect("JSON");
    let codes = schema["$defs"]["ReasonCode"]["oneOf"]
        .as_array()
        .expect("codes");
    let words = codes.iter().filter_map(|code| code["const"].as_str());
    words.map(str::to_owned).collect()
}

fn from_markdown(text: &str) -> Facts {
    let mut options = comrak::Options::default();
    options.extension.table = true;
    let arena = comrak::Arena::new();
    let root = comrak::parse_document(&arena, text, &options);
    let mut facts = Facts {
        causes: Some(Vec::new()),
        symbols: Some(BTreeSet::new()),
        modules: Some(BTreeSet::new()),
        reasons: Some(Vec::new()),
        hidden: Some(0),
        approvals: Some(0),
        ..Facts::default()
    };
    let codes = all_codes();
    let mut heading = String::new();
    for node in root.descendants() {
        match &node.data.borrow().value {
            comrak::nodes::NodeValue::Heading(_) => {
                let text = plain(node);
                let code = first_code(node);
                heading = text.clone();
                if facts.verdict.is_empty() {
                    facts.verdict = verdict_of(&text);
                } else if let Some(code) = code {
                    let list = if codes.contains(&code) && text == code {
                        &mut facts.reasons
                    } else {
                        &mut facts.causes
                    };
                    list.get_or_insert_default().push(shown(&code));
                }
            }
            comrak::nodes::NodeValue::Item(_) => facts.count(&heading),
            comrak::nodes::NodeValue::Table(_) => read_table(node, &mut facts),
            _ => {}
        }
    }
    facts
}

type Node<'a> = comrak::nodes::Node<'a>;

fn plain(node: Node<'_>) -> String {
    let mut out = String::new();
    for node in node.descendants() {
        match &node.data.borrow().value {
            comrak::nodes::NodeValue::Text(text) => out.push_str(text),
            comrak::nodes::NodeValue::Code(code) => out.push_str(&code.literal),
            _ => {}
        }
    }
    out.replace('\u{200b}', "")
}

fn first_code(node: Node<'_>) -> Option<String> {
    node.descendants()
        .find_map(|node| match &node.data.borrow().value {
            comrak::nodes::NodeValue::Code(code) => Some(code.literal.clone()),
            _ => None,
        })
}

/// The rows of the tables of modules and of symbols, which their first heading tells apart.
fn read_table(table: Node<'_>, facts: &mut Facts) {
    let mut kind = String::new();
    for row in table.children() {
        let cells: Vec<String> = row.children().map(plain).collect();
        let first = cells.first().cloned().unwrap_or_default();
        if kind.is_empty() {
            kind = first;
            continue;
        }
        match kind.as_str() {
            "symbol" => {
                facts.symbols.get_or_insert_default().insert(shown(&first));
            }
            "module" if cells.get(2).is_some_and(|what| what == "stops loading") => {
                facts.modules.get_or_insert_default().insert(shown(&first));
            }
            _ => {}
        }
    }
}

fn from_junit(text: &str) -> Facts {
    let document = roxmltree::Document::parse(text).expect("well-formed");
    let mut facts = Facts {
        causes: Some(Vec::new()),
        symbols: Some(BTreeSet::new()),
        modules: Some(BTreeSet::new()),
        reasons: Some(Vec::new()),
        hidden: Some(0),
        ..Facts::default()
    };
    let codes = all_codes();
    for case in document
        .descendants()
        .filter(|n| n.has_tag_name("testcase"))
    {
        let class = case.attribute("classname").unwrap_or_default();
        let name = case.attribute("name").unwrap_or_default();
        let result = case
            .children()
            .find(|n| n.is_element() && !n.has_tag_name("system-out"));
        let texts = case.descendants().filter(|n| n.is_text());
        let texts = texts.filter_map(|n| n.text());
        let text: String = texts.collect();
        let last = class.rsplit('.').next().unwrap_or_default();
        if name == "gate" && class.split('.').count() <= 2 {
            facts.verdict = verdict_of(text.lines().next().unwrap_or_default());
            let starts = text.lines().filter_map(|line| line.split(": ").next());
            let starts = starts.filter(|start| codes.contains(*start));
            facts.reasons = Some(starts.map(str::to_owned).collect());
        } else if last == "cause" {
            facts.causes.get_or_insert_default().push(shown(name));
        } else if last == "modules" {
            let stops = text
                .lines()
                .next()
                .is_some_and(|l| l.ends_with(": stops loading"));
            if stops {
                let name = name.trim_end_matches(".ko");
                facts.modules.get_or_insert_default().insert(shown(name));
            }
        } else if last == "hidden" {
            *facts.hidden.get_or_insert_default() += 1;
        } else if last != "commits" && (result.is_some() || !text.is_empty()) {
            facts.symbols.get_or_insert_default().insert(shown(name));
        }
    }
    facts
}

fn from_sarif(text: &str) -> Facts {
    let log: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let run = &log["runs"][0];
    let names = |list: &serde_json::Value, field: &str| -> Vec<String> {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter()
            .filter_map(|one| {
                let text = if field.is_empty() { one } else { &one[field] };
                text.as_str().map(shown)
            })
            .collect()
    };
    let results = run["results"].as_array().cloned().unwrap_or_default();
    let causes = results
        .iter()
        .filter(|r| r["properties"]["symbolsCount"].is_u64());
    let named = causes.filter_map(|r| r["locations"][0]["logicalLocations"][0]["name"].as_str());
    let codes = all_codes();
    let reasons = names(&run["results"], "ruleId");
    let hides = |id: &&String| matches!(id.as_str(), "hidden" | "hidden-layout" | "slot-used");
    Facts {
        hidden: Some(reasons.iter().filter(hides).count()),
        approvals: None,
        verdict: verdict_of(run["properties"]["headline"].as_str().unwrap_or_default()),
        causes: Some(named.map(shown).collect()),
        symbols: None,
        modules: Some(
            names(&run["properties"]["modulesStopped"], "")
                .into_iter()
                .collect(),
        ),
        reasons: Some(
            reasons
                .into_iter()
                .filter(|id| codes.contains(id))
                .collect(),
        ),
    }
}

fn from_html(text: &str) -> Facts {
    // A script is no XML; all else of a page is.
    let (start, rest) = text.split_once("<style>").expect("a style");
    let (_, rest) = rest.split_once("</style>").expect("its end");
    let (middle, rest) = rest.split_once("<script>").expect("a script");
    let (_, end) = rest.split_once("</script>").expect("its end");
    let page = format!("{start}{middle}{end}");
    let page = page.trim_start_matches("<!DOCTYPE html>");
    let document = roxmltree::Document::parse(page).expect("well-formed");
    let find = |id: &'static str| {
        document
            .descendants()
            .find(|n| n.attribute("id") == Some(id))
    };
    let all = |node: roxmltree::Node<'_, '_>| -> String {
        node.descendants()
            .filter_map(|n| n.is_text().then(|| n.text()).flatten())
            .collect()
    };
    let code_in = |node: roxmltree::Node<'_, '_>, tag: &str| -> Option<String> {
        let head = node.descendants().find(|n| n.has_tag_name(tag))?;
        let code = head.descendants().find(|n| n.has_tag_name("code"))?;
        Some(shown(&all(code)))
    };
    let of = |id: &'static str, item: &'static str, tag: &'static str| -> Vec<String> {
        let section = find(id).map(|s| s.descendants().collect::<Vec<_>>());
        let items = section.unwrap_or_default().into_iter();
        let items = items.filter(|n| n.has_tag_name(item));
        items.filter_map(|n| code_in(n, tag)).collect()
    };
    let stops = find("modules").map(|section| {
        let rows = section.descendants().filter(|n| n.has_tag_name("tr"));
        let rows = rows.filter(|row| all(*row).contains("stops loading"));
        rows.filter_map(|row| code_in(row, "th")).collect()
    });
    let verdict = document
        .descendants()
        .find(|n| n.attribute("class") == Some("verdict"))
        .map(all);
    let mut counted = Facts {
        hidden: Some(0),
        approvals: Some(0),
        ..Facts::default()
    };
    for section in ["hidden", "policy"].into_iter().filter_map(find) {
        let mut heading = String::new();
        for part in section.children().filter(|n| n.is_element()) {
            if part.has_tag_name("h3") {
                heading = all(part);
            }
            for _ in part.children().filter(|n| n.has_tag_name("li")) {
                counted.count(&heading);
            }
        }
    }
    Facts {
        verdict: verdict.unwrap_or_default(),
        causes: Some(of("causes", "details", "h3")),
        symbols: Some(of("symbol-table", "tr", "th").into_iter().collect()),
        modules: Some(stops.unwrap_or_default()),
        reasons: Some(of("reasons", "article", "h3")),
        ..counted
    }
}

fn from_github(text: &str) -> Facts {
    let first = text.lines().next().unwrap_or_default();
    let headline = first.split("::").nth(2).unwrap_or_default();
    let title = |line: &str| -> Option<String> {
        let (_, rest) = line.split_once("title=")?;
        let title = rest.split("::").next()?;
        Some(title.replace("%3A", ":").replace("%2C", ","))
    };
    let codes = all_codes();
    let titles: Vec<String> = text.lines().skip(1).filter_map(title).collect();
    let reason = |title: &String| {
        let (_, code) = title.split_once(": ")?;
        codes.contains(code).then(|| code.to_owned())
    };
    Facts {
        verdict: verdict_of(headline),
        causes: None,
        symbols: None,
        modules: None,
        reasons: Some(titles.iter().filter_map(reason).collect()),
        ..Facts::default()
    }
}

type Reader = fn(&str) -> Facts;

const READERS: [(Format, Reader); 8] = [
    (Format::Json, from_json),
    (Format::Console, from_console),
    (Format::Markdown, from_markdown),
    (Format::Junit, from_junit),
    (Format::Gitlab, from_junit),
    (Format::Sarif, from_sarif),
    (Format::Html, from_html),
    (Format::Github, from_github),
];

/// Every rendering of every sample tells the verdict, causes, symbols, modules and reasons of its report.
#[test]
fn every_format_tells_the_same() {
    for (name, report) in samples::all() {
        if name.starts_with("hostile") {
            // Hostile names are spelled differently in each format; tests of the escapes read them back.
            continue;
        }
        let wanted = Facts::of(&report);
        for (format, reader) in READERS {
            let text = render(&report, format, &Options::default());
            wanted.compare(&reader(&text), &format!("{name} as {format:?}"));
        }
    }
}

/// The most characters of each format, where whoever takes it sets a limit: GitHub's comments and summaries for Markdown,
/// code scanning and GitLab's widget for files.
const LIMITS: [(Format, usize); 4] = [
    (Format::Markdown, 60_000),
    (Format::Sarif, 10 << 20),
    (Format::Junit, 30 << 20),
    (Format::Html, 30 << 20),
];

/// Reports of real runs, JSON files in the folder that `KABIGATE_TEST_REPORTS` names, are told by every format alike. What a
/// limit cuts is told as "more", and nothing that is not in the report is told.
#[test]
#[ignore = "needs KABIGATE_TEST_REPORTS, a folder with reports of real runs"]
fn every_format_tells_the_same_of_real_runs() {
    let folder = std::env::var("KABIGATE_TEST_REPORTS").expect("KABIGATE_TEST_REPORTS");
    let files = std::fs::read_dir(folder).expect("a folder");
    let mut seen = 0;
    for file in files.map(|entry| entry.expect("an entry").path()) {
        let name = file.display().to_string();
        let bytes = std::fs::read(&file).expect("a file");
        let report = json::read(&bytes, &name).expect("a report");
        let wanted = Facts::of(&report);
        for (format, reader) in READERS {
            let name = format!("{name} as {format:?}");
            let text = render(&report, format, &Options::default());
            let limit = LIMITS.iter().find(|(of, _)| *of == format);
            assert!(limit.is_none_or(|(_, most)| text.len() <= *most), "{name}");
            let read = reader(&text);
            let is_whole = matches!(format, Format::Json | Format::Sarif);
            let is_cut = text.contains(" more") || text.contains("not shown");
            if is_cut && !is_whole {
                wanted.contain(&read, &text, &name);
            } else {
                wanted.compare(&read, &name);
            }
        }
        seen += 1;
    }
    assert!(seen > 0, "no report");
}

/// Code scanning gets one finding per reason, cause and change without a cause, GitLab's as many as SARIF's.
#[test]
fn findings_are_complete() {
    for (name, report) in samples::all() {
        let wanted =
            report.reasons.len() + report.causes.len() + without_cause(&report.tip).count();
        let approved = |s: &&SymbolChange| {
            s.is_approved() && s.causes.is_empty() && s.severity <= Severity::Note
        };
        let wanted = wanted + report.hidden.changes.len();
        let wanted = wanted + report.tip.symbols.iter().filter(approved).count();
        let options = Options::default();
        let issues = render(&report, Format::CodeQuality, &options);
        let issues: Vec<serde_json::Value> = serde_json::from_str(&issues).expect(name);
        assert_eq!(issues.len(), wanted, "{name}");
        let prints: BTreeSet<&str> = issues
            .iter()
            .filter_map(|i| i["fingerprint"].as_str())
            .collect();
        assert_eq!(prints.len(), wanted, "{name}");
        let log = render(&report, Format::Sarif, &options);
        let log: serde_json::Value = serde_json::from_str(&log).expect(name);
        let results = log["runs"][0]["results"].as_array().expect(name);
        assert_eq!(results.len(), wanted, "{name}");
        for (issue, result) in issues.iter().zip(results) {
            assert_eq!(
                issue["fingerprint"], result["partialFingerprints"]["kabigate/v1"],
                "{name}"
            );
        }
    }
}

/// The numbers of the first line stand in every format that people read.
#[test]
fn the_headline_is_everywhere() {
    for (name, report) in samples::all() {
        let headline = wording::headline(&View::new(&report, ""));
        let number = thousands(report.provenance.protected);
        for format in [Format::Console, Format::Junit, Format::Html] {
            let text = render(&report, format, &Options::default());
            // A page has the verdict in an element of its own; what follows may hold characters that a format spells
            // otherwise.
            let facts = headline.split("  ").nth(1).unwrap_or_default();
            let first: String = facts.chars().take(8).collect();
            assert!(
                name.starts_with("hostile") || text.contains(first.trim_end()),
                "{name} {format:?}: {first}"
            );
            assert!(text.contains(&number), "{name} {format:?}: {number}");
        }
    }
}
