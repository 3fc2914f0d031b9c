//! Folders of the store, held open, and the files in them. A symbolic link is never followed: who can write into the store on another
//! way than through the server shall not lead it out of there. A store on several disks is mounted, or bind-mounted.

use lifeboat_sys::durable;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// A folder that is open.
#[derive(Clone, Debug)]
pub struct Folder(Arc<OwnedFd>);

/// A name in a folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name; others than UTF-8 are not the store's.
    pub name: String,
    /// It is a folder.
    pub is_folder: bool,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Bytes.
    pub size: u64,
    /// When it was last written, in seconds since 1970.
    pub modified: i64,
}

impl From<Stat> for Known {
    fn from(status: Stat) -> Known {
        Known { size: u64::try_from(status.st_size).unwrap_or(0), modified: status.st_mtime }
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Folder {
    /// A folder that was opened for reading.
    pub fn new(held: OwnedFd) -> Folder {
        Folder(Arc::new(held))
    }

    /// The descriptor.
    pub fn held(&self) -> &OwnedFd {
        &self.0
    }

    /// A folder below this one.
    ///
    /// # Errors
    /// The system's error: NOENT for one that is not there, LOOP or NOTDIR for a link or a file in its place.
    pub fn enter<'a>(&self, way: impl IntoIterator<Item = &'a str>) -> Result<Folder, Errno> {
        let mut here = self.clone();
        for name in way {
            here = Folder::new(rustix::fs::openat(&*here.0, name, FOLDER, Mode::empty())?);
        }
        Ok(here)
    }

    /// The same; what is missing is made, with mode 0700, and is still there after a power cut.
    ///
    /// # Errors
    /// The system's error.
    pub fn make<'a>(&self, way: impl IntoIterator<Item = &'a str>) -> Result<Folder, Errno> {
        let mut here = self.clone();
        for name in way {
            here = match here.enter([name]) {
                Err(Errno::NOENT) => {
                    match rustix::fs::mkdirat(&*here.0, name, Mode::RWXU) {
                        Ok(()) => here.sync()?,
                        Err(Errno::EXIST) => {}
                        Err(error) => return Err(error),
                    }
                    here.enter([name])?
                }
                entered => entered?,
            };
        }
        Ok(here)
    }

    /// Syncs the names in it; filesystems that cannot do this (CIFS, some FUSE) get no more safety.
    ///
    /// # Errors
    /// The system's error.
    pub fn sync(&self) -> Result<(), Errno> {
        durable::sync_held(&*self.0).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// What is known of a regular file; another kind of file is not there.
    ///
    /// # Errors
    /// The system's error.
    pub fn look(&self, name: &str) -> Result<Known, Errno> {
        let status = rustix::fs::statat(&*self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Ok(status.into()),
            _ => Err(Errno::NOENT),
        }
    }

    /// Opens a regular file for reading; another kind of file is not there.
    ///
    /// # Errors
    /// The system's error.
    pub fn open(&self, name: &str) -> Result<(File, Known), Errno> {
        // A pipe that is opened without waiting does no harm; a device can only be put there by root.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let held = match rustix::fs::openat(&*self.0, name, flags, Mode::empty()) {
            Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR | Errno::NOTDIR) => return Err(Errno::NOENT),
            opened => opened?,
        };
        let status = rustix::fs::fstat(&held)?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Ok((held.into(), status.into())),
            _ => Err(Errno::NOENT),
        }
    }

    /// Removes a file for good: a power cut does not bring it back.
    ///
    /// # Errors
    /// The system's error.
    pub fn remove(&self, name: &str) -> Result<(), Errno> {
        rustix::fs::unlinkat(&*self.0, name, AtFlags::empty())?;
        self.sync()
    }

    /// Calls `each` with everything that is in it, until it fails.
    ///
    /// # Errors
    /// The system's error, or that of `each`.
    pub fn each(&self, mut each: impl FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
        // A descriptor of its own: the position in a folder belongs to the open file.
        let own = rustix::fs::openat(&*self.0, ".", FOLDER, Mode::empty())?;
        for entry in Dir::new(own)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            let is_folder = match entry.file_type() {
                FileType::Unknown => {
                    let status = rustix::fs::statat(&*self.0, name, AtFlags::SYMLINK_NOFOLLOW);
                    status.is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Directory)
                }
                kind => kind == FileType::Directory,
            };
            each(Entry { name: name.to_owned(), is_folder })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_pipes_and_folders_are_no_files() {
        let (scratch, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = Folder::new(rustix::fs::open(scratch.path(), FOLDER, Mode::empty()).unwrap());
        let at = |name: &str| scratch.path().join(name);
        root.make(["a", "b"]).unwrap();
        root.make(["a", "b"]).unwrap();
        std::fs::write(other.path().join("secret"), "secret").unwrap();
        symlink(other.path(), at("a/link")).unwrap();
        symlink(other.path().join("secret"), at("a/file")).unwrap();
        symlink("nowhere", at("a/dangling")).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, at("a/pipe"), FileType::Fifo, mode, 0).unwrap();
        let a = root.enter(["a"]).unwrap();
        for name in ["link", "file", "dangling", "pipe", "b", "none"] {
            assert_eq!(a.look(name).unwrap_err(), Errno::NOENT, "{name}");
            assert_eq!(a.open(name).unwrap_err(), Errno::NOENT, "{name}");
        }
        assert!(root.enter(["a", "link"]).is_err() && root.make(["a", "link", "c"]).is_err());
        assert!(root.make(["a", "file", "c"]).is_err());
        std::fs::write(at("a/real"), "four").unwrap();
        assert_eq!(a.look("real").unwrap().size, 4);
        let mut names = vec![];
        let listed = a.each(|entry| {
            names.push((entry.name, entry.is_folder));
            Ok(())
        });
        listed.unwrap();
        names.sort();
        let names: Vec<(&str, bool)> = names.iter().map(|(name, folder)| (name.as_str(), *folder)).collect();
        assert_eq!(
            names,
            [("b", true), ("dangling", false), ("file", false), ("link", false), ("pipe", false), ("real", false)]
        );
        a.remove("file").unwrap();
        assert!(other.path().join("secret").exists());
    }
}
