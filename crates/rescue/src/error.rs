//! What can go wrong while a rescue system is built.

use lifeboat_sys::RunError;
use std::path::{Path, PathBuf};

/// Why a rescue system could not be built.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
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
    /// The machine has no kernel of the wanted release.
    #[error("cannot FIND a kernel in {root}: {reason}; try {remedy}")]
    Kernel {
        /// The root filesystem.
        root: PathBuf,
        /// What is missing.
        reason: String,
        /// The remedy.
        remedy: String,
    },
    /// A program that every rescue system needs is missing.
    #[error(
        "cannot FIND the program {name} in {root}: the rescue system needs it; try installing the package {package}"
    )]
    Program {
        /// File name.
        name: String,
        /// Package that has it.
        package: String,
        /// The root filesystem.
        root: PathBuf,
    },
    /// A library that a program needs is missing.
    #[error("cannot FIND the library {library} that {file} needs; try reinstalling the package that {file} belongs to")]
    Library {
        /// `DT_NEEDED` name.
        library: String,
        /// What needs it.
        file: PathBuf,
    },
    /// A library exists, but is too old for a program.
    #[error("cannot USE {path} for {file}: it lacks the version {version}; try a lifeboat built for this distribution")]
    LibraryVersion {
        /// The library.
        path: PathBuf,
        /// What needs it.
        file: PathBuf,
        /// Symbol version, `GLIBC_2.36`.
        version: String,
    },
    /// A file does not have the format that its name promises.
    #[error("cannot READ {path}: {reason}")]
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Links that lead in a circle.
    #[error("cannot FOLLOW {0}: too many levels of symbolic links")]
    Loop(PathBuf),
    /// A module index names a module that does not exist.
    #[error("cannot FIND the module {name} of kernel {release}; try reinstalling the kernel package")]
    Module {
        /// Module name.
        name: String,
        /// Kernel release.
        release: String,
    },
    /// Something that the configuration names does not exist.
    #[error("cannot FIND {what}, which the configuration wants in tools.img")]
    Extra {
        /// What is wanted.
        what: String,
    },
    /// The cpio format cannot hold it.
    #[error("cannot STORE {path} in the initramfs: {reason}")]
    Cpio {
        /// Which.
        path: PathBuf,
        /// Which limit it breaks.
        reason: &'static str,
    },
}

impl RescueError {
    /// Wraps an I/O error with the action and the path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RescueError + use<> {
        let path = path.to_owned();
        move |source| RescueError::Io { action, path, source }
    }
}
