#!/usr/bin/env bash
# mkfs.xfs 6.1.0 (Debian 12) makes a filesystem smaller than the size that it was told, without a word and with status 0.
#
# XFS is divided into allocation groups of one size; the last one takes what is left. A last group of less than 16 MiB is
# dropped. Asked for `-d size=611m,agsize=100m`, mkfs.xfs gives 600 MiB: 11 MiB of the device stay unused, nothing is
# printed about it, and the status is 0. Asked for 617 MiB it gives 617 MiB. Whoever makes a filesystem again in its recorded
# size (or grows a partition by less than a group) must read back what was made; whoever compares sizes finds a difference
# that no message explains.
#
# Seen: blocks=153600 (600 MiB) for 611 MiB, blocks=157952 (617 MiB) for 617 MiB, nothing on standard error, status 0.
# The script fails when mkfs.xfs warns, refuses, or makes all of it.
# Needs: Debian 12 with apt-get and dpkg.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# apt's own user may not write here: the download then runs as the caller, which apt mentions.
apt-get -q download xfsprogs=6.1.0-1 libinih1=55-1 liburcu8=0.13.2-1 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu
mkfs=$(find root -name mkfs.xfs -type f)
"$mkfs" -V
truncate -s 1G image
# The blocks of 4 KiB that a filesystem of so many MiB gets.
blocks() {
    "$mkfs" -f -d "size=${1}m,agsize=100m" image 2>>errors | sed -n 's/^data .*blocks=\([0-9]*\),.*/\1/p'
}
short=$(blocks 611) whole=$(blocks 617)
echo "611 MiB asked for: blocks=$short; 617 MiB asked for: blocks=$whole; standard error: $(wc -c <errors) bytes"
if [ "$short" = 153600 ] && [ "$whole" = 157952 ] && [ ! -s errors ]; then
    echo "as described: a last group of 11 MiB is dropped without a word"
else
    echo "changed: the size is kept, or something is said about it"
    exit 1
fi
