//! JUnit XML as Jenkins, GitLab and the common GitHub actions read it.
//!
//! The schema of Jenkins' xUnit plugin (`junit-10.xsd`) knows no file of a case and refuses reports that have one, while
//! GitLab and the GitHub actions link to it. So there are two dialects that differ in this attribute alone.
//!
//! One suite per report. `gate` is always there and carries the verdict; beside it stands a case per cause, per
//! protected or module-used symbol, per third-party module and per commit. What fails the run is a failure, what
//! could not be checked an error, what is only shown is skipped with its reason. Names hold no commit ids, since
//! CI systems draw the history of a case by its name. The crate `junit-report` writes the elements; it does not
//! escape CDATA and would stamp the clock, so every text passes [`escape`] and the time is the head commit's.

use std::collections::{BTreeMap, BTreeSet};

use junit_report::{Duration, OffsetDateTime, ReportBuilder, TestCase, TestResult, TestSuite};
use time::format_description::well_known::Rfc3339;

use super::view::{View, module_name, place};
use super::{
    Cause, CommitFindings, HiddenChange, ModuleImpact, Options, Report, Severity, SymbolChange,
    Verdict, class_text, clip,
};
use super::{escape, policy_text, wording};
use crate::policy::Fingerprint;

/// Most cases; viewers refuse far larger reports.
const MAX_CASES: usize = 20_000;
/// Most bytes of names and texts.
const MAX_BYTES: usize = 5_000_000;
/// Most lines of one text; viewers show about as many.
const MAX_LINES: usize = 80;
/// Most lines of a diff within a text.
const MAX_DIFF: usize = 60;
/// Longest line and longest name, in characters.
const MAX_WIDTH: usize = 400;

/// Which attributes a case has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Those of Jenkins' schema.
    Jenkins,
    /// Those and the file to look at.
    Gitlab,
}

/// Bounds of a rendering. The gate is always there; its text is as long as the bounds of texts allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Most cases.
    pub cases: usize,
    /// Most bytes of names and texts.
    pub bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            cases: MAX_CASES,
            bytes: MAX_BYTES,
        }
    }
}

/// Renders the report; uses [`Options::junit`].
#[must_use]
pub fn render(report: &Report, dialect: Dialect, options: &Options) -> String {
    render_all(std::slice::from_ref(report), dialect, options)
}

/// Renders several reports, each as a suite of its own; they share [`Options::junit`].
#[must_use]
pub fn render_all(reports: &[Report], dialect: Dialect, options: &Options) -> String {
    let share = |whole: usize| whole / reports.len().max(1);
    let options = Options {
        junit: Budget {
            cases: share(options.junit.cases),
            bytes: share(options.junit.bytes),
        },
        ..options.clone()
    };
    let suites = reports
        .iter()
        .map(|report| suite(report, dialect, &options));
    write(suites.collect())
}

fn suite(report: &Report, dialect: Dialect, options: &Options) -> TestSuite {
    let view = View::new(report, &options.full);
    let root = root(report);
    let mut cases = Cases::new(options);
    for cause in &report.causes {
        cases.push(of_cause(&view, &root, cause));
    }
    for symbol in &report.tip.symbols {
        cases.push(of_symbol(&view, &root, symbol));
    }
    for module in &report.tip.modules {
        cases.push(of_module(&view, &root, module));
    }
    for change in &report.hidden.changes {
        cases.push(of_hidden(report, &root, change));
    }
    for commit in &report.commits {
        cases.push(of_commit(&view, &root, commit));
    }
    let folded = cases.push_passing(passing(report, &root));
    let gate = gate(&view, &root, cases.dropped, folded);
    suite_of(report, dialect, &gate, &cases.kept)
}

/// One case before it is escaped.
struct Case {
    class: String,
    name: String,
    file: Option<String>,
    result: Outcome,
    /// Type attribute of the result: a class of change or a reason code.
    kind: String,
    /// One line.
    message: String,
    /// The first two lines say all; viewers show no more at first.
    text: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Error,
    /// Shown, fails nothing.
    Shown,
}

impl Case {
    fn size(&self) -> usize {
        let text: usize = self.text.iter().map(|line| line.len() + 1).sum();
        self.class.len() + self.name.len() + self.message.len() + text + 100
    }
}

/// The cases that fit, already escaped in their names, each with a name of its own within its class.
struct Cases<'a> {
    budget: Budget,
    /// How the complete report is called.
    full: &'a str,
    kept: Vec<Case>,
    seen: BTreeSet<(String, String)>,
    /// Next number to try for a name that is taken.
    numbers: BTreeMap<(String, String), usize>,
    bytes: usize,
    dropped: usize,
}

impl<'a> Cases<'a> {
    fn new(options: &'a Options) -> Self {
        Cases {
            budget: options.junit,
            full: &options.full,
            kept: Vec::new(),
            seen: BTreeSet::new(),
            numbers: BTreeMap::new(),
            bytes: 0,
            dropped: 0,
        }
    }

    fn push(&mut self, mut case: Case) {
        shorten(&mut case.text, self.full);
        case.class = escape::xml_attribute(&case.class);
        case.name = escape::xml_attribute(&clip(&case.name, MAX_WIDTH));
        if self.kept.len() + 1 >= self.budget.cases || self.bytes + case.size() > self.budget.bytes
        {
            self.dropped += 1;
            return;
        }
        self.make_unique(&mut case);
        self.bytes += case.size();
        self.kept.push(case);
    }

    /// Of two cases with one name a reader keeps one, so the later ones get a number.
    fn make_unique(&mut self, case: &mut Case) {
        let wanted = (case.class.clone(), case.name.clone());
        let number = self.numbers.entry(wanted.clone()).or_insert(1);
        let mut key = wanted.clone();
        while !self.seen.insert(key.clone()) {
            *number += 1;
            key.1 = format!("{} ({number})", wanted.1);
        }
        case.name = key.1;
    }

    /// Takes all passing cases or none; gives the number that is left to the gate.
    fn push_passing(&mut self, cases: Vec<Case>) -> usize {
        let size: usize = cases.iter().map(Case::size).sum();
        if self.kept.len() + cases.len() + 1 > self.budget.cases
            || self.bytes + size > self.budget.bytes
        {
            return cases.len();
        }
        for case in cases {
            self.push(case);
        }
        0
    }
}

/// Keeps the first lines of a text and says how many are missing.
fn shorten(text: &mut Vec<String>, full: &str) {
    if text.len() > MAX_LINES {
        let more = text.len() - (MAX_LINES - 1);
        text.truncate(MAX_LINES - 1);
        let more = wording::counted(more, "more line");
        text.push(format!("… {more} in {full}"));
    }
}

/// `kabi.<arch>`, or `kabi.<target>` where there is one: the start of every class name.
fn root(report: &Report) -> String {
    let provenance = &report.provenance;
    let arch = provenance.baseline.as_ref().map(|b| clip(&b.arch, 32));
    let target = provenance.target.as_ref().map(|t| clip(t, 64));
    match target.or(arch) {
        Some(part) => format!("kabi.{}", part.replace('.', "_")),
        None => "kabi".to_owned(),
    }
}

/// Viewers split class names at dots as if they were packages, so a module's folders become some.
fn module_class(root: &str, module: &str) -> String {
    format!(
        "{root}.{}",
        clip(module, wording::NAME_LIMIT).replace('/', ".")
    )
}

fn gate(view: &View<'_>, root: &str, dropped: usize, folded: usize) -> Case {
    let report = view.report;
    let result = match report.verdict {
        Verdict::Pass => Outcome::Passed,
        Verdict::Fail => Outcome::Failed,
        Verdict::Invalid | Verdict::NotChecked => Outcome::Error,
    };
    let mut text = vec![wording::headline(view)];
    for reason in &report.reasons {
        let place = wording::reason_place(view, reason).map_or(String::new(), |p| format!("{p}: "));
        text.push(format!(
            "{}: {place}{}",
            wording::reason_code(reason.code),
            reason.message
        ));
        for (expected, found) in wording::mismatch(reason) {
            text.push(format!("  expected {expected}, found {found}"));
        }
        text.extend(
            reason
                .next_step
                .iter()
                .map(|next| format!("  next step: {next}")),
        );
    }
    if dropped > 0 {
        text.push(format!(
            "{} in {}",
            wording::counted(dropped, "more case"),
            view.full
        ));
    }
    if folded > 0 {
        text.push(format!(
            "{} in this one",
            wording::counted(folded, "passing case")
        ));
    }
    text.push(String::new());
    let facts = wording::provenance_facts(report);
    text.extend(facts.iter().map(|(label, fact)| format!("{label}: {fact}")));
    shorten(&mut text, view.full);
    let kind = match report.reasons.first() {
        Some(reason) => wording::reason_code(reason.code),
        None => "kabi".to_owned(),
    };
    Case {
        class: root.to_owned(),
        name: "gate".to_owned(),
        file: None,
        result,
        kind,
        message: wording::headline(view),
        text,
    }
}

fn of_cause(view: &View<'_>, root: &str, cause: &Cause) -> Case {
    let mut text = vec![
        wording::located_cause(cause),
        format!("changes {}", wording::reach(cause)),
    ];
    if !cause.modules.is_empty() {
        text.push(format!("stops {}", wording::examples(&cause.modules)));
    }
    text.extend(commit_lines(view, cause.commits.iter().take(5)));
    text.push(wording::cause_state(view, cause).to_owned());
    text.extend(witness_line(view.witness(cause)));
    text.push(String::new());
    text.extend(cause.diff.lines().take(MAX_DIFF).map(str::to_owned));
    let more = cause.diff.lines().count().saturating_sub(MAX_DIFF);
    if more > 0 {
        text.push(format!(
            "… {} in {}",
            wording::counted(more, "more line"),
            view.full
        ));
    }
    let class = class_text(&cause.class);
    text.extend([
        String::new(),
        class.why.to_owned(),
        class.way_out.to_owned(),
    ]);
    let approved = policy_text::approved_by(view, std::slice::from_ref(&cause.id));
    text.extend(entry(view, &cause.id));
    Case {
        class: format!("{root}.cause"),
        name: cause.name.clone(),
        file: place(cause).map(|p| p.file.clone()),
        result: if view.fails(cause) {
            Outcome::Failed
        } else {
            Outcome::Shown
        },
        kind: cause.class.clone(),
        message: match approved.first() {
            Some(approved) => format!("{}, {approved}", class.title),
            None => format!("{}, changes {}", class.title, wording::reach(cause)),
        },
        text,
    }
}

fn of_symbol(view: &View<'_>, root: &str, symbol: &SymbolChange) -> Case {
    let export = symbol.base.as_ref().or(symbol.head.as_ref());
    let causes: Vec<&Cause> = symbol
        .causes
        .iter()
        .filter_map(|id| view.cause(id))
        .collect();
    let change = wording::change_line(symbol);
    let lead = match causes.first() {
        Some(cause) => wording::located_cause(cause),
        None => format!("{}: {change}", clip(&symbol.symbol, wording::NAME_LIMIT)),
    };
    let mut text = vec![lead];
    text.extend(causes.first().map(|_| change.clone()));
    text.extend(
        causes
            .iter()
            .skip(1)
            .take(10)
            .map(|cause| wording::located_cause(cause)),
    );
    text.extend(witness_line(&symbol.witness));
    text.extend(commit_lines(view, symbol.since.iter()));
    if !symbol.lists.is_empty() {
        text.push(format!("protected by {}", wording::examples(&symbol.lists)));
    }
    if !symbol.used_by.is_empty() {
        text.push(format!("used by {}", wording::examples(&symbol.used_by)));
    }
    let worst = symbol.changes.iter().max_by_key(|c| c.severity);
    let kind = worst.map_or("crc-changed", |c| &c.class);
    text.push(class_text(kind).way_out.to_owned());
    let fingerprints: Vec<String> = symbol
        .changes
        .iter()
        .filter(|change| change.approved)
        .flat_map(|change| {
            let own = change.fingerprint().map(Fingerprint::digits).into_iter();
            own.chain(symbol.causes.iter().cloned())
        })
        .collect();
    let approved = match symbol.is_approved() {
        true => policy_text::approved_by(view, &fingerprints),
        false => Vec::new(),
    };
    text.extend(approved.iter().cloned());
    let lacking = symbol.changes.iter().flat_map(|change| &change.unapproved);
    let lacking: Vec<String> = lacking
        .filter_map(|id| view.cause(id))
        .map(wording::cause_title)
        .collect();
    if !fingerprints.is_empty() || !lacking.is_empty() && lacking.len() < symbol.causes.len() {
        text.extend(lacking.iter().map(|what| format!("not approved: {what}")));
    }
    for change in &symbol.changes {
        text.extend(change.rule.iter().map(|rule| format!("rule {rule}")));
        let own = change.fingerprint().map(Fingerprint::digits);
        text.extend(own.iter().flat_map(|id| entry(view, id)));
    }
    Case {
        class: module_class(root, export.map_or("unknown", |e| &e.module)),
        name: symbol.symbol.to_string(),
        file: causes
            .first()
            .and_then(|c| place(c))
            .map(|p| p.file.clone()),
        result: match approved.is_empty() {
            true => of_severity(symbol.severity),
            false => Outcome::Shown,
        },
        kind: kind.to_owned(),
        message: match (approved.into_iter().next(), causes.first()) {
            (Some(approved), _) => approved,
            (None, Some(cause)) => wording::cause_title(cause),
            (None, None) => change,
        },
        text,
    }
}

/// The lines of the entry that would approve a change.
fn entry(view: &View<'_>, fingerprint: &str) -> Vec<String> {
    let Some(entry) = view.entry(fingerprint) else {
        return Vec::new();
    };
    let lead = "to accept it, fill in and add to approvals.toml:".to_owned();
    std::iter::once(lead)
        .chain(entry.toml().lines().map(str::to_owned))
        .collect()
}

fn of_severity(severity: Severity) -> Outcome {
    match severity {
        Severity::Fail => Outcome::Failed,
        Severity::Warn => Outcome::Shown,
        Severity::Note | Severity::Ignore => Outcome::Passed,
    }
}

/// A module fails the run only through a symbol that does.
fn of_module(view: &View<'_>, root: &str, module: &ModuleImpact) -> Case {
    let fails = module.problems.iter().any(|p| {
        let symbol = view.at_tip_symbol(&p.symbol);
        symbol.is_some_and(|s| s.severity == Severity::Fail)
    });
    let stops = module.status == super::ModuleStatus::StopsLoading;
    let status = if stops {
        "stops loading"
    } else {
        "did not load before either"
    };
    let sentences = module.problems.iter().map(|p| p.sentence.clone());
    let mut text = vec![format!("{}: {status}", module_name(module))];
    text.extend(sentences.take(MAX_DIFF));
    text.extend(commit_lines(view, module.since.iter()));
    let first = module.problems.first();
    Case {
        class: format!("{root}.modules"),
        name: format!("{}.ko", module_name(module)),
        file: None,
        result: if fails && stops {
            Outcome::Failed
        } else {
            Outcome::Shown
        },
        kind: first.map_or("module", |p| &p.kind).to_owned(),
        message: format!("{status}: {}", first.map_or("", |p| &p.sentence)),
        text,
    }
}

/// A change that the CRCs do not show fails by a rule only.
fn of_hidden(report: &Report, root: &str, change: &HiddenChange) -> Case {
    let counts = report.verdict == Verdict::Fail && (report.per_commit || change.at_tip);
    let line = policy_text::hidden_line(change);
    let within = change.within.as_deref().unwrap_or("(no structure)");
    Case {
        class: format!("{root}.hidden"),
        name: format!(
            "{}: {within}: {}",
            clip(&change.file, wording::NAME_LIMIT),
            change.kind
        ),
        file: Some(change.file.clone()),
        result: match change.severity {
            Severity::Fail if counts => Outcome::Failed,
            Severity::Note | Severity::Ignore => Outcome::Passed,
            Severity::Warn | Severity::Fail => Outcome::Shown,
        },
        kind: change.kind.clone(),
        message: line.clone(),
        text: vec![line],
    }
}

fn of_commit(view: &View<'_>, root: &str, commit: &CommitFindings) -> Case {
    let name = &commit.commit;
    let result = if !commit.checked {
        Outcome::Error
    } else if view.commit_fails(commit) {
        Outcome::Failed
    } else {
        Outcome::Passed
    };
    let effect = wording::commit_effect(view, commit);
    let mut text = vec![wording::commit_line(name)];
    text.extend(effect.iter().cloned());
    text.extend(
        commit
            .findings
            .causes
            .iter()
            .take(10)
            .filter_map(|id| view.cause(id))
            .map(wording::located_cause),
    );
    text.push(format!("commit {}, {}", name.id, name.author));
    Case {
        class: format!("{root}.commits"),
        name: name.subject.clone(),
        file: None,
        result,
        kind: if commit.checked {
            "commit"
        } else {
            "not-checked"
        }
        .to_owned(),
        message: effect.join(", "),
        text,
    }
}

/// What was compared and did not change.
fn passing(report: &Report, root: &str) -> Vec<Case> {
    let case = |class: String, name: String| Case {
        class,
        name,
        file: None,
        result: Outcome::Passed,
        kind: String::new(),
        message: String::new(),
        text: Vec::new(),
    };
    if report.verdict == Verdict::Invalid || report.verdict == Verdict::NotChecked {
        // Nothing may look passed in a run that could not check.
        return Vec::new();
    }
    let changed: BTreeSet<&str> = report
        .tip
        .symbols
        .iter()
        .map(|s| s.symbol.as_str())
        .collect();
    let stopped: BTreeSet<String> = report.tip.modules.iter().map(module_name).collect();
    let symbols = report.compared.symbols.iter();
    let symbols = symbols.filter(|s| !changed.contains(s.symbol.as_str()));
    let modules = report
        .compared
        .modules
        .iter()
        .filter(|m| !stopped.contains(*m));
    symbols
        .map(|s| case(module_class(root, &s.module), s.symbol.to_string()))
        .chain(modules.map(|m| case(format!("{root}.modules"), format!("{m}.ko"))))
        .collect()
}

fn commit_lines<'a>(view: &View<'_>, ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    let name = |id: &String| {
        view.commit(id)
            .map_or_else(|| clip(id, 12), wording::commit_line)
    };
    ids.map(|id| format!("commit {}", name(id))).collect()
}

fn witness_line(path: &[String]) -> Option<String> {
    let steps: Vec<String> = path.iter().take(20).map(|step| clip(step, 80)).collect();
    (steps.len() > 1).then(|| format!("path {}", steps.join(" → ")))
}

fn suite_of(report: &Report, dialect: Dialect, gate: &Case, cases: &[Case]) -> TestSuite {
    let baseline = report.provenance.baseline.as_ref().map(|b| &b.name);
    let name = match report.provenance.target.as_ref().or(baseline) {
        Some(name) => format!("kabigate {}", clip(name, MAX_WIDTH)),
        None => "kabigate".to_owned(),
    };
    let mut suite = TestSuite::new(&escape::xml_attribute(&name));
    suite.package = escape::xml_attribute(&root(report));
    suite.set_timestamp(timestamp(report));
    suite.add_testcase(element(gate, dialect));
    suite.add_testcases(cases.iter().map(|case| element(case, dialect)));
    suite
}

fn write(suites: Vec<TestSuite>) -> String {
    let document = ReportBuilder::new().add_testsuites(suites).build();
    let mut bytes = Vec::new();
    // INVARIANT: the writer fails only where its sink does, and a Vec takes every byte.
    document
        .write_xml(&mut bytes)
        .expect("a Vec takes every byte");
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

fn element(case: &Case, dialect: Dialect) -> TestCase {
    let mut element = TestCase::success(&escape::xml_attribute(&case.name), Duration::ZERO);
    element.set_classname(&escape::xml_attribute(&case.class));
    if let Some(file) = case.file.as_ref().filter(|_| dialect == Dialect::Gitlab) {
        element.set_filepath(&escape::xml_attribute(&clip(file, MAX_WIDTH)));
    }
    let type_ = escape::xml_attribute(&clip(&case.kind, MAX_WIDTH));
    let message = escape::xml_attribute(&clip(&case.message, MAX_WIDTH));
    let lines: Vec<String> = case.text.iter().map(|line| clip(line, MAX_WIDTH)).collect();
    let text = escape::xml_text(&lines.join("\n"));
    element.result = match case.result {
        Outcome::Passed => {
            if !text.is_empty() {
                element.set_system_out(&text);
            }
            return element;
        }
        Outcome::Failed => TestResult::Failure {
            type_,
            message,
            cause: Some(text),
        },
        Outcome::Error => TestResult::Error {
            type_,
            message,
            cause: Some(text),
        },
        Outcome::Shown => TestResult::SkippedWithCause {
            type_,
            message,
            cause: Some(text),
        },
    };
    element
}

/// The head commit's date, so that a second run writes the same bytes; the epoch where there is none.
fn timestamp(report: &Report) -> OffsetDateTime {
    let head = report.provenance.head.as_ref();
    head.and_then(|commit| OffsetDateTime::parse(&commit.date, &Rfc3339).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
