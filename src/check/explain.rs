//! What changed behind one symbol of two kernels.

use super::causes::describe_alone;
use super::diff::not_comparable;
use super::findings::{detail, facts};
use crate::baseline::Candidate;
use crate::compare::{classify, paths};
use crate::report::{ClassDetail, Explanation, Node, Reason, ReasonCode};

/// Finds every changed definition that a symbol reaches.
///
/// # Errors
/// If the kernels cannot be compared, a side does not export the symbol, or its types are not known.
pub fn explain(
    base: &Candidate,
    head: &Candidate,
    symbol: &str,
) -> Result<Explanation, Vec<Reason>> {
    let reasons = not_comparable(base, head);
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let (old, new) = (base.symvers.get(symbol), head.symvers.get(symbol));
    if old.is_none() && new.is_none() {
        return Err(vec![reason(
            ReasonCode::InputInvalid,
            format!("neither kernel exports {symbol}"),
            "name an exported symbol, or a class of change without OLD and NEW",
        )]);
    }
    let (before, after) = (old.map(facts), new.map(facts));
    let changes = classify(old, new)
        .into_iter()
        .map(|class| ClassDetail {
            class: class.word().to_owned(),
            detail: detail(class, before.as_ref(), after.as_ref()).into(),
        })
        .collect();
    let mut nodes = Vec::new();
    if old.is_some() && new.is_some() {
        for side in [base, head] {
            if side.types.exporter(symbol).is_none() {
                return Err(vec![reason(
                    ReasonCode::InputInvalid,
                    format!("{}: no types are known for {symbol}", side.name()),
                    "put the symtypes beside the Module.symvers, or pass --old-symtypes and --new-symtypes",
                )]);
            }
        }
        let (reached, causes) = paths(&base.types, &head.types, symbol).unwrap_or_default();
        nodes = reached
            .into_iter()
            .map(|node| Node {
                depth: node.depth,
                label: match node.step.member {
                    Some(member) => format!("{member}: {}", node.step.name.in_c()),
                    None => node.step.name.in_c(),
                },
                cause: node
                    .cause
                    .and_then(|cause| causes.get(cause))
                    .map(|cause| describe_alone(cause.clone())),
            })
            .collect();
    }
    let crc_changed = matches!((old, new), (Some(old), Some(new)) if old.crc != new.crc);
    if crc_changed && nodes.is_empty() {
        return Err(vec![reason(
            ReasonCode::UnexplainedChange,
            format!("{symbol} changed its CRC though no definition behind it differs"),
            "are the types those of these kernels?",
        )]);
    }
    Ok(Explanation {
        symbol: symbol.to_owned(),
        changes,
        nodes,
    })
}

fn reason(code: ReasonCode, message: String, next_step: &str) -> Reason {
    Reason {
        code,
        message,
        next_step: Some(next_step.to_owned()),
        commit: None,
        file: None,
        line: None,
        expected: None,
        found: None,
    }
}
