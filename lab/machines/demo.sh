# debian12-bios-gpt-ext4 with more on it: about 1.2 GB in 30,000 files.
. "$lab/machines/debian12-bios-gpt-ext4.sh"
root=demo
disk_size=6G
