//! One backup of a machine in an archive that is open: a snapshot of a repository, or the set of a stream. A recovery asks both the
//! same.

use crate::stream_place::StreamAt;
use lifeboat_archive::stream::Stream;
use lifeboat_archive::{
    ArchiveError, CompareReport, Encrypted, FileTable, FileTree, Observer, Problem, Repository, RestoreOptions,
    RestoreReport, Room, Selection, SnapshotInfo,
};
use lifeboat_machine::ArchiveManifest;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A backup. Clones share what is open.
#[derive(Clone)]
pub enum Archived {
    /// In a repository.
    Snapshot(Arc<Repository>, SnapshotInfo),
    /// A set of volumes.
    Set(Arc<Set>),
}

/// An opened set.
pub struct Set {
    stream: Mutex<Stream>,
    /// Keeps the disk that it is on mounted.
    _at: Arc<StreamAt>,
    id: String,
    time: String,
    label: PathBuf,
}

impl Set {
    /// The set that was opened at a place.
    pub fn new(at: Arc<StreamAt>, stream: Stream) -> Set {
        let (id, time, label) = (stream.info().set.clone(), stream.info().time.clone(), stream.label().to_owned());
        Set { stream: Mutex::new(stream), _at: at, id, time, label }
    }

    /// What is wrong with the set, as far as it was noticed on opening.
    pub fn notes(&self) -> Vec<String> {
        self.locked().notes().to_vec()
    }

    /// What the set is, as a list of backups shows it: entries and bytes.
    pub fn amount(&self) -> (u64, u64) {
        let stream = self.locked();
        (stream.info().entries, stream.info().bytes)
    }

    fn locked(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Archived {
    /// Its id, hex: of the snapshot, or of the set.
    pub fn id(&self) -> &str {
        match self {
            Archived::Snapshot(_, snapshot) => &snapshot.id,
            Archived::Set(set) => &set.id,
        }
    }

    /// The beginning of the id, as lists show it.
    pub fn short_id(&self) -> &str {
        match self {
            Archived::Snapshot(_, snapshot) => snapshot.short_id(),
            Archived::Set(set) => set.id.get(..8).unwrap_or(&set.id),
        }
    }

    /// When it was begun, RFC 3339.
    pub fn time(&self) -> &str {
        match self {
            Archived::Snapshot(_, snapshot) => &snapshot.time,
            Archived::Set(set) => &set.time,
        }
    }

    /// What it is called in messages.
    pub fn what(&self) -> String {
        match self {
            Archived::Snapshot(..) => format!("snapshot {}", self.short_id()),
            Archived::Set(_) => format!("set {}", self.short_id()),
        }
    }

    /// The program that wrote it; empty when that is not known.
    pub fn program(&self) -> String {
        match self {
            Archived::Snapshot(_, snapshot) => snapshot.program.clone(),
            Archived::Set(set) => set.locked().info().program.clone(),
        }
    }

    /// Where it is, for people.
    pub fn location(&self) -> PathBuf {
        match self {
            Archived::Snapshot(repository, _) => repository.location().to_owned(),
            Archived::Set(set) => set.label.clone(),
        }
    }

    /// Entries and bytes that it holds, where it knows better than its `manifest`, which a stream has at its beginning.
    pub fn amount(&self, manifest: &ArchiveManifest) -> (u64, u64) {
        match self {
            Archived::Snapshot(..) => (manifest.entries, manifest.bytes),
            Archived::Set(set) => set.amount(),
        }
    }

    /// The content of a file of at most some megabytes, also of our own below `/.lifeboat`.
    ///
    /// # Errors
    /// [`ArchiveError::NotInSnapshot`]; when it cannot be read.
    pub fn read_file(&self, path: &Path) -> Result<Vec<u8>, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) => repository.read_file(snapshot, path),
            Archived::Set(set) => set.locked().read_file(path),
        }
    }

    /// The room that its files need; `None` when that was not recorded.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn room(&self) -> Result<Option<Room>, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) => repository.room(snapshot),
            Archived::Set(set) => set.locked().room(),
        }
    }

    /// The entries that were encrypted on the machine.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn encrypted(&self) -> Result<Vec<Encrypted>, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) => repository.encrypted(snapshot),
            Archived::Set(set) => set.locked().encrypted(),
        }
    }

    /// Looks at the table of its entries.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn with_table<T>(&self, look: impl FnOnce(&FileTable) -> T) -> Result<T, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) => repository.table(snapshot).map(|table| look(&table)),
            Archived::Set(set) => Ok(look(set.locked().table())),
        }
    }

    /// Which of these paths it has, as anything but an empty directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn filled(&self, paths: &[&Path]) -> Result<Vec<bool>, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) => repository.filled(snapshot, paths),
            Archived::Set(set) => {
                let stream = set.locked();
                Ok(paths.iter().map(|path| stream.table().is_filled(path)).collect())
            }
        }
    }

    /// What of it cannot be restored. `all` reads every byte of a repository; a set is always read as a whole.
    ///
    /// # Errors
    /// When nothing of it can be read.
    pub fn lost(&self, all: bool, observer: &dyn Observer) -> Result<Vec<Problem>, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) if all => repository.lost(snapshot, observer),
            Archived::Snapshot(repository, snapshot) => repository.missing(snapshot),
            Archived::Set(set) => Ok(set.locked().verify(observer)?.problems),
        }
    }

    /// Restores what is selected below a folder.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn restore(
        &self,
        target: &Path,
        selection: &Selection,
        options: &RestoreOptions,
        observer: &dyn Observer,
    ) -> Result<RestoreReport, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) => {
                repository.restore(snapshot, target, selection, options, observer)
            }
            Archived::Set(set) => set.locked().restore(target, selection, options, observer),
        }
    }

    /// Compares what is selected with a file tree.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn compare(
        &self,
        source: &FileTree,
        selection: &Selection,
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) => repository.compare(snapshot, source, selection, observer),
            Archived::Set(set) => set.locked().compare(source, selection, observer),
        }
    }

    /// Compares all of it with a file tree whose entries are not protected yet.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn compare_unprotected(
        &self,
        source: &FileTree,
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) => repository.compare_unprotected(snapshot, source, observer),
            Archived::Set(set) => set.locked().compare_unprotected(source, observer),
        }
    }

    /// Protects what a restore left unprotected.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn protect(&self, target: &Path, observer: &dyn Observer) -> Result<RestoreReport, ArchiveError> {
        match self {
            Archived::Snapshot(repository, snapshot) => repository.protect(snapshot, target, observer),
            Archived::Set(set) => set.locked().protect(target, observer),
        }
    }
}
