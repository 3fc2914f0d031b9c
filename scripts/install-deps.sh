#!/usr/bin/env bash
# Installs the Debian packages that building and testing need: those of scripts/packages.txt and lab/packages.txt.
# Does nothing, and needs no root, when all are there. No service is started or left turned on, and no package is downgraded.
# `--rearrange` lets packages be downgraded and removed: for machines that are thrown away afterwards, as in CI.
set -euo pipefail
cd "$(dirname "$0")/.."

rearrange=
[ "${1:-}" != --rearrange ] || rearrange=yes

mapfile -t wanted < <(sed -e 's/#.*//' scripts/packages.txt lab/packages.txt | tr -s '[:space:]' '\n' | sed '/^$/d')
missing=()
for package in "${wanted[@]}"; do
    # "install ok installed" is the only state in which its files are all there.
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "make deps: cannot INSTALL ${missing[*]}: neither root nor sudo; try as root: apt-get install ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends)
"${apt[@]}" update
if [ -n "$rearrange" ]; then
    apt+=(--allow-downgrades)
    # What is installed is named, too, lest apt remove it to make room for the rest. What is newer than every source has it (from
    # backports whose source is gone, for example) holds the release's own packages back; the release's version replaces it.
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    missing=()
    for package in "${wanted[@]}"; do
        installed=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null || true)
        newest=$(apt-cache madison "$package" | awk -F ' *[|] *' 'NR == 1 { print $2 }')
        if [ -n "$installed" ] && [ -n "$newest" ] && dpkg --compare-versions "$installed" gt "$newest"; then
            missing+=("$package/$release")
        else
            missing+=("$package")
        fi
    done
fi
# What would be installed, downgraded or removed is looked at first: a machine on which somebody works is not rearranged for tests.
if ! plan=$("${apt[@]}" -s install "${missing[@]}" 2>&1); then
    echo "$plan" | tail -n 20 >&2
    echo "make deps: cannot INSTALL ${missing[*]} beside what is installed (above); nothing was changed" >&2
    echo "  try: apt-get install with -t RELEASE-backports, if packages came from there and their source is gone" >&2
    exit 1
fi
if [ -z "$rearrange" ] && grep -qE '^Remv |DOWNGRADED' <<<"$plan"; then
    grep -E '^Remv ' <<<"$plan" >&2 || true
    echo "make deps: cannot INSTALL ${missing[*]}: packages would be removed or downgraded; nothing was changed" >&2
    echo "  try: apt-get install ${missing[*]}, if that is what you want" >&2
    exit 1
fi
mapfile -t new < <(sed -n 's/^Inst \([^ ]*\) .*/\1/p' <<<"$plan" | sort -u)
echo "make deps: installing ${missing[*]}"

# invoke-rc.d and deb-systemd-invoke ask this program whether a service may start; 101 means no (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\n# Made by make deps, for the time that it installs packages.\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
fi
"${apt[@]}" install "${missing[@]}"

# Daemons of packages that were not there before stay off after the next boot, too: the tests start what they need themselves.
for package in "${new[@]}"; do
    case "$package" in
    # What the system itself is made of.
    systemd* | udev | dbus* | init-system-helpers | dmsetup | lvm2 | mdadm | cryptsetup* | e2fsprogs) continue ;;
    esac
    dpkg-query -L "$package" 2>/dev/null | sed -n 's,^\(/usr\)\?/lib/systemd/system/\([^/@]*\.\(service\|socket\)\)$,\2,p' || true
done | sort -u | while read -r unit; do
    [ "$(systemctl is-enabled "$unit" 2>/dev/null || true)" = enabled ] || continue
    "${as_root[@]}" systemctl disable "$unit" >/dev/null 2>&1 </dev/null || true
    echo "make deps: $unit is off"
done
