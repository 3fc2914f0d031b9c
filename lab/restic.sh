#!/bin/bash
# Fetches Debian 13's restic, once, and prints the path of the program: the oldest one of a Debian release that writes
# files with holes (0.15). usage: lab/restic.sh
set -euo pipefail
lab=$(dirname "$(readlink -f "$0")")
. "$lab/lib.sh"

mirror=${LIFEBOAT_LAB_MIRROR:-http://deb.debian.org/debian}
target=$(cache_directory)/restic-trixie-$(hash_of "$lab/restic.sh")
exec 9>"$target.lock"
flock 9
if [ ! -x "$target" ]; then
	make_work
	# An apt of its own, which trusts what this system's keyring trusts and changes nothing here.
	mkdir -p "$work"/{lists/partial,cache/archives/partial,state}
	echo "deb $mirror trixie main" >"$work/sources.list"
	touch "$work/state/status"
	options=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::State="$work/state" -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/state/status"
		-o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
	note "fetching restic from $mirror"
	apt-get -q "${options[@]}" update >&2
	(cd "$work" && apt-get -q "${options[@]}" download restic >&2)
	dpkg-deb --extract "$work"/restic_*.deb "$work/restic"
	install -m 755 "$work/restic/usr/bin/restic" "$target.part"
	mv "$target.part" "$target"
fi
echo "$target"
