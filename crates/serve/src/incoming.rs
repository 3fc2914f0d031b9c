//! A file that arrives: it is written without a name, hashed as it comes, and gets its name when it is whole and on the disk. What is
//! cut off, by the client, a crash or a kill, leaves nothing.

use crate::folder::Folder;
use crate::path::FileName;
use lifeboat_sys::{beneath, names};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};

/// Hexadecimal digits behind `-tmp-` in names that we give to unfinished files. restic's have up to 10 decimal ones, Lifeboat's none.
const DIGITS: usize = 16;
/// How much is read at once to hash a file.
const STEP: usize = 256 << 10;

/// A file without a name.
#[derive(Debug)]
pub struct Incoming {
    folder: Folder,
    file: File,
    /// On filesystems where a file needs a name.
    unfinished: Option<String>,
    hasher: Sha256,
    size: u64,
}

/// What became of a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is new.
    New,
    /// The name was taken; what has it was not touched.
    Taken,
}

impl Incoming {
    /// Begins one that is to lie in `folder`.
    ///
    /// # Errors
    /// The system's error.
    pub fn new(folder: &Folder) -> io::Result<Incoming> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let (file, unfinished) = match rustix::fs::openat(folder.held(), ".", flags | OFlags::TMPFILE, mode) {
            Ok(file) => (file, None),
            // Filesystems without files that have no name, and kernels that do not know them (open(2)).
            Err(Errno::NOTSUP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                let name = unfinished("incoming")?;
                let file = rustix::fs::openat(folder.held(), &name, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
                (file, Some(name))
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Incoming { folder: folder.clone(), file: file.into(), unfinished, hasher: Sha256::new(), size: 0 })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// The system's error: of kind [`io::ErrorKind::StorageFull`] when the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The name that fits what has come so far.
    pub fn hash(&self) -> FileName {
        FileName::of(self.hasher.clone().finalize().into())
    }

    /// Gives it a name that nothing else has, once it is on the disk.
    ///
    /// # Errors
    /// The system's error; the name is not there then.
    pub fn keep(&mut self, name: &str) -> io::Result<Kept> {
        self.file.sync_all()?;
        match self.link(name) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(Kept::Taken),
            Err(error) => return Err(error.into()),
        }
        self.folder.sync()?;
        Ok(Kept::New)
    }

    /// Gives it a name; what had it is replaced at once.
    ///
    /// # Errors
    /// The system's error; the name leads to what it led to before.
    pub fn replace(mut self, name: &str) -> io::Result<()> {
        self.file.sync_all()?;
        if self.unfinished.is_none() {
            let unfinished = unfinished(name)?;
            self.link(&unfinished)?;
            self.unfinished = Some(unfinished);
        }
        if let Some(unfinished) = &self.unfinished {
            rustix::fs::renameat(self.folder.held(), unfinished, self.folder.held(), name)?;
            self.unfinished = None;
        }
        Ok(self.folder.sync()?)
    }

    fn link(&mut self, name: &str) -> Result<(), Errno> {
        let folder = self.folder.held();
        let Some(unfinished) = &self.unfinished else {
            return names::link(&self.file, folder, OsStr::new(name));
        };
        match rustix::fs::linkat(folder, unfinished, folder, name, AtFlags::empty()) {
            // Its first name goes when this is dropped.
            Ok(()) => Ok(()),
            // Filesystems without hard links (vfat, some FUSE).
            Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS) => {
                names::rename_new(folder, OsStr::new(unfinished), folder, OsStr::new(name))?;
                self.unfinished = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(name) = &self.unfinished {
            let _ = rustix::fs::unlinkat(self.folder.held(), name, AtFlags::empty());
        }
    }
}

/// A name for an unfinished file, which restic and Lifeboat ignore.
fn unfinished(name: &str) -> io::Result<String> {
    let mut random = [0; DIGITS / 2];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{name}{}{:016x}", beneath::UNFINISHED, u64::from_ne_bytes(random)))
}

/// Reports whether a name is one that we gave to an unfinished file.
pub fn is_unfinished(name: &str) -> bool {
    name.rsplit_once(beneath::UNFINISHED)
        .is_some_and(|(_, digits)| digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The name that fits the content of a file.
///
/// # Errors
/// The system's error.
pub fn hash(mut file: &File) -> io::Result<FileName> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; STEP];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(FileName::of(hasher.finalize().into()));
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &std::path::Path) -> Folder {
        Folder::new(rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap())
    }

    fn names(path: &std::path::Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// As on a filesystem where every file has a name.
    fn with_name(folder: &Folder) -> Incoming {
        let mut incoming = Incoming::new(folder).unwrap();
        let name = unfinished("incoming").unwrap();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        incoming.file = rustix::fs::openat(folder.held(), &name, flags, Mode::RUSR).unwrap().into();
        incoming.unfinished = Some(name);
        incoming
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = folder(scratch.path());
        for make in [|folder: &Folder| Incoming::new(folder).unwrap(), with_name] {
            let mut one = make(&folder);
            one.write(b"on").unwrap();
            one.write(b"e").unwrap();
            assert!(names(scratch.path()).iter().all(|name| is_unfinished(name)));
            assert_eq!(one.keep("name").unwrap(), Kept::New);
            assert_eq!((one.size(), one.hash()), (3, hash(&File::open(scratch.path().join("name")).unwrap()).unwrap()));
            drop(one);
            let mut two = make(&folder);
            two.write(b"two").unwrap();
            assert_eq!(two.keep("name").unwrap(), Kept::Taken);
            assert_eq!(std::fs::read(scratch.path().join("name")).unwrap(), b"one");
            two.replace("name").unwrap();
            assert_eq!(std::fs::read(scratch.path().join("name")).unwrap(), b"two");
            make(&folder).write(b"dropped").unwrap();
            assert_eq!(names(scratch.path()), ["name"]);
            std::fs::remove_file(scratch.path().join("name")).unwrap();
        }
    }

    #[test]
    fn only_our_own_unfinished_files_are_ours() {
        assert!(
            is_unfinished(&unfinished("incoming").unwrap()) && is_unfinished(&unfinished(&"ab".repeat(32)).unwrap())
        );
        for name in ["x-tmp-", "x-tmp-1234567890", "x", &"ab".repeat(32), "-tmp-0123456789abcdeg"] {
            assert!(!is_unfinished(name), "{name}");
        }
    }
}
