//! Ways to the directories of a walked tree.
//!
//! Every access starts at the descriptor of a mount's root and names what is below it relative to that, so that paths may
//! be longer than PATH_MAX and mounts made meanwhile change nothing.

use crate::table::Table;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// How many bytes of path go into one system call; PATH_MAX is 4096 with the final NUL.
const PATH_BYTES: usize = 4000;

/// The root of one mount.
#[derive(Debug)]
pub(crate) struct Top {
    /// Its record.
    pub(crate) record: usize,
    pub(crate) fd: OwnedFd,
    /// A private copy of the mount, in which nothing is mounted: whatever lies under other mounts is visible, and no
    /// boundary can be crossed.
    pub(crate) detached: bool,
}

impl Top {
    /// Opens the filesystem mounted at `path`, without what is mounted below it.
    pub(crate) fn open(path: &Path, record: usize) -> Result<Top, Errno> {
        let fd = rustix::fs::openat(rustix::fs::CWD, path, directory_flags(), Mode::empty())?;
        // Without CAP_SYS_ADMIN, on old kernels and for unbindable mounts there is no copy; then boundaries are watched for
        // by mount id.
        Ok(match lifeboat_sys::mount::without_mounts(&fd) {
            Ok(copy) => Top { record, fd: copy, detached: true },
            Err(_) => Top { record, fd, detached: false },
        })
    }
}

/// O_NOATIME is refused to those who neither own the file nor have CAP_FOWNER.
pub(crate) fn open_quietly(directory: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::openat(directory, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::openat(directory, name, flags, Mode::empty()),
        result => result,
    }
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Opens the directory of a record.
pub(crate) fn open_directory(table: &Table, tops: &[Top], index: usize) -> Result<OwnedFd, Errno> {
    let mut names = vec![];
    let mut at = index;
    let top = loop {
        match tops.iter().find(|top| top.record == at) {
            Some(top) => break top,
            None if at == 0 => return Err(Errno::NOENT),
            None => {
                names.push(table.name(at));
                at = table.records[at].parent as usize;
            }
        }
    };
    let mut fd: Option<OwnedFd> = None;
    let mut path = Vec::with_capacity(256);
    while let Some(name) = names.pop() {
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        // NAME_MAX is 255, so one more name still fits.
        let full = path.len() + 256 > PATH_BYTES;
        if full || names.is_empty() {
            let from = fd.as_ref().unwrap_or(&top.fd);
            fd = Some(open_quietly(from, OsStr::from_bytes(&path), OFlags::RDONLY | OFlags::DIRECTORY)?);
            path.clear();
        }
    }
    match fd {
        Some(fd) => Ok(fd),
        None => rustix::fs::openat(&top.fd, ".", directory_flags(), Mode::empty()),
    }
}
