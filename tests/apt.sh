#!/bin/sh
# Runs apt-get or apt-cache on Debian 12 with a state of its own: packages of several architectures, and sources, whatever
# the system's lists hold, which stay as they are.
#
#   sh tests/apt.sh apt-get download linux-headers-6.1.0-50-arm64:arm64
#   sh tests/apt.sh apt-get source --download-only mcpp
#
# APT_STATE names the folder of the state (default: target/apt), DEBIAN_MIRROR where packages come from. The lists are
# fetched once a day.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
state=${APT_STATE:-$top/target/apt}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keys" ] || { echo "apt.sh: $keys is missing: apt-get install debian-archive-keyring" >&2; exit 1; }

mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
: >>"$state/status"
for suite in "$mirror bookworm" "$mirror bookworm-updates" "$mirror-security bookworm-security"; do
    echo "deb [arch=amd64,arm64 signed-by=$keys] $suite main"
    echo "deb-src [signed-by=$keys] $suite main"
done >"$state/sources.list"
cat >"$state/apt.conf" <<CONF
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "root";
Dir::Etc::SourceList "$state/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$state/lists";
Dir::State::status "$state/status";
Dir::Cache "$state/cache";
Acquire::Languages "none";
CONF
export APT_CONFIG="$state/apt.conf"
if [ -z "$(find "$state/updated" -mmin -1440 2>/dev/null)" ]; then
    apt-get update -qq
    touch "$state/updated"
fi
exec "$@"
