//! Which entries of a table are hard links to one inode.
//!
//! An archive gives each entry the device and inode number that it had, and how many links. A hostile or damaged one can give
//! the numbers of one file to another; a file may also have changed while its names were read. Linking such entries
//! would give one of them the content, owner and mode of the other. So only entries that agree in everything that belongs to an
//! inode, except for times and flags, are one.

use crate::file_table::{FileTable, Id, Record, Xattr};
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap, RandomState};
use std::hash::BuildHasher as _;

/// Groups of hard links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// For each name of a group except the first: the first.
    firsts: HashMap<usize, usize>,
    /// Entries that have the numbers of an earlier one, but are another file.
    pub(crate) apart: Vec<usize>,
}

impl Links {
    /// The groups of those records that are `wanted`.
    pub(crate) fn of(table: &FileTable, wanted: impl Fn(usize) -> bool) -> Links {
        let mut links = Links::default();
        // Hashed with an unpredictable number, so that a crafted archive cannot make it slow.
        let random = RandomState::new();
        let mut first: HashMap<((u64, u64), u64), usize> = HashMap::new();
        let mut keys = HashSet::new();
        for index in (0..table.records.len()).filter(|index| wanted(*index)) {
            let Some(key) = table.records[index].link_key() else { continue };
            let is_new_key = keys.insert(key);
            match first.entry((key, random.hash_one(inode(table, index)))) {
                Entry::Occupied(first) if inode(table, *first.get()) == inode(table, index) => {
                    links.firsts.insert(index, *first.get());
                }
                Entry::Occupied(_) => links.apart.push(index),
                Entry::Vacant(place) => {
                    place.insert(index);
                    if !is_new_key {
                        links.apart.push(index);
                    }
                }
            }
        }
        links
    }

    /// The first name of an entry's group; the entry itself if it is the first, or has no other name.
    pub(crate) fn first(&self, index: usize) -> usize {
        self.firsts.get(&index).copied().unwrap_or(index)
    }
}

/// What all names of one inode have in common.
#[derive(PartialEq, Eq, Hash)]
struct Inode<'a> {
    kind: crate::Kind,
    size: u64,
    content: &'a [Id],
    target: &'a [u8],
    device: u64,
    mode: u16,
    owner: (u32, u32),
    xattrs: &'a [Xattr],
}

fn inode(table: &FileTable, index: usize) -> Inode<'_> {
    let Record { kind, size, device, mode, uid, gid, .. } = table.records[index];
    Inode {
        kind,
        size,
        content: table.content(index),
        target: table.target(index),
        device,
        mode,
        owner: (uid, gid),
        xattrs: table.xattrs(index),
    }
}

/// Some of many paths, for people: "/a, /b, /c and 5 more".
pub(crate) fn some(table: &FileTable, entries: &[usize]) -> String {
    let paths: Vec<std::path::PathBuf> =
        entries.iter().take(crate::report::NAMED).map(|index| table.path(*index)).collect();
    crate::report::some_of(&paths, entries.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_table::{Kind, More};

    #[test]
    fn only_what_is_the_same_file_is_linked() {
        let mut table = FileTable::default();
        table.ids = vec![[1; 32], [2; 32]];
        let mut add = |kind: Kind, change: &dyn Fn(&mut Record), more: More| {
            let mut record = Record::new(kind);
            (record.links, record.inode, record.filesystem, record.mode, record.size) = (2, 7, 1, 0o644, 5);
            (record.start, record.count) = (0, 1);
            change(&mut record);
            table.push(record, b"x", more)
        };
        let none = More::default;
        let xattr = Xattr { name: b"user.a".to_vec(), value: vec![1] };
        let first = add(Kind::File, &|_| {}, none());
        let differ = [
            add(Kind::File, &|record| record.start = 1, none()),
            add(Kind::File, &|record| record.size = 6, none()),
            add(Kind::File, &|record| record.mode = 0o4755, none()),
            add(Kind::File, &|record| record.uid = 1000, none()),
            add(Kind::File, &|_| {}, More { xattrs: vec![xattr], ..none() }),
            add(Kind::Fifo, &|record| record.size = 0, none()),
            add(Kind::Symlink, &|record| record.size = 0, More { target: b"a".to_vec(), ..none() }),
            add(Kind::Symlink, &|record| record.size = 0, More { target: b"b".to_vec(), ..none() }),
        ];
        let later = add(Kind::File, &|record| record.mtime.seconds = 99, none());
        let of_one_that_differs = add(Kind::File, &|record| record.size = 6, none());
        let elsewhere = add(Kind::File, &|record| record.filesystem = 2, none());
        let alone = add(Kind::File, &|record| record.links = 1, none());
        let links = Links::of(&table, |_| true);
        assert_eq!(links.apart, differ);
        assert_eq!(
            [first, later, of_one_that_differs, elsewhere, alone].map(|index| links.first(index)),
            [first, first, differ[1], elsewhere, alone]
        );
        assert!(differ.iter().all(|index| links.first(*index) == *index));
        // Unwanted entries are never a first name.
        assert_eq!(Links::of(&table, |index| index != first).first(later), later);
    }

    #[test]
    fn an_archive_that_was_made_for_it_does_not_take_long() {
        let mut table = FileTable::default();
        for number in 0..200_000 {
            let mut record = Record::new(Kind::Fifo);
            (record.links, record.inode, record.uid) = (u32::MAX, 1, number);
            table.push(record, b"", More::default());
        }
        let began = std::time::Instant::now();
        assert_eq!(Links::of(&table, |_| true).apart.len(), 199_999);
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
