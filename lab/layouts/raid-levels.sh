# A plain root, and beside it RAID 5 of whole disks, RAID 6 that lacks a member, RAID 10 with far copies and a spare, a partitioned
# RAID 1 with metadata 1.0, RAID 4, and a mirror with metadata 0.90: everything that is no root.
disks="5 1 1 1 1"
make() {
	root=$1
	table "$root" "1,$bios_boot,boot" "3000,$linux,root" "+,$linux,rest"
	shift
	for disk in "$@"; do table "$disk" "200,$raid,five" "200,$raid,six" "200,$raid,ten" "200,$raid,parts" "+,$raid,old"; done
	mdadm --create /dev/md/five --quiet --run --level=5 --raid-devices=3 --spare-devices=1 --chunk=128K --bitmap=internal \
		--homehost=raid-levels --name=five "/dev/${1}1" "/dev/${2}1" "/dev/${3}1" "/dev/${4}1"
	mdadm --create /dev/md/six --quiet --run --level=6 --raid-devices=5 --bitmap=none \
		--homehost=raid-levels --name=six "/dev/${1}2" "/dev/${2}2" missing "/dev/${3}2" "/dev/${4}2"
	mdadm --create /dev/md/ten --quiet --run --level=10 --layout=f2 --raid-devices=3 --spare-devices=1 --bitmap=none \
		--homehost=raid-levels --name=ten "/dev/${1}3" "/dev/${2}3" "/dev/${3}3" "/dev/${4}3"
	mdadm --create /dev/md/parts --quiet --run --level=1 --raid-devices=4 --metadata=1.0 --bitmap=none \
		--homehost=raid-levels --name=parts "/dev/${1}4" "/dev/${2}4" "/dev/${3}4" "/dev/${4}4"
	mdadm --create /dev/md0 --quiet --run --level=1 --raid-devices=4 --metadata=0.90 --bitmap=none \
		"/dev/${1}5" "/dev/${2}5" "/dev/${3}5" "/dev/${4}5"
	parts=$(readlink -f /dev/md/parts)
	printf 'label: gpt\nsize=100MiB\n\n' | sfdisk --quiet "$parts"
	udevadm settle
	mke2fs -q -t ext4 -L root "/dev/${root}2"
	mke2fs -q -t ext4 -L five /dev/md/five
	mke2fs -q -t ext2 -L six /dev/md/six
	mkfs.btrfs -q -L ten /dev/md/ten
	mke2fs -q -t ext4 -L one "${parts}p1"
	mke2fs -q -t ext4 -L old /dev/md0
	mkswap -q -L rest "/dev/${root}3"
	mount "/dev/${root}2" "$new"
	for name in five six ten one old; do
		mkdir -p "$new/srv/$name"
		mount -L "$name" "$new/srv/$name"
	done
	copy_system raid-levels <<-EOF
		LABEL=root / ext4 errors=remount-ro 0 1
		LABEL=rest none swap sw 0 0
		LABEL=five /srv/five ext4 defaults 0 2
		LABEL=six /srv/six ext2 defaults 0 2
		LABEL=ten /srv/ten btrfs defaults 0 0
		LABEL=one /srv/one ext4 defaults 0 2
		LABEL=old /srv/old ext4 defaults 0 2
	EOF
	for name in five six ten one old; do cp -a /usr/share/doc/[a-c]* "$new/srv/$name/"; done
	mdadm --detail --scan >>"$new/etc/mdadm/mdadm.conf"
	grub_bios "$root"
	close
	mdadm --stop --scan
}
# A kernel starts no array that lacks a member and was not stopped: nobody could compare its files.
before_cut='six=$(findmnt -no SOURCE /srv/six) && umount /srv/six && mdadm --stop "$six"'
checks='for name in five six ten one old; do test -d /srv/$name/bash || exit 1; done
grep -q "5/4" /proc/mdstat'
