//! The JSON Schema of the report, made from the model: what `report.json` holds, with the meaning of every field.
//!
//! Draft 2020-12. A report of this version validates against it; fields are added in later versions, never renamed.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Report, Severity};

/// Writes the schema, indented by two blanks, with a final LF.
#[must_use]
pub fn render() -> String {
    let mut settings = SchemaSettings::draft2020_12();
    settings.contract = schemars::generate::Contract::Serialize;
    let mut schema = settings.into_generator().into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), "kabigate report".into());
    // INVARIANT: a schema is a JSON value.
    let mut out = serde_json::to_string_pretty(&schema).expect("a schema is a JSON value");
    out.push('\n');
    out
}

/// A severity is written as its word.
impl JsonSchema for Severity {
    fn schema_name() -> Cow<'static, str> {
        "Severity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = Severity::WORDS.map(|(word, _)| word);
        json_schema!({
            "description": "How grave a change is: `ignore` and `note` are counted, `warn` is shown, `fail` fails the run.",
            "type": "string",
            "enum": words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The copy for readers says what the model says; `UPDATE_SCHEMA=1` writes it anew.
    #[test]
    fn the_copy_in_docs_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, render()).expect("docs is writable");
        }
        let copy = std::fs::read_to_string(path).expect("docs/report.schema.json");
        assert!(
            copy == render(),
            "docs/report.schema.json is not what the model says: run this test with UPDATE_SCHEMA=1"
        );
    }

    /// Every object of the schema is closed and every field of it has a meaning.
    #[test]
    fn objects_are_closed_and_described() {
        let schema: serde_json::Value = serde_json::from_str(&render()).expect("JSON");
        let definitions = schema["$defs"].as_object().expect("definitions");
        let root = std::iter::once(&schema);
        for object in root.chain(definitions.values()) {
            let Some(fields) = object["properties"].as_object() else {
                continue;
            };
            assert_eq!(object["additionalProperties"], false, "{object}");
            for (field, meaning) in fields {
                assert!(meaning["description"].is_string(), "{field}");
            }
        }
    }
}
