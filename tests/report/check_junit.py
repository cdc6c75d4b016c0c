#!/usr/bin/env python3
"""Checks JUnit reports with other people's readers: check_junit.py [--schema XSD]... REPORT...

Each report is validated by `xmllint --schema` against junit.xsd beside this script, and against every schema given.
Then the library `junitparser` (PyPI) reads it, and its counts must be those that the report states. A snapshot of a
test (`.snap`) is read behind its header. Needs: pip install junitparser; xmllint (libxml2-utils).
"""

import argparse
import pathlib
import subprocess
import sys

import junitparser

OWN_SCHEMA = pathlib.Path(__file__).with_name("junit.xsd")


def text_of(path):
    """The XML of a report, or of a snapshot behind its header."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".snap":
        text = text.split("\n---\n", 1)[1]
    return text


def schema_problems(text, schema):
    """What xmllint says about the text; empty if it is valid."""
    run = subprocess.run(
        ["xmllint", "--nonet", "--huge", "--noout", "--schema", str(schema), "-"],
        input=text.encode("utf-8"),
        capture_output=True,
        check=False,
    )
    return [] if run.returncode == 0 else run.stderr.decode("utf-8", "replace").splitlines()


def reader_problems(text):
    """What disagrees between the counts of the report and the cases that a reader finds."""
    report = junitparser.JUnitXml.fromstring(text.encode("utf-8"))
    problems = []
    for suite in report:
        cases = list(suite)
        found = {
            "tests": len(cases),
            "failures": sum(any(isinstance(r, junitparser.Failure) for r in c.result) for c in cases),
            "errors": sum(any(isinstance(r, junitparser.Error) for r in c.result) for c in cases),
        }
        stated = {name: getattr(suite, name) for name in found}
        if found != stated:
            problems.append(f"states {stated}, holds {found}")
        names = {(case.classname, case.name) for case in cases}
        if len(names) != len(cases):
            problems.append(f"{len(cases)} cases share {len(names)} names")
        if not any(case.name == "gate" for case in cases):
            problems.append("no case is called gate")
    return problems


def problems_of(path, schemas):
    """All that is wrong with one report."""
    text = text_of(path)
    problems = schema_problems(text, OWN_SCHEMA)
    for schema in schemas:
        problems += schema_problems(text, schema)
    return problems or reader_problems(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schema", action="append", default=[], help="another schema to validate against")
    parser.add_argument("reports", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    failed = 0
    for path in arguments.reports:
        problems = problems_of(path, arguments.schema)
        failed += bool(problems)
        for problem in problems:
            print(f"{path}: {problem}")
    print(f"{len(arguments.reports) - failed} of {len(arguments.reports)} reports are valid")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
