# debian12-bios-gpt-ext4 with the tools of stacked storage (md, LVM, LUKS, multipath, iSCSI); its own disk is a plain one.
. "$lab/machines/debian12-bios-gpt-ext4.sh"
root=server
