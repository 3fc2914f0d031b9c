//! Files that anybody may have written: only regular ones are read, so that no pipe or device makes us wait, and none that is
//! larger than its kind can be.

use crate::{beneath, names};
use rustix::fd::AsRawFd as _;
use rustix::fs::{FileType, Mode, OFlags, SeekFrom};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Files larger than this, in bytes, may not have holes: whoever makes others read them shall have to store them.
const DENSE: u64 = 64 << 10;

/// Opens a regular file for reading; returns its size in bytes, too. Links are followed when root or our own user made them.
///
/// # Errors
/// The system's error; of kind [`io::ErrorKind::Other`] if it is not a regular file.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    // A device that is only opened may act, so it is held first, and looked at: nobody can exchange what is held.
    let hold = |flags: OFlags| rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty());
    let mut held = hold(OFlags::NOFOLLOW)?;
    let mut status = rustix::fs::fstat(&held)?;
    if FileType::from_raw_mode(status.st_mode) == FileType::Symlink {
        if !beneath::is_ours(status.st_uid) {
            return Err(io::Error::other(format!("it is a symbolic link of user {}", status.st_uid)));
        }
        let target = rustix::fs::readlinkat(&held, "", Vec::new())?;
        let target = names::folder_of(path).join(OsStr::from_bytes(target.as_bytes()));
        held = rustix::fs::open(target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        status = rustix::fs::fstat(&held)?;
    }
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = match File::open(format!("/proc/self/fd/{}", held.as_raw_fd())) {
        // Without /proc (proc(5)) there is only its name.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            rustix::fs::open(path, OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?.into()
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// The content of a regular file of at most `limit` bytes.
///
/// # Errors
/// The system's error; of kind [`io::ErrorKind::Other`] if it is not a regular file, or larger.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, size) = open(path)?;
    if size > limit {
        return Err(too_large(size, limit));
    }
    if size > DENSE && has_hole(&file, size) {
        return Err(io::Error::other(format!("it has {size} bytes, but a hole: no program wrote it like that")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // It may have grown since.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        size if size > limit => Err(too_large(size, limit)),
        _ => Ok(bytes),
    }
}

/// Filesystems that keep no account of holes say that there are none (lseek(2), "Seeking file data and holes"). What is encrypted or text
/// has no page of zeros that could have been made a hole afterwards.
fn has_hole(file: &File, size: u64) -> bool {
    let hole = rustix::fs::seek(file, SeekFrom::Hole(0));
    let back = rustix::fs::seek(file, SeekFrom::Start(0));
    back.is_ok() && hole.is_ok_and(|hole| hole < size)
}

/// Why a file is not read; sizes in bytes.
pub fn too_large(size: u64, limit: u64) -> io::Error {
    io::Error::other(format!("it has {size} bytes; such a file has at most {limit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_that_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("four"), b"1234").unwrap();
        assert_eq!(read(&path("four"), 4).unwrap(), b"1234");
        assert!(read(&path("four"), 3).unwrap_err().to_string().contains("4 bytes; such a file has at most 3"));
        // Its size is checked first: so much memory is not available.
        File::create(path("giant")).unwrap().set_len(1 << 43).unwrap();
        assert!(read(&path("giant"), 1 << 20).unwrap_err().to_string().contains("such a file has at most"));
        // Nor does it cost a writer nothing to make others read much.
        File::create(path("sparse")).unwrap().set_len(1 << 20).unwrap();
        assert!(read(&path("sparse"), 1 << 20).unwrap_err().to_string().contains("but a hole"));
        std::fs::write(path("dense"), vec![7; 1 << 20]).unwrap();
        assert_eq!(read(&path("dense"), 1 << 20).unwrap(), vec![7; 1 << 20]);
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zeros")).unwrap();
        for odd in ["pipe", "zeros", "."] {
            assert_eq!(read(&path(odd), 4).unwrap_err().to_string(), "it is not a regular file", "{odd}");
        }
        assert_eq!(read(&path("none"), 4).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::os::unix::fs::symlink("four", path("link")).unwrap();
        assert_eq!(read(&path("link"), 4).unwrap(), b"1234");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(path("link"), Some(1234), None).unwrap();
            assert_eq!(read(&path("link"), 4).unwrap_err().to_string(), "it is a symbolic link of user 1234");
        }
    }
}
