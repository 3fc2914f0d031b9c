# Debian forky (testing) on BIOS: MBR, ext4, initramfs by initramfs-tools.
root=forky-initramfs-tools
firmware=bios
disk_size=4G
command_line="console=tty0 console=ttyS0,115200"
uuid=5e7b4a10-91c3-4c2e-8f6a-4a56ef560101

partition_table() {
	cat <<-EOT
		label: dos
		label-id: 0x1badb0f0
		start=2048, size=7340032, type=83, bootable
		type=5
		type=82
	EOT
}
make_filesystems() {
	attach "$disk" 1
	root_loop=$loop
	mke2fs -q -F -t ext4 -U $uuid "$loop"
	attach "$disk" 5
	mkswap --quiet --uuid 5e7b4a10-91c3-4c2e-8f6a-4a56ef560102 "$loop"
}
mount_filesystems() { mount_at "$mnt" "$root_loop"; }
fstab() {
	cat <<-EOT
		UUID=$uuid / ext4 errors=remount-ro 0 1
		UUID=5e7b4a10-91c3-4c2e-8f6a-4a56ef560102 none swap sw 0 0
	EOT
}
root_parameter() { echo "root=UUID=$uuid"; }
loader() {
	cat <<-'EOT'
		grub-install --target=i386-pc /dev/vda
		update-grub
	EOT
}
