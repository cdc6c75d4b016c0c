#!/bin/sh
# Fetches the kernels that the tests need, by package name, into the folder given: one folder per package, unpacked once.
#
#   sh tests/kernels.sh FOLDER
#
# Prints nothing but problems. The versions are in tests/kernels.list.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: kernels.sh FOLDER}
mkdir -p "$folder"
cd "$folder"

fetch() { apt-get -o APT::Sandbox::User=root download -qq "$1" >/dev/null || { echo "cannot download $1: is apt-get update run?" >&2; exit 1; }; }

while read -r name kind package; do
    case $name in '' | '#'*) continue ;; esac
    if [ -e "$name/.complete" ] && [ "$(cat "$name/.complete")" = "$package" ]; then
        continue
    fi
    rm -rf "$name" "${package%%=*}"_*.deb
    mkdir -p "$name"
    fetch "$package"
    file=$(echo "${package%%=*}"_*.deb)
    case $kind in
    source)
        series=${package%%=*}
        dpkg-deb --fsys-tarfile "$file" | tar -xO "./usr/src/$series.tar.xz" | tar -xJ --strip-components=1 -C "$name"
        ;;
    tree) dpkg-deb -x "$file" "$name" ;;
    *)
        echo "$here/kernels.list: $name: unknown kind $kind" >&2
        exit 1
        ;;
    esac
    rm -f "$file"
    echo "$package" >"$name/.complete"
done <"$here/kernels.list"
