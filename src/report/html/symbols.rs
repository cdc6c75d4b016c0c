//! The table of symbols: rows that stand in the page, and rows that only its script shows.
//!
//! A row that only the script shows is a line of text with a TAB between its cells. It stands in a `template` element,
//! as text: no part of it is markup or script.

use serde::Serialize;

use super::Limits;
use super::page::{name, short, text};
use crate::report::view::View;
use crate::report::wording;
use crate::report::{Report, SymbolChange};

/// The symbols that changed and are protected or used.
#[derive(Debug, Serialize)]
pub(super) struct Symbols {
    rows: Vec<Row>,
    total: String,
    shown: String,
    /// Whether rows are missing from the table.
    cut: bool,
    /// The rows behind those, for the script.
    more: String,
    /// Whether rows are missing for the script too.
    more_cut: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    symbol: String,
    severity: &'static str,
    protected: bool,
    change: String,
    classes: String,
    module: String,
    lists: String,
    users: String,
    /// Numbers of the causes that have a part in the page, and how many others there are.
    causes: Vec<usize>,
    since: String,
}

impl Row {
    /// The cells in the order in which the script reads them.
    fn line(&self) -> String {
        let causes: Vec<String> = self.causes.iter().map(ToString::to_string).collect();
        let cells = [
            self.symbol.as_str(),
            self.severity,
            if self.protected { "yes" } else { "no" },
            &self.change,
            &self.classes,
            &self.module,
            &self.lists,
            &self.users,
            &causes.join(" "),
            &self.since,
        ];
        // Names come from strangers: what would part cells or lines becomes a blank.
        let cells = cells.map(|cell| cell.replace(['\t', '\n'], " "));
        cells.join("\t")
    }
}

/// The table; none if nothing changed.
pub(super) fn table(view: &View<'_>, limits: Limits) -> Option<Symbols> {
    let report = view.report;
    let all = &report.tip.symbols;
    if all.is_empty() {
        return None;
    }
    let numbers = numbers(report, limits);
    let row = |symbol: &SymbolChange| one(symbol, &numbers);
    let rows: Vec<Row> = all.iter().take(limits.symbols).map(row).collect();
    let more: Vec<String> = all
        .iter()
        .skip(limits.symbols)
        .take(limits.more_symbols)
        .map(|symbol| row(symbol).line())
        .collect();
    let known = rows.len() + more.len();
    Some(Symbols {
        total: wording::thousands(all.len()),
        shown: wording::thousands(rows.len()),
        cut: rows.len() < all.len(),
        more_cut: known < all.len(),
        rows,
        more: more.join("\n"),
    })
}

/// Number of each cause that has a part in the page.
fn numbers(report: &Report, limits: Limits) -> std::collections::BTreeMap<&str, usize> {
    let causes = report.causes.iter().take(limits.causes).enumerate();
    causes.map(|(at, c)| (c.id.as_str(), at + 1)).collect()
}

fn one(symbol: &SymbolChange, numbers: &std::collections::BTreeMap<&str, usize>) -> Row {
    let export = symbol.base.as_ref().or(symbol.head.as_ref());
    let classes: Vec<String> = symbol
        .changes
        .iter()
        .take(12)
        .map(|c| short(&c.class))
        .collect();
    let mut causes: Vec<usize> = symbol
        .causes
        .iter()
        .filter_map(|id| numbers.get(id.as_str()).copied())
        .collect();
    causes.sort_unstable();
    causes.truncate(5);
    Row {
        symbol: name(&symbol.symbol),
        severity: symbol.severity.word(),
        protected: symbol.protected,
        change: text(&wording::change_line(symbol), 400),
        classes: classes.join(" "),
        module: name(export.map_or("unknown", |e| &e.module)),
        lists: text(&wording::examples(&symbol.lists), 200),
        users: text(&wording::examples(&symbol.used_by), 200),
        causes,
        since: symbol.since.as_deref().map_or(String::new(), short),
    }
}
