//! A validation as GitHub Flavored Markdown within a budget of bytes.

use std::fmt::Write as _;

use super::super::clip;
use super::super::escape::{markdown, markdown_block, markdown_cell, markdown_code};
use super::{ValidatedModule, Validation, counted};

/// Most reasons of one module against one kernel.
const MAX_PROBLEMS: usize = 20;

/// Renders a validation in at most `budget` bytes, unless its headline alone is longer.
pub(super) fn render(validation: &Validation, budget: usize) -> String {
    let mut out = format!("### {}\n", markdown(&validation.headline()));
    let mut left_out = 0_usize;
    // Room for the sentence that says what was left out.
    let room = budget.saturating_sub(200);
    let add = |out: &mut String, text: &str| {
        if out.len().saturating_add(text.len()) <= room {
            out.push_str(text);
            true
        } else {
            false
        }
    };
    for reason in &validation.reasons {
        let mut text = format!(
            "\n{}",
            markdown_block(&clip(&reason.message, 4_000), "text")
        );
        if let Some(next) = &reason.next_step {
            let _ = writeln!(text, "\n**Next step:** {}", markdown(&clip(next, 1_000)));
        }
        left_out += usize::from(!add(&mut out, &text));
    }
    if !validation.candidates.is_empty() && !validation.modules.is_empty() {
        let mut header = "\n| module |".to_owned();
        for candidate in &validation.candidates {
            let _ = write!(header, " {} |", markdown_cell(&clip(&candidate.name, 80)));
        }
        let _ = write!(
            header,
            "\n|---|{}\n",
            "---|".repeat(validation.candidates.len())
        );
        let fits = add(&mut out, &header);
        for module in &validation.modules {
            let row = row(module);
            left_out += usize::from(!(fits && add(&mut out, &row)));
        }
    }
    for module in &validation.modules {
        let text = reasons(validation, module);
        if !text.is_empty() {
            left_out += usize::from(!add(&mut out, &text));
        }
    }
    let mut facts = "\n".to_owned();
    for candidate in &validation.candidates {
        let _ = write!(
            facts,
            "- {}: {} from {}",
            markdown_code(&clip(&candidate.name, 80)),
            counted(candidate.exports, "export"),
            markdown_code(&clip(&candidate.source, 200))
        );
        if !candidate.not_compared.is_empty() {
            let _ = write!(
                facts,
                "; not known, so not compared: {}",
                markdown(&candidate.not_compared.join(", "))
            );
        }
        facts.push('\n');
    }
    if let Some(sandbox) = &validation.sandbox {
        let _ = writeln!(
            facts,
            "- sandbox of rebuilds: {}",
            markdown(&sandbox.sentence())
        );
    }
    left_out += usize::from(!add(&mut out, &facts));
    if left_out > 0 {
        let _ = write!(
            out,
            "\n**Left out to stay within the size limit:** {}. The JSON report holds everything.\n",
            counted(left_out, "part")
        );
    }
    out
}

fn row(module: &ValidatedModule) -> String {
    let mut row = format!("| {} |", markdown_cell(&clip(&module.name(), 120)));
    for verdict in &module.verdicts {
        let _ = write!(row, " {} |", markdown_cell(&verdict.shown()));
    }
    row.push('\n');
    row
}

fn reasons(validation: &Validation, module: &ValidatedModule) -> String {
    let mut out = String::new();
    for (verdict, candidate) in module.verdicts.iter().zip(&validation.candidates) {
        if verdict.problems.is_empty() && verdict.rebuild.is_none() {
            continue;
        }
        let _ = write!(
            out,
            "\n<details><summary>{} into {}: {}</summary>\n\n",
            markdown(&clip(&module.name(), 120)),
            markdown(&clip(&candidate.name, 80)),
            markdown(&verdict.shown())
        );
        for problem in verdict.problems.iter().take(MAX_PROBLEMS) {
            let _ = writeln!(out, "- {}", markdown(&clip(&problem.sentence, 400)));
        }
        let more = verdict.problems.len().saturating_sub(MAX_PROBLEMS);
        if more > 0 {
            let _ = writeln!(
                out,
                "- and {} in the JSON report",
                counted(more, "more reason")
            );
        }
        let messages: Vec<String> = verdict
            .rebuild
            .iter()
            .flat_map(|rebuild| &rebuild.messages)
            .take(40)
            .map(|message| clip(message, 400))
            .collect();
        if !messages.is_empty() {
            let _ = write!(out, "\n{}", markdown_block(&messages.join("\n"), "text"));
        }
        out.push_str("\n</details>\n");
    }
    out
}
