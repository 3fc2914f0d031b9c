//! Why an operation on an archive failed as a whole. What concerns one entry is a [`Problem`](crate::Problem).

use std::io;
use std::path::{Path, PathBuf};

/// Why an operation on an archive failed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A path could not be used.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `OPEN`, `READ`, `WRITE`, …
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Somebody else controls where restored files go.
    #[error("cannot RESTORE to {path}: {cause}, who could replace restored files")]
    Untrusted {
        /// The folder.
        path: PathBuf,
        /// Who owns it, or where its path leads.
        cause: String,
    },
    /// The place does not hold a repository.
    #[error(
        "cannot OPEN {path}: it is not a repository; try mounting its disk or share, or `lifeboat backup --init \
         --to`, which makes a new repository"
    )]
    NotARepository {
        /// The place.
        path: PathBuf,
    },
    /// A repository was to be created where one exists.
    #[error("cannot CREATE a repository in {path}: one exists already")]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// A repository was to be created in a directory that holds something else.
    #[error("cannot CREATE a repository in {path}: the directory is not empty; try an empty or a new directory")]
    NotEmpty {
        /// The place.
        path: PathBuf,
    },
    /// No key of the repository opens with this secret.
    #[error(
        "cannot UNLOCK the repository {path}: the key does not match{more}; try another key file or the recovery words"
    )]
    WrongKey {
        /// The repository.
        path: PathBuf,
        /// What else is wrong with its key files.
        more: String,
    },
    /// No key file of the repository can be used.
    #[error("cannot UNLOCK the repository {path}: none of its key files can be used: {cause}")]
    NoKey {
        /// The repository.
        path: PathBuf,
        /// What is wrong with the first.
        cause: String,
    },
    /// The creation of a repository was interrupted, and it has another key.
    #[error(
        "cannot CREATE a repository in {path}: it holds an incomplete repository, whose creation was interrupted and \
         which this key does not open; try removing what is there"
    )]
    Begun {
        /// The place.
        path: PathBuf,
    },
    /// The directory of key files is empty: no secret can open the repository.
    #[error("cannot UNLOCK the repository {path}: its key files were removed; try copying one back into {path}/keys")]
    NoKeys {
        /// The repository.
        path: PathBuf,
    },
    /// A repository of another version than 2.
    #[error(
        "cannot OPEN the repository {path}: it has version {found}; this release reads version 2; {}",
        if *.found < 2 { "try `restic migrate upgrade_repo_v2`" } else { "try the release that wrote it" }
    )]
    Version {
        /// The repository.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
    /// Something in the repository does not decrypt, decode or match its hash.
    #[error("cannot READ {what} of the repository {path}: it is damaged: {cause}")]
    Damaged {
        /// The repository.
        path: PathBuf,
        /// Which part.
        what: String,
        /// What is wrong.
        cause: String,
    },
    /// The store failed.
    #[error("cannot {action} the repository {path}: {cause}")]
    Store {
        /// `READ`, `WRITE`, `LIST`, …
        action: &'static str,
        /// The repository.
        path: PathBuf,
        /// Its reason.
        cause: String,
    },
    /// Waiting for the server that holds the repository has failed.
    #[error("cannot READ the repository {path}: {cause}")]
    Lost {
        /// The repository.
        path: PathBuf,
        /// How long we waited, and what came instead of an answer.
        cause: String,
    },
    /// Somebody else is using the repository.
    #[error(
        "cannot {action} the repository {path}: it is locked{} by {holder}; try again when it has ended, or `restic \
         unlock` if it no longer runs", if *.exclusive { " exclusively" } else { "" }
    )]
    Locked {
        /// `WRITE`, `READ`, `CHANGE`.
        action: &'static str,
        /// The repository.
        path: PathBuf,
        /// Nobody else may even read it.
        exclusive: bool,
        /// Whose lock it is: process, host, age.
        holder: String,
    },
    /// The lock was not held all the time: what was written may have been removed by somebody meanwhile.
    #[error(
        "cannot WRITE a snapshot into the repository {path}: {cause}, so files that it needs may have been removed meanwhile; \
         try again"
    )]
    LockLost {
        /// The repository.
        path: PathBuf,
        /// What happened to it.
        cause: String,
    },
    /// It cannot be known what snapshots need, so nothing was removed.
    #[error("cannot PRUNE the repository {path}: {cause}; nothing was removed")]
    Unsafe {
        /// The repository.
        path: PathBuf,
        /// What is not known.
        cause: String,
    },
    /// Nothing can be removed there.
    #[error("cannot REMOVE from the repository {path}: {cause}")]
    AppendOnly {
        /// The repository.
        path: PathBuf,
        /// Who refuses it.
        cause: String,
    },
    /// Files that were just written, or relied on, are gone.
    #[error(
        "cannot WRITE a snapshot into the repository {path}: {packs} of the packs that it needs disappeared during the backup, the \
         first is {first}; try again, and find out what removes files there without a lock"
    )]
    Vanished {
        /// The repository.
        path: PathBuf,
        /// How many.
        packs: usize,
        /// The name of the first.
        first: String,
    },
    /// The target has no room left.
    #[error(
        "cannot WRITE {path}: No space left on device; restored {restored} of {total} entries; try a larger target"
    )]
    Full {
        /// The file that did not fit.
        path: PathBuf,
        /// Entries that were restored completely.
        restored: u64,
        /// Entries that were to be restored.
        total: u64,
    },
    /// The requested snapshot does not exist, or its name matches several.
    #[error("cannot FIND the snapshot {wanted}: {cause}")]
    Snapshot {
        /// What was asked for.
        wanted: String,
        /// Why it does not name one snapshot.
        cause: String,
    },
    /// The requested path is not in the snapshot.
    #[error("cannot FIND {path} in the snapshot {snapshot}")]
    NotInSnapshot {
        /// The path.
        path: PathBuf,
        /// The snapshot's short id.
        snapshot: String,
    },
    /// The caller's closure refused to make the manifest.
    #[error("cannot MAKE the manifest: {cause}")]
    Manifest {
        /// Its reason.
        cause: String,
    },
    /// A stream was to be encrypted with a passphrase.
    #[error(
        "cannot ENCRYPT a stream with a passphrase: everyone who has the stream could guess at it; try `lifeboat key create`, which \
         makes a random key"
    )]
    PassphraseForStream,
    /// A stream could not be written or read.
    #[error("cannot {action} the stream {path}: {cause}")]
    Stream {
        /// `WRITE`, `READ`, `OPEN`, …
        action: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why, with what to try.
        cause: String,
    },
    /// Something in a stream is not what was written.
    #[error("cannot READ the stream {path}: {cause}")]
    DamagedStream {
        /// Where it is.
        path: PathBuf,
        /// Which part, and what is wrong with it.
        cause: String,
    },
    /// A stream is for another key.
    #[error("cannot UNLOCK the stream {path}: the key does not match; try another key file or the recovery words")]
    WrongKeyForStream {
        /// Where it is.
        path: PathBuf,
    },
    /// A library panicked; a defect, kept from ending the program.
    #[error("cannot {action}: internal error in a library: {cause}")]
    Panicked {
        /// What was being done.
        action: &'static str,
        /// The panic's message.
        cause: String,
    },
}

impl ArchiveError {
    /// Something in the repository is damaged.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            ArchiveError::Damaged { .. }
                | ArchiveError::NoKey { .. }
                | ArchiveError::NoKeys { .. }
                | ArchiveError::DamagedStream { .. }
        )
    }

    /// An [`ArchiveError::Io`].
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        ArchiveError::Io { action, path: path.as_ref().to_owned(), source: source.into() }
    }
}

/// `None` for what is not in a snapshot.
pub(crate) fn if_there<T>(read: Result<T, ArchiveError>) -> Result<Option<T>, ArchiveError> {
    match read {
        Ok(content) => Ok(Some(content)),
        Err(ArchiveError::NotInSnapshot { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
