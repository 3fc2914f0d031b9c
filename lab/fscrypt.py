#!/usr/bin/env python3
"""Encrypted directories (linux/fscrypt.h), without fscrypt(1).

fscrypt.py encrypt DIRECTORY NUMBER   an empty directory gets the policy of key NUMBER, which is added
fscrypt.py add PLACE NUMBER           adds key NUMBER to the filesystem
fscrypt.py remove PLACE NUMBER        removes it: directories that nobody has open are locked
fscrypt.py old DIRECTORY NUMBER       as encrypt, with a policy of version 1, whose key is in the user's keyring
fscrypt.py forget NUMBER              removes that key from the keyring
"""
import ctypes, fcntl, os, struct, sys

ADD, REMOVE, SET_POLICY = 0xC0506617, 0xC0406618, 0x800C6613
MODES = (1, 4, 3)  # AES-256-XTS, AES-256-CTS, names padded to 32 bytes
ADD_KEY, KEYCTL = 248, 250  # of x86_64
libc = ctypes.CDLL(None, use_errno=True)


def raw(number):
    return bytes((number * 7 + index) % 256 for index in range(64))


def opened(path):
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def add(fd, number):
    arg = bytearray(struct.pack("<II32s", 2, 0, b"") + struct.pack("<II", 64, 0) + bytes(32) + raw(number))
    fcntl.ioctl(fd, ADD, arg)
    return bytes(arg[8:24])


def descriptor(number):
    return struct.pack(">Q", 0x1122334455660000 + number)


def in_keyring(number):
    payload = struct.pack("<I64sI", 0, raw(number), 64)
    name = b"fscrypt:" + descriptor(number).hex().encode()
    # KEY_SPEC_USER_KEYRING
    key = libc.syscall(ADD_KEY, b"logon", name, payload, len(payload), -4)
    if key < 0:
        raise OSError(ctypes.get_errno(), "add_key")
    return key


what, rest = sys.argv[1], sys.argv[2:]
if what == "encrypt":
    fd = opened(rest[0])
    identifier = add(fd, int(rest[1]))
    fcntl.ioctl(fd, SET_POLICY, struct.pack("<BBBB4s16s", 2, *MODES, bytes(4), identifier))
elif what == "add":
    add(opened(rest[0]), int(rest[1]))
elif what == "remove":
    fd = opened(rest[0])
    identifier = add(fd, int(rest[1]))
    os.sync()
    fcntl.ioctl(fd, REMOVE, bytearray(struct.pack("<II32s", 2, 0, identifier) + bytes(24)))
elif what == "old":
    in_keyring(int(rest[1]))
    fcntl.ioctl(opened(rest[0]), SET_POLICY, struct.pack("<BBBB8s", 0, *MODES, descriptor(int(rest[1]))))
elif what == "forget":
    # KEYCTL_INVALIDATE
    if libc.syscall(KEYCTL, 21, in_keyring(int(rest[0]))) < 0:
        raise OSError(ctypes.get_errno(), "keyctl")
else:
    sys.exit(__doc__)
