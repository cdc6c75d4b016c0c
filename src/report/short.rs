//! One sentence for each change, in the words and the order of the form `short` of suse-kabi-tools' `ksymvers compare`:
//! added, removed, changed; in each part by symbol; last how many changes rules tolerate.
//!
//! Only what ksymvers looks at has a sentence: whether a symbol is exported, its CRC and its export type. A change of
//! another kind has one where it fails the run, so that nothing that fails is left out.

use std::fmt::Write as _;

use super::escape::terminal;
use super::{ExportFacts, Report, Severity, SymbolChange};
use crate::compare::ChangeClass;

/// How a tolerated change that no rule names is marked.
const IMPLICIT: &str = " (implicitly tolerated)";

/// The parts in their order.
#[derive(Default)]
struct Parts {
    added: Part,
    removed: Part,
    changed: Part,
}

#[derive(Default)]
struct Part {
    sentences: String,
    /// Symbols of which rules or approvals tolerate a change.
    tolerated: usize,
}

/// Renders the comparison of the tip.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut parts = Parts::default();
    for symbol in &report.tip.symbols {
        parts
            .of(symbol.base.as_ref(), symbol.head.as_ref())
            .add(symbol);
    }
    let added = ChangeClass::Added.word();
    for other in &report.tip.unprotected {
        if other.classes.iter().any(|class| class == added) {
            let sentence = format!("Export '{}' has been added", one_line(&other.symbol));
            parts.added.note(&sentence, other.rule.is_some());
        }
    }
    let Parts {
        added,
        removed,
        changed,
    } = parts;
    format!(
        "{}{}{}Changes tolerated by rules: '{}' additions, '{}' removals, '{}' modifications\n",
        added.sentences,
        removed.sentences,
        changed.sentences,
        added.tolerated,
        removed.tolerated,
        changed.tolerated
    )
}

impl Parts {
    fn of(&mut self, base: Option<&ExportFacts>, head: Option<&ExportFacts>) -> &mut Part {
        match (base, head) {
            (None, _) => &mut self.added,
            (Some(_), None) => &mut self.removed,
            (Some(_), Some(_)) => &mut self.changed,
        }
    }
}

impl Part {
    fn add(&mut self, symbol: &SymbolChange) {
        let mut tolerated = false;
        for change in &symbol.changes {
            let Some((sentence, known)) = sentence(symbol, &change.class) else {
                continue;
            };
            if change.severity == Severity::Fail {
                let _ = writeln!(self.sentences, "{sentence}");
            } else if change.rule.is_some() || change.approved {
                tolerated |= known;
            } else if known {
                let _ = writeln!(self.sentences, "{sentence}{IMPLICIT}");
            }
        }
        self.tolerated += usize::from(tolerated);
    }

    /// A change that does not fail the run.
    fn note(&mut self, sentence: &str, by_rule: bool) {
        if by_rule {
            self.tolerated += 1;
        } else {
            let _ = writeln!(self.sentences, "{sentence}{IMPLICIT}");
        }
    }
}

/// What to say about a class of change, and whether ksymvers would say it.
fn sentence(symbol: &SymbolChange, class: &str) -> Option<(String, bool)> {
    let class = ChangeClass::from_word(class)?;
    let name = one_line(&symbol.symbol);
    let changed = |what: &str, of: &dyn Fn(&ExportFacts) -> String| {
        let side = |facts: &Option<ExportFacts>| facts.as_ref().map(of).unwrap_or_default();
        let (old, new) = (side(&symbol.base), side(&symbol.head));
        let (old, new) = (one_line(&old), one_line(&new));
        format!("Export '{name}' changed {what} from '{old}' to '{new}'")
    };
    Some(match class {
        ChangeClass::Added => (format!("Export '{name}' has been added"), true),
        ChangeClass::Removed => (format!("Export '{name}' has been removed"), true),
        ChangeClass::CrcChanged | ChangeClass::Unversioned => {
            (changed("CRC", &|facts| facts.crc.to_string()), true)
        }
        ChangeClass::ExportTightened | ChangeClass::ExportLoosened => {
            (changed("type", &|facts| facts.class.to_string()), true)
        }
        ChangeClass::NamespaceGained
        | ChangeClass::NamespaceChanged
        | ChangeClass::NamespaceRestricted
        | ChangeClass::NamespaceDropped => {
            let of =
                |facts: &ExportFacts| facts.namespace.as_deref().unwrap_or_default().to_owned();
            (changed("namespace", &of), false)
        }
        ChangeClass::MovedToModule | ChangeClass::MovedToVmlinux => {
            (changed("module", &|facts| facts.module.to_string()), false)
        }
    })
}

/// A name of a foreign report must not become two lines.
fn one_line(name: &str) -> String {
    terminal(&name.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    /// Whatever fails has its sentence, no line is broken in two, and the counts stand last.
    #[test]
    fn sentences_of_a_report() {
        for (name, report) in samples::all() {
            let text = render(&report);
            let (sentences, last) = text
                .trim_end()
                .rsplit_once('\n')
                .unwrap_or(("", text.trim_end()));
            assert!(
                last.starts_with("Changes tolerated by rules: '"),
                "{name}: {last}"
            );
            assert!(
                sentences.lines().all(|line| line.starts_with("Export '")),
                "{name}"
            );
            for symbol in &report.tip.symbols {
                let failing = symbol
                    .changes
                    .iter()
                    .filter(|c| c.severity == Severity::Fail);
                let start = format!("Export '{}' ", one_line(&symbol.symbol));
                let told = sentences.lines().filter(|line| line.starts_with(&start));
                assert!(told.count() >= failing.count(), "{name}: {start}");
            }
        }
    }
}
