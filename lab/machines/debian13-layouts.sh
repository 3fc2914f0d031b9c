# The same as debian12-layouts for layouts of Debian 13.
. "$lab/machines/debian12-bios-gpt-ext4.sh"
root=trixie-layouts
