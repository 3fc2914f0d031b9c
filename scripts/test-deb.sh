#!/usr/bin/env bash
# Installs a package in fresh Debian 12 and 13 roots as a user would, counts what comes with it, runs it, and removes it again.
# usage: scripts/test-deb.sh PACKAGE.deb        (root; needs mmdebstrap and a Debian mirror)
set -euo pipefail
package=$(readlink -f "$1")
mirror=${LIFEBOAT_LAB_MIRROR:-http://deb.debian.org/debian}
# What a protected machine gets beside the package itself, at most; measured in roots with nothing but apt.
most_packages=40
most_megabytes=60
# What testing needs, and what no protected machine gets.
unwanted='qemu|tgt|borgbackup|dnsmasq|rclone|restic|mmdebstrap|openssh-server|ovmf'

# Any machine on BIOS with one disk.
machine=$(dirname "$(readlink -f "$0")")/../crates/machine/tests/format-1.json

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/inside" <<EOF
set -eu
fail() { echo "test-deb: \$*" >&2; exit 1; }
apt-get -s -o Debug::NoLocking=1 install /tmp/lifeboat.deb > /tmp/plan
! grep -q DOWNGRADED /tmp/plan || fail "packages would be downgraded"
sed -n 's/^Inst \([^ ]*\) .*/\1/p' /tmp/plan | grep -vx lifeboat > /tmp/new || true
count=\$(wc -l < /tmp/new)
kilobytes=\$(apt-cache show --no-all-versions \$(cat /tmp/new) | awk '/^Installed-Size:/ { sum += \$2 } END { print sum + 0 }')
megabytes=\$((kilobytes * 1024 / 1000000))
echo "apt brings \$count packages, \$megabytes MB"
[ "\$count" -le $most_packages ] || fail "\$count packages are more than $most_packages: \$(tr '\n' ' ' < /tmp/new)"
[ "\$megabytes" -le $most_megabytes ] || fail "\$megabytes MB are more than $most_megabytes"
! grep -E '$unwanted' /tmp/new || fail "a protected machine must not get this"
find /etc/systemd/system -type l 2>/dev/null | sort > /tmp/on-before || true
apt-get install -y -q /tmp/lifeboat.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
lifeboat --version
lifeboat check --help >/dev/null
test -x /usr/lib/lifeboat/lifeboat-init
test -s /usr/share/man/man1/lifeboat.1.gz || test -s /usr/share/man/man1/lifeboat.1 || grep -q 'path-exclude.*man' /etc/dpkg/dpkg.cfg.d/* 2>/dev/null || fail "no manual page"
# Everything that it calls to build a medium has come with it.
for program in sfdisk blkid mkswap mke2fs mksquashfs xorriso grub-mkimage; do command -v \$program >/dev/null || fail "no \$program"; done
# The routine is there, and off.
for task in backup medium verify drill; do
    test -f /usr/lib/systemd/system/lifeboat-\$task.timer || fail "no timer for \$task"
    test ! -e /etc/systemd/system/timers.target.wants/lifeboat-\$task.timer || fail "the timer for \$task is on"
done
# No daemon came with it: what is turned on now was turned on before. The timers of e2fsprogs and GRUB's note of a boot that went well are none.
find /etc/systemd/system -type l 2>/dev/null | sort | comm -13 /tmp/on-before - | grep -vE 'e2scrub|grub-common' > /tmp/on || true
test ! -s /tmp/on || fail "turned on: \$(cat /tmp/on)"
# What a user does next. A root in a folder has no disks: 'check' says what it finds and that this is no machine; the others get the description
# of one, and a kernel to boot, which is not counted above.
code=0; lifeboat check > /tmp/check 2>&1 || code=\$?
grep -q '^firmware ' /tmp/check && grep -q '^medium ' /tmp/check || fail "check found nothing: \$(cat /tmp/check)"
[ \$code = 0 ] || [ \$code = 3 ] || fail "check ended with \$code: \$(cat /tmp/check)"
apt-get install -y -q --no-install-recommends linux-image-amd64 >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
kernel=\$(ls /lib/modules)
# The mount points of that machine.
mkdir -p /boot/efi '/srv/my data'
rescue() { lifeboat rescue --machine /tmp/machine.json --kernel "\$kernel" --out /mnt/rescue.iso --embed-key --exclude-contents /tmp "\$@"; }
rescue --dry-run > /tmp/dry || fail "rescue --dry-run: \$(cat /tmp/dry)"
test ! -e /mnt/rescue.iso || fail "a dry run wrote an image"
cat /tmp/dry
rescue > /tmp/log 2>&1 || fail "rescue: \$(cat /tmp/log)"
tail -n 1 /tmp/log
from="--from /mnt/rescue.iso"
lifeboat list \$from | grep -q 'SNAPSHOT' || fail "list shows nothing"
lifeboat ls latest /etc \$from | grep -qx '/etc/debian_version' || lifeboat ls latest /etc \$from | grep -qx 'debian_version' || fail "ls shows nothing"
lifeboat verify \$from > /tmp/log 2>&1 || fail "verify: \$(cat /tmp/log)"
# A person at a terminal: looks at the list of backups, and leaves.
mkfifo /tmp/keys
script -qefc "TERM=xterm lifeboat browse \$from" /tmp/screen < /tmp/keys > /dev/null 2>&1 & browsing=\$!
exec 3> /tmp/keys
timeout 60 sh -c 'until grep -q "Which backup" /tmp/screen 2>/dev/null; do sleep 0.2; done' || fail "browse shows no backups: \$(cat /tmp/screen)"
printf '\\033' >&3
wait \$browsing || fail "browse ended with \$?: \$(cat /tmp/screen)"
apt-get purge -y -q lifeboat >/dev/null
test ! -e /usr/bin/lifeboat
test ! -e /usr/lib/systemd/system/lifeboat-backup.timer
EOF
for suite in bookworm trixie; do
    echo "== $suite"
    mmdebstrap --quiet --variant=apt --format=null \
        --customize-hook="upload $package /tmp/lifeboat.deb" \
        --customize-hook="upload $work/inside /tmp/inside" \
        --customize-hook="upload $machine /tmp/machine.json" \
        --customize-hook='chroot "$1" env DEBIAN_FRONTEND=noninteractive bash /tmp/inside' \
        "$suite" /dev/null "$mirror"
    echo "== $suite: installs, runs, goes away"
done
