//! Where the boot process found medium and archive: the content of [`crate::run::SOURCE`], written by init and read by the
//! recovery.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `source.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordedSource {
    /// A tape with the archive.
    Tape(FoundTape),
    /// A medium.
    Medium(FoundMedium),
}

/// A medium that was found and mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundMedium {
    /// `disc`, `usb` or `disk`.
    pub kind: String,
    /// Kernel path of the device.
    pub device: PathBuf,
    /// Where it is mounted.
    pub mount: PathBuf,
}

/// A tape that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundTape {
    /// `tape`.
    pub kind: String,
    /// Kernel path of the drive.
    pub device: PathBuf,
    /// Filemarks before the header of the volume.
    pub file: u32,
    /// Blocks between the last of them and the header.
    pub block: u32,
    /// Size of the volume's blocks in bytes.
    pub block_bytes: u32,
    /// Id of the set.
    pub set: String,
    /// Number of the volume.
    pub volume: u32,
    /// The machine whose archive it is.
    pub machine: String,
    /// When the set was begun.
    pub time: String,
    /// The medium beside it, which may carry tools and the key.
    pub medium: Option<FoundMedium>,
}
