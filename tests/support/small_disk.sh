#!/bin/sh
# Runs a command with a small disk of its own, whose folder it finds in DISK.
#
#   sh small_disk.sh KIB COMMAND...
#
# The disk is a tmpfs in a mount namespace, of root's or of the user's own; it goes with the command. Where neither is
# allowed, as in most containers, it is /dev/shm, if that is small: filled up to the size given, and emptied again.
set -eu
kib=$1
shift
DISK=$(mktemp -d)
export DISK kib
trap 'rm -rf "$DISK"' EXIT

for options in --mount '--map-root-user --mount'; do
    # shellcheck disable=SC2086 # options
    if unshare $options mount -t tmpfs tmpfs "$DISK" 2>/dev/null; then
        # shellcheck disable=SC2016,SC2086 # for the shell inside; options
        unshare $options sh -c 'mount -t tmpfs -o size="${kib}k" tmpfs "$DISK" && exec "$@"' sh "$@"
        exit
    fi
done

free=$(df -k --output=avail /dev/shm | tail -n 1)
if [ "$free" -gt 262144 ] || [ "$free" -lt "$kib" ]; then
    echo "small_disk.sh: no mount namespace and no small /dev/shm: run as root, or allow user namespaces" >&2
    exit 99
fi
rmdir "$DISK"
DISK=$(mktemp -d /dev/shm/kabigate-XXXXXX)
trap 'rm -rf "$DISK" "$DISK.filler"' EXIT
fallocate -l "$((free - kib))KiB" "$DISK.filler"
"$@"
