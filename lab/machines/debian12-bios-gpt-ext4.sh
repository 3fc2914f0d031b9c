# Debian 12, BIOS, GPT with a bios_grub partition, swap, ext4.
root=bookworm
firmware=bios
disk_size=4G
command_line="console=tty0 console=ttyS0,115200"
uuid=6a1c0b3e-5d0f-4d8a-9a43-0c12bd120001

partition_table() {
	cat <<-EOF
		label: gpt
		label-id: 0F0E0D0C-0B0A-4908-8706-050403021201
		start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name="BIOS boot", uuid=0F0E0D0C-0B0A-4908-8706-050403021211
		size=262144, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F, name="swap", uuid=0F0E0D0C-0B0A-4908-8706-050403021212
		type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="Debian root", uuid=0F0E0D0C-0B0A-4908-8706-050403021213, attrs="LegacyBIOSBootable GUID:59"
	EOF
}
make_filesystems() {
	attach "$disk" 2
	mkswap --quiet --label swap --uuid 6a1c0b3e-5d0f-4d8a-9a43-0c12bd120002 "$loop"
	attach "$disk" 3
	root_loop=$loop
	mke2fs -q -F -t ext4 -L rootfs -U "$uuid" -m 3 -i 8192 -E hash_seed=6a1c0b3e-5d0f-4d8a-9a43-0c12bd120003 "$loop"
	tune2fs -c 30 -i 6m -o journal_data_ordered,user_xattr,acl -e remount-ro "$loop" >/dev/null
}
mount_filesystems() { mount_at "$mnt" "$root_loop"; }
fstab() {
	cat <<-EOF
		# <file system> <mount point> <type> <options> <dump> <pass>
		UUID=$uuid / ext4 errors=remount-ro 0 1
		UUID=6a1c0b3e-5d0f-4d8a-9a43-0c12bd120002 none swap sw 0 0
	EOF
}
root_parameter() { echo "root=UUID=$uuid"; }
loader() {
	cat <<-'EOF'
		grub-install --target=i386-pc /dev/vda
		update-grub
	EOF
}
