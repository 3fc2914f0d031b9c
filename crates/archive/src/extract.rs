//! Writes a table and its content into a directory.
//!
//! | module | holds |
//! | --- | --- |
//! | [`extraction`] | what the parts of one extraction share; what happens to an entry that fails |
//! | [`place`] | directories of the target, opened without following any link |
//! | [`places`] | directories of a target in which nothing is restored any more |
//! | [`links`] | further names of hard links, and what happens to them on another filesystem |
//! | [`folders`] | directories: created before everything else, completed after it |
//! | [`files`] | what is restored in parallel; regular files: content, holes, and their attributes while they are open |
//! | [`staging`] | new directories that have another name until what is below them is complete |
//! | [`stream`] | the same, when their contents come in an order of their own |
//! | [`sharing`], [`taking`] | blocks that files share again: which files, in which order; from which file they come |
//! | [`compression`] | compression, which must be set before anything is written |
//! | [`attributes`] | owner, mode, xattrs, times, flags, in the order that keeps them |
//! | [`survey`] | what is in the target already: what is new, replaced, kept |
//! | [`under`] | directories that mounted filesystems hide |
//!
//! Order: directories; links, devices and pipes, then files, in parallel and in the order in which their content is in the archive;
//! hard links; inode flags of files; then attributes of directories from the leaves up, so that nothing touches
//! a directory after its times are set. Flags that protect a file from changes may wait until somebody else has
//! written to the target ([`protect`]).
//!
//! Anyone who owns a directory of the target can replace what is in it at any moment. So directories are opened one from the
//! other and are recognised by device and inode; nothing is set by a name. A directory that is restored and that others can write
//! to is closed (owned by the restoring user, mode 0700) until it has the archive's attributes. Directories that only lead
//! to what was chosen are neither replaced nor changed.

mod attributes;
mod compression;
mod extraction;
mod files;
mod folders;
mod links;
mod place;
mod places;
mod sharing;
mod staging;
mod stream;
mod survey;
mod taking;
mod under;

use crate::directories::Directories;
use crate::file_table::{FileTable, Kind};
use crate::links::Links;
use crate::report::{Problem, Problems, Progress, RestoreReport, locked};
use crate::selection::Choice;
use crate::{ArchiveError, Observer, Selection};
pub(crate) use attributes::PROTECTION;
pub(crate) use extraction::{ContentReader, ContentSource};
use extraction::{Extraction, Failure};
pub use extraction::{Keep, RestoreOptions};
use place::{Blocked, Target};
use places::Places;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use sharing::Sharing;
use staging::Staging;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
pub(crate) use stream::{ContentStream, StreamedFile};
pub use survey::Survey;

/// What is said of a path that is chosen and not there.
const UNKNOWN: &str = "cannot RESTORE: it is not in the snapshot";

/// What a restore did.
pub(crate) struct Restored {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    /// Entries whose protection waits.
    pub(crate) unprotected: u64,
    /// Hard links that became copies.
    pub(crate) copies: Vec<PathBuf>,
}

/// Restores the selected entries below `target`.
pub(crate) fn run(
    table: &FileTable,
    content: &dyn ContentSource,
    target: &Path,
    selection: &Selection,
    options: &RestoreOptions,
    observer: &dyn Observer,
    problems: &Problems<'_>,
) -> Result<Restored, ArchiveError> {
    let request = (target, selection, options);
    run_with(table, content, request, observer, problems, &mut files::restore)
}

/// The same, when contents come one after the other.
pub(crate) fn run_stream(
    table: &FileTable,
    content: &mut dyn ContentStream,
    request: (&Path, &Selection, &RestoreOptions),
    observer: &dyn Observer,
    problems: &Problems<'_>,
) -> Result<Restored, ArchiveError> {
    let files = &mut |extraction: &Extraction<'_>, links: &Links| stream::restore(extraction, links, content);
    run_with(table, &stream::NoBlobs, request, observer, problems, files)
}

/// Restores files of an extraction; of hard links, the leading ones.
type Files<'f> = &'f mut dyn FnMut(&Extraction<'_>, &Links) -> Result<(), ArchiveError>;

fn run_with(
    table: &FileTable,
    content: &dyn ContentSource,
    (target, selection, options): (&Path, &Selection, &RestoreOptions),
    observer: &dyn Observer,
    problems: &Problems<'_>,
    files: Files<'_>,
) -> Result<Restored, ArchiveError> {
    let (mut choices, unknown) = selection.choose(table);
    unknown.into_iter().for_each(|path| problems.add(path, UNKNOWN));
    let opened = Target::open(target, options.private)?;
    if options.keep != Keep::Nothing {
        survey::look(table, Some(&opened.root), &mut choices, options.keep);
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
        sharing: Sharing::default(),
        target: opened,
        staging: Staging::default(),
        made: Mutex::new(HashMap::new()),
        exposed: Mutex::default(),
        own: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        without_set_id: Mutex::default(),
        flags: if options.unprotected { !attributes::PROTECTION } else { u32::MAX },
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
    extraction.target.prepare(extraction.choices[0] == Choice::Yes, options.private)?;
    folders::make(&mut extraction)?;
    let links = Links::of(table, |index| extraction.is_chosen(index));
    if !links.apart.is_empty() {
        observer.warning(&format!(
            "the archive lists different files under one inode number; each is restored separately: {}",
            crate::links::some(table, &links.apart)
        ));
    }
    extraction.sharing = Sharing::of(table, options.private, |index| {
        table.records[index].kind == Kind::File
            && extraction.is_chosen(index)
            && links.first(index) == index
            && !table.is_squeezed(index)
    });
    extraction.count_staged(&links);
    match files(&extraction, &links) {
        // A thread that ended may have left half of a file.
        Err(error @ ArchiveError::Panicked { .. }) => return Err(error),
        restored => {
            let named = extraction.name_all();
            restored.and(named)?;
        }
    }
    let copies = links::restore(&extraction, &links)?;
    // As long as the directories are closed: nobody exchanges what is in them.
    under::restore(&extraction);
    extraction.finish()?;
    extraction.report_set_id();
    if options.sync {
        extraction.target.sync().map_err(|error| ArchiveError::io("WRITE", target, error))?;
    }
    let waits = |index: &usize| extraction.is_chosen(*index) && table.records[*index].flags & !extraction.flags != 0;
    let unprotected = (0..table.records.len()).filter(waits).count() as u64;
    let copies = copies.into_iter().map(|index| table.path(index)).collect();
    let (entries, bytes) = (extraction.entries.into_inner(), extraction.bytes.into_inner());
    Ok(Restored { entries, bytes, unprotected, copies })
}

/// What a restore with these options will do to its target, which need not exist yet.
pub(crate) fn survey(
    table: &FileTable,
    target: &Path,
    selection: &Selection,
    options: &RestoreOptions,
) -> Result<Survey, ArchiveError> {
    let (mut choices, unknown) = selection.choose(table);
    let opened = match Target::open(target, options.private) {
        Ok(opened) => Some(opened.root),
        Err(ArchiveError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let unknown = unknown.into_iter().map(|path| Problem { path, message: UNKNOWN.to_owned() });
    Ok(Survey { problems: unknown.collect(), ..survey::look(table, opened.as_ref(), &mut choices, options.keep) })
}

/// Sets the postponed flags on what exists; returns their number.
pub(crate) fn protect(
    table: &FileTable,
    target: &Path,
    observer: &dyn Observer,
) -> Result<RestoreReport, ArchiveError> {
    let problems = Problems::new(observer);
    let mut places = Places::new(table, target)?;
    let protected = |index: &usize| {
        let record = &table.records[*index];
        !record.left_out && record.flags & PROTECTION != 0
    };
    // Files before directories, and directories from the leaves up: flags keep nobody from entering them, but one that
    // was replaced could no longer be detected.
    let (directories, files): (Vec<usize>, Vec<usize>) =
        (0..table.records.len()).filter(protected).partition(|index| table.records[*index].kind == Kind::Directory);
    let mut set = 0;
    for index in files.into_iter().chain(directories.into_iter().rev()) {
        let warnings = match places.open_parent(index) {
            Ok(parent) => attributes::set_flags(table, index, &parent, u32::MAX, None),
            Err(error) => vec![attributes::warning("the inode flags", error)],
        };
        set += u64::from(warnings.is_empty());
        warnings.into_iter().for_each(|warning| problems.add(table.path(index), warning));
    }
    Ok(RestoreReport { entries: set, problems: crate::warnings::added_to(problems), ..RestoreReport::default() })
}

impl Extraction<'_> {
    /// Reports whether something chosen is directly in a directory.
    fn has_chosen(&self, index: usize) -> bool {
        self.table.children(index).any(|child| self.choices[child] == Choice::Yes)
    }

    /// A directory that cannot be created or used: nothing below it is restored, and chosen entries are reported.
    fn block(&mut self, index: usize, blocked: Blocked) -> Result<(), ArchiveError> {
        if let Blocked::Failed(what, error @ (Errno::NOSPC | Errno::DQUOT | Errno::ROFS)) = blocked {
            let failure = self.failure(what, index, error);
            return self.failed(index, failure);
        }
        let way = self.table.path(index);
        let mut open = vec![(index, false)];
        while let Some((at, reported)) = open.pop() {
            let is_chosen = self.choices[at] == Choice::Yes;
            if is_chosen && !reported {
                self.problems.add(self.table.path(at), blocked.message(&way, at == index));
            }
            let below = self.table.children(at).filter(|child| self.choices[*child] != Choice::No);
            open.extend(below.map(|child| (child, reported || is_chosen)));
            self.choices[at] = Choice::No;
        }
        Ok(())
    }

    /// A symbolic link, device, pipe or socket.
    fn other(&self, parent: &OwnedFd, index: usize) -> Result<(), Failure> {
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
        let put = || place::put(name, self.naming(), make).map_err(|error| self.failure("MAKE", index, error));
        let is_closed = self.is_closed(record.parent as usize);
        if is_closed && record.kind == Kind::Symlink && self.is_as_made(index) {
            let (at, ()) = put()?;
            self.warn(index, attributes::set_times(record, parent, at.name()));
            return at.rename(parent).map_err(|error| Failure::entry("RENAME", error));
        }
        // Where others can rename what was made, one entry at a time is made that is not held yet, so that it is known for itself.
        let mut known = (!is_closed).then(|| locked(&self.exposed));
        let (at, ()) = put()?;
        let (held, owner) = match attributes::hold_new(record, parent, at.name()) {
            Ok((held, owner)) if known.as_mut().is_none_or(|known| place::is_new(&held, known)) => (held, owner),
            // What exists there is not ours and is left alone.
            Ok(_) | Err(Errno::STALE | Errno::NOENT) => {
                return Err(Failure::Entry("cannot MAKE: it was replaced during the restore".to_owned()));
            }
            Err(error) => {
                at.remove(parent);
                return Err(Failure::entry("OPEN", error));
            }
        };
        drop(known);
        let passed_on = self.passes_on(record.parent as usize);
        self.warn(index, attributes::set_held(self.table, index, (&held, owner), passed_on));
        at.rename(parent).map_err(|error| Failure::entry("RENAME", error))?;
        self.note(index, &held);
        Ok(())
    }

    /// Flags of files, then all attributes of directories, from the leaves up.
    fn finish(&self) -> Result<(), ArchiveError> {
        let records = &self.table.records;
        let mut directories = Directories::across_mounts();
        for index in (0..records.len()).filter(|index| self.is_chosen(*index)) {
            let record = &records[index];
            if record.kind == Kind::File && attributes::late_flags(record) & self.flags != 0 {
                let made = locked(&self.made).get(&index).copied();
                // What was not restored keeps what it has.
                if made.is_none() && !self.options.private {
                    continue;
                }
                let warnings = directories.open_same(self, record.parent as usize);
                let warnings =
                    warnings.map(|parent| attributes::set_flags(self.table, index, &parent, self.flags, made));
                self.warn(index, warnings.unwrap_or_default());
            }
        }
        folders::finish(self)
    }
}

#[cfg(test)]
mod tests;
