#!/usr/bin/env bash
# Installs a package in fresh Debian 12 and 13 roots with what it depends on, runs it, and removes it again.
# usage: scripts/test-deb.sh PACKAGE.deb        (root; needs mmdebstrap and a Debian mirror)
set -euo pipefail
package=$(readlink -f "$1")
mirror=${LIFEBOAT_LAB_MIRROR:-http://deb.debian.org/debian}
for suite in bookworm trixie; do
    echo "== $suite"
    mmdebstrap --quiet --variant=apt --format=null \
        --customize-hook="copy-in $package /tmp" \
        --customize-hook='chroot "$1" sh -euc "
            apt-get install -y -q --no-install-recommends /tmp/*.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
            lifeboat --version
            lifeboat check --help >/dev/null
            test -x /usr/lib/lifeboat/lifeboat-init
            # Everything that it calls to build a medium has come with it.
            for program in sfdisk blkid mkswap mke2fs mksquashfs xorriso grub-mkimage; do command -v \$program >/dev/null; done
            apt-get purge -y -q lifeboat >/dev/null
            test ! -e /usr/bin/lifeboat
        "' \
        "$suite" /dev/null "$mirror"
    echo "== $suite: installs, runs, goes away"
done
