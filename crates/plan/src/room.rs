//! Whether what a restore writes fits into a filesystem.
//!
//! A filesystem that is made again in its old size holds what it held. Only where restored files need more than it had in
//! use, because they share blocks or are compressed there and cannot be so again, they may not fit.

use lifeboat_machine::bytes::human;
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions};

/// mkfs.btrfs's system and first metadata block groups, doubled (btrfs-progs, mkfs/main.c).
const BTRFS_OWN: u64 = 32 << 20;

/// Files need more than a filesystem has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Bytes that they need.
    pub needs: u64,
    /// Bytes that it has for them.
    pub has: u64,
}

impl Shortage {
    /// `restored it needs 1.0 GB, the filesystem has 0.7 GB`
    pub fn text(&self) -> String {
        format!("the restored files need {}, and the filesystem has {}", human(self.needs), human(self.has))
    }
}

/// Bytes that a filesystem's files take: those in use, or more when a restore is known to write more.
pub fn occupied(filesystem: &Filesystem) -> u64 {
    let restored = match &filesystem.options {
        FilesystemOptions::Xfs(_) | FilesystemOptions::Btrfs(_) => filesystem.restored.map(|restored| restored.bytes),
        // Neither shares blocks nor compresses: what it had in use is what it gets.
        FilesystemOptions::Ext(_) | FilesystemOptions::Vfat(_) => None,
    };
    // A hundredth for the trees that name the blocks.
    let more = restored.filter(|bytes| *bytes > filesystem.used_bytes).map(|bytes| bytes + bytes / 100);
    more.unwrap_or(filesystem.used_bytes)
}

/// What is missing in a filesystem of this size; `None` when its files fit, and always when they need no more than it had in use.
pub fn shortage(filesystem: &Filesystem) -> Option<Shortage> {
    let needs = occupied(filesystem);
    // Only what it keeps for itself in any case: too much would refuse what fits.
    let own = match &filesystem.options {
        FilesystemOptions::Xfs(xfs) => xfs.log_blocks * u64::from(xfs.block_bytes),
        FilesystemOptions::Btrfs(_) => BTRFS_OWN,
        FilesystemOptions::Ext(_) | FilesystemOptions::Vfat(_) => 0,
    };
    let has = filesystem.size_bytes.saturating_sub(own);
    (needs > filesystem.used_bytes && needs > has).then_some(Shortage { needs, has })
}
