# As Debian's installer encrypts a machine: /boot plain, LUKS2 on a partition, root and swap in a volume group on it. Beside it LUKS1 on a
# volume of a group on a second disk, with a part of a key file, and swap with a new random key at each start.
# The root's key is in the initramfs, so that the machine starts without a person; the data's is on the root.
disks="5 1"
make() {
	table "$1" "1,$bios_boot,boot" "300,$linux,boot" "+,$linux,system"
	table "$2" "600,$lvm,data" "+,$linux,swap"
	install -d -m 700 /run/keys
	dd if=/dev/urandom of=/run/keys/root.key bs=64 count=1 status=none
	dd if=/dev/urandom of=/run/keys/data.key bs=512 count=1 status=none
	pbkdf=(--pbkdf pbkdf2 --pbkdf-force-iterations 1000)
	cryptsetup luksFormat --batch-mode --type luks2 "${pbkdf[@]}" --label system --key-file /run/keys/root.key "/dev/${1}3"
	printf %s "correct horse" | cryptsetup luksAddKey --batch-mode "${pbkdf[@]}" --key-file /run/keys/root.key "/dev/${1}3" -
	cryptsetup open --key-file /run/keys/root.key "/dev/${1}3" "${1}3_crypt"
	vgcreate --quiet system "/dev/mapper/${1}3_crypt"
	lvcreate --quiet --yes --name swap --extents 64 system
	lvcreate --quiet --yes --name root --extents 100%FREE system
	vgcreate --quiet data "/dev/${2}1"
	lvcreate --quiet --yes --name secret --size 400m data
	# The second 256 bytes are the key.
	cryptsetup luksFormat --batch-mode --type luks1 "${pbkdf[@]}" --key-file /run/keys/data.key --keyfile-offset 256 --keyfile-size 256 /dev/data/secret
	cryptsetup open --key-file /run/keys/data.key --keyfile-offset 256 --keyfile-size 256 /dev/data/secret secret
	mkswap -q -L swap /dev/system/swap
	mke2fs -q -t ext4 -L boot "/dev/${1}2"
	mke2fs -q -t ext4 -L root /dev/system/root
	mkfs.xfs -q -f -L secret /dev/mapper/secret
	mount /dev/system/root "$new"
	mkdir -p "$new/boot" "$new/srv/secret"
	mount "/dev/${1}2" "$new/boot"
	mount /dev/mapper/secret "$new/srv/secret"
	copy_system luks-lvm-bios <<-EOF
		/dev/mapper/system-root / ext4 errors=remount-ro 0 1
		UUID=$(uuid "/dev/${1}2") /boot ext4 defaults 0 2
		/dev/mapper/system-swap none swap sw 0 0
		/dev/mapper/secret /srv/secret xfs defaults 0 0
		/dev/mapper/cswap none swap sw 0 0
	EOF
	install -d -m 700 "$new/etc/keys"
	install -m 400 /run/keys/*.key "$new/etc/keys/"
	cat >"$new/etc/crypttab" <<-EOF
		${1}3_crypt UUID=$(uuid "/dev/${1}3") /etc/keys/root.key luks,discard
		secret /dev/data/secret /etc/keys/data.key luks,keyfile-offset=256,keyfile-size=256
		cswap PARTUUID=$(blkid --probe --output value --match-tag PART_ENTRY_UUID "/dev/${2}2") /dev/urandom swap,plain,cipher=aes-xts-plain64,size=256
	EOF
	echo 'KEYFILE_PATTERN="/etc/keys/root.key"' >>"$new/etc/cryptsetup-initramfs/conf-hook"
	echo 'UMASK=0077' >>"$new/etc/initramfs-tools/initramfs.conf"
	cp -a /usr/share/doc/[a-c]* "$new/srv/secret/"
	inside update-initramfs -u
	grub_bios "$1"
	close
	cryptsetup close secret
	vgchange --quiet --activate n
	cryptsetup close "${1}3_crypt"
}
# Opens what is encrypted on the disks of such a machine: the data's key is on its root.
unlock() {
	printf %s "correct horse" | cryptsetup open --key-file - "/dev/${1}3" "${1}3_crypt"
	vgchange --quiet --activate y
	mount -o ro /dev/system/root "$new"
	cryptsetup open --key-file "$new/etc/keys/data.key" --keyfile-offset 256 --keyfile-size 256 /dev/data/secret secret
	umount "$new"
}
checks='findmnt -no SOURCE / | grep -q system-root
cryptsetup status secret | grep -q "type: *LUKS1"
swapon --show=NAME --noheadings | wc -l | grep -qx 2
cryptsetup luksDump /dev/disk/by-label/system | grep -q "1: luks2"
printf %s "correct horse" | cryptsetup open --test-passphrase --key-file - $(blkid -t LABEL=system -o device)
test -d /srv/secret/bash'
