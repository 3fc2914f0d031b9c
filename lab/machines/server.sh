# A file server on Debian 12: BIOS, GPT, ext4. It is never lost.
root=server
firmware=bios
disk_size=4G
command_line="console=tty0 console=ttyS0,115200"
uuid=6a1c0b3e-5d0f-4d8a-9a43-0c12bd120201

partition_table() {
	cat <<-EOF
		label: gpt
		start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name="BIOS boot"
		type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="root"
	EOF
}
make_filesystems() {
	attach "$disk" 2
	root_loop=$loop
	mke2fs -q -F -t ext4 -L rootfs -U "$uuid" "$loop"
}
mount_filesystems() { mount_at "$mnt" "$root_loop"; }
fstab() { echo "UUID=$uuid / ext4 errors=remount-ro 0 1"; }
root_parameter() { echo "root=UUID=$uuid"; }
loader() {
	cat <<-'EOF'
		grub-install --target=i386-pc /dev/vda
		update-grub
	EOF
}
