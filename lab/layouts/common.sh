# Shared by the layouts of this folder; runs in the machine debian12-layouts, as root, with bash. The disks of the machine that is
# made or read are $@ (vdb, vdc, …), without /dev.
set -euo pipefail
export LC_ALL=C
new=/run/new
mkdir -p "$new"

# A GPT: table DISK SIZE,TYPE,NAME… (MiB or + for the rest; types as sfdisk names them).
table() {
	local disk=$1
	shift
	{
		echo "label: gpt"
		local part size type name
		for part in "$@"; do
			IFS=, read -r size type name <<<"$part"
			[ "$size" = + ] || size="size=${size}MiB,"
			echo "${size#+} type=$type, name=\"$name\""
		done
	} | sfdisk --quiet --wipe always "/dev/$disk"
	udevadm settle
}
bios_boot=21686148-6449-6E6F-744E-656564454649
esp=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
raid=A19D880F-05FC-4D3B-A006-743F0F84911E
linux=0FC63DAF-8483-4772-8E79-3D69D8477DE4
lvm=E6D6D379-F507-44C2-A23C-238F2A3DF928

# The system that runs here, copied to $new, under the name of the layout and with /etc/fstab from standard input. Its odd files
# (lab/odd-files.py) stay behind: tar cannot copy all of them, and they are recovered in other scenarios.
copy_system() {
	# 1: a directory that something is mounted on changed meanwhile.
	{ tar --create --one-file-system --exclude=./srv/odd --exclude=./var/cache/apt --sparse --xattrs --xattrs-include='*' --acls --directory / . || [ $? = 1 ]; } |
		tar --extract --preserve-permissions --xattrs --xattrs-include='*' --acls --numeric-owner --directory "$new"
	cat >"$new/etc/fstab"
	echo "$1" >"$new/etc/hostname"
	printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$1" >"$new/etc/hosts"
	hostname "$1"
	for directory in dev proc sys run; do mount --bind "/$directory" "$new/$directory"; done
}
inside() { chroot "$new" "$@"; }
# GRUB for BIOS on these disks.
grub_bios() {
	for disk in "$@"; do inside grub-install --target=i386-pc "/dev/$disk"; done
	inside update-grub
}
uuid() { blkid --probe --output value --match-tag UUID "$1"; }
# Unmounts the new machine and stops what it is made of.
close() {
	umount --recursive "$new"
	sync
}
