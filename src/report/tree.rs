//! What changed behind one symbol, as a tree of text.

use super::escape::terminal;
use super::{Cause, class_text, clip, wording};

/// Most lines of a tree; what it leaves out is counted.
pub const MAX_LINES: usize = 400;
/// Most changes of one definition that are told.
const MAX_CHANGES: usize = 20;

/// What changed behind one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The symbol.
    pub symbol: String,
    /// Its classes of change.
    pub changes: Vec<ClassDetail>,
    /// The definitions on the way to what changed, in the order of a tree; the symbol itself first.
    pub nodes: Vec<Node>,
}

/// A class of change with its details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassDetail {
    /// Spelling of the class, such as `crc-changed`.
    pub class: String,
    /// What it is about before and after.
    pub detail: String,
}

/// A definition of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// How far it stands from the symbol.
    pub depth: usize,
    /// The definition with the member that leads to it: `dev: struct net_device`.
    pub label: String,
    /// What changed in its own text, if anything did.
    pub cause: Option<Cause>,
}

/// Renders the tree.
#[must_use]
pub fn render(explanation: &Explanation) -> String {
    let mut lines = vec![headline(explanation)];
    for (at, node) in explanation.nodes.iter().enumerate() {
        let lead = lead(&explanation.nodes, at);
        let mut line = format!("{lead}{}", clip(&node.label, 120));
        if let Some(cause) = &node.cause {
            line.push_str(&format!("  ← {}", class_text(&cause.class).title));
        }
        lines.push(line);
        if let Some(cause) = &node.cause {
            let below = " ".repeat(lead.chars().count() + 4);
            lines.extend(
                details(cause)
                    .into_iter()
                    .map(|text| format!("{below}{text}")),
            );
        }
    }
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    if more > 0 {
        lines.push(format!("... {}", wording::counted(more, "more line")));
    }
    lines
        .into_iter()
        .map(|line| format!("{}\n", terminal(&line)))
        .collect()
}

fn headline(explanation: &Explanation) -> String {
    let changes: Vec<String> = explanation
        .changes
        .iter()
        .map(|change| format!("{} ({})", class_text(&change.class).title, change.detail))
        .collect();
    let changed = explanation
        .nodes
        .iter()
        .filter(|node| node.cause.is_some())
        .count();
    format!(
        "{}: {}; {} behind it",
        explanation.symbol,
        if changes.is_empty() {
            "not changed".to_owned()
        } else {
            changes.join(", ")
        },
        wording::counted(changed, "changed definition")
    )
}

/// The branches in front of a node.
fn lead(nodes: &[Node], at: usize) -> String {
    let depth = nodes[at].depth;
    let mut out = String::new();
    for level in 1..=depth {
        // Whether another node of that level follows before a node that stands further up.
        let more = nodes[at + 1..]
            .iter()
            .take_while(|node| node.depth >= level)
            .any(|node| node.depth == level);
        out.push_str(match (level == depth, more) {
            (true, true) => "├─ ",
            (true, false) => "└─ ",
            (false, true) => "│  ",
            (false, false) => "   ",
        });
    }
    out
}

fn details(cause: &Cause) -> Vec<String> {
    let mut lines: Vec<String> = wording::place_line(cause).into_iter().collect();
    let shown = cause.changes.iter().take(MAX_CHANGES);
    lines.extend(shown.map(|change| clip(&wording::cause_change(cause, change), 200)));
    if cause.changes.len() > MAX_CHANGES {
        let more = cause.changes.len() - MAX_CHANGES;
        lines.push(wording::counted(more, "more change"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    /// Branches join siblings, and a changed definition is told with its class.
    #[test]
    fn tree_of_a_symbol() {
        let cause = samples::all()
            .into_iter()
            .find_map(|(_, report)| report.causes.first().cloned());
        let node = |depth, label: &str, cause| Node {
            depth,
            label: label.to_owned(),
            cause,
        };
        let text = render(&Explanation {
            symbol: "f".to_owned(),
            changes: Vec::new(),
            nodes: vec![
                node(0, "f", None),
                node(1, "struct a", None),
                node(2, "x: struct c", cause.clone()),
                node(1, "struct b", None),
                node(2, "y: struct d", cause),
            ],
        });
        let branches: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("struct") && !line.contains("include/"))
            .map(|line| line.split("  ←").next().unwrap_or_default())
            .collect();
        assert_eq!(
            branches,
            [
                "├─ struct a",
                "│  └─ x: struct c",
                "└─ struct b",
                "   └─ y: struct d"
            ]
        );
        assert!(text.starts_with("f: not changed; 2 changed definitions behind it\n"));
    }
}
