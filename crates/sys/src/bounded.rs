//! Files that anybody may have written: only regular ones are read, so that no pipe or device makes us wait, and none that is
//! larger than its kind can be.

use crate::{beneath, extents, names};
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Files larger than this, in bytes, may not have holes: whoever makes others read them shall have to store them.
const DENSE: u64 = 64 << 10;
/// How long, in milliseconds, leases of others (fcntl(2), F_SETLEASE) are waited for in all; a server of files gives one back at once.
static PATIENCE: AtomicU64 = AtomicU64::new(5000);
/// How long one step of this waiting takes, in milliseconds.
const STEP: u64 = 20;

/// Opens a regular file for reading; returns its size in bytes, too. Links are followed when root or our own user made them.
///
/// # Errors
/// The system's error; of kind [`io::ErrorKind::Other`] if it is not a regular file, and [`io::ErrorKind::WouldBlock`] when another program
/// holds a lease on it.
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
    let file = opened(path, &held)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// Opens what is held. A lease of another program would make us wait for 45 seconds (/proc/sys/fs/lease-break-time).
fn opened(path: &Path, held: &OwnedFd) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let again = format!("/proc/self/fd/{}", held.as_raw_fd());
    let open = || match rustix::fs::open(&*again, flags, Mode::empty()) {
        // Without /proc (proc(5)) there is only its name.
        Err(Errno::NOENT) => rustix::fs::open(path, flags, Mode::empty()),
        opened => opened,
    };
    loop {
        match open() {
            Err(Errno::WOULDBLOCK) => {
                let take = |left: u64| left.checked_sub(STEP);
                if PATIENCE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                    let text = "another program holds a lease on it and does not give it back (fcntl(2))";
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
                }
                std::thread::sleep(Duration::from_millis(STEP));
            }
            opened => return Ok(opened?.into()),
        }
    }
}

/// Exactly `length` bytes from `offset` on, in place of what is in `bytes`; an error where there are fewer.
///
/// # Errors
/// As [`open`]; of kind [`io::ErrorKind::UnexpectedEof`] when it is too short, and [`io::ErrorKind::Other`] when a larger part has a hole.
pub fn read_part(path: &Path, offset: u64, length: u32, bytes: &mut Vec<u8>) -> io::Result<()> {
    let (file, size) = open(path)?;
    let wanted = u64::from(length);
    let end = offset.saturating_add(wanted);
    if end > size {
        let text = format!("it has {size} bytes, at least {end} are needed");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    }
    if wanted > DENSE && rustix::fs::seek(&file, SeekFrom::Hole(offset)).is_ok_and(|hole| hole < end) {
        return Err(io::Error::other(format!("it has a hole before byte {end}: no program wrote it like that")));
    }
    bytes.resize(length as usize, 0);
    file.read_exact_at(bytes, offset)
}

/// What makes files the same without being read: they are names of one inode, or the same blocks of the disk (ioctl_ficlonerange(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Same {
    /// Device and inode.
    Inode(u64, u64),
    /// Device, and a number for the places of all its blocks.
    Blocks(u64, u64),
}

/// Extents by which blocks are compared; with more of them, only these and the size count.
const EXTENTS: usize = 4096;

/// What a file is the same by; nothing for one that cannot be opened.
pub fn same(path: &Path) -> Vec<Same> {
    let Ok((file, size)) = open(path) else { return vec![] };
    let Ok(metadata) = file.metadata() else { return vec![] };
    let device = metadata.dev();
    let blocks = extents::addresses(&file, EXTENTS).ok().filter(|list| !list.is_empty()).map(|list| {
        let mut hasher = DefaultHasher::new();
        (size, list).hash(&mut hasher);
        Same::Blocks(device, hasher.finish())
    });
    std::iter::once(Same::Inode(device, metadata.ino())).chain(blocks).collect()
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
    fn parts_without_holes_and_what_is_the_same() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = |name: &str| directory.path().join(name);
        let content: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8 + 1).collect();
        std::fs::write(path("dense"), &content).unwrap();
        let mut bytes = vec![];
        read_part(&path("dense"), 50_000, 140_000, &mut bytes).unwrap();
        assert_eq!(bytes, content[50_000..190_000]);
        assert_eq!(
            read_part(&path("dense"), 190_000, 20_000, &mut bytes).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        File::create(path("sparse")).unwrap().set_len(1 << 32).unwrap();
        assert!(
            read_part(&path("sparse"), 1 << 20, u32::MAX - (1 << 20), &mut bytes)
                .unwrap_err()
                .to_string()
                .contains("hole")
        );
        // A small part may be zeros.
        read_part(&path("sparse"), 1 << 20, 4096, &mut bytes).unwrap();
        std::fs::hard_link(path("dense"), path("other")).unwrap();
        std::fs::copy(path("dense"), path("copy")).unwrap();
        assert_eq!(same(&path("dense")), same(&path("other")));
        assert!(
            !same(&path("dense")).iter().any(|one| matches!(one, Same::Inode(..)) && same(&path("copy")).contains(one))
        );
        assert_eq!(same(&path("none")), []);
    }

    #[test]
    fn a_lease_of_others_is_not_waited_for_long() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leased");
        std::fs::write(&path, "four").unwrap();
        // F_SETLEASE (1024), F_WRLCK (1): rustix has no such call, and python3 is on each machine that builds.
        let script = "import fcntl,sys,signal; signal.signal(signal.SIGIO, lambda *a: None); f=open(sys.argv[1],'r+'); fcntl.fcntl(f,1024,1); \
                      print('held',flush=True); sys.stdin.read()";
        let python = std::process::Command::new("python3")
            .args(["-c", script])
            .arg(&path)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut python = python.unwrap();
        let mut said = [0; 5];
        python.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        let began = std::time::Instant::now();
        let error = read(&path, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
        assert!(began.elapsed() < Duration::from_secs(30));
        drop(python.stdin.take());
        python.wait().unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
    }

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
