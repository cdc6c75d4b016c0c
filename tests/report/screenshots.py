#!/usr/bin/env python3
"""Makes the pictures of docs/images from a report.

    screenshots.py KABIGATE REPORT.json [FOLDER]

The console is what the program prints to a terminal, its colours included; Markdown is rendered with the marks of
GitHub's dialect; HTML is the page as a browser shows it. REPORT.json is any report, such as that of
`examples/quickstart.sh` or `target/samples/fail.json`. Needs Debian's chromium and the packages playwright, markdown-it-py
and pillow.
"""

import html
import pathlib
import re
import subprocess
import sys
import tempfile

from markdown_it import MarkdownIt
from PIL import Image
from playwright.sync_api import sync_playwright

COLOURS = {"31": "#ff8f87", "32": "#7ddc8f", "33": "#f2cc60"}
TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>
body { margin: 0; padding: 18px 22px; background: #16191d; color: #dfe4ea; width: max-content; max-width: 1180px; }
pre { margin: 0; font: 13px/1.42 "DejaVu Sans Mono", monospace; white-space: pre-wrap; }
</style><pre>%s</pre>"""
PAPER = """<!DOCTYPE html><meta charset="utf-8"><style>
body { margin: 0; padding: 22px 28px; width: 860px; background: #fff; color: #1f2328;
  font: 15px/1.5 "DejaVu Sans", sans-serif; }
h3, h4 { margin: 18px 0 8px; } code { font: 12.5px "DejaVu Sans Mono", monospace; background: #eff1f3; padding: 1px 4px;
  border-radius: 4px; } pre { background: #f6f8fa; padding: 12px; border-radius: 6px; } pre code { background: none; padding: 0; }
table { border-collapse: collapse; } td, th { border: 1px solid #d1d9e0; padding: 5px 11px; } summary { cursor: pointer; }
</style>%s"""


def terminal(text):
    """ECMA-48 colours as HTML: each run of text in a span of its own."""
    out, style = [], []
    for part in re.split(r"(\x1b\[[0-9;]*m)", text):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if code is None:
            span = f'<span style="{";".join(style)}">{html.escape(part)}</span>'
            out.append(span if style and part else html.escape(part))
            continue
        for number in code.group(1).split(";"):
            if number in ("", "0"):
                style = []
            elif number == "1":
                style.append("font-weight:bold")
            elif number == "2":
                style.append("opacity:.65")
            elif number in COLOURS:
                style.append(f"color:{COLOURS[number]}")
    return "".join(out)


def main():
    program, report, *rest = sys.argv[1:]
    folder = pathlib.Path(rest[0] if rest else "docs/images")
    folder.mkdir(parents=True, exist_ok=True)

    def run(*arguments):
        command = [program, *arguments, "report", "--from", report]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        scratch = pathlib.Path(scratch)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])

        def shoot(name, file, **view):
            height = view.pop("height", None)
            context = browser.new_context(viewport={"width": view.pop("width", 1200), "height": height or 900}, **view)
            page = context.new_page()
            page.goto(file.resolve().as_uri())
            if height:
                page.screenshot(path=folder / name)
            else:
                page.locator("body").screenshot(path=folder / name)
            context.close()
            # Few colours make a small file.
            with Image.open(folder / name) as picture:
                picture.convert("RGB").quantize(192, dither=Image.Dither.NONE).save(folder / name, optimize=True)

        console = scratch / "console.html"
        console.write_text(TERMINAL % terminal(run("--color", "always")), encoding="utf-8")
        shoot("console.png", console)
        outputs = [program, "report", "--from", report]
        outputs += ["--output", f"markdown:{scratch / 'report.md'}", "--output", f"html:{scratch / 'report.html'}"]
        subprocess.run(outputs, check=False, capture_output=True)
        text = (scratch / "report.md").read_text(encoding="utf-8")
        rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
        (scratch / "markdown.html").write_text(PAPER % rendered, encoding="utf-8")
        shoot("markdown.png", scratch / "markdown.html", width=920, height=1000)
        shoot("html.png", scratch / "report.html", width=1180, height=1000, color_scheme="light")
        shoot("html-dark.png", scratch / "report.html", width=1180, height=1000, color_scheme="dark")
        browser.close()


main()
