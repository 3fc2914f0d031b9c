//! What stat(2) and its like answer.

use crate::number::Node;
use crate::slots::Loaded;
use fuser::{FileAttr, FileType, INodeNo};
use lifeboat_archive::repository::contents::Number;
use lifeboat_archive::{Kind, Time};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes in the blocks that stat(2) counts.
const BLOCK: u64 = 512;

pub(crate) fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::CharDevice => FileType::CharDevice,
        Kind::Fifo => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
    }
}

fn time(time: Time) -> SystemTime {
    let fraction = Duration::from_nanos(time.nanoseconds.into());
    let whole = match u64::try_from(time.seconds) {
        Ok(seconds) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
        Err(_) => UNIX_EPOCH.checked_sub(Duration::from_secs(time.seconds.unsigned_abs())),
    };
    whole.and_then(|whole| whole.checked_add(fraction)).unwrap_or(UNIX_EPOCH)
}

/// A device number as the kernel's protocol has it (`new_encode_dev`, include/linux/kdev_t.h).
fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// Of an entry of a snapshot.
pub(crate) fn of_entry(slot: usize, loaded: &Loaded, number: Number) -> FileAttr {
    let (first, names) = loaded.inode(number);
    let contents = &loaded.contents;
    let inode = contents.inode(first);
    let (size, blocks) = match inode.kind {
        Kind::File => (inode.size, contents.stored(first).div_ceil(BLOCK)),
        Kind::Symlink => (inode.target.len() as u64, 0),
        _ => (0, 0),
    };
    let links = match inode.kind {
        Kind::Directory => {
            let below = contents.children(first).filter(|child| contents.kind(*child) == Kind::Directory);
            2 + u32::try_from(below.count()).unwrap_or(0)
        }
        _ => names,
    };
    let modified = time(inode.mtime);
    FileAttr {
        ino: INodeNo(Node::Entry(slot, first).number()),
        size,
        blocks,
        atime: modified,
        mtime: modified,
        ctime: time(inode.ctime),
        crtime: UNIX_EPOCH,
        kind: kind(inode.kind),
        perm: (inode.mode & 0o7777) as u16,
        nlink: links,
        uid: inode.uid,
        gid: inode.gid,
        rdev: inode.device.map_or(0, |(major, minor)| device(major, minor)),
        blksize: 128 << 10,
        flags: 0,
    }
}

/// Of a folder above the snapshots, or of a link there.
pub(crate) fn of_folder(node: Node, link: Option<&str>, below: usize, owner: (u32, u32), at: SystemTime) -> FileAttr {
    FileAttr {
        ino: INodeNo(node.number()),
        size: link.map_or(0, |target| target.len() as u64),
        blocks: 0,
        atime: at,
        mtime: at,
        ctime: at,
        crtime: UNIX_EPOCH,
        kind: if link.is_some() { FileType::Symlink } else { FileType::Directory },
        perm: if link.is_some() { 0o777 } else { 0o555 },
        nlink: if link.is_some() { 1 } else { 2 + u32::try_from(below).unwrap_or(0) },
        uid: owner.0,
        gid: owner.1,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_and_large_devices() {
        let half = time(Time { seconds: -1, nanoseconds: 500_000_000 });
        assert_eq!(UNIX_EPOCH.duration_since(half).unwrap(), Duration::from_millis(500));
        // /dev/sda1, and one whose minor number has more than eight bits.
        assert_eq!(device(8, 1), 0x801);
        assert_eq!(device(259, 0x12345), 0x1231_0345);
    }
}
