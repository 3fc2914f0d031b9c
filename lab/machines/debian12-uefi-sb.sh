# Debian 12, UEFI with Secure Boot: vfat ESP, ext4 /boot, xfs root, signed shim and GRUB, started by an NVRAM entry.
# /boot is apart because the signed GRUB 2.06-13+deb12u2 stopped at its prompt on an XFS that held it.
root=bookworm
firmware=uefi-secure
disk_size=4G
command_line="console=tty0 console=ttyS0,115200"
uuid=7b2d1c4f-6e10-4e9b-8b54-1d23ce230001
boot_uuid=7b2d1c4f-6e10-4e9b-8b54-1d23ce230002

partition_table() {
	cat <<-EOF
		label: gpt
		label-id: 1F1E1D1C-1B1A-4918-9716-151413121101
		start=2048, size=262144, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI System Partition", uuid=1F1E1D1C-1B1A-4918-9716-151413121111
		size=1048576, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="boot", uuid=1F1E1D1C-1B1A-4918-9716-151413121113
		type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="root", uuid=1F1E1D1C-1B1A-4918-9716-151413121112
	EOF
}
make_filesystems() {
	attach "$disk" 1
	mkfs.fat -F 32 -n ESP -i 1A2B3C4D "$loop" >/dev/null
	attach "$disk" 2
	boot_loop=$loop
	mke2fs -q -t ext4 -L boot -U $boot_uuid "$loop"
	attach "$disk" 3
	root_loop=$loop
	mkfs.xfs -q -f -L rootfs -m uuid=$uuid -i size=1024 "$loop"
}
mount_filesystems() {
	mount_at "$mnt" "$root_loop"
	mount_at "$mnt/boot" "$boot_loop"
	mkdir -p "$mnt/boot/efi"
}
fstab() {
	cat <<-EOF
		UUID=$uuid / xfs defaults 0 0
		UUID=$boot_uuid /boot ext4 defaults 0 2
		UUID=1A2B-3C4D /boot/efi vfat umask=0077 0 1
	EOF
}
root_parameter() { echo "root=UUID=$uuid"; }
loader() {
	cat <<-'EOF'
		grub-install --target=x86_64-efi --uefi-secure-boot
		update-grub
		efibootmgr -v
	EOF
}
