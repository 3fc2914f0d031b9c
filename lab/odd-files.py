#!/usr/bin/env python3
"""Fills a directory with what backup programs get wrong. usage: odd-files.py DIRECTORY

Everything is fixed (names, contents, times), so two runs give the same tree. Runs as root. A filesystem that cannot
hold an attribute is named on standard error and that attribute is left out.
"""
import fcntl
import os
import socket
import stat
import struct
import sys

# linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and the flags of chattr(1).
GETFLAGS, SETFLAGS = 0x80086601, 0x40086602
APPEND, IMMUTABLE, NODUMP, NOCOW = 0x20, 0x10, 0x40, 0x800000


def write(name, data=b"", mode=0o644):
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, data)
    os.close(descriptor)
    os.chmod(name, mode)


def attribute(name, key, value):
    try:
        os.setxattr(name, key, value, follow_symlinks=False)
    except OSError as error:
        print(f"odd-files: {key} left out: {error.strerror}", file=sys.stderr)


def flags(name, wanted):
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    try:
        buffer = bytearray(8)
        fcntl.ioctl(descriptor, GETFLAGS, buffer)
        now = struct.unpack("l", buffer)[0]
        fcntl.ioctl(descriptor, SETFLAGS, struct.pack("l", now | wanted))
    except OSError as error:
        print(f"odd-files: flag {wanted:#x} left out: {error.strerror}", file=sys.stderr)
    finally:
        os.close(descriptor)


def acl(*entries):
    """posix_acl_xattr.h: version 2, then tag, permissions, id of each entry."""
    nobody = 0xFFFFFFFF
    tags = {"user": 0x01, "u": 0x02, "group": 0x04, "g": 0x08, "mask": 0x10, "other": 0x20}
    out = struct.pack("<I", 2)
    for tag, permissions, identity in entries:
        out += struct.pack("<HHI", tags[tag], permissions, nobody if identity is None else identity)
    return out


def links_and_data():
    write("empty")
    write("small", b"hello\n")
    write("big", b"".join(struct.pack("<Q", n * 0x9E3779B97F4A7C15 % 2**64) for n in range(400_000)))
    os.link("small", "small-hard-link")
    os.mkdir("elsewhere")
    os.link("small", "elsewhere/small-third-name")
    os.symlink("small", "link")
    os.symlink("/nowhere/at all", "dangling-link")
    # xfs takes 1023 bytes, the others 4095.
    os.symlink("x" * 1000, "long-link")
    os.link("link", "link-hard-link", follow_symlinks=False)
    # 5 GiB of which three extents are data: at the start, in the middle, at the very end.
    with open("sparse", "wb") as file:
        for offset in (0, 2 * 2**30 + 4096, 5 * 2**30 - 8192):
            file.seek(offset)
            file.write(b"data" * 2048)
    with open("only-hole", "wb") as file:
        file.truncate(2**30)
    with open("written-zeros", "wb") as file:
        file.write(bytes(1 << 20))


def names():
    os.mkdir("names")
    for name in (b"not-utf8-\xff\xfe", b"new\nline", b"tab\tbell\x07", b" blanks ", b"-rf", b"quote'\"`$(id)",
                 b"back\\slash", "übergröße-日本".encode(), b"\x1b[31mred", b"n" * 255, b"*?[a]"):
        write(b"names/" + name, name)
    # A path longer than PATH_MAX (4096) can only be walked piece by piece.
    here = os.open(".", os.O_RDONLY)
    os.mkdir("deep")
    os.chdir("deep")
    for _ in range(20):
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    write("bottom", b"deep\n")
    os.fchdir(here)
    os.close(here)


def special_files():
    os.mkfifo("fifo", 0o640)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket")
    listener.close()
    os.mknod("char-device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    # xfs takes 18 bits for the minor number.
    os.mknod("block-device", stat.S_IFBLK | 0o600, os.makedev(259, 200_000))
    write("setuid", b"#!/bin/true\n", 0o4755)
    write("setgid", b"#!/bin/true\n", 0o2755)
    os.mkdir("sticky", 0o777)
    os.chmod("sticky", 0o1777)
    write("no-permissions", b"secret\n", 0)


def attributes():
    write("xattrs", b"x\n")
    attribute("xattrs", "user.comment", b"a value\0with NUL and \xff")
    attribute("xattrs", "user.empty", b"")
    attribute("xattrs", "user.large", bytes(range(256)) * 8)
    attribute("xattrs", "trusted.overlay.opaque", b"y")
    attribute("link", "trusted.on-a-link", b"1")
    write("labelled", b"x\n")
    attribute("labelled", "security.selinux", b"system_u:object_r:etc_t:s0\0")
    write("capable", b"#!/bin/true\n", 0o755)
    # linux/capability.h: revision 2, effective; permitted cap_net_raw (13).
    attribute("capable", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0))
    write("acl", b"x\n", 0o640)
    attribute("acl", "system.posix_acl_access",
              acl(("user", 6, None), ("u", 4, 1000), ("u", 7, 70_000), ("group", 4, None), ("g", 6, 50),
                  ("mask", 6, None), ("other", 0, None)))
    os.mkdir("acl-directory")
    attribute("acl-directory", "system.posix_acl_default",
              acl(("user", 7, None), ("u", 5, 1000), ("group", 5, None), ("mask", 7, None), ("other", 0, None)))
    write("foreign-owner", b"x\n")
    os.chown("foreign-owner", 3_000_000_000, 70_000)
    os.chown("dangling-link", 12345, 54321, follow_symlinks=False)


def times():
    second = 10**9
    for name, when in (("year-1901", -2_147_483_648 * second + 123_456_789), ("year-1969", -second // 2),
                       ("year-2040", 2_208_988_800 * second + 1), ("year-2100", 4_102_444_800 * second + 999_999_999)):
        write(name, b"x\n")
        os.utime(name, ns=(when, when))
    os.utime("elsewhere", ns=(second, 86_400 * second + 5))
    os.utime("link", ns=(7 * second, 7 * second + 7), follow_symlinks=False)


def inode_flags():
    for name, wanted in (("immutable", IMMUTABLE), ("append-only", APPEND), ("no-dump", NODUMP)):
        write(name, b"x\n")
        flags(name, wanted)
    write("no-cow")
    flags("no-cow", NOCOW)
    with open("no-cow", "r+b") as file:
        file.write(b"x" * 65_536)
    os.mkdir("no-dump-directory")
    flags("no-dump-directory", NODUMP)


def main():
    os.umask(0o022)
    os.makedirs(sys.argv[1])
    os.chdir(sys.argv[1])
    for part in (links_and_data, names, special_files, attributes, times, inode_flags):
        part()
    os.utime(".", ns=(10**18, 10**18 + 1))


if __name__ == "__main__":
    main()
