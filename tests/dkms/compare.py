#!/usr/bin/env python3
"""Compares what `kabigate validate` says of modules that dkms built with the tools of the system.

    compare.py SCRATCH BUILT_FOR validated.json rebuilt.json RELEASE...

validated.json judges the modules in SCRATCH/built/BUILT_FOR against the headers of each RELEASE: symbols and reasons must be those
that follow from `modprobe --dump-modversions`, `modinfo` and the published Module.symvers. rebuilt.json compiles the
packages of SCRATCH/packages for each RELEASE, beside the same modules: it must end as `dkms build` did, by SCRATCH/results-RELEASE. Exit code 1 if
anything differs.
"""

import json
import pathlib
import subprocess
import sys

# How the loader's classes of licences go (include/linux/license.h).
FREE = {"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}


def symvers(release):
    """Symbol to CRC and whether only for GPL-compatible modules."""
    text = pathlib.Path(f"/usr/src/linux-headers-{release}/Module.symvers").read_text()
    lines = (line.split("\t") for line in text.splitlines())
    return {symbol: (int(crc, 16), "GPL" in kind) for crc, symbol, _, kind, *_ in lines}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def expected(path, exports, others):
    """Symbols of a module with the reason why the kernel refuses them."""
    licences = output("modinfo", "-F", "license", path).split("\n")
    free = any(licence in FREE for licence in licences)
    found = {}
    for line in output("modprobe", "--dump-modversions", path).splitlines():
        crc, symbol = line.split("\t")
        if symbol in exports:
            wanted, only_free = exports[symbol]
            if only_free and not free:
                found[symbol] = "gpl-only"
            elif wanted != int(crc, 16):
                found[symbol] = "module-layout" if symbol == "module_layout" else "crc-mismatch"
        elif symbol not in others:
            found[symbol] = "missing-symbol"
    return found


def of_others(modules):
    """What the modules themselves export: absolute symbols `__crc_NAME`, or entries of `__ksymtab_strings`."""
    names = set()
    for path in modules:
        for line in output("nm", str(path)).splitlines():
            name = line.split()[-1]
            if name.startswith("__ksymtab_"):
                names.add(name.removeprefix("__ksymtab_"))
    return names


def verdict(reasons):
    if any(reason in ("missing-symbol", "gpl-only") for reason in reasons):
        return "source-must-change"
    return "needs-rebuild" if reasons else "loads"


def validated(scratch, built_for, report, releases):
    modules = sorted((scratch / "built" / built_for).glob("*/*.ko"))
    others = of_others(modules)
    by_path = {pathlib.Path(module["path"]).resolve(): module for module in report["modules"]}
    differ = 0
    for index, release in enumerate(releases):
        exports = symvers(release)
        counts = {}
        for path in modules:
            told = by_path[path.resolve()]["verdicts"][index]
            ours = {p["symbol"]: p["kind"] for p in told["problems"]}
            word = told["verdict"]
            # A module whose symbols are all right may need one that is refused.
            only_needs = bool(ours) and all(kind == "needs-other-module" for kind in ours.values())
            ours = {symbol: kind for symbol, kind in ours.items() if kind != "needs-other-module"}
            theirs = expected(str(path), exports, others)
            agrees = ours == theirs and (word == verdict(theirs.values()) or (only_needs and word == "needs-other-module"))
            if not agrees:
                differ += 1
                print(f"{release}: {path.name}: {word} {ours}, expected {verdict(theirs.values())} {theirs}")
            counts[word] = counts.get(word, 0) + 1
        print(f"{built_for} modules on {release}: " + ", ".join(f"{n} {word}" for word, n in sorted(counts.items())))
    return differ


def rebuilt(scratch, report, releases):
    outcomes, built = {}, {}
    for module in report["modules"]:
        if ".deb:" in module["path"]:
            package = pathlib.Path(module["path"].split(".deb:")[0]).name.split("_")[0]
            outcomes[package] = [verdict["rebuild"] for verdict in module["verdicts"]]
        else:
            package = pathlib.Path(module["path"]).parent.name
            built.setdefault(package, []).append([verdict["verdict"] for verdict in module["verdicts"]])
    fits = {"built": {"clean"}, "failed": {"failed", "not-tried"}, "excluded": {"not-tried"}}
    differ = 0
    for index, release in enumerate(releases):
        lines = (scratch / f"results-{release}").read_text().splitlines()
        for package, result in sorted(line.split() for line in lines):
            if package not in outcomes:
                continue
            ours = outcomes[package][index]
            agrees = ours["outcome"] in fits[result]
            # Modules that were built before are judged by what came of their sources.
            wanted = {"built": {"loads", "needs-rebuild"}, "failed": {"loads", "source-must-change"}}.get(result)
            if wanted and ours["outcome"] != "not-tried":
                agrees &= all(verdicts[index] in wanted for verdicts in built.get(package, []))
            differ += not agrees
            first = ours["messages"][0] if ours["messages"] else ""
            print(f"{release} {package:28} dkms {result:9} kabigate {ours['outcome']:10} {'' if agrees else 'DIFFERS '}{first}"[:200])
    return differ


def main():
    scratch, built_for = pathlib.Path(sys.argv[1]), sys.argv[2]
    releases = sys.argv[5:]
    differ = validated(scratch, built_for, json.loads(pathlib.Path(sys.argv[3]).read_text()), releases)
    differ += rebuilt(scratch, json.loads(pathlib.Path(sys.argv[4]).read_text()), releases)
    print(f"{differ} differences")
    return 1 if differ else 0


sys.exit(main())
