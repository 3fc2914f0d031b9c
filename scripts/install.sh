#!/usr/bin/env bash
# Copies the programs, man pages, completions, units and documents below PREFIX, or removes them again.
# Called by the Makefile with PREFIX, DESTDIR and RELEASE (the directory of the built programs).
set -euo pipefail
cd "$(dirname "$0")/.."

root="${DESTDIR}${PREFIX}"
man=(dist/man/*)
units=(dist/systemd/*)
case "$1" in
install)
    # Under sudo the toolchain is the user's: build as that user, so that target/ stays theirs, too.
    if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
        builder=(runuser --login "$SUDO_USER" --command)
    else
        builder=(bash -c)
    fi
    if "${builder[@]}" "command -v cargo >/dev/null"; then
        "${builder[@]}" "$(printf 'make -C %q build' "$PWD")"
    elif [ ! -x "$RELEASE/lifeboat" ] || [ ! -x "$RELEASE/lifeboat-init" ]; then
        echo "make install: cannot BUILD: no cargo in PATH and nothing built; try 'make build' as the user who has the Rust toolchain, then this again" >&2
        exit 1
    else
        echo "make install: no cargo in PATH, installing $RELEASE/lifeboat as it was built $(date -r "$RELEASE/lifeboat" '+%F %T')"
    fi
    install -D -m 755 "$RELEASE/lifeboat" "$root/bin/lifeboat"
    install -D -m 755 "$RELEASE/lifeboat-init" "$root/lib/lifeboat/lifeboat-init"
    for page in "${man[@]}"; do
        install -D -m 644 "$page" "$root/share/man/man${page##*.}/$(basename "$page")"
    done
    install -D -m 644 dist/completions/lifeboat.bash "$root/share/bash-completion/completions/lifeboat"
    install -D -m 644 dist/completions/_lifeboat "$root/share/zsh/site-functions/_lifeboat"
    install -D -m 644 dist/completions/lifeboat.fish "$root/share/fish/vendor_completions.d/lifeboat.fish"
    for document in README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE; do
        install -D -m 644 "$document" "$root/share/doc/lifeboat/$document"
    done
    # systemd looks below /usr/local/lib, too. The timers are off until 'lifeboat schedule' turns them on.
    for unit in "${units[@]}"; do
        sed "s,/usr/bin/lifeboat,$PREFIX/bin/lifeboat," "$unit" | install -D -m 644 /dev/stdin "$root/lib/systemd/system/$(basename "$unit")"
    done
    [ -n "$DESTDIR" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload || true
    install -D -m 644 dist/lifeboat.toml "$root/share/doc/lifeboat/examples/lifeboat.toml"
    for hook in dist/hooks/*; do
        install -D -m 755 "$hook" "$root/share/doc/lifeboat/examples/hooks/${hook##*/}"
    done
    echo "installed $root/bin/lifeboat; now: sudo lifeboat check"
    ;;
uninstall)
    for unit in "${units[@]}"; do
        unit=$(basename "$unit")
        if [ "${unit##*.}" = timer ]; then
            if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; then
                systemctl disable --now "$unit" >/dev/null 2>&1 || true
            fi
            rm -f "$DESTDIR/etc/systemd/system/$unit.d/schedule.conf" "$DESTDIR/etc/systemd/system/timers.target.wants/$unit"
            rmdir "$DESTDIR/etc/systemd/system/$unit.d" 2>/dev/null || true
        fi
        rm -f "$root/lib/systemd/system/$unit"
    done
    rm -f "$root/bin/lifeboat" "$root/share/bash-completion/completions/lifeboat" \
        "$root/share/zsh/site-functions/_lifeboat" "$root/share/fish/vendor_completions.d/lifeboat.fish"
    for page in "${man[@]}"; do
        rm -f "$root/share/man/man${page##*.}/$(basename "$page")"
    done
    rm -rf "$root/lib/lifeboat" "$root/share/doc/lifeboat"
    echo "removed; /etc/lifeboat (keys) and /etc/lifeboat.toml are left"
    ;;
esac
