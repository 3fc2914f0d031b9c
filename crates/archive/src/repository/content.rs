//! File content as the extractor and the comparison need it.

use super::blobs::Blobs;
use super::crypto::OVERHEAD;
use super::index::Index;
use super::index_file::BlobKind;
use super::store::Store;
use crate::ArchiveError;
use crate::extract::{ContentReader, ContentSource};
use crate::file_table::Id;

/// Content that is in a repository.
pub(crate) struct RepositoryContent<'a> {
    pub(crate) store: &'a Store,
    pub(crate) index: &'a Index,
}

impl ContentSource for RepositoryContent<'_> {
    fn reader(&self) -> Result<Box<dyn ContentReader + '_>, ArchiveError> {
        Ok(Box::new(Blobs::new(self.store, self.index)?))
    }

    fn place(&self, id: &Id) -> (u32, u32) {
        self.index.get(BlobKind::Data, id).map(|location| (location.pack, location.offset)).unwrap_or_default()
    }

    fn length(&self, id: &Id) -> Option<u64> {
        let location = self.index.get(BlobKind::Data, id)?;
        Some(match location.uncompressed_length {
            0 => u64::from(location.length).saturating_sub(OVERHEAD as u64),
            length => length.into(),
        })
    }

    fn is_local(&self) -> bool {
        self.store.folder.is_some()
    }
}

impl ContentReader for Blobs<'_> {
    fn get(&mut self, id: &Id) -> Result<&[u8], ArchiveError> {
        Blobs::get(self, BlobKind::Data, id)
    }
}
