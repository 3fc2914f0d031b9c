//! Reads the content of a file: holes without touching the disk, and with an eye on changes meanwhile.

use super::inode;
use super::places::open_quietly;
use crate::table::{Holes, Kind, Record};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{OFlags, Statx};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;

/// An open file that is being read from its beginning.
#[derive(Debug)]
pub(crate) struct Content {
    file: OwnedFd,
    /// Size when it was opened, in bytes; not more is read.
    pub(crate) size: u64,
    holes: Holes,
    /// Index of the first hole that ends after `position`.
    hole: usize,
    position: u64,
    /// Bytes that came from the file, not from a hole.
    read: u64,
    status: Statx,
}

/// Why a file cannot be read, with what was being done.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) String);

impl Unreadable {
    fn new(what: &str, error: impl Into<io::Error>) -> Self {
        let error: io::Error = error.into();
        Unreadable(match error.kind() {
            io::ErrorKind::NotFound => "cannot OPEN: it vanished during the backup".to_owned(),
            _ => format!("cannot {what}: {error}"),
        })
    }
}

impl Content {
    /// Opens a file for which the walk made `record`. When it is not as it was then, the record is brought up to date, so
    /// that it describes what will be read, and the second value says what changed.
    pub(crate) fn open(
        directory: &OwnedFd,
        name: &OsStr,
        record: &mut Record,
        holes: &[(u64, u64)],
    ) -> Result<(Self, Option<&'static str>), Unreadable> {
        let file = open_quietly(directory, name, OFlags::RDONLY | OFlags::NONBLOCK)
            .map_err(|error| Unreadable::new("OPEN", error))?;
        let status = inode::status(&file, OsStr::new("")).map_err(|error| Unreadable::new("READ the status", error))?;
        match inode::record(&status) {
            Some(now) if now.kind == Kind::File => {}
            _ => return Err(Unreadable("cannot READ: it was replaced by something else during the backup".to_owned())),
        }
        let before = record.clone();
        inode::refresh(record, &status);
        let changed = difference(&before, record);
        let holes = match changed {
            None => holes.to_vec(),
            Some(_) => inode::holes(&file, record.size).map_err(|error| Unreadable::new("READ the holes", error))?,
        };
        Ok((Content { file, size: record.size, holes, hole: 0, position: 0, read: 0, status }, changed))
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

    /// Bytes read so far, without holes.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Steps over bytes that [`Content::hole_ahead`] promised.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.position += bytes;
    }

    /// Appends up to `wanted` bytes to `buffer`; fewer only at the end of the file.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<usize, Unreadable> {
        let wanted = wanted.min(usize::try_from(self.size - self.position).unwrap_or(usize::MAX));
        let begin = buffer.len();
        buffer.resize(begin + wanted, 0);
        let mut done = 0;
        while done < wanted {
            let hole = usize::try_from(self.hole_ahead()).unwrap_or(usize::MAX).min(wanted - done);
            if hole > 0 {
                // `resize` made zeros of it already.
                done += hole;
                self.position += hole as u64;
                continue;
            }
            let until = match self.holes.get(self.hole) {
                Some((start, _)) => usize::try_from(start - self.position).unwrap_or(usize::MAX).min(wanted - done),
                None => wanted - done,
            };
            let target = &mut buffer[begin + done..begin + done + until];
            match rustix::io::pread(&self.file, target, self.position) {
                Ok(0) => {
                    buffer.truncate(begin);
                    let (now, was) = (self.position, self.size);
                    return Err(Unreadable(format!(
                        "cannot READ: it shrank from {was} to {now} bytes during the backup"
                    )));
                }
                Ok(got) => {
                    done += got;
                    self.position += got as u64;
                    self.read += got as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    buffer.truncate(begin);
                    return Err(Unreadable::new("READ", error));
                }
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
