#!/usr/bin/env python3
"""Opens HTML reports in headless Chromium and checks what a reader needs.

    check_html.py [--chromium PROGRAM] [--screenshots FOLDER] [--many FILE] FILE...

For each FILE: nothing is loaded from anywhere, the page's own policy stops neither its style nor its script, axe-core
finds no violation in light, dark and narrow windows, the text is the same and in the same order without script and
style, and every part can be reached by keyboard. FILE given with `--many` holds 20,000 symbols: it opens within two
seconds, and searching, filtering and showing more rows work.
"""

import argparse
import pathlib
import sys
import time

import axe_playwright_python
from playwright.sync_api import expect, sync_playwright

AXE = next(pathlib.Path(axe_playwright_python.__file__).parent.glob("axe.min.js"))
OPENS_WITHIN = 2.0
VIEWS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


class Problems(list):
    def expect(self, holds, text):
        if not holds:
            self.append(text)


def watch(page, problems, name):
    """Reports what the page loads and what its policy stops."""

    def requested(request):
        if not request.url.startswith(("file:", "data:")):
            problems.append(f"{name}: loads {request.url}")

    def said(message):
        if message.type == "error":
            problems.append(f"{name}: {message.text}")

    page.on("request", requested)
    page.on("console", said)
    page.on("pageerror", lambda error: problems.append(f"{name}: {error}"))


def check_axe(page, problems, name):
    # The page's policy forbids scripts of others, so axe runs through the debugger.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    for violation in found["violations"]:
        for node in violation["nodes"]:
            summary = " ".join(node.get("failureSummary", "").split())
            problems.append(f"{name}: axe {violation['id']}: {node['target']}: {summary}")
    return len(found["passes"])


def check_keyboard(page, problems, name):
    """The first stop skips to the findings, and every stop is visible."""
    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.getAttribute('href')")
    problems.expect(first == "#main", f"{name}: the first stop is {first}, not the way to the findings")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    problems.expect(outline != "none", f"{name}: the focus is invisible")


def check_bare(browser, uri, problems, name):
    """Without script and style the text is all there, in the order of the styled page."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(uri)
    bare = page.locator("body").inner_text()
    headings = page.locator("h1, h2").all_inner_texts()
    problems.expect(headings and headings[0].strip(), f"{name}: no heading")
    context.close()
    context = browser.new_context()
    page = context.new_page()
    page.goto(uri)
    page.evaluate("document.querySelectorAll('style').forEach((s) => s.remove())")
    page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
    plain = page.locator("body").inner_text()
    for heading in headings:
        at = plain.find(heading.strip())
        problems.expect(at >= 0, f"{name}: {heading!r} is missing without style")
        plain = plain[at:] if at >= 0 else plain
    context.close()
    return bare


def check_many(browser, path, problems):
    uri = path.resolve().as_uri()
    opened = []
    # The best of three, since other programs may hold the machine.
    for _ in range(3):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        watch(page, problems, path.name)
        start = time.monotonic()
        page.goto(uri, wait_until="load")
        expect(page.locator("#filters")).to_be_visible()
        opened.append(time.monotonic() - start)
    opened = min(opened)
    problems.expect(opened < OPENS_WITHIN, f"{path.name}: opens in {opened:.2f} s")
    count = page.locator("#symbol-count")
    problems.expect("20,007" in count.inner_text(), f"{path.name}: says {count.inner_text()!r}")
    rows = page.locator("#symbol-table tbody tr")
    problems.expect(rows.count() <= 1_000, f"{path.name}: {rows.count()} rows at once")
    start = time.monotonic()
    page.fill("#f-text", "symbol_19999")
    expect(rows).to_have_count(1)
    searched = time.monotonic() - start
    problems.expect(searched < 1.0, f"{path.name}: a search takes {searched:.2f} s")
    problems.expect("1 of 20,007" in count.inner_text(), f"{path.name}: says {count.inner_text()!r}")
    page.click("button[type=reset]")
    expect(rows).not_to_have_count(1)
    page.select_option("#f-class", "removed")
    expect(rows).to_have_count(1)
    page.select_option("#f-class", "")
    expect(rows).not_to_have_count(1)
    before = rows.count()
    page.locator("#more-rows").scroll_into_view_if_needed()
    expect(rows).not_to_have_count(before)
    context.close()
    bare = check_bare(browser, uri, problems, path.name)
    problems.expect("The first 5,000 of 20,007" in bare, f"{path.name}: does not say what it cut")
    return opened, searched


def check_file(browser, path, shots, problems):
    uri = path.resolve().as_uri()
    for view, settings in VIEWS.items():
        context = browser.new_context(**settings)
        page = context.new_page()
        name = f"{path.name} ({view})"
        watch(page, problems, name)
        page.goto(uri)
        check_axe(page, problems, name)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        problems.expect(wide <= 0, f"{name}: {wide} pixels wider than the window")
        if shots:
            page.screenshot(path=shots / f"{path.stem}-{view}.png", full_page=True)
        check_keyboard(page, problems, name)
        if shots and view == "light":
            page.pdf(path=shots / f"{path.stem}.pdf", format="A4", print_background=True)
        context.close()
    check_bare(browser, uri, problems, path.name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--many", type=pathlib.Path)
    parser.add_argument("files", type=pathlib.Path, nargs="*")
    arguments = parser.parse_args()
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    problems = Problems()
    with sync_playwright() as playwright:
        # The sandbox of Chromium needs rights that containers and root lack; the pages are our own.
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
        for path in arguments.files:
            check_file(browser, path, arguments.screenshots, problems)
        if arguments.many:
            opened, searched = check_many(browser, arguments.many, problems)
            print(f"20,000 symbols open in {opened:.2f} s, a search takes {searched:.2f} s")
        browser.close()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"{len(arguments.files)} pages hold")


main()
