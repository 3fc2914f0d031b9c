# What the disks of a machine hold, told by stock tools: tables, arrays, groups, filesystems, and every file. Prints it.
# usage: inspect.sh LAYOUT DISK…, in the machine debian12-layouts, with fingerprint.py and the layout's script beside it
. "$(dirname "$0")/common.sh"
unlock() { :; }
. "$(dirname "$0")/$1.sh"
shift
names=" $* "
udevadm settle
# What udev left, for want of a member.
mdadm --quiet --assemble --scan --run 2>/dev/null || true
mdadm --quiet --readwrite --scan 2>/dev/null || true
vgchange --quiet --activate y >/dev/null 2>&1 || true
udevadm settle
unlock "$@" >&2
udevadm settle
# Kernel names differ from boot to boot, and new members get new ids.
for disk in "$@"; do
	echo "== table of $disk"
	sfdisk --dump "/dev/$disk" 2>/dev/null | sed -e '/^device: /d' -e "s|^/dev/||" || true
done
for array in $(mdadm --detail --scan | awk '{print $2}' | sort); do
	real=$(readlink -f "$array")
	# One without a name has another number each time.
	echo "== array $(mdadm --detail --export "$real" | sed -n 's/^MD_NAME=//p;s/^MD_UUID=//p' | tail -n 1)"
	mdadm --detail "$real" | grep -E 'Version|Raid Level|Array Size|Used Dev Size|Raid Devices|Total Devices|Persistence|Intent Bitmap|Layout|Chunk Size|Consistency|Name|UUID|Delta|Active Devices' |
		sed -e 's/^ *//' || true
	for device in /sys/class/block/"$(basename "$real")"/md/dev-*; do
		# in_sync comes when it is synchronised.
		echo "$(basename "$device") $(cat "$device/slot") $(cat "$device/offset") $(tr ',' '\n' <"$device/state" | grep -Ev '^(in_sync|spare)$' | paste -sd,)"
	done
	cat "/sys/class/block/$(basename "$real")"/md/bitmap/{location,chunksize} 2>/dev/null || true
done
vgs --noheadings --units b -o vg_name,vg_uuid,vg_extent_size,vg_tags,pv_name,pv_uuid,pe_start,pv_pe_count 2>/dev/null | sort || true
# RAID volumes and thin pools are made anew: they have other UUIDs, and LVM places them.
lvs --noheadings --units b -o vg_name,lv_name,lv_layout,lv_size,stripes,stripe_size,region_size,chunk_size,lv_metadata_size,zero,discards,lv_tags 2>/dev/null | sort || true
lvs --noheadings -o vg_name,lv_name,segtype,cache_mode,cache_policy,cache_settings,cache_metadata_format,writecache_block_size,raidintegritymode,raidintegrityblocksize,raid_max_recovery_rate,raid_write_behind 2>/dev/null | sort || true
lvs --noheadings --segments --select 'segtype=linear || segtype=striped' -o vg_name,lv_name,lv_uuid,seg_pe_ranges 2>/dev/null | sort || true
for device in $(lsblk --noheadings --list --paths --output NAME,TYPE | awk '$2 !~ /disk|rom|loop/ {print $1}' | sort -u); do
	[[ $device != /dev/vda* ]] || continue
	kind=$(blkid --probe --output value --match-tag TYPE "$device" 2>/dev/null) || continue
	label=$(blkid --probe --output value --match-tag LABEL "$device" || true)
	case $kind in
	ext* | xfs | btrfs | vfat)
		echo "== $kind $label $(uuid "$device") $(blockdev --getsize64 "$device")"
		# A log on a device of its own has to be named.
		mount -t "$kind" "$device" "$new" || mount -t "$kind" -o logdev=/dev/disk/by-partlabel/log "$device" "$new" || continue
		# Nobody mounts the top level of a btrfs with subvolumes, so its own times are not kept.
		python3 "$(dirname "$0")/fingerprint.py" "$new" | if [ "$kind" = btrfs ]; then grep -v '^\. '; else cat; fi
		umount "$new"
		;;
	swap) echo "== swap $label $(uuid "$device")" ;;
	crypto_LUKS)
		echo "== LUKS $(basename "$device")"
		cryptsetup luksDump "$device"
		;;
	esac
done
