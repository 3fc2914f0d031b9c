# debian12-bios-gpt-ext4 whose initramfs is made by dracut.
. "$lab/machines/debian12-bios-gpt-ext4.sh"
root=bookworm-dracut
