//! Creating and opening repositories.

use super::config::Config;
use super::guard::guarded;
use super::keys::{self, BadKey, Candidate, MasterKeyParts, Opened};
use super::store::{Store, name};
use super::{Place, Repository, RepositoryOptions, clock, crypto, folder, spare};
use crate::file_table::Id;
use crate::{ArchiveError, Secret};
use lifeboat_sys::beneath;
use rustic_core::FileType;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use zeroize::Zeroizing;

impl Repository {
    /// Creates a repository in a directory that is new or empty, or holds an unfinished one whose creation was interrupted.
    ///
    /// # Errors
    /// [`ArchiveError::Exists`], [`ArchiveError::NotEmpty`]; when it cannot be written.
    pub fn init(location: &Path, key: &Secret, options: &RepositoryOptions) -> Result<Self, ArchiveError> {
        Self::init_at(&Place::Folder(location.to_owned()), key, options)
    }

    /// Creates a repository at any place.
    ///
    /// # Errors
    /// As [`Repository::init`].
    pub fn init_at(place: &Place, key: &Secret, options: &RepositoryOptions) -> Result<Self, ArchiveError> {
        let location = &place.label();
        if place.is_repository()? {
            return Err(ArchiveError::Exists { path: location.to_owned() });
        }
        let held = place.hold(true)?;
        if let Some(held) = &held {
            make_directory(location, &held.path)?;
        }
        let failed = |cause: String| ArchiveError::Store { action: "CREATE", path: location.to_owned(), cause };
        let backend = place.backends(held.as_ref())?.repository();
        match &held {
            Some(held) => make_skeleton(&held.path).map_err(|error| failed(error.to_string()))?,
            None => guarded("CREATE", location, || backend.create())?,
        }
        let locked = Store::new(place, held, crypto::Key::from_bytes([0; 64]), backend);
        // The key files come first: anyone who has the key can then continue what was interrupted.
        let begun = begun(&locked, key)?;
        let master = match &begun {
            Some(opened) => opened.master.clone(),
            None => random_master().map_err(failed)?,
        };
        let unlocked = master.key().ok_or_else(|| failed("its key has a wrong length".to_owned()))?;
        let config = begun.as_ref().and_then(|opened| opened.config.clone());
        let is_good = |config: &Vec<u8>| Config::open(&unlocked, config).is_ok();
        let config = match config.filter(is_good) {
            Some(config) => config,
            None => Config::make(&unlocked).map_err(failed)?,
        };
        if begun.is_none() {
            write_keys(&locked, key, &master, &options.host, &config)?;
        }
        locked.write_raw(FileType::Config, &Id::default(), config)?;
        // restic takes locks for reading, too, in a directory that rustic does not create.
        locked.settle_skeleton()?;
        Self::open_at(place, key)
    }

    /// Opens a repository; a read-only one is fine for reading.
    ///
    /// # Errors
    /// [`ArchiveError::NotARepository`], [`ArchiveError::WrongKey`], [`ArchiveError::Damaged`].
    pub fn open(location: &Path, key: &Secret) -> Result<Self, ArchiveError> {
        Self::open_at(&Place::Folder(location.to_owned()), key)
    }

    /// Opens a repository at any place. What is damaged and has a copy elsewhere is reported by [`Repository::damage`].
    ///
    /// # Errors
    /// As [`Repository::open`].
    pub fn open_at(place: &Place, key: &Secret) -> Result<Self, ArchiveError> {
        let location = &place.label();
        if !place.is_repository()? {
            return Err(ArchiveError::NotARepository { path: location.to_owned() });
        }
        let held = place.hold(false)?;
        let backend = place.backends(held.as_ref())?.repository();
        // Only its reading of plain files is used until the key is known.
        let locked = Store::new(place, held.clone(), crypto::Key::from_bytes([0; 64]), backend.clone());
        let spare = place.spare();
        let Unlocked { id: key_id, opened, mut damage } = unlock(&locked, spare.as_deref(), key)?;
        let master = opened.master;
        let unlocked = master.key().ok_or_else(|| locked.damaged("keys", "a key has a wrong length"))?;
        let open = |bytes: Vec<u8>| {
            Config::open(&unlocked, &bytes)
                .map(|config| (config, bytes))
                .map_err(|cause| spare::bad_config(&locked, cause))
        };
        let own = locked.read_raw(FileType::Config, &Id::default()).and_then(open);
        let ((config, bytes), config_is_lost) = match own {
            Ok(config) => (config, false),
            Err(error) => {
                if let Some(lost) = locked.lost() {
                    return Err(lost);
                }
                let copies = opened.config.into_iter().chain(spare.as_deref().and_then(spare::config));
                match copies.filter_map(|copy| open(copy).ok()).next() {
                    Some(config) => {
                        damage.push(format!("{error}; its copy is used"));
                        (config, true)
                    }
                    None => return Err(error),
                }
            }
        };
        if config.version != 2 {
            return Err(ArchiveError::Version { path: location.to_owned(), found: config.version });
        }
        let (lock_patience, reading) = (Duration::ZERO, Mutex::default());
        let store = Store::new(place, held, unlocked, backend);
        let (id, polynomial) = (config.id, config.polynomial);
        let config = bytes;
        Ok(Repository {
            store,
            id,
            polynomial,
            key_id,
            master,
            config,
            config_is_lost,
            damage,
            lock_patience,
            unreadable: Mutex::default(),
            reading,
        })
    }

    /// Reports whether a directory is a repository, even one that lost its config. An unfinished one is not.
    pub fn is_repository(location: &Path) -> bool {
        folder::is_repository(location)
    }
}

fn random_master() -> Result<MasterKeyParts, String> {
    let random = |bytes: usize| {
        let mut random = Zeroizing::new(vec![0; bytes]);
        getrandom::fill(&mut random).map_err(|error| error.to_string())?;
        Ok::<_, String>(random)
    };
    Ok(MasterKeyParts([random(32)?, random(16)?, random(16)?]))
}

/// Writes two key files for one secret: one that is damaged must not lock everybody out. Returns the id of the first.
pub(super) fn write_keys(
    store: &Store,
    secret: &Secret,
    master: &MasterKeyParts,
    host: &str,
    config: &[u8],
) -> Result<Id, ArchiveError> {
    let created = clock::now();
    let make = || keys::make(secret, master, host, &created, Some(config));
    let files = [make(), make()].into_iter().collect::<Result<Vec<_>, _>>();
    let files = files.map_err(|error| store.failed("CHANGE", error))?;
    let first = files.first().map(|(id, _)| *id).unwrap_or_default();
    for (id, bytes) in files {
        store.write_raw(FileType::Key, &id, bytes)?;
    }
    Ok(first)
}

/// The key of a repository whose creation was interrupted; `None` when not even a key file was written.
fn begun(store: &Store, secret: &Secret) -> Result<Option<Opened>, ArchiveError> {
    if store.list(FileType::Key)?.is_empty() {
        return Ok(None);
    }
    match unlock(store, None, secret) {
        Ok(unlocked) => Ok(Some(unlocked.opened)),
        Err(ArchiveError::Lost { path, cause }) => Err(ArchiveError::Lost { path, cause }),
        Err(_) => Err(ArchiveError::Begun { path: store.path.clone() }),
    }
}

/// The directories of a repository, whoever exchanges them meanwhile for links.
fn make_skeleton(folder: &Path) -> std::io::Result<()> {
    for name in ["keys", "snapshots", "index", "locks"] {
        beneath::make(folder, Path::new(name))?;
    }
    (0..=u8::MAX).try_for_each(|number| beneath::make(folder, Path::new(&format!("data/{number:02x}"))))
}

/// Uses a directory, held open at `held`, for a new repository that is as good as empty: with the lost+found of a new ext filesystem, or with
/// an unfinished repository, which holds only key files.
fn make_directory(location: &Path, held: &Path) -> Result<(), ArchiveError> {
    let entries = std::fs::read_dir(held).map_err(|error| ArchiveError::io("OPEN", location, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| ArchiveError::io("OPEN", location, error))?;
        let is_foreign = |data: std::fs::Metadata| data.is_symlink() && !lifeboat_sys::beneath::is_ours(data.uid());
        let is_begun = match entry.file_name().to_str() {
            // What we write would be somewhere else.
            _ if entry.metadata().is_ok_and(is_foreign) => false,
            Some("lost+found" | "keys" | "locks") => true,
            Some("config-tmp-") => true,
            Some("data" | "index" | "snapshots") => holds_no_file(&entry.path()),
            _ => false,
        };
        if !is_begun {
            return Err(ArchiveError::NotEmpty { path: location.to_owned() });
        }
    }
    Ok(())
}

fn holds_no_file(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    entries.flatten().all(|entry| {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        is_directory && holds_no_file(&entry.path())
    })
}

/// What opened a repository.
struct Unlocked {
    /// Of the key file.
    id: Id,
    opened: Opened,
    /// Key files that cannot be used.
    damage: Vec<String>,
}

/// Tries the secret on each key file, the cheapest first, so that nobody who can add files can make others wait for theirs.
fn unlock(store: &Store, spare: Option<&Path>, secret: &Secret) -> Result<Unlocked, ArchiveError> {
    let (mut files, mut damage) = match spare::own_keys(store) {
        Ok(found) => found,
        Err(error) if spare.is_none() || store.lost().is_some() => return Err(error),
        Err(error) => (vec![], vec![error.to_string()]),
    };
    let own = files.len();
    files.extend(spare.map(spare::keys).unwrap_or_default());
    let mut candidates = vec![];
    for (number, (id, bytes)) in files.iter().enumerate() {
        match Candidate::read(bytes, id) {
            Ok(candidate) => candidates.push(candidate),
            Err(cause) if number < own => damage.push(store.damaged(name(FileType::Key, id), cause).to_string()),
            Err(_) => {}
        }
    }
    candidates.sort_by_key(Candidate::work);
    candidates.dedup_by_key(|candidate| candidate.id);
    let (mut work, mut wrong) = (0_u64, 0_usize);
    for candidate in &candidates {
        work = work.saturating_add(candidate.work());
        if work > keys::MOST_WORK_TOGETHER {
            damage.push(format!(
                "{} of {} key files were not tried: together they would take too much time",
                candidates.len() - wrong,
                candidates.len()
            ));
            break;
        }
        match candidate.open(secret) {
            Ok(opened) => return Ok(Unlocked { id: candidate.id, opened, damage }),
            Err(BadKey::Wrong) => wrong += 1,
            Err(BadKey::Damaged(cause)) => {
                damage.push(store.damaged(name(FileType::Key, &candidate.id), cause).to_string());
            }
        }
    }
    if files.is_empty() && damage.is_empty() {
        return Err(ArchiveError::NoKeys { path: store.path.clone() });
    }
    match damage.first() {
        Some(first) if wrong == 0 => Err(ArchiveError::NoKey { path: store.path.clone(), cause: first.clone() }),
        first => {
            let more = first.map(|first| format!(" ({} more cannot be used, the first: {first})", damage.len()));
            Err(ArchiveError::WrongKey { path: store.path.clone(), more: more.unwrap_or_default() })
        }
    }
}
