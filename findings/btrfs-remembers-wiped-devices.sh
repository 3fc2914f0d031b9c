#!/usr/bin/env bash
# A btrfs that is made again on other devices with the UUID of one that was wiped is not mounted: "File exists".
#
# The kernel keeps a list of the devices of each btrfs UUID that it was ever shown (by mount, or by mkfs.btrfs, which registers what it makes).
# wipefs and mkfs remove the superblocks, but not the entries. When a filesystem of two devices is made again with its UUID (-U) on two
# other devices, the kernel meets a device whose number is taken by the one that was wiped, and mount(2) answers EEXIST. The log names the
# devices; mkfs.btrfs itself ends with status 0. `btrfs device scan --forget` before mkfs.btrfs helps.
# Whoever recovers a filesystem under its old UUID meets this as soon as the old disks were looked at in the same boot.
#
# Seen: btrfs-progs 6.2, status of the first mount 32 with "File exists", 0 after `btrfs device scan --forget`.
# The script fails when the first mount succeeds, or the second does not.
# Needs: Debian 12 with apt-get and dpkg, root, and a kernel with btrfs and loop devices.
set -euo pipefail
work=$(mktemp -d)
devices=()
finish() {
    umount "$work/mounted" 2>/dev/null || true
    for device in "${devices[@]}"; do losetup --detach "$device"; done
    rm -rf "$work"
}
trap finish EXIT
cd "$work"
apt-get -q download btrfs-progs=6.2-1+deb12u2 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
btrfs=$work/root/bin/btrfs mkfs=$work/root/sbin/mkfs.btrfs
"$mkfs" --version
mkdir mounted
for name in a b c d; do
    truncate -s 300M "$name"
    devices+=("$(losetup --find --show "$name")")
done
uuid=5b8f5c4e-6d5b-4d1f-9c0a-3e7f3a1d2b4c
"$btrfs" device scan --forget
"$mkfs" -q -U "$uuid" -d raid1 -m raid1 "${devices[0]}" "${devices[1]}"
mount "${devices[0]}" mounted
umount mounted
wipefs --quiet --all "${devices[0]}" "${devices[1]}"
again() {
    "$mkfs" -q -f -U "$uuid" -d raid1 -m raid1 "${devices[2]}" "${devices[3]}"
    mount "${devices[2]}" mounted 2>errors && status=0 || status=$?
}
again
first=$status
echo "after wipefs: status $first, $(cat errors)"
"$btrfs" device scan --forget
wipefs --quiet --all "${devices[2]}" "${devices[3]}"
again
echo "after 'btrfs device scan --forget': status $status"
if [ "$first" = 32 ] && [ "$status" = 0 ]; then
    echo "as described: wiped devices are remembered until they are forgotten"
else
    echo "changed: the filesystem is mounted at once, or not even then"
    exit 1
fi
