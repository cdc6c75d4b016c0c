//! Listing, linting and its exit codes.

use serde_json::Value;

use crate::folder::Folder;
use crate::support::Run;
use crate::verdicts::FOO;

/// Listing, linting and its exit codes: text and JSON say the same.
#[test]
fn lists_lint() {
    let folder = Folder::new(&[
        ("k", FOO),
        ("l", "foo\ngone\n"),
        ("good", "foo\n"),
        ("empty", "# none\n"),
        ("s", "foo PASS\nnone PASS\n"),
        ("deny", "foo is private\n"),
    ]);
    let lint = |arguments: &[&str]| {
        let mut all = vec!["lists", "lint"];
        all.extend(arguments);
        Run::new(&all).dir(folder.top()).end()
    };
    lint(&["good", "--against", "k"])
        .code(0)
        .out_has("0 errors, 0 warnings");
    lint(&["l", "--against", "k"])
        .code(1)
        .out_has("l:2: error: `gone` is listed and k does not export it");
    lint(&["good", "--against", "k", "--deny", "deny"])
        .code(1)
        .out_has("is private");
    lint(&["good", "--against", "k", "--rules", "s"])
        .code(0)
        .out_has("s:2: warning: the rule `none PASS` selects no symbol");
    lint(&["good", "--against", "k", "--rules", "s", "--strict"]).code(1);
    lint(&["empty", "--against", "k"])
        .code(3)
        .out_has("selects no symbol");
    lint(&[]).code(3).err_has("no listed symbol");
    lint(&["nowhere"]).code(2);
    lint(&["good"])
        .code(0)
        .out_has("not checked: whether listed symbols are exported");
    let json = lint(&["l", "--against", "k", "--format", "json"]).code(1);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["schema"], "kabigate-lint/1");
    assert_eq!(json["findings"][0]["kind"], "list-not-exported");
    assert_eq!(json["findings"][0]["place"], "l:2");
}
