//! Snapshots of btrfs subvolumes (ioctls of linux/btrfs.h). They are made and removed through descriptors, for what is mounted
//! nowhere has no path that a program could resolve.

use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::ioctl::{self, Setter, opcode};
use std::path::Path;

/// BTRFS_FIRST_FREE_OBJECTID: the inode of the root of each subvolume.
const ROOT_INODE: u64 = 256;
/// BTRFS_SUBVOL_RDONLY.
const READ_ONLY: u64 = 1 << 1;
/// BTRFS_PATH_NAME_MAX, with a NUL.
const PATH_NAME: usize = 4088;
/// BTRFS_SUBVOL_NAME_MAX, with a NUL.
const SUBVOLUME_NAME: usize = 4040;

/// `struct btrfs_ioctl_vol_args`
#[repr(C)]
struct Named {
    fd: i64,
    name: [u8; PATH_NAME],
}

/// `struct btrfs_ioctl_vol_args_v2`
#[repr(C)]
struct Flagged {
    fd: i64,
    transaction: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; SUBVOLUME_NAME],
}

/// BTRFS_IOC_SNAP_DESTROY
const DESTROY: ioctl::Opcode = opcode::write::<Named>(0x94, 15);
/// BTRFS_IOC_SNAP_CREATE_V2
const CREATE: ioctl::Opcode = opcode::write::<Flagged>(0x94, 23);

/// A name in an array, with a NUL behind it.
fn name<const SIZE: usize>(text: &str) -> Result<[u8; SIZE], Errno> {
    let mut name = [0; SIZE];
    if text.is_empty() || text.len() >= SIZE || text.bytes().any(|byte| matches!(byte, 0 | b'/')) {
        return Err(Errno::INVAL);
    }
    name[..text.len()].copy_from_slice(text.as_bytes());
    Ok(name)
}

/// Opens the root of a subvolume below an open directory, with no link on the way.
///
/// # Errors
/// EINVAL for a directory that is no root of a subvolume.
pub fn open(top: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let found = rustix::fs::openat2(top, path, flags, Mode::empty(), resolve)?;
    match rustix::fs::fstat(&found)?.st_ino {
        ROOT_INODE => Ok(found),
        _ => Err(Errno::INVAL),
    }
}

/// Takes a read-only snapshot of a subvolume, in an open directory of the same filesystem.
///
/// # Errors
/// ETXTBSY when it has an active swap file, EROFS on a filesystem that is mounted read-only.
pub fn snapshot(subvolume: impl AsFd, directory: impl AsFd, text: &str) -> Result<(), Errno> {
    let fd = i64::from(subvolume.as_fd().as_raw_fd());
    let arguments = Flagged { fd, transaction: 0, flags: READ_ONLY, unused: [0; 4], name: name(text)? };
    // SAFETY: CREATE takes this structure, of which all fields are set, and a descriptor in it that is open during the call.
    unsafe { ioctl::ioctl(directory, Setter::<CREATE, Flagged>::new(arguments)) }
}

/// Removes a subvolume in an open directory.
///
/// # Errors
/// ENOENT when there is none.
pub fn remove(directory: impl AsFd, text: &str) -> Result<(), Errno> {
    let arguments = Named { fd: 0, name: name(text)? };
    // SAFETY: DESTROY takes this structure, of which all fields are set.
    unsafe { ioctl::ioctl(directory, Setter::<DESTROY, Named>::new(arguments)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_the_kernel_has_them() {
        assert_eq!((size_of::<Named>(), size_of::<Flagged>()), (4096, 4096));
        // From linux/btrfs.h, by a C compiler.
        assert_eq!((DESTROY, CREATE), (0x5000_940f, 0x5000_9417));
    }

    #[test]
    fn names_are_names() {
        for wrong in ["", "a/b", "a\0b", &"x".repeat(5000)] {
            assert_eq!(name::<SUBVOLUME_NAME>(wrong), Err(Errno::INVAL));
        }
    }

    #[test]
    fn other_directories_are_no_subvolumes() {
        let top = std::fs::File::open("/proc").unwrap();
        assert_eq!(open(&top, Path::new("sys")).map(drop), Err(Errno::INVAL));
        assert!(remove(&top, "none").is_err());
    }
}
