#!/usr/bin/env bash
# restic 0.14.0 (Debian 12) asks whether the holder of a lock still runs by sending it SIGHUP, not signal 0.
#
# restic's lock files name a host and a process id. A command of restic that meets a lock of its own host, here `restic
# unlock`, looks whether that process is alive. The usual question is kill(PID, 0), which delivers nothing. restic 0.14.0
# sends a real SIGHUP. restic itself survives it, because it handles the signal. Another program that writes restic's
# locks, and leaves SIGHUP at its default, is ended in the middle of its backup by somebody who only looked for stale locks.
#
# Seen: `kill(PID, SIGHUP) = 0`, PID being the backup that holds the lock; no kill(PID, 0).
# The script fails when restic stops doing so.
# Needs: Debian 12 with apt-get and dpkg; ptrace must be allowed (strace).
set -euo pipefail
work=$(mktemp -d)
trap 'exec 3>&- || true; [ -z "${backup:-}" ] || { kill "$backup" 2>/dev/null || true; wait "$backup" 2>/dev/null || true; }; rm -rf "$work"' EXIT
cd "$work"
# apt's own user may not write here: the download then runs as the caller, which apt mentions.
apt-get -q download restic=0.14.0-1+b5 strace=6.1-0.1 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
restic=$work/root/usr/bin/restic strace=$work/root/usr/bin/strace
export RESTIC_PASSWORD=finding RESTIC_REPOSITORY=$work/repository
"$restic" version

"$restic" --no-cache -q init
mkfifo input
# A backup that holds its lock for as long as its input is open.
"$restic" --no-cache -q backup --stdin <input &
backup=$!
exec 3>input
for _ in $(seq 100); do
    [ -z "$(ls repository/locks)" ] || break
    sleep 0.1
done
[ -n "$(ls repository/locks)" ] || { echo "the backup took no lock"; exit 1; }

"$strace" -f -e trace=kill,tkill,pidfd_send_signal -o trace "$restic" --no-cache unlock >/dev/null
grep -F "kill($backup" trace || true
echo data >&3
exec 3>&-
wait "$backup"
backup=

if grep -qF "SIGHUP" trace && ! grep -qE 'kill\([0-9]+, 0\)' trace; then
    echo "as described: the process that holds the lock was sent SIGHUP"
else
    echo "changed: no SIGHUP was sent to the process that holds the lock"
    exit 1
fi
