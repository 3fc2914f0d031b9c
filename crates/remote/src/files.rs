//! The files of a repository, wherever it is.

use crate::Fault;

/// A kind of file in a repository (restic's doc/design.rst, "Repository Layout").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The one file `config`; it has no name of its own.
    Config,
    /// `keys/`
    Key,
    /// `index/`
    Index,
    /// `snapshots/`
    Snapshot,
    /// `data/`
    Pack,
    /// `locks/`
    Lock,
}

impl Kind {
    /// All that are directories.
    pub const DIRECTORIES: [Kind; 5] = [Kind::Pack, Kind::Index, Kind::Key, Kind::Lock, Kind::Snapshot];

    /// Its directory.
    pub fn directory(self) -> &'static str {
        match self {
            Kind::Config => "config",
            Kind::Key => "keys",
            Kind::Index => "index",
            Kind::Snapshot => "snapshots",
            Kind::Pack => "data",
            Kind::Lock => "locks",
        }
    }

    /// How large such a file can be, in bytes: it is not trusted before it is authenticated, so no larger one is fetched. Key files
    /// and locks have some hundred bytes to two thousand, snapshots some thousand, restic's and our indexes, of at most 50,000 blobs, some
    /// megabytes, restic's packs at most 128.
    pub fn largest(self) -> u64 {
        match self {
            Kind::Config | Kind::Key | Kind::Lock => 16 << 10,
            Kind::Snapshot => 16 << 20,
            Kind::Index => 64 << 20,
            Kind::Pack => 1 << 30,
        }
    }

    /// Path of a file in the usual layout: packs are in directories of the first two digits of their names.
    pub fn path(self, name: &str) -> String {
        match self {
            Kind::Config => "config".to_owned(),
            Kind::Pack => format!("data/{}/{name}", name.get(..2).unwrap_or(name)),
            _ => format!("{}/{name}", self.directory()),
        }
    }
}

/// No repository has more files of one kind: so many packs have 64 TiB. An endless list would fill the memory.
pub(crate) const MOST_FILES: usize = 4 << 20;

/// Why a list is not read any further.
pub(crate) const ENDLESS: &str = "the server's list has no end";

/// The files of a repository. Implementations wait for a lost server as long as their patience allows.
pub trait Files: Send + Sync {
    /// Where it is, for people.
    fn place(&self) -> String;

    /// Names and sizes in bytes of all files of a kind.
    ///
    /// # Errors
    /// [`Fault`]; a missing directory counts as empty.
    fn list(&self, kind: Kind) -> Result<Vec<(String, u64)>, Fault>;

    /// A whole file.
    ///
    /// # Errors
    /// [`Fault`].
    fn read(&self, kind: Kind, name: &str) -> Result<Vec<u8>, Fault>;

    /// Exactly `length` bytes from `offset` on.
    ///
    /// # Errors
    /// [`Fault`]; a file that ends earlier is a final one.
    fn read_part(&self, kind: Kind, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault>;

    /// Writes a file; when this returns it is as durable as the place allows.
    ///
    /// # Errors
    /// [`Fault`].
    fn write(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), Fault>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`Fault`].
    fn remove(&self, kind: Kind, name: &str) -> Result<(), Fault>;

    /// Creates what a new repository needs before its first file.
    ///
    /// # Errors
    /// [`Fault`].
    fn create(&self) -> Result<(), Fault>;

    /// Why nothing is retried any more, once waiting for the server has failed.
    fn given_up(&self) -> Option<String>;
}

/// Checks that a part has the requested length. A cut connection is an error of its own: a part that is too short comes from a
/// file that is too short, and waiting does not help.
pub(crate) fn whole_part(bytes: Vec<u8>, length: u64, what: &str) -> Result<Vec<u8>, Fault> {
    if bytes.len() as u64 == length {
        return Ok(bytes);
    }
    Err(Fault::ended("READ", what, format!("{} bytes were received instead of {length}", bytes.len())))
}
