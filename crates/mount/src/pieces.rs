//! The pieces of files that are being read: found once, kept for the files that were read last.

use crate::slots::{Loaded, locked};
use lifeboat_archive::ArchiveError;
use lifeboat_archive::repository::contents::{Number, Piece};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Files whose pieces are kept.
const MOST: usize = 512;

/// A file that is being read.
pub(crate) struct Open {
    pub(crate) pieces: Vec<Piece>,
    /// Where the last read ended.
    end: AtomicU64,
    used: AtomicU64,
}

impl Open {
    /// The number of the piece in which an offset is.
    pub(crate) fn at(&self, offset: u64) -> usize {
        self.pieces.partition_point(|piece| piece.start.saturating_add(piece.length) <= offset)
    }

    /// Notes a read; reports whether it continues the last one, or begins the file.
    pub(crate) fn continues(&self, offset: u64, length: u64) -> bool {
        /// The kernel's requests for a file come in several threads, a little out of order.
        const NEAR: u64 = 1 << 20;
        let last = self.end.swap(offset + length, Ordering::Relaxed);
        offset == 0 || (offset.saturating_add(NEAR) >= last && offset <= last.saturating_add(NEAR))
    }
}

/// Files that are being read, by snapshot and entry.
#[derive(Default)]
pub(crate) struct Files {
    open: Mutex<HashMap<(usize, Number), Arc<Open>>>,
    clock: AtomicU64,
}

impl Files {
    pub(crate) fn get(&self, slot: usize, loaded: &Loaded, number: Number) -> Result<Arc<Open>, ArchiveError> {
        let clock = self.clock.fetch_add(1, Ordering::Relaxed);
        if let Some(open) = locked(&self.open).get(&(slot, number)) {
            open.used.store(clock, Ordering::Relaxed);
            return Ok(Arc::clone(open));
        }
        let pieces = loaded.contents.pieces(number)?;
        let found = Arc::new(Open { pieces, end: AtomicU64::new(0), used: AtomicU64::new(clock) });
        let mut open = locked(&self.open);
        if open.len() >= MOST {
            open.retain(|_, file| file.used.load(Ordering::Relaxed) + MOST as u64 / 2 > clock);
        }
        open.insert((slot, number), Arc::clone(&found));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_by_offset() {
        let piece = |start, length| Piece { start, length, blob: None };
        let open = Open {
            pieces: vec![piece(0, 10), piece(10, 5), piece(15, 1)],
            end: AtomicU64::new(0),
            used: AtomicU64::new(0),
        };
        assert_eq!([0, 9, 10, 14, 15, 16].map(|offset| open.at(offset)), [0, 0, 1, 1, 2, 3]);
        assert!(open.continues(0, 100) && open.continues(100, 100));
        assert!(!open.continues(1 << 30, 100) && open.continues((1 << 30) + 100, 1));
    }
}
