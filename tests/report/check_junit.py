#!/usr/bin/env python3
"""Checks JUnit reports with other people's readers: check_junit.py [--schema XSD]... REPORT...

Each report is validated by `xmllint --schema` against junit.xsd beside this script, and against every schema given.
Then the libraries `junitparser` and `junit2html` (both PyPI) read it: the cases that the one finds must be as many as the
report states, and the other must find the same ones with the same outcome. A snapshot of a test (`.snap`) is read behind
its header. Needs: pip install junitparser junit2html; xmllint (libxml2-utils).
"""

import argparse
import pathlib
import subprocess
import sys

import junitparser
from junit2htmlreport import parser as junit2html

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


def broken(case):
    """Whether junitparser says that a case failed or could not be checked."""
    return any(isinstance(result, (junitparser.Failure, junitparser.Error)) for result in case.result)


def count_problems(suites):
    """What disagrees between the counts of the report and the cases that junitparser finds."""
    problems = []
    for suite in suites:
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


def reader_problems(text):
    """What is wrong with the counts, and the cases on which the two readers disagree."""
    suites = list(junitparser.JUnitXml.fromstring(text.encode("utf-8")))
    first = {(suite.name, case.classname, case.name, broken(case)) for suite in suites for case in suite}
    second = {
        (suite.name, case.testclass.name, case.name, case.failed())
        for suite in junit2html.Junit(xmlstring=text)
        for case in suite.all()
    }
    differing = [f"the readers disagree on {case}" for case in sorted(first ^ second)]
    return count_problems(suites) + differing


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
