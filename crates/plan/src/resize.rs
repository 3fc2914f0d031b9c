//! What a filesystem needs at least, and what it becomes at another size or on other sectors.

use crate::room::occupied;
use crate::size::GRAIN;
use lifeboat_machine::filesystem::{ExtOptions, Filesystem, FilesystemOptions, Journal, VfatOptions, XfsOptions};

/// mkfs.xfs refuses less since xfsprogs 5.19 (commit 6e0ed3d19c54).
pub(crate) const XFS_MINIMUM: u64 = 300 * GRAIN;
/// btrfs keeps this much back for its own metadata before it says that the disk is full, however small the disk
/// (fs/btrfs/block-rsv.c: the global reserve is up to 512 MiB, and metadata chunks are doubled).
const BTRFS_RESERVE: u64 = 256 * GRAIN;

/// Smallest size at which the used bytes still fit, with what the filesystem keeps for itself. Never more than its size.
pub fn minimum_bytes(filesystem: &Filesystem) -> u64 {
    needed_bytes(filesystem).min(filesystem.size_bytes)
}

/// The same for content that comes from a filesystem of another kind, and may not fit at all.
pub fn needed_bytes(filesystem: &Filesystem) -> u64 {
    let used = occupied(filesystem);
    match &filesystem.options {
        // statfs leaves inode tables, bitmaps and journal out of what it calls used. The number of inodes is kept
        // when a filesystem shrinks, for how many of them are in use is not recorded.
        FilesystemOptions::Ext(ext) => {
            let tables = ext.inodes * u64::from(ext.inode_bytes);
            used + tables + ext.journal.as_ref().and_then(Journal::internal_bytes).unwrap_or(0) + used / 20 + 16 * GRAIN
        }
        FilesystemOptions::Xfs(xfs) => {
            let log = xfs.log_blocks * u64::from(xfs.block_bytes);
            (used + log + used / 20 + 32 * GRAIN).max(XFS_MINIMUM)
        }
        FilesystemOptions::Btrfs(_) => used + used / 10 + BTRFS_RESERVE,
        FilesystemOptions::Vfat(_) => filesystem.size_bytes,
    }
}

/// Largest size that the filesystem's format can have.
pub fn maximum_bytes(filesystem: &Filesystem) -> u64 {
    match &filesystem.options {
        FilesystemOptions::Ext(ext) if !has(ext, "64bit") => u64::from(u32::MAX) * u64::from(ext.block_bytes),
        FilesystemOptions::Vfat(_) => filesystem.size_bytes,
        FilesystemOptions::Ext(_) | FilesystemOptions::Xfs(_) | FilesystemOptions::Btrfs(_) => u64::MAX,
    }
}

/// The filesystem at another size: what fits into `device_bytes`, counts in proportion.
pub fn resized(filesystem: &Filesystem, device_bytes: u64) -> Filesystem {
    let mut new = filesystem.clone();
    let old_size = filesystem.size_bytes.max(1);
    match &mut new.options {
        FilesystemOptions::Ext(ext) => {
            let blocks = device_bytes / u64::from(ext.block_bytes);
            new.size_bytes = blocks * u64::from(ext.block_bytes);
            ext.reserved_blocks = scale(ext.reserved_blocks, new.size_bytes, old_size);
            if new.size_bytes > old_size {
                // Inode numbers have 32 bits.
                ext.inodes = scale(ext.inodes, new.size_bytes, old_size).min(u64::from(u32::MAX) - 65_536);
            }
            ext.blocks = blocks;
            // mke2fs takes at most half of the filesystem for the journal; more than an eighth helps nobody.
            if let Some(Journal::Internal { bytes }) = &mut ext.journal {
                *bytes = (*bytes).min((new.size_bytes / 8).max(4 * GRAIN));
            }
        }
        FilesystemOptions::Xfs(xfs) => {
            xfs.blocks = device_bytes / u64::from(xfs.block_bytes);
            new.size_bytes = xfs.blocks * u64::from(xfs.block_bytes);
        }
        FilesystemOptions::Btrfs(btrfs) => {
            new.size_bytes = device_bytes / u64::from(btrfs.sector_bytes) * u64::from(btrfs.sector_bytes);
        }
        FilesystemOptions::Vfat(_) => {}
    }
    new
}

/// The filesystem on a disk with sectors of this size, with a sentence when something had to change.
///
/// # Errors
/// Why it cannot be made there.
pub fn on_sectors(filesystem: &Filesystem, sector: u32) -> Result<(Filesystem, Option<String>), String> {
    let mut new = filesystem.clone();
    let note = match &mut new.options {
        FilesystemOptions::Ext(ExtOptions { block_bytes, .. }) if *block_bytes < sector => {
            return Err(format!("its blocks of {block_bytes} bytes are smaller than the sectors of {sector} bytes"));
        }
        FilesystemOptions::Xfs(XfsOptions { block_bytes, .. }) if *block_bytes < sector => {
            return Err(format!("its blocks of {block_bytes} bytes are smaller than the sectors of {sector} bytes"));
        }
        FilesystemOptions::Xfs(xfs) if xfs.sector_bytes < sector || xfs.log_sector_bytes < sector => {
            xfs.sector_bytes = xfs.sector_bytes.max(sector);
            xfs.log_sector_bytes = xfs.log_sector_bytes.max(sector);
            Some(format!("XFS gets sectors of {sector} bytes, as the disk has"))
        }
        FilesystemOptions::Vfat(vfat) if vfat.sector_bytes < sector => {
            fat_on_sectors(vfat, sector);
            Some(format!("FAT gets sectors of {sector} bytes, as the disk has"))
        }
        FilesystemOptions::Ext(_)
        | FilesystemOptions::Xfs(_)
        | FilesystemOptions::Vfat(_)
        | FilesystemOptions::Btrfs(_) => None,
    };
    Ok((new, note))
}

/// Keeps cluster size and reserved space in bytes as far as whole sectors allow.
fn fat_on_sectors(vfat: &mut VfatOptions, sector: u32) {
    let times = sector / vfat.sector_bytes;
    vfat.sector_bytes = sector;
    vfat.cluster_sectors = (vfat.cluster_sectors / times).max(1);
    vfat.reserved_sectors = match vfat.fat_bits {
        // The backup boot sector lies in sector 6, its companions behind it.
        32 => (vfat.reserved_sectors / times).max(8),
        _ => (vfat.reserved_sectors / times).max(1),
    };
    vfat.hidden_sectors /= times;
}

fn has(ext: &ExtOptions, feature: &str) -> bool {
    ext.features.iter().any(|f| f == feature)
}

fn scale(value: u64, new: u64, old: u64) -> u64 {
    (u128::from(value) * u128::from(new) / u128::from(old)).min(u128::from(u64::MAX)) as u64
}
