//! Repositories: many snapshots of machines, deduplicated and encrypted, in restic's format 2.
//!
//! | module | holds |
//! | --- | --- |
//! | [`open`], [`config`] | making and opening; the config |
//! | [`store`], [`folder`] | the files of a repository; those in a local folder |
//! | [`remote`] | where a repository is; rustic's backend for one across the network |
//! | [`keys`], [`crypto`] | key files; encryption and hashes |
//! | [`spare`] | second copies of config and key files |
//! | [`node`], [`load`] | directories as JSON; a snapshot as a table |
//! | [`index`], [`indexes`] | where blobs are; index files, and doing without them |
//! | [`pack`], [`blobs`] | packs; reading blobs |
//! | [`chunker`], [`writer`], [`backup`] | cutting files; writing blobs; the backup itself |
//! | [`content`] | what the extractor and the comparison want to know of files |
//! | [`lock`], [`stock`], [`notes`] | locks as restic's; which packs are really there; what was found damaged in them |
//! | [`mod@copy`] | one snapshot into another repository |
//! | [`owner`] | whose snapshots are, and in which order they were written |
//! | [`snapshot`], [`verify`], [`proof`] | the list of backups; the proofs that a repository is whole, and that a snapshot is |
//!
//! rustic_core makes and opens repositories and stores their files. What it does with file trees is done here: its
//! archiver drops unreadable files with a log line, hashes every hard link anew and sees no holes, its restorer panics
//! on a full disk (docs/decisions/0009-archive-engine.md).

pub(crate) mod backup;
pub(crate) mod blobs;
pub(crate) mod chunker;
pub(crate) mod config;
pub(crate) mod content;
mod copy;
pub(crate) mod crypto;
mod folder;
pub(crate) mod index;
pub(crate) mod indexes;
pub(crate) mod keys;
pub(crate) mod load;
mod lock;
pub(crate) mod node;
mod notes;
mod open;
pub(crate) mod owner;
pub(crate) mod pack;
mod proof;
pub(crate) mod remote;
pub(crate) mod snapshot;
mod spare;
pub(crate) mod stock;
pub(crate) mod store;
pub(crate) mod verify;
pub(crate) mod writer;

pub use backup::BackupRequest;
pub use keys::KeyInfo;
pub use owner::{Owner, listed};
pub use remote::Place;
pub use snapshot::{SnapshotInfo, UnreadableSnapshot};
pub use spare::FOLDER as SPARE;

use crate::compare::{self, CompareReport};
use crate::extract::{self, RestoreOptions};
use crate::report::{Problems, RestoreReport, VerifyReport};
use crate::{ArchiveError, Observer, Secret, Selection, Source, Table};
use keys::MasterKeyParts;
use rustic_core::FileType;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use store::Store;

/// What a new repository is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryOptions {
    /// Host name that its first key file carries.
    pub host: String,
}

/// An open repository.
pub struct Repository {
    pub(crate) store: Store,
    id: String,
    /// Seeds the chunker.
    polynomial: u64,
    key_id: crate::table::Id,
    master: MasterKeyParts,
    /// The bytes of the config.
    config: Vec<u8>,
    /// They come from a copy.
    config_is_lost: bool,
    /// What is damaged, though it could be opened.
    damage: Vec<String>,
    /// How long it waits for somebody else's lock.
    pub(crate) lock_patience: Duration,
    /// What the last list of snapshots could not read.
    unreadable: Mutex<Vec<UnreadableSnapshot>>,
    /// The lock of who reads, from the first reading on.
    reading: Mutex<Option<lock::Lock>>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("path", &self.store.path).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Repository {
    /// Waits so long for others that hold the repository, before it gives up.
    pub fn wait_for_locks(&mut self, patience: Duration) {
        self.lock_patience = patience;
    }

    /// Locks it for reading, once, until it is dropped; not where nothing can be written.
    ///
    /// # Errors
    /// [`ArchiveError::Locked`] when somebody removes from it just now.
    pub(crate) fn hold_for_reading(&self) -> Result<(), ArchiveError> {
        let mut reading = crate::report::locked(&self.reading);
        if reading.is_none() {
            *reading = lock::Lock::take_for_reading(&self.store)?;
        }
        Ok(())
    }

    /// The same for who goes on all the same.
    fn try_to_hold(&self, observer: &dyn Observer) {
        if let Err(error) = self.hold_for_reading() {
            observer.warning(&format!("{error}. This goes on all the same: what is removed meanwhile will be missing"));
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

    /// Backs up a source as a new snapshot, with regard to the latest one of the same machine.
    ///
    /// # Errors
    /// When the source's root cannot be opened or the repository cannot be written. Entries that cannot be read are
    /// problems in the report.
    pub fn backup(
        &self,
        request: &BackupRequest<'_>,
        observer: &dyn Observer,
    ) -> Result<crate::BackupReport, ArchiveError> {
        backup::run(self, request, observer)
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
        *crate::report::locked(&self.unreadable) = unreadable.clone();
        Ok((list, unreadable))
    }

    /// The snapshots that could not be read when they were listed last: one of them may be newer than the latest that can be read.
    pub fn unreadable_snapshots(&self) -> Vec<UnreadableSnapshot> {
        crate::report::locked(&self.unreadable).clone()
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

    /// Proves that a snapshot can be restored: its directories are read, and all that they name is there in its whole length.
    /// Far less is read than by [`Repository::verify`]; contents are authenticated when they are restored.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] with what is missing; when the repository cannot be read.
    pub fn prove_present(&self, snapshot: &SnapshotInfo) -> Result<(), ArchiveError> {
        match self.missing(snapshot)?.first() {
            None => Ok(()),
            Some(problem) => Err(self.store.damaged(problem.path.display().to_string(), &problem.message)),
        }
    }

    /// What of a snapshot is not there, as far as can be told without reading contents: directories and files, with the reason.
    ///
    /// # Errors
    /// When the repository cannot be read, or the snapshot's root.
    pub fn missing(&self, snapshot: &SnapshotInfo) -> Result<Vec<crate::Problem>, ArchiveError> {
        proof::run(self, snapshot, proof::Depth::Presence, &crate::Quiet)
    }

    /// The same, but all that the snapshot needs is read, decrypted and hashed. Nothing else of the repository is looked at.
    ///
    /// # Errors
    /// As [`Repository::missing`].
    pub fn lost(&self, snapshot: &SnapshotInfo, observer: &dyn Observer) -> Result<Vec<crate::Problem>, ArchiveError> {
        proof::run(self, snapshot, proof::Depth::Contents, observer)
    }

    /// Does something with the index; when that fails for what the index does not name, it is tried again with what packs say themselves.
    pub(crate) fn with_index<T>(
        &self,
        work: impl Fn(&index::Index) -> Result<T, ArchiveError>,
        lacks: impl Fn(&index::Index, &T) -> bool,
    ) -> Result<(index::Index, T), ArchiveError> {
        let mut index = self.store.load_index()?;
        let mut result = work(&index);
        let is_short = match &result {
            Ok(value) => lacks(&index, value),
            Err(error) => error.is_damage(),
        };
        if is_short && !index.complete && !self.store.complete(&mut index)?.packs.is_empty() {
            result = work(&index);
        }
        Ok((index, result?))
    }

    /// The trees of a snapshot that a selection needs.
    pub(crate) fn load(
        &self,
        snapshot: &SnapshotInfo,
        selection: &Selection,
    ) -> Result<(index::Index, load::Loaded), ArchiveError> {
        let read = |index: &index::Index| {
            load::table(&self.store, &mut blobs::Blobs::new(&self.store, index)?, snapshot.tree, selection)
        };
        let lacks = |index: &index::Index, loaded: &load::Loaded| {
            let is_lost = |id: &crate::table::Id| index.get(index::BlobKind::Data, id).is_none();
            !loaded.lost.is_empty() || loaded.table.ids.iter().any(is_lost)
        };
        self.with_index(read, lacks)
    }

    /// The entries of a snapshot, without `.lifeboat`, and without those in directories that cannot be read.
    ///
    /// # Errors
    /// When its root cannot be read or decoded.
    pub fn table(&self, snapshot: &SnapshotInfo) -> Result<Table, ArchiveError> {
        Ok(self.load(snapshot, &Selection::Everything)?.1.table)
    }

    /// The content of one file of a snapshot, e.g. `.lifeboat/machine.json`.
    ///
    /// # Errors
    /// [`ArchiveError::NotInSnapshot`]; when it cannot be read.
    pub fn read_file(&self, snapshot: &SnapshotInfo, path: &Path) -> Result<Vec<u8>, ArchiveError> {
        let read = |index: &index::Index| {
            load::file(&self.store, &mut blobs::Blobs::new(&self.store, index)?, snapshot.tree, path)
        };
        self.with_index(read, |_, _| false)?.1.ok_or_else(|| ArchiveError::NotInSnapshot {
            path: path.to_owned(),
            snapshot: snapshot.short_id().to_owned(),
        })
    }

    /// The room that a restore of a snapshot needs; `None` when it does not say so, because an earlier release wrote it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn room(&self, snapshot: &SnapshotInfo) -> Result<Option<crate::Room>, ArchiveError> {
        let path = Path::new("/.lifeboat/room.json");
        match self.read_file(snapshot, path) {
            Ok(json) => {
                crate::Room::from_json(&json).map_err(|error| self.store.damaged(path.display().to_string(), error))
            }
            Err(ArchiveError::NotInSnapshot { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What of a snapshot its filesystems encrypted: it is not in the archive, or comes back in plain.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn encrypted(&self, snapshot: &SnapshotInfo) -> Result<Vec<crate::Encrypted>, ArchiveError> {
        let path = Path::new("/.lifeboat/encrypted.json");
        match self.read_file(snapshot, path) {
            Ok(json) => crate::encrypted::from_json(&json)
                .map_err(|error| self.store.damaged(path.display().to_string(), error)),
            Err(ArchiveError::NotInSnapshot { .. }) => Ok(vec![]),
            Err(error) => Err(error),
        }
    }

    /// Restores entries of a snapshot below a directory.
    ///
    /// # Errors
    /// [`ArchiveError::Full`]; when the target cannot be opened or the snapshot's root cannot be read. Entries that
    /// cannot be restored are problems in the report.
    pub fn restore(
        &self,
        snapshot: &SnapshotInfo,
        target: &Path,
        selection: &Selection,
        options: &RestoreOptions,
        observer: &dyn Observer,
    ) -> Result<RestoreReport, ArchiveError> {
        self.try_to_hold(observer);
        let (index, loaded) = self.load(snapshot, selection)?;
        let content = content::RepositoryContent { store: &self.store, index: &index };
        let problems = Problems::new(observer);
        loaded.problems().for_each(|problem| problems.add(problem.path, problem.message));
        // What lies in a directory that is lost was said with it.
        let selection = &selection.without(&|path| loaded.has_lost(path));
        let restored = extract::run(&loaded.table, &content, target, selection, options, observer, &problems)?;
        self.note_damage(&index, notes::Looked::Part, observer);
        let extract::Restored { entries, bytes, unprotected, copies } = restored;
        Ok(RestoreReport { entries, bytes, unprotected, copies, problems: with_warnings(problems) })
    }

    /// Sets the inode flags that a restore with [`RestoreOptions::unprotected`] left out: those that keep everybody from
    /// changing a file.
    ///
    /// # Errors
    /// When the target cannot be opened or the snapshot's root cannot be read. What cannot be set is a problem.
    pub fn protect(
        &self,
        snapshot: &SnapshotInfo,
        target: &Path,
        observer: &dyn Observer,
    ) -> Result<RestoreReport, ArchiveError> {
        let table = self.table(snapshot)?;
        let problems = Problems::new(observer);
        let entries = extract::protect(&table, target, &problems)?;
        Ok(RestoreReport { entries, problems: with_warnings(problems), ..RestoreReport::default() })
    }

    /// Compares entries of a snapshot with a file tree, without writing.
    ///
    /// # Errors
    /// When the source's root cannot be opened or the snapshot's root cannot be read.
    pub fn compare(
        &self,
        snapshot: &SnapshotInfo,
        source: &Source,
        selection: &Selection,
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        self.compare_with(snapshot, source, selection, observer, u32::MAX)
    }

    /// Like [`Repository::compare`], after a restore with [`RestoreOptions::unprotected`]: flags that wait are no difference.
    ///
    /// # Errors
    /// As [`Repository::compare`].
    pub fn compare_unprotected(
        &self,
        snapshot: &SnapshotInfo,
        source: &Source,
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        let flags = !(lifeboat_sys::inode::IMMUTABLE | lifeboat_sys::inode::APPEND);
        self.compare_with(snapshot, source, &Selection::Everything, observer, flags)
    }

    /// Compares, of inode flags only those in `flags`.
    fn compare_with(
        &self,
        snapshot: &SnapshotInfo,
        source: &Source,
        selection: &Selection,
        observer: &dyn Observer,
        flags: u32,
    ) -> Result<CompareReport, ArchiveError> {
        self.try_to_hold(observer);
        // All of it: the file tree is walked as a whole, too.
        let (index, loaded) = self.load(snapshot, &Selection::Everything)?;
        let content = content::RepositoryContent { store: &self.store, index: &index };
        let mut source = backup::without_repository(source, self.store.folder.as_deref());
        source.without_content.extend(loaded.lost.iter().map(|(path, _)| path.clone()));
        let selection = &selection.without(&|path| loaded.has_lost(path));
        let mut report = compare::run(&loaded.table, &content, &source, (selection, flags), observer)?;
        for problem in loaded.problems() {
            observer.problem(&problem);
            report.problems.push(problem);
        }
        Ok(report)
    }

    /// Reads every byte: decrypts and hashes every blob, follows every tree, and compares counts with the manifests.
    ///
    /// # Errors
    /// When the repository cannot be listed, or somebody removes from it just now. Damage is a problem in the report.
    pub fn verify(&self, observer: &dyn Observer) -> Result<VerifyReport, ArchiveError> {
        self.hold_for_reading()?;
        verify::run(self, observer)
    }

    /// Copies one snapshot, with all that it needs, into another repository; gives it as it is there.
    ///
    /// # Errors
    /// When one cannot be read or the other cannot be written.
    pub fn copy_snapshot(&self, snapshot: &SnapshotInfo, to: &Repository) -> Result<SnapshotInfo, ArchiveError> {
        copy::run(self, to, snapshot)
    }

    /// Adds a key, in two files; gives the id of the first.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_key(&self, secret: &Secret, host: &str) -> Result<String, ArchiveError> {
        let _lock = lock::Lock::take(&self.store, lock::Mode::Shared, "CHANGE", self.lock_patience)?;
        open::write_keys(&self.store, secret, &self.master, host, &self.config).map(|id| crypto::hex(&id))
    }

    /// Removes the key of which a file's id begins with `id`, with all its files.
    ///
    /// # Errors
    /// When none or several do, when it is the one that opened the repository, or when it cannot be removed.
    pub fn remove_key(&self, id: &str) -> Result<(), ArchiveError> {
        // Nobody waits for himself.
        drop(crate::report::locked(&self.reading).take());
        let lock = lock::Lock::take(&self.store, lock::Mode::Alone, "CHANGE", self.lock_patience)?;
        lock.confirm("CHANGE")?;
        let list = self.list_keys()?;
        let ids = |key: &KeyInfo| [std::slice::from_ref(&key.id), &key.copies[..]].concat();
        let fitting: Vec<&KeyInfo> =
            list.iter().filter(|key| ids(key).iter().any(|file| file.starts_with(id))).collect();
        match fitting[..] {
            [key] if key.current => {
                Err(self.store.failed("CHANGE", "the key in use cannot be removed; try opening it with another key"))
            }
            [key] => {
                let files: Vec<_> = ids(key).iter().filter_map(|id| crypto::unhex(id)).collect();
                files.iter().try_for_each(|file| self.store.remove(FileType::Key, file))
            }
            [] => Err(self.store.failed("CHANGE", format!("it has no key {id}"))),
            _ => Err(self.store.failed("CHANGE", format!("it has several keys that begin with {id}"))),
        }
    }

    /// All keys; the files of one secret that were made together are one. Those that cannot be read are among them.
    ///
    /// # Errors
    /// When the repository cannot be listed.
    pub fn list_keys(&self) -> Result<Vec<KeyInfo>, ArchiveError> {
        let listed = self.store.list_with_sizes(FileType::Key)?;
        let info = |file: &(crate::table::Id, u64)| {
            let bytes = self.store.read_listed(FileType::Key, file).map_err(|error| error.to_string());
            let info = bytes.and_then(|bytes| keys::info(&bytes, &file.0, file.0 == self.key_id));
            info.unwrap_or_else(|cause| KeyInfo::damaged(&file.0, cause))
        };
        Ok(keys::pair(listed.iter().map(info).collect()))
    }
}

/// The list of problems, with what libraries logged meanwhile.
pub(crate) fn with_warnings(problems: Problems<'_>) -> Vec<crate::Problem> {
    for warning in crate::warnings::take() {
        problems.add(PathBuf::new(), warning);
    }
    problems.into_list()
}

/// Now, as restic writes times.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}
