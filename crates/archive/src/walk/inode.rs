//! What one inode has besides its content: status, xattrs, flags, project id, holes.

use crate::file_table::{Holes, Kind, Record, Time, Xattr};
use lifeboat_sys::inode;
use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{AtFlags, SeekFrom, Statx, StatxFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Bytes of xattrs, names and values, that an entry may have: XFS would allow more than a gigabyte for one file, and all of
/// it would have to be in memory.
const XATTR_BYTES: usize = 1 << 20;

/// statx(2) of a name in a directory; of the open file itself when the name is empty.
pub(crate) fn status(directory: impl AsFd, name: &OsStr) -> Result<Statx, Errno> {
    let mut flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    if name.is_empty() {
        flags |= AtFlags::EMPTY_PATH;
    }
    rustix::fs::statx(directory, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID)
}

/// The type of an entry; `None` for one that no filesystem should have.
pub(crate) fn kind(status: &Statx) -> Option<Kind> {
    use rustix::fs::FileType;
    Some(match FileType::from_raw_mode(u32::from(status.stx_mode)) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => return None,
    })
}

/// The record of a status; `None` for a type that no filesystem should have.
pub(crate) fn record(status: &Statx) -> Option<Record> {
    let kind = kind(status)?;
    let mut record = Record::new(kind);
    refresh(&mut record, status);
    if matches!(kind, Kind::BlockDevice | Kind::CharDevice) {
        record.device = rustix::fs::makedev(status.stx_rdev_major, status.stx_rdev_minor);
    }
    Some(record)
}

/// Takes over what may have changed since.
pub(crate) fn refresh(record: &mut Record, status: &Statx) {
    let time = |time: rustix::fs::StatxTimestamp| Time { seconds: time.tv_sec, nanoseconds: time.tv_nsec };
    record.size = if record.kind == Kind::File { status.stx_size } else { 0 };
    record.mtime = time(status.stx_mtime);
    record.ctime = time(status.stx_ctime);
    record.inode = status.stx_ino;
    record.filesystem = rustix::fs::makedev(status.stx_dev_major, status.stx_dev_minor);
    record.mode = status.stx_mode & 0o7777;
    record.uid = status.stx_uid;
    record.gid = status.stx_gid;
    record.links = status.stx_nlink;
}

/// Where a btrfs snapshot has only the name of a subvolume that was in its original: an empty directory that is stored nowhere
/// (fs/btrfs/inode.c, `new_simple_dir`). Its times are when the kernel last looked it up.
pub(crate) fn stands_for_a_subvolume(directory: &OwnedFd, status: &Statx) -> bool {
    status.stx_ino == EMPTY_SUBVOLUME && is_btrfs(directory)
}

/// The same for the record of a directory in `parent`.
pub(crate) fn is_only_a_name(record: &Record, parent: &OwnedFd) -> bool {
    record.inode == EMPTY_SUBVOLUME && is_btrfs(parent)
}

/// BTRFS_EMPTY_SUBVOL_DIR_OBJECTID (linux/btrfs_tree.h).
const EMPTY_SUBVOLUME: u64 = 2;

fn is_btrfs(directory: &OwnedFd) -> bool {
    lifeboat_sys::extents::kind(directory) == Some(lifeboat_sys::extents::Kind::Btrfs)
}

/// Where to ask for xattrs.
pub(crate) enum Place<'a> {
    /// An open file or directory.
    Open(&'a OwnedFd),
    /// What is held by O_PATH, because opening it would have side effects: links, devices, pipes.
    Held(&'a OwnedFd),
}

/// The path through /proc to what a descriptor holds, whatever its name is by now. It ends there: a symbolic link that is
/// held is not followed (proc_pid_fd(5)).
pub(crate) fn through_proc(held: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", held.as_raw_fd())
}

/// All xattrs, sorted by name, as far as the filesystem stores them.
///
/// # Errors
/// E2BIG when they are larger than what an archive keeps.
pub(crate) fn xattrs(place: &Place<'_>, stored: &Stored) -> Result<Vec<Xattr>, Errno> {
    let path = match place {
        Place::Held(held) => through_proc(held),
        Place::Open(_) => String::new(),
    };
    let mut buffer = [0_u8; 1024];
    let list = |buffer: &mut [u8]| match place {
        Place::Open(fd) => rustix::fs::flistxattr(fd, buffer),
        Place::Held(_) => rustix::fs::listxattr(path.as_str(), buffer),
    };
    let get = |name: &OsStr, buffer: &mut [u8]| match place {
        Place::Open(fd) => rustix::fs::fgetxattr(fd, name, buffer),
        Place::Held(_) => rustix::fs::getxattr(path.as_str(), name, buffer),
    };
    let names = match list(&mut buffer) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(vec![]),
        Ok(length) => buffer[..length].to_vec(),
        Err(Errno::RANGE) => whole(&list)?,
        Err(error) => return Err(error),
    };
    let (mut found, mut bytes) = (vec![], 0);
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if !stored.labels && name.starts_with(b"security.") {
            continue;
        }
        let value = match get(OsStr::from_bytes(name), &mut buffer) {
            Ok(length) => buffer[..length].to_vec(),
            Err(Errno::RANGE) => whole(&|buffer: &mut [u8]| get(OsStr::from_bytes(name), buffer))?,
            // Removed between listing and reading, or listed by a module that does not reveal it.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
            Err(error) => return Err(error),
        };
        bytes += name.len() + value.len();
        if bytes > XATTR_BYTES {
            return Err(Errno::TOOBIG);
        }
        found.push(Xattr { name: name.to_vec(), value });
    }
    found.sort();
    Ok(found)
}

/// What keeps extended attributes from being archived, for people.
pub(crate) fn no_xattrs(error: Errno) -> String {
    match error {
        Errno::TOOBIG => "cannot ARCHIVE the extended attributes: they are larger than 1 MiB; left out".to_owned(),
        Errno::NOMEM => {
            "cannot ARCHIVE the extended attributes: their owner has more of them than fit into memory; left out"
                .to_owned()
        }
        error => format!("cannot READ the extended attributes: {}", std::io::Error::from(error)),
    }
}

/// Queries with a buffer as large as any answer can be (XATTR_SIZE_MAX, XATTR_LIST_MAX: 64 KiB).
fn whole(ask: &dyn Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 65536];
    let length = ask(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// The size of a file's filesystem in bytes, when the file has more data than that. Any user can make such a file cheaply where
/// files share blocks, and reading it takes days.
pub(crate) fn more_than_its_filesystem(file: &OwnedFd, data: u64) -> Option<u64> {
    /// No filesystem that can do it is smaller (mkfs.btrfs(8), mkfs.xfs(8)).
    const LEAST: u64 = 64 << 20;
    if data < LEAST {
        return None;
    }
    let status = rustix::fs::fstatvfs(file).ok()?;
    let whole = status.f_blocks.saturating_mul(status.f_frsize);
    (whole > 0 && data > whole).then_some(whole)
}

/// Settable flags and project id of an open file or directory; `stored` remembers what the filesystem has.
pub(crate) fn flags_and_project(file: &OwnedFd, record: &mut Record, stored: &mut Stored) {
    if stored.flags != 0 {
        match inode::flags(file) {
            Ok(flags) => record.flags = flags & stored.flags,
            Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS) => stored.flags = 0,
            Err(_) => {}
        }
    }
    if stored.project {
        match inode::project(file) {
            Ok(project) => record.project = project,
            Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS) => stored.project = false,
            Err(_) => {}
        }
    }
}

/// What a filesystem stores for its inodes. What a kernel only shows is not one of their properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Inode flags.
    pub(crate) flags: u32,
    pub(crate) project: bool,
    /// Labels of security modules.
    pub(crate) labels: bool,
}

impl Stored {
    /// Queries the filesystem of an open directory.
    pub(crate) fn by(directory: &OwnedFd) -> Self {
        Stored { flags: inode::storable(directory), project: true, labels: inode::stores_labels(directory) }
    }
}

impl Default for Stored {
    fn default() -> Self {
        Stored { flags: inode::SETTABLE, project: true, labels: true }
    }
}

/// Holes of an open file, by SEEK_HOLE and SEEK_DATA: never-written (preallocated) parts are holes as well.
pub(crate) fn holes(file: &OwnedFd, size: u64) -> Result<Holes, Errno> {
    let mut holes = vec![];
    let mut at = 0;
    while at < size {
        let hole = match rustix::fs::seek(file, SeekFrom::Hole(at)) {
            Ok(hole) => hole,
            // It shrank meanwhile.
            Err(Errno::NXIO) => break,
            // Filesystems without holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(vec![]),
            Err(error) => return Err(error),
        };
        if hole >= size {
            break;
        }
        let data = match rustix::fs::seek(file, SeekFrom::Data(hole)) {
            Ok(data) => data.min(size),
            Err(Errno::NXIO) => size,
            Err(error) => return Err(error),
        };
        if data > hole {
            holes.push((hole, data - hole));
        }
        at = data;
    }
    Ok(holes)
}
