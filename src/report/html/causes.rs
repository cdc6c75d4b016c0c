//! The causes and which modules they stop, as a page shows them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::graph::{self, Graph};
use super::page::{commit_text, name, text};
use super::{Limits, diff};
use crate::report::policy_text::approval_line;
use crate::report::view::{View, module_name};
use crate::report::wording::{self, NAME_LIMIT};
use crate::report::{Cause, CauseHunk, Report, class_text};

/// Most columns of the matrix.
const MAX_COLUMNS: usize = 20;
/// Causes that stand open.
const OPEN: usize = 3;
/// Most hunks of a cause.
const MAX_HUNKS: usize = 6;

/// One cause.
#[derive(Debug, Serialize)]
pub(super) struct CauseBox {
    number: usize,
    open: bool,
    name: String,
    title: &'static str,
    class: String,
    /// `fail`, `warn` or `note`.
    severity: &'static str,
    place: Option<String>,
    /// What changed in the definition, member by member.
    changes: Vec<String>,
    more_changes: String,
    commits: Vec<String>,
    reach: String,
    symbols: Vec<String>,
    more_symbols: String,
    modules: Vec<String>,
    more_modules: String,
    path: Vec<String>,
    state: &'static str,
    /// How people accepted it, if they did.
    approved: Option<String>,
    why: &'static str,
    way_out: &'static str,
    id: String,
    rows: Vec<diff::Row>,
    more_lines: String,
    /// Places and lines of the patches' hunks.
    hunks: Vec<(String, String)>,
    graph: Option<Graph>,
}

/// The causes that are shown, worst first.
pub(super) fn boxes(view: &View<'_>, limits: Limits) -> Vec<CauseBox> {
    let paths = paths(view.report);
    let causes = view.report.causes.iter().take(limits.causes);
    let boxes = causes.enumerate().map(|(at, cause)| {
        let paths = paths.get(cause.id.as_str()).map_or(&[][..], Vec::as_slice);
        one(view, at, cause, paths, limits)
    });
    boxes.collect()
}

fn one(view: &View<'_>, at: usize, cause: &Cause, paths: &[&[String]], limits: Limits) -> CauseBox {
    let class = class_text(&cause.class);
    let severity = view.severity(cause);
    const NAMES: usize = 24;
    const CHANGES: usize = 12;
    let names =
        |all: &[String]| -> Vec<String> { all.iter().take(NAMES).map(|n| name(n)).collect() };
    CauseBox {
        number: at + 1,
        open: at < OPEN,
        name: name(&cause.name),
        title: class.title,
        class: name(&cause.class),
        severity: severity.word(),
        place: wording::place_line(cause).map(|line| text(&line, NAME_LIMIT)),
        changes: cause
            .changes
            .iter()
            .filter(|change| !change.path.is_empty())
            .take(CHANGES)
            .map(|change| name(&wording::cause_change(cause, change)))
            .collect(),
        more_changes: more(cause.changes.len(), CHANGES),
        commits: cause
            .commits
            .iter()
            .take(5)
            .map(|id| commit_text(view, id))
            .collect(),
        reach: text(&wording::reach(cause), 1_000),
        symbols: names(&cause.protected),
        more_symbols: more(cause.protected.len(), NAMES),
        modules: names(&cause.modules),
        more_modules: more(cause.modules.len(), NAMES),
        path: view
            .witness(cause)
            .iter()
            .take(20)
            .map(|step| name(step))
            .collect(),
        state: wording::cause_state(view, cause),
        approved: view
            .approval(&cause.id)
            .map(|one| text(&approval_line(one), 600)),
        why: class.why,
        way_out: class.way_out,
        id: name(&cause.id),
        rows: diff::rows(&cause.diff, limits.diff_lines),
        more_lines: more(cause.diff.lines().count(), limits.diff_lines),
        hunks: cause.hunks.iter().take(MAX_HUNKS).map(hunk).collect(),
        graph: graph::draw(paths),
    }
}

/// `4f2a91c0de12 include/linux/skbuff.h @@ -930,3 +932,4 @@`, and the lines.
fn hunk(hunk: &CauseHunk) -> (String, String) {
    let commit = hunk.commit.get(..12).unwrap_or(&hunk.commit);
    let place = format!("{commit} {} {}", hunk.file, hunk.header);
    let lines: Vec<String> = hunk.text.lines().map(|line| text(line, 400)).collect();
    (text(&place, 400), lines.join("\n"))
}

/// How many are not shown; empty if all are.
pub(super) fn more(count: usize, shown: usize) -> String {
    match count.saturating_sub(shown) {
        0 => String::new(),
        more => wording::thousands(more),
    }
}

/// The witness paths of all comparisons by the cause they end in.
fn paths(report: &Report) -> BTreeMap<&str, Vec<&[String]>> {
    let names: BTreeMap<&str, &str> = report
        .causes
        .iter()
        .map(|cause| (cause.id.as_str(), cause.name.as_str()))
        .collect();
    let commits = report.commits.iter().map(|c| &c.findings);
    let mut paths: BTreeMap<&str, Vec<&[String]>> = BTreeMap::new();
    for symbol in std::iter::once(&report.tip)
        .chain(commits)
        .flat_map(|f| &f.symbols)
    {
        let Some(end) = symbol.witness.last() else {
            continue;
        };
        let reached = |id: &&String| names.get(id.as_str()).is_some_and(|name| name == end);
        if let Some(id) = symbol.causes.iter().find(reached) {
            paths.entry(id).or_default().push(&symbol.witness);
        }
    }
    for found in paths.values_mut() {
        found.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        found.dedup();
    }
    paths
}

/// Modules against causes.
#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    /// Number and name of each cause.
    columns: Vec<(usize, String)>,
    rows: Vec<MatrixRow>,
    more_columns: usize,
    more_rows: usize,
}

#[derive(Debug, Serialize)]
struct MatrixRow {
    module: String,
    /// How many imports of the module each cause breaks.
    cells: Vec<usize>,
}

/// Which modules which causes stop; none if no cause stops one.
pub(super) fn matrix(view: &View<'_>, limits: Limits) -> Option<Matrix> {
    let report = view.report;
    let mut counts: BTreeMap<(String, &str), BTreeSet<&str>> = BTreeMap::new();
    let commits = report.commits.iter().map(|c| &c.findings);
    for module in std::iter::once(&report.tip)
        .chain(commits)
        .flat_map(|f| &f.modules)
    {
        for problem in &module.problems {
            for cause in &problem.causes {
                let key = (module_name(module), cause.as_str());
                counts.entry(key).or_default().insert(&problem.symbol);
            }
        }
    }
    let stops = |cause: &&(usize, &Cause)| !cause.1.modules.is_empty();
    let causes: Vec<(usize, &Cause)> = report.causes.iter().enumerate().collect();
    let causes: Vec<&(usize, &Cause)> = causes.iter().filter(stops).collect();
    let modules: BTreeSet<&String> = causes.iter().flat_map(|(_, c)| &c.modules).collect();
    if modules.is_empty() {
        return None;
    }
    let shown: Vec<&(usize, &Cause)> = causes
        .iter()
        .take(MAX_COLUMNS.min(limits.causes))
        .copied()
        .collect();
    let row = |module: &String| MatrixRow {
        module: name(module),
        cells: shown
            .iter()
            .map(|(_, cause)| {
                let key = (module.clone(), cause.id.as_str());
                let known = counts.get(&key).map_or(0, BTreeSet::len);
                // The cause says it stops the module even where no comparison lists the import.
                known.max(usize::from(cause.modules.contains(module)))
            })
            .collect(),
    };
    Some(Matrix {
        columns: shown
            .iter()
            .map(|(at, c)| (at + 1, name(&c.name)))
            .collect(),
        rows: modules
            .iter()
            .take(limits.modules)
            .map(|m| row(m))
            .collect(),
        more_columns: causes.len() - shown.len(),
        more_rows: modules.len().saturating_sub(limits.modules),
    })
}
