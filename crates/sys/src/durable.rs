//! Files that are still there after a power cut a moment later: a file's bytes are synced before it gets its name, and the
//! directory that holds the name after that (fsync(2): "Calling fsync() does not necessarily ensure that the entry in the directory
//! containing the file has also reached disk").

use rustix::fd::AsFd;
use rustix::io::Errno;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Syncs the names in a directory. Filesystems that cannot do this (CIFS, some FUSE) get no more safety.
///
/// # Errors
/// The system's error.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let flags = rustix::fs::OFlags::DIRECTORY.bits() as i32;
    sync_held(OpenOptions::new().read(true).custom_flags(flags).open(directory)?)
}

/// The same for an open one.
///
/// # Errors
/// The system's error.
pub fn sync_held(directory: impl AsFd) -> io::Result<()> {
    match rustix::fs::fsync(directory) {
        Err(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS | Errno::BADF) => Ok(()),
        other => Ok(other?),
    }
}

/// Syncs the name of a file or directory.
///
/// # Errors
/// The system's error.
pub fn sync_name(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}

/// Syncs a finished file and its name.
///
/// # Errors
/// The system's error.
pub fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    sync_name(path)
}

/// Creates a directory with missing parents, and syncs the names of all that it created.
///
/// # Errors
/// The system's error.
pub fn make_directories(directory: &Path, mode: u32) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    if let Some(above) = directory.parent() {
        make_directories(above, mode)?;
    }
    match DirBuilder::new().mode(mode).create(directory) {
        // Somebody else created it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_name(directory),
    }
}

/// How often a name is freed again when somebody else takes it.
const ATTEMPTS: usize = 10;

/// Opens a new file for writing. What already has its name is removed: a killed process left it, or somebody put a link there, which
/// is neither followed nor written to.
///
/// # Errors
/// The system's error.
pub fn create(path: &Path, mode: u32) -> io::Result<File> {
    let open = || OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    for _ in 0..ATTEMPTS {
        match open() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
            opened => return opened,
        }
    }
    open()
}

/// Writes a whole file, replacing one that may exist: nobody ever sees half of it. It is written as `temporary`, in the same
/// directory, and removed on failure.
///
/// # Errors
/// The system's error.
pub fn write(path: &Path, temporary: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let written = || {
        let mut file = create(temporary, mode)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(temporary, path)?;
        sync_name(path)
    };
    written().inspect_err(|_| {
        let _ = std::fs::remove_file(temporary);
    })
}

/// Writes a new file, never over an existing one; a failure leaves none.
///
/// # Errors
/// The system's error.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_name(path));
    written.inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// Removes a file for good: a power cut does not bring it back.
///
/// # Errors
/// The system's error.
pub fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)?;
    sync_name(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn files_and_folders_are_made_whole_or_not_at_all() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b/c");
        make_directories(&folder, 0o700).unwrap();
        make_directories(&folder, 0o700).unwrap();
        let (path, temporary) = (folder.join("file"), folder.join("file-tmp-"));
        write(&path, &temporary, b"one", 0o600).unwrap();
        write(&path, &temporary, b"two", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(write_new(&path, b"three", 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        // A directory is in the way: the rename fails, and nothing stays behind.
        std::fs::create_dir_all(folder.join("taken/inside")).unwrap();
        write(&folder.join("taken"), &temporary, b"x", 0o600).unwrap_err();
        assert!(!temporary.exists());
        // Another file, to which a name that was taken beforehand leads, stays as it is.
        let other = scratch.path().join("other");
        std::fs::write(&other, "other").unwrap();
        for take in [std::os::unix::fs::symlink::<&Path, &Path>, std::fs::hard_link::<&Path, &Path>] {
            take(&other, &temporary).unwrap();
            write(&path, &temporary, b"three", 0o600).unwrap();
            assert_eq!(
                (std::fs::read(&other).unwrap(), std::fs::read(&path).unwrap()),
                (b"other".into(), b"three".into())
            );
            assert!(path.symlink_metadata().unwrap().is_file());
        }
        remove(&path).unwrap();
        assert!(!path.exists());
        assert!(make_directories(&folder.join("taken/inside"), 0o700).is_ok());
    }
}
