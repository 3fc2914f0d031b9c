//! Where the content of files is on a disk, and files that share it (ioctl_fiemap in the kernel's
//! Documentation/filesystems/fiemap.rst, ioctl_ficlonerange(2), linux/btrfs_tree.h).

use rustix::fd::{AsFd, AsRawFd as _};
use rustix::io::Errno;
use rustix::ioctl;

/// A contiguous part of a file on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// Its length in the file, in bytes.
    pub length: u64,
    /// Where it is: equal addresses of one filesystem, and equal [`Extent::is_compressed`], are the same bytes. Those of
    /// compressed extents are a space of their own.
    pub address: u64,
    /// Bytes that a compressed extent takes on the disk; if the file has only a part of it, the share of this part. `None` for
    /// what is not compressed.
    pub stored: Option<u64>,
}

impl Extent {
    /// Reports whether it is compressed.
    pub fn is_compressed(&self) -> bool {
        self.stored.is_some()
    }
}

/// What a filesystem reports about the places of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Extents that are shared are marked.
    Xfs,
    /// It can report all extents, with their compression.
    Btrfs,
}

/// Magic numbers of statfs(2).
const XFS_MAGIC: u64 = 0x5846_5342;
const BTRFS_MAGIC: u64 = 0x9123_683e;

/// The kind of an open file's filesystem; `None` for one whose files share nothing.
pub fn kind(file: impl AsFd) -> Option<Kind> {
    match rustix::fs::fstatfs(file).ok()?.f_type as u64 & 0xffff_ffff {
        XFS_MAGIC => Some(Kind::Xfs),
        BTRFS_MAGIC => Some(Kind::Btrfs),
        _ => None,
    }
}

/// The UUID of the btrfs that an open file is on: its subvolumes have device numbers of their own.
///
/// # Errors
/// ENOTTY on other filesystems.
pub fn btrfs_id(file: impl AsFd) -> Result<[u8; 16], Errno> {
    /// `struct btrfs_ioctl_fs_info_args`: the UUID follows two numbers.
    #[repr(C)]
    struct FsInfo {
        max_id: u64,
        devices: u64,
        uuid: [u8; 16],
        rest: [u8; 992],
    }
    const FS_INFO: ioctl::Opcode = ioctl::opcode::read::<FsInfo>(0x94, 31);
    // SAFETY: BTRFS_IOC_FS_INFO fills a `struct btrfs_ioctl_fs_info_args` of 1,024 bytes, which `FsInfo` mirrors; every bit
    // pattern of it is valid.
    let info = unsafe { ioctl::ioctl(file.as_fd(), ioctl::Getter::<FS_INFO, FsInfo>::new()) }?;
    Ok(info.uuid)
}

/// The most extents that one call of FIEMAP returns.
const FIEMAP_EXTENTS: usize = 32;

/// `struct fiemap_extent`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct FiemapExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved: [u64; 2],
    flags: u32,
    reserved2: [u32; 3],
}

/// `struct fiemap` with room for extents.
#[repr(C)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    count: u32,
    reserved: u32,
    extents: [FiemapExtent; FIEMAP_EXTENTS],
}

/// Bytes of `struct fiemap` without extents, which the number of the ioctl contains.
const FIEMAP_HEADER: usize = 32;
const FIEMAP_SYNC: u32 = 0x1;
const FIEMAP_LAST: u32 = 0x1;
const FIEMAP_SHARED: u32 = 0x2000;
/// FIEMAP_EXTENT_UNKNOWN, _DELALLOC, _ENCODED, _DATA_ENCRYPTED, _NOT_ALIGNED, _DATA_INLINE, _DATA_TAIL, _UNWRITTEN: what has
/// no address of its own, or no content.
const FIEMAP_NO_ADDRESS: u32 = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800;

/// Where the content of an open file is on the disk, its first `limit` extents: offset in the file, length, address, in bytes; nothing for
/// one with content that has no address of its own. What is only in memory is written first.
///
/// # Errors
/// EOPNOTSUPP where the filesystem does not report.
pub fn addresses(file: impl AsFd, limit: usize) -> Result<Vec<(u64, u64, u64)>, Errno> {
    let mut found = vec![];
    let mut is_known = true;
    extents(file, FIEMAP_SYNC, &mut |extent| {
        is_known &= extent.flags & FIEMAP_NO_ADDRESS == 0;
        found.push((extent.logical, extent.length, extent.physical));
        is_known && found.len() < limit
    })?;
    Ok(if is_known { found } else { vec![] })
}

/// The extents of an open file that are marked as shared, the first `limit` of them. Nothing is flushed for it: what is only in memory
/// shares nothing.
///
/// # Errors
/// EOPNOTSUPP where the filesystem does not report.
pub fn shared(file: impl AsFd, limit: usize) -> Result<Vec<Extent>, Errno> {
    let mut found = vec![];
    extents(file, 0, &mut |extent| {
        if extent.flags & FIEMAP_SHARED != 0 && extent.flags & FIEMAP_NO_ADDRESS == 0 {
            let FiemapExtent { logical: offset, length, physical: address, .. } = *extent;
            found.push(Extent { offset, length, address, stored: None });
        }
        found.len() < limit
    })?;
    Ok(found)
}

/// Calls `each` for the extents of an open file, until it says that it has enough.
fn extents(file: impl AsFd, flags: u32, each: &mut dyn FnMut(&FiemapExtent) -> bool) -> Result<(), Errno> {
    const FIEMAP: ioctl::Opcode = ioctl::opcode::from_components(ioctl::Direction::ReadWrite, b'f', 11, FIEMAP_HEADER);
    let mut start = 0;
    loop {
        let mut map = Fiemap {
            start,
            length: u64::MAX - start,
            flags,
            mapped: 0,
            count: FIEMAP_EXTENTS as u32,
            reserved: 0,
            extents: [FiemapExtent::default(); FIEMAP_EXTENTS],
        };
        // SAFETY: FS_IOC_FIEMAP reads and writes a `struct fiemap` with as many extents behind it as `count` says, which
        // `Fiemap` mirrors; every bit pattern of it is valid.
        unsafe { ioctl::ioctl(file.as_fd(), ioctl::Updater::<FIEMAP, Fiemap>::new(&mut map)) }?;
        let extents = &map.extents[..(map.mapped as usize).min(FIEMAP_EXTENTS)];
        if !extents.iter().all(&mut *each) {
            return Ok(());
        }
        match extents.last() {
            Some(last) if last.flags & FIEMAP_LAST == 0 && last.length > 0 => {
                start = last.logical.saturating_add(last.length);
            }
            _ => return Ok(()),
        }
    }
}

/// Bytes of answers that one search of a btrfs tree returns: more than its largest item.
const SEARCH_BYTES: usize = 16 << 10;
/// `struct btrfs_ioctl_search_header`.
const SEARCH_HEADER: usize = 32;
/// BTRFS_EXTENT_DATA_KEY.
const EXTENT_DATA: u32 = 108;
/// `struct btrfs_file_extent_item`, and its part before the inline data.
const EXTENT_ITEM: usize = 53;
const INLINE_START: usize = 21;
/// Parts of compressed extents are distinguished by their place in what was compressed: at most 128 KiB
/// (BTRFS_MAX_UNCOMPRESSED), while extents begin at multiples of 4 KiB.
const COMPRESSED_SPREAD: u64 = 64;

/// `struct btrfs_ioctl_search_args_v2` with its buffer.
#[repr(C)]
struct Search {
    tree: u64,
    min_object: u64,
    max_object: u64,
    min_offset: u64,
    max_offset: u64,
    min_transaction: u64,
    max_transaction: u64,
    min_type: u32,
    max_type: u32,
    items: u32,
    unused: u32,
    unused2: [u64; 4],
    size: u64,
    buffer: [u8; SEARCH_BYTES],
}

/// Bytes of `struct btrfs_ioctl_search_args_v2` without its buffer, which the number of the ioctl contains.
const SEARCH_ARGUMENTS: usize = 112;

/// The extents of an open file of btrfs with this inode number, the first `limit` of them; what was never written and what
/// is in the tree itself has no address, and comes only when it is compressed, with address 0 and in a length of its own.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN, ENOTTY on other filesystems.
pub fn of_btrfs(file: impl AsFd, inode: u64, limit: usize) -> Result<Vec<Extent>, Errno> {
    const TREE_SEARCH: ioctl::Opcode =
        ioctl::opcode::from_components(ioctl::Direction::ReadWrite, 0x94, 17, SEARCH_ARGUMENTS);
    thread_local! {
        static SEARCH: std::cell::RefCell<Option<Box<Search>>> = const { std::cell::RefCell::new(None) };
    }
    SEARCH.with_borrow_mut(|search| {
        let search = search.get_or_insert_with(|| {
            Box::new(Search {
                // 0: that of the subvolume that the file is in.
                tree: 0,
                min_object: 0,
                max_object: 0,
                min_offset: 0,
                max_offset: u64::MAX,
                min_transaction: 0,
                max_transaction: u64::MAX,
                min_type: EXTENT_DATA,
                max_type: EXTENT_DATA,
                items: 0,
                unused: 0,
                unused2: [0; 4],
                size: SEARCH_BYTES as u64,
                buffer: [0; SEARCH_BYTES],
            })
        });
        let mut found = vec![];
        let mut start = 0;
        loop {
            (search.min_object, search.max_object, search.min_offset) = (inode, inode, start);
            (search.items, search.size) = (u32::MAX, SEARCH_BYTES as u64);
            // SAFETY: BTRFS_IOC_TREE_SEARCH_V2 reads and writes a `struct btrfs_ioctl_search_args_v2` with as many bytes behind
            // it as `size` says, which `Search` mirrors; every bit pattern of it is valid.
            unsafe { ioctl::ioctl(file.as_fd(), ioctl::Updater::<TREE_SEARCH, Search>::new(&mut **search)) }?;
            let Some(last) = items(&search.buffer, search.items, &mut found) else { break };
            if found.len() >= limit || last == u64::MAX {
                break;
            }
            start = last + 1;
        }
        found.truncate(limit);
        Ok(found)
    })
}

/// Reads the items that a search returned; returns the offset of the last one.
fn items(mut buffer: &[u8], count: u32, found: &mut Vec<Extent>) -> Option<u64> {
    let u64_at = |bytes: &[u8], at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let native_u64 = |bytes: &[u8], at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let native_u32 = |bytes: &[u8], at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let mut last = None;
    for _ in 0..count {
        let (header, rest) = buffer.split_at_checked(SEARCH_HEADER)?;
        let (offset, kind) = (native_u64(header, 16)?, native_u32(header, 24)?);
        let (item, rest) = rest.split_at_checked(native_u32(header, 28)? as usize)?;
        buffer = rest;
        last = Some(offset);
        if kind != EXTENT_DATA || item.len() < INLINE_START {
            continue;
        }
        let (ram, compressed) = (u64_at(item, 8)?, item[16] != 0);
        match item[20] {
            // BTRFS_FILE_EXTENT_INLINE
            0 if compressed => {
                let stored = Some((item.len() - INLINE_START) as u64);
                found.push(Extent { offset, length: ram, address: 0, stored });
            }
            // BTRFS_FILE_EXTENT_REG
            1 if item.len() >= EXTENT_ITEM => {
                let (start, on_disk) = (u64_at(item, 21)?, u64_at(item, 29)?);
                let (inside, length) = (u64_at(item, 37)?, u64_at(item, 45)?);
                if start == 0 {
                    // A hole.
                    continue;
                }
                let extent = match compressed {
                    false => Extent { offset, length, address: start.wrapping_add(inside), stored: None },
                    true => {
                        let part = u128::from(on_disk) * u128::from(length.min(ram)) / u128::from(ram.max(1));
                        let address = start.wrapping_mul(COMPRESSED_SPREAD).wrapping_add(inside);
                        Extent { offset, length, address, stored: Some(u64::try_from(part).unwrap_or(on_disk)) }
                    }
                };
                found.push(extent);
            }
            _ => {}
        }
    }
    last
}

/// `struct file_clone_range`.
#[repr(C)]
struct CloneRange {
    from: i64,
    from_offset: u64,
    length: u64,
    to_offset: u64,
}

/// Makes a part of an open file share the blocks of another one, or of itself, on the same filesystem.
///
/// # Errors
/// EOPNOTSUPP, EXDEV and EINVAL where that is impossible: then nothing was changed.
pub fn share(from: impl AsFd, from_offset: u64, length: u64, to: impl AsFd, to_offset: u64) -> Result<(), Errno> {
    const CLONE_RANGE: ioctl::Opcode = ioctl::opcode::write::<CloneRange>(0x94, 13);
    let range = CloneRange { from: i64::from(from.as_fd().as_raw_fd()), from_offset, length, to_offset };
    // SAFETY: FICLONERANGE reads one `struct file_clone_range`, which `CloneRange` mirrors, and uses the descriptor in it, which
    // stays open meanwhile.
    unsafe { ioctl::ioctl(to.as_fd(), ioctl::Setter::<CLONE_RANGE, CloneRange>::new(range)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_have_the_kernels_sizes() {
        assert_eq!(std::mem::size_of::<FiemapExtent>(), 56);
        assert_eq!(std::mem::size_of::<Fiemap>(), FIEMAP_HEADER + 56 * FIEMAP_EXTENTS);
        assert_eq!(std::mem::size_of::<Search>(), SEARCH_ARGUMENTS + SEARCH_BYTES);
        assert_eq!(std::mem::size_of::<CloneRange>(), 32);
    }

    /// An item as the kernel returns it.
    fn item(offset: u64, kind: u8, compression: u8, numbers: [u64; 5], inline: usize) -> Vec<u8> {
        let [ram, start, on_disk, inside, length] = numbers;
        let mut body = 7_u64.to_le_bytes().to_vec();
        body.extend(ram.to_le_bytes());
        body.extend([compression, 0, 0, 0, kind]);
        match kind {
            0 => body.extend(vec![b'x'; inline]),
            _ => body.extend([start, on_disk, inside, length].iter().flat_map(|number| number.to_le_bytes())),
        }
        let mut out = [7_u64, 257, offset].iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<_>>();
        out.extend(EXTENT_DATA.to_ne_bytes());
        out.extend((body.len() as u32).to_ne_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn items_of_btrfs() {
        let all = [
            item(0, 1, 0, [8192, 1 << 20, 8192, 4096, 4096], 0),
            // A hole, and what was never written.
            item(4096, 1, 0, [4096, 0, 0, 0, 4096], 0),
            item(8192, 2, 0, [4096, 2 << 20, 4096, 0, 4096], 0),
            // The second half of 128 KiB in 8 KiB.
            item(12288, 1, 3, [131_072, 3 << 20, 8192, 65_536, 65_536], 0),
            item(77_824, 0, 1, [900, 0, 0, 0, 0], 40),
        ];
        let mut found = vec![];
        assert_eq!(items(&all.concat(), 5, &mut found), Some(77_824));
        let plain = Extent { offset: 0, length: 4096, address: (1 << 20) + 4096, stored: None };
        let half = Extent { offset: 12288, length: 65_536, address: (3 << 26) + 65_536, stored: Some(4096) };
        let inline = Extent { offset: 77_824, length: 900, address: 0, stored: Some(40) };
        assert_eq!(found, [plain, half, inline]);
        // Truncated data must not cause a panic.
        let text = all.concat();
        for end in 0..text.len() {
            items(&text[..end], 5, &mut vec![]);
        }
    }

    #[test]
    fn other_filesystems_say_no() {
        let file = std::fs::File::open("/proc/self/status").unwrap();
        assert_eq!(kind(&file), None);
        assert!(shared(&file, 5).is_err() && of_btrfs(&file, 1, 5).is_err() && btrfs_id(&file).is_err());
    }
}
