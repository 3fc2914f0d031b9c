//! Inode flags and project ids (ioctl_iflags(2), linux/fs.h).

use rustix::fd::AsFd;
use rustix::fs::IFlags;
use rustix::io::Errno;
use rustix::ioctl;

/// Flags that FS_IOC_SETFLAGS can set on some filesystem; the others only show how an inode is stored (extents, inline
/// data, hashed directories, encryption, verity, …).
pub const SETTABLE: u32 = 0x0000_0001 // SECRM
    | 0x0000_0002 // UNRM
    | COMPR
    | SYNC
    | IMMUTABLE
    | APPEND
    | 0x0000_0040 // NODUMP
    | 0x0000_0080 // NOATIME
    | NOCOMP
    | 0x0000_4000 // JOURNAL_DATA
    | 0x0000_8000 // NOTAIL
    | DIRSYNC
    | 0x0002_0000 // TOPDIR
    | NOCOW
    | 0x0200_0000 // DAX
    | PROJINHERIT
    | CASEFOLD;
/// The file cannot be changed, removed, or linked to.
pub const IMMUTABLE: u32 = 0x0000_0010;
/// The file can only grow.
pub const APPEND: u32 = 0x0000_0020;
/// Data is compressed when written (btrfs).
pub const COMPR: u32 = 0x0000_0004;
/// Writes wait for the disk.
pub const SYNC: u32 = 0x0000_0008;
/// Changes of the directory wait for the disk.
pub const DIRSYNC: u32 = 0x0001_0000;
/// Not compressed; btrfs sets it by itself on files that do not shrink (btrfs(5), "compress").
pub const NOCOMP: u32 = 0x0000_0400;
/// Not copied on write; settable only while the file is empty.
pub const NOCOW: u32 = 0x0080_0000;
/// New entries take the directory's project id.
pub const PROJINHERIT: u32 = 0x2000_0000;
/// Names are compared without case; settable only while the directory is empty.
pub const CASEFOLD: u32 = 0x4000_0000;

/// Inode flags of an open file or directory (FS_IOC_GETFLAGS), settable or not.
///
/// # Errors
/// ENOTTY or EOPNOTSUPP where the filesystem has none.
pub fn flags(file: impl AsFd) -> Result<u32, Errno> {
    rustix::fs::ioctl_getflags(file).map(|flags| flags.bits())
}

/// Sets the settable inode flags (FS_IOC_SETFLAGS), keeping those that are not settable.
///
/// # Errors
/// EOPNOTSUPP for flags that the filesystem does not know; EPERM without the capability.
pub fn set_flags(file: impl AsFd, wanted: u32) -> Result<(), Errno> {
    let kept = flags(&file)? & !SETTABLE;
    rustix::fs::ioctl_setflags(file, IFlags::from_bits_retain(kept | wanted & SETTABLE))
}

/// Adds [`IMMUTABLE`] or [`APPEND`], leaving other flags alone: FS_IOC_FSSETXATTR, unlike FS_IOC_SETFLAGS, does not choose another
/// compression (fs/btrfs/ioctl.c, `btrfs_fileattr_set`).
///
/// # Errors
/// EOPNOTSUPP where the filesystem has no such flags; EPERM without the capability.
pub fn protect(file: impl AsFd, flags: u32) -> Result<(), Errno> {
    // FS_XFLAG_IMMUTABLE and FS_XFLAG_APPEND.
    let wanted = [(IMMUTABLE, 0x8), (APPEND, 0x10)].iter().filter(|(flag, _)| flags & flag != 0);
    let xflags = wanted.fold(0, |all, (_, xflag)| all | xflag);
    if xflags == 0 {
        return Ok(());
    }
    let attributes = get(file.as_fd())?;
    set(file.as_fd(), FsXattr { xflags: attributes.xflags | xflags, ..attributes })
}

// Magic numbers of statfs(2), from linux/magic.h and the filesystems' own headers.
const EXT: u32 = 0xef53;
const F2FS: u32 = 0xf2f5_2010;
const TMPFS: u32 = 0x0102_1994;
const BCACHEFS: u32 = 0xca45_1a4e;
const FAT: u32 = 0x4d44;
const EXFAT: u32 = 0x2011_bab0;
const NTFS3: u32 = 0x7366_746e;
const XFS: u32 = 0x5846_5342;
const BTRFS: u32 = 0x9123_683e;
const ISO9660: u32 = 0x9660;
const UDF: u32 = 0x1501_3346;

/// The flags that the filesystem of an open file stores for each inode. Kernels show more: from Linux 7 on every filesystem
/// that ignores case, such as vfat, answers FS_IOC_GETFLAGS with [`CASEFOLD`], which nobody has set or can set there.
pub fn storable(file: impl AsFd) -> u32 {
    let magic = rustix::fs::fstatfs(file).map(|status| status.f_type as u32);
    match magic {
        Ok(FAT | EXFAT | NTFS3 | ISO9660 | UDF) => 0,
        Ok(EXT | F2FS | TMPFS | BCACHEFS) => SETTABLE,
        _ => SETTABLE & !CASEFOLD,
    }
}

/// Reports whether the filesystem of an open file is one that gives new files exactly the owner, group and mode that they are created
/// with. FAT has none, and servers decide for themselves.
pub fn keeps_modes(file: impl AsFd) -> bool {
    let magic = rustix::fs::fstatfs(file).map(|status| status.f_type as u32);
    matches!(magic, Ok(EXT | XFS | BTRFS | F2FS | TMPFS | BCACHEFS))
}

/// Reports whether the filesystem of an open file stores labels of security modules. Where it does not, the kernel shows
/// the label that the policy assigns to all of it (genfscon) as an extended attribute, which cannot be set.
pub fn stores_labels(file: impl AsFd) -> bool {
    // A name that no module handles goes to the filesystem: vfs_getxattr() in fs/xattr.c.
    let mut nothing = [0_u8; 0];
    !matches!(rustix::fs::fgetxattr(file, "security.lifeboat", &mut nothing), Err(Errno::OPNOTSUPP))
}

/// Reports whether an extended attribute is the label of a security module: it belongs to the machine's policy.
pub fn is_label(name: &[u8]) -> bool {
    name == b"security.selinux" || name == b"security.apparmor" || name.starts_with(b"security.SMACK64")
}

/// `struct fsxattr` of linux/fs.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct FsXattr {
    xflags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    cow_extent_size: u32,
    padding: [u8; 8],
}

/// Project id of an open file or directory (FS_IOC_FSGETXATTR).
///
/// # Errors
/// ENOTTY or EOPNOTSUPP where the filesystem has none.
pub fn project(file: impl AsFd) -> Result<u32, Errno> {
    get(file.as_fd()).map(|attributes| attributes.project)
}

/// Sets the project id (FS_IOC_FSSETXATTR).
///
/// # Errors
/// EOPNOTSUPP where the filesystem keeps none.
pub fn set_project(file: impl AsFd, project: u32) -> Result<(), Errno> {
    let attributes = FsXattr { project, ..get(file.as_fd())? };
    set(file.as_fd(), attributes)
}

fn set(file: rustix::fd::BorrowedFd<'_>, attributes: FsXattr) -> Result<(), Errno> {
    const FSSETXATTR: ioctl::Opcode = ioctl::opcode::write::<FsXattr>(b'X', 32);
    // SAFETY: FS_IOC_FSSETXATTR reads one `struct fsxattr`, which `FsXattr` mirrors.
    unsafe { ioctl::ioctl(file, ioctl::Setter::<FSSETXATTR, FsXattr>::new(attributes)) }
}

fn get(file: rustix::fd::BorrowedFd<'_>) -> Result<FsXattr, Errno> {
    const FSGETXATTR: ioctl::Opcode = ioctl::opcode::read::<FsXattr>(b'X', 31);
    // SAFETY: FS_IOC_FSGETXATTR fills one `struct fsxattr`, which `FsXattr` mirrors; every bit pattern of it is valid.
    unsafe { ioctl::ioctl(file, ioctl::Getter::<FSGETXATTR, FsXattr>::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_has_the_kernels_size() {
        assert_eq!(std::mem::size_of::<FsXattr>(), 28);
    }
}
