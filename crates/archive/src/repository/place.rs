//! Where a repository is.

use super::guard::guarded;
use super::remote::Remote;
use super::{crypto, folder};
use crate::ArchiveError;
use lifeboat_remote::{Fault, Files, Kind};
use lifeboat_sys::trusted::{self, OpenError};
use rustic_backend::BackendOptions;
use rustic_core::RepositoryBackends;
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::fs::Mode;
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

    /// Holds a local folder, so that its path, which others may be able to change, is followed once; creates it when `make` is true. No link that another user made is followed.
    ///
    /// # Errors
    /// When it cannot be opened or created.
    pub(crate) fn hold(&self, make: bool) -> Result<Option<Held>, ArchiveError> {
        let Some(path) = self.folder() else { return Ok(None) };
        let opened = if make { trusted::make(path, Mode::RWXU) } else { trusted::open(path) };
        let action = if make { "CREATE" } else { "OPEN" };
        match opened {
            Ok(descriptor) => Ok(Some(Held::new(path, descriptor))),
            Err(OpenError::System { error, .. }) => Err(ArchiveError::io(action, path, error)),
            Err(error) => {
                let cause = format!("{error}; try the path that it leads to");
                Err(ArchiveError::Store { action, path: path.to_owned(), cause })
            }
        }
    }

    /// The backend for it.
    pub(crate) fn backends(&self, held: Option<&Held>) -> Result<RepositoryBackends, ArchiveError> {
        match self {
            Place::Folder(path) | Place::Sealed(path) => local(held.map_or(path, |held| &held.path)),
            Place::Files(files) => guarded("OPEN", &self.label(), || {
                Ok(RepositoryBackends::new(Arc::new(Remote(Arc::clone(files))), None))
            }),
        }
    }
}

/// A local folder that is held open.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// A path to it for this process, whatever becomes of its name.
    pub(crate) path: PathBuf,
    _descriptor: Arc<OwnedFd>,
}

impl Held {
    fn new(path: &Path, descriptor: OwnedFd) -> Held {
        let through = PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()));
        // Without /proc (proc(5)) there is only its name.
        let path = if through.is_dir() { through } else { path.to_owned() };
        Held { path, _descriptor: Arc::new(descriptor) }
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
