//! Writes a table and its content into a directory.
//!
//! | module | holds |
//! | --- | --- |
//! | [`place`] | directories of the target, opened without following any link |
//! | [`files`] | regular files: content, holes, and their attributes while they are open |
//! | [`shared`] | blocks that files share again |
//! | [`compression`] | compression, which must be asked for before anything is written |
//! | [`attributes`] | owner, mode, xattrs, times, flags, in the order that keeps them |
//! | [`under`] | directories that mounted filesystems hide |
//!
//! Order: directories; files in parallel, in the order in which their content lies in the archive; links, devices and
//! pipes; hard links; inode flags of files; then attributes of directories from the leaves up, so that nothing touches
//! a directory after its times are set.

mod attributes;
mod compression;
mod files;
mod place;
mod shared;
mod under;

use crate::report::{Problems, Progress};
use crate::selection::Choice;
use crate::table::{Id, Kind, Table};
use crate::{ArchiveError, Observer, Selection};
use place::Target;
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// How entries are restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Replace what is there, each entry at once: files are written under another name and renamed. Otherwise an entry
    /// that is there already is a problem.
    pub overwrite: bool,
    /// Wait until everything is on the disk.
    pub sync: bool,
    /// Nobody but this process writes to the target meanwhile: a recovery. Then files may share blocks again whoever owns them;
    /// otherwise only where nobody could have changed one file's blocks to get at another one's.
    pub private: bool,
}

/// Where content comes from.
pub(crate) trait ContentSource: Sync {
    /// A reader for one thread.
    fn reader(&self) -> Result<Box<dyn ContentReader + '_>, ArchiveError>;
    /// Sort key of where a blob lies.
    fn place(&self, id: &Id) -> (u32, u32);
    /// Size of a blob's content, in bytes; `None` when there is no such blob.
    fn length(&self, id: &Id) -> Option<u64>;
}

/// Reads content in one thread.
pub(crate) trait ContentReader {
    /// The content of a blob, checked against its id.
    fn get(&mut self, id: &Id) -> Result<&[u8], ArchiveError>;
}

/// What all parts of one extraction share.
struct Extraction<'a> {
    table: &'a Table,
    choices: Vec<Choice>,
    target: Target,
    sharing: shared::Sharing,
    content: &'a dyn ContentSource,
    options: &'a RestoreOptions,
    observer: &'a dyn Observer,
    problems: &'a Problems<'a>,
    entries: AtomicU64,
    bytes: AtomicU64,
    /// The same without holes, for progress.
    stored: AtomicU64,
    total: Progress,
}

/// Why one entry was not restored.
enum Failure {
    /// It is a problem; the others go on.
    Entry(String),
    /// Going on is in vain.
    Fatal(ArchiveError),
}

impl Failure {
    fn entry(what: &str, error: Errno) -> Self {
        Failure::Entry(format!("cannot {what}: {}", std::io::Error::from(error)))
    }
}

/// Restores the selected entries below `target`; gives their number and bytes.
pub(crate) fn run(
    table: &Table,
    content: &dyn ContentSource,
    target: &Path,
    selection: &Selection,
    options: &RestoreOptions,
    observer: &dyn Observer,
    problems: &Problems<'_>,
) -> Result<(u64, u64), ArchiveError> {
    let (choices, unknown) = selection.choose(table);
    for path in unknown {
        problems.add(path, "cannot RESTORE: it is not in the snapshot");
    }
    let chosen = |index: &usize| choices[*index] == Choice::Yes;
    let records = || (0..table.records.len()).filter(chosen);
    let total = Progress {
        phase: "restore",
        entries_total: records().count() as u64,
        bytes_total: records().map(|index| table.stored(index)).sum(),
        ..Progress::default()
    };
    let mut extraction = Extraction {
        table,
        sharing: shared::Sharing::default(),
        target: Target::open(target)?,
        choices,
        content,
        options,
        observer,
        problems,
        entries: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        stored: AtomicU64::new(0),
        total,
    };
    extraction.directories()?;
    let links = extraction.link_leaders();
    extraction.sharing = shared::Sharing::of(table, options.private, |index| {
        table.records[index].kind == Kind::File
            && extraction.is_chosen(index)
            && extraction.leader(index, &links) == index
    });
    files::restore(&extraction, &links)?;
    extraction.others(&links)?;
    extraction.hard_links(&links)?;
    extraction.finish()?;
    under::restore(&extraction);
    if options.sync {
        extraction.target.sync().map_err(|error| ArchiveError::io("WRITE", target, error))?;
    }
    Ok((extraction.entries.into_inner(), extraction.bytes.into_inner()))
}

impl Extraction<'_> {
    fn is_chosen(&self, index: usize) -> bool {
        self.choices[index] == Choice::Yes
    }

    /// Makes directories, private until their content is there.
    fn directories(&self) -> Result<(), ArchiveError> {
        for index in 0..self.table.records.len() {
            if self.table.records[index].kind != Kind::Directory || self.choices[index] == Choice::No {
                continue;
            }
            let directories =
                self.table.children(index).filter(|child| self.table.records[*child].kind == Kind::Directory);
            let wanted: Vec<usize> = directories.filter(|child| self.choices[*child] != Choice::No).collect();
            if wanted.is_empty() {
                continue;
            }
            let parent = match self.target.directory(self.table, index) {
                Ok(parent) => parent,
                // Said when it was made.
                Err(_) => continue,
            };
            for child in wanted {
                let name = OsStr::from_bytes(self.table.name(child));
                if let Err(failure) = place::make_directory(&parent, name, self.options.overwrite) {
                    self.failed(child, failure)?;
                }
            }
        }
        Ok(())
    }

    /// For each group of hard links the first of those chosen.
    fn link_leaders(&self) -> HashMap<(u64, u64), usize> {
        let mut leaders = HashMap::new();
        for index in (0..self.table.records.len()).filter(|index| self.is_chosen(*index)) {
            if let Some(key) = self.table.records[index].link_key() {
                leaders.entry(key).or_insert(index);
            }
        }
        leaders
    }

    /// The entry that is made for a group of hard links; the entry itself when there is no group.
    fn leader(&self, index: usize, leaders: &HashMap<(u64, u64), usize>) -> usize {
        self.table.records[index].link_key().and_then(|key| leaders.get(&key).copied()).unwrap_or(index)
    }

    /// Symbolic links, devices, pipes, sockets.
    fn others(&self, leaders: &HashMap<(u64, u64), usize>) -> Result<(), ArchiveError> {
        let mut parents = place::Cache::default();
        for (index, record) in self.table.records.iter().enumerate() {
            let is_other = !matches!(record.kind, Kind::File | Kind::Directory);
            if !is_other || !self.is_chosen(index) || self.leader(index, leaders) != index {
                continue;
            }
            let made = parents.get(&self.target, self.table, record.parent as usize);
            let made = made.map_err(|error| Failure::entry("OPEN its directory", error));
            match made.and_then(|parent| self.other(parent, index)) {
                Ok(()) => self.done(index),
                Err(failure) => self.failed(index, failure)?,
            }
        }
        Ok(())
    }

    fn other(&self, parent: &rustix::fd::OwnedFd, index: usize) -> Result<(), Failure> {
        use rustix::fs::{FileType, Mode};
        let record = &self.table.records[index];
        let name = OsStr::from_bytes(self.table.name(index));
        let make = |name: &OsStr| {
            let node = |kind, device| rustix::fs::mknodat(parent, name, kind, Mode::from_raw_mode(0o600), device);
            match record.kind {
                Kind::Symlink => rustix::fs::symlinkat(OsStr::from_bytes(self.table.target(index)), parent, name),
                Kind::BlockDevice => node(FileType::BlockDevice, record.device),
                Kind::CharDevice => node(FileType::CharacterDevice, record.device),
                Kind::Fifo => node(FileType::Fifo, 0),
                _ => node(FileType::Socket, 0),
            }
        };
        let at = place::put(parent, name, self.options.overwrite, make)
            .map_err(|error| self.failure("MAKE", index, error))?;
        let complaints = attributes::set_named(self.table, index, parent, at.name());
        self.complain(index, complaints);
        at.rename(parent).map_err(|error| Failure::entry("RENAME", error))
    }

    /// All but the first of each group of hard links.
    fn hard_links(&self, leaders: &HashMap<(u64, u64), usize>) -> Result<(), ArchiveError> {
        let mut parents = place::Cache::default();
        for index in (0..self.table.records.len()).filter(|index| self.is_chosen(*index)) {
            let leader = self.leader(index, leaders);
            if leader == index {
                continue;
            }
            let table = self.table;
            let directory = |index: usize| self.target.directory(table, table.records[index].parent as usize);
            let made = (|| {
                let from = directory(leader).map_err(|error| Failure::entry("OPEN its directory", error))?;
                let parent = parents.get(&self.target, table, table.records[index].parent as usize);
                let parent = parent.map_err(|error| Failure::entry("OPEN its directory", error))?;
                let (old, new) = (OsStr::from_bytes(table.name(leader)), OsStr::from_bytes(table.name(index)));
                let make = |name: &OsStr| rustix::fs::linkat(&from, old, parent, name, rustix::fs::AtFlags::empty());
                let at = place::put(parent, new, self.options.overwrite, make)
                    .map_err(|error| self.failure("LINK", index, error))?;
                at.rename(parent).map_err(|error| Failure::entry("RENAME", error))
            })();
            match made {
                Ok(()) => self.done(index),
                Err(failure) => self.failed(index, failure)?,
            }
        }
        Ok(())
    }

    /// Flags of files, then everything of directories, from the leaves up.
    fn finish(&self) -> Result<(), ArchiveError> {
        let records = &self.table.records;
        for index in (0..records.len()).filter(|index| self.is_chosen(*index)) {
            if records[index].kind == Kind::File && attributes::late_flags(&records[index]) != 0 {
                let complaints = self.target.directory(self.table, records[index].parent as usize);
                let complaints = complaints.map(|parent| attributes::set_flags(self.table, index, &parent));
                self.complain(index, complaints.unwrap_or_default());
            }
        }
        for index in (0..records.len()).rev().filter(|index| self.is_chosen(*index)) {
            if records[index].kind != Kind::Directory {
                continue;
            }
            match self.target.directory(self.table, index) {
                Ok(directory) => {
                    self.complain(index, attributes::set_open(self.table, index, &directory));
                    self.done(index);
                }
                // What made it impossible was said when it was made; a path past the limits of the target is news.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => self.failed(index, Failure::entry("OPEN the directory", error))?,
            }
        }
        Ok(())
    }

    /// Counts an entry that is complete.
    fn done(&self, index: usize) {
        self.bytes.fetch_add(self.table.records[index].size, Ordering::Relaxed);
        let stored = self.table.stored(index);
        let bytes = self.stored.fetch_add(stored, Ordering::Relaxed) + stored;
        let entries = self.entries.fetch_add(1, Ordering::Relaxed) + 1;
        if entries.is_multiple_of(256) || self.table.records[index].size > 1 << 20 {
            self.observer.progress(&Progress { entries, bytes, ..self.total.clone() });
        }
    }

    fn complain(&self, index: usize, complaints: Vec<String>) {
        for complaint in complaints {
            self.problems.add(self.table.path(index), complaint);
        }
    }

    fn failed(&self, index: usize, failure: Failure) -> Result<(), ArchiveError> {
        match failure {
            Failure::Entry(message) => {
                self.problems.add(self.table.path(index), message);
                Ok(())
            }
            Failure::Fatal(error) => Err(error),
        }
    }

    /// What an error of the target means: nothing fits any more, or only this entry fails.
    fn failure(&self, what: &str, index: usize, error: Errno) -> Failure {
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
}
