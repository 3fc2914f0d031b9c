//! Names of files in folders that are held open.

use rustix::fd::{AsFd, AsRawFd as _};
use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::path::Path;

/// The folder of a file; `.` for a mere name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives an open file a name. Nothing that has the name is replaced.
///
/// # Errors
/// The system's error: EXIST for a name that is taken, NOENT for a file that has lost its last name (linkat(2)).
pub fn link(file: impl AsFd, folder: impl AsFd, name: &OsStr) -> Result<(), Errno> {
    let (file, folder) = (file.as_fd(), folder.as_fd());
    match rustix::fs::linkat(file, "", folder, name, AtFlags::EMPTY_PATH) {
        // Without CAP_DAC_READ_SEARCH (linkat(2), "AT_EMPTY_PATH").
        Err(Errno::NOENT) => {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            rustix::fs::linkat(CWD, path, folder, name, AtFlags::SYMLINK_FOLLOW)
        }
        linked => linked,
    }
}

/// Renames. Nothing that has the new name is replaced, where the filesystem can ensure that.
///
/// # Errors
/// The system's error.
pub fn rename_new(from: impl AsFd, old: &OsStr, to: impl AsFd, new: &OsStr) -> Result<(), Errno> {
    let (from, to) = (from.as_fd(), to.as_fd());
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        // Filesystems that do not know the flag (rename(2)).
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(from, old, to, new),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn names_are_given_and_none_is_taken_away() {
        let scratch = tempfile::tempdir().unwrap();
        let (held, at) = (File::open(scratch.path()).unwrap(), |name: &str| scratch.path().join(name));
        std::fs::write(at("one"), "one").unwrap();
        std::fs::write(at("two"), "two").unwrap();
        let one = File::open(at("one")).unwrap();
        let name = OsStr::new;
        assert_eq!(link(&one, &held, name("two")), Err(Errno::EXIST));
        link(&one, &held, name("three")).unwrap();
        assert_eq!(rename_new(&held, name("three"), &held, name("two")), Err(Errno::EXIST));
        rename_new(&held, name("three"), &held, name("four")).unwrap();
        assert_eq!(std::fs::read_to_string(at("four")).unwrap(), "one");
        assert_eq!(std::fs::read_to_string(at("two")).unwrap(), "two");
        std::fs::remove_file(at("one")).unwrap();
        std::fs::remove_file(at("four")).unwrap();
        assert_eq!(link(&one, &held, name("five")), Err(Errno::NOENT));
    }

    #[test]
    fn each_file_is_in_a_folder() {
        for (path, folder) in [("a", "."), ("./a", "."), ("/a", "/"), ("b/a", "b"), ("../a", "..")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder), "{path}");
        }
    }
}
