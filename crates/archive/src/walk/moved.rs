//! Directories that are met again because somebody moved them meanwhile. Their files are found at the new place only, so they are read
//! again there; but who moves a large one ahead of the walk all the time would have it read and kept in memory as often.

use rustix::fs::{Statx, StatxFlags};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// So often a directory is read.
pub(super) const READS: u8 = 3;

/// How often directories were read, by a hash of what tells one from all others.
#[derive(Default)]
pub(super) struct Met {
    reads: HashMap<u64, u8>,
    hasher: RandomState,
}

impl Met {
    /// Notes a directory; tells whether it is to be read. Without a time of birth it is: numbers of inodes are given away anew as
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
