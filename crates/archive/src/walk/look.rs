//! One entry of a directory, so that all data is from one inode, and nothing is opened that has an effect
//! when opened: pipes, devices, sockets.

use super::inode::{self, through_proc};
use crate::file_table::{Kind, Record};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, Statx};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// An entry, with what holds it.
pub(crate) struct Seen {
    pub(crate) status: Statx,
    pub(crate) held: Held,
}

/// How an entry is held.
pub(crate) enum Held {
    /// A regular file, open for reading.
    Open(OwnedFd),
    /// By O_PATH: anything else, and a regular file on which another program holds a lease.
    Path(OwnedFd),
    /// A directory, which is opened later.
    Not,
}

/// Why an entry cannot be examined: what was done, and the system's error.
pub(crate) type Failed = (&'static str, Errno);

/// Reports whether users other than root can replace what is in a directory while it is read.
pub(crate) fn is_shared(directory: &Record) -> bool {
    directory.uid != 0 || directory.mode & 0o022 != 0
}

/// O_NOATIME is refused to those who neither own the file nor have CAP_FOWNER.
pub(crate) fn open_quietly(directory: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::openat(directory, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::openat(directory, name, flags, Mode::empty()),
        result => result,
    }
}

/// Examines a name. `listed` is the type in the directory; in a shared directory it is not relied on.
pub(crate) fn look(directory: &OwnedFd, name: &OsStr, listed: FileType, shared: bool) -> Result<Seen, Failed> {
    if listed == FileType::Directory {
        let status = inode::status(directory, name).map_err(|error| ("READ the status", error))?;
        if inode::kind(&status) == Some(Kind::Directory) {
            return Ok(Seen { status, held: Held::Not });
        }
    }
    if listed == FileType::RegularFile && !shared {
        match open_quietly(directory, name, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(file) => {
                let status = inode::status(&file, OsStr::new("")).map_err(|error| ("READ the status", error))?;
                if inode::kind(&status) == Some(Kind::File) {
                    return Ok(Seen { status, held: Held::Open(file) });
                }
            }
            // A lease; or it is something else by now.
            Err(Errno::AGAIN | Errno::LOOP | Errno::NXIO) => {}
            Err(error) => return Err(("OPEN the file", error)),
        }
    }
    let held = hold(directory, name).map_err(|error| ("READ the status", error))?;
    let status = inode::status(&held, OsStr::new("")).map_err(|error| ("READ the status", error))?;
    let held = match inode::kind(&status) {
        Some(Kind::Directory) => Held::Not,
        Some(Kind::File) => match reopen(&held, OFlags::NONBLOCK) {
            Ok(file) => Held::Open(file),
            Err(Errno::AGAIN) => Held::Path(held),
            Err(error) => return Err(("OPEN the file", error)),
        },
        _ => Held::Path(held),
    };
    Ok(Seen { status, held })
}

/// Holds what a name leads to, without opening it.
pub(crate) fn hold(directory: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

/// Opens what is held for reading; it must be known to be a regular file.
fn reopen(held: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = through_proc(held);
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    match rustix::fs::open(path.as_str(), flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::open(path.as_str(), flags, Mode::empty()),
        result => result,
    }
}

/// How long one operation waits in all for leases of other programs. The kernel breaks each of them after
/// /proc/sys/fs/lease-break-time, 45 seconds unless somebody changed it; since the walk has requested all of them, they end
/// together. A program that keeps taking new leases cannot keep a backup from ending.
const LEASES: Duration = Duration::from_secs(60);

/// What is left of the time for waiting.
pub(crate) struct Patience {
    spent: Mutex<Duration>,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Patience { spent: Mutex::new(Duration::ZERO) }
    }

    /// Opens a regular file for reading. `None`: there is something else by now. Waits for a lease.
    ///
    /// # Errors
    /// EAGAIN when there is a lease, and no time is left.
    pub(crate) fn open(&self, directory: &OwnedFd, name: &OsStr, shared: bool) -> Result<Option<OwnedFd>, Errno> {
        if !shared {
            match open_quietly(directory, name, OFlags::RDONLY | OFlags::NONBLOCK) {
                Err(Errno::AGAIN | Errno::LOOP | Errno::NXIO) => {}
                result => return result.map(Some),
            }
        }
        let held = hold(directory, name)?;
        let status = inode::status(&held, OsStr::new(""))?;
        if inode::kind(&status) != Some(Kind::File) {
            return Ok(None);
        }
        match reopen(&held, OFlags::NONBLOCK) {
            Err(Errno::AGAIN) if *crate::report::locked(&self.spent) < LEASES => {
                // The kernel ends this wait (fcntl(2), "Leases"); nothing else waits for a regular file.
                let began = Instant::now();
                let file = reopen(&held, OFlags::empty());
                *crate::report::locked(&self.spent) += began.elapsed();
                file.map(Some)
            }
            result => result.map(Some),
        }
    }
}
