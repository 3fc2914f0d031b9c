# Debian 12, BIOS, MBR: primary ext4 root, an extended partition with /home (ext3) and swap as logical ones, a swap file.
root=bookworm
firmware=bios
disk_size=4G
command_line="console=tty0 console=ttyS0,115200"
uuid=9d4f3e61-8032-40bd-8d76-3f45e0450001

partition_table() {
	cat <<-EOF
		label: dos
		label-id: 0x1badb002
		start=2048, size=6291456, type=83, bootable
		type=5
		size=262144, type=82
		type=83
	EOF
}
make_filesystems() {
	attach "$disk" 1
	root_loop=$loop
	mke2fs -q -F -t ext4 -L rootfs -U $uuid -O ^metadata_csum,^64bit -J size=32 "$loop"
	attach "$disk" 5
	mkswap --quiet --label swap --uuid 9d4f3e61-8032-40bd-8d76-3f45e0450002 "$loop"
	attach "$disk" 6
	home_loop=$loop
	mke2fs -q -F -t ext3 -L home -U 9d4f3e61-8032-40bd-8d76-3f45e0450003 -m 0 "$loop"
}
mount_filesystems() {
	mount_at "$mnt" "$root_loop"
	mount_at "$mnt/home" "$home_loop"
}
fstab() {
	cat <<-EOF
		UUID=$uuid / ext4 errors=remount-ro 0 1
		UUID=9d4f3e61-8032-40bd-8d76-3f45e0450003 /home ext3 defaults,nodev,nosuid 0 2
		UUID=9d4f3e61-8032-40bd-8d76-3f45e0450002 none swap sw 0 0
		/swapfile none swap sw,pri=1 0 0
	EOF
}
root_parameter() { echo "root=UUID=$uuid"; }
loader() {
	cat <<-'EOF'
		dd if=/dev/zero of=/swapfile bs=1M count=64 status=none
		chmod 600 /swapfile
		mkswap --quiet /swapfile
		mkdir -p /home/alice && echo hello >/home/alice/letter && chown -R 1000:1000 /home/alice
		grub-install --target=i386-pc /dev/vda
		update-grub
	EOF
}
