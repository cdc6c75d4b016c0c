#!/bin/sh
# Debian's packages of DKMS sources: built with dkms for one kernel, judged and built again for others, and compared.
#
#   sh tests/dkms.sh [PACKAGE...]
#
# On Debian 12, as root (it installs packages). Without PACKAGE: all that need nothing but a compiler, which takes an hour on
# two cores. KABIGATE names the program (default: target/release/kabigate), SCRATCH a folder that can be kept for the next
# time (default: target/dkms), BUILT_FOR and AGAINST the kernels.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
kabigate=${KABIGATE:-$top/target/release/kabigate}
scratch=${SCRATCH:-$top/target/dkms}
built_for=${BUILT_FOR:-6.1.0-47-amd64}
against=${AGAINST:-6.1.0-47-amd64 6.1.0-50-amd64 6.12.117+deb12-amd64}
[ $# -gt 0 ] || set -- acpi-call-dkms adv-17v35x-dkms bbswitch-dkms ddcci-dkms digimend-dkms dm-writeboost-dkms \
    dpdk-kmods-dkms evdi-dkms gost-crypto-dkms jool-dkms langford-dkms librem-ec-acpi-dkms lime-forensics-dkms \
    nat-rtsp-dkms openrazer-driver-dkms openvpn-dco-dkms rapiddisk-dkms rtpengine-kernel-dkms tp-smapi-dkms \
    v4l2loopback-dkms vpoll-dkms

missing=
for release in $against; do
    [ -e "/lib/modules/$release/build/Module.symvers" ] || missing="$missing linux-headers-$release"
done
command -v dkms >/dev/null || missing="$missing dkms"
# shellcheck disable=SC2086 # a list of package names
[ -z "$missing" ] || apt-get install -y -qq --no-install-recommends $missing >/dev/null

paths=
for release in $against; do
    sh "$top/tests/dkms/build.sh" "$release" "$scratch" "$@"
    paths="$paths /usr/src/linux-headers-$release"
done
for release in $against; do
    sh "$top/tests/dkms/made.sh" "$kabigate" "/usr/src/linux-headers-$release" "$scratch"
done
cd "$scratch"
debs=
for package; do
    debs="$debs $(echo "packages/${package}"_*.deb)"
done
# Modules that stop loading are what is looked for: exit code 1. What dkms cannot build may be 3.
status=0
# shellcheck disable=SC2086
"$kabigate" validate "built/$built_for" --against $paths --output json:validated.json || status=$?
[ "$status" -le 1 ] || exit "$status"
status=0
# shellcheck disable=SC2086
"$kabigate" validate "built/$built_for" $debs --rebuild --against $paths --output json:rebuilt.json || status=$?
[ "$status" -ne 2 ] || exit "$status"
# shellcheck disable=SC2086
python3 "$top/tests/dkms/compare.py" "$scratch" "$built_for" validated.json rebuilt.json $against
