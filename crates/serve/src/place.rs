//! Where a path of the store leads, and work that waits for disks.

use crate::folder::Folder;
use crate::path::{Kind, Repo, StorePath};
use rustix::io::Errno;
use std::io;

/// Runs what waits for a disk on a thread of its own.
///
/// # Errors
/// Its error.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The file's folder below its repository, and its name.
pub fn place(path: &StorePath) -> (Vec<String>, String) {
    match path {
        StorePath::File(_, kind @ Kind::Data, name) => {
            (vec![kind.directory().to_owned(), name.prefix()], name.to_string())
        }
        StorePath::File(_, kind, name) => (vec![kind.directory().to_owned()], name.to_string()),
        StorePath::List(_, kind) => (vec![kind.directory().to_owned()], String::new()),
        StorePath::Repo(_) | StorePath::Config(_) => (vec![], "config".to_owned()),
    }
}

/// A path of the store for messages.
pub fn shown(path: &StorePath) -> String {
    let (folders, name) = place(path);
    std::iter::once(path.repo().as_str())
        .chain(folders.iter().map(String::as_str))
        .chain([name.as_str()])
        .collect::<Vec<_>>()
        .join("/")
}

/// The folder of a repository.
///
/// # Errors
/// The system's error.
pub fn open(store: &Folder, repo: &Repo) -> Result<Folder, Errno> {
    store.enter(repo.components())
}

/// The folder of a file.
///
/// # Errors
/// The system's error.
pub fn enter(store: &Folder, path: &StorePath) -> Result<Folder, Errno> {
    let (folders, _) = place(path);
    open(store, path.repo())?.enter(folders.iter().map(String::as_str))
}

/// Seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
