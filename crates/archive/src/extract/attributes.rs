//! Owner, mode, xattrs, times and flags, in the order that keeps them: chown(2) clears set-id bits and capabilities,
//! setting xattrs and project ids needs a file that is not immutable, and almost everything touches times.
//!
//! All of it goes through descriptors: anyone who owns the directory may put another entry, or a link, under any name.
//! Owners are numbers; user names that an archive may have are never looked up.

use super::compression;
use crate::directories::Identity;
use crate::file_table::{FileTable, Kind, Record, Xattr};
use crate::walk::inode::through_proc;
use crate::walk::look;
use lifeboat_sys::inode;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Flags that must be set while the file is empty, or affect only what is written later.
const EARLY: u32 = inode::NOCOW | inode::CASEFOLD | inode::COMPR;
/// Flags that protect a file from any change.
pub(crate) const PROTECTION: u32 = inode::IMMUTABLE | inode::APPEND;
const ACCESS_ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// Flags that are set after everything else.
pub(super) fn late_flags(record: &Record) -> u32 {
    record.flags & !EARLY
}

pub(super) fn warning(what: &str, error: Errno) -> String {
    format!("cannot SET {what}: {}", std::io::Error::from(error))
}

/// The flags of an entry without those that have no meaning: on Linux 7 every entry of a FAT filesystem shows
/// that names are compared without case.
fn meant(record: &Record, file: impl AsFd) -> u32 {
    let shown = record.flags & inode::CASEFOLD != 0 && (record.kind != Kind::Directory || inode::storable(file) == 0);
    if shown { record.flags & !inode::CASEFOLD } else { record.flags }
}

/// Sets what must be set while a file is empty. Returns warnings.
pub(super) fn set_early(record: &Record, file: impl AsFd) -> Option<String> {
    if record.flags & EARLY == 0 {
        return None;
    }
    let early = meant(record, &file) & EARLY;
    (early != 0)
        .then(|| inode::set_flags(file, early).err())?
        .map(|error| warning("the inode flags of an empty file", error))
}

/// Removes what a new entry inherited from its directory.
pub(super) fn forget_inherited(file: &OwnedFd, directory: bool) {
    // What does not exist, or is unknown to the filesystem, need not be removed.
    let _ = rustix::fs::fremovexattr(file, ACCESS_ACL);
    if directory {
        let _ = rustix::fs::fremovexattr(file, DEFAULT_ACL);
    }
    if inode::flags(file).is_ok_and(|flags| flags & inode::SETTABLE != 0) {
        let _ = inode::set_flags(file, 0);
    }
    if inode::project(file).is_ok_and(|project| project != 0) {
        let _ = inode::set_project(file, 0);
    }
}

/// Removes from an existing directory what the archive's does not have: ACLs, user attributes, flags.
pub(super) fn strip(table: &FileTable, index: usize, directory: &OwnedFd) {
    let mut buffer = vec![0_u8; 65536];
    let length = rustix::fs::flistxattr(directory, &mut buffer[..]).unwrap_or_default();
    for name in buffer[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let is_own = name.starts_with(b"user.") || name == ACCESS_ACL.as_bytes() || name == DEFAULT_ACL.as_bytes();
        if is_own && !table.xattrs(index).iter().any(|xattr| xattr.name == name) {
            let _ = rustix::fs::fremovexattr(directory, OsStr::from_bytes(name));
        }
    }
    if table.records[index].flags == 0
        && inode::flags(directory).is_ok_and(|flags| flags & inode::SETTABLE & !inode::CASEFOLD != 0)
    {
        let _ = inode::set_flags(directory, 0);
    }
}

fn times(record: &Record) -> Timestamps {
    let time = Timespec { tv_sec: record.mtime.seconds, tv_nsec: record.mtime.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// What an entry has since it was created, and need not be set: each setting is a change of the inode that the filesystem records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsMade {
    pub(super) owner: bool,
    pub(super) mode: bool,
}

impl AsMade {
    /// For an entry whose directory is `plain`, so that it belongs to `own`; `exact` when no mask applies to the mode that it is created
    /// with.
    pub(super) fn new(record: &Record, own: (u32, u32), plain: bool, exact: bool) -> Self {
        AsMade { owner: plain && own == (record.uid, record.gid), mode: plain && exact && record.mode & 0o7000 == 0 }
    }
}

/// Without root, files cannot be given away; tar(1) and cp(1) do not either: they keep their new owner.
fn owner(record: &Record) -> (Option<Uid>, Option<Gid>) {
    if !rustix::process::geteuid().is_root() {
        return (None, None);
    }
    // -1 means "do not change" to chown(2), and no entry has it.
    let id = |id: u32| (id != u32::MAX).then_some(id);
    (id(record.uid).map(Uid::from_raw), id(record.gid).map(Gid::from_raw))
}

/// The result of setting the attributes of an entry.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) warnings: Vec<String>,
    /// Its set-id bits were not restored, because it does not have the owner or group whose rights they would grant.
    pub(super) without_set_id: bool,
}

impl From<Vec<String>> for Outcome {
    fn from(warnings: Vec<String>) -> Self {
        Outcome { warnings, without_set_id: false }
    }
}

/// The mode of an entry that belongs to this owner and group here: with set-id bits only where they are those of the archive, so
/// that nobody grants the rights of the restoring user. On directories these bits grant no rights.
fn mode_for(record: &Record, (uid, gid): (u32, u32)) -> u16 {
    let (set_uid, set_gid) = (0o4000, 0o2000);
    let mut mode = record.mode;
    if record.kind != Kind::Directory && uid != record.uid {
        mode &= !set_uid;
    }
    if record.kind != Kind::Directory && gid != record.gid {
        mode &= !set_gid;
    }
    mode
}

/// The same for an open or held entry; nothing is queried without such a bit.
fn mode_here(record: &Record, entry: &OwnedFd) -> Result<u16, Errno> {
    match record.mode & 0o6000 {
        0 => Ok(record.mode),
        _ => rustix::fs::fstat(entry).map(|status| mode_for(record, (status.st_uid, status.st_gid))),
    }
}

/// Everything except late flags of an open regular file; everything of an open directory, with the flags in `flags`.
pub(super) fn set_open(table: &FileTable, index: usize, file: &OwnedFd, flags: u32, made: AsMade) -> Outcome {
    set(&table.records[index], table.xattrs(index), file, flags, made)
}

/// As [`set_open`], from the parts.
pub(super) fn set(record: &Record, xattrs: &[Xattr], file: &OwnedFd, flags: u32, made: AsMade) -> Outcome {
    let mut warnings = vec![];
    let mut check = |what: &str, result: Result<(), Errno>| {
        if let Err(error) = result {
            warnings.push(warning(what, error));
        }
    };
    if !made.owner {
        let (uid, gid) = owner(record);
        check("the owner", rustix::fs::fchown(file, uid, gid));
    }
    let mut without_set_id = false;
    if !made.mode {
        let mode = mode_here(record, file);
        without_set_id = mode.is_ok_and(|mode| mode != record.mode);
        check("the mode", mode.and_then(|mode| rustix::fs::fchmod(file, Mode::from_raw_mode(mode.into()))));
    }
    for xattr in xattrs {
        let name = OsStr::from_bytes(&xattr.name);
        let result = rustix::fs::fsetxattr(file, name, &xattr.value, XattrFlags::empty());
        if result == Err(Errno::OPNOTSUPP) && inode::is_label(&xattr.name) && !inode::stores_labels(file) {
            // Its policy gives the whole filesystem a label, and no entry has its own.
            continue;
        }
        check(&format!("the extended attribute {}", name.display()), result);
    }
    if record.project != 0 {
        check("the project id", inode::set_project(file, record.project));
    }
    check("the times", rustix::fs::futimens(file, &times(record)));
    if record.kind == Kind::Directory && record.flags & flags != 0 {
        warnings.extend(set_all_flags(meant(record, file) & flags, xattrs, file));
    }
    Outcome { warnings, without_set_id }
}

/// Sets flags, and keeps the compression algorithm of files.
fn set_all_flags(flags: u32, xattrs: &[Xattr], file: &OwnedFd) -> Vec<String> {
    let flags_warning = |error| warning("the inode flags", error);
    if flags & inode::COMPR == 0 {
        let result = if flags == 0 { Ok(()) } else { inode::set_flags(file, flags) };
        return result.err().map(flags_warning).into_iter().collect();
    }
    let protection = flags & PROTECTION;
    let mut warnings: Vec<String> =
        inode::set_flags(file, flags & !protection).err().map(flags_warning).into_iter().collect();
    warnings.extend(compression::set(xattrs, file));
    warnings.extend(inode::protect(file, protection).err().map(flags_warning));
    warnings
}

/// An entry that is not opened, held by O_PATH: link, device, pipe, socket. It must be the one that was just created. Returns it with
/// its owner and group.
///
/// # Errors
/// ESTALE when it is something else.
pub(super) fn hold_new(record: &Record, parent: &OwnedFd, name: &OsStr) -> Result<(OwnedFd, (u32, u32)), Errno> {
    let held = look::hold(parent, name)?;
    let status = rustix::fs::fstat(&held)?;
    let kind = match FileType::from_raw_mode(status.st_mode) {
        FileType::Symlink => Kind::Symlink,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => return Err(Errno::STALE),
    };
    let is_device = matches!(kind, Kind::BlockDevice | Kind::CharDevice);
    let is_ours = status.st_uid == rustix::process::geteuid().as_raw() && status.st_nlink == 1;
    if kind != record.kind || !is_ours || (is_device && status.st_rdev != record.device) {
        return Err(Errno::STALE);
    }
    Ok((held, (status.st_uid, status.st_gid)))
}

/// All attributes of an entry that is held by O_PATH and belongs to `has` by now.
pub(super) fn set_held(
    table: &FileTable,
    index: usize,
    (held, has): (&OwnedFd, (u32, u32)),
    passed_on: bool,
) -> Outcome {
    let record = &table.records[index];
    let mut warnings = vec![];
    let mut check = |what: &str, result: Result<(), Errno>| {
        if let Err(error) = result {
            warnings.push(warning(what, error));
        }
    };
    let path = through_proc(held);
    if has != (record.uid, record.gid) {
        let (uid, gid) = owner(record);
        check("the owner", rustix::fs::chownat(held, "", uid, gid, AtFlags::EMPTY_PATH));
    }
    let mut without_set_id = false;
    if record.kind != Kind::Symlink {
        if passed_on {
            let _ = rustix::fs::removexattr(path.as_str(), ACCESS_ACL);
        }
        let mode = mode_here(record, held);
        without_set_id = mode.is_ok_and(|mode| mode != record.mode);
        let set = |mode: u16| rustix::fs::chmod(path.as_str(), Mode::from_raw_mode(mode.into()));
        check("the mode", mode.and_then(set));
    }
    for xattr in table.xattrs(index) {
        let name = OsStr::from_bytes(&xattr.name);
        let result = rustix::fs::setxattr(path.as_str(), name, &xattr.value, XattrFlags::empty());
        if result != Err(Errno::OPNOTSUPP) || !inode::is_label(&xattr.name) {
            check(&format!("the extended attribute {}", name.display()), result);
        }
    }
    let times = times(record);
    check("the times", rustix::fs::utimensat(rustix::fs::CWD, path.as_str(), &times, AtFlags::empty()));
    Outcome { warnings, without_set_id }
}

/// The times of an entry, by its name, which nobody else can give to another one.
pub(super) fn set_times(record: &Record, parent: &OwnedFd, name: &OsStr) -> Vec<String> {
    let result = rustix::fs::utimensat(parent, name, &times(record), AtFlags::SYMLINK_NOFOLLOW);
    result.err().map(|error| warning("the times", error)).into_iter().collect()
}

/// The flags in `flags` of a regular file or directory, last of all.
pub(super) fn set_flags(
    table: &FileTable,
    index: usize,
    parent: &OwnedFd,
    flags: u32,
    wanted: Option<Identity>,
) -> Vec<String> {
    let record = &table.records[index];
    let open = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // The root directory has no name, and is its own parent.
    let name = if index == 0 { OsStr::new(".") } else { OsStr::from_bytes(table.name(index)) };
    let file = rustix::fs::openat(parent, name, open, Mode::empty());
    match file.and_then(|file| crate::directories::identity(&file).map(|identity| (file, identity))) {
        Ok((_, identity)) if wanted.is_some_and(|wanted| wanted != identity) => {
            vec!["cannot SET the inode flags: it was replaced during the restore".to_owned()]
        }
        Ok((file, _)) => set_all_flags(meant(record, &file) & flags, table.xattrs(index), &file),
        Err(error) => vec![warning("the inode flags", error)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_id_bits_need_their_owner() {
        let mut record = Record::new(Kind::File);
        (record.uid, record.gid) = (0, 42);
        for (mode, (uid, gid), expected) in [
            (0o6755, (0, 42), 0o6755),
            (0o6755, (1000, 42), 0o2755),
            (0o6755, (0, 1000), 0o4755),
            (0o7755, (1000, 1000), 0o1755),
            (0o0755, (1000, 1000), 0o0755),
        ] {
            record.mode = mode;
            assert_eq!(mode_for(&record, (uid, gid)), expected, "{mode:o} {uid}:{gid}");
        }
        // New entries take the group of such a directory; that grants nobody anything.
        let mut directory = Record::new(Kind::Directory);
        (directory.mode, directory.gid) = (0o2775, 42);
        assert_eq!(mode_for(&directory, (1000, 1000)), 0o2775);
    }
}
