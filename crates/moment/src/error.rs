//! Why something failed.

use lifeboat_sys::RunError;
use std::path::PathBuf;

/// Why snapshots were not taken.
#[derive(Debug, thiserror::Error)]
pub enum MomentError {
    /// A program failed.
    #[error(transparent)]
    Program(#[from] RunError),
    /// A report of LVM is not what it should be.
    #[error("cannot READ the report of {command}: {cause}")]
    Report {
        /// The call.
        command: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The snapshot was taken, but cannot be read.
    #[error(transparent)]
    Mount(#[from] lifeboat_sys::mount::MountError),
    /// The system's error.
    #[error("cannot {action} {}: {source}", path.display())]
    System {
        /// In capitals.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A filesystem that must not be frozen was named.
    #[error("cannot FREEZE {}: {why}", path.display())]
    NotToBeFrozen {
        /// As it was named.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// A snapshot that is required cannot be taken.
    #[error("cannot take a SNAPSHOT of {}: {why}", path.display())]
    Required {
        /// Where the filesystem is mounted.
        path: PathBuf,
        /// The reason.
        why: String,
    },
}

impl MomentError {
    /// A failed system call.
    pub(crate) fn system(action: &'static str, path: impl Into<PathBuf>, source: impl Into<std::io::Error>) -> Self {
        MomentError::System { action, path: path.into(), source: source.into() }
    }
}
