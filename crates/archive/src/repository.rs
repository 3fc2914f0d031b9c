//! Repositories: many snapshots of machines, deduplicated and encrypted, in restic's format 2.
//!
//! | module | holds |
//! | --- | --- |
//! | [`store`] | the files of a repository, through rustic's backend |
//! | [`remote`] | where a repository is; rustic's backend for one across the network |
//! | [`keys`], [`crypto`] | key files; encryption and hashes |
//! | [`node`], [`load`] | directories as JSON; a snapshot as a table |
//! | [`index`], [`pack`], [`blobs`] | where blobs are; packs; reading blobs |
//! | [`chunker`], [`writer`], [`backup`] | cutting files; writing blobs; the backup itself |
//! | [`content`] | what the extractor and the comparison want to know of files |
//! | [`lock`], [`stock`] | locks as restic's; which packs are really there |
//! | [`mod@copy`] | one snapshot into another repository |
//! | [`owner`] | whose snapshots are, and in which order they were written |
//! | [`snapshot`], [`verify`], [`presence`] | the list of backups; the proofs that all is whole, and that all is there |
//!
//! rustic_core makes and opens repositories and stores their files. What it does with file trees is done here: its
//! archiver drops unreadable files with a log line, hashes every hard link anew and sees no holes, its restorer panics
//! on a full disk (docs/decisions/0009-archive-engine.md).

pub(crate) mod backup;
pub(crate) mod blobs;
pub(crate) mod chunker;
pub(crate) mod content;
mod copy;
pub(crate) mod crypto;
pub(crate) mod index;
pub(crate) mod keys;
pub(crate) mod load;
mod lock;
pub(crate) mod node;
pub(crate) mod owner;
pub(crate) mod pack;
mod presence;
pub(crate) mod remote;
pub(crate) mod snapshot;
pub(crate) mod stock;
pub(crate) mod store;
pub(crate) mod verify;
pub(crate) mod writer;

pub use backup::BackupRequest;
pub use keys::KeyInfo;
pub use owner::{Owner, listed};
pub use remote::Place;
pub use snapshot::SnapshotInfo;

use crate::compare::{self, CompareReport};
use crate::extract::{self, RestoreOptions};
use crate::report::{Problems, RestoreReport, VerifyReport};
use crate::{ArchiveError, Observer, Secret, Selection, Source, Table};
use keys::{BadKey, MasterKeyParts};
use rustic_core::{ConfigOptions, Credentials, FileType, KeyOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use store::{Store, guarded};
use zeroize::Zeroizing;

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
    /// How long it waits for somebody else's lock.
    pub(crate) lock_patience: Duration,
    /// The lock of who reads, from the first reading on.
    reading: Mutex<Option<lock::Lock>>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("path", &self.store.path).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Repository {
    /// Makes a repository in a directory that is new or empty.
    ///
    /// # Errors
    /// [`ArchiveError::Exists`], [`ArchiveError::NotEmpty`]; when it cannot be written.
    pub fn init(location: &Path, key: &Secret, options: &RepositoryOptions) -> Result<Self, ArchiveError> {
        Self::init_at(&Place::Folder(location.to_owned()), key, options)
    }

    /// Makes a repository at any place.
    ///
    /// # Errors
    /// As [`Repository::init`].
    pub fn init_at(place: &Place, key: &Secret, options: &RepositoryOptions) -> Result<Self, ArchiveError> {
        let location = &place.label();
        if place.is_repository()? {
            return Err(ArchiveError::Exists { path: location.to_owned() });
        }
        if let Some(folder) = place.folder() {
            make_directory(folder)?;
        }
        let failed = |cause: String| ArchiveError::Store { action: "CREATE", path: location.to_owned(), cause };
        let random = |bytes: usize| {
            let mut random = Zeroizing::new(vec![0; bytes]);
            getrandom::fill(&mut random).map_err(|error| failed(error.to_string()))?;
            Ok::<_, ArchiveError>(random)
        };
        let master = MasterKeyParts([random(32)?, random(16)?, random(16)?]);
        let backends = place.backends()?;
        let rustic = |master: &MasterKeyParts| {
            let credentials =
                Credentials::Masterkey(rustic_master(master).ok_or_else(|| failed("its key".to_owned()))?);
            let (keys, config) = (KeyOptions::default(), ConfigOptions::default());
            guarded("CREATE", location, || {
                rustic_core::Repository::new(&no_cache(), &backends)?.init(&credentials, &keys, &config).map(|_| ())
            })
        };
        // The key file comes first: a repository whose making was cut short then at least says so when it is opened.
        let backend = backends.repository();
        guarded("CREATE", location, || backend.create())?;
        let unlocked = master.key().ok_or_else(|| failed("its key".to_owned()))?;
        let store = Store::new(place, unlocked, backend);
        let (id, bytes) = keys::make(key, &master, &options.host, &now()).map_err(failed)?;
        store.write_raw(FileType::Key, &id, bytes)?;
        rustic(&master)?;
        store.settle_skeleton()?;
        Self::open_at(place, key)
    }

    /// Opens a repository; a read-only one is fine for reading.
    ///
    /// # Errors
    /// [`ArchiveError::NotARepository`], [`ArchiveError::WrongKey`], [`ArchiveError::Damaged`].
    pub fn open(location: &Path, key: &Secret) -> Result<Self, ArchiveError> {
        Self::open_at(&Place::Folder(location.to_owned()), key)
    }

    /// Opens a repository at any place.
    ///
    /// # Errors
    /// As [`Repository::open`].
    pub fn open_at(place: &Place, key: &Secret) -> Result<Self, ArchiveError> {
        let location = &place.label();
        if !place.is_repository()? {
            return Err(ArchiveError::NotARepository { path: location.to_owned() });
        }
        let backends = place.backends()?;
        let backend = backends.repository();
        // Only its reading of plain files is used until the key is known.
        let locked = Store::new(place, crypto::Key::from_bytes([0; 64]), backend.clone());
        let (key_id, master) = unlock(&locked, key)?;
        let damaged = |cause: String| locked.damaged("config", cause);
        let unlocked = master.key().ok_or_else(|| locked.damaged("keys", "a key has a wrong length"))?;
        let credentials = rustic_master(&master).map(Credentials::Masterkey);
        let credentials = credentials.ok_or_else(|| damaged("its key".to_owned()))?;
        let rustic =
            guarded("OPEN", location, || rustic_core::Repository::new(&no_cache(), &backends)?.open(&credentials))
                .map_err(|error| damaged(error.to_string()))?;
        let config = rustic.config();
        if config.version != 2 {
            return Err(ArchiveError::Version { path: location.to_owned(), found: config.version });
        }
        let polynomial = config.poly().map_err(|error| damaged(error.to_string()))?;
        let id = config.id.to_hex().to_string();
        let (lock_patience, reading) = (Duration::ZERO, Mutex::default());
        let store = Store::new(place, unlocked, backend);
        Ok(Repository { store, id, polynomial, key_id, master, lock_patience, reading })
    }

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

    /// Tells whether a directory is a repository.
    pub fn is_repository(location: &Path) -> bool {
        location.join("config").is_file() && location.join("keys").is_dir()
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

    /// All snapshots, oldest first.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>, ArchiveError> {
        snapshot::all(&self.store)
    }

    /// The snapshot that `wanted` names: `latest`, or the beginning of an id.
    ///
    /// # Errors
    /// [`ArchiveError::Snapshot`] when it names none or several.
    pub fn find_snapshot(&self, wanted: &str) -> Result<SnapshotInfo, ArchiveError> {
        snapshot::find(self.snapshots()?, wanted)
    }

    /// Proves that a snapshot can be restored: its directories are read, and all that they name is there in its whole length.
    /// Far less is read than by [`Repository::verify`]; contents are authenticated when they are restored.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] with what is missing; when the repository cannot be read.
    pub fn prove_present(&self, snapshot: &SnapshotInfo) -> Result<(), ArchiveError> {
        presence::run(self, snapshot)
    }

    /// The entries of a snapshot, without `.lifeboat`.
    ///
    /// # Errors
    /// When a directory cannot be read or decoded.
    pub fn table(&self, snapshot: &SnapshotInfo) -> Result<Table, ArchiveError> {
        let index = self.store.load_index()?;
        load::table(&self.store, &mut blobs::Blobs::new(&self.store, &index)?, snapshot.tree)
    }

    /// The content of one file of a snapshot, e.g. `.lifeboat/machine.json`.
    ///
    /// # Errors
    /// [`ArchiveError::NotInSnapshot`]; when it cannot be read.
    pub fn read_file(&self, snapshot: &SnapshotInfo, path: &Path) -> Result<Vec<u8>, ArchiveError> {
        let index = self.store.load_index()?;
        let mut blobs = blobs::Blobs::new(&self.store, &index)?;
        load::file(&self.store, &mut blobs, snapshot.tree, path)?.ok_or_else(|| ArchiveError::NotInSnapshot {
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

    /// Restores entries of a snapshot below a directory.
    ///
    /// # Errors
    /// [`ArchiveError::Full`]; when the target cannot be opened or the snapshot's directories cannot be read. Entries that
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
        let index = self.store.load_index()?;
        let table = load::table(&self.store, &mut blobs::Blobs::new(&self.store, &index)?, snapshot.tree)?;
        let content = content::RepositoryContent { store: &self.store, index: &index };
        let problems = Problems::new(observer);
        let restored = extract::run(&table, &content, target, selection, options, observer, &problems)?;
        let extract::Restored { entries, bytes, unprotected } = restored;
        Ok(RestoreReport { entries, bytes, unprotected, problems: with_warnings(problems) })
    }

    /// Sets the inode flags that a restore with [`RestoreOptions::unprotected`] left out: those that keep everybody from
    /// changing a file.
    ///
    /// # Errors
    /// When the target cannot be opened or the snapshot's directories cannot be read. What cannot be set is a problem.
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
    /// When the source's root cannot be opened or the snapshot's directories cannot be read.
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
        let index = self.store.load_index()?;
        let table = load::table(&self.store, &mut blobs::Blobs::new(&self.store, &index)?, snapshot.tree)?;
        let content = content::RepositoryContent { store: &self.store, index: &index };
        let source = backup::without_repository(source, self.store.folder.as_deref());
        compare::run(&table, &content, &source, (selection, flags), observer)
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

    /// Adds a key; gives its id.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_key(&self, secret: &Secret, host: &str) -> Result<String, ArchiveError> {
        let _lock = lock::Lock::take(&self.store, lock::Mode::Shared, "CHANGE", self.lock_patience)?;
        let made = keys::make(secret, &self.master, host, &now());
        let (id, bytes) = made.map_err(|error| self.store.failed("CHANGE", error))?;
        self.store.write_raw(FileType::Key, &id, bytes)?;
        Ok(crypto::hex(&id))
    }

    /// Removes the key whose id begins with `id`.
    ///
    /// # Errors
    /// When none or several do, when it is the one that opened the repository, or when it cannot be removed.
    pub fn remove_key(&self, id: &str) -> Result<(), ArchiveError> {
        let lock = lock::Lock::take(&self.store, lock::Mode::Alone, "CHANGE", self.lock_patience)?;
        lock.confirm("CHANGE")?;
        let list = self.store.list(FileType::Key)?;
        let fitting: Vec<_> = list.iter().filter(|key| crypto::hex(*key).starts_with(id)).collect();
        match fitting[..] {
            [key] if *key == self.key_id => {
                Err(self.store.failed("CHANGE", "the key in use cannot be removed; try opening it with another key"))
            }
            [key] => self.store.remove(FileType::Key, key),
            [] => Err(self.store.failed("CHANGE", format!("it has no key {id}"))),
            _ => Err(self.store.failed("CHANGE", format!("it has several keys that begin with {id}"))),
        }
    }

    /// All keys.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list_keys(&self) -> Result<Vec<KeyInfo>, ArchiveError> {
        let ids = self.store.list(FileType::Key)?;
        let info = |id: &crate::table::Id| {
            let bytes = self.store.read_raw(FileType::Key, id)?;
            keys::info(&bytes, id, *id == self.key_id).map_err(|error| self.store.damaged("keys", error))
        };
        ids.iter().map(info).collect()
    }
}

/// The list of problems, with what libraries logged meanwhile.
pub(crate) fn with_warnings(problems: Problems<'_>) -> Vec<crate::Problem> {
    for warning in crate::warnings::take() {
        problems.add(PathBuf::new(), warning);
    }
    problems.into_list()
}

fn make_directory(location: &Path) -> Result<(), ArchiveError> {
    match std::fs::read_dir(location) {
        Ok(mut entries) => match entries.next() {
            // A new ext filesystem is as good as empty.
            Some(Ok(entry)) if entry.file_name() == "lost+found" && entries.next().is_none() => Ok(()),
            Some(_) => Err(ArchiveError::NotEmpty { path: location.to_owned() }),
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = lifeboat_sys::durable::make_directories(location, 0o700);
            made.map_err(|error| ArchiveError::io("CREATE", location, error))
        }
        Err(error) => Err(ArchiveError::io("OPEN", location, error)),
    }
}

/// Tries the secret on each key file.
fn unlock(store: &Store, secret: &Secret) -> Result<(crate::table::Id, MasterKeyParts), ArchiveError> {
    let mut damaged = None;
    let ids = store.list(FileType::Key)?;
    if ids.is_empty() {
        return Err(ArchiveError::NoKeys { path: store.path.clone() });
    }
    for id in ids {
        match keys::open(&store.read_raw(FileType::Key, &id)?, &id, secret) {
            Ok(master) => return Ok((id, master)),
            Err(BadKey::Wrong) => {}
            Err(BadKey::Damaged(cause)) => {
                damaged = Some(store.damaged(format!("key {}", crypto::hex(&id[..4])), cause))
            }
        }
    }
    Err(damaged.unwrap_or(ArchiveError::WrongKey { path: store.path.clone() }))
}

fn no_cache() -> rustic_core::RepositoryOptions {
    rustic_core::RepositoryOptions::default().no_cache(true)
}

/// The key as rustic wants it; its parts have no public constructor, but a serialised form.
fn rustic_master(master: &MasterKeyParts) -> Option<rustic_core::repofile::MasterKey> {
    use base64::Engine as _;
    let [encrypt, k, r] = &master.0;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let json = serde_json::json!({ "mac": { "k": encode(k), "r": encode(r) }, "encrypt": encode(encrypt) });
    serde_json::from_value(json).ok()
}

/// Now, as restic writes times.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}
