#!/bin/bash
# PID 1 of a lab machine's first boot: runs /lab-loader, removes both, powers off. Says LAB-FIRST-BOOT-OK when all went well.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
end() {
	sync
	umount -a 2>/dev/null
	mount -o remount,ro / 2>/dev/null
	echo "$1"
	# Waits until the line is out (TCSADRAIN): what the kernel says of the power-off would stand in its middle.
	stty -echo
	echo o >/proc/sysrq-trigger
	# The kernel powers off from a work queue: PID 1 must not end before.
	while :; do sleep 1; done
}
mount -o remount,rw / || end "LAB-FIRST-BOOT-FAILED remount"
mount -a || end "LAB-FIRST-BOOT-FAILED mount"
mountpoint -q /tmp || mount -t tmpfs tmpfs /tmp
[ ! -d /sys/firmware/efi ] || mount -t efivarfs efivarfs /sys/firmware/efi/efivars || end "LAB-FIRST-BOOT-FAILED efivars"
hostname -F /etc/hostname
# A shell of its own: in a list with || bash ignores set -e, and what failed would count as done.
bash -ex /lab-loader || end "LAB-FIRST-BOOT-FAILED loader"
rm -f /lab-loader /lab-first-boot
end LAB-FIRST-BOOT-OK
