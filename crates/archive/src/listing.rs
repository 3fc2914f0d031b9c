//! The entries of a backup, as lists show them: those of a snapshot, or of a set.

use crate::file_table::{FileTable, Kind};
use crate::{Contents, Entry, stream::Stream};
use std::path::Path;

/// Entries, by numbers; the root directory is 0. What was left out of the backup is not among them.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a>(&'a FileTable);

impl<'a> Listing<'a> {
    /// The entry that a path leads to, through the archive's own links; a link at its end is not followed.
    pub fn find(&self, path: &Path) -> Option<usize> {
        self.0.follow(path).filter(|index| !self.0.records[*index].left_out)
    }

    /// What is in a directory, by name.
    pub fn children(&self, number: usize) -> impl Iterator<Item = usize> + use<'a> {
        let table = self.0;
        table.children(number).filter(move |child| !table.records[*child].left_out)
    }

    /// One entry in full.
    pub fn entry(&self, number: usize) -> Entry {
        self.0.entry(number)
    }

    /// Its type.
    pub fn kind(&self, number: usize) -> Kind {
        self.0.records[number].kind
    }

    /// Its name in its directory.
    pub fn name(&self, number: usize) -> &'a [u8] {
        self.0.name(number)
    }
}

impl Contents {
    /// Its entries.
    pub fn listing(&self) -> Listing<'_> {
        Listing(self.table())
    }
}

impl Stream {
    /// Its entries.
    pub fn listing(&self) -> Listing<'_> {
        Listing(self.table())
    }
}
