#!/bin/sh
# Gates a patch series on a real kernel: installs what is needed, makes a git tree of Debian's linux-source-6.1, records a
# baseline of x86_64 defconfig with MODVERSIONS, builds two example modules against it, checks the series in
# examples/series, and leaves console, JUnit, Markdown and JSON reports in reports/.
#
#   sh examples/quickstart.sh
#
# LINUX_SOURCE=FILE takes a kernel tarball of the 6.1 series instead of Debian's package; DEBIAN_MIRROR=URL names where
# a system other than Debian gets that package from.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
work=$top/target/quickstart
series=6.1

say() { printf '\n== %s\n' "$*"; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Downloads a package of Debian 12 into the work folder. Ubuntu does not carry it, so there it comes from Debian's archive,
# with a configuration of its own: the system's sources stay as they are.
download() (
    cd "$work"
    if ! apt-cache show "$1" >/dev/null 2>&1; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debian-archive-keyring >/dev/null
        mkdir -p apt/lists/partial apt/cache/archives/partial
        : >apt/status
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
            "${DEBIAN_MIRROR:-http://deb.debian.org/debian} bookworm main" >apt/sources.list
        cat >apt/apt.conf <<CONF
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
Acquire::Languages "none";
CONF
        export APT_CONFIG="$work/apt/apt.conf"
        apt-get -o APT::Sandbox::User=root update -qq
    fi
    apt-get -o APT::Sandbox::User=root download -qq "$1"
)

say "install what a kernel's own build needs"
needed="bc bison ca-certificates cpio flex gcc git kmod libc6-dev libelf-dev libssl-dev make pkg-config xz-utils"
missing=$(for package in $needed; do dpkg -s "$package" >/dev/null 2>&1 || echo "$package"; done)
if [ -n "$missing" ] || [ -z "${LINUX_SOURCE:-}" ]; then
    as_root apt-get update -qq
fi
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # a list of package names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

say "build kabigate"
# Beside it the kernel is fetched and unpacked; two cores have room for both.
cargo build --release --locked --quiet &
build=$!

rm -rf "$work" reports
mkdir -p "$work/linux" "$work/area" "$work/modules" reports

say "get linux-source-$series and make a git tree of it"
if [ -n "${LINUX_SOURCE:-}" ]; then
    tar -xf "$LINUX_SOURCE" --strip-components=1 -C "$work/linux"
else
    download "linux-source-$series"
    dpkg-deb --fsys-tarfile "$work"/linux-source-"$series"_*.deb |
        tar -xO "./usr/src/linux-source-$series.tar.xz" | tar -xJ --strip-components=1 -C "$work/linux"
fi
(
    cd "$work/linux"
    git init -q
    git config gc.auto 0
    git add -A -f
    GIT_COMMITTER_DATE=2026-11-01T00:00:00Z git -c user.name=Linux -c user.email=linux@example.org \
        commit -q -m "Linux $series" --date 2026-11-01T00:00:00Z
    git tag base
)
wait "$build"
kabigate=$top/target/release/kabigate

say "record a baseline: x86_64 defconfig with MODVERSIONS"
"$kabigate" baseline create "$work/baseline" --tree "$work/linux" --rev base \
    --config x86_64_defconfig --config examples/modversions.config --protect examples/stablelist \
    --cache "$work/cache" --work "$work/area" --keep-work

say "build two third-party modules against it"
cp examples/modules/* "$work/modules/"
area=$(echo "$work"/area/kabigate-*)
cp "$work/baseline/Module.symvers" "$area/obj/Module.symvers"
make -s -C "$area/src" O="$area/obj" M="$work/modules" modules >"$work/modules.log" 2>&1 || {
    tail -20 "$work/modules.log"
    exit 1
}
"$kabigate" modules scan --provider acme --database "$work/baseline" "$work/modules"
rm -rf "$area"

say "check the series"
code=0
"$kabigate" check --tree "$work/linux" --onto base --patches examples/series --baseline "$work/baseline" \
    --cache "$work/cache" --work "$work/area" \
    --output console:reports/report.txt --output junit:reports/report.xml \
    --output markdown:reports/report.md --output json:reports/report.json || code=$?
cat reports/report.txt

if [ "$code" != 1 ]; then
    echo "expected exit code 1, as the series breaks protected symbols; got $code" >&2
    exit 1
fi
say "reports: reports/report.txt, report.xml, report.md, report.json (exit code 1: the series breaks protected symbols)"
