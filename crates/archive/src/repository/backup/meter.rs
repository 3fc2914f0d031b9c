//! Progress within one file.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes of one file as done: those that were read, and in the end as many as the walk promised, so that the
/// total is reached though files change or cannot be read.
pub(super) struct Meter<'a> {
    pub(super) bytes: &'a AtomicU64,
    pub(super) left: u64,
}

impl Meter<'_> {
    pub(super) fn add(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn finish(mut self) {
        self.add(u64::MAX);
    }
}
