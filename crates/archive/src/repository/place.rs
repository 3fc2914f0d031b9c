//! Where a repository is.

use super::guard::guarded;
use super::remote::Remote;
use super::{crypto, folder};
use crate::ArchiveError;
use lifeboat_remote::{Fault, Files, Kind};
use rustic_backend::BackendOptions;
use rustic_core::RepositoryBackends;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of a medium, beside `repo`, that holds second copies of config and key files.
pub const SPARE: &str = "spare";

/// Where a repository is.
#[derive(Clone)]
pub enum Place {
    /// A local folder.
    Folder(PathBuf),
    /// A folder that belongs to a medium: nothing is written there, not even a lock.
    Sealed(PathBuf),
    /// Files that other code fetches.
    Files(Arc<dyn Files>),
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.label().display())
    }
}

impl Place {
    /// Its name for people.
    pub fn label(&self) -> PathBuf {
        match self {
            Place::Folder(path) | Place::Sealed(path) => path.clone(),
            Place::Files(files) => files.place().into(),
        }
    }

    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Place::Folder(path) | Place::Sealed(path) => Some(path),
            Place::Files(_) => None,
        }
    }

    /// Reports whether there is a repository.
    ///
    /// # Errors
    /// When the place cannot be accessed.
    pub fn is_repository(&self) -> Result<bool, ArchiveError> {
        match self {
            Place::Folder(path) | Place::Sealed(path) => Ok(folder::is_repository(path)),
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
                // One that lost its config; without snapshots it is only an unfinished one.
                for kind in [Kind::Key, Kind::Snapshot] {
                    if !files.list(kind).map_err(failed)?.iter().any(|(name, _)| crypto::unhex(name).is_some()) {
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
        Some(folder.parent()?.join(SPARE))
    }

    /// The backend for it.
    pub(crate) fn backends(&self) -> Result<RepositoryBackends, ArchiveError> {
        match self {
            Place::Folder(path) | Place::Sealed(path) => local(path),
            Place::Files(files) => guarded("OPEN", &self.label(), || {
                Ok(RepositoryBackends::new(Arc::new(Remote(Arc::clone(files))), None))
            }),
        }
    }
}

/// The backend for a directory.
fn local(path: &Path) -> Result<RepositoryBackends, ArchiveError> {
    let text = path.to_str().ok_or_else(|| ArchiveError::Store {
        action: "OPEN",
        path: path.to_owned(),
        cause: "its path is not UTF-8".to_owned(),
    })?;
    guarded("OPEN", path, || BackendOptions::default().repository(format!("local:{text}")).to_backends())
}
