//! A new file that gets its name when it is whole: until then it is `NAME.partial`, which a failure and a signal remove.
//!
//! The folder is held, and the file gets its name through its descriptor: whoever can write to the folder, or to one above it, can neither lead
//! the file elsewhere nor have another one take its place.

use crate::ending::{self, Registration};
use crate::trusted::{self, OpenError};
use crate::{durable, names};
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PARTIAL: &str = ".partial";

/// A file that is being written; unless it is finished, nothing stays of it.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    /// Under which name it can be removed while it is not whole.
    partial: Partial,
    folder: Arc<OwnedFd>,
    name: OsString,
    replaces: bool,
    finished: bool,
    _ending: Registration,
}

/// Where a file is until it is whole.
#[derive(Clone, Debug)]
enum Partial {
    /// In its folder.
    File(Arc<OwnedFd>, OsString),
    /// In a folder of its own, mode 0700, in its folder, for programs that want a path: its folder, its name there, itself, the file's name.
    Within(Arc<OwnedFd>, OsString, Arc<OwnedFd>, OsString),
}

impl Partial {
    fn remove(&self) {
        match self {
            Partial::File(folder, name) => drop(rustix::fs::unlinkat(folder, name, AtFlags::empty())),
            Partial::Within(folder, name, own, file) => {
                let _ = rustix::fs::unlinkat(own, file, AtFlags::empty());
                let _ = rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR);
            }
        }
    }

    /// The folder that the file is in, and its name there.
    fn place(&self) -> (&OwnedFd, &OsStr) {
        match self {
            Partial::File(folder, name) | Partial::Within(_, _, folder, name) => (folder, name),
        }
    }
}

/// A file that has its name.
#[derive(Clone, Debug)]
pub struct Named {
    folder: Arc<OwnedFd>,
    name: OsString,
    /// Device and inode.
    identity: (u64, u64),
}

impl Named {
    /// Removes it, unless something else has its name by now.
    pub fn remove(&self) {
        if identity(&self.folder, &self.name).is_ok_and(|is| is == self.identity) {
            let _ = rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

fn identity(folder: &OwnedFd, name: &OsStr) -> Result<(u64, u64), Errno> {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|status| (status.st_dev, status.st_ino))
}

/// The folder of a file, and its name.
fn place(path: &Path) -> io::Result<(Arc<OwnedFd>, OsString)> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    let opened = trusted::open(names::folder_of(path)).map_err(|error| match error {
        OpenError::System { error, .. } => error.into(),
        OpenError::Untrusted { .. } | OpenError::Open { .. } => {
            io::Error::new(io::ErrorKind::PermissionDenied, format!("{error}; try the path that it leads to"))
        }
    })?;
    Ok((Arc::new(opened), name.to_owned()))
}

impl NewFile {
    /// The name of a file until it is whole.
    pub fn partial(path: &Path) -> PathBuf {
        partial_of(path.as_os_str()).into()
    }

    /// Begins a file. Neither it nor the unfinished one may exist, and no link on the way to it may be one that another user made.
    ///
    /// # Errors
    /// The system's error; kind `AlreadyExists` names the one that is in the way.
    pub fn create(path: &Path, mode: u32) -> io::Result<NewFile> {
        let (folder, name) = place(path)?;
        if rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(exists(path));
        }
        let partial = partial_of(&name);
        let file = open(&folder, &partial, mode).map_err(|error| match error {
            Errno::EXIST => exists(&NewFile::partial(path)),
            error => error.into(),
        })?;
        let partial = Partial::File(Arc::clone(&folder), partial);
        Ok(NewFile::with(file, partial, (folder, name), false))
    }

    /// Begins a file that another program writes by a path ([`NewFile::path`]) into which nobody else can get. What a killed process left of it is removed. When
    /// it is finished it replaces a file of its name.
    ///
    /// # Errors
    /// The system's error.
    pub fn for_a_program(path: &Path, mode: u32) -> io::Result<NewFile> {
        let (folder, name) = place(path)?;
        let within = partial_of(&name);
        let make = || rustix::fs::mkdirat(&folder, &within, Mode::RWXU);
        if make() == Err(Errno::EXIST) {
            remove_left_over(&folder, &within, &name)?;
            make()?;
        }
        let own = Arc::new(open_folder(&folder, &within)?);
        let file = open(&own, &name, mode)?;
        let partial = Partial::Within(Arc::clone(&folder), within, own, name.clone());
        Ok(NewFile::with(file, partial, (folder, name), true))
    }

    fn with(file: File, partial: Partial, (folder, name): (Arc<OwnedFd>, OsString), replaces: bool) -> NewFile {
        let left = partial.clone();
        let _ending = ending::register(move || left.remove());
        NewFile { file, partial, folder, name, replaces, finished: false, _ending }
    }

    /// A path to the file, for as long as this lives, that is valid in every process of ours that root runs.
    pub fn path(&self) -> PathBuf {
        let (folder, name) = self.partial.place();
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), folder.as_raw_fd())).join(name)
    }

    /// Removes what has the name now, to make room.
    ///
    /// # Errors
    /// The system's error.
    pub fn remove_old(&self) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives it its name, once its bytes are on the disk.
    ///
    /// # Errors
    /// The system's error; then nothing stays of it.
    pub fn finish(mut self) -> io::Result<Named> {
        if let Partial::Within(_, _, own, name) = &self.partial {
            // The program may have put another file in its place.
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            self.file = rustix::fs::openat(own, name, flags, Mode::empty())?.into();
        }
        self.file.sync_all()?;
        let status = rustix::fs::fstat(&self.file)?;
        let named = Named {
            folder: Arc::clone(&self.folder),
            name: self.name.clone(),
            identity: (status.st_dev, status.st_ino),
        };
        let linked = if self.replaces { Err(Errno::EXIST) } else { names::link(&self.file, &self.folder, &self.name) };
        match linked {
            Ok(()) => self.partial.remove(),
            // A filesystem without links, or something is to be replaced: what has the name of the unfinished file gets the name.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => self.rename(&named)?,
            Err(Errno::EXIST) if self.replaces => self.rename(&named)?,
            // A file that lost its last name gets no other one (linkat(2), ENOENT).
            Err(Errno::NOENT) => return Err(io::Error::other("it was removed while it was written")),
            Err(error) => return Err(error.into()),
        }
        self.finished = true;
        durable::sync_held(&self.folder)?;
        Ok(named)
    }

    fn rename(&self, named: &Named) -> io::Result<()> {
        let (from, partial) = self.partial.place();
        match self.replaces {
            true => rustix::fs::renameat(from, partial, &self.folder, &self.name)?,
            false => names::rename_new(from, partial, &self.folder, &self.name)?,
        }
        if identity(&self.folder, &self.name)? != named.identity {
            return Err(io::Error::other(
                "another file was put in its place meanwhile; try a folder that only you can change",
            ));
        }
        if let Partial::Within(..) = self.partial {
            self.partial.remove();
        }
        Ok(())
    }
}

fn partial_of(name: &OsStr) -> OsString {
    let mut name = name.to_owned();
    name.push(PARTIAL);
    name
}

fn open(folder: &OwnedFd, name: &OsStr, mode: u32) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(mode)).map(File::from)
}

/// Opens a folder that was just made, or left by a process of ours.
fn open_folder(folder: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let own = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let status = rustix::fs::fstat(&own)?;
    let is_ours =
        status.st_uid == rustix::process::geteuid().as_raw() && trusted::open_to_held(&own, &status).is_none();
    if is_ours { Ok(own) } else { Err(exists(Path::new(name))) }
}

/// Removes what a killed process left: a folder with one file, or, from earlier releases, a file.
fn remove_left_over(folder: &OwnedFd, within: &OsStr, name: &OsStr) -> io::Result<()> {
    let status = rustix::fs::statat(folder, within, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
        return Ok(rustix::fs::unlinkat(folder, within, AtFlags::empty())?);
    }
    match rustix::fs::unlinkat(&open_folder(folder, within)?, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    rustix::fs::unlinkat(folder, within, AtFlags::REMOVEDIR).map_err(|error| match error {
        Errno::NOTEMPTY => exists(Path::new(within)),
        error => error.into(),
    })
}

fn exists(path: &Path) -> io::Error {
    let text = format!("{} exists already; try another name, or remove it first", path.display());
    io::Error::new(io::ErrorKind::AlreadyExists, text)
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            self.partial.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    fn names(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_is_there_when_it_is_whole_and_replaces_none() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        let mut file = NewFile::create(&path, 0o600).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        let error = NewFile::create(&path, 0o600).unwrap_err();
        assert!(error.to_string().contains("file.partial exists already"), "{error}");
        drop(file);
        assert_eq!(names(scratch.path()), 0);
        let mut file = NewFile::create(&path, 0o600).unwrap();
        file.write_all(b"whole").unwrap();
        let named = file.finish().unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), names(scratch.path())), (b"whole".to_vec(), 1));
        assert_eq!(NewFile::create(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        // Somebody makes the file meanwhile.
        let other = scratch.path().join("other");
        let file = NewFile::create(&other, 0o600).unwrap();
        std::fs::write(&other, "other").unwrap();
        assert_eq!(file.finish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((std::fs::read(&other).unwrap(), names(scratch.path())), (b"other".to_vec(), 2));
        // What has its name by now is not removed in its stead.
        std::fs::rename(&other, &path).unwrap();
        named.remove();
        assert_eq!(std::fs::read(&path).unwrap(), b"other");
    }

    #[test]
    fn nobody_leads_a_file_elsewhere() {
        let scratch = tempfile::tempdir().unwrap();
        let (shared, secret) = (scratch.path().join("shared"), scratch.path().join("secret"));
        std::fs::create_dir_all(shared.join("out")).unwrap();
        std::fs::create_dir(&secret).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).unwrap();
        // The folder is exchanged for a link while the file is written, and the unfinished file for one to another file.
        let mut file = NewFile::create(&shared.join("out/file"), 0o600).unwrap();
        std::fs::rename(shared.join("out"), shared.join("moved")).unwrap();
        symlink(&secret, shared.join("out")).unwrap();
        std::fs::write(secret.join("file.partial"), "precious").unwrap();
        std::fs::rename(shared.join("moved/file.partial"), shared.join("moved/kept")).unwrap();
        std::fs::write(shared.join("moved/file.partial"), "forged").unwrap();
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read(shared.join("moved/file")).unwrap(), b"whole");
        assert_eq!((std::fs::read(secret.join("file.partial")).unwrap(), names(&secret)), (b"precious".to_vec(), 1));
        let file = NewFile::create(&shared.join("moved/other"), 0o600).unwrap();
        std::fs::remove_file(shared.join("moved/other.partial")).unwrap();
        assert!(file.finish().unwrap_err().to_string().contains("was removed while it was written"));
        // A link that is there beforehand is not followed at all.
        let error = NewFile::create(&shared.join("out/file"), 0o600).unwrap_err();
        assert!(error.to_string().contains("is a symbolic link in a folder that everybody can change"), "{error}");
        assert_eq!(names(&secret), 1);
    }

    #[test]
    fn a_program_writes_into_a_folder_of_its_own_and_replaces_what_is_there() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("image");
        // What killed processes left: of an earlier release, and of this one.
        std::fs::write(scratch.path().join("image.partial"), "half").unwrap();
        let file = NewFile::for_a_program(&path, 0o600).unwrap();
        std::fs::write(file.path(), "half").unwrap();
        std::mem::forget(file);
        let file = NewFile::for_a_program(&path, 0o600).unwrap();
        assert_eq!(scratch.path().join("image.partial").metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::write(file.path(), "whole").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), names(scratch.path())), (b"whole".to_vec(), 1));
        let file = NewFile::for_a_program(&path, 0o600).unwrap();
        std::fs::write(file.path(), "newer").unwrap();
        file.finish().unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), names(scratch.path())), (b"newer".to_vec(), 1));
        drop(NewFile::for_a_program(&path, 0o600).unwrap());
        assert_eq!((std::fs::read(&path).unwrap(), names(scratch.path())), (b"newer".to_vec(), 1));
        // A folder with something else in it belongs to somebody.
        std::fs::create_dir(scratch.path().join("image.partial")).unwrap();
        std::fs::write(scratch.path().join("image.partial/mine"), "mine").unwrap();
        let error = NewFile::for_a_program(&path, 0o600).unwrap_err();
        assert!(error.to_string().contains("image.partial exists already"), "{error}");
    }
}
