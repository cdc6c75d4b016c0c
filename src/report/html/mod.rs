//! One self-contained HTML file: complete and in order without script and style, searchable with them.
//!
//! The template's text is ours, all other text is escaped by the template engine after hidden characters were made
//! visible; none of it stands inside a script. The policy in the document's head allows its own style and script by
//! their SHA-256 and nothing else, so the file loads nothing and runs nothing of a stranger's. CI systems that forbid
//! inline style and script altogether (Jenkins) show the same text, graphs and tables.
//!
//! Over budget everything is shown at half its length until it fits; a line below the verdict says what was cut.

mod causes;
mod diff;
mod graph;
mod page;
mod symbols;

use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use sha2::{Digest as _, Sha256};

use super::view::View;
use super::{Options, Report};
use page::Page;

/// Most bytes of a file.
pub const MAX_BYTES: usize = 10_000_000;

const TEMPLATE: &str = include_str!("template.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// How much of each part is shown.
#[derive(Clone, Copy, Debug)]
struct Limits {
    causes: usize,
    diff_lines: usize,
    /// Rows of any table but that of symbols.
    rows: usize,
    modules: usize,
    /// Rows of symbols that stand in the table itself.
    symbols: usize,
    /// Rows of symbols that only the script shows.
    more_symbols: usize,
    reasons: usize,
    /// Whether style and script are there.
    dressed: bool,
}

impl Limits {
    const FULL: Limits = Limits {
        causes: 500,
        diff_lines: 400,
        rows: 1_000,
        modules: 1_000,
        symbols: 5_000,
        more_symbols: 100_000,
        reasons: 200,
        dressed: true,
    };
    /// Steps of halving after which every limit is zero.
    const STEPS: u32 = 18;

    /// The full limits after so many steps; the last leaves only the verdict, the notice and the provenance.
    fn after(step: u32) -> Limits {
        let full = Limits::FULL;
        let cut = |limit: usize| limit >> step;
        Limits {
            causes: cut(full.causes),
            diff_lines: cut(full.diff_lines),
            rows: cut(full.rows),
            modules: cut(full.modules),
            symbols: cut(full.symbols),
            more_symbols: cut(full.more_symbols),
            reasons: cut(full.reasons),
            dressed: step < Limits::STEPS,
        }
    }
}

/// Renders the report in at most [`Options::html_budget`] bytes, unless verdict, notice and provenance alone are longer.
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let view = View::new(report, &options.full);
    let mut text = String::new();
    for step in 0..=Limits::STEPS {
        text = write(Page::new(&view, Limits::after(step)));
        if text.len() <= options.html_budget {
            break;
        }
    }
    text
}

fn write(page: Page) -> String {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .unwrap_or_default();
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    // INVARIANT: the template is part of the program and uses only what a page has; tests render every part of it.
    environment
        .add_template("report.html", TEMPLATE)
        .expect("the template is well-formed");
    let template = environment
        .get_template("report.html")
        .expect("the template was just added");
    template
        .render(Serde(page))
        .expect("the template uses only what a page has")
}

/// What the policy of the document calls a text of ours: `sha256-…`.
fn source_hash(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= group.len() {
                let digit = bits >> (18 - 6 * place) & 63;
                out.push(char::from(DIGITS[digit as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{CauseChange, Verdict, samples};

    fn rendered(report: &Report, budget: usize) -> String {
        let options = Options {
            html_budget: budget,
            ..Options::default()
        };
        render(report, &options)
    }

    /// The vectors of RFC 4648 and the hash of the empty text, as the policy spells it.
    #[test]
    fn hashes_are_spelled_as_policies_do() {
        for (text, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
        assert_eq!(
            source_hash(""),
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    /// Each sample renders, names its verdict, and loads nothing from anywhere.
    #[test]
    fn every_sample_renders() {
        for (name, report) in samples::all() {
            let text = rendered(&report, MAX_BYTES);
            assert!(text.starts_with("<!DOCTYPE html>"), "{name}");
            assert!(text.contains("Content-Security-Policy"), "{name}");
            for forbidden in [
                "http://", "https://", "url(", "@import", " style=", " onclick",
            ] {
                let ours = STYLE.contains(forbidden) || SCRIPT.contains(forbidden);
                assert!(!ours && !TEMPLATE.contains(forbidden), "{forbidden}");
            }
            assert!(
                text.contains(&format!("data-exit-code=\"{}\"", report.exit_code)),
                "{name}"
            );
        }
    }

    /// Strangers' text adds no element, no attribute and no hidden character.
    #[test]
    fn hostile_text_stays_text() {
        let tags = |text: &str| -> Vec<String> {
            let parts = text.split('<').skip(1);
            let names = parts.map(|p| {
                p.chars()
                    .take_while(|c| c.is_alphanumeric() || matches!(c, '/' | '!'))
                    .collect()
            });
            let mut names: Vec<String> = names.collect();
            names.sort();
            names.dedup();
            names
        };
        let mut known = tags(TEMPLATE);
        // The names of these two come out of a list of ours.
        known.extend(["del", "ins", "/del", "/ins"].map(str::to_owned));
        for report in [samples::hostile(), samples::hostile_reasons()] {
            let text = rendered(&report, MAX_BYTES);
            for tag in tags(&text) {
                assert!(known.contains(&tag), "<{tag}>");
            }
            assert!(
                text.chars()
                    .all(|c| matches!(c, '\n' | '\t') || !c.is_control())
            );
            assert!(!text.contains('\u{202e}'));
            let scripts = text.matches("<script").count();
            assert_eq!(scripts, 1);
        }
    }

    /// What changed in a definition is told member by member, and how much more there is.
    #[test]
    fn members_that_changed() {
        let mut report = samples::fail();
        let change = |number: usize| CauseChange {
            kind: "added".to_owned(),
            path: format!("m{number}"),
            old: None,
            new: Some(format!("u32 m{number}<b>")),
        };
        report.causes[0].changes = (0..14).map(change).collect();
        let page = rendered(&report, MAX_BYTES);
        assert!(page.contains("<code>member added: u32 m11&lt;b&gt;</code><br />and 2 more</dd>"));
        assert!(!page.contains("u32 m12"));
    }

    /// Any budget is kept unless verdict, notice and provenance alone are longer, and what was cut is said.
    #[test]
    fn budgets_are_kept() {
        let report = samples::fail();
        let full = rendered(&report, MAX_BYTES);
        assert!(!full.contains("class=\"cut\""));
        let least = rendered(&report, 0);
        assert!(least.contains("FAIL") && least.contains("class=\"cut\""));
        assert!(least.contains("the JSON report") && least.contains("checked by"));
        for budget in [1_000, 2_000, 10_000, 20_000, full.len() - 1] {
            let text = rendered(&report, budget);
            assert!(text.len() <= budget.max(least.len()), "{budget}");
            assert!(text.contains("class=\"cut\""), "{budget}");
            assert!(text.trim_end().ends_with("</html>"));
        }
    }

    /// Twenty thousand symbols fit the budget; the table holds the first 5,000, the script gets all.
    #[test]
    fn many_symbols_fit() {
        let mut report = samples::fail();
        let pattern = report.tip.symbols[2].clone();
        for number in 0..20_000 {
            report.tip.symbols.push(crate::report::SymbolChange {
                symbol: format!("symbol_{number:05}").into(),
                ..pattern.clone()
            });
        }
        let text = rendered(&report, MAX_BYTES);
        assert!(text.len() <= MAX_BYTES);
        assert!(text.contains("symbol_19999"));
        assert!(text.contains("5,000 of 20,007"));
    }

    /// The page of a failing run and of one that could not check, without style and script.
    #[test]
    fn html_snapshots() {
        for (name, report) in samples::all() {
            if matches!(
                name,
                "fail" | "not-checked" | "hostile" | "restored" | "diff"
            ) {
                let text = rendered(&report, MAX_BYTES);
                let (start, rest) = text.split_once("<style>").expect("a style");
                let (_, rest) = rest.split_once("</style>").expect("its end");
                let (middle, rest) = rest.split_once("<script>").expect("a script");
                let (_, end) = rest.split_once("</script>").expect("its end");
                let start = start
                    .lines()
                    .filter(|line| !line.contains("Security-Policy"))
                    .collect::<Vec<_>>()
                    .join("\n");
                insta::assert_snapshot!(format!("html@{name}"), format!("{start}{middle}{end}"));
            }
            let text = rendered(&report, MAX_BYTES);
            let not_checked = matches!(report.verdict, Verdict::Invalid | Verdict::NotChecked);
            assert_eq!(text.contains("id=\"reasons\""), not_checked, "{name}");
        }
    }
}
