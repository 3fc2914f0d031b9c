//! An open repository: its files and keys, its lock for reading, and what has been read of it.

use super::blobs::Blobs;
use super::index::Index;
use super::index_file::BlobKind;
use super::keys::MasterKeyParts;
use super::load::{self, Loaded};
use super::lock::Lock;
use super::snapshot::{self, SnapshotInfo, UnreadableSnapshot};
use super::store::Store;
use crate::file_table::{FileTable, Id};
use crate::report::locked;
use crate::{ArchiveError, Observer, Selection};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// Parameters of a new repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryOptions {
    /// Host name that its first key file carries.
    pub host: String,
}

/// An open repository.
pub struct Repository {
    pub(crate) store: Store,
    pub(super) id: String,
    /// Seeds the chunker.
    pub(super) polynomial: u64,
    pub(super) key_id: Id,
    pub(super) master: MasterKeyParts,
    /// The bytes of the config.
    pub(super) config: Vec<u8>,
    /// They come from a copy.
    pub(super) config_is_lost: bool,
    /// What is damaged, although it could be opened.
    pub(super) damage: Vec<String>,
    /// How long it waits for somebody else's lock.
    pub(crate) lock_patience: Duration,
    /// What the last list of snapshots could not read.
    pub(super) unreadable: Mutex<Vec<UnreadableSnapshot>>,
    /// The read lock, from the first read on.
    pub(super) reading: Mutex<Option<Lock>>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("path", &self.store.path).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Repository {
    /// Sets how long to wait for others that hold the repository before giving up.
    pub fn wait_for_locks(&mut self, patience: Duration) {
        self.lock_patience = patience;
    }

    /// Compresses what is stored from now on at another zstd level, -7 (fast) to 22 (small); 1 is usual.
    pub fn compress_at(&mut self, level: i32) {
        self.store.level = level;
    }

    /// Locks it for reading, once, until it is dropped; not where nothing can be written.
    ///
    /// # Errors
    /// [`ArchiveError::Locked`] when somebody is removing from it.
    pub(crate) fn hold_for_reading(&self) -> Result<(), ArchiveError> {
        let mut reading = locked(&self.reading);
        if reading.is_none() {
            *reading = Lock::take_for_reading(&self.store)?;
        }
        Ok(())
    }

    /// The same for callers that continue anyway.
    pub(super) fn try_to_hold(&self, observer: &dyn Observer) {
        if let Err(error) = self.hold_for_reading() {
            observer.warning(&format!(
                "{error}; continuing without the lock: entries that are removed meanwhile will be missing"
            ));
        }
    }

    /// Its id, hex.
    pub fn id(&self) -> String {
        self.id.clone()
    }

    /// Its directory.
    pub fn location(&self) -> &Path {
        &self.store.path
    }

    /// All snapshots that can be read, oldest first.
    ///
    /// # Errors
    /// When the repository cannot be listed.
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>, ArchiveError> {
        Ok(self.list_snapshots()?.0)
    }

    /// All snapshots, oldest first, and those that cannot be read.
    ///
    /// # Errors
    /// When the repository cannot be listed.
    pub fn list_snapshots(&self) -> Result<(Vec<SnapshotInfo>, Vec<UnreadableSnapshot>), ArchiveError> {
        let (list, unreadable) = snapshot::all(&self.store)?;
        *locked(&self.unreadable) = unreadable.clone();
        Ok((list, unreadable))
    }

    /// The snapshots that could not be read when they were listed last: one of them may be newer than the latest that can be read.
    pub fn unreadable_snapshots(&self) -> Vec<UnreadableSnapshot> {
        locked(&self.unreadable).clone()
    }

    /// The snapshot that `wanted` names: `latest`, or the beginning of an id.
    ///
    /// # Errors
    /// [`ArchiveError::Snapshot`] when it names none or several; [`ArchiveError::Damaged`] when it cannot be read.
    pub fn find_snapshot(&self, wanted: &str) -> Result<SnapshotInfo, ArchiveError> {
        let (list, unreadable) = self.list_snapshots()?;
        let is_meant = |snapshot: &&UnreadableSnapshot| wanted != "latest" && snapshot.id.starts_with(wanted);
        match unreadable.iter().find(is_meant).filter(|_| !wanted.is_empty()) {
            Some(snapshot) => Err(self.store.damaged(format!("snapshot {wanted}"), &snapshot.cause)),
            None => snapshot::find(list, wanted),
        }
    }

    /// Does something with the index; when that fails because of what the index does not name, it is retried with the packs' own headers.
    pub(crate) fn with_index<T>(
        &self,
        work: impl Fn(&Index) -> Result<T, ArchiveError>,
        lacks: impl Fn(&Index, &T) -> bool,
    ) -> Result<(Index, T), ArchiveError> {
        let mut index = self.store.load_index()?;
        let mut result = work(&index);
        let is_short = match &result {
            Ok(value) => lacks(&index, value),
            Err(error) => error.is_damage(),
        };
        if is_short && !index.complete {
            let known = index.packs.len();
            self.store.complete(&mut index)?;
            if index.packs.len() > known {
                result = work(&index);
            }
        }
        Ok((index, result?))
    }

    /// The trees of a snapshot that a selection needs.
    pub(crate) fn load(&self, snapshot: &SnapshotInfo, selection: &Selection) -> Result<(Index, Loaded), ArchiveError> {
        let read = |index: &Index| {
            load::table(&self.store, &mut Blobs::new(&self.store, index)?, (snapshot.tree, snapshot.entries), selection)
        };
        let lacks = |index: &Index, loaded: &Loaded| {
            let is_lost = |id: &Id| index.get(BlobKind::Data, id).is_none();
            !loaded.lost.is_empty() || loaded.table.ids.iter().any(is_lost)
        };
        self.with_index(read, lacks)
    }

    /// The entries of a snapshot, without `.lifeboat`, and without those in directories that cannot be read.
    ///
    /// # Errors
    /// When its root cannot be read or decoded.
    pub fn table(&self, snapshot: &SnapshotInfo) -> Result<FileTable, ArchiveError> {
        Ok(self.load(snapshot, &Selection::Everything)?.1.table)
    }

    /// The content of one file of a snapshot, e.g. `.lifeboat/machine.json`.
    ///
    /// # Errors
    /// [`ArchiveError::NotInSnapshot`]; when it cannot be read.
    pub fn read_file(&self, snapshot: &SnapshotInfo, path: &Path) -> Result<Vec<u8>, ArchiveError> {
        let read = |index: &Index| load::file(&self.store, &mut Blobs::new(&self.store, index)?, snapshot.tree, path);
        self.with_index(read, |_, _| false)?.1.ok_or_else(|| ArchiveError::NotInSnapshot {
            path: path.to_owned(),
            snapshot: snapshot.short_id().to_owned(),
        })
    }

    /// Which of these paths are in a snapshot, as anything but an empty directory. Links on the way are not followed.
    ///
    /// # Errors
    /// When a directory on the way cannot be read.
    pub fn filled(&self, snapshot: &SnapshotInfo, paths: &[&Path]) -> Result<Vec<bool>, ArchiveError> {
        let look = |index: &Index| {
            let mut blobs = Blobs::new(&self.store, index)?;
            paths.iter().map(|path| load::is_filled(&self.store, &mut blobs, snapshot.tree, path)).collect()
        };
        Ok(self.with_index(look, |_, _: &Vec<bool>| false)?.1)
    }
}
