//! Why there is no volume.

use super::header::HeaderError;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no volume.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// None at all.
    #[error(
        "there is no tape drive, or no driver for it; try checking its power and cable, and the log for devices \
         without driver"
    )]
    NoDrives,
    /// Not this one.
    #[error("cannot OPEN {}: there is no such tape drive; try another name, or the word 'tape' for any drive that is \
     present", device.display())]
    NoDrive {
        /// The device.
        device: PathBuf,
    },
    /// The drive is empty.
    #[error("cannot READ {}: there is no cartridge in the drive; try again with the tape inserted", device.display())]
    NoCartridge {
        /// The device.
        device: PathBuf,
    },
    /// Another program has it open.
    #[error("cannot OPEN {}: another program uses the drive; try again when that program has ended", device.display())]
    Busy {
        /// The device.
        device: PathBuf,
    },
    /// It does not load what is in it.
    #[error("cannot OPEN {}: the drive does not become ready ({source}); try another cartridge, or a cleaning cartridge", device.display())]
    NotReady {
        /// The device.
        device: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Nothing is recorded on it.
    #[error("cannot READ the tape in {}: it is blank; try another tape", device.display())]
    Blank {
        /// The device.
        device: PathBuf,
    },
    /// Its first block cannot be read.
    #[error("cannot READ the tape in {}: {source}; it is damaged, or was written by a newer drive; try another tape", device.display())]
    Unreadable {
        /// The device.
        device: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no header on the tape.
    #[error("the tape in {} is not a Lifeboat tape: it begins with {begins_with}; try another one", device.display())]
    Foreign {
        /// The device.
        device: PathBuf,
        /// What is there instead.
        begins_with: &'static str,
    },
    /// There is a header that cannot be used.
    #[error("cannot USE the tape in {}: {source}", device.display())]
    Header {
        /// The device.
        device: PathBuf,
        /// Why.
        source: HeaderError,
    },
    /// Anything else.
    #[error("cannot {verb} {}: {source}", device.display())]
    Io {
        /// What was done.
        verb: &'static str,
        /// The device.
        device: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl TapeError {
    /// Why a drive could not be opened.
    pub(super) fn opening(device: &Path, source: io::Error) -> TapeError {
        let device = device.to_owned();
        match source.raw_os_error() {
            Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => TapeError::NoDrive { device },
            Some(libc::EBUSY) => TapeError::Busy { device },
            Some(libc::ENOMEDIUM) => TapeError::NoCartridge { device },
            Some(libc::EIO) => TapeError::NotReady { device, source },
            _ => TapeError::Io { verb: "OPEN", device, source },
        }
    }
}
