# Debian 13, UEFI: vfat ESP with systemd-boot, btrfs with the subvolumes @ and @home.
root=trixie
firmware=uefi
disk_size=4G
command_line="console=tty0 console=ttyS0,115200"
uuid=8c3e2d50-7f21-4fac-9c65-2e34df340001

partition_table() {
	cat <<-EOF
		label: gpt
		label-id: 2F2E2D2C-2B2A-4928-A726-252423222101
		start=2048, size=1048576, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="esp", uuid=2F2E2D2C-2B2A-4928-A726-252423222111
		type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="root-x86-64", uuid=2F2E2D2C-2B2A-4928-A726-252423222112
	EOF
}
make_filesystems() {
	attach "$disk" 1
	mkfs.fat -F 32 -n ESP -i 2B3C4D5E "$loop" >/dev/null
	attach "$disk" 2
	root_loop=$loop
	mkfs.btrfs --quiet --force --label rootfs --uuid $uuid "$loop" >/dev/null
}
mount_filesystems() {
	mount_at "$work/top" "$root_loop"
	btrfs --quiet subvolume create "$work/top/@" >/dev/null
	btrfs --quiet subvolume create "$work/top/@home" >/dev/null
	mount_at "$mnt" -o subvol=@ "$root_loop"
	mount_at "$mnt/home" -o subvol=@home "$root_loop"
	mkdir -p "$mnt/boot/efi"
}
fstab() {
	cat <<-EOF
		UUID=$uuid / btrfs subvol=@,compress=zstd:3,noatime 0 0
		UUID=$uuid /home btrfs subvol=@home,noatime 0 0
		UUID=2B3C-4D5E /boot/efi vfat umask=0077 0 1
	EOF
}
root_parameter() { echo "root=UUID=$uuid rootflags=subvol=@"; }
loader() {
	cat <<-EOF
		echo "root=UUID=$uuid rootflags=subvol=@ ro $command_line" >/etc/kernel/cmdline
		bootctl install
		for kernel in /boot/vmlinuz-*; do
			version=\${kernel#/boot/vmlinuz-}
			kernel-install add "\$version" "\$kernel" "/boot/initrd.img-\$version"
		done
		bootctl list --no-pager
		mkdir -p /home/alice && echo hello >/home/alice/letter && chown -R 1000:1000 /home/alice
	EOF
}
