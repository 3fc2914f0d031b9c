//! Directories that are found again because somebody moved them meanwhile. Their files are only at the new place, so they are read
//! again there; but somebody who keeps moving a large one ahead of the walk would have it read and kept in memory each time.

use rustix::fs::{Statx, StatxFlags};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// How often a directory is read.
pub(super) const READS: u8 = 3;

/// How often directories were read, by a hash of their identity.
#[derive(Default)]
pub(super) struct Met {
    reads: HashMap<u64, u8>,
    hasher: RandomState,
}

impl Met {
    /// Notes a directory; returns whether it is to be read. Without a birth time it is: inode numbers are reused as
    /// soon as they are free.
    pub(super) fn is_to_be_read(&mut self, status: &Statx) -> bool {
        if status.stx_mask & StatxFlags::BTIME.bits() == 0 {
            return true;
        }
        let born = (status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
        let key = self.hasher.hash_one((status.stx_dev_major, status.stx_dev_minor, status.stx_ino, born));
        let reads = self.reads.entry(key).or_default();
        *reads = reads.saturating_add(1);
        *reads <= READS
    }
}
