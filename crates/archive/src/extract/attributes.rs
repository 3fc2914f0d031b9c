//! Owner, mode, xattrs, times and flags, in the order that keeps them: chown(2) clears set-id bits and capabilities,
//! setting xattrs and project ids needs a file that is not immutable, and almost everything touches times.

use super::compression;
use crate::table::{Kind, Record, Table, Xattr};
use lifeboat_sys::inode;
use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Flags that must be set while the file is empty, or act on what is written later only.
const EARLY: u32 = inode::NOCOW | inode::CASEFOLD | inode::COMPR;

/// Flags that are set after everything else.
pub(super) fn late_flags(record: &Record) -> u32 {
    record.flags & !EARLY
}

pub(super) fn complaint(what: &str, error: Errno) -> String {
    format!("cannot SET {what}: {}", std::io::Error::from(error))
}

/// Sets what must be set while a file is empty. Gives complaints.
pub(super) fn set_early(record: &Record, file: impl AsFd) -> Option<String> {
    let early = record.flags & EARLY;
    (early != 0)
        .then(|| inode::set_flags(file, early).err())?
        .map(|error| complaint("the inode flags of an empty file", error))
}

fn times(record: &Record) -> Timestamps {
    let time = Timespec { tv_sec: record.mtime.seconds, tv_nsec: record.mtime.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// Who is not root cannot give files away, as tar(1) and cp(1) do not either: they stay his.
fn owner(record: &Record) -> (Option<Uid>, Option<Gid>) {
    if !rustix::process::geteuid().is_root() {
        return (None, None);
    }
    // -1 means "do not change" to chown(2), and no entry has it.
    let id = |id: u32| (id != u32::MAX).then_some(id);
    (id(record.uid).map(Uid::from_raw), id(record.gid).map(Gid::from_raw))
}

/// Everything but late flags of an open regular file; everything of an open directory.
pub(super) fn set_open(table: &Table, index: usize, file: &OwnedFd) -> Vec<String> {
    set(&table.records[index], table.xattrs(index), file)
}

/// As [`set_open`], from the parts.
pub(super) fn set(record: &Record, xattrs: &[Xattr], file: &OwnedFd) -> Vec<String> {
    let mut complaints = vec![];
    let mut check = |what: &str, result: Result<(), Errno>| {
        if let Err(error) = result {
            complaints.push(complaint(what, error));
        }
    };
    let (uid, gid) = owner(record);
    check("the owner", rustix::fs::fchown(file, uid, gid));
    check("the mode", rustix::fs::fchmod(file, Mode::from_raw_mode(record.mode.into())));
    for xattr in xattrs {
        let name = OsStr::from_bytes(&xattr.name);
        let result = rustix::fs::fsetxattr(file, name, &xattr.value, XattrFlags::empty());
        check(&format!("the extended attribute {}", name.display()), result);
    }
    if record.project != 0 {
        check("the project id", inode::set_project(file, record.project));
    }
    check("the times", rustix::fs::futimens(file, &times(record)));
    if record.kind == Kind::Directory && record.flags != 0 {
        complaints.extend(set_all_flags(record.flags, xattrs, file));
    }
    complaints
}

/// Sets flags, and keeps the algorithm that files are compressed with.
fn set_all_flags(flags: u32, xattrs: &[Xattr], file: &OwnedFd) -> Vec<String> {
    let flags_complaint = |error| complaint("the inode flags", error);
    if flags & inode::COMPR == 0 {
        return inode::set_flags(file, flags).err().map(flags_complaint).into_iter().collect();
    }
    let protection = flags & (inode::IMMUTABLE | inode::APPEND);
    let mut complaints: Vec<String> =
        inode::set_flags(file, flags & !protection).err().map(flags_complaint).into_iter().collect();
    complaints.extend(compression::set(xattrs, file));
    complaints.extend(inode::protect(file, protection).err().map(flags_complaint));
    complaints
}

/// Everything of an entry that is not opened: link, device, pipe, socket.
pub(super) fn set_named(table: &Table, index: usize, parent: &OwnedFd, name: &OsStr) -> Vec<String> {
    let record = &table.records[index];
    let mut complaints = vec![];
    let mut check = |what: &str, result: Result<(), Errno>| {
        if let Err(error) = result {
            complaints.push(complaint(what, error));
        }
    };
    let (uid, gid) = owner(record);
    check("the owner", rustix::fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW));
    if record.kind != Kind::Symlink {
        // The entry was made just now and is no link, so following is harmless; fchmodat2(2) is younger than Linux 6.6.
        check("the mode", rustix::fs::chmodat(parent, name, Mode::from_raw_mode(record.mode.into()), AtFlags::empty()));
    }
    let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.as_bytes());
    for xattr in table.xattrs(index) {
        let xattr_name = OsStr::from_bytes(&xattr.name);
        let result = rustix::fs::lsetxattr(OsStr::from_bytes(&path), xattr_name, &xattr.value, XattrFlags::empty());
        check(&format!("the extended attribute {}", xattr_name.display()), result);
    }
    check("the times", rustix::fs::utimensat(parent, name, &times(record), AtFlags::SYMLINK_NOFOLLOW));
    complaints
}

/// All flags of a regular file, last of all.
pub(super) fn set_flags(table: &Table, index: usize, parent: &OwnedFd) -> Vec<String> {
    let record = &table.records[index];
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, OsStr::from_bytes(table.name(index)), flags, Mode::empty()) {
        Ok(file) => set_all_flags(record.flags, table.xattrs(index), &file),
        Err(error) => vec![complaint("the inode flags", error)],
    }
}
