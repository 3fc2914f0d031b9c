#!/usr/bin/env python3
"""Prints one line for each entry below a directory, with everything that belongs to it, sorted by name.

usage: fingerprint.py DIRECTORY

Python's standard library only, and no code of Lifeboat: this is the judge of what Lifeboat restored. Each line has the
type, mode, owner, size, modification time in nanoseconds, number of links and the first name of the same inode,
extended attributes (ACLs and capabilities among them), inode flags, for files the data's extents and SHA-256, for links
the target, for devices their numbers. Names are escaped, so that a line is a line. The walk does not leave the filesystem.
"""
import errno
import fcntl
import hashlib
import os
import stat
import struct
import sys

GETFLAGS = 0x80086601  # FS_IOC_GETFLAGS, linux/fs.h
# Flags that chattr(1) sets and a backup must bring back; the others (extents, inline data, indexed directory, verity)
# say how a filesystem stores a file: sync, immutable, append-only, nodump, noatime, data journalling, dirsync,
# topdir, No_COW, project inheritance, casefold, compress, secure deletion, undelete.
FLAGS = (0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x4000 | 0x10000 | 0x20000 | 0x800000 | 0x20000000
         | 0x40000000)
BLOCK = 4096  # Holes are compared in units that every filesystem here can store.


def escape(name):
    return "".join(chr(b) if 0x20 < b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in name)


def flags(descriptor):
    buffer = bytearray(8)
    try:
        fcntl.ioctl(descriptor, GETFLAGS, buffer)
    except OSError:
        return "-"
    return f"{struct.unpack('l', buffer)[0] & FLAGS:x}"


def extents(descriptor, size):
    """Data as START-END in blocks. Neighbours are joined; preallocated or zero-filled blocks count as the kernel says."""
    found, place = [], 0
    while place < size:
        try:
            start = os.lseek(descriptor, place, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        place = os.lseek(descriptor, start, os.SEEK_HOLE)
        first, last = start // BLOCK, -(-place // BLOCK)
        if found and found[-1][1] >= first:
            found[-1][1] = last
        else:
            found.append([first, last])
    return found


def content(descriptor, size, data):
    digest = hashlib.sha256()
    for first, last in data:
        place, end = first * BLOCK, min(last * BLOCK, size)
        # Where data lies is part of what is compared.
        while place < end:
            chunk = os.pread(descriptor, min(1 << 20, end - place), place)
            if not chunk:
                break
            digest.update(chunk)
            place += len(chunk)
    return digest.hexdigest()


def attributes(path):
    out = []
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        value = os.getxattr(path, name, follow_symlinks=False)
        out.append(f"{escape(os.fsencode(name))}={value.hex()}")
    return ",".join(out) or "-"


class Walk:
    def __init__(self):
        self.lines = []
        self.inodes = {}

    def entry(self, directory, name, shown):
        """One entry of the directory open as `directory`; its path may be longer than PATH_MAX, so all goes by it."""
        info = os.stat(name, dir_fd=directory, follow_symlinks=False)
        mode = info.st_mode
        # listxattr(2) has no *at form; the descriptor's name in /proc has.
        place = b"/proc/self/fd/%d/%s" % (directory, name)
        kind = stat.filemode(mode)[0]
        fields = [f"{stat.S_IMODE(mode):04o}", f"{info.st_uid}:{info.st_gid}", f"mtime={info.st_mtime_ns}"]
        if not stat.S_ISDIR(mode):
            first = self.inodes.setdefault((info.st_dev, info.st_ino), shown)
            fields.append(f"links={info.st_nlink}" + ("" if first == shown else f" same={escape(first)}"))
        fields.append(f"xattrs={attributes(place)}")
        if stat.S_ISREG(mode):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOATIME, dir_fd=directory)
            data = extents(descriptor, info.st_size)
            shown_data = ",".join(f"{first}-{last}" for first, last in data)
            fields.append(f"flags={flags(descriptor)} size={info.st_size} data={shown_data or '-'}")
            fields.append(f"sha256={content(descriptor, info.st_size, data)}")
            os.close(descriptor)
        elif stat.S_ISLNK(mode):
            fields.append(f"target={escape(os.readlink(name, dir_fd=directory))}")
        elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            fields.append(f"device={os.major(info.st_rdev)}:{os.minor(info.st_rdev)}")
        elif stat.S_ISDIR(mode):
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME, dir_fd=directory)
            fields.append(f"flags={flags(descriptor)}")
            os.close(descriptor)
        self.lines.append(f"{escape(shown)} {kind} {' '.join(fields)}")
        return info

    def tree(self, directory, name, shown, device):
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME, dir_fd=directory)
        try:
            for child in sorted(os.listdir(b"/proc/self/fd/%d" % descriptor)):
                path = shown + b"/" + child
                info = self.entry(descriptor, child, path)
                # A btrfs subvolume has a device number of its own and belongs to the filesystem all the same.
                same = info.st_dev == device or info.st_ino == 256
                if stat.S_ISDIR(info.st_mode) and same:
                    self.tree(descriptor, child, path, info.st_dev)
        finally:
            os.close(descriptor)


def main():
    sys.setrecursionlimit(20_000)
    root = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
    walk = Walk()
    info = walk.entry(root, b".", b".")
    walk.tree(root, b".", b".", info.st_dev)
    sys.stdout.write("\n".join(sorted(walk.lines)) + "\n")


if __name__ == "__main__":
    main()
