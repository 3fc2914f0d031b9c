//! New directories that have another name until everything below them is complete, so that nobody finds half of a file under its
//! real name, and files below them can have their names at once.
//!
//! A file without a name that gets one when it is complete (O_TMPFILE, linkat(2)) changes the filesystem twice; one rename
//! of a directory does for all files below it. Only what is quickly made again has such a name: when a restore is interrupted, the next one removes
//! the directories that are not complete ([`super::place::tidy`]), and keeps the others. Nobody else can be in such a directory: it is in one that is new and closed.

use super::extraction::{Extraction, Failure, unreachable};
use super::place;
use crate::ArchiveError;
use crate::directories::Directories;
use crate::file_table::{FileTable, Kind};
use crate::links::Links;
use crate::report::locked;
use lifeboat_sys::names;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Files that one such directory has below it at most.
const MOST_FILES: u32 = 1024;
/// Their bytes at most.
const MOST_BYTES: u64 = 64 << 20;

/// Directories that are small enough, with all that is below them, and hold a file: their numbers.
pub(super) fn small(table: &FileTable, is_chosen: impl Fn(usize) -> bool) -> HashSet<usize> {
    let mut below: HashMap<usize, (u32, u64)> = HashMap::new();
    // Directories come before what is in them.
    for (index, record) in table.records.iter().enumerate().skip(1).rev() {
        let (files, bytes) = match record.kind {
            Kind::Directory => below.get(&index).copied().unwrap_or_default(),
            Kind::File if is_chosen(index) => (1, record.size),
            _ => continue,
        };
        let sum = below.entry(record.parent as usize).or_default();
        *sum = (sum.0.saturating_add(files), sum.1.saturating_add(bytes));
    }
    let is_small = |(files, bytes): &(u32, u64)| (1..=MOST_FILES).contains(files) && *bytes <= MOST_BYTES;
    below.into_iter().filter(|(_, sum)| is_small(sum)).map(|(index, _)| index).collect()
}

/// A directory with another name.
#[derive(Debug)]
pub(super) struct Group {
    /// The other name.
    name: Box<[u8]>,
    /// Files below it that are not complete.
    left: AtomicU32,
    /// It has its own name now.
    is_named: AtomicBool,
}

impl Group {
    /// With a new name.
    pub(super) fn new() -> Self {
        let name = place::temporary_name().as_bytes().into();
        Group { name, left: AtomicU32::new(0), is_named: AtomicBool::new(false) }
    }

    /// The name that it has now, if that is not its own.
    pub(super) fn name(&self) -> Option<&[u8]> {
        (!self.is_named.load(Ordering::Acquire)).then_some(&*self.name)
    }
}

/// All of them, by record.
#[derive(Debug, Default)]
pub(super) struct Staging {
    groups: HashMap<usize, Group>,
    /// How many got their own names; held while one gets it.
    named: Mutex<u64>,
}

impl Staging {
    pub(super) fn extend(&mut self, groups: HashMap<usize, Group>) {
        self.groups.extend(groups);
    }

    /// The name that a directory has now, if that is not its own.
    pub(super) fn name(&self, index: usize) -> Option<&[u8]> {
        self.groups.get(&index)?.name()
    }

    /// How many directories got their own names, when none is just getting it.
    pub(super) fn named(&self) -> u64 {
        if self.groups.is_empty() { 0 } else { *locked(&self.named) }
    }
}

impl Extraction<'_> {
    /// The directory with another name that a directory is or is below.
    fn group(&self, directory: usize) -> Option<(usize, &Group)> {
        let top = self.target.directories.get(&directory)?.group?;
        self.staging.groups.get(&top).filter(|group| group.name().is_some()).map(|group| (top, group))
    }

    /// Reports whether nothing in a directory has its real path yet.
    pub(super) fn is_staged(&self, directory: usize) -> bool {
        self.group(directory).is_some()
    }

    /// Counts the files that will be complete before directories get their own names.
    pub(super) fn count_staged(&self, links: &Links) {
        for (index, record) in self.table.records.iter().enumerate() {
            if record.kind == Kind::File
                && self.is_chosen(index)
                && links.first(index) == index
                && let Some((_, group)) = self.group(record.parent as usize)
            {
                group.left.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// An entry is complete, or will not come: its directory gets its own name if it was the last one.
    pub(super) fn settled(&self, parents: &mut Directories, index: usize) -> Result<(), ArchiveError> {
        if self.table.records[index].kind != Kind::File {
            return Ok(());
        }
        let Some((top, group)) = self.group(self.table.records[index].parent as usize) else { return Ok(()) };
        // What was written before by the other thread is seen by the one that counts last.
        if group.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return Ok(());
        }
        self.name_it(parents, top).or_else(|failure| self.failed(top, failure))
    }

    /// Gives all directories their own names, also when the restore ends early: what is in them is complete.
    pub(super) fn name_all(&self) -> Result<(), ArchiveError> {
        let mut parents = Directories::across_mounts();
        let mut left: Vec<usize> = self.staging.groups.keys().copied().collect();
        left.retain(|index| self.staging.name(*index).is_some());
        left.sort_unstable();
        left.into_iter()
            .try_for_each(|top| self.name_it(&mut parents, top).or_else(|failure| self.failed(top, failure)))
    }

    fn name_it(&self, parents: &mut Directories, top: usize) -> Result<(), Failure> {
        let Some(group) = self.staging.groups.get(&top) else { return Ok(()) };
        let directory = parents.open_same(self, top).map_err(unreachable)?;
        let mut named = locked(&self.staging.named);
        if group.name().is_some() {
            rename(&directory, &group.name, self.table.name(top))
                .map_err(|error| self.failure("RENAME", top, error))?;
            group.is_named.store(true, Ordering::Release);
            *named += 1;
        }
        Ok(())
    }
}

/// Renames a directory in the one that it is in.
fn rename(directory: &OwnedFd, old: &[u8], new: &[u8]) -> Result<(), Errno> {
    let beside = |name: &[u8]| [b"../", name].concat();
    let (old, new) = (beside(old), beside(new));
    let (old, new) = (OsStr::from_bytes(&old), OsStr::from_bytes(&new));
    names::rename_new(directory, old, directory, new)
}
