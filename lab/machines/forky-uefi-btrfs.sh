# Debian forky (testing) as its installer makes it on UEFI with btrfs: vfat ESP, one btrfs whose subvolume @rootfs is /,
# swap; signed shim and GRUB, initramfs by dracut.
root=forky
firmware=uefi
disk_size=4G
command_line="console=tty0 console=ttyS0,115200"
uuid=5e7b4a10-91c3-4c2e-8f6a-4a56ef560001

partition_table() {
	cat <<-EOT
		label: gpt
		label-id: 3F3E3D3C-3B3A-4938-A736-353433323101
		start=2048, size=1048576, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=3F3E3D3C-3B3A-4938-A736-353433323111
		size=6553600, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=3F3E3D3C-3B3A-4938-A736-353433323112
		type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F, uuid=3F3E3D3C-3B3A-4938-A736-353433323113
	EOT
}
make_filesystems() {
	attach "$disk" 1
	mkfs.fat -F 32 -i 3C4D5E6F "$loop" >/dev/null
	attach "$disk" 2
	root_loop=$loop
	mkfs.btrfs --quiet --force --uuid $uuid "$loop" >/dev/null
	attach "$disk" 3
	mkswap --quiet --uuid 5e7b4a10-91c3-4c2e-8f6a-4a56ef560002 "$loop"
}
mount_filesystems() {
	mount_at "$work/top" "$root_loop"
	btrfs --quiet subvolume create "$work/top/@rootfs" >/dev/null
	mount_at "$mnt" -o subvol=@rootfs "$root_loop"
	mkdir -p "$mnt/boot/efi"
}
fstab() {
	cat <<-EOT
		# / was on /dev/vda2 during installation
		UUID=$uuid /               btrfs   defaults,subvol=@rootfs 0       0
		UUID=3C4D-5E6F  /boot/efi       vfat    umask=0077      0       1
		UUID=5e7b4a10-91c3-4c2e-8f6a-4a56ef560002 none            swap    sw              0       0
	EOT
}
root_parameter() { echo "root=UUID=$uuid rootflags=subvol=@rootfs"; }
loader() {
	cat <<-'EOT'
		grub-install --target=x86_64-efi --uefi-secure-boot
		update-grub
		efibootmgr -v
		mkdir -p /home/alice && echo hello >/home/alice/letter && chown -R 1000:1000 /home/alice
	EOT
}
