//! Second copies of what a repository cannot do without: its config and its key files. All of it depends on some hundred bytes.
//!
//! A new repository has two key files for its secret, each with a salt of its own, and each carries a copy of the config, where
//! restic, which looks for neither, ignores it. Media keep copies of all of them in a folder beside the repository as well.

use super::Repository;
use super::crypto;
use super::folder;
use super::store::{Store, mismatch, name};
use crate::ArchiveError;
use crate::file_table::Id;
use lifeboat_remote::Kind;
use lifeboat_sys::{bounded, durable};
use rustic_core::FileType;
use std::path::Path;

/// The most key files that are read; restic reads twenty.
const MOST_KEYS: usize = 10_000;

/// The config of a folder with copies.
pub(super) fn config(spare: &Path) -> Option<Vec<u8>> {
    bounded::read(&folder::path(spare, FileType::Config, &Id::default()), Kind::Config.largest()).ok()
}

/// The key files of a folder with copies.
pub(super) fn keys(spare: &Path) -> Vec<KeyFile> {
    let listed = folder::list(spare, FileType::Key).unwrap_or_default();
    let path = |id: &Id| folder::path(spare, FileType::Key, id);
    let read = |(id, _): (Id, u64)| Some((id, bounded::read(&path(&id), Kind::Key.largest()).ok()?));
    listed.into_iter().take(MOST_KEYS).filter_map(read).collect()
}

/// A key file: its name and its bytes.
pub(super) type KeyFile = (Id, Vec<u8>);

/// The key files of a repository; those that cannot be read are in the second list.
pub(super) fn own_keys(store: &Store) -> Result<(Vec<KeyFile>, Vec<String>), ArchiveError> {
    let (mut keys, mut damage) = (vec![], vec![]);
    let listed = store.list_with_sizes(FileType::Key)?;
    if listed.len() > MOST_KEYS {
        damage.push(format!("{} of {} key files were looked at", MOST_KEYS, listed.len()));
    }
    for listed in listed.into_iter().take(MOST_KEYS) {
        match store.read_listed(FileType::Key, &listed) {
            Ok(bytes) if crypto::hash(&bytes) == listed.0 => keys.push((listed.0, bytes)),
            // Not kept: anybody may have added many of them.
            Ok(_) => damage.push(mismatch(store, FileType::Key, &listed.0).to_string()),
            Err(error) => match store.lost() {
                Some(lost) => return Err(lost),
                None => damage.push(error.to_string()),
            },
        }
    }
    Ok((keys, damage))
}

impl Repository {
    /// Copies the config and all key files into a folder, `/lifeboat/spare` of a medium whose repository is `/lifeboat/repo`: it
    /// can then be opened even if its own are damaged. They are encrypted as they are in the repository.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn write_spare(&self, spare: &Path) -> Result<(), ArchiveError> {
        let write = |kind: FileType, id: &Id, bytes: &[u8]| {
            let path = folder::path(spare, kind, id);
            let written = path.parent().map_or(Ok(()), |folder| durable::make_directories(folder, 0o700));
            let written = written.and_then(|()| durable::write_new(&path, bytes, 0o600));
            written.map_err(|error| ArchiveError::io("WRITE", path, error))
        };
        write(FileType::Config, &Id::default(), &self.config)?;
        for (id, bytes) in own_keys(&self.store)?.0 {
            write(FileType::Key, &id, &bytes)?;
        }
        Ok(())
    }

    /// Rewrites the config when it is damaged or gone; returns whether it was.
    pub(super) fn mend_config(&self) -> Result<bool, ArchiveError> {
        if !self.config_is_lost {
            return Ok(false);
        }
        let kind = FileType::Config;
        let now = self.store.read_raw(kind, &Id::default());
        if now.is_ok_and(|bytes| bytes == self.config) {
            return Ok(false);
        }
        // Stores that never overwrite must remove it first.
        let _ = self.store.remove(kind, &Id::default());
        self.store.write_raw(kind, &Id::default(), self.config.clone())?;
        Ok(true)
    }

    /// What is damaged in the repository's own files, although it could be opened.
    pub fn damage(&self) -> &[String] {
        &self.damage
    }
}

/// Reports that a config cannot be used.
pub(super) fn bad_config(store: &Store, cause: impl ToString) -> ArchiveError {
    store.damaged(name(FileType::Config, &Id::default()), cause)
}
