# Root on RAID 1 of two disks, the EFI system partition on RAID 1 with its superblock at the end; a boot entry for the first disk.
disks="5 5"
firmware=uefi
make() {
	for disk in "$1" "$2"; do table "$disk" "128,$esp,esp" "+,$raid,root"; done
	mdadm --create /dev/md/esp --quiet --run --level=1 --raid-devices=2 --metadata=1.0 --bitmap=none \
		--homehost=raid1-uefi --name=esp "/dev/${1}1" "/dev/${2}1"
	mdadm --create /dev/md/root --quiet --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --assume-clean \
		--homehost=raid1-uefi --name=root "/dev/${1}2" "/dev/${2}2"
	mkfs.fat -F 32 -n ESP /dev/md/esp >/dev/null
	mke2fs -q -t ext4 -L root /dev/md/root
	mount /dev/md/root "$new"
	mkdir -p "$new/boot/efi"
	mount /dev/md/esp "$new/boot/efi"
	copy_system raid1-uefi <<-EOF
		UUID=$(uuid /dev/md/root) / ext4 errors=remount-ro 0 1
		UUID=$(uuid /dev/md/esp) /boot/efi vfat umask=0077 0 1
	EOF
	mdadm --detail --scan >>"$new/etc/mdadm/mdadm.conf"
	inside grub-install --target=x86_64-efi --no-nvram --efi-directory=/boot/efi --bootloader-id=debian
	inside grub-install --target=x86_64-efi --no-nvram --efi-directory=/boot/efi --removable
	inside update-grub
	close
	mdadm --stop --scan
}
# Before it is recorded: what an installer would have done.
prepare='efibootmgr --quiet --create --disk /dev/vda --part 1 --label debian --loader "\EFI\debian\grubx64.efi"'
checks='grep -c "\[UU\]" /proc/mdstat | grep -qx 2
mountpoint -q /boot/efi
efibootmgr | grep -c debian | grep -qx 2'
