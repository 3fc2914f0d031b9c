//! Files that share blocks on the disk (reflinks, snapshots, deduplicated files), so that restored ones can share them again.

use crate::file_table::{FileTable, Record};
use lifeboat_sys::inode;
use std::collections::BTreeMap;

/// A stretch of a file, and where its bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stretch {
    /// The file.
    pub(crate) record: u32,
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// Its length in the file.
    pub(crate) length: u64,
    /// The space of the address: a filesystem, odd for compressed data.
    pub(crate) space: u16,
    /// Stretches whose addresses overlap have the same bytes there.
    pub(crate) address: u64,
    /// Bytes on the disk of compressed data; 0 otherwise, and where this was not queried.
    pub(crate) stored: u32,
}

impl Stretch {
    pub(crate) fn is_compressed(&self) -> bool {
        self.space % 2 == 1
    }

    pub(crate) fn end(&self) -> u64 {
        self.address.saturating_add(self.length)
    }
}

/// The stretches of a table's files that share blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shared {
    /// By record, then by offset.
    stretches: Vec<Stretch>,
}

/// A stretch of a file that comes from a file before it, or from an earlier part of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) from: usize,
    pub(crate) from_offset: u64,
}

impl Shared {
    /// Of all stretches, those that overlap another one; the others go to `alone`.
    pub(crate) fn of(mut all: Vec<Stretch>, mut alone: impl FnMut(&Stretch)) -> Self {
        all.sort_unstable_by_key(|stretch| (stretch.space, stretch.address));
        let mut stretches = vec![];
        // The one that reaches farthest so far, whether it is kept already, and where it ends.
        let mut open: Option<(Stretch, bool)> = None;
        for stretch in all {
            let overlaps = open.is_some_and(|(o, _)| o.space == stretch.space && stretch.address < o.end());
            match &mut open {
                Some((farthest, kept)) if overlaps => {
                    if !*kept {
                        stretches.push(*farthest);
                        *kept = true;
                    }
                    stretches.push(stretch);
                    if stretch.end() > farthest.end() {
                        *farthest = stretch;
                    }
                }
                _ => {
                    if let Some((before, false)) = open.replace((stretch, false)) {
                        alone(&before);
                    }
                }
            }
        }
        if let Some((before, false)) = open {
            alone(&before);
        }
        stretches.sort_unstable();
        Shared { stretches }
    }

    /// Adds the next stretch; they must come by record, then by offset.
    pub(crate) fn add(&mut self, stretch: Stretch) {
        self.stretches.push(stretch);
    }

    /// Sorts stretches that were added in any order.
    pub(crate) fn sort(&mut self) {
        self.stretches.sort_unstable();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    pub(crate) fn all(&self) -> &[Stretch] {
        &self.stretches
    }

    /// The stretches of one file.
    pub(crate) fn of_record(&self, record: usize) -> &[Stretch] {
        let begin = self.stretches.partition_point(|stretch| (stretch.record as usize) < record);
        let end = self.stretches.partition_point(|stretch| stretch.record as usize <= record);
        &self.stretches[begin..end]
    }

    /// Forgets the stretches of files that have changed since.
    pub(crate) fn forget(&mut self, mut is_changed: impl FnMut(usize) -> bool) {
        self.stretches.retain(|stretch| !is_changed(stretch.record as usize));
    }

    /// What each of the wanted files can take from those before it, by record and offset: the first file has the blocks.
    /// `may` reports whether one file may take from another one.
    pub(crate) fn solve(
        &self,
        wanted: impl Fn(usize) -> bool,
        may: impl Fn(usize, usize) -> bool,
    ) -> Vec<(usize, Share)> {
        // Space and first address; where it ends, and which file it belongs to, from which offset on.
        let mut homes: BTreeMap<(u16, u64), (u64, usize, u64)> = BTreeMap::new();
        let mut shares: Vec<(usize, Share)> = vec![];
        for stretch in self.stretches.iter().filter(|stretch| wanted(stretch.record as usize)) {
            let record = stretch.record as usize;
            let (mut at, end) = (stretch.address, stretch.end());
            while at < end {
                let before = homes.range(..=(stretch.space, at)).next_back();
                let home = before.filter(|((space, _), (end, ..))| *space == stretch.space && *end > at);
                let offset = stretch.offset + (at - stretch.address);
                match home {
                    Some(((_, start), (home_end, from, from_offset))) => {
                        let until = end.min(*home_end);
                        if may(*from, record) {
                            let from_offset = from_offset + (at - start);
                            push(&mut shares, record, Share { offset, length: until - at, from: *from, from_offset });
                        }
                        at = until;
                    }
                    None => {
                        let next = homes.range((stretch.space, at)..(stretch.space, end)).next();
                        let until = next.map_or(end, |((_, start), _)| *start);
                        homes.insert((stretch.space, at), (until, record, offset));
                        at = until;
                    }
                }
            }
        }
        shares
    }
}

/// Adds a share, merging it with the previous one if that continues here.
fn push(shares: &mut Vec<(usize, Share)>, record: usize, share: Share) {
    if let Some((last_record, last)) = shares.last_mut()
        && *last_record == record
        && last.from == share.from
        && last.offset + last.length == share.offset
        && last.from_offset + last.length == share.from_offset
    {
        last.length += share.length;
        return;
    }
    shares.push((record, share));
}

/// Whether two files can share blocks at all: btrfs lets no file without copy on write share with one that has it
/// (fs/btrfs/reflink.c).
pub(crate) fn alike(from: &Record, to: &Record) -> bool {
    (from.flags ^ to.flags) & inode::NOCOW == 0
}

/// Whether only those who can write to `to` when it is restored can have written to `from` since it was.
pub(crate) fn trusted(from: &Record, to: &Record) -> bool {
    let same = (from.uid, from.gid, from.mode & 0o777) == (to.uid, to.gid, to.mode & 0o777);
    let only_owner = from.mode & 0o022 == 0 && (from.uid == to.uid || from.uid == 0);
    same || only_owner
}

/// Bytes of a table's file that are shared with files before it.
pub(crate) fn shared_bytes(table: &FileTable) -> Vec<(usize, Share)> {
    let records = &table.records;
    let wanted = |record: usize| records.get(record).is_some_and(|record| !record.left_out);
    table.shared.solve(wanted, |from, to| alike(&records[from], &records[to]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stretch(record: u32, offset: u64, address: u64, length: u64) -> Stretch {
        Stretch { record, offset, length, space: 0, address, stored: 0 }
    }

    fn solved(all: Vec<Stretch>) -> Vec<(usize, u64, u64, usize, u64)> {
        let shares = Shared::of(all, |_| {}).solve(|_| true, |_, _| true);
        shares.into_iter().map(|(r, s)| (r, s.offset, s.length, s.from, s.from_offset)).collect()
    }

    #[test]
    fn whoever_comes_first_has_the_blocks() {
        // Three copies of one file, of which the last one was written to in the middle.
        let all = vec![
            stretch(7, 0, 1000, 300),
            stretch(2, 0, 1000, 300),
            stretch(9, 0, 1000, 100),
            stretch(9, 200, 1200, 100),
        ];
        assert_eq!(solved(all), [(7, 0, 300, 2, 0), (9, 0, 100, 2, 0), (9, 200, 100, 2, 200)]);
    }

    #[test]
    fn parts_come_from_several_files_and_from_the_file_itself() {
        let all = vec![
            stretch(1, 0, 100, 50),
            stretch(2, 0, 150, 50),
            stretch(3, 10, 120, 60),
            stretch(3, 500, 120, 10),
            stretch(4, 0, 90, 200),
            stretch(5, 0, 180, 10),
        ];
        let expected =
            [(3, 10, 30, 1, 20), (3, 40, 30, 2, 0), (3, 500, 10, 1, 20), (4, 10, 50, 1, 0), (4, 60, 50, 2, 0)];
        let found = solved(all);
        assert_eq!(found[..5], expected);
        assert_eq!(found[5], (5, 0, 10, 2, 30));
        assert_eq!(solved(vec![stretch(1, 0, 64, 10), stretch(1, 10, 64, 10)]), [(1, 10, 10, 1, 0)]);
    }

    #[test]
    fn those_alone_are_reported_once_and_spaces_are_apart() {
        let mut other = stretch(4, 0, 100, 10);
        other.space = 1;
        let mut alone = vec![];
        let all = vec![stretch(1, 0, 100, 10), stretch(2, 0, 109, 10), stretch(3, 0, 119, 5), other];
        let shared = Shared::of(all, |stretch| alone.push(stretch.record));
        alone.sort_unstable();
        assert_eq!(alone, [3, 4]);
        assert_eq!(shared.all().len(), 2);
        assert_eq!(shared.of_record(2).len(), 1);
        assert_eq!(shared.of_record(3).len(), 0);
    }

    #[test]
    fn who_may_take_from_whom() {
        let record = |uid, mode, flags| {
            let mut record = Record::new(crate::Kind::File);
            (record.uid, record.mode, record.flags) = (uid, mode, flags);
            record
        };
        let root = record(0, 0o644, 0);
        let user = record(1000, 0o644, 0);
        let open = record(0, 0o666, 0);
        assert!(trusted(&root, &user) && !trusted(&user, &root) && !trusted(&open, &root) && trusted(&open, &open));
        assert!(trusted(&user, &user) && !trusted(&record(1000, 0o664, 0), &user));
        assert!(!alike(&root, &record(0, 0o644, inode::NOCOW)) && alike(&root, &user));
    }

    proptest! {
        /// Against a model: each byte of each file has an address; the first file with an address has it, all later ones share it.
        #[test]
        fn any_stretches(parts in proptest::collection::vec((0_u32..6, 0_u64..40, 1_u64..20), 1..12)) {
            let mut all = vec![];
            let mut ends = [0_u64; 6];
            for (record, address, length) in &parts {
                let end = &mut ends[*record as usize];
                all.push(stretch(*record, *end, *address, *length));
                *end += length;
            }
            let mut sorted = all.clone();
            sorted.sort_unstable();
            let mut first = std::collections::HashMap::new();
            let mut expected = std::collections::BTreeMap::new();
            for s in &sorted {
                for at in 0..s.length {
                    let place = (s.record as usize, s.offset + at);
                    match first.get(&(s.address + at)) {
                        None => { first.insert(s.address + at, place); }
                        Some(home) => { expected.insert(place, *home); }
                    }
                }
            }
            let mut found = std::collections::BTreeMap::new();
            for (record, share) in Shared::of(all, |_| {}).solve(|_| true, |_, _| true) {
                for at in 0..share.length {
                    let before = found.insert((record, share.offset + at), (share.from, share.from_offset + at));
                    prop_assert!(before.is_none());
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
