# debian12-bios-gpt-ext4 with the tools of every kind of storage: it makes the disks of other machines (lab/layouts/), which get a
# copy of it, and reads what was restored to them.
. "$lab/machines/debian12-bios-gpt-ext4.sh"
root=bookworm-layouts
