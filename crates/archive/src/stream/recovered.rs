//! What a recovery asks of a set, beside its contents as a whole.

use super::archive::{Contents, Stream};
use super::catalogue;
use super::limits::OWN_MAX;
use crate::error;
use crate::extract::{self, ContentStream as _};
use crate::file_table::{Kind, data};
use crate::report::RestoreReport;
use crate::selection::OWN_DIRECTORY;
use crate::{ArchiveError, CompareReport, Encrypted, FileTree, Observer, Room, Selection};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

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
        let table = &self.catalogue.table;
        let found = table.find(path).filter(|index| table.records[*index].kind == Kind::File);
        let found = found.filter(|index| !table.records[*index].left_out);
        let Some(index) = found else {
            let snapshot = self.info().set.get(..8).unwrap_or_default().to_owned();
            return Err(ArchiveError::NotInSnapshot { path: path.to_owned(), snapshot });
        };
        let failed = |cause: String| ArchiveError::Stream { action: "READ", path: path.to_owned(), cause };
        if table.records[index].size > OWN_MAX {
            return Err(failed("it is larger than what is read into memory".to_owned()));
        }
        if table.records[index].size == 0 {
            return Ok(vec![]);
        }
        let mut members = self.chosen_members(&Selection::Paths(vec![path.to_owned()]))?;
        let table = &self.catalogue.table;
        let group = |index: usize| catalogue::group(table, index);
        // Of several names one has the content.
        let wanted = |member: usize| (member == index || group(member) == group(index)).then_some(index);
        let mut contents = Contents::new(&mut members, table, self.is_final);
        let Some(file) = contents.next_file(&wanted)? else {
            return Err(failed(contents.missing(index).unwrap_or_else(|| "it was not saved".to_owned())));
        };
        if let Some(cause) = file.unusable.clone() {
            return Err(failed(cause));
        }
        let (record, _, holes) = file.as_read(table);
        let size = record.size;
        if size > OWN_MAX {
            return Err(failed("it grew beyond what is read into memory".to_owned()));
        }
        let mut bytes = vec![0; size as usize];
        for (start, length) in data(size, holes) {
            let (mut at, end) = (start as usize, (start + length) as usize);
            while at < end {
                let part = contents.read((end - at) as u64)?.map_err(&failed)?;
                bytes[at..at + part.len()].copy_from_slice(part);
                at += part.len();
            }
        }
        Ok(bytes)
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

    /// Compares everything but these flags.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn compare_unprotected(
        &mut self,
        source: &FileTree,
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        self.compare_with(source, (&Selection::Everything, !extract::PROTECTION), observer)
    }
}
