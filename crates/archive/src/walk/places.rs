//! Where the walked mounts begin: every access starts at the descriptor of a mount's root, so that mounts made meanwhile
//! change nothing.

use crate::directories::open_below;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::path::Path;

/// The root of one mount.
#[derive(Debug)]
pub(crate) struct Top {
    /// Its record.
    pub(crate) record: usize,
    pub(crate) fd: OwnedFd,
    /// A private copy of the mount, in which nothing is mounted: whatever is under other mounts is visible, and no
    /// boundary can be crossed.
    pub(crate) detached: bool,
    /// For a stand-in: the device number of the filesystem that it stands for.
    pub(crate) stands_for: Option<u64>,
}

impl Top {
    /// A directory that is read instead of the one that is open as `original`.
    pub(crate) fn stand_in(directory: &Path, original: &OwnedFd, record: usize) -> Result<Top, Errno> {
        let fd = open_root(directory)?;
        let stands_for = Some(rustix::fs::fstat(original)?.st_dev);
        Ok(Top { record, fd, detached: true, stands_for })
    }

    /// The filesystem of an open directory, without what is mounted below it.
    pub(crate) fn new(fd: OwnedFd, record: usize) -> Top {
        // Without CAP_SYS_ADMIN, on old kernels and for unbindable mounts there is no copy; then boundaries are recognised
        // by mount id.
        match lifeboat_sys::mount::without_mounts(&fd) {
            Ok(copy) => Top { record, fd: copy, detached: true, stands_for: None },
            Err(_) => Top { record, fd, detached: false, stands_for: None },
        }
    }
}

/// Opens the directory that contains everything.
pub(crate) fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(rustix::fs::CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens a mount point below the root, with no link on the way: its parent may belong to a user.
pub(crate) fn open_mount_point(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let below = path.strip_prefix("/").unwrap_or(path);
    open_below(root, below.as_os_str(), OFlags::RDONLY, ResolveFlags::empty())
}
