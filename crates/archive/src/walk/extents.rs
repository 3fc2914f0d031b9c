//! Which files share blocks or are compressed on the disk, asked while they are open: on XFS and btrfs.

use crate::file_table::{FileTable, Kind, Record, Xattr};
use crate::room::{Room, RootRoom};
use crate::shared::{self, Shared, Stretch};
use crate::walk::places::Top;
use lifeboat_sys::extents::{self, Extent};
use lifeboat_sys::inode;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};

/// Smaller files are in the tree of a btrfs itself (max_inline), and share nothing.
const INLINE_BYTES: u64 = 2048;
/// The most stretches of one file that are read; a file with more counts as sharing nothing in the rest.
const FILE_EXTENTS: usize = 1 << 18;
/// The most stretches of all files: at least so many, and so many for each entry.
const TABLE_EXTENTS: usize = 1 << 21;
const ENTRY_EXTENTS: usize = 8;

/// Bytes of compressed files, and what they take on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compressed {
    pub(crate) bytes: u64,
    pub(crate) stored: u64,
}

impl Compressed {
    pub(crate) fn add(&mut self, stretch: &Stretch) {
        self.bytes += stretch.length;
        self.stored += u64::from(stretch.stored);
    }
}

/// Where the content of a tree's files is.
#[derive(Debug, Default)]
pub(crate) struct Extents {
    /// For each device number how to query it, and the space of its addresses.
    spaces: HashMap<u64, Option<(extents::Kind, u16)>>,
    /// The filesystems by UUID (btrfs) or device number.
    filesystems: Vec<Vec<u8>>,
    links: HashSet<(u64, u64)>,
    found: Vec<Stretch>,
}

impl Extents {
    /// Notes where the content of an open file is. What cannot be queried shares nothing: then it only needs more room.
    pub(crate) fn look(&mut self, file: &OwnedFd, record: &Record, index: usize) {
        if record.size <= INLINE_BYTES {
            return;
        }
        let Some((kind, space)) = self.space(file, record.filesystem) else { return };
        if record.link_key().is_some_and(|key| !self.links.insert(key)) {
            return;
        }
        let room = TABLE_EXTENTS.max(ENTRY_EXTENTS * index).saturating_sub(self.found.len());
        let limit = room.min(FILE_EXTENTS);
        let found = match kind {
            extents::Kind::Xfs => extents::shared(file, limit),
            extents::Kind::Btrfs => extents::of_btrfs(file, record.inode, limit),
        };
        match found {
            Ok(found) => self.found.extend(found.iter().filter_map(|extent| stretch(extent, record, index, space))),
            Err(Errno::PERM | Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.spaces.insert(record.filesystem, None);
            }
            Err(_) => {}
        }
    }

    fn space(&mut self, file: &OwnedFd, device: u64) -> Option<(extents::Kind, u16)> {
        if let Some(known) = self.spaces.get(&device) {
            return *known;
        }
        let asked = extents::kind(file).and_then(|kind| {
            let name = match kind {
                extents::Kind::Xfs => device.to_le_bytes().to_vec(),
                extents::Kind::Btrfs => extents::btrfs_id(file).ok()?.to_vec(),
            };
            let number = self.filesystems.iter().position(|known| *known == name).unwrap_or_else(|| {
                self.filesystems.push(name);
                self.filesystems.len() - 1
            });
            Some((kind, u16::try_from(number * 2).ok()?))
        });
        self.spaces.insert(device, asked);
        asked
    }

    /// Adds to the table what its files share; returns what a restore of them needs.
    pub(crate) fn finish(self, table: &mut FileTable, tops: &[Top]) -> Room {
        let of_top = tops_of(table, tops);
        let mut compressed = vec![[Compressed::default(); 2]; tops.len()];
        let mut count = |table: &FileTable, stretch: &Stretch| {
            let record = stretch.record as usize;
            let itself = by_itself(&table.records[record], table.xattrs(record));
            compressed[of_top[record]][usize::from(!itself)].add(stretch);
        };
        // What is in the tree itself has no address to share.
        let (inline, found): (Vec<Stretch>, _) = self.found.into_iter().partition(|stretch| stretch.address == 0);
        inline.iter().for_each(|stretch| count(table, stretch));
        let shared = Shared::of(found, |stretch| {
            if stretch.is_compressed() {
                count(table, stretch);
            }
        });
        table.shared = shared;
        room(table, tops, &of_top, &compressed)
    }
}

/// Whether a file is compressed by its own setting (chattr(1) `c`, btrfs-property(8)), not because of how its filesystem
/// is mounted.
pub(crate) fn by_itself(record: &Record, xattrs: &[Xattr]) -> bool {
    let property = xattrs.iter().find(|xattr| xattr.name == b"btrfs.compression").map(|xattr| &xattr.value[..]);
    record.flags & inode::COMPR != 0 && !matches!(property, Some(b"" | b"no" | b"none"))
}

/// For each record the top that it belongs to, as an index of `tops`.
pub(crate) fn tops_of(table: &FileTable, tops: &[Top]) -> Vec<usize> {
    let begins: HashMap<usize, usize> = tops.iter().enumerate().map(|(number, top)| (top.record, number)).collect();
    let mut of = vec![0; table.records.len()];
    // Parents come before their children.
    for index in 0..table.records.len() {
        of[index] = begins.get(&index).copied().unwrap_or(of[table.records[index].parent as usize]);
    }
    of
}

fn stretch(extent: &Extent, record: &Record, index: usize, space: u16) -> Option<Stretch> {
    if record.kind != Kind::File || extent.offset >= record.size {
        return None;
    }
    Some(Stretch {
        record: u32::try_from(index).ok()?,
        offset: extent.offset,
        length: extent.length,
        space: space + u16::from(extent.is_compressed()),
        address: extent.address,
        stored: u32::try_from(extent.stored.unwrap_or(0)).unwrap_or(u32::MAX),
    })
}

/// Counts what the files of a walked table need; `of_top` has the top of each record, `compressed` what is compressed and not shared with any file, by
/// own setting and otherwise.
fn room(table: &FileTable, tops: &[Top], of_top: &[usize], compressed: &[[Compressed; 2]]) -> Room {
    let blocks: Vec<u64> = tops
        .iter()
        .map(|top| rustix::fs::fstatfs(&top.fd).map_or(4096, |status| status.f_bsize as u64).clamp(512, 1 << 20))
        .collect();
    let mut roots: Vec<RootRoom> = tops.iter().map(|top| RootRoom::at(&table.path(top.record))).collect();
    let mut seen = HashSet::new();
    let mut is_first = vec![false; table.records.len()];
    for (index, record) in table.records.iter().enumerate().filter(|(_, record)| !record.left_out) {
        let (root, block) = (&mut roots[of_top[index]], blocks[of_top[index]]);
        root.entries += 1;
        is_first[index] = record.link_key().is_none_or(|key| seen.insert(key));
        if record.kind == Kind::File && is_first[index] {
            let bytes = table.stored(index);
            root.bytes += if bytes <= INLINE_BYTES { bytes } else { bytes.next_multiple_of(block) };
        }
    }
    let shares = shared::shared_bytes(table);
    for (record, share) in &shares {
        roots[of_top[*record]].shared_bytes += share.length;
    }
    let mut compressed = compressed.to_vec();
    let mut shares = shares.iter().peekable();
    for stretch in table.shared.all().iter().filter(|stretch| stretch.is_compressed()) {
        let (record, end) = (stretch.record as usize, stretch.offset + stretch.length);
        let mut taken = 0;
        while let Some((of, share)) = shares.peek() {
            if *of > record || (*of == record && share.offset >= end) {
                break;
            }
            if *of == record {
                let (from, until) = (share.offset.max(stretch.offset), (share.offset + share.length).min(end));
                taken += until.saturating_sub(from);
                if share.offset + share.length > end {
                    break;
                }
            }
            shares.next();
        }
        let own = stretch.length.saturating_sub(taken);
        let part = u128::from(stretch.stored) * u128::from(own) / u128::from(stretch.length.max(1));
        let itself = by_itself(&table.records[record], table.xattrs(record));
        let sum = &mut compressed[of_top[record]][usize::from(!itself)];
        sum.bytes += own;
        sum.stored += u64::try_from(part).unwrap_or(u64::MAX);
    }
    for (root, [itself, other]) in roots.iter_mut().zip(&compressed) {
        (root.compressed_bytes, root.compressed_stored) = (itself.bytes, itself.stored);
        (root.squeezed_bytes, root.squeezed_stored) = (other.bytes, other.stored);
    }
    Room::new(roots)
}
