# debian13-uefi-btrfs whose initramfs is made by dracut.
. "$lab/machines/debian13-uefi-btrfs.sh"
root=trixie-dracut
