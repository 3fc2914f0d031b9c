#!/bin/bash
# Compares two disk images as a sceptic would, with stock tools and without Lifeboat: partition tables, filesystem
# features and tunables, and every file with all that belongs to it.
# usage: lab/compare-disks.sh ORIGINAL.img RESTORED.img [--ignore-file FILE] [--resized] [--restic]
#
# Prints what differs and exits 1; exits 0 when nothing does. The ignore file holds one extended regular expression a
# line, each with a comment before it that says why; lines of the differences that match one are left out.
# --resized: the restored disk has another size, so sizes of the table and of the last filesystem may differ.
# --restic: restored by a stock restic, which keeps neither inode flags nor holes.
# Both images are only read: journals are replayed on copy-on-write overlays.
set -euo pipefail
lab=$(dirname "$(readlink -f "$0")")
. "$lab/lib.sh"

original=$1
restored=$2
shift 2
ignore=/dev/null
resized=
restic=
while [ $# -gt 0 ]; do
	case $1 in
	--ignore-file) ignore=$2 && shift 2 ;;
	--resized) resized=1 && shift ;;
	--restic) restic=1 && shift ;;
	*) die "no such option: $1" ;;
	esac
done
make_work

# Partition table, without device names.
table() {
	sfdisk --dump "$1" 2>/dev/null | sed -e "s|^$1|disk|" -e '/^device: /d' |
		if [ -n "$resized" ]; then sed -E -e '/^last-lba:/d' -e 's/(start|size)= *[0-9]+, //g'; else cat; fi
}

# Features and tunables of a filesystem, without what changes whenever it is used.
properties() {
	local device=$1 kind=$2
	blkid --probe --output export "$device" | grep -Ev '^(DEVNAME|PART_ENTRY_(OFFSET|DISK|SIZE)|FSSIZE|FSLASTBLOCK|SIZE)=' |
		grep -Ev '^(PART_ENTRY|PTUUID|PTTYPE)' || true
	case $kind in
	ext*)
		dumpe2fs -h "$device" 2>/dev/null | grep -Ev '^(Last mount|Last write time|Last checked|Next check after|Mount count|Free |First error|Last error|Filesystem created|Filesystem state|Last mounted on|Lifetime writes|Journal (sequence|start|checksum:)|Checksum:|Block bitmap|First orphan|Directories)' |
			# needs_recovery only says that the journal is not yet replayed.
			# The kernel sets the journal's revoke bit with the first block that it revokes.
			sed -E -e 's/ needs_recovery//' -e 's/ orphan_present//' -e '/^Journal features:/s/ journal_incompat_revoke//' -e '/^Journal features:/s/ \(none\)//' -e '/^Journal features:/s/ +/ /g' |
			if [ -n "$resized" ]; then grep -Ev '^(Inode count|Block count|Reserved block count|Overhead|Reserved GDT|Journal length|Total journal|Fragments|Flex block group size|Inodes per group|Inode blocks per group|RAID)'; else cat; fi
		;;
	xfs)
		xfs_db -r -c 'sb 0' -c 'print' "$device" | grep -Ev '^(icount|ifree|fdblocks|frextents|crc|lsn|logstart|uuid|qflags|rootino|rbmino|rsumino|[ugp]quotino) ' |
			if [ -n "$resized" ]; then grep -Ev '^(dblocks|agcount|agblocks|agblklog|logblocks|imax_pct) '; else cat; fi
		;;
	btrfs)
		# Bits 8 and 16 of the flags say that LZO and zstd were used so far, not that they may be (btrfs-progs, ctree.h).
		btrfs inspect-internal dump-super "$device" | grep -E '^(csum_type|metadata_uuid|label|sectorsize|nodesize|incompat_flags|compat_ro_flags|num_devices|dev_item.uuid|total_bytes)' |
			while read -r name value rest; do
				if [ "$name" = incompat_flags ]; then value=$(printf '0x%x' $((value & ~0x18))); fi
				echo "$name $value $rest"
			done |
			if [ -n "$resized" ]; then grep -v '^total_bytes'; else cat; fi
		;;
	esac
}

# One line for each entry of a filesystem.
entries() {
	local device=$1 kind=$2 place=$3
	mkdir -p "$place"
	case $kind in
	vfat)
		# The host may lack vfat: mtools read it. A vfat has names, times and contents, and no owners.
		mkdir -p "$place.fat"
		MTOOLS_SKIP_CHECK=1 mcopy -s -p -m -i "$device" :: "$place.fat/" >/dev/null
		(cd "$place.fat" && find . -mindepth 1 \( -type d -printf '%p directory\n' \) -o -printf '%p %s %TY-%Tm-%Td %TH:%TM:%TS ' -exec sha256sum {} \;) |
			sed -E 's/ (\.\/[^ ]*)$//' | sort
		rm -rf "$place.fat"
		return
		;;
	ext* | btrfs) mount -t "$kind" "$device" "$place" ;;
	xfs) mount -t xfs -o nouuid "$device" "$place" ;;
	*) return ;;
	esac
	python3 "$lab/fingerprint.py" "$place" |
		if [ -n "$restic" ]; then sed -E 's/ (flags|data)=[^ ]*//g'; else cat; fi
	umount "$place"
}

# One directory of text for each disk.
describe() {
	local image=$1 out=$2 number kind scratch=$2.overlay.img
	mkdir -p "$out"
	table "$image" >"$out/table"
	# The loop device needs a writable file for the journal's replay.
	cp --sparse=always --reflink=auto "$image" "$scratch"
	for number in $(sfdisk --dump "$image" | sed -nE "s|^$image([0-9]+) :.*|\1|p"); do
		attach "$scratch" "$number"
		kind=$(blkid --probe --output value --match-tag TYPE "$loop" || true)
		entries "$loop" "$kind" "$work/mnt" >"$out/$number-entries"
		properties "$loop" "$kind" >"$out/$number-properties"
	done
	# Detach now: the scratch copy is as large as the disk.
	local keep=("${undo[0]}")
	undo=("${undo[@]:1}")
	on_exit
	undo=("${keep[@]}")
	rm "$scratch"
}

describe "$(readlink -f "$original")" "$work/original"
describe "$(readlink -f "$restored")" "$work/restored"
grep -Ev '^(#|$)' "$ignore" >"$work/ignore" || true
(cd "$work" && diff --recursive --unified=0 original restored || true) |
	grep -Ev '^(---|\+\+\+|@@|diff )' | grep -vEf "$work/ignore" >"$work/differences" || true
if [ -s "$work/differences" ]; then
	cat "$work/differences"
	exit 1
fi
note "no differences: $(cat "$work"/original/*-entries | wc -l) entries"
