#!/bin/bash
# Makes a real Debian machine without Lifeboat: a raw disk, for UEFI machines with its NVRAM, and the kernel it runs.
# usage: lab/machine.sh NAME [OUT.img]
#
# NAME is a file of lab/machines/. The result is cached, under a name that holds the hash of everything that makes it,
# and the cache directory is printed. It holds disk.img, vmlinuz, initrd.img, console.log of the first boot and, for
# UEFI, vars.fd and (when it is enforced) an empty file secure-boot. With OUT.img the disk is copied there, and its
# NVRAM to OUT.vars.fd.
set -euo pipefail
lab=$(dirname "$(readlink -f "$0")")
. "$lab/lib.sh"

name=$1
definition=$lab/machines/$name.sh
[ -e "$definition" ] || die "no such machine: $name; there are: $(cd "$lab/machines" && echo *.sh)"
# A definition sets root, firmware, disk_size, command_line, and the functions make_filesystems, mount_filesystems,
# fstab and loader (text of a shell script that runs in the machine at its first boot).
. "$definition"
# Without hardware virtualisation the test that the first one turns off fails now and then on a busy host, and the kernel
# panics; the others keep the timer periodic, for a one-shot timer that is lost leaves a processor idle for good
# (kernel-parameters.txt).
timers="no_timer_check nohz=off highres=off"
command_line="$command_line $timers"

directory=$(cache_directory)/$name-$(hash_of "$lab/machine.sh" "$lab/lib.sh" "$lab/odd-files.py" "$lab/first-boot.sh" \
	"$definition" "$lab/root.sh" "$lab/roots/$root.packages")
deliver() {
	if [ $# -gt 0 ]; then
		cp --sparse=always --reflink=auto "$directory/disk.img" "$1"
		[ ! -e "$directory/vars.fd" ] || cp "$directory/vars.fd" "${1%.img}.vars.fd"
	fi
	echo "$directory"
	exit
}

exec 8>"$directory.lock"
flock 8
[ ! -e "$directory/done" ] || deliver "${@:2}"
tar=$("$lab/root.sh" "$root" 8>&-)
note "making the machine $name"
rm -rf "$directory"
mkdir "$directory"
make_work
disk=$work/disk.img
mnt=$work/root

truncate --size "$disk_size" "$disk"
partition_table | sfdisk --quiet "$disk"
make_filesystems
mount_filesystems
tar --extract --file "$tar" --directory "$mnt" --numeric-owner --xattrs --xattrs-include='*' --acls

echo "$name" >"$mnt/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >"$mnt/etc/hosts"
hash_of <(echo "$name") | md5sum | cut -c1-32 >"$mnt/etc/machine-id"
fstab >"$mnt/etc/fstab"
mkdir -p "$mnt/etc/systemd/journald.conf.d" "$mnt/etc/systemd/system/serial-getty@ttyS0.service.d"
printf '[Journal]\nStorage=volatile\n' >"$mnt/etc/systemd/journald.conf.d/lab.conf"
printf '[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 %%I linux\n' \
	>"$mnt/etc/systemd/system/serial-getty@ttyS0.service.d/lab.conf"
# Emulated on a loaded host, a disk may take longer than systemd's 90 s to appear.
mkdir -p "$mnt/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultDeviceTimeoutSec=10min\n' >"$mnt/etc/systemd/system.conf.d/lab.conf"
mkdir -p "$mnt/etc/default" "$mnt/etc/kernel"
cat >"$mnt/etc/default/grub" <<-EOF
	GRUB_DEFAULT=0
	GRUB_TIMEOUT=1
	GRUB_DISTRIBUTOR=Debian
	GRUB_CMDLINE_LINUX="$command_line"
	GRUB_TERMINAL="console serial"
	GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
EOF
[ ! -d "$mnt/etc/network" ] || printf 'auto lo\niface lo inet loopback\n' >"$mnt/etc/network/interfaces"
"$lab/odd-files.py" "$mnt/srv/odd"
install -m 755 "$lab/first-boot.sh" "$mnt/lab-first-boot"
loader >"$mnt/lab-loader"
cp "$mnt"/boot/vmlinuz-* "$directory/vmlinuz"
cp "$mnt"/boot/initrd.img-* "$directory/initrd.img"
root_device=$(root_parameter)
# Everything above is undone now, so that the machine finds clean filesystems; the work directory goes at the end.
keep=("${undo[0]}")
undo=("${undo[@]:1}")
on_exit
undo=("${keep[@]}")

firmware_arguments=()
if [ "$firmware" != bios ]; then
	case $firmware in
	uefi) cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/vars.fd" ;;
	uefi-secure) cp /usr/share/OVMF/OVMF_VARS_4M.ms.fd "$work/vars.fd" ;;
	esac
	# Without Secure Boot: the firmware would refuse a kernel handed over by -kernel. The store stays the same.
	firmware_arguments=(-drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
		-drive "if=pflash,format=raw,unit=1,file=$work/vars.fd")
fi
note "first boot of $name: it installs its boot loader"
timeout --kill-after=5 600 setpriv --pdeathsig KILL qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max,-erms,-fsrm \
	-smp 2 -m 1024 -nodefaults -no-user-config -display none -no-reboot "${firmware_arguments[@]}" \
	-drive "if=none,id=disk,format=raw,file=$disk,cache=unsafe" -device virtio-blk-pci,drive=disk,serial=lab \
	-chardev "file,id=console,path=$directory/console.log" -serial chardev:console \
	-kernel "$directory/vmlinuz" -initrd "$directory/initrd.img" \
	-append "$root_device ro quiet console=ttyS0,115200 $timers init=/lab-first-boot panic=-1" 8>&- || true
grep -q '^LAB-FIRST-BOOT-OK' "$directory/console.log" ||
	die "the first boot of $name failed: $(tail -n 5 "$directory/console.log")"

mv "$disk" "$directory/disk.img"
[ "$firmware" = bios ] || mv "$work/vars.fd" "$directory/vars.fd"
[ "$firmware" != uefi-secure ] || touch "$directory/secure-boot"
touch "$directory/done"
deliver "${@:2}"
