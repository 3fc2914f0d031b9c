//! Directories of the target, opened without following any link: an archive cannot make anything outside of it.

use super::Failure;
use crate::ArchiveError;
use crate::table::Table;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes of path go into one system call; PATH_MAX is 4096 with the final NUL.
const PATH_BYTES: usize = 4000;

/// The directory that is restored into.
pub(super) struct Target {
    root: OwnedFd,
    pub(super) path: PathBuf,
}

impl Target {
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(rustix::fs::CWD, path, flags, Mode::empty());
        Ok(Target { root: root.map_err(|error| ArchiveError::io("OPEN", path, error))?, path: path.to_owned() })
    }

    /// Opens the directory of a record.
    pub(super) fn directory(&self, table: &Table, index: usize) -> Result<OwnedFd, Errno> {
        let mut at: Option<OwnedFd> = None;
        let mut path = Vec::with_capacity(256);
        let names = table.names(index);
        for (position, name) in names.iter().enumerate() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            // NAME_MAX is 255, so one more name still fits.
            if path.len() + 256 > PATH_BYTES || position + 1 == names.len() {
                at = Some(open_below(at.as_ref().unwrap_or(&self.root), OsStr::from_bytes(&path))?);
                path.clear();
            }
        }
        match at {
            Some(at) => Ok(at),
            None => open_below(&self.root, OsStr::new(".")),
        }
    }

    /// Waits until everything is on the disk.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        rustix::fs::syncfs(&self.root)
    }
}

/// Opens a directory below another one; neither `..` nor links on the way.
fn open_below(from: &OwnedFd, path: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(from, path, flags, Mode::empty(), resolve) {
            // Something was renamed meanwhile, so that the kernel is not sure about `..` (openat2(2)).
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
}

/// Remembers the directory that was used last.
#[derive(Default)]
pub(super) struct Cache {
    last: Option<(usize, OwnedFd)>,
}

impl Cache {
    pub(super) fn get(&mut self, target: &Target, table: &Table, index: usize) -> Result<&OwnedFd, Errno> {
        let fresh = match self.last.take() {
            Some((last, fd)) if last == index => fd,
            _ => target.directory(table, index)?,
        };
        Ok(&self.last.insert((index, fresh)).1)
    }
}

/// Makes a directory, unless there is one.
pub(super) fn make_directory(parent: &OwnedFd, name: &OsStr, overwrite: bool) -> Result<(), Failure> {
    let make = || rustix::fs::mkdirat(parent, name, Mode::RWXU);
    match make() {
        Ok(()) => return Ok(()),
        Err(Errno::EXIST) => {}
        Err(error) => return Err(Failure::entry("MAKE the directory", error)),
    }
    let status = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    let status = status.map_err(|error| Failure::entry("READ the status", error))?;
    if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
        return Ok(());
    }
    if !overwrite {
        return Err(Failure::Entry("cannot MAKE the directory: something else is there".to_owned()));
    }
    rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(|error| Failure::entry("REPLACE", error))?;
    make().map_err(|error| Failure::entry("MAKE the directory", error))
}

/// Where an entry was made: under its name, or under another one until it is complete.
pub(super) struct Put {
    name: OsString,
    temporary: Option<OsString>,
}

impl Put {
    /// The name that it has now.
    pub(super) fn name(&self) -> &OsStr {
        self.temporary.as_deref().unwrap_or(&self.name)
    }

    /// Gives it its name, in place of what was there.
    pub(super) fn rename(self, parent: &OwnedFd) -> Result<(), Errno> {
        let Some(temporary) = self.temporary else { return Ok(()) };
        let rename = || rustix::fs::renameat(parent, &temporary, parent, &self.name);
        let result = match rename() {
            // A directory is in the way; an empty one can be replaced as well.
            Err(Errno::ISDIR) => rustix::fs::unlinkat(parent, &self.name, AtFlags::REMOVEDIR).and_then(|()| rename()),
            result => result,
        };
        // Of two links to one inode rename(2) removes neither.
        let _ = rustix::fs::unlinkat(parent, &temporary, AtFlags::empty());
        result
    }

    /// Removes what is not complete.
    pub(super) fn remove(self, parent: &OwnedFd) {
        let _ = rustix::fs::unlinkat(parent, self.name(), AtFlags::empty());
    }
}

/// Makes an entry by `make`; when its name is taken and may be overwritten, under a temporary one.
pub(super) fn put(
    parent: &OwnedFd,
    name: &OsStr,
    overwrite: bool,
    make: impl Fn(&OsStr) -> Result<(), Errno>,
) -> Result<Put, Errno> {
    put_with(parent, name, overwrite, make).map(|(put, ())| put)
}

/// Like [`put`], with what `make` gives.
pub(super) fn put_with<T>(
    _parent: &OwnedFd,
    name: &OsStr,
    overwrite: bool,
    make: impl Fn(&OsStr) -> Result<T, Errno>,
) -> Result<(Put, T), Errno> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    match make(name) {
        Ok(made) => return Ok((Put { name: name.to_owned(), temporary: None }, made)),
        Err(Errno::EXIST) if overwrite => {}
        Err(error) => return Err(error),
    }
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = OsString::from(format!(".lifeboat-{}-{number}", std::process::id()));
        match make(&temporary) {
            Ok(made) => return Ok((Put { name: name.to_owned(), temporary: Some(temporary) }, made)),
            // Left by a run that was killed.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
}
