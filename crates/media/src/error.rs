//! What can go wrong while a medium is written.

use lifeboat_rescue::RescueError;
use lifeboat_sys::RunError;
use std::path::{Path, PathBuf};

/// Why a medium could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A file or directory could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `READ`, `WRITE`, `MAKE`, …
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A program failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The root filesystem could not be read.
    #[error(transparent)]
    Sysroot(#[from] RescueError),
    /// There is no boot loader.
    #[error(
        "cannot MAKE {out} bootable: {root} has no GRUB files; try installing grub-pc-bin (BIOS), or \
         grub-efi-amd64-signed and shim-signed (UEFI)"
    )]
    NoLoader {
        /// The image.
        out: PathBuf,
        /// The root filesystem.
        root: PathBuf,
    },
    /// A file of the medium is missing among the inputs.
    #[error("cannot WRITE {out}: the medium needs the file lifeboat/{name}, which was not given")]
    Absent {
        /// The image.
        out: PathBuf,
        /// Its path below `/lifeboat/`.
        name: &'static str,
    },
    /// A name that is not allowed on a medium.
    #[error("cannot WRITE {out}: {name:?} is not a path below lifeboat/")]
    Name {
        /// The image.
        out: PathBuf,
        /// The name.
        name: String,
    },
    /// The kernel's command line cannot be signed as it is.
    #[error(
        "cannot SIGN {out}: its kernel parameters cannot be part of a signed program: {reason}; try changing --append, or append in lifeboat.toml"
    )]
    CommandLine {
        /// The image.
        out: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The image that was written is not what it should be.
    #[error("cannot USE {out}: reading it back found that {reason}; try again, and check the disk that holds it")]
    Verify {
        /// The image.
        out: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A directory tree holds something that is not a regular file.
    #[error("cannot PUT {0} on a medium: it is not a regular file or a directory")]
    Kind(PathBuf),
}

impl MediaError {
    /// Wraps an I/O error with the action and the path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> MediaError + use<> {
        let path = path.to_owned();
        move |source| MediaError::Io { action, path, source }
    }
}
