#!/bin/sh
# The whole Module.symvers of Debian kernels, computed from their sources and compared with the published one: every line,
# all five columns.
#
#   sh tests/exact.sh [ABI...]
#
# ABI is a kernel's name as its headers package has it: 6.1.0-50-amd64, 6.1.0-50-cloud-amd64, 6.1.0-50-rt-amd64,
# 6.1.0-50-arm64, 6.12.117+deb12-amd64, ...; without one, the first `exact` line of tests/kernels.list; `all` stands for
# all of these lines. Packages come by tests/apt.sh. Configuration and truth come from the headers package, the source
# from the linux-source package of the same version, the compiler must be the one that the configuration names.
#
# KABIGATE names the program (default: target/release/kabigate), SCRATCH a folder for some 5 GiB (default: target/exact),
# JOBS how many units are computed at a time. Exits with 1 if a line differs, 2 if something is missing.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
kabigate=${KABIGATE:-$top/target/release/kabigate}
scratch=${SCRATCH:-$top/target/exact}
list=$top/tests/kernels.list

fail() { echo "exact.sh: $*" >&2; exit 2; }
apt() { sh "$top/tests/apt.sh" "$@"; }
# The value of a field of a package's entry.
field() { apt apt-cache show --no-all-versions "$1" | sed -n "s/^$2: //p" | head -n 1; }

# Downloads a package into the scratch folder, once, and prints its file.
package() {
    # Of a file that lies in the folder it prints nothing.
    file=$(cd "$scratch" && apt apt-get download --print-uris "$1" | sed "s/^'[^']*' \([^ ]*\) .*/\1/")
    [ -n "$file" ] || fail "no package $1: is the kernel still served?"
    [ -e "$scratch/deb/$file" ] || (cd "$scratch/deb" && apt apt-get download -qq "$1" >&2) || fail "cannot download $1"
    echo "$scratch/deb/$file"
}

# Unpacks the sources of a version, with the patches of a feature set if there is one, and prints the folder.
source_tree() {
    series=$1 version=$2 featureset=$3
    tests=$top/target/kernels/linux-${series#linux-source-}
    if [ -z "$featureset" ] && [ "$(cat "$tests/.complete" 2>/dev/null)" = "$series=$version" ]; then
        echo "$tests"
        return
    fi
    tree=$scratch/$series-$version${featureset:+-$featureset}
    if [ ! -d "$tree" ]; then
        deb=$(package "$series=$version")
        rm -rf "$tree.new"
        mkdir -p "$tree.new"
        dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$series.tar.xz" | tar -xJ --strip-components=1 -C "$tree.new"
        [ -z "$featureset" ] || add_featureset "$tree.new" "$version" "$featureset"
        mv "$tree.new" "$tree"
    fi
    echo "$tree"
}

# Applies the patches of a feature set, which only the source package holds.
add_featureset() {
    parts=$scratch/debian-$2
    mkdir -p "$parts"
    (cd "$parts" && apt apt-get source -qq --download-only --diff-only "linux=$2" >&2) || fail "cannot download linux=$2"
    tar -xJf "$parts/linux_$2.debian.tar.xz" -C "$parts"
    patches=$parts/debian/patches-$3
    grep -v '^ *#\|^ *$' "$patches/series" >"$parts/names"
    while read -r name; do
        patch -d "$1" -p1 -s -f <"$patches/$name" >&2 || fail "$name does not apply to $2"
    done <"$parts/names"
}

# Computes and compares one kernel; tells the result in one line.
exact() {
    abi=$1
    case $abi in
    *-amd64) arch=x86 debian=amd64 prefix='' ;;
    *-arm64) arch=arm64 debian=arm64 prefix=aarch64-linux-gnu- ;;
    *) fail "$abi: neither -amd64 nor -arm64" ;;
    esac
    if [ "$(uname -m)" = aarch64 ]; then
        case $arch in arm64) prefix='' ;; x86) prefix=x86_64-linux-gnu- ;; esac
    fi
    case $abi in *-rt-*) featureset=rt ;; *) featureset='' ;; esac
    headers=linux-headers-$abi:$debian
    version=$(field "$headers" Source | sed -n 's/.*(\(.*\))/\1/p')
    [ -n "$version" ] || version=$(field "$headers" Version)
    [ -n "$version" ] || fail "no package $headers: take another ABI (apt-cache search linux-headers)"
    series=linux-source-$(echo "$version" | cut -d. -f1-2)

    work=$scratch/$abi
    rm -rf "$work"
    mkdir -p "$work/headers"
    deb=$(package "$headers=$version")
    dpkg-deb -x "$deb" "$work/headers"
    published=$work/headers/usr/src/linux-headers-$abi
    compiler=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\) .*/\1/p' "$published/.config")
    cc=$prefix${compiler##*-linux-gnu-}
    command -v "$cc" >/dev/null ||
        fail "$abi was built with $compiler: apt-get install ${compiler##*-linux-gnu-}${prefix:+-${prefix%-}}"
    tree=$(source_tree "$series" "$version" "$featureset")

    python3 - "$work" "$kabigate" symvers --tree "$tree" --config "$published" --arch "$arch" --cc "$cc" \
        ${prefix:+--cross-compile "$prefix"} --no-cache --work "$work" --out "$work/Module.symvers" -v \
        ${JOBS:+--jobs "$JOBS"} <<'PYTHON' || { tail -n 20 "$work/log" >&2; fail "$abi: kabigate failed"; }
import resource, subprocess, sys, time
work, command = sys.argv[1], sys.argv[2:]
start = time.monotonic()
with open(f"{work}/log", "w") as log:
    code = subprocess.run(command, stdout=log, stderr=log).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(f"{work}/cost", "w") as cost:
    cost.write(f"{used.ru_utime + used.ru_stime:.0f} CPU s, {time.monotonic() - start:.0f} s, "
               f"{used.ru_maxrss / 1024:.0f} MiB\n")
sys.exit(code != 0)
PYTHON
    python3 - "$abi" "$version" "$published/Module.symvers" "$work/Module.symvers" "$work/cost" <<'PYTHON'
import sys
abi, version, published, ours, cost = sys.argv[1:]
def read(path):
    table = {}
    for line in open(path).read().splitlines():
        if table.setdefault(line.split("\t")[1], line) != line:
            sys.exit(f"{path}: a symbol stands twice: {line}")
    return table
published, ours = read(published), read(ours)
missing = sorted(published.keys() - ours.keys())
extra = sorted(ours.keys() - published.keys())
differ = sorted(s for s in published.keys() & ours.keys() if published[s] != ours[s])
for symbol in differ[:20]:
    print(f"  differs: {ours[symbol]!r}, published {published[symbol]!r}")
for symbol in missing[:20]:
    print(f"  missing: {published[symbol]!r}")
for symbol in extra[:20]:
    print(f"  extra:   {ours[symbol]!r}")
exact = len(published) - len(missing) - len(differ)
print(f"{abi} ({version}): {exact} of {len(published)} exact, {len(differ)} differ, {len(missing)} missing, "
      f"{len(extra)} extra; {open(cost).read().strip()}")
sys.exit(not published or bool(differ or missing or extra))
PYTHON
}

[ -x "$kabigate" ] || fail "no $kabigate: cargo build --release, or name one with KABIGATE"
listed=$(sed -n 's/^[^# ][^ ]* exact \(.*\)/\1/p' "$list")
case ${1:-} in
'') set -- "$(echo "$listed" | head -n 1)" ;;
all)
    # shellcheck disable=SC2086 # a list of names
    set -- $listed
    ;;
esac
mkdir -p "$scratch/deb"
if [ $# -eq 1 ]; then
    exact "$1"
    exit
fi
status=0
for abi; do
    # A shell of its own, as `set -e` means nothing left of `||`.
    sh "$0" "$abi" || { [ $? -eq 1 ] || exit 2; status=1; }
done
exit "$status"
