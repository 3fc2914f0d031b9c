#!/usr/bin/env bash
# Installs the Debian packages that building and testing need: those of scripts/packages.txt and lab/packages.txt.
# Does nothing, and needs no root, when all are there.
set -euo pipefail
cd "$(dirname "$0")/.."

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
echo "make deps: installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends)
"${apt[@]}" update
# All of them by name, those that are there too: apt may remove what it was not asked for to make room for the rest.
if ! "${apt[@]}" install "${wanted[@]}"; then
    # A package that came from backports and whose source is gone holds the stable ones back (qemu-utils beside
    # qemu-system-x86, for example): then the release's own version replaces it.
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    echo "make deps: trying again with this release's own versions"
    "${apt[@]}" install --allow-downgrades "${wanted[@]}" "qemu-utils/$release"
fi
