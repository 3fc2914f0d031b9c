//! All but the first name of each group of hard links. Where there can be no link to the first name, because it is on another
//! filesystem now (or the filesystem has no links, or fewer), the entry becomes a copy with all attributes.

use super::extraction::{ContentReader, Extraction, Failure, unreachable};
use super::{files, place};
use crate::ArchiveError;
use crate::directories::{self, Directories};
use crate::file_table::{Kind, data};
use crate::links::Links;
use crate::report::locked;
use crate::walk::inode::through_proc;
use crate::walk::look;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// What is copied at once.
const COPIED_BYTES: usize = 1 << 20;

/// Why there is no link.
enum NoLink {
    /// None can be made from there to here; perhaps from another one.
    Apart,
    Failed(Failure),
}

struct Linking<'e> {
    extraction: &'e Extraction<'e>,
    from: Directories,
    to: Directories,
    reader: Option<Box<dyn ContentReader + 'e>>,
}

/// Creates them; returns those that became copies.
pub(super) fn restore(extraction: &Extraction<'_>, links: &Links) -> Result<Vec<usize>, ArchiveError> {
    let [from, to] = [(); 2].map(|()| Directories::across_mounts());
    let mut linking = Linking { extraction, from, to, reader: None };
    // A copy can be linked to on its own filesystem.
    let mut copies: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut copied = vec![];
    for index in (0..extraction.table.records.len()).filter(|index| extraction.is_chosen(*index)) {
        let first = links.first(index);
        if first == index {
            continue;
        }
        let others = copies.get(&first).map(Vec::as_slice).unwrap_or_default();
        let mut made = Err(NoLink::Apart);
        for old in std::iter::once(first).chain(others.iter().copied()) {
            made = linking.link(old, index);
            if !matches!(made, Err(NoLink::Apart)) {
                break;
            }
        }
        let made = match made {
            Ok(()) => Ok(()),
            Err(NoLink::Failed(failure)) => Err(failure),
            Err(NoLink::Apart) => linking.copy(first, index).map(|()| {
                copies.entry(first).or_default().push(index);
                copied.push(index);
            }),
        };
        match made {
            Ok(()) => extraction.done(index),
            Err(failure) => extraction.failed(index, failure)?,
        }
    }
    Ok(copied)
}

impl Linking<'_> {
    fn link(&mut self, old: usize, index: usize) -> Result<(), NoLink> {
        let (extraction, table) = (self.extraction, self.extraction.table);
        let parent = |index: usize| table.records[index].parent as usize;
        let opened = |error| NoLink::Failed(unreachable(error));
        let held = self.restored(old).map_err(NoLink::Failed)?;
        let to = self.to.open_same(extraction, parent(index)).map_err(opened)?;
        let path = through_proc(&held);
        let make =
            |name: &OsStr| rustix::fs::linkat(rustix::fs::CWD, path.as_str(), &*to, name, AtFlags::SYMLINK_FOLLOW);
        let put = place::put(OsStr::from_bytes(table.name(index)), extraction.naming(), make);
        let (at, ()) = put.map_err(|error| match error {
            // link(2): another mount, project or subvolume; too many links; a filesystem without links.
            Errno::XDEV | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP => NoLink::Apart,
            error => NoLink::Failed(extraction.failure("LINK", index, error)),
        })?;
        at.rename_link(&to).map_err(|error| NoLink::Failed(Failure::entry("RENAME", error)))
    }

    /// What was restored under a name; held, so that nobody puts something else in its place.
    fn restored(&mut self, old: usize) -> Result<OwnedFd, Failure> {
        let (extraction, table) = (self.extraction, self.extraction.table);
        let from = self.from.open_same(extraction, table.records[old].parent as usize).map_err(unreachable)?;
        let held = look::hold(&from, OsStr::from_bytes(table.name(old)));
        let held = held.map_err(|error| Failure::entry("LINK", error))?;
        let wanted = locked(&extraction.made).get(&old).copied();
        let is_same = extraction.options.private || (wanted.is_some() && directories::identity(&held).ok() == wanted);
        if !is_same {
            let path = table.path(old);
            return Err(Failure::Entry(format!("cannot LINK: {} is not what was restored", path.display())));
        }
        Ok(held)
    }

    /// Another file with the content of the first name, when the archive cannot be read again.
    fn copy_of(&mut self, first: usize, index: usize) -> Result<(), Failure> {
        let (extraction, table) = (self.extraction, self.extraction.table);
        let held = self.restored(first)?;
        let failed = |error| Failure::entry("COPY", error);
        let source = rustix::fs::open(through_proc(&held), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let source = source.map_err(failed)?;
        let size = rustix::fs::fstat(&source).map_err(failed)?.st_size as u64;
        let holes = if size == table.records[first].size { table.holes(first) } else { &[] };
        let (record, xattrs) = (&table.records[index], table.xattrs(index));
        let what = files::Made { index, record, xattrs, exact: false, shares: false };
        files::put(extraction, &mut self.to, &what, |file| {
            let mut buffer = vec![0; COPIED_BYTES];
            for (start, length) in data(size, holes) {
                let (mut at, end) = (start, start + length);
                while at < end {
                    let most = buffer.len().min((end - at) as usize);
                    let read = rustix::io::pread(&source, &mut buffer[..most], at).map_err(failed)?;
                    if read == 0 {
                        return Err(Failure::Entry("cannot COPY: the other name became shorter".to_owned()));
                    }
                    files::put_all(extraction, index, file, &buffer[..read], at)?;
                    at += read as u64;
                }
            }
            rustix::fs::ftruncate(file, size).map_err(|error| extraction.failure("WRITE", index, error))
        })
    }

    fn copy(&mut self, first: usize, index: usize) -> Result<(), Failure> {
        let extraction = self.extraction;
        let record = &extraction.table.records[index];
        if record.kind != Kind::File {
            let parent = self.to.open_same(extraction, record.parent as usize).map_err(unreachable)?;
            return extraction.other(&parent, index);
        }
        if extraction.content.is_read_once() {
            return self.copy_of(first, index);
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(extraction.content.reader().map_err(Failure::Fatal)?),
        };
        files::one(extraction, (&mut **reader, &mut self.to), false, index)?;
        Ok(())
    }
}
