#!/usr/bin/env python3
"""Compares `kabigate validate` of all modules of a kernel with `depmod -n -e -E` on the same files.

    depmod.py KABIGATE ROOT RELEASE MODULE.SYMVERS...

ROOT holds lib/modules/RELEASE, such as an unpacked linux-image package. For each Module.symvers, the set of module, symbol and
reason must be equal. One difference is explained: where the kernel and a module of the set export the same symbol,
depmod compares with the module's CRC, and the loader, as kabigate, with that of the kernel. Exit code 1 if there is any other.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile


def of_depmod(root, release, symvers):
    path = "/usr/sbin:/sbin:/usr/bin:/bin"
    command = ["depmod", "-n", "-e", "-E", symvers, "-b", root, release]
    text = subprocess.run(command, check=True, capture_output=True, text=True, env={"PATH": path, "LC_ALL": "C"}).stderr
    found = set()
    for line in text.splitlines():
        file, _, rest = line.removeprefix("depmod: WARNING: ").partition(" ")
        for words, reason in (("needs unknown symbol ", "missing"), ("disagrees about version of symbol ", "differs")):
            if rest.startswith(words):
                found.add((os.path.basename(file), rest.removeprefix(words), reason))
    return found


def of_kabigate(kabigate, root, release, symvers):
    reasons = {"missing-symbol": "missing", "crc-mismatch": "differs", "module-layout": "differs"}
    found, twice = set(), set()
    with tempfile.TemporaryDirectory() as work:
        # depmod looks only at the exports of vmlinux and takes those of modules from the modules.
        only = pathlib.Path(work, "Module.symvers")
        lines = pathlib.Path(symvers).read_text().splitlines(keepends=True)
        only.write_text("".join(line for line in lines if line.split("\t")[2] == "vmlinux"))
        report = pathlib.Path(work, "report.json")
        command = [kabigate, "validate", "--against", only, "--output", f"json:{report}", "--", f"{root}/lib/modules/{release}"]
        code = subprocess.run(command, capture_output=True).returncode
        if code not in (0, 1, 3):
            sys.exit(f"kabigate validate ended with {code}")
        modules = json.loads(report.read_text())["modules"]
    for module in modules:
        for problem in module["verdicts"][0]["problems"]:
            if problem["kind"] in reasons:
                found.add((os.path.basename(module["path"]), problem["symbol"], reasons[problem["kind"]]))
            elif problem["kind"] == "duplicate-export":
                twice.add(problem["symbol"])
    return len(modules), found, twice


def main():
    kabigate, root, release = sys.argv[1:4]
    differs = False
    for symvers in sys.argv[4:]:
        theirs = of_depmod(root, release, symvers)
        count, ours, twice = of_kabigate(kabigate, root, release, symvers)
        explained = {found for found in ours - theirs if found[1] in twice and found[2] == "differs"}
        other = (ours ^ theirs) - explained
        print(f"{symvers}: {count} modules, depmod {len(theirs)}, kabigate {len(ours)}, of symbols exported twice {len(explained)}, "
              f"other differences {len(other)}")
        for found in sorted(other)[:20]:
            print("  only", "kabigate" if found in ours else "depmod", *found)
        differs |= bool(other)
    return int(differs)


sys.exit(main())
