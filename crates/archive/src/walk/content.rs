//! Reads the content of a file: holes without touching the disk, and with an eye on changes meanwhile.

use super::inode::{self, Place, Stored};
use super::look::{Patience, is_shared};
use crate::file_table::{Holes, Kind, More, Record};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::Statx;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;

/// An open file that is being read from its beginning.
#[derive(Debug)]
pub(crate) struct Content {
    file: OwnedFd,
    /// Size when it was opened, in bytes; no more is read. Less, if it shrank and what is left is kept.
    pub(crate) size: u64,
    holes: Holes,
    /// Index of the first hole that ends after `position`.
    hole: usize,
    position: u64,
    /// Where the data range ends that [`Content::data_ahead`] found last.
    data_end: u64,
    /// Bytes that came from the file, not from a hole.
    read: u64,
    status: Statx,
    /// The end may come early.
    keeps_rest: bool,
}

/// Why a file cannot be read, with what was being done.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It does not exist, or cannot be read.
    Lost(String),
    /// It shrank while it was being read; another try may succeed.
    Shrank(String),
}

impl Unreadable {
    fn new(what: &str, error: impl Into<io::Error>) -> Self {
        let error: io::Error = error.into();
        Unreadable::Lost(match error.kind() {
            io::ErrorKind::NotFound => "cannot OPEN: it vanished during the backup".to_owned(),
            io::ErrorKind::WouldBlock => {
                "cannot OPEN: another program holds a lease on it and does not release it".to_owned()
            }
            _ if error.raw_os_error() == Some(Errno::NOKEY.raw_os_error()) => super::encrypted::LOCKED_FILE.to_owned(),
            _ => format!("cannot {what}: {error}"),
        })
    }

    /// For people.
    pub(crate) fn message(self) -> String {
        match self {
            Unreadable::Lost(message) | Unreadable::Shrank(message) => message,
        }
    }
}

/// A file that is to be opened again after the walk.
pub(crate) struct Known<'a> {
    /// Of its directory.
    pub(crate) directory: &'a Record,
    pub(crate) name: &'a OsStr,
    /// Holes that the walk found.
    pub(crate) holes: &'a [(u64, u64)],
    /// What its filesystem stores.
    pub(crate) stored: Stored,
    /// When the walk began, in seconds: what changed later may have changed again without another ctime.
    pub(crate) walked_at: i64,
}

/// The result of opening a file again.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) content: Content,
    /// What changed, if that is worth reporting.
    pub(crate) changed: Option<&'static str>,
    /// Xattrs and holes, if they were read again with all the rest.
    pub(crate) more: Option<More>,
    /// What could not be read of these.
    pub(crate) warning: Option<String>,
}

impl Content {
    /// Opens a file for which the walk made `record`. If it has changed since, or is another file, all that is known
    /// about it is read again, so that status, attributes and content are those of one inode.
    pub(crate) fn open(
        directory: &OwnedFd,
        known: &Known<'_>,
        record: &mut Record,
        patience: &Patience,
    ) -> Result<Opened, Unreadable> {
        let replaced =
            || Unreadable::Lost("cannot READ: it was replaced by something else during the backup".to_owned());
        let file = patience
            .open(directory, known.name, is_shared(known.directory))
            .map_err(|error| Unreadable::new("OPEN", error))?
            .ok_or_else(replaced)?;
        let status = inode::status(&file, OsStr::new("")).map_err(|error| Unreadable::new("READ the status", error))?;
        if inode::kind(&status) != Some(Kind::File) {
            return Err(replaced());
        }
        let before = record.clone();
        inode::refresh(record, &status);
        let changed = difference(&before, record);
        // A second before: clocks of filesystems are coarse.
        let is_as_walked =
            changed.is_none() && before.ctime == record.ctime && record.ctime.seconds < known.walked_at - 1;
        let (mut more, mut warning) = (None, None);
        let holes = if is_as_walked {
            known.holes.to_vec()
        } else {
            let mut stored = known.stored;
            inode::flags_and_project(&file, record, &mut stored);
            let xattrs = inode::xattrs(&Place::Open(&file), &stored);
            let xattrs = xattrs.unwrap_or_else(|error| {
                warning = Some(inode::no_xattrs(error));
                vec![]
            });
            let holes = match record.size {
                0 => vec![],
                size => inode::holes(&file, size).map_err(|error| Unreadable::new("READ the holes", error))?,
            };
            more = Some(More { xattrs, holes: holes.clone(), ..More::default() });
            holes
        };
        let content = Content {
            file,
            size: record.size,
            holes,
            hole: 0,
            position: 0,
            data_end: 0,
            read: 0,
            status,
            keeps_rest: false,
        };
        Ok(Opened { content, changed, more, warning })
    }

    /// From now on the end of the file is where it is found, although it was longer before.
    pub(crate) fn keep_rest(&mut self) {
        self.keeps_rest = true;
    }

    /// The holes, as they are now.
    pub(crate) fn holes(&self) -> &Holes {
        &self.holes
    }

    /// Bytes of hole that follow the position.
    pub(crate) fn hole_ahead(&mut self) -> u64 {
        while self.holes.get(self.hole).is_some_and(|(start, length)| start + length <= self.position) {
            self.hole += 1;
        }
        match self.holes.get(self.hole) {
            Some((start, length)) if *start <= self.position => start + length - self.position,
            _ => 0,
        }
    }

    /// Bytes that follow the position until the next hole of at least `least` bytes, or the end; smaller holes count as data.
    pub(crate) fn data_ahead(&mut self, least: u64) -> u64 {
        // Searched once for each range: a file may have a million small holes.
        if self.position >= self.data_end {
            // Of a hole that has begun only the rest counts.
            let rest = |(start, length): &(u64, u64)| (start + length).saturating_sub(self.position.max(*start));
            let next = self.holes.iter().skip(self.hole).find(|hole| rest(hole) >= least);
            self.data_end = next.map_or(self.size, |(start, _)| *start);
        }
        // It may have ended early since.
        self.data_end.min(self.size).saturating_sub(self.position)
    }

    /// Bytes read so far, without holes.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Skips bytes that [`Content::hole_ahead`] promised.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.position += bytes;
    }

    /// Appends up to `wanted` bytes to `buffer`; fewer only at the end of the file.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<usize, Unreadable> {
        let wanted = wanted.min(usize::try_from(self.size - self.position).unwrap_or(usize::MAX));
        let begin = buffer.len();
        buffer.resize(begin + wanted, 0);
        let done = self.read_into(&mut buffer[begin..]);
        buffer.truncate(begin + done.as_ref().map_or(0, |done| *done));
        done
    }

    /// Fills a buffer, which must not go beyond the size; returns how much of it, less only at an end that comes early.
    pub(crate) fn read_into(&mut self, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let wanted = buffer.len();
        let mut done = 0;
        while done < wanted {
            let hole = usize::try_from(self.hole_ahead()).unwrap_or(usize::MAX).min(wanted - done);
            if hole > 0 {
                buffer[done..done + hole].fill(0);
                done += hole;
                self.position += hole as u64;
                continue;
            }
            let until = match self.holes.get(self.hole) {
                Some((start, _)) => usize::try_from(start - self.position).unwrap_or(usize::MAX).min(wanted - done),
                None => wanted - done,
            };
            let target = &mut buffer[done..done + until];
            match rustix::io::pread(&self.file, target, self.position) {
                Ok(0) if self.keeps_rest => {
                    self.size = self.position;
                    return Ok(done);
                }
                Ok(0) => {
                    let (now, was) = (self.position, self.size);
                    return Err(Unreadable::Shrank(format!(
                        "cannot READ: it shrank from {was} to {now} bytes during the backup"
                    )));
                }
                Ok(got) => {
                    done += got;
                    self.position += got as u64;
                    self.read += got as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(Unreadable::new("READ", error)),
            }
        }
        Ok(wanted)
    }

    /// What changed since it was opened.
    pub(crate) fn changed(&self) -> Option<&'static str> {
        let now = inode::status(self.file.as_fd(), OsStr::new("")).ok().as_ref().and_then(inode::record)?;
        let then = inode::record(&self.status)?;
        difference(&then, &now)
    }
}

/// How a file's content may differ from what it was.
fn difference(then: &Record, now: &Record) -> Option<&'static str> {
    if then.inode != now.inode || then.filesystem != now.filesystem {
        Some("it was replaced during the backup")
    } else if now.size > then.size {
        Some("it grew during the backup")
    } else if now.size < then.size {
        Some("it shrank during the backup")
    } else if then.mtime != now.mtime {
        Some("it changed during the backup")
    } else {
        None
    }
}
