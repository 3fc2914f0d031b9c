# Root on a btrfs RAID 1 of two disks with subvolumes as a snapper installation has them (the root is a subvolume of its own, its snapshots
# in another), GRUB on both; beside it an ext4 whose journal and an XFS whose log are on the third disk.
disks="5 5 2"
make() {
	for disk in "$1" "$2"; do table "$disk" "1,$bios_boot,boot" "256,$linux,swap" "+,$linux,root"; done
	table "$3" "600,$linux,data" "64,$linux,journal" "700,$linux,records" "+,$linux,log"
	mkfs.btrfs -q -L system -d raid1 -m raid1 "/dev/${2}3" "/dev/${1}3"
	mkswap -q -L swap "/dev/${1}2"
	mke2fs -q -O journal_dev -b 4096 "/dev/${3}2"
	mke2fs -q -t ext4 -b 4096 -L data -J "device=/dev/${3}2" "/dev/${3}1"
	mkfs.xfs -q -f -L records -l "logdev=/dev/${3}4,size=100m" "/dev/${3}3"
	mount "/dev/${1}3" "$new"
	for name in @ @home @snapshots; do btrfs --quiet subvolume create "$new/$name" >/dev/null; done
	umount "$new"
	mount -o subvol=@ "/dev/${1}3" "$new"
	mkdir -p "$new/home" "$new/.snapshots" "$new/srv/data" "$new/srv/records"
	mount -o subvol=@home "/dev/${1}3" "$new/home"
	mount -o subvol=@snapshots "/dev/${1}3" "$new/.snapshots"
	mount "/dev/${3}1" "$new/srv/data"
	mount -o "logdev=/dev/${3}4" "/dev/${3}3" "$new/srv/records"
	local root log
	root=$(uuid "/dev/${1}3")
	log=$(blkid --probe --output value --match-tag PART_ENTRY_UUID "/dev/${3}4")
	copy_system btrfs-several-bios <<-EOF
		UUID=$root / btrfs subvol=@ 0 0
		UUID=$root /home btrfs subvol=@home 0 0
		UUID=$root /.snapshots btrfs subvol=@snapshots 0 0
		LABEL=swap none swap sw 0 0
		LABEL=data /srv/data ext4 defaults 0 2
		LABEL=records /srv/records xfs logdev=/dev/disk/by-partuuid/$log 0 0
	EOF
	cp -a /usr/share/doc/[a-c]* "$new/srv/data/"
	cp -a /usr/share/doc/[d-f]* "$new/srv/records/"
	cp -a /usr/share/doc/[g-h]* "$new/home/"
	btrfs --quiet subvolume snapshot -r "$new" "$new/.snapshots/first" >/dev/null
	inside update-initramfs -u
	grub_bios "$1" "$2"
	close
}
checks='btrfs filesystem show / | grep -c "devid" | grep -qx 2
btrfs filesystem df / | grep -q "^Data, RAID1"
findmnt -no OPTIONS / | grep -q "subvol=/@"
test -d /srv/data/bash && test -d /srv/records/dbus && test -d /home/grep
findmnt -no OPTIONS /srv/records | grep -q logdev=
dumpe2fs -h /dev/disk/by-label/data 2>/dev/null | grep -q "Journal UUID"'
