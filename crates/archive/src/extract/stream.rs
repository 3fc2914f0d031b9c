//! Regular files whose contents come one after the other, in the order of the archive: from tapes and pipes.

use super::extraction::{ContentReader, ContentSource, Extraction, Failure};
use super::files::{Made, others, put, put_all};
use super::taking::Taking;
use crate::ArchiveError;
use crate::directories::Directories;
use crate::file_table::{FileTable, Id, Kind, More, Record, Xattr, data};
use crate::links::Links;
use rustix::fd::OwnedFd;

/// Gives contents one after the other.
pub(crate) trait ContentStream {
    /// Goes to the next file for which `wanted` gives the record to restore. `None` when there are no more.
    fn next_file(&mut self, wanted: &dyn Fn(usize) -> Option<usize>) -> Result<Option<StreamedFile>, ArchiveError>;
    /// Up to `most` bytes of its content that follow, without holes, at least one. The inner error says why there are none.
    fn read(&mut self, most: u64) -> Result<Result<&[u8], String>, ArchiveError>;
    /// Why the content of a file did not come; `None` when the archive was meant to have none.
    fn missing(&self, index: usize) -> Option<String>;
}

/// A file whose content comes now.
pub(crate) struct StreamedFile {
    /// Its record.
    pub(crate) index: usize,
    /// What it was when it was read, if that is not what the table says.
    pub(crate) changed: Option<(Record, More)>,
    /// Its content cannot be used.
    pub(crate) unusable: Option<String>,
}

impl StreamedFile {
    /// What it was when it was read: its record, extended attributes and holes.
    pub(crate) fn as_read<'a>(&'a self, table: &'a FileTable) -> (&'a Record, &'a [Xattr], &'a [(u64, u64)]) {
        match &self.changed {
            Some((record, more)) => (record, &more.xattrs, &more.holes),
            None => (&table.records[self.index], table.xattrs(self.index), table.holes(self.index)),
        }
    }
}

/// An archive without blobs.
pub(super) struct NoBlobs;

impl ContentSource for NoBlobs {
    fn reader(&self) -> Result<Box<dyn ContentReader + '_>, ArchiveError> {
        let cause = "its content comes in another way".to_owned();
        Err(ArchiveError::Panicked { action: "READ the files", cause })
    }

    fn place(&self, _: &Id) -> (u32, u32) {
        (0, 0)
    }

    fn is_local(&self) -> bool {
        true
    }

    fn is_read_once(&self) -> bool {
        true
    }

    fn length(&self, _: &Id) -> Option<u64> {
        None
    }
}

/// Restores all that is chosen except directories; of hard links, the leading one.
pub(super) fn restore(
    extraction: &Extraction<'_>,
    links: &Links,
    stream: &mut dyn ContentStream,
) -> Result<(), ArchiveError> {
    let records = &extraction.table.records;
    let is_wanted = |index: usize| records[index].kind == Kind::File && extraction.is_chosen(index);
    // Another name of the same file may be the chosen one, and its first name may have no content of its own.
    let mut names = vec![None; records.len()];
    let mut awaited = vec![false; records.len()];
    for index in (0..records.len()).filter(|index| is_wanted(*index)) {
        let first = links.first(index);
        (names[index], awaited[first]) = (Some(first), true);
    }
    let by_content = by_content(extraction, &names);
    let mut parents = Directories::across_mounts();
    loop {
        let wanted = |index: usize| {
            let content = extraction.table.content(index).first();
            let name = names[index].or_else(|| content.and_then(|id| by_content.get(id)).copied());
            name.filter(|name| awaited[*name])
        };
        let Some(file) = stream.next_file(&wanted)? else { break };
        awaited[file.index] = false;
        match one(extraction, stream, &mut parents, &file) {
            Ok(()) => extraction.done(file.index),
            Err(failure) => extraction.failed(file.index, failure)?,
        }
        extraction.settled(&mut parents, file.index)?;
    }
    for index in (0..records.len()).filter(|index| awaited[*index]) {
        if let Some(cause) = stream.missing(index) {
            extraction.problems.add(extraction.table.path(index), format!("cannot RESTORE: {cause}"));
        }
    }
    others(extraction, links)
}

/// For each content of a file with several names, the name that gets it.
fn by_content(extraction: &Extraction<'_>, names: &[Option<usize>]) -> std::collections::HashMap<Id, usize> {
    let table = extraction.table;
    let linked = names.iter().enumerate().filter(|(index, _)| table.records[*index].link_key().is_some());
    linked.filter_map(|(index, first)| Some((*table.content(index).first()?, (*first)?))).collect()
}

/// One file, with all its attributes.
fn one(
    extraction: &Extraction<'_>,
    stream: &mut dyn ContentStream,
    parents: &mut Directories,
    streamed: &StreamedFile,
) -> Result<(), Failure> {
    let (table, index) = (extraction.table, streamed.index);
    if let Some(cause) = &streamed.unusable {
        return Err(Failure::Entry(format!("cannot RESTORE: {cause}")));
    }
    let (record, xattrs, holes) = streamed.as_read(table);
    let shares = streamed.changed.is_none();
    let what = Made { index, record, xattrs, exact: false, shares };
    put(extraction, parents, &what, |file| write(extraction, stream, index, file, (record.size, holes), shares))
}

/// Writes the content; holes stay unwritten.
fn write(
    extraction: &Extraction<'_>,
    stream: &mut dyn ContentStream,
    index: usize,
    file: &OwnedFd,
    (size, holes): (u64, &[(u64, u64)]),
    is_as_known: bool,
) -> Result<(), Failure> {
    let mut taking = if is_as_known { Taking::new(extraction, index, file) } else { None };
    let mut written = 0;
    for (start, length) in data(size, holes) {
        let (mut at, end) = (start, start + length);
        while at < end {
            let part = stream.read(end - at).map_err(Failure::Fatal)?;
            let part = part.map_err(|cause| Failure::Entry(format!("cannot RESTORE: {cause}")))?;
            let left = match &mut taking {
                None => vec![(at, part.len() as u64)],
                Some(taking) => taking.take_equal(file, part, at),
            };
            for (from, length) in left {
                let begin = (from - at) as usize;
                put_all(extraction, index, file, &part[begin..begin + length as usize], from)?;
            }
            at += part.len() as u64;
            written = at;
        }
    }
    if written < size {
        rustix::fs::ftruncate(file, size).map_err(|error| extraction.failure("WRITE", index, error))?;
    }
    Ok(())
}
