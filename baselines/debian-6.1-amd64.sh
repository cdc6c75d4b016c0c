#!/bin/sh
# Makes the folder debian-6.1-amd64 anew, from Debian's packages alone. On Debian 12, as root (it installs packages):
#
#   cargo build --release && sh baselines/debian-6.1-amd64.sh [FOLDER]
#
# FOLDER is where the new folder is made (default: baselines/debian-6.1-amd64, which must not exist). KABIGATE names the
# program (default: target/release/kabigate), SCRATCH a folder for some 4 GiB that can be kept for the next time (default:
# target/debian-6.1-amd64). Takes half an hour on two cores: the modules, and the ABI of the whole kernel.
set -eu
version=6.1.176-1
release=6.1.0-50-amd64
# Packages of Debian 12 whose modules build for this kernel. The others that it has: iptables-netflow-dkms, openafs-modules-dkms,
# dahdi-dkms, lttng-modules-dkms and west-chamber-dkms want further packages or take long, openrazer-driver-dkms does not build.
packages="acpi-call-dkms adv-17v35x-dkms apfs-dkms bbswitch-dkms ddcci-dkms digimend-dkms dm-writeboost-dkms dpdk-kmods-dkms
 evdi-dkms falcosecurity-scap-dkms gost-crypto-dkms jool-dkms langford-dkms librem-ec-acpi-dkms lime-forensics-dkms
 nat-rtsp-dkms openvpn-dco-dkms rapiddisk-dkms rtpengine-kernel-dkms tp-smapi-dkms v4l2loopback-dkms vpoll-dkms
 xtables-addons-dkms"

top=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$top/baselines/debian-6.1-amd64}
kabigate=${KABIGATE:-$top/target/release/kabigate}
scratch=${SCRATCH:-$top/target/debian-6.1-amd64}
mkdir -p "$scratch" "$(dirname "$folder")"
folder=$(cd "$(dirname "$folder")" && pwd)/$(basename "$folder")
[ ! -e "$folder" ] || { echo "$folder is there already: move it away or name another folder" >&2; exit 1; }

apt-get install -y -qq --no-install-recommends bc bison dkms dpkg-dev flex gcc libelf-dev libssl-dev make \
    "linux-headers-$release=$version" >/dev/null
headers=/usr/src/linux-headers-$release
cd "$scratch"

# The kernel: its sources and the configuration that Debian built it with.
if [ ! -e linux/.complete ]; then
    rm -rf linux
    mkdir linux
    apt-get -o APT::Sandbox::User=root download -qq "linux-source-6.1=$version"
    dpkg-deb --fsys-tarfile linux-source-6.1_*.deb | tar -xO ./usr/src/linux-source-6.1.tar.xz | tar -xJ --strip-components=1 -C linux
    touch linux/.complete
fi
# shellcheck disable=SC2086 # a list of package names
sh "$top/tests/dkms/build.sh" "$release" "$scratch" $packages

rm -rf baseline
"$kabigate" baseline create baseline --tree linux --config "$headers/.config" --work "$scratch"

# The modules, each with the name and version of its package.
cd "built/$release"
for package in $packages; do
    package_version=$(dpkg-deb -f "$scratch/packages/${package}"_*.deb Version)
    "$kabigate" modules scan --database "$scratch/baseline" --package-version "$package_version" "$package"
done
cd "$scratch"
"$kabigate" modules suggest --database baseline --against baseline --name debian_6.1_x86_64_stablelist >stablelist.new
mv stablelist.new baseline/stablelist

# What was computed is what Debian published, in all columns, and every module loads.
LC_ALL=C sort -k2,2 "$headers/Module.symvers" >published
LC_ALL=C sort -k2,2 baseline/Module.symvers >computed
if ! cmp -s published computed; then
    echo "the computed Module.symvers is not Debian's:" >&2
    diff published computed >&2 || true
    exit 1
fi
"$kabigate" baseline verify baseline
"$kabigate" validate "built/$release" --against baseline >/dev/null
mv baseline "$folder"
