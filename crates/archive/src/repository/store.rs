//! The files of a repository: where rustic's backend is called, and its errors and panics become [`ArchiveError`]s.

use super::crypto::{self, Key};
use super::index::{Index, IndexFile};
use super::remote::Place;
use crate::ArchiveError;
use crate::table::Id;
use lifeboat_sys::durable;
use rustic_backend::BackendOptions;
use rustic_core::{FileType, RepositoryBackends, WriteBackend};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open repository's files and key.
#[derive(Clone)]
pub(crate) struct Store {
    /// Where it is, for people.
    pub(crate) path: PathBuf,
    /// Where it is, when it is a local folder.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) key: Key,
    /// Nothing is written there, not even a lock.
    pub(crate) sealed: bool,
    /// Where it is, across the network.
    pub(crate) remote: Option<Arc<dyn lifeboat_remote::Files>>,
    backend: Arc<dyn WriteBackend>,
}

/// A pack that is written, but perhaps not on the disk yet.
pub(crate) struct Unsettled {
    file: std::fs::File,
    directory: PathBuf,
}

/// Calls into rustic, which panics where it should return errors.
pub(crate) fn guarded<T>(
    action: &'static str,
    path: &Path,
    call: impl FnOnce() -> rustic_core::RusticResult<T>,
) -> Result<T, ArchiveError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ArchiveError::Store { action, path: path.to_owned(), cause: cause(&error) }),
        Err(panic) => Err(ArchiveError::Panicked { action, cause: panic_message(&*panic) }),
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}

/// The reason at the bottom of rustic's error, without its advice about rustic's own command line.
fn cause(error: &rustic_core::RusticError) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    let text = source.to_string();
    // The outermost error's text is a page of Markdown.
    let plain =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with('`'));
    let mut lines: Vec<&str> = plain.collect();
    lines.truncate(2);
    lines.join(" ")
}

/// The backend for a directory.
pub(crate) fn backends(path: &Path) -> Result<RepositoryBackends, ArchiveError> {
    let text = path.to_str().ok_or_else(|| ArchiveError::Store {
        action: "OPEN",
        path: path.to_owned(),
        cause: "its path is not UTF-8".to_owned(),
    })?;
    guarded("OPEN", path, || BackendOptions::default().repository(format!("local:{text}")).to_backends())
}

impl Store {
    pub(crate) fn new(place: &Place, key: Key, backend: Arc<dyn WriteBackend>) -> Self {
        let remote = match place {
            Place::Folder(_) | Place::Sealed(_) => None,
            Place::Files(files) => Some(Arc::clone(files)),
        };
        let sealed = matches!(place, Place::Sealed(_));
        Store { path: place.label(), folder: place.folder().map(Path::to_owned), sealed, key, remote, backend }
    }

    /// An [`ArchiveError::Store`].
    pub(crate) fn failed(&self, action: &'static str, cause: impl ToString) -> ArchiveError {
        ArchiveError::Store { action, path: self.path.clone(), cause: cause.to_string() }
    }

    /// The server was waited for in vain: nothing more will come.
    pub(crate) fn lost(&self) -> Option<ArchiveError> {
        let cause = self.remote.as_ref()?.given_up()?;
        Some(ArchiveError::Lost { path: self.path.clone(), cause })
    }

    /// An [`ArchiveError::Damaged`].
    pub(crate) fn damaged(&self, what: impl Into<String>, cause: impl ToString) -> ArchiveError {
        ArchiveError::Damaged { path: self.path.clone(), what: what.into(), cause: cause.to_string() }
    }

    /// Writes a pack, without waiting for the disk: rustic's backend would wait for each one. Whoever writes what refers
    /// to it calls [`Store::settle`] before.
    pub(crate) fn write_pack(&self, id: &Id, bytes: Vec<u8>) -> Result<Option<Unsettled>, ArchiveError> {
        let Some(folder) = &self.folder else {
            // Across the network what is written is as safe as the server makes it.
            self.write_raw(FileType::Pack, id, bytes)?;
            return Ok(None);
        };
        let name = crypto::hex(id);
        let directory = folder.join(FileType::Pack.dirname()).join(&name[..2]);
        let path = directory.join(&name);
        let temporary = temporary(&path);
        let write = || {
            durable::make_directories(&directory, 0o700)?;
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(&bytes)?;
            std::fs::rename(&temporary, &path)?;
            Ok(Some(Unsettled { file, directory: directory.clone() }))
        };
        write().map_err(|error: std::io::Error| {
            let _ = std::fs::remove_file(&temporary);
            self.failed("WRITE", error)
        })
    }

    /// Waits until packs are on the disk, with their names.
    pub(crate) fn settle(&self, packs: &mut Vec<Unsettled>) -> Result<(), ArchiveError> {
        let sync = |packs: &[Unsettled]| {
            for pack in packs {
                pack.file.sync_data()?;
                durable::sync_directory(&pack.directory)?;
            }
            Ok(())
        };
        let result = sync(packs).map_err(|error: std::io::Error| self.failed("WRITE", error));
        packs.clear();
        result
    }

    /// Writes an index file; gives its size in bytes.
    pub(crate) fn write_index(&self, index: &IndexFile) -> Result<u64, ArchiveError> {
        let json = serde_json::to_vec(index).map_err(|error| self.failed("WRITE", error))?;
        self.write_file(FileType::Index, &json).map(|(_, size)| size)
    }

    /// Writes an encrypted file under the hash of its bytes; gives id and size in bytes.
    pub(crate) fn write_file(&self, kind: FileType, json: &[u8]) -> Result<(Id, u64), ArchiveError> {
        let sealed = super::writer::seal_file(&self.key, json).map_err(|error| self.failed("WRITE", error))?;
        let (id, size) = (crypto::hash(&sealed), sealed.len() as u64);
        self.write_raw(kind, &id, sealed)?;
        Ok((id, size))
    }

    /// Removes a file, for good.
    pub(crate) fn remove(&self, kind: FileType, id: &Id) -> Result<(), ArchiveError> {
        match self.folder_path(kind, id) {
            Some(path) => durable::remove(&path).map_err(|error| self.failed("CHANGE", error)),
            None => guarded("CHANGE", &self.path, || self.backend.remove(kind, &rustic_id(id)?, false)),
        }
    }

    /// Writes a file; when this returns, a power cut does not take it away any more.
    pub(crate) fn write_raw(&self, kind: FileType, id: &Id, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let Some(path) = self.folder_path(kind, id) else {
            return guarded("WRITE", &self.path, || {
                self.backend.write_bytes(kind, &rustic_id(id)?, false, bytes.into())
            });
        };
        let write = || {
            if let Some(directory) = path.parent() {
                durable::make_directories(directory, 0o700)?;
            }
            durable::write(&path, &temporary(&path), &bytes, 0o600)
        };
        write().map_err(|error| self.failed("WRITE", error))
    }

    /// Where a file lies, when the repository is a folder.
    fn folder_path(&self, kind: FileType, id: &Id) -> Option<PathBuf> {
        let (folder, name) = (self.folder.as_ref()?, crypto::hex(id));
        Some(match kind {
            FileType::Config => folder.join("config"),
            FileType::Pack => folder.join(kind.dirname()).join(&name[..2]).join(name),
            _ => folder.join(kind.dirname()).join(name),
        })
    }

    /// Keeps what rustic made with a repository private, and safe from a power cut.
    pub(crate) fn settle_skeleton(&self) -> Result<(), ArchiveError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        // restic takes locks for reading, too, in a directory that rustic does not make.
        durable::make_directories(&folder.join("locks"), 0o700).map_err(|error| self.failed("CREATE", error))?;
        private(&folder.join("config"), 0o600)?;
        for directory in ["data", "index", "keys", "locks", "snapshots"] {
            private(&folder.join(directory), 0o700)?;
        }
        let settle = || {
            for packs in std::fs::read_dir(folder.join("data"))? {
                durable::sync_directory(&packs?.path())?;
            }
            for directory in ["data", "index", "keys", "locks", "snapshots"] {
                durable::sync_directory(&folder.join(directory))?;
            }
            durable::sync_file(&folder.join("config"))?;
            durable::sync_name(folder)
        };
        settle().map_err(|error| self.failed("CREATE", error))
    }

    /// Ids of the files of one type, sorted.
    pub(crate) fn list(&self, kind: FileType) -> Result<Vec<Id>, ArchiveError> {
        let list = guarded("LIST", &self.path, || self.backend.list(kind))?;
        let mut ids: Vec<Id> = list.iter().filter_map(|id| crypto::unhex(id.to_hex().as_str())).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Ids of the files of one type, with their sizes in bytes.
    pub(crate) fn list_with_sizes(&self, kind: FileType) -> Result<Vec<(Id, u32)>, ArchiveError> {
        let list = guarded("LIST", &self.path, || self.backend.list_with_size(kind))?;
        Ok(list.iter().filter_map(|(id, size)| Some((crypto::unhex(id.to_hex().as_str())?, *size))).collect())
    }

    /// The bytes of a file as they are stored.
    pub(crate) fn read_raw(&self, kind: FileType, id: &Id) -> Result<Vec<u8>, ArchiveError> {
        let bytes = guarded("READ", &self.path, || self.backend.read_full(kind, &rustic_id(id)?))?;
        Ok(bytes.into())
    }

    /// Part of a pack.
    pub(crate) fn read_part(&self, pack: &Id, offset: u32, length: u32) -> Result<Vec<u8>, ArchiveError> {
        let read = || self.backend.read_partial(FileType::Pack, &rustic_id(pack)?, false, offset, length);
        Ok(guarded("READ", &self.path, read)?.into())
    }

    /// The text of an encrypted file, checked against its name.
    pub(crate) fn read_file(&self, kind: FileType, id: &Id) -> Result<Vec<u8>, ArchiveError> {
        self.open_file(kind.dirname(), id, self.read_raw(kind, id)?)
    }

    /// The text of an encrypted file from its bytes; `directory` names it for people.
    pub(crate) fn open_file(&self, directory: &str, id: &Id, mut sealed: Vec<u8>) -> Result<Vec<u8>, ArchiveError> {
        let what = || format!("{directory} {}", crypto::hex(&id[..4]));
        if crypto::hash(&sealed) != *id {
            return Err(self.damaged(what(), "its content does not match its name"));
        }
        let text = self.key.open(&mut sealed).map_err(|error| self.damaged(what(), error))?;
        match text.split_first() {
            Some((b'{' | b'[', _)) => Ok(text.to_vec()),
            Some((2, frame)) => zstd::stream::decode_all(frame).map_err(|error| self.damaged(what(), error)),
            _ => Err(self.damaged(what(), "its encoding is unknown")),
        }
    }

    /// Reads all index files.
    pub(crate) fn load_index(&self) -> Result<Index, ArchiveError> {
        use rayon::prelude::*;
        let ids = self.list(FileType::Index)?;
        let files: Vec<_> = ids
            .par_iter()
            .map(|id| {
                let json = self.read_file(FileType::Index, id)?;
                serde_json::from_slice::<IndexFile>(&json)
                    .map_err(|error| self.damaged(format!("index {}", crypto::hex(&id[..4])), error))
            })
            .collect::<Result<_, _>>()?;
        let mut index = Index::default();
        for file in files {
            index.add(file);
        }
        Ok(index)
    }
}

/// The name of a file while it is written: rustic and restic take it for nothing, should it stay.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-tmp-");
    name.into()
}

/// Sets the mode of a file or directory, when it is there.
fn private(path: &Path, mode: u32) -> Result<(), ArchiveError> {
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ArchiveError::Store { action: "PROTECT", path: path.to_owned(), cause: error.to_string() })
        }
        _ => Ok(()),
    }
}

/// Our id as rustic's.
fn rustic_id(id: &Id) -> rustic_core::RusticResult<rustic_core::Id> {
    crypto::hex(id).parse()
}
