//! The complete report as JSON: the format that every other one renders from.

use serde::Deserialize;

use super::{Error, Report, SCHEMA, escape};

/// Writes the whole report, indented by two blanks, with a final LF. The same report gives the same bytes.
#[must_use]
pub fn render(report: &Report) -> String {
    let _ = report.to_approve();
    // INVARIANT: a report holds strings, numbers, lists and structs only, and a String takes every byte.
    let document = serde_json::to_string_pretty(report)
        .expect("a report has no map with keys that are not strings");
    let mut out = escape::json_document(&document);
    out.push('\n');
    out
}

/// Only the schema, so that another version is told apart from garbage.
#[derive(Deserialize)]
struct Header {
    schema: String,
}

/// Reads what [`render`] wrote. `name` is how messages call the input.
///
/// # Errors
///
/// The bytes are no JSON, are a report of another schema, or lack or add a field.
pub fn read(bytes: &[u8], name: &str) -> Result<Report, Error> {
    let unreadable = |e: serde_json::Error| Error::Unreadable {
        name: name.to_owned(),
        line: e.line(),
        message: e.to_string(),
    };
    let header: Header = serde_json::from_slice(bytes).map_err(unreadable)?;
    if header.schema != SCHEMA {
        return Err(Error::Schema {
            name: name.to_owned(),
            found: header.schema,
            expected: SCHEMA.to_owned(),
        });
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    /// Every sample report reads back equal from its JSON.
    #[test]
    fn reads_back_equal() {
        for (name, report) in samples::all() {
            let read = read(render(&report).as_bytes(), name).expect("own output");
            assert_eq!(read, report, "{name}");
        }
    }

    /// A foreign schema, broken JSON and an unknown field each have their message.
    #[test]
    fn rejected_reports() {
        let said = |text: &str| {
            read(text.as_bytes(), "r.json")
                .map(|_| ())
                .map_err(|e| e.to_string())
        };
        assert_eq!(
            said("{\"schema\": \"kabigate-report/9\"}"),
            Err("r.json: report of schema \"kabigate-report/9\", this version reads \"kabigate-report/1\"; \
                 write it again with this version".to_owned())
        );
        assert_eq!(
            said("{\n x"),
            Err("r.json:2: not a report: key must be a string at line 2 column 2; write one with --output json:PATH"
                .to_owned())
        );
        assert_eq!(
            said("{\"schema\": \"kabigate-report/1\", \"extra\": 1}")
                .map_err(|e| e.contains("unknown field `extra`")),
            Err(true)
        );
    }
}
