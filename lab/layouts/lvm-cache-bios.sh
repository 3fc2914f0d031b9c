# Root and swap on plain volumes; a second group on a slow and a fast disk, with a volume behind a cache volume, one behind a cache pool, one
# behind a writecache, and a RAID 1 over both disks.
disks="5 1 1"
make() {
	table "$1" "1,$bios_boot,boot" "+,$lvm,system"
	vgcreate --quiet system "/dev/${1}2"
	lvcreate --quiet --yes --name swap --extents 64 system
	lvcreate --quiet --yes --name root --size 3g system
	table "$2" "+,$lvm,slow"
	vgcreate --quiet data "/dev/${2}1" "/dev/$3"
	lvcreate --quiet --yes --name cached --size 160m data "/dev/${2}1"
	lvcreate --quiet --yes --name fast --size 60m data "/dev/$3"
	lvconvert --quiet --yes --type cache --cachevol fast --cachemode writeback --chunksize 128k data/cached
	lvcreate --quiet --yes --name pooled --size 160m data "/dev/${2}1"
	lvcreate --quiet --yes --type cache-pool --name quick --size 40m --poolmetadatasize 12m --chunksize 64k data "/dev/$3"
	lvconvert --quiet --yes --type cache --cachepool quick --cachemode writethrough --cachesettings migration_threshold=4096 data/pooled
	lvcreate --quiet --yes --name written --size 160m data "/dev/${2}1"
	lvcreate --quiet --yes --name log --size 40m data "/dev/$3"
	lvchange --quiet --activate n data/log
	lvconvert --quiet --yes --type writecache --cachevol log --cachesettings 'block_size=4096 high_watermark=60' data/written
	lvcreate --quiet --yes --type raid1 --mirrors 1 \
		--name checked --size 120m data "/dev/${2}1" "/dev/$3"
	mkswap -q -L swap /dev/system/swap
	mke2fs -q -t ext4 -L root /dev/system/root
	for name in cached pooled written checked; do mke2fs -q -t ext4 -b 4096 -L "$name" "/dev/data/$name"; done
	mount /dev/system/root "$new"
	for name in cached pooled written checked; do
		mkdir -p "$new/srv/$name"
		mount "/dev/data/$name" "$new/srv/$name"
	done
	copy_system lvm-cache-bios <<-EOF2
		/dev/mapper/system-root / ext4 errors=remount-ro 0 1
		/dev/mapper/system-swap none swap sw 0 0
		LABEL=cached /srv/cached ext4 defaults 0 2
		LABEL=pooled /srv/pooled ext4 defaults 0 2
		LABEL=written /srv/written ext4 defaults 0 2
		LABEL=checked /srv/checked ext4 defaults 0 2
	EOF2
	for name in cached pooled written checked; do cp -a /usr/share/doc/[a-c]* "$new/srv/$name/"; done
	grub_bios "$1"
	close
	vgchange --quiet --activate n
}
checks='for name in cached pooled written checked; do test -d /srv/$name/bash || exit 1; done
lvs --noheadings -o segtype data | sort | xargs | grep -qx "cache cache raid1 writecache"
lvs --noheadings -o cache_mode data/cached | grep -q writeback'
