//! One extraction: what its parts share, what they count, and what happens to an entry that fails.

use super::attributes;
use super::place::{Directory, Naming, Target};
use super::sharing::Sharing;
use super::staging::Staging;
use crate::directories::{Directories, Identity, Tree};
use crate::file_table::{FileTable, Id};
use crate::report::{Problems, Progress, locked};
use crate::selection::Choice;
use crate::{ArchiveError, Observer};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What stays as it is in the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: each chosen entry is restored.
    #[default]
    Nothing,
    /// Whatever is there.
    Existing,
    /// What was modified at the time that it has in the archive, or later. Of the names of one file those that stay are not linked to those
    /// that are restored.
    Newer,
    /// What has the type, size, modification time, owner and mode of the archive: it is taken to be the same.
    Same,
}

/// How entries are restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Replace what exists, each entry atomically: files are written under another name and renamed. Otherwise an entry
    /// that already exists is a problem.
    pub overwrite: bool,
    /// What stays as it is.
    pub keep: Keep,
    /// Wait until everything is on the disk.
    pub sync: bool,
    /// Nobody but this process writes to the target meanwhile: a recovery. Then files may share blocks again whoever owns them;
    /// otherwise only where nobody could have changed one file's blocks to get access to another one's.
    pub private: bool,
    /// An interrupted restore is repeated from its beginning: files have their names at once. Otherwise nobody ever
    /// finds half of a file under its name.
    pub repeatable: bool,
    /// Inode flags that protect a file from changes wait for [`Repository::protect`](crate::Repository::protect).
    pub unprotected: bool,
}

/// Where content comes from.
pub(crate) trait ContentSource: Sync {
    /// A reader for one thread.
    fn reader(&self) -> Result<Box<dyn ContentReader + '_>, ArchiveError>;
    /// Sort key of a blob's position.
    fn place(&self, id: &Id) -> (u32, u32);
    /// Size of a blob's content, in bytes; `None` when there is no such blob.
    fn length(&self, id: &Id) -> Option<u64>;
    /// Reading starts no other programs.
    fn is_local(&self) -> bool;
    /// Contents come in an order of their own, once; there is no reader.
    fn is_read_once(&self) -> bool {
        false
    }
}

/// Reads content in one thread.
pub(crate) trait ContentReader {
    /// The content of a blob, checked against its id.
    fn get(&mut self, id: &Id) -> Result<&[u8], ArchiveError>;
}

/// What all parts of one extraction share.
pub(super) struct Extraction<'a> {
    pub(super) table: &'a FileTable,
    pub(super) choices: Vec<Choice>,
    pub(super) target: Target,
    pub(super) staging: Staging,
    /// User and group that new entries belong to.
    pub(super) own: (u32, u32),
    /// Device and inode of files that are linked to, or get flags, later.
    pub(super) made: Mutex<HashMap<usize, Identity>>,
    /// Links, devices, pipes and sockets in directories that others can write to.
    pub(super) exposed: Mutex<HashSet<Identity>>,
    /// Entries that did not get their set-id bits.
    pub(super) without_set_id: Mutex<Vec<usize>>,
    /// Flags that are set.
    pub(super) flags: u32,
    pub(super) sharing: Sharing,
    pub(super) content: &'a dyn ContentSource,
    pub(super) options: &'a RestoreOptions,
    pub(super) observer: &'a dyn Observer,
    pub(super) problems: &'a Problems<'a>,
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// The same without holes, for progress.
    pub(super) stored: AtomicU64,
    pub(super) total: Progress,
}

/// Why one entry was not restored.
pub(super) enum Failure {
    /// It is a problem; the others continue.
    Entry(String),
    /// Continuing is useless.
    Fatal(ArchiveError),
}

impl Failure {
    pub(super) fn entry(what: &str, error: Errno) -> Self {
        Failure::Entry(format!("cannot {what}: {}", std::io::Error::from(error)))
    }
}

impl Tree for Extraction<'_> {
    fn parent(&self, index: usize) -> usize {
        self.table.records[index].parent as usize
    }

    fn name(&self, index: usize) -> &[u8] {
        self.staging.name(index).unwrap_or_else(|| self.table.name(index))
    }

    fn renamed(&self) -> u64 {
        self.staging.named()
    }

    fn top(&self, index: usize) -> Option<&OwnedFd> {
        (index == 0).then_some(&self.target.root)
    }

    fn identity(&self, index: usize) -> Option<Identity> {
        self.target.directories.get(&index).map(|directory| directory.identity)
    }
}

impl Extraction<'_> {
    pub(super) fn is_chosen(&self, index: usize) -> bool {
        self.choices[index] == Choice::Yes
    }

    /// Reports whether entries inherit something from their directory: it had that, or its owner may add something to it at any
    /// moment, because one that only leads to what was chosen is not closed.
    pub(super) fn passes_on(&self, index: usize) -> bool {
        self.passes_on_from(index, self.target.directories.get(&index))
    }

    /// The same of a directory that is known.
    pub(super) fn passes_on_from(&self, index: usize, directory: Option<&Directory>) -> bool {
        let leads = !self.options.private && !self.is_chosen(index);
        directory
            .is_some_and(|directory| directory.passes_on || (leads && directory.was_there && directory.is_of_another))
    }

    /// Reports whether a directory is plain: see [`Directory::is_plain`](super::place::Directory::is_plain).
    pub(super) fn is_plain(&self, index: usize) -> bool {
        self.target.directories.get(&index).is_some_and(|directory| directory.is_plain)
    }

    /// Reports whether nobody else can change what is in a directory: it is new, or this is a recovery.
    pub(super) fn is_closed(&self, index: usize) -> bool {
        self.options.private || self.target.directories.get(&index).is_some_and(|directory| !directory.was_there)
    }

    /// Reports whether a new entry has everything but its times: its directory passes nothing on, and it needs no owner, no
    /// extended attributes and no later access by its name.
    pub(super) fn is_as_made(&self, index: usize) -> bool {
        let record = &self.table.records[index];
        self.is_plain(record.parent as usize)
            && self.own == (record.uid, record.gid)
            && self.table.xattrs(index).is_empty()
            && record.link_key().is_none()
    }

    /// Notes the identity of a new entry, for later access by its name.
    pub(super) fn note(&self, index: usize, entry: &OwnedFd) {
        let record = &self.table.records[index];
        let is_needed = record.link_key().is_some() || attributes::late_flags(record) != 0;
        if !self.options.private
            && is_needed
            && let Ok(identity) = crate::directories::identity(entry)
        {
            locked(&self.made).insert(index, identity);
        }
    }

    pub(super) fn naming(&self) -> Naming {
        if self.options.overwrite { Naming::Replace } else { Naming::New }
    }

    /// Counts an entry that is complete.
    pub(super) fn done(&self, index: usize) {
        let size = self.table.records[index].size;
        // Sizes of sparse files add up to more than the number can hold.
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| Some(sum.saturating_add(size)));
        let stored = self.table.stored(index);
        let bytes = self.stored.fetch_add(stored, Ordering::Relaxed) + stored;
        let entries = self.entries.fetch_add(1, Ordering::Relaxed) + 1;
        if entries.is_multiple_of(256) || self.table.records[index].size > 1 << 20 {
            self.observer.progress(&Progress { entries, bytes, ..self.total.clone() });
        }
    }

    pub(super) fn warn(&self, index: usize, outcome: impl Into<attributes::Outcome>) {
        let outcome = outcome.into();
        for warning in outcome.warnings {
            self.problems.add(self.table.path(index), warning);
        }
        if outcome.without_set_id {
            locked(&self.without_set_id).push(index);
        }
    }

    /// Reports once which set-id bits were not restored.
    pub(super) fn report_set_id(&self) {
        let mut entries = std::mem::take(&mut *locked(&self.without_set_id));
        entries.sort_unstable();
        if !entries.is_empty() {
            let some = crate::links::some(self.table, &entries);
            self.observer.warning(&format!(
                "set-id bits were not restored on entries that have another owner or group here than in the archive: \
                 {some}"
            ));
        }
    }

    pub(super) fn failed(&self, index: usize, failure: Failure) -> Result<(), ArchiveError> {
        match failure {
            Failure::Entry(message) => {
                self.problems.add(self.table.path(index), message);
                Ok(())
            }
            Failure::Fatal(error) => Err(error),
        }
    }

    /// What an error of the target means: it is full, or only this entry fails.
    pub(super) fn failure(&self, what: &str, index: usize, error: Errno) -> Failure {
        let path = self.table.path(index);
        let place = || self.target.path.join(path.strip_prefix("/").unwrap_or(&path));
        match error {
            Errno::NOSPC | Errno::DQUOT => Failure::Fatal(ArchiveError::Full {
                path: place(),
                restored: self.entries.load(Ordering::Relaxed),
                total: self.total.entries_total,
            }),
            Errno::ROFS => Failure::Fatal(ArchiveError::io("WRITE", place(), error)),
            error => Failure::entry(what, error),
        }
    }

    /// Opens the directory of a record, by itself.
    pub(super) fn directory(&self, index: usize) -> Result<Arc<OwnedFd>, Errno> {
        Directories::across_mounts().open_same(self, index)
    }
}

/// The error of opening an entry's directory.
pub(super) fn unreachable(error: Errno) -> Failure {
    match error {
        Errno::STALE | Errno::LOOP | Errno::NOTDIR => {
            Failure::Entry("cannot OPEN its directory: it was replaced during the restore".to_owned())
        }
        error => Failure::entry("OPEN its directory", error),
    }
}
