# Debian 13, BIOS: /boot apart (ext4), and an xfs root that is 95 % full.
root=trixie
firmware=bios
disk_size=3G
command_line="console=tty0 console=ttyS0,115200"
uuid=9b6c2f31-0d47-4b8e-a2c5-6e78ab780001
boot_uuid=9b6c2f31-0d47-4b8e-a2c5-6e78ab780002

partition_table() {
	cat <<-EOT
		label: gpt
		label-id: 4F4E4D4C-4B4A-4948-A746-454443424101
		start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name="BIOS boot", uuid=4F4E4D4C-4B4A-4948-A746-454443424111
		size=1048576, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="boot", uuid=4F4E4D4C-4B4A-4948-A746-454443424112
		type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="root", uuid=4F4E4D4C-4B4A-4948-A746-454443424113
	EOT
}
make_filesystems() {
	attach "$disk" 2
	boot_loop=$loop
	mke2fs -q -t ext4 -L boot -U $boot_uuid "$loop"
	attach "$disk" 3
	root_loop=$loop
	mkfs.xfs -q -f -L rootfs -m uuid=$uuid "$loop"
}
mount_filesystems() {
	mount_at "$mnt" "$root_loop"
	mount_at "$mnt/boot" "$boot_loop"
}
fstab() {
	cat <<-EOT
		UUID=$uuid / xfs defaults 0 0
		UUID=$boot_uuid /boot ext4 defaults 0 2
	EOT
}
root_parameter() { echo "root=UUID=$uuid"; }
loader() {
	# The same megabyte over and over: full for the filesystem, and small in an archive.
	cat <<-'EOT'
		grub-install --target=i386-pc /dev/vda
		update-grub
		head -c 1048576 /dev/urandom >/lab-piece
		total=$(df --output=size -m / | tail -n 1)
		mkdir -p /srv/full
		number=0
		while [ $(($(df --output=avail -m / | tail -n 1) * 100 / total)) -ge 5 ]; do
			# Not cat: since coreutils 9.1 it lets XFS share the blocks, and nothing gets full.
			for i in 1 2 3 4 5 6 7 8; do dd if=/lab-piece bs=1M status=none; done >/srv/full/$number
			number=$((number + 1))
		done
		rm /lab-piece
		sync
		df -m /
	EOT
}
