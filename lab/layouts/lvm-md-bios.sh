# Root, swap and /home in one volume group on RAID 1 of two disks, /boot on a mirror of its own with metadata 1.0; a second group with
# striped, mirrored (raid1), RAID 5 and thin volumes on three more disks, one of them a physical volume as a whole.
disks="5 5 1 1 1"
make() {
	for disk in "$1" "$2"; do table "$disk" "1,$bios_boot,boot" "300,$raid,boot" "+,$raid,system"; done
	mdadm --create /dev/md/boot --quiet --run --level=1 --raid-devices=2 --metadata=1.0 --bitmap=none --assume-clean \
		--homehost=lvm-md-bios --name=boot "/dev/${1}2" "/dev/${2}2"
	mdadm --create /dev/md/system --quiet --run --level=1 --raid-devices=2 --bitmap=internal --assume-clean \
		--homehost=lvm-md-bios --name=system "/dev/${1}3" "/dev/${2}3"
	vgcreate --quiet --addtag production system /dev/md/system
	lvcreate --quiet --yes --name swap --extents 64 system
	lvcreate --quiet --yes --name root --size 2600m system
	lvcreate --quiet --yes --name home --size 300m system
	lvcreate --quiet --yes --name root-2 --size 100m system
	lvremove --quiet --yes system/root-2
	lvextend --quiet --size +200m system/root
	table "$3" "+,$lvm,data"
	table "$4" "+,$lvm,data"
	vgcreate --quiet --physicalextentsize 1m data-pool "/dev/${3}1" "/dev/${4}1" "/dev/$5"
	lvcreate --quiet --yes --name striped --stripes 2 --stripesize 64k --size 100m data-pool
	lvcreate --quiet --yes --name twice --type raid1 --mirrors 1 --size 100m data-pool
	lvcreate --quiet --yes --name five --type raid5 --stripes 2 --size 100m data-pool
	lvcreate --quiet --yes --name pool --type thin-pool --size 200m --chunksize 128k --poolmetadatasize 8m data-pool
	lvcreate --quiet --yes --name thin --type thin --virtualsize 2g --thinpool pool data-pool
	mkswap -q -L swap /dev/system/swap
	mke2fs -q -t ext4 -L boot /dev/md/boot
	mke2fs -q -t ext4 -L root /dev/system/root
	mkfs.xfs -q -f -L home /dev/system/home
	for name in striped twice five thin; do mke2fs -q -t ext4 -L "$name" "/dev/data-pool/$name"; done
	mount /dev/system/root "$new"
	mkdir -p "$new/boot" "$new/home"
	mount /dev/md/boot "$new/boot"
	mount /dev/system/home "$new/home"
	for name in striped twice five thin; do
		mkdir -p "$new/srv/$name"
		mount "/dev/data-pool/$name" "$new/srv/$name"
	done
	copy_system lvm-md-bios <<-EOF
		/dev/mapper/system-root / ext4 errors=remount-ro 0 1
		UUID=$(uuid /dev/md/boot) /boot ext4 defaults 0 2
		/dev/system/home /home xfs defaults 0 0
		/dev/mapper/system-swap none swap sw 0 0
		LABEL=striped /srv/striped ext4 defaults 0 2
		LABEL=twice /srv/twice ext4 defaults 0 2
		LABEL=five /srv/five ext4 defaults 0 2
		LABEL=thin /srv/thin ext4 defaults 0 2
	EOF
	for name in striped twice five thin; do cp -a /usr/share/doc/[a-c]* "$new/srv/$name/"; done
	cp -a /usr/share/doc/[d-f]* "$new/home/"
	mdadm --detail --scan >>"$new/etc/mdadm/mdadm.conf"
	grub_bios "$1" "$2"
	close
	vgchange --quiet --activate n
	mdadm --stop --scan
}
checks='findmnt -no SOURCE / | grep -q system-root
for name in striped twice five thin; do test -d /srv/$name/bash || exit 1; done
vgs --noheadings -o tags system | grep -q production
lvs --noheadings -o segtype data-pool | sort | xargs | grep -qx "raid1 raid5 striped thin thin-pool"'
