#!/bin/sh
# Fetches the kernels that the tests need, and the suite for preprocessors, by package name, into the folder given: one
# folder per package, unpacked once.
#
#   sh tests/kernels.sh FOLDER
#
# Prints nothing but problems. The versions are in tests/kernels.list.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: kernels.sh FOLDER}
mkdir -p "$folder"
cd "$folder"

fail() { echo "kernels.sh: $*" >&2; exit 1; }

# Downloads a package, or a source package's original tarball.
fetch() {
    case $1 in
    origin) sh "$here/apt.sh" apt-get source -qq --download-only --tar-only "$2" >/dev/null ;;
    *) apt-get -o APT::Sandbox::User=root download -qq "$2" >/dev/null ;;
    esac || fail "cannot download $2: is apt-get update run?"
}

while read -r name kind package; do
    # What tests/exact.sh fetches is not needed here.
    case "$name $kind" in ' ' | '#'* | *' exact') continue ;; esac
    if [ -e "$name/.complete" ] && [ "$(cat "$name/.complete")" = "$package" ]; then
        continue
    fi
    from=${package%%=*}
    rm -rf "$name" "$from"_*.deb "$from"_*.orig.tar.*
    mkdir -p "$name"
    fetch "$kind" "$package"
    case $kind in
    source) dpkg-deb --fsys-tarfile "$from"_*.deb | tar -xO "./usr/src/$from.tar.xz" | tar -xJ --strip-components=1 -C "$name" ;;
    tree) dpkg-deb -x "$from"_*.deb "$name" ;;
    origin) tar -xf "$from"_*.orig.tar.* --strip-components=1 -C "$name" ;;
    *) fail "$here/kernels.list: $name: unknown kind $kind" ;;
    esac
    rm -f "$from"_*.deb "$from"_*.orig.tar.*
    echo "$package" >"$name/.complete"
done <"$here/kernels.list"
