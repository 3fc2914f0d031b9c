//! Files that shared blocks share them again where the target can do that (ioctl_ficlonerange(2)): XFS and btrfs.
//!
//! What the archive says about sharing is only a hint. Blocks are taken from another restored file where both have the same blobs
//! there, or where its bytes were read and are equal to what is to be written; all else is written.

use super::extraction::Extraction;
use crate::file_table::{Holes, Id};
use crate::shared::Share;
use lifeboat_sys::extents;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// What one file can take from others while it is written.
pub(super) struct Taking<'e> {
    extraction: &'e Extraction<'e>,
    record: usize,
    shares: &'e [(usize, Share)],
    block: u64,
    /// The file that was taken from last; `None` when nothing can be taken from it.
    last: Option<(usize, Option<OwnedFd>)>,
    buffer: Vec<u8>,
}

impl<'e> Taking<'e> {
    /// Returns `None` for a file that shares nothing.
    pub(super) fn new(extraction: &'e Extraction<'e>, record: usize, file: &OwnedFd) -> Option<Self> {
        let shares = extraction.sharing.of_record(record);
        if shares.is_empty() || extents::kind(file).is_none() {
            return None;
        }
        let block = rustix::fs::fstatfs(file).ok()?.f_bsize as u64;
        (block > 0).then(|| Taking { extraction, record, shares, block, last: None, buffer: vec![] })
    }

    /// Takes all stretches in which the other file has the same blobs; returns them, ascending.
    pub(super) fn take_blobs(&mut self, file: &OwnedFd) -> Holes {
        let own = Blobs::of(self.extraction, self.record);
        let mut others: Option<(usize, Blobs<'_>)> = None;
        let mut taken: Holes = vec![];
        for (_, share) in self.shares.iter().filter(|(record, share)| share.from != *record) {
            let other = match others.take() {
                Some((of, blobs)) if of == share.from => blobs,
                _ => Blobs::of(self.extraction, share.from),
            };
            for (start, end) in own.common(&other, share) {
                if let Some((start, end)) = self.take(file, share, start, end) {
                    taken.push((start, end - start));
                }
            }
            others = Some((share.from, other));
        }
        taken
    }

    /// Takes what is in `data`, which belongs at `at`, from where the same bytes are; returns the stretches left to write.
    pub(super) fn take_equal(&mut self, file: &OwnedFd, data: &[u8], at: u64) -> Holes {
        let end = at + data.len() as u64;
        let first = self.shares.partition_point(|(_, share)| share.offset + share.length <= at);
        let mut left: Holes = vec![];
        let mut written = at;
        for (_, share) in self.shares[first..].iter().take_while(|(_, share)| share.offset < end) {
            let (start, until) = (share.offset.max(at), (share.offset + share.length).min(end));
            let Some((start, until)) = self.aligned(share, start, until) else { continue };
            let wanted = &data[(start - at) as usize..(until - at) as usize];
            if !self.is_equal(file, share, start, wanted) {
                continue;
            }
            let Some((start, until)) = self.take(file, share, start, until) else { continue };
            if start > written {
                left.push((written, start - written));
            }
            written = until;
        }
        if end > written {
            left.push((written, end - written));
        }
        left
    }

    /// Whether the file that a share comes from has these bytes.
    fn is_equal(&mut self, file: &OwnedFd, share: &Share, start: u64, wanted: &[u8]) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(wanted.len(), 0);
        let from = share.from_offset + (start - share.offset);
        let source = if share.from == self.record { Some(file) } else { self.source(share.from) };
        let equal = source.is_some_and(|source| read_exactly(source, &mut buffer, from)) && buffer == wanted;
        self.buffer = buffer;
        equal
    }

    /// Makes the file share a stretch; returns the whole blocks of it that were taken.
    fn take(&mut self, file: &OwnedFd, share: &Share, start: u64, end: u64) -> Option<(u64, u64)> {
        let (start, end) = self.aligned(share, start, end)?;
        let from = share.from_offset + (start - share.offset);
        let own = share.from == self.record;
        let source = if own { Some(file) } else { self.source(share.from) }?;
        let result = extents::share(source, from, end - start, file, start);
        if result.is_err() || (!own && !self.is_as_restored(share.from)) {
            if !own {
                self.last = Some((share.from, None));
            }
            return None;
        }
        Some((start, end))
    }

    /// The whole blocks of a stretch; the last one of a file may be partial if it is also the last one of the other file.
    fn aligned(&self, share: &Share, start: u64, end: u64) -> Option<(u64, u64)> {
        let size = |record: usize| self.extraction.table.records[record].size;
        let end = end.min(size(self.record));
        let from_end = share.from_offset + end.saturating_sub(share.offset);
        let both_end = end == size(self.record) && from_end == size(share.from) && share.from != self.record;
        let start = start.next_multiple_of(self.block);
        let end = if both_end { end } else { end - end % self.block };
        let fits = share.from_offset.abs_diff(share.offset).is_multiple_of(self.block) && from_end <= size(share.from);
        (fits && start < end).then_some((start, end))
    }

    /// Opens a file that was restored before, unless it is no longer what was restored.
    fn source(&mut self, record: usize) -> Option<&OwnedFd> {
        if self.last.as_ref().is_none_or(|(of, _)| *of != record) {
            let file = self.open(record);
            self.last = Some((record, file));
            if !self.is_as_restored(record) {
                self.last = Some((record, None));
            }
        }
        self.last.as_ref().and_then(|(_, file)| file.as_ref())
    }

    fn open(&self, record: usize) -> Option<OwnedFd> {
        let table = self.extraction.table;
        self.extraction.sharing.complete(record)?;
        let parent = self.extraction.directory(table.records[record].parent as usize).ok()?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(parent, OsStr::from_bytes(table.name(record)), flags, Mode::empty()).ok()
    }

    /// Whether the file that was taken from last is the one that was restored, unchanged: where others can write, its size and time
    /// show that, because only its owner and root can set these back (see [`crate::shared::trusted`]).
    fn is_as_restored(&self, record: usize) -> bool {
        let Some((of, Some(file))) = &self.last else { return false };
        let Ok(status) = rustix::fs::fstat(file) else { return false };
        let wanted = &self.extraction.table.records[record];
        let same = self.extraction.sharing.complete(record) == Some((status.st_dev, status.st_ino)) && *of == record;
        let time = (status.st_mtime, status.st_mtime_nsec as u32);
        let unchanged =
            status.st_size as u64 == wanted.size && time == (wanted.mtime.seconds, wanted.mtime.nanoseconds);
        same && (self.extraction.sharing.private || unchanged)
    }
}

/// Fills the buffer from a file.
fn read_exactly(file: &OwnedFd, buffer: &mut [u8], at: u64) -> bool {
    let mut done = 0;
    while done < buffer.len() {
        match rustix::io::pread(file, &mut buffer[done..], at + done as u64) {
            Ok(0) => return false,
            Ok(got) => done += got,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

/// The blobs of a file with where each ends.
struct Blobs<'a> {
    ids: &'a [Id],
    ends: Vec<u64>,
}

impl<'a> Blobs<'a> {
    fn of(extraction: &Extraction<'a>, record: usize) -> Self {
        let ids = extraction.table.content(record);
        let mut end = 0;
        let length = |id| extraction.content.length(id).unwrap_or_default();
        let ends = ids.iter().map(|id| {
            end += length(id);
            end
        });
        Blobs { ids, ends: ends.collect() }
    }

    fn start(&self, number: usize) -> u64 {
        number.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// The stretches of a share in which both files have the same blobs at the same distance.
    fn common(&self, other: &Blobs<'_>, share: &Share) -> Holes {
        let mut found: Vec<(u64, u64)> = vec![];
        let share_end = share.offset + share.length;
        let first = self.ends.partition_point(|end| *end <= share.offset);
        for number in (first..self.ids.len()).take_while(|number| self.start(*number) < share_end) {
            let (start, end) = (self.start(number), self.ends[number]);
            // Where the same blob would have to end in the other file.
            let Some(there) = (end + share.from_offset).checked_sub(share.offset) else { continue };
            let same = other.ends.binary_search(&there).is_ok_and(|place| other.ids[place] == self.ids[number]);
            if !same {
                continue;
            }
            let (start, end) = (start.max(share.offset), end.min(share_end));
            match found.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => found.push((start, end)),
            }
        }
        found
    }
}

/// Holes and stretches that are already written, as one ascending list without overlaps.
pub(super) fn merged(holes: &[(u64, u64)], taken: Holes) -> Holes {
    let mut all: Holes = holes.iter().copied().chain(taken).collect();
    all.sort_unstable();
    let mut merged: Holes = Vec::with_capacity(all.len());
    for (start, length) in all {
        match merged.last_mut() {
            Some((last, so_far)) if start <= *last + *so_far => *so_far = (*so_far).max(start + length - *last),
            _ => merged.push((start, length)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_what_is_there_make_one_list() {
        assert_eq!(merged(&[(0, 10), (30, 5)], vec![(10, 5), (20, 5), (33, 4)]), [(0, 15), (20, 5), (30, 7)]);
        assert_eq!(merged(&[], vec![]), []);
    }

    #[test]
    fn equal_blobs_at_the_same_distance() {
        let id = |number: u8| [number; 32];
        let (one, two) = ([id(1), id(2), id(3), id(4)], [id(9), id(2), id(3), id(5)]);
        let own = Blobs { ids: &one, ends: vec![100, 150, 250, 300] };
        let other = Blobs { ids: &two, ends: vec![1100, 1150, 1250, 1300] };
        let share = |offset, length, from_offset| Share { offset, length, from: 0, from_offset };
        assert_eq!(own.common(&other, &share(0, 300, 1000)), [(100, 250)]);
        assert_eq!(own.common(&other, &share(120, 100, 1120)), [(120, 220)]);
        assert_eq!(own.common(&other, &share(0, 300, 999)), []);
        assert_eq!(own.common(&own, &share(250, 50, 0)), []);
        // Lower in the other file than in this one.
        assert_eq!(other.common(&own, &share(1000, 300, 0)), [(1100, 1250)]);
        assert_eq!(own.common(&other, &share(0, 10, 5000)), []);
    }
}
