//! Repositories: many snapshots of machines, deduplicated and encrypted, in restic's format 2.
//!
//! | module | holds |
//! | --- | --- |
//! | [`open`], [`config`] | creating and opening; the config |
//! | [`store`], [`folder`] | the files of a repository; those in a local folder |
//! | [`place`], [`remote`], [`guard`] | where a repository is; rustic's backend for one across the network; calls into rustic |
//! | [`handle`] | an open repository |
//! | [`keys`], [`crypto`] | key files; encryption and hashes |
//! | [`spare`] | second copies of config and key files |
//! | [`node`], [`load`] | directories as JSON; a snapshot as a table |
//! | [`index`], [`index_file`], [`indexes`] | where blobs are; what index files hold; reading them, and working without them |
//! | [`pack`], [`blobs`] | packs; reading blobs |
//! | [`chunker`], [`writer`], [`backup`] | cutting files; writing blobs; the backup itself |
//! | [`content`] | what the extractor and the comparison need to know about files |
//! | [`lock`], [`stock`], [`notes`] | locks like restic's; which packs really exist; what was found damaged in them |
//! | [`contents`], [`stats`] | a snapshot opened for looking; sizes of snapshots |
//! | [`mod@copy`] | one snapshot into another repository |
//! | [`policy`], [`forget`] | which snapshots are kept, and why; removing the others |
//! | [`prune`] | removing what no snapshot needs |
//! | [`owner`], [`marks`], [`clock`] | who owns snapshots, and in which order they were written |
//! | [`snapshot`], [`verify`], [`proof`] | the list of backups; the checks that a repository or a snapshot is intact |
//!
//! rustic_core creates and opens repositories and stores their files. Its work on file trees is done here instead: its
//! archiver drops unreadable files with a log line, hashes every hard link again and sees no holes, its restorer panics
//! on a full disk (docs/decisions/0009-archive-engine.md).

pub(crate) mod backup;
pub(crate) mod blobs;
pub(crate) mod chunker;
mod clock;
pub(crate) mod config;
pub(crate) mod content;
pub mod contents;
mod copy;
pub(crate) mod crypto;
mod folder;
mod forget;
mod guard;
mod handle;
pub(crate) mod index;
pub(crate) mod index_file;
pub(crate) mod indexes;
pub(crate) mod keys;
pub(crate) mod load;
mod lock;
mod marks;
pub(crate) mod node;
mod notes;
mod open;
pub(crate) mod owner;
pub(crate) mod pack;
mod place;
mod policy;
mod proof;
mod prune;
pub(crate) mod remote;
pub(crate) mod snapshot;
mod spare;
mod stats;
pub(crate) mod stock;
pub(crate) mod store;
pub(crate) mod verify;
pub(crate) mod writer;

pub use backup::BackupRequest;
pub use contents::{Contents, SharedIndex};
pub use forget::{Fate, Group};
pub use handle::{Repository, RepositoryOptions};
pub use keys::KeyInfo;
pub use owner::{Owner, listed};
pub use place::{Place, SPARE};
pub use policy::{Count, Policy, Within};
pub use prune::{Amount, MaxUnused, PruneOptions, PruneReport};
pub use snapshot::{SnapshotInfo, UnreadableSnapshot};
pub use stats::{RepositorySizes, SnapshotSizes};

use crate::compare::{self, CompareReport};
use crate::error;
use crate::extract::{self, RestoreOptions};
use crate::report::{Problems, RestoreReport, VerifyReport};
use crate::{ArchiveError, FileTree, Observer, Secret, Selection, warnings};
use rustic_core::FileType;
use std::path::Path;

impl Repository {
    /// Backs up a source as a new snapshot, based on the latest one of the same machine.
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

    /// Verifies that a snapshot can be restored: its directories are read, and all that they name is there at full length.
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

    /// What is missing of a snapshot, as far as can be determined without reading contents: directories and files, with the reason.
    ///
    /// # Errors
    /// When the repository cannot be read, or the snapshot's root.
    pub fn missing(&self, snapshot: &SnapshotInfo) -> Result<Vec<crate::Problem>, ArchiveError> {
        proof::run(self, snapshot, proof::Depth::Presence, &crate::Quiet)
    }

    /// The same, but all that the snapshot needs is read, decrypted and hashed. Nothing else in the repository is examined.
    ///
    /// # Errors
    /// As [`Repository::missing`].
    pub fn lost(&self, snapshot: &SnapshotInfo, observer: &dyn Observer) -> Result<Vec<crate::Problem>, ArchiveError> {
        proof::run(self, snapshot, proof::Depth::Contents, observer)
    }

    /// The room that a restore of a snapshot needs; `None` when it has no record, because an earlier release wrote it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn room(&self, snapshot: &SnapshotInfo) -> Result<Option<crate::Room>, ArchiveError> {
        let path = Path::new("/.lifeboat/room.json");
        let Some(json) = error::if_there(self.read_file(snapshot, path))? else { return Ok(None) };
        crate::Room::from_json(&json).map_err(|error| self.store.damaged(path.display().to_string(), error))
    }

    /// What the filesystems of a snapshot encrypted: it is not in the archive, or is restored unencrypted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn encrypted(&self, snapshot: &SnapshotInfo) -> Result<Vec<crate::Encrypted>, ArchiveError> {
        let path = Path::new("/.lifeboat/encrypted.json");
        let Some(json) = error::if_there(self.read_file(snapshot, path))? else { return Ok(vec![]) };
        crate::encrypted::from_json(&json).map_err(|error| self.store.damaged(path.display().to_string(), error))
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
        let contents = self.opened(snapshot, selection)?;
        self.restore_held(&contents, target, selection, options, observer)
    }

    /// Restores entries of a snapshot that was opened for looking.
    ///
    /// # Errors
    /// As [`Repository::restore`].
    pub fn restore_from(
        &self,
        contents: &Contents,
        target: &Path,
        selection: &Selection,
        options: &RestoreOptions,
        observer: &dyn Observer,
    ) -> Result<RestoreReport, ArchiveError> {
        self.try_to_hold(observer);
        self.restore_held(contents, target, selection, options, observer)
    }

    /// The same, with the lock or a reason why there is none.
    fn restore_held(
        &self,
        contents: &Contents,
        target: &Path,
        selection: &Selection,
        options: &RestoreOptions,
        observer: &dyn Observer,
    ) -> Result<RestoreReport, ArchiveError> {
        let (index, loaded) = (&contents.shared.index, &contents.loaded);
        let content = content::RepositoryContent { store: &contents.shared.store, index };
        let problems = Problems::new(observer);
        loaded.problems().for_each(|problem| problems.add(problem.path, problem.message));
        // The contents of a lost directory were reported with it.
        let selection = &selection.without(&|path| loaded.has_lost(path));
        let restored = extract::run(&loaded.table, &content, target, selection, options, observer, &problems)?;
        self.note_damage(index, notes::Looked::Part, observer);
        let extract::Restored { entries, bytes, unprotected, copies } = restored;
        Ok(RestoreReport { entries, bytes, unprotected, copies, problems: warnings::added_to(problems) })
    }

    /// Sets the inode flags that a restore with [`RestoreOptions::unprotected`] left out: those that protect a file from
    /// changes.
    ///
    /// # Errors
    /// When the target cannot be opened or the snapshot's root cannot be read. What cannot be set is a problem.
    pub fn protect(
        &self,
        snapshot: &SnapshotInfo,
        target: &Path,
        observer: &dyn Observer,
    ) -> Result<RestoreReport, ArchiveError> {
        extract::protect(&self.table(snapshot)?, target, observer)
    }

    /// Compares entries of a snapshot with a file tree, without writing.
    ///
    /// # Errors
    /// When the source's root cannot be opened or the snapshot's root cannot be read.
    pub fn compare(
        &self,
        snapshot: &SnapshotInfo,
        source: &FileTree,
        selection: &Selection,
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        self.compare_with(snapshot, source, selection, observer, u32::MAX)
    }

    /// Like [`Repository::compare`], after a restore with [`RestoreOptions::unprotected`]: postponed flags do not count.
    ///
    /// # Errors
    /// As [`Repository::compare`].
    pub fn compare_unprotected(
        &self,
        snapshot: &SnapshotInfo,
        source: &FileTree,
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        self.compare_with(snapshot, source, &Selection::Everything, observer, !extract::PROTECTION)
    }

    /// Compares, of inode flags only those in `flags`.
    fn compare_with(
        &self,
        snapshot: &SnapshotInfo,
        source: &FileTree,
        selection: &Selection,
        observer: &dyn Observer,
        flags: u32,
    ) -> Result<CompareReport, ArchiveError> {
        self.try_to_hold(observer);
        // All of it: the whole file tree is walked, too.
        let (index, loaded) = self.load(snapshot, &Selection::Everything)?;
        let content = content::RepositoryContent { store: &self.store, index: &index };
        let mut source = backup::without_repository(source, self.store.folder.as_deref());
        source.without_content.extend(loaded.lost.iter().map(|lost| lost.path.clone()));
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
    /// When the repository cannot be listed, or somebody is removing from it. Damage is a problem in the report.
    pub fn verify(&self, observer: &dyn Observer) -> Result<VerifyReport, ArchiveError> {
        self.hold_for_reading()?;
        verify::run(self, observer)
    }

    /// Adds a key, in two files; returns the id of the first.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_key(&self, secret: &Secret, host: &str) -> Result<String, ArchiveError> {
        let _lock = lock::Lock::take(&self.store, lock::Mode::Shared, "CHANGE", self.lock_patience)?;
        open::write_keys(&self.store, secret, &self.master, host, &self.config).map(|id| crypto::hex(&id))
    }

    /// Removes the key with a file whose id begins with `id`, with all its files.
    ///
    /// # Errors
    /// When none or several do, when it is the one that opened the repository, or when it cannot be removed.
    pub fn remove_key(&self, id: &str) -> Result<(), ArchiveError> {
        // Our own lock is not waited for.
        drop(crate::report::locked(&self.reading).take());
        let lock = lock::Lock::take(&self.store, lock::Mode::Alone, "CHANGE", self.lock_patience)?;
        lock.confirm("CHANGE")?;
        let list = self.list_keys()?;
        let ids = |key: &KeyInfo| [std::slice::from_ref(&key.id), &key.copies[..]].concat();
        let fitting: Vec<&KeyInfo> =
            list.iter().filter(|key| ids(key).iter().any(|file| file.starts_with(id))).collect();
        match fitting[..] {
            [key] if key.current => Err(self
                .store
                .failed("CHANGE", "the key in use cannot be removed; try opening the repository with another key")),
            [key] => {
                let files: Vec<_> = ids(key).iter().filter_map(|id| crypto::unhex(id)).collect();
                files.iter().try_for_each(|file| self.store.remove(FileType::Key, file))
            }
            [] => Err(self.store.failed("CHANGE", format!("it has no key {id}"))),
            _ => Err(self.store.failed("CHANGE", format!("it has several keys that begin with {id}"))),
        }
    }

    /// All keys; files for one secret that were made together count as one. Those that cannot be read are among them.
    ///
    /// # Errors
    /// When the repository cannot be listed.
    pub fn list_keys(&self) -> Result<Vec<KeyInfo>, ArchiveError> {
        let listed = self.store.list_with_sizes(FileType::Key)?;
        let info = |file: &(crate::file_table::Id, u64)| {
            let bytes = self.store.read_listed(FileType::Key, file).map_err(|error| error.to_string());
            let info = bytes.and_then(|bytes| keys::info(&bytes, &file.0, file.0 == self.key_id));
            info.unwrap_or_else(|cause| KeyInfo::damaged(&file.0, cause))
        };
        Ok(keys::pair(listed.iter().map(info).collect()))
    }
}
