//! Files, links, devices and pipes: several threads, each taking files whose content is together in the archive.

use super::attributes::{self, AsMade};
use super::compression;
use super::extraction::{ContentReader, Extraction, Failure, unreachable};
use super::place::{self, Naming};
use super::taking::{self, Taking};
use crate::ArchiveError;
use crate::directories::Directories;
use crate::file_table::{Kind, Record, Xattr, is_large};
use crate::links::Links;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes of content that one batch of files has at most, unless it is a single file.
const BATCH_BYTES: u64 = 8 << 20;
/// Files that one batch has at most.
const BATCH_FILES: usize = 256;

/// Restores all that is chosen except directories; of hard links, the leading one.
pub(super) fn restore(extraction: &Extraction<'_>, links: &Links) -> Result<(), ArchiveError> {
    let table = extraction.table;
    let is_wanted = |index: &usize| {
        table.records[*index].kind != Kind::Directory && extraction.is_chosen(*index) && links.first(*index) == *index
    };
    // What has no content comes first.
    let mut files: Vec<usize> = (0..table.records.len()).filter(is_wanted).collect();
    files.sort_by_cached_key(|index| (table.content(*index).first().map(|id| extraction.content.place(id)), *index));
    for round in extraction.sharing.rounds(files) {
        run(extraction, &round)?;
    }
    Ok(())
}

/// Restores entries in parallel.
fn run(extraction: &Extraction<'_>, files: &[usize]) -> Result<(), ArchiveError> {
    let batches = batches(extraction, files);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || -> Result<(), ArchiveError> {
        let mut reader = extraction.content.reader()?;
        let mut parents = Directories::across_mounts();
        let exact = extraction.content.is_local() && lifeboat_sys::umask::clear_for_this_thread().is_ok();
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            for index in *batch {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let made = match extraction.table.records[*index].kind {
                    Kind::File => one(extraction, (&mut *reader, &mut parents), exact, *index),
                    _ => other(extraction, &mut parents, *index),
                };
                made.map(|()| extraction.done(*index))
                    .or_else(|failure| extraction.failed(*index, failure))
                    .and_then(|()| extraction.settled(&mut parents, *index))
                    .inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            }
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut result = Ok(());
        for handle in handles {
            let joined = handle.join().unwrap_or_else(|_| {
                Err(ArchiveError::Panicked { action: "RESTORE the files", cause: "a thread ended".to_owned() })
            });
            result = result.and(joined);
        }
        result
    })
}

/// Restores what is neither file nor directory, one after the other: when contents come in an order of their own.
pub(super) fn others(extraction: &Extraction<'_>, links: &Links) -> Result<(), ArchiveError> {
    let mut parents = Directories::across_mounts();
    for (index, record) in extraction.table.records.iter().enumerate() {
        let is_other = !matches!(record.kind, Kind::File | Kind::Directory);
        if !is_other || !extraction.is_chosen(index) || links.first(index) != index {
            continue;
        }
        match other(extraction, &mut parents, index) {
            Ok(()) => extraction.done(index),
            Err(failure) => extraction.failed(index, failure)?,
        }
    }
    Ok(())
}

fn batches<'f>(extraction: &Extraction<'_>, files: &'f [usize]) -> Vec<&'f [usize]> {
    let mut batches = vec![];
    let (mut start, mut bytes) = (0, 0);
    for (position, index) in files.iter().enumerate() {
        let size = extraction.table.records[*index].size;
        if position > start && (bytes + size > BATCH_BYTES || position - start >= BATCH_FILES) {
            batches.push(&files[start..position]);
            (start, bytes) = (position, 0);
        }
        bytes += size;
    }
    if start < files.len() {
        batches.push(&files[start..]);
    }
    batches
}

/// One entry that is neither file nor directory.
fn other(extraction: &Extraction<'_>, parents: &mut Directories, index: usize) -> Result<(), Failure> {
    let parent = parents.open_same(extraction, extraction.table.records[index].parent as usize);
    extraction.other(&*parent.map_err(unreachable)?, index)
}

/// One file from blobs, with all its attributes. `exact` when this thread has no mask of modes.
pub(super) fn one(
    extraction: &Extraction<'_>,
    (reader, parents): (&mut dyn ContentReader, &mut Directories),
    exact: bool,
    index: usize,
) -> Result<(), Failure> {
    let (record, xattrs) = (&extraction.table.records[index], extraction.table.xattrs(index));
    let what = Made { index, record, xattrs, exact, shares: true };
    put(extraction, parents, &what, |file| write(extraction, reader, index, file))
}

/// A file that is to be made.
pub(super) struct Made<'a> {
    pub(super) index: usize,
    pub(super) record: &'a Record,
    pub(super) xattrs: &'a [Xattr],
    /// This thread has no mask of modes.
    pub(super) exact: bool,
    /// Other files may share blocks with it: its content is what the table says.
    pub(super) shares: bool,
}

/// Makes a file, has its content written, and sets its attributes. It has no name, or another one, until it is complete. It has its name at once in a
/// directory that has another one, and in a recovery, which is repeated when it was interrupted.
pub(super) fn put(
    extraction: &Extraction<'_>,
    parents: &mut Directories,
    what: &Made<'_>,
    write: impl FnOnce(&OwnedFd) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Made { index, record, xattrs, .. } = *what;
    let table = extraction.table;
    let parent_index = table.records[index].parent as usize;
    let parent = &*parents.open_same(extraction, parent_index).map_err(unreachable)?;
    // Also for reading: a file may share blocks with itself.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = AsMade::new(record, extraction.own, extraction.is_plain(parent_index), what.exact);
    // A plain directory is closed to others, so nobody gets in by the final mode before the content is there.
    let mode = if made.mode { Mode::from_raw_mode(record.mode.into()) } else { Mode::RUSR | Mode::WUSR };
    let make = |name: &OsStr| rustix::fs::openat(parent, name, flags, mode);
    let name = OsStr::from_bytes(table.name(index));
    let at_once = extraction.options.repeatable || extraction.is_staged(parent_index);
    let naming = match extraction.naming() {
        Naming::Replace if !at_once => Naming::Complete,
        naming => naming,
    };
    let unnamed = || place::unnamed(parent, name, mode, naming == Naming::Complete);
    let (put, file) = match (!at_once).then(unnamed).flatten() {
        Some(made) => made,
        None => place::put(name, naming, make).map_err(|error| extraction.failure("MAKE", index, error))?,
    };
    if extraction.passes_on(parent_index) {
        attributes::forget_inherited(&file, false);
    }
    let early: Vec<String> = attributes::set_early(record, &file).into_iter().collect();
    compression::set_early(xattrs, &file);
    if let Err(failure) = write(&file) {
        put.remove(parent);
        return Err(failure);
    }
    extraction.warn(index, early);
    extraction.warn(index, attributes::set(record, xattrs, &file, 0, made));
    if what.shares {
        extraction.sharing.note(index, &file);
    }
    put.name_it(parent, &file).map_err(|error| Failure::entry("RENAME", error))?;
    extraction.note(index, &file);
    Ok(())
}

/// Writes the content; holes stay unwritten.
fn write(
    extraction: &Extraction<'_>,
    reader: &mut dyn ContentReader,
    index: usize,
    file: &OwnedFd,
) -> Result<(), Failure> {
    let table = extraction.table;
    let size = table.records[index].size;
    let mut taking = Taking::new(extraction, index, file);
    let taken = taking.as_mut().map(|taking| taking.take_blobs(file)).unwrap_or_default();
    let skipped = if taken.is_empty() {
        Cow::Borrowed(table.holes(index))
    } else {
        Cow::Owned(taking::merged(table.holes(index), taken))
    };
    let mut holes = skipped.iter().copied().peekable();
    let (mut at, mut written) = (0_u64, 0_u64);
    let squeezed = table.is_squeezed(index);
    let mut large = table.holes(index).iter().filter(|(_, length)| squeezed && is_large(*length)).peekable();
    for id in table.content(index) {
        while let Some((_, length)) = large.next_if(|(start, _)| *start <= at) {
            at += length;
        }
        let length = extraction.content.length(id).unwrap_or_default();
        let end = at + length;
        // A blob that is entirely in a hole need not be read.
        let data_before_hole =
            |hole: Option<&(u64, u64)>| hole.is_none_or(|(start, length)| *start > at || start + length < end);
        while holes.peek().is_some_and(|(start, length)| start + length <= at) {
            holes.next();
        }
        if length > 0 && data_before_hole(holes.peek()) {
            let data = reader.get(id).map_err(|error| match error {
                ArchiveError::Lost { .. } => Failure::Fatal(error),
                error => Failure::Entry(error.to_string()),
            })?;
            if data.len() as u64 != length {
                return Err(Failure::Entry("cannot RESTORE: a blob has another size than its index says".to_owned()));
            }
            if table.holes_known {
                written = write_around(extraction, index, file, &mut taking, data, at, &mut holes)?.max(written);
            } else if !is_zero(data) {
                // Without a map of holes, a blob of only zeros becomes one.
                put_all(extraction, index, file, data, at)?;
                written = end;
            }
        }
        at = end;
    }
    at += large.map(|(_, length)| length).sum::<u64>();
    if at != size {
        return Err(Failure::Entry(format!("cannot RESTORE: its content has {at} bytes instead of {size}")));
    }
    if written < size {
        rustix::fs::ftruncate(file, size).map_err(|error| extraction.failure("WRITE", index, error))?;
    }
    Ok(())
}

/// Writes the parts of a blob that no hole covers; returns where the last one ends.
fn write_around(
    extraction: &Extraction<'_>,
    index: usize,
    file: &OwnedFd,
    taking: &mut Option<Taking<'_>>,
    data: &[u8],
    start: u64,
    holes: &mut std::iter::Peekable<impl Iterator<Item = (u64, u64)>>,
) -> Result<u64, Failure> {
    let end = start + data.len() as u64;
    let (mut at, mut written) = (start, 0);
    while at < end {
        let until = match holes.peek() {
            Some((hole, length)) if *hole <= at => {
                let hole_end = hole + length;
                if hole_end > end {
                    break;
                }
                at = hole_end;
                holes.next();
                continue;
            }
            Some((hole, _)) => (*hole).min(end),
            None => end,
        };
        let part = &data[(at - start) as usize..(until - start) as usize];
        let left = match taking {
            None => vec![(at, part.len() as u64)],
            Some(taking) => taking.take_equal(file, part, at),
        };
        for (from, length) in left {
            let begin = (from - at) as usize;
            put_all(extraction, index, file, &part[begin..begin + length as usize], from)?;
        }
        (at, written) = (until, until);
    }
    Ok(written)
}

pub(super) fn put_all(
    extraction: &Extraction<'_>,
    index: usize,
    file: &OwnedFd,
    mut data: &[u8],
    mut at: u64,
) -> Result<(), Failure> {
    while !data.is_empty() {
        match rustix::io::pwrite(file, data, at) {
            Ok(0) => return Err(extraction.failure("WRITE", index, Errno::IO)),
            Ok(done) => {
                data = &data[done..];
                at += done as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(extraction.failure("WRITE", index, error)),
        }
    }
    Ok(())
}

fn is_zero(data: &[u8]) -> bool {
    data.iter().all(|byte| *byte == 0)
}
