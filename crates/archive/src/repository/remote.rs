//! Where a repository is, and rustic's view of one across the network.

use super::store::guarded;
use crate::ArchiveError;
use bytes::Bytes;
use lifeboat_remote::{Fault, Files, Kind};
use rustic_core::{
    BytesList, ErrorKind, FileType, Id, ReadBackend, RepositoryBackends, RusticError, RusticResult, WriteBackend,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a repository is.
#[derive(Clone)]
pub enum Place {
    /// A local folder.
    Folder(PathBuf),
    /// A folder that belongs to a medium: nothing is written there, not even a lock.
    Sealed(PathBuf),
    /// Files that somebody else fetches.
    Files(Arc<dyn Files>),
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.label().display())
    }
}

impl Place {
    /// What people call it.
    pub fn label(&self) -> PathBuf {
        match self {
            Place::Folder(path) | Place::Sealed(path) => path.clone(),
            Place::Files(files) => files.place().into(),
        }
    }

    /// The folder, when it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Place::Folder(path) | Place::Sealed(path) => Some(path),
            Place::Files(_) => None,
        }
    }

    /// Tells whether a repository is there.
    ///
    /// # Errors
    /// When the place cannot be asked.
    pub fn is_repository(&self) -> Result<bool, ArchiveError> {
        match self {
            Place::Folder(path) | Place::Sealed(path) => Ok(super::Repository::is_repository(path)),
            Place::Files(files) => {
                let failed = |fault: Fault| {
                    let cause = fault.to_string();
                    ArchiveError::Store { action: "OPEN", path: self.label(), cause }
                };
                match files.read(Kind::Config, "") {
                    Ok(_) => return Ok(true),
                    Err(Fault::Missing(_) | Fault::Impossible(_)) => {}
                    Err(fault) => return Err(failed(fault)),
                }
                // One that lost its config; without snapshots it is only the beginning of one.
                for kind in [Kind::Key, Kind::Snapshot] {
                    if !files.list(kind).map_err(failed)?.iter().any(|(name, _)| super::crypto::unhex(name).is_some()) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// Where a medium keeps second copies of the config and the key files of the repository on it.
    pub(crate) fn spare(&self) -> Option<PathBuf> {
        let folder = self.folder().filter(|folder| folder.ends_with("repo"))?;
        Some(folder.parent()?.join(super::spare::FOLDER))
    }

    /// The backend for it.
    pub(crate) fn backends(&self) -> Result<RepositoryBackends, ArchiveError> {
        match self {
            Place::Folder(path) | Place::Sealed(path) => super::store::backends(path),
            Place::Files(files) => guarded("OPEN", &self.label(), || {
                Ok(RepositoryBackends::new(Arc::new(Remote(Arc::clone(files))), None))
            }),
        }
    }
}

struct Remote(Arc<dyn Files>);

/// The same kind of file across the network.
pub(crate) fn kind(of: FileType) -> Kind {
    match of {
        FileType::Config => Kind::Config,
        FileType::Index => Kind::Index,
        FileType::Key => Kind::Key,
        FileType::Snapshot => Kind::Snapshot,
        FileType::Pack => Kind::Pack,
    }
}

fn failed(fault: Fault) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, "the place across the network does not serve", fault)
}

/// The name of a file at a place across the network.
pub(crate) fn name(of: FileType, id: &crate::table::Id) -> String {
    if of == FileType::Config { String::new() } else { super::crypto::hex(id) }
}

fn rustic_name(of: FileType, id: &Id) -> String {
    if of == FileType::Config { String::new() } else { id.to_hex().to_string() }
}

impl ReadBackend for Remote {
    fn location(&self) -> String {
        self.0.place()
    }

    fn list_with_size(&self, of: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if of == FileType::Config {
            return Ok(match self.0.read(Kind::Config, "") {
                Ok(bytes) => vec![(Id::default(), u32::try_from(bytes.len()).unwrap_or(u32::MAX))],
                Err(Fault::Missing(_) | Fault::Impossible(_)) => vec![],
                Err(fault) => return Err(failed(fault)),
            });
        }
        let files = self.0.list(kind(of)).map_err(failed)?;
        // What has another name is a file that was being written.
        let known = |(name, size): (String, u64)| {
            let id: Id = name.parse().ok()?;
            (name.len() == 64).then(|| (id, u32::try_from(size).unwrap_or(u32::MAX)))
        };
        Ok(files.into_iter().filter_map(known).collect())
    }

    fn read_full(&self, of: FileType, id: &Id) -> RusticResult<Bytes> {
        self.0.read(kind(of), &rustic_name(of, id)).map(Bytes::from).map_err(failed)
    }

    fn read_partial(&self, of: FileType, id: &Id, _: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        let part = self.0.read_part(kind(of), &rustic_name(of, id), offset.into(), length.into());
        part.map(Bytes::from).map_err(failed)
    }

    fn warmup_path(&self, of: FileType, id: &Id) -> String {
        kind(of).path(&rustic_name(of, id))
    }
}

impl WriteBackend for Remote {
    fn create(&self) -> RusticResult<()> {
        self.0.create().map_err(failed)
    }

    fn write_bytes(&self, of: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        let content = content.into_vec().concat();
        self.0.write(kind(of), &rustic_name(of, id), &content).map_err(failed)
    }

    fn remove(&self, of: FileType, id: &Id, _: bool) -> RusticResult<()> {
        self.0.remove(kind(of), &rustic_name(of, id)).map_err(failed)
    }
}
