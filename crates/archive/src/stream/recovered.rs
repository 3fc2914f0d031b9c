//! What a recovery asks of a set, beside its contents as a whole.

use super::archive::{Contents, Stream};
use super::catalogue;
use super::limits::OWN_MAX;
use crate::error;
use crate::extract::{self, ContentStream as _};
use crate::file_table::{Kind, data};
use crate::report::RestoreReport;
use crate::repository::contents::WriteError;
use crate::selection::OWN_DIRECTORY;
use crate::{ArchiveError, CompareReport, Encrypted, FileTree, Observer, Room, Selection, compare};
use std::ffi::OsStr;
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Takes as much as is read into memory.
struct Limited<'a>(&'a mut Vec<u8>);

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.0.len() + bytes.len()) as u64 > OWN_MAX {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    /// The content of one regular file of at most 64 MiB, or of one of our own below `/.lifeboat`.
    ///
    /// # Errors
    /// [`ArchiveError::NotInSnapshot`]; when it is too large, or cannot be read whole.
    pub fn read_file(&mut self, path: &Path) -> Result<Vec<u8>, ArchiveError> {
        let own = Path::new("/").join(OsStr::from_bytes(OWN_DIRECTORY));
        if let Some(name) = path.strip_prefix(&own).ok().and_then(Path::to_str) {
            // That of the beginning has the counts of the walk.
            if name == "manifest.json" && self.is_final {
                return Ok(self.info().manifest.clone().into_bytes());
            }
            return self.own_file(name);
        }
        let index = self.index_of(path)?;
        let failed =
            |cause: &str| ArchiveError::Stream { action: "READ", path: path.to_owned(), cause: cause.to_owned() };
        if self.catalogue.table.records[index].size > OWN_MAX {
            return Err(failed("it is larger than what is read into memory"));
        }
        let mut bytes = vec![];
        match self.write_file(path, &mut Limited(&mut bytes)) {
            Ok(()) => Ok(bytes),
            Err(WriteError::Archive(error)) => Err(error),
            Err(WriteError::Output(_)) => Err(failed("it grew beyond what is read into memory")),
        }
    }

    /// Writes the content of one regular file.
    ///
    /// # Errors
    /// [`ArchiveError::NotInSnapshot`]; when it cannot be read or written whole.
    pub fn write_file(&mut self, path: &Path, out: &mut dyn Write) -> Result<(), WriteError> {
        let index = self.index_of(path)?;
        if self.catalogue.table.records[index].size == 0 {
            return Ok(());
        }
        let failed = |cause: String| ArchiveError::Stream { action: "READ", path: path.to_owned(), cause };
        let mut members = self.chosen_members(&Selection::Paths(vec![path.to_owned()]))?;
        let table = &self.catalogue.table;
        let group = |index: usize| catalogue::group(table, index);
        // Of several names one has the content.
        let wanted = |member: usize| (member == index || group(member) == group(index)).then_some(index);
        let mut contents = Contents::new(&mut members, table, self.is_final);
        let Some(file) = contents.next_file(&wanted)? else {
            return Err(failed(contents.missing(index).unwrap_or_else(|| "it was not saved".to_owned())).into());
        };
        if let Some(cause) = file.unusable.clone() {
            return Err(failed(cause).into());
        }
        let (record, _, holes) = file.as_read(table);
        let size = record.size;
        let mut at = 0;
        for (start, length) in data(size, holes).chain([(size, 0)]) {
            io::copy(&mut io::repeat(0).take(start - at), out)?;
            let mut left = length;
            while left > 0 {
                let part = contents.read(left)?.map_err(&failed)?;
                out.write_all(part)?;
                left -= part.len() as u64;
            }
            at = start + length;
        }
        Ok(())
    }

    /// The record of a regular file that was saved.
    fn index_of(&self, path: &Path) -> Result<usize, ArchiveError> {
        let table = &self.catalogue.table;
        let found = table.find(path).filter(|index| table.records[*index].kind == Kind::File);
        found.filter(|index| !table.records[*index].left_out).ok_or_else(|| {
            let snapshot = self.info().set.get(..8).unwrap_or_default().to_owned();
            ArchiveError::NotInSnapshot { path: path.to_owned(), snapshot }
        })
    }

    /// The room that its files need; `None` when that was not recorded.
    ///
    /// # Errors
    /// When the beginning of the archive cannot be read.
    pub fn room(&mut self) -> Result<Option<Room>, ArchiveError> {
        let Some(json) = error::if_there(self.own_file("room.json"))? else { return Ok(None) };
        Room::from_json(&json).map_err(|error| self.damaged(format!("its room.json: {error}")))
    }

    /// The entries that were encrypted on the machine.
    ///
    /// # Errors
    /// When the beginning of the archive cannot be read.
    pub fn encrypted(&mut self) -> Result<Vec<Encrypted>, ArchiveError> {
        let Some(json) = error::if_there(self.own_file("encrypted.json"))? else { return Ok(vec![]) };
        crate::encrypted::from_json(&json).map_err(|error| self.damaged(format!("its encrypted.json: {error}")))
    }

    fn damaged(&self, cause: String) -> ArchiveError {
        ArchiveError::DamagedStream { path: self.label().to_owned(), cause }
    }

    /// Sets the flags of [`crate::RestoreOptions::unprotected`] that a restore left out.
    ///
    /// # Errors
    /// When the target cannot be opened.
    pub fn protect(&self, target: &Path, observer: &dyn Observer) -> Result<RestoreReport, ArchiveError> {
        extract::protect(&self.catalogue.table, target, observer)
    }

    /// Compares everything but these flags. Of a set whose media somebody changes the contents are left out: they were authenticated as
    /// they were written, and nobody puts in all discs once more for that.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn compare_unprotected(
        &mut self,
        source: &FileTree,
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        let what = (&Selection::Everything, !extract::PROTECTION);
        if !self.is_changed_by_hand() {
            return self.compare_with(source, what, observer);
        }
        compare::run_with(&self.catalogue.table, source, what, observer, &mut |_, _, _| Ok(0))
    }
}
