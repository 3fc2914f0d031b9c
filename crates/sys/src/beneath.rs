//! Files below a folder that others can write to as well, a repository on a shared disk: nothing is written or removed through a
//! symbolic link of theirs. A link that root or our own user made, `data` on a larger disk, is followed.

use crate::durable;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

/// What is added to the name of a file while it is written: restic and rustic ignore such names.
pub const UNFINISHED: &str = "-tmp-";

/// Writes a file that has its name at once, replacing one that may exist, without waiting for the disk; missing directories get mode
/// 0700. `file` is relative to `root`. Returns the file.
///
/// # Errors
/// The system's error; of kind [`io::ErrorKind::Other`] when a link of another user is in the way.
pub fn write(root: &Path, file: &Path, bytes: &[u8], mode: u32) -> io::Result<File> {
    write_and(root, file, bytes, mode, |_| Ok(())).map(|(file, _)| file)
}

/// The same of one that is still there after a power cut.
///
/// # Errors
/// As [`write`].
pub fn write_durably(root: &Path, file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (_, directory) = write_and(root, file, bytes, mode, File::sync_all)?;
    durable::sync_held(directory)
}

fn write_and(
    root: &Path,
    file: &Path,
    bytes: &[u8],
    mode: u32,
    whole: impl Fn(&File) -> io::Result<()>,
) -> io::Result<(File, OwnedFd)> {
    let (directory, name) = place(root, file, true)?;
    let mut unfinished = name.clone();
    unfinished.push(UNFINISHED);
    let written = || {
        let mut file = create(&directory, &unfinished, mode)?;
        file.write_all(bytes)?;
        whole(&file)?;
        rustix::fs::renameat(&directory, &unfinished, &directory, &name)?;
        Ok(file)
    };
    match written() {
        Ok(file) => Ok((file, directory)),
        Err(error) => {
            let _ = rustix::fs::unlinkat(&directory, &unfinished, AtFlags::empty());
            Err(error)
        }
    }
}

/// Makes a directory, with those above it that are missing, with mode 0700; one that is there stays. `directory` is relative to `root`.
///
/// # Errors
/// As [`write`].
pub fn make(root: &Path, directory: &Path) -> io::Result<()> {
    place(root, &directory.join("any"), true)?;
    Ok(())
}

/// Removes a file for good: a power cut does not bring it back.
///
/// # Errors
/// As [`write`].
pub fn remove(root: &Path, file: &Path) -> io::Result<()> {
    let (directory, name) = place(root, file, false)?;
    rustix::fs::unlinkat(&directory, &name, AtFlags::empty())?;
    durable::sync_held(directory)
}

/// How often a name is freed again when somebody else takes it.
const ATTEMPTS: usize = 10;

/// A new file; what has its name is removed: a killed process left it, or somebody put a link there.
fn create(directory: &OwnedFd, name: &OsStr, mode: u32) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(mode));
    for _ in 0..ATTEMPTS {
        match open() {
            Err(Errno::EXIST) => match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            },
            opened => return Ok(opened?.into()),
        }
    }
    Ok(open()?.into())
}

/// The directory of a file, open, and the file's name in it.
fn place(root: &Path, file: &Path, make: bool) -> io::Result<(OwnedFd, OsString)> {
    let invalid = || io::Error::from(Errno::INVAL);
    let name = file.file_name().ok_or_else(invalid)?;
    let mut directory = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut way = root.to_owned();
    for part in file.parent().unwrap_or(Path::new("")).components() {
        let Component::Normal(part) = part else { return Err(invalid()) };
        way.push(part);
        directory = enter(&directory, part, &way, make)?;
    }
    // Held by O_PATH it could not be synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((rustix::fs::openat(&directory, ".", flags, Mode::empty())?, name.to_owned()))
}

fn enter(above: &OwnedFd, name: &OsStr, way: &Path, make: bool) -> io::Result<OwnedFd> {
    let hold = |flags: OFlags| rustix::fs::openat(above, name, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty());
    let held = match hold(OFlags::NOFOLLOW) {
        Err(Errno::NOENT) if make => {
            match rustix::fs::mkdirat(above, name, Mode::RWXU) {
                Ok(()) => sync(above)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            hold(OFlags::NOFOLLOW)?
        }
        held => held?,
    };
    let status = rustix::fs::fstat(&held)?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::Directory => Ok(held),
        FileType::Symlink if is_ours(status.st_uid) => {
            let target = rustix::fs::readlinkat(&held, "", Vec::new())?;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(above, &target, flags, Mode::empty())?)
        }
        FileType::Symlink => Err(io::Error::other(format!(
            "{} is a symbolic link of user {}, so nothing is written there; put a directory in its place",
            way.display(),
            status.st_uid
        ))),
        _ => Err(Errno::NOTDIR.into()),
    }
}

/// A link of this user is followed: root's, or our own.
pub fn is_ours(user: u32) -> bool {
    [0, rustix::process::geteuid().as_raw()].contains(&user)
}

fn sync(held: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    durable::sync_held(rustix::fs::openat(held.as_fd(), ".", flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};

    fn names(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn files_are_written_whole_and_directories_are_made() {
        let root = tempfile::tempdir().unwrap();
        let file = Path::new("data/ab/file");
        write(root.path(), file, b"one", 0o600).unwrap();
        // What a killed process left, and a link in its place.
        let unfinished = root.path().join("data/ab/file-tmp-");
        std::fs::write(root.path().join("precious"), "precious").unwrap();
        symlink(root.path().join("precious"), &unfinished).unwrap();
        write_durably(root.path(), file, b"two", 0o600).unwrap();
        assert_eq!(std::fs::read(root.path().join(file)).unwrap(), b"two");
        assert_eq!(std::fs::read(root.path().join("precious")).unwrap(), b"precious");
        assert_eq!(names(&root.path().join("data/ab")), ["file"]);
        assert_eq!(root.path().join("data").metadata().unwrap().permissions().mode() & 0o777, 0o700);
        remove(root.path(), file).unwrap();
        assert_eq!(remove(root.path(), file).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(remove(root.path(), Path::new("none/file")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!root.path().join("none").exists());
        for bad in ["../file", "/file", ""] {
            assert!(write(root.path(), Path::new(bad), b"", 0o600).is_err(), "{bad}");
        }
        // A directory in the way of the file: nothing stays of the attempt.
        std::fs::create_dir_all(root.path().join("index/full/in it")).unwrap();
        assert!(write(root.path(), Path::new("index/full"), b"x", 0o600).is_err());
        assert_eq!(names(&root.path().join("index")), ["full"]);
    }

    #[test]
    fn only_links_of_root_and_our_own_are_followed() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(other.path(), root.path().join("data")).unwrap();
        write(root.path(), Path::new("data/ab/file"), b"one", 0o600).unwrap();
        assert_eq!(std::fs::read(other.path().join("ab/file")).unwrap(), b"one");
        if !rustix::process::geteuid().is_root() {
            return;
        }
        lchown(root.path().join("data"), Some(1234), None).unwrap();
        for error in [
            write(root.path(), Path::new("data/ab/file"), b"two", 0o600).unwrap_err(),
            write_durably(root.path(), Path::new("data/cd/file"), b"two", 0o600).unwrap_err(),
            remove(root.path(), Path::new("data/ab/file")).unwrap_err(),
        ] {
            assert!(error.to_string().contains("is a symbolic link of user 1234"), "{error}");
            assert_eq!(error.kind(), io::ErrorKind::Other);
        }
        assert_eq!(
            (names(other.path()), std::fs::read(other.path().join("ab/file")).unwrap()),
            (vec!["ab".to_owned()], b"one".to_vec())
        );
    }
}
