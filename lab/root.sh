#!/bin/bash
# Makes a Debian root filesystem as a tar file, once, and prints its path.
# usage: lab/root.sh NAME, a file of lab/roots/: a suite, or a suite and what else is installed
set -euo pipefail
lab=$(dirname "$(readlink -f "$0")")
. "$lab/lib.sh"

name=$1
case $name in
demo | server) suite=bookworm ;;
bullseye* | bookworm* | trixie* | forky*) suite=${name%%-*} ;;
*) die "no such root: $name" ;;
esac
list=$lab/roots/$name.packages
mirror=${LIFEBOAT_LAB_MIRROR:-http://deb.debian.org/debian}
target=$(cache_directory)/root-$name-$(hash_of "$lab/root.sh" "$list").tar
exec 9>"$target.lock"
flock 9
if [ -e "$target" ]; then
	echo "$target"
	exit
fi

packages=$(sed -e 's/#.*//' -e '/^ *$/d' "$list" | paste -sd,)
note "making the $name root from $mirror"
# The index of testing is good for a week; a mirror that lags behind is good enough for a machine of the lab.
stale=()
[ "$suite" != forky ] || stale=(--aptopt='Acquire::Check-Valid-Until "false"')
rm -f "$target.part"
# grub-efi and shim packages would write to the ESP of a machine that is not there yet: only their files are wanted.
mmdebstrap --variant=minbase --format=tar --include="$packages" \
	--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' "${stale[@]}" \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--customize-hook='chroot "$1" passwd -d root >/dev/null' \
	--customize-hook='rm -f "$1"/etc/resolv.conf "$1"/var/lib/dbus/machine-id "$1"/etc/machine-id' \
	"$suite" "$target.part" "$mirror" >&2
mv "$target.part" "$target"
echo "$target"
