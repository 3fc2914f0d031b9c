//! What one inode has besides its content: status, xattrs, flags, project id, holes.

use crate::table::{Holes, Kind, Record, Time, Xattr};
use lifeboat_sys::inode;
use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{AtFlags, SeekFrom, Statx, StatxFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// statx(2) of a name in a directory; of the open file itself when the name is empty.
pub(crate) fn status(directory: impl AsFd, name: &OsStr) -> Result<Statx, Errno> {
    let mut flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    if name.is_empty() {
        flags |= AtFlags::EMPTY_PATH;
    }
    rustix::fs::statx(directory, name, flags, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

/// The record of a status; `None` for a type that no filesystem should have.
pub(crate) fn record(status: &Statx) -> Option<Record> {
    use rustix::fs::FileType;
    let kind = match FileType::from_raw_mode(u32::from(status.stx_mode)) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => return None,
    };
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

/// Where to ask for xattrs.
pub(crate) enum Place<'a> {
    /// An open file or directory.
    Open(&'a OwnedFd),
    /// What cannot be opened without side effects: links, devices, pipes. The link itself is asked, never its target.
    Named(&'a OwnedFd, &'a OsStr),
}

/// All xattrs, sorted by name.
pub(crate) fn xattrs(place: &Place<'_>) -> Result<Vec<Xattr>, Errno> {
    // There is no llistxattrat before Linux 6.13; through /proc the path starts at the directory's descriptor.
    let through_proc = match place {
        Place::Named(directory, name) => {
            let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
            path.extend_from_slice(name.as_bytes());
            path
        }
        Place::Open(_) => vec![],
    };
    let path = OsStr::from_bytes(&through_proc);
    let mut buffer = [0_u8; 1024];
    let list = |buffer: &mut [u8]| match place {
        Place::Open(fd) => rustix::fs::flistxattr(fd, buffer),
        Place::Named(..) => rustix::fs::llistxattr(path, buffer),
    };
    let get = |name: &OsStr, buffer: &mut [u8]| match place {
        Place::Open(fd) => rustix::fs::fgetxattr(fd, name, buffer),
        Place::Named(..) => rustix::fs::lgetxattr(path, name, buffer),
    };
    let names = match list(&mut buffer) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(vec![]),
        Ok(length) => buffer[..length].to_vec(),
        Err(Errno::RANGE) => whole(&list)?,
        Err(error) => return Err(error),
    };
    let mut found = vec![];
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let value = match get(OsStr::from_bytes(name), &mut buffer) {
            Ok(length) => buffer[..length].to_vec(),
            Err(Errno::RANGE) => whole(&|buffer: &mut [u8]| get(OsStr::from_bytes(name), buffer))?,
            // Removed between listing and asking, or listed by a module that does not give it out.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
            Err(error) => return Err(error),
        };
        found.push(Xattr { name: name.to_vec(), value });
    }
    found.sort();
    Ok(found)
}

/// Asks with a buffer as large as any answer can be (XATTR_SIZE_MAX, XATTR_LIST_MAX: 64 KiB).
fn whole(ask: &dyn Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 65536];
    let length = ask(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// Settable flags and project id of an open file or directory; `supported` remembers what the filesystem has.
pub(crate) fn flags_and_project(file: &OwnedFd, record: &mut Record, supported: &mut Supported) {
    if supported.flags {
        match inode::flags(file) {
            Ok(flags) => record.flags = flags & inode::SETTABLE,
            Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS) => supported.flags = false,
            Err(_) => {}
        }
    }
    if supported.project {
        match inode::project(file) {
            Ok(project) => record.project = project,
            Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS) => supported.project = false,
            Err(_) => {}
        }
    }
}

/// What a filesystem can be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Supported {
    pub(crate) flags: bool,
    pub(crate) project: bool,
}

impl Default for Supported {
    fn default() -> Self {
        Supported { flags: true, project: true }
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
            // Filesystems that do not know holes.
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
