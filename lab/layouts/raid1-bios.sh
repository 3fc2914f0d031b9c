# Root and swap on RAID 1 of two disks with GPT, GRUB for BIOS on both; a third array of the rest, RAID 0 with XFS.
disks="6 6"
make() {
	for disk in "$1" "$2"; do
		table "$disk" "1,$bios_boot,boot" "256,$raid,swap" "3000,$raid,root" "+,$raid,data"
	done
	mdadm --create /dev/md/swap --quiet --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none \
		--homehost=raid1-bios --name=swap "/dev/${1}2" "/dev/${2}2"
	mdadm --create /dev/md/root --quiet --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --assume-clean \
		--homehost=raid1-bios --name=root "/dev/${1}3" "/dev/${2}3"
	mdadm --create /dev/md/data --quiet --run --level=0 --raid-devices=2 --chunk=64K \
		--homehost=raid1-bios --name=data "/dev/${1}4" "/dev/${2}4"
	echo writemostly >"/sys/class/block/$(basename "$(readlink -f /dev/md/root)")/md/dev-${2}3/state"
	mkswap -q -L swap /dev/md/swap
	mke2fs -q -t ext4 -L root /dev/md/root
	mkfs.xfs -q -L data /dev/md/data
	mount /dev/md/root "$new"
	mkdir -p "$new/srv/data"
	mount /dev/md/data "$new/srv/data"
	copy_system raid1-bios <<-EOF
		UUID=$(uuid /dev/md/root) / ext4 errors=remount-ro 0 1
		UUID=$(uuid /dev/md/data) /srv/data xfs defaults,nofail 0 0
		UUID=$(uuid /dev/md/swap) none swap sw 0 0
	EOF
	cp -a /usr/share/doc "$new/srv/data/"
	mdadm --detail --scan >>"$new/etc/mdadm/mdadm.conf"
	grub_bios "$@"
	close
	mdadm --stop --scan
}
checks='grep -c "\[UU\]" /proc/mdstat | grep -qx 2
swapon --show --noheadings | grep -q /dev/md
test -d /srv/data/doc/bash
grep -q "(W)" /proc/mdstat'
