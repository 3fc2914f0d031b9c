# debian12-bios-gpt-ext4 with Debian 11 on it.
. "$lab/machines/debian12-bios-gpt-ext4.sh"
root=bullseye
