//! Why a step failed.

use lifeboat_sys::RunError;
use lifeboat_sys::mount::MountError;
use std::path::{Path, PathBuf};

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A program failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A layer could not be listed, stopped or written down.
    #[error(transparent)]
    Storage(#[from] lifeboat_storage::StorageError),
    /// A mount failed.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// A file or device could not be used.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `OPEN`, `READ`, `WRITE`, …
        action: &'static str,
        /// The file or device.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Something that the kernel should show did not appear.
    #[error("cannot FIND {what} within {seconds} s; {hint}")]
    Timeout {
        /// What was awaited.
        what: String,
        /// The deadline.
        seconds: u64,
        /// What to look at.
        hint: &'static str,
    },
    /// The disk is in use.
    #[error("cannot WIPE {disk}: {device} is mounted at {mount_point}; try unmounting it first")]
    InUse {
        /// The disk.
        disk: String,
        /// What is in use.
        device: String,
        /// Where.
        mount_point: PathBuf,
    },
    /// A layer that was made is still in use when everything is unmounted.
    #[error("cannot STOP the {layer}: {reason}; the files are all there, so try a restart")]
    Held {
        /// What it is.
        layer: String,
        /// Why it cannot be stopped.
        reason: String,
    },
    /// No key opens it.
    #[error(
        "cannot OPEN the LUKS device {device}: none of the archive's key files opens it; try the interactive mode, which asks for the \
         passphrase"
    )]
    Locked {
        /// The encrypted device.
        device: String,
    },
    /// The backup of its header cannot be used.
    #[error("cannot MAKE the LUKS device {uuid}: {reason}")]
    NoHeader {
        /// UUID of the header.
        uuid: String,
        /// Why, and what to try.
        reason: String,
    },
    /// A property that the tools here cannot make.
    #[error("cannot MAKE {what} on {device}: {reason}")]
    Unsupported {
        /// Filesystem or part of it.
        what: String,
        /// The device.
        device: String,
        /// Why, and what to try.
        reason: String,
    },
    /// What was made is not what was planned.
    #[error("cannot CONTINUE with {device}: {}", joined(.differences))]
    NotAsPlanned {
        /// The disk or partition.
        device: String,
        /// What is different.
        differences: Vec<Difference>,
    },
    /// The restored system lacks what makes it boot.
    #[error("cannot INSTALL {what}: {reason}")]
    Boot {
        /// The loader.
        what: String,
        /// Why, and what to try.
        reason: String,
    },
}

/// One property that came out otherwise than planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The property: `UUID`, `start of partition 2`.
    pub what: String,
    /// What was asked for.
    pub planned: String,
    /// What is there.
    pub found: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "its {} is {} instead of {}", self.what, self.found, self.planned)
    }
}

fn joined(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl RebuildError {
    /// Wraps an I/O error; for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RebuildError {
        let path = path.to_owned();
        move |source| RebuildError::Io { action, path, source }
    }

    /// Something that the tools here cannot make on a device, and why.
    pub(crate) fn unsupported(what: impl Into<String>, device: &Path, reason: impl Into<String>) -> RebuildError {
        RebuildError::Unsupported { what: what.into(), device: device.display().to_string(), reason: reason.into() }
    }
}
