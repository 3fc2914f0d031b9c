# Shared by the lab scripts; sourced, never run. Needs bash.

note() { echo "lab: $*" >&2; }
die() {
	echo "lab: $*" >&2
	exit 1
}

# Where finished roots and machines are kept.
cache_directory() {
	local directory=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/lifeboat-lab
	mkdir -p "$directory"
	echo "$directory"
}

# A short hash over the content of files: a cached result is as good as the scripts that made it.
hash_of() { cat "$@" | sha256sum | cut -c1-12; }

# What has to be undone when the script ends, last thing first.
undo=()
on_exit() {
	local index
	for ((index = ${#undo[@]} - 1; index >= 0; index--)); do
		eval "${undo[index]}" || note "could not undo: ${undo[index]}"
	done
	undo=()
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Start and size in bytes of a partition of a disk image: partition_extent IMAGE NUMBER
partition_extent() {
	sfdisk --json "$1" | python3 -c '
import json, re, sys
table = json.load(sys.stdin)["partitiontable"]
unit = table.get("sectorsize", 512)
for partition in table["partitions"]:
    if re.search(r"(\d+)$", partition["node"]).group(1) == sys.argv[1]:
        print(partition["start"] * unit, partition["size"] * unit)
        break
else:
    sys.exit("no partition " + sys.argv[1])
' "$2"
}

# Sets $loop to a loop device over one partition; the kernel may lack partitioned loop devices.
# attach IMAGE NUMBER [losetup options]
attach() {
	local image=$1 number=$2 extent offset size
	shift 2
	extent=$(partition_extent "$image" "$number")
	read -r offset size <<<"$extent"
	loop=$(losetup --find --show "$@" --offset "$offset" --sizelimit "$size" "$image")
	undo+=("losetup --detach $loop")
}

# Mounts and remembers: mount_at TARGET mount-arguments…
mount_at() {
	local target=$1
	shift
	mkdir -p "$target"
	mount "$@" "$target"
	undo+=("umount '$target'")
}

# A temporary directory that goes away; set in $work.
make_work() {
	work=$(mktemp -d "$(cache_directory)/work.XXXXXX")
	undo+=("rm -rf --one-file-system '$work'")
}
