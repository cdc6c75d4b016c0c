#!/bin/sh
# Builds packages of DKMS sources for one kernel with dkms itself, away from the system's own trees.
#
#   sh tests/dkms/build.sh RELEASE SCRATCH PACKAGE...
#
# The kernel's headers package must be installed. Leaves in SCRATCH: packages/ with what was downloaded, the modules as
# built/RELEASE/PACKAGE/*.ko, and results-RELEASE with one line for each package: its name and `built`, `failed` or
# `excluded` (its dkms.conf is not for this kernel). A package that has a line there is not built again.
set -eu
release=${1:?usage: build.sh RELEASE SCRATCH PACKAGE...}
scratch=${2:?usage: build.sh RELEASE SCRATCH PACKAGE...}
shift 2
[ -e "/lib/modules/$release/build/Module.symvers" ] || {
    echo "no headers of $release: apt-get install linux-headers-$release" >&2
    exit 1
}
mkdir -p "$scratch/packages" "$scratch/built/$release" "$scratch/log"
scratch=$(cd "$scratch" && pwd)
results=$scratch/results-$release
touch "$results"

for package; do
    ! grep -q "^$package " "$results" || continue
    deb=$(find "$scratch/packages" -name "${package}_*.deb")
    if [ -z "$deb" ]; then
        (cd "$scratch/packages" && apt-get -o APT::Sandbox::User=root download -qq "$package" >/dev/null)
        deb=$(find "$scratch/packages" -name "${package}_*.deb")
    fi
    work=$scratch/work-$release
    rm -rf "$work"
    mkdir -p "$work/tree"
    dpkg-deb -x "$deb" "$work"
    source=$(dirname "$(find "$work/usr/src" -mindepth 2 -maxdepth 2 -name dkms.conf)")
    name=$(basename "$source")
    # The folder is called NAME-VERSION, and neither part tells where it ends.
    version=$(sed -n 's/^PACKAGE_VERSION="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$source/dkms.conf")
    module=${name%-"$version"}
    trees="--dkmstree $work/tree --sourcetree $work/usr/src"
    log=$scratch/log/$package-$release
    # shellcheck disable=SC2086 # two options with their values
    dkms add $trees "$module/$version" >"$log" 2>&1
    status=0
    # shellcheck disable=SC2086
    dkms build $trees -k "$release" "$module/$version" >>"$log" 2>&1 </dev/null || status=$?
    case $status in
    0)
        word=built
        mkdir -p "$scratch/built/$release/$package"
        find "$work/tree/$module/$version/$release" -name '*.ko*' -exec cp {} "$scratch/built/$release/$package/" \;
        ;;
    77) word=excluded ;;
    *) word=failed ;;
    esac
    # What the compiler said.
    find "$work/tree/$module/$version" -name make.log -exec cat {} + >>"$log" 2>/dev/null || true
    echo "$package $word" >>"$results"
    echo "$release: $package $word"
    rm -rf "$work"
done
